"""Worked steps: a network that a TOML file holds whole, with its numbers, an example, and letters of its own."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from clearprop.arrays import Array, shape_text
from clearprop.errors import ConfigError
from clearprop.layers.spec import layer_from
from clearprop.lens.document import literal
from clearprop.lens.trace import Trace, trace
from clearprop.model import Sequential
from clearprop.names import unknown
from clearprop.runs.config import ModelTable, Table, check_tables

FOLDER = Path(__file__).with_name("worked")


class StepTable(Table):
    """[step]: the mini-batch, the parameters by their names, the letters, and the settings of the step."""

    x: list[Any] = Field(min_length=1)
    y: list[Any] = Field(min_length=1)
    params: dict[str, list[Any]] = Field(default_factory=dict)
    letters: dict[str, str] = Field(default_factory=dict)
    l1: float = Field(default=0.0, ge=0)
    l2: float = Field(default=0.0, ge=0)
    clip_norm: float | None = Field(default=None, gt=0)
    clip_value: float | None = Field(default=None, gt=0)


class Worked(Table):
    """A whole file; what it has in common with a run's configuration has the same names."""

    description: str = ""
    seed: int = Field(default=0, ge=0)
    model: ModelTable
    loss: str | dict[str, Any] = "softmax_cross_entropy"
    optimizer: dict[str, Any] = Field(default_factory=lambda: {"name": "sgd", "lr": 0.01})
    step: StepTable


def worked_names() -> list[str]:
    """Those that come with clearprop."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def worked_step(tables: dict[str, Any], who: str, unit: int, l2: float | None) -> Trace:
    """The step that a file describes.

    Raises
    ------
    ConfigError, ShapeError, DataError
        If its keys, its network or its numbers do not fit.
    """
    given = check_tables(Worked, tables, who)
    step = given.step
    x, y = _array(step.x, f"{who}: step.x"), _array(step.y, f"{who}: step.y")
    layers = [layer_from(spec, f"{who}: model.layers.{i}") for i, spec in enumerate(given.model.layers)]
    model = Sequential(layers, x.shape[1:], seed=given.seed, dtype=given.model.dtype)
    _fill(model, step.params, who)
    shown = trace(
        model, x, y, loss=given.loss, optimizer=given.optimizer, l1=step.l1, l2=step.l2 if l2 is None else l2,
        clip_norm=step.clip_norm, clip_value=step.clip_value, unit=unit, letters=step.letters or None,
    )  # fmt: skip
    return replace(shown, title=f"{literal(given.description or who)}: one training step")


def _fill(model: Sequential, params: Mapping[str, list[Any]], who: str) -> None:
    """Give the network the file's numbers; what the file leaves out stays as it was drawn."""
    known = model.named_params()
    for name, values in params.items():
        if name not in known:
            raise unknown(f"{who}: step.params", "parameter", name, known)
        array = _array(values, f"{who}: step.params.{name}")
        if array.shape != known[name].shape:
            expected, got = shape_text(known[name].shape), shape_text(array.shape)
            raise ConfigError(f"{who}: step.params: expected {name!r} of shape {expected}, got {got}.")
        known[name][...] = array


def _array(values: list[Any], who: str) -> Array:
    try:
        array = np.array(values)
    except ValueError:
        raise ConfigError(f"{who}: expected rows of the same length.") from None
    if array.dtype.kind not in "if":
        raise ConfigError(f"{who}: expected numbers, got {values!r}.")
    return array
