"""nndl.utils.gradient_check and vis_utils; the checker is tested with planted errors."""

import random
import re

import numpy as np
import pytest
from nndl_references import seed

from clearprop.courses.nndl.layers import affine_backward, affine_forward
from clearprop.courses.nndl.utils.gradient_check import (
    eval_numerical_gradient,
    eval_numerical_gradient_array,
    grad_check_sparse,
    rel_error,
)
from clearprop.courses.nndl.utils.vis_utils import visualize_grid
from clearprop.errors import ShapeError


def test_rel_error():
    assert rel_error(np.array([1.0, -2.0]), np.array([1.0, 2.0])) == 1.0
    assert rel_error(np.array([1e-12]), np.array([0.0])) == pytest.approx(1e-4)  # 1e-8 is the least divisor
    assert rel_error(np.array([3.0, 4.0]), np.array([3.0, 5.0])) == pytest.approx(1 / 9)


def test_the_gradient_of_a_number(capsys):
    x = np.random.default_rng(0).normal(size=(2, 3))
    kept = x.copy()
    grad = eval_numerical_gradient(lambda x: float(np.sum(x**3)), x)
    np.testing.assert_allclose(grad, 3 * x**2, rtol=1e-6)
    np.testing.assert_array_equal(x, kept)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6
    assert lines[4] == f"(1, 1) {grad[1, 1]}"
    eval_numerical_gradient(lambda x: float(np.sum(x)), x, verbose=False)
    assert capsys.readouterr().out == ""


def test_the_function_may_read_x_where_it_lies():
    params = {"W": np.array([1.0, 2.0, 3.0])}
    grad = eval_numerical_gradient(lambda _: float(np.prod(params["W"])), params["W"], verbose=False)
    np.testing.assert_allclose(grad, [6, 3, 2], rtol=1e-8)


def test_x_of_any_order_in_memory():
    x = np.arange(6.0).reshape(2, 3).T
    np.testing.assert_allclose(eval_numerical_gradient(lambda x: (x**2).sum(), x, False), 2 * x, atol=1e-8)


def test_the_gradient_of_an_array_with_a_random_upstream():
    rng = np.random.default_rng(1)
    x, w, b, dout = (rng.normal(size=shape) for shape in ((10, 2, 3), (6, 5), (5,), (10, 5)))
    _, cache = affine_forward(x, w, b)
    dx, dw, db = affine_backward(dout, cache)
    for a, grad in ((x, dx), (w, dw), (b, db)):
        again = eval_numerical_gradient_array(lambda _: affine_forward(x, w, b)[0], a, dout)
        assert rel_error(again, grad) < 1e-6
    np.testing.assert_allclose(
        eval_numerical_gradient_array(lambda x: x, b, b), b, rtol=1e-8
    )  # f gives x itself


@pytest.mark.parametrize("wrong", ["transposed", "twice", "one element", "sign"])
def test_planted_errors_are_found(wrong):
    rng = np.random.default_rng(2)
    x, w, dout = rng.normal(size=(4, 3)), rng.normal(size=(3, 3)), rng.normal(size=(4, 3))
    dw = affine_backward(dout, affine_forward(x, w, np.zeros(3))[1])[1]
    planted = {
        "transposed": dw.T,
        "twice": 2 * dw,
        "one element": dw + 1e-3 * np.eye(9)[4].reshape(3, 3),
        "sign": -dw,
    }
    again = eval_numerical_gradient_array(lambda w: affine_forward(x, w, np.zeros(3))[0], w, dout)
    assert rel_error(again, dw) < 1e-7
    assert rel_error(again, planted[wrong]) > 1e-5


def test_x_is_restored_when_the_function_fails():
    x = np.array([1.0, 2.0])

    def fails_at_the_second(x):
        if x[1] != 2:
            raise RuntimeError("no")
        return 0.0

    with pytest.raises(RuntimeError, match="no"):
        eval_numerical_gradient(fails_at_the_second, x, verbose=False)
    np.testing.assert_array_equal(x, [1, 2])


def test_some_elements_drawn_with_numpys_stream(capsys):
    x = np.arange(1.0, 7.0).reshape(2, 3)
    analytic = 2 * x
    analytic[1, 2] += 1  # planted
    outs = []
    for _ in range(2):
        seed(0)
        random.seed(len(outs))
        grad_check_sparse(lambda x: float(np.sum(x**2)), x, analytic, num_checks=30)
        outs.append(capsys.readouterr().out)
    assert outs[0] == outs[1]
    lines = outs[0].splitlines()
    assert len(lines) == 30
    form = re.compile(
        r"numerical: (-?\d+\.\d{6}) analytic: (-?\d+\.\d{6}), relative error: (\d\.\d{6}e-\d\d)"
    )
    found = [tuple(map(float, form.fullmatch(line).groups())) for line in lines]
    assert {analytic for _, analytic, _ in found} <= set((2 * x).ravel()) | {13.0}
    assert all((error > 1e-2) == (analytic == 13) for _, analytic, error in found)
    assert any(analytic == 13 for _, analytic, _ in found)
    np.testing.assert_array_equal(x, np.arange(1.0, 7.0).reshape(2, 3))


def test_a_grid_of_images_each_stretched_by_itself():
    Xs = np.random.default_rng(3).normal(size=(5, 2, 4, 3))
    kept = Xs.copy()
    grid = visualize_grid(Xs, padding=2)
    assert grid.shape == (3 * 2 + 2 * 2, 3 * 4 + 2 * 2, 3)
    places = [(0, 0), (0, 6), (0, 12), (4, 0), (4, 6)]
    seen = np.zeros(grid.shape, bool)
    for image, (top, left) in zip(Xs, places, strict=True):
        part = np.s_[top : top + 2, left : left + 4]
        expected = 255 * (image - image.min()) / (image.max() - image.min())
        np.testing.assert_allclose(grid[part], expected, atol=1e-10)
        seen[part] = True
    assert not grid[~seen].any()
    np.testing.assert_array_equal(Xs, kept)


def test_a_grid_of_one_image_of_one_colour():
    np.testing.assert_array_equal(visualize_grid(np.full((1, 2, 2, 3), 7.0), ubound=1.0), np.zeros((2, 2, 3)))
    assert visualize_grid(np.zeros((50, 32, 32, 3)), padding=3).shape == (
        277,
        277,
        3,
    )  # the document's picture
    with pytest.raises(ShapeError, match=r"visualize_grid: expected Xs of shape \(N, H, W, C\)"):
        visualize_grid(np.zeros((2, 2, 3)))
