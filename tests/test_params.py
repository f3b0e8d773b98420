"""Layout: one vector, many names."""

import numpy as np
import pytest

from clearprop.errors import ShapeError
from clearprop.params import Layout

SHAPES = {"0.w": (4, 3), "0.b": (3,), "2.w": (3, 2), "2.scale": ()}


def test_spans_lie_end_to_end_in_the_given_order():
    layout = Layout(SHAPES)
    assert list(layout.spans) == list(SHAPES)
    edges = [0, *(span.stop for span in layout.spans.values())]
    assert [span.start for span in layout.spans.values()] == edges[:-1]
    assert edges == [0, 12, 15, 21, 22]
    assert layout.size == 22


def test_views_read_and_write_the_vector():
    vector = np.arange(22.0)
    views = Layout(SHAPES).views(vector)
    assert {name: view.shape for name, view in views.items()} == SHAPES
    np.testing.assert_array_equal(np.concatenate([v.ravel() for v in views.values()]), vector)
    views["0.b"][1] = -1
    assert vector[13] == -1
    vector[20] = -2
    assert views["2.w"][2, 1] == -2
    assert all(np.shares_memory(view, vector) for view in views.values())


def test_views_refuse_another_vector():
    for vector in (np.zeros(21), np.zeros((22, 1))):
        with pytest.raises(ShapeError, match=r"Layout\.views: expected vector of shape \(22,\), got"):
            Layout(SHAPES).views(vector)


def test_name_at():
    layout = Layout(SHAPES)
    names = [layout.name_at(i) for i in range(22)]
    assert names == ["0.w"] * 12 + ["0.b"] * 3 + ["2.w"] * 6 + ["2.scale"]
    for outside in (-1, 22):
        with pytest.raises(IndexError, match=f"element {outside} lies outside a vector of 22"):
            layout.name_at(outside)


def test_of_nothing():
    assert Layout({}).size == 0
    assert Layout({}).views(np.zeros(0)) == {}
