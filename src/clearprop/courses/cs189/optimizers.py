"""Optimizers: what to subtract from each parameter."""

from abc import ABC, abstractmethod
from math import inf
from typing import Any, final

import numpy as np

from clearprop.arrays import Array
from clearprop.courses.cs189.schedulers import initialize_scheduler
from clearprop.names import check_number
from clearprop.optimizer import CHUNK, scratch_like


class Optimizer(ABC):
    """The base of the optimizers."""

    @abstractmethod
    def update(self, param_name: str, param: Array, param_grad: Array, epoch: int) -> Array:
        """What the caller subtracts from the parameter of this name; neither array is changed."""


@final
class SGD(Optimizer):
    """Stochastic gradient descent with momentum: δ = μ δ_prev + lr(epoch) g.

    Parameters
    ----------
    lr : float
    lr_scheduler : str
        constant or exponential; `lr_decay`, `staircase` and `stage_length` are the latter's.
    momentum : float
        μ in [0, 1).
    clip_norm : float, optional
        Each array's gradient is first scaled to this Euclidean norm, if it is longer.

    >>> sgd = SGD(lr=0.5, momentum=0.5)
    >>> g = np.array([1.0])
    >>> sgd.update("W", g, g, 0), sgd.update("W", g, g, 0)
    (array([0.5]), array([0.75]))
    """

    def __init__(
        self,
        lr: float,
        lr_scheduler: str = "constant",
        momentum: float = 0.0,
        clip_norm: float | None = None,
        lr_decay: float | None = None,
        staircase: bool | None = None,
        stage_length: float | None = None,
    ) -> None:
        self.lr_scheduler = initialize_scheduler(lr_scheduler, lr, lr_decay, stage_length, staircase)
        self.momentum = check_number("SGD", "momentum", momentum, "in [0, 1)", lambda m: 0 <= m < 1)
        self.clip_norm = clip_norm
        if clip_norm is not None:
            check_number("SGD", "clip_norm", clip_norm, "to be a finite number > 0", lambda n: n > 0)
        self.cache: dict[str, Array] = {}  # each parameter's last δ

    def update(self, param_name: str, param: Array, param_grad: Array, epoch: int) -> Array:
        if self.clip_norm is not None:
            norm = float(np.linalg.norm(param_grad))
            if self.clip_norm < norm < inf:
                param_grad = param_grad * (self.clip_norm / norm)
        delta = self._step(self.lr_scheduler(epoch), param_grad, self.cache.get(param_name))
        if self.momentum:
            self.cache[param_name] = delta
        return delta

    def _step(self, lr: float, g: Array, last: Array | None) -> Array:
        """lr g + μ last, as a new array; a large one in pieces, which stay in the processor's cache."""
        if last is None or g.size <= CHUNK:
            delta = lr * g
            if last is not None:
                delta += self.momentum * last
            return delta
        delta = np.empty(g.shape, g.dtype)
        flat, flat_g, flat_last = delta.reshape(-1), g.reshape(-1), last.reshape(-1)
        for start in range(0, g.size, CHUNK):
            piece = slice(start, start + CHUNK)
            part = np.multiply(flat_g[piece], lr, out=flat[piece])
            part += np.multiply(flat_last[piece], self.momentum, out=scratch_like(part))
        return delta


def initialize_optimizer(
    name: str,
    lr: float,
    lr_scheduler: str | None = None,
    momentum: float | None = None,
    clip_norm: float | None = None,
    lr_decay: float | None = None,
    staircase: bool | None = None,
    stage_length: float | None = None,
) -> Optimizer:
    """An optimizer by its name, "SGD"; a setting that is None is the class's default.

    Raises
    ------
    NotImplementedError
        For another name.
    ConfigError
        For a setting out of its range.
    """
    if name != "SGD":
        raise NotImplementedError(f"optimizer {name!r} is not there. Known: SGD.")
    settings: dict[str, Any] = {
        "lr_scheduler": lr_scheduler,
        "momentum": momentum,
        "clip_norm": clip_norm,
        "lr_decay": lr_decay,
        "staircase": staircase,
        "stage_length": stage_length,
    }
    return SGD(lr, **{key: value for key, value in settings.items() if value is not None})
