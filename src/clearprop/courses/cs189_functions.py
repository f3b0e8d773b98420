"""CS 189/289A, Fall 2022, homework 2: a network as plain functions over lists of arrays; float64, an example a row.

The mean over the batch is taken once, in `backward_pass`; losses and `dL_dg` are each example's own.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from clearprop.arrays import Array, check_shape, shape_text
from clearprop.batches import epoch_rows
from clearprop.data.idx import read_idx
from clearprop.data.npy import read_npz
from clearprop.data.pickles import read_arrays
from clearprop.data.registry import locate
from clearprop.errors import ConfigError, DataError, ShapeError
from clearprop.kernels.activations import relu_backward, relu_forward, sigmoid_backward, sigmoid_forward
from clearprop.kernels.affine import AffineCache, affine_backward, affine_forward
from clearprop.kernels.losses import cross_entropy
from clearprop.metrics import accuracy
from clearprop.names import check_count, check_number

ActivationFn = Callable[[Array], tuple[Array, Array]]

SMALLEST = 1e-15  # sigmoid's output stays this far from 0 and 1
SPREAD = 0.01  # the initial parameters' standard deviation
TOY_BATCH = Path(__file__).with_name("cs189_toy_batch.npz")
_ONE = np.ones(())


class LayerCache(NamedTuple):
    """What the backward pass needs of one layer."""

    x: Array  # (n, d_prev): the input
    W: Array  # (d_prev, d)
    slope: Array  # (n, d): the activation's derivative at x W + b


class ToyBatch(NamedTuple):
    """Two examples and a network 4-2-1, for the deliverables (a) to (d)."""

    X_batch: Array  # (2, 4)
    y_batch: Array  # (2,)
    weight_matrices: list[Array]  # (4, 2), (2, 1)
    biases: list[Array]  # (1, 2), (1, 1)


class Training(NamedTuple):
    """What `train` measured, one number a step, and the parameters that it found."""

    train_losses: list[float]
    train_accuracies: list[float]
    test_losses: list[float]
    test_accuracies: list[float]
    weight_matrices: list[Array]
    biases: list[Array]


def sigmoid_activation(s: Any) -> tuple[Array, Array]:
    """The sigmoid of each element, clipped to [1e-15, 1 − 1e-15], and its derivative out (1 − out).

    >>> sigmoid_activation(np.array([-1000, 0]))
    (array([1.e-15, 5.e-01]), array([1.0e-15, 2.5e-01]))
    """
    out, _ = sigmoid_forward(np.asarray(s, dtype=np.float64))
    out = np.clip(out, SMALLEST, 1 - SMALLEST)
    return out, sigmoid_backward(_ONE, out)


def relu_activation(s: Any) -> tuple[Array, Array]:
    """max(s, 0) of each element and its derivative, which is 0 at 0.

    >>> relu_activation(np.array([-2, 0, 3]))
    (array([0., 0., 3.]), array([0., 0., 1.]))
    """
    out, _ = relu_forward(np.asarray(s, dtype=np.float64))
    return out, relu_backward(_ONE, out)


def logistic_loss(g: Any, y: Any) -> tuple[Array, Array]:
    """Each example's −y log g − (1 − y) log(1 − g), and its derivative in g.

    Parameters
    ----------
    g : array of shape (n,)
        The network's outputs, from 0 to 1.
    y : array of shape (n,)
        The labels, 0 or 1.

    Returns
    -------
    loss, dL_dg : arrays of shape (n,)
        Not averaged.

    Raises
    ------
    ShapeError
        If g and y are not of one shape (n,): (n, 1) would broadcast to (n, n) in silence.
    DataError
        If some of them are not from 0 to 1.

    Examples
    --------
    >>> logistic_loss(np.array([0.5, 0.25]), np.array([0, 1]))
    (array([0.69314718, 1.38629436]), array([ 2., -4.]))
    """
    g, y = np.asarray(g, dtype=np.float64), np.asarray(y, dtype=np.float64)
    check_shape("logistic_loss", "g", g.shape, ("n",), "Pass g.ravel().")
    check_shape("logistic_loss", "y", y.shape, g.shape, "One label an output.")
    for what, values in (("g", g), ("y", y)):
        if not ((values >= 0) & (values <= 1)).all():
            raise DataError(
                f"logistic_loss: expected {what} from 0 to 1, got {values.min():g} to {values.max():g}. "
                "g comes out of sigmoid_activation, y is 0 or 1."
            )
    both = np.stack([1 - g, g], axis=1)  # (n, 2): the probabilities of 0 and 1
    loss, slopes = cross_entropy(both, np.stack([1 - y, y], axis=1))
    return loss, slopes[:, 1] - slopes[:, 0]


def layer_forward(x: Array, W: Array, b: Array, activation_fn: ActivationFn) -> tuple[Array, LayerCache]:
    """activation_fn(x W + b), and what the backward pass needs of it: x, W and the activation's derivative.

    x (n, d_prev), W (d_prev, d), b (1, d) to out (n, d); other shapes are a ShapeError.
    """
    x, W, b = (np.asarray(array, dtype=np.float64) for array in (x, W, b))
    check_shape("layer_forward", "W", W.shape, ("d_prev", "d"))
    check_shape("layer_forward", "x", x.shape, ("n", W.shape[0]), "Each row is an example.")
    check_shape("layer_forward", "b", b.shape, (1, W.shape[1]), "It is one row.")
    s, _ = affine_forward(x, W, b[0])
    out, slope = activation_fn(s)
    for what, array in (("out", out), ("derivative", slope)):
        check_shape("layer_forward", f"the activation's {what}", array.shape, s.shape, "One number an input.")
    return out, LayerCache(x, W, slope)


def create_weight_matrices(layer_dims: Sequence[int]) -> list[Array]:
    """A matrix (d_prev, d) for each layer, from N(0, 0.01²), drawn in order from NumPy's global stream.

    >>> [W.shape for W in create_weight_matrices([784, 200, 1])]
    [(784, 200), (200, 1)]
    """
    return [np.random.normal(0, SPREAD, shape) for shape in pairwise(_dims(layer_dims))]


def create_bias_vectors(layer_dims: Sequence[int]) -> list[Array]:
    """A row (1, d) for each layer, from N(0, 0.01²), drawn in order from NumPy's global stream.

    >>> [b.shape for b in create_bias_vectors([784, 200, 1])]
    [(1, 200), (1, 1)]
    """
    return [np.random.normal(0, SPREAD, (1, d)) for d in _dims(layer_dims)[1:]]


def forward_pass(
    X_batch: Array, weight_matrices: list[Array], biases: list[Array], activations: Sequence[ActivationFn]
) -> tuple[Array, list[LayerCache]]:
    """The network's outputs (n,) for the rows of X_batch (n, d), and each layer's cache.

    Raises
    ------
    ConfigError
        If there are not as many biases and activations as matrices.
    ShapeError
        If the shapes do not fit together, or the last layer has more than one output.
    """
    counts = [len(weight_matrices), len(biases), len(activations)]
    if min(counts) < 1 or len(set(counts)) > 1:
        raise ConfigError(
            f"forward_pass: expected a matrix, a bias and an activation for each layer, got {counts[0]} matrices, "
            f"{counts[1]} biases and {counts[2]} activations."
        )
    out, caches = np.asarray(X_batch, dtype=np.float64), []
    for W, b, activation_fn in zip(weight_matrices, biases, activations, strict=True):
        out, cache = layer_forward(out, W, b, activation_fn)
        caches.append(cache)
    check_shape("forward_pass", "the output", out.shape, ("n", 1), "End layer_dims with 1.")
    return out[:, 0], caches


def backward_pass(dL_dg: Array, layer_caches: Sequence[LayerCache]) -> tuple[list[Array], list[Array]]:
    """The gradients of the mean loss, from each example's own dL_dg (n,).

    Returns
    -------
    grad_Ws, grad_bs : lists of arrays
        In the shapes of the matrices and biases: (d_prev, d) and (1, d).
    """
    n = len(layer_caches[-1].x)
    check_shape("backward_pass", "dL_dg", np.shape(dL_dg), (n,), "logistic_loss gives it.")
    dout = np.asarray(dL_dg, dtype=np.float64)[:, None] / n  # (n, 1): the one place where the mean is taken
    grad_Ws: list[Array] = []
    grad_bs: list[Array] = []
    for layer, (x, W, slope) in reversed(list(enumerate(layer_caches))):
        dx, dW, db = affine_backward(dout * slope, AffineCache(x, W), need_dx=layer > 0)
        grad_Ws.insert(0, dW)
        grad_bs.insert(0, db[None])
        if dx is not None:
            dout = dx
    return grad_Ws, grad_bs


def my_nn_finite_difference_checker(
    X_batch: Array,
    y_batch: Array,
    weight_matrices: list[Array],
    biases: list[Array],
    activations: Sequence[ActivationFn],
    eps: float = 1e-5,
) -> tuple[list[Array], list[Array]]:
    """The gradients of the mean loss by central differences, (L(p + eps) − L(p − eps)) / (2 eps) for each number p.

    Two forward passes for each number: for small networks. The parameters are left as they are.

    Returns
    -------
    grad_Ws, grad_bs : lists of arrays
        In the shapes of the matrices and biases.
    """
    eps = check_number(
        "my_nn_finite_difference_checker", "eps", eps, "to be a finite number > 0", lambda e: e > 0
    )
    Ws, bs = ([np.array(p, dtype=np.float64) for p in given] for given in (weight_matrices, biases))

    def slope(p: Array, index: tuple[int, ...]) -> float:
        kept, sides = p[index], []
        for step in (eps, -eps):
            p[index] = kept + step
            output, _ = forward_pass(X_batch, Ws, bs, activations)
            sides.append(logistic_loss(output, y_batch)[0].mean())
        p[index] = kept
        return float(sides[0] - sides[1]) / (2 * eps)

    grad_Ws, grad_bs = (
        [np.reshape([slope(p, index) for index in np.ndindex(p.shape)], p.shape) for p in params]
        for params in (Ws, bs)
    )
    return grad_Ws, grad_bs


def get_mnist_threes_nines() -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """MNIST's threes and nines in the files' order, y = 1 for a nine.

    Returns
    -------
    (X_train, y_train), (X_test, y_test)
        X (12080, 28, 28) and (2019, 28, 28) float64, pixels from 0 to 1; y (12080,) and (2019,) int64.

    Raises
    ------
    DataError
        When a file of MNIST is missing, with the command that fetches it.
    """
    x_train, y_train, x_test, y_test = (read_idx(path) for path in locate("mnist"))
    train, test = (
        (x[chosen] / 255, (y[chosen] == 9).astype(np.int64))
        for x, y in ((x_train, y_train), (x_test, y_test))
        for chosen in [np.isin(y, (3, 9))]
    )
    return train, test


def display_image(image: Array) -> None:
    """Show a picture of shape (28, 28), or its 784 numbers in a row, in a window or a notebook."""
    import matplotlib.pyplot as plt

    image = np.asarray(image)
    if image.shape not in ((28, 28), (784,), (1, 784)):
        check_shape("display_image", "image", image.shape, (28, 28), "Pass one picture: X_train[0].")
    _, ax = plt.subplots(figsize=(2.8, 2.8))
    ax.imshow(image.reshape(28, 28), cmap="gray", vmin=0)
    ax.set_axis_off()
    plt.show()


def load_toy_batch(path: str | Path = TOY_BATCH) -> ToyBatch:
    """The homework's toy batch: (X_batch, y_batch, weight_matrices, biases).

    Parameters
    ----------
    path : str or Path
        An .npz with X_batch, y_batch, W1, W2, b1, b2, or the homework's own pickle, of which only arrays are read. By
        default the copy that clearprop brings.

    Raises
    ------
    FileError, DataError
        When the file is missing, damaged, holds something else, or is a pickle with anything but arrays.

    Examples
    --------
    >>> X_batch, y_batch, weight_matrices, biases = load_toy_batch()
    >>> X_batch.shape, y_batch.shape, [W.shape for W in weight_matrices], [b.shape for b in biases]
    ((2, 4), (2,), [(4, 2), (2, 1)], [(1, 2), (1, 1)])
    """
    if Path(path).suffix == ".npz":
        get = read_npz(path).get
        batch: Any = get("X_batch"), get("y_batch"), [get("W1"), get("W2")], [get("b1"), get("b2")]
    else:
        batch = read_arrays(path)
    if not _is_batch(batch):
        raise DataError(
            f"{path}: expected the toy batch, two arrays and two lists of arrays (X_batch, y_batch, weight_matrices, "
            "biases), got something else. load_toy_batch() without a path reads clearprop's copy."
        )
    return ToyBatch(*batch)


def train(
    X_train: Array,
    y_train: Array,
    X_test: Array,
    y_test: Array,
    layer_dims: Sequence[int] = (784, 200, 1),
    activations: Sequence[ActivationFn] | None = None,
    batch_size: int = 100,
    step_size: float = 0.1,
    num_epochs: int = 5,
    weight_matrices: list[Array] | None = None,
    biases: list[Array] | None = None,
) -> Training:
    """Mini-batch SGD as in the homework's 1.2 (e), reshuffled each epoch from NumPy's global stream.

    Parameters
    ----------
    X_train, X_test : arrays of shape (N, 784) or (N, 28, 28)
    y_train, y_test : arrays of shape (N,), 0 or 1
    layer_dims : sequence of int
        From the number of features to 1.
    activations : sequence of functions, optional
        One a layer; by default relu_activation, and sigmoid_activation at the end.
    batch_size, step_size, num_epochs
        The last batch of an epoch is short where they do not come out even.
    weight_matrices, biases : lists of arrays, optional
        Where to start; they are copied. By default `create_weight_matrices`, then `create_bias_vectors`.

    Returns
    -------
    Training
        The batch's mean loss and accuracy at each step, before it, the whole test set's after it; the parameters.

    Raises
    ------
    ShapeError, DataError, ConfigError
        If the shapes, labels or numbers do not fit.
    """
    batch_size = check_count("train", "batch_size", batch_size)
    step_size = check_number("train", "step_size", step_size, "to be a finite number > 0", lambda s: s > 0)
    num_epochs = check_count("train", "num_epochs", num_epochs)
    Ws = weight_matrices or create_weight_matrices(layer_dims)
    bs = biases or create_bias_vectors(layer_dims)
    Ws, bs = ([np.array(p, dtype=np.float64) for p in params] for params in (Ws, bs))
    fns = activations or [*[relu_activation] * (len(Ws) - 1), sigmoid_activation]
    x, y = _examples("train", X_train, y_train)
    x_test, y_test = _examples("test", X_test, y_test)
    run = Training([], [], [], [], Ws, bs)
    for _ in range(num_epochs):
        order = np.random.permutation(len(x))
        for rows in (order[batch] for batch in epoch_rows(len(x), batch_size)):
            output, caches = forward_pass(x[rows], Ws, bs, fns)
            loss, dL_dg = logistic_loss(output, y[rows])
            for params, gradients in zip((Ws, bs), backward_pass(dL_dg, caches), strict=True):
                for p, gradient in zip(params, gradients, strict=True):
                    gradient *= step_size  # ours, so that no array of the weights' size is made
                    p -= gradient
            run.train_losses.append(float(loss.mean()))
            run.train_accuracies.append(accuracy(y[rows], output > 0.5))
            output, _ = forward_pass(x_test, Ws, bs, fns)
            run.test_losses.append(float(logistic_loss(output, y_test)[0].mean()))
            run.test_accuracies.append(accuracy(y_test, output > 0.5))
    return run


def _dims(layer_dims: Sequence[int]) -> list[int]:
    dims = [check_count("layer_dims", "each size", d) for d in layer_dims]
    if len(dims) < 2:
        raise ConfigError(f"layer_dims: expected at least an input's and an output's size, got {dims}.")
    return dims


def _examples(name: str, X: Array, y: Array) -> tuple[Array, Array]:
    """Pictures as rows, and their labels."""
    X, y = np.asarray(X, dtype=np.float64), np.asarray(y)
    if X.ndim < 2 or not len(X):
        raise ShapeError(
            f"train: expected X_{name} of shape (N, D) or (N, 28, 28), got {shape_text(X.shape)}."
        )
    check_shape("train", f"y_{name}", y.shape, (len(X),), "One label an example.")
    return X.reshape(len(X), -1), y


def _is_batch(batch: Any) -> bool:
    """Whether it is two arrays and two lists of arrays."""
    if not isinstance(batch, tuple) or [type(part) for part in batch] != [np.ndarray, np.ndarray, list, list]:
        return False
    return all(isinstance(array, np.ndarray) for array in (*batch[2], *batch[3]))
