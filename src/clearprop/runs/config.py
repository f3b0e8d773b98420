"""A run's configuration: what a TOML file may say, read, checked and written back."""

import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from clearprop.errors import ConfigError, FileError
from clearprop.layers import Layer
from clearprop.layers.spec import layer_from
from clearprop.losses import Loss, make_loss
from clearprop.names import nearest
from clearprop.optim import make_optimizer
from clearprop.optimizer import Optimizer


class Table(BaseModel):
    """A table of the file: every key is known, no value is quietly turned into another kind."""

    model_config = ConfigDict(extra="forbid", strict=True)


class DataTable(Table):
    """[data]: which examples, and how they are cut and scaled."""

    name: str | None = None
    file: str | None = None
    label: Literal["first", "last"] = "last"
    validation: float = Field(default=0.0, ge=0, lt=1)
    test: float = Field(default=0.0, ge=0, lt=1)
    stratify: bool = False
    scale: Literal["none", "standardize", "channels", "minmax"] = "none"

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.name is None) == (self.file is None):
            raise ValueError("expected either name, a known data set, or file, a path")
        return self


class ModelTable(Table):
    """[model]: the layers, each a table with its type and settings."""

    layers: list[dict[str, Any]] = Field(min_length=1)
    dtype: Literal["float32", "float64"] = "float32"


class EarlyStoppingTable(Table):
    """[training.early_stopping]: see `EarlyStopping`."""

    monitor: str = "validation_loss"
    patience: int = Field(default=10, ge=1)
    min_delta: float = Field(default=0.0, ge=0)


class TrainingTable(Table):
    """[training]: the settings of `fit`, under its names."""

    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    shuffle: bool = True
    drop_last: bool = False
    l1: float = Field(default=0.0, ge=0)
    l2: float = Field(default=0.0, ge=0)
    clip_norm: float | None = Field(default=None, gt=0)
    clip_value: float | None = Field(default=None, gt=0)
    evaluate_every: int | None = Field(default=None, ge=1)
    early_stopping: EarlyStoppingTable | None = None
    best_weights: str | None = None
    workers: int | None = Field(default=None, ge=1)
    blas_threads: int | None = Field(default=None, ge=1)
    shard_size: int | None = Field(default=None, ge=1)


class CheckpointTable(Table):
    """[checkpoints]: one is written when so many seconds have passed since the last; the newest `keep` stay."""

    seconds: float = Field(default=10.0, ge=0)
    keep: int = Field(default=2, ge=1)


class RunConfig(Table):
    """A whole file.

    Examples
    --------
    >>> config = RunConfig.model_validate({
    ...     "data": {"name": "iris"}, "model": {"layers": [{"type": "Dense", "units": 3}]},
    ...     "training": {"epochs": 1, "batch_size": 25}})
    >>> config.make_layers()
    [Dense(3)]
    """

    description: str = ""
    seed: int = Field(default=0, ge=0)
    data: DataTable
    model: ModelTable
    loss: str | dict[str, Any] = "softmax_cross_entropy"
    optimizer: dict[str, Any] = Field(default_factory=lambda: {"name": "sgd", "lr": 0.01})
    training: TrainingTable
    checkpoints: CheckpointTable = Field(default_factory=CheckpointTable)
    sweep: dict[str, Annotated[list[Any], Field(min_length=1)]] = Field(default_factory=dict)

    def make_layers(self) -> list[Layer]:
        return [layer_from(spec, f"model.layers.{i}") for i, spec in enumerate(self.model.layers)]

    def make_loss(self) -> Loss:
        return make_loss(self.loss)

    def make_optimizer(self) -> Optimizer:
        return make_optimizer(self.optimizer)

    def anchored(self) -> Self:
        """The same with the data's file by its absolute path, which holds wherever the run is resumed from."""
        if self.data.file is None:
            return self
        file = str(Path(self.data.file).absolute())
        return self.model_copy(update={"data": self.data.model_copy(update={"file": file})})

    def plain(self) -> dict[str, Any]:
        """The configuration as plain values, as they stand in a file; what is not set is left out."""
        plain = self.model_dump(exclude_none=True)
        return plain if self.sweep else {key: value for key, value in plain.items() if key != "sweep"}


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file, or a sentence."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FileError(f"{path}: the configuration could not be read ({error.strerror}).") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}.") from None


def make_config(tables: dict[str, Any], who: str, changes: Sequence[str] = ()) -> RunConfig:
    """A checked configuration, from plain tables and changes such as "optimizer.lr=0.01".

    Raises
    ------
    ConfigError
        Naming each key that is unknown, with the nearest known one, and each value that does not fit. Layers,
        loss and optimizer are made once, so that their settings are checked, too.
    """
    for change in changes:
        _apply(tables, change)
    try:
        config = RunConfig.model_validate(tables)
    except ValidationError as error:
        raise ConfigError("\n".join(f"{who}: {sentence}" for sentence in _sentences(error))) from None
    try:
        config.make_layers()
        config.make_loss()
        config.make_optimizer()
    except ConfigError as error:
        raise ConfigError(f"{who}: {error}") from None
    return config


def set_key(tables: Any, key: str, value: Any, who: str) -> None:
    """Set "model.layers.0.units" and the like in nested tables and lists."""
    *path, last = key.split(".")
    for part in path:
        if isinstance(tables, list):
            tables = tables[_index(tables, part, who)]
        elif isinstance(tables, dict):
            tables = tables.setdefault(part, {})
    if isinstance(tables, list):
        tables[_index(tables, last, who)] = value
    elif isinstance(tables, dict):
        tables[last] = value
    else:
        raise ConfigError(f"{who}: {'.'.join(path)} is no table that could hold {last!r}; it is {tables!r}.")


def _index(items: list[Any], part: str, who: str) -> int:
    if not part.isdecimal() or int(part) >= len(items):
        raise ConfigError(f"{who}: expected a number from 0 to {len(items) - 1} in place of {part!r}.")
    return int(part)


def _apply(tables: dict[str, Any], change: str) -> None:
    key, equals, text = change.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set: expected KEY=VALUE such as optimizer.lr=0.01, got {change!r}.")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = _number_or_text(text.strip())
    set_key(tables, key.strip(), value, f"--set {change}")


def _number_or_text(text: str) -> float | str:
    """.01, which TOML does not take for a number; or a text without quotes, as in data.name=iris."""
    try:
        return float(text)
    except ValueError:
        return text


def _sentences(error: ValidationError) -> Iterator[str]:
    for item in error.errors():
        path = ".".join(str(part) for part in item["loc"])
        if item["type"] == "extra_forbidden":
            known = _known_keys(item["loc"])
            near = nearest(str(item["loc"][-1]), known)
            hint = f" Did you mean {near!r}?" if near else ""
            yield f"unknown key {path!r}.{hint} Known here: {', '.join(known)}."
        elif item["type"] == "missing":
            yield f"expected the key {path!r}, which is missing."
        else:
            reason = item["msg"][0].lower() + item["msg"][1:]
            yield f"{path}: {reason.removeprefix('value error, ')}, got {item['input']!r}."


def _known_keys(path: tuple[int | str, ...]) -> list[str]:
    """The keys of the table in which the path's last key was not known."""
    table: Any = RunConfig
    for part in path[:-1]:
        kind = table.model_fields[part].annotation
        table = next(
            t for t in (kind, *getattr(kind, "__args__", ())) if isinstance(t, type) and issubclass(t, Table)
        )
    return list(table.model_fields)
