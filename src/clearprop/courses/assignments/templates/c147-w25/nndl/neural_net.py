"""A two-layer network in one class. Its weights stand as (outputs, inputs)."""

import numpy as np


class TwoLayerNet:
    """Two fully connected layers with a relu between them, for C classes.

    X (N, D) -> affine -> relu (N, H) -> affine -> scores (N, C) -> softmax

    The loss is the mean cross-entropy of the softmax, plus ½ reg (ΣW1² + ΣW2²). The second layer has no relu: its
    outputs are the scores.

    Attributes
    ----------
    params : dict
        W1 (H, D), b1 (H,), W2 (C, H), b2 (C,).
    """

    def __init__(self, input_size, hidden_size, output_size, std=1e-4):
        """Draw the weights from a normal distribution with standard deviation `std`; the biases are 0."""
        self.params = {
            "W1": std * np.random.randn(hidden_size, input_size),
            "b1": np.zeros(hidden_size),
            "W2": std * np.random.randn(output_size, hidden_size),
            "b2": np.zeros(output_size),
        }

    def loss(self, X, y=None, reg=0.0):
        """Scores, or the loss and its gradients.

        Parameters
        ----------
        X : array of shape (N, D)
            One example a row.
        y : array of integers of shape (N,), optional
            Each row's class, from 0 to C - 1.
        reg : float
            The strength of the penalty on the weights. The biases have none.

        Returns
        -------
        Without y, the scores, of shape (N, C).
        With y, the loss (a number) and the gradients: a dict with params' keys and shapes.
        """
        W1, b1 = self.params["W1"], self.params["b1"]
        W2, b2 = self.params["W2"], self.params["b2"]

        # BEGIN SOLUTION: scores (N, C), from affine, relu and affine, without a loop; keep what the gradients need
        z = X @ W1.T + b1  # (N, H)
        h = np.maximum(z, 0)
        scores = h @ W2.T + b2
        # END SOLUTION

        if y is None:
            return scores

        # BEGIN SOLUTION: loss, the mean of -log p of the right classes, plus half of reg times all squared weights
        N = len(X)
        rows = np.arange(N)
        shifted = scores - scores.max(axis=1, keepdims=True)  # the same softmax, and exp cannot overflow
        powers = np.exp(shifted)
        sums = powers.sum(axis=1)
        data_loss = np.mean(np.log(sums) - shifted[rows, y])  # log(sums) is at least 0: never the log of 0
        loss = data_loss + 0.5 * reg * (np.sum(W1 * W1) + np.sum(W2 * W2))
        # END SOLUTION

        # BEGIN SOLUTION: grads, a dict with the keys W1, b1, W2, b2; go back from the scores, step by step
        dscores = powers / sums[:, None]
        dscores[rows, y] -= 1
        dscores /= N  # (N, C); the mean's 1/N, once
        dz = dscores @ W2 * (z > 0)  # (N, H)
        grads = {
            "W2": dscores.T @ h + reg * W2,
            "b2": dscores.sum(axis=0),
            "W1": dz.T @ X + reg * W1,
            "b1": dz.sum(axis=0),
        }
        # END SOLUTION

        return loss, grads

    def train(
        self,
        X,
        y,
        X_val,
        y_val,
        learning_rate=1e-3,
        learning_rate_decay=0.95,
        reg=1e-5,
        num_iters=100,
        batch_size=200,
        verbose=False,
    ):
        """Stochastic gradient descent.

        Parameters
        ----------
        X, y : arrays of shape (N, D) and (N,)
            The training set.
        X_val, y_val : arrays of shape (N_val, D) and (N_val,)
            The validation set.
        learning_rate : float
            A step is this times the gradient.
        learning_rate_decay : float
            The rate is multiplied by it once an epoch, and after the first step.
        reg : float
            The strength of the penalty.
        num_iters, batch_size : int
            How many steps, on how many examples each.
        verbose : bool
            Whether to print the loss at every hundredth step.

        Returns
        -------
        dict
            `loss_history`, one number a step; `train_acc_history` (on the batch) and `val_acc_history`, one an epoch.
        """
        num_train = len(X)
        iterations_per_epoch = max(num_train / batch_size, 1)
        history = {"loss_history": [], "train_acc_history": [], "val_acc_history": []}

        for it in range(num_iters):
            # BEGIN SOLUTION: X_batch and y_batch, batch_size rows drawn by np.random.choice, with replacement
            rows = np.random.choice(num_train, batch_size, replace=True)
            X_batch, y_batch = X[rows], y[rows]
            # END SOLUTION

            loss, grads = self.loss(X_batch, y=y_batch, reg=reg)
            history["loss_history"].append(loss)

            # BEGIN SOLUTION: a step of gradient descent for each of the four parameters
            for name, gradient in grads.items():
                self.params[name] = self.params[name] - learning_rate * gradient
            # END SOLUTION

            if verbose and it % 100 == 0:
                print(f"iteration {it} / {num_iters}: loss {loss}")

            if it % iterations_per_epoch == 0:
                history["train_acc_history"].append(float(np.mean(self.predict(X_batch) == y_batch)))
                history["val_acc_history"].append(float(np.mean(self.predict(X_val) == y_val)))
                learning_rate *= learning_rate_decay

        return history

    def predict(self, X):
        """The class with the largest score for each row of X: (N, D) -> (N,)."""
        # BEGIN SOLUTION: y_pred, from the scores
        y_pred = self.loss(X).argmax(axis=1)
        # END SOLUTION
        return y_pred
