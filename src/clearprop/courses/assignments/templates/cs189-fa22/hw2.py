"""Homework 2: a neural network in plain functions, which tells threes from nines.

    python hw2.py                        the deliverables (a) to (d), on the toy batch
    python hw2.py train                  deliverable (e): trains on MNIST's threes and nines, writes three pictures
    python hw2.py train --step-size 10   what a large step does
    python hw2.py memorize               deliverable (f), optional: random pictures learned by heart

An example is a row: a batch of n examples with d features each is an array of shape (n, d). A layer's weights are
(d_prev, d) and its biases (1, d), so a batch goes through it as x @ W + b.
"""

import argparse
import gzip
from pathlib import Path
from typing import NamedTuple

import numpy as np

HERE = Path(__file__).resolve().parent
MNIST = HERE / "mnist"
TOY_BATCH = HERE / "test_batch_weights_biases.npz"
LAYER_DIMS = (784, 200, 1)


# --- Data ---------------------------------------------------------------------------------------------------------


def read_idx(path):
    """The array in one of MNIST's files: a line of sizes, each four bytes, then one byte a number."""
    if not path.exists():
        raise FileNotFoundError(
            f"{path}: there is no such file. `clearprop course data {HERE}` brings MNIST."
        )
    with gzip.open(path, "rb") as file:
        content = file.read()
    ndim = content[3]  # after two zeros and the kind of numbers, 8 for bytes
    shape = np.frombuffer(content, ">i4", count=ndim, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * ndim).reshape(shape)


def get_mnist_threes_nines():
    """MNIST's threes and nines: ((X_train, y_train), (X_test, y_test)).

    X_train is (12080, 28, 28) and X_test (2019, 28, 28), pixels from 0 to 1; y is 1 for a nine and 0 for a three.
    """
    parts = []
    for name in ("train", "t10k"):
        images = read_idx(MNIST / f"{name}-images-idx3-ubyte.gz")
        digits = read_idx(MNIST / f"{name}-labels-idx1-ubyte.gz")
        chosen = (digits == 3) | (digits == 9)
        parts.append((images[chosen] / 255.0, (digits[chosen] == 9).astype(np.int64)))
    return tuple(parts)


def display_image(image):
    """Show a picture of shape (28, 28), or the same as a row of 784 numbers."""
    import matplotlib.pyplot as plt

    plt.imshow(np.reshape(image, (28, 28)), cmap="gray")
    plt.axis("off")
    plt.show()


def load_toy_batch():
    """X_batch (2, 4), y_batch (2,), weight_matrices [(4, 2), (2, 1)], biases [(1, 2), (1, 1)].

    The same arrays lie in test_batch_weights_biases.pkl, for those who want to read them with pickle. Do so only with
    pickles that you trust, since a pickle may run code.
    """
    with np.load(TOY_BATCH) as toy:
        return toy["X_batch"], toy["y_batch"], [toy["W1"], toy["W2"]], [toy["b1"], toy["b2"]]


# --- 1.2 (b) Activations, the loss, one layer ---------------------------------------------------------------------


def sigmoid_activation(s):
    """The sigmoid of each element, and its derivative.

    s: any shape, integers too  ->  out, dout_ds: the same shape

    out is kept between 1e-15 and 1 - 1e-15, so that the loss can take logarithms of it.
    """
    # BEGIN SOLUTION: two forms of the sigmoid are given in 1.3 (b); each is safe for one sign of s. Clip, too.
    s = np.asarray(s, dtype=np.float64)
    small = np.exp(-np.abs(s))  # between 0 and 1, so nothing overflows
    out = np.where(s >= 0, 1.0, small) / (1.0 + small)
    out = np.clip(out, 1e-15, 1 - 1e-15)
    return out, out * (1 - out)
    # END SOLUTION


def relu_activation(s):
    """max(s, 0) of each element, and its derivative, which counts as 0 where s is 0.

    s: any shape  ->  out, dout_ds: the same shape
    """
    # BEGIN SOLUTION: two new arrays; leave s as it is
    s = np.asarray(s, dtype=np.float64)
    return np.maximum(s, 0.0), (s > 0).astype(np.float64)
    # END SOLUTION


def logistic_loss(g, y):
    """Each example's negative log-likelihood, and its derivative with respect to g.

    g: (n,), the network's outputs between 0 and 1; y: (n,), labels 0 or 1  ->  loss, dL_dg: (n,), not averaged
    """
    # BEGIN SOLUTION: make sure of the shapes first: (n, 1) and (n,) would give (n, n) without a word
    g, y = np.asarray(g), np.asarray(y)
    assert g.ndim == 1, f"logistic_loss: g has shape {g.shape}, expected (n,)"
    assert y.shape == g.shape, f"logistic_loss: y has shape {y.shape}, expected that of g, {g.shape}"
    loss = -(y * np.log(g) + (1 - y) * np.log(1 - g))
    dL_dg = (g - y) / (g * (1 - g))
    return loss, dL_dg
    # END SOLUTION


def layer_forward(x, W, b, activation_fn):
    """One layer: activation_fn(x W + b).

    x: (n, d_prev), W: (d_prev, d), b: (1, d)  ->  out: (n, d), cache: what `backward_pass` needs of this layer
    """
    # BEGIN SOLUTION: which arrays do the derivatives with respect to W, b and x contain?
    out, slope = activation_fn(x @ W + b)
    return out, (x, W, slope)
    # END SOLUTION


# --- 1.2 (c) The network, forward ---------------------------------------------------------------------------------


def create_weight_matrices(layer_dims):
    """For each layer a matrix (d_prev, d) with entries from the normal distribution, mean 0, deviation 0.01."""
    # BEGIN SOLUTION: layer_dims [784, 200, 1] needs two matrices
    return [np.random.normal(0, 0.01, (d_prev, d)) for d_prev, d in zip(layer_dims[:-1], layer_dims[1:])]
    # END SOLUTION


def create_bias_vectors(layer_dims):
    """For each layer a row (1, d), from the same distribution as the weights."""
    # BEGIN SOLUTION: layer_dims [784, 200, 1] needs two rows
    return [np.random.normal(0, 0.01, (1, d)) for d in layer_dims[1:]]
    # END SOLUTION


def forward_pass(X_batch, weight_matrices, biases, activations):
    """The whole network.

    X_batch: (n, d); a matrix, a bias and an activation for each layer, the last of which has one neuron

    Returns the outputs, of shape (n,), and the list of the layers' caches.
    """
    # BEGIN SOLUTION: layer by layer; what shape does the last one's output have, and what shape does the loss expect?
    out, layer_caches = X_batch, []
    for W, b, activation_fn in zip(weight_matrices, biases, activations):
        out, cache = layer_forward(out, W, b, activation_fn)
        layer_caches.append(cache)
    return out[:, 0], layer_caches
    # END SOLUTION


# --- 1.2 (d) The network, backward --------------------------------------------------------------------------------


def backward_pass(dL_dg, layer_caches):
    """The gradients of the batch's mean loss.

    dL_dg: (n,), each example's own, as `logistic_loss` gives it; layer_caches: from `forward_pass`

    Returns grad_Ws and grad_bs, lists in the layers' order, in the shapes of the matrices and the biases.
    """
    # BEGIN SOLUTION: from the last layer to the first. Where does the mean's 1/n go, so that it is taken once?
    dout = dL_dg[:, None] / len(dL_dg)  # (n, 1): of the mean loss, with respect to the last layer's output
    grad_Ws, grad_bs = [], []
    for x, W, slope in reversed(layer_caches):
        ds = dout * slope  # (n, d): with respect to x W + b
        grad_Ws.append(x.T @ ds)
        grad_bs.append(ds.sum(axis=0, keepdims=True))
        dout = ds @ W.T  # (n, d_prev): with respect to the layer before
    return grad_Ws[::-1], grad_bs[::-1]
    # END SOLUTION


# --- 1.2 (a) Finite differences -----------------------------------------------------------------------------------


def my_nn_finite_difference_checker(X_batch, y_batch, weight_matrices, biases, activations, eps=1e-5):
    """The gradients of the mean loss, by central differences in steps of eps, one parameter at a time.

    Returns grad_Ws and grad_bs, as `backward_pass` does. The parameters are afterwards as they were before.
    """
    # BEGIN SOLUTION: two losses for each number in each array. Put the number back as it was, do not add eps again.

    def mean_loss():
        output, _ = forward_pass(X_batch, weight_matrices, biases, activations)
        return logistic_loss(output, y_batch)[0].mean()

    def differences(parameter):
        gradient = np.zeros(parameter.shape)
        for i in np.ndindex(parameter.shape):
            kept = parameter[i]
            parameter[i] = kept + eps
            above = mean_loss()
            parameter[i] = kept - eps
            below = mean_loss()
            parameter[i] = kept
            gradient[i] = (above - below) / (2 * eps)
        return gradient

    return [differences(W) for W in weight_matrices], [differences(b) for b in biases]
    # END SOLUTION


# --- 1.2 (e) Training ---------------------------------------------------------------------------------------------


class Training(NamedTuple):
    """What `train` returns: lists with one number a step, and the parameters in the end."""

    train_losses: list  # the mean over the step's batch, before its update
    train_accuracies: list  # the same batch's share of right predictions
    test_losses: list  # the mean over the whole test set, after the update
    test_accuracies: list
    weight_matrices: list
    biases: list


def train(
    X_train,
    y_train,
    X_test,
    y_test,
    layer_dims=LAYER_DIMS,
    activations=None,
    batch_size=100,
    step_size=0.1,
    num_epochs=5,
):
    """Mini-batch gradient descent: each epoch visits all examples once, in a new random order.

    X_train: (N, d), y_train: (N,), labels 0 or 1, and the same for the test set. Pictures may be (N, 28, 28).
    activations: a function for each layer; without them relu_activation, and sigmoid_activation in the end

    Returns a Training.
    """
    if activations is None:
        activations = [relu_activation] * (len(layer_dims) - 2) + [sigmoid_activation]
    X_train, X_test = X_train.reshape(len(X_train), -1), X_test.reshape(len(X_test), -1)
    Ws, bs = create_weight_matrices(layer_dims), create_bias_vectors(layer_dims)
    run = Training([], [], [], [], Ws, bs)
    # BEGIN SOLUTION: shuffle, cut into batches; forward, loss, backward, update; append to the four lists of `run`
    for _ in range(num_epochs):
        order = np.random.permutation(len(X_train))
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            output, layer_caches = forward_pass(X_train[rows], Ws, bs, activations)
            loss, dL_dg = logistic_loss(output, y_train[rows])
            grad_Ws, grad_bs = backward_pass(dL_dg, layer_caches)
            for parameter, gradient in zip(Ws + bs, grad_Ws + grad_bs):
                parameter -= step_size * gradient
            run.train_losses.append(loss.mean())
            run.train_accuracies.append(np.mean((output > 0.5) == y_train[rows]))

            output, _ = forward_pass(X_test, Ws, bs, activations)
            run.test_losses.append(logistic_loss(output, y_test)[0].mean())
            run.test_accuracies.append(np.mean((output > 0.5) == y_test))
    # END SOLUTION
    return run


# --- 1.3 The deliverables -----------------------------------------------------------------------------------------


def print_gradients(grad_Ws, grad_bs):
    with np.printoptions(precision=2):
        print(*grad_Ws, *grad_bs, sep="\n\n")


def deliverables():
    """(a) to (d), on the toy batch."""
    X_batch, y_batch, weight_matrices, biases = load_toy_batch()
    activations = [relu_activation, sigmoid_activation]

    print("(a) gradients by finite differences: W1, W2, b1, b2")
    by_differences = my_nn_finite_difference_checker(X_batch, y_batch, weight_matrices, biases, activations)
    print_gradients(*by_differences)

    print("\n(b) (i) sigmoid_activation([1, 0, -1])")
    print(*sigmoid_activation(np.asarray([1.0, 0.0, -1.0])), sep="\n")
    print("    (ii) sigmoid_activation([-1000, 1000])")
    print(*sigmoid_activation(np.asarray([-1000, 1000])), sep="\n")

    output, layer_caches = forward_pass(X_batch, weight_matrices, biases, activations)
    loss, dL_dg = logistic_loss(output, y_batch)
    print("\n(c) mean loss on the toy batch")
    print(loss.mean())

    print("\n(d) gradients by backpropagation: W1, W2, b1, b2")
    by_hand = backward_pass(dL_dg, layer_caches)
    print_gradients(*by_hand)
    pairs = zip(by_differences[0] + by_differences[1], by_hand[0] + by_hand[1])
    print(f"\nlargest difference from (a): {max(np.abs(a - b).max() for a, b in pairs):.1e}")


def plot_curves(run, folder):
    """losses.png and accuracies.png: training and test, a point a step."""
    import matplotlib.pyplot as plt

    curves = {
        "loss": (run.train_losses, run.test_losses, "losses.png"),
        "accuracy": (run.train_accuracies, run.test_accuracies, "accuracies.png"),
    }
    for what, (on_batch, on_test, name) in curves.items():
        figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
        axes.plot(on_batch, linewidth=0.8, label="training, the step's batch")
        axes.plot(on_test, label="test, the whole set")
        axes.set(xlabel="step", ylabel=what, title=f"{what} at each step")
        axes.legend()
        figure.savefig(folder / name, dpi=150)
        plt.close(figure)


def plot_wrong(images, labels, guesses, folder, most=60):
    """misclassified.png: the images that are guessed wrongly, each with its digit and the guess."""
    import matplotlib.pyplot as plt

    wrong = np.flatnonzero(labels != guesses)[:most]
    rows = max(1, -(-len(wrong) // 10))
    figure, axes = plt.subplots(rows, 10, figsize=(9, 1.15 * rows), layout="constrained", squeeze=False)
    for place in axes.flat:
        place.axis("off")
    for place, i in zip(axes.flat, wrong):
        place.imshow(images[i], cmap="gray")
        place.set_title(f"{9 if labels[i] else 3} as {9 if guesses[i] else 3}", fontsize=8)
    figure.savefig(folder / "misclassified.png", dpi=150)
    plt.close(figure)


def train_on_mnist(step_size, num_epochs, seed):
    """(e): train, print the accuracies after each epoch, and write the three pictures."""
    (X_train, y_train), (X_test, y_test) = get_mnist_threes_nines()
    np.random.seed(seed)
    run = train(X_train, y_train, X_test, y_test, step_size=step_size, num_epochs=num_epochs)
    steps = len(run.test_losses) // num_epochs
    for epoch in range(1, num_epochs + 1):
        last = epoch * steps - 1
        print(
            f"epoch {epoch}: test loss {run.test_losses[last]:.4f}, test accuracy {run.test_accuracies[last]:.4f}"
        )
    activations = [relu_activation, sigmoid_activation]
    output, _ = forward_pass(X_test.reshape(len(X_test), -1), run.weight_matrices, run.biases, activations)
    plot_curves(run, HERE)
    plot_wrong(X_test, y_test, (output > 0.5).astype(int), HERE)
    print(f"{np.sum((output > 0.5) != y_test)} of {len(y_test)} test images are guessed wrongly.")
    print("Written: losses.png, accuracies.png, misclassified.png")


def memorize(seed):
    """(f): 100 random inputs with the first 100 labels, learned by heart in few steps."""
    (_, y_train), _ = get_mnist_threes_nines()
    np.random.seed(seed)
    X_train_rand, y = np.random.rand(100, 784), y_train[:100]
    # BEGIN SOLUTION: which batch, step size and width get there fastest? Does it help to move the inputs?
    # Around 0 the inputs are nearly orthogonal to each other, so that a step for one hardly disturbs the others. In
    # a wide layer there are enough neurons for each of them.
    X = X_train_rand - 0.5
    run = train(X, y, X, y, layer_dims=(784, 2000, 1), batch_size=100, step_size=1.0, num_epochs=20)
    # END SOLUTION
    reached = np.flatnonzero(np.array(run.test_accuracies) == 1)
    print(
        f"all 100 labels are learned after {reached[0] + 1} steps"
        if len(reached)
        else "not all labels are learned"
    )


def main():
    parser = argparse.ArgumentParser(description="Homework 2: the deliverables.")
    parser.add_argument(
        "what", nargs="?", default="deliverables", choices=["deliverables", "train", "memorize"]
    )
    parser.add_argument("--step-size", type=float, default=0.1, help="of train; 0.1 unless you say so")
    parser.add_argument("--epochs", type=int, default=5, help="of train; 5 unless you say so")
    parser.add_argument("--seed", type=int, default=189, help="of the random numbers")
    chosen = parser.parse_args()
    if chosen.what == "train":
        train_on_mnist(chosen.step_size, chosen.epochs, chosen.seed)
    elif chosen.what == "memorize":
        memorize(chosen.seed)
    else:
        deliverables()


if __name__ == "__main__":
    main()
