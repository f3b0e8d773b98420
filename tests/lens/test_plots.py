"""A run's pictures: what is drawn is what was measured, for long, short and broken histories."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import imread
from scipy.special import expit, softmax
from sklearn.metrics import confusion_matrix, r2_score

import clearprop as cp
from clearprop.lens.curves import MOST_STEPS, plot_runs
from clearprop.lens.plots import (
    Predicted,
    plot_confusion,
    plot_epochs,
    plot_predicted,
    plot_steps,
    plot_worst,
    predict_set,
    save_run_plots,
    worst_examples,
)
from clearprop.lens.style import LOOKS, OTHERS, look

CLASSIFIER = ["loss_per_step", "loss_per_epoch", "accuracy_per_step", "accuracy_per_epoch"]


def axes() -> Axes:
    return Figure().subplots()


def words(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.texts]


def labels(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def make_history(epochs: int = 3, steps: int = 4, metric: str = "accuracy") -> cp.History:
    """Falling curves of training, validation and test."""
    history = cp.History(metric)
    for t in range(epochs * steps):
        history.steps["loss"].append(1 / (1 + t))
        history.steps[metric].append(1 - 1 / (2 + t))
        if (t + 1) % steps == 0:
            sets = {"loss": 1 / (1 + t), "validation_loss": 1.1 / (1 + t), "test_loss": 1.2 / (1 + t)}
            rates = {f"{name}{metric}": 1 - 1 / (2 + t) for name in ("", "validation_", "test_")}
            history.epochs.append({"epoch": (t + 1) // steps, "step": t + 1, **sets, **rates})
    return history


def test_few_steps_are_drawn_as_they_are() -> None:
    history = make_history()
    ax = plot_steps(axes(), history, "loss")
    train, validation, test = ax.get_lines()
    np.testing.assert_array_equal(train.get_xydata(), np.stack([np.arange(1, 13), history.steps["loss"]], 1))
    np.testing.assert_array_equal(validation.get_xdata(), [4, 8, 12])
    np.testing.assert_array_equal(test.get_ydata(), history["test_loss"])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("step", "loss")
    assert labels(ax) == ["train, each batch", "validation", "test"]


def test_many_steps_have_their_moving_mean() -> None:
    history = cp.History("accuracy")
    values = np.random.default_rng(0).random(203)
    history.steps["loss"] = values.tolist()
    raw, mean = plot_steps(axes(), history, "loss").get_lines()
    np.testing.assert_array_equal(raw.get_ydata(), values)
    naive = [np.mean(values[max(t - 2, 0) : t + 3]) for t in range(203)]
    np.testing.assert_allclose(mean.get_ydata(), naive)


def test_very_many_steps_keep_their_outline() -> None:
    history = cp.History("accuracy")
    values = np.random.default_rng(0).random(123_457)
    history.steps["loss"] = values.tolist()
    raw, mean = plot_steps(axes(), history, "loss").get_lines()
    assert len(raw.get_xdata()) <= 2 * MOST_STEPS
    assert len(mean.get_xdata()) <= MOST_STEPS
    x, y = np.asarray(raw.get_xdata()), np.asarray(raw.get_ydata())
    assert (y.min(), y.max()) == (values.min(), values.max())
    assert x[0] == 1
    assert x[-1] == len(values)
    assert (np.diff(x) > 0).all()


def test_sets_are_drawn_between_epochs_too() -> None:
    history = make_history(epochs=1, steps=4)
    history.watched = [{"step": 2, "validation_loss": 9.0}, {"step": 4, "validation_loss": 1.1 / 4}]
    _, validation, _ = plot_steps(axes(), history, "loss").get_lines()
    np.testing.assert_array_equal(validation.get_xydata(), [[2, 9.0], [4, 1.1 / 4]])


def test_epochs_carry_their_last_values() -> None:
    history = make_history()
    ax = plot_epochs(axes(), history, "accuracy")
    assert labels(ax) == [f"{name} {history['accuracy'][-1]:.4g}" for name in ("train", "validation", "test")]
    for line in ax.get_lines():
        np.testing.assert_array_equal(line.get_xydata(), np.stack([[1, 2, 3], history["accuracy"]], axis=1))
    assert ax.get_ylim()[1] <= 1.03


def test_other_sets_get_looks_of_their_own() -> None:
    history = cp.History("accuracy")
    history.epochs = [{"epoch": 1, "loss": 1.0, "a_loss": 1.0, "b_loss": 2.0, "test_loss": 3.0}]
    ax = plot_epochs(axes(), history)
    assert labels(ax) == ["train 1", "test 3", "a 1", "b 2"]
    assert len({line.get_color() for line in ax.get_lines()}) == 4


def test_every_look_differs_in_more_than_colour() -> None:
    everything = [*LOOKS.values(), *OTHERS]
    for part in ("color", "dashes", "marker"):
        assert len({str(getattr(each, part)) for each in everything}) == len(everything)
    assert look("mine", 1) == OTHERS[1]


def test_a_loss_that_falls_far_is_drawn_logarithmically() -> None:
    history = cp.History("accuracy")
    history.steps["loss"] = [2.0, 0.2, 0.002]
    ax = plot_steps(axes(), history)
    assert (ax.get_yscale(), ax.get_ylabel()) == ("log", "loss (logarithmic)")
    history.steps["loss"] = [2.0, 0.2, 0.0]  # has no logarithm
    assert plot_steps(axes(), history).get_yscale() == "linear"


def test_values_that_are_not_finite_are_left_out() -> None:
    history = cp.History("accuracy")
    history.steps["loss"] = [2.0, float("nan"), 1.0, float("inf")]
    history.epochs = [{"epoch": 1, "loss": float("nan")}, {"epoch": 2, "loss": 1.0}]
    np.testing.assert_array_equal(
        plot_steps(axes(), history).get_lines()[0].get_xydata(), [[1, 2.0], [3, 1.0]]
    )
    np.testing.assert_array_equal(plot_epochs(axes(), history).get_lines()[0].get_xydata(), [[2, 1.0]])


def test_an_empty_history_says_so() -> None:
    history = cp.History("mean_squared_error")
    assert words(plot_steps(axes(), history)) == ["No loss was recorded per step."]
    per_epoch = plot_epochs(axes(), history, "mean_squared_error")
    assert words(per_epoch) == ["No mean squared error was recorded per epoch."]


def test_one_step_stands_at_a_whole_number() -> None:
    history = cp.History("accuracy")
    history.steps["loss"] = [0.7]
    ax = plot_steps(axes(), history)
    low, high = ax.get_xlim()
    assert [tick for tick in ax.get_xticks() if low <= tick <= high] == [1]
    assert ax.get_lines()[0].get_marker() == "o"


def test_confusion_shows_counts_and_shares_of_rows() -> None:
    rng = np.random.default_rng(0)
    true, pred = rng.integers(0, 4, 50), rng.integers(0, 4, 50)
    counts = confusion_matrix(true, pred)
    shares = confusion_matrix(true, pred, normalize="true")
    ax = plot_confusion(axes(), counts, ["a", "b", "$c", "d"])
    np.testing.assert_allclose(ax.get_images()[0].get_array(), shares)
    i, j = np.argwhere(counts)[0]
    assert words(ax)[:2] == [str(counts[i, j]), f"{100 * shares[i, j]:.0f} %"]
    assert len(ax.texts) == 2 * np.count_nonzero(counts)
    assert ax.get_title(loc="left") == f"{np.trace(counts)} of 50 right ({100 * np.trace(counts) / 50:.1f} %)"
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["a", "b", "$c", "d"]


def test_confusion_of_a_class_without_examples() -> None:
    ax = plot_confusion(axes(), np.array([[0, 0], [1, 999]]))
    np.testing.assert_allclose(ax.get_images()[0].get_array()[0], [0, 0])
    assert words(ax) == ["1", "0.1 %", "999", "99.9 %"]


def test_confusion_of_very_many_classes_is_shades_alone() -> None:
    assert not plot_confusion(axes(), np.eye(40, dtype=int)).texts


def test_confusion_refuses_what_is_not_square() -> None:
    with pytest.raises(
        cp.ShapeError, match=r"plot_confusion: expected confusion of shape \(2, 2\), got \(2, 3\)"
    ):
        plot_confusion(axes(), np.ones((2, 3)))


@pytest.mark.parametrize("names", [["a"], ["a", "b", "c", "d"]])
def test_confusion_refuses_another_number_of_names(names: list[str]) -> None:
    with pytest.raises(
        cp.ConfigError, match=rf"plot_confusion: expected 3 class_names, .* got {len(names)}\. Name"
    ):
        plot_confusion(axes(), np.eye(3, dtype=int), names)


def test_the_worst_are_the_wrong_ones_by_loss() -> None:
    rng = np.random.default_rng(0)
    losses, true, pred = rng.random(30), rng.integers(0, 3, 30), rng.integers(0, 3, 30)
    naive = sorted(range(30), key=lambda n: (true[n] == pred[n], -losses[n]))
    np.testing.assert_array_equal(worst_examples(losses, true, pred, 30), naive)
    np.testing.assert_array_equal(worst_examples(losses, true, pred, 7), naive[:7])
    losses[4] = np.nan
    assert worst_examples(losses, np.ones((30, 2)), np.zeros((30, 2)), 1) == [4]


def test_the_worst_images_are_tiles_with_their_words() -> None:
    x = np.random.default_rng(0).integers(0, 256, (7, 28, 28, 1), dtype=np.uint8)
    true, pred = np.array([0, 1, 0, 1, 0, 1, 0]), np.array([1, 0, 1, 0, 1, 0, 0])
    ax = plot_worst(axes(), x, true, pred, np.full(7, 0.996), ["boot", "bag"])
    mosaic = np.asarray(ax.get_images()[0].get_array())
    scaled = (x[:, :, :, 0] - float(x.min())) / (float(x.max()) - float(x.min()))
    np.testing.assert_allclose(mosaic[:28, :28], scaled[0])
    np.testing.assert_allclose(mosaic[-38:-10, :28], scaled[6])
    assert words(ax)[:2] == ["is boot", "said bag, 99.6 %"]
    colors = [text.get_color() for text in ax.texts]
    assert colors[1] != colors[-1]  # wrong, and right


def test_the_worst_images_in_colour() -> None:
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 3))
    ax = plot_worst(axes(), x, np.array([0, 1]), np.array([1, 1]))
    mosaic = np.asarray(ax.get_images()[0].get_array())
    assert mosaic.shape[2] == 3
    assert words(ax)[:2] == ["is 0", "said 1"]


def test_the_worst_rows_are_a_table() -> None:
    x = np.array([[5.0, 3.25], [4.5, 2.0]])
    ax = plot_worst(
        axes(), x, np.array([0, 1]), np.array([1, 1]), np.array([0.9, 0.5]), ["no", "yes"], ["length", "width"],
        rows=np.array([8, 3]),
    )  # fmt: skip
    assert words(ax) == [
        "row", "length", "width", "true", "predicted", "probability",
        "8", "5.0", "3.25", "no", "yes", "90 %",
        "3", "4.5", "2.00", "yes", "yes", "50 %",
    ]  # fmt: skip


def test_a_table_of_many_features_shows_the_first() -> None:
    head = words(plot_worst(axes(), np.ones((1, 20)), np.array([0.5]), np.array([0.25])))
    assert head[:11] == [*(f"x{d}" for d in range(8)), "and 12 more", "true", "predicted"]
    assert head[-2:] == ["0.5", "0.25"]


def test_predicted_numbers_stand_against_the_true_ones() -> None:
    rng = np.random.default_rng(0)
    true = rng.normal(size=(60, 2))
    pred = true + 0.1 * rng.normal(size=(60, 2))
    ax = plot_predicted(axes(), true, pred)
    np.testing.assert_array_equal(ax.get_lines()[1].get_xydata(), np.stack([true[:, 0], pred[:, 0]], axis=1))
    assert ax.get_ylabel() == f"predicted, R² {r2_score(true, pred):.3f}"
    assert labels(ax) == ["predicted = true", "output 0", "output 1"]
    assert labels(plot_predicted(axes(), true[:1, 0], pred[:1, 0])) == ["predicted = true", "1 examples"]
    halved = 0.5 * true  # so that the score of one by the other is not that of the other by the one
    assert plot_predicted(axes(), true, halved).get_ylabel() == f"predicted, R² {r2_score(true, halved):.3f}"


def test_no_example_says_so() -> None:
    none = np.zeros(0)
    assert words(plot_predicted(axes(), none, none)) == ["There is no example."]
    assert words(plot_worst(axes(), np.zeros((0, 4)), none, none)) == ["There is no example."]


def test_predict_set_of_a_classifier() -> None:
    model = cp.Sequential([cp.Dense(3)], input_shape=(4,), seed=0)
    x = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
    y = np.arange(9) % 3
    probs = softmax(model.scores(x), axis=1)
    for given in (y, np.eye(3)[y]):
        seen = predict_set(model, x, given, "softmax_cross_entropy")
        np.testing.assert_array_equal(seen.y_true, y)
        np.testing.assert_array_equal(seen.y_pred, probs.argmax(axis=1))
        np.testing.assert_allclose(seen.losses, -np.log(probs[np.arange(9), y]), rtol=1e-5)
        np.testing.assert_allclose(seen.probability, probs.max(axis=1), rtol=1e-5)


@pytest.mark.parametrize("units", [1, 2])
def test_predict_set_of_yes_and_no(units: int) -> None:
    model = cp.Sequential([cp.Dense(units)], input_shape=(4,), seed=0)
    x = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
    y = np.random.default_rng(1).integers(0, 2, (9, units))
    seen = predict_set(model, x, y, "sigmoid_cross_entropy")
    p = expit(model.scores(x))
    sure = np.where(p > 0.5, p, 1 - p).prod(axis=1)
    np.testing.assert_allclose(seen.probability, sure, rtol=1e-5)
    np.testing.assert_array_equal(seen.y_pred, (p > 0.5).astype(int).squeeze())
    np.testing.assert_array_equal(seen.y_true, y.squeeze())


def test_predict_set_of_numbers_has_no_probability() -> None:
    model = cp.Sequential([cp.Dense(1)], input_shape=(4,), seed=0)
    seen = predict_set(model, np.ones((3, 4)), np.array([1.0, 2.0, 3.0]), "squared_error")
    assert seen.probability is None
    assert seen.y_pred.shape == seen.y_true.shape == (3,)
    np.testing.assert_allclose(seen.losses, (seen.y_pred - [1, 2, 3]) ** 2, rtol=1e-5)


def _names(paths: list[Path]) -> list[str]:
    for path in paths:
        height, width = imread(path).shape[:2]
        assert min(height, width) > 50
    return [path.stem for path in paths]


def test_a_classifiers_folder(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    y = np.arange(30) % 3
    model = cp.Sequential([cp.Dense(3)], input_shape=(4,), seed=0)
    history = cp.fit(model, x, y, epochs=2, batch_size=10, validation=(x, y), watch={"test": (x, y)})
    seen = predict_set(model, x, y, "softmax_cross_entropy")
    paths = save_run_plots(
        tmp_path / "plots", history, seen, class_names=["a", "b", "$x"], title="it costs $5"
    )
    assert _names(paths) == [*CLASSIFIER, "confusion", "worst"]
    assert sorted(path.name for path in (tmp_path / "plots").iterdir()) == sorted(p.name for p in paths)


def test_a_regressions_folder(tmp_path: Path) -> None:
    history = make_history(metric="mean_squared_error")
    rng = np.random.default_rng(0)
    seen = Predicted(rng.normal(size=(9, 2)), rng.normal(size=9), rng.normal(size=9), rng.random(9))
    assert _names(save_run_plots(tmp_path, history, seen)) == [
        "loss_per_step", "loss_per_epoch", "mean_squared_error_per_step", "mean_squared_error_per_epoch",
        "predicted", "worst",
    ]  # fmt: skip


@pytest.mark.parametrize("history", [cp.History("accuracy"), make_history(1, 1), make_history(1, 60)])
def test_folders_of_short_histories(tmp_path: Path, history: cp.History) -> None:
    assert _names(save_run_plots(tmp_path, history)) == CLASSIFIER


def test_a_folder_with_several_yes_or_no(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    true, pred = rng.integers(0, 2, (2, 9, 3))
    seen = Predicted(rng.random((9, 8, 8, 1)), true, pred, rng.random(9))
    assert _names(save_run_plots(tmp_path, make_history(), seen))[-2:] == ["confusion", "worst"]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(cp.FileError, match="the folder could not be made"):
        save_run_plots(tmp_path / "file" / "plots", make_history())


def test_matplotlib_waits_until_something_is_drawn() -> None:
    code = (
        "import sys, clearprop.lens.plots as plots, clearprop as cp\n"
        "assert 'matplotlib' not in sys.modules\n"
        "plots.plot_steps(plots.new_axes(4, 3), cp.History('accuracy'))\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("decades", [1, 2, 4, 14, 30])
def test_a_logarithmic_axis_has_numbers_on_it(decades):
    history = cp.History("accuracy")
    history.steps["loss"] = list(10 ** np.linspace(decades, 0, 50))
    ax = plot_steps(Figure().subplots(), history, "loss")
    low, high = ax.get_ylim()
    assert 2 <= sum(low <= tick <= high for tick in ax.get_yticks()) <= 12


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (["lr=0.1,units=4", "lr=0.1,units=8"], ["lr=0.1,units=4", "lr=0.1,units=8"]),
        (["000," + "a" * 60, "001," + "a" * 60], ["000", "001"]),
        (["x", "lr=0.1," + "b" * 60, "lr=0.1,c"], ["x", "lr=0.1," + "b" * 26 + "…", "lr=0.1,c"]),
        (
            ["lr=0.1," + "b" * 60 + "4", "lr=0.1," + "b" * 60 + "8"],
            ["…" + "b" * 32 + "4", "…" + "b" * 32 + "8"],
        ),
        (["r," + "a" * 40 + x + "a" * 40 for x in "45"], ["r," + "a" * 40 + x + "a" * 40 for x in "45"]),
    ],
)
def test_long_names_of_runs_are_cut_to_what_tells_them_apart(names, shown):
    histories = {name: cp.History("accuracy") for name in names}
    for history in histories.values():
        history.epochs = [{"epoch": 1, "loss": 0.5}]
    ax = plot_runs(Figure().subplots(), histories, "loss")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [f"{name} 0.5" for name in shown]
