"""CS 189's convolution and pooling against PyTorch, naive windows and differences, on the shapes of its own tests."""

import numpy as np
import pytest

from clearprop.courses.cs189.layers import Conv2D, Pool2D
from oracles import numeric_gradient

# n_out, kernel, stride, activation, pad
CONVOLUTIONS = [
    (32, (3, 3), 1, "relu", "same"),
    (32, (3, 5), 1, "relu", "same"),
    (7, (5, 5), 1, "relu", "same"),
    (7, (5, 5), 2, "relu", "same"),
    (18, (3, 3), 3, "tanh", "same"),
    (4, (3, 3), 2, "sigmoid", "valid"),
    (4, (2, 4), 2, "arctan", 2),
    (3, (2, 2), 1, "softmax", "same"),
]
# kernel, stride, mode, pad
POOLINGS = [
    ((3, 3), 2, "max", 0),
    ((2, 2), 2, "max", 0),
    ((2, 2), 2, "average", 0),
    ((3, 5), 4, "max", "valid"),
    ((5, 5), 1, "average", 2),
    ((3, 3), 2, "max", 1),
    ((3, 2), 1, "average", "same"),
]


@pytest.fixture(autouse=True)
def rng():
    np.random.seed(189)
    return np.random.default_rng(189)


def overwritten(layer, X, rng):
    layer.forward(X)
    for name, old in layer.parameters.items():
        layer.parameters[name] = 0.3 * rng.normal(size=old.shape)
    return layer


def pads(pad, kernel):
    """Rows and columns on each side, by the document's words."""
    if pad == "same":
        return tuple((k - 1) // 2 for k in kernel)
    return (0, 0) if pad == "valid" else (pad, pad)


def torch_convolution(torch, layer, X, stride, activation, padding):
    x = torch.tensor(X, requires_grad=True)
    W, b = (torch.tensor(layer.parameters[name], requires_grad=True) for name in ("W", "b"))
    z = torch.nn.functional.conv2d(x.permute(0, 3, 1, 2), W.permute(3, 2, 0, 1), b[0], stride, padding)
    z = z.permute(0, 2, 3, 1)
    y = {
        "relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "arctan": torch.arctan,
        "softmax": lambda z: torch.softmax(z, -1), "linear": lambda z: z * 1,
    }[activation](z)  # fmt: skip
    return x, W, b, y


@pytest.mark.torch
@pytest.mark.parametrize("ways", ["", "_faster"])
@pytest.mark.parametrize("shape", [(4, 16, 16, 3), (2, 17, 12, 5)])
@pytest.mark.parametrize(("n_out", "kernel", "stride", "activation", "pad"), CONVOLUTIONS)
def test_convolution_is_torchs(n_out, kernel, stride, activation, pad, shape, ways, rng):
    torch = pytest.importorskip("torch")
    X = rng.normal(size=shape)
    layer = overwritten(Conv2D(n_out, kernel, activation, stride=stride, pad=pad), X, rng)
    x, W, b, y = torch_convolution(torch, layer, X, stride, activation, pads(pad, kernel))
    dLdY = rng.normal(size=y.shape)
    y.backward(torch.tensor(dLdY))
    out = getattr(layer, f"forward{ways}")(X)
    np.testing.assert_allclose(out, y.detach().numpy(), rtol=1e-8, atol=1e-10)
    sides = zip(shape[1:3], pads(pad, kernel), kernel, strict=True)
    rows, columns = ((n + 2 * p - k) // stride + 1 for n, p, k in sides)
    assert out.shape == (shape[0], rows, columns, n_out)
    dX = getattr(layer, f"backward{ways}")(dLdY)
    np.testing.assert_allclose(dX, x.grad.numpy(), rtol=1e-7, atol=1e-9)
    for name, theirs in (("W", W), ("b", b)):
        assert layer.gradients[name].shape == layer.parameters[name].shape
        np.testing.assert_allclose(layer.gradients[name], theirs.grad.numpy(), rtol=1e-7, atol=1e-9)


def naive_convolution(X, W, b, stride, padding):
    """The document's sum, written out: cross-correlation, channel by channel."""
    X = np.pad(X, ((0, 0), (padding[0],) * 2, (padding[1],) * 2, (0, 0)))
    m, H, width, _ = X.shape
    kh, kw, _, n = W.shape
    Z = np.zeros((m, (H - kh) // stride + 1, (width - kw) // stride + 1, n))
    for i in range(Z.shape[1]):
        for j in range(Z.shape[2]):
            for f in range(n):
                window = X[:, i * stride : i * stride + kh, j * stride : j * stride + kw]
                Z[:, i, j, f] = (window * W[..., f]).sum(axis=(1, 2, 3)) + b[0, f]
    return Z


def test_convolution_is_the_documents_sum(rng):
    X = rng.normal(size=(2, 5, 6, 7))
    layer = overwritten(Conv2D(4, (3, 3), "linear", stride=2), X, rng)
    W, b = layer.parameters["W"], layer.parameters["b"]
    np.testing.assert_allclose(
        layer.forward(X), naive_convolution(X, W, b, 2, (1, 1)), rtol=1e-11, atol=1e-13
    )


def test_both_pairs_agree_in_any_order(rng):
    """The notebook's comparison; either way back may follow either way there."""
    X = rng.normal(size=(2, 5, 6, 7))
    layer = overwritten(Conv2D(4, (3, 3), "tanh"), X, rng)
    dLdY = rng.normal(size=(2, 5, 6, 4))
    found = {}
    for there in ("forward", "forward_faster"):
        for back in ("backward", "backward_faster"):
            out = getattr(layer, there)(X)
            dX = getattr(layer, back)(dLdY)
            found[there, back] = (out, dX, layer.gradients["W"], layer.gradients["b"])
    first = found["forward", "backward"]
    for other in found.values():
        for ours, theirs in zip(first, other, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-13)


def test_convolution_by_differences(rng):
    X, dLdY = rng.normal(size=(2, 5, 6, 3)), rng.normal(size=(2, 3, 3, 4))
    layer = overwritten(Conv2D(4, (3, 3), "tanh", stride=2), X, rng)
    value = lambda: float((layer.forward(X) * dLdY).sum())  # noqa: E731
    expected = {name: numeric_gradient(value, layer.parameters[name]) for name in ("W", "b")}
    expected["X"] = numeric_gradient(value, X)
    layer.forward(X)
    found = {"X": layer.backward(dLdY), **layer.gradients}
    for name, numeric in expected.items():
        np.testing.assert_allclose(found[name], numeric, atol=1e-7, err_msg=name)


def test_xavier_looks_at_the_whole_kernel():
    layer = Conv2D(50, (3, 5), "linear")
    layer.forward(np.ones((1, 6, 6, 40)))
    bound = np.sqrt(6 / (15 * 40 + 15 * 50))
    largest = np.abs(layer.parameters["W"]).max()
    assert 0.99 * bound < largest <= bound


@pytest.mark.parametrize("pad", ["full", -1, 1.5, None, (1, 1)])
def test_a_pad_that_is_none(pad):
    for make in (lambda: Conv2D(2, (3, 3), "relu", pad=pad), lambda: Pool2D(3, pad=pad)):
        with pytest.raises(ValueError, match=r"'same', 'valid' or a whole number >= 0, got"):
            make()


@pytest.mark.torch
@pytest.mark.parametrize("shape", [(4, 12, 12, 8), (3, 13, 10, 4)])
@pytest.mark.parametrize(("kernel", "stride", "mode", "pad"), POOLINGS)
def test_pooling_is_torchs(kernel, stride, mode, pad, shape, rng):
    torch = pytest.importorskip("torch")
    X = rng.normal(size=shape)
    x = torch.tensor(X, requires_grad=True)
    rows, columns = pads(pad, kernel)
    framed = torch.nn.functional.pad(
        x.permute(0, 3, 1, 2), (columns, columns, rows, rows)
    )  # zeros that count
    pool = torch.nn.functional.max_pool2d if mode == "max" else torch.nn.functional.avg_pool2d
    y = pool(framed, kernel, stride).permute(0, 2, 3, 1)
    dLdY = rng.normal(size=y.shape)
    y.backward(torch.tensor(dLdY))
    layer = Pool2D(kernel, mode, stride, pad)
    np.testing.assert_allclose(layer.forward(X), y.detach().numpy(), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(layer.backward(dLdY), x.grad.numpy(), rtol=1e-11, atol=1e-13)


def test_zeros_of_the_padding_count():
    X = np.full((1, 2, 2, 1), -4.0)
    assert Pool2D(2, "max", 2, pad=1).forward(X).ravel().tolist() == [0.0] * 4
    assert Pool2D(2, "average", 2, pad=1).forward(X).ravel().tolist() == [-1.0] * 4


def test_of_equal_maxima_one_gets_the_gradient():
    layer = Pool2D(2, stride=2)
    layer.forward(np.ones((1, 2, 2, 1)))
    assert layer.backward(np.full((1, 1, 1, 1), 5.0)).ravel().tolist() == [5.0, 0.0, 0.0, 0.0]


def test_what_pooling_keeps():
    X = np.arange(30.0).reshape(1, 5, 6, 1)
    layer = Pool2D((3, 2), "average", stride=2, pad=1)
    assert (layer.pool_fn, layer.arg_pool_fn, layer.kernel_shape) == (np.mean, None, (3, 2))
    assert (Pool2D(3).pool_fn, Pool2D(3).arg_pool_fn) == (np.max, np.argmax)
    out = layer.forward(X)
    cache = layer.cache
    assert list(cache) == ["out_rows", "out_cols", "X_pad", "p", "pool_shape"]
    assert (cache["out_rows"], cache["out_cols"]) == out.shape[1:3] == (3, 4)
    assert (cache["p"], cache["pool_shape"], cache["X_pad"].shape) == ((1, 1, 1, 1), (3, 2), (1, 7, 8, 1))
    layer.clear_gradients()
    with pytest.raises(ValueError, match=r"Pool2D\(\): expected a forward pass before backward, got none"):
        layer.backward(out)


def test_whole_numbers_are_pooled():
    X = np.arange(16).reshape(1, 4, 4, 1)
    assert Pool2D(2, "average", 2).forward(X).ravel().tolist() == [2.5, 4.5, 10.5, 12.5]
    layer = Pool2D(2, "max", 2)
    assert layer.forward(X).ravel().tolist() == [5, 7, 13, 15]
    assert layer.backward(np.full((1, 2, 2, 1), 0.5)).sum() == 2.0
