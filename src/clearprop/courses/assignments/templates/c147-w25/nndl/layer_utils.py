"""Layers that often stand together, as one pair."""

from nndl.layers import affine_backward, affine_forward, relu_backward, relu_forward


def affine_relu_forward(x, w, b):
    """affine, then relu: x (N, d1, ..., dk), w (D, M), b (M,) -> out (N, M) and a cache."""
    scores, affine_cache = affine_forward(x, w, b)
    out, relu_cache = relu_forward(scores)
    return out, (affine_cache, relu_cache)


def affine_relu_backward(dout, cache):
    """The gradients of affine_relu_forward: dx, dw, db."""
    affine_cache, relu_cache = cache
    return affine_backward(relu_backward(dout, relu_cache), affine_cache)
