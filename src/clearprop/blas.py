"""Threads: how many the matrix products under NumPy run on, and how many are allowed in all."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

_allowed: ContextVar[int | None] = ContextVar("allowed", default=None)

# What undoes each of the limits under way. BLAS has one number of threads for the whole process, and trainings in
# several threads need not end in the order in which they began.
_lock, _limits = threading.Lock(), list[list[Any]]()


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
    with _lock:
        _limits.append(limit := [_controller().limit(limits=n, user_api="blas")])
    try:
        yield
    finally:
        _allowed.reset(token)
        with _lock:
            after = _limits[_limits.index(limit) + 1 :]
            _limits.remove(limit)
            if after:  # it stays in force, and is to undo this one, too
                after[0][:] = limit
            else:
                limit[0].restore_original_limits()


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
