"""Conv2D, Conv1D and ConvTranspose2D: windows that slide over images. Their mathematics: kernels/conv.py."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from math import gcd, prod
from typing import Any, Self, cast

import numpy as np

from clearprop.arrays import Array, Shape
from clearprop.errors import ConfigError, ShapeError
from clearprop.init import Initializer, fans, make_initializer
from clearprop.kernels.conv import (
    ConvCache,
    conv1d_backward,
    conv1d_forward,
    conv2d_backward,
    conv2d_forward,
    conv_transpose2d_backward,
    conv_transpose2d_forward,
)
from clearprop.kernels.windows import Pads, Pair
from clearprop.layers.activation import Activation
from clearprop.layers.base import Layer
from clearprop.layers.dense import RECTIFIERS
from clearprop.layers.windows import (
    Padding,
    Pairs,
    check_padding,
    check_spatial,
    divisors,
    output_sizes,
    pad_pairs,
    plain_padding,
    shown,
    sizes,
)
from clearprop.messages.shapes import pictured
from clearprop.names import check_count


class _Conv(Layer):
    """What all convolutions share: settings, initial weights, sentences."""

    axes: int
    words: tuple[str, ...] = ("valid", "same")
    w: Array
    b: Array
    dw: Array
    db: Array

    def __init__(
        self,
        filters: int,
        kernel: int | Sequence[int],
        *,
        stride: int | Sequence[int] = 1,
        padding: Padding = "valid",
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
        activation: str | None = None,
        init: str | Mapping[str, Any] | Initializer | None = None,
        bias_init: str | Mapping[str, Any] | Initializer = "zeros",
    ) -> None:
        who = type(self).__name__
        self.filters = check_count(who, "filters", filters)
        self.kernel = sizes(who, "kernel", kernel, self.axes)
        self.stride = sizes(who, "stride", stride, self.axes)
        self.padding = check_padding(who, padding, self.axes, self.words)
        self.dilation = sizes(who, "dilation", dilation, self.axes)
        self.groups = check_count(who, "groups", groups)
        if self.filters % self.groups:
            raise ConfigError(
                f"{who}: expected groups to divide the filters, got {groups} groups of {filters} filters. "
                f"Take a multiple of {groups} filters."
            )
        self.activation = Activation(activation) if activation is not None else None
        by_default = "he_normal" if activation in RECTIFIERS else "xavier_uniform"
        self.init = make_initializer(by_default if init is None else init)
        self.bias_init = make_initializer(bias_init)

    def settings(self) -> dict[str, Any]:
        given: dict[str, Any] = {"filters": self.filters, "kernel": list(self.kernel)}
        for name, default in (("stride", 1), ("dilation", 1)):
            if set(getattr(self, name)) != {default}:
                given[name] = list(getattr(self, name))
        if self.padding != "valid":
            given["padding"] = plain_padding(self.padding)
        if self.groups > 1:
            given["groups"] = self.groups
        if self.activation is not None:
            given["activation"] = self.activation.name
        given["init"] = self.init.settings()
        if self.bias_init != make_initializer("zeros"):
            given["bias_init"] = self.bias_init.settings()
        return given

    def expand(self) -> list[Layer]:
        if self.activation is None:
            return super().expand()
        plain = cast(Self, super().expand()[0])
        plain.activation = None
        return [plain, *self.activation.expand()]

    def __repr__(self) -> str:
        words = [str(self.filters), shown(self.kernel)]
        words += [f"stride={shown(self.stride)}"] * (max(self.stride) > 1)
        words += [f"padding={shown(self.padding)}"] * (self.padding != "valid")
        words += [f"dilation={shown(self.dilation)}"] * (max(self.dilation) > 1)
        words += [f"groups={self.groups}"] * (self.groups > 1)
        return f"{type(self).__name__}({', '.join(words)})"

    def param_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        return {
            "w": (*self.kernel, input_shape[-1] // self.groups, self.filters),
            "b": (self.filters,),
        }

    def init_params(self, rng: np.random.Generator) -> None:
        fan_in, fan_out = fans(self.w.shape)
        self.w[...] = self.init(self.w.shape, fan_in, fan_out, rng)
        self.b[...] = self.bias_init(self.b.shape, fan_in, fan_out, rng)

    def check(self, input_shape: Shape, who: str) -> None:
        """Refuse what is no image, or has channels that the groups do not divide."""
        check_spatial(who, input_shape, self.axes)
        if input_shape[-1] % self.groups:
            error = ShapeError(
                f"{who}: expected groups to divide the channels, got {self.groups} groups of {input_shape[-1]} "
                "channels. Take a number of groups that divides both channels and filters: "
                f"{divisors(gcd(input_shape[-1], self.filters))}."
            )
            raise pictured(error, ("x", ("N", *input_shape), {len(input_shape)}))

    def output_shape(self, input_shape: Shape, who: str) -> Shape:
        self.check(input_shape, who)
        return (
            *output_sizes(
                who, input_shape[:-1], self.kernel, self.stride, self.pads(input_shape), self.dilation
            ),
            self.filters,
        )

    def pads(self, input_shape: Shape) -> Pairs:
        """How much is put before and after on each axis of this input."""
        return pad_pairs(self.padding, input_shape[:-1], self.kernel, self.stride, self.dilation)

    def multiply_adds(self, input_shape: Shape) -> int:
        outputs = output_sizes(
            type(self).__name__,
            input_shape[:-1],
            self.kernel,
            self.stride,
            self.pads(input_shape),
            self.dilation,
        )
        return prod(outputs) * prod(self.param_shapes(input_shape)["w"])

    @abstractmethod
    def forward(self, x: Array, training: bool = False, noise: Any = None) -> tuple[Array, ConvCache]: ...

    @abstractmethod
    def backward(self, dy: Array, cache: ConvCache, need_dx: bool = True) -> Array | None: ...


class Conv2D(_Conv):
    """Every filter looks at every window of an image: (N, H, W, C) -> (N, OH, OW, F).

    A cross-correlation with weights (KH, KW, C / groups, F); LeCun et al. (1998).

    Parameters
    ----------
    filters : int
        F, the number of channels that come out.
    kernel : int or (int, int)
        Rows and columns of a window.
    stride, dilation : int or (int, int)
        The step from window to window, and from element to element inside a window.
    padding : "valid", "same", int, (int, int) or ((top, bottom), (left, right))
        Zeros around the image. "same" gives ceil(H / stride) rows, an odd zero at the end.
    groups : int
        Each group of filters sees its own group of channels alone; as many groups as channels is a depthwise
        convolution.
    activation : str, optional
        Sugar: `Sequential` puts `Activation(activation)` behind the layer.
    init : str or mapping, optional
        Initializer of w; by default He's normal in front of a rectifier, else Xavier's uniform.
    bias_init : str or mapping

    Raises
    ------
    ConfigError
        If a setting is no such number, or groups do not divide the filters.
    ShapeError
        When the network is built: for what is no image, a kernel larger than the padded image, or channels that
        groups do not divide.

    Examples
    --------
    >>> Conv2D(32, 3, padding="same").output_shape((28, 28, 1), "layer 0")
    (28, 28, 32)
    """

    axes = 2
    on_images = True

    def forward(self, x: Array, training: bool = False, noise: Any = None) -> tuple[Array, ConvCache]:
        pads = cast(Pads, self.pads(x.shape[1:]))
        return conv2d_forward(x, self.w, self.b, _pair(self.stride), pads, _pair(self.dilation), self.groups)

    def backward(self, dy: Array, cache: ConvCache, need_dx: bool = True) -> Array | None:
        dx, _, _ = conv2d_backward(dy, cache, out=(self.dw, self.db), need_dx=need_dx)
        return dx


class Conv1D(_Conv):
    """Every filter looks at every window of a sequence: (N, T, C) -> (N, OT, F).

    Parameters
    ----------
    filters, kernel, stride, padding, dilation, groups, activation, init, bias_init
        As of `Conv2D`, with one number each. Padding may also be "causal": all zeros in front, so that an output
        sees nothing that comes later (van den Oord et al. 2016).

    Raises
    ------
    ConfigError, ShapeError
        As `Conv2D`.

    Examples
    --------
    >>> Conv1D(8, 3, padding="causal", dilation=2).output_shape((50, 1), "layer 0")
    (50, 8)
    """

    axes = 1
    words = ("valid", "same", "causal")

    def forward(self, x: Array, training: bool = False, noise: Any = None) -> tuple[Array, ConvCache]:
        (pads,) = self.pads(x.shape[1:])
        return conv1d_forward(x, self.w, self.b, self.stride[0], pads, self.dilation[0], self.groups)

    def backward(self, dy: Array, cache: ConvCache, need_dx: bool = True) -> Array | None:
        dx, _, _ = conv1d_backward(dy, cache, out=(self.dw, self.db), need_dx=need_dx)
        return dx


class ConvTranspose2D(_Conv):
    """The way back through a convolution: (N, H, W, C) -> (N, OH, OW, F), larger by the stride.

    Each number of x is spread, times the kernel, over a window of y (Zeiler et al. 2010). The weights, (KH, KW,
    F / groups, C), are those of the convolution from F to C channels whose dx this is.

    Parameters
    ----------
    filters, kernel, stride, dilation, groups, activation, init, bias_init
        As of `Conv2D`.
    padding : "valid", "same", int, (int, int) or ((top, bottom), (left, right))
        What is cut off around y: OH = (H − 1) stride + dilation (KH − 1) + 1 − padding + output_padding. "same"
        gives OH = H · stride.
    output_padding : int or (int, int)
        Rows and columns added at the end of y, fewer than the stride.

    Raises
    ------
    ConfigError, ShapeError
        As `Conv2D`; and if output_padding is not below the stride, or the padding leaves nothing of y.

    Examples
    --------
    >>> ConvTranspose2D(16, 4, stride=2, padding="same").output_shape((7, 7, 32), "layer 0")
    (14, 14, 16)
    """

    axes = 2
    on_images = True

    def __init__(
        self,
        filters: int,
        kernel: int | Sequence[int],
        *,
        stride: int | Sequence[int] = 1,
        padding: Padding = "valid",
        output_padding: int | Sequence[int] = 0,
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
        activation: str | None = None,
        init: str | Mapping[str, Any] | Initializer | None = None,
        bias_init: str | Mapping[str, Any] | Initializer = "zeros",
    ) -> None:
        super().__init__(
            filters, kernel, stride=stride, padding=padding, dilation=dilation, groups=groups, activation=activation,
            init=init, bias_init=bias_init,
        )  # fmt: skip
        self.output_padding = sizes(type(self).__name__, "output_padding", output_padding, 2, least=0)
        if any(more >= s for more, s in zip(self.output_padding, self.stride, strict=True)):
            raise ConfigError(
                f"ConvTranspose2D: expected output_padding below the stride {self.stride}, got {output_padding!r}. "
                "It only chooses among the sizes that the stride leaves open."
            )

    def settings(self) -> dict[str, Any]:
        more = {"output_padding": list(self.output_padding)} if max(self.output_padding) else {}
        return super().settings() | more

    def param_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        return {
            "w": (*self.kernel, self.filters // self.groups, input_shape[-1]),
            "b": (self.filters,),
        }

    def init_params(self, rng: np.random.Generator) -> None:
        fan_out, fan_in = fans(self.w.shape)  # w is laid out as of the convolution the other way
        fan_in //= self.groups  # of whose channels, unlike of whose filters, w holds all
        self.w[...] = self.init(self.w.shape, fan_in, fan_out, rng)
        self.b[...] = self.bias_init(self.b.shape, fan_in, fan_out, rng)

    def output_shape(self, input_shape: Shape, who: str) -> Shape:
        self.check(input_shape, who)
        grown = [
            n - before - after
            for n, (before, after) in zip(self._full(input_shape), self.pads(input_shape), strict=True)
        ]
        if min(grown) < 1:
            raise ShapeError(
                f"{who}: expected padding that leaves something of the {self._full(input_shape)} outputs, "
                f"got {plain_padding(self.padding)}. Take less padding."
            )
        return (*grown, self.filters)

    def _more(self) -> Shape:
        """Output padding; with "same", at least what makes a short kernel reach H · stride."""
        if self.padding != "same":
            return self.output_padding
        each = zip(self.output_padding, self.kernel, self.stride, self.dilation, strict=True)
        return tuple(max(more, s - d * (k - 1) - 1) for more, k, s, d in each)

    def _full(self, input_shape: Shape) -> Shape:
        each = zip(input_shape[:-1], self.kernel, self.stride, self.dilation, self._more(), strict=True)
        return tuple((n - 1) * s + d * (k - 1) + 1 + more for n, k, s, d, more in each)

    def pads(self, input_shape: Shape) -> Pairs:
        if self.padding != "same":
            return pad_pairs(self.padding, input_shape[:-1], self.kernel, self.stride, self.dilation)
        surplus = [
            full - n * s
            for full, n, s in zip(self._full(input_shape), input_shape[:-1], self.stride, strict=True)
        ]
        return tuple((more // 2, more - more // 2) for more in surplus)

    def multiply_adds(self, input_shape: Shape) -> int:
        return prod(input_shape[:-1]) * prod(self.param_shapes(input_shape)["w"])

    def forward(self, x: Array, training: bool = False, noise: Any = None) -> tuple[Array, ConvCache]:
        pads = cast(Pads, self.pads(x.shape[1:]))
        return conv_transpose2d_forward(
            x,
            self.w,
            self.b,
            _pair(self.stride),
            pads,
            _pair(self._more()),
            _pair(self.dilation),
            self.groups,
        )

    def backward(self, dy: Array, cache: ConvCache, need_dx: bool = True) -> Array | None:
        dx, _, _ = conv_transpose2d_backward(dy, cache, out=(self.dw, self.db), need_dx=need_dx)
        return dx


def _pair(given: Shape) -> Pair:
    return given[0], given[1]
