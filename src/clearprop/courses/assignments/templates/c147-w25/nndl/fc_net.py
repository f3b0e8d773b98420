"""Fully connected networks from the layers; the Solver in utils/solver.py trains them."""

import numpy as np

from nndl.layer_utils import affine_relu_backward, affine_relu_forward
from nndl.layers import (
    affine_backward,
    affine_forward,
    batchnorm_backward,
    batchnorm_forward,
    dropout_backward,
    dropout_forward,
    relu_backward,
    relu_forward,
    softmax_loss,
)


class TwoLayerNet:
    """affine - relu - affine - softmax, with the penalty ½ reg (ΣW1² + ΣW2²).

    Attributes
    ----------
    params : dict
        W1 (D, H), b1 (H,), W2 (H, C), b2 (C,): the weights stand as (inputs, outputs) here.
    """

    def __init__(
        self, input_dim=3 * 32 * 32, hidden_dims=100, num_classes=10, dropout=0, weight_scale=1e-3, reg=0.0
    ):
        """Draw the weights.

        Parameters
        ----------
        input_dim, hidden_dims, num_classes : int
            D, H and C.
        dropout : 0
            This network has none; FullyConnectedNet has.
        weight_scale : float
            The standard deviation of the weights.
        reg : float
            The strength of the penalty.
        """
        if dropout:
            raise ValueError("TwoLayerNet has no dropout; FullyConnectedNet([hidden_dims], dropout=...) has.")
        self.reg = reg
        self.params = {}

        # BEGIN SOLUTION: W1, b1, W2, b2: normal weights with mean 0 and deviation weight_scale; zeros for biases
        self.params["W1"] = weight_scale * np.random.randn(input_dim, hidden_dims)
        self.params["b1"] = np.zeros(hidden_dims)
        self.params["W2"] = weight_scale * np.random.randn(hidden_dims, num_classes)
        self.params["b2"] = np.zeros(num_classes)
        # END SOLUTION

    def loss(self, X, y=None):
        """Scores, or the loss and its gradients.

        Parameters
        ----------
        X : array of shape (N, d1, ..., dk)
        y : array of integers of shape (N,), optional

        Returns
        -------
        Without y, the scores (N, C). With y, the loss and the gradients, a dict with params' keys.
        """
        # BEGIN SOLUTION: scores, by the layers that you have written; keep their caches
        hidden, first = affine_relu_forward(X, self.params["W1"], self.params["b1"])
        scores, second = affine_forward(hidden, self.params["W2"], self.params["b2"])
        # END SOLUTION

        if y is None:
            return scores

        grads = {}
        # BEGIN SOLUTION: loss with its penalty (mind the half), and grads, by the layers' backward functions
        loss, dscores = softmax_loss(scores, y)
        dhidden, grads["W2"], grads["b2"] = affine_backward(dscores, second)
        _, grads["W1"], grads["b1"] = affine_relu_backward(dhidden, first)
        W1, W2 = self.params["W1"], self.params["W2"]
        loss += self.reg * (0.5 * np.sum(W1 * W1) + 0.5 * np.sum(W2 * W2))
        grads["W1"] += self.reg * W1
        grads["W2"] += self.reg * W2
        # END SOLUTION

        return loss, grads


class FullyConnectedNet:
    """{affine - [batch norm] - relu - [dropout]} x (L - 1) - affine - softmax, for any number L of layers.

    The loss has the penalty ½ reg ΣW² over all weights; biases, gammas and betas have none.

    Attributes
    ----------
    params : dict
        Wi (inputs, outputs) and bi of the layers i = 1 ... L; with batch norm also gammai and betai, but not for L.
    num_layers : int
        L, one more than there are hidden layers.
    """

    def __init__(
        self,
        hidden_dims,
        input_dim=3 * 32 * 32,
        num_classes=10,
        dropout=0,
        use_batchnorm=False,
        reg=0.0,
        weight_scale=1e-2,
        dtype=np.float32,
        seed=None,
    ):
        """Draw the weights.

        Parameters
        ----------
        hidden_dims : list of int
            The size of each hidden layer.
        input_dim, num_classes : int
        dropout : float
            The probability with which a hidden unit is dropped; 0 for no dropout.
        use_batchnorm : bool
        reg : float
            The strength of the penalty.
        weight_scale : float
            The standard deviation of the weights.
        dtype : NumPy dtype
            Of the parameters and of all computations: float32 is fast, float64 is for gradient checks.
        seed : int, optional
            For dropout: the same masks in every call, so that gradients can be checked.
        """
        self.use_batchnorm = use_batchnorm
        self.use_dropout = dropout > 0
        self.reg = reg
        self.num_layers = 1 + len(hidden_dims)
        self.dtype = dtype
        self.params = {}

        # BEGIN SOLUTION: Wi and bi of all layers, drawn as in TwoLayerNet; HW4: gammai of ones, betai of zeros
        sizes = [input_dim, *hidden_dims, num_classes]
        for i in range(1, self.num_layers + 1):
            self.params[f"W{i}"] = weight_scale * np.random.randn(sizes[i - 1], sizes[i])
            self.params[f"b{i}"] = np.zeros(sizes[i])
            if use_batchnorm and i < self.num_layers:
                self.params[f"gamma{i}"] = np.ones(sizes[i])
                self.params[f"beta{i}"] = np.zeros(sizes[i])
        # END SOLUTION

        # HW4: all dropout layers share one dictionary; every batch norm has its own, for its running numbers
        self.dropout_param = {"mode": "train", "p": dropout} if self.use_dropout else {}
        if self.use_dropout and seed is not None:
            self.dropout_param["seed"] = seed
        self.bn_params = [{"mode": "train"} for _ in hidden_dims] if use_batchnorm else []

        self.params = {name: values.astype(dtype) for name, values in self.params.items()}

    def loss(self, X, y=None):
        """Scores, or the loss and its gradients, as in TwoLayerNet.

        Without y, batch norm and dropout work as at test time; with y, as in training.
        """
        X = X.astype(self.dtype, copy=False)
        mode = "test" if y is None else "train"
        for layer_param in (self.dropout_param, *self.bn_params):
            layer_param["mode"] = mode

        # BEGIN SOLUTION: scores, layer after layer; keep the caches. Leave batch norm and dropout for HW4
        h, caches = X, []
        for i in range(1, self.num_layers):
            bn = drop = None
            h, affine = affine_forward(h, self.params[f"W{i}"], self.params[f"b{i}"])
            if self.use_batchnorm:
                gamma, beta = self.params[f"gamma{i}"], self.params[f"beta{i}"]
                h, bn = batchnorm_forward(h, gamma, beta, self.bn_params[i - 1])
            h, relu = relu_forward(h)
            if self.use_dropout:
                h, drop = dropout_forward(h, self.dropout_param)
            caches.append((affine, bn, relu, drop))
        L = self.num_layers
        scores, last = affine_forward(h, self.params[f"W{L}"], self.params[f"b{L}"])
        # END SOLUTION

        if mode == "test":
            return scores

        grads = {}
        # BEGIN SOLUTION: loss with its penalty (mind the half), and grads, through the layers in reverse
        loss, dscores = softmax_loss(scores, y)
        dh, grads[f"W{L}"], grads[f"b{L}"] = affine_backward(dscores, last)
        for i in range(L - 1, 0, -1):
            affine, bn, relu, drop = caches[i - 1]
            if self.use_dropout:
                dh = dropout_backward(dh, drop)
            dh = relu_backward(dh, relu)
            if self.use_batchnorm:
                dh, grads[f"gamma{i}"], grads[f"beta{i}"] = batchnorm_backward(dh, bn)
            dh, grads[f"W{i}"], grads[f"b{i}"] = affine_backward(dh, affine)
        for i in range(1, L + 1):
            W = self.params[f"W{i}"]
            loss += 0.5 * self.reg * np.sum(W * W)
            grads[f"W{i}"] += self.reg * W
        # END SOLUTION

        return loss, grads
