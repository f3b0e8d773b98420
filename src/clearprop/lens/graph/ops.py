"""The operations of a computational graph, one entry each: its symbol, its equation, both passes.

In an entry's formulas a and b are the operands, y is the result, c a plain number, e is c − 1, n how many numbers a
has, t the target rows that b gives or stands for, and dy, da, db are the loss's gradients. A rule says what reaches an
operand: its share of the gradient through this operation. `forward(a, b)` or `forward(a, c)` gives y and a cache;
`backward(dy, cache)` gives the operands' shares.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from clearprop.arrays import Array
from clearprop.kernels.activations import (
    relu_backward,
    relu_forward,
    sigmoid_backward,
    sigmoid_forward,
    softmax_backward,
    softmax_forward,
    swish_backward,
    swish_forward,
    tanh_backward,
    tanh_forward,
)
from clearprop.kernels.losses import softmax_cross_entropy

Shares = tuple[Array | None, ...]


class Op(NamedTuple):
    """One operation."""

    symbol: str  # what stands in the gate
    text: str  # y
    rules: tuple[str, ...]  # each operand's share
    forward: Callable[..., tuple[Any, Any]]
    backward: Callable[[Array, Any], Shares]
    needs: str = ""  # what is to be said where the result is not finite


def _summed(dy: Array, shape: tuple[int, ...]) -> Array:
    """dy added up over the axes along which an operand of that shape was repeated."""
    lead = tuple(range(dy.ndim - len(shape)))
    repeated = tuple(i for i, size in enumerate(shape, len(lead)) if size == 1 and dy.shape[i] != 1)
    return np.asarray(dy.sum(axis=lead + repeated, keepdims=True)).reshape(shape)


def _of_one(backward: Callable[[Array, Any], Array]) -> Callable[[Array, Any], Shares]:
    """A kernel's backward, of one input, as the table has it."""
    return lambda dy, cache: (backward(dy, cache),)


def _matmul_backward(dy: Array, cache: tuple[Array, Array]) -> Shares:
    """da = dy bᵀ, db = aᵀ dy; a vector on the left is a row, on the right a column."""
    a, b = cache
    rows = a[None] if a.ndim == 1 else a
    columns = b[:, None] if b.ndim == 1 else b
    dy = dy.reshape(len(rows), columns.shape[1])
    return (dy @ columns.T).reshape(a.shape), (rows.T @ dy).reshape(b.shape)


def _multiply_backward(dy: Array, cache: tuple[Array, Array]) -> Shares:
    a, b = cache
    return _summed(dy * b, a.shape), _summed(dy * a, b.shape)


def _divide_forward(a: Array, b: Array) -> tuple[Array, Any]:
    y = a / b
    return y, (a, b, y)


def _divide_backward(dy: Array, cache: tuple[Array, Array, Array]) -> Shares:
    a, b, y = cache
    return _summed(dy / b, a.shape), _summed(-dy * y / b, b.shape)


def _inverse_forward(a: Array) -> tuple[Array, Array]:
    y = np.linalg.inv(a)
    return y, y


def _power_backward(dy: Array, cache: tuple[Array, float]) -> Shares:
    a, c = cache
    da = c * dy * a ** (c - 1) if c else np.zeros_like(a)  # a⁰ is 1 everywhere, and 0⁻¹ would be infinite
    return (da,)


def _same(y: Array) -> tuple[Array, Array]:
    """Where the output is all that backward needs."""
    return y, y


def _cross_entropy_forward(a: Array, b: Array) -> tuple[Array, Array]:
    """The kernel's losses; one example without a batch axis is a batch of one. Labels come as numbers."""
    scores = a if a.ndim == 2 else a[None]
    labels = b.astype(np.intp) if b.ndim < a.ndim else b
    losses, dscores = softmax_cross_entropy(scores, labels if a.ndim == 2 else labels[None])
    return (losses, dscores) if a.ndim == 2 else (losses[0], dscores[0])


OPS: dict[str, Op] = {
    "matmul": Op("×", "a b", ("dy bᵀ", "aᵀ dy"), lambda a, b: (a @ b, (a, b)), _matmul_backward),
    "transpose": Op("(·)ᵀ", "aᵀ", ("dyᵀ",), lambda a: (a.T, None), lambda dy, _: (dy.T,)),
    "add": Op(
        "+", "a + b", ("dy", "dy"),
        lambda a, b: (a + b, (a.shape, b.shape)),
        lambda dy, shapes: (_summed(dy, shapes[0]), _summed(dy, shapes[1])),
    ),
    "subtract": Op(
        "−", "a − b", ("dy", "−dy"),
        lambda a, b: (a - b, (a.shape, b.shape)),
        lambda dy, shapes: (_summed(dy, shapes[0]), _summed(-dy, shapes[1])),
    ),
    "multiply": Op(
        "⊙", "a ⊙ b", ("dy ⊙ b", "dy ⊙ a"), lambda a, b: (a * b, (a, b)), _multiply_backward
    ),
    "divide": Op(
        "⊘", "a ⊘ b", ("dy ⊘ b", "−dy ⊙ y ⊘ b"), _divide_forward, _divide_backward,
        "Nothing can be divided by 0.",
    ),
    "scale": Op("×c", "c a", ("c dy",), lambda a, c: (c * a, c), lambda dy, c: (c * dy,)),
    "negate": Op("−", "−a", ("−dy",), lambda a: (-a, None), lambda dy, _: (-dy,)),
    "shift": Op("+c", "a + c", ("dy",), lambda a, c: (a + c, None), lambda dy, _: (dy,)),
    "take_from": Op("c − ·", "c − a", ("−dy",), lambda a, c: (c - a, None), lambda dy, _: (-dy,)),
    "divide_number": Op(
        "c ⊘ ·", "c ⊘ a", ("−dy ⊙ y ⊘ a",),
        lambda a, c: (c / a, (a, c / a)), lambda dy, cache: (-dy * cache[1] / cache[0],),
        "Nothing can be divided by 0.",
    ),
    "power": Op(
        "(·)^c", "a^c", ("c dy ⊙ a^e",), lambda a, c: (a**c, (a, c)), _power_backward,
        "Negative numbers have whole powers only, and 0 has positive ones.",
    ),
    "inverse": Op(
        "(·)⁻¹", "a⁻¹", ("−yᵀ dy yᵀ",), _inverse_forward, lambda dy, y: (-y.T @ dy @ y.T,)
    ),
    "logdet": Op(
        "log |·|", "log |a|", ("dy a⁻ᵀ",),
        lambda a: (np.linalg.slogdet(a)[1], a), lambda dy, a: (dy * np.linalg.inv(a).T,),
    ),
    "trace": Op("tr", "tr(a)", ("dy I",), lambda a: (np.trace(a), len(a)), lambda dy, n: (dy * np.eye(n),)),
    "squared_norm": Op(
        "‖·‖²", "‖a‖²", ("2 dy a",), lambda a: ((a * a).sum(), a), lambda dy, a: (2 * dy * a,)
    ),
    "total": Op(
        "Σ", "Σ a", ("dy",), lambda a: (a.sum(), a.shape), lambda dy, shape: (np.full(shape, dy),)
    ),
    "mean": Op(
        "mean", "mean(a)", ("dy / n",),
        lambda a: (a.mean(), a.shape), lambda dy, shape: (np.full(shape, dy / np.prod(shape)),),
    ),
    "exp": Op(
        "exp", "exp(a)", ("dy ⊙ y",), lambda a: _same(np.exp(a)), lambda dy, y: (dy * y,),
        "exp takes numbers up to 709; make them smaller.",
    ),
    "log": Op(
        "log", "log(a)", ("dy ⊘ a",), lambda a: (np.log(a), a), lambda dy, a: (dy / a,),
        "log takes numbers > 0.",
    ),
    "sigmoid": Op("σ", "σ(a)", ("dy ⊙ y ⊙ (1 − y)",), sigmoid_forward, _of_one(sigmoid_backward)),
    "tanh": Op("tanh", "tanh(a)", ("dy ⊙ (1 − y²)",), tanh_forward, _of_one(tanh_backward)),
    "relu": Op("relu", "relu(a)", ("dy ⊙ [y > 0]",), relu_forward, _of_one(relu_backward)),
    "swish": Op(
        "swish", "swish(a)", ("dy ⊙ (σ(a) + y ⊙ (1 − σ(a)))",), swish_forward, _of_one(swish_backward)
    ),
    "softmax": Op(
        "softmax", "softmax(a)", ("y ⊙ (dy − Σ dy ⊙ y)",), softmax_forward, _of_one(softmax_backward)
    ),
    "softmax_cross_entropy": Op(
        "CE", "CE(softmax(a), b)", ("dy (softmax(a) − t)", ""),
        _cross_entropy_forward,
        lambda dy, dscores: (dy[..., None] * dscores, None),
    ),
}  # fmt: skip
