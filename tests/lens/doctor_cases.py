"""Planted illnesses and healthy networks: what the doctor is tested with, and what docs/doctor.md shows.

Each function returns what `diagnose` takes. An illness's expected name is what the first or second finding must say.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import clearprop as cp
from clearprop.data import Standardizer, load, sine_waves, split

Kwargs = dict[str, Any]


class Planted(NamedTuple):
    """An illness in a network that is otherwise healthy."""

    what: str
    expected: str
    make: Callable[[], tuple[tuple[Any, ...], Kwargs]]


class Healthy(NamedTuple):
    """A network in which nothing serious may be found."""

    what: str
    make: Callable[[], tuple[tuple[Any, ...], Kwargs]]


class Deaf(cp.Layer):
    """y = 1, whatever x is; but gradients go through."""

    def output_shape(self, input_shape: Any, who: str) -> Any:
        return input_shape

    def forward(self, x: Any, training: bool = False, noise: Any = None) -> Any:
        return np.ones_like(x), None

    def backward(self, dy: Any, cache: Any, need_dx: bool = True) -> Any:
        return dy


def blobs(n: int = 300, features: int = 4, classes: int = 3, spread: float = 2.0, seed: int = 0) -> Any:
    """Clouds of points, one a class, mean 0 and deviation about 1 in each column."""
    rng = np.random.default_rng(seed)
    centres = spread * rng.standard_normal((classes, features))
    y = rng.integers(0, classes, n)
    x = centres[y] + rng.standard_normal((n, features))
    return (x - x.mean(axis=0)) / x.std(axis=0), y


def numbers(n: int = 300, features: int = 5, seed: int = 0) -> Any:
    """Targets of deviation about 1: a smooth function of x and a little noise."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, features))
    y = np.sin(x[:, 0]) + 0.5 * x[:, 1] * x[:, 2] + 0.1 * rng.standard_normal(n)
    return x, (y - y.mean()) / y.std()


def pictures(n: int = 200, seed: int = 0) -> Any:
    """8×8 pictures of a horizontal bar, a vertical bar or a cross, somewhere, with noise."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    x = 0.2 * rng.standard_normal((n, 8, 8, 1))
    for i, (row, column) in enumerate(rng.integers(1, 7, (n, 2))):
        if y[i] in (0, 2):
            x[i, row, :, 0] += 1
        if y[i] in (1, 2):
            x[i, :, column, 0] += 1
    return (x - x.mean()) / x.std(), y


def mlp(*sizes: int, activation: str = "relu", seed: int = 0, **settings: Any) -> cp.Sequential:
    """sizes: inputs, hidden units …, outputs."""
    hidden = [cp.Dense(units, activation=activation, **settings) for units in sizes[1:-1]]
    return cp.Sequential([*hidden, cp.Dense(sizes[-1])], input_shape=sizes[:1], seed=seed)


SGD = {"optimizer": cp.SGD(lr=0.05, momentum=0.9)}
REGRESSION = {"loss": "squared_error"}


class BrokenBackward(cp.Layer):
    """A layer of one's own whose backward pass forgets the weights."""

    def output_shape(self, input_shape: Any, who: str) -> Any:
        return input_shape

    def param_shapes(self, input_shape: Any) -> Any:
        return {"w": input_shape}

    def init_params(self, rng: Any) -> None:
        self.w[...] = 1 + 0.1 * rng.standard_normal(self.w.shape)

    def forward(self, x: Any, training: bool = False, noise: Any = None) -> Any:
        return x * self.w, x

    def backward(self, dy: Any, cache: Any, need_dx: bool = True) -> Any:
        return dy * self.w


class Root(cp.Layer):
    """y = √x, whose slope at 0 is infinite and whose value below 0 is no number."""

    def output_shape(self, input_shape: Any, who: str) -> Any:
        return input_shape

    def forward(self, x: Any, training: bool = False, noise: Any = None) -> Any:
        y = np.sqrt(x)
        return y, y

    def backward(self, dy: Any, cache: Any, need_dx: bool = True) -> Any:
        return dy / (2 * cache)


def dead() -> Any:
    x, y = blobs()
    model = mlp(4, 32, 16, 3)
    model.layers[2].b[...] = -30
    return (model, x, y), SGD


def dead_after_a_step_too_far() -> Any:
    x, y = numbers()
    model = mlp(5, 32, 16, 1)
    cp.fit(model, x, y, **REGRESSION, optimizer=cp.SGD(lr=0.5), epochs=2)
    return (model, x, y), REGRESSION


def always_on() -> Any:
    """Weights and inputs above 0, so that no sum is below."""
    x, y = blobs()
    model = mlp(4, 32, 3)
    model.layers[0].w[...] = np.abs(model.layers[0].w)
    return (model, (x - x.min(axis=0)) / np.ptp(x, axis=0), y), {}


def saturated_sigmoid() -> Any:
    x, y = blobs()
    return (mlp(4, 32, 3, activation="sigmoid", init={"name": "normal", "std": 20.0}), x, y), {}


def saturated_tanh() -> Any:
    x, y = numbers()
    return (mlp(5, 32, 1, activation="tanh", init={"name": "normal", "std": 10.0}), x, y), REGRESSION


def saturated_elman() -> Any:
    x, y = sine_waves(200)
    elman = cp.Elman(16, init={"name": "normal", "std": 20.0})
    return (cp.Sequential([elman, cp.Dense(1)], (20, 1), seed=0), x, y), REGRESSION


def huge_lstm_inputs() -> Any:
    """Raw readings: a sensor that gives a few hundreds."""
    x, y = sine_waves(200)
    return (cp.Sequential([cp.LSTM(16), cp.Dense(1)], (20, 1), seed=0), 400 * x, y), REGRESSION


def saturated_gates(layer: Any) -> Any:
    x, y = sine_waves(200)
    return (cp.Sequential([layer, cp.Dense(1)], (20, 1), seed=0), x, y), REGRESSION


WIDE = {"name": "normal", "std": 20.0}


def exploding_elman() -> Any:
    """Every state is thrown to −1 or 1 by the states before it, however small x is."""
    x, y = sine_waves(200)
    elman = cp.Elman(16, recurrent_init={"name": "orthogonal", "gain": 15.0})
    return (cp.Sequential([elman, cp.Dense(1)], (20, 1), seed=0), x, y), REGRESSION


def vanishing_in_time() -> Any:
    """The answer stands at the beginning of 40 steps, and each halves what is left of the gradient."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 40, 1))
    elman = cp.Elman(16, recurrent_init={"name": "orthogonal", "gain": 0.5})
    return (cp.Sequential([elman, cp.Dense(2)], (40, 1), seed=0), x, (x[:, 0, 0] > 0).astype(int)), {}


def stood_still() -> Any:
    """Five sigmoid layers, 250 steps of plain SGD."""
    x, y, _ = iris()
    return trained(
        mlp(4, *[25] * 5, 3, activation="sigmoid"), x, y, optimizer=cp.SGD(lr=0.05, momentum=0.9), epochs=70
    )


def burnt() -> Any:
    x, y, validation = iris()
    return trained(
        mlp(4, 25, 3), x, y, validation, optimizer=cp.SGD(lr=10.0, momentum=0.9), epochs=60, clip_norm=1.0
    )


def vanishing() -> Any:
    x, y = blobs()
    return (mlp(4, *[16] * 10, 3, activation="sigmoid"), x, y), SGD


def exploding() -> Any:
    x, y = blobs()
    return (mlp(4, *[32] * 8, 3, init={"name": "normal", "std": 0.9}), x, y), {}


def exploding_in_time() -> Any:
    rng = np.random.default_rng(0)
    x = 1e-3 * rng.standard_normal((200, 40, 2))
    x /= x.std()
    y = x[:, :3].sum(axis=(1, 2)) / 2.4
    elman = cp.Elman(16, activation="identity", recurrent_init={"name": "orthogonal", "gain": 1.4})
    return (cp.Sequential([elman, cp.Dense(1)], (40, 2), seed=0), x, y), REGRESSION


def updates_too_large() -> Any:
    """Behind the weights batch norm hides how small they are."""
    x, y = blobs()
    layers = [
        cp.Dense(32, init={"name": "normal", "std": 1e-4}),
        cp.BatchNorm(),
        cp.Activation("relu"),
        cp.Dense(3),
    ]
    return (cp.Sequential(layers, (4,), seed=0), x, y), {"optimizer": cp.Adam(lr=0.01)}


def updates_too_small() -> Any:
    x, y = blobs()
    layers = [
        cp.Dense(32, init={"name": "normal", "std": 1e4}),
        cp.BatchNorm(),
        cp.Activation("relu"),
        cp.Dense(3),
    ]
    return (cp.Sequential(layers, (4,), seed=0), x, y), SGD


def symmetric() -> Any:
    x, y = blobs()
    same = {"name": "constant", "value": 0.1}
    layers = [cp.Dense(16, activation="relu", init=same), cp.Dense(3, init=same)]
    return (cp.Sequential(layers, (4,), seed=0), x, y), SGD


def all_zero() -> Any:
    x, y = pictures()
    layers = [
        cp.Conv2D(8, 3, activation="relu", init="zeros"), cp.MaxPool2D(2), cp.Flatten(), cp.Dense(3, init="zeros")
    ]  # fmt: skip
    return (cp.Sequential(layers, (8, 8, 1), seed=0), x, y), {}


def pixels() -> Any:
    x, y = pictures()
    model = cp.Sequential([cp.Flatten(), cp.Dense(32, activation="relu"), cp.Dense(3)], (8, 8, 1), seed=0)
    return (model, 127 + 64 * x, y), SGD


def one_wide_column() -> Any:
    x, y = blobs()
    return (mlp(4, 32, 3), x * [1, 1, 1, 1000.0], y), SGD


def constant_column() -> Any:
    x, y = blobs()
    x[:, 2] = 1.0
    return (mlp(4, 32, 3), x, y), SGD


def nan_in_x() -> Any:
    x, y = blobs()
    x[7, 1] = np.nan
    return (mlp(4, 32, 3), x, y), SGD


def labels_from_one() -> Any:
    x, y = blobs()
    return (mlp(4, 32, 3), x, y + 1), SGD


def numbers_for_softmax() -> Any:
    x, y = numbers()
    return (mlp(5, 32, 3), x, y), {}


def relu_before_loss() -> Any:
    x, y = blobs()
    model = cp.Sequential([cp.Dense(32, activation="relu"), cp.Dense(3, activation="relu")], (4,), seed=0)
    return (model, x, y), SGD


def tanh_on_large_targets() -> Any:
    x, y = numbers()
    model = cp.Sequential([cp.Dense(32, activation="relu"), cp.Dense(1, activation="tanh")], (5,), seed=0)
    return (model, x, y), REGRESSION


def labels_as_numbers() -> Any:
    x, y = blobs()
    return (mlp(4, 32, 1), x, y), REGRESSION


def imbalance() -> Any:
    x, y = blobs(2000, classes=2)
    keep = np.flatnonzero((y == 0) | (np.arange(2000) < 20))
    return (mlp(4, 32, 2), x[keep], y[keep]), SGD


def single_class() -> Any:
    x, y = blobs()
    return (mlp(4, 32, 3), x, np.zeros_like(y)), {}


def one_hot_as_numbers() -> Any:
    x, y = blobs(classes=10)
    model = cp.Sequential([cp.Dense(32, activation="relu"), cp.Dense(10, activation="sigmoid")], (4,), seed=0)
    return (model, x, np.eye(10)[y]), REGRESSION


def yes_or_no_as_numbers() -> Any:
    x, y = blobs(classes=2)
    model = cp.Sequential([cp.Dense(32, activation="relu"), cp.Dense(1, activation="sigmoid")], (4,), seed=0)
    return (model, x, y), REGRESSION


def softmax_twice() -> Any:
    x, y = blobs()
    model = cp.Sequential([cp.Dense(32, activation="relu"), cp.Dense(3, activation="softmax")], (4,), seed=0)
    return (model, x, y), SGD


def nan_in_y() -> Any:
    x, y = numbers()
    y[5] = np.nan
    return (mlp(5, 32, 1), x, y), REGRESSION


def no_activation() -> Any:
    x, y = blobs()
    return (cp.Sequential([cp.Dense(32), cp.Dense(32), cp.Dense(3)], (4,), seed=0), x, y), SGD


def zeros() -> Any:
    x, y = blobs()
    return (mlp(4, 32, 3, init="zeros"), x, y), SGD


def validation_as_it_was() -> Any:
    """The training rows are standardized, and the validation rows still in centimetres."""
    x, y = blobs()
    return (mlp(4, 32, 3), x[:200], y[:200]), {"validation": (160 + 12 * x[200:], y[200:])}


def noisy_single_rows() -> Any:
    rng = np.random.default_rng(0)
    x, y = blobs(400, spread=0.5)
    y = np.where(rng.random(400) < 0.3, rng.integers(0, 3, 400), y)
    return (mlp(4, 32, 3), x, y), {"optimizer": cp.SGD(lr=0.3, momentum=0.9), "batch_size": 1}


def clipped_to_nothing() -> Any:
    x, y = blobs()
    return (mlp(4, 32, 3), x, y), {**SGD, "clip_norm": 1e-6}


def adam_too_low() -> Any:
    x, y = blobs()
    return (mlp(4, 32, 3), x, y), {"optimizer": cp.Adam(lr=1e-7)}


def rate_too_high() -> Any:
    x, y = blobs()
    return (mlp(4, 32, 3), x, y), {"optimizer": cp.SGD(lr=30.0, momentum=0.9)}


def adam_too_high() -> Any:
    x, y = numbers()
    return (mlp(5, 32, 32, 1), x, y), {**REGRESSION, "optimizer": cp.Adam(lr=1.0)}


def rate_too_low() -> Any:
    x, y = blobs()
    return (mlp(4, 32, 3), x, y), {"optimizer": cp.SGD(lr=1e-5)}


def overfitted() -> Any:
    rng = np.random.default_rng(0)
    x, y = blobs(120, features=10, spread=0.5)
    y = np.where(rng.random(120) < 0.3, rng.integers(0, 3, 120), y)
    model = mlp(10, 128, 3)
    validation = x[60:], y[60:]
    history = cp.fit(
        model, x[:60], y[:60], optimizer=cp.Adam(lr=0.01), epochs=150, validation=validation, seed=0
    )
    return (model, x[:60], y[:60]), {"validation": validation, "history": history}


def nan_forward() -> Any:
    x, y = blobs()
    model = cp.Sequential([cp.Dense(16, activation="tanh"), Root(), cp.Dense(3)], (4,), seed=0)
    return (model, x, y), SGD


def nan_backward() -> Any:
    x, y = blobs()
    model = cp.Sequential([cp.Dense(16, activation="relu"), Root(), cp.Dense(3)], (4,), seed=0)
    return (model, x, y), SGD


def nan_parameter() -> Any:
    x, y = blobs()
    model = mlp(4, 32, 3)
    model.layers[2].w[3, 1] = np.nan
    return (model, x, y), SGD


def forgotten_gradient() -> Any:
    x, y = blobs()
    model = cp.Sequential([cp.Dense(16, activation="relu"), BrokenBackward(), cp.Dense(3)], (4,), seed=0)
    return (model, x, y), SGD


def raw_targets() -> Any:
    x, y = numbers()
    return (mlp(5, 32, 1), x, 250_000 + 90_000 * y), REGRESSION


def strong_dropout() -> Any:
    x, y = blobs()
    layers = [cp.Dense(16, activation="relu"), cp.Dropout(0.95), cp.Dense(3)]
    return (cp.Sequential(layers, (4,), seed=0), x, y), {}


def dropout_at_the_end() -> Any:
    x, y = blobs()
    return (
        cp.Sequential([cp.Dense(16, activation="relu"), cp.Dense(3), cp.Dropout(0.5)], (4,), seed=0),
        x,
        y,
    ), {}


def batch_of_one() -> Any:
    x, y = blobs()
    layers = [cp.Dense(16), cp.BatchNorm(), cp.Activation("relu"), cp.Dense(3)]
    return (cp.Sequential(layers, (4,), seed=0), x, y), {"batch_size": 1}


def lost_statistics() -> Any:
    """The parameters of a trained network are loaded, and the running mean and variance are not."""
    x, y = blobs()
    layers = [
        cp.Dense(16, init={"name": "normal", "std": 3.0}),
        cp.BatchNorm(),
        cp.Activation("relu"),
        cp.Dense(3),
    ]
    model = cp.Sequential(layers, (4,), seed=0)
    cp.fit(model, x, y, optimizer=cp.SGD(lr=0.05, momentum=0.9), epochs=10)
    model.named_buffers()["1.running_mean"][...] = 0
    model.named_buffers()["1.running_var"][...] = 1
    return (model, x, y), {}


def same_rows() -> Any:
    x, y = blobs()
    return (mlp(4, 32, 3), x[:200], y[:200]), {"validation": (x[150:250], y[150:250])}


def shuffled_labels() -> Any:
    x, y = blobs(600)
    return (mlp(4, 32, 3), x, np.random.default_rng(1).permutation(y)), SGD


def nothing_gets_through() -> Any:
    x, y = blobs(classes=2)
    return (cp.Sequential([cp.Dense(16, activation="relu"), Deaf(), cp.Dense(2)], (4,), seed=0), x, y), {}


def initial_loss() -> Any:
    x, y = blobs()
    model = mlp(4, 64, 3)
    model.layers[2].w[...] *= 12
    return (model, x, y), {}


def sorted_rows() -> Any:
    x, y = blobs()
    by_label = np.argsort(y, kind="stable")
    return (mlp(4, 32, 3), x[by_label], y[by_label]), SGD | {"shuffle": False}


def nan_in_validation() -> Any:
    x, y = blobs()
    x[250, 2] = np.nan
    return (mlp(4, 32, 3), x[:200], y[:200]), {"validation": (x[200:], y[200:])}


def validation_labels_from_one() -> Any:
    x, y = blobs()
    return (mlp(4, 32, 3), x[:200], y[:200]), {"validation": (x[200:], y[200:] + 1)}


def last_row_alone() -> Any:
    """Of 300 rows by 23 the last batch has 1."""
    layers = [cp.Dense(16), cp.BatchNorm(), cp.Activation("relu"), cp.Dense(3)]
    return (cp.Sequential(layers, (4,), seed=0), *blobs()), SGD | {"batch_size": 23}


def same_filters() -> Any:
    """Each filter of a transposed convolution has the same weights, and what follows takes them alike."""
    layers = [cp.ConvTranspose2D(6, 3, padding="same", activation="relu"), cp.GlobalAvgPool(), cp.Dense(3)]
    model = cp.Sequential([cp.Conv2D(4, 3), *layers], (8, 8, 1), seed=0)
    for layer, axis in ((model.layers[1], 2), (model.layers[-1], 0)):
        layer.w[...] = layer.w.take([0], axis=axis)
    return (model, *pictures()), {}


def deaf_to_one_feature() -> Any:
    x, y = noisy_labels(features=1, seed=2)
    return (cp.Sequential([cp.Dense(16, activation="relu"), Deaf(), cp.Dense(2)], (1,), seed=0), x, y), {}


def noisy_labels(features: int, seed: int) -> Any:
    """Two classes that overlap: the first feature tells how likely they are."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(400, features))
    return x, (rng.random(400) < 1 / (1 + np.exp(-2 * x[:, 0]))).astype(int)


def noisy_numbers(seed: int) -> Any:
    """One feature, and as much noise as it tells."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(400, 1))
    y = x[:, 0] + rng.normal(size=400)
    return x, (y - y.mean()) / y.std()


PLANTED = [
    Planted("NaN in one number of x", "NaN in the data", nan_in_x),
    Planted("NaN in one target", "NaN in the data", nan_in_y),
    Planted("labels counted from 1", "labels, outputs and loss do not fit", labels_from_one),
    Planted(
        "numbers as targets of softmax cross-entropy",
        "labels, outputs and loss do not fit",
        numbers_for_softmax,
    ),
    Planted(
        "softmax behind the last layer and in the loss", "labels, outputs and loss do not fit", softmax_twice
    ),
    Planted("ReLU behind the last layer", "an activation in front of the loss", relu_before_loss),
    Planted("tanh at the end, targets beyond 1", "targets out of the output's range", tanh_on_large_targets),
    Planted("dropout behind the last layer", "dropout behind the last layer", dropout_at_the_end),
    Planted("classes trained by squared error", "labels trained as numbers", labels_as_numbers),
    Planted("ten classes, sigmoid and squared error", "labels trained as numbers", one_hot_as_numbers),
    Planted("two classes, sigmoid and squared error", "labels trained as numbers", yes_or_no_as_numbers),
    Planted("all labels the same", "a single class", single_class),
    Planted("1 % of one class", "class imbalance", imbalance),
    Planted("pixels from 0 to 255", "data not standardized", pixels),
    Planted("one column a thousand times as wide", "data not standardized", one_wide_column),
    Planted("a column that never changes", "constant columns", constant_column),
    Planted("prices in full as targets", "targets not standardized", raw_targets),
    Planted("labels shuffled against x", "labels unrelated to the inputs", shuffled_labels),
    Planted(
        "half of the validation rows are training rows", "validation rows in the training data", same_rows
    ),
    Planted("validation rows not standardized", "validation rows of another scale", validation_as_it_was),
    Planted("three Dense layers without an activation", "layers without an activation", no_activation),
    Planted("a weight is NaN", "NaN or infinity in a pass", nan_parameter),
    Planted("a layer takes the root of what is below 0", "NaN or infinity in a pass", nan_forward),
    Planted("a layer's slope at 0 is infinite", "NaN or infinity in a pass", nan_backward),
    Planted("all weights 0.1", "units that are all alike", symmetric),
    Planted("all weights 0", "units that are all alike", zeros),
    Planted("all weights 0, convolution", "units that are all alike", all_zero),
    Planted("biases of −30 before a ReLU", "dead ReLUs", dead),
    Planted("ReLUs killed by two epochs at too high a rate", "dead ReLUs", dead_after_a_step_too_far),
    Planted("positive weights and inputs before a ReLU", "ReLUs that are always on", always_on),
    Planted("weights of deviation 20 before a sigmoid", "saturated sigmoid", saturated_sigmoid),
    Planted("weights of deviation 10 before a tanh", "saturated tanh", saturated_tanh),
    Planted("weights of deviation 20 in an Elman layer", "saturated tanh", saturated_elman),
    Planted("an LSTM's inputs are hundreds", "saturated gates", huge_lstm_inputs),
    Planted(
        "weights of deviation 20 in an LSTM",
        "saturated gates",
        lambda: saturated_gates(cp.LSTM(16, init=WIDE)),
    ),
    Planted(
        "recurrent weights of deviation 20 in a GRU",
        "saturated gates",
        lambda: saturated_gates(cp.GRU(16, recurrent_init=WIDE)),
    ),
    Planted(
        "the same in both directions",
        "saturated gates",
        lambda: saturated_gates(cp.Bidirectional(cp.GRU(16, reset="before", recurrent_init=WIDE))),
    ),
    Planted("recurrent weights of gain 15 in an Elman layer", "saturated tanh", exploding_elman),
    Planted("an answer 40 steps back, gain 0.5", "gradients that vanish in time", vanishing_in_time),
    Planted("five sigmoid layers, trained by SGD", "nothing learned", stood_still),
    Planted("trained at rate 10", "learning rate too high", burnt),
    Planted("eleven sigmoid layers", "vanishing gradients", vanishing),
    Planted("eight layers with weights of deviation 0.9", "exploding gradients", exploding),
    Planted("recurrent weights of gain 1.4, 40 steps", "gradients that explode in time", exploding_in_time),
    Planted("a layer that forgets its weights' gradient", "weights without a gradient", forgotten_gradient),
    Planted("output weights twelve times too large", "initial loss too high", initial_loss),
    Planted("SGD at rate 30", "learning rate too high", rate_too_high),
    Planted("Adam at rate 1, regression", "learning rate too high", adam_too_high),
    Planted("batches of 1, noise and rate 0.3", "learning rate too high", noisy_single_rows),
    Planted("Adam at rate 1e-7", "learning rate too low", adam_too_low),
    Planted("gradients clipped to 1e-6", "updates too small for the weights", clipped_to_nothing),
    Planted("SGD at rate 1e-5", "learning rate too low", rate_too_low),
    Planted("tiny weights before batch norm", "updates too large for the weights", updates_too_large),
    Planted("huge weights before batch norm", "updates too small for the weights", updates_too_small),
    Planted("a layer that lets nothing of x through", "cannot overfit one batch", nothing_gets_through),
    Planted("dropout of 0.95", "dropout too strong", strong_dropout),
    Planted("batch norm, batches of 1", "batch norm with tiny batches", batch_of_one),
    Planted("batch norm's statistics not loaded", "batch norm's statistics are out of date", lost_statistics),
    Planted("NaN in one validation row", "NaN in the validation data", nan_in_validation),
    Planted(
        "validation labels counted from 1",
        "validation labels, outputs and loss do not fit",
        validation_labels_from_one,
    ),
    Planted("sorted by label, shuffle=False", "rows in the order of their labels", sorted_rows),
    Planted("batch norm, a last batch of 1", "batch norm with a last batch of 1", last_row_alone),
    Planted("a transposed convolution of equal filters", "units that are all alike", same_filters),
    Planted(
        "a layer that lets nothing of a single feature through",
        "cannot overfit one batch",
        deaf_to_one_feature,
    ),
    Planted("150 epochs on 60 noisy rows", "overfitting", overfitted),
]


def iris() -> Any:
    data = load("iris").train
    train, held = split(data.y, (0.8, 0.2), seed=0, stratify=True)
    scaling = Standardizer.fit(data.x[train])
    x, x_held = scaling.transform(data.x[train]), scaling.transform(data.x[held])
    return x, data.y[train], (x_held, data.y[held])


def trained(model: Any, x: Any, y: Any, validation: Any = None, **settings: Any) -> Any:
    """Train, and give the case of the trained network."""
    said = {key: settings[key] for key in ("loss", "batch_size") if key in settings}
    history = cp.fit(model, x, y, validation=validation, **settings)
    return (model, x, y), {
        **said,
        "optimizer": settings["optimizer"],
        "validation": validation,
        "history": history,
    }


def iris_fresh() -> Any:
    x, y, validation = iris()
    return (mlp(4, 25, 3), x, y), {"optimizer": cp.SGD(lr=0.05, momentum=0.9), "validation": validation}


def iris_trained() -> Any:
    x, y, validation = iris()
    return trained(mlp(4, 25, 3), x, y, validation, optimizer=cp.SGD(lr=0.05, momentum=0.9), epochs=40)


def regression_fresh() -> Any:
    x, y = numbers()
    return (mlp(5, 32, 32, 1), x, y), {**REGRESSION, "optimizer": cp.Adam(lr=0.005)}


def regression_trained() -> Any:
    x, y = numbers()
    held = x[200:], y[200:]
    return trained(
        mlp(5, 32, 1), x[:200], y[:200], held, loss="squared_error", optimizer=cp.Adam(lr=0.005), epochs=25
    )


def linear_regression() -> Any:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((100, 1))
    y = 0.8 * x[:, 0] + 0.6 * rng.standard_normal(100)
    return (cp.Sequential([cp.Dense(1)], (1,), seed=0), x, y), {**REGRESSION, "optimizer": cp.SGD(lr=0.05)}


def logistic() -> Any:
    x, y = blobs(classes=2, features=2, spread=1.0, seed=1)
    return (cp.Sequential([cp.Dense(1)], (2,), seed=0), x, y), {
        "loss": "sigmoid_cross_entropy",
        "optimizer": cp.SGD(lr=0.1),
    }


def cnn() -> Any:
    layers = [
        cp.Conv2D(8, 3, padding="same", activation="relu"), cp.MaxPool2D(2), cp.Conv2D(16, 3, activation="relu"),
        cp.Flatten(), cp.Dense(3),
    ]  # fmt: skip
    return cp.Sequential(layers, (8, 8, 1), seed=0)


def cnn_fresh() -> Any:
    return (cnn(), *pictures()), {"optimizer": cp.Adam(lr=0.002)}


def cnn_trained() -> Any:
    x, y = pictures(400)
    return trained(cnn(), x[:300], y[:300], (x[300:], y[300:]), optimizer=cp.Adam(lr=0.002), epochs=10)


def residual() -> Any:
    def block() -> Any:
        inner = [
            cp.Conv2D(8, 3, padding="same"), cp.BatchNorm(), cp.Activation("relu"),
            cp.Conv2D(8, 3, padding="same", init="zeros"),
        ]  # fmt: skip
        return cp.Residual(inner)

    layers = [cp.Conv2D(8, 3, padding="same"), block(), block(), cp.GlobalAvgPool(), cp.Dense(3)]
    return (cp.Sequential(layers, (8, 8, 1), seed=0), *pictures()), {"optimizer": cp.Adam(lr=0.003)}


def sine(layer: Any) -> Any:
    x, y = sine_waves(300)
    return (cp.Sequential([layer, cp.Dense(1)], (20, 1), seed=0), x, y), {
        **REGRESSION,
        "optimizer": cp.Adam(lr=0.01),
    }


def lstm_trained() -> Any:
    (model, x, y), settings = sine(cp.LSTM(16))
    return trained(model, x, y, loss="squared_error", optimizer=settings["optimizer"], epochs=10)


def sigmoid_network() -> Any:
    return (mlp(4, 16, 3, activation="sigmoid"), *blobs()), SGD


def autoencoder() -> Any:
    rng = np.random.default_rng(0)
    x = np.tanh(rng.standard_normal((300, 3)) @ rng.standard_normal((3, 12)))
    layers = [
        cp.Dense(8, activation="tanh"),
        cp.Dense(3),
        cp.Dense(8, activation="tanh"),
        cp.Dense(12, activation="tanh"),
    ]
    return cp.Sequential(layers, (12,), seed=0), x


def autoencoder_fresh() -> Any:
    model, x = autoencoder()
    return (model, x, x), {**REGRESSION, "optimizer": cp.Adam(lr=0.01)}


def autoencoder_trained() -> Any:
    model, x = autoencoder()
    return trained(model, x, x, loss="squared_error", optimizer=cp.Adam(lr=0.01), epochs=40)


def batch_norm_dropout() -> Any:
    layers = [
        cp.Dense(64), cp.BatchNorm(), cp.Activation("relu"), cp.Dropout(0.5),
        cp.Dense(32), cp.BatchNorm(), cp.Activation("relu"), cp.Dropout(0.3), cp.Dense(3),
    ]  # fmt: skip
    return cp.Sequential(layers, (4,), seed=0)


def batch_norm_fresh() -> Any:
    return (batch_norm_dropout(), *blobs()), SGD


def batch_norm_trained() -> Any:
    x, y = blobs(400)
    held = x[300:], y[300:]
    return trained(
        batch_norm_dropout(), x[:300], y[:300], held, optimizer=cp.SGD(lr=0.05, momentum=0.9), epochs=20
    )


def words() -> Any:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 50, (300, 12))
    y = (x < 25).sum(axis=1) > 6
    layers = [cp.Embedding(50, 8), cp.GRU(12), cp.Dense(1)]
    return (cp.Sequential(layers, (12,), seed=0), x, y), {
        "loss": "sigmoid_cross_entropy",
        "optimizer": cp.Adam(lr=0.01),
    }


def words_trained() -> Any:
    (model, x, y), settings = words()
    return trained(model, x, y, **settings, epochs=15)


def tagger() -> Any:
    """Whether each number is larger than the one before it."""
    x = np.random.default_rng(0).standard_normal((200, 15, 1))
    y = (np.diff(x[:, :, 0], axis=1, prepend=0) > 0).astype(int)
    layers = [
        cp.Bidirectional(cp.LSTM(12, return_sequences=True)), cp.TimeDistributed(cp.Dense(16, activation="relu")),
        cp.TimeDistributed(cp.Dense(2)),
    ]  # fmt: skip
    return (cp.Sequential(layers, (15, 1), seed=0), x, y), {"optimizer": cp.Adam(lr=0.01)}


def long_memory() -> Any:
    """A forget gate of σ(4.6) = 0.99 is at its flat end on purpose: Tallec & Ollivier (2018)."""
    return sine(cp.LSTM(16, forget_bias=4.6))


def overlapping() -> Any:
    return (mlp(1, 32, 2, seed=2), *noisy_labels(features=1, seed=2)), {"optimizer": cp.Adam()}


def narrow() -> Any:
    return (mlp(2, 4, 2, seed=10), *noisy_labels(features=2, seed=10)), {"optimizer": cp.Adam()}


def through_noise() -> Any:
    model = mlp(1, 16, 1, activation="tanh", seed=1)
    return (model, *noisy_numbers(seed=1)), {**REGRESSION, "optimizer": cp.Adam()}


def one_step() -> Any:
    """The state before the first step is 0, so the recurrent weights have no gradient."""
    x = np.random.default_rng(0).standard_normal((200, 1, 4))
    model = cp.Sequential([cp.Bidirectional(cp.LSTM(8)), cp.Dense(2)], (1, 4), seed=0)
    return (model, x, (x[:, 0, 0] > 0).astype(int)), {"optimizer": cp.Adam(lr=0.01)}


HEALTHY = [
    Healthy("Iris, 4-25-3 ReLU, untrained", iris_fresh),
    Healthy("Iris, 4-25-3 ReLU, trained", iris_trained),
    Healthy("regression, 5-32-32-1 ReLU, untrained", regression_fresh),
    Healthy("regression, 5-32-1 ReLU, trained", regression_trained),
    Healthy("a straight line through noise", linear_regression),
    Healthy("logistic regression, classes that overlap", logistic),
    Healthy("convolutions on 8×8 pictures, untrained", cnn_fresh),
    Healthy("convolutions on 8×8 pictures, trained", cnn_trained),
    Healthy("residual blocks that begin at 0", residual),
    Healthy("Elman on sine waves, untrained", lambda: sine(cp.Elman(16))),
    Healthy("LSTM on sine waves, untrained", lambda: sine(cp.LSTM(16))),
    Healthy("LSTM on sine waves, trained", lstm_trained),
    Healthy("sigmoid network 4-16-3", sigmoid_network),
    Healthy("tanh autoencoder 12-8-3-8-12, untrained", autoencoder_fresh),
    Healthy("tanh autoencoder 12-8-3-8-12, trained", autoencoder_trained),
    Healthy("batch norm and dropout, untrained", batch_norm_fresh),
    Healthy("batch norm and dropout, trained", batch_norm_trained),
    Healthy("words: embedding and GRU", words),
    Healthy("words: embedding and GRU, trained", words_trained),
    Healthy("LSTM in both directions, a label at each step", tagger),
    Healthy("LSTM that begins by remembering 100 steps", long_memory),
    Healthy("LSTM on sequences of one step", one_step),
    Healthy("one feature, classes that overlap, 1-32-2", overlapping),
    Healthy("two features, classes that overlap, 2-4-2", narrow),
    Healthy("a tanh network through noise, 1-16-1", through_noise),
]
