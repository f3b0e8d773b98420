"""Threads: how many the matrix products under NumPy run on, and how many are allowed in all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

_allowed: ContextVar[int | None] = ContextVar("allowed", default=None)


@cache
def _controller() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@contextmanager
def threads_each(n: int, workers: int = 1) -> Iterator[None]:
    """Matrix products inside this run on n threads each, for each of so many workers.

    With n = 1 they run on the thread that calls them and no other.

    >>> with threads_each(1, workers=2):
    ...     threads_now()
    2
    """
    token = _allowed.set(n * workers)
    try:
        with _controller().limit(limits=n, user_api="blas"):
            yield
    finally:
        _allowed.reset(token)


def threads_now() -> int:
    """The threads to use: those of the training that is under way, else by the user's own setting, one a core."""
    if (allowed := _allowed.get()) is not None:
        return allowed
    found = [library["num_threads"] for library in _controller().info() if library["user_api"] == "blas"]
    return min(cores(), max(found, default=1))


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
