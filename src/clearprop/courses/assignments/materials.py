"""The data that a course hands out with its assignment, written into the folder as its document lays them out."""

import lzma
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clearprop.arrays import Array
from clearprop.data.registry import locate, open_archive
from clearprop.data.sets import load

# How the course cut the 150 flowers, in its order: rows of Iris.
_IRIS_TRAIN = (
    46, 64, 6, 59, 80, 5, 17, 84, 107, 94, 49, 62, 102, 120, 141, 74, 54, 9, 97, 90, 99, 144, 100, 85, 34, 125, 30,
    127, 44, 23, 26, 126, 124, 135, 101, 136, 45, 61, 86, 142, 69, 118, 29, 19, 32, 131, 82, 109, 116, 77, 110, 36,
    63, 40, 81, 58, 133, 147, 117, 35, 114, 103, 148, 28, 108, 89, 4, 92, 27, 73, 10, 149, 72, 138, 16, 0, 66, 51, 22,
    8, 60, 1, 132, 75, 111, 2, 112, 129, 24, 13, 50, 56, 128, 115, 68, 52, 146, 79, 42, 121, 41, 105, 53, 98, 91,
)  # fmt: skip
_IRIS_VAL = (93, 7, 15, 123, 65, 134, 33, 25, 47, 14, 11, 119, 145, 57, 37)
_IRIS_TEST = (
    31, 122, 130, 20, 21, 113, 96, 39, 106, 140, 83, 3, 12, 87, 38, 95, 18, 70, 71, 76, 139, 137, 104, 43, 88, 55, 143,
    48, 67, 78,
)  # fmt: skip
# The course has these two flowers as Fisher printed them; UCI's file, which clearprop ships, has them otherwise.
_AS_FISHER = {34: (4.9, 3.1, 1.5, 0.2), 37: (4.9, 3.6, 1.4, 0.1)}
_HIGGS_TRAIN, _HIGGS_VAL = 25_298, 5_000  # of the 35,298 rows; the rest are the test part


@dataclass(frozen=True)
class Material:
    """One data set of an assignment.

    Attributes
    ----------
    what : str
        A line for the user.
    write : callable
        Writes it into the folder that it is given; DataError where the data set is missing.
    """

    what: str
    write: Callable[[Path], None]


def iris(folder: Path) -> None:
    """datasets/iris/iris_{train,val,test}_{data,labels}.npy: 105, 15 and 30 flowers, one-hot labels."""
    x, y = load("iris").train
    x = x.copy()
    for row, flower in _AS_FISHER.items():
        x[row] = flower
    for part, rows in (("train", _IRIS_TRAIN), ("val", _IRIS_VAL), ("test", _IRIS_TEST)):
        _save(folder, "iris", part, x[list(rows)], np.eye(3)[y[list(rows)]])


def sine_waves(folder: Path) -> None:
    """datasets/sinewave/: x (m, 1, t) and y (m, 1), 7,000 training samples."""
    sine = load("sine")
    for part, pair in (("train", sine.train), ("val", sine.validation), ("test", sine.test)):
        if pair:
            _save(folder, "sinewave", part, np.ascontiguousarray(pair.x.transpose(0, 2, 1)), pair.y)


def higgs(folder: Path) -> None:
    """datasets/higgs/: 28 columns, labels one-hot 2; the test part has no labels, as in the competition."""
    x, y = load("higgs").train
    cuts = np.split(np.arange(len(x)), [_HIGGS_TRAIN, _HIGGS_TRAIN + _HIGGS_VAL])
    for part, rows in zip(("train", "val", "test"), cuts, strict=True):
        _save(folder, "higgs", part, x[rows], None if part == "test" else np.eye(2)[y[rows]])


def cmu_digits(folder: Path) -> None:
    """training_data_student/{train,test}.csv: 784 pixels in 0..1, then the label."""
    target = _folder(folder / "training_data_student")
    for source in locate("cmu-mnist"):
        with lzma.open(source) as packed, (target / source.name.removesuffix(".xz")).open("wb") as file:
            shutil.copyfileobj(packed, file)


def mnist(folder: Path) -> None:
    """mnist/: the four original files."""
    target = _folder(folder / "mnist")
    for source in locate("mnist"):
        shutil.copyfile(source, target / source.name)


def cifar_10(folder: Path) -> None:
    """cifar-10-batches-bin/: the six original files of the binary version."""
    target = _folder(folder / "cifar-10-batches-bin")
    for name, content in open_archive("cifar-10"):
        (target / name).write_bytes(content)


def _save(folder: Path, name: str, part: str, x: Array, y: Array | None) -> None:
    target = _folder(folder / "datasets" / name)
    np.save(target / f"{name}_{part}_data.npy", x)
    if y is not None:
        np.save(target / f"{name}_{part}_labels.npy", y)


def _folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path
