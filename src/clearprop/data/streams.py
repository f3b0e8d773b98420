"""The bytes of a file, unpacked where it is gzip or xz, with every way of failing put into a sentence."""

import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from clearprop.errors import ClearpropError, DataError, FileError

CHUNK = 1 << 20  # bytes taken at a time, so that a false size in a header allocates nothing


class _Reported(io.FileIO):
    """A file that tells how far it has been read."""

    def __init__(self, path: str | Path, report: Callable[[int], object]) -> None:
        super().__init__(path)
        self._report = report

    def readinto(self, buffer: Any) -> int | None:
        count = super().readinto(buffer)
        self._report(self.tell())
        return count


@contextmanager
def open_bytes(path: str | Path, report: Callable[[int], object] = lambda count: None) -> Iterator[BinaryIO]:
    """A binary stream of the file's content; gzip and xz are known by their first bytes, not by the name.

    `report` is told how many bytes of the file, as it lies there, have been read.

    Raises
    ------
    FileError
        When the file does not exist or cannot be read.
    DataError
        When packed content is truncated or damaged; also while the stream is being read.
    """
    with _in_a_sentence(path), io.BufferedReader(_Reported(path, report), CHUNK) as raw:
        head = raw.peek(6)
        if head.startswith(b"\x1f\x8b"):
            yield cast(BinaryIO, gzip.GzipFile(fileobj=raw))
        elif head.startswith(b"\xfd7zXZ\x00"):
            yield cast(BinaryIO, lzma.open(raw))  # noqa: SIM115 (it holds nothing but `raw`)
        else:
            yield raw


@contextmanager
def _in_a_sentence(path: str | Path) -> Iterator[None]:
    try:
        yield
    except ClearpropError:
        raise
    except FileNotFoundError as err:
        raise FileError(f"{path}: there is no such file.") from err
    except (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError) as err:
        raise DataError(
            f"{path}: the packed file is truncated or damaged ({_reason(err)}). Get it again."
        ) from err
    except OSError as err:
        raise FileError(f"{path}: the file cannot be read ({err.strerror or err}).") from err


def _reason(err: Exception) -> str:
    return str(err).rstrip(".") or type(err).__name__


def read_upto(stream: BinaryIO, size: int) -> bytearray:
    """At most `size` bytes; memory grows with what is there, never with what a header announces."""
    content = bytearray()
    while len(content) < size:
        chunk = stream.read(min(CHUNK, size - len(content)))
        if not chunk:
            break
        content += chunk
    return content


def count_rest(stream: BinaryIO) -> int:
    """How many bytes are left in the stream."""
    count = 0
    while chunk := stream.read(CHUNK):
        count += len(chunk)
    return count
