"""Losses by name: their values, what y may be, and the sentences for what it may not."""

import numpy as np
import pytest

from clearprop import Dense, Sequential, make_loss, one_hot
from clearprop.errors import ConfigError, DataError, ShapeError
from clearprop.losses import LOSSES, Loss, predict_from, probabilities_from
from oracles import numeric_gradient, softmax_loss

special = pytest.importorskip("scipy.special")
F8 = np.dtype("float64")
rng = np.random.default_rng(5)
SCORES = rng.normal(size=(6, 3))
LABELS = np.array([0, 2, 1, 1, 0, 2])
NUMBERS = rng.normal(size=(6, 3))
COUNTS = rng.integers(0, 5, size=(6, 3)).astype(float)
BITS = rng.integers(0, 2, size=(6, 3)).astype(float)
MATCHING = {
    "softmax_cross_entropy": LABELS,
    "sigmoid_cross_entropy": BITS,
    "cross_entropy": LABELS,
    "hinge": LABELS,
    "squared_error": NUMBERS,
    "absolute_error": NUMBERS,
    "huber": NUMBERS,
    "poisson": COUNTS,
}


def prepare(name, y, shape=(3,), n=None, dtype="float64"):
    return make_loss(name).prepare(y, len(y) if n is None else n, shape, np.dtype(dtype), "fit")


@pytest.mark.parametrize("name", LOSSES)
def test_gradient_is_that_of_each_examples_own_loss(name):
    loss, y = make_loss(name), prepare(name, MATCHING[name])
    scores = special.softmax(SCORES, axis=1) if name == "cross_entropy" else SCORES.copy()
    losses, dscores = loss(scores, y)
    assert losses.shape == (6,)
    weight = np.random.default_rng(0).normal(size=6)
    numeric = numeric_gradient(lambda: weight @ loss(scores, y)[0], scores)
    np.testing.assert_allclose(weight[:, None] * dscores, numeric, rtol=1e-6, atol=1e-7)


def test_settings_reach_the_kernel():
    smoothed = make_loss({"name": "softmax_cross_entropy", "label_smoothing": 0.3})
    t = 0.7 * np.eye(3)[LABELS] + 0.1
    np.testing.assert_allclose(smoothed(SCORES, LABELS)[0], -(t * special.log_softmax(SCORES, axis=1)).sum(1))
    weighted = make_loss({"name": "softmax_cross_entropy", "class_weights": [1, 2, 0.5]})
    expected = np.array([1, 2, 0.5])[LABELS] * softmax_loss(SCORES, LABELS)[0]
    np.testing.assert_allclose(weighted(SCORES, LABELS)[0], expected)
    huber = make_loss({"name": "huber", "delta": 0.5})
    np.testing.assert_allclose(huber(SCORES, NUMBERS)[0], special.huber(0.5, SCORES - NUMBERS).sum(axis=1))
    none = make_loss({"name": "softmax_cross_entropy", "class_weights": None})
    np.testing.assert_array_equal(
        none(SCORES, LABELS)[0], make_loss("softmax_cross_entropy")(SCORES, LABELS)[0]
    )


def test_spec_round_trip():
    for spec in ({"name": "huber", "delta": 0.5}, {"name": "hinge"}):
        assert make_loss(make_loss(spec).spec()).spec() == spec
    loss = make_loss("hinge")
    assert make_loss(loss) is loss
    assert isinstance(loss, Loss)


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        (
            "cros_entropy",
            r"loss: unknown name 'cros_entropy'\. Did you mean 'cross_entropy'\? Known: absolute_error",
        ),
        ({"delta": 1}, r"loss: expected a 'name' among the settings, got \['delta'\]"),
        (
            {"name": "huber", "dleta": 1},
            r"loss huber: unknown setting 'dleta'\. Did you mean 'delta'\? Known: delta",
        ),
        ({"name": "hinge", "delta": 1}, r"loss hinge: unknown setting 'delta'\. Known: none"),
        ({"name": "huber", "delta": 0}, r"loss huber: expected delta to be a finite number > 0, got 0"),
        (
            {"name": "softmax_cross_entropy", "label_smoothing": 1},
            r"loss softmax_cross_entropy: expected label_smoothing in \[0, 1\), got 1",
        ),
        (
            {"name": "softmax_cross_entropy", "class_weights": [1, -1, 1]},
            r"expected class_weights to be finite numbers >= 0, got \[1, -1, 1\]",
        ),
        ({"name": "softmax_cross_entropy", "class_weights": "balanced"}, r"class_weights .* got 'balanced'"),
        (None, r"loss: expected a name, or a mapping of a name and settings, got None"),
    ],
)
def test_sentences_for_names_and_settings(spec, sentence):
    with pytest.raises(ConfigError, match=sentence):
        make_loss(spec)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32, bool])
def test_labels_of_any_whole_kind(dtype):
    y = np.array([0, 1, 1, 0], dtype)
    for given in (y, y[:, None], y.tolist()):
        labels = prepare("softmax_cross_entropy", given)
        assert labels.dtype == np.intp
        np.testing.assert_array_equal(labels, [0, 1, 1, 0])


def test_target_rows_stay_rows_in_the_models_dtype():
    rows = np.array([[0.5, 0.5, 0.0], [0, 0, 1]])
    prepared = prepare("softmax_cross_entropy", rows, dtype="float32")
    assert prepared.dtype == np.float32
    np.testing.assert_array_equal(prepared, rows)


def test_numbers_in_one_column_or_none():
    for name in ("squared_error", "sigmoid_cross_entropy", "poisson"):
        np.testing.assert_array_equal(prepare(name, [1, 0], (1,)), [[1.0], [0.0]])
    assert prepare("squared_error", np.zeros((5, 2, 3)), (2, 3)).shape == (5, 2, 3)


CROSS = "softmax_cross_entropy"


@pytest.mark.parametrize(
    ("name", "y", "shape", "error", "sentence"),
    [
        (
            CROSS,
            [0, 3],
            (3,),
            DataError,
            r"fit: expected labels from 0 to 2, got 3 in row 1\. .* needs 4 units",
        ),
        (
            CROSS,
            [1, 2, 3, 1],
            (3,),
            DataError,
            r"from 0 to 2, got 3 in row 2\. They seem to start at 1: pass y - 1",
        ),
        (
            CROSS,
            [1, 7, 1],
            (3,),
            DataError,
            r"from 0 to 2, got 7 in row 1\. For this y the last layer needs 8 units",
        ),
        (CROSS, [0, -1], (3,), DataError, r"from 0 to 2, got -1 in row 1\. Labels count from 0"),
        (
            CROSS,
            [0, 0.5],
            (3,),
            DataError,
            r"whole numbers as labels, got 0\.5 in row 1\. .*loss squared_error",
        ),
        (CROSS, [0, 1e30], (3,), DataError, r"whole numbers as labels, got 1e\+30 in row 1"),
        (CROSS, [0, np.nan], (3,), DataError, r"fit: y\[1\] is nan, one of 1 values"),
        (
            CROSS,
            ["setosa", "virginica"],
            (3,),
            DataError,
            r"y to hold numbers, got <U9 \('setosa', …\)\. .*np\.unique",
        ),
        (CROSS, [None, 1], (3,), DataError, r"expected y to hold numbers, got object \('None', …\)"),
        (
            CROSS,
            [[0.5, 0.4, 0.3]],
            (3,),
            DataError,
            r"wants rows of probabilities that sum to 1, got .* in row 0",
        ),
        (
            CROSS,
            [[0, 1, 0], [2, -1, 0]],
            (3,),
            DataError,
            r"rows of probabilities that sum to 1, got .* in row 1\. To predict numbers, take the loss squared_error",
        ),
        (
            CROSS,
            [[0, 1], [1, 0]],
            (3,),
            ShapeError,
            r"expected y of shape \(N,\), got \(2, 2\)\. .* takes labels \(N,\) or rows of probabilities \(N, 3\)",
        ),
        (
            CROSS,
            [0, 1],
            (3, 2),
            ShapeError,
            r"The network gives \(N, 3, 2\), so .* takes a label at each place.*Flatten\(\) and Dense\(K\)",
        ),
        (
            "hinge",
            np.eye(3),
            (3,),
            DataError,
            r"hinge wants labels of shape \(N,\), got rows of shape \(3, 3\)\. .* one-hot, pass y\.argmax\(axis=1\)",
        ),
        (
            "hinge",
            np.eye(2),
            (3,),
            ShapeError,
            r"hinge takes labels \(N,\)\. For this y the last layer needs 2 units",
        ),
        (
            "squared_error",
            [0, 1],
            (3,),
            DataError,
            r"squared_error wants targets of shape \(N, 3\), got labels of shape \(2,\)\. Pass one_hot\(y, 3\)",
        ),
        (
            "squared_error",
            np.zeros((2, 6)),
            (2, 3),
            ShapeError,
            r"expected y of shape \(N, 2, 3\), got \(2, 6\)\. Targets have the shape of the network's output",
        ),
        ("squared_error", [[0.0], [np.inf]], (1,), DataError, r"fit: y\[1, 0\] is inf"),
        ("sigmoid_cross_entropy", [0, 2], (1,), DataError, r"wants targets from 0 to 1, got \[2\] in row 1"),
        ("poisson", [3, -1], (1,), DataError, r"poisson wants targets from 0 to inf, got \[-1\] in row 1"),
    ],
)
def test_sentences_for_y(name, y, shape, error, sentence):
    with pytest.raises(error, match=sentence):
        prepare(name, np.array(y), shape)


def test_as_many_rows_of_y_as_of_x():
    for y in ([0, 1], 1):
        with pytest.raises(
            ShapeError, match=r"fit: expected one row of y for each of the 3 rows of x, got y of shape"
        ):
            prepare(CROSS, y, n=3)


def test_one_class_weight_for_each_class():
    spec = {"name": CROSS, "class_weights": [1, 2]}
    with pytest.raises(
        ShapeError, match=r"expected class_weights of shape \(3,\), got \(2,\)\. One weight for each"
    ):
        prepare(spec, [0, 1])


def test_one_hot():
    np.testing.assert_array_equal(one_hot(LABELS, 3), np.eye(3)[LABELS])
    np.testing.assert_array_equal(one_hot(LABELS.astype(float), 4), np.eye(4)[LABELS])
    assert one_hot([], 3).shape == (0, 3)
    with pytest.raises(DataError, match=r"one_hot: expected labels from 0 to 1, got 2 in row 1"):
        one_hot(LABELS, 2)
    with pytest.raises(DataError, match=r"one_hot: expected whole numbers as labels, got 0\.5"):
        one_hot([0.5], 2)
    with pytest.raises(ShapeError, match=r"one_hot: expected labels of shape \(N,\), got \(1, 2\)"):
        one_hot([[0, 1]], 2)
    with pytest.raises(ConfigError, match=r"one_hot: expected classes to be a whole number >= 1, got 0"):
        one_hot([0], 0)


@pytest.mark.parametrize(
    ("name", "scores", "y", "expected"),
    [
        (CROSS, SCORES, LABELS, np.sum(SCORES.argmax(1) == LABELS)),
        (CROSS, SCORES, np.eye(3)[LABELS], np.sum(SCORES.argmax(1) == LABELS)),
        ("hinge", SCORES, LABELS, np.sum(SCORES.argmax(1) == LABELS)),
        ("sigmoid_cross_entropy", SCORES, BITS, np.mean((SCORES > 0) == BITS, axis=1).sum()),
        ("cross_entropy", special.softmax(SCORES, 1), LABELS, np.sum(SCORES.argmax(1) == LABELS)),
        ("squared_error", SCORES, NUMBERS, np.mean((SCORES - NUMBERS) ** 2, axis=1).sum()),
        ("poisson", SCORES, COUNTS, np.mean((np.exp(SCORES) - COUNTS) ** 2, axis=1).sum()),
    ],
)
def test_measure_is_a_sum_over_examples(name, scores, y, expected):
    loss = make_loss(name)
    assert loss.measure(scores, y) == pytest.approx(float(expected))
    halves = loss.measure(scores[:2], y[:2]) + loss.measure(scores[2:], y[2:])
    assert halves == pytest.approx(float(expected))
    regression = name in ("squared_error", "poisson")
    assert loss.metric == ("mean_squared_error" if regression else "accuracy")


def test_probabilities_by_link():
    np.testing.assert_allclose(probabilities_from("softmax", SCORES), special.softmax(SCORES, axis=1))
    np.testing.assert_allclose(probabilities_from("sigmoid", SCORES), special.expit(SCORES))
    assert probabilities_from("probs", SCORES) is SCORES
    for link in ("argmax", "identity", "exp"):
        with pytest.raises(
            ConfigError, match=r"probabilities: .*scores are no probabilities\. Use scores\(x\), or train"
        ):
            probabilities_from(link, SCORES)


@pytest.mark.parametrize("link", ["softmax", "sigmoid", "probs", "argmax"])
def test_predictions_agree_with_probabilities(link):
    one = SCORES[:, :1]
    if link == "sigmoid":
        np.testing.assert_array_equal(predict_from(link, one), special.expit(one) > 0.5)
    elif link == "probs":
        np.testing.assert_array_equal(predict_from(link, np.array([[0.4], [0.6]])), [[False], [True]])
        np.testing.assert_array_equal(predict_from(link, special.softmax(SCORES, 1)), SCORES.argmax(1))
    else:
        np.testing.assert_array_equal(predict_from(link, SCORES), SCORES.argmax(1))


def test_numbers_are_predicted_as_they_are():
    np.testing.assert_array_equal(predict_from("identity", NUMBERS), NUMBERS)
    np.testing.assert_allclose(predict_from("exp", NUMBERS), np.exp(NUMBERS))


def test_a_single_sigmoid_output_and_its_labels():
    model = Sequential([Dense(1)], (2,), dtype="float64")
    assert model.link == "sigmoid"
    loss = make_loss("sigmoid_cross_entropy")
    y = loss.prepare([0, 1, 1], 3, model.output_shape, F8, "fit")
    assert loss.measure(np.array([[-1.0], [2.0], [-3.0]]), y) == 2


def test_poissons_predictions_are_finite_where_its_loss_is():
    loss = make_loss("poisson")
    with np.errstate(all="raise"):
        assert np.isfinite(loss.measure(np.array([[1e4]]), np.array([[1.0]])))
