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


def other_kind(path: Path, expected: str) -> str:
    """What to do with a file that is not of the kind that was expected, by ending: by its name and its first bytes."""
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except (OSError, ValueError):  # gone by now, or a name that no file can have
        start = b""
    if expected != path.suffix == ".onnx":
        return "By its name it is an ONNX file: read it with cp.from_onnx."
    if path.suffix in (".pt", ".pth") or start.startswith((b"PK\3\4", b"\x80\x02")):
        return (
            "It looks like a file of torch.save, a pickle, which could run code when it is read. Write safetensors, in "
            'PyTorch: from safetensors.torch import save_file; save_file(net.state_dict(), "net.safetensors"), and '
            "read that with cp.load_torch_weights."
        )
    if expected != path.suffix == ".safetensors":
        return "A network that model.save wrote is read with cp.load."
    return "Take an undamaged copy."
