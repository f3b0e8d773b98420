"""Optimizers against PyTorch, against steps computed by hand, and against themselves in parts."""

import pickle
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from clearprop import optim
from clearprop import optimizer as base
from clearprop.errors import ConfigError, ShapeError
from clearprop.optim import (
    OPTIMIZERS,
    SGD,
    AdaGrad,
    Adam,
    AdamW,
    Optimizer,
    RMSProp,
    clip_norm,
    clip_value,
    make_optimizer,
)
from clearprop.schedules import Cosine, ReduceOnPlateau

MAKERS = {
    "sgd": lambda: SGD(0.1),
    "momentum": lambda: SGD(0.1, momentum=0.9),
    "nesterov": lambda: SGD(0.1, momentum=0.9, nesterov=True),
    "adagrad": lambda: AdaGrad(0.1),
    "rmsprop": lambda: RMSProp(0.01),
    "adam": lambda: Adam(0.01),
    "adamw": lambda: AdamW(0.01, weight_decay=0.1),
}
TORCH = {
    "sgd": ("SGD", {"lr": 0.1}),
    "momentum": ("SGD", {"lr": 0.1, "momentum": 0.9}),
    "nesterov": ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    "adagrad": ("Adagrad", {"lr": 0.1}),
    "rmsprop": ("RMSprop", {"lr": 0.01, "alpha": 0.9}),
    "adam": ("Adam", {"lr": 0.01}),
    "adamw": ("AdamW", {"lr": 0.01, "weight_decay": 0.1}),
}


@pytest.fixture(params=MAKERS)
def make(request):
    return MAKERS[request.param]


def draw(n=50, dtype="float64", seed=0):
    """Parameters, and an endless supply of gradients."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal(n).astype(dtype), lambda: rng.standard_normal(n).astype(dtype)


@pytest.mark.torch
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", MAKERS)
def test_twenty_steps_agree_with_torch(name, dtype):
    torch = pytest.importorskip("torch")
    params, gradient = draw(dtype=dtype)
    theirs = torch.tensor(params, requires_grad=True)
    kind, settings = TORCH[name]
    their_optimizer = getattr(torch.optim, kind)([theirs], **settings)
    ours = MAKERS[name]()
    for _ in range(20):
        grads = gradient()
        ours.step(params, grads)
        theirs.grad = torch.tensor(grads)
        their_optimizer.step()
    tolerance = 2e-6 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(params, theirs.detach().numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [
        # p = 1, g = 0.5, then g = 1
        (SGD(0.1), [0.95, 0.85]),
        # v = 0.5, 0.9·0.5 + 1 = 1.45
        (SGD(0.1, momentum=0.9), [0.95, 0.805]),
        # g + 0.9 v = 0.95, 1 + 0.9·1.45 = 2.305
        (SGD(0.1, momentum=0.9, nesterov=True), [0.905, 0.6745]),
        # h = 0.25, 1.25: 0.1·0.5/(0.5 + 0.5), 0.1·1/(1.118033988749895 + 0.5)
        (AdaGrad(0.1, eps=0.5), [0.95, 0.888196601125011]),
        # v = 0.25·0.25 = 0.0625, 0.75·0.0625 + 0.25·1 = 0.296875; roots 0.25, 0.544862367942584
        (RMSProp(0.1, rho=0.75, eps=0.25), [0.9, 0.774192056344498]),
        # m = 0.25, 0.625 and v = 0.0625, 0.296875; m̂ = 0.5, 0.833…; v̂ = 0.25, 0.678571428571429
        (Adam(0.1, beta1=0.5, beta2=0.75, eps=0.5), [0.95, 0.887047741740683]),
        # the same steps, each after p ← (1 − 0.1·0.2) p
        (AdamW(0.1, beta1=0.5, beta2=0.75, eps=0.5, weight_decay=0.2), [0.93, 0.848447741740683]),
    ],
    ids=lambda value: repr(value) if isinstance(value, Optimizer) else "",
)
def test_two_steps_by_hand(optimizer, expected):
    params, found = np.array([1.0]), []
    for g in (0.5, 1.0):
        optimizer.step(params, np.array([g]))
        found.append(params[0])
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_finds_the_minimum_of_a_quadratic(make):
    scale, minimum = np.array([1.0, 3.0, 0.5]), np.array([1.0, -2.0, 0.5])
    optimizer, params = make(), np.zeros(3)
    if isinstance(optimizer, AdamW):
        optimizer.decay_spans = []  # decay moves the minimum
    for step in range(3000):
        optimizer.step(params, scale * (params - minimum))
        if step == 2000:
            optimizer.lr /= 100
    np.testing.assert_allclose(params, minimum, atol=1e-3)


def test_chunks_change_nothing(make, monkeypatch):
    params, gradient = draw()
    whole, chunked = params.copy(), params.copy()
    a, b = make(), make()
    grads = [gradient() for _ in range(5)]
    for g in grads:
        a.step(whole, g)
    monkeypatch.setattr(base, "CHUNK", 7)
    for g in grads:
        b.step(chunked, g)
    assert np.array_equal(whole, chunked)


def test_two_threads_on_two_spans_make_the_same_step(make):
    params, gradient = draw(n=200_001, dtype="float32")
    one, two = params.copy(), params.copy()
    a, b = make(), make()
    if isinstance(a, AdamW):
        a.decay_spans = b.decay_spans = [slice(10, 70_000), slice(90_000, 150_000), slice(200_000, 200_001)]
    with ThreadPoolExecutor(2) as pool:
        for _ in range(3):
            grads = gradient()
            a.step(one, grads)
            b.begin(two)
            list(
                pool.map(
                    lambda span, g=grads: b.update(two, g, span), [slice(0, 99_999), slice(99_999, 200_001)]
                )
            )
    assert np.array_equal(one, two)
    assert a.steps == b.steps == 3


def test_dtype_is_kept_and_gradients_are_not_touched(make):
    params, gradient = draw(dtype="float32")
    optimizer, grads = make(), gradient()
    before = grads.copy()
    optimizer.advance(0.5)
    optimizer.step(params, grads)
    assert params.dtype == np.float32
    assert all(slot.dtype == np.float32 for slot in optimizer.slots.values())
    assert np.array_equal(grads, before)


def test_restored_state_continues_bit_for_bit(make):
    params, gradient = draw(dtype="float32")
    optimizer = make()
    for _ in range(3):
        optimizer.step(params, gradient())
    optimizer.lr = 0.0123
    state, copy, grads = optimizer.state(), params.copy(), [gradient() for _ in range(3)]
    for g in grads:
        optimizer.step(params, g)
    other = make()
    other.restore(state)
    for g in grads:
        other.step(copy, g)
    assert np.array_equal(params, copy)
    assert other.steps == 6
    assert other.lr == 0.0123
    assert all(isinstance(value, np.ndarray) for value in state.values())


def test_a_state_before_the_first_step_is_restored_too(make):
    params, gradient = draw()
    copy, grads = params.copy(), gradient()
    used, fresh = make(), make()
    used.step(params.copy(), gradient())
    used.restore(fresh.state())
    used.step(params, grads)
    fresh.step(copy, grads)
    assert np.array_equal(params, copy)


def test_a_schedules_own_state_is_part_of_the_state():
    optimizer = SGD(lr=ReduceOnPlateau(0.5, factor=0.5, patience=0))
    optimizer.schedule.observe(1.0)
    optimizer.schedule.observe(2.0)
    optimizer.advance(2.0)
    assert optimizer.lr == 0.25
    other = SGD(lr=ReduceOnPlateau(0.5, factor=0.5, patience=0))
    other.restore(optimizer.state())
    assert (other.lr, other.schedule.best) == (0.25, 1.0)
    with pytest.raises(
        ConfigError, match=r"SGD: expected a state with lr, steps, got lr, schedule\.bad_epochs"
    ):
        SGD().restore(optimizer.state())


def test_schedule_sets_lr():
    optimizer = SGD(lr=Cosine(0.4, epochs=10))
    assert optimizer.lr == 0.4
    optimizer.advance(5.0)
    assert optimizer.lr == pytest.approx(0.2)
    fixed = SGD(lr=0.3)
    fixed.advance(5.0)
    assert fixed.lr == 0.3


def test_weight_decay_is_decoupled_and_by_span():
    params = np.array([1.0, 2.0, 3.0, 4.0])
    optimizer = AdamW(lr=0.5, weight_decay=0.1)
    optimizer.decay_spans = [slice(0, 1), slice(2, 3)]
    optimizer.step(params, np.zeros(4))  # Adam's step is zero
    np.testing.assert_array_equal(params, [0.95, 2.0, 3.0 * 0.95, 4.0])
    optimizer.decay_spans = None
    optimizer.step(params, np.zeros(4))
    np.testing.assert_array_equal(params, [0.95 * 0.95, 2.0 * 0.95, 3.0 * 0.95 * 0.95, 4.0 * 0.95])


def test_weight_decay_by_span_does_not_depend_on_chunks(monkeypatch):
    params, gradient = draw()
    one, two, grads = params.copy(), params.copy(), gradient()
    for vector, chunk in ((one, 100), (two, 7)):
        monkeypatch.setattr(base, "CHUNK", chunk)
        optimizer = AdamW(weight_decay=0.1)
        optimizer.decay_spans = [slice(3, 20), slice(21, 22), slice(40, 50)]
        optimizer.step(vector, grads)
    assert np.array_equal(one, two)
    assert not np.array_equal(one, params)


def test_no_step_without_a_gradient(make):
    """0 / (0 + ε) is 0: dead units do not make NaN, in float32 either."""
    params, _ = draw(dtype="float32")
    optimizer, before = make(), params.copy()
    optimizer.step(params, np.zeros_like(params))
    if not isinstance(optimizer, AdamW):
        assert np.array_equal(params, before)
    assert np.isfinite(params).all()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_settings_make_the_same_optimizer(name):
    made = make_optimizer(name)
    again = make_optimizer(made.settings())
    assert type(made) is type(again) is OPTIMIZERS[name]
    assert made.settings() == again.settings()
    assert make_optimizer(made) is made


def test_settings_describe_the_schedule():
    optimizer = AdamW(lr=Cosine(0.1, 5))
    assert make_optimizer(optimizer.settings()).schedule == optimizer.schedule
    assert optimizer.settings() == {
        "name": "adamw",
        "lr": {"name": "cosine", "lr": 0.1, "epochs": 5, "warmup": 0.0, "final": 0.0},
        "beta1": 0.9,
        "beta2": 0.999,
        "eps": 1e-8,
        "weight_decay": 0.01,
    }
    assert "<lambda>" in SGD(lr=lambda t: 0.1).settings()["lr"]
    assert repr(SGD(0.5)) == "SGD(lr=0.5, momentum=0.0, nesterov=False)"


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: SGD(lr=-0.1), r"SGD: expected lr to be a finite number > 0 or a schedule, got -0\.1\."),
        (lambda: Adam(lr=float("inf")), "Adam: expected lr to be a finite number > 0 or a schedule, got inf"),
        (lambda: SGD(lr="fast"), "SGD: expected lr to be a finite number > 0 or a schedule, got 'fast'"),
        (lambda: SGD(momentum=1.0), r"SGD: expected momentum in \[0, 1\), got 1\.0"),
        (
            lambda: SGD(nesterov=True),
            r"SGD: expected momentum > 0 with nesterov=True, got 0\. Try momentum=0\.9",
        ),
        (lambda: RMSProp(rho=-0.5), r"RMSProp: expected rho in \[0, 1\), got -0\.5"),
        (lambda: AdaGrad(eps=0), "AdaGrad: expected eps to be a finite number > 0, got 0"),
        (lambda: Adam(beta1=1), r"Adam: expected beta1 in \[0, 1\), got 1"),
        (lambda: Adam(beta2=float("nan")), r"Adam: expected beta2 in \[0, 1\), got nan"),
        (lambda: AdamW(weight_decay=-1), "AdamW: expected weight_decay to be >= 0, got -1"),
        (
            lambda: make_optimizer("adm"),
            r"optimizer: unknown name 'adm'\. Did you mean 'adam'\? Known: adagrad, adam",
        ),
        (
            lambda: make_optimizer({"name": "sgd", "momentun": 0.9}),
            r"optimizer 'sgd': unknown setting 'momentun'\. Did you mean 'momentum'\?",
        ),
        (lambda: clip_norm(np.ones(2), 0), "clip_norm: expected max_norm to be a finite number > 0, got 0"),
        (
            lambda: clip_value(np.ones(2), -1),
            "clip_value: expected max_value to be a finite number > 0, got -1",
        ),
    ],
)
def test_sentences_for_settings(make, sentence):
    with pytest.raises(ConfigError, match=sentence):
        make()


def test_sentences_for_arrays():
    adam = Adam()
    with pytest.raises(ShapeError, match=r"Adam: expected grads of shape \(3,\), got \(4,\)\. One gradient"):
        adam.step(np.zeros(3), np.zeros(4))
    with pytest.raises(
        ShapeError, match=r"Adam: expected params to be a flat vector of floats, got shape \(3, 1\)"
    ):
        adam.step(np.zeros((3, 1)), np.zeros((3, 1)))
    with pytest.raises(
        ShapeError, match=r"flat vector of floats, got shape \(3,\), int64\. Pass model\.params"
    ):
        adam.step(np.zeros(3, dtype=np.int64), np.zeros(3, dtype=np.int64))
    assert adam.steps == 0
    adam.step(np.zeros(3), np.zeros(3))
    with pytest.raises(
        ShapeError, match=r"expected the 3 float64 parameters of the steps before, got 4 float64"
    ):
        adam.step(np.zeros(4), np.zeros(4))
    with pytest.raises(ShapeError, match=r"got 3 float32\. Make a new optimizer for another model"):
        adam.step(np.zeros(3, dtype=np.float32), np.zeros(3, dtype=np.float32))
    assert adam.steps == 1


def test_a_state_of_another_optimizer_is_refused():
    adam, sgd = Adam(), SGD(momentum=0.9)
    adam.step(np.zeros(3), np.zeros(3))
    with pytest.raises(
        ConfigError, match=r"SGD: expected a state with lr, steps, velocity, got lr, m, steps, v\."
    ):
        sgd.restore(adam.state())
    with pytest.raises(ConfigError, match="expected a state with lr, steps, got an empty one"):
        sgd.restore({})
    with pytest.raises(ConfigError, match=r"lr, schedule\.…, steps, got lr, steps\. Make the optimizer with"):
        SGD(lr=ReduceOnPlateau(0.1)).restore(SGD().state())


def test_clip_norm_keeps_the_direction():
    rng = np.random.default_rng(0)
    grads = rng.standard_normal(1000).astype(np.float32)
    before, expected = grads.copy(), np.linalg.norm(grads.astype(np.float64))
    assert clip_norm(grads, 2.0) == pytest.approx(expected, rel=1e-6)
    assert np.linalg.norm(grads) == pytest.approx(2.0, rel=1e-6)
    np.testing.assert_allclose(grads / before, 2.0 / expected, rtol=1e-5)
    assert grads.dtype == np.float32
    short = before * 1e-3
    assert clip_norm(short, 2.0) < 2.0
    assert np.array_equal(short, before * 1e-3)


def test_clip_norm_of_a_huge_gradient_does_not_overflow():
    grads = np.array([3e30, 4e30], dtype=np.float32)
    assert clip_norm(grads, 1.0) == pytest.approx(5e30)
    np.testing.assert_allclose(grads, [0.6, 0.8], rtol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_clip_norm_leaves_what_is_not_finite_to_be_found(bad):
    grads = np.array([1.0, bad])
    norm = clip_norm(grads, 0.5)
    assert not np.isfinite(norm)
    np.testing.assert_array_equal(grads, [1.0, bad])


@pytest.mark.torch
def test_clipping_agrees_with_torch():
    torch = pytest.importorskip("torch")
    grads, _ = draw()
    ours, theirs = grads.copy(), torch.zeros(50, dtype=torch.float64, requires_grad=True)
    theirs.grad = torch.tensor(grads)
    assert clip_norm(ours, 1.5) == pytest.approx(float(torch.nn.utils.clip_grad_norm_([theirs], 1.5)))
    np.testing.assert_allclose(ours, theirs.grad.numpy(), rtol=1e-6)
    theirs.grad = torch.tensor(grads)
    torch.nn.utils.clip_grad_value_([theirs], 0.3)
    clip_value(grads, 0.3)
    np.testing.assert_array_equal(grads, theirs.grad.numpy())


def test_the_page_shows_the_codes_own_lines():
    page = (Path(__file__).parents[1] / "docs" / "optimizers.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    source = [line.strip() for line in Path(optim.__file__).read_text(encoding="utf-8").splitlines()]
    assert len(blocks) >= 8
    for block in blocks:
        lines = [line.strip() for line in block.splitlines()]
        starts = range(len(source) - len(lines) + 1)
        assert any(source[i : i + len(lines)] == lines for i in starts), f"not in optim.py:\n{block}"


def test_what_it_remembers_of_one_model_is_not_used_for_another():
    one, two = np.zeros(3), np.zeros(3)
    momentum = SGD(lr=0.1, momentum=0.9)
    momentum.step(one, np.ones(3))
    with pytest.raises(
        ConfigError, match=r"SGD: expected the parameters of the 1 steps before, .* another model"
    ):
        momentum.step(two, np.ones(3))
    assert not two.any()
    momentum.step(one, np.ones(3))
    SGD(lr=0.1).step(one, np.ones(3))
    plain = SGD(lr=0.1)  # remembers nothing, so it may serve several
    plain.step(one, np.ones(3))
    plain.step(two, np.ones(3))


def test_a_pickled_optimizer_goes_on_with_a_copy_of_the_model():
    one, twin = np.ones(3), np.ones(3)
    first = SGD(lr=0.1, momentum=0.9)
    first.step(one, np.ones(3))
    second = pickle.loads(pickle.dumps(first))
    twin[...] = one
    first.step(one, np.ones(3))
    second.step(twin, np.ones(3))
    np.testing.assert_array_equal(twin, one)
