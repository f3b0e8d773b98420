"""A sweep's pictures: places, ticks, colours, order."""

import matplotlib as mpl
import numpy as np
import pytest

from clearprop.errors import ConfigError
from clearprop.lens.style import SIGNED, new_axes, styled
from clearprop.lens.sweeps import plot_importances, plot_parallel, scale

ROWS = [[0.001, 4, "relu"], [0.1, 8, "tanh"], [1.0, 6, "relu"]]


def test_lines_go_through_their_values():
    ax = plot_parallel(
        new_axes(5, 3), ["lr", "units", "activation"], ROWS, [0.3, 0.1, 0.2], "validation loss"
    )
    lines = {
        tuple(np.round(line.get_ydata(), 6)) for line in ax.lines if len(line.get_xdata()) == 4
    }  # the axes have two ends
    by_log = np.log10([0.001, 0.1, 1.0]) / 3 + 1
    assert lines == {
        tuple(np.round(line, 6))
        for line in ([by_log[0], 0, 0, 1], [by_log[1], 1, 1, 0], [by_log[2], 0.5, 0, 0.5])
    }
    assert [label.get_text() for label in ax.get_xticklabels()] == [
        "lr",
        "units",
        "activation",
        "validation loss",
    ]
    assert {text.get_text() for text in ax.texts} == {
        "0.001",
        "0.1",
        "1",
        "4",
        "6",
        "8",
        "relu",
        "tanh",
        "0.2",
        "0.3",
    }


@pytest.mark.parametrize("maximize", [True, False])
def test_the_best_is_bright_and_on_top(maximize):
    ax = plot_parallel(new_axes(5, 3), ["lr"], [[1], [2], [3]], [0.3, 0.1, 0.2], "m", maximize=maximize)
    top = [line for line in ax.lines if len(line.get_xdata()) == 2 and line.get_color() != "#222222"][-1]
    best = 0 if maximize else 1
    assert top.get_ydata()[1] == (1.0 if maximize else 0.0)
    assert top.get_ydata()[0] == best / 2
    assert top.get_color() == mpl.colormaps[SIGNED](1.0)


def test_scales():
    assert scale([1.0, 2.0, 4.0]).places == pytest.approx([0, 1 / 3, 1])
    assert scale([1.0, 10.0, 100.0]).places == pytest.approx([0, 0.5, 1])
    assert scale([5, 5]).places == [0.5, 0.5]
    assert scale([True, False, True]).places == [0, 1, 0]
    assert scale(["a", 1]).ticks == [(0.0, "a"), (1.0, "1")]
    assert len(scale(list(range(1, 21))).ticks) == 6


@pytest.mark.parametrize(
    ("rows", "values"), [([], []), ([[1]], [1.0, 2.0]), ([[1, 2]], [1.0]), ([[1]], [np.nan])]
)
def test_what_is_refused(rows, values):
    with pytest.raises(
        ConfigError, match="plot_parallel: expected rows of 1 values and as many finite metrics"
    ):
        plot_parallel(new_axes(5, 3), ["lr"], rows, values, "m")


def test_importances_by_their_length():
    with styled():
        ax = plot_importances(new_axes(5, 2), {"units": 0.2, "lr": 0.8})
    assert [label.get_text() for label in ax.get_yticklabels()] == ["units", "lr"]  # from below
    assert [bar.get_width() for bar in ax.patches] == [0.2, 0.8]
    assert [text.get_text() for text in ax.texts] == ["20 %", "80 %"]
    plot_importances(new_axes(5, 2), {"units": 0.0, "lr": 0.0})
