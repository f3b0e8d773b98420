"""Activations: functions of each element; softmax and log-softmax are functions of each row."""

from math import pi, sqrt
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clearprop.kernels.erf import erf

Array = NDArray[Any]


def identity_forward(x: Array) -> tuple[Array, None]:
    """y = x

    x: any shape  ->  y: x itself        cache: nothing
    """
    return x, None


def identity_backward(dy: Array, cache: None = None) -> Array:
    """dx = dy

    dy: any shape  ->  dx: dy itself
    """
    return dy


def sigmoid_forward(x: Array) -> tuple[Array, Array]:
    """y = σ(x) = 1 / (1 + exp(−x))

    x: any shape  ->  y: same shape        cache: y, the output

    Down to x = −87, small y are as exact as large ones, relatively; as (1 + tanh(x/2)) / 2 they would cancel away.
    """
    bounded = np.maximum(x, -87)  # exp never overflows; σ(−87) is 2e-38, near float32's smallest normal
    y = 1 / (1 + np.exp(-bounded))
    return y, y


def sigmoid_backward(dy: Array, y: Array) -> Array:
    """dx = dy ⊙ y ⊙ (1 − y)

    dy, y: any shape  ->  dx: same shape        cache: y, the output
    """
    dx: Array = dy * (y * (1 - y))
    return dx


def tanh_forward(x: Array) -> tuple[Array, Array]:
    """y = tanh(x)

    x: any shape  ->  y: same shape        cache: y, the output
    """
    y = np.tanh(x)
    return y, y


def tanh_backward(dy: Array, y: Array) -> Array:
    """dx = dy ⊙ (1 − y²)

    dy, y: any shape  ->  dx: same shape        cache: y, the output
    """
    dx: Array = dy * (1 - y * y)
    return dx


def relu_forward(x: Array) -> tuple[Array, Array]:
    """y = max(x, 0)

    x: any shape  ->  y: same shape        cache: y, the output
    """
    y = np.maximum(x, 0)
    return y, y


def relu_backward(dy: Array, y: Array) -> Array:
    """dx = dy ⊙ [y > 0], so the slope at x = 0 is 0

    dy, y: any shape  ->  dx: same shape        cache: y, the output
    """
    dx: Array = dy * (y > 0)
    return dx


class LeakyReluCache(NamedTuple):
    y: Array  # any shape: the output, which has the sign of x
    alpha: float


def leaky_relu_forward(x: Array, alpha: float = 0.01) -> tuple[Array, LeakyReluCache]:
    """y = x where x > 0, α x elsewhere, with α ≥ 0

    x: any shape  ->  y: same shape        cache: y, alpha
    """
    y = np.where(x > 0, x, alpha * x)
    return y, LeakyReluCache(y, alpha)


def leaky_relu_backward(dy: Array, cache: LeakyReluCache) -> Array:
    """dx = dy where y > 0, α dy elsewhere, so the slope at x = 0 is α

    dy: any shape  ->  dx: same shape
    """
    y, alpha = cache
    dx: Array = np.where(y > 0, dy, alpha * dy)
    return dx


class EluCache(NamedTuple):
    y: Array  # any shape: the output, which has the sign of x
    alpha: float


def elu_forward(x: Array, alpha: float = 1.0) -> tuple[Array, EluCache]:
    """y = x where x > 0, α (exp(x) − 1) elsewhere, with α ≥ 0

    x: any shape  ->  y: same shape        cache: y, alpha
    """
    y = np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))  # exp never overflows
    return y, EluCache(y, alpha)


def elu_backward(dy: Array, cache: EluCache) -> Array:
    """dx = dy where y > 0, dy ⊙ (y + α) elsewhere, so the slope at x = 0 is α

    dy: any shape  ->  dx: same shape
    """
    y, alpha = cache
    dx: Array = np.where(y > 0, dy, dy * (y + alpha))
    return dx


def softplus_forward(x: Array) -> tuple[Array, Array]:
    """y = log(1 + exp(x)) = max(x, 0) + log(1 + exp(−|x|))

    x: any shape  ->  y: same shape        cache: y, the output
    """
    y = np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))  # exp never overflows
    return y, y


def softplus_backward(dy: Array, y: Array) -> Array:
    """dx = dy ⊙ σ(x) = dy ⊙ (1 − exp(−y))

    dy, y: any shape  ->  dx: same shape        cache: y, the output
    """
    dx: Array = dy * -np.expm1(-y)  # exact to a rounding where y is tiny, as 1 − exp(−y) is not
    return dx


def arctan_forward(x: Array) -> tuple[Array, Array]:
    """y = arctan(x)

    x: any shape  ->  y: same shape        cache: x, the input
    """
    return np.arctan(x), x


def arctan_backward(dy: Array, x: Array) -> Array:
    """dx = dy ⊘ (1 + x²)

    dy, x: any shape  ->  dx: same shape        cache: x, the input
    """
    dx: Array = dy / (1 + x * x)
    return dx


class SwishCache(NamedTuple):
    y: Array  # any shape: the output
    gate: Array  # same shape: σ(x)


def swish_forward(x: Array) -> tuple[Array, SwishCache]:
    """y = x ⊙ σ(x), also called SiLU

    x: any shape  ->  y: same shape        cache: y, gate = σ(x)
    """
    gate, _ = sigmoid_forward(x)
    y = x * gate
    return y, SwishCache(y, gate)


def swish_backward(dy: Array, cache: SwishCache) -> Array:
    """dx = dy ⊙ (σ + y ⊙ (1 − σ))

    dy: any shape  ->  dx: same shape
    """
    y, gate = cache
    dx: Array = dy * (gate + y * (1 - gate))
    return dx


class GeluCache(NamedTuple):
    x: Array  # any shape: the input
    cdf: Array  # same shape: Φ(x), the chance that a standard normal number is below x


def gelu_forward(x: Array) -> tuple[Array, GeluCache]:
    """y = x ⊙ Φ(x),  Φ(x) = (1 + erf(x/√2)) / 2

    x: any shape  ->  y: same shape        cache: x, cdf = Φ(x)
    """
    cdf = 0.5 * (1 + erf(x * sqrt(0.5)))
    return x * cdf, GeluCache(x, cdf)


def gelu_backward(dy: Array, cache: GeluCache) -> Array:
    """dx = dy ⊙ (Φ(x) + x ⊙ φ(x)),  φ(x) = exp(−x²/2) / √(2π)

    dy: any shape  ->  dx: same shape
    """
    x, cdf = cache
    density = np.exp(-0.5 * x * x) * (1 / sqrt(2 * pi))
    dx: Array = dy * (cdf + x * density)
    return dx


class GeluTanhCache(NamedTuple):
    x: Array  # any shape: the input
    t: Array  # same shape: tanh(√(2/π) (x + 0.044715 x³))


def gelu_tanh_forward(x: Array) -> tuple[Array, GeluTanhCache]:
    """y = x ⊙ (1 + t) / 2,  t = tanh(√(2/π) (x + 0.044715 x³)), within 5e-4 of gelu

    x: any shape  ->  y: same shape        cache: x, t
    """
    t = np.tanh(sqrt(2 / pi) * (x + 0.044715 * x * x * x))
    return 0.5 * x * (1 + t), GeluTanhCache(x, t)


def gelu_tanh_backward(dy: Array, cache: GeluTanhCache) -> Array:
    """dx = dy ⊙ ((1 + t) / 2 + x ⊙ (1 − t²) ⊙ √(2/π) (1 + 3·0.044715 x²) / 2)

    dy: any shape  ->  dx: same shape
    """
    x, t = cache
    slope = sqrt(2 / pi) * (1 + 3 * 0.044715 * x * x)
    dx: Array = 0.5 * dy * (1 + t + x * (1 - t * t) * slope)
    return dx


def softmax_forward(x: Array) -> tuple[Array, Array]:
    """yₖ = exp(xₖ) / Σⱼ exp(xⱼ), over the last axis

    x: (..., K)  ->  y: (..., K)        cache: y, the output
    """
    y = np.exp(x - x.max(axis=-1, keepdims=True))  # exp never overflows
    y /= y.sum(axis=-1, keepdims=True)
    return y, y


def softmax_backward(dy: Array, y: Array) -> Array:
    """dx = y ⊙ (dy − Σₖ dyₖ yₖ): the row's Jacobian, diag(y) − y yᵀ, times dy

    dy, y: (..., K)  ->  dx: (..., K)        cache: y, the output
    """
    dx: Array = y * (dy - (dy * y).sum(axis=-1, keepdims=True))
    return dx


def log_softmax_forward(x: Array) -> tuple[Array, Array]:
    """yₖ = xₖ − log Σⱼ exp(xⱼ), over the last axis

    x: (..., K)  ->  y: (..., K)        cache: y, the output
    """
    y = x - x.max(axis=-1, keepdims=True)  # exp never overflows
    y -= np.log(np.exp(y).sum(axis=-1, keepdims=True))
    return y, y


def log_softmax_backward(dy: Array, y: Array) -> Array:
    """dx = dy − exp(y) ⊙ Σₖ dyₖ

    dy, y: (..., K)  ->  dx: (..., K)        cache: y, the output
    """
    dx: Array = dy - np.exp(y) * dy.sum(axis=-1, keepdims=True)
    return dx
