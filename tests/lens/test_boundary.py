"""The ground's colour is what the network predicts there."""

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import clearprop as cp
from clearprop.lens import plot_boundary


def axes() -> Axes:
    return Figure().subplots()


def network(features: int = 2, classes: int = 3) -> cp.Sequential:
    layers = [cp.Dense(9, activation="tanh"), cp.Dense(classes)]
    return cp.Sequential(layers, input_shape=(features,), seed=3)


def examples(features: int = 2) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(40, features)), rng.integers(0, 3, 40)


def test_each_cell_is_the_prediction_at_its_middle() -> None:
    model, (x, y) = network(), examples()
    ax = plot_boundary(axes(), model, x, y)
    plane, (left, right, bottom, top) = np.asarray(ax.images[0].get_array()), ax.images[0].get_extent()
    H, W = plane.shape
    for i, j in np.random.default_rng(1).integers(0, H, (50, 2)):
        at = [left + (j + 0.5) * (right - left) / W, bottom + (i + 0.5) * (top - bottom) / H]
        assert plane[i, j] == model.predict([at])[0]
    assert left < x[:, 0].min()
    assert top > x[:, 1].max()
    assert len(np.unique(plane)) > 1


def test_lines_lie_where_two_scores_are_equal() -> None:
    model, (x, y) = network(classes=2), examples()
    ax = plot_boundary(axes(), model, x, np.minimum(y, 1))
    (contour,) = ax.collections
    points = np.concatenate([path.vertices for path in contour.get_paths()])
    scores = model.scores(points)
    span = np.abs(np.diff(model.scores(x))).max()
    assert len(points) > 20
    assert np.abs(scores[:, 0] - scores[:, 1]).max() < 1e-3 * span


def test_one_output_has_the_classes_zero_and_one() -> None:
    model, (x, y) = network(classes=1), examples()
    ax = plot_boundary(axes(), model, x, np.minimum(y, 1))
    points = np.concatenate([path.vertices for path in ax.collections[0].get_paths()])
    np.testing.assert_allclose(model.probabilities(points), 0.5, atol=1e-3)


def test_other_features_are_at_their_mean() -> None:
    model, (x, y) = network(5), examples(5)
    ax = plot_boundary(axes(), model, x, y, features=(3, 1), feature_names="abcde")
    plane, (left, right, bottom, top) = np.asarray(ax.images[0].get_array()), ax.images[0].get_extent()
    cell = x.mean(axis=0)
    cell[3], cell[1] = left + 0.5 * (right - left) / 200, top - 0.5 * (top - bottom) / 200
    assert plane[-1, 0] == model.predict(cell[None])[0]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("d", "b")
    assert ax.texts[0].get_text() == "at its mean: the 3 other features"
    np.testing.assert_allclose(ax.get_lines()[0].get_xydata(), x[y == 0][:, [3, 1]].astype("float32"))


def test_wrong_examples_have_a_ring() -> None:
    model, (x, y) = network(), examples()
    *classes, rings = plot_boundary(axes(), model, x, y, class_names="abc").get_lines()
    wrong = model.predict(x) != y
    np.testing.assert_allclose(rings.get_xydata(), x[wrong].astype("float32"))
    assert rings.get_label() == f"wrong: {wrong.sum()} of 40"
    assert [line.get_label() for line in classes] == list("abc")
    right = plot_boundary(axes(), model, x, model.predict(x))
    assert all("wrong" not in str(line.get_label()) for line in right.get_lines())


def test_what_cannot_be_drawn_is_said() -> None:
    model, (x, y) = network(), examples()
    assert plot_boundary(axes(), model, x[:0], y[:0]).texts[0].get_text() == "There is no example."
    many = plot_boundary(axes(), network(classes=30), x, y)
    assert many.texts[0].get_text() == "The shades of 30 classes cannot be told apart."
    model.params[0] = np.inf
    assert "not finite" in plot_boundary(axes(), model, x, y).texts[0].get_text()


def test_one_point_has_a_plane_around_it() -> None:
    ax = plot_boundary(axes(), network(), np.zeros((1, 2)), np.zeros(1, int))
    assert ax.images[0].get_extent() == [-0.5, 0.5, -0.5, 0.5]


def test_wrong_input_is_refused_in_a_sentence() -> None:
    model, (x, y) = network(), examples()
    with pytest.raises(cp.ConfigError, match=r"two different columns of x, got \(1, 1\)"):
        plot_boundary(axes(), model, x, y, features=(1, 1))
    with pytest.raises(cp.ConfigError, match=r"features below 2, the columns of x, got \(0, 2\)"):
        plot_boundary(axes(), model, x, y, features=(0, 2))
    image = cp.Sequential([cp.Flatten(), cp.Dense(2)], input_shape=(4, 4, 1))
    with pytest.raises(cp.ShapeError, match=r"from rows \(N, D\) of at least 2 features.*plot_embedding"):
        plot_boundary(axes(), image, np.zeros((3, 4, 4, 1)), [0, 1, 0])
    with pytest.raises(cp.ShapeError, match=r"expected y of shape \(40,\), got \(40, 3\)"):
        plot_boundary(axes(), model, x, np.eye(3)[y])
    with pytest.raises(cp.DataError, match="Numbers have no boundary"):
        plot_boundary(axes(), model, x, y + 0.5)
    number = network(classes=1)
    cp.fit(number, x, x[:, :1], loss="squared_error")
    with pytest.raises(cp.ConfigError, match=r"this network predicts numbers\. Take plot_predicted"):
        plot_boundary(axes(), number, x, y)


def test_labels_may_have_the_forms_that_training_takes() -> None:
    model, (x, y) = network(), examples()
    for form in (y.astype(float), y[:, None]):
        ax, plain = (plot_boundary(axes(), model, x, labels) for labels in (form, y))
        for one, two in zip(ax.get_lines(), plain.get_lines(), strict=True):
            np.testing.assert_array_equal(one.get_xydata(), two.get_xydata())
