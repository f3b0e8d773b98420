"""The best beside the worst: the right rows, each in its half; and the room's list of names."""

import importlib
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import clearprop as cp
from clearprop import lens
from clearprop.lens import Predicted, best_and_worst_size, best_examples, plot_best_and_worst, worst_examples


def axes() -> Axes:
    return Figure().subplots()


def predicted(n: int = 20, images: bool = True) -> Predicted:
    rng = np.random.default_rng(0)
    shape = (n, 5, 4, 1) if images else (n, 3)
    true, pred = rng.integers(0, 3, n), rng.integers(0, 3, n)
    return Predicted(rng.random(shape), true, pred, rng.random(n), rng.random(n))


def test_best_are_the_right_ones_by_rising_loss() -> None:
    found = predicted()
    rows = best_examples(found.losses, found.y_true, found.y_pred, 20)
    right = (found.y_true == found.y_pred)[rows]
    assert right[: right.sum()].all()
    assert (np.diff(found.losses[rows][: right.sum()]) >= 0).all()
    worst = worst_examples(found.losses, found.y_true, found.y_pred, 20)
    np.testing.assert_array_equal(rows, worst[::-1])


def test_images_stand_side_by_side() -> None:
    found = predicted()
    ax = plot_best_and_worst(axes(), found, k=4)
    left, right = ax.child_axes
    for inner, choose in ((left, best_examples), (right, worst_examples)):
        rows = choose(found.losses, found.y_true, found.y_pred, 4)
        shown = found.x[rows]
        scaled = (shown - shown.min()) / (shown.max() - shown.min())
        sheet = np.asarray(inner.images[0].get_array())
        np.testing.assert_allclose(sheet[:5, :4], scaled[0, :, :, 0])
        assert inner.texts[0].get_text() == f"is {found.y_true[rows[0]]}"
    assert left.get_title(loc="left").startswith("4 best: loss ")
    assert right.get_title(loc="left").startswith("4 worst: loss ")


def test_tables_stand_below_one_another() -> None:
    found = predicted(images=False)
    ax = plot_best_and_worst(axes(), found, k=3, class_names="abc", feature_names=["u", "v", "w"])
    above, below = ax.child_axes
    rows = worst_examples(found.losses, found.y_true, found.y_pred, 3)
    assert [text.get_text() for text in below.texts][7::7][:3] == [str(row) for row in rows]
    assert above.get_position().y0 >= below.get_position().y0
    assert best_and_worst_size(found, 3)[1] > 2


def test_no_example_is_among_the_best_and_the_worst() -> None:
    found = predicted(5)
    left, _ = plot_best_and_worst(axes(), found, k=9).child_axes
    assert left.get_title(loc="left").startswith("2 best")
    alone = plot_best_and_worst(axes(), predicted(1))
    assert alone.texts[0].get_text() == "There are not two examples to compare."
    with pytest.raises(
        cp.ConfigError, match="plot_best_and_worst: expected k to be a whole number >= 1, got 0"
    ):
        plot_best_and_worst(axes(), found, k=0)


def test_the_room_offers_each_name_once() -> None:
    homes = [name for names in lens._HOMES.values() for name in names]
    assert sorted(homes) == sorted(set(homes)) == sorted(lens.__all__)
    for module, names in lens._HOMES.items():
        for name in names:
            assert getattr(lens, name) is getattr(importlib.import_module(f"clearprop.lens.{module}"), name)
    with pytest.raises(AttributeError, match="no attribute 'plot_nothing'"):
        _ = lens.plot_nothing


def test_importing_the_room_imports_no_matplotlib() -> None:
    code = "import sys, clearprop.lens as l; l.plot_filters; l.draw_model; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
