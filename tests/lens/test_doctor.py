"""The doctor: planted illnesses are found, healthy networks are left in peace, nothing that is given changes."""

import copy
import re
from functools import cache
from math import log
from pathlib import Path

import numpy as np
import pytest
from doctor_cases import HEALTHY, PLANTED, blobs, mlp

import clearprop as cp
from clearprop.lens.doctor import Diagnosis, Finding, Look
from clearprop.lens.doctor import thresholds as t
from clearprop.lens.doctor.probe import look, without_noise
from clearprop.lens.doctor.reference import constant_loss, perfect_loss, zero_loss
from clearprop.losses import make_loss

PAGE = Path(__file__).parents[2] / "docs" / "doctor.md"


@cache
def examined(case):
    arguments, settings = case.make()
    return cp.diagnose(*arguments, **settings)


@pytest.mark.parametrize("case", PLANTED, ids=lambda case: case.what)
def test_a_planted_illness_is_the_first_or_second_finding(case):
    found = examined(case)
    assert case.expected in [finding.name for finding in found.findings[:2]], str(found)


@pytest.mark.parametrize("case", HEALTHY, ids=lambda case: case.what)
def test_a_healthy_network_has_nothing_serious(case):
    found = examined(case)
    assert found.ok, str(found)
    assert "Nothing serious found" in str(found)
    assert len(found.looks) > 10


def test_there_are_enough_of_both():
    assert len(PLANTED) >= 20
    assert len(HEALTHY) >= 8
    assert len({case.make for case in (*PLANTED, *HEALTHY)}) == len(PLANTED) + len(HEALTHY)


def table_rows():
    """The page's two tables, from what is found here."""
    for case in PLANTED:
        found = [f"{f.name} ({f.severity})" for f in examined(case).findings[:2]]
        yield f"| {case.what} | {', '.join(found)} |"
    for case in HEALTHY:
        yield f"| {case.what} | nothing serious |" if examined(case).ok else ""


def test_the_page_shows_what_is_found():
    text = PAGE.read_text(encoding="utf-8")
    missing = [row for row in table_rows() if row not in text]
    assert not missing, "\n".join(["docs/doctor.md lacks:", *missing])
    first = sum(examined(case).findings[0].name == case.expected for case in PLANTED)
    said = (
        f"{len(PLANTED)} planted illnesses: {first} are the first finding, {len(PLANTED) - first} the second."
    )
    assert said in text, said
    assert f"{len(HEALTHY)} healthy networks" in text


# Each row of the page's table of thresholds, and the numbers that it must say.
STATED = {
    "scale of the inputs": (t.LARGE, t.SMALL, t.UNEVEN, t.VERY_LARGE, t.VERY_SMALL, t.VERY_UNEVEN),
    "scale of the targets": (t.LARGE, t.SMALL, t.VERY_LARGE, t.VERY_SMALL),
    "class imbalance": (t.IMBALANCE, t.STRONG_IMBALANCE),
    "order of the rows": (t.UNMIXED,),
    "scale of the validation": (t.OTHER_MEAN, t.VERY_OTHER_SCALE, t.VERY_OTHER_MEAN),
    "rows in both parts": (100 * t.SHARED, 100 * t.WIDELY_SHARED),
    "dead ReLUs": (100 * t.DEAD, 100 * t.MOSTLY_DEAD),
    "ReLUs always on": (100 * t.ALWAYS_ON,),
    "saturation": (100 * t.SATURATED, 100 * t.FLAT, 100 * t.MOSTLY_SATURATED),
    "vanishing gradients": (t.FADED, t.VANISHED),
    "exploding gradients": (t.GROWN, t.EXPLODED, t.TIME_GROWN),
    "dropout": (t.STRONG_DROPOUT, t.FEW_LEFT, t.FIERCE_DROPOUT),
    "batch norm": (t.SMALL_BATCH,),
    "overfitting": (t.GAP, t.WIDE_GAP, t.RISE),
    "learning rate": (100 * t.CREEPS, t.APART, 100 * t.SHY, 100 * t.STANDS_STILL, 100 * t.GAINED, t.STEPS),
    "size of updates": (t.HUGE_UPDATE, t.TINY_UPDATE, t.OVERTURNING_UPDATE),
    "what was learned": (t.MANY_STEPS, 100 * t.NOTHING),
    "loss": (t.FAR_LOSS, t.FAR_ERROR, t.VERY_FAR_LOSS, t.VERY_FAR_ERROR),
    "one batch by heart": (t.MEMORIZED,),
}


@pytest.mark.parametrize("row", STATED)
def test_the_page_states_the_thresholds(row):
    line = re.search(rf"^\| {row} \| (.*)", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1]
    numbers = [float(number) for number in re.findall(r"\d[\d.]*(?:e-\d+)?", line)]
    for value in STATED[row]:
        assert round(value, 9) in numbers, f"{row}: {value:g} is not in: {line}"


def test_the_share_of_the_time_is_on_the_page():
    assert f"costs {100 * t.SHARE:g} % of the training time" in PAGE.read_text(encoding="utf-8")


def test_nothing_that_is_given_changes():
    x, y = blobs()
    layers = [cp.Dense(8), cp.BatchNorm(), cp.Activation("relu"), cp.Dropout(0.5), cp.Dense(3)]
    model, optimizer = cp.Sequential(layers, (4,), seed=0), cp.Adam(lr=0.01)
    history = cp.fit(model, x, y, optimizer=optimizer, epochs=2)
    model.link = "identity"
    kept = [model.params.copy(), model.grads.copy(), model.buffers.copy(), x.copy(), y.copy()]
    random, drawn = copy.deepcopy(model.rng.bit_generator.state), np.random.get_state()[1].copy()  # noqa: NPY002
    state, steps = optimizer.state(), list(history.steps["loss"])
    first = cp.diagnose(model, x, y, optimizer=optimizer, history=history, validation=(x[:50], y[:50]))
    for before, after in zip(kept, [model.params, model.grads, model.buffers, x, y], strict=True):
        np.testing.assert_array_equal(before, after)
    assert model.rng.bit_generator.state == random
    np.testing.assert_array_equal(np.random.get_state()[1], drawn)  # noqa: NPY002
    assert all(np.array_equal(state[name], value) for name, value in optimizer.state().items())
    assert (history.steps["loss"], model.link) == (steps, "identity")
    assert all("forward" not in vars(layer) for layer in model.layers)
    again = cp.diagnose(model, x, y, optimizer=optimizer, history=history, validation=(x[:50], y[:50]))
    assert str(again) == str(first)


@pytest.mark.parametrize(
    "case", [PLANTED[0], PLANTED[20], PLANTED[26], HEALTHY[0]], ids=lambda case: case.what
)
def test_the_text_fits_the_screen_and_says_all(case):
    found = examined(case)
    text = str(found)
    assert max(map(len, text.splitlines())) <= 80
    flat = " ".join(text.split())
    for finding in found.findings:
        for words in (finding.evidence, finding.verdict, finding.remedy):
            assert " ".join(words.split()) in flat
        assert re.search(r"\d", finding.evidence)
        assert finding.verdict.endswith(".")
        assert finding.remedy.endswith(".")
    for name, seen in found.looks:
        assert name in flat
        assert seen in flat


def test_other_forms_are_escaped():
    bad = Finding("serious", "a | b <script>", "1 < 2 & *", "verdict.", "remedy.", "layer 1, A[0]")
    found = Diagnosis((bad,), (Look("x", "<y>"),), "a network")
    assert "<script>" not in found._repr_html_()
    assert "A | b &lt;script&gt;" in found._repr_html_()
    assert "http" not in found._repr_html_()
    assert "A \\| b \\<script> in layer 1, A\\[0\\]" in found.markdown()
    assert found.summary == "1 serious finding."
    assert (
        Diagnosis((Finding("note", "n", "", "", ""),) * 2, (), "s").summary
        == "Nothing serious found; 2 notes."
    )


def test_most_serious_first():
    x, y = blobs()
    x[:, 2] = 1.0  # a note
    found = cp.diagnose(mlp(4, 16, 3), x, y, optimizer=cp.SGD(lr=1e-5))
    severities = [finding.severity for finding in found.findings]
    assert severities == sorted(severities, key=["serious", "warning", "note"].index)
    assert severities[0] == "serious"
    assert severities[-1] == "note"


def test_what_cannot_be_looked_at_is_refused():
    x, y = blobs()
    model = mlp(4, 16, 3)
    with pytest.raises(cp.ShapeError, match=r"diagnose.*expected x of shape \(N, 4\), got \(300, 3\)"):
        cp.diagnose(model, x[:, :3], y)
    with pytest.raises(cp.ShapeError, match="expected one row of y for each of the 300 rows of x"):
        cp.diagnose(model, x, y[:-1])
    with pytest.raises(cp.DataError, match="expected x to hold numbers"):
        cp.diagnose(model, x.astype(str), y)
    with pytest.raises(cp.ConfigError, match=r"unknown name 'hinges'\. Did you mean 'hinge'"):
        cp.diagnose(model, x, y, loss="hinges")
    for name, value in (
        ("batch_size", 0),
        ("l1", -1.0),
        ("l2", -0.1),
        ("clip_norm", 0.0),
        ("clip_value", -1),
    ):
        with pytest.raises(cp.ConfigError, match=f"diagnose: expected {name} .* got"):
            cp.diagnose(model, x, y, **{name: value})
    with pytest.raises(cp.ShapeError, match=r"diagnose: expected x of shape \(N, …\), got a single number"):
        cp.diagnose(model, 3.0, 0)
    with pytest.raises(cp.DataError, match=r"diagnose: expected validation to be a pair \(x, y\), got 0\.2"):
        cp.diagnose(model, x, y, validation=0.2)


def test_all_rows_may_be_nan_and_only_the_data_are_judged():
    x, y = blobs()
    found = cp.diagnose(mlp(4, 16, 3), x * np.nan, y)
    assert [finding.name for finding in found.findings] == ["NaN in the data"]
    assert "300 of 300 rows" in found.findings[0].evidence


def test_nan_and_what_float32_cannot_hold_are_counted_by_column():
    x, y = blobs()
    x[3, 1], x[4, 2] = np.inf, 1e39
    found = cp.diagnose(mlp(4, 16, 3), x, y)
    assert found.findings[0].evidence.startswith(
        "2 of 300 rows hold NaN or infinity, in the columns 1, 2 of x"
    )


def test_large_data_are_sampled_and_said_to_be(tmp_path):
    x, y = blobs(3000)
    found = cp.diagnose(mlp(4, 8, 3), x, y, rows=500)
    assert "a sample of 500 of 3,000 rows" in str(found).replace("\n", " ")
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    sources = [cp.open_rows(tmp_path / name) for name in ("x.npy", "y.npy")]
    from_disk = cp.diagnose(mlp(4, 8, 3), *sources, rows=500)
    assert from_disk.ok
    assert "of 3,000 rows" in from_disk.subject
    assert cp.diagnose(mlp(4, 8, 3), sources[0], y, rows=500).ok


def test_few_rows_are_enough():
    x, y = blobs(40)
    assert cp.diagnose(mlp(4, 8, 3), x[:5], y[:5], optimizer="adam").looks
    assert cp.diagnose(mlp(4, 8, 3), x[:1], y[:1]).looks


def test_what_was_refused_is_a_finding_with_fits_own_words():
    x, y = blobs()
    model = cp.Sequential([cp.Dense(3), cp.Activation("softmax")], (4,), seed=0)
    with pytest.raises(cp.ConfigError) as refused:
        cp.fit(model, x, y)
    found = cp.diagnose(model, x, y).findings[0]
    assert f"fit: {found.evidence} {found.remedy}" == str(refused.value)
    with pytest.raises(cp.DataError) as refused:
        cp.fit(mlp(4, 8, 3), x, y + 1)
    found = cp.diagnose(mlp(4, 8, 3), x, y + 1).findings[0]
    assert f"fit: {found.evidence.replace('Expected', 'expected')} {found.remedy}" == str(refused.value)


def test_what_does_not_fit_may_also_be_unscaled_and_trained():
    x, y = blobs()
    model = mlp(4, 8, 3)
    history = cp.fit(model, x, y, epochs=30)
    found = cp.diagnose(model, 100 * x, y + 1, history=history)
    assert [f.name for f in found.findings] == [
        "labels, outputs and loss do not fit",
        "data not standardized",
    ]


def test_a_network_that_stands_still_is_judged_from_new_parameters():
    """The rate that burnt it is found by beginning anew, and what it could not bear is serious now."""
    x, y = blobs()
    model = mlp(4, 16, 3)
    assert cp.diagnose(model, 10 * x, y).findings[0].severity == "warning"
    history = cp.fit(model, 10 * x, y, optimizer=cp.SGD(lr=30.0), clip_norm=1, epochs=30)
    found = cp.diagnose(model, 10 * x, y, optimizer=cp.SGD(lr=30.0), clip_norm=1, history=history)
    by_name = {finding.name: finding for finding in found.findings}
    assert found.findings[0].name == "data not standardized"
    assert found.findings[0].severity == "serious"
    assert by_name["learning rate too high"].evidence.startswith(
        "Begun anew, 60 steps at 30 take the loss from"
    )
    assert by_name["nothing learned"].evidence.startswith("After 300 steps the loss is")


def test_trained_and_untrained_are_told_apart():
    x, y = blobs()
    for make in (lambda: mlp(4, 8, 3), lambda: mlp(4, 8, 3, bias_init="uniform")):
        model = make()
        assert "an untrained network" in cp.diagnose(model, x, y).subject
        cp.fit(model, x, y, epochs=20)
        assert "a trained network" in cp.diagnose(model, x, y).subject


def test_a_warm_up_is_judged_by_its_highest_rate():
    x, y = blobs()
    good = cp.diagnose(mlp(4, 32, 3), x, y, optimizer=cp.Adam(lr=cp.OneCycle(0.01, epochs=10)), epochs=10)
    assert good.ok
    assert not good.findings
    high = cp.diagnose(mlp(4, 32, 3), x, y, optimizer=cp.SGD(lr=cp.OneCycle(300.0, epochs=10)), epochs=10)
    assert high.findings[0].name == "learning rate too high"


def test_nan_is_followed_to_the_layer_and_the_direction():
    by_name = {case.what: examined(case).findings[0] for case in PLANTED if "NaN or" in case.expected}
    assert by_name["a weight is NaN"].evidence.startswith(
        "In the parameters, before any pass: 2.w is not finite"
    )
    forward = by_name["a layer takes the root of what is below 0"]
    assert "Forward" in forward.evidence
    assert forward.layer.startswith("layer 2, Root")
    backward = by_name["a layer's slope at 0 is infinite"]
    assert "Backward" in backward.evidence
    assert backward.layer.startswith("layer 2, Root")


# The measurements beside what is computed otherwise.


def test_a_pass_measures_what_the_network_does():
    x, y = blobs()
    inner = cp.Residual([cp.Dense(8, activation="relu"), cp.Dense(8)])
    model = cp.Sequential([cp.Dense(8, activation="tanh"), inner, cp.Dense(3)], (4,), seed=0, dtype="float64")
    model.layers[0].w[...] *= 4
    loss = make_loss("softmax_cross_entropy")
    seen = look(model, loss, x, y)
    scores, caches = model.forward(x, training=True)
    losses, dscores = loss(scores, y)
    model.backward(dscores / len(x), caches)
    np.testing.assert_array_equal(seen.scores, scores)
    assert seen.loss == losses.mean()
    for name, grad in model.named_grads().items():
        np.testing.assert_allclose(seen.grads[name], grad, rtol=1e-12)
    tanh = np.tanh(x @ model.layers[0].w + model.layers[0].b)
    by_place = {one.place: one for one in seen.seen}
    slopes = [1 - value**2 < 0.05 for value in tanh.ravel()]
    assert by_place["layer 1, Activation('tanh')"].saturated == pytest.approx(np.mean(slopes))
    relu = tanh @ inner_weights(model) > 0
    one = by_place["layer 2, Residual(3 layers), its Activation('relu')"]
    assert one.dead == pytest.approx(sum(not relu[:, j].any() for j in range(8)) / 8)
    assert one.always_on == pytest.approx(sum(bool(relu[:, j].all()) for j in range(8)) / 8)


def inner_weights(model):
    return model.named_params()["2.0.w"]


def test_noise_is_left_out_of_copies_only():
    layers = [cp.Dropout(0.5), cp.Residual([cp.Dense(4), cp.Dropout(0.5)]), cp.Dense(3)]
    model = cp.Sequential(layers, (4,), seed=0)
    quiet = without_noise(model)
    x = np.ones((6, 4), np.float32)
    np.testing.assert_array_equal(quiet.forward(x, training=True)[0], model.forward(x)[0])
    assert not np.array_equal(model.forward(x, training=True)[0], model.forward(x)[0])


@pytest.mark.parametrize(
    ("name", "y", "outputs"),
    [
        ("softmax_cross_entropy", np.array([0, 0, 1, 2, 0, 1]), 3),
        ("softmax_cross_entropy", np.array([[0.2, 0.8], [0.7, 0.3], [1.0, 0.0]]), 2),
        ("sigmoid_cross_entropy", np.array([[0.1], [0.0], [1.0], [0.0]]), 1),
        ("squared_error", np.array([[1.0, 2.0], [3.0, -1.0], [0.0, 0.5]]), 2),
        ("absolute_error", np.array([[1.0], [3.0], [10.0]]), 1),
        ("poisson", np.array([[0.0], [3.0], [1.0]]), 1),
        ({"name": "softmax_cross_entropy", "label_smoothing": 0.3}, np.array([0, 0, 1, 2, 0, 1]), 3),
    ],
)
def test_the_best_constant_and_the_perfect_answer(name, y, outputs):
    optimize = pytest.importorskip("scipy.optimize")
    loss = make_loss(name)

    def constant(scores):
        return loss(np.tile(scores, (len(y), 1)), y)[0].mean()

    best = optimize.minimize(
        constant, np.full(outputs, 0.1), method="Nelder-Mead", options={"xatol": 1e-9}
    ).fun
    assert constant_loss(loss, y, (outputs,)) == pytest.approx(best, abs=1e-4)

    def each(scores):
        return loss(scores.reshape(len(y), outputs), y)[0].mean()

    least = optimize.minimize(each, np.zeros(len(y) * outputs), method="BFGS").fun
    assert perfect_loss(loss, y, (outputs,)) == pytest.approx(least, abs=2e-4)
    assert perfect_loss(loss, y, (outputs,)) <= constant_loss(loss, y, (outputs,)) + 1e-12


def test_the_loss_of_a_network_that_knows_nothing():
    y = np.array([0, 1, 2, 3, 3])
    for name, expected in (("softmax_cross_entropy", log(4)), ("cross_entropy", log(4)), ("hinge", 3.0)):
        assert zero_loss(make_loss(name), y, (4,)) == pytest.approx(expected)
    assert zero_loss(make_loss("squared_error"), np.array([[3.0], [4.0]]), (1,)) == pytest.approx(12.5)
    labels_at_places = np.array([[0, 1], [2, 2]])
    assert constant_loss(make_loss("softmax_cross_entropy"), labels_at_places, (2, 3)) == pytest.approx(
        1.0397, abs=1e-4
    )
