"""Normalization, one number at a time."""

import math

import numpy as np


def mean_and_var(numbers):
    """The mean and the biased variance of a list."""
    mean = sum(numbers) / len(numbers)
    return mean, sum((number - mean) ** 2 for number in numbers) / len(numbers)


def normalize(x, gamma, beta, group_of, weight_of, eps):
    """Every number by the mean and variance of all that `group_of` puts into its group."""
    groups = {}
    for index in np.ndindex(x.shape):
        groups.setdefault(group_of(index), []).append(float(x[index]))
    known = {group: mean_and_var(numbers) for group, numbers in groups.items()}
    y = np.empty(x.shape)
    for index in np.ndindex(x.shape):
        mean, var = known[group_of(index)]
        weight = weight_of(index)
        y[index] = gamma[weight] * (x[index] - mean) / math.sqrt(var + eps) + beta[weight]
    return y


def batch_norm(x, gamma, beta, eps=1e-5):
    return normalize(x, gamma, beta, lambda index: index[-1], lambda index: index[-1], eps)


def batch_norm_predicting(x, gamma, beta, mean, var, eps=1e-5):
    y = np.empty(x.shape)
    for index in np.ndindex(x.shape):
        c = index[-1]
        y[index] = gamma[c] * (x[index] - mean[c]) / math.sqrt(var[c] + eps) + beta[c]
    return y


def layer_norm(x, gamma, beta, eps=1e-5):
    axes = gamma.ndim
    return normalize(x, gamma, beta, lambda index: index[:-axes], lambda index: index[-axes:], eps)


def group_norm(x, gamma, beta, groups, eps=1e-5):
    size = x.shape[-1] // groups
    return normalize(
        x, gamma, beta, lambda index: (index[0], index[-1] // size), lambda index: index[-1], eps
    )
