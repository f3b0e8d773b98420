"""nndl.layers and layer_utils: the notebook's cells, plain NumPy, PyTorch, finite differences."""

import nndl_references as plain
import numpy as np
import pytest
from nndl_references import numeric, seed

from clearprop.courses.nndl.layer_utils import affine_relu_backward, affine_relu_forward
from clearprop.courses.nndl.layers import (
    affine_backward,
    affine_forward,
    batchnorm_backward,
    batchnorm_forward,
    dropout_backward,
    dropout_forward,
    relu_backward,
    relu_forward,
    softmax_loss,
    svm_loss,
)
from clearprop.errors import ConfigError, DataError, ShapeError


def rel(x, y):
    return np.max(np.abs(x - y) / np.maximum(1e-8, np.abs(x) + np.abs(y)))


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def affine_case(rng, dtype=np.float64):
    shapes = (5, 2, 3, 4), (24, 7), (7,), (5, 7)
    return [rng.normal(size=shape).astype(dtype) for shape in shapes]


def test_affine_forward_is_the_notebooks_cell():
    x = np.linspace(-0.1, 0.5, num=240).reshape(2, 4, 5, 6)
    w = np.linspace(-0.2, 0.3, num=360).reshape(120, 3)
    out, cache = affine_forward(x, w, np.linspace(-0.3, 0.1, num=3))
    printed = [[1.49834967, 1.70660132, 1.91485297], [3.25553199, 3.5141327, 3.77273342]]
    assert rel(out, np.array(printed)) < 2e-9  # the document has 9.8e-10
    assert cache[0] is x
    assert cache[1] is w


def test_relu_forward_is_the_notebooks_cell():
    out, _ = relu_forward(np.linspace(-0.5, 0.5, num=12).reshape(3, 4))
    printed = [[0, 0, 0, 0], [0, 0, 0.04545455, 0.13636364], [0.22727273, 0.31818182, 0.40909091, 0.5]]
    assert rel(out, np.array(printed)) < 6e-8


@pytest.mark.parametrize("contiguous", [True, False])
def test_affine_and_its_gradients(rng, contiguous):
    x, w, b, dout = affine_case(rng)
    if not contiguous:
        x, w = x[..., ::-1], np.asfortranarray(w)
    given = [a.copy() for a in (x, w, b, dout)]
    out, cache = affine_forward(x, w, b)
    np.testing.assert_allclose(out, x.reshape(5, 24).dot(w) + b, rtol=1e-13)
    grads = affine_backward(dout, cache)
    for a, grad in zip((x, w, b), grads, strict=True):
        assert grad.shape == a.shape
        np.testing.assert_allclose(
            grad, numeric(lambda: affine_forward(x, w, b)[0], a, dout), rtol=1e-6, atol=1e-8
        )
    for a, kept in zip((x, w, b, dout), given, strict=True):
        np.testing.assert_array_equal(a, kept)


@pytest.mark.torch
def test_affine_relu_agrees_with_torch(rng):
    torch = pytest.importorskip("torch")
    x, w, b, dout = affine_case(rng)
    leaves = [torch.tensor(a, requires_grad=True) for a in (x, w, b)]
    theirs = torch.relu(leaves[0].reshape(5, -1) @ leaves[1] + leaves[2])
    theirs.backward(torch.tensor(dout))
    out, cache = affine_relu_forward(x, w, b)
    np.testing.assert_allclose(out, theirs.detach().numpy(), rtol=1e-12)
    for grad, leaf in zip(affine_relu_backward(dout, cache), leaves, strict=True):
        np.testing.assert_allclose(grad, leaf.grad.numpy(), rtol=1e-10, atol=1e-12)


def test_affine_relu_is_its_two_layers(rng):
    x, w, b, dout = affine_case(rng)
    out, cache = affine_relu_forward(x, w, b)
    np.testing.assert_array_equal(out, relu_forward(affine_forward(x, w, b)[0])[0])
    for a, grad in zip((x, w, b), affine_relu_backward(dout, cache), strict=True):
        expected = numeric(lambda: affine_relu_forward(x, w, b)[0], a, dout)
        np.testing.assert_allclose(grad, expected, rtol=1e-6, atol=1e-8)


def test_relu_has_slope_0_at_0_and_caches_its_input(rng):
    x = np.array([-2.0, -0.0, 0.0, 3.0])
    dout = rng.normal(size=4)
    out, cache = relu_forward(x)
    assert cache is x
    np.testing.assert_array_equal(out, [0, 0, 0, 3])
    np.testing.assert_array_equal(relu_backward(dout, cache), [0, 0, 0, dout[3]])
    assert np.isfinite(relu_backward(dout, np.zeros(4))).all()  # the handout's Hout / Hin is 0 / 0 here


@pytest.mark.parametrize(("ours", "theirs"), [(softmax_loss, plain.softmax_loss), (svm_loss, plain.svm_loss)])
def test_losses_are_means_with_their_gradients(rng, ours, theirs):
    x, y = 3 * rng.normal(size=(6, 5)), rng.integers(0, 5, 6)
    kept = x.copy()
    loss, dx = ours(x, y)
    expected, slope = theirs(x, y)
    assert isinstance(loss, float)
    assert loss == pytest.approx(expected, rel=1e-13)
    np.testing.assert_allclose(dx, slope, atol=1e-15)
    np.testing.assert_allclose(dx, numeric(lambda: ours(x, y)[0], x, 1.0), atol=1e-8)
    np.testing.assert_allclose(x, kept, atol=1e-15)


@pytest.mark.torch
def test_losses_agree_with_torch(rng):
    torch = pytest.importorskip("torch")
    x, y = 3 * rng.normal(size=(6, 5)), rng.integers(0, 5, 6)
    for ours, theirs, scale in (
        (softmax_loss, torch.nn.functional.cross_entropy, 1),
        (svm_loss, torch.nn.functional.multi_margin_loss, 5),  # torch divides by the number of classes
    ):
        tx = torch.tensor(x, requires_grad=True)
        value = scale * theirs(tx, torch.tensor(y))
        value.backward()
        loss, dx = ours(x, y)
        assert loss == pytest.approx(value.item(), rel=1e-12)
        np.testing.assert_allclose(dx, tx.grad.numpy(), atol=1e-14)


def test_the_notebooks_softmax_cell(rng):
    loss, _ = softmax_loss(0.001 * rng.normal(size=(50, 10)), rng.integers(0, 10, 50))
    assert loss == pytest.approx(2.3, abs=0.01)


def test_softmax_loss_does_not_overflow_or_take_the_log_of_0():
    loss, dx = softmax_loss(np.array([[1e4, -1e4], [1e4, -1e4]]), np.array([0, 1]))
    assert loss == 1e4  # where the document's run printed "divide by zero encountered in log"
    np.testing.assert_array_equal(dx, [[0, 0], [0.5, -0.5]])


def batchnorm_case(rng, n=7, d=4):
    return 5 + 3 * rng.normal(size=(n, d)), 1 + rng.random(d), rng.normal(size=d), rng.normal(size=(n, d))


def test_batchnorm_in_training(rng):
    x, gamma, beta, dout = batchnorm_case(rng)
    bn_param = {"mode": "train"}
    out, cache = batchnorm_forward(x, gamma, beta, bn_param)
    expected, mean, var = plain.batchnorm(x, gamma, beta)
    np.testing.assert_allclose(out, expected, rtol=1e-12)
    np.testing.assert_allclose(bn_param["running_mean"], 0.1 * mean, rtol=1e-12)
    np.testing.assert_allclose(bn_param["running_var"], 0.1 * var, rtol=1e-12)
    for a, grad in zip((x, gamma, beta), batchnorm_backward(dout, cache), strict=True):
        again = numeric(lambda: batchnorm_forward(x, gamma, beta, {"mode": "train"})[0], a, dout)
        np.testing.assert_allclose(grad, again, rtol=1e-6, atol=1e-8)
    batchnorm_forward(x + 1, gamma, beta, bn_param)
    np.testing.assert_allclose(bn_param["running_mean"], 0.09 * mean + 0.1 * (mean + 1), rtol=1e-12)


def test_batchnorm_in_a_test(rng):
    x, gamma, beta, dout = batchnorm_case(rng)
    bn_param = {
        "mode": "test",
        "running_mean": rng.normal(size=4),
        "running_var": 1 + rng.random(4),
        "eps": 1e-3,
    }
    kept = dict(bn_param)
    out, cache = batchnorm_forward(x, gamma, beta, bn_param)
    scale = gamma / np.sqrt(kept["running_var"] + 1e-3)
    np.testing.assert_allclose(out, scale * (x - kept["running_mean"]) + beta, rtol=1e-12)
    assert all(np.array_equal(bn_param[key], kept[key]) for key in kept)
    dx, dgamma, dbeta = batchnorm_backward(dout, cache)
    np.testing.assert_allclose(dx, scale * dout, rtol=1e-12)
    again = numeric(lambda: batchnorm_forward(x, gamma, beta, bn_param)[0], gamma, dout)
    np.testing.assert_allclose(dgamma, again, rtol=1e-6)
    np.testing.assert_allclose(dbeta, dout.sum(axis=0), rtol=1e-12)


def test_batchnorm_settings_are_read_and_written_back(rng):
    x, gamma, beta, _ = batchnorm_case(rng)
    start = np.arange(4.0)
    bn_param = {"mode": "train", "momentum": 0.5, "eps": 0.1, "running_mean": start, "running_var": start}
    out, _ = batchnorm_forward(x, gamma, beta, bn_param)
    expected, mean, var = plain.batchnorm(x, gamma, beta, eps=0.1)
    np.testing.assert_allclose(out, expected, rtol=1e-12)
    np.testing.assert_allclose(bn_param["running_mean"], (start + mean) / 2, rtol=1e-12)
    np.testing.assert_allclose(bn_param["running_var"], (start + var) / 2, rtol=1e-12)
    np.testing.assert_array_equal(start, np.arange(4.0))


@pytest.mark.torch
def test_batchnorm_agrees_with_torch(rng):
    torch = pytest.importorskip("torch")
    x, gamma, beta, dout = batchnorm_case(rng)
    leaves = [torch.tensor(a, requires_grad=True) for a in (x, gamma, beta)]
    theirs = torch.nn.functional.batch_norm(leaves[0], None, None, leaves[1], leaves[2], training=True)
    theirs.backward(torch.tensor(dout))
    out, cache = batchnorm_forward(x, gamma, beta, {"mode": "train"})
    np.testing.assert_allclose(out, theirs.detach().numpy(), rtol=1e-11)
    for grad, leaf in zip(batchnorm_backward(dout, cache), leaves, strict=True):
        np.testing.assert_allclose(grad, leaf.grad.numpy(), rtol=1e-9, atol=1e-11)


def test_dropout_drops_with_probability_p_from_the_global_stream(rng):
    x, dout = rng.normal(size=(40, 50)), rng.normal(size=(40, 50))
    seed(3)
    out, mask = dropout_forward(x, {"mode": "train", "p": 0.3})
    stays = np.random.RandomState(3).rand(40, 50) >= 0.3
    np.testing.assert_allclose(out, np.where(stays, x / 0.7, 0), rtol=1e-15)
    assert abs((out == 0).mean() - 0.3) < 0.03
    np.testing.assert_allclose(dropout_backward(dout, mask), np.where(stays, dout / 0.7, 0), rtol=1e-15)


def test_dropout_with_a_seed_leaves_the_global_stream_alone(rng):
    x = rng.normal(size=(4, 5))
    seed(3)
    outs = [dropout_forward(x, {"mode": "train", "p": 0.5, "seed": 11})[0] for _ in range(2)]
    np.testing.assert_array_equal(*outs)
    np.testing.assert_array_equal(outs[0] != 0, np.random.RandomState(11).rand(4, 5) >= 0.5)
    again, _ = dropout_forward(x, {"mode": "train", "p": 0.5})
    np.testing.assert_array_equal(again != 0, np.random.RandomState(3).rand(4, 5) >= 0.5)


def test_dropout_changes_nothing_in_a_test(rng):
    x = rng.normal(size=(4, 5))
    out, mask = dropout_forward(x, {"mode": "test", "p": 0.9})
    np.testing.assert_array_equal(out, x)
    np.testing.assert_array_equal(dropout_backward(x, mask), x)


def test_float32_stays_float32(rng):
    x, w, b, dout = affine_case(rng, np.float32)
    out, cache = affine_relu_forward(x, w, b)
    arrays = [out, *affine_relu_backward(dout, cache)]
    arrays += [softmax_loss(out, np.arange(5))[1], svm_loss(out, np.arange(5))[1]]
    bn_param = {"mode": "train", "momentum": np.float64(0.9)}
    normed, cache = batchnorm_forward(out, b, b, bn_param)
    arrays += [normed, *batchnorm_backward(dout, cache), bn_param["running_mean"], bn_param["running_var"]]
    dropped, mask = dropout_forward(out, {"mode": "train", "p": 0.5})
    arrays += [dropped, dropout_backward(dout, mask)]
    assert {a.dtype.name for a in arrays} == {"float32"}


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: affine_forward(np.ones((2, 3, 2)), np.ones((5, 4)), np.ones(4)), ShapeError,
         r"affine_forward: expected w of shape \(6, M\), got \(5, 4\)"),
        (lambda: affine_forward(np.ones((2, 6)), np.ones((6, 4)), np.ones(3)), ShapeError,
         r"expected b of shape \(4,\), got \(3,\)"),
        (lambda: softmax_loss(np.ones((2, 3)), np.array([0, 3])), DataError, "labels from 0 to 2, got 3 in row 1"),
        (lambda: svm_loss(np.ones((2, 3)), np.array([0, -1])), DataError, "svm_loss: expected labels from 0 to 2"),
        (lambda: softmax_loss(np.ones((2, 3)), np.array([0])), ShapeError, "one row of y for each of the 2 rows"),
        (lambda: softmax_loss(np.ones(3), np.array([0])), ShapeError, r"expected x of shape \(N, C\)"),
        (lambda: softmax_loss(np.ones((0, 3)), np.zeros(0, int)), DataError, "at least one example"),
        (lambda: batchnorm_forward(np.ones((2, 3)), np.ones(3), np.ones(3), {"train": "train"}), ConfigError,
         "batchnorm_forward: expected the mode 'train' or 'test', got None"),
        (lambda: batchnorm_forward(np.ones((2, 3)), np.ones(2), np.ones(3), {"mode": "train"}), ShapeError,
         r"expected gamma of shape \(3,\), got \(2,\)"),
        (lambda: batchnorm_forward(np.ones((2, 3, 1, 1)), np.ones(3), np.ones(3), {"mode": "train"}), ShapeError,
         "take spatial_batchnorm_forward"),
        (lambda: dropout_forward(np.ones(3), {"mode": "train", "p": 1.0}), ConfigError, r"expected p in \[0, 1\)"),
        (lambda: dropout_forward(np.ones(3), {"mode": "training", "p": 0.1}), ConfigError, "got 'training'"),
    ],
)  # fmt: skip
def test_bad_input_gets_a_sentence(call, error, words):
    with pytest.raises(error, match=words):
        call()
