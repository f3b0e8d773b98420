"""CMU 10-701's checks: the six graded parts with their points, as the handout compares: rtol 1e-7, atol 1e-8."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np

from clearprop.arrays import Array
from clearprop.courses.assignments.check.case import Case, Check, Mismatch
from clearprop.courses.assignments.expected import cmu10701 as expected

RTOL, ATOL = 1e-7, 1e-8
EXTREMES = np.array([[-1000.0, -40.0, -1.0, 0.0], [0.5, 1.0, 40.0, 1000.0]])


def _case(about: str) -> Case:
    return Case(about, RTOL, ATOL)


def _lib() -> Any:
    return import_module("hw3_lib")


def _sol() -> Any:
    return import_module("hw3_sol")


def check_linear() -> None:
    """Forward, the parameters' gradients as means, and the input's, which is no mean."""
    rng = np.random.RandomState(1)
    for n, n_in, n_out in ((5, 4, 3), (1, 6, 2), (6, 3, 3)):
        case = _case(f"x ({n}, {n_in}), weights ({n_in}, {n_out}), biases (1, {n_out})")
        [(weights, biases)] = expected.initial((n_in, n_out), rng)
        layer = _lib().Linear((weights, biases))
        for name, given in (("weights", weights), ("biases", biases)):
            if np.shares_memory(np.asarray(getattr(layer, name)), given):
                case.refuse(
                    f"Linear keeps the very {name} that it was given: a step of the optimizer could change the "
                    "caller's array. Copy them."
                )
        first = rng.normal(size=(n, n_in)), rng.normal(size=(n, n_out))
        x, g = rng.normal(size=(n, n_in)), rng.normal(size=(n, n_out))
        with case.untouched(x=x, g=g, weights=weights, biases=biases):
            layer.forward(first[0])
            layer.backward(first[1])
            out = layer.forward(x)
            dx = layer.backward(g)
        right = expected.linear(x, weights, biases, g)
        case.expect("Linear.forward(x)", out, right["out"], {"The biases are not added.": x @ weights})
        earlier = expected.linear(first[0], weights, biases, first[1])
        for name, summed in (("d_weights", x.T @ g), ("d_biases", g)):
            case.expect(
                f"Linear.{name}", getattr(layer, name), right[name],
                _linear_suspects(name, right[name], earlier[name], summed, n), batch=n,
            )  # fmt: skip
        case.expect("what Linear.backward(g) returns", dx, right["dx"], {
            "It is divided by N: only the parameters' gradients are means.": right["dx"] / n,
            "It is g itself: the weights are missing.": g,
        })  # fmt: skip


def _linear_suspects(name: str, right: Array, earlier: Array, raw: Array, n: int) -> dict[str, Array]:
    suspects = {
        "It is the last backward's and an earlier one's together: write it anew, do not add.": right
        + earlier,
        "1/N is taken twice: the mean over the batch belongs here once, and nowhere else.": right / n,
        "1/N is missing: the gradient is the mean over the batch.": n * right,
    }
    if name == "d_weights":
        return suspects | {
            "It is the transpose: weights are (in, out).": right.T,
            "Transposed, and 1/N is missing.": raw.T,
        }
    return suspects | {
        "These are the examples' own gradients: the mean over the batch, axis 0, is missing.": raw,
        "These are the examples' own gradients over N: the sum over the batch, axis 0, is missing.": raw / n,
        "The row has lost its axis: biases are (1, out); keepdims=True keeps it.": right[0],
        "The row has lost its axis, and 1/N is missing.": n * right[0],
    }


def check_optimizer() -> None:
    """Two steps of a model with two Linear layers."""
    rng = np.random.RandomState(2)
    rate = 0.05
    start = expected.initial((4, 5, 3), rng)
    lib = _lib()
    layers = [lib.Linear(pair) for pair in start]
    optimizer = lib.GradientDescentOptimizer(
        _sol().MultiLayerPerceptron([layers[0], lib.ReLU(), layers[1]]), rate
    )
    steps = [(rng.normal(size=w.shape), rng.normal(size=b.shape)) for w, b in start]
    for count in (1, 2):
        case = _case(f"a model Linear, ReLU, Linear; learning rate {rate}; {count} step{'s' * (count > 1)}")
        for layer, (dw, db) in zip(layers, steps, strict=True):
            layer.d_weights, layer.d_biases = dw.copy(), db.copy()
        optimizer.step()
        for i, (layer, before, d) in enumerate(zip(layers, start, steps, strict=True)):
            for name, p, dp in zip(("weights", "biases"), before, d, strict=True):
                case.expect(f"{name} of Linear {i}", getattr(layer, name), p - count * rate * dp, {
                    "The step goes up: it has to go against the gradient.": p + count * rate * dp,
                    f"The {name} are not moved.": p,
                    "The learning rate is forgotten.": p - count * dp,
                    "The learning rate is applied twice.": p - count * rate**2 * dp,
                    "The first step alone has moved it.": p - rate * dp,
                })  # fmt: skip


_STABLE = (
    "exp of a large number overflows. exp(-|x|) never does: use 1 / (1 + exp(-x)) where x >= 0 alone, and "
    "exp(x) / (1 + exp(x)) elsewhere."
)


def check_sigmoid() -> None:
    """The function and the module, for large numbers too."""
    lib, rng = _lib(), np.random.RandomState(3)
    for x in (rng.normal(size=(4, 3)), rng.normal(size=5), EXTREMES):
        _activation("sigmoid", lib.Sigmoid(), x, rng)
        case = _case(f"x {x.shape} from {x.min():.4g} to {x.max():.4g}")
        with case.untouched(x=x), case.quiet("sigmoid(x)", _STABLE):
            y = lib.sigmoid(x)
        case.expect("sigmoid(x)", y, expected.activation("sigmoid", x, x)["out"], not_finite=_STABLE)


def check_relu() -> None:
    """The module, with zeros among the inputs."""
    lib, rng = _lib(), np.random.RandomState(4)
    for x in (rng.normal(size=(4, 3)), np.array([[0.0, -2.0, 3.0], [1.5, 0.0, -0.5]]), EXTREMES):
        _activation("relu", lib.ReLU(), x, rng)


def _activation(kind: str, layer: Any, x: Array, rng: np.random.RandomState) -> None:
    who = type(layer).__name__
    case = _case(f"x {x.shape} from {x.min():.4g} to {x.max():.4g}")
    g = rng.normal(size=x.shape)
    right = expected.activation(kind, x, g)
    with case.untouched(x=x, g=g), case.quiet(f"{who}.forward(x)", _STABLE):
        layer.forward(x + 1)  # backward is about the last forward
        out = layer.forward(x)
    case.expect(f"{who}.forward(x)", out, right["out"], not_finite=_STABLE)
    with case.untouched(x=x, g=g):
        dx = layer.backward(g)
    y = right["out"]
    if kind == "relu":
        suspects = {
            "The slope at 0 is taken as 1; the handout takes 0.": g * (x >= 0),
            "The slope at 0 is taken as 1/2; the handout takes 0.": g * ((x > 0) + (x >= 0)) / 2,
            "It is g itself: where the input was below 0, nothing passes.": g,
            "It is the slope alone: g is not used.": 1.0 * (x > 0),
        }
    else:
        suspects = {
            "It is g itself: the derivative of the sigmoid is missing.": g,
            "It is the slope alone: g is not used.": y * (1 - y),
            "x (1 - x) is taken for the slope: it is y (1 - y), with the output y.": g * x * (1 - x),
        }
    case.expect(f"{who}.backward(g)", dx, right["dx"], suspects, not_finite=_STABLE)


_SHIFT = "exp of a large score overflows, and of scores far below 0 nothing is left: subtract each row's largest first."


def check_cross_entropy() -> None:
    """The mean loss, and each example's own gradient."""
    rng = np.random.RandomState(5)
    rows = np.array(
        [[1000.0], [-1000.0], [0.0], [5000.0]]
    )  # far apart: one shift for the whole batch is not enough
    for score in (
        rng.normal(size=(5, 4)),
        rng.normal(size=(1, 3)),
        3 * rng.normal(size=(6, 10)),
        rows + rng.normal(size=(4, 3)),
    ):
        n, classes = score.shape
        label: Array = np.asarray(rng.randint(classes, size=n))
        case = _case(
            f"score ({n}, {classes}) from {score.min():.4g} to {score.max():.4g}, label {label.tolist()}"
        )
        criterion = _lib().CrossEntropyLoss()
        right = expected.loss(score, label)
        onehot = np.eye(classes)[label]
        with (
            case.untouched(score=score, label=label),
            case.quiet("CrossEntropyLoss.forward(score, label)", _SHIFT),
        ):
            loss = criterion.forward(score, label)
        case.expect("CrossEntropyLoss.forward(score, label)", loss, right["loss"], {
            "It is the sum over the batch: the mean, 1/N, is missing.": n * right["loss"],
            "The mean is taken over the N x K entries, not over the N examples.": right["loss"] / classes,
            "The sign is flipped: the loss is minus the logarithm.": -right["loss"],
        }, batch=n, not_finite=_SHIFT)  # fmt: skip
        case.expect("CrossEntropyLoss.backward()", criterion.backward(), right["dscore"], {
            "It is divided by N: Linear takes the mean, so 1/N would be taken twice.": right["dscore"] / n,
            "It is y_hat alone: y_true is not subtracted.": right["dscore"] + onehot,
            "The sign is flipped: it is y_hat - y_true.": -right["dscore"],
        }, batch=n, not_finite=_SHIFT)  # fmt: skip


def check_train_network() -> None:
    """The network from the seed; a run with one batch an epoch, then one with several and a short last one."""
    for hidden in (5, [5, 4]):
        _check_definition(hidden)
    whole = expected.make_task(
        (4, 5, 3), "sigmoid", n=12, num_epoch=3, learning_rate=0.1, batch_size=12, seed=1
    )
    _check_training(whole)
    several = expected.make_task(
        (6, 7, 5, 3), "relu", n=23, num_epoch=4, learning_rate=0.2, batch_size=5, seed=2
    )
    try:
        _check_training(several)
    except Mismatch as err:
        if "consecutive" in str(err) or "shorter" in str(err):
            raise
        raise Mismatch(f"{err}\n{_BATCHES}") from err


_BATCHES = """  note      With one batch an epoch the numbers are right. Are the
            batches consecutive slices, in the set's own order?"""


def _check_definition(hidden: int | list[int]) -> None:
    """Initial parameters in the order in which the seed gives them; no activation after the last layer."""
    case = _case(f"define_network({hidden}, size_input=6, size_output=3)")
    sizes = [6, *(hidden if isinstance(hidden, list) else [hidden]), 3]
    right = expected.initial(sizes, np.random.RandomState(expected.SEED))
    layers = _sol().define_network(hidden, size_input=6, size_output=3).layers
    names = [type(layer).__name__ for layer in layers]
    linear = _lib().Linear
    if [isinstance(layer, linear) for layer in layers] != [i % 2 == 0 for i in range(2 * len(right) - 1)]:
        case.refuse(
            f"The network is {', '.join(names) or 'empty'}: expected {len(right)} Linear layers and one activation "
            "between each two of them."
        )
    for i, (layer, pair) in enumerate(zip(layers[::2], right, strict=True)):
        for name, p in zip(("weights", "biases"), pair, strict=True):
            case.expect(f"initial {name} of Linear {i}, from seed {expected.SEED}", getattr(layer, name), p)


def _check_training(task: expected.Task) -> None:
    lib = _lib()
    sizes = [len(task.params[0][0]), *(b.size for _, b in task.params)]
    case = _case(
        f"{'-'.join(map(str, sizes))} {task.kind}, {len(task.dataset['train_y'])} examples, "
        f"batch_size {task.batch_size}, learning_rate {task.learning_rate}, {task.num_epoch} epochs"
    )
    kind = {"relu": lib.ReLU, "sigmoid": lib.Sigmoid}[task.kind]
    layers = [layer for pair in task.params for layer in (lib.Linear(pair), kind())][:-1]
    model = _sol().MultiLayerPerceptron(layers)
    with case.untouched(**task.dataset):
        result = _sol().train_network(
            model, dict(task.dataset), task.num_epoch, task.learning_rate, task.batch_size
        )
    if not isinstance(result, dict):
        case.refuse(f"train_network returned {type(result).__name__}: expected a dictionary.")
    epochs = expected.trained(task)
    right = expected.statistics(task, epochs[1:])
    suspects = _training_suspects(task, epochs)
    for name, numbers in right.items():
        if name not in result:
            case.refuse(
                f"train_network returned no {name!r}, only {', '.join(map(repr, result)) or 'nothing'}."
            )
        known = {sentence: found[name] for sentence, found in suspects.items() if name in found}
        case.expect(f"result[{name!r}]", result[name], numbers, known)
    for i, (layer, pair) in enumerate(zip(layers[::2], epochs[-1], strict=True)):
        for name, p in zip(("weights", "biases"), pair, strict=True):
            case.expect(f"{name} of Linear {i} after the training", getattr(layer, name), p)


def _training_suspects(task: expected.Task, epochs: Sequence[expected.Params]) -> dict[str, dict[str, Array]]:
    """What known mistakes would have returned."""

    def measured(models: Sequence[expected.Params]) -> dict[str, Array]:
        return expected.statistics(task, models)

    right, n_epochs = measured(epochs[1:]), task.num_epoch
    accuracies = {name: right[name] for name in ("train_accuracy", "test_accuracy")}
    sizes = {name: len(task.dataset[name.replace("accuracy", "y")]) for name in accuracies}
    other = {"train": "test", "test": "train"}
    by_epoch = {name: numbers for name, numbers in right.items() if not name.startswith("yhat")}
    return {
        "These are the numbers before the epoch's updates: measure after its last batch.": measured(
            epochs[:-1]
        ),
        "Every epoch shows the model before the training: is it a stale copy?": measured(
            [epochs[0]] * n_epochs
        ),
        "Every epoch shows the final model: measure at each epoch's end.": measured([epochs[-1]] * n_epochs),
        "It is the last epoch's number alone: keep one for each.": {k: v[-1] for k, v in by_epoch.items()},
        "It is the share of wrong predictions.": {k: 1 - v for k, v in accuracies.items()},
        "It is a percentage; the handout's accuracies are from 0 to 1.": {
            k: 100 * v for k, v in accuracies.items()
        },
        "It is the number of right predictions, not their share.": {
            k: sizes[k] * v for k, v in accuracies.items()
        },
        "It is the other set's: training and test are mixed up.": {
            f"{name}_{what}": right[f"{other[name]}_{what}"]
            for name in other
            for what in ("loss", "accuracy")
        },
        "It is the batches' own losses, from before their updates: measure the whole set.": _batch_means(
            task
        ),
    } | _reordered(task)


def _batch_means(task: expected.Task) -> dict[str, Array]:
    """The mean over an epoch's batches of the loss that each has shown, before it changed the model."""
    x, y, params, means = task.dataset["train_x"], task.dataset["train_y"], task.params, []
    for _ in range(task.num_epoch):
        losses = []
        for first in range(0, len(x), task.batch_size):
            rows = slice(first, first + task.batch_size)
            losses.append(expected.loss(expected.scores_of(params, task.kind, x[rows]), y[rows])["loss"])
            one = task._replace(
                params=params, num_epoch=1, dataset=task.dataset | {"train_x": x[rows], "train_y": y[rows]}
            )
            params = expected.trained(one)[-1]
        means.append(np.mean(losses))
    return {"train_loss": np.array(means)}


def _reordered(task: expected.Task) -> dict[str, dict[str, Array]]:
    """Runs that shuffle once from the seed, or leave out the last, short batch."""
    n = len(task.dataset["train_y"])
    found = {}
    if task.batch_size < n:
        order = np.random.RandomState(expected.SEED).permutation(n)
        shuffled = expected.trained(task, order)[1:]
        found["The examples are shuffled: the batches are consecutive slices, in the set's own order."] = (
            shuffled
        )
        found["The last batch of each epoch, which is shorter, is left out."] = expected.trained(
            task, np.arange(n - n % task.batch_size)
        )[1:]
    return {sentence: expected.statistics(task, epochs) for sentence, epochs in found.items()}


CHECKS = (
    Check("Linear", check_linear, 5),
    Check("GradientDescentOptimizer", check_optimizer, 5),
    Check("Sigmoid", check_sigmoid, 5),
    Check("ReLU", check_relu, 5),
    Check("CrossEntropyLoss", check_cross_entropy, 10),
    Check("train_network", check_train_network, 20),
)
