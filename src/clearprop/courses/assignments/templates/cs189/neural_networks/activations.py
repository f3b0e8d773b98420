"""Activation functions: applied to each number, or, for softmax, to each row.

In every class, `Z` is the input, an array of any shape (softmax: rows of scores, the last axis being the classes), `dY`
is the gradient of the loss with respect to the output, of the same shape, and `backward` returns the gradient with
respect to `Z`, again of the same shape.
"""

from abc import ABC, abstractmethod

import numpy as np


class Activation(ABC):
    """What all activation functions share: calling one is its forward pass."""

    def __call__(self, Z: np.ndarray) -> np.ndarray:
        return self.forward(Z)

    @abstractmethod
    def forward(self, Z: np.ndarray) -> np.ndarray:
        """The output, of Z's shape."""

    @abstractmethod
    def backward(self, Z: np.ndarray, dY: np.ndarray) -> np.ndarray:
        """The gradient with respect to Z, from the one with respect to the output."""


class Linear(Activation):
    """f(z) = z"""

    def forward(self, Z: np.ndarray) -> np.ndarray:
        """Z itself."""
        return Z

    def backward(self, Z: np.ndarray, dY: np.ndarray) -> np.ndarray:
        """dY itself: the slope is 1 everywhere."""
        return dY


class Sigmoid(Activation):
    """f(z) = 1 / (1 + exp(−z))"""

    def forward(self, Z: np.ndarray) -> np.ndarray:
        """Each number between 0 and 1, for large |z| without overflow."""
        # BEGIN SOLUTION: the logistic function; which exponent can overflow, and for which sign of z?
        small = np.exp(-np.abs(Z))  # at most 1
        return np.where(Z >= 0, 1.0, small) / (1.0 + small)
        # END SOLUTION

    def backward(self, Z: np.ndarray, dY: np.ndarray) -> np.ndarray:
        """dY times the slope at Z."""
        # BEGIN SOLUTION: the slope is easily written with the function's own value
        Y = self.forward(Z)
        return dY * Y * (1.0 - Y)
        # END SOLUTION


class TanH(Activation):
    """f(z) = tanh(z)"""

    def forward(self, Z: np.ndarray) -> np.ndarray:
        """Each number between −1 and 1."""
        return np.tanh(Z)

    def backward(self, Z: np.ndarray, dY: np.ndarray) -> np.ndarray:
        """The slope of tanh is 1 − tanh²."""
        return dY * (1.0 - np.tanh(Z) ** 2)


class ReLU(Activation):
    """f(z) = z where z ≥ 0, and 0 elsewhere"""

    def forward(self, Z: np.ndarray) -> np.ndarray:
        """Z with its negative numbers replaced by 0; Z itself stays as it is."""
        # BEGIN SOLUTION: a new array with the negative numbers replaced; leave Z as it is
        return np.maximum(Z, 0.0)
        # END SOLUTION

    def backward(self, Z: np.ndarray, dY: np.ndarray) -> np.ndarray:
        """dY where Z is above 0, and 0 elsewhere."""
        # BEGIN SOLUTION: which numbers of dY come through? It is Z that decides
        return dY * (Z > 0)
        # END SOLUTION


class SoftMax(Activation):
    """f(z)ᵢ = exp(zᵢ) / Σⱼ exp(zⱼ), for each row z"""

    def forward(self, Z: np.ndarray) -> np.ndarray:
        """Scores (m, k) as probabilities (m, k): each row adds up to 1."""
        # BEGIN SOLUTION: row by row, and safe for large scores (section on numerical stability)
        exponentials = np.exp(Z - Z.max(axis=-1, keepdims=True))  # no exponent above 0, so none overflows
        return exponentials / exponentials.sum(axis=-1, keepdims=True)
        # END SOLUTION

    def backward(self, Z: np.ndarray, dY: np.ndarray) -> np.ndarray:
        """Each row of dY (m, k) times that row's Jacobian (k, k), which has off-diagonal entries, too."""
        # BEGIN SOLUTION: each row of dY times its Jacobian; written out, no (k, k) matrix is needed
        Y = self.forward(Z)
        # The Jacobian of a row is diag(y) − yᵀy, so dz = y ⊙ (dy − ⟨dy, y⟩).
        return Y * (dY - (dY * Y).sum(axis=-1, keepdims=True))
        # END SOLUTION


class ArcTan(Activation):
    """f(z) = arctan(z)"""

    def forward(self, Z: np.ndarray) -> np.ndarray:
        """Each number between −π/2 and π/2."""
        return np.arctan(Z)

    def backward(self, Z: np.ndarray, dY: np.ndarray) -> np.ndarray:
        """The slope of arctan is 1 / (1 + z²)."""
        return dY / (1.0 + Z**2)


ACTIVATIONS = {
    "linear": Linear,
    "sigmoid": Sigmoid,
    "tanh": TanH,
    "relu": ReLU,
    "softmax": SoftMax,
    "arctan": ArcTan,
}


def initialize_activation(name: str) -> Activation:
    """The activation function of this name.

    Raises NotImplementedError for a name that is not in ACTIVATIONS.
    """
    if name not in ACTIVATIONS:
        raise NotImplementedError(f"there is no activation {name!r}; there are {', '.join(ACTIVATIONS)}.")
    return ACTIVATIONS[name]()
