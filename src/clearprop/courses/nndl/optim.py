"""Update rules: `rule(w, dw, config=None) -> next_w, config`, each for one array, with its state in the config.

The course keeps what a rule remembers in a dict, and the learning rate inside the velocity; the core's optimizers
keep flat vectors, and the learning rate outside. So the rules are written out here, element by element, in `s`,
an array that each makes, works in and returns.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.arrays import Array

__all__ = ["adam", "rmsprop", "sgd", "sgd_momentum", "sgd_nesterov_momentum"]

Config = dict[str, Any]
Rule = Callable[[Array, Array, Config | None], tuple[Array, Config]]


def sgd(w: Array, dw: Array, config: Config | None = None) -> tuple[Array, Config]:
    """w − lr dw.

    Parameters
    ----------
    w, dw : arrays of the same shape
        Parameters and their gradient; both are only read.
    config : dict, optional
        learning_rate: 1e-2. What is missing in it is filled in.

    Returns
    -------
    next_w : array of w's shape
    config : dict
        The same dict, for the next step.

    Examples
    --------
    >>> sgd(np.array([1.0, 2.0]), np.array([10.0, 0.0]))
    (array([0.9, 2. ]), {'learning_rate': 0.01})
    """
    config = _with_defaults(config, learning_rate=1e-2)
    s = dw * -float(config["learning_rate"])  # a Python number keeps the dtype
    s += w
    return s, config


def sgd_momentum(w: Array, dw: Array, config: Config | None = None) -> tuple[Array, Config]:
    """w + v, v ← momentum · v − lr dw; config: learning_rate 1e-2, momentum 0.9, velocity zeros. Else as `sgd`."""
    config = _with_defaults(config, learning_rate=1e-2, momentum=0.9)
    s = dw * float(config["learning_rate"])
    v = _kept(config, "velocity", w, config["momentum"])
    v -= s
    config["velocity"] = v
    return np.add(w, v, out=s), config


def sgd_nesterov_momentum(w: Array, dw: Array, config: Config | None = None) -> tuple[Array, Config]:
    """w + v + momentum · (v − v_old), with the v and the config of `sgd_momentum`."""
    old = 0 if config is None else config.get("velocity", 0)
    s, config = sgd_momentum(w, dw, config)
    v = config["velocity"]
    np.subtract(v, old, out=s)
    s *= float(config["momentum"])
    s += v
    s += w
    return s, config


def rmsprop(w: Array, dw: Array, config: Config | None = None) -> tuple[Array, Config]:
    """w − lr dw / (√a + epsilon), a ← decay_rate · a + (1 − decay_rate) dw².

    config: learning_rate 1e-2, decay_rate 0.99, epsilon 1e-8, a zeros. Else as `sgd`.
    """
    config = _with_defaults(config, learning_rate=1e-2, decay_rate=0.99, epsilon=1e-8)
    s = _follow_squares(config, w, dw, config["decay_rate"])
    np.sqrt(config["a"], out=s)
    s += float(config["epsilon"])
    np.divide(dw, s, out=s)
    s *= -float(config["learning_rate"])
    s += w
    return s, config


def adam(w: Array, dw: Array, config: Config | None = None) -> tuple[Array, Config]:
    """w − lr v̂ / (√â + epsilon), v̂ = v / (1 − beta1ᵗ), â = a / (1 − beta2ᵗ), t ← t + 1 first.

    v ← beta1 · v + (1 − beta1) dw and a ← beta2 · a + (1 − beta2) dw² (Kingma & Ba 2015, Algorithm 1).
    config: learning_rate 1e-3, beta1 0.9, beta2 0.999, epsilon 1e-8, v and a zeros, t 0. Else as `sgd`.
    """
    config = _with_defaults(config, learning_rate=1e-3, beta1=0.9, beta2=0.999, epsilon=1e-8, t=0)
    beta1, beta2 = float(config["beta1"]), float(config["beta2"])
    config["t"] += 1
    s = _follow_squares(config, w, dw, beta2)
    np.multiply(dw, 1 - beta1, out=s)
    v = _kept(config, "v", w, beta1)
    v += s
    config["v"] = v
    np.divide(config["a"], 1 - beta2 ** config["t"], out=s)
    np.sqrt(s, out=s)
    s += float(config["epsilon"])
    np.divide(v, s, out=s)
    s *= -float(config["learning_rate"]) / (1 - beta1 ** config["t"])
    s += w
    return s, config


RULES: dict[str, Rule] = {
    "sgd": sgd, "sgd_momentum": sgd_momentum, "sgd_nesterov_momentum": sgd_nesterov_momentum,
    "rmsprop": rmsprop, "adam": adam,
}  # fmt: skip


def _with_defaults(config: Config | None, **defaults: float) -> Config:
    """The same dict, with what is missing in it."""
    config = {} if config is None else config
    for key, value in defaults.items():
        config.setdefault(key, value)
    return config


def _kept(config: Config, name: str, w: Array, share: float) -> Array:
    """This share of what was remembered, zeros at first, in an array of its own."""
    return config[name] * float(share) if name in config else np.zeros_like(w)


def _follow_squares(config: Config, w: Array, dw: Array, rate: float) -> Array:
    """a ← rate · a + (1 − rate) dw²; an array to work in."""
    s = dw * dw
    s *= 1 - float(rate)
    a = _kept(config, "a", w, rate)
    a += s
    config["a"] = a
    return s
