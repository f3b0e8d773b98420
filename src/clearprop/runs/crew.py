"""Who carries out a sweep's trials: this process, processes of its own, or an executor that somebody gives."""

import os
import signal
import threading
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager, suppress
from multiprocessing import active_children, get_context, parent_process
from types import FrameType
from typing import Any

Work = Callable[[Any], dict[str, Any]]


class Here(Executor):
    """Carries out what it is given at once."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future


class Crew:
    """So many trials at a time.

    Parameters
    ----------
    jobs : int
    executor : Executor, optional
        Who works; by default this process, or if there are several jobs so many processes of its own, which end
        with this one, however it ends.
    """

    def __init__(self, jobs: int, executor: Executor | None = None) -> None:
        self.jobs, self.given = jobs, executor is not None
        self._before = set(active_children())
        self._executor = executor or self._hire()

    def _hire(self) -> Executor:
        if self.jobs == 1:
            return Here()
        return ProcessPoolExecutor(self.jobs, get_context("spawn"), _begin)

    def submit(self, work: Work, task: Any) -> "Future[dict[str, Any]]":
        if isinstance(self._executor, ProcessPoolExecutor) and not self.given:
            with _deaf_to_ctrl_c():
                return self._executor.submit(_attentive, work, task)
        return self._executor.submit(work, task)

    def wait(self, futures: "Collection[Future[dict[str, Any]]]") -> "set[Future[dict[str, Any]]]":
        """Those that are done, as soon as there is one."""
        return wait(futures, return_when=FIRST_COMPLETED).done

    def interrupt(self) -> None:
        """Ask the processes of its own to end after the step at which they are; others are waited for."""
        if self.given or os.name != "posix":
            return
        for child in set(active_children()) - self._before:
            if child.pid is not None:
                with suppress(ProcessLookupError):  # it has just ended
                    os.kill(child.pid, signal.SIGINT)

    def renew(self) -> None:
        """New processes in place of those of which one was killed."""
        self._executor.shutdown(wait=True)
        self._executor = self._hire()

    def close(self) -> None:
        if not self.given:
            self._executor.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """Ctrl-C waits until a worker that is started here is ready for it: see `_begin`."""
    if os.name != "posix":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_asked = False  # in a worker: whether it was asked to end


def _begin() -> None:
    """In a worker: Ctrl-C comes from the parent alone, and the worker ends with it."""
    signal.signal(signal.SIGINT, _remember)
    if os.name == "posix":
        os.setpgrp()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _remember(signum: int, frame: FrameType | None) -> None:
    global _asked
    _asked = True


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _attentive(work: Work, task: Any) -> dict[str, Any]:
    """The work, which Ctrl-C interrupts; the worker itself it does not."""
    if _asked:
        raise KeyboardInterrupt
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return work(task)
    finally:
        signal.signal(signal.SIGINT, _remember)
