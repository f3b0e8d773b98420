"""Ready graphs of well-known homework. Each takes arrays, or draws them from a seed, and gives the loss and its nodes.

>>> loss, nodes = autoencoder(seed=0)
>>> sorted(nodes)
['W', 'x']
"""

from math import log as log_of
from math import pi

import numpy as np
import numpy.typing as npt

from clearprop.lens.graph import (
    Constant,
    Node,
    Variable,
    inverse,
    log,
    logdet,
    mean,
    sigmoid,
    softmax_cross_entropy,
    squared_norm,
    swish,
    trace,
)

Given = npt.ArrayLike | None
Example = tuple[Node, dict[str, Node]]


def _or_drawn(given: Given, rng: np.random.Generator, *shape: int) -> npt.ArrayLike:
    """The array, or normal numbers with two decimals, which a picture shows whole."""
    drawn = rng.normal(size=shape).round(
        2
    )  # drawn in any case, so that one array given leaves the others alone
    return drawn if given is None else given


def autoencoder(W: Given = None, x: Given = None, *, seed: int = 0) -> Example:
    """L = ½ ‖Wᵀ W x − x‖²; with m = Wᵀ W x − x the gradient is ∂W = W m xᵀ + (W x) mᵀ.

    Parameters
    ----------
    W : array of shape (M, D), optional
    x : array of shape (D,), optional
    seed : int
        Draws what is not given, with M = 2 and D = 3.

    Returns
    -------
    loss : Node
    nodes : dict of str to Node
    """
    rng = np.random.default_rng(seed)
    w_node = Variable("W", _or_drawn(W, rng, 2, 3))
    x_node = Variable("x", _or_drawn(x, rng, 3))
    hidden = (w_node @ x_node).named("h")
    m = ((w_node.T @ hidden).named("r") - x_node).named("m")
    return (0.5 * squared_norm(m)).named("L"), {"W": w_node, "x": x_node}


def _covariance(X: Variable, alpha: float, beta: float) -> Node:
    """K = α X Xᵀ + β⁻¹ I."""
    noise = Constant("β⁻¹I", np.eye(X.shape[0]) / beta)
    return (alpha * (X @ X.T) + noise).named("K")


def gp_lvm_log_det(
    X: Given = None, *, alpha: float = 0.5, beta: float = 2.0, D: int = 3, seed: int = 0
) -> Example:
    """L1 = −D/2 log |K|, K = α X Xᵀ + β⁻¹ I; the gradient is ∂X = −α D K⁻¹ X.

    Parameters
    ----------
    X : array of shape (N, Q), optional
    alpha, beta : float
    D : int
        How many columns the data has.
    seed : int
        Draws X where it is not given, with N = 2 and Q = 1.
    """
    x_node = Variable("X", _or_drawn(X, np.random.default_rng(seed), 2, 1))
    return ((-D / 2) * logdet(_covariance(x_node, alpha, beta))).named("L1"), {"X": x_node}


def gp_lvm_trace(
    X: Given = None, Y: Given = None, *, alpha: float = 0.5, beta: float = 2.0, seed: int = 0
) -> Example:
    """L2 = −½ tr(K⁻¹ Y Yᵀ), K = α X Xᵀ + β⁻¹ I; the gradient is ∂X = α K⁻¹ Y Yᵀ K⁻¹ X.

    Parameters
    ----------
    X : array of shape (N, Q), optional
    Y : array of shape (N, D), optional
    alpha, beta : float
    seed : int
        Draws what is not given, with N = 2, Q = 1 and D = 3.
    """
    rng = np.random.default_rng(seed)
    x_node = Variable("X", _or_drawn(X, rng, 2, 1))
    y = Constant("YYᵀ", _gram(_or_drawn(Y, rng, 2, 3)))
    spread = trace(inverse(_covariance(x_node, alpha, beta)) @ y)
    return (-0.5 * spread).named("L2"), {"X": x_node, "YYᵀ": y}


def gp_lvm(
    X: Given = None, Y: Given = None, *, alpha: float = 0.5, beta: float = 2.0, seed: int = 0
) -> Example:
    """L = −c − D/2 log |K| − ½ tr(K⁻¹ Y Yᵀ), the log-likelihood of a Gaussian-process latent variable model.

    K = α X Xᵀ + β⁻¹ I and c = ½ N D log 2π (N. Lawrence, "Gaussian Process Latent Variable Models for
    Visualisation of High Dimensional Data", 2004). The gradient is ∂X = α (−D K⁻¹ + K⁻¹ Y Yᵀ K⁻¹) X.

    Parameters
    ----------
    X : array of shape (N, Q), optional
    Y : array of shape (N, D), optional
    alpha, beta : float
    seed : int
        Draws what is not given, with N = 2, Q = 1 and D = 3.
    """
    rng = np.random.default_rng(seed)
    x_node = Variable("X", _or_drawn(X, rng, 2, 1))
    data = np.asarray(_or_drawn(Y, rng, 2, 3), np.float64)
    y = Constant("YYᵀ", _gram(data))
    K = _covariance(x_node, alpha, beta)
    N, D = data.shape
    c = Constant("c", 0.5 * N * D * log_of(2 * pi))
    first = ((-D / 2) * logdet(K)).named("L1")
    second = (-0.5 * trace(inverse(K) @ y)).named("L2")
    return (first + second - c).named("L"), {"X": x_node, "YYᵀ": y}


def _gram(Y: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Y Yᵀ: the data, of which the likelihood knows no more."""
    data = np.asarray(Y, np.float64)
    gram: npt.NDArray[np.float64] = data @ data.T
    return gram


def two_layer_swish(
    x: Given = None, y: int = 2, W1: Given = None, b1: Given = None, W2: Given = None, b2: Given = None,
    *, seed: int = 0,
) -> Example:  # fmt: skip
    """z1 = W1 x + b1, h = swish(z1), z2 = W2 h + b2, L = softmax cross-entropy of z2 and the label y.

    With ∂z2 = softmax(z2) − onehot(y): ∂W2 = ∂z2 hᵀ, ∂b2 = ∂z2, ∂z1 = (W2ᵀ ∂z2) ⊙ (σ + h ⊙ (1 − σ)) with
    σ = σ(z1), ∂W1 = ∂z1 xᵀ, ∂b1 = ∂z1.

    Parameters
    ----------
    x : array of shape (D,), optional
    y : int
    W1, b1, W2, b2 : arrays of shapes (H, D), (H,), (C, H) and (C,), optional
    seed : int
        Draws what is not given, with D = 3, H = 2 and C = 7.
    """
    rng = np.random.default_rng(seed)
    given = {"x": x, "W1": W1, "b1": b1, "W2": W2, "b2": b2}
    shapes = {"x": (3,), "W1": (2, 3), "b1": (2,), "W2": (7, 2), "b2": (7,)}
    v: dict[str, Node] = {k: Variable(k, _or_drawn(given[k], rng, *shapes[k])) for k in given}
    hidden = swish((v["W1"] @ v["x"] + v["b1"]).named("z1")).named("h")
    scores = (v["W2"] @ hidden + v["b2"]).named("z2")
    label = Constant("y", y)
    return softmax_cross_entropy(scores, label).named("L"), {**v, "y": label}


def logistic_regression(
    X: Given = None, y: Given = None, w: Given = None, b: Given = None, *, seed: int = 0
) -> Example:
    """L = −mean(y ⊙ log p + (1 − y) ⊙ log(1 − p)), p = σ(X w + b); the gradients are Xᵀ (p − y) / N and mean(p − y).

    Parameters
    ----------
    X : array of shape (N, D), optional
    y : array of shape (N,), optional
        Of 0 and 1.
    w : array of shape (D,), optional
    b : number, optional
    seed : int
        Draws what is not given, with N = 4 and D = 2.
    """
    rng = np.random.default_rng(seed)
    data = Constant("X", _or_drawn(X, rng, 4, 2))
    weights = Variable("w", _or_drawn(w, rng, 2))
    bias = Variable("b", _or_drawn(b, rng))
    labels = np.asarray(rng.integers(2, size=data.shape[0]) if y is None else y, np.float64)
    yes, no = Constant("y", labels), Constant("1 − y", 1 - labels)
    p = sigmoid((data @ weights + bias).named("z")).named("p")
    loss = -mean(yes * log(p) + no * log(1 - p))
    return loss.named("L"), {"X": data, "w": weights, "b": bias, "y": yes}


def xor(W1: Given = None, b1: Given = None, W2: Given = None, b2: Given = None, *, seed: int = 0) -> Example:
    """The smallest network that learns the exclusive or: 2 inputs, 2 hidden units, 1 output, all with a sigmoid.

    L = ½ ‖σ(σ(X W1 + b1) W2 + b2) − t‖², over the four rows of the truth table X (D. Rumelhart, G. Hinton,
    R. Williams, "Learning representations by back-propagating errors", 1986, have the like).

    Parameters
    ----------
    W1, b1, W2, b2 : arrays of shapes (2, 2), (2,), (2, 1) and (1,), optional
    seed : int
        Draws what is not given.
    """
    rng = np.random.default_rng(seed)
    v: dict[str, Node] = {
        "W1": Variable("W1", _or_drawn(W1, rng, 2, 2)),
        "b1": Variable("b1", _or_drawn(b1, rng, 2)),
        "W2": Variable("W2", _or_drawn(W2, rng, 2, 1)),
        "b2": Variable("b2", _or_drawn(b2, rng, 1)),
    }
    table = Constant("X", [[0, 0], [0, 1], [1, 0], [1, 1]])
    targets = Constant("t", [[0], [1], [1], [0]])
    hidden = sigmoid((table @ v["W1"] + v["b1"]).named("z1")).named("h")
    output = sigmoid((hidden @ v["W2"] + v["b2"]).named("z2")).named("y")
    return (0.5 * squared_norm(output - targets)).named("L"), {**v, "X": table, "t": targets}
