"""Dropout: in training, numbers or whole channels are set to zero at random. Its mathematics: kernels/dropout.py."""

from typing import Any

import numpy as np

from clearprop.arrays import Array, Shape, check_shape
from clearprop.errors import ConfigError
from clearprop.kernels.dropout import dropout_backward, dropout_forward
from clearprop.layers.base import Layer
from clearprop.names import check_number


class Dropout(Layer):
    """In training each number becomes 0 with probability `rate`, and the others grow by 1/(1 − rate).

    Inverted dropout (Srivastava et al. 2014, with the scaling at training time), so prediction needs no change.

    Parameters
    ----------
    rate : float
        The probability of dropping, 0 <= rate < 1.
    channels : bool
        Whether a channel of x (N, …, C) is dropped as a whole (Tompson et al. 2015). Beside each other, an image's
        numbers say nearly the same, so that dropping single ones takes away little.

    Raises
    ------
    ConfigError
        If a setting is none of these.
    ShapeError
        When the network is built, if whole channels are to be dropped of x (N, D), whose numbers stand alone.

    Examples
    --------
    >>> import numpy as np
    >>> mask = Dropout(0.5).draw_noise((1, 4), np.random.default_rng(0), np.dtype("float32"))
    >>> mask
    array([[2., 2., 2., 0.]], dtype=float32)
    """

    def __init__(self, rate: float, channels: bool = False) -> None:
        self.rate = check_number(
            "Dropout", "rate", rate, "in [0, 1), the share to drop", lambda r: 0 <= r < 1
        )
        if not isinstance(channels, bool):
            raise ConfigError(f"Dropout: expected channels to be True or False, got {channels!r}.")
        self.channels = channels

    def settings(self) -> dict[str, Any]:
        return {"rate": self.rate} | ({"channels": True} if self.channels else {})

    def output_shape(self, input_shape: Shape, who: str) -> Shape:
        if self.channels:  # without places each is a single number
            check_shape(who, "x", ("N", *input_shape), ("N", "…", "C"), "Leave channels out.")
        return input_shape

    def draw_noise(self, shape: Shape, rng: np.random.Generator, dtype: np.dtype[Any]) -> Array:
        if self.channels:
            shape = (shape[0], *[1] * (len(shape) - 2), shape[-1])  # one number for all places of a channel
        kept = rng.random(shape, dtype=np.float32) >= self.rate
        return kept.astype(dtype) * (1 / (1 - self.rate))

    def forward(self, x: Array, training: bool = False, noise: Any = None) -> tuple[Array, Array | None]:
        if not training or noise is None:
            return x, None
        return dropout_forward(x, noise)

    def backward(self, dy: Array, cache: Array | None, need_dx: bool = True) -> Array:
        return dy if cache is None else dropout_backward(dy, cache)
