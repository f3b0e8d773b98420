"""Elman, LSTM and GRU: a state that goes from one time step to the next.

Their mathematics: kernels/elman.py, kernels/lstm.py, kernels/gru.py, and kernels/recurrent.py, which they share.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np

from clearprop.arrays import Array, Shape, check_shape, shape_text
from clearprop.errors import ConfigError, ShapeError
from clearprop.init import LARGEST, Initializer, make_initializer
from clearprop.kernels.elman import ElmanCache, elman_backward, elman_forward
from clearprop.kernels.gru import (
    GRUBeforeCache,
    GRUCache,
    gru_backward,
    gru_before_backward,
    gru_before_forward,
    gru_forward,
)
from clearprop.kernels.lstm import LSTMCache, lstm_backward, lstm_forward
from clearprop.layers.activation import ACTIVATIONS
from clearprop.layers.base import Layer
from clearprop.layers.dense import RECTIFIERS
from clearprop.layers.windows import put_before
from clearprop.names import check_count, check_number, unknown

Init = str | Mapping[str, Any] | Initializer


class Recurrent(Layer):
    """What the recurrent layers share: (N, T, D) -> the last state (N, H), or all states (N, T, H).

    The state before the first step is zero. Weights w (D, gates·H) and u (H, gates·H) hold one block of H columns
    for each gate, and each block is drawn by itself.
    """

    by_shards = False
    gates: int

    w: Array
    u: Array
    b: Array
    dw: Array
    du: Array
    db: Array

    def __init__(
        self, units: int, return_sequences: bool, truncate: int | None, init: Init, recurrent_init: Init
    ) -> None:
        who = type(self).__name__
        self.units = check_count(who, "units", units)
        if not isinstance(return_sequences, bool):
            raise ConfigError(
                f"{who}: expected return_sequences to be True or False, got {return_sequences!r}."
            )
        self.return_sequences = return_sequences
        self.truncate = None if truncate is None else check_count(who, "truncate", truncate)
        self.init = make_initializer(init)
        self.recurrent_init = make_initializer(recurrent_init)

    def settings(self) -> dict[str, Any]:
        given: dict[str, Any] = {"units": self.units}
        if self.return_sequences:
            given["return_sequences"] = True
        if self.truncate is not None:
            given["truncate"] = self.truncate
        return given | {"init": self.init.settings(), "recurrent_init": self.recurrent_init.settings()}

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.units}{', return_sequences=True' if self.return_sequences else ''})"
        )

    def output_shape(self, input_shape: Shape, who: str) -> Shape:
        remedy = put_before(input_shape, ("T", "D"))
        if len(input_shape) == 1:
            remedy = (
                "A recurrent layer before it needs return_sequences=True; for one number at each time step "
                f"{remedy[0].lower()}{remedy[1:]}"
            )
        else:
            remedy = f"One example has T time steps of D numbers. {remedy}".rstrip()
        check_shape(who, "x", ("N", *input_shape), ("N", "T", "D"), remedy)
        if input_shape[0] == 0:
            raise ShapeError(
                f"{who}: expected sequences of at least one time step, got x of shape "
                f"{shape_text(('N', *input_shape))}."
            )
        return (input_shape[0], self.units) if self.return_sequences else (self.units,)

    def param_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        columns = self.gates * self.units
        return {"w": (input_shape[1], columns), "u": (self.units, columns), "b": (columns,)}

    def init_params(self, rng: np.random.Generator) -> None:
        for weights, init in ((self.w, self.init), (self.u, self.recurrent_init)):
            for block in np.split(weights, self.gates, axis=1):
                block[...] = init(block.shape, len(weights), self.units, rng)
        self.b[...] = 0

    def multiply_adds(self, input_shape: Shape) -> int:
        return input_shape[0] * (input_shape[1] + self.units) * self.gates * self.units

    def forward(self, x: Array, training: bool = False, noise: Any = None) -> tuple[Array, Any]:
        hs, cache = self.run(x, np.zeros((len(x), self.units), x.dtype))
        return hs if self.return_sequences else hs[:, -1], cache

    @abstractmethod
    def run(self, x: Array, h0: Array) -> tuple[Array, Any]:
        """All states, (N, T, H), and the cache."""


class Elman(Recurrent):
    """h = f(x w + h u + b) at every time step, fully connected: (N, T, D) -> (N, H) or (N, T, H); Elman (1990).

    Parameters
    ----------
    units : int
        H, the size of the state.
    activation : str
        f, by its name: tanh, relu, sigmoid, …
    return_sequences : bool
        Whether the states of all time steps come out, (N, T, H), or that of the last one, (N, H).
    truncate : int, optional
        In the backward pass, cut the time into chunks of so many steps, counted from the end: no gradient goes
        from a chunk to that before it (truncated backpropagation through time, Williams & Peng 1990).
    init : str or mapping, optional
        Initializer of w (D, H). By default He's normal for a rectifier, else Xavier's uniform.
    recurrent_init, bias_init : str or mapping
        Initializers of u (H, H) and b (H,). Le, Jaitly & Hinton (2015) take "identity" for u with relu.

    Raises
    ------
    ShapeError
        When the network is built, if what comes in is not (N, T, D).

    Examples
    --------
    >>> Elman(10).output_shape((50, 1), "layer 0"), Elman(10, return_sequences=True).output_shape((50, 1), "layer 0")
    ((10,), (50, 10))
    """

    gates = 1

    def __init__(
        self,
        units: int,
        *,
        activation: str = "tanh",
        return_sequences: bool = False,
        truncate: int | None = None,
        init: Init | None = None,
        recurrent_init: Init = "orthogonal",
        bias_init: Init = "zeros",
    ) -> None:
        by_default = "he_normal" if activation in RECTIFIERS else "xavier_uniform"
        super().__init__(
            units, return_sequences, truncate, by_default if init is None else init, recurrent_init
        )
        if not isinstance(activation, str) or activation not in ACTIVATIONS:
            raise unknown("Elman", "activation", activation, ACTIVATIONS)
        self.activation = activation
        self.bias_init = make_initializer(bias_init)

    def settings(self) -> dict[str, Any]:
        given = super().settings() | {"activation": self.activation}
        if self.bias_init != make_initializer("zeros"):
            given["bias_init"] = self.bias_init.settings()
        return given

    def init_params(self, rng: np.random.Generator) -> None:
        super().init_params(rng)
        self.b[...] = self.bias_init(self.b.shape, self.units, self.units, rng)

    def run(self, x: Array, h0: Array) -> tuple[Array, ElmanCache]:
        return elman_forward(x, self.w, self.u, self.b, h0, ACTIVATIONS[self.activation][0])

    def backward(self, dy: Array, cache: ElmanCache, need_dx: bool = True) -> Array | None:
        out, derivative = (self.dw, self.du, self.db), ACTIVATIONS[self.activation][1]
        return elman_backward(dy, cache, derivative, self.truncate, out, need_dx)[0]


class LSTM(Recurrent):
    """Long short-term memory: (N, T, D) -> (N, H) or (N, T, H); Hochreiter & Schmidhuber (1997).

    It has a forget gate (Gers, Schmidhuber & Cummins 2000).
    The columns of w, u and b are those of the input gate, the forget gate, the cell's input and the output gate, as
    in PyTorch and Keras.

    Parameters
    ----------
    units : int
        H, the size of the state and of the cell.
    return_sequences : bool
        Whether the states of all time steps come out, (N, T, H), or that of the last one, (N, H).
    truncate : int, optional
        As in `Elman`.
    forget_bias : float
        What the forget gate's bias begins at. With 1 a cell remembers at first (Gers, Schmidhuber & Cummins 2000;
        Jozefowicz, Zaremba & Sutskever 2015); the other biases begin at 0.
    init, recurrent_init : str or mapping
        Initializers of each gate's block of w, (D, H), and of u, (H, H).

    Raises
    ------
    ShapeError
        When the network is built, if what comes in is not (N, T, D).

    Examples
    --------
    >>> LSTM(10).output_shape((50, 1), "layer 0")
    (10,)
    """

    gates = 4

    def __init__(
        self,
        units: int,
        *,
        return_sequences: bool = False,
        truncate: int | None = None,
        forget_bias: float = 1.0,
        init: Init = "xavier_uniform",
        recurrent_init: Init = "orthogonal",
    ) -> None:
        super().__init__(units, return_sequences, truncate, init, recurrent_init)
        expected = f"to be a finite number, of at most {LARGEST:g} in size"
        self.forget_bias = check_number(
            "LSTM", "forget_bias", forget_bias, expected, lambda v: abs(v) <= LARGEST
        )

    def settings(self) -> dict[str, Any]:
        return super().settings() | {"forget_bias": self.forget_bias}

    def init_params(self, rng: np.random.Generator) -> None:
        super().init_params(rng)
        self.b[self.units : 2 * self.units] = self.forget_bias

    def run(self, x: Array, h0: Array) -> tuple[Array, LSTMCache]:
        return lstm_forward(x, self.w, self.u, self.b, h0, np.zeros_like(h0))

    def backward(self, dy: Array, cache: LSTMCache, need_dx: bool = True) -> Array | None:
        return lstm_backward(dy, cache, self.truncate, (self.dw, self.du, self.db), need_dx)[0]


class GRU(Recurrent):
    """Gated recurrent unit: (N, T, D) -> (N, H) or (N, T, H); Cho et al. (2014).

    The columns of w, u and b are those of the reset gate, the update gate and the candidate, as in PyTorch.

    Parameters
    ----------
    units : int
        H, the size of the state.
    return_sequences : bool
        Whether the states of all time steps come out, (N, T, H), or that of the last one, (N, H).
    reset : str
        Whether the reset gate scales the state "after" the product with u, as in cuDNN, PyTorch and Keras, where the
        candidate has a second bias bu (H,), or "before" it, as Cho et al. have it.
    truncate : int, optional
        As in `Elman`.
    init, recurrent_init : str or mapping
        Initializers of each gate's block of w, (D, H), and of u, (H, H).

    Raises
    ------
    ShapeError
        When the network is built, if what comes in is not (N, T, D).

    Examples
    --------
    >>> list(GRU(10).param_shapes((50, 1))), list(GRU(10, reset="before").param_shapes((50, 1)))
    (['w', 'u', 'b', 'bu'], ['w', 'u', 'b'])
    """

    gates = 3

    bu: Array
    dbu: Array

    def __init__(
        self,
        units: int,
        *,
        return_sequences: bool = False,
        reset: str = "after",
        truncate: int | None = None,
        init: Init = "xavier_uniform",
        recurrent_init: Init = "orthogonal",
    ) -> None:
        super().__init__(units, return_sequences, truncate, init, recurrent_init)
        if reset not in ("after", "before"):
            raise ConfigError(f"GRU: expected reset to be 'after' or 'before', got {reset!r}.")
        self.reset = reset

    def settings(self) -> dict[str, Any]:
        return super().settings() | {"reset": self.reset}

    def param_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        second = {"bu": (self.units,)} if self.reset == "after" else {}
        return super().param_shapes(input_shape) | second

    def init_params(self, rng: np.random.Generator) -> None:
        super().init_params(rng)
        if self.reset == "after":
            self.bu[...] = 0

    def run(self, x: Array, h0: Array) -> tuple[Array, GRUCache | GRUBeforeCache]:
        if self.reset == "after":
            return gru_forward(x, self.w, self.u, self.b, self.bu, h0)
        return gru_before_forward(x, self.w, self.u, self.b, h0)

    def backward(self, dy: Array, cache: GRUCache | GRUBeforeCache, need_dx: bool = True) -> Array | None:
        if isinstance(cache, GRUCache):
            return gru_backward(dy, cache, self.truncate, (self.dw, self.du, self.db, self.dbu), need_dx)[0]
        return gru_before_backward(dy, cache, self.truncate, (self.dw, self.du, self.db), need_dx)[0]
