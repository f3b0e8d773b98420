"""Data sets: batches in a random order, and the course's three sets from its `datasets` folder."""

from pathlib import Path

import numpy as np

from clearprop.arrays import Array, check_shape
from clearprop.data.npy import read_npy
from clearprop.errors import DataError
from clearprop.names import check_count

# Each data set, and the assignment whose folder brings it.
BROUGHT_BY = {"iris": "cs189-sp23", "sinewave": "cs189-sp23", "higgs": "cs189-sp20"}
UNLABELLED = ("higgs",)  # whose test part may have no labels, as in the competition


class Data:
    """One part of a data set, batch after batch.

    Parameters
    ----------
    data : array of shape (n, …)
        Never changed: what is shuffled is the order.
    batch_size : int
        The last batch of an epoch may be smaller.
    labels : array of shape (n, k), optional
    out_dim : int, optional
        By default k.

    Attributes
    ----------
    n_samples, samples_per_epoch : int
        Rows, and batches in an epoch.

    Examples
    --------
    >>> data = Data(np.arange(5), batch_size=2)
    >>> [data.sample(shuffle=False)[0].tolist() for _ in range(data.samples_per_epoch)]
    [[0, 1], [2, 3], [4]]
    """

    def __init__(
        self, data: Array, batch_size: int = 50, labels: Array | None = None, out_dim: int | None = None
    ) -> None:
        self.data = np.asarray(data)
        self.labels = None if labels is None else np.asarray(labels)
        self.batch_size = check_count("Data", "batch_size", batch_size)
        self.n_samples = len(self.data)
        if self.labels is not None and (self.labels.ndim != 2 or len(self.labels) != self.n_samples):
            expected = (self.n_samples, "k")
            check_shape("Data", "labels", self.labels.shape, expected, "Make classes one-hot rows.")
        if not self.n_samples:
            raise DataError("Data: expected at least one sample, got none. Look at how the data was cut.")
        self.out_dim = out_dim if out_dim or self.labels is None else self.labels.shape[1]
        self.samples_per_epoch = -(-self.n_samples // self.batch_size)  # rounded up
        self.order = np.arange(self.n_samples)
        self.reset()

    def reset(self) -> None:
        """Begin an epoch anew with the next sample."""
        self.iteration = 0

    def shuffle(self) -> None:
        """Draw a new order from `np.random`."""
        np.random.shuffle(self.order)

    def sample(self, shuffle: bool = True) -> tuple[Array, Array | None]:
        """The next batch and its labels, None if there are none.

        At an epoch's first batch a new order is drawn, unless shuffle is False: then it is the data's own.
        """
        start = self.iteration * self.batch_size
        self.iteration = (self.iteration + 1) % self.samples_per_epoch
        if not shuffle:
            rows: Array | slice = slice(start, start + self.batch_size)
        else:
            if not start:
                self.shuffle()
            rows = self.order[start : start + self.batch_size]
        return self.data[rows], None if self.labels is None else self.labels[rows]


class Dataset:
    """The parts of a data set: `train`, `validate` and `test`, each a `Data` or None."""

    def __init__(
        self,
        training_set: Array,
        training_labels: Array,
        batch_size: int,
        validation_set: Array | None = None,
        validation_labels: Array | None = None,
        test_set: Array | None = None,
        test_labels: Array | None = None,
    ) -> None:
        self.batch_size = batch_size
        self.train = Data(training_set, batch_size, training_labels)
        self.out_dim = int(self.train.out_dim or 0)
        self.validate = self._part(validation_set, validation_labels)
        self.test = self._part(test_set, test_labels)
        self.n_training = self.train.n_samples
        self.n_validation = self.validate.n_samples if self.validate else 0

    def _part(self, data: Array | None, labels: Array | None) -> Data | None:
        return None if data is None else Data(data, self.batch_size, labels, self.out_dim)


def initialize_dataset(name: str, batch_size: int = 50) -> Dataset:
    """The data set iris, higgs or sinewave, from `datasets/<name>/` in the working directory.

    Raises
    ------
    NotImplementedError
        For a name that is not among the known ones.
    DataError
        For a file that is missing, with what brings it, or damaged.
    """
    if name not in BROUGHT_BY:
        raise NotImplementedError(f"data set {name!r} is not there. Known: {', '.join(BROUGHT_BY)}.")
    unlabelled = name in UNLABELLED and not _path(name, "test_labels").exists()
    return Dataset(
        _read(name, "train_data"),
        _read(name, "train_labels"),
        batch_size,
        _read(name, "val_data"),
        _read(name, "val_labels"),
        _read(name, "test_data"),
        None if unlabelled else _read(name, "test_labels"),
    )


def _path(name: str, what: str) -> Path:
    return Path("datasets", name, f"{name}_{what}.npy")


def _read(name: str, what: str) -> Array:
    path = _path(name, what)
    if not path.is_file():
        raise DataError(
            f"{path}: there is no such file. Work in the folder that `clearprop course start {BROUGHT_BY[name]} DIR` "
            "makes: it brings the data."
        )
    return read_npy(path)
