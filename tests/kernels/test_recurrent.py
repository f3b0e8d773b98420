"""Recurrence: truncated gradients, the last state alone, `out` and `need_dx`; and PyTorch, over random shapes."""

import numpy as np
import pytest

from clearprop.kernels.activations import relu_backward, relu_forward, softmax_backward, softmax_forward
from clearprop.kernels.elman import elman_backward, elman_forward
from clearprop.kernels.gru import gru_backward, gru_before_backward, gru_before_forward, gru_forward
from clearprop.kernels.lstm import lstm_backward, lstm_forward
from clearprop.kernels.recurrent import steps_back
from oracles import numeric_gradient

from . import naive_recurrent as naive

GATES = {"elman": 1, "lstm": 4, "gru": 3, "gru_before": 3}
PAIRS = {
    "elman": (elman_forward, elman_backward),
    "lstm": (lstm_forward, lstm_backward),
    "gru": (gru_forward, gru_backward),
    "gru_before": (gru_before_forward, gru_before_backward),
}
STATES = {
    "elman": naive.elman_states,
    "lstm": naive.lstm_states,
    "gru": naive.gru_states,
    "gru_before": naive.gru_before_states,
}
every_kernel = pytest.mark.parametrize("name", PAIRS)


def draw(name, rng, N=2, T=5, D=2, H=3):
    """Forward's inputs, in its order."""
    columns = GATES[name] * H
    shapes = [(N, T, D), (D, columns), (H, columns), (columns,)]
    shapes += [(H,)] * (name == "gru") + [(N, H)] * (2 if name == "lstm" else 1)
    return [rng.normal(scale=0.8, size=shape) for shape in shapes]


@every_kernel
@pytest.mark.parametrize("truncate", [1, 2, 3, 5, 9])
def test_truncated_gradients_are_those_of_states_that_are_held(name, truncate):
    rng = np.random.default_rng(truncate)
    inputs = draw(name, rng)
    T = inputs[0].shape[1]
    states = STATES[name](*inputs)
    starts = [a.tolist() for a in inputs[-len(states[0][0]) :]]
    held = {}
    for t in range(T):
        if (T - t) % truncate == 0:
            held[t] = [
                states[n][t - 1] if t else tuple(start[n] for start in starts) for n in range(len(states))
            ]
    forward, backward = PAIRS[name]
    hs, cache = forward(*inputs)
    dhs = rng.normal(size=hs.shape)
    for x, dx in zip(inputs, backward(dhs, cache, truncate=truncate), strict=True):
        numeric = numeric_gradient(
            lambda: np.sum(dhs * naive.outputs(STATES[name](*inputs, held=held))), x, step=1e-5
        )
        np.testing.assert_allclose(dx, numeric, rtol=1e-6, atol=1e-8)


def test_the_chunks_are_counted_from_the_end():
    assert [t for t, goes_on in steps_back(7, 3) if not goes_on] == [4, 1]
    assert [t for t, goes_on in steps_back(6, 3) if not goes_on] == [3, 0]
    assert list(steps_back(3, None)) == [(2, True), (1, True), (0, True)]


@every_kernel
@pytest.mark.parametrize("truncate", [None, 2])
def test_the_last_states_gradient_alone(name, truncate):
    rng = np.random.default_rng(0)
    forward, backward = PAIRS[name]
    hs, cache = forward(*draw(name, rng))
    last = rng.normal(size=hs[:, -1].shape)
    kept = last.copy()
    dhs = np.zeros(hs.shape)
    dhs[:, -1] = last
    both = backward(last, cache, truncate=truncate), backward(dhs, cache, truncate=truncate)
    for a, b in zip(*both, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-13)
    np.testing.assert_array_equal(last, kept)


@every_kernel
def test_a_truncated_gradient_reaches_so_many_steps(name):
    rng = np.random.default_rng(0)
    forward, backward = PAIRS[name]
    hs, cache = forward(*draw(name, rng, T=7))
    dx = backward(rng.normal(size=hs[:, -1].shape), cache, truncate=3)[0]
    assert not dx[:, :4].any()
    assert dx[:, 4:].all()


@every_kernel
def test_out_is_written_and_dx_is_left_out(name):
    rng = np.random.default_rng(0)
    forward, backward = PAIRS[name]
    hs, cache = forward(*draw(name, rng))
    dhs = rng.normal(size=hs.shape)
    dx, *rest = backward(dhs, cache)
    out = tuple(np.full(a.shape, np.nan) for a in rest[: 4 if name == "gru" else 3])
    no_dx, *written = backward(dhs, cache, out=out, need_dx=False)
    assert dx is not None
    assert no_dx is None
    for given, array, expected in zip(out, written, rest, strict=False):
        assert array is given
        np.testing.assert_array_equal(array, expected)
    np.testing.assert_array_equal(written[-1], rest[-1])


@every_kernel
def test_gradients_are_arrays_of_their_own(name):
    rng = np.random.default_rng(0)
    forward, backward = PAIRS[name]
    hs, cache = forward(*draw(name, rng))
    first = backward(rng.normal(size=hs.shape), cache)
    kept = [a.copy() for a in first]
    backward(rng.normal(size=hs.shape), cache)
    for a, b in zip(first, kept, strict=True):
        np.testing.assert_array_equal(a, b)


@every_kernel
def test_states_that_go_on_are_read_where_they_are(name):
    """hs of one kernel is the x of the next in the order of memory that both work in."""
    hs, _ = PAIRS[name][0](*draw(name, np.random.default_rng(0), T=4, H=3))
    in_time = hs.transpose(2, 1, 0)
    assert in_time.strides[2] == in_time.itemsize
    assert in_time.strides[1] == len(hs) * in_time.itemsize


def test_softmax_is_taken_over_the_units():
    rng = np.random.default_rng(0)
    inputs = draw("elman", rng)
    hs, cache = elman_forward(*inputs, softmax_forward)
    np.testing.assert_allclose(hs.sum(axis=2), 1, rtol=1e-13)
    dhs = rng.normal(size=hs.shape)
    for x, dx in zip(inputs, elman_backward(dhs, cache, softmax_backward), strict=True):
        numeric = numeric_gradient(lambda: np.sum(dhs * elman_forward(*inputs, softmax_forward)[0]), x)
        np.testing.assert_allclose(dx, numeric, rtol=1e-6, atol=1e-8)


def torch_step(torch, name, x, w, u, b, more, activation):
    """One time step in PyTorch's words: x and the state -> the new state, h first."""
    F = torch.nn.functional
    if name == "elman":
        return lambda h: (activation(x @ w + h @ u + b),)
    if name == "lstm":

        def lstm(h, c):
            i, f, g, o = (x @ w + h @ u + b).chunk(4, dim=1)
            c = F.sigmoid(f) * c + F.sigmoid(i) * torch.tanh(g)
            return F.sigmoid(o) * torch.tanh(c), c

        return lstm

    def gru(h):
        H = len(u)
        r, z = F.sigmoid((x @ w + h @ u + b)[:, : 2 * H]).chunk(2, dim=1)
        of_x = (x @ w + b)[:, 2 * H :]
        read = r * (h @ u[:, 2 * H :] + more[0]) if name == "gru" else (r * h) @ u[:, 2 * H :]
        n = torch.tanh(of_x + read)
        return ((1 - z) * n + z * h,)

    return gru


@pytest.mark.torch
@every_kernel
@pytest.mark.parametrize("seed", range(6))
def test_agrees_with_torch_whose_states_are_detached(name, seed):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    N, T, D, H = rng.integers(1, 7, 4).tolist()
    truncate = [None, 1, 2, 3][seed % 4]
    relu = name == "elman" and seed % 2 == 1
    inputs = draw(name, rng, N, T, D, H)
    x, w, u, b, *more = tensors = [torch.tensor(a, requires_grad=True) for a in inputs]
    n_states = 2 if name == "lstm" else 1
    state, states = tuple(more[-n_states:]), []
    for t in range(T):
        if truncate and (T - t) % truncate == 0:
            state = tuple(s.detach() for s in state)
        step = torch_step(torch, name, x[:, t], w, u, b, more, torch.relu if relu else torch.tanh)
        state = step(*state)
        states.append(state[0])
    expected = torch.stack(states, dim=1)
    dhs = rng.normal(size=expected.shape)
    expected.backward(torch.tensor(dhs))
    forward, backward = PAIRS[name]
    hs, cache = forward(*inputs, *[relu_forward] * relu)
    gradients = backward(dhs, cache, *[relu_backward] * relu, truncate=truncate)
    np.testing.assert_allclose(hs, expected.detach().numpy(), rtol=1e-10, atol=1e-10)
    for dx, tensor in zip(gradients, tensors, strict=True):
        theirs = np.zeros(tensor.shape) if tensor.grad is None else tensor.grad.numpy()
        np.testing.assert_allclose(dx, theirs, rtol=1e-10, atol=1e-10)


@pytest.mark.torch
@pytest.mark.parametrize(("name", "module"), [("elman", "RNN"), ("lstm", "LSTM"), ("gru", "GRU")])
@pytest.mark.parametrize("last", [False, True], ids=["all states", "last state"])
@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_torchs_own_layers(name, module, last, seed):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    N, T, D, H = rng.integers(1, 9, 4).tolist()
    inputs = draw(name, rng, N, T, D, H)
    x, w, u, b, *more = inputs
    theirs = getattr(torch.nn, module)(D, H, batch_first=True, dtype=torch.float64)
    ih, hh, b_ih, b_hh = theirs.parameters()
    with torch.no_grad():
        ih.copy_(torch.tensor(w.T))
        hh.copy_(torch.tensor(u.T))
        b_ih.copy_(torch.tensor(b))
        b_hh.zero_()
        if name == "gru":
            b_hh[2 * H :] = torch.tensor(more[0])
    tx, *starts = (torch.tensor(a, requires_grad=True) for a in [x, *more[name == "gru" :]])
    started = tuple(s[None] for s in starts)
    expected, _ = theirs(tx, started if name == "lstm" else started[0])
    hs, cache = PAIRS[name][0](*inputs)
    dhs = rng.normal(size=(N, H) if last else hs.shape)
    (expected[:, -1] if last else expected).backward(torch.tensor(dhs))
    dx, dw, du, db, *rest = PAIRS[name][1](dhs, cache)
    np.testing.assert_allclose(hs, expected.detach().numpy(), rtol=1e-10, atol=1e-10)
    pairs = [(dx, tx.grad), (dw.T, ih.grad), (du.T, hh.grad), (db, b_ih.grad)]
    if name == "gru":
        pairs.append((rest.pop(0), b_hh.grad[2 * H :]))
    pairs += [(ours, start.grad) for ours, start in zip(rest, starts, strict=True)]
    for ours, grad in pairs:
        np.testing.assert_allclose(ours, grad.numpy(), rtol=1e-10, atol=1e-10)
