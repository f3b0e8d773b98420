"""An activation's numbers, there and back."""

import numpy as np

from clearprop.arrays import Array
from clearprop.layers import ACTIVATIONS, Activation
from clearprop.lens.equations import alpha_of
from clearprop.lens.trace.letters import below_one, difference, factor, figure
from clearprop.lens.trace.put_in.words import Look, products, softmax_words

FORWARD = {
    "identity": "{x}",
    "sigmoid": r"\frac{{1}}{{1 + \exp({minus})}}",
    "tanh": r"\tanh({x})",
    "relu": r"\max({x}, 0)",
    "softplus": r"\log(1 + \exp({x}))",
    "arctan": r"\arctan({x})",
    "swish": r"{fx} \cdot \sigma({x})",
    "gelu": r"{fx} \cdot \Phi({x})",
    "gelu_tanh": r"\frac{{1}}{{2}} \cdot {fx} \cdot (1 + {ft})",
    "leaky_relu": r"{alpha} \cdot {fx}",
    "elu": r"{alpha} \cdot (\exp({x}) - 1)",
}
BACKWARD = {
    "identity": "{dy}",
    "sigmoid": r"{dy} \cdot {below} \cdot (1 - {below})",
    "tanh": r"{dy} \cdot (1 - {below}^2)",
    "relu": r"{dy} \cdot {slope}",
    "softplus": r"{dy} \cdot (1 - \exp({minus_y}))",
    "arctan": r"\frac{{{dy}}}{{1 + {fx}^2}}",
    "swish": r"{dy} \cdot (\sigma({x}) + {fy} \cdot (1 - \sigma({x})))",
    "gelu": r"{dy} \cdot (\Phi({x}) + {fx} \cdot \varphi({x}))",
    "gelu_tanh": r"\frac{{1}}{{2}} \cdot {dy} \cdot (1 + {ft} + {fx} \cdot (1 - {ft}^2) \cdot \sqrt{{2 / \pi}} \cdot "
    r"(1 + 3 \cdot 0.044715 \cdot {fx}^2))",
    "leaky_relu": r"{dy} \cdot {slope}",
    "elu": r"{dy} \cdot ({y} + {alpha})",
}
SAME_ABOVE_0 = ("leaky_relu", "elu")


def value_words(name: str, alpha: float | None, x: float, y: float) -> str:
    """y of x, with the numbers put in."""
    name = "identity" if name in SAME_ABOVE_0 and x > 0 else name
    return FORWARD[name].format(**_numbers(alpha, x, y))


def slope_words(name: str, alpha: float | None, x: float, y: float, dy: float, slope: float) -> str:
    """dx of dy, with the numbers put in."""
    name = "identity" if name in SAME_ABOVE_0 and x > 0 else name
    given = figure(dy) if name == "identity" else factor(dy)
    return BACKWARD[name].format(dy=given, slope=factor(slope), **_numbers(alpha, x, y))


def forward(look: Look) -> list[str]:
    """One number of y, from the same number of x; in a softmax, from all of its row."""
    layer, call, at = look.call.layer, look.call, look.at
    assert isinstance(layer, Activation)
    if layer.name in ("softmax", "log_softmax"):
        words = softmax_words(call.x[at[:-1]], at[-1], layer.name == "log_softmax")
        return [look.line("y", at, words, call.y[at])]
    x, y = float(call.x[at]), float(call.y[at])
    inside = [tanh_inside(x)] if layer.name == "gelu_tanh" else []
    return [*inside, look.line("y", at, value_words(layer.name, alpha_of(layer), x, y), y)]


def backward(look: Look) -> list[str]:
    """One number of dx, from the same number of dy."""
    layer, call, at, dy = look.call.layer, look.call, look.at, look.back.dy
    assert isinstance(layer, Activation)
    if layer.name in ("softmax", "log_softmax"):
        return _softmax_back(look, layer.name == "log_softmax")
    slope = float(ACTIVATIONS[layer.name][1](np.ones_like(dy), call.cache)[at])
    x, y = float(call.x[at]), float(call.y[at])
    return look.dx_line(at, slope_words(layer.name, alpha_of(layer), x, y, float(dy[at]), slope))


def tanh_inside(x: float) -> str:
    """gelu_tanh's t, as a line of its own."""
    inside = rf"{figure(x)} + 0.044715 \cdot {factor(x)}^3"
    return rf"t = \tanh(\sqrt{{2 / \pi}} \cdot ({inside})) = {figure(_inside(x))}"


def _numbers(alpha: float | None, x: float, y: float) -> dict[str, str]:
    """What the patterns name: a number alone, and with an f before it as a factor."""
    return {
        "x": figure(x), "fx": factor(x), "minus": figure(-x), "y": figure(y), "fy": factor(y), "minus_y": figure(-y),
        "alpha": "" if alpha is None else figure(alpha), "ft": factor(_inside(x)),
        "below": below_one(y),
    }  # fmt: skip


def _inside(x: float) -> float:
    return float(np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def _softmax_back(look: Look, log: bool) -> list[str]:
    y, dy, at = look.call.y, look.back.dy, look.at
    row, given = y[at[:-1]], dy[at[:-1]]
    weights: Array = np.ones_like(row) if log else row
    sum_of = r"\sum_j dy_j" if log else r"\sum_j dy_j y_j"
    s = float(np.sum(given * weights, dtype=np.float64))
    if log:
        words = rf"{figure(dy[at])} - \exp({figure(y[at])}) \cdot {factor(s)}"
    else:
        words = rf"{factor(y[at])} \cdot ({difference(dy[at], s)})"
    sum_line = rf"{look.letters.equation(sum_of)} = {products(given, weights)} = {figure(s)}"
    return [sum_line, *look.dx_line(at, words)]
