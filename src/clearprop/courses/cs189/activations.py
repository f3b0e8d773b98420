"""Activations: σ(Z), and the way back from dL/dY, computed from Z alone as the course has it."""

from abc import ABC, abstractmethod
from typing import final

from clearprop.arrays import Array
from clearprop.kernels.activations import (
    arctan_backward,
    arctan_forward,
    relu_backward,
    relu_forward,
    sigmoid_backward,
    sigmoid_forward,
    softmax_backward,
    softmax_forward,
    tanh_backward,
    tanh_forward,
)


class Activation(ABC):
    """The base of the activations: called, it goes forward.

    Attributes
    ----------
    from_output : bool
        Whether backward is computed from Y, so that a layer had better keep it.

    >>> import numpy as np
    >>> ReLU()(np.array([[-1.0, 2.0]]))
    array([[0., 2.]])
    """

    from_output: bool = False
    _kept: tuple[Array, Array] | None = None

    def __call__(self, Z: Array) -> Array:
        return self.forward(Z)

    @abstractmethod
    def forward(self, Z: Array) -> Array:
        """Y = σ(Z), of Z's shape."""

    @abstractmethod
    def backward(self, Z: Array, dY: Array) -> Array:
        """dL/dZ from dL/dY, of Z's shape."""

    def keep(self, Z: Array, Y: Array) -> None:
        """What a layer says of two arrays that stay as they are, so that Y need not be computed again from Z."""
        self._kept = Z, Y

    def output(self, Z: Array) -> Array:
        """Y of this very array, if a layer has kept it; else it is computed."""
        return self._kept[1] if self._kept is not None and self._kept[0] is Z else self.forward(Z)


@final
class Linear(Activation):
    """Y = Z itself."""

    def forward(self, Z: Array) -> Array:
        return Z

    def backward(self, Z: Array, dY: Array) -> Array:
        return dY


@final
class Sigmoid(Activation):
    """The logistic function of each element."""

    from_output = True

    def forward(self, Z: Array) -> Array:
        return sigmoid_forward(Z)[0]

    def backward(self, Z: Array, dY: Array) -> Array:
        return sigmoid_backward(dY, self.output(Z))


@final
class TanH(Activation):
    """The hyperbolic tangent of each element."""

    from_output = True

    def forward(self, Z: Array) -> Array:
        return tanh_forward(Z)[0]

    def backward(self, Z: Array, dY: Array) -> Array:
        return tanh_backward(dY, self.output(Z))


@final
class ReLU(Activation):
    """The larger of Z and 0; its slope at 0 is 0."""

    def forward(self, Z: Array) -> Array:
        return relu_forward(Z)[0]

    def backward(self, Z: Array, dY: Array) -> Array:
        return relu_backward(dY, Z)  # the kernel asks only where the output is positive, and so is Z there


@final
class SoftMax(Activation):
    """Each row as probabilities; backward is the product with the row's Jacobian."""

    from_output = True

    def forward(self, Z: Array) -> Array:
        return softmax_forward(Z)[0]

    def backward(self, Z: Array, dY: Array) -> Array:
        return softmax_backward(dY, self.output(Z))


@final
class ArcTan(Activation):
    """The inverse tangent of each element."""

    def forward(self, Z: Array) -> Array:
        return arctan_forward(Z)[0]

    def backward(self, Z: Array, dY: Array) -> Array:
        return arctan_backward(dY, Z)


ACTIVATIONS: dict[str, type[Activation]] = {
    "linear": Linear,
    "sigmoid": Sigmoid,
    "tanh": TanH,
    "relu": ReLU,
    "softmax": SoftMax,
    "arctan": ArcTan,
}


def initialize_activation(name: str) -> Activation:
    """An activation by its name.

    Raises
    ------
    NotImplementedError
        For a name that is not among the known ones.
    """
    if name not in ACTIVATIONS:
        raise NotImplementedError(f"activation {name!r} is not there. Known: {', '.join(ACTIVATIONS)}.")
    return ACTIVATIONS[name]()
