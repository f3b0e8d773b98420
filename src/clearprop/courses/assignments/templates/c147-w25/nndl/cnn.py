"""A convolutional network from the layers. All of it is HW5's."""

import numpy as np

from nndl.conv_layers import (
    conv_backward_naive,
    conv_forward_naive,
    max_pool_backward_naive,
    max_pool_forward_naive,
    spatial_batchnorm_backward,
    spatial_batchnorm_forward,
)
from nndl.layers import (
    affine_backward,
    affine_forward,
    batchnorm_backward,
    batchnorm_forward,
    relu_backward,
    relu_forward,
    softmax_loss,
)


class ThreeLayerConvNet:
    """conv - [batch norm] - relu - 2x2 max pool - affine - [batch norm] - relu - affine - softmax

    The convolution keeps the image's size. The loss has the penalty ½ reg ΣW² over the three weights.

    Attributes
    ----------
    params : dict
        W1 (F, C, filter_size, filter_size), b1 (F,); W2 (F * H/2 * W/2, hidden_dim), b2; W3 (hidden_dim, classes), b3;
        with batch norm also gamma1, beta1 (F,) and gamma2, beta2 (hidden_dim,).
    """

    def __init__(
        self,
        input_dim=(3, 32, 32),
        num_filters=32,
        filter_size=7,
        hidden_dim=100,
        num_classes=10,
        weight_scale=1e-3,
        reg=0.0,
        dtype=np.float32,
        use_batchnorm=False,
    ):
        """Draw the weights.

        Parameters
        ----------
        input_dim : tuple of int
            An image's (C, H, W).
        num_filters, filter_size : int
            The convolution's; the filters are square, of an odd size.
        hidden_dim, num_classes : int
        weight_scale : float
            The standard deviation of the weights.
        reg : float
            The strength of the penalty.
        dtype : NumPy dtype
            Of the parameters and of all computations.
        use_batchnorm : bool
        """
        self.use_batchnorm = use_batchnorm
        self.reg = reg
        self.dtype = dtype
        self.params = {}
        self.conv_param = {"stride": 1, "pad": (filter_size - 1) // 2}
        self.pool_param = {"pool_height": 2, "pool_width": 2, "stride": 2}
        self.bn_params = [{"mode": "train"}, {"mode": "train"}] if use_batchnorm else []

        # BEGIN SOLUTION: HW5: W1, b1, W2, b2, W3, b3, drawn as in TwoLayerNet; with batch norm its parameters, too
        C, H, W = input_dim
        shapes = [
            (num_filters, C, filter_size, filter_size),
            (num_filters * (H // 2) * (W // 2), hidden_dim),
            (hidden_dim, num_classes),
        ]
        for i, shape in enumerate(shapes, 1):
            units = num_filters if i == 1 else shape[1]
            self.params[f"W{i}"] = weight_scale * np.random.randn(*shape)
            self.params[f"b{i}"] = np.zeros(units)
            if use_batchnorm and i < 3:
                self.params[f"gamma{i}"] = np.ones(units)
                self.params[f"beta{i}"] = np.zeros(units)
        # END SOLUTION

        self.params = {name: values.astype(dtype) for name, values in self.params.items()}

    def loss(self, X, y=None):
        """The scores of images X (N, C, H, W); with y, the loss and the gradients, a dict with params' keys."""
        X = X.astype(self.dtype, copy=False)
        mode = "test" if y is None else "train"
        for bn_param in self.bn_params:
            bn_param["mode"] = mode

        # BEGIN SOLUTION: HW5: scores, by the layers; keep their caches
        params, bn1, bn2 = self.params, None, None
        h, conv = conv_forward_naive(X, params["W1"], params["b1"], self.conv_param)
        if self.use_batchnorm:
            h, bn1 = spatial_batchnorm_forward(h, params["gamma1"], params["beta1"], self.bn_params[0])
        h, relu1 = relu_forward(h)
        h, pool = max_pool_forward_naive(h, self.pool_param)
        h, affine2 = affine_forward(h, params["W2"], params["b2"])
        if self.use_batchnorm:
            h, bn2 = batchnorm_forward(h, params["gamma2"], params["beta2"], self.bn_params[1])
        h, relu2 = relu_forward(h)
        scores, affine3 = affine_forward(h, params["W3"], params["b3"])
        # END SOLUTION

        if y is None:
            return scores

        grads = {}
        # BEGIN SOLUTION: HW5: loss with its penalty, and grads, through the layers in reverse
        loss, dscores = softmax_loss(scores, y)
        dh, grads["W3"], grads["b3"] = affine_backward(dscores, affine3)
        dh = relu_backward(dh, relu2)
        if self.use_batchnorm:
            dh, grads["gamma2"], grads["beta2"] = batchnorm_backward(dh, bn2)
        dh, grads["W2"], grads["b2"] = affine_backward(dh, affine2)
        dh = relu_backward(max_pool_backward_naive(dh, pool), relu1)
        if self.use_batchnorm:
            dh, grads["gamma1"], grads["beta1"] = spatial_batchnorm_backward(dh, bn1)
        _, grads["W1"], grads["b1"] = conv_backward_naive(dh, conv)
        for name in ("W1", "W2", "W3"):
            loss += 0.5 * self.reg * np.sum(params[name] ** 2)
            grads[name] += self.reg * params[name]
        # END SOLUTION

        return loss, grads
