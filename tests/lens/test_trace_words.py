"""Numbers of every size in a trace, its equations at places, a user's letters: what stands there is true."""

import math

import numpy as np
import pytest
from trace_reader import calculate, equations, wrong_sums

import clearprop as cp
from clearprop.errors import ConfigError
from clearprop.lens.document import Document, Tensor, scalar
from clearprop.lens.document.formula import plain
from clearprop.lens.document.heat import heat_table
from clearprop.lens.trace import Trace, trace
from clearprop.lens.trace.letters import figure, fine

SMALLEST = 5e-324  # of float64


def scored(scores: list[float], y: object, **settings: object) -> Trace:
    """A trace of a network whose scores are these."""
    model = cp.Sequential([cp.Activation("identity")], (len(scores),), dtype="float64")
    return trace(model, [scores], y, **settings)


@pytest.mark.parametrize("gap", [0.3, 3.0, 7.358, 9.0, 20.0, 34.0])
@pytest.mark.parametrize("label", [0, 1])
@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "sigmoid_cross_entropy", "cross_entropy"])
def test_a_loss_has_the_digits_that_make_it_true(loss: str, label: int, gap: float) -> None:
    """Where a probability is close to 0 or to 1, its logarithm as it stands there is the loss."""
    if loss == "sigmoid_cross_entropy":
        shown = scored([gap], [label], loss=loss)
    elif loss == "cross_entropy":
        model = cp.Sequential([cp.Activation("softmax")], (2,), dtype="float64")
        shown = trace(model, [[gap, 0.0]], [label], loss=loss)
    else:
        shown = scored([gap, 0.0], [label], loss=loss)
    step = shown.step("loss")
    checked = 0
    for one, left, sides in equations(shown):
        if one is step and left.startswith(("ℓ", "ds", "p")):
            value = (
                shown.loss
                if left.startswith("ℓ")
                else float(step[left[:2].rstrip("[")].ravel()[int(left[-2])])
            )
            for side in sides:
                assert calculate(side, step) == pytest.approx(value, rel=1e-3, abs=6e-5), f"{left} = {sides}"
                assert (calculate(side, step) == 0) == (value == 0) or abs(value) < 1e-12, f"{left} = {sides}"
            checked += 1
    assert checked >= 2


def test_a_probability_of_zero_has_a_logarithm_all_the_same() -> None:
    said = [plain(latex) for latex in scored([0.0, 800.0], [0]).step("loss").put_in]
    assert said[1] == "ℓ = −(0 − log(exp(0) + exp(800))) = 800"


def test_a_number_on_its_own_keeps_its_digits() -> None:
    values = {
        0.0: "0", 2.25: "2.2500", 0.0123: "0.0123", 0.00051239: "0.0005124", 6.0314e-6: r"6.031 \cdot 10^{-6}",
        -1e-5: "-10^{-5}", 1.5e9: r"1.5 \cdot 10^{9}", SMALLEST: r"4.941 \cdot 10^{-324}", math.inf: "inf",
    }  # fmt: skip
    assert {value: scalar(value) for value in values} == values
    for form in ("text", "markdown", "latex", "html"):
        written = getattr(Document("t", (Tensor("L", np.array(6.0314e-6)),)), form)()
        assert "6.031 · 10⁻⁶" in written or r"L = 6.031 \cdot 10^{-6}" in written, form


def test_a_small_loss_is_no_zero() -> None:
    model = cp.Sequential([cp.Dense(2)], (1,), dtype="float64")
    model.params[...] = [6.0, -6.0, 0.0, 0.0]
    shown = trace(model, [[1.0]], [0], l2=1e-9)
    text = " ".join(shown.text().split())
    assert f"{shown.loss:.4g}" == "6.144e-06"
    assert "the loss is 6.144 · 10⁻⁶." in text
    assert repr(shown) == "Trace(5 steps, 1 example, loss 6.144 · 10⁻⁶)"
    assert " R = 3.6 · 10⁻⁸ " in text  # ½ · 10⁻⁹ · 72
    assert "L + R = 6.18 · 10⁻⁶ " in text
    for form in (shown.markdown(), shown.latex()):
        assert r"R = 3.6 \cdot 10^{-8}" in form
    assert "R = 3.6 · 10⁻⁸</div>" in shown.html()


@pytest.mark.parametrize("value", [SMALLEST, 1e-320, 2.3e-310, 1e-45, 1e308, 1.7e308])
def test_numbers_at_the_ends_of_floating_point_are_written(value: float) -> None:
    for dtype in (np.float64, np.float32):
        if dtype is np.float32 and value not in (1e-45, 1e308):
            continue
        own = np.float32(1e-45 if value < 1 else 3e38) if dtype is np.float32 else np.float64(value)
        power = math.floor(math.log10(own))
        for array in (np.array([[own, -own, 0]], dtype), np.full((20, 20), own), np.array(own)):
            tensor = Tensor("x", array)
            for form in ("text", "markdown", "latex", "html"):
                written = getattr(Document("t", (tensor,)), form)()
                assert "inf" not in written.replace(
                    "norm inf", ""
                )  # which none of the floating-point numbers is
                assert "nan" not in written.replace("nance", "")
        assert f"10<sup>{power}</sup> times" in heat_table(Tensor("x", np.array([own, own], dtype)))
        said = Tensor("x", np.full((20, 20), own)).statistics()
        assert float(said.removeprefix("smallest ").partition(",")[0]) == pytest.approx(
            own, rel=1e-3, abs=SMALLEST
        )
        assert f", mean {said.partition('smallest ')[2].partition(',')[0]}," in said
        assert float(calculate(plain(figure(own)), None)) == pytest.approx(float(own), rel=0.01, abs=SMALLEST)  # type: ignore[arg-type]
        assert float(calculate(plain(fine(own)), None)) == pytest.approx(float(own), rel=1e-3, abs=SMALLEST)  # type: ignore[arg-type]


@pytest.mark.parametrize(("dtype", "value"), [("float64", 1e-310), ("float64", SMALLEST), ("float32", 1e-45)])
def test_a_trace_of_the_smallest_numbers(dtype: str, value: float) -> None:
    model = cp.Sequential([cp.Dense(2)], (2,), dtype=dtype)
    shown = trace(model, np.full((1, 2), value, dtype), [0], l2=0.1)
    assert all((shown.text(), shown.markdown(), shown.latex(), shown.html()))
    assert "inf" not in shown.text()


def test_a_figures_power_of_ten_is_its_own() -> None:
    values = {1.234e-5: "1.234 · 10⁻⁵", 9.9999e-5: "10⁻⁴", 1e6: "10⁶", -4.56e7: "−4.56 · 10⁷", 5e-4: "0.0005"}
    assert {value: plain(figure(value)) for value in values} == values
    assert plain(fine(1.23456e-5)) == "1.235 · 10⁻⁵"


PLACES = pytest.mark.parametrize("places", [False, True])


@PLACES
@pytest.mark.parametrize("n", [1, 4])
def test_the_equations_of_a_loss_say_what_it_is_a_mean_of(places: bool, n: int) -> None:
    rng = np.random.default_rng(0)
    shape = (5, 3) if places else (3,)
    model = cp.Sequential([cp.Activation("identity")], shape, dtype="float64")
    y = rng.integers(0, 3, (n, *shape[:-1]))
    step = trace(model, rng.normal(size=(n, *shape)), y).step("loss")
    said = [plain(latex) for latex in step.equations]
    share = n * (5 if places else 1)
    assert said[-1] == (f"ds = 1/{share} (p − t)" if share > 1 else "ds = p − t")
    one_hot = np.eye(3)[y]
    np.testing.assert_allclose(step["ds"], (step["p"] - one_hot) / share)
    each = -(one_hot * np.log(step["p"])).sum(axis=-1)
    assert said[1] == ("ℓₙᵢ = −Σₖ tₙᵢₖ log pₙᵢₖ" if places else "ℓₙ = −Σₖ tₙₖ log pₙₖ")
    assert ("ℓₙ = 1/5 Σᵢ ℓₙᵢ" in said) == places
    np.testing.assert_allclose(step[r"\ell"], each.mean(axis=1) if places else each)
    assert ("i counts the 5 places of an example" in " ".join(step.notes)) == places


@pytest.mark.parametrize("n", [1, 4])
def test_the_hinges_gradient_counts_its_share_once(n: int) -> None:
    """Both equations, read as they stand there."""
    rng = np.random.default_rng(1)
    model = cp.Sequential([cp.Activation("identity")], (4,), dtype="float64")
    s, y = rng.normal(size=(n, 4)), rng.integers(0, 4, n)
    step = trace(model, s, y, loss="hinge").step("loss")
    first, second = (plain(latex) for latex in step.equations[-2:])
    assert second.startswith("ds_ny = −Σ_{k ≠ y} ds")
    assert "/" not in second
    name, right = first.split(" = ")
    assert name == "dsₙₖ"
    share, _, condition = right.rpartition("[")
    assert condition == "sₙₖ − s_ny + 1 > 0]"
    ds = np.zeros_like(s)
    for i in range(n):
        for k in set(range(4)) - {y[i]}:
            ds[i, k] = (eval(share) if share else 1) * (s[i, k] - s[i, y[i]] + 1 > 0)
        ds[i, y[i]] = -ds[i].sum()
    np.testing.assert_allclose(step["ds"], ds)


MODEL = cp.Sequential([cp.Dense(3)], (4,))


@pytest.mark.parametrize("letter", [3, None, "", " ", r"\foo", "x^", "$x$", "a & b", "a_{", "}", "^2"])
def test_a_letter_that_cannot_be_read_is_refused_at_once(letter: object) -> None:
    with pytest.raises(ConfigError, match=r"trace: expected letters\['x'\] to be a letter in LaTeX such as"):
        trace(MODEL, [[1.0] * 4], [0], letters={"x": letter})


@pytest.mark.parametrize(
    "letter", ["x", "h_1", r"\alpha", r"\hat{y}", "x'", "W_{ih}", "z^{(1)}", r"\text{in}"]
)
def test_a_letter_that_can_be_read_is_written_in_every_form(letter: str) -> None:
    shown = trace(MODEL, [[1.0] * 4], [0], letters={"x": letter, "0.w": letter})
    assert f"{plain(letter)} = [" in shown.text()
    assert all((shown.markdown(), shown.latex(), shown.html()))


@pytest.mark.parametrize("name", ["training", "apply"])
@pytest.mark.parametrize("flag", ["no", 0, None])
def test_a_flag_is_true_or_false(name: str, flag: object) -> None:
    with pytest.raises(ConfigError, match=f"trace: expected {name} to be True or False, got {flag!r}"):
        trace(MODEL, [[1.0] * 4], [0], **{name: flag})


def test_groups_are_in_the_words() -> None:
    grouped = {
        cp.Conv2D(4, 3, groups=2): "There are 2 groups; c counts within the group of filter f.",
        cp.Conv1D(4, 3, groups=4): "There are 4 groups; c counts within the group of filter f.",
        cp.ConvTranspose2D(4, 3, groups=2): "There are 2 groups; f counts within the group of channel c.",
    }
    for layer, sentence in grouped.items():
        shape = (4, 4) if isinstance(layer, cp.Conv1D) else (4, 4, 4)
        model = cp.Sequential([layer], shape)
        y = np.zeros((1, *model.output_shape))
        assert (
            sentence
            in trace(model, np.ones((1, *shape)), y, loss="squared_error").step("forward", 0).notes[0]
        )
    model = cp.Sequential([cp.Conv2D(4, 3)], (4, 4, 4))
    shown = trace(model, np.ones((1, 4, 4, 4)), np.zeros((1, 2, 2, 4)), loss="squared_error")
    assert "groups" not in shown.step("forward", 0).notes[0]


def test_one_penalty_after_the_other_adds_up() -> None:
    model = cp.Sequential([cp.Dense(2)], (2,), dtype="float64")
    model.params[...] = [1.0, -2.0, 3.0, 4.0, 0.5, 0.5]
    shown = trace(model, [[1.0, 2.0]], [0], l1=0.25, l2=0.1)
    assert wrong_sums(shown, 1e-2) == []
    first, second = (step for step in shown.steps if step.name.endswith("penalty"))
    assert (first.name, second.name) == ("the L1 penalty", "the L2 penalty")
    assert float(first["R"]) == 2.5
    assert float(second["R"]) == pytest.approx(1.5)
    assert float(first["L + R"]) == pytest.approx(shown.loss + 2.5)
    assert float(second["L + R"]) == pytest.approx(shown.loss + 2.5 + 1.5)


def test_the_updates_table_compares_the_change_with_the_norm() -> None:
    model = cp.Sequential([cp.Dense(2)], (2,), dtype="float64")
    model.params[...] = [3.0, 0.0, 0.0, 4.0, 0.0, 0.0]
    shown = trace(model, [[1.0, 2.0]], [0], optimizer=cp.SGD(lr=0.01))
    head, weights, biases = shown.steps[-1].rows
    assert head == ("parameter", "shape", "norm", "gradient", "change", "change / norm")
    size = float(np.linalg.norm(shown.grads["0.w"]))
    assert weights == ("0.w", "2 × 2", "5", f"{size:.4g}", f"{0.01 * size:.4g}", f"{0.01 * size / 5:.4g}")
    assert biases[-1] == ""  # whose norm is 0
