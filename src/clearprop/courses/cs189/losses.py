"""Losses: the mean over the m examples of a batch, and its gradient; the mean is taken here, once."""

from abc import ABC, abstractmethod
from typing import final

from clearprop.arrays import Array, check_shape
from clearprop.kernels.losses import cross_entropy, squared_error


class Loss(ABC):
    """The base of the losses: called, it gives the value.

    Attributes
    ----------
    name : str
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, Y: Array, Y_hat: Array) -> float:
        return self.forward(Y, Y_hat)

    @abstractmethod
    def forward(self, Y: Array, Y_hat: Array) -> float:
        """The batch's loss, from targets and outputs of shape (m, k)."""

    @abstractmethod
    def backward(self, Y: Array, Y_hat: Array) -> Array:
        """The gradient by Y_hat, (m, k)."""

    def both(self, Y: Array, Y_hat: Array) -> tuple[float, Array]:
        """The loss and its gradient, as training wants them."""
        return self.forward(Y, Y_hat), self.backward(Y, Y_hat)

    def check(self, Y: Array, Y_hat: Array) -> None:
        """Refuse targets that are not of the outputs' shape."""
        if Y.shape != Y_hat.shape or Y.ndim != 2:
            expected = Y_hat.shape if Y_hat.ndim == 2 else ("m", "k")
            check_shape(
                type(self).__name__, "Y", Y.shape, expected, "One row an example, one-hot for classes."
            )
            check_shape(type(self).__name__, "Y_hat", Y_hat.shape, expected)


@final
class CrossEntropy(Loss):
    """−Σ Y ln Ŷ / m on probabilities; Ŷ below 1e-30 counts as 1e-30, so that all is finite.

    >>> import numpy as np
    >>> Y, Y_hat = np.array([[1.0, 0.0]]), np.array([[0.25, 0.75]])
    >>> loss = CrossEntropy("cross_entropy")
    >>> round(loss(Y, Y_hat), 4), loss.backward(Y, Y_hat)
    (1.3863, array([[-4., -0.]]))
    """

    def forward(self, Y: Array, Y_hat: Array) -> float:
        return self.both(Y, Y_hat)[0]

    def backward(self, Y: Array, Y_hat: Array) -> Array:
        return self.both(Y, Y_hat)[1]

    def both(self, Y: Array, Y_hat: Array) -> tuple[float, Array]:
        self.check(Y, Y_hat)
        losses, gradients = cross_entropy(Y_hat, Y)
        gradients /= len(Y)
        return float(losses.sum()) / len(Y), gradients


@final
class L2(Loss):
    """Squared error: Σ (Ŷ − Y)² / (2m) as the tests of 2023 have it, or Σ (Ŷ − Y)² / m as the text of 2020.

    Attributes
    ----------
    half : bool
        True, the default, is 2023's. Set it on one loss, or on the class for all of them.

    >>> import numpy as np
    >>> Y, Y_hat = np.array([[1.0], [2.0]]), np.array([[3.0], [2.0]])
    >>> loss = L2("l2")
    >>> loss(Y, Y_hat)
    1.0
    >>> loss.half = False
    >>> loss(Y, Y_hat)
    2.0
    """

    half: bool = True

    def forward(self, Y: Array, Y_hat: Array) -> float:
        return self.both(Y, Y_hat)[0]

    def backward(self, Y: Array, Y_hat: Array) -> Array:
        return self.both(Y, Y_hat)[1]

    def both(self, Y: Array, Y_hat: Array) -> tuple[float, Array]:
        self.check(Y, Y_hat)
        losses, gradients = squared_error(Y_hat, Y)
        by = 2 * len(Y) if self.half else len(Y)
        gradients /= by
        return float(losses.sum()) / by, gradients


LOSSES: dict[str, type[Loss]] = {"cross_entropy": CrossEntropy, "l2": L2}


def initialize_loss(name: str) -> Loss:
    """A loss by its name: cross_entropy or l2.

    Raises
    ------
    NotImplementedError
        For a name that is not among the known ones.
    """
    if name not in LOSSES:
        raise NotImplementedError(f"loss {name!r} is not there. Known: {', '.join(LOSSES)}.")
    return LOSSES[name](name)
