"""Layers for images put together: convolution, ReLU, max-pooling."""

from typing import NamedTuple

from clearprop.arrays import Array
from clearprop.courses.nndl.conv_layers import (
    conv_backward_naive,
    conv_forward_naive,
    max_pool_backward_naive,
    max_pool_forward_naive,
)
from clearprop.courses.nndl.layers import Params, relu_backward, relu_forward
from clearprop.kernels.conv import ConvCache
from clearprop.kernels.pool import MaxPoolCache

__all__ = ["conv_relu_backward", "conv_relu_forward", "conv_relu_pool_backward", "conv_relu_pool_forward"]


class ConvReluCache(NamedTuple):
    """The caches of both."""

    conv: ConvCache
    relu: Array


class ConvReluPoolCache(NamedTuple):
    """The caches of all three."""

    conv_relu: ConvReluCache
    pool: MaxPoolCache


def conv_relu_forward(x: Array, w: Array, b: Array, conv_param: Params) -> tuple[Array, ConvReluCache]:
    """A convolution and its ReLU, with the shapes of `conv_forward_naive`."""
    hidden, conv_cache = conv_forward_naive(x, w, b, conv_param)
    out, relu_cache = relu_forward(hidden)
    return out, ConvReluCache(conv_cache, relu_cache)


def conv_relu_backward(dout: Array, cache: ConvReluCache) -> tuple[Array, Array, Array]:
    """dx, dw, db, as of `conv_backward_naive`."""
    return conv_backward_naive(relu_backward(dout, cache.relu), cache.conv)


def conv_relu_pool_forward(
    x: Array, w: Array, b: Array, conv_param: Params, pool_param: Params
) -> tuple[Array, ConvReluPoolCache]:
    """A convolution, its ReLU and max-pooling of that."""
    hidden, conv_cache = conv_relu_forward(x, w, b, conv_param)
    out, pool_cache = max_pool_forward_naive(hidden, pool_param)
    return out, ConvReluPoolCache(conv_cache, pool_cache)


def conv_relu_pool_backward(dout: Array, cache: ConvReluPoolCache) -> tuple[Array, Array, Array]:
    """dx, dw, db, as of `conv_backward_naive`."""
    return conv_relu_backward(max_pool_backward_naive(dout, cache.pool), cache.conv_relu)
