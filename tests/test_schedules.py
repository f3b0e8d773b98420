"""Schedules against PyTorch and against closed forms by hand."""

from math import inf, nan

import numpy as np
import pytest

from clearprop.errors import ConfigError
from clearprop.schedules import (
    SCHEDULES,
    Constant,
    Cosine,
    Exponential,
    OneCycle,
    ReduceOnPlateau,
    Schedule,
    Step,
    make_schedule,
)


def torch_rates(make, n, lr=0.5):
    """The learning rate after each of n epochs, beginning with the one before the first."""
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    schedule = make(torch.optim.lr_scheduler, optimizer)
    rates = []
    for _ in range(n + 1):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if len(rates) <= n:
            schedule.step()
    return rates


@pytest.mark.torch
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (Step(0.5, every=3, factor=0.2), lambda s, o: s.StepLR(o, 3, 0.2)),
        (Exponential(0.5, decay=0.9), lambda s, o: s.ExponentialLR(o, 0.9)),
        (Exponential(0.5, 0.3, stage_length=4, staircase=True), lambda s, o: s.StepLR(o, 4, 0.3)),
        (Cosine(0.5, epochs=20), lambda s, o: s.CosineAnnealingLR(o, 20)),
        (Cosine(0.5, epochs=20, final=0.1), lambda s, o: s.CosineAnnealingLR(o, 20, 0.1)),
        (
            OneCycle(0.5, epochs=20, rise=0.25),  # PyTorch counts 21 moments, the peak being the sixth
            lambda s, o: s.OneCycleLR(o, 0.5, total_steps=21, pct_start=6 / 21, cycle_momentum=False),
        ),
        (
            OneCycle(0.5, epochs=20, rise=0.5, start_div=10, end_div=1000),
            lambda s, o: s.OneCycleLR(
                o,
                0.5,
                total_steps=21,
                pct_start=11 / 21,
                div_factor=10,
                final_div_factor=100,
                cycle_momentum=False,
            ),
        ),
    ],
    ids=lambda value: repr(value) if isinstance(value, Schedule) else "",
)
def test_agrees_with_torch(ours, theirs):
    np.testing.assert_allclose([ours(t) for t in range(21)], torch_rates(theirs, 20), rtol=1e-9, atol=1e-15)


@pytest.mark.torch
@pytest.mark.parametrize("mode", ["min", "max"])
def test_plateau_agrees_with_torch(mode):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    values = 1 + 0.5 * rng.random(80)
    values[40:45] = 3.0 if mode == "max" else 0.1
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode, factor=0.5, patience=3, min_lr=0.01)
    ours = ReduceOnPlateau(0.5, factor=0.5, patience=3, min_lr=0.01, mode=mode)
    for value in values:
        ours.observe(value)
        theirs.step(value)
        assert ours(0.0) == pytest.approx(optimizer.param_groups[0]["lr"])
    assert ours(0.0) == 0.01


@pytest.mark.parametrize(
    ("schedule", "t", "expected"),
    [
        (Constant(0.3), 123.4, 0.3),
        (Step(0.8, every=2.5, factor=0.5), 2.4, 0.8),
        (Step(0.8, every=2.5, factor=0.5), 5.0, 0.2),
        (Exponential(0.8, decay=0.25), 0.5, 0.4),
        (Exponential(0.8, decay=0.25, stage_length=4), 2, 0.4),
        (Exponential(0.8, decay=0.25, stage_length=4, staircase=True), 7.9, 0.2),
        (Cosine(0.8, epochs=10, warmup=4), 0.0, 0.0),
        (Cosine(0.8, epochs=10, warmup=4), 1.0, 0.2),
        (Cosine(0.8, epochs=10, warmup=4), 4.0, 0.8),
        (Cosine(0.8, epochs=10, warmup=4), 6.0, 0.6),  # a third of the way: (1 + cos 60°) / 2 = 3/4
        (Cosine(0.8, epochs=10, warmup=4, final=0.4), 8.0, 0.5),  # 0.4 + 0.4 (1 + cos 120°) / 2
        (Cosine(0.8, epochs=10, warmup=4, final=0.4), 99.0, 0.4),
        (OneCycle(0.8, epochs=10, start_div=4), 0.0, 0.2),
        (OneCycle(0.8, epochs=10, start_div=4), 1.5, 0.5),  # half of the rise
        (OneCycle(0.8, epochs=10, start_div=4), 3.0, 0.8),
        (OneCycle(0.8, epochs=10, end_div=8), 6.5, 0.45),  # half of the fall
        (OneCycle(0.8, epochs=10, end_div=8), 99.0, 0.1),
    ],
)
def test_closed_forms(schedule, t, expected):
    assert schedule(t) == pytest.approx(expected, rel=1e-12)


def test_a_stage_ends_when_t_is_rounded_down():
    t = 0.1 * 3  # 0.30000000000000004, while 0.3 / 0.1 is 2.9999999999999996
    assert Step(1.0, every=0.1, factor=0.5)(0.3) == Step(1.0, every=0.1, factor=0.5)(t) == 0.125
    assert Exponential(1.0, decay=0.5, stage_length=0.1, staircase=True)(0.3) == 0.125


def test_plateau_by_hand():
    schedule = ReduceOnPlateau(0.8, factor=0.5, patience=1, min_lr=0.3)
    rates = []
    for value in [1.0, 0.9, 0.95, nan, 0.5, 0.5, 0.5, 0.5, 0.5]:
        schedule.observe(value)
        rates.append(schedule(0.0))
    assert rates == [0.8, 0.8, 0.8, 0.4, 0.4, 0.4, 0.3, 0.3, 0.3]


def test_plateau_of_values_below_zero():
    schedule = ReduceOnPlateau(0.8, factor=0.5, patience=0)
    for value in [-1.0, -2.0, -3.0]:
        schedule.observe(value)
    assert schedule(0.0) == 0.8
    schedule.observe(-3.0)
    assert schedule(0.0) == 0.4


def test_plateau_state_continues():
    values = np.random.default_rng(1).random(30)
    schedule, other = ReduceOnPlateau(0.5, patience=2), ReduceOnPlateau(0.5, patience=2)
    for value in values[:10]:
        schedule.observe(value)
    other.restore(schedule.state())
    for value in values[10:]:
        schedule.observe(value)
        other.observe(value)
        assert schedule(0.0) == other(0.0)
    with pytest.raises(
        ConfigError, match=r"ReduceOnPlateau\.restore: expected a state with bad_epochs, best, cur"
    ):
        other.restore({})


@pytest.mark.parametrize(
    "schedule",
    [
        Constant(0.1),
        Step(0.1, every=3),
        Exponential(0.1, 0.9, staircase=True),
        Cosine(0.1, 10, warmup=1),
        OneCycle(0.1, 10),
        ReduceOnPlateau(0.1, mode="max"),
    ],
    ids=repr,
)
def test_settings_make_the_same_schedule(schedule):
    settings = schedule.settings()
    assert SCHEDULES[settings["name"]] is type(schedule)
    assert make_schedule(settings) == schedule
    assert make_schedule(schedule) is schedule


def test_names():
    assert list(SCHEDULES) == ["constant", "step", "exponential", "cosine", "one_cycle", "reduce_on_plateau"]


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Constant(0), "Constant: expected lr to be a finite number > 0, got 0"),
        (lambda: Step(0.1, every=0), "Step: expected every to be a finite number > 0, got 0"),
        (lambda: Step(0.1, 1, factor=inf), "Step: expected factor to be a finite number > 0, got inf"),
        (lambda: Exponential(0.1, -1), "Exponential: expected decay to be a finite number > 0, got -1"),
        (lambda: Cosine(0.1, 10, warmup=10), r"Cosine: expected warmup in \[0, epochs\) = \[0, 10\), got 10"),
        (lambda: Cosine(0.1, 10, final=0.2), r"Cosine: expected final in \[0, lr\] = \[0, 0\.1\], got 0\.2"),
        (lambda: OneCycle(0.1, 10, rise=1), r"OneCycle: expected rise in \(0, 1\), got 1"),
        (lambda: OneCycle(0.1, 10, start_div=0.5), r"OneCycle: expected start_div to be >= 1, got 0\.5"),
        (lambda: OneCycle(0.1, 10, end_div=0.5), r"OneCycle: expected end_div to be >= 1, got 0\.5"),
        (lambda: ReduceOnPlateau(0.1, factor=1), r"ReduceOnPlateau: expected factor in \(0, 1\), got 1"),
        (lambda: ReduceOnPlateau(0.1, patience=-1), "expected patience to be a whole number >= 0, got -1"),
        (lambda: ReduceOnPlateau(0.1, min_lr=1), r"expected min_lr in \[0, lr\] = \[0, 0\.1\], got 1"),
        (lambda: ReduceOnPlateau(0.1, threshold=1), r"expected threshold in \[0, 1\), got 1"),
        (lambda: ReduceOnPlateau(0.1, mode="least"), "expected mode 'min' or 'max', got 'least'"),
        (lambda: make_schedule("cosin"), r"schedule: unknown name 'cosin'\. Did you mean 'cosine'\?"),
        (lambda: make_schedule("cosine"), r"schedule 'cosine': expected the setting 'lr', got none"),
    ],
)
def test_sentences(make, sentence):
    with pytest.raises(ConfigError, match=sentence):
        make()
