"""An archive's files, each checked by its SHA-1: from the tar, packed anyhow, or from the folder it was unpacked to."""

import hashlib
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, BinaryIO, NamedTuple, cast

from clearprop.data.streams import CHUNK, count_rest, open_bytes, read_upto
from clearprop.errors import DataError


class Member(NamedTuple):
    """A file in an archive, as its authors published it."""

    name: str  # without the archive's own folder
    size: int  # bytes
    sha1: str


def read_members(path: Path, members: Sequence[Member]) -> Iterator[tuple[str, bytearray]]:
    """Each member's name and content, in the order in which they lie there; nothing is written to the disk.

    Raises
    ------
    DataError
        When the archive is damaged, or a member is missing, truncated or altered.
    """
    wanted = {member.name: member for member in members}
    missing = dict(wanted)
    for name, content in _unpacked(path, wanted) if path.is_dir() else _packed(path, wanted):
        missing.pop(name, None)
        yield name, content
    if missing:
        raise DataError(f"{path}: expected {', '.join(wanted)} in it; there is no {', '.join(missing)}.")


def _unpacked(path: Path, wanted: Mapping[str, Member]) -> Iterator[tuple[str, bytearray]]:
    for name, member in wanted.items():
        if (path / name).is_file():
            with open_bytes(path / name) as stream:
                yield name, _checked(stream, member, f"{path}, {name}")


def _packed(path: Path, wanted: Mapping[str, Member]) -> Iterator[tuple[str, bytearray]]:
    try:
        # "r|" never seeks back, which would unpack everything from the start again
        with open_bytes(path) as stream, tarfile.open(fileobj=stream, mode="r|", bufsize=CHUNK) as tar:
            for entry in tar:
                name = entry.name.rsplit("/", 1)[-1]
                if name in wanted and (content := tar.extractfile(entry)) is not None:
                    yield name, _checked(content, wanted[name], f"{path}, {name}")
    except tarfile.TarError as err:
        raise DataError(f"{path}: this is not a whole tar archive ({err}). Get it again.") from err


def _checked(stream: IO[bytes], member: Member, who: str) -> bytearray:
    content = read_upto(cast(BinaryIO, stream), member.size)
    size = len(content) + count_rest(cast(BinaryIO, stream))
    if size != member.size:
        raise DataError(f"{who}: the file is not as published. Expected {member.size:,} bytes, got {size:,}.")
    sha1 = hashlib.sha1(content, usedforsecurity=False).hexdigest()
    if sha1 != member.sha1:
        raise DataError(f"{who}: the file is altered. Expected SHA-1 {member.sha1}, got {sha1}.")
    return content
