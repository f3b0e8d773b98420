"""A run's configuration: what a TOML file may say, read, checked and written back."""

import re
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from clearprop.errors import ConfigError, FileError
from clearprop.layers import Layer
from clearprop.layers.spec import layer_from
from clearprop.losses import Loss, make_loss
from clearprop.names import nearest
from clearprop.optim import make_optimizer
from clearprop.optimizer import Optimizer
from clearprop.runs.space import Search, make_search, read_values

_DOT = re.compile(r"""\.(?=(?:[^"']*(?:"[^"]*"|'[^']*'))*[^"']*$)""")  # outside quotes


class Table(BaseModel):
    """A table of the file: every key is known, no value is quietly turned into another kind."""

    model_config = ConfigDict(extra="forbid", strict=True)


T = TypeVar("T", bound=Table)


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


def _switch(given: Any) -> Any:
    if not isinstance(given, bool | str):
        raise ValueError("expected true, false or a text")
    return given


Switch = Annotated[bool | str, BeforeValidator(_switch)]


class TrackingTable(Table):
    """[tracking]: which other tools are told about a run; see `clearprop.interop.tracking`."""

    tensorboard: Switch = False
    mlflow: Switch = False
    experiment: str = "clearprop"
    every: int = Field(default=1, ge=1)
    histograms: bool = False


def _as_given(given: Any) -> Any:
    """Values or a range, refused here, under their key; they stay as they stand in the file."""
    read_values(given)
    return given


class SweepTable(Table):
    """[sweep]: how settings are searched. Every other key is a setting, with its values or its range."""

    model_config = ConfigDict(extra="allow", strict=True)
    __pydantic_extra__: dict[str, Annotated[Any, AfterValidator(_as_given)]]

    sampler: str | dict[str, Any] = "grid"
    trials: int | None = Field(default=None, ge=1)
    pruner: str | dict[str, Any] = "none"
    metric: str | None = None
    direction: Literal["minimize", "maximize"] | None = None
    jobs: int = Field(default=1, ge=1)
    storage: str | None = None

    @property
    def space(self) -> dict[str, Any]:
        """The keys that are searched, each with what stands in the file."""
        return dict(self.__pydantic_extra__ or {})


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
    tracking: TrackingTable | None = None
    sweep: SweepTable | None = None

    def make_layers(self) -> list[Layer]:
        return [layer_from(spec, f"model.layers.{i}") for i, spec in enumerate(self.model.layers)]

    def make_loss(self) -> Loss:
        return make_loss(self.loss)

    def make_optimizer(self) -> Optimizer:
        return make_optimizer(self.optimizer)

    def make_search(self, who: str = "sweep") -> Search:
        """What [sweep] asks for; `who` is the file or preset, for the message.

        Raises
        ------
        ConfigError
            If there is none.
        """
        if self.sweep is None:
            example = '"optimizer.lr" = [0.1, 0.01]'
            raise ConfigError(
                f"{who}: expected a table [sweep], which says what is to be tried. Pass --set 'sweep={{{example}}}', "
                f"or add to a file of your own:\n\n[sweep]\n{example}"
            )
        table = self.sweep
        others = {key: getattr(table, key) for key in ("jobs", "metric", "direction", "storage")}
        return make_search(table.space, table.sampler, table.pruner, table.trials, **others)

    def anchored(self) -> Self:
        """The same with the data's file by its absolute path, which holds wherever the run is resumed from."""
        if self.data.file is None:
            return self
        file = str(Path(self.data.file).absolute())
        return self.model_copy(update={"data": self.data.model_copy(update={"file": file})})

    def plain(self) -> dict[str, Any]:
        """The configuration as plain values, as they stand in a file; what is not set is left out."""
        return self.model_dump(exclude_none=True)


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file, or a sentence."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FileError(f"{path}: the configuration could not be read ({error.strerror}).") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}.") from None
    except RecursionError:
        raise ConfigError(
            f"{path}: expected tables of a run, got lists or tables nested too deeply."
        ) from None


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
    config = check_tables(RunConfig, tables, who)
    try:
        config.make_layers()
        config.make_loss()
        config.make_optimizer()
        if config.sweep is not None:
            config.make_search()
    except ConfigError as error:
        raise ConfigError(f"{who}: {error}") from None
    return config


def check_tables(kind: type[T], tables: dict[str, Any], who: str) -> T:
    """Tables as a whole file of a kind, or a sentence for each key that is unknown, missing or does not fit."""
    try:
        return kind.model_validate(tables)
    except ValidationError as error:
        raise ConfigError("\n".join(f"{who}: {said}" for said in _sentences(error, kind))) from None


def set_key(tables: Any, key: Sequence[str], value: Any, who: str) -> None:
    """Set ["model", "layers", "0", "units"] and the like in nested tables and lists."""
    *path, last = key
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
    except (tomllib.TOMLDecodeError, RecursionError):
        value = _number_or_text(text.strip())
    set_key(tables, _words_of(key.strip()), value, f"--set {change}")


def _words_of(key: str) -> list[str]:
    """["sweep", "optimizer.lr"] of 'sweep."optimizer.lr"': what is in quotes is one word, as in TOML."""
    words = [word.strip() for word in _DOT.split(key)]
    return [
        word[1:-1] if len(word) > 1 and word[0] == word[-1] and word[0] in "\"'" else word for word in words
    ]


def _number_or_text(text: str) -> float | str:
    """.01, which TOML does not take for a number; or a text without quotes, as in data.name=iris."""
    try:
        return float(text)
    except ValueError:
        return text


def _sentences(error: ValidationError, kind: type[Table]) -> Iterator[str]:
    for item in error.errors():
        path = ".".join(str(part) for part in item["loc"])
        if item["type"] == "extra_forbidden":
            known = _known_keys(item["loc"], kind)
            near = nearest(str(item["loc"][-1]), known)
            hint = f" Did you mean {near!r}?" if near else ""
            yield f"unknown key {path!r}.{hint} Known here: {', '.join(known)}."
        elif item["type"] == "missing":
            yield f"expected the key {path!r}, which is missing."
        else:
            reason = item["msg"][0].lower() + item["msg"][1:]
            near = nearest(str(item["loc"][-1]), SweepTable.model_fields) if item["loc"][0] == "sweep" else ""
            hint = f" Did you mean {near!r}?" if near and near != item["loc"][-1] else ""
            yield f"{path}: {reason.removeprefix('value error, ')}, got {_shown(item['input'])}.{hint}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]} …"


def _known_keys(path: tuple[int | str, ...], table: Any) -> list[str]:
    """The keys of the table in which the path's last key was not known."""
    for part in path[:-1]:
        kind = table.model_fields[part].annotation
        table = next(
            t for t in (kind, *getattr(kind, "__args__", ())) if isinstance(t, type) and issubclass(t, Table)
        )
    return list(table.model_fields)
