"""CS 189's optimizer and schedulers against their formulas, step by step."""

import numpy as np
import pytest

from clearprop.courses.cs189.optimizers import SGD, initialize_optimizer
from clearprop.courses.cs189.schedulers import Constant, Exponential, initialize_scheduler
from clearprop.errors import ConfigError


def by_hand(gradients, lrs, momentum, clip):
    """δ = μ δ_prev + lr g, with g first clipped."""
    delta, found = 0, []
    for g, lr in zip(gradients, lrs, strict=True):
        norm = np.sqrt((g * g).sum())
        if clip is not None and norm > clip:
            g = g * clip / norm
        delta = momentum * delta + lr * g
        found.append(delta)
    return found


@pytest.mark.parametrize("shape", [(1, 3), (4, 5), (3, 3, 2, 4), (300, 300)])
@pytest.mark.parametrize("clip", [None, 0.5, 1e6])
@pytest.mark.parametrize("momentum", [None, 0.9])
def test_the_steps_are_those_of_the_formula(shape, clip, momentum):
    rng = np.random.default_rng(7)
    gradients = [rng.normal(size=shape) for _ in range(4)]
    sgd = initialize_optimizer("SGD", 0.1, "exponential", momentum, clip, 0.5, stage_length=2)
    expected = by_hand(gradients, [0.1 * 0.5 ** (e / 2) for e in range(4)], momentum or 0, clip)
    given = [g.copy() for g in gradients]
    found = [sgd.update("W", np.zeros(shape), g, epoch) for epoch, g in enumerate(gradients)]
    for ours, theirs in zip(found, expected, strict=True):  # all at the end: an update changes none before it
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-15)
    for before, after in zip(given, gradients, strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.torch
def test_with_a_constant_rate_it_is_torchs_sgd():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(8)
    W = rng.normal(size=(4, 3))
    theirs = torch.nn.Parameter(torch.tensor(W))
    optimizer, sgd = torch.optim.SGD([theirs], lr=0.05, momentum=0.8), SGD(0.05, momentum=0.8)
    for _ in range(6):
        g = rng.normal(size=W.shape)
        theirs.grad = torch.tensor(g)
        optimizer.step()
        W = W - sgd.update("W", W, g, 0)
    np.testing.assert_allclose(W, theirs.detach().numpy(), rtol=1e-12)


def test_each_parameter_has_its_own_memory():
    sgd = SGD(1.0, momentum=0.5)
    g = np.array([1.0])
    assert [sgd.update(name, g, g, 0).item() for name in ("a", "b", "a")] == [1.0, 1.0, 1.5]


def test_schedulers():
    assert [Constant(0.3)(e) for e in (0, 500)] == [0.3, 0.3]
    exponential = initialize_scheduler("exponential", 0.1, decay=0.99, stage_length=1000)
    for epoch in (0, 1, 500, 1000, 2500):
        assert (
            exponential(epoch)
            == exponential.scheduled_lr(epoch)
            == pytest.approx(0.1 * 0.99 ** (epoch / 1000))
        )


def test_staircase_reaches_the_scheduler():
    stairs = initialize_scheduler("exponential", 1.0, 0.5, 10, True)
    assert [stairs(e) for e in (0, 9, 10, 29)] == [1.0, 1.0, 0.5, 0.25]
    sgd = initialize_optimizer("SGD", 1.0, "exponential", lr_decay=0.5, staircase=True, stage_length=10)
    assert sgd.update("W", np.ones(1), np.ones(1), 9).item() == 1.0


def test_what_is_none_is_the_classs_default():
    assert initialize_scheduler("exponential", 1.0)(500) == Exponential(1.0)(500) == pytest.approx(0.99**0.5)
    sgd = initialize_optimizer("SGD", 0.5)
    assert [sgd.update("W", np.ones(1), np.ones(1), e).item() for e in (0, 1)] == [0.5, 0.5]


def test_sentences():
    with pytest.raises(NotImplementedError, match=r"optimizer 'Adam' is not there\. Known: SGD\."):
        initialize_optimizer("Adam", 0.1)
    with pytest.raises(NotImplementedError, match=r"scheduler 'step' is not there"):
        initialize_scheduler("step", 0.1)
    with pytest.raises(ConfigError, match=r"SGD: expected momentum in \[0, 1\), got 1\.5"):
        initialize_optimizer("SGD", 0.1, momentum=1.5)
    with pytest.raises(ConfigError, match=r"SGD: expected clip_norm to be a finite number > 0, got 0"):
        initialize_optimizer("SGD", 0.1, clip_norm=0)
    with pytest.raises(ConfigError, match=r"expected lr to be a finite number > 0, got -1"):
        initialize_optimizer("SGD", -1)
