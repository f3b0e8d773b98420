"""What Residual refuses: shapes that do not meet, and what holds no layers, in sentences that name the place."""

import pytest

import clearprop as cp
from clearprop.errors import ConfigError, ShapeError

SHAPE = (6, 6, 4)


@pytest.mark.parametrize(
    ("layer", "shape", "words"),
    [
        (
            cp.Residual([cp.Conv2D(8, 3, padding="same")]),
            (8, 8, 4),
            r"layers to give the shape \(8, 8, 4\) that is added to theirs, got \(8, 8, 8\)\. Change them .* or give a "
            r"shortcut to that shape, such as \[Conv2D\(8, 1\)\]\.",
        ),
        (
            cp.Residual([cp.Conv2D(4, 3)]),
            (8, 8, 4),
            r"got \(6, 6, 4\)\. Change them \(padding='same' keeps an image's",
        ),
        (
            cp.Residual([cp.Conv2D(8, 3, stride=2, padding="same")]),
            (9, 8, 4),
            r"\[Conv2D\(8, 1, stride=2\)\]",
        ),
        (cp.Residual([cp.Conv1D(8, 3, padding="same")]), (9, 4), r"got \(9, 8\)\. .* as \[Conv1D\(8, 1\)\]"),
        (
            cp.Residual([cp.Dense(5)]),
            (4,),
            r"the shape \(4,\) that .* got \(5,\)\. .* such as \[Dense\(5\)\]",
        ),
        (cp.Residual([cp.Dense(5)], [cp.Dense(6)]), (4,), r"the shape \(6,\) that .* got \(5,\)\."),
    ],
    ids=repr,
)
def test_shapes_that_do_not_meet(layer, shape, words):
    with pytest.raises(ShapeError, match=rf"^layer 1, Residual\(.*\): expected the .*{words}"):
        cp.Sequential([cp.Activation("relu"), layer], shape)


def test_the_remedy_of_the_sentence_works():
    layers = [cp.Conv2D(8, 3, stride=2, padding="same")]
    assert cp.Residual(layers, [cp.Conv2D(8, 1, stride=2)]).output_shape((9, 8, 4), "layer 0") == (5, 4, 8)


def test_an_inner_layer_is_named():
    with pytest.raises(
        ShapeError,
        match=r"^layer 0, Residual\(.*\), its layer 1, Dense\(3\): expected x of shape \(N, D\), got",
    ):
        cp.Sequential([cp.Residual([cp.Conv2D(4, 3), cp.Dense(3)])], SHAPE)
    with pytest.raises(
        ShapeError, match=r"^layer 0, Residual\(.*\), shortcut, its layer 0, Dense\(3\): expected x of"
    ):
        cp.Sequential([cp.Residual([cp.Flatten(), cp.Dense(3)], [cp.Dense(3)])], SHAPE)


@pytest.mark.parametrize(
    ("layers", "shortcut", "words"),
    [
        ([], [], r"Residual: expected a list of at least one layer, got \[\]"),
        (cp.Dense(3), [], r"Residual: expected the layers in a list, .* Write Residual\(\[Dense\(3\)\]\)\."),
        ([cp.Dense(3)], cp.Dense(3), r"Residual: expected shortcut to be a list of layers, got Dense\(3\)"),
        (
            ["Dense"],
            [],
            r"Residual, layer 0: expected a table such as \{type = \"Dense\", units = 10\}, got 'Dense'",
        ),
        (
            [{"type": "Dens", "units": 3}],
            [],
            r"Residual, layer 0: unknown layer type 'Dens'\. Did you mean 'Dense'",
        ),
        (
            [cp.Dense(3)],
            [{"type": "Conv2d"}],
            r"Residual, shortcut 0: unknown layer type 'Conv2d'\. Did you mean 'Conv2D'",
        ),
        (
            [{"type": "Dense", "unit": 3}],
            [],
            r"Residual, layer 0, Dense: unknown setting 'unit'\. Did you mean 'units'",
        ),
    ],
)
def test_what_holds_no_layers(layers, shortcut, words):
    with pytest.raises(ConfigError, match=words):
        cp.Residual(layers, shortcut)
