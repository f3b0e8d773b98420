"""The gradient check beside and on kinks: said, not accused, and no place for a wrong gradient to hide."""

import numpy as np
import pytest

from clearprop.errors import GradientError
from clearprop.gradcheck import check_function, check_gradients, check_kernel
from clearprop.kernels.activations import relu_backward, relu_forward
from clearprop.layers import Dense
from clearprop.model import Sequential

N, D, M = 6, 4, 3
RNG = np.random.default_rng(0)


def test_a_kink_crossed_by_the_step_is_said_and_not_accused():
    x = np.array([1e-5, -1e-5, 3e-6, 1.0, -2.0])
    report = check_kernel(relu_forward, relu_backward, {"x": x})
    assert report.entries[0].crossed >= 3
    assert report.entries[0].on_kink == 0
    assert "x: the step crossed a kink on" in str(report)


def test_a_wrong_slope_beside_a_kink_is_found():
    x = np.array([1e-5, -1e-5, 3e-6, 1e-5, -2e-6])
    report = check_kernel(
        relu_forward, lambda dy, y: dy * np.where(y > 0, 0.5, 0), {"x": x}, raise_on_failure=False
    )
    assert report.failures[0].verdict == "wrong"


def test_a_few_coordinates_on_a_kink_are_said():
    x = np.array([0.0, 1.0, 2.0, -1.0, -3.0])
    report = check_kernel(relu_forward, relu_backward, {"x": x})
    assert report.entries[0].on_kink == 1
    assert "x: x lies on a kink at 1 of 5 coordinates" in str(report)
    assert check_function(np.abs, lambda dy, x: dy * np.sign(x), x).entries[0].on_kink == 1


def test_nothing_hides_where_all_coordinates_lie_on_a_kink():
    x = np.zeros(6)
    for slope in (0.0, 0.5, 1.0):
        with pytest.raises(
            GradientError,
            match=r"not proved: it lies on a kink at 6 of 6 coordinates.*Move off it: add a little noise to x",
        ):
            check_kernel(relu_forward, lambda dy, y, slope=slope: slope * dy, {"x": x})
    with pytest.raises(GradientError, match="the gradient of x is wrong"):
        check_kernel(relu_forward, lambda dy, y: 2 * dy, {"x": x})


def test_many_kinks_are_no_hiding_place():
    def zigzag(x):  # a kink every 2e-6
        return np.abs((x * 1e6) % 2 - 1) * 1e-6

    def slopes(dy, x):
        return np.where((x * 1e6) % 2 > 1, dy, -dy)

    x = np.random.default_rng(3).uniform(0.1, 1, 20)
    assert check_function(zigzag, slopes, x, raise_on_failure=False, directions=0).entries[0].crossed > 5
    report = check_function(zigzag, lambda dy, x: 0.7 * slopes(dy, x), x, raise_on_failure=False)
    assert report.failures[0].verdict == "wrong"


def test_a_blank_row_puts_biases_on_a_kink_and_the_other_rows_prove_them():
    x = RNG.normal(size=(N, D))
    x[2] = 0  # with zero biases every ReLU of this row is at zero
    model = Sequential([Dense(8, activation="relu"), Dense(M)], (D,), seed=0)
    y = np.arange(N) % M
    report = check_gradients(model, x, y)
    bias = report.entries[2]
    assert (bias.name, bias.on_kink, bias.verdict) == ("0.b", 8, "ok")
    assert bias.unproved <= 2  # units that no other row activates
    with pytest.raises(GradientError, match="not proved"):
        check_gradients(model, np.zeros((N, D)), y)
