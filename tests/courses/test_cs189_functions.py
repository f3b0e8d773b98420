"""The plain functions of CS 189's homework 2, Fall 2022: against PyTorch, formulas written out and real digits."""

import io
import pickle
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from clearprop.courses.cs189_functions import (
    backward_pass,
    create_bias_vectors,
    create_weight_matrices,
    display_image,
    forward_pass,
    get_mnist_threes_nines,
    layer_forward,
    load_toy_batch,
    logistic_loss,
    my_nn_finite_difference_checker,
    relu_activation,
    sigmoid_activation,
    train,
)
from clearprop.data import read_idx
from clearprop.errors import ConfigError, DataError, FileError, ShapeError
from oracles import numeric_gradient

ACTIVATIONS = [relu_activation, sigmoid_activation]


def seed(n):
    np.random.seed(n)


def network(dims=(5, 4, 3, 1), n=6):
    """Examples, labels and parameters that are not small, so that no gradient is."""
    r = np.random.default_rng(3)
    Ws = [r.normal(size=(a, b)) for a, b in pairwise(dims)]
    bs = [r.normal(size=(1, b)) for b in dims[1:]]
    return r.normal(size=(n, dims[0])), r.integers(2, size=n), Ws, bs


# --- activations and loss ---


@pytest.mark.parametrize("shape", [(), (3,), (4, 2), (2, 3, 4)])
def test_sigmoid_of_any_shape(shape):
    s = np.random.default_rng(0).normal(scale=4, size=shape)
    kept = s.copy()
    out, slope = sigmoid_activation(s)
    np.testing.assert_allclose(out, 1 / (1 + np.exp(-s)), rtol=1e-14)
    np.testing.assert_allclose(slope, np.exp(-s) / (1 + np.exp(-s)) ** 2, rtol=1e-12)
    assert np.shape(out) == np.shape(slope) == shape
    np.testing.assert_array_equal(s, kept)


def test_sigmoid_of_the_deliverables():
    out, slope = sigmoid_activation(np.asarray([1.0, 0.0, -1.0]))
    np.testing.assert_allclose(out, [0.7310585786300049, 0.5, 0.2689414213699951], rtol=1e-15)
    np.testing.assert_allclose(slope, [0.19661193324148185, 0.25, 0.19661193324148185], rtol=1e-15)
    with np.errstate(all="raise", under="ignore"):
        out, slope = sigmoid_activation(np.asarray([-1000, 1000]))  # integers, too
    assert out.tolist() == [1e-15, 1 - 1e-15]
    assert slope.tolist() == [1e-15 * (1 - 1e-15), (1 - 1e-15) * (1 - (1 - 1e-15))]


def test_relu():
    s = np.array([[-2, 0, 3], [1, -1, 0]])
    out, slope = relu_activation(s)
    assert out.tolist() == [[0, 0, 3], [1, 0, 0]]
    assert slope.tolist() == [[0, 0, 1], [1, 0, 0]]
    assert out.dtype == slope.dtype == np.float64
    assert s.tolist() == [[-2, 0, 3], [1, -1, 0]]


def test_logistic_loss():
    r = np.random.default_rng(1)
    g, y = r.uniform(0.01, 0.99, size=9), r.integers(2, size=9)
    loss, dL_dg = logistic_loss(g, y)
    np.testing.assert_allclose(loss, -np.log(g**y * (1 - g) ** (1 - y)), rtol=1e-12)
    np.testing.assert_allclose(dL_dg, numeric_gradient(lambda: logistic_loss(g, y)[0].sum(), g), rtol=1e-6)
    np.testing.assert_allclose(dL_dg, (g - y) / (g * (1 - g)), rtol=1e-12)


def test_logistic_loss_at_the_clipped_ends():
    out, _ = sigmoid_activation(np.array([-1000.0, 1000.0, -1000.0, 1000.0]))
    loss, dL_dg = logistic_loss(out, np.array([1.0, 0.0, 0.0, 1.0]))
    np.testing.assert_allclose(loss[:2], -np.log(1e-15), rtol=1e-3)
    assert (loss[2:] < 2e-15).all()
    np.testing.assert_allclose(dL_dg[:2], [-1e15, 1e15], rtol=1e-2)
    np.testing.assert_allclose(dL_dg[2:], [1, -1], rtol=1e-14)


# --- layers and passes ---


def test_layer_forward():
    x, _, Ws, bs = network()
    out, cache = layer_forward(x, Ws[0], bs[0], relu_activation)
    s = np.array(
        [[sum(x[n, i] * Ws[0][i, j] for i in range(5)) + bs[0][0, j] for j in range(4)] for n in range(6)]
    )
    np.testing.assert_allclose(out, np.where(s > 0, s, 0), atol=1e-14)
    assert isinstance(cache, tuple)
    assert cache.x is x
    assert cache.W is Ws[0]
    np.testing.assert_array_equal(cache.slope, s > 0)


def test_initial_parameters_are_drawn_in_order():
    seed(4)
    Ws, bs = create_weight_matrices([7, 5, 1]), create_bias_vectors([7, 5, 1])
    stream = np.random.RandomState(4)
    for found, shape in zip([*Ws, *bs], [(7, 5), (5, 1), (1, 5), (1, 1)], strict=True):
        np.testing.assert_array_equal(found, stream.normal(0, 0.01, shape))
    big = create_weight_matrices([300, 400])[0]
    assert abs(big.std() - 0.01) < 1e-4
    assert abs(big.mean()) < 1e-4


@pytest.mark.torch
@pytest.mark.parametrize("dims", [(5, 1), (5, 4, 1), (5, 4, 3, 1)])
def test_passes_against_torch(dims):
    torch = pytest.importorskip("torch")
    x, y, Ws, bs = network(dims)
    theirs = [[torch.tensor(p, requires_grad=True) for p in params] for params in (Ws, bs)]
    h = torch.tensor(x)
    for W, b in zip(*theirs, strict=True):
        s = h @ W + b
        h = torch.relu(s)
    g = torch.sigmoid(s)[:, 0]
    losses = torch.nn.functional.binary_cross_entropy(
        g, torch.tensor(y, dtype=torch.float64), reduction="none"
    )
    losses.mean().backward()
    fns = [relu_activation] * (len(Ws) - 1) + [sigmoid_activation]
    output, caches = forward_pass(x, Ws, bs, fns)
    assert output.shape == (6,)
    np.testing.assert_allclose(output, g.detach().numpy(), rtol=1e-12)
    loss, dL_dg = logistic_loss(output, y)
    np.testing.assert_allclose(loss, losses.detach().numpy(), rtol=1e-10)
    for found, wanted in zip(backward_pass(dL_dg, caches), theirs, strict=True):
        assert isinstance(found, list)
        for gradient, p in zip(found, wanted, strict=True):
            np.testing.assert_allclose(gradient, p.grad.numpy(), rtol=1e-9, atol=1e-14)


def test_backward_pass_of_any_upstream_gradient():
    """Σ r·g, with random r in place of a loss's gradient, against differences in every parameter."""
    x, _, Ws, bs = network()
    fns, r = (
        [relu_activation, sigmoid_activation, sigmoid_activation],
        np.random.default_rng(8).normal(size=6),
    )
    _, caches = forward_pass(x, Ws, bs, fns)
    grads = [g for params in backward_pass(r, caches) for g in params]
    for gradient, p in zip(grads, [*Ws, *bs], strict=True):
        expected = numeric_gradient(lambda: (r * forward_pass(x, Ws, bs, fns)[0]).mean(), p)
        np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-10)
        assert gradient.shape == p.shape


def test_finite_differences_agree_and_leave_the_parameters():
    x, y, Ws, bs = network()
    fns = [relu_activation, relu_activation, sigmoid_activation]
    kept = [p.copy() for p in (*Ws, *bs)]
    output, caches = forward_pass(x, Ws, bs, fns)
    exact = backward_pass(logistic_loss(output, y)[1], caches)
    for found, wanted in zip(my_nn_finite_difference_checker(x, y, Ws, bs, fns), exact, strict=True):
        for numeric, gradient in zip(found, wanted, strict=True):
            np.testing.assert_allclose(numeric, gradient, rtol=1e-5, atol=1e-9)
    for now, was in zip((*Ws, *bs), kept, strict=True):
        np.testing.assert_array_equal(now, was)


def test_finite_differences_find_a_wrong_derivative():
    def flat_relu(s):  # forgets that the slope is 0 below zero
        return relu_activation(s)[0], np.ones_like(s)

    x, y, Ws, bs = network()
    fns = [flat_relu, relu_activation, sigmoid_activation]
    output, caches = forward_pass(x, Ws, bs, fns)
    wrong = backward_pass(logistic_loss(output, y)[1], caches)[0][0]
    numeric = my_nn_finite_difference_checker(x, y, Ws, bs, fns)[0][0]
    assert np.abs(wrong - numeric).max() > 0.01


def test_finite_differences_are_central():
    """With a large eps it is the quotient (L(p + eps) − L(p − eps)) / (2 eps), written out."""
    x, y, Ws, bs = network((5, 1))
    _, (found,) = my_nn_finite_difference_checker(x, y, Ws, bs, [sigmoid_activation], eps=0.5)

    def loss(b):
        g = 1 / (1 + np.exp(-(x.dot(Ws[0]) + b)[:, 0]))
        return -np.mean(np.where(y == 1, np.log(g), np.log(1 - g)))

    expected = loss(bs[0][0, 0] + 0.5) - loss(bs[0][0, 0] - 0.5)
    np.testing.assert_allclose(found, [[expected]], rtol=1e-12)


# --- the toy batch ---


def test_the_toy_batch_by_backpropagation_and_by_differences():
    X, y, Ws, bs = batch = load_toy_batch()
    assert X.shape == (2, 4)
    assert y.tolist() == [1, 1]
    output, caches = forward_pass(X, Ws, bs, ACTIVATIONS)
    loss, dL_dg = logistic_loss(output, y)
    h = np.maximum(X.dot(Ws[0]) + bs[0], 0)
    by_hand = np.log1p(np.exp(-(h.dot(Ws[1]) + bs[1])[:, 0]))
    np.testing.assert_allclose(loss, by_hand, rtol=1e-12)
    assert round(loss.mean(), 6) == 0.698517
    exact, numeric = backward_pass(dL_dg, caches), my_nn_finite_difference_checker(*batch, ACTIVATIONS)
    for found, wanted in zip(numeric, exact, strict=True):
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-10)
            with np.printoptions(precision=2):  # as the deliverable prints them
                assert str(a) == str(b)


PICKLE = "cs189-hw2/test_batch_weights_biases.pkl"


@pytest.mark.data(PICKLE)
def test_our_copy_of_the_toy_batch_is_that_of_the_pickle(data_folder):
    ours, theirs = load_toy_batch(), load_toy_batch(data_folder / PICKLE)
    with (data_folder / PICKLE).open("rb") as file:
        original = pickle.load(file)  # the course's own line; the file's checksum is known
    flat = [[b[0], b[1], *b[2], *b[3]] for b in (ours, theirs, original)]
    for a, b, c in zip(*flat, strict=True):
        np.testing.assert_array_equal(a, c)
        np.testing.assert_array_equal(b, c)
        assert a.dtype == b.dtype == c.dtype


class Opens:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_a_pickle_with_code_in_it_is_refused(tmp_path):
    X, y, Ws, bs = load_toy_batch()
    flag, path = tmp_path / "it ran", tmp_path / "test_batch_weights_biases.pkl"
    path.write_bytes(pickle.dumps((X, y, Ws, [*bs, Opens(flag)])))
    with pytest.raises(
        DataError, match=r"holds \w+\.open, and only NumPy arrays, .* are read; none of its code"
    ):
        load_toy_batch(path)
    assert not flag.exists()


@pytest.mark.parametrize(
    "content",
    [
        pickle.dumps((np.zeros(2), np.zeros(2))),
        pickle.dumps((np.zeros(2), 3, [np.zeros(2)], [np.zeros(2)])),
        pickle.dumps((np.zeros(2), np.zeros(2), [np.zeros(2), None], [np.zeros(2)])),
        pickle.dumps((np.zeros(2), np.zeros(2), np.zeros(2), np.zeros(2))),
        pickle.dumps({"X_batch": np.zeros(2)}),
    ],
)
def test_another_pickle_is_refused(tmp_path, content):
    path = tmp_path / "batch.pkl"
    path.write_bytes(content)
    with pytest.raises(
        DataError, match=r"batch\.pkl: expected the toy batch, .* without a path reads clearprop's"
    ):
        load_toy_batch(path)


def test_another_npz_and_no_file(tmp_path):
    np.savez(tmp_path / "other.npz", X_batch=np.zeros((2, 4)))
    with pytest.raises(DataError, match=r"other\.npz: expected the toy batch"):
        load_toy_batch(tmp_path / "other.npz")
    for name in ("none.npz", "none.pkl"):
        with pytest.raises(FileError, match="there is no such file"):
            load_toy_batch(tmp_path / name)


# --- digits ---


@pytest.mark.data("mnist")
def test_threes_and_nines(data_folder):
    for (X, y), count, part in zip(get_mnist_threes_nines(), (12080, 2019), ("train", "t10k"), strict=True):
        assert X.shape == (count, 28, 28)
        assert X.dtype == np.float64
        images = read_idx(data_folder / "mnist" / f"{part}-images-idx3-ubyte.gz")
        labels = read_idx(data_folder / "mnist" / f"{part}-labels-idx1-ubyte.gz")
        chosen = (labels == 3) | (labels == 9)
        np.testing.assert_array_equal(X, images[chosen] / 255.0)
        np.testing.assert_array_equal(y, labels[chosen] == 9)
        assert set(y.tolist()) == {0, 1}


def test_display_image(monkeypatch):
    plt = pytest.importorskip("matplotlib.pyplot")
    shown = []
    monkeypatch.setattr(plt, "show", lambda: shown.append(plt.gcf()))
    picture = np.random.default_rng(0).random((28, 28))
    display_image(picture)
    display_image(picture.ravel())
    for figure in shown:
        (ax,) = figure.axes
        np.testing.assert_array_equal(ax.images[0].get_array(), picture)
        assert ax.images[0].get_cmap().name == "gray"
        plt.close(figure)
    assert len(shown) == 2
    with pytest.raises(ShapeError, match=r"expected image of shape \(28, 28\), got \(5, 28, 28\)\. Pass one"):
        display_image(np.zeros((5, 28, 28)))


@pytest.mark.data("mnist")
def test_training_reaches_98_percent():
    """The homework's 605 steps, each tested on one image only, which is what makes them quick."""
    (X, y), (X_test, y_test) = get_mnist_threes_nines()
    seed(0)
    run = train(X, y, X_test[:1], y_test[:1])
    assert [len(values) for values in run[:4]] == [605] * 4
    assert run.train_losses[0] == pytest.approx(np.log(2), abs=0.02)
    output, _ = forward_pass(X_test.reshape(-1, 784), run.weight_matrices, run.biases, ACTIVATIONS)
    assert np.mean((output > 0.5) == y_test) == pytest.approx(0.98, abs=0.005)
    assert np.mean(run.train_accuracies[-121:]) > 0.975


# --- training ---


@pytest.mark.torch
@pytest.mark.parametrize("batch_size", [1, 4, 10, 50])
def test_every_step_is_that_of_torch(batch_size):
    torch = pytest.importorskip("torch")
    x, y, Ws, bs = network((5, 4, 1), n=10)
    x_test, y_test, _, _ = network((5, 4, 1), n=7)
    kept = [p.copy() for p in (*Ws, *bs, x, y)]
    seed(11)
    run = train(x, y, x_test, y_test, batch_size=batch_size, step_size=0.5, num_epochs=3,
                weight_matrices=Ws, biases=bs)  # fmt: skip
    params = [torch.tensor(p, requires_grad=True) for p in (*Ws, *bs)]
    optimizer = torch.optim.SGD(params, lr=0.5)

    def measure(x, y):
        w1, w2, b1, b2 = params
        s = (torch.relu(torch.tensor(x) @ w1 + b1) @ w2 + b2)[:, 0]
        target = torch.tensor(y, dtype=torch.float64)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(s, target)
        return loss, np.mean((s.detach().numpy() > 0) == y)

    stream, rows = np.random.RandomState(11), []
    for _ in range(3):
        order = stream.permutation(10)
        for start in range(0, 10, batch_size):
            batch = order[start : start + batch_size]
            loss, right = measure(x[batch], y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            tested, tested_right = measure(x_test, y_test)
            rows.append([loss.item(), right, tested.item(), tested_right])
    np.testing.assert_allclose(np.array(run[:4]).T, rows, rtol=1e-8)
    for found, p in zip((*run.weight_matrices, *run.biases), params, strict=True):
        np.testing.assert_allclose(found, p.detach().numpy(), rtol=1e-8, atol=1e-12)
    for now, was in zip((*Ws, *bs, x, y), kept, strict=True):
        np.testing.assert_array_equal(now, was)


def test_training_draws_its_start_and_takes_activations():
    x, y, _, _ = network((5, 4, 1))
    seed(2)
    run = train(x, y, x, y, [5, 4, 1], [sigmoid_activation] * 2, batch_size=6, step_size=1e-300, num_epochs=1)
    stream = np.random.RandomState(2)
    for found, shape in zip(
        (*run.weight_matrices, *run.biases), [(5, 4), (4, 1), (1, 4), (1, 1)], strict=True
    ):
        np.testing.assert_array_equal(found, stream.normal(0, 0.01, shape))
    output, _ = forward_pass(x, run.weight_matrices, run.biases, [sigmoid_activation] * 2)
    np.testing.assert_allclose(run.train_losses, [logistic_loss(output, y)[0].mean()])


# --- sentences ---


def small(**changes):
    x, y, _, _ = network((5, 4, 1))
    given = {"X_train": x, "y_train": y, "X_test": x, "y_test": y, "layer_dims": (5, 4, 1), **changes}
    return train(**given)


@pytest.mark.parametrize(
    ("act", "error", "words"),
    [
        (lambda: logistic_loss(np.full((3, 1), 0.5), np.zeros(3)), ShapeError,
         r"^logistic_loss: expected g of shape \(n,\), got \(3, 1\)\. Pass g\.ravel\(\)\.$"),
        (lambda: logistic_loss(np.full(3, 0.5), np.zeros((3, 1))), ShapeError,
         r"^logistic_loss: expected y of shape \(3,\), got \(3, 1\)\. One label an output\.$"),
        (lambda: logistic_loss(np.full(3, 0.5), np.zeros(1)), ShapeError, r"y of shape \(3,\), got \(1,\)"),
        (lambda: logistic_loss(np.array([0.5, 1.5]), np.zeros(2)), DataError,
         r"^logistic_loss: expected g from 0 to 1, got 0\.5 to 1\.5\. g comes out of sigmoid_activation"),
        (lambda: logistic_loss(np.array([0.5, np.nan]), np.zeros(2)), DataError, "expected g from 0 to 1, got nan"),
        (lambda: logistic_loss(np.full(2, 0.5), np.array([3, 9])), DataError,
         "^logistic_loss: expected y from 0 to 1, got 3 to 9"),
        (lambda: layer_forward(np.zeros((2, 3)), np.zeros((4, 5)), np.zeros((1, 5)), relu_activation), ShapeError,
         r"^layer_forward: expected x of shape \(n, 4\), got \(2, 3\)\. Each row is an example\.$"),
        (lambda: layer_forward(np.zeros((2, 4)), np.zeros((4, 5)), np.zeros(5), relu_activation), ShapeError,
         r"^layer_forward: expected b of shape \(1, 5\), got \(5,\)\. It is one row\.$"),
        (lambda: layer_forward(np.zeros((2, 4)), np.zeros(4), np.zeros((1, 5)), relu_activation), ShapeError,
         r"^layer_forward: expected W of shape \(d_prev, d\), got \(4,\)\.$"),
        (lambda: layer_forward(np.zeros((2, 4)), np.zeros((4, 5)), np.zeros((1, 5)), lambda s: (s, s[:1])), ShapeError,
         r"expected the activation's derivative of shape \(2, 5\), got \(1, 5\)"),
        (lambda: forward_pass(np.zeros((2, 4)), [np.zeros((4, 5))], [np.zeros((1, 5))], [relu_activation]),
         ShapeError, r"^forward_pass: expected the output of shape \(n, 1\), got \(2, 5\)\. End layer_dims with 1\.$"),
        (lambda: forward_pass(np.zeros((2, 4)), [np.zeros((4, 1))], [], [relu_activation]), ConfigError,
         "got 1 matrices, 0 biases and 1 activations"),
        (lambda: backward_pass(np.zeros((2, 1)), forward_pass(*network()[::2], network()[3],
                                                              [sigmoid_activation] * 3)[1]),
         ShapeError, r"^backward_pass: expected dL_dg of shape \(6,\), got \(2, 1\)\. logistic_loss gives it\.$"),
        (lambda: my_nn_finite_difference_checker(*network(), [sigmoid_activation] * 3, eps=0), ConfigError,
         "expected eps to be a finite number > 0, got 0"),
        (lambda: create_weight_matrices([784]), ConfigError, "at least an input's and an output's size"),
        (lambda: create_bias_vectors([784, 0, 1]), ConfigError, "each size to be a whole number >= 1, got 0"),
        (lambda: small(y_train=np.zeros((6, 1))), ShapeError,
         r"^train: expected y_train of shape \(6,\), got \(6, 1\)\. One label an example\.$"),
        (lambda: small(X_test=np.zeros(5)), ShapeError, r"^train: expected X_test of shape .*, got \(5,\)"),
        (lambda: small(X_train=np.zeros((6, 3))), ShapeError, r"expected x of shape \(n, 5\), got \(6, 3\)"),
        (lambda: small(batch_size=0), ConfigError, "train: expected batch_size to be a whole number >= 1, got 0"),
        (lambda: small(step_size=0), ConfigError, "train: expected step_size to be a finite number > 0, got 0"),
        (lambda: small(num_epochs=0.5), ConfigError, "train: expected num_epochs to be a whole number >= 1"),
    ],
)  # fmt: skip
def test_sentences(act, error, words):
    with pytest.raises(error) as caught:
        act()
    assert re.search(words, str(caught.value))  # the sentence, without the picture below it


def test_without_mnist_the_sentence_names_the_command():
    with pytest.raises(DataError, match="Run `clearprop data fetch mnist`"):
        get_mnist_threes_nines()


def test_the_toy_batch_lies_beside_the_module():
    import clearprop.courses.cs189_functions as module

    content = (Path(module.__file__).parent / "cs189_toy_batch.npz").read_bytes()
    with np.load(io.BytesIO(content)) as arrays:
        assert sorted(arrays) == ["W1", "W2", "X_batch", "b1", "b2", "y_batch"]
