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
from clearprop.data.cifar import CLASSES, RECORD, SHAPE, records
from clearprop.data.csv import read_csv
from clearprop.data.idx import read_idx
from clearprop.data.registry import SOURCES, locate, open_archive
from clearprop.data.sine import sine_waves
from clearprop.names import unknown

HIGGS_FEATURES = (
    "lepton_pT", "lepton_eta", "lepton_phi", "missing_energy_magnitude", "missing_energy_phi",
    "jet_1_pt", "jet_1_eta", "jet_1_phi", "jet_1_btag", "jet_2_pt", "jet_2_eta", "jet_2_phi", "jet_2_btag",
    "jet_3_pt", "jet_3_eta", "jet_3_phi", "jet_3_btag", "jet_4_pt", "jet_4_eta", "jet_4_phi", "jet_4_btag",
    "m_jj", "m_jjj", "m_lv", "m_jlv", "m_bb", "m_wbb", "m_wwbb",
)  # fmt: skip
_HIGGS_TEST = 500_000  # of the whole file, the last rows are the test part


class Pair(NamedTuple):
    """Examples and their labels: `fit(model, *data.train)`."""

    x: Array  # (N, …)
    y: Array  # (N,) labels or numbers, (N, M) targets, or (N, …) labels or targets at each place


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
        "iris", which is inside the package, "sine", which is generated, or "mnist", "mnist-3v9",
        "fashion-mnist", "cmu-mnist", "cifar-10", "higgs", "higgs-full", which lie in the data folder.

    Returns
    -------
    Dataset
        iris: x (150, 4) float64 in cm, in one part. The pictures of MNIST and Fashion-MNIST:
        x (N, 28, 28, 1) float32 in 0..1, N = 60,000 and 10,000. mnist-3v9: of these the threes and nines,
        y = 1 for a nine. cmu-mnist: x (N, 784) float64 in 0..1, N = 3,000 and 1,000, sorted by label.
        cifar-10: x (N, 32, 32, 3) float32 in 0..1, N = 50,000 and 10,000. higgs: x (35298, 28) float32, in one
        part; higgs-full: N = 10,500,000 and 500,000, the last rows, as UCI asks. sine: x (N, 20, 1) and
        y (N, 1) float64, N = 7,000, 1,500 and 1,500.

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


def _cifar_10(name: str) -> Dataset:
    """Each file is decoded into its place, so that the pictures are in memory once."""
    (archive,) = SOURCES[name].files
    parts, places = [], {}
    for members in (archive.members[:-1], archive.members[-1:]):  # the last one is the test part
        counts = [member.size // RECORD for member in members]
        x, y = np.empty((sum(counts), *SHAPE), np.float32), np.empty(sum(counts), np.int64)
        cuts = np.cumsum(counts)[:-1]
        for member, x_part, y_part in zip(members, np.split(x, cuts), np.split(y, cuts), strict=True):
            places[member.name] = Pair(x_part, y_part)
        parts.append(Pair(x, y))
    for file, content in open_archive(name):
        pixels, labels = records(content, file)
        np.divide(pixels, np.float32(255), out=places[file].x)
        places[file].y[:] = labels
    train, test = parts
    return Dataset(name, train, test=test, class_names=CLASSES, image_shape=SHAPE, note=_note(name))


def _higgs(name: str, n_test: int = 0) -> Dataset:
    (path,) = locate(name)
    x, y, _, _ = read_csv(path, label="first", header=False)
    x = x.astype(np.float32)  # exact: they are float32 numbers, written with more digits
    cut = len(x) - n_test
    return Dataset(
        name,
        Pair(x[:cut], y[:cut]),
        test=Pair(x[cut:], y[cut:]) if n_test else None,
        class_names=("background", "signal"),
        feature_names=HIGGS_FEATURES,
        note=_note(name),
    )


def _higgs_full(name: str) -> Dataset:
    return _higgs(name, _HIGGS_TEST)


def _sine(name: str) -> Dataset:
    x, y = sine_waves(10_000)
    train, validation, test = (Pair(x[rows], y[rows]) for rows in np.split(np.arange(10_000), (7_000, 8_500)))
    note = "Generated: sine waves of random shift, whose next value is to be predicted."
    return Dataset(name, train, validation, test, note=note)


_LOADERS: dict[str, Callable[[str], Dataset]] = {
    "iris": _iris,
    "mnist": _mnist,
    "mnist-3v9": _mnist_3v9,
    "fashion-mnist": _fashion_mnist,
    "cmu-mnist": _cmu_mnist,
    "cifar-10": _cifar_10,
    "higgs": _higgs,
    "higgs-full": _higgs_full,
    "sine": _sine,
}


def _note(name: str) -> str:
    source = SOURCES[name]
    return f"{source.citation}. Licence: {source.licence}."
