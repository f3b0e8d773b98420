"""CS 189's fully connected, recurrent and flattening layers against PyTorch and differences; what all layers hold."""

import numpy as np
import pytest

from clearprop.courses.cs189.layers import (
    Conv2D,
    Elman,
    Flatten,
    FullyConnected,
    Pool2D,
    initialize_layer,
)
from clearprop.errors import ConfigError, ShapeError
from oracles import numeric_gradient

ACTIVATIONS = ("linear", "sigmoid", "tanh", "relu", "softmax", "arctan")


@pytest.fixture(autouse=True)
def rng():
    np.random.seed(189)
    return np.random.default_rng(189)


def overwritten(layer, X, rng):
    """The course's procedure: forward once, so that parameters are there, then others in their place."""
    layer.forward(X)
    for name, old in layer.parameters.items():
        layer.parameters[name] = rng.normal(size=old.shape)
    return layer


def gradients_by_differences(layer, X, dLdY, step=1e-6):
    """By each parameter and by X, from the forward pass alone."""
    value = lambda: float((layer.forward(X) * dLdY).sum())  # noqa: E731
    return {name: numeric_gradient(value, layer.parameters[name], step) for name in layer.parameters} | {
        "X": numeric_gradient(value, X, step)
    }


def torch_activation(torch, name):
    return {
        "linear": lambda z: z * 1, "sigmoid": torch.sigmoid, "tanh": torch.tanh, "relu": torch.relu,
        "softmax": lambda z: torch.softmax(z, -1), "arctan": torch.arctan,
    }[name]  # fmt: skip


@pytest.mark.torch
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(
    ("m", "n_in", "n_out"), [(2, 3, 4), (72, 61, 128), (223, 311, 37), (128, 61, 256), (1, 1, 1)]
)
def test_fully_connected_is_torchs(m, n_in, n_out, activation, rng):
    torch = pytest.importorskip("torch")
    X, dLdY = rng.normal(size=(m, n_in)), rng.normal(size=(m, n_out))
    layer = overwritten(FullyConnected(n_out, activation), X, rng)
    x, W, b = (torch.tensor(a, requires_grad=True) for a in (X, layer.parameters["W"], layer.parameters["b"]))
    y = torch_activation(torch, activation)(x @ W + b)
    y.backward(torch.tensor(dLdY))
    np.testing.assert_allclose(layer.forward(X), y.detach().numpy(), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(layer.backward(dLdY), x.grad.numpy(), rtol=1e-8, atol=1e-11)
    for name, theirs in (("W", W), ("b", b)):
        assert layer.gradients[name].shape == layer.parameters[name].shape
        np.testing.assert_allclose(layer.gradients[name], theirs.grad.numpy(), rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_fully_connected_by_differences(activation, rng):
    X, dLdY = rng.normal(size=(2, 3)), rng.normal(size=(2, 4))
    layer = overwritten(FullyConnected(4, activation), X, rng)
    expected = gradients_by_differences(layer, X, dLdY)
    layer.forward(X)
    found = {"X": layer.backward(dLdY), **layer.gradients}
    assert expected.keys() == {"W", "b", "X"}
    for name, numeric in expected.items():
        np.testing.assert_allclose(found[name], numeric, atol=1e-8, err_msg=name)


def test_init_parameters_of_fifty_sizes(rng):
    layer = FullyConnected(1, "linear")
    for _ in range(50):
        n_in, n_out = (int(n) for n in rng.integers(1, 300, 2))
        layer.n_out = n_out
        layer._init_parameters((-1, n_in))
        assert layer.n_in == n_in
        assert {name: p.shape for name, p in layer.parameters.items()} == {
            "W": (n_in, n_out),
            "b": (1, n_out),
        }
        assert {name: g.shape for name, g in layer.gradients.items()} == {"W": (n_in, n_out), "b": (1, n_out)}
        assert np.abs(layer.parameters["W"]).max() <= np.sqrt(6 / (n_in + n_out))
        assert not layer.parameters["b"].any()


def test_fully_connected_caches_what_it_says(rng):
    X = rng.normal(size=(5, 3))
    layer = FullyConnected(2, "relu")
    out = layer(X)
    assert list(layer.cache) == ["Z", "X"]
    np.testing.assert_array_equal(layer.cache["X"], X)
    np.testing.assert_array_equal(np.maximum(layer.cache["Z"], 0), out)
    assert np.shares_memory(layer.cache["X"], X)


def torch_elman(torch, activation, x, W, U, b):
    s = torch.zeros(x.shape[0], U.shape[0], dtype=x.dtype)
    for t in range(x.shape[2]):
        s = torch_activation(torch, activation)(x[:, :, t] @ W + s @ U + b)
    return s


@pytest.mark.torch
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(("m", "d", "t", "n"), [(2, 3, 4, 5), (50, 1, 20, 8), (1, 2, 1, 3)])
def test_elman_is_torchs(m, d, t, n, activation, rng):
    torch = pytest.importorskip("torch")
    X, dLdY = rng.normal(size=(m, d, t)), rng.normal(size=(m, n))
    layer = overwritten(Elman(n, activation), X, rng)
    layer.parameters["U"] *= 0.3
    x, W, U, b = (torch.tensor(a, requires_grad=True) for a in (X, *layer.parameters.values()))
    y = torch_elman(torch, activation, x, W, U, b)
    y.backward(torch.tensor(dLdY))
    np.testing.assert_allclose(layer.forward(X), y.detach().numpy(), rtol=1e-8, atol=1e-11)
    dX = layer.backward(dLdY)
    assert [each.shape for each in dX] == [(m, d)] * t
    np.testing.assert_allclose(np.stack(dX, axis=2), x.grad.numpy(), rtol=1e-7, atol=1e-10)
    for name, theirs in (("W", W), ("U", U), ("b", b)):
        np.testing.assert_allclose(layer.gradients[name], theirs.grad.numpy(), rtol=1e-7, atol=1e-10)
        assert layer.gradients[name].shape == layer.parameters[name].shape


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_elman_by_differences(activation, rng):
    X, dLdY = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 5))
    layer = overwritten(Elman(5, activation), X, rng)
    expected = gradients_by_differences(layer, X, dLdY)
    layer.forward(X)
    found = {"X": np.stack(layer.backward(dLdY), axis=2), **layer.gradients}
    assert expected.keys() == {"W", "U", "b", "X"}
    for name, numeric in expected.items():
        np.testing.assert_allclose(found[name], numeric, atol=1e-8, err_msg=name)


def test_elmans_steps_are_its_forward_and_may_be_gone_back(rng):
    X, dLdY = rng.normal(size=(3, 2, 6)), rng.normal(size=(3, 4))
    layer = overwritten(Elman(4), X, rng)
    out = layer.forward(X)
    states, Z = layer.cache["s"], layer.cache["Z"]
    assert len(states) == 7
    assert not states[0].any()
    assert states[0].shape == (3, 4)
    np.testing.assert_array_equal(states[-1], out)
    dX, gradients = layer.backward(dLdY), dict(layer.gradients)
    layer.clear_gradients()
    assert layer.cache == {"s": [], "Z": [], "X": []}
    for t in range(6):
        s = layer.forward_step(X[:, :, t])
        np.testing.assert_allclose(s, states[t + 1], rtol=1e-12)
        np.testing.assert_allclose(np.tanh(layer.cache["Z"][t]), s, rtol=1e-12)
    np.testing.assert_allclose(layer.cache["Z"], Z, rtol=1e-12)
    np.testing.assert_allclose(layer.backward(dLdY), dX, rtol=1e-10)
    for name, gradient in gradients.items():
        np.testing.assert_allclose(layer.gradients[name], gradient, rtol=1e-10, err_msg=name)


def test_a_step_goes_on_from_the_last_state(rng):
    X = rng.normal(size=(3, 2, 6))
    layer = overwritten(Elman(4), X, rng)
    whole = layer.forward(X)
    layer.forward(X[:, :, :5])
    np.testing.assert_allclose(layer.forward_step(X[:, :, 5]), whole, rtol=1e-12)
    with pytest.raises(
        ShapeError, match=r"Elman\(4\): expected X of shape \(3, 2\), got \(5, 2\)\. To begin"
    ):
        layer.forward_step(np.ones((5, 2)))


@pytest.mark.parametrize(
    ("keep_dim", "shape"), [("first", (3, 60)), ("last", (48, 5)), (-1, (1, 240))]
)  # fmt: skip
def test_flatten_there_and_back(keep_dim, shape, rng):
    X = np.asarray(rng.normal(size=(3, 4, 4, 5)))
    X = rng.normal(size=(3, 4, 3, 5)) if keep_dim == "first" else X
    layer = Flatten(keep_dim)
    Y = layer.forward(X)
    assert Y.shape == shape
    assert layer.cache["in_dims"] == X.shape
    np.testing.assert_array_equal(Y.ravel(), X.ravel())
    np.testing.assert_array_equal(layer.backward(Y), X)


def test_flatten_keeps_nothing_if_it_is_told_so(rng):
    layer = Flatten()
    layer.forward(rng.normal(size=(2, 3, 4)), retain_derived=False)
    assert layer.cache["in_dims"] == []
    with pytest.raises(ConfigError, match=r"Flatten\(\): expected a forward pass before backward, got none"):
        layer.backward(np.ones((2, 12)))


def test_what_every_layer_has():
    for layer in (FullyConnected(2, "relu"), Elman(2), Conv2D(2, (3, 3), "relu"), Pool2D(2), Flatten()):
        assert layer.n_in is None
        assert list(layer.parameters) == []
        assert layer._get_parameters() == layer._get_gradients() == []
    assert FullyConnected(2, "relu").n_out == 2


def test_clearing_forgets_the_pass_and_zeroes_the_gradients(rng):
    layer = FullyConnected(2, "tanh")
    layer.forward(rng.normal(size=(4, 3)))
    layer.backward(np.ones((4, 2)))
    W, b = layer._get_parameters()
    assert layer._get_gradients()[0].any()
    assert len(layer._get_cache()) == 2
    layer.clear_gradients()
    assert layer._get_cache() == [[], []]
    assert [g.shape for g in layer._get_gradients()] == [W.shape, b.shape]
    assert not any(g.any() for g in layer._get_gradients())
    assert layer._get_parameters()[0] is W
    with pytest.raises(
        ConfigError, match=r"FullyConnected\(2\): expected a forward pass before backward, got none"
    ):
        layer.backward(np.ones((4, 2)))


def test_forward_with_param_puts_the_value_there(rng):
    X = rng.normal(size=(4, 3))
    layer = FullyConnected(2, "linear")
    layer.forward(X)
    W = rng.normal(size=(3, 2))
    np.testing.assert_allclose(layer.forward_with_param("W", X)(W), np.einsum("md,dn->mn", X, W))
    assert layer.parameters["W"] is W


def test_gradients_are_written_not_added(rng):
    X, dLdY = rng.normal(size=(4, 3)), rng.normal(size=(4, 2))
    layer = FullyConnected(2, "tanh")
    layer.forward(X)
    layer.backward(dLdY)
    once = layer.gradients["W"].copy()
    layer.backward(dLdY)
    np.testing.assert_array_equal(layer.gradients["W"], once)


def test_parameters_put_there_before_the_first_forward_count():
    layer = FullyConnected(2, "linear")
    layer.parameters["W"] = np.ones((3, 2))
    assert layer.forward(np.ones((1, 3))).tolist() == [[3.0, 3.0]]


def test_whole_numbers_are_taken_as_floats():
    layer = FullyConnected(1, "linear")
    layer.parameters["W"] = np.array([[2], [3]])
    assert layer.forward(np.array([[1, 1]])).tolist() == [[5.0]]
    layer.backward(np.array([[1]]))
    assert layer.gradients["W"].dtype == layer.parameters["W"].dtype == np.float64


def test_single_precision_stays(rng):
    X = rng.normal(size=(4, 3)).astype(np.float32)
    layer = FullyConnected(2, "tanh")
    layer.parameters |= {"W": np.ones((3, 2), np.float32), "b": np.zeros((1, 2), np.float32)}
    assert layer.forward(X).dtype == np.float32
    assert layer.backward(np.ones((4, 2), np.float32)).dtype == np.float32


def test_the_gradient_by_the_input_can_be_left_out(rng):
    for layer, X in (
        (FullyConnected(2, "tanh"), (4, 3)),
        (Elman(2), (4, 3, 5)),
        (Conv2D(2, 3, "tanh"), (2, 5, 5, 3)),
    ):
        out = layer.forward(rng.normal(size=X))
        layer.backward(np.ones(out.shape))
        gradients = dict(layer.gradients)
        layer.needs_dX = False
        assert layer.backward(np.ones(out.shape)) is None
        for name, gradient in gradients.items():
            np.testing.assert_array_equal(layer.gradients[name], gradient)


def test_the_draws_come_in_the_order_of_the_names(rng):
    layer = Elman(3, weight_init="he_normal")
    np.random.seed(7)
    layer.forward(np.ones((1, 2, 1)))
    np.random.seed(7)
    gain = 5 / 3
    W, U = np.random.normal(0, gain / np.sqrt(2), (2, 3)), np.random.normal(0, gain / np.sqrt(3), (3, 3))
    np.testing.assert_allclose(layer.parameters["W"], W, rtol=1e-14)
    np.testing.assert_allclose(layer.parameters["U"], U, rtol=1e-14)
    assert list(layer.parameters) == ["W", "U", "b"]


def test_layers_by_name():
    full = initialize_layer("fully_connected", activation="relu", n_out=4)
    assert (type(full), full.n_out, type(full.activation).__name__) == (FullyConnected, 4, "ReLU")
    assert type(initialize_layer("elman", n_out=3).activation).__name__ == "TanH"
    conv = initialize_layer("conv2d", "tanh", n_out=8, kernel_shape=(3, 5))
    assert (conv.stride, conv.pad, conv.kernel_shape) == (1, (1, 2), (3, 5))
    pool = initialize_layer("pool2d", kernel_shape=2)
    assert (pool.stride, pool.pad, pool.mode, pool.kernel_shape) == (1, (0, 0), "max", (2, 2))
    pool = initialize_layer("pool2d", kernel_shape=(3, 3), stride=2, pad=1, mode="average")
    assert (pool.stride, pool.pad, pool.mode) == (2, (1, 1), "average")
    assert initialize_layer("flatten").keep_dim == "first"
    assert initialize_layer("flatten", keep_dim="last").keep_dim == "last"
    np.testing.assert_array_equal(
        initialize_layer("fully_connected", "relu", "zeros", 3).forward(np.ones((1, 2))), 0
    )


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"name": "fully_connected", "n_out": 3},
            r"layer 'fully_connected': expected the setting 'activation'",
        ),
        (
            {"name": "fully_connected", "activation": "relu"},
            r"the setting 'n_out', got none\. Write its value",
        ),
        (
            {"name": "conv2d", "activation": "relu", "n_out": 3},
            r"expected the setting 'kernel_shape', got none",
        ),
        ({"name": "elman", "n_out": 0}, r"Elman: expected n_out to be a whole number >= 1, got 0"),
        (
            {"name": "pool2d", "kernel_shape": 2, "mode": "min"},
            r"Pool2D: expected mode 'max' or 'average', got 'min'",
        ),
        (
            {"name": "pool2d", "kernel_shape": (2,)},
            r"expected kernel_shape \(height, width\) or a number, got \(2,\)",
        ),
        (
            {"name": "pool2d", "kernel_shape": 2, "pad": "full"},
            r"pad: expected 'same', 'valid' or a whole number",
        ),
        (
            {"name": "flatten", "keep_dim": "middle"},
            r"Flatten: expected keep_dim 'first', 'last' or -1, got 'middle'",
        ),
    ],
)
def test_settings_that_do_not_do(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        initialize_layer(**settings)


def test_a_name_that_is_not_there():
    with pytest.raises(
        NotImplementedError, match=r"layer 'lstm' is not there\. Known: fully_connected, elman, conv2d"
    ):
        initialize_layer("lstm")


@pytest.mark.parametrize(
    ("layer", "X", "sentence"),
    [
        (FullyConnected(4, "relu"), (2, 3, 3, 1), r"FullyConnected\(4\): expected X of shape \(m, n_in\), got \(2"),
        (Elman(4), (2, 3), r"Elman\(4\): expected X of shape \(m, d, t\), got \(2, 3\)\. Time is the last axis"),
        (Elman(4), (2, 3, 0), r"Elman\(4\): expected X with at least one time, got shape \(2, 3, 0\)"),
        (Conv2D(4, 3, "relu"), (2, 3, 3), r"Conv2D\(4\): expected X of shape \(m, H, W, c\), got \(2, 3, 3\)"),
        (Conv2D(4, 5, "relu", pad="valid"), (1, 4, 9, 1), r"at least \(5, 5\) with their padding, got \(4, 9\)"),
        (Pool2D(3), (2, 2, 5, 1), r"Pool2D: expected images of at least \(3, 3\) with their padding, got \(2, 5\)"),
        (Pool2D(3), (2, 5), r"Pool2D: expected X of shape \(m, H, W, C\), got \(2, 5\)"),
    ],
)  # fmt: skip
def test_shapes_that_do_not_fit(layer, X, sentence):
    with pytest.raises(ShapeError, match=sentence):
        layer.forward(np.ones(X))


def test_later_shapes_that_do_not_fit(rng):
    layer = FullyConnected(2, "relu")
    layer.forward(np.ones((4, 3)))
    with pytest.raises(ShapeError, match=r"expected X of shape \(m, 3\), got \(4, 5\)"):
        layer.forward(np.ones((4, 5)))
    with pytest.raises(
        ShapeError, match=r"FullyConnected\(2\): expected dLdY of shape \(4, 2\), got \(4, 3\)"
    ):
        layer.backward(np.ones((4, 3)))
    layer.parameters["b"] = np.zeros(2)
    with pytest.raises(ShapeError, match=r"expected parameters\['b'\] of shape \(1, 2\), got \(2,\)"):
        layer.forward(np.ones((4, 3)))
