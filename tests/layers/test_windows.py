"""Sizes and padding of sliding windows: TensorFlow's "same", causal, and the number of windows, counted."""

from itertools import product
from json import dumps, loads

import numpy as np
import pytest

from clearprop import Conv1D, Sequential
from clearprop.errors import ConfigError, ShapeError
from clearprop.layers.windows import (
    check_padding,
    check_places,
    check_spatial,
    divisors,
    output_sizes,
    pad_pairs,
    plain_padding,
    sizes,
)

EVERY = list(product(range(1, 12), range(1, 6), range(1, 5), range(1, 4)))  # size, window, stride, dilation


def tensorflow_same(n, k, s, d):
    """The rule of tf.nn's documentation: zeros before and after."""
    reach = (k - 1) * d + 1
    total = max(reach - s, 0) if n % s == 0 else max(reach - n % s, 0)
    return total // 2, total - total // 2


def count_windows(n, k, s, d):
    return sum(1 for start in range(0, n, s) if start + d * (k - 1) < n)


def test_same_is_tensorflows():
    odd = 0
    for n, k, s, d in EVERY:
        (pads,) = pad_pairs("same", (n,), (k,), (s,), (d,))
        assert pads == tensorflow_same(n, k, s, d), (n, k, s, d)
        assert output_sizes("", (n,), (k,), (s,), (pads,), (d,)) == (-(-n // s),)
        odd += pads[0] != pads[1]
    assert odd > 100


def test_each_axis_has_its_own_padding():
    assert pad_pairs("same", (5, 6), (2, 3), (1, 2), (3, 1)) == ((1, 2), (0, 1))
    assert pad_pairs("valid", (5, 6), (2, 3), (1, 2), (3, 1)) == ((0, 0), (0, 0))
    assert pad_pairs(((1, 2), (0, 3)), (5, 6), (2, 3), (1, 2), (3, 1)) == ((1, 2), (0, 3))
    assert pad_pairs("causal", (5,), (4,), (1,), (3,)) == ((9, 0),)


def test_the_number_of_windows():
    for n, k, s, d in EVERY:
        expected = count_windows(n + 3, k, s, d)
        if expected:
            assert output_sizes("", (n,), (k,), (s,), ((1, 2),), (d,)) == (expected,)
        else:
            with pytest.raises(ShapeError, match="no larger than"):
                output_sizes("", (n,), (k,), (s,), ((1, 2),), (d,))


@pytest.mark.parametrize(("kernel", "stride", "dilation"), [(1, 1, 1), (2, 1, 1), (3, 1, 2), (4, 2, 3)])
def test_causal_sees_nothing_that_comes_later(kernel, stride, dilation):
    layer = Conv1D(2, kernel, stride=stride, padding="causal", dilation=dilation)
    model = Sequential([layer], (13, 2), seed=0, dtype="float64")
    x = np.random.default_rng(0).normal(size=(1, 13, 2))
    y = model.scores(x)
    assert y.shape == (1, -(-13 // stride), 2)
    for t in range(13):
        changed = x.copy()
        changed[:, t] += 1
        moved = (model.scores(changed) != y).any(axis=(0, 2))
        reached = [t + dilation * k for k in range(kernel)]  # what reads t, as its last number or before
        assert np.flatnonzero(moved).tolist() == [u // stride for u in reached if u % stride == 0 and u < 13]


def test_sizes():
    assert sizes("x", "kernel", 3, 2) == sizes("x", "kernel", [3, 3], 2) == (3, 3)
    assert sizes("x", "kernel", (np.int64(2), 5), 2) == (2, 5)
    assert sizes("x", "output_padding", 0, 1, least=0) == (0,)


@pytest.mark.parametrize(
    ("given", "axes", "pads"),
    [
        (2, 2, ((2, 2), (2, 2))),
        ((1, 2), 2, ((1, 1), (2, 2))),
        ([[1, 0], 2], 2, ((1, 0), (2, 2))),
        ([(3, 1)], 1, ((3, 1),)),
        ("same", 1, "same"),
    ],
)
def test_padding(given, axes, pads):
    checked = check_padding("x", given, axes)
    assert checked == pads
    assert check_padding("x", loads(dumps(plain_padding(checked))), axes) == pads


@pytest.mark.parametrize(
    "padding", ["full", "causal", (1, 2, 3), ((1, 2, 3), 1), -1, 1.5, None, True, ((1, -1), 0), ("same", 1)]
)
def test_padding_is_refused(padding):
    with pytest.raises(
        ConfigError,
        match=r"^Conv2D: expected padding to be 'valid', 'same', a number, a number for each of the 2 axes, "
        r"or a pair \(before, after\) for each, got ",
    ):
        check_padding("Conv2D", padding, 2)


@pytest.mark.parametrize(("padding", "meant"), [("SAME", "same"), ("Valid", "valid"), ("casual", "causal")])
def test_padding_that_is_nearly_right(padding, meant):
    with pytest.raises(ConfigError, match=rf"got '{padding}'\. Did you mean '{meant}'\?$"):
        check_padding("Conv1D", padding, 1, ("valid", "same", "causal"))


def test_sentences():
    with pytest.raises(
        ConfigError, match=r"Conv2D: expected kernel to be a number or 2 numbers, got \(3, 3, 3\)"
    ):
        sizes("Conv2D", "kernel", (3, 3, 3), 2)
    for bad in (0, -1, 1.5, "3", None, (3, 0)):
        with pytest.raises(ConfigError, match=r"Conv2D: expected kernel to be a whole number >= 1, got "):
            sizes("Conv2D", "kernel", bad, 2)
    with pytest.raises(
        ShapeError,
        match=r"layer 0: expected a kernel no larger than what it slides over, \(4, 6\) with padding, got \(5, 3\)\. "
        "Take a smaller kernel, or padding='same'",
    ):
        output_sizes("layer 0", (2, 4), (5, 3), (1, 1), ((1, 1), (1, 1)), (1, 1))
    with pytest.raises(ShapeError, match=r"a window no larger .* got \(7,\) \(with dilation \(3,\)\)\. Take"):
        output_sizes("layer 0", (6,), (3,), (1,), ((0, 0),), (3,), "window")


@pytest.mark.parametrize(
    ("shape", "axes", "words"),
    [
        ((28, 28), 2, r"of shape \(N, H, W, C\), got \(N, 28, 28\)\. Put Reshape\(\(28, 28, 1\)\) before it"),
        (
            (784,),
            2,
            r"of shape .* got \(N, 784\)\. Put Reshape\(\(28, 28, 1\)\) before it\.",
        ),
        ((50,), 1, r"of shape \(N, T, C\), got \(N, 50\)\. Put Reshape\(\(50, 1\)\) before it"),
        (
            (75,),
            2,
            r"of shape .* got \(N, 75\)\. Put Reshape\(\(H, W, C\)\) before it, with H · W · C = 75\.",
        ),
        ((28, 28, 1), 1, r"of shape \(N, T, C\), got \(N, 28, 28, 1\)\. Channels come last"),
    ],
)
def test_what_is_no_image_or_sequence(shape, axes, words):
    with pytest.raises(ShapeError, match="layer 1: expected x " + words):
        check_spatial("layer 1", shape, axes)


@pytest.mark.parametrize("n", range(1, 6))
@pytest.mark.parametrize("k", range(1, 5))
def test_windows_of_padding_alone_are_found(n, k):
    """Against a look at every element of every window."""
    for step, before, after, d in product(range(1, 4), range(6), range(6), range(1, 5)):
        starts = range(-before, n + after - d * (k - 1), step)
        if all(any(0 <= start + d * i < n for i in range(k)) for start in starts):
            check_places("layer 0", (n,), (k,), (step,), ((before, after),), (d,))
        else:
            with pytest.raises(ShapeError, match="leaves every window a number of x"):
                check_places("layer 0", (n,), (k,), (step,), ((before, after),), (d,))


def test_sizes_without_end_take_no_time():
    huge = 10**12
    check_places("layer 0", (huge,), (huge,), (1,), ((huge - 1, huge - 1),), (1,))
    check_places("layer 0", (1,), (huge,), (2,), ((2 * huge - 2, 0),), (2,))
    with pytest.raises(ShapeError, match="leaves every window a number of x"):
        check_places("layer 0", (1,), (huge,), (1,), ((2 * huge - 2, 1),), (2,))
    assert divisors(huge).endswith("800, 1000")
