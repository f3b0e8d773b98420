"""nndl.neural_net, fc_net and cnn: the document's numbers, PyTorch and finite differences for all parameters."""

import subprocess
import sys

import numpy as np
import pytest
from nndl_references import numeric, seed

from clearprop.courses.nndl import cnn, fc_net, neural_net
from clearprop.courses.nndl.utils.gradient_check import eval_numerical_gradient, rel_error
from clearprop.errors import ConfigError, DataError, ShapeError


def toy_model():
    seed(0)
    return neural_net.TwoLayerNet(4, 10, 3, std=1e-1)


def toy_data():
    seed(1)
    return 10 * np.random.randn(5, 4), np.array([0, 1, 2, 2, 1])


def check_all_gradients(model, loss, rtol=1e-5, atol=1e-9):
    """Every parameter's gradient by finite differences; the loss already has a random mix of all outputs in it."""
    _, grads = loss()
    assert sorted(grads) == sorted(model.params)
    for name, grad in grads.items():
        assert grad.shape == model.params[name].shape
        again = numeric(lambda: loss()[0], model.params[name], 1.0, step=1e-5)
        np.testing.assert_allclose(grad, again, rtol=rtol, atol=atol, err_msg=name)


def test_the_toy_networks_scores_and_loss():
    net = toy_model()
    X, y = toy_data()
    printed = [
        [-1.07260209, 0.05083871, -0.87253915],
        [-2.02778743, -0.10832494, -1.52641362],
        [-0.74225908, 0.15259725, -0.39578548],
        [-0.38172726, 0.10835902, -0.17328274],
        [-0.64417314, -0.18886813, -0.41106892],
    ]
    assert np.abs(net.loss(X) - printed).sum() < 1e-7
    assert abs(net.loss(X, y, reg=0.05)[0] - 1.071696123862817) < 1e-12
    np.testing.assert_array_equal(net.predict(X), np.argmax(printed, axis=1))


def test_the_toy_networks_gradients_by_the_notebooks_cell():
    net = toy_model()
    X, y = toy_data()
    _, grads = net.loss(X, y, reg=0.05)
    assert list(grads) == ["W2", "b2", "W1", "b1"]  # in the order in which the document prints them
    for name, grad in grads.items():
        again = eval_numerical_gradient(
            lambda _: net.loss(X, y, reg=0.05)[0], net.params[name], verbose=False
        )
        assert rel_error(again, grad) < 1e-8


def test_the_toy_networks_training():
    X, y = toy_data()
    net = toy_model()  # seeds again: the batches come after its draws
    stats = net.train(X, y, X, y, learning_rate=1e-1, reg=5e-6, num_iters=100, verbose=False)
    assert stats["loss_history"][-1] == pytest.approx(0.014497864587765886, rel=1e-12)
    assert len(stats["train_acc_history"]) == 100  # 5 rows in batches of 200: an epoch is one iteration


def test_training_decays_the_rate_at_multiples_of_an_epoch_that_is_no_whole_number():
    X, y = toy_data()
    net = toy_model()
    stats = net.train(X, y, X, y, learning_rate=1.0, learning_rate_decay=0.0, num_iters=20, batch_size=2)
    assert len(stats["train_acc_history"]) == 4  # 0, 5, 10 and 15 are multiples of 2.5
    after_one = toy_model()
    after_one.train(X, y, X, y, learning_rate=1.0, num_iters=1, batch_size=2)
    for name, w in net.params.items():  # a decay of 0 after iteration 0 leaves one step
        np.testing.assert_array_equal(w, after_one.params[name])


def test_training_prints_every_hundred_iterations(capsys):
    X, y = toy_data()
    stats = toy_model().train(X, y, X, y, num_iters=101, verbose=True)
    losses = stats["loss_history"]
    assert capsys.readouterr().out.splitlines() == [
        f"iteration 0 / 101: loss {losses[0]}",
        f"iteration 100 / 101: loss {losses[100]}",
    ]


def test_weights_are_views_of_memory_as_the_core_multiplies():
    net = toy_model()
    assert net.params["W1"].shape == (10, 4)
    assert net.params["W1"].T.flags.c_contiguous
    drawn = np.random.RandomState(0)
    np.testing.assert_array_equal(net.params["W1"], 0.1 * drawn.randn(10, 4))
    np.testing.assert_array_equal(net.params["W2"], 0.1 * drawn.randn(3, 10))


def linspace_model():
    model = fc_net.TwoLayerNet(input_dim=5, hidden_dims=50, num_classes=7, weight_scale=1e-2)
    for name, low, high in (("W1", -0.7, 0.3), ("b1", -0.1, 0.9), ("W2", -0.3, 0.4), ("b2", -0.9, 0.1)):
        shape = model.params[name].shape
        model.params[name] = np.linspace(low, high, num=model.params[name].size).reshape(shape)
    return model, np.linspace(-5.5, 4.5, num=15).reshape(5, 3).T, np.array([0, 5, 1])


def test_the_notebooks_two_layer_cell():
    model, X, y = linspace_model()
    printed = [
        [11.53165108, 12.2917344, 13.05181771, 13.81190102, 14.57198434, 15.33206765, 16.09215096],
        [12.05769098, 12.74614105, 13.43459113, 14.1230412, 14.81149128, 15.49994135, 16.18839143],
        [12.58373087, 13.20054771, 13.81736455, 14.43418138, 15.05099822, 15.66781506, 16.2846319],
    ]
    assert np.abs(model.loss(X) - printed).sum() < 1e-6
    assert abs(model.loss(X, y)[0] - 3.4702243556) < 1e-10
    model.reg = 1.0
    assert abs(model.loss(X, y)[0] - 26.5948426952) < 1e-10


@pytest.mark.parametrize(
    ("reg", "printed"),
    [
        (0.0, {"W1": 1.5215703686475096e-08, "W2": 3.2068321167375225e-10, "b1": 8.368195737354163e-09,
               "b2": 4.3291360264321544e-10}),
        (0.7, {"W1": 2.527915175868136e-07, "W2": 2.8508510893102143e-08, "b1": 1.5646801536371197e-08,
               "b2": 7.759095355706557e-10}),
    ],
)  # fmt: skip
def test_the_notebooks_gradient_errors_are_met(reg, printed):
    model, X, y = linspace_model()
    model.reg = reg
    _, grads = model.loss(X, y)
    for name, limit in printed.items():
        again = eval_numerical_gradient(lambda _: model.loss(X, y)[0], model.params[name], verbose=False)
        assert rel_error(again, grads[name]) < max(1.1 * limit, 1e-8)


def test_initial_weights_are_drawn_layer_by_layer():
    seed(4)
    model = fc_net.FullyConnectedNet([6, 5], input_dim=8, num_classes=3, use_batchnorm=True, weight_scale=0.1)
    drawn = np.random.RandomState(4)
    for name, shape in (("W1", (8, 6)), ("W2", (6, 5)), ("W3", (5, 3))):
        np.testing.assert_array_equal(model.params[name], (0.1 * drawn.randn(*shape)).astype(np.float32))
    names = ["W1", "W2", "W3", "b1", "b2", "b3", "beta1", "beta2", "gamma1", "gamma2"]
    assert sorted(model.params) == names
    assert all((model.params[name] == float(name[0] == "g")).all() for name in names[3:])


@pytest.mark.parametrize("use_batchnorm", [False, True])
@pytest.mark.parametrize("dropout", [0, 0.3])
def test_fully_connected_gradients(use_batchnorm, dropout):
    rng = np.random.default_rng(5)
    seed(5)
    model = fc_net.FullyConnectedNet(
        [8, 7], input_dim=15, num_classes=4, dropout=dropout, use_batchnorm=use_batchnorm, reg=0.7,
        weight_scale=0.3, dtype=np.float64, seed=123,
    )  # fmt: skip
    for name, w in model.params.items():  # away from the zeros and ones of the start, and from ReLU's kinks
        if name[0] != "W":
            w += rng.normal(scale=0.5, size=w.shape)
    X, y = rng.normal(size=(6, 5, 3)), rng.integers(0, 4, 6)
    check_all_gradients(model, lambda: model.loss(X, y), rtol=1e-4, atol=1e-8)


@pytest.mark.torch
def test_fully_connected_net_agrees_with_torch():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(2)
    model = fc_net.FullyConnectedNet(
        [8, 7], input_dim=15, num_classes=4, use_batchnorm=True, reg=0.3, dtype=np.float64
    )
    for w in model.params.values():
        w += rng.normal(scale=0.4, size=w.shape)
    X, y = rng.normal(size=(9, 15)), rng.integers(0, 4, 9)
    p = {name: torch.tensor(w, requires_grad=True) for name, w in model.params.items()}
    h, running = torch.tensor(X), []
    for i in (1, 2):
        running += [(torch.zeros(h.shape[1]), torch.zeros(h.shape[1]))]
        h = h @ p[f"W{i}"] + p[f"b{i}"]
        h = torch.nn.functional.batch_norm(h, None, None, p[f"gamma{i}"], p[f"beta{i}"], training=True)
        h = torch.relu(h)
    value = torch.nn.functional.cross_entropy(h @ p["W3"] + p["b3"], torch.tensor(y))
    value = value + 0.15 * sum((p[f"W{i}"] ** 2).sum() for i in (1, 2, 3))
    value.backward()
    loss, grads = model.loss(X, y)
    assert loss == pytest.approx(value.item(), rel=1e-11)
    for name, w in p.items():
        np.testing.assert_allclose(grads[name], w.grad.numpy(), rtol=1e-8, atol=1e-11, err_msg=name)


def test_test_mode_reaches_batch_norm_and_dropout():
    rng = np.random.default_rng(1)
    model = fc_net.FullyConnectedNet(
        [8], input_dim=5, num_classes=3, dropout=0.5, use_batchnorm=True, dtype=np.float64
    )
    X, y = 3 + rng.normal(size=(20, 5)), rng.integers(0, 3, 20)
    for _ in range(50):
        model.loss(X, y)
    together = model.loss(X)
    np.testing.assert_allclose(together, [model.loss(row[None])[0] for row in X], rtol=1e-10)
    np.testing.assert_array_equal(together, model.loss(X))  # nothing is dropped
    before = model.bn_params[0]["running_mean"].copy()
    model.loss(10 * X)
    np.testing.assert_array_equal(model.bn_params[0]["running_mean"], before)
    assert model.bn_params[0]["mode"] == model.dropout_param["mode"] == "test"
    model.loss(X, y)
    assert model.bn_params[0]["mode"] == model.dropout_param["mode"] == "train"


def test_two_layer_net_drops_where_it_is_told_to():
    X, y = np.random.default_rng(1).normal(size=(20, 5)), np.arange(20) % 3
    plain, dropping = (fc_net.TwoLayerNet(5, 30, 3, dropout=p, weight_scale=1) for p in (0, 0.5))
    dropping.params = plain.params
    assert plain.loss(X, y)[0] == plain.loss(X, y)[0]
    assert dropping.loss(X, y)[0] != dropping.loss(X, y)[0]
    np.testing.assert_array_equal(plain.loss(X), dropping.loss(X))


def conv_net(dtype, **settings):
    seed(6)
    return cnn.ThreeLayerConvNet(
        input_dim=(2, 6, 8), num_filters=3, filter_size=3, hidden_dim=7, num_classes=4, weight_scale=0.3,
        reg=0.5, dtype=dtype, **settings,
    )  # fmt: skip


@pytest.mark.parametrize("use_batchnorm", [False, True])
def test_conv_net_gradients(use_batchnorm):
    rng = np.random.default_rng(3)
    model = conv_net(np.float64, use_batchnorm=use_batchnorm)
    for name, w in model.params.items():
        if name[0] != "W":
            w += rng.normal(scale=0.5, size=w.shape)
    X, y = rng.normal(size=(3, 2, 6, 8)), rng.integers(0, 4, 3)
    check_all_gradients(model, lambda: model.loss(X, y), rtol=1e-4, atol=1e-7)


@pytest.mark.torch
def test_conv_net_agrees_with_torch():
    torch = pytest.importorskip("torch")
    F = torch.nn.functional
    rng = np.random.default_rng(3)
    model = conv_net(np.float64)
    for w in model.params.values():
        w += rng.normal(scale=0.2, size=w.shape)
    X, y = rng.normal(size=(5, 2, 6, 8)), rng.integers(0, 4, 5)
    p = {name: torch.tensor(np.ascontiguousarray(w), requires_grad=True) for name, w in model.params.items()}
    h = F.max_pool2d(torch.relu(F.conv2d(torch.tensor(X), p["W1"], p["b1"], padding=1)), 2)
    h = torch.relu(h.reshape(5, -1) @ p["W2"] + p["b2"])
    value = F.cross_entropy(h @ p["W3"] + p["b3"], torch.tensor(y))
    value = value + 0.25 * sum((p[f"W{i}"] ** 2).sum() for i in (1, 2, 3))
    value.backward()
    loss, grads = model.loss(X, y)
    assert loss == pytest.approx(value.item(), rel=1e-11)
    for name, w in p.items():
        np.testing.assert_allclose(grads[name], w.grad.numpy(), rtol=1e-9, atol=1e-12, err_msg=name)


def test_conv_nets_weights_and_initial_loss():
    model = conv_net(np.float32)
    drawn = np.random.RandomState(6)
    for name, shape in (("W1", (3, 2, 3, 3)), ("W2", (36, 7)), ("W3", (7, 4))):
        np.testing.assert_array_equal(model.params[name], (0.3 * drawn.randn(*shape)).astype(np.float32))
    assert model.params["W1"].transpose(2, 3, 1, 0).flags.c_contiguous
    big = cnn.ThreeLayerConvNet()
    loss, grads = big.loss(np.random.default_rng(0).normal(size=(4, 3, 32, 32)), np.arange(4))
    assert loss == pytest.approx(np.log(10), abs=0.01)
    assert big.params["W2"].shape == (32 * 16 * 16, 100)
    assert {g.dtype.name for g in grads.values()} == {"float32"}


def test_a_conv_net_tests_with_running_statistics():
    rng = np.random.default_rng(3)
    model = conv_net(np.float64, use_batchnorm=True)
    X, y = rng.normal(size=(5, 2, 6, 8)), rng.integers(0, 4, 5)
    for _ in range(30):
        model.loss(X, y)
    np.testing.assert_allclose(model.loss(X), [model.loss(x[None])[0] for x in X], rtol=1e-9)


def test_dtypes():
    X, y = np.random.default_rng(0).normal(size=(4, 6)), np.arange(4)
    model = fc_net.FullyConnectedNet([5], input_dim=6)
    _, grads = model.loss(X, y)
    assert model.loss(X).dtype == np.float32
    assert {g.dtype.name for g in (*grads.values(), *model.params.values())} == {"float32"}
    assert fc_net.TwoLayerNet(6, 5, 4).loss(X.astype(np.float32)).dtype == np.float64


def test_a_star_import_brings_the_layers_along():
    """The notebook's first cell imports everything from fc_net and nothing else of nndl."""
    code = (
        "from clearprop.courses.nndl.fc_net import *\n"
        "affine_forward, affine_backward, relu_forward, relu_backward, softmax_loss, svm_loss\n"
        "affine_relu_forward, affine_relu_backward, TwoLayerNet, FullyConnectedNet\n"
        "print('np' in dir())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("False\n", "")


def test_bad_input_gets_a_sentence():
    with pytest.raises(ConfigError, match=r"FullyConnectedNet: expected dropout in \[0, 1\).*got 1"):
        fc_net.FullyConnectedNet([5], dropout=1)
    with pytest.raises(ShapeError, match=r"expected w of shape \(4, M\), got \(6, 5\)"):
        fc_net.TwoLayerNet(6, 5, 4).loss(np.ones((2, 4)))
    with pytest.raises(DataError, match="expected labels from 0 to 2, got 3"):
        toy_model().loss(np.ones((1, 4)), np.array([3]))
    with pytest.raises(ShapeError, match="ThreeLayerConvNet: "):
        cnn.ThreeLayerConvNet(input_dim=(3, 1, 1))
