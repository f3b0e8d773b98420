"""Data sets in batches; the files lie in datasets/, beside this package."""

from math import ceil
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).resolve().parent.parent / "datasets"
# ONLY cs189-sp23
NAMES = ("iris", "sinewave")
# END ONLY
# ONLY cs189-sp20
NAMES = ("iris", "higgs", "sinewave")
# END ONLY


class Data:
    """One part of a data set, handed out batch by batch.

    Parameters
    ----------
    data : array of shape (m, ...)
    batch_size : int
        The last batch of an epoch may be smaller.
    labels : array of shape (m, k), optional
    out_dim : int, optional
        k, where the labels do not say it.
    """

    def __init__(
        self,
        data: np.ndarray,
        batch_size: int = 50,
        labels: np.ndarray | None = None,
        out_dim: int | None = None,
    ) -> None:
        if labels is not None and len(labels) != len(data):
            raise ValueError(f"{len(data)} examples have {len(labels)} labels: there should be one for each.")
        self.data, self.labels, self.batch_size = data, labels, batch_size
        self.out_dim = labels.shape[1] if out_dim is None and labels is not None else out_dim
        self.n_samples = len(data)
        self.samples_per_epoch = ceil(self.n_samples / batch_size)
        self.reset()

    def reset(self) -> None:
        """Begin again with the first example, in the data's own order."""
        self.order, self.position = np.arange(self.n_samples), 0

    def shuffle(self) -> None:
        """Put the examples in a random order; the arrays themselves stay as they are."""
        self.order = np.random.permutation(self.n_samples)

    def sample(self, shuffle: bool = True) -> tuple[np.ndarray, np.ndarray | None]:
        """The next batch: examples (b, ...) and labels (b, k).

        After the last batch it goes on with the first; with `shuffle`, each epoch has an order of its own.
        """
        if self.position >= self.n_samples:
            self.position = 0
        if shuffle and self.position == 0:
            self.shuffle()
        rows = self.order[self.position : self.position + self.batch_size]
        self.position += self.batch_size
        return self.data[rows], None if self.labels is None else self.labels[rows]


class Dataset:
    """The parts of a data set: `train`, and `validate` and `test`, which are None where there are no such arrays.

    Also: `out_dim`, the labels' columns, and the numbers of examples, `n_training`, `n_validation`, `n_test`.
    """

    def __init__(
        self,
        training_set: np.ndarray,
        training_labels: np.ndarray,
        batch_size: int,
        validation_set: np.ndarray | None = None,
        validation_labels: np.ndarray | None = None,
        test_set: np.ndarray | None = None,
        test_labels: np.ndarray | None = None,
    ) -> None:
        self.batch_size = batch_size
        self.out_dim = training_labels.shape[1]
        self.train = Data(training_set, batch_size, training_labels)
        self.validate = self._part(validation_set, validation_labels)
        self.test = self._part(test_set, test_labels)
        self.n_training = self.train.n_samples
        self.n_validation = self.validate.n_samples if self.validate else 0
        self.n_test = self.test.n_samples if self.test else 0

    def _part(self, data: np.ndarray | None, labels: np.ndarray | None) -> Data | None:
        return None if data is None else Data(data, self.batch_size, labels, self.out_dim)


def initialize_dataset(name: str, batch_size: int = 50) -> Dataset:
    """The data set of this name, from datasets/<name>/<name>_{train,val,test}_{data,labels}.npy.

    iris: 105, 15 and 30 flowers, 4 numbers each, one-hot labels of 3 classes.
    sinewave: 7,000 waves (1, t) to train on, each with its next value.
    # ONLY cs189-sp20
    higgs: collisions of 28 numbers, one-hot labels of 2 classes; the test part's labels are not known.
    # END ONLY
    """
    if name not in NAMES:
        raise NotImplementedError(f"there is no data set {name!r}; there are {', '.join(NAMES)}.")
    return Dataset(
        training_set=_read(name, "train_data"),
        training_labels=_read(name, "train_labels"),
        batch_size=batch_size,
        validation_set=_read(name, "val_data"),
        validation_labels=_read(name, "val_labels"),
        test_set=_read(name, "test_data"),
        test_labels=_read(name, "test_labels", needed=False),
    )


def _read(name: str, part: str, needed: bool = True) -> np.ndarray | None:
    path = FOLDER / name / f"{name}_{part}.npy"
    if not path.is_file():
        if not needed:
            return None
        raise FileNotFoundError(
            f"{path} is missing. In this folder, `clearprop course data .` brings the data sets."
        )
    return np.load(path, allow_pickle=False).astype(float)
