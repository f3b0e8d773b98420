"""Optimizers: from a gradient to the step that is subtracted from a parameter."""

from abc import ABC, abstractmethod

import numpy as np

from neural_networks.schedulers import initialize_scheduler


class Optimizer(ABC):
    """What all optimizers share."""

    @abstractmethod
    def update(self, param_name: str, param: np.ndarray, param_grad: np.ndarray, epoch: int) -> np.ndarray:
        """What is to be subtracted from the parameter, an array of its shape."""


class SGD(Optimizer):
    """Gradient descent with momentum: δ = momentum · δ_before + lr(epoch) · gradient.

    Parameters
    ----------
    lr : float
    lr_scheduler : str
        constant or exponential; the latter also reads lr_decay, stage_length and staircase.
    momentum : float
        Between 0 (none) and 1.
    clip_norm : float, optional
        A longer gradient of a parameter is scaled down to this Euclidean length.
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
        self.lr, self.momentum, self.clip_norm = lr, momentum, clip_norm
        self.lr_scheduler = initialize_scheduler(lr_scheduler, lr, lr_decay, stage_length, staircase)
        self.steps: dict[str, np.ndarray] = {}  # δ_before of each parameter

    def update(self, param_name: str, param: np.ndarray, param_grad: np.ndarray, epoch: int) -> np.ndarray:
        """The step δ; the caller subtracts it. Each parameter has a momentum of its own, by its name."""
        length = np.linalg.norm(param_grad)
        if self.clip_norm is not None and length > self.clip_norm:
            param_grad = param_grad * (self.clip_norm / length)
        before = self.steps.get(param_name, 0.0)
        self.steps[param_name] = self.momentum * before + self.lr_scheduler(epoch) * param_grad
        return self.steps[param_name]


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
    """The optimizer of this name, SGD; what is None has the class's default.

    Raises NotImplementedError for another name.
    """
    if name != "SGD":
        raise NotImplementedError(f"there is no optimizer {name!r}; there is SGD.")
    settings = {
        "lr_scheduler": lr_scheduler,
        "momentum": momentum,
        "clip_norm": clip_norm,
        "lr_decay": lr_decay,
        "staircase": staircase,
        "stage_length": stage_length,
    }
    return SGD(lr, **{key: value for key, value in settings.items() if value is not None})
