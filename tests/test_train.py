"""fit against loops written out: NumPy's by hand, and PyTorch's, batch by batch."""

import numpy as np
import pytest

import clearprop as cp
from clearprop.loop import backpropagate
from oracles import TanhNet, blobs, numeric_gradient

X, Y = blobs(22)
BATCH = 8


def network(dtype="float64", seed=0):
    return cp.Sequential([cp.Dense(6, activation="tanh"), cp.Dense(3)], (4,), seed=seed, dtype=dtype)


def train(model=None, x=X, y=Y, **settings):
    model = network() if model is None else model
    given = {"optimizer": cp.SGD(0.2), "epochs": 3, "batch_size": BATCH, "shuffle": False, "workers": 1}
    return model, cp.fit(model, x, y, **given | settings)


def batches(n=22, size=BATCH, epochs=3, seed=None, drop_last=False):
    """The rows of each step: in order, or cut from one permutation an epoch."""
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        order = np.arange(n) if seed is None else rng.permutation(n)
        for start in range(0, n - n % size if drop_last else n, size):
            yield order[start : start + size]


class Steps(cp.Callback):
    """The parameters and gradients after each step."""

    def __init__(self):
        self.params, self.grads = [], []

    def on_step_end(self, training):
        self.params.append(training.model.params.copy())
        self.grads.append(training.model.grads.copy())


def flat(arrays):
    return np.concatenate([a.ravel() for a in arrays])


def by_hand(rows_of_steps, momentum=0.0, lr=0.2, change=lambda net, grads: grads):
    """Losses, right answers and parameters after each step, with the loop written out."""
    net = TanhNet(network().named_params().values())
    velocity = [np.zeros_like(p) for p in net.params]
    losses, right, params = [], [], []
    for rows in rows_of_steps:
        right.append(np.mean(net.scores(X[rows]).argmax(axis=1) == Y[rows]))
        step_losses, grads = net.gradient(X[rows], Y[rows])
        losses.append(step_losses.mean())
        for p, v, g in zip(net.params, velocity, change(net, grads), strict=True):
            v *= momentum
            v += g
            p -= lr * v
        params.append(flat(net.params))
    return losses, right, params


@pytest.mark.parametrize("seed", [None, 0, 5])
@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_every_step_is_that_of_the_loop_by_hand(seed, drop_last, momentum):
    steps = Steps()
    shuffled = {"shuffle": True, "seed": seed} if seed is not None else {}
    _, history = train(optimizer=cp.SGD(0.2, momentum), callbacks=[steps], drop_last=drop_last, **shuffled)
    losses, right, params = by_hand(batches(seed=seed, drop_last=drop_last), momentum)
    assert len(steps.params) == len(params) == (6 if drop_last else 9)
    np.testing.assert_allclose(steps.params, params, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(history.steps["loss"], losses, rtol=1e-11)
    np.testing.assert_allclose(history.steps["accuracy"], right)
    sizes = [8, 8] if drop_last else [8, 8, 6]
    for i, row in enumerate(history.epochs):
        k = len(sizes)
        assert row["epoch"] == i + 1
        assert row["step"] == (i + 1) * k
        assert row["loss"] == pytest.approx(np.average(losses[i * k : (i + 1) * k], weights=sizes))
        assert row["accuracy"] == pytest.approx(np.average(right[i * k : (i + 1) * k], weights=sizes))


def test_the_loop_of_the_readme():
    model, _ = train()
    other, loss = network(), cp.make_loss("softmax_cross_entropy")
    optimizer = cp.SGD(0.2)
    for rows in batches():
        scores, caches = other.forward(X[rows], training=True)
        _, dscores = loss(scores, Y[rows])
        dscores /= len(rows)
        other.backward(dscores, caches)
        optimizer.step(other.params, other.grads)
    np.testing.assert_allclose(model.params, other.params, rtol=1e-13, atol=1e-15)


@pytest.mark.torch
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_step_is_that_of_torch(dtype):
    torch = pytest.importorskip("torch")
    model = network(dtype)
    net = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.Tanh(), torch.nn.Linear(6, 3))
    net.to(getattr(torch, dtype))
    with torch.no_grad():
        for layer, i in ((net[0], 0), (net[2], 2)):
            layer.weight.copy_(torch.tensor(model.layers[i].w.T))
            layer.bias.copy_(torch.tensor(model.layers[i].b))
    their_optimizer = torch.optim.Adam(net.parameters(), lr=0.05)
    losses, x = [], torch.tensor(X.astype(dtype))
    for rows in batches(seed=0):
        loss = torch.nn.functional.cross_entropy(net(x[rows]), torch.tensor(Y[rows]))
        their_optimizer.zero_grad()
        loss.backward()
        their_optimizer.step()
        losses.append(loss.item())
    _, history = train(model, optimizer=cp.Adam(0.05), shuffle=True, seed=0)
    tolerance = 1e-5 if dtype == "float32" else 1e-10
    np.testing.assert_allclose(history.steps["loss"], losses, rtol=tolerance)
    for layer, i in ((net[0], 0), (net[2], 2)):
        theirs = layer.weight.detach().numpy().T
        np.testing.assert_allclose(model.layers[i].w, theirs, rtol=tolerance, atol=tolerance)


def test_a_batch_larger_than_the_data_is_all_of_it():
    steps = Steps()
    train(batch_size=1000, drop_last=True, epochs=1, callbacks=[steps])
    net = TanhNet(network().named_params().values())
    np.testing.assert_allclose(steps.grads[0], flat(net.gradient(X, Y)[1]), rtol=1e-10, atol=1e-14)


# what changes the gradient


@pytest.mark.parametrize(("l1", "l2"), [(0.0, 0.3), (0.2, 0.0), (0.1, 0.5)])
def test_penalties_are_the_derivative_of_the_penalised_loss(l1, l2):
    steps, model = Steps(), network()
    model.params += 0.01  # so that the biases, which are not penalised, are not zero either
    net = TanhNet(model.named_params().values())

    def penalised():
        weights = flat([net.params[0], net.params[2]])
        return net.loss(X, Y) + l1 * np.abs(weights).sum() + 0.5 * l2 * np.square(weights).sum()

    numeric = [numeric_gradient(penalised, p) for p in net.params]
    _, history = train(model, batch_size=22, epochs=1, l1=l1, l2=l2, callbacks=[steps])
    np.testing.assert_allclose(steps.grads[0], flat(numeric), rtol=1e-6, atol=1e-8)
    start = TanhNet(network().named_params().values())
    start.params = [p + 0.01 for p in start.params]
    assert history.steps["loss"][0] == pytest.approx(start.loss(X, Y))  # without the penalty


def test_clip_norm():
    def clipped(net, grads):
        norm = np.sqrt(sum(np.sum(g * g) for g in grads))
        norms.append(norm)
        return [g * min(1, 1.7 / norm) for g in grads]

    norms = []
    _, _, params = by_hand(batches(), change=clipped)
    steps = Steps()
    _, history = train(clip_norm=1.7, callbacks=[steps])
    np.testing.assert_allclose(steps.params, params, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(history.steps["grad_norm"], norms, rtol=1e-11)
    assert min(norms) < 1.7 < max(norms)


def test_clip_value():
    _, _, params = by_hand(batches(), change=lambda net, grads: [np.clip(g, -0.05, 0.05) for g in grads])
    steps = Steps()
    train(clip_value=0.05, callbacks=[steps])
    np.testing.assert_allclose(steps.params, params, rtol=1e-11, atol=1e-13)


def test_a_weight_of_two_is_the_row_twice():
    weights = np.array([2.0, 1, 1, 0, 3, 1])
    repeated = np.repeat(np.arange(6), weights.astype(int))
    weighted, history = train(x=X[:6], y=Y[:6], sample_weights=weights, batch_size=6)
    twice, history_twice = train(x=X[repeated], y=Y[repeated], batch_size=8)
    np.testing.assert_allclose(weighted.params, twice.params, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(history.steps["loss"], history_twice.steps["loss"], rtol=1e-11)


def test_only_the_ratio_of_weights_counts():
    weights = np.random.default_rng(0).random(22)
    first, _ = train(sample_weights=weights)
    np.testing.assert_allclose(train(sample_weights=7 * weights)[0].params, first.params, rtol=1e-11)
    np.testing.assert_allclose(train(sample_weights=np.full(22, 7))[0].params, train()[0].params, rtol=1e-11)


def test_weights_in_mini_batches():
    weights = np.random.default_rng(0).random(22)
    scaled = weights / weights.mean()
    net = TanhNet(network().named_params().values())
    steps = Steps()
    train(sample_weights=weights, epochs=1, callbacks=[steps])
    for rows, grads in zip(batches(epochs=1), steps.grads, strict=True):
        expected = net.gradient(X[rows], Y[rows], scaled[rows])[1]
        np.testing.assert_allclose(grads, flat(expected), rtol=1e-10, atol=1e-13)
        net.params = [p - 0.2 * g for p, g in zip(net.params, expected, strict=True)]


@pytest.mark.parametrize("n", [2, 5])
def test_weights_for_outputs_of_several_axes(n):
    rng = np.random.default_rng(1)
    x, y, weights = rng.normal(size=(n, 3)), rng.normal(size=(n, 2, 2)), np.arange(1.0, n + 1)
    model = cp.Sequential([cp.Dense(4), cp.Reshape((2, 2))], (3,), dtype="float64")
    w, b = model.layers[0].w.copy(), model.layers[0].b.copy()
    steps = Steps()
    train(
        model, x, y, loss="squared_error", sample_weights=weights, batch_size=n, epochs=1, callbacks=[steps]
    )

    def value():
        errors = ((x @ w + b - y.reshape(n, 4)) ** 2).sum(axis=1)
        return np.mean(weights / weights.mean() * errors)

    numeric = flat([numeric_gradient(value, w), numeric_gradient(value, b)])
    np.testing.assert_allclose(steps.grads[0], numeric, rtol=1e-6, atol=1e-8)


def test_adamw_decays_weights_alone():
    model = network()
    model.params += 1
    before = model.params.copy()
    train(
        model,
        x=np.zeros((3, 4)),
        y=[0, 1, 2],
        optimizer=cp.AdamW(0.1, weight_decay=0.5),
        batch_size=3,
        epochs=1,
    )
    spans = model.weight_spans()
    assert spans == [slice(0, 24), slice(30, 48)]
    np.testing.assert_allclose(model.params[spans[0]], before[spans[0]] * 0.95)  # where the gradient is zero
    assert np.abs(model.params[24:30] - before[24:30]).max() <= 0.1 + 1e-12  # Adam's step, no decay


# learning rates, dropout, links


def test_schedules_advance_by_fractions_of_an_epoch():
    moments = []

    def schedule(t):
        moments.append(t)
        return 0.1 / (1 + t)

    _, history = train(optimizer=cp.SGD(schedule), epochs=2)
    expected = [epoch + batch / 3 for epoch in range(2) for batch in range(3)]
    np.testing.assert_allclose(moments[-6:], expected)
    np.testing.assert_allclose(history.steps["lr"], [0.1 / (1 + t) for t in expected])
    assert history["lr"] == history.steps["lr"][2::3]


@pytest.mark.parametrize(("mode", "values"), [("min", [3, 2, 2, 2, 1]), ("max", [0.1, 0.5, 0.5, 0.4, 0.9])])
@pytest.mark.parametrize("validation", [None, (X, Y)])
def test_plateaus_are_seen_in_the_loss_or_the_metric(monkeypatch, mode, values, validation):
    column = ("validation_" if validation else "") + ("loss" if mode == "min" else "accuracy")
    seen = []
    schedule = cp.ReduceOnPlateau(lr=0.2, factor=0.5, patience=1, mode=mode)
    observe = cp.ReduceOnPlateau.observe

    def scripted(self, value):
        seen.append(value)
        observe(self, values[len(seen) - 1])

    monkeypatch.setattr(cp.ReduceOnPlateau, "observe", scripted)
    _, history = train(optimizer=cp.SGD(schedule), epochs=5, validation=validation)
    assert seen == history[column]
    assert history["lr"] == [0.2, 0.2, 0.2, 0.2, 0.1]  # two epochs no better: from the fifth on


def test_dropout_drops_in_training_alone():
    layers = [cp.Dense(40, activation="relu"), cp.Dropout(0.5), cp.Dense(3)]
    model = cp.Sequential(layers, (4,), seed=0, dtype="float64")
    drawn = cp.Sequential(layers, (4,), seed=0, dtype="float64")
    noise = drawn.draw_noise(22)
    loss = cp.make_loss("softmax_cross_entropy")
    expected = backpropagate(drawn, loss, X, Y, 1 / 22, noise)[0].mean()
    plain = cp.evaluate(model, X, Y, loss)["loss"]
    _, history = train(model, batch_size=22, epochs=1, validation=(X, Y))
    assert history.steps["loss"][0] == pytest.approx(expected, rel=1e-12)
    assert abs(expected - plain) > 1e-3
    after = loss(model.forward(X)[0], Y)[0].mean()
    assert history["validation_loss"][0] == pytest.approx(after, rel=1e-12)


@pytest.mark.parametrize("name", cp.losses.LOSSES)
def test_every_loss_goes_down_and_sets_the_link(name):
    loss = cp.make_loss(name)
    units = 3 if loss.link in ("softmax", "probs", "argmax") else 1
    activation = "softmax" if name == "cross_entropy" else None
    model = cp.Sequential(
        [cp.Dense(8, activation="tanh"), cp.Dense(units, activation=activation)], (4,), seed=0
    )
    y = Y if units == 3 else (Y == 0).astype(float)
    before = cp.evaluate(model, X, y, loss)
    _, history = train(model, y=y, loss=name, epochs=30, optimizer=cp.SGD(0.05))
    after = cp.evaluate(model, X, y, name)
    assert model.link == loss.link
    assert after["loss"] < before["loss"]
    if loss.metric == "accuracy":
        assert after["accuracy"] == np.mean(model.predict(X) == y) > 0.85
    else:
        assert after[loss.metric] == pytest.approx(np.mean((model.predict(X) - y) ** 2), rel=1e-5)
    assert set(history.steps) == {"loss", loss.metric, "lr"}
