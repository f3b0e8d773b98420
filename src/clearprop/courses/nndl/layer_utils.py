"""Layers put together: an affine map and its ReLU."""

from typing import NamedTuple

from clearprop.arrays import Array
from clearprop.courses.nndl.layers import (
    AffineCache,
    affine_backward,
    affine_forward,
    relu_backward,
    relu_forward,
)

__all__ = ["affine_relu_backward", "affine_relu_forward"]


class AffineReluCache(NamedTuple):
    """The caches of both."""

    affine: AffineCache
    relu: Array


def affine_relu_forward(x: Array, w: Array, b: Array) -> tuple[Array, AffineReluCache]:
    """out = max(x w + b, 0), with the shapes of `affine_forward`."""
    hidden, affine_cache = affine_forward(x, w, b)
    out, relu_cache = relu_forward(hidden)
    return out, AffineReluCache(affine_cache, relu_cache)


def affine_relu_backward(dout: Array, cache: AffineReluCache) -> tuple[Array, Array, Array]:
    """dx, dw, db, as of `affine_backward`."""
    return affine_backward(relu_backward(dout, cache.relu), cache.affine)
