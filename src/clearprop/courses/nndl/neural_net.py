"""A two-layer network in one class, with its own training loop; its weights are (units, inputs)."""

from typing import Any

import numpy as np

from clearprop.arrays import Array
from clearprop.courses.nndl.layers import (
    affine_backward,
    affine_forward,
    affine_weight_gradients,
    relu_backward,
    relu_forward,
    softmax_loss,
)
from clearprop.courses.nndl.weights import Arrays, add_penalty, draw

__all__ = ["TwoLayerNet"]


class TwoLayerNet:
    """affine – relu – affine – softmax, with weights as (units, inputs).

    Parameters
    ----------
    input_size, hidden_size, output_size : int
        D, H, C.
    std : float
        The weights are std · np.random.randn, W1 first; the biases are zero.

    Attributes
    ----------
    params : dict of str to array
        W1 (H, D), b1 (H,), W2 (C, H), b2 (C,).

    Examples
    --------
    >>> np.random.seed(0)
    >>> net = TwoLayerNet(4, 10, 3, std=1e-1)
    >>> net.params["W1"].shape, net.predict(np.ones((2, 4))).shape
    ((10, 4), (2,))
    """

    def __init__(self, input_size: int, hidden_size: int, output_size: int, std: float = 1e-4) -> None:
        self.params: Arrays = {
            "W1": draw(std, (hidden_size, input_size), axes=(1, 0)),
            "b1": np.zeros(hidden_size),
            "W2": draw(std, (output_size, hidden_size), axes=(1, 0)),
            "b2": np.zeros(output_size),
        }

    def loss(self, X: Array, y: Array | None = None, reg: float = 0.0) -> Any:
        """The scores (N, C) of X (N, D); with labels y (N,), the loss and its gradients, named as the parameters.

        The loss is the mean softmax cross-entropy plus ½ reg (‖W1‖² + ‖W2‖²).
        """
        p = self.params
        before, first = affine_forward(X, p["W1"].T, p["b1"])
        hidden, sign = relu_forward(before)
        scores, second = affine_forward(hidden, p["W2"].T, p["b2"])
        if y is None:
            return scores
        loss, dscores = softmax_loss(scores, y)
        dhidden, dw2, db2 = affine_backward(dscores, second)
        dw1, db1 = affine_weight_gradients(relu_backward(dhidden, sign), first)
        grads = {"W2": dw2.T, "b2": db2, "W1": dw1.T, "b1": db1}
        return loss + add_penalty(p, grads, reg), grads

    def train(
        self,
        X: Array,
        y: Array,
        X_val: Array,
        y_val: Array,
        learning_rate: float = 1e-3,
        learning_rate_decay: float = 0.95,
        reg: float = 1e-5,
        num_iters: int = 100,
        batch_size: int = 200,
        verbose: bool = False,
    ) -> dict[str, list[float]]:
        """Stochastic gradient descent on batches drawn with `np.random.choice(N, batch_size, replace=True)`.

        Whenever the iteration is a multiple of max(N / batch_size, 1), at iteration 0 too, the accuracies on the
        batch and on X_val are noted, and the learning rate is multiplied by its decay. With `verbose` the loss is
        printed every 100 iterations.

        Returns
        -------
        dict of str to list of float
            loss_history, train_acc_history, val_acc_history.
        """
        iterations_per_epoch = max(len(X) / batch_size, 1)
        history: dict[str, list[float]] = {
            "loss_history": [],
            "train_acc_history": [],
            "val_acc_history": [],
        }
        for it in range(num_iters):
            rows = np.random.choice(len(X), batch_size, replace=True)
            X_batch, y_batch = X[rows], y[rows]
            loss, grads = self.loss(X_batch, y_batch, reg)
            history["loss_history"].append(loss)
            for name, grad in grads.items():
                grad *= learning_rate
                self.params[name] -= grad
            if verbose and it % 100 == 0:
                print(f"iteration {it} / {num_iters}: loss {loss}")
            if it % iterations_per_epoch == 0:
                history["train_acc_history"].append(float((self.predict(X_batch) == y_batch).mean()))
                history["val_acc_history"].append(float((self.predict(X_val) == y_val).mean()))
                learning_rate *= learning_rate_decay
        return history

    def predict(self, X: Array) -> Array:
        """The labels (N,) of X (N, D): each row's highest score."""
        labels: Array = self.loss(X).argmax(axis=1)
        return labels
