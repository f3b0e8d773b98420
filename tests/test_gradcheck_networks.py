"""The gradient check of layers and networks, the table of everything in the library, and `clearprop check`."""

import inspect
import sys
from pkgutil import iter_modules

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

import clearprop.kernels
from clearprop.cli.check import check
from clearprop.errors import DataError, GradientError
from clearprop.gradcheck import check_function, check_gradients, check_layer, check_loss
from clearprop.gradcheck.cases import Case, all_cases
from clearprop.layers import LAYERS, Activation, Conv2D, Dense, Dropout, Flatten
from clearprop.losses import Loss, make_loss
from clearprop.model import Sequential
from clearprop.optim import Adam
from clearprop.train import fit
from oracles import blobs

N, D, M = 6, 4, 3
RNG = np.random.default_rng(0)


class BadDense(Dense):
    """A Dense whose gradients are changed by `plant`."""

    plant = ""

    def backward(self, dy, cache, need_dx=True):
        dx = super().backward(dy, cache, need_dx)
        if self.plant == "db":
            self.db *= 2
        if self.plant == "dw":
            self.dw *= -1
        if self.plant == "unwritten":
            self.db[...] = np.nan
        return 2 * dx if self.plant == "dx" and dx is not None else dx


class BadActivation(Activation):
    """An Activation whose derivative is that of a leaky one."""

    def backward(self, dy, cache, need_dx=True):
        return dy * np.where(cache > 0, 1, 0.3)


def network(at=None, plant="", activation=Activation):
    dense = [BadDense(7), BadDense(5), BadDense(M)]
    for i, layer in enumerate(dense):
        layer.plant = plant if i == at else ""
    return Sequential([dense[0], Activation("tanh"), dense[1], activation("relu"), dense[2]], (D,), seed=1)


X, Y = RNG.normal(size=(N, D)), np.arange(N) % M

CULPRITS = {  # the network, the gradients that are wrong, and what is to be said
    "one bias": (network(1, "db"), ["2.b"], r"Only 2\.b wrong: look at what layer 2, Dense\(5\) writes"),
    "one weight": (network(2, "dw"), ["4.w"], r"Only 4\.w wrong: look at what layer 4, Dense\(3\) writes"),
    "never written": (network(0, "unwritten"), ["0.b"], r"Only 0\.b wrong: look at what layer 0, Dense\(7\)"),
    "input": (network(0, "dx"), ["x"], r"Only dx is wrong: look at the backward of layer 0, Dense\(7\)"),
    "a middle dx": (
        network(1, "dx"),
        ["x", "0.w", "0.b"],
        r"Right above layer 0, wrong from there down: look at the dx of layer 1, .* or layer 2, Dense\(5\)",
    ),
    "an activation": (
        network(activation=BadActivation),
        ["x", "0.w", "0.b", "2.w", "2.b"],
        r"Right above layer 2, .* look at the dx of layer 3, BadActivation\('relu'\) or layer 4, Dense\(3\)",
    ),
}


@pytest.mark.parametrize("plant", CULPRITS)
def test_a_network_s_culprit_is_named(plant):
    model, wrong, words = CULPRITS[plant]
    report = check_gradients(model, X, Y, raise_on_failure=False)
    assert [entry.name for entry in report.failures] == wrong
    with pytest.raises(GradientError, match=words):
        report.raise_on_failure()
    assert check_gradients(network(), X, Y).ok


def test_a_wrong_loss_is_named():
    right = make_loss("softmax_cross_entropy")

    def mean_inside(scores, y):
        losses, dscores = right(scores, y)
        return losses, dscores / len(y)

    loss = Loss("mean_inside", mean_inside, right.targets, right.link)
    with pytest.raises(GradientError, match="All is wrong from layer 4 down: look at the loss's gradient"):
        check_gradients(network(), X, Y, loss)
    with pytest.raises(
        GradientError, match="1/6 of the numeric: is a mean over the batch taken where none belongs"
    ):
        check_loss(mean_inside, RNG.normal(size=(N, M)), Y)


def test_the_model_is_left_as_it_was():
    model = Sequential([Dense(7, activation="relu"), Dropout(0.5), Dense(M)], (D,), seed=0)
    params, grads, state = model.params.copy(), model.grads.copy(), model.rng.bit_generator.state
    report = check_gradients(model, X, Y, {"name": "softmax_cross_entropy", "label_smoothing": 0.1})
    assert [entry.name for entry in report.entries] == ["x", "0.w", "0.b", "3.w", "3.b"]
    assert report.error <= 1e-7
    assert model.params.dtype == np.float32
    np.testing.assert_array_equal(model.params, params)
    np.testing.assert_array_equal(model.grads, grads)
    assert model.rng.bit_generator.state == state


def test_a_stack_of_layers():
    report = check_layer([Dense(5, activation="swish"), Dropout(0.3), Dense(2)], (3,))
    assert [entry.name for entry in report.entries] == ["x", "0.w", "0.b", "3.w", "3.b"]
    layer = BadDense(2)
    layer.plant = "dw"
    with pytest.raises(GradientError, match=r"Dense\(2\): the gradient of 0.w is wrong.*The sign is flipped"):
        check_layer(layer, (3,), x=RNG.normal(size=(4, 3)))


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (
            1.0,
            Y,
            r"check_gradients: expected a batch x of shape \(N, …\) with at least one row, got shape \(\)",
        ),
        (X[:0], Y[:0], r"check_gradients: expected a batch x"),
        (X, Y + 1, "check_gradients: expected labels from 0 to 2, got 3 in row 2"),
    ],
)
def test_bad_data_is_refused(x, y, words):
    with pytest.raises(DataError, match=words):
        check_gradients(network(), x, y)


@pytest.mark.parametrize("case", all_cases(), ids=lambda case: f"{case.kind}-{case.name}")
def test_every_gradient_in_the_library_is_right(case):
    for seed in range(3):
        report = case.run(seed)
        assert report.ok, str(report)
        assert report.error <= 1e-7


def test_every_public_kernel_and_layer_is_among_the_cases():
    found = set()
    for module in iter_modules(clearprop.kernels.__path__):
        name = f"clearprop.kernels.{module.name}"
        functions = inspect.getmembers(__import__(name, fromlist=["_"]), inspect.isfunction)
        own = [key for key, f in functions if f.__module__ == name and not key.startswith("_")]
        found |= {key.removesuffix("_forward") for key in own if key.endswith("_forward")}
        if module.name in ("losses", "penalties"):
            found |= {key.replace("_gradient", "_penalty") for key in own}  # a penalty returns its gradient
    cases = all_cases()
    assert len(found) > 20
    assert found <= {case.name.partition(",")[0] for case in cases if case.kind == "kernel"}
    assert set(LAYERS) <= {case.name.partition("(")[0] for case in cases if case.kind == "layer"}


runner = CliRunner()
app = typer.Typer()
app.command()(check)


def test_the_command_prints_a_table_and_succeeds():
    result = runner.invoke(app, [])
    assert result.exit_code == 0
    assert max(map(len, result.output.splitlines())) <= 80
    for name in ("affine", "softmax_cross_entropy", "l1_penalty", "Dropout(0.4)", "relu, dropout, hinge"):
        assert name in result.output
    assert "all right: every relative error is at most 1e-07." in result.output


def test_the_command_takes_a_name_and_a_seed():
    result = runner.invoke(app, ["--only", "gelu_tanh", "--seed", "3"])
    assert result.exit_code == 0
    assert "2 checked" in result.output
    assert "affine" not in result.output


def test_the_command_fails_when_a_gradient_is_wrong(monkeypatch):
    def run(seed):
        x = np.random.default_rng(seed).normal(size=4)
        return check_function(np.sin, lambda dy, x: -dy * np.cos(x), x, raise_on_failure=False)

    monkeypatch.setattr(sys.modules[check.__module__], "select", lambda only: [Case("kernel", "sin", run)])
    result = runner.invoke(app, [])
    assert result.exit_code == 1
    assert "the gradient of x is wrong at" in result.output
    assert "The sign is flipped." in result.output
    assert "1 of 1 failed." in result.output


def test_a_network_that_has_learned_all_is_not_accused():
    """Losses near 0 are differences of large scores, and rounded like these."""
    x, y = blobs(30)
    model = Sequential([Dense(16, activation="tanh"), Dense(3)], (4,), seed=0)
    fit(model, x, y, optimizer=Adam(0.05), epochs=1500, batch_size=10)
    losses = make_loss("softmax_cross_entropy")(model.astype("float64").scores(x), y)[0]
    sure = np.argsort(losses)[:3]
    assert losses[sure].max() < 1e-4
    assert check_gradients(model, x[sure], y[sure]).ok


def test_and_one_that_has_not_is_still_found_out():
    class Halved(Dense):
        def backward(self, dy, cache, need_dx=True):
            dx = super().backward(dy, cache, need_dx)
            self.dw *= 0.999
            return dx

    x, y = blobs(30)
    model = Sequential([Halved(16), Activation("tanh"), Dense(3)], (4,), seed=0)
    model.params *= 5  # large scores
    report = check_gradients(model, x[:6], y[:6], raise_on_failure=False)
    assert [entry.name for entry in report.entries if entry.verdict == "wrong"] == ["0.w"]


def test_pictures_with_a_black_background_and_the_remedy():
    """A fresh convolution's biases are all on the kink of the black pixels; a little noise takes them off."""
    rng = np.random.default_rng(0)
    x = np.zeros((3, 7, 7, 1))
    x[:, 3, 3] = 1
    layers = [Conv2D(2, 3, activation="relu"), Flatten(), Dense(2)]
    model = Sequential(layers, (7, 7, 1), seed=0)
    with pytest.raises(GradientError, match=r"x is not proved: it lies on a kink.*add a little noise to x"):
        check_gradients(model, x, [0, 1, 0])
    assert check_gradients(model, x + 0.01 * rng.standard_normal(x.shape), [0, 1, 0]).ok
