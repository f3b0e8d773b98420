"""CS 189's checks of convolution and pooling."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from clearprop.arrays import Array
from clearprop.courses.assignments.check.case import Case, Check
from clearprop.courses.assignments.check.cs189_dense import NO_SLOPE, gradient, prepared
from clearprop.courses.assignments.check.cs189_numbers import activation_backward, module
from clearprop.courses.assignments.expected.cs189 import ACTIVATIONS
from clearprop.kernels.conv import ConvCache, conv2d_backward, conv2d_forward
from clearprop.kernels.pool import (
    avg_pool2d_backward,
    avg_pool2d_forward,
    max_pool2d_backward,
    max_pool2d_forward,
)
from clearprop.kernels.windows import Pads, Pair, outputs
from clearprop.kernels.windows import pad as framed


class Setting(NamedTuple):
    """A layer's settings and its images."""

    case: Case
    X: Array  # (m, H, W, C)
    kernel: Pair
    stride: int
    pad: str | int  # as the student's layer takes it
    p: Pair  # rows above and below, columns left and right
    W: Array  # (kh, kw, C, n); pooling: empty
    b: Array  # (n,)

    @property
    def pads(self) -> Pads:
        return (self.p[0],) * 2, (self.p[1],) * 2

    @property
    def strides(self) -> Pair:
        return self.stride, self.stride


def _settings(kinds: tuple[tuple[Pair, int, str | int, Pair], ...], n: int) -> Iterator[Setting]:
    rng = np.random.RandomState(10)
    for kernel, stride, pad, p in kinds:
        X, W, b = rng.normal(size=(3, 7, 8, 2)), rng.normal(size=(*kernel, 2, n)), rng.normal(size=n)
        about = f"X (3, 7, 8, 2), kernel {kernel}, stride {stride}, pad {pad!r}"
        yield Setting(Case(about), X, kernel, stride, pad, p, W, b)


def _convolutions() -> Iterator[Setting]:
    return _settings(
        (
            ((3, 3), 1, "same", (1, 1)),
            ((3, 5), 2, "same", (1, 2)),
            ((2, 3), 1, "valid", (0, 0)),
            ((3, 2), 3, 2, (2, 2)),
        ),
        4,
    )


def _conv_layer(s: Setting) -> Any:
    layer = module("layers").Conv2D(
        n_out=4, kernel_shape=s.kernel, activation="tanh", stride=s.stride, pad=s.pad
    )
    return layer, prepared(layer, s.X, {"W": s.W, "b": s.b[None]})


def check_conv_forward() -> None:
    """Cross-correlation with stride and padding, then the activation."""
    for s in _convolutions():
        with s.case.untouched(X=s.X):
            _, got = _conv_layer(s)
        (p, q), act = s.p, ACTIVATIONS["tanh"][0]

        def with_(W: Array = s.W, pads: Pads = s.pads, stride: int = s.stride, s: Setting = s) -> Array:
            return conv2d_forward(s.X, W, s.b, (stride, stride), pads)[0]

        Z = with_()
        suspects = {
            "The kernel is flipped: it slides over the image as it is, a cross-correlation.": with_(
                s.W[::-1, ::-1]
            ),
            "The padding is all above and on the left: half of it belongs to each side.": (
                with_(pads=((2 * p, 0), (2 * q, 0)))
            ),
            "The padding is all below and on the right: half of it belongs to each side.": (
                with_(pads=((0, 2 * p), (0, 2 * q)))
            ),
            "The stride is ignored.": with_(stride=1),
            "The padding is missing.": with_(pads=((0, 0), (0, 0))),
        }
        suspects = {sentence: act(wrong)[0] for sentence, wrong in suspects.items()} | {
            "The activation is missing.": Z,
            "The bias is missing.": act(Z - s.b)[0],
            "The bias and the activation are missing.": Z - s.b,
        }
        s.case.expect("Conv2D.forward(X)", got, act(Z)[0], suspects)


def check_conv_backward() -> None:
    """The gradients by W, b and X."""
    for s in _convolutions():
        layer, _ = _conv_layer(s)
        Z, cache = conv2d_forward(s.X, s.W, s.b, s.strides, s.pads)
        dY = np.random.RandomState(11).normal(size=Z.shape)
        with s.case.untouched(X=s.X, dLdY=dY):
            got = layer.backward(dY)
        dZ = activation_backward("tanh", Z, dY)
        dX, dW, db = conv2d_backward(dZ, cache)
        raw = conv2d_backward(dY, cache)
        m = len(s.X)
        expected = db[None]
        s.case.expect('gradients["b"] after Conv2D.backward(dLdY)', gradient(layer, "b", expected), expected, {
            NO_SLOPE: raw[2][None],
            "It is each image's own: the sum over the batch, axis 0, is missing.": dZ.sum(axis=(1, 2)),
            "It is summed over the batch alone: the sum over rows and columns is missing.": dZ.sum(axis=0),
        }, batch=m)  # fmt: skip
        s.case.expect('gradients["W"] after Conv2D.backward(dLdY)', gradient(layer, "W", dW), dW, {
            NO_SLOPE: raw[1],
            "The kernel is flipped: forward slides it over the image as it is.": dW[::-1, ::-1],
            "The stride is ignored: window (i, j) begins at (stride·i, stride·j).": _conv_dw_without_stride(s, dZ),
        }, batch=m)  # fmt: skip
        s.case.expect(
            "Conv2D.backward(dLdY)", got, dX, _conv_dx_suspects(s, dZ, cache) | {NO_SLOPE: raw[0]}, batch=m
        )


def _conv_dw_without_stride(s: Setting, dZ: Array) -> Array:
    X_pad, (rows, cols) = framed(s.X, s.pads), dZ.shape[1:3]
    dW = np.zeros_like(s.W)
    for i, j in np.ndindex(s.kernel):
        dW[i, j] = np.tensordot(X_pad[:, i : i + rows, j : j + cols], dZ, axes=((0, 1, 2), (0, 1, 2)))
    return dW


def _conv_dx_suspects(s: Setting, dZ: Array, cache: ConvCache) -> dict[str, Any]:
    (_, H, W, _), (p, q) = s.X.shape, s.p
    flipped, _, _ = conv2d_backward(dZ, cache._replace(w=s.W[::-1, ::-1]))
    whole = _scattered(s, [[dZ @ s.W[i, j].T for j in range(s.kernel[1])] for i in range(s.kernel[0])])
    close = _scattered(
        s, [[dZ @ s.W[i, j].T for j in range(s.kernel[1])] for i in range(s.kernel[0])], stride=1
    )
    return {
        "The kernel is flipped: forward slides it over the image as it is.": flipped,
        "The padding is still there: cut it off in the end.": whole,
        "The padding is cut off on one side: half of it lies on each side.": whole[:, :H, :W],
        "The padding is cut off on one side, above and on the left: half of it lies on each side.": (
            whole[:, 2 * p :, 2 * q :]
        ),
        "The stride is ignored: window (i, j) begins at (stride·i, stride·j).": close[
            :, p : p + H, q : q + W
        ],
    }


def _scattered(s: Setting, parts: list[list[Array]], stride: int = 0, add: bool = True) -> Array:
    """What belongs to each place of all windows, put into padded images: added up, or the last one kept."""
    stride = stride or s.stride
    X_pad = np.zeros_like(framed(s.X, s.pads))
    for i, row in enumerate(parts):
        for j, part in enumerate(row):
            rows, cols = part.shape[1:3]
            place = X_pad[
                :, i : i + stride * (rows - 1) + 1 : stride, j : j + stride * (cols - 1) + 1 : stride
            ]
            place[...] = place + part if add else part
    return X_pad


def _poolings(mode: str) -> Iterator[Setting]:
    plain: tuple[tuple[Pair, int, str | int, Pair], ...] = (
        ((3, 3), 2, 0, (0, 0)), ((2, 2), 2, 0, (0, 0)), ((3, 5), 1, "valid", (0, 0)),
    )  # fmt: skip
    framed_too: tuple[tuple[Pair, int, str | int, Pair], ...] = (((3, 2), 2, 1, (1, 1)),)
    return _settings(plain if mode == "max" else plain + framed_too, 0)


def _pool_layer(s: Setting, mode: str) -> tuple[Any, Any]:
    layer = module("layers").Pool2D(kernel_shape=s.kernel, mode=mode, stride=s.stride, pad=s.pad)
    return layer, layer.forward(s.X)


def check_pool_forward() -> None:
    """Maxima and averages, the latter with padding."""
    for s in _poolings("max"):
        with s.case.untouched(X=s.X):
            _, got = _pool_layer(s, "max")
        expected, _ = max_pool2d_forward(s.X, s.kernel, s.strides, s.pads)
        s.case.expect("Pool2D.forward(X), max", got, expected, {
            "It is the average: the mode is max.": avg_pool2d_forward(s.X, s.kernel, s.strides, s.pads)[0],
            "It is the minimum.": -max_pool2d_forward(-s.X, s.kernel, s.strides, s.pads)[0],
            "The stride is ignored.": max_pool2d_forward(s.X, s.kernel, (1, 1), s.pads)[0],
            "The maximum runs over the channels, too: each channel is pooled on its own.": (
                expected.max(axis=3, keepdims=True) + 0 * expected
            ),
            "The maximum runs over the batch, too: each image is pooled on its own.": (
                expected.max(axis=0, keepdims=True) + 0 * expected
            ),
        })  # fmt: skip
    for s in _poolings("average"):
        with s.case.untouched(X=s.X):
            _, got = _pool_layer(s, "average")
        expected, _ = avg_pool2d_forward(s.X, s.kernel, s.strides, s.pads, count_padding=True)
        s.case.expect("Pool2D.forward(X), average", got, expected, {
            "The stride is ignored.": avg_pool2d_forward(s.X, s.kernel, (1, 1), s.pads, count_padding=True)[0],
            "It is the maximum: the mode is average.": max_pool2d_forward(s.X, s.kernel, s.strides, s.pads)[0],
            "The average runs over the channels, too: each channel is pooled on its own.": (
                expected.mean(axis=3, keepdims=True) + 0 * expected
            ),
        } | _wrong_counts(s, expected, avg_pool2d_forward(s.X, s.kernel, s.strides, s.pads)[0]))  # fmt: skip


def _wrong_counts(s: Setting, expected: Array, without_padding: Array) -> dict[str, Array]:
    kh, kw = s.kernel
    total = expected * (kh * kw)
    return {
        f"It is divided by the wrong count: a window has kh·kw = {kh * kw} places, the padding's zeros among them.": (
            without_padding
        ),
        f"It is not divided by the number of places, kh·kw = {kh * kw}.": total,
        "It is divided by the wrong count, kh: a window has kh·kw places.": total / kh,
        "It is divided by the wrong count, kw: a window has kh·kw places.": total / kw,
        "It is divided by the wrong count, kh²: a window has kh·kw places.": total / kh**2,
        "It is divided by the wrong count, kh + kw: a window has kh·kw places.": total / (kh + kw),
    }


def check_pool_backward() -> None:
    """To the maximum, also where windows overlap or numbers are equal; in shares where the mode is average."""
    rng = np.random.RandomState(12)
    for s in _poolings("max"):
        layer, _ = _pool_layer(s, "max")
        Y, kept = max_pool2d_forward(s.X, s.kernel, s.strides, s.pads)
        dY = rng.normal(size=Y.shape)
        with s.case.untouched(X=s.X, dLdY=dY):
            got = layer.backward(dY)
        s.case.expect("Pool2D.backward(dLdY), max", got, max_pool2d_backward(dY, kept), _max_suspects(s, dY))
    _check_ties()
    for s in _poolings("average"):
        layer, _ = _pool_layer(s, "average")
        Y, cache = avg_pool2d_forward(s.X, s.kernel, s.strides, s.pads, count_padding=True)
        dY = rng.normal(size=Y.shape)
        with s.case.untouched(X=s.X, dLdY=dY):
            got = layer.backward(dY)
        expected = avg_pool2d_backward(dY, cache)
        other = avg_pool2d_backward(dY, avg_pool2d_forward(s.X, s.kernel, s.strides, s.pads)[1])
        s.case.expect(
            "Pool2D.backward(dLdY), average", got, expected,
            _spread_suspects(s, [[dY / np.prod(s.kernel)] * s.kernel[1]] * s.kernel[0])
            | _wrong_counts(s, expected, other),
        )  # fmt: skip


def _spread_suspects(s: Setting, parts: list[list[Array]]) -> dict[str, Array]:
    (_, H, W, _), (p, q) = s.X.shape, s.p
    inner = np.s_[:, p : p + H, q : q + W]
    return {
        "The stride is ignored: window (i, j) begins at (stride·i, stride·j).": _scattered(
            s, parts, stride=1
        )[inner],
        "Where windows overlap, the last one overwrites the others: add them up.": _scattered(
            s, parts, add=False
        )[inner],
        "The padding is still there: cut it off in the end.": _scattered(s, parts),
    }


def _max_suspects(s: Setting, dY: Array) -> dict[str, Array]:
    kh, kw = s.kernel
    rows, cols = outputs((s.X.shape[1], s.X.shape[2]), s.kernel, s.strides, (1, 1))
    windows = np.lib.stride_tricks.sliding_window_view(s.X, s.kernel, axis=(1, 2))[
        :, :: s.stride, :: s.stride
    ]
    winner = windows.reshape(len(s.X), rows, cols, 2, kh * kw).argmax(axis=-1)
    parts = [[dY * (winner == i * kw + j) for j in range(kw)] for i in range(kh)]
    mixed = [[dY * ((winner % kh == i) & (winner // kh == j)) for j in range(kw)] for i in range(kh)]
    everywhere = [[dY] * kw] * kh
    return _spread_suspects(s, parts) | {
        "It goes to every place of the window: only the maximum has had an effect.": _scattered(
            s, everywhere
        ),
        "It goes in equal shares to every place of the window, as for the average: the mode is max.": (
            _scattered(s, [[dY / (kh * kw)] * kw] * kh)
        ),
        "The winner's place is taken apart by the wrong axis: argmax counts row by row, kw to a row.": (
            _scattered(s, mixed)
        ),
    }


def _check_ties() -> None:
    """Equal numbers in a window: what goes back is dY once, to one of them or in shares that add up to it."""
    rng = np.random.RandomState(13)
    X = rng.randint(3, size=(3, 4, 6, 2)).astype(float)  # three values: many windows have their maximum twice
    Y, kept = max_pool2d_forward(X, (2, 2), (2, 2))
    dY = rng.uniform(0.5, 1.5, size=Y.shape)
    case = Case("X (3, 4, 6, 2) with equal numbers in its windows, kernel (2, 2), stride 2")
    layer = module("layers").Pool2D(kernel_shape=(2, 2), mode="max", stride=2)
    layer.forward(X)
    got = layer.backward(dY)
    largest = np.equal(X, Y.repeat(2, axis=1).repeat(2, axis=2))
    right = max_pool2d_backward(dY, kept)
    array = np.asarray(got, dtype=np.float64)
    if array.shape == X.shape and not array[~largest].any():
        given = array.reshape(3, 2, 2, 3, 2, 2).sum(axis=(2, 4))
        if np.allclose(given, dY):
            return
    every = np.where(largest, dY.repeat(2, axis=1).repeat(2, axis=2), 0.0)
    case.expect("Pool2D.backward(dLdY), max", got, right, {
        "It goes to every number that equals the maximum: of equal ones, one alone gets dY.": every,
    })  # fmt: skip


def conv_checks() -> tuple[Check, ...]:
    """The convolution's tests."""
    return (
        Check("TestConv2D.test_forward", check_conv_forward, seconds=60),
        Check("TestConv2D.test_backward", check_conv_backward, seconds=60),
    )


def pool_checks() -> tuple[Check, ...]:
    """The pooling layer's tests."""
    return (
        Check("TestPool2D.test_forward", check_pool_forward, seconds=60),
        Check("TestPool2D.test_backward", check_pool_backward, seconds=60),
    )
