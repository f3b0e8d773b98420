"""Convolutions and their gradients against PyTorch and SciPy, over random shapes and settings, in float64."""

from typing import NamedTuple

import numpy as np
import pytest

from clearprop.kernels import conv

SEEDS = range(24)


class Drawn(NamedTuple):
    """A convolution's input and weights, and its settings, which are random too."""

    x: np.ndarray  # (N, H, W, C)
    w: np.ndarray  # (KH, KW, C / groups, F); a transposed convolution's: (KH, KW, F / groups, C)
    b: np.ndarray  # (F,)
    stride: tuple[int, int]
    padding: tuple[tuple[int, int], tuple[int, int]]
    dilation: tuple[int, int]
    groups: int
    output_padding: tuple[int, int]
    rng: np.random.Generator


def draw(seed, transposed=False, rows=None):
    """Every fourth case has no settings, every fourth has padding alone: plain cases may take paths of their own."""
    rng = np.random.default_rng(seed)
    window, stride, dilation = rng.integers(1, 4, (3, 2)).tolist()
    padding = rng.integers(0, 4, (2, 2)).tolist()
    groups, channels, filters, n = rng.integers(1, 4, 4).tolist()
    if seed % 4 < 2:
        stride, dilation, groups = [1, 1], [1, 1], 1
    if seed % 4 == 0:
        padding = [[0, 0], [0, 0]]
    if rows:  # an image of one row, for a convolution along one axis
        window[0], stride[0], dilation[0], padding[0] = 1, 1, 1, [0, 0]
    more = [int(rng.integers(s)) for s in stride]
    size = []
    for k, s, d, pads, extra in zip(window, stride, dilation, padding, more, strict=True):
        short = d * (k - 1) - sum(pads)  # so much the smallest image must have more than one element
        size.append(1 + max(0, -((short + extra) // s) if transposed else short) + int(rng.integers(6)))
    size[0] = rows or size[0]
    w_shape = (filters, groups * channels) if transposed else (channels, groups * filters)
    return Drawn(
        rng.normal(size=(n, *size, groups * channels)),
        rng.normal(size=(*window, *w_shape)),
        rng.normal(size=groups * filters),
        tuple(stride),
        tuple(tuple(pads) for pads in padding),
        tuple(dilation),
        groups,
        tuple(more),
        rng,
    )


def close(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10, strict=True)


def conv2d(case):
    """Output, upstream gradient and gradients of our convolution."""
    y, cache = conv.conv2d_forward(
        case.x, case.w, case.b, case.stride, case.padding, case.dilation, case.groups
    )
    dy = case.rng.normal(size=y.shape)
    return y, dy, conv.conv2d_backward(dy, cache)


def conv1d(case):
    """The same along one axis, as of an image of one row."""
    settings = case.stride[1], case.padding[1], case.dilation[1], case.groups
    y, cache = conv.conv1d_forward(case.x[:, 0], case.w[0], case.b, *settings)
    dy = case.rng.normal(size=y.shape)
    dx, dw, db = conv.conv1d_backward(dy, cache)
    return y[:, None], dy[:, None], (dx[:, None], dw[None], db)


def conv_transpose2d(case):
    """The same of the transposed convolution."""
    settings = case.stride, case.padding, case.output_padding, case.dilation, case.groups
    y, cache = conv.conv_transpose2d_forward(case.x, case.w, case.b, *settings)
    dy = case.rng.normal(size=y.shape)
    return y, dy, conv.conv_transpose2d_backward(dy, cache)


# ------------------------------------------------------------------------------------------------ PyTorch


def torch_gradients(case, dy, forward):
    """y, dx, dw, db of forward(x, w, b), which is in PyTorch's layouts: NCHW, and the weights' axes turned around."""
    torch = pytest.importorskip("torch")
    x, w, b = torch.tensor(case.x), torch.tensor(case.w), torch.tensor(case.b)
    leaves = [a.requires_grad_() for a in (x, w, b)]
    turned = x.permute(0, 3, 1, 2), w.permute(3, 2, 0, 1).contiguous(), b
    y = forward(torch.nn.functional, *turned).permute(0, 2, 3, 1)
    return [a.detach().numpy() for a in (y, *torch.autograd.grad(y, leaves, torch.tensor(dy)))]


def torch_conv(case, dy):
    (top, bottom), (left, right) = case.padding

    def forward(F, x, w, b):
        x = F.pad(x, (left, right, top, bottom))
        return F.conv2d(x, w, b, case.stride, 0, case.dilation, case.groups)

    return torch_gradients(case, dy, forward)


def torch_conv_transpose(case, dy):
    (top, bottom), (left, right) = case.padding

    def forward(F, x, w, b):
        y = F.conv_transpose2d(x, w, b, case.stride, 0, case.output_padding, case.groups, case.dilation)
        return y[:, :, top : y.shape[2] - bottom, left : y.shape[3] - right]

    return torch_gradients(case, dy, forward)


@pytest.mark.torch
@pytest.mark.parametrize("seed", SEEDS)
def test_conv2d_agrees_with_torch(seed):
    case = draw(seed)
    y, dy, gradients = conv2d(case)
    close([y, *gradients], torch_conv(case, dy))


@pytest.mark.torch
@pytest.mark.parametrize("seed", SEEDS)
def test_conv1d_agrees_with_torch(seed):
    case = draw(seed, rows=1)
    y, dy, gradients = conv1d(case)
    close([y, *gradients], torch_conv(case, dy))


@pytest.mark.torch
@pytest.mark.parametrize("seed", SEEDS)
def test_conv_transpose2d_agrees_with_torch(seed):
    case = draw(seed, transposed=True)
    y, dy, gradients = conv_transpose2d(case)
    close([y, *gradients], torch_conv_transpose(case, dy))


@pytest.mark.torch
@pytest.mark.parametrize("groups", [1, 2])
def test_a_batch_of_many_windows_agrees_with_torch(groups):
    rng = np.random.default_rng(0)  # an image's windows take 2.3 MB: some images at a time are copied
    x, w, b = rng.normal(size=(5, 48, 48, 16)), rng.normal(size=(3, 3, 16 // groups, 4)), rng.normal(size=4)
    case = Drawn(x, w, b, (1, 1), ((1, 0), (0, 1)), (1, 1), groups, (0, 0), rng)
    y, dy, gradients = conv2d(case)
    close([y, *gradients], torch_conv(case, dy))


# -------------------------------------------------------------------------------------------------- SciPy


def zeros_between(a, step, size=None):
    """(H, W) with a's elements `step` apart and zeros between them; size, if it is to be larger than it must."""
    spaced = [(n - 1) * s + 1 for n, s in zip(a.shape, step, strict=True)]
    wide = np.zeros(size or spaced)
    wide[: spaced[0] : step[0], : spaced[1] : step[1]] = a
    return wide


def channel_pairs(case, w):
    """Each (channel of the wide image, the same inside its group, filter) that a weight connects."""
    part, filters = w.shape[2:]
    for f in range(filters):
        group = f // (filters // case.groups)
        for c in range(part):
            yield group * part + c, c, f


def scipy_correlate(case, x, w):
    """A convolution of the padded x with w, image by image and channel by channel."""
    signal = pytest.importorskip("scipy.signal")
    y = {}
    for n in range(len(x)):
        for wide, c, f in channel_pairs(case, w):
            kernel = zeros_between(w[:, :, c, f], case.dilation)
            every = signal.correlate(x[n, :, :, wide], kernel, mode="valid", method="direct")
            y[n, f] = y.get((n, f), 0) + every[:: case.stride[0], :: case.stride[1]]
    return np.array([[y[n, f] for f in range(w.shape[3])] for n in range(len(x))]).transpose(0, 2, 3, 1)


def scipy_spread(case, dy, w, size):
    """The gradient of the padded x, of that size: dy with zeros between, convolved with the whole kernel."""
    signal = pytest.importorskip("scipy.signal")
    dx = np.zeros((len(dy), *size, w.shape[2] * case.groups))
    for n in range(len(dy)):
        for wide, c, f in channel_pairs(case, w):
            kernel = zeros_between(w[:, :, c, f], case.dilation)
            places = [n - k + 1 for n, k in zip(size, kernel.shape, strict=True)]
            spaced = zeros_between(dy[n, :, :, f], case.stride, places)
            dx[n, :, :, wide] += signal.convolve(spaced, kernel, method="direct")
    return dx


def scipy_correlate_w(case, x, dy, w):
    """The gradient of w: the padded x correlated with dy, with zeros between."""
    signal = pytest.importorskip("scipy.signal")
    dw = np.zeros_like(w)
    reach = [d * (k - 1) + 1 for k, d in zip(w.shape[:2], case.dilation, strict=True)]
    places = [n - r + 1 for n, r in zip(x.shape[1:3], reach, strict=True)]
    for n in range(len(x)):
        for wide, c, f in channel_pairs(case, w):
            spaced = zeros_between(dy[n, :, :, f], case.stride, places)
            every = signal.correlate(x[n, :, :, wide], spaced, mode="valid", method="direct")
            dw[:, :, c, f] += every[:: case.dilation[0], :: case.dilation[1]]
    return dw


def framed(case, x):
    return np.pad(x, ((0, 0), *case.padding, (0, 0)))


def cut(case, x):
    (top, bottom), (left, right) = case.padding
    return x[:, top : x.shape[1] - bottom, left : x.shape[2] - right]


def check_with_scipy(case, y, dy, gradients):
    x = framed(case, case.x)
    expected = [
        scipy_correlate(case, x, case.w) + case.b,
        cut(case, scipy_spread(case, dy, case.w, x.shape[1:3])),
        scipy_correlate_w(case, x, dy, case.w),
        dy.sum(axis=(0, 1, 2)),
    ]
    close([y, *gradients], expected)


@pytest.mark.parametrize("seed", SEEDS)
def test_conv2d_agrees_with_scipy(seed):
    case = draw(100 + seed)
    check_with_scipy(case, *conv2d(case))


@pytest.mark.parametrize("seed", SEEDS)
def test_conv1d_agrees_with_scipy(seed):
    case = draw(100 + seed, rows=1)
    check_with_scipy(case, *conv1d(case))


@pytest.mark.parametrize("seed", SEEDS)
def test_conv_transpose2d_agrees_with_scipy(seed):
    case = draw(100 + seed, transposed=True)
    y, dy, gradients = conv_transpose2d(case)
    wide = framed(case, dy)  # as large as the image before the padding is cut off
    expected = [
        cut(case, scipy_spread(case, case.x, case.w, wide.shape[1:3])) + case.b,
        scipy_correlate(case, wide, case.w),
        scipy_correlate_w(case, wide, case.x, case.w),
        dy.sum(axis=(0, 1, 2)),
    ]
    close([y, *gradients], expected)


def test_a_window_of_one_place_that_strides_beyond_the_image():
    """One output, as the view of all windows then looks contiguous, though it reads one place alone."""
    rng = np.random.default_rng(0)
    x, w, b = rng.normal(size=(1, 2, 3, 4)), rng.normal(size=(1, 1, 4, 6)), rng.normal(size=6)
    for groups in (1, 2):
        case = Drawn(x, w[:, :, : 4 // groups], b, (3, 3), ((0, 0), (0, 0)), (1, 1), groups, (0, 0), rng)
        check_with_scipy(case, *conv2d(case))
