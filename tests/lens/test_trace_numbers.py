"""The numbers put in: read as they stand there and calculated; the gradients against finite differences and PyTorch."""

import re
from collections.abc import Callable

import numpy as np
import pytest
from trace_reader import array_of, calculate, equations, wrong_sums

import clearprop as cp
from clearprop.layers import ACTIVATIONS, LAYERS
from clearprop.lens.document.formula import plain
from clearprop.lens.trace import Trace, TraceStep, letters, trace
from clearprop.losses import LOSSES
from oracles import numeric_gradient

CLOSE = 1e-7
DRAWN = (cp.Dropout, cp.RandomShift, cp.RandomFlip, cp.Cutout)
CASES: list[tuple[cp.Layer, tuple[int, ...]]] = [
    (cp.Dense(3), (4,)), (cp.Dense(2), (20,)),
    (cp.Conv2D(4, 3, stride=2, padding=1), (5, 6, 2)), (cp.Conv2D(4, 2, dilation=2, groups=2), (5, 5, 4)),
    (cp.Conv1D(4, 3, stride=2, padding="same", groups=2), (7, 4)),
    (cp.ConvTranspose2D(2, 3, stride=2, padding=1, output_padding=1), (3, 4, 2)),
    (cp.ConvTranspose2D(4, 2, dilation=2, groups=2), (3, 3, 2)),
    (cp.MaxPool2D(2), (4, 4, 2)), (cp.MaxPool2D(3, stride=1, padding=1), (4, 5, 2)),
    (cp.MaxPool1D(3, stride=2), (7, 2)), (cp.MaxPool2D((2, 3), stride=(1, 2), dilation=(2, 1)), (6, 7, 2)),
    (cp.AvgPool2D((3, 2), stride=(2, 1)), (7, 6, 2)), (cp.Conv2D(2, (2, 3), stride=(2, 1), dilation=(1, 2)), (6, 7, 2)),
    (cp.ConvTranspose2D(2, (2, 3), stride=(2, 1), dilation=(1, 2)), (3, 4, 2)),
    (cp.AvgPool2D(2), (4, 4, 2)), (cp.AvgPool2D(3, stride=2, padding=1), (5, 4, 2)),
    (cp.AvgPool2D(3, stride=1, padding=1, count_padding=True), (4, 4, 1)), (cp.AvgPool1D(3, stride=1), (6, 2)),
    (cp.GlobalAvgPool(), (3, 4, 2)), (cp.GlobalAvgPool(), (5, 2)), (cp.GlobalMaxPool(), (4, 4, 2)),
    (cp.BatchNorm(), (3,)), (cp.BatchNorm(), (3, 3, 2)), (cp.LayerNorm(), (5,)), (cp.LayerNorm(), (3, 4)),
    (cp.GroupNorm(2), (3, 3, 4)), (cp.GroupNorm(1), (4,)),
    (cp.Embedding(6, 3), (4,)), (cp.Flatten(), (2, 3, 2)), (cp.Reshape((3, 2)), (6,)),
    (cp.Dropout(0.5), (6,)), (cp.RandomShift(1), (4, 4, 2)), (cp.RandomFlip(), (4, 4, 2)), (cp.Cutout(2), (4, 4, 2)),
    (cp.Elman(3, return_sequences=True), (4, 2)), (cp.Elman(3, activation="relu"), (4, 2)),
    (cp.Elman(2, activation="sigmoid"), (1, 2)), (cp.Elman(2, activation="softplus"), (3, 2)),
    (cp.LSTM(3, return_sequences=True), (4, 2)), (cp.LSTM(8), (5, 6)),
    (cp.GRU(3, return_sequences=True), (4, 2)), (cp.GRU(3), (3, 2)),
    (cp.GRU(3, return_sequences=True, reset="before"), (4, 2)), (cp.GRU(3, reset="before"), (3, 2)),
    (cp.Residual([cp.Dense(3, activation="tanh"), cp.Dense(4)]), (4,)),
    (cp.Residual([cp.Conv2D(3, 3, padding="same")], [cp.Conv2D(3, 1), cp.BatchNorm()]), (4, 4, 2)),
    (cp.Bidirectional(cp.LSTM(2, return_sequences=True)), (3, 2)), (cp.Bidirectional(cp.GRU(2)), (3, 2)),
    (cp.TimeDistributed(cp.Dense(2)), (3, 4)), (cp.TimeDistributed(cp.Conv2D(2, 2)), (2, 3, 3, 1)),
    *((cp.Activation(name), (3, 4)) for name in ACTIVATIONS),
    (cp.Activation("leaky_relu", alpha=0.3), (7,)), (cp.Activation("elu", alpha=0.5), (7,)),
    (cp.Activation("softmax"), (20,)),
]  # fmt: skip
LAYER = pytest.mark.parametrize(("layer", "shape"), CASES, ids=lambda given: repr(given).replace(" ", ""))


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers with 13 decimals, so that a sum is right or wrong."""
    monkeypatch.setattr(letters, "DIGITS", 13)


def made(layer: cp.Layer, shape: tuple[int, ...], n: int = 3) -> tuple[cp.Sequential, np.ndarray, np.ndarray]:
    """A network of one layer, its parameters, input and targets drawn at random."""
    rng = np.random.default_rng(5)
    model = cp.Sequential([layer], shape, seed=3, dtype="float64")
    model.params[...] += rng.normal(size=model.params.shape)
    x = rng.integers(0, 6, (n, *shape)) if isinstance(layer, cp.Embedding) else rng.normal(size=(n, *shape))
    return model, x, rng.normal(size=(n, *model.output_shape))


def shown_of(
    layer: cp.Layer, shape: tuple[int, ...], unit: int = 1
) -> tuple[Trace, cp.Sequential, np.ndarray, np.ndarray]:
    model, x, t = made(layer, shape)
    return trace(model, x, t, loss="squared_error", unit=unit), model, x, t


def test_every_layer_is_here() -> None:
    assert {type(part) for layer, _ in CASES for part in layer.parts()} >= set(LAYERS.values())


@LAYER
def test_each_equation_is_right_to_the_last_digit(
    layer: cp.Layer, shape: tuple[int, ...], exact: None
) -> None:
    for unit in (0, 1):
        assert wrong_sums(shown_of(layer, shape, unit)[0], CLOSE) == []


@LAYER
def test_y_and_each_gradient_have_their_numbers(layer: cp.Layer, shape: tuple[int, ...]) -> None:
    shown = shown_of(layer, shape)[0]
    for step in shown.steps:
        if step.phase in ("forward", "backward"):
            left = {plain(latex).partition("[")[0] for latex in step.put_in}
            letters_of = {plain(quantity.letter) for quantity in step.outputs}
            wanted = {"h"} if step.phase == "forward" and "h" in letters_of else {"y"}
            if step.phase == "backward":
                names = ["dx", *(f"d{name}" for name in ("w", "u", "b", "bᵤ", "γ", "β"))]
                wanted = letters_of & set(names)
            assert wanted <= left, step.title


@LAYER
def test_the_gradients_shown_are_those_of_finite_differences(layer: cp.Layer, shape: tuple[int, ...]) -> None:
    shown, model, x, t = shown_of(layer, shape)
    model = model.copy()
    noise = model.rng.bit_generator.state

    def loss() -> float:
        model.rng.bit_generator.state = noise  # the same is dropped each time
        scores, _ = model.forward(x, training=True)
        return float(((scores - t) ** 2).sum() / len(x))

    for name, array in model.named_params().items():
        np.testing.assert_allclose(
            shown.grads[name], numeric_gradient(loss, array), rtol=1e-6, atol=1e-7, err_msg=name
        )
    if not isinstance(layer, cp.Embedding):
        step = shown.step("backward", 0)
        np.testing.assert_allclose(step["dx"], numeric_gradient(loss, x), rtol=1e-6, atol=1e-7)


def lines(step: TraceStep) -> list[str]:
    return [plain(latex) for latex in step.put_in]


def test_some_lines_as_one_reads_them() -> None:
    model = cp.Sequential([cp.AvgPool2D(2)], (2, 2, 1), dtype="float64")
    shown = trace(model, [[[[1.0], [2.0]], [[3.0], [6.0]]]], np.full((1, 1, 1, 1), 1.0), loss="squared_error")
    assert lines(shown.step("forward", 0)) == ["y[0,0,0,0] = (1 + 2 + 3 + 6)/4 = 3"]
    assert lines(shown.step("backward", 0)) == ["dx[0,0,0,0] = 4/4 = 1"]
    model = cp.Sequential([cp.Embedding(3, 2)], (3,), dtype="float64")
    model.params[...] = np.arange(6)
    shown = trace(model, [[1, 2, 1]], np.zeros((1, 3, 2)), loss="squared_error")
    assert lines(shown.step("forward", 0)) == ["y[0,1,1] = w[2,1] = 5"]
    assert lines(shown.step("backward", 0)) == ["dw[1,1] = 6 + 6 = 12"]
    model = cp.Sequential([cp.BatchNorm()], (1,), dtype="float64")
    shown = trace(model, [[1.0], [3.0]], [[0.0], [0.0]], loss="squared_error")
    assert lines(shown.step("forward", 0)) == [
        "μ = (1 + 3)/2 = 2", "v = ((1 − 2)² + (3 − 2)²)/2 = 1", "y[0,0] = 1 · (1 − 2)/√(1 + 10⁻⁵) + 0 = −1"
    ]  # fmt: skip


@pytest.mark.parametrize("digits", [4, 13])
@pytest.mark.parametrize(
    "layer", [cp.GRU(3), cp.LSTM(2), cp.Conv2D(2, 2), cp.GroupNorm(2), cp.Dense(3)], ids=repr
)
def test_a_wrong_number_is_found(layer: cp.Layer, digits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each equation's result, and then a number in it, is made wrong: all that the reader must see."""
    monkeypatch.setattr(letters, "DIGITS", digits)
    shape = {"Conv2D": (4, 4, 2), "Dense": (4,)}.get(type(layer).__name__, (3, 2))
    shown = shown_of(layer, shape)[0]
    close = None if digits == 4 else CLOSE
    planted = 0
    for step in shown.steps:
        right = step.put_in
        for i, latex in enumerate(right):
            for wrong in (_other_end(latex), _other_number(latex)):
                if wrong is None:
                    continue
                object.__setattr__(step, "put_in", (*right[:i], wrong, *right[i + 1 :]))
                found = wrong_sums(shown, close)
                assert len(found) == 1, f"{plain(wrong)} is not found"
                planted += 1
        object.__setattr__(step, "put_in", right)
    assert planted > 10
    assert wrong_sums(shown, close) == []


def _other_end(latex: str) -> str:
    body, _, end = latex.rpartition(" = ")
    return rf"{body} = {end} \cdot 1.2 {'-' if end.startswith('-') else '+'} 0.75"


def _other_number(latex: str) -> str | None:
    """The first factor of a sum of products, a half larger and by 1; none where nothing depends on it."""
    found = re.search(r"(?<== )(-?[\d.]+) \\cdot \(?(-?[\d.]+)(?!\d* \\cdot 10)", latex)
    if not found or abs(float(found[2])) < 0.2 or "10^" in latex:
        return None
    return latex[: found.start(1)] + f"{float(found[1]) * 1.5 + 1:g}" + latex[found.end(1) :]


def test_a_wrong_index_is_found(exact: None) -> None:
    for layer, shape in ((cp.Dense(3), (4,)), (cp.Conv2D(2, 2), (4, 4, 2)), (cp.GRU(3), (3, 2))):
        shown = shown_of(layer, shape)[0]
        for step in (shown.step("forward", 0), shown.step("backward", 0)):
            right = step.put_in
            for i, latex in enumerate(right):
                last = int(re.match(r".*?(\d+)\]", latex)[1])
                wrong = re.sub(r"\d+\]", f"{last - 1 if last else last + 1}]", latex, count=1)
                object.__setattr__(step, "put_in", (*right[:i], wrong, *right[i + 1 :]))
                assert len(wrong_sums(shown, CLOSE)) == 1, plain(wrong)
            object.__setattr__(step, "put_in", right)


def test_a_wrong_gradient_of_a_kernel_is_found(exact: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a layer computes is not what its equation says: the two sides differ."""
    for layer, shape in ((cp.LSTM(3), (4, 2)), (cp.ConvTranspose2D(2, 3), (3, 3, 2)), (cp.LayerNorm(), (5,))):
        kind, original = type(layer), type(layer).backward

        def wrong(self, dy, cache, need_dx=True, original=original):  # type: ignore[no-untyped-def]
            dx = original(self, dy, cache, need_dx)
            for name in self.__dict__.keys() & {"dw", "dgamma"}:
                getattr(self, name)[...] *= 1.01
            return dx

        monkeypatch.setattr(kind, "backward", wrong)
        assert len(wrong_sums(shown_of(layer, shape)[0], CLOSE)) == 1
        monkeypatch.undo()
        monkeypatch.setattr(letters, "DIGITS", 13)


def torch_cells(layer: cp.Layer, params: dict[str, np.ndarray], x: np.ndarray):  # type: ignore[no-untyped-def]
    """The recurrent layers written out in PyTorch, step by step: their states, and the cells."""
    import torch

    w, u, b = (torch.tensor(params[f"0.{name}"], requires_grad=True) for name in "wub")
    H = len(u)
    h, c = torch.zeros(len(x), H, dtype=w.dtype), torch.zeros(len(x), H, dtype=w.dtype)
    states, cells = [], []
    for t in range(x.shape[1]):
        xt = torch.tensor(x[:, t])
        if isinstance(layer, cp.Elman):
            h = torch.tanh(xt @ w + h @ u + b)
        elif isinstance(layer, cp.LSTM):
            i, f, g, o = (xt @ w + h @ u + b).split(H, dim=1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
        else:
            r, z = torch.sigmoid(xt @ w[:, : 2 * H] + h @ u[:, : 2 * H] + b[: 2 * H]).split(H, dim=1)
            own = xt @ w[:, 2 * H :] + b[2 * H :]
            if layer.reset == "before":
                n = torch.tanh(own + (r * h) @ u[:, 2 * H :])
            else:
                n = torch.tanh(own + r * (h @ u[:, 2 * H :] + torch.tensor(params["0.bu"])))
            h = (1 - z) * n + z * h
        for made_now, kept in ((h, states), (c, cells)):
            if made_now.requires_grad:  # a cell, where there are any
                made_now.retain_grad()
            kept.append(made_now)
    return states, cells


@pytest.mark.torch
@pytest.mark.parametrize(
    "layer",
    [cp.Elman(3, return_sequences=True), cp.LSTM(3, return_sequences=True), cp.GRU(3, return_sequences=True),
     cp.GRU(3, return_sequences=True, reset="before"), cp.LSTM(3), cp.GRU(3)],
    ids=repr,
)  # fmt: skip
def test_the_states_gradients_are_pytorchs(layer: cp.Layer) -> None:
    import torch

    shown, model, x, t = shown_of(layer, (5, 2))
    states, cells = torch_cells(layer, dict(model.named_params()), x)
    y = torch.stack(states, dim=1) if t.ndim == 3 else states[-1]
    ((y - torch.tensor(t)) ** 2).sum().div(len(x)).backward()
    step = shown.step("backward", 0)
    np.testing.assert_allclose(step["dh"], np.stack([h.grad for h in states], axis=1), rtol=1e-9, atol=1e-12)
    if isinstance(layer, cp.LSTM):
        np.testing.assert_allclose(
            step["dc"], np.stack([c.grad for c in cells], axis=1), rtol=1e-9, atol=1e-12
        )
    inside = step["da" if isinstance(layer, cp.GRU) else "dz"]
    np.testing.assert_allclose(np.einsum("ntd,ntm->dm", x, inside), step["dw"], rtol=1e-9)
    np.testing.assert_allclose(inside @ step["w"].T, step["dx"], rtol=1e-9)


def test_a_truncated_way_back_is_cut_in_the_numbers_too(exact: None) -> None:
    for layer in (
        cp.Elman(2, truncate=2),
        cp.LSTM(2, return_sequences=True, truncate=2),
        cp.GRU(2, return_sequences=True, truncate=1),
    ):
        shown = shown_of(layer, (5, 2))[0]
        assert wrong_sums(shown, CLOSE) == []
        assert f"after every {layer.truncate} steps" in " ".join(shown.step("backward", 0).notes)


LOSS_CASES: dict[str, tuple[dict, tuple[int, ...], str]] = {
    "softmax_cross_entropy": ({}, (4,), "labels"),
    "softmax, rows": ({"name": "softmax_cross_entropy"}, (4,), "rows"),
    "softmax, smoothed": ({"name": "softmax_cross_entropy", "label_smoothing": 0.2}, (4,), "labels"),
    "softmax, weighted": ({"name": "softmax_cross_entropy", "class_weights": [1, 2, 0.5, 3]}, (4,), "labels"),
    "softmax, both": (
        {"name": "softmax_cross_entropy", "label_smoothing": 0.1, "class_weights": [1, 2, 0.5, 3]}, (4,), "rows"
    ),
    "softmax, at each step": ({"name": "softmax_cross_entropy"}, (5, 4), "places"),
    "softmax, many classes": ({"name": "softmax_cross_entropy"}, (30,), "labels"),
    "sigmoid_cross_entropy": ({}, (1,), "bits"),
    "sigmoid, several": ({"name": "sigmoid_cross_entropy"}, (3,), "shares"),
    "cross_entropy": ({}, (4,), "labels"),
    "cross_entropy, rows": ({"name": "cross_entropy"}, (4,), "rows"),
    "hinge": ({}, (4,), "labels"),
    "squared_error": ({}, (3,), "numbers"),
    "squared error, images": ({"name": "squared_error"}, (3, 3, 2), "numbers"),
    "absolute_error": ({}, (3,), "numbers"),
    "huber": ({}, (3,), "numbers"),
    "huber, delta": ({"name": "huber", "delta": 0.3}, (20,), "numbers"),
    "poisson": ({}, (3,), "counts"),
}  # fmt: skip


def loss_case(name: str, n: int) -> tuple[dict, np.ndarray, np.ndarray]:
    settings, shape, kind = LOSS_CASES[name]
    rng = np.random.default_rng(8)
    scores, K = rng.normal(size=(n, *shape)), shape[-1]
    if name.startswith("cross"):
        scores = rng.dirichlet(np.ones(K), n)
    rows = rng.uniform(0.1, 1, (n, *shape))
    y = {
        "labels": rng.integers(0, K, n), "places": rng.integers(0, K, (n, *shape[:-1])),
        "bits": rng.integers(0, 2, (n, *shape)),
        "rows": rows / rows.sum(axis=1, keepdims=True), "shares": rows, "numbers": rng.normal(size=(n, *shape)),
        "counts": rng.integers(0, 5, (n, *shape)),
    }[kind]  # fmt: skip
    return settings or {"name": name}, scores, y


def scored(spec: dict, scores: np.ndarray, y: np.ndarray, **settings: object) -> Trace:
    """A trace of a network that gives these scores, or, for a loss of probabilities, these probabilities."""
    probabilities = spec["name"] == "cross_entropy"
    layer = cp.Activation("softmax" if probabilities else "identity")
    model = cp.Sequential([layer], scores.shape[1:], dtype="float64")
    return trace(model, np.log(scores) if probabilities else scores, y, loss=spec, **settings)


def test_every_loss_is_here() -> None:
    assert {loss_case(name, 1)[0]["name"] for name in LOSS_CASES} == set(LOSSES)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("name", LOSS_CASES)
def test_each_loss_has_its_numbers(name: str, n: int, weighted: bool, exact: None) -> None:
    spec, scores, y = loss_case(name, n)
    weights = np.array([2.0, 0.5, 1.0])[:n] if weighted else None
    shown = scored(spec, scores, y, sample_weights=weights)
    assert wrong_sums(shown, CLOSE) == []
    step = shown.step("loss")
    said = [line.split(" = ")[0] for line in lines(step)]
    assert any(left.startswith("ℓ") for left in said)
    assert any(left.startswith("ds[") for left in said)
    own = np.ones(n) if weights is None else weights / weights.mean()
    loss, targets = cp.make_loss(spec), y
    gradient = numeric_gradient(lambda: float((loss(scores, targets)[0] * own).mean()), scores)
    np.testing.assert_allclose(step["ds"], gradient, rtol=1e-6, atol=1e-8)
    assert shown.loss == pytest.approx(float((loss(scores, y)[0] * own).mean()))
    assert max(map(len, shown.text().splitlines())) <= 90  # combining signs count as none


@pytest.mark.torch
@pytest.mark.parametrize("name", [name for name in LOSS_CASES if not name.startswith(("cross", "hinge"))])
def test_a_loss_that_is_shown_is_pytorchs(name: str) -> None:
    import torch
    from torch.nn import functional as F

    spec, scores, y = loss_case(name, 3)
    s, t = torch.tensor(scores, requires_grad=True), torch.tensor(y)
    weight = torch.tensor(spec["class_weights"], dtype=s.dtype) if "class_weights" in spec else None
    smoothing = spec.get("label_smoothing", 0.0)
    outputs: dict[str, Callable] = {
        "softmax_cross_entropy": lambda: F.cross_entropy(
            s.flatten(0, -2), t.flatten(0, s.ndim - 2), weight, reduction="sum", label_smoothing=smoothing
        ) / (len(scores) * (scores.shape[1] if scores.ndim > 2 else 1)),
        "sigmoid_cross_entropy": lambda: F.binary_cross_entropy_with_logits(s, t.double(), reduction="sum") / 3,
        "squared_error": lambda: F.mse_loss(s, t, reduction="sum") / 3,
        "absolute_error": lambda: F.l1_loss(s, t, reduction="sum") / 3,
        "huber": lambda: F.huber_loss(s, t, reduction="sum", delta=spec.get("delta", 1.0)) / 3,
        "poisson": lambda: F.poisson_nll_loss(s, t.double(), reduction="sum") / 3,
    }  # fmt: skip
    wanted = outputs[spec["name"]]()
    wanted.backward()
    shown = scored(spec, scores, y)
    assert shown.loss == pytest.approx(wanted.item(), rel=1e-12)
    np.testing.assert_allclose(shown.step("loss")["ds"], s.grad, rtol=1e-10, atol=1e-14)


OPTIMIZERS = {
    "SGD": (cp.SGD(lr=0.1), {}), "momentum": (cp.SGD(lr=0.1, momentum=0.9), {"momentum": 0.9}),
    "nesterov": (cp.SGD(lr=0.1, momentum=0.8, nesterov=True), {"momentum": 0.8, "nesterov": True}),
    "Adagrad": (cp.AdaGrad(lr=0.1), {"eps": 1e-10}),
    "RMSprop": (cp.RMSProp(lr=0.01, rho=0.8), {"alpha": 0.8, "eps": 1e-8}),
    "Adam": (cp.Adam(lr=0.05), {}), "AdamW": (cp.AdamW(lr=0.05, weight_decay=0.3), {"weight_decay": 0.3}),
}  # fmt: skip


def two_layers() -> tuple[cp.Sequential, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(9)
    model = cp.Sequential([cp.Dense(3, activation="tanh"), cp.Dense(2)], (4,), seed=1, dtype="float64")
    return model, rng.normal(size=(5, 4)), rng.normal(size=(5, 2))


def right_updates(shown: Trace) -> int:
    """How many parameters' lines end in what `updated` has; all of them must."""
    found = 0
    for step, left, sides in equations(shown):
        if named := re.fullmatch(r"(\d\S*)\[([\d,]+)\]", left):
            value = float(shown.updated[named[1]][tuple(map(int, named[2].split(",")))])
            assert calculate(sides[-1], step) == pytest.approx(value, rel=1e-9)
            found += 1
    return found


@pytest.mark.torch
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_updates_numbers_are_right_and_pytorchs(name: str, exact: None) -> None:
    import torch

    optimizer, settings = OPTIMIZERS[name]
    model, x, t = two_layers()
    own = {key: torch.tensor(array.copy(), requires_grad=True) for key, array in model.named_params().items()}
    kind = getattr(torch.optim, "SGD" if name in ("momentum", "nesterov") else name)
    decayed = [{"params": [value for key, value in own.items() if key.endswith("w")]},
               {"params": [value for key, value in own.items() if key.endswith("b")]} | (
                   {"weight_decay": 0.0} if name == "AdamW" else {})]  # fmt: skip
    theirs = kind(decayed, lr=optimizer.lr, **settings)
    for _ in range(3):
        shown = trace(model, x, t, loss="squared_error", optimizer=optimizer, apply=True)
        theirs.zero_grad()
        y = torch.tanh(torch.tensor(x) @ own["0.w"] + own["0.b"]) @ own["2.w"] + own["2.b"]
        ((y - torch.tensor(t)) ** 2).sum().div(len(x)).backward()
        theirs.step()
        assert wrong_sums(shown, CLOSE) == []
        assert right_updates(shown) == 2
        for key, value in own.items():
            np.testing.assert_allclose(shown.updated[key], value.detach(), rtol=1e-8, atol=1e-10)


def test_penalties_and_clipping_have_their_numbers(exact: None) -> None:
    model, x, t = two_layers()
    settings = {"loss": "squared_error", "l1": 0.1, "l2": 0.2, "clip_value": 0.5, "clip_norm": 0.7}
    shown = trace(model, x, t, **settings, optimizer=cp.AdamW(lr=0.1, weight_decay=0.5))
    assert wrong_sums(shown, CLOSE) == []
    assert right_updates(shown) == 2
    said = {step.name: lines(step) for step in shown.steps if step.phase == "update"}
    g, w = shown.grads["2.w"], model.named_params()["2.w"]
    at = tuple(int(i) for i in np.unravel_index(np.abs(w).argmax(), w.shape))
    where = f"d2.w[{at[0]},{at[1]}]"
    after = g[at] + 0.1 * np.sign(w[at])
    line = next(line for line in said["the L1 penalty"] if line.startswith(where))
    assert calculate(line.rpartition(" = ")[2], shown.steps[0]) == pytest.approx(after)
    line = next(line for line in said["the L2 penalty"] if line.startswith(where))
    assert calculate(line.rpartition(" = ")[2], shown.steps[0]) == pytest.approx(after + 0.2 * w[at])
    assert said["clipping by value"][0].endswith(("clip", "0.5"))
    assert "min(1, 0.7/" in said["clipping by norm"][0]
    np.testing.assert_allclose(np.linalg.norm(np.concatenate([
        (model.named_params()[name] * (1 - 0.05 * name.endswith("w")) - shown.updated[name]).ravel() / 0.1
        for name in shown.updated])), np.sqrt(model.params.size), rtol=1e-3)  # fmt: skip


def test_weights_of_examples_are_fits(exact: None) -> None:
    model, x, t = two_layers()
    twin, weights = model.copy(), [1.0, 0.0, 2.0, 3.0, 0.5]
    shown = trace(
        model, x, t, loss="squared_error", optimizer=cp.SGD(lr=0.1), sample_weights=weights, apply=True
    )
    cp.fit(twin, x, t, loss="squared_error", optimizer=cp.SGD(lr=0.1), sample_weights=weights, batch_size=5,
           shuffle=False, workers=1, shard_size=5)  # fmt: skip
    assert np.array_equal(model.params, twin.params)
    step = shown.step("loss")
    np.testing.assert_allclose(array_of(step, "ω"), np.array(weights) / np.mean(weights))
    assert "multiplied by its weight" in " ".join(step.notes)
    with pytest.raises(cp.errors.DataError, match="trace: expected sample_weights >= 0"):
        trace(model, x, t, loss="squared_error", sample_weights=[-1.0, 1, 1, 1, 1])
    with pytest.raises(cp.errors.ShapeError, match="trace: expected sample_weights"):
        trace(model, x, t, loss="squared_error", sample_weights=[1.0])
