"""The dtype rule, and the sentences about shapes and numbers that are not finite."""

import traceback

import numpy as np
import pytest

from clearprop.arrays import as_dtype, check_finite, check_shape, fits, shape_text
from clearprop.errors import ClearpropError, ConfigError, DataError, ShapeError
from clearprop.layers.remedies import input_remedy
from clearprop.messages.shapes import differing, pictured


@pytest.mark.parametrize("given", ["float32", np.float32, np.dtype("f4"), "f4"])
def test_as_dtype_takes_what_numpy_takes(given):
    assert as_dtype(given) == np.dtype(np.float32)


def test_float64_by_pythons_own_float():
    assert as_dtype(float) == np.dtype(np.float64)


@pytest.mark.parametrize(
    "given", ["float16", "int64", np.int32, "flaot32", None, {"names": 1}, 3, "complex64"]
)
def test_as_dtype_refuses_others(given):
    with pytest.raises(ConfigError, match=r"dtype: expected 'float32' or 'float64', got "):
        as_dtype(given)


def test_shape_text():
    assert shape_text(()) == "()"
    assert shape_text((3,)) == "(3,)"
    assert shape_text(("N", 28, 28)) == "(N, 28, 28)"


def test_fits():
    assert fits((5, 784), ("N", 784))
    assert fits((0, 784), ("N", 784))
    assert not fits((5, 783), ("N", 784))
    assert not fits((784,), ("N", 784))
    assert not fits((5, 784, 1), ("N", 784))


def test_an_ellipsis_stands_for_one_axis_or_more():
    assert fits((5, 7, 7, 3), ("N", "…", "C"))
    assert fits((5, 7, 3), ("N", "…", 3))
    assert not fits((5, 3), ("N", "…", "C"))
    assert not fits((5, 7, 4), ("N", "…", 3))
    assert fits((5, 7), ("N", "…"))
    assert not fits((5,), ("N", "…"))


@pytest.mark.parametrize(
    ("shape", "pattern", "ours", "theirs"),
    [
        ((5, 3), ("N", 4), {1}, {1}),
        ((4, 4), ("N", 4), set(), set()),
        ((32, 28, 28, 1), ("N", 784), {1, 2, 3}, {1}),
        ((32, 784), ("N", 28, 28, 1), {1}, {1, 2, 3}),
        ((28, 28, 1), ("N", 28, 28, 1), set(), {0}),  # the batch
        ((6, 28, 28), ("N", 28, 28, 1), set(), {3}),  # the channels
        ((6, 28, 1), ("N", 28, 28, 1), set(), {2}),
        (("N", 28, 28), ("N", "H", "W", "C"), set(), {3}),
        (("N", 28, 28, 1), ("N", "T", "D"), {1, 2, 3}, {1, 2}),  # nobody knows which one is too many
        (("N", 8), ("N", "…", "C"), set(), {1}),
        ((), ("N", 4), set(), {0, 1}),
        ((5,), (), {0}, set()),
    ],
)
def test_which_axes_differ(shape, pattern, ours, theirs):
    assert differing(shape, pattern) == (ours, theirs)


def test_the_picture_is_a_note_below_the_sentence():
    with pytest.raises(ShapeError) as caught:
        check_shape("me", "x", (60000, 3, 32), ("N", 32, 3), "Turn it.")
    assert "\n" not in str(caught.value)
    assert caught.value.remedy == "Turn it."
    assert traceback.format_exception_only(caught.value)[1:] == [
        "    expected x  (N, 32, 3)\n",
        "                    ^^  ^\n",
        "    got x       (60000, 3, 32)\n",
        "                        ^  ^^\n",
    ]


def test_letters_are_explained_where_there_are_several():
    error = pictured(ShapeError("…"), ("x", ("N", "T", "D"), ()), ("w", ("D", 3), {0}), ("b", ("Q",), ()))
    assert error.__notes__ == [
        "    x  (N, T, D)   N examples, T time steps, D numbers",
        "    w  (D, 3)",
        "        ^",
        "    b  (Q,)",
    ]


def test_check_shape_says_who_expected_got_and_remedy():
    check_shape("me", "x", (2, 3), ("N", 3))
    with pytest.raises(ShapeError) as caught:
        check_shape("me", "x", (2, 4), ("N", 3), "Turn it.")
    assert str(caught.value) == "me: expected x of shape (N, 3), got (2, 4). Turn it."
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, ClearpropError)
    with pytest.raises(ShapeError, match=r"got \(4,\)\.\n"):
        check_shape("me", "x", (4,), ("N", 3))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_check_finite_names_the_first_place(bad, dtype):
    x = np.ones((4, 3), dtype)
    check_finite("fit", "x", x)
    x[1, 2] = x[3, 0] = x[3, 1] = bad
    sentence = rf"fit: x\[1, 2\] is {bad}, one of 3 values that are not finite numbers, in 2 of 4 rows\. Drop"
    with pytest.raises(DataError, match=sentence):
        check_finite("fit", "x", x)


def test_check_finite_sees_infinities_that_cancel():
    with pytest.raises(DataError, match=r"y\[0\] is inf, one of 2"):
        check_finite("fit", "y", np.array([np.inf, -np.inf, 0.0]))


def test_check_finite_lets_pass_what_is_finite():
    check_finite("fit", "x", np.full(4, 1e308))  # whose sum is not
    check_finite("fit", "x", np.arange(3))
    check_finite("fit", "x", np.zeros((0, 3)))


@pytest.mark.parametrize(
    ("shape", "wanted", "remedy"),
    [
        (
            (150, 5),
            (4,),
            "The shape is fixed by input_shape when the network is built: for this x, input_shape=(5,).",
        ),
        ((4, 150), (4,), "Examples are rows: pass x.T."),
        ((4,), (4,), "The batch axis is missing: pass x[None]."),
        ((), (4,), "The shape is fixed by input_shape when the network is built."),
        ((9, 4, 3), (12,), "Each example has as many numbers: pass x.reshape(-1, 12)."),
        (
            (9, 4, 3),
            (6, 2),
            "The shape is fixed by input_shape when the network is built: for this x, input_shape=(4, 3).",
        ),
        ((9, 4, 3), (3, 4), "Its axes stand in another order: pass x.transpose(0, 2, 1)."),
        ((9, 4, 3), (4, 5), "It has 3 channels: build the network with input_shape=(4, 3)."),
    ],
)
def test_what_to_do_with_an_input_of_another_shape(shape, wanted, remedy):
    assert input_remedy(shape, wanted) == remedy
