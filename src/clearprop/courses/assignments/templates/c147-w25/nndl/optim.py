"""Update rules: `rule(w, dw, config)` -> the next w, and the config with the rule's memory.

`config` holds the rule's settings, and between calls what it remembers. A missing entry gets its default value.
"""

import numpy as np


def sgd(w, dw, config=None):
    """Gradient descent: w - learning_rate * dw.

    config: learning_rate (1e-2).
    """
    config = {} if config is None else config
    config.setdefault("learning_rate", 1e-2)
    return w - config["learning_rate"] * dw, config


def sgd_momentum(w, dw, config=None):
    """Gradient descent with momentum: w moves by a velocity.

    config: learning_rate (1e-2), momentum (0.9), velocity (zeros of w's shape).
    """
    config = {} if config is None else config
    config.setdefault("learning_rate", 1e-2)
    config.setdefault("momentum", 0.9)
    v = config.get("velocity", np.zeros_like(w))

    # BEGIN SOLUTION: HW4: the velocity v keeps momentum parts of itself, less the rate times dw; next_w
    v = config["momentum"] * v - config["learning_rate"] * dw
    next_w = w + v
    # END SOLUTION

    config["velocity"] = v
    return next_w, config


def sgd_nesterov_momentum(w, dw, config=None):
    """Momentum that looks ahead (Nesterov), in the form where w is the point looked at.

    config: learning_rate (1e-2), momentum (0.9), velocity (zeros of w's shape).
    """
    config = {} if config is None else config
    config.setdefault("learning_rate", 1e-2)
    config.setdefault("momentum", 0.9)
    v = config.get("velocity", np.zeros_like(w))

    # BEGIN SOLUTION: HW4: the new v as in momentum; next_w is w + v + momentum times the change of v
    old = v
    v = config["momentum"] * old - config["learning_rate"] * dw
    next_w = w + v + config["momentum"] * (v - old)
    # END SOLUTION

    config["velocity"] = v
    return next_w, config


def rmsprop(w, dw, config=None):
    """Steps that are divided by the root of a running mean of dw².

    config: learning_rate (1e-2), decay_rate (0.99), epsilon (1e-8, added to the root), a (zeros of w's shape).
    """
    config = {} if config is None else config
    config.setdefault("learning_rate", 1e-2)
    config.setdefault("decay_rate", 0.99)
    config.setdefault("epsilon", 1e-8)
    config.setdefault("a", np.zeros_like(w))

    # BEGIN SOLUTION: HW4: config["a"], decay_rate parts old and the rest dw squared; next_w
    config["a"] = config["decay_rate"] * config["a"] + (1 - config["decay_rate"]) * dw * dw
    next_w = w - config["learning_rate"] * dw / (np.sqrt(config["a"]) + config["epsilon"])
    # END SOLUTION

    return next_w, config


def adam(w, dw, config=None):
    """Momentum and rmsprop together, both corrected for their start at zero.

    config: learning_rate (1e-3), beta1 (0.9), beta2 (0.999), epsilon (1e-8, added to the root), v and a (zeros of
    w's shape: running means of dw and of dw²), t (0: the number of steps).
    """
    config = {} if config is None else config
    config.setdefault("learning_rate", 1e-3)
    config.setdefault("beta1", 0.9)
    config.setdefault("beta2", 0.999)
    config.setdefault("epsilon", 1e-8)
    config.setdefault("v", np.zeros_like(w))
    config.setdefault("a", np.zeros_like(w))
    config.setdefault("t", 0)

    # BEGIN SOLUTION: HW4: count t up first, then v and a; divide each by 1 - beta**t; next_w
    config["t"] += 1
    config["v"] = config["beta1"] * config["v"] + (1 - config["beta1"]) * dw
    config["a"] = config["beta2"] * config["a"] + (1 - config["beta2"]) * dw * dw
    v = config["v"] / (1 - config["beta1"] ** config["t"])
    a = config["a"] / (1 - config["beta2"] ** config["t"])
    next_w = w - config["learning_rate"] * v / (np.sqrt(a) + config["epsilon"])
    # END SOLUTION

    return next_w, config
