"""Dense: every output is connected to every input. Its mathematics: kernels/affine.py."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from clearprop.arrays import Array, Shape, check_shape
from clearprop.init import Initializer, fans, make_initializer
from clearprop.kernels.affine import AffineCache, affine_backward, affine_forward
from clearprop.layers.activation import Activation
from clearprop.layers.base import Layer
from clearprop.names import check_count

RECTIFIERS = ("relu", "leaky_relu", "elu", "swish", "gelu", "gelu_tanh", "softplus")


class Dense(Layer):
    """y = x w + b, fully connected: x (N, D), w (D, M), b (M,) -> (N, M).

    Parameters
    ----------
    units : int
        M, the number of outputs.
    activation : str, optional
        Sugar: `Sequential` puts `Activation(activation)` behind the layer.
    init : str or mapping, optional
        Initializer of w (D, M). By default He's normal (He et al. 2015) in front of a rectifier, else Xavier's
        uniform (Glorot & Bengio 2010).
    bias_init : str or mapping
        Initializer of b (M,).

    Raises
    ------
    ShapeError
        When the network is built, if what comes in is not (N, D).

    Examples
    --------
    >>> Dense(100).output_shape((784,), "layer 0")
    (100,)
    """

    by_shards = False

    w: Array
    b: Array
    dw: Array
    db: Array

    def __init__(
        self,
        units: int,
        activation: str | None = None,
        init: str | Mapping[str, Any] | Initializer | None = None,
        bias_init: str | Mapping[str, Any] | Initializer = "zeros",
    ) -> None:
        self.units = check_count("Dense", "units", units)
        self.activation = Activation(activation) if activation is not None else None
        by_default = "he_normal" if activation in RECTIFIERS else "xavier_uniform"
        self.init = make_initializer(by_default if init is None else init)
        self.bias_init = make_initializer(bias_init)

    def settings(self) -> dict[str, Any]:
        given: dict[str, Any] = {"units": self.units}
        if self.activation is not None:
            given["activation"] = self.activation.name
        given["init"] = self.init.settings()
        if self.bias_init != make_initializer("zeros"):
            given["bias_init"] = self.bias_init.settings()
        return given

    def expand(self) -> list[Layer]:
        if self.activation is None:
            return super().expand()
        return [Dense(self.units, init=self.init, bias_init=self.bias_init), *self.activation.expand()]

    def __repr__(self) -> str:
        return f"Dense({self.units})"

    def output_shape(self, input_shape: Shape, who: str) -> Shape:
        remedy = "Put Flatten() before it."
        if len(input_shape) == 2:
            remedy = (
                f"For each time step on its own write TimeDistributed({self}); a recurrent layer before it gives one "
                "row without return_sequences; Flatten() makes one row of all."
            )
        check_shape(who, "x", ("N", *input_shape), ("N", "D"), remedy)
        return (self.units,)

    def param_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        return {"w": (input_shape[0], self.units), "b": (self.units,)}

    def init_params(self, rng: np.random.Generator) -> None:
        fan_in, fan_out = fans(self.w.shape)
        self.w[...] = self.init(self.w.shape, fan_in, fan_out, rng)
        self.b[...] = self.bias_init(self.b.shape, fan_in, fan_out, rng)

    def multiply_adds(self, input_shape: Shape) -> int:
        return input_shape[0] * self.units

    def forward(self, x: Array, training: bool = False, noise: Any = None) -> tuple[Array, AffineCache]:
        return affine_forward(x, self.w, self.b)

    def backward(self, dy: Array, cache: AffineCache, need_dx: bool = True) -> Array | None:
        dx, _, _ = affine_backward(dy, cache, out=(self.dw, self.db), need_dx=need_dx)
        return dx
