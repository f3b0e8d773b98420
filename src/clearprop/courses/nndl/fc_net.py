"""Networks of affine layers, put together from `layers`; a Solver trains them.

As in the course, `from ….fc_net import *` brings the layers along.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clearprop.arrays import Array
from clearprop.courses.nndl.layer_utils import affine_relu_backward, affine_relu_forward
from clearprop.courses.nndl.layers import (
    AffineCache,
    NormCache,
    Params,
    affine_backward,
    affine_forward,
    affine_weight_gradients,
    batchnorm_backward,
    batchnorm_forward,
    dropout_backward,
    dropout_forward,
    relu_backward,
    relu_forward,
    softmax_loss,
    svm_loss,
)
from clearprop.courses.nndl.weights import Arrays, add_penalty, draw
from clearprop.names import check_number

__all__ = [
    "FullyConnectedNet", "TwoLayerNet", "affine_backward", "affine_forward", "affine_relu_backward",
    "affine_relu_forward", "batchnorm_backward", "batchnorm_forward", "dropout_backward", "dropout_forward",
    "relu_backward", "relu_forward", "softmax_loss", "svm_loss",
]  # fmt: skip


class _BlockCache(NamedTuple):
    affine: AffineCache
    norm: NormCache | None
    relu: Array
    dropout: Array | None


class _AffineNet:
    """{affine – [batch norm] – relu – [dropout]} × (L − 1) – affine – softmax."""

    def __init__(
        self,
        sizes: Sequence[int],
        dropout: float,
        use_batchnorm: bool,
        reg: float,
        weight_scale: float,
        dtype: npt.DTypeLike,
        seed: int | None,
    ) -> None:
        who = type(self).__name__
        check_number(who, "dropout", dropout, "in [0, 1), the probability of dropping", lambda p: 0 <= p < 1)
        self.reg, self.dtype, self.num_layers = reg, dtype, len(sizes) - 1
        self.use_batchnorm, self.use_dropout = use_batchnorm, dropout > 0
        self.params: Arrays = {}
        for i in range(1, len(sizes)):
            self.params[f"W{i}"] = draw(weight_scale, (sizes[i - 1], sizes[i])).astype(dtype)
            self.params[f"b{i}"] = np.zeros(sizes[i], dtype)
            if use_batchnorm and i < self.num_layers:
                self.params[f"gamma{i}"] = np.ones(sizes[i], dtype)
                self.params[f"beta{i}"] = np.zeros(sizes[i], dtype)
        self.dropout_param: Params = {"mode": "train", "p": dropout} if self.use_dropout else {}
        if self.use_dropout and seed is not None:
            self.dropout_param["seed"] = seed
        self.bn_params: list[Params] = [{"mode": "train"} for _ in sizes[2:] if use_batchnorm]

    def loss(self, X: Array, y: Array | None = None) -> Any:
        """The scores (N, C) of X (N, d1, …, dk) in test mode; with labels y (N,), the loss and its gradients.

        The loss is the mean softmax cross-entropy plus ½ reg Σ W²; the gradients are named as the parameters.
        """
        for param in (self.dropout_param, *self.bn_params):
            param["mode"] = "test" if y is None else "train"
        x = np.asarray(X).astype(self.dtype, copy=False)
        caches = []
        for i in range(1, self.num_layers):
            x, cache = self._block_forward(i, x)
            caches.append(cache)
        scores, last = affine_forward(
            x, self.params[f"W{self.num_layers}"], self.params[f"b{self.num_layers}"]
        )
        if y is None:
            return scores
        loss, dscores = softmax_loss(scores, y)
        grads = self._backward(dscores, caches, last)
        return loss + add_penalty(self.params, grads, self.reg), grads

    def _block_forward(self, i: int, x: Array) -> tuple[Array, _BlockCache]:
        p, norm, dropped = self.params, None, None
        x, affine = affine_forward(x, p[f"W{i}"], p[f"b{i}"])
        if self.use_batchnorm:
            x, norm = batchnorm_forward(x, p[f"gamma{i}"], p[f"beta{i}"], self.bn_params[i - 1])
        x, sign = relu_forward(x)
        if self.use_dropout:
            x, dropped = dropout_forward(x, self.dropout_param)
        return x, _BlockCache(affine, norm, sign, dropped)

    def _backward(self, dout: Array, caches: list[_BlockCache], last: AffineCache) -> Arrays:
        grads: Arrays = {}
        affine = last
        for i in range(self.num_layers, 1, -1):
            dout, grads[f"W{i}"], grads[f"b{i}"] = affine_backward(dout, affine)
            affine, norm, sign, dropped = caches[i - 2]
            dout = relu_backward(dropout_backward(dout, dropped), sign)
            if norm is not None:
                dout, grads[f"gamma{i - 1}"], grads[f"beta{i - 1}"] = batchnorm_backward(dout, norm)
        grads["W1"], grads["b1"] = affine_weight_gradients(dout, affine)
        return grads


class TwoLayerNet(_AffineNet):
    """affine – relu – [dropout] – affine – softmax, in float64.

    Parameters
    ----------
    input_dim, hidden_dims, num_classes : int
        D, H, C.
    dropout : float
        The probability of dropping a hidden number; 0 for none.
    weight_scale : float
        The weights are weight_scale · np.random.randn, W1 first; the biases are zero.
    reg : float
        Strength of the penalty ½ reg (‖W1‖² + ‖W2‖²).

    Attributes
    ----------
    params : dict of str to array
        W1 (D, H), b1 (H,), W2 (H, C), b2 (C,).

    Examples
    --------
    >>> model = TwoLayerNet(input_dim=5, hidden_dims=50, num_classes=7)
    >>> model.loss(np.ones((3, 5))).shape, model.params["W1"].shape
    ((3, 7), (5, 50))
    """

    def __init__(
        self,
        input_dim: int = 3 * 32 * 32,
        hidden_dims: int = 100,
        num_classes: int = 10,
        dropout: float = 0,
        weight_scale: float = 1e-3,
        reg: float = 0.0,
    ) -> None:
        sizes = (input_dim, hidden_dims, num_classes)
        super().__init__(sizes, dropout, False, reg, weight_scale, np.float64, None)


class FullyConnectedNet(_AffineNet):
    """{affine – [batch norm] – relu – [dropout]} × (L − 1) – affine – softmax.

    Parameters
    ----------
    hidden_dims : sequence of int
        The hidden layers' units: L − 1 of them.
    input_dim, num_classes : int
    dropout : float
        The probability of dropping a hidden number; 0 for none.
    use_batchnorm : bool
    reg : float
        Strength of the penalty ½ reg Σ W², which leaves biases, gamma and beta alone.
    weight_scale : float
        The weights are weight_scale · np.random.randn, layer by layer; biases and beta are zero, gamma is one.
    dtype : dtype
        All is computed in it.
    seed : int, optional
        The same dropout masks at each call, for gradient checks.

    Attributes
    ----------
    params : dict of str to array
        W1, b1, [gamma1, beta1,] … WL, bL.
    bn_params, dropout_param : list of dict, dict
        Modes, running statistics, probability.

    Examples
    --------
    >>> model = FullyConnectedNet([20, 30], input_dim=15, dtype=np.float64)
    >>> loss, grads = model.loss(np.ones((2, 15)), np.array([3, 4]))
    >>> sorted(grads)
    ['W1', 'W2', 'W3', 'b1', 'b2', 'b3']
    """

    def __init__(
        self,
        hidden_dims: Sequence[int],
        input_dim: int = 3 * 32 * 32,
        num_classes: int = 10,
        dropout: float = 0,
        use_batchnorm: bool = False,
        reg: float = 0.0,
        weight_scale: float = 1e-2,
        dtype: npt.DTypeLike = np.float32,
        seed: int | None = None,
    ) -> None:
        sizes = (input_dim, *hidden_dims, num_classes)
        super().__init__(sizes, dropout, use_batchnorm, reg, weight_scale, dtype, seed)
