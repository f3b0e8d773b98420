"""The gradient check: planted errors, each found and named; correct derivatives, none accused."""

import re

import numpy as np
import pytest

from clearprop.errors import ConfigError, DataError, GradientError, ShapeError
from clearprop.gradcheck import check_function, check_kernel, check_loss
from clearprop.gradcheck.cases import select
from clearprop.gradcheck.report import GradientEntry, GradientReport
from clearprop.kernels.activations import relu_forward
from clearprop.kernels.affine import affine_backward, affine_forward

N, D, M = 6, 4, 3
RNG = np.random.default_rng(0)
INPUTS = {"x": RNG.normal(size=(N, D)), "w": RNG.normal(size=(D, M)), "b": RNG.normal(size=M)}
SQUARE = {"x": RNG.normal(size=(N, D)), "w": RNG.normal(size=(D, D)), "b": RNG.normal(size=D)}


def affine_with(name, change):
    """affine's backward with one of its gradients changed: change(gradient, dy)."""

    def backward(dy, cache):
        grads = dict(zip(("x", "w", "b"), affine_backward(dy, cache), strict=True))
        return tuple((grads | {name: change(grads[name], dy)}).values())

    return backward


def part_zero(g, dy):
    return np.where(np.arange(len(g))[:, None] == 1, 0, g)


W = INPUTS["w"]
PLANTED = {  # the inputs, the gradient that is changed, how, and what is to be said
    "sign": (INPUTS, "w", lambda g, dy: -g, "The sign is flipped."),
    "twice": (INPUTS, "w", lambda g, dy: 2 * g, "2 times the numeric: is a factor of 1/2 lost"),
    "half": (INPUTS, "x", lambda g, dy: g / 2, "1/2 of the numeric: is a factor of 2 lost"),
    "odd factor": (INPUTS, "w", lambda g, dy: 1.25 * g, "is 1.25 times the numeric."),
    "a millionth": (INPUTS, "w", lambda g, dy: g * 1.000001, "is 1.000001 times the numeric."),
    "batch": (INPUTS, "w", lambda g, dy: N * g, "6 times the numeric: is the mean over the batch missing"),
    "batch and sign": (INPUTS, "w", lambda g, dy: -N * g, "missing? The sign is flipped, too."),
    "batch twice": (
        INPUTS,
        "w",
        lambda g, dy: g / N,
        "1/6 of the numeric: is a mean over the batch taken where none belongs",
    ),
    "axis": (INPUTS, "w", lambda g, dy: M * g, "3 times the numeric: is the mean over an axis of 3 missing"),
    "transpose": (SQUARE, "w", lambda g, dy: g.T.copy(), "The transpose matches."),
    "transpose and mean": (SQUARE, "w", lambda g, dy: g.T / N, "matches, but for a factor of 0.166667."),
    "its shape": (INPUTS, "w", lambda g, dy: g.T, "of shape (4, 3), got (3, 4). The transpose matches."),
    "reversed": (INPUTS, "w", lambda g, dy: g[::-1], "Reversed along axis 0, it matches."),
    "flipped kernel": (INPUTS, "w", lambda g, dy: g[::-1, ::-1], "as a flipped kernel, it matches"),
    "moved": (INPUTS, "x", lambda g, dy: np.roll(g, 1, axis=0), "Moved by one along axis 0, it matches."),
    "zero": (INPUTS, "w", lambda g, dy: 0 * g, "zero everywhere: is it ever written"),
    "part zero": (INPUTS, "w", part_zero, "A part is zero, at 3 of 12 coordinates, and the rest is right."),
    "sum missing": (INPUTS, "b", lambda g, dy: dy, "(6, 3). Summed over axis 0, it matches: is the sum over"),
    "one row": (
        INPUTS,
        "b",
        lambda g, dy: dy[0],
        "Only b is wrong, not x, w. Is the sum over the batch right",
    ),
    "reshape": (INPUTS, "w", lambda g, dy: g.ravel(), "got (12,). Reshaped, it matches."),
    "cut": (INPUTS, "w", lambda g, dy: g[:2], "Expected a gradient of shape (4, 3), got (2, 3)."),
    "dy unused": (
        INPUTS,
        "b",
        lambda g, dy: np.full(M, 6.0),
        "matches for an upstream gradient of ones: is dy used",
    ),
    "L2": (
        INPUTS,
        "w",
        lambda g, dy: g - 0.01 * W,
        "Adding 0.01 times the array itself, it matches: is an L2",
    ),
    "L1": (
        INPUTS,
        "w",
        lambda g, dy: g - 0.01 * np.sign(W),
        "Adding 0.01 times the array's sign, it matches: is an L1",
    ),
    "mean": (
        INPUTS,
        "w",
        lambda g, dy: g - g.mean(axis=1)[:, None],
        "all along axis 1: is a sum or mean over it missing",
    ),
    "one entry": (
        INPUTS,
        "w",
        lambda g, dy: g + np.eye(D, M, k=-3),
        "Only 1 of 12 checked coordinates are wrong.",
    ),
    "not finite": (INPUTS, "w", lambda g, dy: g / np.array([1, 0, 1]), "not finite at 4 coordinates"),
}


@pytest.mark.parametrize("plant", PLANTED)
def test_planted_errors_are_found_and_named(plant):
    inputs, culprit, change, words = PLANTED[plant]
    backward = affine_with(culprit, change)
    with np.errstate(divide="ignore"):
        report = check_kernel(affine_forward, backward, inputs, raise_on_failure=False)
        with pytest.raises(GradientError, match=re.escape(words)) as caught:
            check_kernel(affine_forward, backward, inputs)
    assert f"affine: the gradient of {culprit} is wrong" in str(caught.value)
    assert [entry.name for entry in report.failures] == [culprit]
    assert report.error > 1e-7


def test_swapped_gradients_are_named():
    def backward(dy, cache):
        dx, dw, db = affine_backward(dy, cache)
        return dw, dx, db

    inputs = SQUARE | {"x": SQUARE["x"][:D]}
    with pytest.raises(GradientError, match="returned for w matches: are they returned in the wrong order"):
        check_kernel(affine_forward, backward, inputs)


def test_a_missing_mask_is_named():
    x = RNG.normal(size=(5, 3))
    with pytest.raises(
        GradientError, match=r"The numeric is zero at \d+ of 15 coordinates: is a mask missing"
    ):
        check_kernel(relu_forward, lambda dy, y: dy, {"x": x})


def test_a_report_names_parameter_place_numbers_and_error():
    backward = affine_with("w", lambda g, dy: -g)
    report = check_kernel(affine_forward, backward, INPUTS, raise_on_failure=False)
    entry = report.failures[0]
    assert entry.name == "w"
    assert entry.shape == (D, M)
    assert entry.checked == D * M
    assert entry.analytic == pytest.approx(-entry.numeric, rel=1e-8)
    assert entry.error == pytest.approx(1.0)
    text = str(report)
    assert "affine: 1 of 3 failed, tolerance 1e-07" in text
    assert f"{entry.analytic:.8g}" in text
    assert f"{entry.numeric:.8g}" in text
    assert f"at ({entry.index[0]}, {entry.index[1]})" in text


SMOOTH = {
    "scalar": (lambda x: np.sum(np.exp(x) * x), lambda x: np.exp(x) * (x + 1), 1.0),
    "steep": (lambda x: np.sin(1000 * x).sum(), lambda x: 1000 * np.cos(1000 * x), 1.0),
    "large": (lambda x: (x**3).sum(), lambda x: 3 * x**2, 1e6),
    "tiny": (lambda x: (x**2).sum(), lambda x: 2 * x, 1e-8),
    "log, close to the edge of its domain": (lambda x: np.log(x * x).sum(), lambda x: 2 / x, 1e-6),
    "saturated": (lambda x: np.tanh(50 * x).sum(), lambda x: 50 * (1 - np.tanh(50 * x) ** 2), 1.0),
    "exactly zero": (lambda x: (x - x.mean()).mean() + 1.0, np.zeros_like, 1.0),
    "cancelling": (lambda x: np.sum((x + 1e4) - 1e4), np.ones_like, 1.0),
}  # fmt: skip


@pytest.mark.parametrize("name", SMOOTH)
def test_correct_gradients_of_functions_are_not_accused(name):
    f, df, size = SMOOTH[name]
    for seed in range(5):
        x = size * np.random.default_rng(seed).normal(size=(5, 3))
        report = check_function(f, df(x), x, seed=seed)
        assert report.ok
        assert "log" in name or not any(entry.crossed or entry.on_kink for entry in report.entries)


@pytest.mark.parametrize(
    "name", ["scalar", "large", "tiny", "steep", "saturated", "log, close to the edge of its domain"]
)
def test_wrong_gradients_of_the_same_functions_are_found(name):
    f, df, size = SMOOTH[name]
    x = size * np.random.default_rng(1).normal(size=(5, 3))
    report = check_function(f, 2 * df(x), x, raise_on_failure=False)
    assert not report.ok
    assert "2 times the numeric" in report.failures[0].guess


def test_the_order_in_memory_does_not_matter():
    x = np.asfortranarray(RNG.normal(size=(4, 3)))
    assert check_function(np.tanh, lambda dy, x: dy / np.cosh(x) ** 2, x).ok
    assert check_kernel(
        affine_forward, affine_backward, {k: np.asfortranarray(v) for k, v in INPUTS.items()}
    ).ok


def test_arrays_by_name_with_a_random_upstream_gradient():
    seen = []

    def vjp(dy, at):
        seen.append(dy)
        return {"a": dy * at["b"], "b": (dy * at["a"]).sum(axis=0)}

    at = {"a": RNG.normal(size=(4, 3)), "b": RNG.normal(size=3)}
    report = check_function(lambda at: at["a"] * at["b"], vjp, at)
    assert [entry.name for entry in report.entries] == ["a", "b"]
    assert np.unique(seen[0]).size == 12
    grads = {"a": np.tile(at["b"], (4, 1)), "b": at["a"].sum(axis=0)}
    assert check_function(lambda at: (at["a"] * at["b"]).sum(), grads, at).ok


def test_a_large_array_is_projected_and_its_one_wrong_entry_located():
    x = RNG.normal(size=(300, 200))
    dx = 2 * x
    dx[123, 45] *= 1.001
    report = check_function(
        lambda x: (x * x).sum(axis=1), lambda dy, x: dy[:, None] * dx, x, raise_on_failure=False
    )
    (entry,) = report.entries
    assert entry.index == (123, 45)
    assert entry.checked == 65
    assert entry.directions == 3
    assert "65/60000+3" in str(report)


def test_the_largest_entries_are_among_those_checked():
    x = np.zeros(1000)
    dx = np.full(1000, 1e-9)
    dx[77] = 1.0
    report = check_function(
        lambda x: 1e-9 * x.sum(), dx, x, coordinates=10, directions=0, raise_on_failure=False
    )
    assert report.entries[0].index == (77,)
    assert report.entries[0].checked == 10


def test_it_agrees_with_torch_on_what_is_right():
    torch = pytest.importorskip("torch")
    x = RNG.normal(size=(4, 3))

    def f(x):
        return torch.nn.functional.gelu(torch.from_numpy(x.copy())).numpy()

    def df(dy, x):
        leaf = torch.from_numpy(x.copy()).requires_grad_()
        torch.nn.functional.gelu(leaf).backward(torch.from_numpy(dy))
        return leaf.grad.numpy()

    assert check_function(f, df, x).error <= 1e-7
    with pytest.raises(GradientError, match=r"1\.01 times"):
        check_function(f, lambda dy, x: 1.01 * df(dy, x), x)


# What is refused, and its sentences


def noisy(x, rng=np.random.default_rng(0)):  # noqa: B008
    return x + rng.normal(size=x.shape)


def greedy(x):
    x += 1
    return x


def writes_dy(dy, x):
    dy *= 2
    return dy


def identity(x):
    return x


ONE = np.ones(3)
AB = {"a": ONE, "b": ONE}
REFUSED = {
    "noise": (
        lambda: check_function(noisy, lambda dy, x: dy, ONE),
        GradientError,
        r"noisy: expected the same output for the same input.* Draw its random numbers once, outside",
    ),
    "in place": (
        lambda: check_function(greedy, lambda dy, x: dy, ONE),
        GradientError,
        "greedy: expected its inputs unchanged, but x was written to. Work on a copy",
    ),
    "dy in place": (
        lambda: check_function(identity, writes_dy, ONE),
        GradientError,
        "identity: expected dy unchanged, but backward wrote to it. Work on a copy",
    ),
    "float32": (
        lambda: check_function(lambda x: x.astype("f4"), lambda dy, x: dy, ONE, name="cut"),
        ConfigError,
        r"cut: expected the output in float64, as its inputs are, got float32 of shape \(3,\). Keep the inputs' dtype",
    ),
    "float32 gradient": (
        lambda: check_function(identity, lambda dy, x: dy.astype("f4"), ONE),
        ConfigError,
        "identity: expected the gradient of x in float64, as its inputs are, got float32",
    ),
    "NaN": (
        lambda: check_function(np.log, lambda dy, x: dy / x, 0 * ONE),
        DataError,
        "log: expected a finite output, got NaN or infinity. Check it at another x",
    ),
    "no vjp": (
        lambda: check_function(identity, ONE, ONE),
        ShapeError,
        r"identity: expected the output of shape \(\), got \(3,\). Give df as df\(dy, x\)",
    ),
    "a name missing": (
        lambda: check_function(lambda at: at["a"], lambda dy, at: {"a": dy}, AB, name="f"),
        ShapeError,
        "f: expected a gradient for each of a, b, got none for b",
    ),
    "None": (
        lambda: check_kernel(affine_forward, lambda dy, c: affine_backward(dy, c, need_dx=False), INPUTS),
        ShapeError,
        "affine: expected a gradient for each of x, w, b, got none for x",
    ),
    "count": (
        lambda: check_kernel(affine_forward, lambda dy, c: affine_backward(dy, c)[1:], INPUTS),
        ShapeError,
        "affine: expected a gradient for each of x, w, b, in order, got 2. Name the inputs without one in fixed",
    ),
    "loss": (
        lambda: check_loss(lambda s, y: (s.sum(), s), np.eye(3), np.arange(3), name="total"),
        ShapeError,
        r"total: expected losses of shape \(3,\), got \(\). A loss returns one number for each example",
    ),
    "case": (lambda: select("gellu"), ConfigError, "check: unknown case 'gellu'. Did you mean 'gelu'"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_checked_is_refused_in_a_sentence(what):
    call, error, words = REFUSED[what]
    with np.errstate(divide="ignore"), pytest.raises(error, match=words):
        call()


# The table


def test_the_table_fits_eighty_columns():
    long = GradientEntry(
        "a_very_long_name_of_a_parameter.w",
        (1000, 1000, 333, 77),
        checked=64,
        directions=3,
        index=(1, 2, 3, 4),
        analytic=-1.2e-100,
        numeric=-3.4e-100,
        error=0.5,
        crossed=12,
        on_kink=7,
        unproved=3,
        verdict="wrong",
        guess="x" * 30 + " " + "y " * 60,
    )
    lines = str(GradientReport("t" * 99, (long, long), 1e-7, "note " * 30)).splitlines()
    assert max(map(len, lines)) <= 80
    assert "…" in lines[2]


def test_repeatable_by_its_seed():
    first, again, other = (check_kernel(affine_forward, affine_backward, INPUTS, seed=s) for s in (1, 1, 2))
    assert first == again
    assert first != other
