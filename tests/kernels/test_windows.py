"""Windows by their rows and by their columns, the frame around an image, and the memory that copies go into."""

from concurrent.futures import ThreadPoolExecutor
from itertools import product

import numpy as np
import pytest

from clearprop.kernels import conv, windows
from clearprop.kernels.scratch import scratch

SETTINGS = [  # window, stride, dilation
    ((1, 1), (1, 1), (1, 1)),
    ((1, 1), (2, 3), (1, 1)),
    ((2, 3), (1, 1), (1, 1)),
    ((3, 2), (2, 1), (1, 3)),
    ((5, 7), (4, 2), (1, 1)),
]
every_setting = pytest.mark.parametrize(("window", "stride", "dilation"), SETTINGS)
X = np.random.default_rng(0).normal(size=(3, 5, 7, 2))


def read(n, i, j, window, stride, dilation):
    """What window (i, j) of image n reads, number by number: (KH, KW, C)."""
    found = np.empty((*window, X.shape[3]))
    for h, k, c in np.ndindex(found.shape):
        found[h, k, c] = X[n, i * stride[0] + h * dilation[0], j * stride[1] + k * dilation[1], c]
    return found


def count(axis, window, stride, dilation):
    """How many windows have their last place inside, tried one by one."""
    return sum(i * stride[axis] + dilation[axis] * (window[axis] - 1) < X.shape[1 + axis] for i in range(9))


@pytest.mark.parametrize("value", [0.0, -np.inf])
@pytest.mark.parametrize("padding", list(product((0, 2), (0, 1), (0, 3), (0, 1))), ids=str)
def test_pad_is_numpys(padding, value):
    top, bottom, left, right = padding
    pads = (top, bottom), (left, right)
    padded = windows.pad(X, pads, value)
    np.testing.assert_array_equal(padded, np.pad(X, ((0, 0), *pads, (0, 0)), constant_values=value))
    assert np.shares_memory(padded, X) == (not any(padding))
    assert windows.pad(X.astype("float32"), pads).dtype == np.float32


@every_setting
def test_windows_are_what_each_reads(window, stride, dilation):
    rows, columns = (count(axis, window, stride, dilation) for axis in (0, 1))
    assert windows.outputs(X.shape[1:3], window, stride, dilation) == (rows, columns)
    every = windows.windows(X, window, stride, dilation)
    assert every.shape == (3, rows, columns, *window, 2)
    for n, i, j in np.ndindex(3, rows, columns):
        np.testing.assert_array_equal(every[n, i, j], read(n, i, j, window, stride, dilation))
    assert np.shares_memory(every, X)
    with pytest.raises(ValueError, match="read-only"):
        every[...] = 0


@every_setting
@pytest.mark.parametrize("copied_bytes", [1, 400, 2**22], ids=["one image", "some", "all"])
def test_rows_and_columns_of_the_matrix(window, stride, dilation, copied_bytes, monkeypatch):
    monkeypatch.setattr(windows, "COPIED_BYTES", copied_bytes)
    every = windows.windows(X, window, stride, dilation)
    images = np.arange(3)
    seen = []
    for some, rows in windows.window_rows(X, window, stride, dilation):
        np.testing.assert_array_equal(rows, every[some].reshape(len(rows), -1))
        seen += images[some].tolist()
    assert seen == [0, 1, 2]
    places = []
    for h, k, tap in windows.taps(X, window, stride, dilation):
        np.testing.assert_array_equal(tap, every[:, :, :, h, k])
        places.append((h, k))
    assert places == list(np.ndindex(window))


@pytest.mark.parametrize("groups", [1, 2])
def test_a_convolution_in_pieces_is_the_same(groups, monkeypatch):
    rng = np.random.default_rng(1)
    w, b = rng.normal(size=(3, 2, 2 // groups, 4)), rng.normal(size=4)
    y, cache = conv.conv2d_forward(X, w, b, padding=((1, 1), (0, 1)), groups=groups)
    dy = rng.normal(size=y.shape)
    gradients = conv.conv2d_backward(dy, cache)
    monkeypatch.setattr(windows, "COPIED_BYTES", 1)  # less than the windows of one image
    pieces, cache = conv.conv2d_forward(X, w, b, padding=((1, 1), (0, 1)), groups=groups)
    for whole, found in zip((y, *gradients), (pieces, *conv.conv2d_backward(dy, cache)), strict=True):
        np.testing.assert_allclose(found, whole, rtol=1e-12, atol=1e-13)


def test_scratch_is_kept_and_grows():
    small = scratch((3, 4), np.dtype("float32"))
    assert (small.shape, small.dtype) == ((3, 4), np.float32)
    large = scratch((300, 400), np.dtype("float64"))
    large[...] = 7
    assert (large == 7).all()
    for shape in ((300, 400), (5,)):
        assert np.shares_memory(scratch(shape, np.dtype("float64")), large)


def test_each_thread_has_its_own_scratch():
    mine = scratch((8,), np.dtype("float64"))
    with ThreadPoolExecutor(1) as pool:
        theirs = pool.submit(scratch, (8,), np.dtype("float64")).result()
    assert not np.shares_memory(mine, theirs)
