"""Files written whole or not at all: beside, flushed, renamed."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from clearprop.errors import FileError
from clearprop.messages.files import refused


def replace_file(path: str | Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file so that at every moment either the old one or the whole new one lies there.

    The bytes go into a file beside it (`.name.PROCESS.part`), are flushed to the disk, and the file is then
    renamed. If `write` raises, the file beside is removed and the old one stays as it was.

    Parameters
    ----------
    path : str or Path
        The file to make or to replace. Its folder must exist.
    write : callable
        Writes the content to the binary file that it is given.

    Raises
    ------
    FileError
        When the disk is full or the folder cannot be written.

    Examples
    --------
    >>> replace_file("note.txt", lambda file: file.write(b"kept"))  # doctest: +SKIP
    """
    path = Path(path)
    if not path.name:
        raise FileError(f"{str(path)!r}: expected a file's name, got none. Choose one.")
    if path.exists() and not (path.is_file() or path.is_dir()):  # a folder's error says more
        raise FileError(
            f"{path}: expected a file or nothing there, got a device or a pipe. Choose another name."
        )
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            with beside.open("wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        except BaseException:
            _remove(beside)
            raise
        _flush_folder(path.parent)
    except FileError:
        raise
    except OSError as err:
        kept = "the file there is as it was" if path.exists() else "nothing is left of it"
        raise refused(path, f"could not be written, {kept}", err) from err


def make_folder(path: str | Path) -> Path:
    """Make a folder, and those above it, where they do not exist yet.

    >>> make_folder(".").is_dir()
    True
    """
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise refused(path, "the folder could not be made", err) from err
    return path


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:  # what went wrong before this is what the user needs to read
        return


def _flush_folder(folder: Path) -> None:
    """Make the rename itself outlive a power cut, where the system has a way to."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
