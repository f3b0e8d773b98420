"""CS 189's losses against the spec's formulas, PyTorch and differences; both editions of L2."""

import numpy as np
import pytest

from clearprop.courses.cs189.losses import L2, CrossEntropy, Loss, initialize_loss
from clearprop.errors import ShapeError
from oracles import numeric_gradient


@pytest.fixture
def rng():
    return np.random.default_rng(6)


def probabilities(rng, shape):
    scores = rng.normal(size=shape)
    p = np.exp(scores)
    return p / p.sum(axis=1, keepdims=True)


def one_hot(rng, shape):
    return np.eye(shape[1])[rng.integers(0, shape[1], shape[0])]


@pytest.mark.parametrize("shape", [(5, 6), (1, 2), (37, 10)])
def test_cross_entropy_is_the_formula(shape, rng):
    Y, Y_hat, loss = one_hot(rng, shape), probabilities(rng, shape), initialize_loss("cross_entropy")
    m = len(Y)
    assert (
        loss(Y, Y_hat) == loss.forward(Y, Y_hat) == pytest.approx(-(Y * np.log(Y_hat)).sum() / m, rel=1e-13)
    )
    np.testing.assert_allclose(loss.backward(Y, Y_hat), -Y / (m * Y_hat), rtol=1e-13)
    numeric = numeric_gradient(lambda: loss(Y, Y_hat), Y_hat, 1e-7)
    np.testing.assert_allclose(loss.backward(Y, Y_hat), numeric, rtol=1e-5, atol=1e-8)


def test_cross_entropy_is_finite_where_a_probability_is_zero():
    Y, Y_hat = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[0.0, 1.0], [0.0, 1.0]])
    loss = CrossEntropy("cross_entropy")
    assert 30 < loss(Y, Y_hat) < np.inf
    gradient = loss.backward(Y, Y_hat)
    assert np.isfinite(gradient).all()
    assert gradient[0, 0] < -1e20


@pytest.mark.torch
@pytest.mark.parametrize("half", [True, False])
def test_l2_is_torchs_in_both_editions(half, rng):
    torch = pytest.importorskip("torch")
    Y, Y_hat = rng.normal(size=(7, 3)), rng.normal(size=(7, 3))
    y_hat = torch.tensor(Y_hat, requires_grad=True)
    theirs = torch.nn.functional.mse_loss(y_hat, torch.tensor(Y), reduction="sum") / (14 if half else 7)
    theirs.backward()
    loss = initialize_loss("l2")
    assert loss.half is True
    loss.half = half
    assert loss(Y, Y_hat) == pytest.approx(theirs.item(), rel=1e-13)
    np.testing.assert_allclose(loss.backward(Y, Y_hat), y_hat.grad.numpy(), rtol=1e-13)


def test_the_flag_of_the_class_decides_for_all(monkeypatch):
    Y, Y_hat = np.array([[0.0]]), np.array([[2.0]])
    assert (L2("l2")(Y, Y_hat), L2("l2").backward(Y, Y_hat).item()) == (2.0, 2.0)
    monkeypatch.setattr(L2, "half", False)
    assert (initialize_loss("l2")(Y, Y_hat), L2("l2").backward(Y, Y_hat).item()) == (4.0, 4.0)


def test_names():
    assert (initialize_loss("cross_entropy").name, initialize_loss("l2").name) == ("cross_entropy", "l2")
    with pytest.raises(NotImplementedError, match=r"loss 'l1' is not there\. Known: cross_entropy, l2\."):
        initialize_loss("l1")


@pytest.mark.parametrize("name", ["cross_entropy", "l2"])
def test_shapes_that_do_not_fit_are_refused(name):
    with pytest.raises(
        ShapeError, match=r"expected Y of shape \(2, 3\), got \(2,\)\. One row an example, one-hot"
    ):
        initialize_loss(name)(np.array([0, 1]), np.ones((2, 3)))
    with pytest.raises(ShapeError, match=r"expected Y of shape \(2, 1\), got \(1, 2\)"):
        initialize_loss(name).backward(np.ones((1, 2)), np.ones((2, 1)))


def test_a_loss_of_ones_own_has_both_parts():
    class Absolute(Loss):
        def forward(self, Y, Y_hat):
            return float(np.abs(Y_hat - Y).sum())

        def backward(self, Y, Y_hat):
            return np.sign(Y_hat - Y)

    value, gradient = Absolute("l1").both(np.zeros((1, 2)), np.array([[2.0, -3.0]]))
    assert (value, gradient.tolist()) == (5.0, [[1.0, -1.0]])
