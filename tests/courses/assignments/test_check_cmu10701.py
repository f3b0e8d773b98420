"""CMU 10-701's checks: the solution passes, wrong ones are caught and named, another right one passes."""

import pytest
from students import changed, in_folder, outcomes

from clearprop.courses.assignments.check.cmu10701 import CHECKS

KEY = "cmu10701-s21"
LIB, SOL = "hw3_lib.py", "hw3_sol.py"
PARTS = {
    "Linear": 5, "GradientDescentOptimizer": 5, "Sigmoid": 5, "ReLU": 5, "CrossEntropyLoss": 10, "train_network": 20,
}  # fmt: skip


def test_the_solution_passes_all_checks(complete):
    found = outcomes(KEY, complete)
    assert list(found) == list(PARTS)
    assert set(found.values()) == {("passed", "")}
    assert {check.name: check.points for check in CHECKS} == PARTS


def test_a_students_parts_are_to_be_written(empty):
    for status, text in outcomes(KEY, empty).values():
        assert status == "to write"
        assert text.endswith("is still to be written.")


D_WEIGHTS, D_BIASES = "self.d_weights = self.in_x.T @ g / n", "self.d_biases = g.mean(axis=0, keepdims=True)"
DX, STEP = "return g @ self.weights.T", "layer.weights -= self.learning_rate * layer.d_weights"
SIGMOID = "np.where(x >= 0, 1, small) / (1 + small)"
SILENT = """    with np.errstate(all="ignore"):
        return np.exp(x) / (1 + np.exp(x))
    small = 0"""
RELU = "self.state = np.maximum(x, 0)\n        return self.state"
SCORE = "shifted = score - score.max(axis=1, keepdims=True)"
EVALUATE = '        for name in ("train", "test"):\n            label = dataset[f"{name}_y"]'
APPEND = '            result[f"{name}_loss"].append(criterion(score, label))\n'
LOOP = "        for start in range(0, len(train_x), batch_size):"
WRONG = {
    "linear, 1/N missing in the weights": (
        "Linear",
        LIB,
        [(D_WEIGHTS, "self.d_weights = self.in_x.T @ g")],
        "1/N is missing",
    ),
    "linear, 1/N twice in the weights": (
        "Linear",
        LIB,
        [(D_WEIGHTS, D_WEIGHTS + " / n")],
        "1/N is taken twice",
    ),
    "linear, 1/N missing in the biases": (
        "Linear",
        LIB,
        [("g.mean(axis=0, k", "g.sum(axis=0, k")],
        "1/N is missing",
    ),
    "linear, 1/N twice in the biases": ("Linear", LIB, [(D_BIASES, D_BIASES + " / n")], "1/N is taken twice"),
    "linear, biases not averaged": (
        "Linear",
        LIB,
        [(D_BIASES, "self.d_biases = g")],
        "the mean over the batch, axis 0, is missing",
    ),
    "linear, weights not copied": (
        "Linear",
        LIB,
        [("np.array(weights, dtype=np.float64)", "weights")],
        "Linear keeps the very weights that it was given",
    ),
    "linear, biases of another shape": (
        "Linear",
        LIB,
        [("g.mean(axis=0, keepdims=True)", "g.mean(axis=0)")],
        "lost its axis",
    ),
    "linear, transposed": (
        "Linear",
        LIB,
        [(D_WEIGHTS, "self.d_weights = g.T @ self.in_x / n")],
        "It is the transpose",
    ),
    "linear, added up": (
        "Linear",
        LIB,
        [(D_WEIGHTS, "self.d_weights += self.in_x.T @ g / n")],
        "write it anew",
    ),
    "linear, what it returns divided by N": (
        "Linear",
        LIB,
        [(DX, DX + " / n")],
        "It is divided by N: only the parameters'",
    ),
    "linear, nothing returned": ("Linear", LIB, [(DX, "g @ self.weights.T")], "is None: is a `return`"),
    "linear, no biases": (
        "Linear",
        LIB,
        [("x @ self.weights + self.biases", "x @ self.weights")],
        "biases are not added",
    ),
    "linear, g in place": (
        "Linear",
        LIB,
        [("        n = len(g)", "        n = len(g)\n        g /= n")],
        "g was changed in place",
    ),
    "relu, in place": (
        "ReLU",
        LIB,
        [("np.maximum(x, 0)", "np.maximum(x, 0, out=x)")],
        "x was changed in place",
    ),
    "relu, the slope at 0": (
        "ReLU",
        LIB,
        [("g * (self.state > 0)", "g * (self.state >= 0)")],
        "It is g itself",
    ),
    "relu, the slope at 0 from x": (
        "ReLU",
        LIB,
        [
            (RELU, "self.state = x\n        return np.maximum(x, 0)"),
            ("(self.state > 0)", "(self.state >= 0)"),
        ],
        "The slope at 0 is taken as 1",
    ),
    "sigmoid, a form that overflows to NaN": (
        "Sigmoid",
        LIB,
        [(SIGMOID, "np.exp(x) / (1 + np.exp(x))")],
        "NumPy warns of overflow encountered in exp. exp of a large number overflows",
    ),
    "sigmoid, a form that warns": (
        "Sigmoid",
        LIB,
        [(SIGMOID, "1 / (1 + np.exp(-x))")],
        "NumPy warns of overflow encountered in exp",
    ),
    "sigmoid, NaN in silence": (
        "Sigmoid",
        LIB,
        [("    small = np.exp(-np.abs(x))", SILENT)],
        "are NaN or infinite. exp of a large number overflows",
    ),
    "sigmoid, no derivative": (
        "Sigmoid",
        LIB,
        [("g * self.state * (1 - self.state)", "g")],
        "the derivative of the sigmoid is missing",
    ),
    "sigmoid, the slope of the input": (
        "Sigmoid",
        LIB,
        [("self.state = sigmoid(x)\n        return self.state", "self.state = x\n        return sigmoid(x)")],
        "x (1 - x) is taken for the slope",
    ),
    "loss, naive softmax": (
        "CrossEntropyLoss",
        LIB,
        [(SCORE, "shifted = score")],
        "subtract each row's largest first",
    ),
    "loss, one shift for all rows": (
        "CrossEntropyLoss",
        LIB,
        [(SCORE, "shifted = score - score.max()")],
        "subtract each row's largest",
    ),
    "loss, summed": ("CrossEntropyLoss", LIB, [("label].mean()", "label].sum()")], "the sum over the batch"),
    "loss, the mean over all entries": (
        "CrossEntropyLoss",
        LIB,
        [("-log_y_hat[rows, label].mean()", "-(self.y_true * log_y_hat).mean()")],
        "not over the N examples",
    ),
    "loss, backward divided by N": (
        "CrossEntropyLoss",
        LIB,
        [("self.y_hat - self.y_true", "(self.y_hat - self.y_true) / len(self.y_hat)")],
        "Linear takes the mean, so 1/N would be taken twice",
    ),
    "loss, y_true forgotten": (
        "CrossEntropyLoss",
        LIB,
        [("self.y_hat - self.y_true", "self.y_hat")],
        "y_true is not subtracted",
    ),
    "loss, the scores in place": (
        "CrossEntropyLoss",
        LIB,
        [(SCORE, "score -= score.max(axis=1, keepdims=True)\n        shifted = score")],
        "score was changed in place",
    ),
    "optimizer, up": (
        "GradientDescentOptimizer",
        LIB,
        [(STEP, STEP.replace("-=", "+="))],
        "The step goes up",
    ),
    "optimizer, no biases": (
        "GradientDescentOptimizer",
        LIB,
        [("layer.biases -= self.learning_rate * layer.d_biases", "pass")],
        "The biases are not moved",
    ),
    "optimizer, no learning rate": (
        "GradientDescentOptimizer",
        LIB,
        [(STEP, "layer.weights -= layer.d_weights")],
        "learning rate is forgotten",
    ),
    "training, shuffled": (
        "train_network",
        SOL,
        [
            (
                LOOP,
                "        if _ == 0:\n            order = np.random.permutation(len(train_x))\n"
                "            train_x, train_y = train_x[order], train_y[order]\n" + LOOP,
            )
        ],
        "The examples are shuffled",
    ),
    "training, shuffled anew each epoch": (
        "train_network",
        SOL,
        [
            (
                LOOP,
                "        order = np.random.permutation(len(train_x))\n"
                "        train_x, train_y = train_x[order], train_y[order]\n" + LOOP,
            )
        ],
        "Are the batches consecutive slices",
    ),
    "training, the short batch left out": (
        "train_network",
        SOL,
        [(LOOP, LOOP.replace("len(train_x)", "len(train_x) - batch_size + 1"))],
        "which is shorter, is left out",
    ),
    "training, measured before the epoch": (
        "train_network",
        SOL,
        [
            (LOOP, EVALUATE + '\n            score = model.forward(dataset[f"{name}_x"])\n' + APPEND + LOOP),
            (APPEND + '            result[f"{name}_acc', '            result[f"{name}_acc'),
        ],
        "before the epoch's updates",
    ),
    "training, a stale model": (
        "train_network",
        SOL,
        [
            (
                "    np.random.seed(seed)\n    crit",
                "    import copy\n    old = copy.deepcopy(model)\n    crit",
            ),
            ("score = model.forward(dataset", "score = old.forward(dataset"),
        ],
        "a stale copy",
    ),
    "training, the batches' own losses": (
        "train_network",
        SOL,
        [
            (
                "            criterion(model.forward(train_x[batch]), train_y[batch])\n",
                "            own = own + [criterion(model.forward(train_x[batch]), train_y[batch])]\n",
            ),
            (LOOP, "        own = []\n" + LOOP),
            (
                ".append(criterion(score, label))",
                '.append(np.mean(own) if name == "train" else criterion(score, label))',
            ),
        ],
        "batch",
    ),
    "training, percent": (
        "train_network",
        SOL,
        [("np.mean(predicted == label)", "100 * np.mean(predicted == label)")],
        "It is a percentage",
    ),
    "training, no test labels": (
        "train_network",
        SOL,
        [('result[f"yhat_{name}"] = predicted', 'result["yhat_train"] = predicted')],
        "expected shape (12,), got (7,)",
    ),
    "network, an activation after the last layer": (
        "train_network",
        SOL,
        [("MultiLayerPerceptron(layers[:-1])", "MultiLayerPerceptron(layers)")],
        "one activation between each two",
    ),
    "network, one hidden layer alone": (
        "train_network",
        SOL,
        [("list(size_hidden)", "list(size_hidden)[:1]")],
        "expected 3 Linear layers",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_solutions_are_caught_and_named(complete, tmp_path, name):
    check, file, replacements, words = WRONG[name]
    wrong = changed(complete, tmp_path / "wrong", file, *replacements)
    [(status, text)] = outcomes(KEY, wrong, check).values()
    assert status == "failed"
    assert words in text
    assert "case " in text


LOOPED = """
import math

import numpy as np


class Module:
    def __call__(self, *args):
        return self.forward(*args)


def sigmoid(x):
    out = np.zeros(np.shape(x))
    for i in np.ndindex(out.shape):
        v = float(x[i])
        out[i] = 1 / (1 + math.exp(-v)) if v >= 0 else math.exp(v) / (1 + math.exp(v))
    return out


class Sigmoid(Module):
    def forward(self, x):
        self.kept = (x, sigmoid(x))
        return self.kept[1]

    def backward(self, g):
        return g * np.exp(-np.abs(self.kept[0])) * self.kept[1] ** 2 * np.where(self.kept[0] < 0, 0, 1) + np.where(
            self.kept[0] < 0, g * self.kept[1] * (1 - self.kept[1]), 0
        )


class ReLU(Module):
    def forward(self, x):
        self.mask = x > 0
        return np.where(self.mask, x, 0.0)

    def backward(self, g):
        return np.where(self.mask, g, 0.0)


class Linear(Module):
    def __init__(self, init_params):
        self.weights, self.biases = (np.copy(p) for p in init_params)

    def forward(self, x):
        self.seen = [row.copy() for row in x]
        return np.einsum("ni,io->no", x, self.weights) + np.tile(self.biases, (len(x), 1))

    def backward(self, g):
        d_weights, d_biases = np.zeros(self.weights.shape), np.zeros(self.biases.shape)
        for row, grad in zip(self.seen, g):
            d_weights += np.outer(row, grad)
            d_biases[0] += grad
        self.d_weights, self.d_biases = d_weights * (1.0 / len(g)), d_biases * (1.0 / len(g))
        return np.array([self.weights.dot(grad) for grad in g])


class CrossEntropyLoss(Module):
    def forward(self, score, label):
        self.probs, total = [], 0.0
        for row, k in zip(score, label):
            e = [math.exp(v - max(row)) for v in row]
            self.probs.append([v / sum(e) for v in e])
            total -= math.log(self.probs[-1][k])
        self.label = list(label)
        return total / len(score)

    def backward(self):
        return np.array([[p - (j == k) for j, p in enumerate(row)] for row, k in zip(self.probs, self.label)])


class GradientDescentOptimizer:
    def __init__(self, model, learning_rate):
        self.model, self.lr = model, learning_rate

    def step(self):
        for layer in self.model.layers:
            if hasattr(layer, "weights"):
                layer.weights = layer.weights - self.lr * layer.d_weights
                layer.biases = layer.biases + -self.lr * layer.d_biases
"""


def test_a_right_solution_in_another_style_passes(complete, tmp_path):
    other = changed(
        complete, tmp_path / "other", SOL,
        ("np.mean(predicted == label)", "sum(int(a == b) for a, b in zip(predicted, label)) / len(label)"),
        ("result[f\"yhat_{name}\"] = predicted", "result[f\"yhat_{name}\"] = list(predicted)"),
    )  # fmt: skip
    (other / LIB).write_text(LOOPED)
    assert set(outcomes(KEY, other).values()) == {("passed", "")}
    assert in_folder(other, "run_tests.py")[1].endswith("50 of 50 points\n")
