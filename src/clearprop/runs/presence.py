"""Which processes of a sweep are alive: each holds a locked file in the sweep's folder, and lets go of it in death."""

import sys
from collections.abc import Container, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO
from uuid import uuid4

from clearprop.files import make_folder

if sys.platform != "win32":
    import fcntl

FOLDER = ".workers"


class Presence:
    """This process's mark, and what the marks of others say.

    Parameters
    ----------
    folder : Path
        The sweep's.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / FOLDER
        self.name = uuid4().hex
        self._mark: IO[str] | None = None

    def begin(self) -> None:
        if sys.platform == "win32":
            return
        while self._mark is None:
            make_folder(self.folder)
            with suppress(FileNotFoundError):  # the last to leave has just removed the folder
                self._mark = (self.folder / self.name).open("w")
        with suppress(OSError):  # a disk in the network without locks
            fcntl.flock(self._mark, fcntl.LOCK_EX)

    def end(self, keep: Container[str] | None = ()) -> None:
        """Take the mark away, and those of the dead but for the ones to keep; None keeps all."""
        if self._mark is not None:
            (self.folder / self.name).unlink(missing_ok=True)
            self._mark.close()
            self._mark = None
            with suppress(OSError):  # others are at work, or have just left
                for mark in list(self.folder.iterdir()):
                    if keep is not None and mark.name not in keep and self.is_alive(mark.name) is False:
                        mark.unlink(missing_ok=True)
                self.folder.rmdir()

    def is_alive(self, name: str | None) -> bool | None:
        """Whether a process lives, by its name; None where nothing here tells: it may be on another machine."""
        if name == self.name and self._mark is not None:
            return True
        if sys.platform == "win32" or not name or not (self.folder / name).is_file():
            return None
        with suppress(OSError), (self.folder / name).open() as mark:
            try:
                fcntl.flock(mark, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False
        return None


@contextmanager
def alone(path: Path | None) -> Iterator[None]:
    """One process at a time, by a lock on a file; None needs no lock."""
    if path is None or sys.platform == "win32":
        yield
        return
    with path.open("a") as file:
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
