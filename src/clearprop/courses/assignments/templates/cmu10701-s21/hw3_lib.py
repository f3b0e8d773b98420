"""Homework 3, the library: layers, the loss and the optimizer.

An example is a row: a batch of N examples with D features each is an array of shape (N, D). B stands for the layer's
batch, `in` and `out` for the number of a layer's inputs and outputs. All numbers are float64.

Where the mean over the batch is taken: the loss's `backward` gives each example's own gradient, and every layer hands
on each example's own gradient. Only `Linear`, when it computes the gradients of its parameters, takes the mean.
"""

import numpy as np


class Module:
    """A step of the computation that can be done forward and, for its gradients, backward.

    `module(x)` is short for `module.forward(x)`. See module_tutorial.py for an example.
    """

    def __call__(self, *x):
        return self.forward(*x)

    def forward(self, *x):
        """From the inputs to the output, keeping what `backward` will need."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def backward(self, *g):
        """From the gradient of the last output to the gradient of the last input."""
        raise NotImplementedError(f"{type(self).__name__} has no backward")


def sigmoid(x):
    """1 / (1 + exp(-x)) of each element.

    x: array of any shape  ->  array of the same shape, without overflow for any x
    """
    # BEGIN SOLUTION: exp of a large number overflows; which form of the formula needs none, for each sign of x?
    small = np.exp(-np.abs(x))  # between 0 and 1, whatever x is
    return np.where(x >= 0, 1, small) / (1 + small)
    # END SOLUTION


class Sigmoid(Module):
    """The sigmoid of each element. `state` is for what `backward` needs of the last `forward`."""

    def __init__(self):
        self.state = None

    def forward(self, x):
        """x: any shape  ->  the same shape"""
        # BEGIN SOLUTION: what does the derivative of the sigmoid need? Keep that in self.state.
        self.state = sigmoid(x)
        return self.state
        # END SOLUTION

    def backward(self, g):
        """g: the gradient of the output  ->  the gradient of the input, in the same shape"""
        # BEGIN SOLUTION: the chain rule, with the sigmoid's derivative in terms of its output
        return g * self.state * (1 - self.state)
        # END SOLUTION


class ReLU(Module):
    """max(x, 0) of each element; its slope at 0 counts as 0. `state` is for what `backward` needs."""

    def __init__(self):
        self.state = None

    def forward(self, x):
        """x: any shape, and left as it is  ->  the same shape"""
        # BEGIN SOLUTION: make a new array, since whoever passed x may still need it
        self.state = np.maximum(x, 0)
        return self.state
        # END SOLUTION

    def backward(self, g):
        """g: the gradient of the output  ->  the gradient of the input, in the same shape"""
        # BEGIN SOLUTION: the gradient passes where the input was above 0
        return g * (self.state > 0)
        # END SOLUTION


class Linear(Module):
    """y = x W + b for each row x of a batch.

    init_params: a pair (weights, biases) of shapes (in, out) and (1, out), which are copied

    After `backward`, `d_weights` and `d_biases` are the gradients, in the parameters' shapes. `d_bias` is another
    name of `d_biases`.
    """

    def __init__(self, init_params):
        weights, biases = init_params
        self.weights = np.array(weights, dtype=np.float64)
        self.biases = np.array(biases, dtype=np.float64)
        self.d_weights = np.zeros_like(self.weights)
        self.d_biases = np.zeros_like(self.biases)
        self.in_x = None

    @property
    def d_bias(self):
        return self.d_biases

    @d_bias.setter
    def d_bias(self, value):
        self.d_biases = value

    def forward(self, x):
        """x: (N, in)  ->  (N, out)"""
        # BEGIN SOLUTION: keep the input in self.in_x
        self.in_x = x
        return x @ self.weights + self.biases
        # END SOLUTION

    def backward(self, g):
        """g: (N, out), each example's own gradient  ->  (N, in), each example's own, too

        Writes `d_weights` (in, out) and `d_biases` (1, out): means over the N examples.
        """
        # BEGIN SOLUTION: three gradients; the shapes say which array is transposed, and two of them are means
        n = len(g)
        self.d_weights = self.in_x.T @ g / n
        self.d_biases = g.mean(axis=0, keepdims=True)
        return g @ self.weights.T
        # END SOLUTION


class CrossEntropyLoss(Module):
    """Softmax and the mean cross entropy over the batch, in one.

    y_hat: (N, K), the probabilities of the last `forward`
    y_true: (N, K), its labels, each as a row with a single 1
    """

    def __init__(self):
        self.y_hat = None
        self.y_true = None

    def forward(self, score, label):
        """score: (N, K), label: (N,) integers from 0 to K - 1  ->  the mean loss, one number"""
        # BEGIN SOLUTION: keep self.y_hat and self.y_true. What may you subtract from a row of scores before exp?
        rows = np.arange(len(score))
        shifted = score - score.max(axis=1, keepdims=True)  # at most 0, so exp is at most 1
        log_total = np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        log_y_hat = shifted - log_total  # (N, K), without the log of a number that has become 0
        self.y_hat = np.exp(log_y_hat)
        self.y_true = np.zeros_like(self.y_hat)
        self.y_true[rows, label] = 1
        return -log_y_hat[rows, label].mean()
        # END SOLUTION

    def backward(self):
        """(N, K): each example's gradient of its own loss with respect to its scores, not divided by N"""
        # BEGIN SOLUTION: softmax and cross entropy together have a short derivative
        return self.y_hat - self.y_true
        # END SOLUTION


class GradientDescentOptimizer:
    """Gradient descent with a fixed learning rate, for all Linear layers of a model."""

    def __init__(self, model, learning_rate):
        self.model = model
        self.learning_rate = learning_rate

    def step(self):
        """Move the weights and the biases of every Linear layer in `self.model.layers`, against the gradient."""
        # BEGIN SOLUTION: some layers have no parameters
        for layer in self.model.layers:
            if isinstance(layer, Linear):
                layer.weights -= self.learning_rate * layer.d_weights
                layer.biases -= self.learning_rate * layer.d_biases
        # END SOLUTION
