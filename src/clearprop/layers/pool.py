"""Pooling: of every window, or of a whole image, one number a channel. Its mathematics: kernels/pool.py."""

from collections.abc import Sequence
from typing import Any, cast

from clearprop.arrays import Array, Shape, check_shape
from clearprop.errors import ConfigError
from clearprop.kernels.pool import (
    AvgPoolCache,
    MaxPoolCache,
    avg_pool2d_backward,
    avg_pool2d_forward,
    global_avg_pool_backward,
    global_avg_pool_forward,
    global_max_pool_backward,
    global_max_pool_forward,
    max_pool2d_backward,
    max_pool2d_forward,
)
from clearprop.kernels.windows import Pads, Pair
from clearprop.layers.base import Layer
from clearprop.layers.windows import (
    Padding,
    check_padding,
    check_places,
    check_spatial,
    output_sizes,
    pad_pairs,
    plain_padding,
    shown,
    sizes,
)


class _Pool(Layer):
    """What pooling over windows shares: settings and sentences; a sequence is an image of one row."""

    axes: int
    dilation: Shape

    def __init__(
        self, window: int | Sequence[int], stride: int | Sequence[int] | None, padding: Padding
    ) -> None:
        who = type(self).__name__
        self.window = sizes(who, "window", window, self.axes)
        self.stride = self.window if stride is None else sizes(who, "stride", stride, self.axes)
        self.padding = check_padding(who, padding, self.axes)
        self.dilation = (1,) * self.axes

    def settings(self) -> dict[str, Any]:
        given: dict[str, Any] = {"window": list(self.window)}
        if self.stride != self.window:
            given["stride"] = list(self.stride)
        if self.padding != "valid":
            given["padding"] = plain_padding(self.padding)
        return given

    def __repr__(self) -> str:
        words = [shown(self.window)]
        words += [f"stride={shown(self.stride)}"] * (self.stride != self.window)
        words += [f"padding={shown(self.padding)}"] * (self.padding != "valid")
        words += [f"dilation={shown(self.dilation)}"] * (max(self.dilation) > 1)
        return f"{type(self).__name__}({', '.join(words)})"

    def output_shape(self, input_shape: Shape, who: str) -> Shape:
        check_spatial(who, input_shape, self.axes)
        spatial = input_shape[:-1]
        pads = pad_pairs(self.padding, spatial, self.window, self.stride, self.dilation)
        grown = output_sizes(who, spatial, self.window, self.stride, pads, self.dilation, "window")
        check_places(who, spatial, self.window, self.stride, pads, self.dilation)
        return (*grown, input_shape[-1])

    def _windows(self, x: Array) -> tuple[Pair, Pair, Pads]:
        """Window, stride and padding over x as an image."""
        pads = pad_pairs(self.padding, x.shape[1:-1], self.window, self.stride, self.dilation)
        return _pair(self.window), _pair(self.stride), cast(Pads, ((0, 0), *pads)[-2:])


class _MaxPool(_Pool):
    """Max pooling, along one axis or two."""

    def __init__(
        self,
        window: int | Sequence[int],
        stride: int | Sequence[int] | None = None,
        padding: Padding = "valid",
        dilation: int | Sequence[int] = 1,
    ) -> None:
        super().__init__(window, stride, padding)
        self.dilation = sizes(type(self).__name__, "dilation", dilation, self.axes)

    def settings(self) -> dict[str, Any]:
        return super().settings() | ({"dilation": list(self.dilation)} if max(self.dilation) > 1 else {})

    def forward(self, x: Array, training: bool = False, noise: Any = None) -> tuple[Array, MaxPoolCache]:
        y, cache = max_pool2d_forward(_image(x), *self._windows(x), _pair(self.dilation))
        return _as_was(y, x), cache

    def backward(self, dy: Array, cache: MaxPoolCache, need_dx: bool = True) -> Array | None:
        return _as_was(max_pool2d_backward(_image(dy), cache), dy) if need_dx else None


class _AvgPool(_Pool):
    """Average pooling, along one axis or two."""

    def __init__(
        self,
        window: int | Sequence[int],
        stride: int | Sequence[int] | None = None,
        padding: Padding = "valid",
        count_padding: bool = False,
    ) -> None:
        super().__init__(window, stride, padding)
        if not isinstance(count_padding, bool):
            raise ConfigError(
                f"{type(self).__name__}: expected count_padding to be True or False, got {count_padding!r}."
            )
        self.count_padding = count_padding

    def settings(self) -> dict[str, Any]:
        return super().settings() | ({"count_padding": True} if self.count_padding else {})

    def forward(self, x: Array, training: bool = False, noise: Any = None) -> tuple[Array, AvgPoolCache]:
        y, cache = avg_pool2d_forward(_image(x), *self._windows(x), self.count_padding)
        return _as_was(y, x), cache

    def backward(self, dy: Array, cache: AvgPoolCache, need_dx: bool = True) -> Array | None:
        return _as_was(avg_pool2d_backward(_image(dy), cache), dy) if need_dx else None


class MaxPool2D(_MaxPool):
    """The largest number of every window of an image, for each channel: (N, H, W, C) -> (N, OH, OW, C).

    Where a window has several largest numbers, the first of them, row by row, gets the gradient, as in PyTorch.

    Parameters
    ----------
    window : int or (int, int)
        Its height and width.
    stride : int or (int, int), optional
        How far apart windows begin; by default as far as the window is large, so that they tile the image.
    padding : str, int or sequence
        "valid" for none, "same" for H / stride rows and W / stride columns, rounded up; a number, one for each
        axis, or a pair (before, after) for each. Padding is never the largest.
    dilation : int or (int, int)
        How far apart the numbers of one window are.

    Raises
    ------
    ConfigError
        If a setting is none of these.
    ShapeError
        When the network is built, if x is no image, a window does not fit, or one would hold padding alone.

    Examples
    --------
    >>> MaxPool2D(2).output_shape((28, 28, 32), "layer 0")
    (14, 14, 32)
    """

    axes = 2
    on_images = True


class MaxPool1D(_MaxPool):
    """The largest number of every window of a sequence, for each channel: (N, T, C) -> (N, OT, C).

    Parameters
    ----------
    window, stride, padding, dilation
        As in `MaxPool2D`, one number each; padding also a pair (before, after), as [(1, 0)].

    Raises
    ------
    ConfigError, ShapeError
        As in `MaxPool2D`.

    Examples
    --------
    >>> MaxPool1D(3, stride=2, padding="same").output_shape((15, 8), "layer 0")
    (8, 8)
    """

    axes = 1


class AvgPool2D(_AvgPool):
    """The mean of every window of an image, for each channel: (N, H, W, C) -> (N, OH, OW, C).

    Parameters
    ----------
    window, stride, padding
        As in `MaxPool2D`.
    count_padding : bool
        Whether the zeros of the padding count as numbers of the window. PyTorch counts them unless told otherwise.

    Raises
    ------
    ConfigError, ShapeError
        As in `MaxPool2D`; so every window has at least one number to take the mean of.

    Examples
    --------
    >>> AvgPool2D(3, stride=2).output_shape((15, 15, 8), "layer 0")
    (7, 7, 8)
    """

    axes = 2
    on_images = True


class AvgPool1D(_AvgPool):
    """The mean of every window of a sequence, for each channel: (N, T, C) -> (N, OT, C).

    Parameters
    ----------
    window, stride, padding, count_padding
        As in `AvgPool2D`, one number each; padding also a pair (before, after), as [(1, 0)].

    Raises
    ------
    ConfigError, ShapeError
        As in `MaxPool2D`.

    Examples
    --------
    >>> AvgPool1D(2).output_shape((15, 8), "layer 0")
    (7, 8)
    """

    axes = 1


class GlobalAvgPool(Layer):
    """The mean over all places of an image or a sequence: (N, …, C) -> (N, C); Lin et al. (2014).

    Raises
    ------
    ShapeError
        When the network is built, if x has no axis between the first and the last.

    Examples
    --------
    >>> GlobalAvgPool().output_shape((7, 7, 64), "layer 0")
    (64,)
    """

    def output_shape(self, input_shape: Shape, who: str) -> Shape:
        return _channels(input_shape, who)

    def forward(self, x: Array, training: bool = False, noise: Any = None) -> tuple[Array, Shape]:
        return global_avg_pool_forward(x)

    def backward(self, dy: Array, cache: Shape, need_dx: bool = True) -> Array | None:
        return global_avg_pool_backward(dy, cache) if need_dx else None


class GlobalMaxPool(Layer):
    """The largest number of all places of an image or a sequence: (N, …, C) -> (N, C).

    Of several largest ones the first, row by row, gets the gradient, as in PyTorch.

    Raises
    ------
    ShapeError
        When the network is built, if x has no axis between the first and the last.

    Examples
    --------
    >>> GlobalMaxPool().output_shape((100, 64), "layer 0")
    (64,)
    """

    def output_shape(self, input_shape: Shape, who: str) -> Shape:
        return _channels(input_shape, who)

    def forward(self, x: Array, training: bool = False, noise: Any = None) -> tuple[Array, Array]:
        return global_max_pool_forward(x)

    def backward(self, dy: Array, cache: Array, need_dx: bool = True) -> Array | None:
        return global_max_pool_backward(dy, cache) if need_dx else None


def _channels(input_shape: Shape, who: str) -> Shape:
    check_shape(
        who, "x", ("N", *input_shape), ("N", "…", "C"),
        "Leave it out: there is nothing to pool.",
    )  # fmt: skip
    return input_shape[-1:]


def _pair(each: Shape) -> Pair:
    """A size for each axis of an image; a sequence's rows are of one."""
    return cast(Pair, (1, *each)[-2:])


def _image(x: Array) -> Array:
    return x if x.ndim == 4 else x[:, None]


def _as_was(y: Array, x: Array) -> Array:
    return y if x.ndim == 4 else y[:, 0]
