"""Downloads: beside, checked, and only then put in place."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from clearprop.data.registry import SourceFile, check_file, data_folder, remedy, source
from clearprop.errors import DataError
from clearprop.files import make_folder, replace_file

OpenBar = Callable[[str], Any]  # a file's name -> what pooch reports progress to


def fetch(name: str, progress: bool = True) -> list[Path]:
    """Download the files of a data set that are not in place yet, and check every one of them.

    Parameters
    ----------
    name : str
        A data set of `clearprop data list`.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    list of Path
        The files, as they were published.

    Raises
    ------
    DataError
        When no address gives the file with the right SHA-256. A file already in place stays.
    FileError
        When the data folder cannot be written.

    Examples
    --------
    >>> fetch("mnist")  # doctest: +SKIP
    """
    with _bars(progress) as open_bar:
        return [_fetch_file(name, file, open_bar) for file in source(name).files]


def _fetch_file(name: str, file: SourceFile, open_bar: OpenBar) -> Path:
    status = check_file(file)
    if status.state == "good":
        return status.path
    if not file.urls:
        raise DataError(f"{status.sentence} {remedy(name)}")
    path = data_folder() / file.path  # a damaged archive may lie elsewhere
    make_folder(path.parent)
    failures = []
    for url in file.urls:
        try:
            replace_file(path, _downloader(url, file, open_bar))
        except DataError as err:
            failures.append(str(err))
        else:
            return path
    raise DataError(
        f"{file.name} could not be downloaded. {' '.join(failures)} Check the network and try again, "
        f"or put the file into {path.parent} yourself."
    )


def _downloader(url: str, file: SourceFile, open_bar: OpenBar) -> Callable[[BinaryIO], None]:
    """What writes the file at an address into a stream, and refuses it if it is not the one expected."""

    def write(stream: BinaryIO) -> None:
        import pooch
        import requests

        sink = _HashingSink(stream, file.size)
        try:
            pooch.HTTPDownloader(progressbar=open_bar(file.name))(url, sink, None)
        except requests.HTTPError as err:
            raise DataError(f"The server answered: {err}.") from err
        except requests.exceptions.ChunkedEncodingError as err:
            raise DataError(f"{url} broke off before the {file.size:,} bytes were there; not kept.") from err
        except requests.RequestException as err:
            raise DataError(f"{url} gave no answer ({type(err).__name__}).") from err
        if sink.hash.hexdigest() != file.sha256:
            raise DataError(
                f"{url} gave a truncated or altered file: expected {file.size:,} bytes with SHA-256 "
                f"{file.sha256}, got {sink.size:,} bytes with SHA-256 {sink.hash.hexdigest()}; not kept."
            )

    return write


class _HashingSink:
    """A stream that knows the size and the SHA-256 of what went through it."""

    def __init__(self, stream: BinaryIO, most: int) -> None:
        self.stream = stream
        self.most = most
        self.hash = hashlib.sha256()
        self.size = 0

    def write(self, chunk: bytes) -> None:
        self.hash.update(chunk)
        self.size += len(chunk)
        if self.size <= self.most:  # the rest of a longer file, which is refused in the end, need not be kept
            self.stream.write(chunk)

    def flush(self) -> None:
        self.stream.flush()


@contextmanager
def _bars(progress: bool) -> Iterator[OpenBar]:
    if not progress:
        yield lambda name: False
        return
    from rich import progress as bars
    from rich.console import Console

    columns = (
        bars.TextColumn("{task.description}"), bars.BarColumn(), bars.DownloadColumn(),
        bars.TransferSpeedColumn(), bars.TimeRemainingColumn(),
    )  # fmt: skip
    with bars.Progress(*columns, console=Console(stderr=True)) as shown:
        yield lambda name: _RichBar(shown, shown.add_task(name, total=None))


class _RichBar:
    """What pooch expects of a progress bar (tqdm's `total`, `update`, `reset`, `close`), shown by Rich."""

    def __init__(self, shown: Any, task: Any) -> None:
        self.shown = shown
        self.task = task

    @property
    def total(self) -> float | None:
        total: float | None = self.shown.tasks[self.task].total
        return total

    @total.setter
    def total(self, size: int) -> None:
        self.shown.update(self.task, total=size or None)

    def update(self, size: int) -> None:
        self.shown.advance(self.task, size)

    def reset(self) -> None:
        self.shown.update(self.task, completed=0)

    def close(self) -> None:
        self.shown.stop_task(self.task)
