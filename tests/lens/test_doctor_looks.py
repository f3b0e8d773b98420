"""The doctor's looks one by one: what healthy data and settings may do to them, and what a setting changes."""

import re

import numpy as np
import pytest
from doctor_cases import (
    REGRESSION,
    BrokenBackward,
    blobs,
    exploding,
    imbalance,
    mlp,
    noisy_labels,
    noisy_numbers,
    numbers,
)

import clearprop as cp
from clearprop.lens.doctor import case as case_module
from clearprop.lens.doctor import thresholds as t
from clearprop.lens.doctor.case import Case
from clearprop.lens.doctor.finding import Finding, gathered
from clearprop.lens.doctor.general import history_findings
from clearprop.lens.doctor.sample import off_the_plane, take_sample
from clearprop.lens.doctor.start import _by_unit
from clearprop.losses import make_loss


def found(name, *given, **settings):
    """The findings of this name."""
    return [f for f in cp.diagnose(*given, **settings).findings if f.name == name]


def looks(*given, **settings):
    return dict(cp.diagnose(*given, **settings).looks)


# The batch that is learned by heart.


def case_of(model, x, y, loss="softmax_cross_entropy"):
    loss = make_loss(loss)
    return Case(model, loss, take_sample(model, loss, x, y, t.ROWS, np.random.default_rng(0), "test"))


FAMILIES = {
    "1-16-2": lambda s: (mlp(1, 16, 2, seed=s), *noisy_labels(1, s)),
    "1-32-2": lambda s: (mlp(1, 32, 2, seed=s), *noisy_labels(1, s)),
    "2-4-2": lambda s: (mlp(2, 4, 2, seed=s), *noisy_labels(2, s)),
    "1-2": lambda s: (mlp(1, 2, seed=s), *noisy_labels(1, s)),
    "1-16-1": lambda s: (mlp(1, 16, 1, activation="tanh", seed=s), *noisy_numbers(s), "squared_error"),
    "1-1": lambda s: (mlp(1, 1, seed=s), *noisy_numbers(s), "squared_error"),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_noise_in_the_labels_is_no_illness_of_the_network(name):
    """A network of one or two features cannot learn neighbours with different answers, and need not."""
    sick = []
    for seed in range(25):
        rows, good, reached = case_of(*FAMILIES[name](seed)).memorized
        sick += [seed] if reached > good or rows < 2 else []
    assert not sick


def test_the_rows_stand_apart_and_off_each_other_s_plane():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 3)) @ np.diag([1, 1, 0]) * [1, 1000, 1]  # a plane, and columns of any scale
    rows = off_the_plane(x, 12)
    assert rows[0] == 0
    assert len(rows) == 3
    first, second, third = x[rows] / x.std(axis=0).clip(1e-9)
    area = abs(np.linalg.det((np.array([second, third]) - first)[:, :2]))
    assert area > 0.3
    assert len(off_the_plane(rng.standard_normal((200, 20)), 12)) == 12
    assert len(off_the_plane(np.ones((200, 4)), 12)) == 1
    near = np.array([[0.0], [1e-3], [2e-3], [5.0]])
    assert off_the_plane(near, 2).tolist() == [0, 3]


def test_the_rows_hold_different_answers_where_there_are_any():
    x, y = blobs(300)
    rare = np.where(np.arange(300) == 200, 1, 0)
    for labels, counts in ((y % 2, [2, 3]), (rare, [1, 4])):
        case = case_of(mlp(4, 32, 2), x, labels)
        chosen = case.probed[1][case._few_rows(0)]
        assert sorted(np.bincount(chosen)) == counts
    near = case_of(mlp(1, 4, 2), np.array([[0.0], [2.0], [-2.0], [0.01], [-0.01]]), np.array([0, 0, 0, 1, 1]))
    middle = int(np.flatnonzero(near.probed[0][:, 0] == 0)[0])
    assert sorted(near.probed[1][near._few_rows(middle)]) == [0, 1]
    assert case_of(mlp(4, 32, 3), x, 0 * y).memorized is None
    assert case_of(mlp(4, 32, 3), 0 * x, y).memorized is None


def test_more_answers_than_parameters_cannot_be_learned_by_heart():
    rng = np.random.default_rng(0)
    model = cp.Sequential([cp.Conv2D(3, 3, padding="same")], (6, 6, 1), seed=0)
    assert cp.diagnose(model, rng.normal(size=(30, 6, 6, 1)), rng.integers(0, 3, (30, 6, 6))).ok


# Weights.


@pytest.mark.parametrize("groups", [1, 2])
def test_a_unit_of_a_transposed_convolution_is_a_filter(groups):
    transposed = cp.ConvTranspose2D(6, (2, 3), groups=groups)
    model = cp.Sequential([cp.Residual([transposed, cp.Conv2D(4, (2, 3))])], (5, 5, 4), seed=0)
    name, w = "0.0.w", model.named_params()["0.0.w"]
    assert w.shape == (2, 3, 6 // groups, 4)
    expected = []
    for unit in range(6):
        group, f = divmod(unit, 6 // groups)
        channels = range(group * 4 // groups, (group + 1) * 4 // groups)
        expected.append(sorted(float(w[i, j, f, c]) for i in range(2) for j in range(3) for c in channels))
    columns = _by_unit(model, name, w)
    assert sorted(sorted(column) for column in columns.T.tolist()) == sorted(expected)


def test_channels_that_are_read_alike_are_no_units_that_are_alike():
    layers = [cp.ConvTranspose2D(6, 3, padding="same"), cp.GlobalAvgPool(), cp.Dense(3)]
    model = cp.Sequential(layers, (6, 6, 4), seed=0)
    model.layers[0].w[...] = model.layers[0].w[..., :1]
    x = np.repeat(np.random.default_rng(0).standard_normal((60, 6, 6, 1)), 4, axis=3)
    assert not found("units that are all alike", model, x, np.arange(60) % 3)


def test_a_single_number_near_0_is_no_explosion():
    x, y = noisy_numbers(0)
    model = mlp(1, 1)
    model.layers[0].w[...] = 1e-6
    assert cp.diagnose(model, x, y, **REGRESSION, optimizer=cp.Adam()).ok
    watch = cp.lens.doctor.Watch(every=1, say=None)
    cp.fit(model, x, y, **REGRESSION, optimizer=cp.SGD(lr=0.1), callbacks=[watch])
    assert not watch.findings


def test_a_sequence_of_one_step_hides_no_other_weight_without_a_gradient():
    x = np.random.default_rng(0).standard_normal((100, 1, 4))
    y = (x[:, 0, 0] > 0).astype(int)
    model = cp.Sequential([cp.LSTM(8), BrokenBackward(), cp.Dense(2)], (1, 4), seed=0)
    (frozen,) = found("weights without a gradient", model, x, y)
    assert "every number of the gradient of 1.w is 0" in frozen.evidence
    long = cp.Sequential([cp.LSTM(8), cp.Dense(2)], (2, 4), seed=0)
    assert looks(long, np.repeat(x, 2, axis=1), y)["gradients of 0"] == "0 of 3 weights without any"


# Findings of several layers.


def test_one_illness_of_several_layers_is_one_finding():
    x, y = blobs()
    model = mlp(4, 16, 16, 16, 3)
    for index in (0, 2, 4):
        model.layers[index].b[...] = -50
    (dead,) = found("dead ReLUs", model, x, y)
    assert (dead.severity, dead.layer) == ("serious", "layers 1, 3 and 5")
    assert dead.evidence == (
        "In layer 1, Activation('relu'): 100 % of 16 units are 0 for all of 256 rows. Alike in the others."
    )
    watch = cp.lens.doctor.Watch(every=2, say=None)
    cp.fit(model, x, y, callbacks=[watch], epochs=2)
    assert [f.layer for f in watch.findings if f.name == "dead ReLUs"] == ["layers 1, 3 and 5"]


def test_the_worst_layer_is_shown_and_places_of_one_layer_stay_apart():
    one, two, other = (
        Finding(severity, name, f"{place}.", "v", "r", place)
        for severity, name, place in (
            ("warning", "a", "layer 1, A"), ("serious", "a", "layer 12, A"), ("note", "b", "layer 3, B"),
        )
    )  # fmt: skip
    (merged, last) = gathered([one, other, two])
    assert merged == Finding(
        "serious", "a", "In layer 12, A: layer 12, A. Alike in the other.", "v", "r", "layers 1 and 12"
    )
    assert last == other
    inside = [Finding("note", "a", "e", "v", "r", f"layer 1, R, its {part}") for part in "AB"]
    assert gathered(inside) == inside
    whole = [Finding("note", "a", "e", "v", "r"), one]
    assert gathered(whole) == whole


# Validation rows.


def test_validation_rows_that_fit_refuses_are_a_finding_in_its_words():
    x, y = blobs()
    held = x[200:].copy(), y[200:] + 1
    with pytest.raises(cp.DataError) as refused:
        cp.fit(mlp(4, 8, 3), x, y, validation=held)
    found = cp.diagnose(mlp(4, 8, 3), x[:200], y[:200], validation=held).findings[0]
    said = f"fit, validation: {found.evidence.replace('Expected', 'expected')} {found.remedy}"
    assert (found.name, said) == ("validation labels, outputs and loss do not fit", str(refused.value))
    held[0][:3, 1] = np.inf
    first, second = cp.diagnose(mlp(4, 8, 3), x[:200], y[:200], validation=held).findings[:2]
    assert first.evidence == "3 of 100 validation rows hold NaN or infinity, in column 1 of x."
    assert "np.isfinite(x_validation)" in first.remedy
    assert second.evidence == "Expected labels from 0 to 2, got 3 in row 5."  # as it is numbered in the data


def test_validation_rows_may_all_be_nan():
    x, y = blobs()
    found = cp.diagnose(mlp(4, 8, 3), x, y, validation=(x[:50] * np.nan, y[:50]))
    assert [f.name for f in found.findings] == ["NaN in the validation data"]
    seen = looks(mlp(4, 8, 3), x * np.where(np.arange(4) == 1, np.nan, 1), y, validation=(x, y + 9))
    assert seen["NaN in the data"] == "300 of 300 rows"


def test_rows_of_few_values_repeat_by_themselves():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, (400, 6)).astype(float)
    y = (x.sum(axis=1) > 3).astype(int)
    held = x[300:], y[300:]
    assert looks(mlp(6, 8, 2), x[:300], y[:300], validation=held)["rows in both parts"].startswith("100 %")
    assert not found("validation rows in the training data", mlp(6, 8, 2), x[:300], y[:300], validation=held)
    warned = 0
    for seed in range(20):
        x = np.random.default_rng(seed).integers(0, 10, (400, 3)) / 5 - 0.9  # 1000 different rows
        y = (x.sum(axis=1) > 0).astype(int)
        warned += "validation rows in the training data" in [
            f.name
            for f in cp.diagnose(mlp(3, 8, 2), x[:300], y[:300], validation=(x[300:], y[300:])).findings
        ]
    assert warned == 0


def test_of_a_sample_the_shared_rows_are_reckoned_up():
    x, y = blobs(2200)
    held = x[1900:2100], y[1900:2100]  # half of them are training rows
    seen = looks(mlp(4, 8, 3), x[:2000], y[:2000], validation=held, rows=500)["rows in both parts"]
    assert int(re.match(r"\d+", seen)[0]) == pytest.approx(50, abs=12)
    apart = x[2000:], y[2000:]
    seen = looks(mlp(4, 8, 3), x[:2000], y[:2000], validation=apart, rows=500)["rows in both parts"]
    assert seen.startswith("0 %")


# What a setting changes.


def test_a_single_row_is_looked_at_but_not_trained_on():
    x, y = blobs()
    layers = [cp.Dense(8), cp.BatchNorm(), cp.Activation("relu"), cp.Dense(3)]
    model = cp.Sequential(layers, (4,), seed=0)
    assert (
        found("batch norm with tiny batches", model, x[:1], y[:1], optimizer="adam")[0].severity == "serious"
    )
    assert cp.diagnose(model, 0 * x, y, optimizer="adam").looks
    past = cp.Residual(
        [cp.Dense(4), cp.BatchNorm(), cp.Dense(4, init="zeros")]
    )  # without a gradient at first
    assert cp.diagnose(cp.Sequential([past, cp.Dense(3)], (4,), seed=0), x[:1], y[:1]).looks


def test_a_last_batch_of_one_row_is_what_fit_refuses():
    x, y = blobs(61)
    model = cp.Sequential([cp.Dense(8), cp.BatchNorm(), cp.Dense(3)], (4,), seed=0)
    with pytest.raises(cp.DataError, match="at least 2 rows in each mini-batch"):
        cp.fit(model, x, y, batch_size=20)
    name = "batch norm with a last batch of 1"
    assert found(name, model, x, y, batch_size=20)
    assert not found(name, model, x, y, batch_size=20, drop_last=True)
    assert not found(name, model, x, y, batch_size=16)


def test_sorted_rows_are_an_illness_only_where_they_are_not_shuffled():
    x, y = blobs()
    by_label = np.argsort(y, kind="stable")
    name = "rows in the order of their labels"
    assert found(name, mlp(4, 8, 3), x[by_label], y[by_label], shuffle=False)[0].evidence.startswith(
        "Without shuffling, a mini-batch of 32 rows holds 1.22 classes on average"
    )
    assert not found(name, mlp(4, 8, 3), x[by_label], y[by_label])
    assert not found(name, mlp(4, 8, 3), x, y, shuffle=False)
    assert not found(name, mlp(4, 8, 3), x[by_label], y[by_label], shuffle=False, batch_size=300)


def test_the_steps_are_taken_under_the_penalties_and_clips():
    x, y = blobs()
    optimizer = cp.SGD(lr=0.01)
    plain = looks(mlp(4, 8, 3), x, y, optimizer=optimizer)["size of updates"]
    for settings in ({"l1": 1.0}, {"l2": 10.0}, {"clip_norm": 1e-3}, {"clip_value": 1e-3}):
        assert looks(mlp(4, 8, 3), x, y, optimizer=optimizer, **settings)["size of updates"] != plain
    small = found(
        "updates too small for the weights", mlp(4, 8, 3), x, y, optimizer=optimizer, clip_value=1e-8
    )
    assert small


@pytest.mark.parametrize("make", [lambda: cp.SGD(lr=0.01, momentum=0.9), cp.Adam], ids=["SGD", "Adam"])
def test_what_an_optimizer_remembers_of_another_training_does_not_count(make):
    x, y = blobs()
    used = make()
    cp.fit(mlp(4, 8, 3), 100 * x, y, optimizer=used)  # a network of the same size, and large gradients
    fresh = cp.diagnose(mlp(4, 8, 3), x, y, optimizer=make())
    assert str(cp.diagnose(mlp(4, 8, 3), x, y, optimizer=used)) == str(fresh)
    assert used.steps == 10


def test_the_updates_of_a_warm_up_are_those_at_its_highest_rate():
    x, y = blobs()
    rates = 0.01, cp.OneCycle(0.01, epochs=10)
    sizes = [looks(mlp(4, 8, 3), x, y, optimizer=cp.SGD(lr=lr), epochs=10)["size of updates"] for lr in rates]
    constant, warm = ([float(number) for number in re.findall(r"[\d.e-]+\d", size)] for size in sizes)
    assert warm == pytest.approx(constant, rel=0.25)


def test_on_smaller_batches_the_rate_is_smaller(monkeypatch):
    rates = []

    def at_rate(model, loss, optimizer, lr, *given):
        rates.append(lr)
        return plain(model, loss, optimizer, lr, *given)

    plain = case_module.at_rate
    monkeypatch.setattr(case_module, "at_rate", at_rate)
    monkeypatch.setattr(t, "WORK", 2e6)
    x, y = blobs()
    model = mlp(4, 64, 3)
    case = case_of(model, x, y)
    case.batch_size = 200
    trial = case.trial(cp.SGD(), 0.1)
    assert case.trial_batch == int(2e6 / (3 * (4 * 64 + 64 * 3 + 1) * t.STEPS))
    assert rates == [pytest.approx(0.1 * case.trial_batch / 200)]
    assert trial.lr == 0.1


def test_clipped_gradients_may_explode():
    (model, x, y), _ = exploding()
    severities = [found("exploding gradients", model, x, y, clip_norm=c)[0].severity for c in (None, 1.0)]
    assert severities == ["serious", "note"]


def test_classes_of_weights_may_be_imbalanced():
    given, settings = imbalance()
    weighted = {"name": "softmax_cross_entropy", "class_weights": [1.0, 60.0]}
    severities = [
        found("class imbalance", *given, **settings | more)[0].severity for more in ({}, {"loss": weighted})
    ]
    assert severities == ["serious", "note"]


def test_a_validation_loss_that_rises_by_next_to_nothing_is_no_overfitting():
    history = cp.History("accuracy")
    for scale, expected in ((1.0, ["overfitting"]), (0.01, [])):
        validation = [0.5, 0.2, 0.3, 0.5, 0.8]
        history.epochs = [
            {"epoch": k + 1, "loss": scale / (k + 1), "validation_loss": scale * value}
            for k, value in enumerate(validation)
        ]
        assert [f.name for f in history_findings(history, constant=1.1, perfect=0.0)] == expected


# Updates and neighbours.


def test_updates_are_measured_by_real_steps():
    x, y = numbers()
    model, lr = mlp(5, 16, 1), 0.02
    found = cp.diagnose(model, x, y, **REGRESSION, optimizer=cp.SGD(lr=lr))
    said = dict(found.looks)["size of updates"]
    low, high = (float(number) for number in re.findall(r"[\d.e-]+", said)[:2])
    sizes = []
    twin = model.copy()
    for seed in range(20):
        rows = np.random.default_rng(seed).choice(len(x), 32, replace=False)
        cp.backpropagate(
            twin, make_loss("squared_error"), x[rows].astype("f"), y[rows, None].astype("f"), 1 / 32
        )
        grads, params = twin.named_grads(), twin.named_params()
        sizes.append([lr * np.linalg.norm(grads[n]) / np.linalg.norm(params[n]) for n in ("0.w", "2.w")])
    expected = np.median(sizes, axis=0)
    assert 0.4 * expected.min() < low <= high < 2.5 * expected.max()


def test_neighbours_tell_of_order_not_of_scale():
    x, y = blobs(600)
    wide = x * [1, 1000, 1, 1]
    looks = [dict(cp.diagnose(mlp(4, 8, 3), data, y).looks)["neighbours' labels"] for data in (x, wide)]
    assert looks[0] == looks[1]
    shares = [int(number) for number in re.findall(r"(\d+) %", looks[0])]
    assert shares[0] > 1.5 * shares[1]
    expected = sum((np.bincount(y) / len(y)) ** 2)
    assert shares[1] == pytest.approx(100 * expected, abs=1)


# What is said of pictures and rates, and of two findings that contradict each other.


def pictures(*layers, channels=1):
    x = np.random.default_rng(0).normal(size=(60, 6, 5, channels))
    x[:, 0] = 0  # a margin
    y = (x[:, 3, 3, 0] > 0).astype(int)
    return cp.diagnose(cp.Sequential([*layers, cp.Dense(2)], (6, 5, channels), seed=0), x, y)


def test_each_pixel_of_a_picture_that_is_flattened_is_a_column():
    assert dict(pictures(cp.Flatten()).looks)["constant columns"] == f"{5} of {6 * 5} columns"


@pytest.mark.parametrize(("channels", "said"), [(1, "0 of 1 channel"), (3, "0 of 3 channels")])
def test_a_convolution_sees_channels(channels, said):
    found = pictures(cp.Conv2D(2, 3), cp.Flatten(), channels=channels)
    assert dict(found.looks)["constant columns"] == said


def test_a_rate_is_said_in_three_digits():
    x, y = blobs()
    found = cp.diagnose(mlp(4, 8, 3), x, y, optimizer=cp.SGD(lr=0.09998691))
    assert "0.09998" not in str(found)
    assert dict(found.looks)["learning rate"].startswith("0.1; ")


def test_no_two_remedies_contradict_each_other(monkeypatch):
    from clearprop.lens.doctor import examine

    x, y = blobs()
    for first, second in examine.CONTRARY.items():
        for name, expected in ((first, [first]), ("another", ["another", second])):
            rate, updates = (Finding("warning", each, "", "", "") for each in (name, second))
            monkeypatch.setattr(
                examine,
                "LOOKS",
                {"rate": lambda case, f=rate: ("", [f]), "updates": lambda case, f=updates: ("", [f])},
            )
            assert [f.name for f in cp.diagnose(mlp(4, 8, 3), x, y).findings] == expected


def test_contrary_findings_are_named_as_the_doctor_names_them():
    from pathlib import Path

    from clearprop.lens.doctor import examine

    text = "".join(
        path.read_text(encoding="utf-8") for path in Path(examine.__file__).parent.glob("[gl]*.py")
    )
    for pair in examine.CONTRARY.items():
        assert all(f'"{name}"' in text for name in pair)
