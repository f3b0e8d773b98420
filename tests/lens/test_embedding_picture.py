"""Principal components against scikit-learn's, and what is drawn against them."""

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import clearprop as cp
from clearprop.lens import layer_output, plot_embedding, principal_components
from clearprop.lens.style import MORE, class_look


def axes() -> Axes:
    return Figure().subplots()


def network() -> cp.Sequential:
    layers = [cp.Dense(6, activation="tanh"), cp.Dense(3)]
    return cp.Sequential(layers, input_shape=(4,), dtype="float64")


def examples(n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y = np.arange(n) % 3
    return rng.normal(size=(n, 4)) + y[:, None], y


@pytest.mark.parametrize("shape", [(50, 8), (6, 30), (40, 3, 4)])
def test_components_are_those_of_scikit_learn(shape: tuple[int, ...]) -> None:
    pca = pytest.importorskip("sklearn.decomposition").PCA(n_components=2)
    x = np.random.default_rng(1).normal(size=shape) * np.linspace(1, 3, shape[-1])
    theirs = pca.fit_transform(x.reshape(len(x), -1))
    ours = principal_components(x, 2)
    signs = np.sign((ours.directions * pca.components_).sum(axis=1))
    np.testing.assert_allclose(ours.points, theirs * signs, atol=1e-10)
    np.testing.assert_allclose(ours.directions, pca.components_ * signs[:, None], atol=1e-10)
    np.testing.assert_allclose(ours.shares, pca.explained_variance_ratio_)
    np.testing.assert_allclose(
        ours.points @ ours.directions, theirs @ pca.components_, atol=1e-10
    )  # whatever the signs


def test_signs_do_not_depend_on_chance() -> None:
    found = principal_components(np.random.default_rng(2).normal(size=(20, 5)), 3)
    largest = np.abs(found.directions).argmax(axis=1)
    assert (found.directions[np.arange(3), largest] > 0).all()


def test_points_are_drawn_class_by_class() -> None:
    model, (x, y) = network(), examples()
    ax = plot_embedding(axes(), model, x, y, class_names=["a", "b", "c"])
    expected = principal_components(layer_output(model, x, 1), 2)
    for k, line in enumerate(ax.get_lines()):
        np.testing.assert_allclose(line.get_xydata(), expected.points[y == k])
        assert line.get_label() == "abc"[k]
        assert line.get_marker() == class_look(k).marker
    assert (
        ax.get_xlabel() == f"first principal component ({round(100 * expected.shares[0])} % of the variance)"
    )
    assert ax.texts[-1].get_text() == "layer 1, Activation('tanh'): 6 numbers"
    assert [text.get_text() for text in ax.texts[:3]] == ["a", "b", "c"]


def test_any_layer_can_be_seen_and_the_input_where_nothing_is_hidden() -> None:
    model, (x, y) = network(), examples()
    ax = plot_embedding(axes(), model, x, y, layer=-1)
    expected = principal_components(model.scores(x)).points
    np.testing.assert_allclose(ax.get_lines()[0].get_xydata(), expected[y == 0])
    flat = cp.Sequential([cp.Dense(3)], input_shape=(4,), dtype="float64")
    ax = plot_embedding(axes(), flat, x, y)
    np.testing.assert_allclose(ax.get_lines()[0].get_xydata(), principal_components(x).points[y == 0])
    assert ax.texts[-1].get_text().startswith("the network's input")


def test_of_many_rows_a_thousand_are_drawn() -> None:
    model, (x, y) = network(), examples(3001)
    assert sum(len(line.get_xdata()) for line in plot_embedding(axes(), model, x, y).get_lines()) == 1000


def test_class_looks_differ_in_colour_marker_and_dashes() -> None:
    looks = [class_look(k) for k in range(10)]
    for part in ("color", "shade", "marker", "dashes"):
        assert len({str(getattr(each, part)) for each in looks}) == 10
    pairs = {(each.color, each.marker) for each in map(class_look, range(100))}
    assert len(pairs) == 100
    assert looks[7:] == list(MORE)


def test_what_cannot_be_drawn_is_said() -> None:
    model, (x, y) = network(), examples()
    narrow = cp.Sequential([cp.Dense(1)], input_shape=(4,))
    assert "nothing to draw" in plot_embedding(axes(), narrow, x, y, layer=0).texts[0].get_text()
    assert "nothing to draw" in plot_embedding(axes(), model, x[:1], y[:1]).texts[0].get_text()
    still = plot_embedding(axes(), model, np.ones((5, 4)), y[:5])  # all at one place
    assert "0 % of the variance" in still.get_xlabel()


def test_wrong_input_is_refused_in_a_sentence() -> None:
    model, (x, y) = network(), examples()
    with pytest.raises(cp.ShapeError, match=r"expected y of shape \(60,\), got \(59,\)"):
        plot_embedding(axes(), model, x, y[:-1])
    with pytest.raises(cp.DataError, match=r"y to be labels, whole numbers, got 0\.5 in row \d+\. Labels"):
        plot_embedding(axes(), model, x, y / 2)
    with pytest.raises(cp.DataError, match=r"y to be labels, whole numbers, got <U1\. Labels"):
        plot_embedding(axes(), model, x, np.full(60, "a"))
    with pytest.raises(cp.ConfigError, match="expected layer to be one of 0 to 2, got 7"):
        plot_embedding(axes(), model, x, y, layer=7)
    with pytest.raises(cp.DataError, match="at least 2 finite rows of at least 2 numbers, got 1 of 4"):
        principal_components(x[:1])
    with pytest.raises(cp.DataError, match="of at least 5 numbers, got 60 of 4"):
        principal_components(x, 5)


def test_labels_may_have_the_forms_that_training_takes() -> None:
    model, (x, y) = network(), examples()
    drawn = [
        plot_embedding(axes(), model, x, form) for form in (y, y.astype(float), y[:, None], y.astype("u1"))
    ]
    points = [[line.get_xydata() for line in ax.get_lines()] for ax in drawn]
    for other in points[1:]:
        for one, two in zip(points[0], other, strict=True):
            np.testing.assert_array_equal(one, two)


def test_no_example_says_so() -> None:
    model, (x, y) = network(), examples()
    assert plot_embedding(axes(), model, x[:0], y[:0]).texts[0].get_text() == "There is no example."
