"""The folder of a module's KEY, laid out once for all of its tests, which change copies of it."""

import pytest
from students import laid_out


def _folder(request, tmp_path_factory, name, solution):
    key = request.module.KEY
    return laid_out(key, tmp_path_factory.mktemp(name) / key, solution=solution)


@pytest.fixture(scope="module")
def complete(request, tmp_path_factory):
    """With the parts that students write."""
    return _folder(request, tmp_path_factory, "complete", True)


@pytest.fixture(scope="module")
def empty(request, tmp_path_factory):
    """As students begin."""
    return _folder(request, tmp_path_factory, "empty", False)
