"""nndl.conv_layers and conv_layer_utils: loops, PyTorch, finite differences; views of the core's arrays."""

import nndl_references as plain
import numpy as np
import pytest
from nndl_references import numeric

from clearprop.courses.nndl.conv_layer_utils import (
    conv_relu_backward,
    conv_relu_forward,
    conv_relu_pool_backward,
    conv_relu_pool_forward,
)
from clearprop.courses.nndl.conv_layers import (
    conv_backward_naive,
    conv_forward_naive,
    max_pool_backward_naive,
    max_pool_forward_naive,
    spatial_batchnorm_backward,
    spatial_batchnorm_forward,
)
from clearprop.errors import ConfigError, ShapeError

SETTINGS = [(1, 0), (1, 1), (2, 1), (2, 0), (3, 2)]
POOLS = [(2, 2, 2), (3, 2, 1), (2, 3, 3)]


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def case(rng):
    shapes = (2, 3, 7, 6), (4, 3, 3, 2), (4,)
    return [rng.normal(size=shape) for shape in shapes]


@pytest.mark.parametrize(("stride", "pad"), SETTINGS)
def test_convolution_and_its_gradients(rng, stride, pad):
    x, w, b = case(rng)
    kept = [a.copy() for a in (x, w, b)]
    param = {"stride": stride, "pad": pad}
    out, cache = conv_forward_naive(x, w, b, param)
    np.testing.assert_allclose(out, plain.conv(x, w, b, stride, pad), rtol=1e-12, atol=1e-13)
    dout = rng.normal(size=out.shape)
    for a, grad in zip((x, w, b), conv_backward_naive(dout, cache), strict=True):
        again = numeric(lambda: conv_forward_naive(x, w, b, param)[0], a, dout)
        np.testing.assert_allclose(grad, again, rtol=1e-6, atol=1e-8)
    for a, before in zip((x, w, b), kept, strict=True):
        np.testing.assert_array_equal(a, before)


@pytest.mark.torch
@pytest.mark.parametrize(("stride", "pad"), SETTINGS)
def test_conv_relu_agrees_with_torch(rng, stride, pad):
    torch = pytest.importorskip("torch")
    leaves = [torch.tensor(a, requires_grad=True) for a in case(rng)]
    theirs = torch.relu(torch.nn.functional.conv2d(*leaves, stride=stride, padding=pad))
    out, cache = conv_relu_forward(
        *(leaf.detach().numpy() for leaf in leaves), {"stride": stride, "pad": pad}
    )
    np.testing.assert_allclose(out, theirs.detach().numpy(), rtol=1e-11, atol=1e-12)
    dout = rng.normal(size=out.shape)
    theirs.backward(torch.tensor(dout))
    for grad, leaf in zip(conv_relu_backward(dout, cache), leaves, strict=True):
        np.testing.assert_allclose(grad, leaf.grad.numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("height", "width", "stride"), POOLS)
def test_max_pooling_and_its_gradient(rng, height, width, stride):
    x = rng.normal(size=(2, 3, 7, 6))
    param = {"pool_height": height, "pool_width": width, "stride": stride}
    out, cache = max_pool_forward_naive(x, param)
    np.testing.assert_array_equal(out, plain.max_pool(x, height, width, stride))
    dout = rng.normal(size=out.shape)
    again = numeric(lambda: max_pool_forward_naive(x, param)[0], x, dout)
    np.testing.assert_allclose(max_pool_backward_naive(dout, cache), again, atol=1e-8)


def test_of_equal_numbers_the_first_takes_the_gradient():
    x = np.ones((1, 1, 2, 2))
    _, cache = max_pool_forward_naive(x, {"pool_height": 2, "pool_width": 2, "stride": 2})
    np.testing.assert_array_equal(
        max_pool_backward_naive(np.full((1, 1, 1, 1), 3.0), cache), [[[[3, 0], [0, 0]]]]
    )


@pytest.mark.torch
def test_conv_relu_pool_agrees_with_torch(rng):
    torch = pytest.importorskip("torch")
    leaves = [torch.tensor(a, requires_grad=True) for a in case(rng)]
    theirs = torch.relu(torch.nn.functional.conv2d(*leaves, padding=1))
    theirs = torch.nn.functional.max_pool2d(theirs, 2, 2)
    param = {"pool_height": 2, "pool_width": 2, "stride": 2}
    out, cache = conv_relu_pool_forward(
        *(leaf.detach().numpy() for leaf in leaves), {"stride": 1, "pad": 1}, param
    )
    np.testing.assert_allclose(out, theirs.detach().numpy(), rtol=1e-11, atol=1e-12)
    dout = rng.normal(size=out.shape)
    theirs.backward(torch.tensor(dout))
    for grad, leaf in zip(conv_relu_pool_backward(dout, cache), leaves, strict=True):
        np.testing.assert_allclose(grad, leaf.grad.numpy(), rtol=1e-10, atol=1e-12)


def norm_case(rng):
    x, gamma, beta = 5 + 3 * rng.normal(size=(2, 3, 4, 5)), 1 + rng.random(3), rng.normal(size=3)
    return x, gamma, beta, rng.normal(size=x.shape)


def test_spatial_batchnorm_is_that_of_all_places_as_rows(rng):
    x, gamma, beta, dout = norm_case(rng)
    bn_param = {"mode": "train"}
    out, cache = spatial_batchnorm_forward(x, gamma, beta, bn_param)
    expected, mean, var = plain.batchnorm(x.transpose(0, 2, 3, 1).reshape(-1, 3), gamma, beta)
    np.testing.assert_allclose(out, expected.reshape(2, 4, 5, 3).transpose(0, 3, 1, 2), rtol=1e-11)
    np.testing.assert_allclose(bn_param["running_mean"], 0.1 * mean, rtol=1e-12)
    np.testing.assert_allclose(bn_param["running_var"], 0.1 * var, rtol=1e-12)
    for a, grad in zip((x, gamma, beta), spatial_batchnorm_backward(dout, cache), strict=True):
        again = numeric(lambda: spatial_batchnorm_forward(x, gamma, beta, {"mode": "train"})[0], a, dout)
        np.testing.assert_allclose(grad, again, rtol=1e-6, atol=1e-8)
    bn_param["mode"] = "test"
    out, _ = spatial_batchnorm_forward(x, gamma, beta, bn_param)
    stats = [bn_param[name][:, None, None] for name in ("running_mean", "running_var")]
    expected = gamma[:, None, None] * (x - stats[0]) / np.sqrt(stats[1] + 1e-5) + beta[:, None, None]
    np.testing.assert_allclose(out, expected, rtol=1e-11)


@pytest.mark.torch
def test_spatial_batchnorm_agrees_with_torch(rng):
    torch = pytest.importorskip("torch")
    x, gamma, beta, dout = norm_case(rng)
    leaves = [torch.tensor(a, requires_grad=True) for a in (x, gamma, beta)]
    theirs = torch.nn.functional.batch_norm(leaves[0], None, None, leaves[1], leaves[2], training=True)
    theirs.backward(torch.tensor(dout))
    out, cache = spatial_batchnorm_forward(x, gamma, beta, {"mode": "train"})
    np.testing.assert_allclose(out, theirs.detach().numpy(), rtol=1e-11, atol=1e-12)
    for grad, leaf in zip(spatial_batchnorm_backward(dout, cache), leaves, strict=True):
        np.testing.assert_allclose(grad, leaf.grad.numpy(), rtol=1e-9, atol=1e-11)


def test_between_two_layers_nothing_is_copied(rng):
    x, w, b = case(rng)
    out, cache = conv_relu_forward(x, w, b, {"stride": 1, "pad": 1})
    last = out.transpose(0, 2, 3, 1)
    assert last.flags.c_contiguous
    _, pooled = max_pool_forward_naive(out, {"pool_height": 2, "pool_width": 2, "stride": 2})
    assert np.shares_memory(pooled.x, out)
    dx, dw, _ = conv_relu_backward(out, cache)
    assert dx.transpose(0, 2, 3, 1).base is not None
    assert dw.transpose(2, 3, 1, 0).flags.c_contiguous


def test_float32_stays_float32(rng):
    x, w, b = (a.astype(np.float32) for a in case(rng))
    param = {"pool_height": 2, "pool_width": 2, "stride": 2}
    out, cache = conv_relu_pool_forward(x, w, b, {"stride": 1, "pad": 1}, param)
    normed, kept = spatial_batchnorm_forward(out, b, b, {"mode": "train"})
    arrays = [out, normed, *conv_relu_pool_backward(out, cache), *spatial_batchnorm_backward(out, kept)]
    assert {a.dtype.name for a in arrays} == {"float32"}


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x, w, b: conv_forward_naive(x[0], w, b, {"stride": 1, "pad": 0}), ShapeError,
         r"conv_forward_naive: expected x of shape \(N, C, H, W\)"),
        (lambda x, w, b: conv_forward_naive(x, w[:, :2], b, {"stride": 1, "pad": 0}), ShapeError,
         r"expected w of shape \(F, 3, HH, WW\), got \(4, 2, 3, 2\)"),
        (lambda x, w, b: conv_forward_naive(x, w, b[1:], {"stride": 1, "pad": 0}), ShapeError,
         r"expected b of shape \(4,\)"),
        (lambda x, w, b: conv_forward_naive(x, w, b, {"stride": 1}), ConfigError,
         r"expected the settings to have 'pad', got \['stride'\]"),
        (lambda x, w, b: conv_forward_naive(x, w, b, {"stride": 0, "pad": 0}), ConfigError,
         "stride to be a whole number >= 1, got 0"),
        (lambda x, w, b: conv_forward_naive(x[:, :, :2], w, b, {"stride": 1, "pad": 0}), ShapeError,
         "conv_forward_naive: "),
        (lambda x, w, b: max_pool_forward_naive(x, {"pool_height": 9, "pool_width": 2, "stride": 1}), ShapeError,
         "max_pool_forward_naive: "),
        (lambda x, w, b: max_pool_forward_naive(x, {"pool_height": 2, "stride": 1}), ConfigError, "'pool_width'"),
        (lambda x, w, b: spatial_batchnorm_forward(x[:, :, 0, 0], b, b, {"mode": "train"}), ShapeError,
         "For rows take batchnorm_forward"),
        (lambda x, w, b: spatial_batchnorm_forward(x, b, b, {"mode": "train"}), ShapeError,
         r"expected gamma of shape \(3,\), got \(4,\)"),
    ],
)  # fmt: skip
def test_bad_input_gets_a_sentence(rng, call, error, words):
    with pytest.raises(error, match=words):
        call(*case(rng))
