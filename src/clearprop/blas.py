"""The matrix products under NumPy: on how many threads they run."""

import os
from contextlib import AbstractContextManager
from functools import cache
from typing import Any


@cache
def _controller() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def threads_each(n: int) -> AbstractContextManager[Any]:
    """Matrix products inside this run on n threads each; with 1, on the thread that calls them and no other.

    >>> with threads_each(1):
    ...     pass
    """
    limit: AbstractContextManager[Any] = _controller().limit(limits=n, user_api="blas")
    return limit


def threads_now() -> int:
    """The threads that matrix products run on by the user's own setting, at most one a core."""
    found = [library["num_threads"] for library in _controller().info() if library["user_api"] == "blas"]
    return min(cores(), max(found, default=1))


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
