"""Sine waves: each value follows from the two before it."""

import math

import numpy as np
import pytest

from clearprop.data import load, sine_waves
from clearprop.errors import ConfigError


@pytest.mark.parametrize("steps", [1, 2, 20])
def test_each_value_against_the_sine(steps: int) -> None:
    x, y = sine_waves(50, steps=steps, seed=4)
    assert (x.shape, y.shape) == ((50, steps, 1), (50, 1))
    waves = np.hstack([x[:, :, 0], y])
    for wave in waves:
        shifts = [
            s
            for s in (math.asin(wave[0]), math.pi - math.asin(wave[0]))
            if abs(math.sin(s + 0.5) - wave[1]) < 1e-9
        ]
        assert shifts  # the wave rises or falls there
        np.testing.assert_allclose(wave, [math.sin(shifts[0] + 0.5 * t) for t in range(steps + 1)], atol=1e-9)


def test_the_shifts_are_random_and_the_seeds() -> None:
    x, y = sine_waves(2000, seed=1)
    again, _ = sine_waves(2000, seed=1)
    other, _ = sine_waves(2000, seed=2)
    np.testing.assert_array_equal(x, again)
    assert not np.isclose(x, other).all(axis=(1, 2)).any()
    assert abs(y.mean()) < 0.06  # uniform over a whole period
    assert y.var() == pytest.approx(0.5, abs=0.05)


def test_load() -> None:
    sine = load("sine")
    assert sine.validation is not None
    assert sine.test is not None
    parts = (sine.train, sine.validation, sine.test)
    assert [len(part.x) for part in parts] == [len(part.y) for part in parts] == [7000, 1500, 1500]
    assert (sine.train.x.shape[1:], sine.train.y.shape[1:]) == ((20, 1), (1,))
    assert len(np.unique(np.concatenate([part.y for part in parts]))) == 10_000  # no wave is in two parts
    np.testing.assert_array_equal(load("sine").train.x, sine.train.x)
    assert sine.note.startswith("Generated")
    assert sine.class_names is None


@pytest.mark.parametrize(("n", "steps", "what"), [(0, 20, "n"), (5, 0, "steps"), (5, 2.5, "steps")])
def test_numbers_that_are_none(n: int, steps: int, what: str) -> None:
    with pytest.raises(ConfigError, match=f"sine_waves: expected {what} to be a whole number >= 1, got"):
        sine_waves(n, steps=steps)
