"""CIFAR-10: 50,000 photos for training and 10,000 for the test, 32x32 pixels, ten classes."""

import pickle
from pathlib import Path

import numpy as np

RECORD = 1 + 3 * 32 * 32  # bytes of a photo in the binary version: class, red, green and blue plane
TRAIN = [f"data_batch_{i}" for i in range(1, 6)]
HERE = Path(__file__).resolve().parent.parent
PICKLED = ("ndarray", "dtype", "_reconstruct", "encode")  # what pickles of arrays name
FOLDERS = ("cifar-10-batches-bin", "cifar-10-batches-py")  # the binary and the Python version


def load_CIFAR10(ROOT):
    """All photos, in float64, with the colours last.

    Parameters
    ----------
    ROOT : str or Path
        The folder of the binary version (data_batch_1.bin ...) or of the Python version (data_batch_1 ...).

    Returns
    -------
    X_train, y_train : arrays of shape (50000, 32, 32, 3), from 0 to 255, and (50000,), integers from 0 to 9
    X_test, y_test : the same for the 10000 test photos

    Raises
    ------
    FileNotFoundError
        When the folder or one of its files is missing.
    ValueError
        When a file holds something else.
    """
    X_train, y_train, X_test, y_test = _read_all(ROOT)
    return _colours_last(X_train), y_train, _colours_last(X_test), y_test


def get_CIFAR10_data(num_training=49000, num_validation=1000, num_test=1000, subtract_mean=True):
    """The photos cut into training, validation and test set, with the colours first.

    The first `num_training` training photos are the training set and the next `num_validation` the validation set;
    the first `num_test` test photos are the test set.

    Parameters
    ----------
    num_training, num_validation, num_test : int
    subtract_mean : bool
        Whether to subtract the training set's mean photo from all of them.

    Returns
    -------
    dict
        X_train, X_val, X_test of shape (N, 3, 32, 32), in float64; y_train, y_val, y_test of shape (N,).
    """
    roots = [HERE / name for name in FOLDERS]
    X, y, X_test, y_test = _read_all(next((root for root in roots if root.is_dir()), roots[0]))
    total = num_training + num_validation
    if total > len(X) or num_test > len(X_test):
        raise ValueError(
            f"get_CIFAR10_data: there are {len(X)} photos for training and validation and {len(X_test)} for the test, "
            f"but {num_training} + {num_validation} and {num_test} were asked for. Ask for fewer."
        )
    parts = {
        "train": (X[:num_training], y[:num_training]),
        "val": (X[num_training:total], y[num_training:total]),
        "test": (X_test[:num_test], y_test[:num_test]),
    }
    data = {}
    for part, (photos, classes) in parts.items():
        data[f"X_{part}"] = photos.astype(np.float64)
        data[f"y_{part}"] = classes.copy()
    if subtract_mean:
        mean = data["X_train"].mean(axis=0)
        for part in parts:
            data[f"X_{part}"] -= mean
    return data


def _colours_last(photos):
    """(N, 3, 32, 32) in bytes -> (N, 32, 32, 3) in float64, made in one step: of 50,000 photos it is 1.2 GB."""
    return photos.transpose(0, 2, 3, 1).astype(np.float64, order="C")


def _read_all(root):
    """Training photos (N, 3, 32, 32) in bytes and classes (N,), and the same for the test."""
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(
            f"{root}: there is no such folder. `clearprop course data .`, run in the assignment's folder, writes "
            "CIFAR-10 into it; `clearprop data fetch cifar-10` downloads it first, where you do not have it yet."
        )
    binary = (root / "data_batch_1.bin").exists()
    read, ending = (_read_binary, ".bin") if binary else (_read_pickled, "")
    paths = [root / (name + ending) for name in (*TRAIN, "test_batch")]
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise FileNotFoundError(
            f"{root}: {', '.join(missing)} is missing. `clearprop course data .`, run in the assignment's folder, "
            "writes all six files of CIFAR-10."
        )
    *train, (X_test, y_test) = [read(path) for path in paths]
    return np.concatenate([X for X, _ in train]), np.concatenate([y for _, y in train]), X_test, y_test


def _read_binary(path):
    content = np.fromfile(path, dtype=np.uint8)
    if content.size == 0 or content.size % RECORD:
        raise ValueError(
            f"{path}: {content.size} bytes are no whole number of photos of {RECORD} bytes each. Is it cut off?"
        )
    rows = content.reshape(-1, RECORD)
    return _checked(path, rows[:, 1:], rows[:, 0])


def _read_pickled(path):
    try:
        with path.open("rb") as file:
            batch = _Arrays(file, encoding="latin1").load()
        return _checked(path, _bytes_of(batch["data"]), np.array(batch["labels"], dtype=np.int64))
    except (pickle.UnpicklingError, EOFError, LookupError, TypeError, ValueError, AttributeError) as err:
        raise ValueError(f"{path}: this is not a batch of CIFAR-10's Python version ({err}).") from err


def _checked(path, photos, classes):
    if photos.shape != (len(classes), RECORD - 1) or classes.max(initial=0) > 9:
        raise ValueError(
            f"{path}: expected photos of {RECORD - 1} bytes, with classes from 0 to 9. Is it damaged?"
        )
    return photos.reshape(-1, 3, 32, 32), classes.astype(np.int64)


class _Piece:
    """Stands for something of NumPy's that a pickle names: it keeps what it is given, and runs nothing."""

    def __init__(self, name, given=()):
        self.name, self.given, self.state = name, given, ()

    def __call__(self, *given):
        return _Piece(self.name, given)

    def __setstate__(self, state):
        self.state = state


class _Arrays(pickle.Unpickler):
    """Reads a pickle of arrays. A pickle may name any function and call it; this one calls none."""

    def find_class(self, module, name):
        if module.partition(".")[0] not in ("numpy", "_codecs") or name not in PICKLED:
            raise pickle.UnpicklingError(f"it holds {module}.{name}, and only NumPy arrays are read")
        return _Piece(name)


def _bytes_of(array):
    """The pickled array, which has to be one of bytes."""
    _, shape, dtype, by_columns, content = array.state
    if isinstance(content, _Piece):  # how Python 3 writes bytes for Python 2
        content = content.given[0]
    if isinstance(content, str):
        content = content.encode("latin1")
    if dtype.given[0] != "u1":
        raise ValueError(f"its numbers are of type {dtype.given[0]!r}, not bytes")
    return np.frombuffer(content, dtype=np.uint8).reshape(shape, order="F" if by_columns else "C")
