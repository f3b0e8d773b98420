"""Layers for images that often stand together, as one pair."""

from nndl.conv_layers import (
    conv_backward_naive,
    conv_forward_naive,
    max_pool_backward_naive,
    max_pool_forward_naive,
)
from nndl.layers import relu_backward, relu_forward


def conv_relu_forward(x, w, b, conv_param):
    """Convolution, then relu: x (N, C, H, W) -> out (N, F, OH, OW) and a cache."""
    h, conv_cache = conv_forward_naive(x, w, b, conv_param)
    out, relu_cache = relu_forward(h)
    return out, (conv_cache, relu_cache)


def conv_relu_backward(dout, cache):
    """The gradients of conv_relu_forward: dx, dw, db."""
    conv_cache, relu_cache = cache
    return conv_backward_naive(relu_backward(dout, relu_cache), conv_cache)


def conv_relu_pool_forward(x, w, b, conv_param, pool_param):
    """Convolution, relu, then max pooling: x (N, C, H, W) -> out (N, F, OH, OW) and a cache."""
    h, conv_relu_cache = conv_relu_forward(x, w, b, conv_param)
    out, pool_cache = max_pool_forward_naive(h, pool_param)
    return out, (conv_relu_cache, pool_cache)


def conv_relu_pool_backward(dout, cache):
    """The gradients of conv_relu_pool_forward: dx, dw, db."""
    conv_relu_cache, pool_cache = cache
    return conv_relu_backward(max_pool_backward_naive(dout, pool_cache), conv_relu_cache)
