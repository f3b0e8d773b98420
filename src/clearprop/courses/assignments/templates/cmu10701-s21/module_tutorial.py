"""What a Module is, on two small examples. Nothing in this file is to be written; run it to see the output.

A Module computes something in `forward`, and keeps what it will need in `backward`. In `backward` it is given the
gradient of the loss with respect to its last output, g, and returns the gradient with respect to its last input. By
the chain rule that is g times its own derivative, so each Module needs to know nothing about its neighbours.
"""

import numpy as np
from hw3_lib import Module


class Square(Module):
    """y = x^2 of each element. A Module without parameters, as Sigmoid and ReLU are."""

    def __init__(self):
        self.state = None

    def forward(self, x):
        self.state = x  # the derivative is 2x, so backward needs x
        return x**2

    def backward(self, g):
        return g * 2 * self.state


class Scale(Module):
    """y = a x with a factor a for each column. A Module with a parameter, as Linear is.

    weights: (1, D); after `backward`, d_weights is the gradient, in the same shape.
    """

    def __init__(self, weights):
        self.weights = np.array(weights, dtype=np.float64)
        self.d_weights = np.zeros_like(self.weights)
        self.in_x = None

    def forward(self, x):
        self.in_x = x
        return x * self.weights

    def backward(self, g):
        # Each example gives a gradient of the factors of its own, g * x, and the parameter's is the mean of them.
        self.d_weights = (g * self.in_x).mean(axis=0, keepdims=True)
        return g * self.weights


def numeric_gradient(f, x, delta=1e-6):
    """The gradient of f() with respect to the array x, which f reads: central differences, number by number."""
    gradient = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        kept = x[i]
        x[i] = kept + delta
        above = f()
        x[i] = kept - delta
        below = f()
        x[i] = kept
        gradient[i] = (above - below) / (2 * delta)
    return gradient


def main():
    x = np.array([[1.0, -2.0], [0.5, 3.0]])  # two examples with two features each
    scale, square = Scale([[2.0, -1.0]]), Square()

    y = square(scale(x))  # forward, the first Module first
    print("x =", x.tolist())
    print("y = (a x)^2 =", y.tolist())

    # As a loss, take the sum of an example's outputs, and the mean of that over the examples. Each example's own
    # gradient with respect to y is then 1 everywhere.
    dx = scale.backward(square.backward(np.ones_like(y)))  # backward, the last Module first
    print("each example's own gradient with respect to x:", dx.tolist())
    print("gradient with respect to a:", scale.d_weights.tolist())

    # Do the numbers agree? Wiggle each entry of a and watch the loss: the way to check your own Modules, too.
    numeric = numeric_gradient(lambda: square(scale(x)).sum(axis=1).mean(), scale.weights)
    print("the same by differences:   ", numeric.round(6).tolist())


if __name__ == "__main__":
    main()
