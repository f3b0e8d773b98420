"""What the system refuses about a file, and what to do."""

import errno
from pathlib import Path

from clearprop.errors import FileError

_REMEDIES = {
    errno.ENOSPC: "Free some space on the disk, then try again.",
    errno.EDQUOT: "Free some space in your quota, then try again.",
    errno.EACCES: "Choose a folder that you may write to.",
    errno.EPERM: "Choose a folder that you may write to.",
    errno.EROFS: "Choose a folder that you may write to.",
    errno.ENOENT: "Make its folder first.",
    errno.ENOTDIR: "Choose a folder: a part of this path is a file.",
    errno.EEXIST: "Choose a folder: a file of this name is in its place.",
    errno.EISDIR: "Choose another name: this one is a folder.",
}


def refused(path: Path, what: str, err: OSError) -> FileError:
    """The error to raise, by the system's own number."""
    remedy = _REMEDIES.get(err.errno or 0, "Try again, or choose another place.")
    return FileError(f"{path}: {what} ({err.strerror or err}). {remedy}")
