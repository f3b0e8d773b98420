"""Adam with scikit-learn's epsilon, so that its scripts do here what they do there."""

from math import sqrt
from typing import final

import numpy as np

from clearprop.arrays import Array
from clearprop.optimizer import Optimizer, scratch_like


@final
class PlainEpsilonAdam(Optimizer):
    """m ← β1 m + (1 − β1) g, v ← β2 v + (1 − β2) g², p ← p − lr √(1 − β2ᵗ) / (1 − β1ᵗ) m / (√v + ε) at step t.

    Here ε stands beside √v as it is, in `clearprop.Adam` beside its corrected form: the two differ where gradients
    are hardly larger than ε, as for pixels that are always black.

    Parameters
    ----------
    lr : float
    beta1, beta2 : float
    eps : float

    Notes
    -----
    Kingma & Ba (2015), the end of section 2. The means are kept divided by 1 − β, which saves two passes.

    Examples
    --------
    >>> params = np.array([1.0, 2.0])
    >>> PlainEpsilonAdam(0.5).step(params, np.array([3.0, -0.1]))
    >>> params.round(6)
    array([0.5     , 2.499998])
    """

    name = "adam, plain epsilon"
    slot_names = ("m", "v")
    setting_names = ("beta1", "beta2", "eps")

    def __init__(self, lr: float, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8) -> None:
        super().__init__(lr)
        self.beta1, self.beta2 = self._share("beta1", beta1), self._share("beta2", beta2)
        self.eps = self._eps(eps)

    def rule(self, p: Array, g: Array, chunk: slice) -> None:
        m, v, s = self.slots["m"][chunk], self.slots["v"][chunk], scratch_like(p)
        m *= self.beta1
        m += g
        v *= self.beta2
        v += np.multiply(g, g, out=s)
        np.sqrt(v, out=s)
        s += self.eps / sqrt(1 - self.beta2)
        np.divide(m, s, out=s)
        correction = sqrt(1 - self.beta2**self.steps) / (1 - self.beta1**self.steps)
        s *= self.lr * correction * (1 - self.beta1) / sqrt(1 - self.beta2)
        p -= s
