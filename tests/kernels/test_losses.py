import numpy as np
import pytest

from clearprop.kernels import losses
from clearprop.kernels.activations import sigmoid_forward, softmax_backward, softmax_forward

N, K = 7, 5
WEIGHTS = np.array([0.5, 2.0, 1.0, 0.25, 3.0])


def drawn(kind, seed=0):
    """scores (N, K) and targets of the kind."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(scale=2, size=(N, K))
    return scores, {
        "labels": lambda: rng.integers(0, K, N),
        "rows": lambda: rng.dirichlet(np.ones(K), N),
        "shares": lambda: rng.random((N, K)),
        "targets": lambda: rng.normal(size=(N, K)),
        "counts": lambda: rng.poisson(2.0, (N, K)).astype(float),
    }[kind]()


def check_against_torch(ours, scores, y, theirs):
    """Losses per example and their gradient; `theirs(scores, y)` gives losses (N,) or (N, K)."""
    torch = pytest.importorskip("torch")
    values, dscores = ours(scores, y)
    ts = torch.tensor(scores, requires_grad=True)
    expected = theirs(torch.nn.functional, ts, torch.tensor(y))
    expected = expected.sum(dim=1) if expected.ndim == 2 else expected
    expected.sum().backward()  # the examples' losses added up: each row's gradient is its own loss's
    np.testing.assert_allclose(values, expected.detach().numpy(), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(dscores, ts.grad.numpy(), rtol=1e-12, atol=1e-13)


@pytest.mark.torch
@pytest.mark.parametrize("kind", ["labels", "rows"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["", "weighted"])
def test_softmax_cross_entropy_agrees_with_torch(kind, smoothing, weights):
    torch = pytest.importorskip("torch")
    scores, y = drawn(kind)
    tw = None if weights is None else torch.tensor(weights)
    check_against_torch(
        lambda s, t: losses.softmax_cross_entropy(s, t, label_smoothing=smoothing, class_weights=weights),
        scores,
        y,
        # torch's mean would divide by the sum of the labels' weights; its per-example losses are ours
        lambda F, s, t: F.cross_entropy(s, t, weight=tw, label_smoothing=smoothing, reduction="none"),
    )


@pytest.mark.torch
@pytest.mark.parametrize(
    ("name", "kind", "theirs"),
    [
        (
            "sigmoid_cross_entropy",
            "shares",
            lambda F, s, t: F.binary_cross_entropy_with_logits(s, t, reduction="none"),
        ),
        ("squared_error", "targets", lambda F, s, t: F.mse_loss(s, t, reduction="none")),
        ("absolute_error", "targets", lambda F, s, t: F.l1_loss(s, t, reduction="none")),
        ("huber", "targets", lambda F, s, t: F.huber_loss(s, t, reduction="none")),
        # torch's multi-class hinge is divided by the number of classes
        ("hinge", "labels", lambda F, s, t: K * F.multi_margin_loss(s, t, reduction="none")),
        ("poisson", "counts", lambda F, s, t: F.poisson_nll_loss(s, t, log_input=True, reduction="none")),
    ],
)
def test_agrees_with_torch(name, kind, theirs):
    check_against_torch(getattr(losses, name), *drawn(kind), theirs)


@pytest.mark.torch
def test_huber_with_another_delta_agrees_with_torch():
    check_against_torch(
        lambda s, t: losses.huber(s, t, delta=0.4),
        *drawn("targets"),
        lambda F, s, t: F.huber_loss(s, t, delta=0.4, reduction="none"),
    )


@pytest.mark.torch
def test_cross_entropy_agrees_with_torch_on_probabilities():
    scores, y = drawn("labels")
    probs, _ = softmax_forward(scores)
    check_against_torch(
        losses.cross_entropy, probs, y, lambda F, p, t: F.nll_loss(p.log(), t, reduction="none")
    )


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["", "weighted"])
def test_softmax_cross_entropy_agrees_with_scikit_learn(weights):
    log_loss = pytest.importorskip("sklearn.metrics").log_loss
    scores, y = drawn("labels")
    values, _ = losses.softmax_cross_entropy(scores, y, class_weights=weights)
    example_weights = None if weights is None else weights[y]
    expected = log_loss(
        y, softmax_forward(scores)[0], labels=range(K), sample_weight=example_weights, normalize=False
    )
    assert values.sum() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("label_type", ["uint8", "int32", "int64"])
def test_labels_may_have_any_integer_type(label_type):
    scores, y = drawn("labels")
    expected = losses.softmax_cross_entropy(scores, y)
    for a, b in zip(losses.softmax_cross_entropy(scores, y.astype(label_type)), expected, strict=True):
        np.testing.assert_array_equal(a, b)


def test_labels_and_one_hot_rows_are_the_same():
    scores, y = drawn("labels")
    for name in ("softmax_cross_entropy", "cross_entropy"):
        inputs = softmax_forward(scores)[0] if name == "cross_entropy" else scores
        by_label = getattr(losses, name)(inputs, y)
        by_row = getattr(losses, name)(inputs, np.eye(K)[y])
        for a, b in zip(by_label, by_row, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-15)


def test_cross_entropy_after_softmax_is_softmax_cross_entropy():
    scores, y = drawn("rows")
    expected, dscores = losses.softmax_cross_entropy(scores, y)
    probs, cache = softmax_forward(scores)
    values, dprobs = losses.cross_entropy(probs, y)
    np.testing.assert_allclose(values, expected, rtol=1e-12)
    np.testing.assert_allclose(softmax_backward(dprobs, cache), dscores, rtol=1e-10, atol=1e-13)


def test_one_sigmoid_score_is_two_softmax_scores():
    s, y = np.linspace(-20, 20, 41), np.arange(41) % 2
    expected, dscores = losses.softmax_cross_entropy(np.stack([np.zeros(41), s], axis=1), y)
    values, ds = losses.sigmoid_cross_entropy(s, y.astype(float))
    np.testing.assert_allclose(values, expected, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(ds, dscores[:, 1], rtol=1e-9, atol=1e-15)


def test_sigmoid_cross_entropy_pulls_towards_the_sigmoid():
    scores, targets = drawn("shares")
    p, _ = sigmoid_forward(scores)
    np.testing.assert_allclose(
        losses.sigmoid_cross_entropy(scores, targets)[1], p - targets, rtol=0, atol=1e-15
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_cross_entropy_is_finite_where_a_probability_is_zero(dtype):
    probs = np.array([[0, 1], [0, 1], [1, 0]], dtype)
    values, dprobs = losses.cross_entropy(probs, np.array([0, 1, 0]))
    np.testing.assert_allclose(values, [-np.log(1e-30), 0, 0], rtol=1e-6)
    np.testing.assert_allclose(dprobs, [[-1e30, 0], [0, -1], [-1, 0]], rtol=1e-6)


def test_poisson_goes_on_as_a_tangent_beyond_30():
    values, dscores = losses.poisson(np.array([30.0, 31.0, 1e4]), np.zeros(3))
    np.testing.assert_allclose(values, np.exp(30) * np.array([1, 2, 1 + 1e4 - 30]), rtol=1e-12)
    np.testing.assert_allclose(dscores, np.exp(30), rtol=1e-12)


def test_slopes_at_the_kinks_are_zero():
    same = np.full((2, 3), 1.5)
    assert not losses.absolute_error(same, same)[1].any()
    scores = np.array([[2.0, 1.0]])  # the margin is met exactly
    assert not losses.hinge(scores, np.array([0]))[1].any()


@pytest.mark.parametrize(
    "name", ["squared_error", "absolute_error", "huber", "sigmoid_cross_entropy", "poisson"]
)
def test_any_number_of_output_axes_adds_up_to_one_loss_per_example(name):
    rng = np.random.default_rng(0)
    scores, targets = rng.normal(size=(4, 3, 2)), rng.random((4, 3, 2))
    values, dscores = getattr(losses, name)(scores, targets)
    expected, dexpected = getattr(losses, name)(scores.reshape(4, 6), targets.reshape(4, 6))
    np.testing.assert_allclose(values, expected, rtol=1e-12)
    np.testing.assert_array_equal(dscores.reshape(4, 6), dexpected)
