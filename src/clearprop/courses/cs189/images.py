"""Layers of images: convolution and pooling. `layers` has their names."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, final

import numpy as np

from clearprop.arrays import Array, Shape, check_shape, shape_text
from clearprop.courses.cs189.base import Layer, Weighted
from clearprop.courses.cs189.utils import Pair, col2im, im2col, pad2d, pads_of
from clearprop.errors import ConfigError, ShapeError
from clearprop.kernels.affine import AffineCache, affine_backward, affine_forward
from clearprop.kernels.conv import ConvCache, conv2d_backward, conv2d_forward
from clearprop.kernels.pool import (
    avg_pool2d_backward,
    avg_pool2d_forward,
    max_pool2d_backward,
    max_pool2d_forward,
)
from clearprop.kernels.windows import outputs
from clearprop.names import check_count


@final
class Conv2D(Weighted):
    """Y = σ(windows of X times W, + b): X (m, H, W, C), W (kh, kw, c, n), b (1, n). A cross-correlation.

    `pad` is "same", "valid" or p; the output has (in + 2p − k) // stride + 1 rows and columns. Cache: Z, X, and X_pad.
    `forward_faster` and `backward_faster` take another way to the same numbers: all windows as one matrix.

    >>> layer = Conv2D(4, (3, 3), "linear", stride=2)
    >>> layer.forward(np.ones((2, 7, 9, 3))).shape
    (2, 4, 5, 4)
    """

    def __init__(
        self,
        n_out: int,
        kernel_shape: Pair,
        activation: str,
        stride: int = 1,
        pad: str | int = "same",
        weight_init: str = "xavier_uniform",
    ) -> None:
        super().__init__(n_out, activation, weight_init)
        self.kernel_shape = _pair("Conv2D", kernel_shape)
        self.stride = check_count("Conv2D", "stride", stride)
        self.pad = _pad_of("Conv2D", pad, self.kernel_shape)

    def _init_parameters(self, X_shape: Shape) -> None:
        self.n_in = X_shape[3]
        W = self.init_weights((*self.kernel_shape, self.n_in, self.n_out))
        self._hold(W=W, b=np.zeros((1, self.n_out)))
        self.cache = OrderedDict(Z=[], X=[], X_pad=[])

    def forward(self, X: Array) -> Array:
        X, W, b = self._operands(X)
        X_pad, _ = pad2d(X, self.pad)
        Z, _ = conv2d_forward(X_pad, W, b[0], (self.stride, self.stride))
        self.cache["Z"], self.cache["X"], self.cache["X_pad"] = Z, X, X_pad
        return self._activate(Z)

    def backward(self, dLdY: Array) -> Any:
        Z, X_pad, W = self._kept("Z"), self._kept("X_pad"), self._weights()
        dLdZ = self.activation.backward(Z, self._upstream(dLdY, Z.shape, Z.dtype))
        rows, columns = self.pad
        pads, stride = ((rows, rows), (columns, columns)), (self.stride, self.stride)
        kept = ConvCache(X_pad, W, stride, pads, (1, 1), 1)
        dLdX, dLdW, dLdb = conv2d_backward(dLdZ, kept, need_dx=self.needs_dX)
        self.gradients["W"], self.gradients["b"] = dLdW, dLdb[None]
        return dLdX

    def forward_faster(self, X: Array) -> Array:
        """The same by `im2col` and one affine map of all windows."""
        X, W, b = self._operands(X)
        X_pad, _ = pad2d(X, self.pad)
        size = outputs(X_pad.shape[1:3], self.kernel_shape, (self.stride, self.stride), (1, 1))
        X_col, _ = im2col(X_pad, self.kernel_shape, self.stride, 0)
        Z, _ = affine_forward(X_col.T, W.reshape(-1, self.n_out), b[0])
        Z = Z.reshape(len(X), *size, self.n_out)
        self.cache["Z"], self.cache["X"], self.cache["X_pad"] = Z, X, X_pad
        return self._activate(Z)

    def backward_faster(self, dLdY: Array) -> Any:
        """The same by `im2col`, the affine map's gradients, and `col2im`."""
        Z, X, W = self._kept("Z"), self._kept("X"), self._weights()
        dLdZ = self.activation.backward(Z, self._upstream(dLdY, Z.shape, Z.dtype))
        X_col, p = im2col(X, self.kernel_shape, self.stride, self.pad)
        kept = AffineCache(X_col.T, W.reshape(-1, self.n_out))
        dX_col, dLdW, dLdb = affine_backward(dLdZ.reshape(-1, self.n_out), kept, need_dx=self.needs_dX)
        self.gradients["W"], self.gradients["b"] = dLdW.reshape(W.shape), dLdb[None]
        if dX_col is None:
            return None
        return col2im(dX_col.T, X.shape, self.kernel_shape, self.stride, p)

    def _operands(self, X: Array) -> tuple[Array, Array, Array]:
        X = self._input(X, ("m", "H", "W", "c"), 3, "Channels are the last axis.")
        _check_size(f"{self}", X, self.kernel_shape, self.pad)
        W = self._weights()
        return np.asarray(X, W.dtype), W, self._parameter("b", 1, self.n_out)

    def _weights(self) -> Array:
        return self._parameter("W", *self.kernel_shape, self.n_in, self.n_out)


@final
class Pool2D(Layer):
    """The maximum or the average of each window, for each channel; zeros of the padding count as numbers.

    X (m, H, W, C) -> (m, (H + 2p − kh) // stride + 1, …, C). Of equal maxima the first gets the gradient. Cache:
    out_rows, out_cols, X_pad, p (top, bottom, left, right), pool_shape.

    >>> Pool2D(2, stride=2).forward(np.arange(16.0).reshape(1, 4, 4, 1))[0, :, :, 0]
    array([[ 5.,  7.],
           [13., 15.]])
    """

    def __init__(
        self, kernel_shape: Pair | int, mode: str = "max", stride: int = 1, pad: str | int = 0
    ) -> None:
        super().__init__()
        if mode not in ("max", "average"):
            raise ConfigError(f"Pool2D: expected mode 'max' or 'average', got {mode!r}.")
        self.kernel_shape = _pair("Pool2D", kernel_shape)
        self.mode = mode
        self.stride = check_count("Pool2D", "stride", stride)
        self.pad = _pad_of("Pool2D", pad, self.kernel_shape)
        self.pool_fn: Callable[..., Any] = np.max if mode == "max" else np.mean
        self.arg_pool_fn: Callable[..., Any] | None = np.argmax if mode == "max" else None
        self.cache = OrderedDict(out_rows=[], out_cols=[], X_pad=[], p=[], pool_shape=[])
        self._pooled: Any = None  # what the kernel kept

    def forward(self, X: Array) -> Array:
        X = np.asarray(X)
        check_shape("Pool2D", "X", X.shape, ("m", "H", "W", "C"), "Channels are the last axis.")
        _check_size("Pool2D", X, self.kernel_shape, self.pad)
        X_pad, p = pad2d(X, self.pad)
        stride = (self.stride, self.stride)
        if self.mode == "max":
            Y, self._pooled = max_pool2d_forward(X_pad, self.kernel_shape, stride)
        else:
            floats = X_pad if X_pad.dtype.kind == "f" else X_pad.astype(np.float64)
            Y, self._pooled = avg_pool2d_forward(floats, self.kernel_shape, stride)
        _, rows, columns, _ = Y.shape
        self.cache = OrderedDict(
            out_rows=rows, out_cols=columns, X_pad=X_pad, p=p, pool_shape=self.kernel_shape
        )
        return Y

    def backward(self, dLdY: Array) -> Any:
        X_pad = self._kept("X_pad")
        rows, columns = self.pad
        m, height, width, channels = X_pad.shape
        shape = (m, self.cache["out_rows"], self.cache["out_cols"], channels)
        dtype = X_pad.dtype if X_pad.dtype.kind == "f" else np.dtype(np.float64)
        dLdY = self._upstream(dLdY, shape, dtype)
        backward = max_pool2d_backward if self.mode == "max" else avg_pool2d_backward
        return backward(dLdY, self._pooled)[:, rows : height - rows, columns : width - columns]


def _pair(who: str, kernel_shape: Pair | int) -> Pair:
    """A kernel's height and width; a number stands for a square."""
    pair = (kernel_shape, kernel_shape) if isinstance(kernel_shape, int | np.integer) else tuple(kernel_shape)
    if len(pair) != 2:
        raise ConfigError(f"{who}: expected kernel_shape (height, width) or a number, got {kernel_shape!r}.")
    return check_count(who, "the kernel's height", pair[0]), check_count(who, "the kernel's width", pair[1])


def _pad_of(who: str, pad: str | int, kernel_shape: Pair) -> Pair:
    """Rows and columns of zeros on both sides."""
    if not isinstance(pad, str | int | np.integer):
        raise ConfigError(f"{who}: expected pad 'same', 'valid' or a whole number >= 0, got {pad!r}.")
    rows, _, columns, _ = pads_of(pad, kernel_shape)
    return rows, columns


def _check_size(who: str, X: Array, kernel_shape: Pair, pad: Pair) -> None:
    """Refuse images that are smaller than the kernel."""
    height, width = X.shape[1] + 2 * pad[0], X.shape[2] + 2 * pad[1]
    if height < kernel_shape[0] or width < kernel_shape[1]:
        raise ShapeError(
            f"{who}: expected images of at least {shape_text(kernel_shape)} with their padding, got "
            f"{shape_text((height, width))}. Take a smaller kernel_shape, or pad='same'."
        )
