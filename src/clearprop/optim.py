"""Optimizers: step(params, grads) on two flat vectors, in place. Each is an equation, then its lines."""

from collections.abc import Mapping
from math import inf, sqrt
from typing import Any, final

import numpy as np

from clearprop.arrays import Array
from clearprop.errors import ConfigError
from clearprop.names import build, check_number
from clearprop.optimizer import CHUNK, Optimizer, Schedule, scratch_like
from clearprop.schedules import make_schedule

__all__ = [
    "CHUNK", "OPTIMIZERS", "SGD", "AdaGrad", "Adam", "AdamW", "Optimizer", "RMSProp", "Schedule",
    "clip_norm", "clip_value", "make_optimizer",
]  # fmt: skip


@final
class SGD(Optimizer):
    """Stochastic gradient descent, with momentum or Nesterov's momentum.

    p ← p − lr g, or with momentum μ: v ← μ v + g, p ← p − lr v; Nesterov: p ← p − lr (g + μ v).

    Parameters
    ----------
    lr : float or schedule
        Learning rate.
    momentum : float
        μ in [0, 1).
    nesterov : bool
        Look ahead along the momentum.

    Notes
    -----
    The form of momentum that PyTorch has, with lr outside the velocity; in Sutskever et al. (2013) it is
    inside, which differs only where lr changes. Nesterov's form is theirs, written for the parameters
    at the point looked ahead to.

    Examples
    --------
    >>> params = np.array([1.0, 2.0])
    >>> SGD(lr=0.5).step(params, np.array([0.5, 1.0]))
    >>> params
    array([0.75, 1.5 ])
    """

    name = "sgd"
    setting_names = ("momentum", "nesterov")

    def __init__(self, lr: float | Schedule = 0.01, momentum: float = 0.0, nesterov: bool = False) -> None:
        super().__init__(lr)
        self.momentum = self._share("momentum", momentum)
        self.nesterov = bool(nesterov)
        if nesterov and not momentum:
            raise ConfigError("SGD: expected momentum > 0 with nesterov=True, got 0. Try momentum=0.9.")
        self.slot_names = ("velocity",) if momentum else ()

    def rule(self, p: Array, g: Array, chunk: slice) -> None:
        s = scratch_like(p)
        if not self.momentum:
            p -= np.multiply(g, self.lr, out=s)
            return
        v = self.slots["velocity"][chunk]
        v *= self.momentum
        v += g
        if self.nesterov:
            np.multiply(v, self.momentum, out=s)
            s += g
            s *= self.lr
        else:
            np.multiply(v, self.lr, out=s)
        p -= s


@final
class AdaGrad(Optimizer):
    """Steps that shrink where gradients have been large: h ← h + g², p ← p − lr g / (√h + ε).

    Parameters
    ----------
    lr : float or schedule
        Learning rate.
    eps : float
        ε, outside the root.

    Notes
    -----
    Duchi, Hazan & Singer (2011), the diagonal form.

    Examples
    --------
    >>> params = np.array([1.0, 2.0])
    >>> AdaGrad(lr=0.5).step(params, np.array([3.0, -0.1]))
    >>> params
    array([0.5, 2.5])
    """

    name = "adagrad"
    slot_names = ("h",)
    setting_names = ("eps",)

    def __init__(self, lr: float | Schedule = 0.01, eps: float = 1e-10) -> None:
        super().__init__(lr)
        self.eps = self._eps(eps)

    def rule(self, p: Array, g: Array, chunk: slice) -> None:
        h, s = self.slots["h"][chunk], scratch_like(p)
        h += np.multiply(g, g, out=s)
        np.sqrt(h, out=s)
        s += self.eps
        np.divide(g, s, out=s)
        s *= self.lr
        p -= s


@final
class RMSProp(Optimizer):
    """AdaGrad that forgets: v ← ρ v + (1 − ρ) g², p ← p − lr g / (√v + ε).

    Parameters
    ----------
    lr : float or schedule
        Learning rate.
    rho : float
        ρ in [0, 1): how much of the mean square is kept at a step.
    eps : float
        ε, outside the root.

    Notes
    -----
    Tieleman & Hinton (2012), lecture 6e; without centring and without momentum.

    Examples
    --------
    >>> params = np.array([1.0, 2.0])
    >>> RMSProp(lr=0.5, rho=0.75).step(params, np.array([3.0, -0.1]))
    >>> params.round(6)
    array([0., 3.])
    """

    name = "rmsprop"
    slot_names = ("v",)
    setting_names = ("rho", "eps")

    def __init__(self, lr: float | Schedule = 0.001, rho: float = 0.9, eps: float = 1e-8) -> None:
        super().__init__(lr)
        self.rho = self._share("rho", rho)
        self.eps = self._eps(eps)

    def rule(self, p: Array, g: Array, chunk: slice) -> None:
        v, s = self.slots["v"][chunk], scratch_like(p)
        np.multiply(g, g, out=s)
        s *= 1 - self.rho
        v *= self.rho
        v += s
        np.sqrt(v, out=s)
        s += self.eps
        np.divide(g, s, out=s)
        s *= self.lr
        p -= s


class _Moments(Optimizer):
    """What Adam and AdamW share: the two running means and the step along their quotient."""

    slot_names = ("m", "v")

    def __init__(self, lr: float | Schedule, beta1: float, beta2: float, eps: float) -> None:
        super().__init__(lr)
        self.beta1 = self._share("beta1", beta1)
        self.beta2 = self._share("beta2", beta2)
        self.eps = self._eps(eps)

    def adam(self, p: Array, g: Array, chunk: slice) -> None:
        """m̂ = m / (1 − β1ᵗ), v̂ = v / (1 − β2ᵗ), p ← p − lr m̂ / (√v̂ + ε), with √(1 − β2ᵗ) multiplied in."""
        m, v, s = self.slots["m"][chunk], self.slots["v"][chunk], scratch_like(p)
        m *= self.beta1
        m += np.multiply(g, 1 - self.beta1, out=s)
        np.multiply(g, g, out=s)
        s *= 1 - self.beta2
        v *= self.beta2
        v += s
        root = sqrt(1 - self.beta2**self.steps)
        np.sqrt(v, out=s)
        s += self.eps * root
        np.divide(m, s, out=s)
        s *= self.lr * root / (1 - self.beta1**self.steps)
        p -= s


@final
class Adam(_Moments):
    """Running means of the gradient and of its square, their start at zero corrected.

    m ← β1 m + (1 − β1) g, v ← β2 v + (1 − β2) g², p ← p − lr m̂ / (√v̂ + ε),
    with m̂ = m / (1 − β1ᵗ), v̂ = v / (1 − β2ᵗ) at step t.

    Parameters
    ----------
    lr : float or schedule
        Learning rate.
    beta1, beta2 : float
        β1, β2 in [0, 1): how much of the means is kept at a step.
    eps : float
        ε, outside the root, after the correction.

    Notes
    -----
    Kingma & Ba (2015), Algorithm 1; computed in the order of operations that its section 2 gives, with
    the ε that makes both the same.

    Examples
    --------
    >>> params = np.array([1.0, 2.0])
    >>> Adam(lr=0.5).step(params, np.array([3.0, -0.1]))
    >>> params.round(6)
    array([0.5, 2.5])
    """

    name = "adam"
    setting_names = ("beta1", "beta2", "eps")

    def __init__(
        self, lr: float | Schedule = 0.001, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8
    ) -> None:
        super().__init__(lr, beta1, beta2, eps)

    def rule(self, p: Array, g: Array, chunk: slice) -> None:
        self.adam(p, g, chunk)


@final
class AdamW(_Moments):
    """Adam with decoupled weight decay: p ← (1 − lr λ) p, then Adam's step.

    Parameters
    ----------
    lr, beta1, beta2, eps
        As in Adam.
    weight_decay : float
        λ >= 0.

    Attributes
    ----------
    decay_spans : list of slice, or None
        The parts of the flat vector that decay, None for all of it. `fit` sets it to the weights' spans.

    Notes
    -----
    Loshchilov & Hutter (2019), Algorithm 2, where λ is multiplied by lr as in PyTorch.

    Examples
    --------
    >>> params = np.array([1.0, 2.0])
    >>> AdamW(lr=0.5, weight_decay=0.1).step(params, np.array([3.0, -0.1]))
    >>> params.round(6)
    array([0.45, 2.4 ])
    """

    name = "adamw"
    setting_names = ("beta1", "beta2", "eps", "weight_decay")

    def __init__(
        self,
        lr: float | Schedule = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(lr, beta1, beta2, eps)
        self.weight_decay = self._number("weight_decay", weight_decay, "to be >= 0", lambda v: v >= 0)
        self.decay_spans: list[slice] | None = None

    def rule(self, p: Array, g: Array, chunk: slice) -> None:
        keep = 1 - self.lr * self.weight_decay
        for span in (chunk,) if self.decay_spans is None else self.decay_spans:
            start, stop = max(span.start, chunk.start), min(span.stop, chunk.stop)
            if start < stop:
                p[start - chunk.start : stop - chunk.start] *= keep
        self.adam(p, g, chunk)


OPTIMIZERS: dict[str, type[Optimizer]] = {
    optimizer.name: optimizer for optimizer in (SGD, AdaGrad, RMSProp, Adam, AdamW)
}


def make_optimizer(spec: str | Mapping[str, Any] | Optimizer) -> Optimizer:
    """An optimizer from its name, or from a mapping of its name and settings; lr may be a schedule's mapping.

    >>> make_optimizer({"name": "sgd", "lr": 0.1, "momentum": 0.9})
    SGD(lr=0.1, momentum=0.9, nesterov=False)
    """
    if isinstance(spec, Optimizer):
        return spec
    if isinstance(spec, Mapping) and isinstance(spec.get("lr"), Mapping):
        spec = {**spec, "lr": make_schedule(spec["lr"])}
    return build("optimizer", spec, OPTIMIZERS)


def clip_norm(grads: Array, max_norm: float) -> float:
    """Scale the gradient in place to the Euclidean norm max_norm, if it is longer; the norm it had.

    Pascanu, Mikolov & Bengio (2013), Algorithm 1, on the norm of all gradients together. A gradient that
    is not finite stays as it is, for a check of the norm to find.

    >>> grads = np.array([3.0, 4.0])
    >>> clip_norm(grads, 1.0), grads
    (5.0, array([0.6, 0.8]))
    """
    limit = check_number("clip_norm", "max_norm", max_norm, "to be a finite number > 0", lambda v: v > 0)
    with np.errstate(over="ignore"):
        norm = sqrt(float(np.dot(grads, grads)))
    if norm == inf:  # perhaps only the squares overflowed
        largest = float(np.abs(grads).max())
        if largest < inf:
            scaled = grads / largest
            norm = largest * sqrt(float(np.dot(scaled, scaled)))
    if limit < norm < inf:
        grads *= limit / norm
    return norm


def clip_value(grads: Array, max_value: float) -> None:
    """Cut each element of the gradient, in place, to [−max_value, max_value].

    >>> grads = np.array([3.0, -0.5])
    >>> clip_value(grads, 1.0)
    >>> grads
    array([ 1. , -0.5])
    """
    limit = check_number("clip_value", "max_value", max_value, "to be a finite number > 0", lambda v: v > 0)
    np.clip(grads, -limit, limit, out=grads)
