"""Pictures of outputs with many labels or numbers an example: at each step of a sequence, at each pixel."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix

import clearprop as cp
from clearprop.lens.cells import plot_worst, words_of
from clearprop.lens.plots import (
    Predicted,
    confusion_of,
    plot_best_and_worst,
    plot_predicted,
    predict_set,
    save_run_plots,
)

RNG = np.random.default_rng(0)
SEQUENCES = RNG.normal(size=(10, 5, 4))
IMAGES = RNG.normal(size=(6, 6, 6, 1))
TAGS = RNG.integers(0, 3, (10, 5))
TAGGER = [cp.LSTM(4, return_sequences=True), cp.TimeDistributed(cp.Dense(3))]
Case = tuple[list[Any], tuple[int, ...], Any, Any, str]
CASES: dict[str, Case] = {
    "labels of a sequence": (TAGGER, (5, 4), SEQUENCES, TAGS, "softmax_cross_entropy"),
    "rows of a sequence": (TAGGER, (5, 4), SEQUENCES, np.eye(3)[TAGS], "softmax_cross_entropy"),
    "margins of a sequence": (TAGGER, (5, 4), SEQUENCES, TAGS, "hinge"),
    "yes or no of a sequence": (
        [cp.Elman(4, return_sequences=True)], (5, 4), SEQUENCES, SEQUENCES > 0, "sigmoid_cross_entropy",
    ),
    "one yes or no a step": (
        [cp.Elman(1, return_sequences=True)], (5, 4), SEQUENCES, SEQUENCES[..., :1] > 0, "sigmoid_cross_entropy",
    ),
    "labels of pixels": (
        [cp.Conv2D(3, 3, padding="same")], (6, 6, 1), IMAGES, RNG.integers(0, 3, (6, 6, 6)), "softmax_cross_entropy",
    ),
    "numbers of a sequence": ([cp.Elman(4, return_sequences=True)], (5, 4), SEQUENCES, SEQUENCES, "squared_error"),
    "numbers of pixels": ([cp.Conv2D(1, 3, padding="same")], (6, 6, 1), IMAGES, IMAGES, "squared_error"),
}  # fmt: skip


def axes() -> Axes:
    return Figure().subplots()


def words(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.texts]


def seen(name: str) -> tuple[cp.Sequential, Predicted]:
    layers, shape, x, y, loss = CASES[name]
    model = cp.Sequential(layers, input_shape=shape, seed=0, dtype="float64")
    return model, predict_set(model, x, y, loss)


@pytest.mark.parametrize("name", CASES)
def test_every_picture_of_a_run_is_drawn(name: str, tmp_path: Path) -> None:
    loss = cp.make_loss(CASES[name][4])
    _, found = seen(name)
    assert found.probability is None
    assert found.y_true.shape == found.y_pred.shape
    paths = save_run_plots(tmp_path, cp.History(loss.metric), found)
    kind = "confusion" if loss.metric == "accuracy" else "predicted"
    assert [path.stem for path in paths[-2:]] == [kind, "worst"]
    assert len(plot_best_and_worst(axes(), found, k=2).child_axes) == 2


@pytest.mark.parametrize("name", ["labels of a sequence", "rows of a sequence"])
def test_labels_at_places_are_counted_place_by_place(name: str) -> None:
    model, found = seen(name)
    pred = model.scores(SEQUENCES).argmax(axis=2)
    np.testing.assert_array_equal(found.y_true, TAGS)
    np.testing.assert_array_equal(found.y_pred, pred)
    counts, names = confusion_of(found, ["verb", "noun"])
    np.testing.assert_array_equal(counts, confusion_matrix(TAGS.ravel(), pred.ravel()))
    assert names == ["verb", "noun", "2"]


def test_one_yes_or_no_a_step_is_a_label_of_two_classes() -> None:
    model, found = seen("one yes or no a step")
    np.testing.assert_array_equal(found.y_true, SEQUENCES[..., 0] > 0)
    np.testing.assert_array_equal(found.y_pred, model.scores(SEQUENCES)[..., 0] > 0)
    assert confusion_of(found, ["down", "up"])[1] == ["down", "up"]


def test_several_yes_or_no_are_called_so() -> None:
    model, found = seen("yes or no of a sequence")
    counts, names = confusion_of(found, ["a", "b", "c", "d"])  # the outputs' names are none of yes and no
    assert names == ["no", "yes"]
    true, pred = (SEQUENCES > 0).ravel(), (model.scores(SEQUENCES) > 0).ravel()
    np.testing.assert_array_equal(counts, confusion_matrix(true, pred))
    assert words_of(np.array([[True, False]]), np.array([[True, True]]), []) == (["yes, no"], ["yes, yes"])


def test_few_labels_are_written_and_many_are_counted() -> None:
    true, pred = np.array([[0, 1, 2], [1, 1, 1]]), np.array([[0, 1, 2], [1, 0, 0]])
    assert words_of(true, pred, ["a", "b", "c"]) == (["a, b, c", "b, b, b"], ["a, b, c", "b, a, a"])
    many = np.tile(true, 3), np.tile(pred, 3)
    assert words_of(*many, ["a", "b", "c"]) == (["9 labels"] * 2, ["0 wrong", "6 wrong"])
    numbers = np.zeros((1, 8)), np.array([[1.0, -1, 0, 0, 0, 0, 0, 0]])
    assert words_of(*numbers, []) == (["8 numbers"], ["off by 0.25"])


@pytest.mark.parametrize("times", [1, 3])
def test_an_example_with_one_wrong_place_stands_out(times: int) -> None:
    true, pred = np.zeros((2, 3 * times), int), np.zeros((2, 3 * times), int)
    pred[1, -1] = 1
    ax = plot_worst(axes(), np.zeros((2, 3, 3, 1)), true, pred)
    first, second = ax.texts[1::2]
    assert words(ax)[2:] == (["is 0, 0, 0", "said 0, 0, 1"] if times == 1 else ["9 labels", "1 wrong"])
    assert first.get_color() != second.get_color()


def test_many_outputs_have_one_look_together() -> None:
    true = RNG.normal(size=(40, 6, 6))
    ax = plot_predicted(axes(), true, true + 0.5)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "predicted = true", "40 examples, all 36 outputs",
    ]  # fmt: skip
    np.testing.assert_array_equal(ax.get_lines()[1].get_xdata(), true.ravel())
    assert plot_predicted(axes(), true, 1e6 + true).get_ylabel().startswith("predicted, R² -1")
    assert len(plot_predicted(axes(), true, 1e6 + true).get_ylabel()) < 30
