"""A configuration's data, cut into parts and scaled by the training part alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from clearprop.arrays import Array, Shape
from clearprop.data import ChannelStandardizer, Dataset, MinMax, Pair, Standardizer, load, load_file, split
from clearprop.data.ondisk import DiskPair, ScaledRows, fit_scaling, is_converted, open_folder
from clearprop.errors import ConfigError, DataError
from clearprop.ranks import Ranks
from clearprop.runs.config import DataTable
from clearprop.sources import RowSource

LOOKED_AT = 10_000

Scaling = Standardizer | ChannelStandardizer | MinMax
SCALINGS: dict[str, type[Standardizer] | type[ChannelStandardizer] | type[MinMax]] = {
    "standardize": Standardizer,
    "channels": ChannelStandardizer,
    "minmax": MinMax,
}


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

    parts: Mapping[str, Pair | DiskPair]
    raw: Mapping[str, Pair | DiskPair]
    preprocessing: Preprocessing
    note: str


def prepare_together(table: DataTable, seed: int, ranks: Ranks) -> Prepared:
    """`prepare` on every rank. Rank 0 downloads what is missing, and reads all rows, to scale them and know them."""
    first = prepare(table, seed) if ranks.rank == 0 else None
    known = ranks.given(None if first is None else first.preprocessing)
    with ranks.agreeing():  # the others' disks may not have it
        return first or prepare(table, seed, known)


def prepare(table: DataTable, seed: int, known: Preprocessing | None = None) -> Prepared:
    """Load, cut and scale what [data] names; the seed decides who is held out.

    A folder of converted data stays on the disk. There the parts are consecutive: training, validation, test.
    What is `known` of the same data is not found out again.

    Raises
    ------
    ConfigError
        If a part is asked for that the data set already has.
    DataError, FileError
        If the data cannot be read.
    """
    if table.file is not None and is_converted(table.file):
        return _prepare_on_disk(table, table.file, known)
    dataset = load(table.name) if table.name is not None else load_file(str(table.file), table.label)
    raw, note = _cut(dataset, table, seed), dataset.note
    if (preprocessing := known) is None:
        scaling = None if table.scale == "none" else SCALINGS[table.scale].fit(raw["train"].x)
        names = dataset.class_names, dataset.feature_names, dataset.image_shape
        preprocessing = Preprocessing(table.scale, scaling, *names, _sha256(raw["train"]))
    del dataset  # of held-out rows `raw` has copies, and large sets need the memory
    parts = {name: Pair(preprocessing.apply(part.x), part.y) for name, part in raw.items()}
    return Prepared(parts, raw, preprocessing, note)


def _prepare_on_disk(table: DataTable, folder: str, known: Preprocessing | None) -> Prepared:
    dataset = open_folder(folder)
    raw = _cut_on_disk(dataset.pair, table)
    if (preprocessing := known) is None:
        x = raw["train"].x
        scaling = None if table.scale == "none" else fit_scaling(SCALINGS[table.scale], x)  # type: ignore[type-var]
        names = dataset.class_names, dataset.feature_names
        preprocessing = Preprocessing(table.scale, scaling, *names, None, _sha256(raw["train"]))
    parts = raw
    if preprocessing.scaling is not None:
        parts = {
            name: part._replace(x=ScaledRows(part.x, preprocessing.scaling)) for name, part in raw.items()
        }
    return Prepared(parts, raw, preprocessing, f"From the folder {folder}.")


def _cut_on_disk(pair: DiskPair, table: DataTable) -> dict[str, DiskPair]:
    if table.stratify:
        raise ConfigError(
            "data.stratify: rows on the disk are cut into consecutive parts, not class by class. Leave the key out."
        )
    rows = len(pair.x)
    shares = {"validation": table.validation, "test": table.test}
    held = {name: round(share * rows) for name, share in shares.items() if share}
    sizes = {"train": rows - sum(held.values())} | held
    if min(sizes.values()) < 1:
        raise DataError(
            f"data: expected validation and test to cut the {rows} rows into parts that are not empty, got {sizes}."
        )
    cuts = pairwise(accumulate(sizes.values(), initial=0))
    return {name: pair.part(*cut) for name, cut in zip(sizes, cuts, strict=True)}


def _sha256(part: Pair | DiskPair) -> str:
    digest = sha256()
    for array in part:
        digest.update(f"{array.dtype} {array.shape}".encode())
        blocks = array.blocks() if isinstance(array, RowSource) else ((0, array),)
        for _, rows in blocks:
            digest.update(np.ascontiguousarray(rows).data)
    return digest.hexdigest()


def in_memory(part: Pair | DiskPair) -> Pair:
    """A part's examples; of one on the disk the first `LOOKED_AT`, for pictures and messages."""
    return part if isinstance(part, Pair) else part.head(LOOKED_AT)


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
