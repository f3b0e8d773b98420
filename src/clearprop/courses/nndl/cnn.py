"""A convolutional network of three layers; a Solver trains it."""

from typing import Any

import numpy as np
import numpy.typing as npt

from clearprop.arrays import Array
from clearprop.courses.nndl.conv_layers import (
    conv_forward_naive,
    conv_weight_gradients,
    max_pool_backward_naive,
    max_pool_forward_naive,
    spatial_batchnorm_backward,
    spatial_batchnorm_forward,
)
from clearprop.courses.nndl.layers import (
    NormCache,
    Params,
    affine_backward,
    affine_forward,
    batchnorm_backward,
    batchnorm_forward,
    relu_backward,
    relu_forward,
    softmax_loss,
)
from clearprop.courses.nndl.weights import Arrays, add_penalty, draw
from clearprop.layers.windows import output_sizes

__all__ = ["ThreeLayerConvNet"]

_POOL: Params = {"pool_height": 2, "pool_width": 2, "stride": 2}


class ThreeLayerConvNet:
    """conv – [batch norm] – relu – 2×2 max-pool – affine – [batch norm] – relu – affine – softmax.

    The convolution has stride 1 and (filter_size − 1) // 2 zeros on each side.

    Parameters
    ----------
    input_dim : (int, int, int)
        C, H, W.
    num_filters, filter_size : int
        F filters of filter_size × filter_size.
    hidden_dim, num_classes : int
    weight_scale : float
        The weights are weight_scale · np.random.randn, layer by layer; biases and beta are zero, gamma is one.
    reg : float
        Strength of the penalty ½ reg Σ W².
    dtype : dtype
        All is computed in it.
    use_batchnorm : bool
        After the convolution, one mean and variance for each channel, and after the first affine map.

    Attributes
    ----------
    params : dict of str to array
        W1 (F, C, HH, WW), b1 (F,), W2 (F · H' · W', hidden_dim), b2, W3 (hidden_dim, num_classes), b3; gamma1, beta1,
        gamma2, beta2 with batch norm.

    Examples
    --------
    >>> model = ThreeLayerConvNet(input_dim=(3, 8, 8), num_filters=4, filter_size=3)
    >>> model.loss(np.ones((2, 3, 8, 8))).shape, model.params["W2"].shape
    ((2, 10), (64, 100))
    """

    def __init__(
        self,
        input_dim: tuple[int, int, int] = (3, 32, 32),
        num_filters: int = 32,
        filter_size: int = 7,
        hidden_dim: int = 100,
        num_classes: int = 10,
        weight_scale: float = 1e-3,
        reg: float = 0.0,
        dtype: npt.DTypeLike = np.float32,
        use_batchnorm: bool = False,
    ) -> None:
        self.reg, self.dtype, self.use_batchnorm = reg, dtype, use_batchnorm
        channels, *size = input_dim
        pad = (filter_size - 1) // 2
        self.conv_param: Params = {"stride": 1, "pad": pad}
        for window, step, zeros in (((filter_size,) * 2, (1, 1), pad), ((2, 2), (2, 2), 0)):
            pads = ((zeros, zeros), (zeros, zeros))
            size = list(output_sizes("ThreeLayerConvNet", tuple(size), window, step, pads, (1, 1)))
        kernel = (num_filters, channels, filter_size, filter_size)
        features = num_filters * size[0] * size[1]
        params = {
            "W1": draw(weight_scale, kernel, axes=(2, 3, 1, 0)), "b1": np.zeros(num_filters),
            "W2": draw(weight_scale, (features, hidden_dim)), "b2": np.zeros(hidden_dim),
            "W3": draw(weight_scale, (hidden_dim, num_classes)), "b3": np.zeros(num_classes),
        }  # fmt: skip
        if use_batchnorm:
            for i, n in ((1, num_filters), (2, hidden_dim)):
                params |= {f"gamma{i}": np.ones(n), f"beta{i}": np.zeros(n)}
        self.params: Arrays = {name: value.astype(dtype) for name, value in params.items()}
        self.bn_params: list[Params] = [{"mode": "train"} for _ in range(2 if use_batchnorm else 0)]

    def loss(self, X: Array, y: Array | None = None) -> Any:
        """The scores (N, C) of X (N, C, H, W) in test mode; with labels y (N,), the loss and its gradients."""
        for param in self.bn_params:
            param["mode"] = "test" if y is None else "train"
        p, norms = self.params, []
        x = np.asarray(X).astype(self.dtype, copy=False)
        x, conv = conv_forward_naive(x, p["W1"], p["b1"], self.conv_param)
        if self.use_batchnorm:
            x, norm = spatial_batchnorm_forward(x, p["gamma1"], p["beta1"], self.bn_params[0])
            norms.append(norm)
        x, sign1 = relu_forward(x)
        x, pool = max_pool_forward_naive(x, _POOL)
        x, affine2 = affine_forward(x, p["W2"], p["b2"])
        if self.use_batchnorm:
            x, norm = batchnorm_forward(x, p["gamma2"], p["beta2"], self.bn_params[1])
            norms.append(norm)
        x, sign2 = relu_forward(x)
        scores, affine3 = affine_forward(x, p["W3"], p["b3"])
        if y is None:
            return scores
        loss, dscores = softmax_loss(scores, y)
        grads = _backward(dscores, (affine3, sign2, affine2, pool, sign1, conv), norms)
        return loss + add_penalty(p, grads, self.reg), grads


def _backward(dout: Array, caches: tuple[Any, ...], norms: list[NormCache]) -> Arrays:
    affine3, sign2, affine2, pool, sign1, conv = caches
    grads: Arrays = {}
    dout, grads["W3"], grads["b3"] = affine_backward(dout, affine3)
    dout = relu_backward(dout, sign2)
    if norms:
        dout, grads["gamma2"], grads["beta2"] = batchnorm_backward(dout, norms[1])
    dout, grads["W2"], grads["b2"] = affine_backward(dout, affine2)
    dout = relu_backward(max_pool_backward_naive(dout, pool), sign1)
    if norms:
        dout, grads["gamma1"], grads["beta1"] = spatial_batchnorm_backward(dout, norms[0])
    grads["W1"], grads["b1"] = conv_weight_gradients(dout, conv)
    return grads
