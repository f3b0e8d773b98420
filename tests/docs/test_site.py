"""The documentation site: it builds without a warning or the network, and its reference leaves nothing public out."""

import importlib
import inspect
import os
import pkgutil
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

import clearprop
import clearprop.data
import clearprop.gradcheck
import clearprop.kernels
import clearprop.lens.plots
import clearprop.runs

pytest.importorskip("sphinx")
pytest.importorskip("myst_parser")
pytest.importorskip("furo")

DOCS = Path(__file__).parents[2] / "docs"
ROOMS = ("init", "metrics", "optim", "schedules")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the site, built with warnings as errors."""
    scratch = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html"]
    command += ["-d", str(scratch / "doctrees"), str(DOCS), str(scratch / "html")]
    nowhere = "http://127.0.0.1:9"  # whatever asks for the network is refused
    environment = {**os.environ, "http_proxy": nowhere, "https_proxy": nowhere}
    done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", timeout=300)
    if done.returncode:
        pytest.fail(f"sphinx-build:\n{done.stdout}{done.stderr}", pytrace=False)
    return scratch / "html"


@pytest.fixture(scope="module")
def documented(site):
    """The Python names that the reference documents."""
    *head, packed = (site / "objects.inv").read_bytes().split(b"\n", 4)
    assert head[0] == b"# Sphinx inventory version 2"
    entries = (line.split(" ", 2) for line in zlib.decompress(packed).decode().splitlines())
    return {name for name, role, _ in entries if role.startswith("py:")}


def found(name):
    """The object of a dotted name."""
    module, rest = name, []
    while module not in sys.modules:
        module, _, last = module.rpartition(".")
        rest.insert(0, last)
    thing = sys.modules[module]
    for part in rest:
        thing = getattr(thing, part, None)
    return thing


def public_things(module):
    """The functions and classes that a module itself defines, but for the caches of kernels."""
    for name, thing in vars(module).items():
        own = (inspect.isfunction(thing) or inspect.isclass(thing)) and thing.__module__ == module.__name__
        if own and not name.startswith("_") and not name.endswith("Cache"):
            yield f"{module.__name__}.{name}", thing


def modules_of(package):
    return [
        importlib.import_module(f"{package.__name__}.{module.name}")
        for module in pkgutil.iter_modules(package.__path__)
    ]


def test_it_has_a_page_for_every_file(site):
    pages = {
        path.relative_to(DOCS).with_suffix(".html")
        for path in DOCS.glob("**/*.md")
        if "_build" not in path.parts
    }
    assert [str(page) for page in sorted(pages) if not (site / page).is_file()] == []


def test_every_public_name_is_documented(documented):
    assert [name for name in clearprop.__all__ if f"clearprop.{name}" not in documented] == []


def test_every_public_thing_of_the_rooms_is_documented(documented):
    modules = [importlib.import_module(f"clearprop.{name}") for name in ROOMS]
    modules += modules_of(clearprop.kernels) + modules_of(clearprop.runs)
    things = dict(pair for module in modules for pair in public_things(module))
    for room in (clearprop.data, clearprop.gradcheck, clearprop.lens.plots):
        things |= {f"{room.__name__}.{name}": getattr(room, name) for name in room.__all__}
    there = [found(name) for name in documented]
    missing = [
        name
        for name, thing in things.items()
        if (inspect.isfunction(thing) or inspect.isclass(thing))
        and not any(thing is other for other in there)
    ]
    assert missing == []
