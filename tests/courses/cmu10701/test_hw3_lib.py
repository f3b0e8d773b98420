"""The modules of CMU's homework 3, against differences, PyTorch and formulas written out; the grading's tolerances."""

import re

import numpy as np
import pytest

from clearprop.courses.cmu10701.hw3_lib import (
    CrossEntropyLoss,
    GradientDescentOptimizer,
    Linear,
    Module,
    ReLU,
    Sigmoid,
    sigmoid,
)
from clearprop.courses.cmu10701.hw3_sol import MultiLayerPerceptron
from clearprop.errors import ConfigError, DataError, ShapeError
from oracles import numeric_gradient

RTOL, ATOL = 1e-7, 1e-8  # of the course's grading


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=RTOL, atol=ATOL)


def rng():
    return np.random.default_rng(7)


def some_linear(n=5, n_in=4, n_out=3):
    r = rng()
    layer = Linear((r.normal(size=(n_in, n_out)), r.normal(size=(1, n_out))))
    return layer, r.normal(size=(n, n_in)), r.normal(size=(n, n_out))


def test_module_goes_forward_when_called():
    class Twice(Module):
        def forward(self, x, y):
            return 2 * x + y

    assert Twice()(3, 4) == 10
    for name in ("forward", "backward"):
        with pytest.raises(NotImplementedError, match=rf"Module\.{name} is still to be written\."):
            getattr(Module(), name)(np.zeros(2))


def test_sigmoid_is_stable():
    x = np.array([-1e4, -800.0, -30.0, 0.0, 30.0, 800.0, 1e4])
    with np.errstate(all="raise", under="ignore"):
        y = sigmoid(x)
    close(y, [0, 0, np.exp(-30) / (1 + np.exp(-30)), 0.5, 1 / (1 + np.exp(-30)), 1, 1])
    assert y[2] == pytest.approx(np.exp(-30), rel=1e-12)  # small ones are exact, relatively
    assert sigmoid(np.array([0, 1])).dtype == np.float64
    close(sigmoid(3), 1 / (1 + np.exp(-3)))


@pytest.mark.parametrize("make", [Sigmoid, ReLU])
def test_activations_against_differences(make):
    r, layer = rng(), make()
    x, g = r.normal(size=(5, 4)), r.normal(size=(5, 4))
    kept = x.copy()
    y = layer(x)
    np.testing.assert_array_equal(x, kept)
    assert y.shape == layer.state.shape == x.shape
    close(layer.backward(g), numeric_gradient(lambda: float((g * make()(x)).sum()), x))
    np.testing.assert_array_equal(g, np.random.default_rng(7).normal(size=(2, 5, 4))[1])


def test_relu_at_zero():
    layer = ReLU()
    np.testing.assert_array_equal(layer(np.array([[-2, 0, 3]])), [[0, 0, 3]])
    np.testing.assert_array_equal(layer.backward(np.array([[5.0, 7.0, 11.0]])), [[0, 0, 11]])


def test_linear_is_a_formula_and_takes_the_mean_once():
    layer, x, g = some_linear()
    close(layer(x), np.einsum("ni,io->no", x, layer.weights) + layer.biases)
    dx = layer.backward(g)
    close(dx, np.einsum("no,io->ni", g, layer.weights))  # not divided by N
    close(layer.d_weights, sum(np.outer(x[n], g[n]) for n in range(len(x))) / len(x))
    close(layer.d_biases, g.mean(axis=0, keepdims=True))
    assert layer.d_weights.shape == layer.weights.shape == (4, 3)
    assert layer.d_biases.shape == layer.biases.shape == (1, 3)
    assert layer.d_bias is layer.d_biases
    assert layer.in_x is x


def test_linear_against_differences():
    layer, x, g = some_linear()

    def total():  # of each example's own loss
        return float((g * layer.forward(x)).sum())

    layer(x)
    dx = layer.backward(g)
    close(dx, numeric_gradient(total, x))
    close(layer.d_weights, numeric_gradient(total, layer.weights) / len(x))
    close(layer.d_biases, numeric_gradient(total, layer.biases) / len(x))


def test_linear_copies_its_parameters_and_writes_its_gradients_anew():
    weights, biases = rng().normal(size=(3, 4)).T, rng().normal(size=(1, 3))
    layer = Linear((weights, biases))
    layer.weights += 1
    layer.biases += 1
    np.testing.assert_array_equal(weights, rng().normal(size=(3, 4)).T)
    np.testing.assert_array_equal(biases, rng().normal(size=(1, 3)))
    assert (layer.d_weights == 0).all()
    assert (layer.d_biases == 0).all()
    _, x, g = some_linear()
    layer(x)
    layer.backward(g)
    first = layer.d_weights.copy()
    mine = layer.d_bias = np.full((1, 3), 9.0)  # a student's own
    layer.backward(g)
    np.testing.assert_array_equal(layer.d_weights, first)  # not accumulated
    close(layer.d_bias, g.mean(axis=0, keepdims=True))
    assert (mine == 9).all()


def test_a_vector_stays_a_vector():
    layer, x, g = some_linear()
    y = layer(x[0])
    close(y, x[0] @ layer.weights + layer.biases[0])
    close(layer.backward(g[0]), layer.weights @ g[0])
    close(layer.d_weights, np.outer(x[0], g[0]))
    close(layer.d_biases, g[:1])


def test_linear_without_dx():
    layer, x, g = some_linear()
    layer(x)
    assert layer.backward(g, need_dx=False) is None
    close(layer.d_weights, x.T @ g / len(x))


@pytest.mark.torch
def test_cross_entropy_against_torch():
    torch = pytest.importorskip("torch")
    score, label = rng().normal(scale=5, size=(6, 4)), np.array([0, 3, 1, 1, 2, 0])
    theirs = torch.tensor(score, requires_grad=True)
    loss = torch.nn.functional.cross_entropy(theirs, torch.tensor(label))
    loss.backward()
    criterion = CrossEntropyLoss()
    found = criterion(score, label)
    assert type(found) is float
    close(found, loss.item())
    close(criterion.y_hat, torch.softmax(theirs.detach(), dim=1).numpy())
    np.testing.assert_array_equal(criterion.y_true, np.eye(4)[label])
    close(criterion.backward(), 6 * theirs.grad.numpy())  # not divided by N


def test_cross_entropy_of_large_scores():
    criterion = CrossEntropyLoss()
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        assert criterion(np.array([[1000.0, 0.0], [0.0, -1000.0]]), np.array([1, 0])) == 500.0
        close(criterion.backward(), [[1, -1], [0, 0]])
    score = rng().normal(size=(3, 4))
    kept = score.copy()
    criterion(score, np.array([0.0, 1.0, 3.0]))  # whole numbers, as a CSV reader may give them
    np.testing.assert_array_equal(score, kept)


def test_a_network_of_modules_against_torch():
    """The mean is taken once: after one pass every gradient is that of the mean loss."""
    torch = pytest.importorskip("torch")
    r = rng()
    layers = [Linear((r.normal(size=s), r.normal(size=(1, s[1])))) for s in ((4, 6), (6, 5), (5, 3))]
    model = MultiLayerPerceptron([layers[0], ReLU(), layers[1], Sigmoid(), layers[2]])
    x, label = r.normal(size=(7, 4)), r.integers(3, size=7)
    theirs = [torch.tensor(p, requires_grad=True) for layer in layers for p in (layer.weights, layer.biases)]
    w1, b1, w2, b2, w3, b3 = theirs
    h = torch.sigmoid(torch.relu(torch.tensor(x) @ w1 + b1) @ w2 + b2)
    loss = torch.nn.functional.cross_entropy(h @ w3 + b3, torch.tensor(label))
    loss.backward()
    criterion = CrossEntropyLoss()
    close(criterion(model.forward(x), label), loss.item())
    assert model.backward(criterion) is None
    for layer, w, b in zip(layers, theirs[::2], theirs[1::2], strict=True):
        close(layer.d_weights, w.grad.numpy())
        close(layer.d_biases, b.grad.numpy())


def test_one_optimizer_step():
    layer, _, _ = some_linear()
    other = some_linear(n_in=3)[0]
    model = MultiLayerPerceptron([layer, Sigmoid(), other])
    expected = []
    for one in (layer, other):
        one.d_weights, one.d_biases = rng().normal(size=one.weights.shape), rng().normal(size=(1, 3))
        expected += [one.weights - 0.3 * one.d_weights, one.biases - 0.3 * one.d_biases]
    held = layer.weights
    GradientDescentOptimizer(model, 0.3).step()
    for found, wanted in zip(
        [layer.weights, layer.biases, other.weights, other.biases], expected, strict=True
    ):
        close(found, wanted)
    assert layer.weights is held


@pytest.mark.parametrize(
    ("act", "error", "words"),
    [
        (lambda: Linear((np.zeros(3), np.zeros((1, 3)))), ShapeError,
         r"^Linear: expected weights of shape \(in, out\), got \(3,\)\.$"),
        (lambda: Linear((np.zeros((2, 3)), np.zeros(3))), ShapeError,
         r"^Linear: expected biases of shape \(1, 3\), got \(3,\)\. They are one row\.$"),
        (lambda: some_linear()[0](np.zeros((2, 5))), ShapeError,
         r"^Linear: expected x of shape \(N, 4\), got \(2, 5\)\. Each row is an example\.$"),
        (lambda: some_linear()[0](np.zeros(5)), ShapeError, r"expected x of shape \(4,\), got \(5,\)"),
        (lambda: some_linear()[0].backward(np.zeros((2, 3))), ConfigError,
         r"^Linear\.backward: expected a forward before it, got none\. Call Linear\.forward first\.$"),
        (lambda: after(some_linear()[0], np.zeros((2, 4))).backward(np.zeros((2, 4))), ShapeError,
         r"^Linear\.backward: expected g of shape \(2, 3\), got \(2, 4\)\."),
        (lambda: after(ReLU(), np.zeros((2, 4))).backward(np.zeros(4)), ShapeError,
         r"^ReLU\.backward: expected g of shape \(2, 4\), got \(4,\)\. It has the shape of the last output\.$"),
        (lambda: Sigmoid().backward(np.zeros(4)), ConfigError, r"^Sigmoid\.backward: expected a forward"),
        (lambda: CrossEntropyLoss().backward(), ConfigError, r"^CrossEntropyLoss\.backward: expected a forward"),
        (lambda: CrossEntropyLoss()(np.zeros(3), np.zeros(3, int)), ShapeError,
         r"^CrossEntropyLoss: expected score of shape \(N, K\), got \(3,\)\."),
        (lambda: CrossEntropyLoss()(np.zeros((2, 3)), np.zeros((2, 1), int)), ShapeError,
         r"^CrossEntropyLoss: expected label of shape \(2,\), got \(2, 1\)\. One integer an example\.$"),
        (lambda: CrossEntropyLoss()(np.zeros((2, 3)), np.array([0, 3])), DataError,
         r"^CrossEntropyLoss: expected labels from 0 to 2, got 3 in row 1\."),
        (lambda: CrossEntropyLoss()(np.zeros((2, 3)), np.array([0, 0.5])), DataError,
         r"^CrossEntropyLoss: expected whole numbers as labels, got 0\.5 in row 1\."),
        (lambda: GradientDescentOptimizer(MultiLayerPerceptron([]), 0), ConfigError,
         r"^GradientDescentOptimizer: expected learning_rate to be a finite number > 0, got 0\.$"),
    ],
)  # fmt: skip
def test_sentences(act, error, words):
    with pytest.raises(error) as caught:
        act()
    assert re.search(words, str(caught.value))  # the sentence, without the picture below it


def after(layer, x):
    layer(x)
    return layer
