"""Normalizations: the channels are the second axis, where ours are the last."""

import numpy as np

from clearprop.kernels.norm import (
    batch_norm_forward,
    batch_norm_moments,
    batch_norm_statistics,
    group_norm_forward,
    layer_norm_forward,
)

from .sliding import nchw, nhwc

EPS = 1e-5  # the standard's, for all of them


def batch_norm(attributes, x, gamma, beta, mean, var):
    """In training, with the batch's own mean and variance, and the running ones moved towards them."""
    eps = attributes.get("epsilon", EPS)
    if not attributes.get("training_mode", 0):
        return [nchw(batch_norm_forward(nhwc(x), gamma, beta, mean, var, eps)[0])]
    sums, centred, m = batch_norm_moments(nhwc(x))
    _, batch_mean, batch_var = batch_norm_statistics(sums)
    y, _ = batch_norm_forward(centred, gamma, beta, batch_mean - m, batch_var, eps)
    kept = attributes.get("momentum", 0.9)
    running = [kept * a + (1 - kept) * b for a, b in [(mean, batch_mean), (var, batch_var)]]
    return [nchw(y), *(a.astype(mean.dtype) for a in running)]


def layer_norm(attributes, x, gamma, beta=None):
    axis = attributes.get("axis", -1) % x.ndim
    beta = np.zeros_like(gamma) if beta is None else beta
    y, cache = layer_norm_forward(x, gamma, beta, attributes.get("epsilon", EPS))
    return [y, None, cache.inv_std.reshape(*x.shape[:axis], *[1] * (x.ndim - axis))]


def group_norm(attributes, x, gamma, beta):
    groups = attributes["num_groups"]
    return [nchw(group_norm_forward(nhwc(x), gamma, beta, groups, attributes.get("epsilon", EPS))[0])]


def instance_norm(attributes, x, gamma, beta):
    """A group for each channel."""
    return group_norm(attributes | {"num_groups": len(gamma)}, x, gamma, beta)
