"""Normalization: numbers of mean 0 and variance 1, then scaled and moved. Its mathematics: kernels/norm.py."""

from inspect import signature
from math import prod
from typing import Any

import numpy as np

from clearprop.arrays import Array, Shape, shape_text
from clearprop.errors import ConfigError, DataError, ShapeError
from clearprop.kernels.norm import (
    BatchNormCache,
    GroupNormCache,
    LayerNormCache,
    batch_norm_backward,
    batch_norm_forward,
    batch_norm_moments,
    batch_norm_statistics,
    batch_norm_sums,
    group_norm_backward,
    group_norm_forward,
    layer_norm_backward,
    layer_norm_forward,
)
from clearprop.layers.base import Layer
from clearprop.layers.windows import divisors
from clearprop.messages.shapes import pictured
from clearprop.names import check_count, check_number


class Normalization(Layer):
    """What the normalizations share: eps, and a gamma that begins at 1 and a beta that begins at 0."""

    gamma: Array
    beta: Array
    dgamma: Array
    dbeta: Array

    def __init__(self, eps: float) -> None:
        self.eps = check_number(type(self).__name__, "eps", eps, "to be a number > 0", lambda e: e > 0)

    def settings(self) -> dict[str, Any]:
        taken = signature(type(self)).parameters
        return {name: getattr(self, name) for name, p in taken.items() if getattr(self, name) != p.default}

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.settings().items())
        return f"{type(self).__name__}({given})"

    def output_shape(self, input_shape: Shape, who: str) -> Shape:
        return input_shape

    def param_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        return {"gamma": input_shape[-1:], "beta": input_shape[-1:]}

    def init_params(self, rng: np.random.Generator) -> None:
        self.gamma[...] = 1
        self.beta[...] = 0


class BatchNorm(Normalization):
    """y = gamma ⊙ (x − mean) / √(var + eps) + beta, each channel by itself (Ioffe & Szegedy 2015).

    Channels are the last axis. In training, mean and variance are those of the mini-batch, over all other axes:
    of the whole one, on however many threads it is computed. In prediction they are the running ones.

    Parameters
    ----------
    momentum : float
        How much of the running statistics each mini-batch leaves: running = momentum running + (1 − momentum) batch.
        PyTorch's momentum is 1 minus this one. The running variance is that of the unbiased estimates.
    eps : float
        Added to the variance, inside the root.
    shared : bool
        Whether a mini-batch has one mean and variance. Otherwise each of the shards that it is cut into has its
        own (ghost batch norm, Hoffer et al. 2017); results then depend on the number of workers, and the
        running statistics follow the first shard alone.

    Raises
    ------
    DataError
        In training, for a mini-batch with one number a channel.

    Examples
    --------
    >>> import numpy as np, clearprop as cp
    >>> model = cp.Sequential([BatchNorm()], input_shape=(1,))
    >>> y, _ = model.forward(np.array([[1.0], [3.0]]), training=True)
    >>> y.round(3).ravel().tolist(), model.named_buffers()["0.running_mean"].round(3).tolist()
    ([-1.0, 1.0], [0.20000000298023224])
    """

    running_mean: Array
    running_var: Array

    def __init__(self, *, momentum: float = 0.9, eps: float = 1e-5, shared: bool = True) -> None:
        super().__init__(eps)
        self.momentum = check_number("BatchNorm", "momentum", momentum, "in [0, 1)", lambda m: 0 <= m < 1)
        if not isinstance(shared, bool):
            raise ConfigError(f"BatchNorm: expected shared to be True or False, got {shared!r}.")
        self.shared = self.over_batch = shared

    def buffer_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        return {"running_mean": input_shape[-1:], "running_var": input_shape[-1:]}

    def init_params(self, rng: np.random.Generator) -> None:
        super().init_params(rng)
        self.running_mean[...] = 0
        self.running_var[...] = 1

    def forward(
        self, x: Array, training: bool = False, noise: Any = None
    ) -> tuple[Array, tuple[BatchNormCache, int]]:
        if not training:
            known = self.running_mean, self.running_var
            y, cache = batch_norm_forward(x, self.gamma, self.beta, *known, self.eps)
            return y, (cache, 0)
        sums, centred, m = batch_norm_moments(x)
        n, mean, var = batch_norm_statistics(self.total(sums))
        if n < 2:
            raise DataError(
                f"{self}: expected at least 2 numbers for each channel in a training batch, got {n}, which has no "
                "variance. Take a larger batch_size, or drop_last=True where only the last batch is short."
            )
        self._follow(mean, var * (n / (n - 1)))
        y, cache = batch_norm_forward(centred, self.gamma, self.beta, mean - m, var, self.eps)
        return y, (cache, n)

    def _follow(self, mean: Array, var: Array) -> None:
        """Move the running statistics towards a mini-batch's, unless these are beyond the dtype, or NaN."""
        if not np.abs([mean, var]).max() < np.finfo(self.running_mean.dtype).max:
            return
        for running, now in ((self.running_mean, mean), (self.running_var, var)):
            running *= self.momentum
            running += (1 - self.momentum) * now

    def backward(self, dy: Array, cache: tuple[BatchNormCache, int], need_dx: bool = True) -> Array | None:
        kept, n = cache
        dgamma, dbeta = batch_norm_sums(dy, kept, out=(self.dgamma, self.dbeta))
        if not need_dx:
            return None
        if n == 0:  # a prediction's statistics do not depend on x
            return batch_norm_backward(dy, kept)
        totals = self.total(np.concatenate([dbeta, dgamma], dtype=np.float64))
        dbeta, dgamma = totals.reshape(2, -1)
        return batch_norm_backward(dy, kept, (dgamma, dbeta), n)


class LayerNorm(Normalization):
    """y = gamma ⊙ (x − mean) / √(var + eps) + beta, each example by itself (Ba et al. 2016).

    Mean and variance are those of the last axis: of an image's pixel, of a sequence's step.

    Parameters
    ----------
    eps : float
        Added to the variance, inside the root.
    axes : int
        How many of the last axes are normalized together; gamma and beta have their shape.

    Raises
    ------
    ShapeError
        When the network is built, if x has fewer axes, or if they hold one number.

    Examples
    --------
    >>> import numpy as np, clearprop as cp
    >>> cp.Sequential([LayerNorm()], input_shape=(2,)).scores(np.array([[1.0, 3.0], [50.0, -50.0]])).round(3)
    array([[-1.,  1.],
           [ 1., -1.]], dtype=float32)
    """

    def __init__(self, *, eps: float = 1e-5, axes: int = 1) -> None:
        super().__init__(eps)
        self.axes = check_count("LayerNorm", "axes", axes)

    def output_shape(self, input_shape: Shape, who: str) -> Shape:
        if self.axes > len(input_shape):
            error = ShapeError(
                f"{who}: expected x to have at least {self.axes} axes beside the batch, got x of shape "
                f"{shape_text(('N', *input_shape))}. Normalize over fewer axes: LayerNorm(axes={len(input_shape)})."
            )
            raise pictured(error, ("x", ("N", *input_shape), {*range(1, len(input_shape) + 1)}))
        several = [k for k in range(1, len(input_shape) + 1) if prod(input_shape[-k:]) > 1]
        remedy = f"Normalize over more axes: LayerNorm(axes={several[0]})." if several else "Leave it out."
        _check_several(who, prod(input_shape[-self.axes :]), input_shape, remedy)
        return input_shape

    def param_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        return {"gamma": input_shape[-self.axes :], "beta": input_shape[-self.axes :]}

    def forward(self, x: Array, training: bool = False, noise: Any = None) -> tuple[Array, LayerNormCache]:
        return layer_norm_forward(x, self.gamma, self.beta, self.eps)

    def backward(self, dy: Array, cache: LayerNormCache, need_dx: bool = True) -> Array | None:
        return layer_norm_backward(dy, cache, out=(self.dgamma, self.dbeta), need_dx=need_dx)[0]


class GroupNorm(Normalization):
    """y = gamma ⊙ (x − mean) / √(var + eps) + beta, each example's groups of channels by themselves (Wu & He 2018).

    A group is some neighbouring channels, at all places of the image or the sequence. With as many groups as
    channels this is instance norm (Ulyanov et al. 2016), with one group layer norm over the whole example.

    Parameters
    ----------
    groups : int
        How many groups the channels, x's last axis, are divided into.
    eps : float
        Added to the variance, inside the root.

    Raises
    ------
    ShapeError
        When the network is built, if the groups do not divide the channels, or hold one number each.

    Examples
    --------
    >>> GroupNorm(groups=8).output_shape((32, 32, 64), "layer 1")
    (32, 32, 64)
    """

    def __init__(self, groups: int, *, eps: float = 1e-5) -> None:
        super().__init__(eps)
        self.groups = check_count("GroupNorm", "groups", groups)

    def output_shape(self, input_shape: Shape, who: str) -> Shape:
        channels = input_shape[-1]
        if channels % self.groups:
            error = ShapeError(
                f"{who}: expected groups to divide the {channels} channels of x, of shape "
                f"{shape_text(('N', *input_shape))}, got {self.groups}. "
                f"Take one of {divisors(channels)}."
            )
            raise pictured(error, ("x", ("N", *input_shape), {len(input_shape)}))
        _check_several(who, prod(input_shape) // self.groups, input_shape, "Take fewer groups.")
        return input_shape

    def forward(self, x: Array, training: bool = False, noise: Any = None) -> tuple[Array, GroupNormCache]:
        return group_norm_forward(x, self.gamma, self.beta, self.groups, self.eps)

    def backward(self, dy: Array, cache: GroupNormCache, need_dx: bool = True) -> Array | None:
        return group_norm_backward(dy, cache, out=(self.dgamma, self.dbeta), need_dx=need_dx)[0]


def _check_several(who: str, count: int, input_shape: Shape, remedy: str) -> None:
    """Refuse to normalize single numbers: each would become 0."""
    if count < 2:
        raise ShapeError(
            f"{who}: expected at least 2 numbers to normalize together, got {count}, with x of shape "
            f"{shape_text(('N', *input_shape))}. {remedy}"
        )
