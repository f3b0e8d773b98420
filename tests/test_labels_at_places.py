"""A label at each step of a sequence, or at each pixel: losses, metrics and predictions of scores (N, …, K)."""

import numpy as np
import pytest

import clearprop as cp

RNG = np.random.default_rng(0)
X = RNG.normal(size=(30, 6, 2))
Y = (np.cumsum(X[..., 0], axis=1) > 0).astype(int)  # the sign of the sum so far


def tagger(dtype="float64"):
    layers = [cp.GRU(8, return_sequences=True), cp.TimeDistributed(cp.Dense(2))]
    return cp.Sequential(layers, (6, 2), seed=0, dtype=dtype)


@pytest.mark.parametrize("name", ["softmax_cross_entropy", "hinge"])
def test_an_examples_loss_is_the_mean_over_its_places(name):
    loss = cp.make_loss(name)
    scores = RNG.normal(size=(5, 4, 3, 7))
    labels = RNG.integers(0, 7, (5, 4, 3))
    y = loss.prepare(labels, 5, (4, 3, 7), np.dtype("float64"), "test")
    losses, dscores = loss(scores, y)
    assert losses.shape == (5,)
    for n in range(5):
        one, d_one = loss(scores[n].reshape(12, 7), labels[n].reshape(12))
        assert losses[n] == pytest.approx(one.mean(), rel=1e-12)
        np.testing.assert_allclose(dscores[n].reshape(12, 7), d_one / 12, rtol=1e-12)
    right = (scores.argmax(axis=-1) == labels).reshape(5, 12).mean(axis=1).sum()
    assert loss.measure(scores, y) == pytest.approx(right)


def test_rows_of_probabilities_at_each_place():
    loss = cp.make_loss("softmax_cross_entropy")
    scores, labels = RNG.normal(size=(5, 4, 3)), RNG.integers(0, 3, (5, 4))
    rows = loss.prepare(np.eye(3)[labels], 5, (4, 3), np.dtype("float64"), "test")
    for found, expected in zip(loss(scores, rows), loss(scores, labels), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert loss.measure(scores, rows) == loss.measure(scores, labels)


@pytest.mark.torch
def test_as_pytorch_has_it():
    torch = pytest.importorskip("torch")
    scores, labels = RNG.normal(size=(5, 4, 3)), RNG.integers(0, 3, (5, 4))
    given = torch.tensor(scores, requires_grad=True)
    value = torch.nn.functional.cross_entropy(given.transpose(1, 2), torch.tensor(labels))
    value.backward()
    losses, dscores = cp.make_loss("softmax_cross_entropy")(scores, labels)
    assert losses.mean() == pytest.approx(value.item(), rel=1e-12)
    np.testing.assert_allclose(dscores / 5, given.grad.numpy(), rtol=1e-10, atol=1e-14)


def test_the_gradients_of_a_tagger():
    assert cp.check_gradients(tagger(), X[:4], Y[:4]).ok


@pytest.mark.parametrize("workers", [1, 2])
def test_a_tagger_learns(workers):
    model = tagger("float32")
    history = cp.fit(model, X, Y, optimizer=cp.Adam(0.02), epochs=60, batch_size=10, workers=workers)
    assert history.epochs[-1]["accuracy"] > 0.95
    assert model.predict(X).shape == (30, 6)
    assert (model.predict(X) == Y).mean() > 0.95
    np.testing.assert_allclose(model.probabilities(X).sum(axis=-1), 1, rtol=1e-5)
    assert cp.evaluate(model, X, Y, "softmax_cross_entropy")["accuracy"] > 0.95


@pytest.mark.parametrize(
    ("y", "sentence"),
    [
        (
            Y[:, 0],
            r"expected y of shape \(N, 6\), got \(30,\).*a label at each place.*leave return_sequences out",
        ),
        (Y[:, :5], r"expected y of shape \(N, 6\), got \(30, 5\)"),
        (Y + 1, r"all places end to end: expected labels from 0 to 1, got 2"),
        (np.zeros((30, 6, 3)), r"expected y of shape \(N, 6, 2\), got \(30, 6, 3\)"),
    ],
)
def test_labels_of_another_shape(y, sentence):
    with pytest.raises((cp.ShapeError, cp.DataError), match=sentence):
        cp.fit(tagger(), X, y)
