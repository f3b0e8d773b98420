"""The doctor inside recurrent layers: what it says of their gates, beside sums that are made number by number."""

import numpy as np
import pytest

import clearprop as cp
from clearprop.lens.doctor.probe import look
from clearprop.losses import make_loss

N, T, D, H = 6, 5, 3, 4


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def share(condition, values):
    return float(np.mean([condition(value) for value in np.ravel(values)]))


def at_ends(s):
    return 4 * s * (1 - s) < 0.05


def at_zero(s):
    return s < 0.5 and at_ends(s)


def at_one(y):
    return 1 - y * y < 0.05


def lstm_shares(layer, x):
    """Of each gate at all steps: the equations of Hochreiter & Schmidhuber, row by row."""
    values = {"i": [], "f": [], "g": [], "c": [], "o": []}
    for row in x:
        h = c = np.zeros(H)
        for step in row:
            zi, zf, zg, zo = np.split(step @ layer.w + h @ layer.u + layer.b, 4)
            i, f, g, o = sigmoid(zi), sigmoid(zf), np.tanh(zg), sigmoid(zo)
            c = f * c + i * g
            h = o * np.tanh(c)
            for name, value in zip("ifgco", (i, f, g, np.tanh(c), o), strict=True):
                values[name].append(value)
    rules = {"i": at_ends, "f": at_zero, "g": at_one, "c": at_one, "o": at_ends}
    return [share(rules[name], values[name]) for name in "ifgco"]


def gru_shares(layer, x):
    values = {"r": [], "z": [], "n": []}
    for row in x:
        h = np.zeros(H)
        for step in row:
            xr, xz, xn = np.split(step @ layer.w + layer.b, 3)
            ur, uz, un = np.split(layer.u, 3, axis=1)
            r, z = sigmoid(xr + h @ ur), sigmoid(xz + h @ uz)
            read = r * (h @ un + layer.bu) if layer.reset == "after" else (r * h) @ un
            n = np.tanh(xn + read)
            h = (1 - z) * n + z * h
            for name, value in zip("rzn", (r, z, n), strict=True):
                values[name].append(value)
    rules = {"r": at_ends, "z": at_zero, "n": at_one}
    return [share(rules[name], values[name]) for name in "rzn"]


WIDE = {"init": {"name": "normal", "std": 3.0}, "recurrent_init": {"name": "normal", "std": 2.0}}
LAYERS = {
    "LSTM": (lambda: cp.LSTM(H, **WIDE), lstm_shares),
    "GRU": (lambda: cp.GRU(H, **WIDE), gru_shares),
    "GRU before": (lambda: cp.GRU(H, reset="before", **WIDE), gru_shares),
}


def seen_in(model, x):
    y = np.zeros(len(x), int)
    return look(model, make_loss("softmax_cross_entropy"), x, y).seen


@pytest.mark.parametrize("name", LAYERS)
def test_the_shares_are_those_of_the_equations(name):
    make, expected = LAYERS[name]
    model = cp.Sequential([make(), cp.Dense(2)], (T, D), seed=0, dtype="float64")
    x = 3 * np.random.default_rng(0).standard_normal((N, T, D))
    gates = seen_in(model, x)[0].gates
    wanted = expected(model.layers[0], x)
    assert [gate.saturated for gate in gates] == pytest.approx(wanted, abs=1e-12)
    assert len(set(wanted)) == len(wanted)


def test_inside_other_layers_each_has_its_place():
    rnn = cp.GRU(H, return_sequences=True)
    layers = [
        cp.Dense(H), cp.Residual([rnn, rnn]), cp.Bidirectional(cp.LSTM(2, return_sequences=True)),
        cp.TimeDistributed(cp.Dense(2)), cp.GlobalAvgPool(),
    ]  # fmt: skip
    model = cp.Sequential([cp.TimeDistributed(layers[0]), *layers[1:]], (T, D), seed=0)
    seen = seen_in(model, np.ones((N, T, D), np.float32))
    gated = {one.place: [gate.name for gate in one.gates] for one in seen if one.gates}
    gru, lstm = "GRU(4, return_sequences=True)", "LSTM(2, return_sequences=True)"
    assert list(gated) == [
        f"layer 1, Residual(2 layers), its {gru}, 1 of 2",
        f"layer 1, Residual(2 layers), its {gru}, 2 of 2",
        f"layer 2, Bidirectional({lstm}), its {lstm} forward",
        f"layer 2, Bidirectional({lstm}), its {lstm} backward",
    ]
    assert gated[f"layer 1, Residual(2 layers), its {gru}, 1 of 2"] == [
        "reset gate", "update gate at 0", "candidate"
    ]  # fmt: skip
    assert len({one.place for one in seen}) == len(seen)


def test_a_sequence_in_each_time_step():
    """TimeDistributed(LSTM) reads (N, T, T', D) as N·T sequences."""
    model = cp.Sequential(
        [cp.TimeDistributed(cp.LSTM(H, **WIDE)), cp.GlobalAvgPool(), cp.Dense(2)], (3, T, D)
    )
    x = np.random.default_rng(0).standard_normal((N, 3, T, D))
    inner = model.layers[0].layer
    gates = seen_in(model, x.astype(np.float32))[0].gates
    assert [g.saturated for g in gates] == pytest.approx(lstm_shares(inner, x.reshape(-1, T, D)), abs=0.01)


def test_which_gates_are_said_with_their_shares():
    x = np.random.default_rng(0).standard_normal((300, 20, 1))
    y = (x.sum(axis=(1, 2)) > 0).astype(int)
    model = cp.Sequential([cp.LSTM(16, forget_bias=-20.0), cp.Dense(2)], (20, 1), seed=0)
    found = next(f for f in cp.diagnose(model, x, y).findings if f.name == "saturated gates")
    assert found.severity == "serious"
    assert found.layer == "layer 0, LSTM(16)"
    assert "input gate 0 %, forget gate at 0 100 %, cell input 0" in found.evidence
    model = cp.Sequential([cp.LSTM(16, forget_bias=20.0), cp.Dense(2)], (20, 1), seed=0)
    assert cp.diagnose(model, x, y).ok  # it remembers all, and may


def test_in_a_network_that_has_learned_it_is_a_note():
    x = np.random.default_rng(0).standard_normal((300, 12, 1))
    y = (x[:, -1, 0] > 0).astype(int)
    model = cp.Sequential([cp.LSTM(8, init={"name": "normal", "std": 4.0}), cp.Dense(2)], (12, 1), seed=0)
    before = [f.severity for f in cp.diagnose(model, x, y).findings if f.name == "saturated gates"]
    history = cp.fit(model, x, y, optimizer=cp.Adam(lr=0.02), epochs=8)
    found = cp.diagnose(model, x, y, history=history)
    after = [f.severity for f in found.findings if f.name == "saturated gates"]
    assert (before, after) == (["warning"], ["note"])
    assert found.ok


def test_watch_says_it_too():
    x = np.random.default_rng(0).standard_normal((100, 8, 1))
    y = (x[:, -1, 0] > 0).astype(int)
    model = cp.Sequential([cp.Bidirectional(cp.GRU(8)), cp.Dense(2)], (8, 1), seed=0)
    watch = cp.lens.doctor.Watch(every=2, say=None)
    cp.fit(model, 500 * x, y, optimizer=cp.SGD(lr=1e-6), epochs=2, callbacks=[watch])
    places = [f.layer.rpartition(" ")[2] for f in watch.findings if f.name == "saturated gates"]
    assert places == ["forward", "backward"]
