"""The range test: rates that grow, a copy that learns, an original that does not know of it."""

from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import clearprop as cp
from clearprop.lens import RateRange, lr_range_test, plot_lr_range
from clearprop.loop import backpropagate


def axes() -> Axes:
    return Figure().subplots()


def network(**settings: object) -> cp.Sequential:
    layers = [cp.Dense(16, activation="relu"), cp.BatchNorm(), cp.Dropout(0.2), cp.Dense(3)]
    return cp.Sequential(layers, input_shape=(4,), **settings)


def iris() -> tuple[np.ndarray, np.ndarray]:
    from clearprop.data import Standardizer, load

    x, y = load("iris").train
    return Standardizer.fit(x).transform(x), y


def test_neither_model_nor_optimizer_nor_chance_changes() -> None:
    (x, y), model = iris(), network()
    optimizer = cp.Adam(lr=cp.Step(0.01, every=1, factor=0.5))
    cp.fit(model, x, y, optimizer=optimizer, epochs=2)
    model.grads[...] = 3.0
    before = [model.params.copy(), model.buffers.copy(), x.copy()]
    slots = {name: slot.copy() for name, slot in optimizer.slots.items()}
    state, schedule, lr, steps = (
        model.rng.bit_generator.state, optimizer.schedule, optimizer.lr, optimizer.steps
    )  # fmt: skip
    everywhere = np.random.get_state()[1].copy()  # noqa: NPY002
    first = lr_range_test(model, x, y, optimizer=optimizer, steps=40)
    for now, then in zip((model.params, model.buffers, x), before, strict=True):
        np.testing.assert_array_equal(now, then)
    np.testing.assert_array_equal(model.grads, 3.0)
    assert model.rng.bit_generator.state == state
    assert (optimizer.schedule, optimizer.lr, optimizer.steps) == (schedule, lr, steps)
    for name, slot in slots.items():
        np.testing.assert_array_equal(optimizer.slots[name], slot)
    np.testing.assert_array_equal(np.random.get_state()[1], everywhere)  # noqa: NPY002
    again = lr_range_test(model, x, y, optimizer=optimizer, steps=40)
    np.testing.assert_array_equal(first.raw, again.raw)
    cp.fit(model, x, y, optimizer=optimizer)  # it goes on


def test_losses_are_those_of_a_loop_written_out() -> None:
    (x, y), model = iris(), network(dtype="float64")
    found = lr_range_test(model, x, y, low=1e-3, high=0.1, steps=12, batch_size=50, seed=5)
    twin, rng, loss = model.copy(), np.random.default_rng(5), cp.make_loss("softmax_cross_entropy")
    expected = []
    rates = 1e-3 * (0.1 / 1e-3) ** (np.arange(12) / 11)
    for step, rate in enumerate(rates):
        if step % 3 == 0:
            order = rng.permutation(150)
        rows = order[step % 3 * 50 : (step % 3 + 1) * 50]
        losses, _ = backpropagate(twin, loss, x[rows], y[rows], 1 / 50)
        expected.append(losses.mean())
        twin.params -= rate * twin.grads
    np.testing.assert_allclose(found.rates, rates)
    np.testing.assert_allclose(found.raw, expected, rtol=1e-10)
    assert found.diverged is None


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", cp.SGD(lr=0.1, momentum=0.9)])
def test_the_suggested_rate_trains_and_the_end_does_harm(optimizer: object) -> None:
    x, y = iris()
    found = lr_range_test(network(), x, y, optimizer=optimizer, high=1e3)
    assert found.suggested is not None
    assert found.rates[0] < found.suggested < found.lowest
    assert found.lowest < (found.diverged or 1e3)
    made = cp.optim.make_optimizer(optimizer)
    settings = made.settings() | {"lr": found.suggested}
    model = network()
    cp.fit(model, x, y, optimizer=settings, epochs=20)
    assert cp.evaluate(model, x, y, "softmax_cross_entropy")["accuracy"] > 0.9


def test_it_stops_when_the_loss_diverges() -> None:
    x, y = np.random.default_rng(0).normal(size=(64, 4)), np.random.default_rng(1).normal(size=(64, 1))
    model = cp.Sequential([cp.Dense(1)], input_shape=(4,))
    found = lr_range_test(model, x, y, loss="squared_error", high=1e6, steps=200)
    assert found.diverged is not None
    assert 0.05 < found.diverged < 1e3
    assert len(found.rates) < 150
    assert np.isfinite(found.losses).all()
    assert len(found.rates) == len(found.losses) == len(found.raw)
    clipped = lr_range_test(model, x, y, loss="squared_error", high=1e6, steps=200, clip_norm=0.01)
    assert clipped.diverged is not None
    assert clipped.diverged > 10 * found.diverged


def test_a_network_that_cannot_learn_has_no_suggestion() -> None:
    x = np.random.default_rng(0).normal(size=(90, 4))
    layers = [cp.Dense(5, activation="relu", init="zeros"), cp.Dense(3, init="zeros")]
    found = lr_range_test(cp.Sequential(layers, input_shape=(4,)), x, np.arange(90) % 3, high=1e-1)
    assert found.suggested is None
    assert "the loss hardly falls" in plot_lr_range(axes(), found).get_xlabel()


def test_a_loss_that_is_not_finite_at_once_is_said() -> None:
    model = network()
    model.params[...] = np.nan
    found = lr_range_test(model, *iris())
    assert found.suggested is None
    assert found.diverged == found.rates[0] == 1e-6
    assert "not finite" in plot_lr_range(axes(), found).texts[0].get_text()


def test_small_sets_are_visited_again_and_again() -> None:
    x, y = iris()
    found = lr_range_test(network(), x[45:55], y[45:55], batch_size=64, high=1.0, steps=20)
    assert len(found.raw) == 20


def test_the_picture_shows_what_was_measured() -> None:
    rates = np.geomspace(1e-4, 1, 9)
    losses = np.array([2.3, 2.3, 2.25, 2.0, 1.4, 1.0, 1.2, 5.0, 50.0])
    raw = losses + 0.1
    ax = plot_lr_range(axes(), RateRange(rates, losses, raw, rates[4], rates[5], 1.0))
    first, smooth, lowest, suggested = ax.get_lines()
    np.testing.assert_array_equal(first.get_xydata(), np.stack([rates, raw], 1))
    np.testing.assert_array_equal(smooth.get_xydata(), np.stack([rates, losses], 1))
    assert list(lowest.get_xdata()) == [rates[5]] * 2
    np.testing.assert_allclose(suggested.get_xydata(), [[rates[4], 1.4]])
    assert ax.get_xscale() == "log"
    assert ax.get_ylim()[1] < 5
    assert ax.get_xlabel() == "learning rate (logarithmic); diverged at 1"
    ax.figure.canvas.draw()
    assert all("$" not in label.get_text() for label in ax.get_xticklabels())


def test_wrong_settings_are_refused_in_a_sentence() -> None:
    (x, y), model = iris(), network()
    with pytest.raises(cp.ConfigError, match=r"low < high, got low=1 and high=0\.1\. Exchange them"):
        lr_range_test(model, x, y, low=1.0, high=0.1)
    with pytest.raises(cp.ConfigError, match="steps to be a whole number >= 2, got 1"):
        lr_range_test(model, x, y, steps=1)
    with pytest.raises(cp.ConfigError, match="low to be a finite number > 0, got 0"):
        lr_range_test(model, x, y, low=0)
    with pytest.raises(cp.ConfigError, match="clip_norm > 0, got -1"):
        lr_range_test(model, x, y, clip_norm=-1)
    with pytest.raises(cp.ShapeError, match=r"lr_range_test: expected x of shape \(N, 4\)"):
        lr_range_test(model, x[:, :3], y)
    with pytest.raises(cp.ConfigError, match="Did you mean 'adam'"):
        lr_range_test(model, x, y, optimizer="adm")


@pytest.mark.parametrize("steps", [12, 40, 100])
def test_nearer_losses_count_for_more_in_the_smooth_ones(steps: int) -> None:
    (x, y), model = iris(), network()
    found = lr_range_test(model, x, y, steps=steps, low=1e-4, high=1e-2)
    raw, far = found.raw, max(1, min(steps // 15, 6))
    for i in range(len(raw)):
        near = range(max(0, i - far), min(len(raw), i + far + 1))
        weights = [far + 1 - abs(i - j) for j in near]
        mean = sum(w * raw[j] for w, j in zip(weights, near, strict=True)) / sum(weights)
        assert found.losses[i] == pytest.approx(mean, rel=1e-9)


@pytest.mark.parametrize("optimizer", [cp.Adam, cp.AdamW, lambda: cp.SGD(momentum=0.9)])
def test_an_optimizer_that_has_trained_begins_afresh(optimizer: Callable[[], cp.Optimizer]) -> None:
    (x, y), model, used = iris(), network(), optimizer()
    fresh = lr_range_test(model, x, y, optimizer=optimizer(), steps=20, high=0.1)
    cp.fit(network(), x, y, optimizer=used, epochs=2)
    np.testing.assert_array_equal(
        lr_range_test(model, x, y, optimizer=used, steps=20, high=0.1).raw, fresh.raw
    )


def test_weights_decay_and_biases_do_not() -> None:
    x, y = iris()
    model = cp.Sequential([cp.Dense(3)], input_shape=(4,), seed=0, dtype="float64")
    model.layers[0].b[...] = [3.0, -2.0, 1.0]
    found = lr_range_test(
        model, x, y, optimizer=cp.AdamW(weight_decay=2.0), low=0.01, high=0.1, steps=15, batch_size=len(x)
    )  # fmt: skip
    twin, loss, rates = model.copy(), cp.make_loss("softmax_cross_entropy"), np.geomspace(0.01, 0.1, 15)
    kept = {name: (np.zeros_like(view), np.zeros_like(view)) for name, view in twin.named_params().items()}
    for step, rate in enumerate(rates):
        losses, _ = backpropagate(twin, loss, x.astype("f8"), y, 1 / len(x))
        assert found.raw[step] == pytest.approx(losses.mean(), rel=1e-9)
        for name, p in twin.named_params().items():
            g, (m, v) = twin.named_grads()[name], kept[name]
            m[...], v[...] = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
            ahead = m / (1 - 0.9 ** (step + 1)) / (np.sqrt(v / (1 - 0.999 ** (step + 1))) + 1e-8)
            p -= rate * (ahead + (2.0 * p if name.endswith("w") else 0))
