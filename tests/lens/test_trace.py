"""A trace: its numbers are the network's own to the last bit, nothing of the network changes, its words are true."""

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from trace_reader import wrong_sums

import clearprop as cp
from clearprop.errors import ConfigError, DataError, ShapeError
from clearprop.layers import LAYERS
from clearprop.lens.document.as_text import columns
from clearprop.lens.document.formula import plain
from clearprop.lens.trace import Trace, trace
from cmu_network import ALPHA, BETA, LABEL, LAMBDA, X, by_hand, four, row

LETTERS = {
    "0.y": "a", "1.y": "z", "2.y": "b", "p": r"\hat{y}",
    "0.w": r"\alpha", "0.b": r"\alpha_0", "2.w": r"\beta", "2.b": r"\beta_0",
}  # fmt: skip


def homework(**settings) -> Trace:
    model = cp.Sequential([cp.Dense(4, activation="sigmoid"), cp.Dense(3)], (6,), dtype="float64")
    own = model.named_params()
    for name, weights in (("0", ALPHA), ("2", BETA)):
        own[f"{name}.w"][...] = np.array(weights)[:, 1:].T
        own[f"{name}.b"][...] = np.array(weights)[:, 0]
    return trace(model, [X], [LABEL], optimizer=cp.SGD(lr=1.0), letters=LETTERS, **settings)


def test_the_homeworks_numbers_stand_in_the_text_as_one_writes_them_by_hand() -> None:
    wanted, text = by_hand(), homework().text()
    for name, key in (
        ("a", "a"),
        ("z", "z"),
        ("b", "b"),
        ("ŷ", "y_hat"),
        ("db", "db"),
        ("dz", "dz"),
        ("da", "da"),
    ):
        assert row(text, name) == four(wanted[key]), name
    assert row(text, "ℓ") == [["2.6912"]] == four([wanted["loss"]])
    for name, key in (("β", "dbeta"), ("α", "dalpha")):
        gradient = np.array(wanted[key])
        assert row(text, f"d{name}") == four(gradient[:, 1:].T)
        assert row(text, f"d{name}₀") == four(gradient[:, 0])
    update = text[text.index("The update") :]
    for name, weights, key in (("β", BETA, "dbeta"), ("α", ALPHA, "dalpha")):
        after = np.array(weights) - np.array(wanted[key])
        assert row(update, name) == four(after[:, 1:].T)
        assert row(update, f"{name}₀") == four(after[:, 0])
    assert "a₁ = 1 · 1 + 0 · 2 + 1 · (−3) + 0 · 0 + 1 · 1 + 1 · (−3) + 1 = −3" in text
    for equation in (
        "a = x α + α₀",
        "z = σ(a)",
        "b = z β + β₀",
        "db = ŷ − t",
        "dβ = zᵀ db",
        "da = dz ⊙ z ⊙ (1 − z)",
    ):
        assert equation in text


def test_the_homeworks_printed_answers() -> None:
    after = homework().updated
    assert round(float(after["2.w"][0, 1]), 4) == 1.9772  # β₂,₁
    assert round(float(after["2.b"][0]), 4) == 0.5477  # β₁,₀
    assert round(float(after["0.w"][3, 2]), 4) == 2  # α₃,₄
    scores = homework().scores[0]
    assert int(scores.argmax()) + 1 == 2  # 3(e): the class before training
    text = homework(l2=2 * LAMBDA).text()
    assert f"{by_hand()['regularized']:.4f}" == "3.9712"
    assert "\n    L + R = 3.9712\n" in text
    assert "R = 1/2 · 0.02 · (83 + 45) = 1.28" in text


def test_after_many_steps_the_homeworks_network_says_class_3() -> None:
    model = cp.Sequential([cp.Dense(4, activation="sigmoid"), cp.Dense(3)], (6,), dtype="float64")
    before = homework()
    for name, array in model.named_params().items():
        array[...] = before.updated[name]
    for _ in range(100):
        trace(model, [X], [LABEL], optimizer=cp.SGD(lr=1.0), apply=True)
    assert model.predict([X])[0] + 1 == 3  # 4(d)


def images(**more) -> tuple[cp.Sequential, np.ndarray, np.ndarray, dict]:
    rng = np.random.default_rng(1)
    layers = [
        cp.RandomShift(1), cp.RandomFlip(), cp.Cutout(2), cp.Conv2D(4, 3, padding="same", dilation=2), cp.BatchNorm(),
        cp.Activation("relu"), cp.Dropout(0.3, channels=True), cp.MaxPool2D(2), cp.Conv2D(4, 2, stride=2, groups=2),
        cp.GroupNorm(2), cp.Activation("leaky_relu"), cp.ConvTranspose2D(2, 2), cp.AvgPool2D(2), cp.Flatten(),
        cp.Dropout(0.2), cp.Dense(3),
    ]  # fmt: skip
    return (
        cp.Sequential(layers, (10, 10, 2), dtype="float64"),
        rng.normal(size=(5, 10, 10, 2)),
        np.arange(5) % 3,
        {},
    )


def sequences() -> tuple[cp.Sequential, np.ndarray, np.ndarray, dict]:
    rng = np.random.default_rng(2)
    layers = [
        cp.Embedding(9, 4),
        cp.Residual([cp.TimeDistributed(cp.Dense(4, activation="tanh"))], [cp.TimeDistributed(cp.Dense(4))]),
        cp.Bidirectional(cp.GRU(3, return_sequences=True)), cp.LayerNorm(),
        cp.GRU(4, return_sequences=True, reset="before"),
        cp.LSTM(3, return_sequences=True), cp.Conv1D(3, 2), cp.MaxPool1D(2), cp.AvgPool1D(2, stride=1),
        cp.Elman(3, activation="sigmoid"), cp.Dense(2),
    ]  # fmt: skip
    settings = {"loss": "squared_error", "optimizer": cp.Adam(lr=0.01)}
    return (
        cp.Sequential(layers, (8,), dtype="float64"),
        rng.integers(0, 9, (3, 8)),
        rng.normal(size=(3, 2)),
        settings,
    )


def small_images() -> tuple[cp.Sequential, np.ndarray, np.ndarray, dict]:
    rng = np.random.default_rng(3)
    layers = [
        cp.Reshape((6, 6, 1)), cp.Residual([cp.Conv2D(1, 3, padding="same"), cp.Activation("gelu")]),
        cp.Residual([cp.Conv2D(3, 1)], [cp.Conv2D(3, 1), cp.BatchNorm()]), cp.GlobalMaxPool(), cp.Dense(1),
    ]  # fmt: skip
    settings = {
        "loss": "sigmoid_cross_entropy",
        "optimizer": cp.AdamW(lr=0.1),
        "l1": 0.01,
        "l2": 0.1,
        "clip_norm": 0.05,
    }
    return (
        cp.Sequential(layers, (36,), seed=1),
        rng.normal(size=(4, 36)).astype("float32"),
        np.array([0, 1, 1, 0]),
        settings,
    )


def averages() -> tuple[cp.Sequential, np.ndarray, np.ndarray, dict]:
    rng = np.random.default_rng(4)
    layers = [
        cp.GlobalAvgPool(),
        cp.Dense(20, activation="softplus"),
        cp.BatchNorm(),
        cp.Dense(3, activation="softmax"),
    ]
    settings = {
        "loss": "cross_entropy",
        "optimizer": cp.SGD(lr=0.1, momentum=0.9, nesterov=True),
        "clip_value": 0.01,
    }
    return (
        cp.Sequential(layers, (5, 2), dtype="float64"),
        rng.normal(size=(6, 5, 2)),
        np.arange(6) % 3,
        settings,
    )


NETWORKS = pytest.mark.parametrize(
    "network", [images, sequences, small_images, averages], ids=lambda made: made.__name__
)


def test_the_networks_here_have_every_layer() -> None:
    kinds = {
        type(part)
        for made in (images, sequences, small_images, averages)
        for layer in made()[0].layers
        for part in layer.parts()
    }
    assert kinds >= set(LAYERS.values())


@NETWORKS
def test_its_gradients_are_the_networks_own_to_the_last_bit(network) -> None:
    model, x, y, settings = network()
    shown = trace(model, x, y, **settings)
    twin, loss = model.copy(), cp.make_loss(settings.get("loss", "softmax_cross_entropy"))
    targets = loss.prepare(y, len(x), twin.output_shape, twin.dtype, "test")
    losses, scores = cp.backpropagate(twin, loss, x.astype(twin.dtype), targets, 1 / len(x))
    assert np.array_equal(shown.scores, scores)
    assert shown.loss == pytest.approx(losses.mean(), rel=1e-6)
    for name, gradient in twin.named_grads().items():
        assert np.array_equal(shown.grads[name], gradient), name
    stepwise = {}
    for step in shown.steps:
        if step.phase == "backward":
            own = {"γ": "gamma", "β": "beta", "bᵤ": "bu"}
            for quantity in step.outputs:
                letter = plain(quantity.letter)[1:]
                if (name := f"{step.layer}.{own.get(letter, letter)}") in shown.grads:
                    stepwise[name] = quantity.value
    assert stepwise.keys() == shown.grads.keys()
    assert all(np.array_equal(stepwise[name], shown.grads[name]) for name in stepwise)


@NETWORKS
def test_each_step_takes_what_the_one_before_it_gave(network) -> None:
    model, x, y, settings = network()
    steps = trace(model, x, y, **settings).steps
    forward = [step for step in steps if step.phase == "forward" and "." not in step.layer]
    assert [step.layer for step in forward] == [str(i) for i in range(len(model.layers))]
    for before, after in pairwise(forward):
        assert after["x"] is before["y"]
    back = [step for step in steps if step.phase == "backward" and "." not in step.layer]
    assert [step.layer for step in back] == [step.layer for step in forward[::-1]]
    for before, after in pairwise(back):
        assert after["dy"] is before["dx"]
        assert f"is what layer {before.layer} sends back." in after.notes[0]


def state(model: cp.Sequential, optimizer: cp.Optimizer) -> list:
    kept = [model.params, model.grads, model.buffers, *optimizer.state().values()]
    return [*(array.tobytes() for array in kept), repr(model.rng.bit_generator.state), model.link]


@NETWORKS
def test_nothing_changes_unless_asked(network) -> None:
    model, x, y, settings = network()
    settings.setdefault("optimizer", cp.SGD(lr=0.1, momentum=0.9))
    cp.fit(model, x, y, **settings, batch_size=len(x))  # so that the optimizer remembers something
    before = state(model, settings["optimizer"])
    trace(model, x, y, **settings).text()
    assert state(model, settings["optimizer"]) == before


@NETWORKS
def test_the_step_that_it_takes_when_asked_is_fits(network) -> None:
    (model, x, y, settings), (twin, _, _, others) = network(), network()
    settings.setdefault("optimizer", cp.SGD(lr=0.1, momentum=0.9))
    others.setdefault("optimizer", cp.SGD(lr=0.1, momentum=0.9))
    for k in range(2):
        shown = trace(model, x, y, **settings, apply=True)
        cp.fit(twin, x, y, **others, batch_size=len(x), shuffle=False, workers=1, shard_size=len(x))
        assert state(model, settings["optimizer"]) == state(twin, others["optimizer"]), k
        assert all(np.array_equal(shown.updated[name], own) for name, own in twin.named_params().items())
        assert "The network has taken this step." in " ".join(shown.text().split())


@NETWORKS
@pytest.mark.parametrize("unit", [0, 1])
def test_with_the_numbers_put_in_both_sides_are_equal(network, unit: int) -> None:
    model, x, y, settings = network()
    assert wrong_sums(trace(model, x, y, **settings, unit=unit)) == []


@NETWORKS
def test_the_text_fits_a_terminal_and_the_other_forms_are_whole(network) -> None:
    model, x, y, settings = network()
    shown = trace(model, x, y, **settings)
    text = shown.text()
    assert max(columns(line) for line in text.splitlines()) <= 80
    assert str(shown).rstrip() == text.rstrip()
    for title in (step.title for step in shown.steps):
        assert title.partition("(")[0] in text
    latex = shown.latex()
    assert latex.count("\\begin{") == latex.count("\\end{")
    assert latex.count("{") == latex.count("}")
    assert max(map(len, re.findall(r"(?:&[^&\\\n]*)+", latex)), default=0) < 400
    assert shown.markdown().count("$$") % 2 == 0
    assert repr(shown) == f"Trace({len(shown.steps)} steps, {len(x)} examples, loss {shown.loss:.4f})"


def test_large_arrays_are_cut_and_it_says_so() -> None:
    model = cp.Sequential([cp.Dense(50, activation="relu"), cp.Dense(10)], (784,))
    x = np.zeros((1, 784))
    x[0, 400:410] = 2.0
    text = trace(model, x, [3]).text()
    assert "Arrays of more than 100 numbers are cut" in text
    assert re.search(r"x\[:, 39[678]:40[4-6]\] = \[ ", text)
    assert "(1, 784): smallest 0, mean 0.02551, largest 2, norm 6.325; 99 % are 0" in text
    assert "780 more products: " in " ".join(text.split())
    assert len(text.splitlines()) < 300


def test_prediction_and_a_layer_of_ones_own() -> None:
    class Halves(cp.Layer):
        def output_shape(self, input_shape, who):
            return input_shape

        def forward(self, x, training=False, noise=None):
            return x / 2, None

        def backward(self, dy, cache, need_dx=True):
            return dy / 2

    model = cp.Sequential([Halves(), cp.Dropout(0.5), cp.BatchNorm(), cp.Dense(2)], (3,), dtype="float64")
    shown = trace(model, np.ones((2, 3)), [0, 1], training=False)
    assert shown.step("forward", 0).equations == ("y = f(x)",)
    assert "not one of the library's" in shown.step("forward", 0).notes[0]
    assert shown.step("forward", 1).equations == ("y = x",)
    assert "passes through unchanged" in shown.step("forward", 1).notes[-1]
    assert r"\odot dy" in shown.step("backward", 2).equations[-1]
    assert np.array_equal(shown.step("forward", 2)[r"\mu"], np.zeros(3))


def test_a_loss_that_is_not_finite_is_shown() -> None:
    model = cp.Sequential([cp.Dense(2)], (1,), dtype="float32")
    model.params[...] = 3e38
    text = trace(model, [[3e38]], [[0.0, 0.0]], loss="squared_error").text()
    assert "The loss is not finite: the steps before show where it began." in text
    assert "inf" in text


def test_scores_at_each_place_and_no_parameters() -> None:
    places = cp.Sequential([cp.TimeDistributed(cp.Dense(3))], (4, 2), dtype="float64")
    shown = trace(places, np.ones((2, 4, 2)), np.zeros((2, 4), int))
    assert shown.step("loss")["y"].shape == (2, 4)
    bare = trace(cp.Sequential([cp.Activation("relu")], (3,)), [[1.0, 2.0, 3.0]], [0])
    assert bare.updated == {}
    assert bare.steps[-1].phase == "backward"


MODEL = cp.Sequential([cp.Dense(3)], (4,))


@pytest.mark.parametrize(
    ("arguments", "settings", "error", "words"),
    [
        (([cp.Dense(3)], [[1.0] * 4], [0]), {}, ConfigError, r"a Sequential, got \[Dense\(3\)\]. Build the network"),
        ((MODEL, [1.0] * 4, [0]), {}, ShapeError, r"trace: expected x of shape \(N, 4\), got \(4,\)"),
        ((MODEL, [[1.0] * 5], [0]), {}, ShapeError, r"trace: expected x of shape \(N, 4\), got \(1, 5\)"),
        ((MODEL, [[1.0] * 4], [3]), {}, DataError, "trace: expected labels from 0 to 2, got 3"),
        ((MODEL, [[1.0] * 4], [0, 1]), {}, ShapeError, "expected one row of y for each of the 1 rows"),
        ((MODEL, [[1.0, 2.0, 3.0, np.nan]], [0]), {}, DataError, "trace: .*x"),
        ((MODEL, [[1.0] * 4], [0]), {"letters": {"1.y": "a"}}, ConfigError, "unknown letter '1.y'. Did you mean '0.y'"),
        ((MODEL, [[1.0] * 4], [0]), {"letters": "a"}, ConfigError, "expected letters to be a mapping"),
        ((MODEL, [[1.0] * 4], [0]), {"unit": -1}, ConfigError, "trace: expected unit"),
        ((MODEL, [[1.0] * 4], [0]), {"l2": -1.0}, ConfigError, "trace: expected l2"),
        ((MODEL, [[1.0] * 4], [0]), {"clip_norm": 0.0}, ConfigError, "clip_norm"),
        ((MODEL, [[1.0] * 4], [0]), {"loss": "softmax"}, ConfigError, "loss"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_a_sentence(arguments, settings, error, words) -> None:
    before = MODEL.params.tobytes()
    with pytest.raises(error, match=words):
        trace(*arguments, **settings, apply=True)
    assert MODEL.params.tobytes() == before


def test_a_step_by_its_name() -> None:
    shown = homework()
    assert shown.step("backward", 2)["dz"].shape == (1, 4)
    with pytest.raises(KeyError, match="forward 0, forward 1"):
        shown.step("forward", 7)
    with pytest.raises(KeyError, match="has a, x"):
        shown.step("forward", 0)["q"]


def test_the_documentations_page_shows_what_is_printed() -> None:
    page = (Path(__file__).parents[2] / "docs" / "explain.md").read_text(encoding="utf-8")
    model = cp.Sequential([cp.Dense(2, activation="relu"), cp.Dense(1)], input_shape=(2,), dtype="float64")
    model.params[...] = [1, -1, 2, 1, 0, 0, 1, -1, 0.5]
    shown = trace(model, [[1, 2]], [[3]], loss="squared_error", optimizer=cp.SGD(lr=0.1))
    blocks = re.findall(r"```text\n(.*?)```", page, flags=re.DOTALL)
    assert len(blocks) == 1
    assert blocks[0] in shown.text()
