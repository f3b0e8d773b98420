"""Data sets as arrays: the known ones by name, a user's own from a file.

Iris lies beside this module (iris.csv): R. A. Fisher, 1936, in the version of the UCI Machine Learning
Repository, https://doi.org/10.24432/C56C76, under CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/).
Changed: a header line is added, and the species are written without their "Iris-".
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from clearprop.arrays import Array, Shape
from clearprop.data.csv import read_csv
from clearprop.data.idx import read_idx
from clearprop.data.registry import SOURCES, locate
from clearprop.names import unknown


class Pair(NamedTuple):
    """Examples and their labels: `fit(model, *data.train)`."""

    x: Array  # (N, …)
    y: Array  # (N,) labels or numbers, or (N, M) targets


@dataclass(frozen=True)
class Dataset:
    """A data set in memory.

    Attributes
    ----------
    train : Pair
        x and y to learn from; all there is, where the data set has no parts.
    validation, test : Pair or None
        The other parts, where the data set itself comes with them.
    class_names : tuple of str or None
        class_names[k] is what label k stands for.
    feature_names : tuple of str or None
        The columns' names.
    image_shape : tuple of int or None
        (height, width, channels), where the examples are pictures, also if x holds them as rows.
    note : str
        Where the data come from.
    """

    name: str
    train: Pair
    validation: Pair | None = None
    test: Pair | None = None
    class_names: tuple[str, ...] | None = None
    feature_names: tuple[str, ...] | None = None
    image_shape: Shape | None = None
    note: str = ""


def load(name: str) -> Dataset:
    """A known data set, its files checked by their SHA-256.

    Parameters
    ----------
    name : str
        "iris", which is inside the package, or "mnist", "mnist-3v9", "fashion-mnist", "cmu-mnist", which
        lie in the data folder.

    Returns
    -------
    Dataset
        iris: x (150, 4) float64 in cm, in one part. The pictures of MNIST and Fashion-MNIST:
        x (N, 28, 28, 1) float32 in 0..1, N = 60,000 and 10,000. mnist-3v9: of these the threes and nines,
        y = 1 for a nine. cmu-mnist: x (N, 784) float64 in 0..1, N = 3,000 and 1,000, sorted by label.

    Raises
    ------
    ConfigError
        For an unknown name.
    DataError
        When a file is missing, truncated or altered.

    Examples
    --------
    >>> iris = load("iris")
    >>> iris.train.x.shape, iris.class_names
    ((150, 4), ('setosa', 'versicolor', 'virginica'))
    """
    if name not in _LOADERS:
        raise unknown("data", "data set", name, _LOADERS)
    return _LOADERS[name](name)


def _iris(name: str) -> Dataset:
    x, y, class_names, feature_names = read_csv(Path(__file__).with_name("iris.csv"), header=True)
    return Dataset(
        name,
        Pair(x, y),
        class_names=class_names,
        feature_names=feature_names,
        note=_note(name),
    )


def _idx_pictures(name: str, class_names: tuple[str, ...], keep: tuple[int, int] | None = None) -> Dataset:
    """Pictures and labels; with `keep`, those of two labels, which become 0 and 1."""
    x_train, y_train, x_test, y_test = (read_idx(path) for path in locate(name))
    parts = []
    for x, y in ((x_train, y_train), (x_test, y_test)):
        if keep is not None:
            chosen = np.isin(y, keep)
            x, y = x[chosen], y[chosen] == keep[1]
        pixels = x[..., np.newaxis].astype(np.float32)
        pixels /= 255
        parts.append(Pair(pixels, y.astype(np.int64)))
    train, test = parts
    return Dataset(name, train, test=test, class_names=class_names, image_shape=(28, 28, 1), note=_note(name))


def _mnist(name: str) -> Dataset:
    return _idx_pictures(name, tuple("0123456789"))


def _mnist_3v9(name: str) -> Dataset:
    return _idx_pictures(name, ("3", "9"), keep=(3, 9))


def _fashion_mnist(name: str) -> Dataset:
    classes = "T-shirt/top,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot"
    return _idx_pictures(name, tuple(classes.split(",")))


def _cmu_mnist(name: str) -> Dataset:
    train, test = (read_csv(path, header=False) for path in locate(name))
    return Dataset(
        name,
        Pair(train.x, train.y),
        test=Pair(test.x, test.y),
        class_names=tuple("0123456789"),
        image_shape=(28, 28, 1),
        note=_note(name),
    )


_LOADERS: dict[str, Callable[[str], Dataset]] = {
    "iris": _iris,
    "mnist": _mnist,
    "mnist-3v9": _mnist_3v9,
    "fashion-mnist": _fashion_mnist,
    "cmu-mnist": _cmu_mnist,
}


def _note(name: str) -> str:
    source = SOURCES[name]
    return f"{source.citation}. Licence: {source.licence}."
