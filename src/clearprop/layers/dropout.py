"""Dropout: in training, numbers are set to zero at random. Its mathematics: kernels/dropout.py."""

from typing import Any

import numpy as np

from clearprop.arrays import Array, Shape
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

    Examples
    --------
    >>> import numpy as np
    >>> mask = Dropout(0.5).draw_noise((1, 4), np.random.default_rng(0), np.dtype("float32"))
    >>> mask
    array([[2., 2., 2., 0.]], dtype=float32)
    """

    def __init__(self, rate: float) -> None:
        self.rate = check_number(
            "Dropout", "rate", rate, "in [0, 1), the share to drop", lambda r: 0 <= r < 1
        )

    def settings(self) -> dict[str, Any]:
        return {"rate": self.rate}

    def output_shape(self, input_shape: Shape, who: str) -> Shape:
        return input_shape

    def draw_noise(self, shape: Shape, rng: np.random.Generator, dtype: np.dtype[Any]) -> Array:
        kept = rng.random(shape, dtype=np.float32) >= self.rate
        return kept.astype(dtype) * (1 / (1 - self.rate))

    def forward(self, x: Array, training: bool = False, noise: Any = None) -> tuple[Array, Array | None]:
        if not training or noise is None:
            return x, None
        return dropout_forward(x, noise)

    def backward(self, dy: Array, cache: Array | None, need_dx: bool = True) -> Array:
        return dy if cache is None else dropout_backward(dy, cache)
