"""A configuration's data, cut into parts and scaled by the training part alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np

from clearprop.arrays import Array, Shape
from clearprop.data import Dataset, MinMax, Pair, Standardizer, load, load_file, split
from clearprop.errors import ConfigError, DataError
from clearprop.runs.config import DataTable

Scaling = Standardizer | MinMax
SCALINGS: dict[str, type[Standardizer] | type[MinMax]] = {"standardize": Standardizer, "minmax": MinMax}


@dataclass(frozen=True)
class Preprocessing:
    """What turns a user's examples into the network's, and its labels into names; kept with a run."""

    scale: str = "none"
    scaling: Scaling | None = None
    class_names: tuple[str, ...] | None = None
    feature_names: tuple[str, ...] | None = None
    image_shape: Shape | None = None
    train_sha256: str = ""  # of the training part's bytes, before any scaling

    def apply(self, x: Array) -> Array:
        return x if self.scaling is None else self.scaling.transform(x)

    def columns(self, x: Array, names: Sequence[str] | None, who: str) -> Array:
        """Another file's columns, in the order of the training part's, where both have names.

        Raises
        ------
        DataError
            If the file's columns are others.
        """
        if names is None or self.feature_names is None or tuple(names) == self.feature_names:
            return x
        if sorted(names) != sorted(self.feature_names):
            raise DataError(
                f"{who}: expected the columns {', '.join(self.feature_names)}, as in training, got "
                f"{', '.join(names)}. Rename them, or leave the header out."
            )
        return x[:, [list(names).index(name) for name in self.feature_names]]

    def labels(self, y: Array, names: Sequence[str] | None, who: str) -> Array:
        """Another file's labels, whose numbers stand for `names`, as the run numbers its classes.

        Raises
        ------
        DataError
            If the file has a class that the run has not seen, or names where the run knows numbers.
        """
        if names is None:
            return y
        if self.class_names is None:
            raise DataError(
                f"{who}: expected numbers as labels, as in the data of the run, got the names {', '.join(names)}. "
                "Write the numbers that the run was trained on."
            )
        strange = [name for name in names if name not in self.class_names]
        if strange:
            raise DataError(
                f"{who}: expected the classes {', '.join(self.class_names)}, got {', '.join(strange)}, too. "
                "Take those rows out, or train with them."
            )
        return np.array([self.class_names.index(name) for name in names])[y]

    def to_plain(self) -> dict[str, Any]:
        arrays = {} if self.scaling is None else self.scaling.to_arrays()
        return {
            "scale": self.scale,
            "scaling": {name: array.tolist() for name, array in arrays.items()},
            "class_names": self.class_names,
            "feature_names": self.feature_names,
            "image_shape": self.image_shape,
            "train_sha256": self.train_sha256,
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> "Preprocessing":
        def maybe(name: str) -> Any:
            return None if plain[name] is None else tuple(plain[name])

        arrays = {name: np.array(values) for name, values in plain["scaling"].items()}
        scaling = SCALINGS[plain["scale"]].from_arrays(arrays) if arrays else None
        names = maybe("class_names"), maybe("feature_names")
        return cls(plain["scale"], scaling, *names, maybe("image_shape"), plain["train_sha256"])


@dataclass(frozen=True)
class Prepared:
    """The parts by name ("train", and "validation" and "test" where there are any), scaled, and how."""

    parts: dict[str, Pair]
    raw: dict[str, Pair]
    preprocessing: Preprocessing
    note: str


def prepare(table: DataTable, seed: int) -> Prepared:
    """Load, cut and scale what [data] names; the seed decides who is held out.

    Raises
    ------
    ConfigError
        If a part is asked for that the data set already has.
    DataError, FileError
        If the data cannot be read.
    """
    dataset = load(table.name) if table.name is not None else load_file(str(table.file), table.label)
    raw = _cut(dataset, table, seed)
    scaling = None if table.scale == "none" else SCALINGS[table.scale].fit(raw["train"].x)
    preprocessing = Preprocessing(
        table.scale,
        scaling,
        dataset.class_names,
        dataset.feature_names,
        dataset.image_shape,
        _sha256(raw["train"]),
    )
    parts = {name: Pair(preprocessing.apply(part.x), part.y) for name, part in raw.items()}
    return Prepared(parts, raw, preprocessing, dataset.note)


def _sha256(part: Pair) -> str:
    digest = sha256()
    for array in part:
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _cut(dataset: Dataset, table: DataTable, seed: int) -> dict[str, Pair]:
    shares = {"validation": table.validation, "test": table.test}
    for name, share in shares.items():
        if share and getattr(dataset, name) is not None:
            raise ConfigError(
                f"data.{name}: {dataset.name} has a {name} part of its own, got the share {share}. Leave the key out."
            )
    held = {name: share for name, share in shares.items() if share}
    x, y = dataset.train
    parts = {"train": dataset.train}
    if held:
        rest = 1 - sum(held.values())
        if rest <= 0:
            raise ConfigError(f"data: expected validation and test to leave rows for training, got {held}.")
        cuts = split(
            y if table.stratify else len(y), [rest, *held.values()], seed=seed, stratify=table.stratify
        )
        parts = {name: Pair(x[rows], y[rows]) for name, rows in zip(["train", *held], cuts, strict=True)}
    own = {name: getattr(dataset, name) for name in shares if getattr(dataset, name) is not None}
    return parts | own
