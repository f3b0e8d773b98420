"""Tests of hw2.py: `python -m unittest -v`, or one of them: `python -m unittest test_hw2.TestLoss -v`.

What is expected comes from the formulas themselves, computed number by number with Python's math, and from central
differences of the loss that is computed this way.
"""

import math
import pickle
import unittest
import warnings
from pathlib import Path

import hw2
import numpy as np

PICKLE = Path(__file__).with_name("test_batch_weights_biases.pkl")


def plain_output(row, Ws, bs):
    """One example through the network, relu in between and the sigmoid in the end, number by number."""
    values = [float(v) for v in row]
    for layer, (W, b) in enumerate(zip(Ws, bs)):
        sums = [sum(v * W[i, j] for i, v in enumerate(values)) + b[0, j] for j in range(W.shape[1])]
        last = layer == len(Ws) - 1
        values = [1 / (1 + math.exp(-s)) if last else max(s, 0.0) for s in sums]
    return values[0]


def plain_loss(X, y, Ws, bs):
    """The mean negative log-likelihood, number by number."""
    total = 0.0
    for row, label in zip(X, y):
        g = plain_output(row, Ws, bs)
        total -= math.log(g) if label == 1 else math.log(1 - g)
    return total / len(X)


def plain_gradients(X, y, Ws, bs, eps=1e-6):
    """Its gradients by central differences."""
    found = []
    for p in [*Ws, *bs]:
        gradient = np.zeros(p.shape)
        for i in np.ndindex(p.shape):
            kept = p[i]
            p[i] = kept + eps
            above = plain_loss(X, y, Ws, bs)
            p[i] = kept - eps
            below = plain_loss(X, y, Ws, bs)
            p[i] = kept
            gradient[i] = (above - below) / (2 * eps)
        found.append(gradient)
    return found[: len(Ws)], found[len(Ws) :]


def small_network(dims=(5, 4, 3, 1), n=6):
    """A batch, its labels, and parameters that are large enough for every neuron to matter."""
    rng = np.random.default_rng(2022)
    Ws = [rng.normal(size=shape) for shape in zip(dims[:-1], dims[1:])]
    bs = [rng.normal(size=(1, d)) for d in dims[1:]]
    activations = [hw2.relu_activation] * (len(Ws) - 1) + [hw2.sigmoid_activation]
    return rng.normal(size=(n, dims[0])), rng.integers(2, size=n), Ws, bs, activations


class TestActivations(unittest.TestCase):
    def test_sigmoid(self):
        s = np.array([[1.0, 0.0], [-1.0, 3.5]])
        out, slope = hw2.sigmoid_activation(s)
        expected = np.array([[1 / (1 + math.exp(-v)) for v in row] for row in s])
        np.testing.assert_allclose(out, expected, rtol=1e-12)
        np.testing.assert_allclose(slope, expected * (1 - expected), rtol=1e-12)

    def test_sigmoid_of_large_numbers(self):
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # an overflow is a failure
            out, slope = hw2.sigmoid_activation(np.asarray([-1000, 1000]))
        np.testing.assert_allclose(out, [1e-15, 1 - 1e-15], rtol=1e-9, err_msg="is the output clipped?")
        np.testing.assert_allclose(slope, [0, 0], atol=1e-14)

    def test_relu(self):
        s = np.array([[-2.0, 0.0, 3.0], [0.5, -0.5, 0.0]])
        before = s.copy()
        out, slope = hw2.relu_activation(s)
        np.testing.assert_array_equal(out, [[0, 0, 3], [0.5, 0, 0]])
        np.testing.assert_array_equal(slope, [[0, 0, 1], [1, 0, 0]])
        np.testing.assert_array_equal(s, before, err_msg="s was changed in place")


class TestLoss(unittest.TestCase):
    def test_loss_and_derivative(self):
        g, y = np.array([0.5, 0.9, 0.2]), np.array([1, 0, 0])
        loss, dL_dg = hw2.logistic_loss(g, y)
        np.testing.assert_allclose(loss, [-math.log(0.5), -math.log(0.1), -math.log(0.8)], rtol=1e-12)
        np.testing.assert_allclose(dL_dg, [-1 / 0.5, 1 / 0.1, 1 / 0.8], rtol=1e-12)

    def test_shapes_that_would_broadcast(self):
        try:
            loss, _ = hw2.logistic_loss(np.full((3, 1), 0.5), np.array([1, 0, 0]))
        except NotImplementedError:
            raise
        except Exception:
            return  # refused, as it should be
        self.assertEqual(np.size(loss), 3, "g (3, 1) and y (3,) became one number for each pair")


class TestNetwork(unittest.TestCase):
    def test_layer_forward(self):
        x, W, b = (
            np.array([[1.0, 2.0], [0.0, -1.0]]),
            np.array([[1.0, -1.0, 0.5], [2.0, 0.0, 1.0]]),
            np.array([[0, 1, -1]]),
        )
        out, _ = hw2.layer_forward(x, W, b, hw2.relu_activation)
        np.testing.assert_allclose(out, [[5, 0, 1.5], [0, 1, 0]])

    def test_initial_parameters(self):
        Ws, bs = hw2.create_weight_matrices([300, 200, 1]), hw2.create_bias_vectors([300, 200, 1])
        self.assertEqual([W.shape for W in Ws], [(300, 200), (200, 1)])
        self.assertEqual([b.shape for b in bs], [(1, 200), (1, 1)])
        self.assertAlmostEqual(float(Ws[0].mean()), 0, delta=0.0005)
        self.assertAlmostEqual(float(Ws[0].std()), 0.01, delta=0.0005)

    def test_forward_pass(self):
        X, _, Ws, bs, activations = small_network()
        output, layer_caches = hw2.forward_pass(X, Ws, bs, activations)
        np.testing.assert_allclose(output, [plain_output(row, Ws, bs) for row in X], rtol=1e-9)
        self.assertEqual(len(layer_caches), len(Ws))

    def test_backward_pass(self):
        X, y, Ws, bs, activations = small_network()
        output, layer_caches = hw2.forward_pass(X, Ws, bs, activations)
        _, dL_dg = hw2.logistic_loss(output, y)
        self.same_gradients(hw2.backward_pass(dL_dg, layer_caches), plain_gradients(X, y, Ws, bs))

    def test_finite_differences(self):
        X, y, Ws, bs, activations = small_network(dims=(3, 2, 1))
        before = [p.copy() for p in Ws + bs]
        found = hw2.my_nn_finite_difference_checker(X, y, Ws, bs, activations)
        for p, kept in zip(Ws + bs, before):
            np.testing.assert_array_equal(p, kept, err_msg="a parameter is not as it was before")
        self.same_gradients(found, plain_gradients(X, y, Ws, bs))

    def same_gradients(self, got, expected):
        for name, found, right in zip(("W", "b"), got, expected):
            self.assertEqual(len(found), len(right))
            for layer, (a, b) in enumerate(zip(found, right), 1):
                np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-8, err_msg=f"gradient of {name}{layer}")


class TestToyBatch(unittest.TestCase):
    def test_the_two_files_hold_the_same(self):
        with PICKLE.open("rb") as fn:
            (X_batch, y_batch, weight_matrices, biases) = pickle.load(fn)
        X, y, Ws, bs = hw2.load_toy_batch()
        for a, b in zip([X_batch, y_batch, *weight_matrices, *biases], [X, y, *Ws, *bs]):
            np.testing.assert_array_equal(a, b)

    def test_mean_loss(self):
        X, y, Ws, bs = hw2.load_toy_batch()
        output, _ = hw2.forward_pass(X, Ws, bs, [hw2.relu_activation, hw2.sigmoid_activation])
        loss, _ = hw2.logistic_loss(output, y)
        self.assertAlmostEqual(float(loss.mean()), plain_loss(X, y, Ws, bs), places=12)


class TestTraining(unittest.TestCase):
    def test_two_clusters(self):
        rng = np.random.default_rng(3)
        y = rng.integers(2, size=300)
        X = np.where(y == 1, 1.0, -1.0)[:, None] + rng.normal(size=(300, 10))
        np.random.seed(0)
        run = hw2.train(
            X[:200], y[:200], X[200:], y[200:], layer_dims=[10, 8, 1], batch_size=20, num_epochs=20
        )
        for numbers in run[:4]:
            self.assertEqual(len(numbers), 200, "one number a step: 20 epochs of 10 batches")
        self.assertLess(run.test_losses[-1], 0.2)
        self.assertGreater(run.test_accuracies[-1], 0.95)


if __name__ == "__main__":
    unittest.main()
