"""What a case of a wrong shape is, and the data and the training step that all of them share."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import clearprop as cp

RNG = np.random.default_rng(5)
N, SIDE, STEPS, COLUMNS = 6, 12, 7, 4
ROWS = RNG.normal(size=(N, COLUMNS))
IMAGES = RNG.normal(size=(N, SIDE, SIDE, 1))
COLOUR = RNG.normal(size=(N, SIDE, SIDE, 3))
SERIES = RNG.normal(size=(N, STEPS, 2))
WORDS = RNG.integers(0, 9, (N, STEPS))
Y = np.arange(N) % 3
AT_EACH = np.arange(N * STEPS).reshape(N, STEPS) % 3
CROSS = "softmax_cross_entropy"
AND_HEAD = (cp.Flatten(), cp.Dense(3))


def step(layers, x, y=Y, loss=CROSS, input_shape=None, **settings):
    """Build a network and train it for one step, which changes its parameters."""
    model = cp.Sequential(layers, x.shape[1:] if input_shape is None else input_shape)
    before = model.params.copy()
    history = cp.fit(model, x, y, loss=loss, batch_size=settings.pop("batch_size", len(x)), **settings)
    assert np.isfinite(history["loss"]).all()
    assert (model.params != before).any()
    return model


@dataclass(frozen=True)
class Case:
    """Something wrong; what the message says; and the same with what the message's code gives."""

    wrong: Callable[[], Any]
    who: str
    remedy: str  # a regular expression; its group is the code
    mended: Callable[[Any], Any]
    marked: tuple[str, ...] | None = (
        None  # each line's marked axes, "got x: 28 28 1"; None where nothing is drawn
    )
    values: tuple[tuple[str, Any], ...] = ()  # what the code may name


def case(wrong, who, remedy, mended, marked=None, **values):
    return Case(wrong, who, remedy, mended, marked, tuple(values.items()))
