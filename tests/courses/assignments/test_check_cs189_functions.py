"""CS 189's checks of Fall 2022: the solution passes, wrong ones are caught and named, another right one passes."""

import pytest
from students import changed, in_folder, outcomes

from clearprop.courses.assignments.check.cs189_functions import CHECKS

KEY = "cs189-fa22"


def test_the_solution_passes_all_checks(complete):
    assert set(outcomes(KEY, complete).values()) == {("passed", "")}


def test_the_points_are_the_documents():
    points = {}
    for check in CHECKS:
        part = check.name.split(") ")[0] + ")"
        points[part] = points.get(part, 0) + (check.points or 0)
    assert points == {"1.2 (a)": 0, "1.2 (b)": 8, "1.2 (c)": 8, "1.2 (d)": 6, "1.2 (e)": 6}


def test_a_students_parts_are_to_be_written(empty):
    for status, text in outcomes(KEY, empty).values():
        assert status == "to write"
        assert text.endswith("is still to be written.")


FORM = "np.where(s >= 0, 1.0, small) / (1.0 + small)"
BOTH_SIDES = "np.where(s >= 0, 1 / (1 + np.exp(-s)), np.exp(s) / (1 + np.exp(s)))"
CLIP = "out = np.clip(out, 1e-15, 1 - 1e-15)"
SLOPES = "return out, out * (1 - out)"
RELU = "return np.maximum(s, 0.0), (s > 0).astype(np.float64)"
RELU_IN_PLACE = "given[given < 0] = 0\n    return given, (s > 0).astype(np.float64)"
LOSS = "loss = -(y * np.log(g) + (1 - y) * np.log(1 - g))"
DL = "dL_dg = (g - y) / (g * (1 - g))"
ASSERT_G = 'assert g.ndim == 1, f"logistic_loss: g has shape {g.shape}, expected (n,)"'
ASSERT_Y = 'assert y.shape == g.shape, f"logistic_loss: y has shape {y.shape}, expected that of g, {g.shape}"'
LAYER = "activation_fn(x @ W + b)"
NORMAL = "np.random.normal(0, 0.01, (d_prev, d))"
BIASES = "np.random.normal(0, 0.01, (1, d))"
DOUT = "dout = dL_dg[:, None] / len(dL_dg)"
DS = "ds = dout * slope"
GRAD_W, GRAD_B = "grad_Ws.append(x.T @ ds)", "grad_bs.append(ds.sum(axis=0, keepdims=True))"
BACK = "return grad_Ws[::-1], grad_bs[::-1]"
BELOW = "parameter[i] = kept - eps\n            below = mean_loss()"
QUOTIENT = "(above - below) / (2 * eps)"
PUT_BACK = "            parameter[i] = kept\n            gradient"
ORDER = "order = np.random.permutation(len(X_train))"
UPDATE = "parameter -= step_size * gradient"
FIT = "run.test_losses.append(logistic_loss(output, y_test)[0].mean())"

WRONG = {
    "sigmoid, overflow": ("sigmoid", "overflow encountered in exp", (FORM, "1 / (1 + np.exp(-s))")),
    "sigmoid, both sides": ("sigmoid", "np.where computes both for all", (FORM, BOTH_SIDES)),
    "sigmoid, not clipped": ("sigmoid", "it is not clipped to (eps, 1 - eps)", (CLIP, "pass")),
    "sigmoid, clipped too finely": (
        "sigmoid",
        "1 - 1e-17 is 1 in float64",
        (CLIP, CLIP.replace("e-15", "e-17")),
    ),
    "sigmoid, the slope of s": ("sigmoid", "s (1 - s) is taken", (SLOPES, "return out, s * (1 - s)")),
    "sigmoid, out for the slope": ("sigmoid", "It is out itself", (SLOPES, "return out, out")),
    "sigmoid, one result": ("sigmoid", "returned ndarray: expected two things", (SLOPES, "return out")),
    "sigmoid, whole numbers": (
        "sigmoid",
        "the result was given s's dtype, which is int here",
        ("    s = np.asarray(s, dtype=np.float64)\n    small", "    out = np.empty_like(s)\n    small"),
        ("out = " + FORM, "out[...] = " + FORM),
    ),
    "relu, the slope at 0": (
        "relu",
        "The derivative at 0 is taken as 1",
        (RELU, RELU.replace("s > 0", "s >= 0")),
    ),
    "relu, in place": (
        "relu",
        "s was changed in place",
        (
            "    s = np.asarray(s, dtype=np.float64)\n    " + RELU,
            "    given, s = s, s.copy()\n    " + RELU_IN_PLACE,
        ),
    ),
    "relu, not cut": ("relu", "negative numbers become 0", (RELU, RELU.replace("np.maximum(s, 0.0)", "s"))),
    "loss, averaged": ("logistic_loss", "not averaged", ("return loss, dL_dg", "return loss.mean(), dL_dg")),
    "loss, 1/n in the derivative": ("logistic_loss", "1/n would be taken twice", (DL, DL + " / len(g)")),
    "loss, the logit's derivative": (
        "logistic_loss",
        "with respect to g, divide by g (1 - g)",
        (DL, "dL_dg = g - y"),
    ),
    "loss, y mixed up": (
        "logistic_loss",
        "0 and 1 are mixed up",
        (LOSS, LOSS.replace("np.log(g)", "np.log(1 - g)", 1).replace("* np.log(1 - g))", "* np.log(g))")),
    ),
    "loss, only ones": ("logistic_loss", "The part for y = 0 is missing", (LOSS, "loss = -y * np.log(g)")),
    "loss, broadcast": ("logistic_loss", "broadcast in silence", (ASSERT_G, "pass"), (ASSERT_Y, "pass")),
    "layer, no bias": ("layer_forward", "b is not added", (LAYER, "activation_fn(x @ W)")),
    "layer, no activation": (
        "layer_forward",
        "the activation is missing",
        (LAYER, LAYER + "\n    out = x @ W + b"),
    ),
    "weights, uniform": (
        "weight_matrices",
        "the uniform distribution",
        (NORMAL, "np.random.uniform(-0.01 * 3**0.5, 0.01 * 3**0.5, (d_prev, d))"),
    ),
    "weights, deviation 0.1": (
        "weight_matrices",
        "it is ten times too large",
        (NORMAL, NORMAL.replace("0.01", "0.1")),
    ),
    "weights, the variance": (
        "weight_matrices",
        "the deviation, not the variance",
        (NORMAL, NORMAL.replace("0.01", "0.01**2")),
    ),
    "weights, not scaled": (
        "weight_matrices",
        "scale=0.01 is missing",
        (NORMAL, "np.random.randn(d_prev, d)"),
    ),
    "weights, zeros": ("weight_matrices", "draw them from the normal", (NORMAL, "np.zeros((d_prev, d))")),
    "weights, not around 0": ("weight_matrices", "expected 0.", (NORMAL, NORMAL.replace("(0,", "(0.01,"))),
    "weights, transposed": (
        "weight_matrices",
        "returned shapes [(200, 300)",
        (NORMAL, NORMAL.replace("(d_prev, d)", "(d, d_prev)")),
    ),
    "weights, one row repeated": (
        "weight_matrices",
        "weights differ",
        (NORMAL, "np.tile(np.random.normal(0, 0.01, d), (d_prev, 1))"),
    ),
    "biases, of shape (d,)": (
        "bias_vectors",
        "returned shapes [(200,)",
        (BIASES, BIASES.replace("(1, d)", "d")),
    ),
    "biases, large": ("bias_vectors", "The largest bias is", (BIASES, BIASES.replace("0.01", "1"))),
    "forward, a column": (
        "forward_pass",
        "with (n, 1) it would broadcast",
        ("return out[:, 0], layer", "return out, layer"),
    ),
    "forward, the last cache alone": (
        "forward_pass",
        "expected one for each",
        ("return out[:, 0], layer_caches", "return out[:, 0], [cache]"),
    ),
    "forward, the input in place": (
        "forward_pass",
        "X_batch was changed in place",
        ("out, layer_caches = X_batch, []", "out, layer_caches = X_batch, []\n    out *= 2"),
    ),
    "backward, 1/n missing": ("backward_pass", "1/n is missing", (DOUT, "dout = dL_dg[:, None]")),
    "backward, 1/n twice": ("backward_pass", "1/n is taken twice", (DOUT, DOUT + " ** 2")),
    "backward, 1/n twice in the biases": (
        "backward_pass",
        "sum instead",
        (GRAD_B, GRAD_B.replace("sum", "mean")),
    ),
    "backward, transposed": ("backward_pass", "It is the transpose", (GRAD_W, "grad_Ws.append(ds.T @ x)")),
    "backward, biases not summed": (
        "backward_pass",
        "It is not summed over the batch",
        (GRAD_B, "grad_bs.append(ds)"),
    ),
    "backward, biases without their axis": (
        "backward_pass",
        "lost its axis",
        (GRAD_B, "grad_bs.append(ds.sum(axis=0))"),
    ),
    "backward, no mask": (
        "backward_pass",
        "The mask of the relu layers is missing",
        (DS, "ds = dout * slope if dout.shape[1] == 1 else dout"),
    ),
    "backward, no sigmoid": (
        "backward_pass",
        "The derivative of the sigmoid",
        (DS, "ds = dout if dout.shape[1] == 1 else dout * slope"),
    ),
    "backward, no derivatives": (
        "backward_pass",
        "The activations' derivatives are missing",
        (DS, "ds = dout"),
    ),
    "backward, the last first": (
        "backward_pass",
        "the last layer comes first",
        (BACK, "return grad_Ws, grad_bs"),
    ),
    "backward, dL_dg in place": (
        "backward_pass",
        "dL_dg was changed in place",
        (DOUT, "dL_dg /= len(dL_dg)\n    dout = dL_dg[:, None]"),
    ),
    "differences, one-sided": (
        "checker",
        "f(a + eps) - f(a) over eps",
        (BELOW, "parameter[i] = kept\n            below = mean_loss()"),
        (QUOTIENT, "(above - below) / eps"),
    ),
    "differences, one-sided from below": (
        "checker",
        "f(a) - f(a - eps) over eps",
        ("parameter[i] = kept + eps", "parameter[i] = kept"),
        (QUOTIENT, "(above - below) / eps"),
    ),
    "differences, over eps": ("checker", "divide by 2 eps, not by eps", (QUOTIENT, "(above - below) / eps")),
    "differences, / 2 * eps": ("checker", "write / (2 * eps)", (QUOTIENT, "(above - below) / 2 * eps")),
    "differences, eps ignored": (
        "checker",
        "eps is not used",
        ("    def mean_loss():", "    eps = 1e-5\n\n    def mean_loss():"),
    ),
    "differences, parameters left changed": (
        "checker",
        "The parameters are left changed",
        (PUT_BACK, "            gradient"),
    ),
    "differences, of the sum": (
        "checker",
        "It is N = 4 times the expected",
        ("[0].mean()\n\n    def diff", "[0].sum()\n\n    def diff"),
    ),
    "training, upwards": ("train", "is the gradient added", (UPDATE, "parameter += step_size * gradient")),
    "training, no update": (
        "train",
        "The loss is where it began",
        (UPDATE, "parameter = parameter - step_size * gradient"),
    ),
    "training, never shuffled": (
        "train",
        "in the same order of the data set",
        (ORDER, "order = np.arange(len(X_train))"),
    ),
    "training, shuffled once": (
        "train",
        "shuffle again in each epoch",
        (ORDER, "order = np.random.RandomState(0).permutation(len(X_train))"),
    ),
    "training, drawn": (
        "train",
        "does not visit each example once",
        (ORDER, "order = np.random.randint(len(X_train), size=len(X_train))"),
    ),
    "training, labels in another order": (
        "train",
        "X and y have to be shuffled by the same order",
        ("forward_pass(X_train[rows]", "forward_pass(X_train[rows[::-1]]"),
    ),
    "training, once an epoch": (
        "train",
        "200 numbers, one a step",
        (FIT, FIT + "\n            if start: run.test_losses.pop()"),
    ),
    "training, a sum reported": ("train", "measure the whole test set", (FIT, FIT.replace("mean", "sum"))),
    "training, the data in place": (
        "train",
        "X_train was changed in place",
        (ORDER, "np.random.shuffle(X_train)\n        " + ORDER),
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_solutions_are_caught_and_named(complete, tmp_path, name):
    check, words, *replacements = WRONG[name]
    wrong = changed(complete, tmp_path / "wrong", "hw2.py", *replacements)
    [(status, text)] = outcomes(KEY, wrong, check).values()
    assert status == "failed"
    assert words in text
    assert "case " in text


OTHER = """
import math

import numpy as np


def sigmoid_activation(s):
    s = np.array(s, dtype=float)
    positive = s > 0
    out = np.empty(s.shape)
    out[positive] = 1 / (1 + np.exp(-s[positive]))
    e = np.exp(s[~positive])
    out[~positive] = e / (1 + e)
    out = np.minimum(np.maximum(out, 1e-12), 1 - 1e-12)
    return out, out - out**2


def relu_activation(s):
    mask = np.greater(s, 0)
    return s * mask, mask


def logistic_loss(g, y):
    if np.shape(g) != np.shape(y):
        raise ValueError("shapes")
    loss = np.array([-math.log(p) if label == 1 else -math.log1p(-p) for p, label in zip(g, y)])
    return loss, np.where(np.equal(y, 1), -1 / g, 1 / (1 - g))


def layer_forward(x, W, b, activation_fn):
    s = np.einsum("ij,jk->ik", x, W) + b
    out, ds = activation_fn(s)
    return out, {"in": x.copy(), "w": W.T, "ds": ds}


def create_weight_matrices(layer_dims):
    return [0.01 * np.random.randn(layer_dims[i], layer_dims[i + 1]) for i in range(len(layer_dims) - 1)]


def create_bias_vectors(layer_dims):
    return [np.zeros((1, d)) for d in layer_dims[1:]]


def forward_pass(X_batch, weight_matrices, biases, activations):
    caches = ()
    for i in range(len(activations)):
        X_batch, cache = layer_forward(X_batch, weight_matrices[i], biases[i], activations[i])
        caches += (cache,)
    return X_batch.squeeze(axis=1), caches


def backward_pass(dL_dg, layer_caches):
    grad_Ws, grad_bs = [], []
    up = dL_dg.reshape(-1, 1)
    for cache in layer_caches[::-1]:
        ds = cache["ds"] * up
        grad = np.zeros(cache["w"].T.shape)
        for x, d in zip(cache["in"], ds):
            grad += np.outer(x, d)
        grad_Ws = [grad / len(dL_dg)] + grad_Ws
        grad_bs = [ds.mean(0)[None, :]] + grad_bs
        up = np.matmul(ds, cache["w"])
    return tuple(grad_Ws), tuple(grad_bs)


def my_nn_finite_difference_checker(X_batch, y_batch, weight_matrices, biases, activations, eps=1e-5):
    grads = []
    for params in (weight_matrices, biases):
        found = []
        for p in params:
            g = np.zeros_like(p)
            for r in range(p.shape[0]):
                for c in range(p.shape[1]):
                    values = []
                    for move in (eps, -2 * eps):  # moves the number there and back, which rounds
                        p[r, c] += move
                        out, _ = forward_pass(X_batch, weight_matrices, biases, activations)
                        values.append(np.average(logistic_loss(out, y_batch)[0]))
                    p[r, c] += eps
                    g[r, c] = (values[0] - values[1]) / 2 / eps
            found.append(g)
        grads.append(found)
    return grads


def train(X_train, y_train, X_test, y_test, layer_dims=(784, 200, 1), activations=None, batch_size=100,
          step_size=0.1, num_epochs=5):
    fns = activations or [relu_activation] * (len(layer_dims) - 2) + [sigmoid_activation]
    W, b = create_weight_matrices(layer_dims), create_bias_vectors(layer_dims)
    losses, accuracies, test_losses, test_accuracies = [], [], [], []
    for _ in range(num_epochs):
        pairs = list(zip(X_train, y_train))
        np.random.shuffle(order := list(range(len(pairs))))
        for k in range(len(pairs) // batch_size):
            batch = [pairs[i] for i in order[k * batch_size : (k + 1) * batch_size]]
            X, y = np.array([x for x, _ in batch]), np.array([label for _, label in batch])
            out, caches = forward_pass(X_batch=X, weight_matrices=W, biases=b, activations=fns)
            loss, d = logistic_loss(g=out, y=y)
            test_out, _ = forward_pass(X_test, W, b, fns)
            test_losses.append(np.mean(logistic_loss(test_out, y_test)[0]))
            test_accuracies.append(np.mean(np.round(test_out) == y_test))
            dW, db = backward_pass(d, caches)
            W = [w - step_size * g for w, g in zip(W, dW)]
            b = [v - step_size * g for v, g in zip(b, db)]
            losses.append(np.mean(loss))
            accuracies.append(np.mean(np.round(out) == y))
    return losses, accuracies, test_losses, test_accuracies, W, b


def load_toy_batch():
    with np.load("test_batch_weights_biases.npz") as z:
        return z["X_batch"], z["y_batch"], [z["W1"], z["W2"]], [z["b1"], z["b2"]]
"""


def test_a_right_solution_in_another_style_passes(complete, tmp_path):
    other = changed(complete, tmp_path / "other", "hw2.py")
    (other / "hw2.py").write_text(OTHER)
    assert set(outcomes(KEY, other).values()) == {("passed", "")}


def test_a_network_whose_loss_takes_the_log_of_0_is_told_by_its_own_tests(complete, tmp_path):
    wrong = changed(complete, tmp_path / "wrong", "hw2.py", (CLIP, "pass"))
    code, text = in_folder(wrong, "-m", "unittest", "test_hw2.TestActivations")
    assert code == 1
    assert "is the output clipped?" in text
