"""nndl.utils.solver: the loop written out in the test, what it prints, what it restores, what it saves."""

import nndl_references as plain
import numpy as np
import pytest
from nndl_references import seed

from clearprop.courses.nndl.fc_net import FullyConnectedNet, TwoLayerNet
from clearprop.courses.nndl.utils.solver import Solver
from clearprop.data import read_npz
from clearprop.errors import ConfigError, FileError, ShapeError


def blobs(n=60, d=6, classes=3):
    rng = np.random.default_rng(0)
    y = rng.integers(0, classes, n)
    X = rng.normal(scale=2, size=(classes, d))[y] + rng.normal(size=(n, d))
    cut = 2 * n // 3
    return {"X_train": X[:cut], "y_train": y[:cut], "X_val": X[cut:], "y_val": y[cut:]}


class Loop:
    """A student's own loop: two layers, gradient descent, the Solver's draws in the Solver's order."""

    def __init__(self, data, hidden, seed_number, scale):
        stream = np.random.RandomState(seed_number)
        D, C = data["X_train"].shape[1], 3
        self.p = {
            "W1": scale * stream.randn(D, hidden),
            "b1": np.zeros(hidden),
            "W2": scale * stream.randn(hidden, C),
            "b2": np.zeros(C),
        }
        self.stream, self.data = stream, data
        self.losses, self.train_acc, self.val_acc, self.best = [], [], [], None

    def scores(self, X):
        self.h = np.maximum(X.dot(self.p["W1"]) + self.p["b1"], 0)
        return self.h.dot(self.p["W2"]) + self.p["b2"]

    def accuracy(self, X, y, n):
        if n is not None and len(X) > n:
            rows = self.stream.choice(len(X), n)
            X, y = X[rows], y[rows]
        return np.mean(self.scores(X).argmax(axis=1) == y)

    def run(self, epochs, batch, rate, decay, n_train):
        X, y, Xv, yv = (self.data[name] for name in ("X_train", "y_train", "X_val", "y_val"))
        per_epoch = max(len(X) // batch, 1)
        for t in range(epochs * per_epoch):
            rows = self.stream.choice(len(X), batch)
            loss, ds = plain.softmax_loss(self.scores(X[rows]), y[rows])
            dh = ds.dot(self.p["W2"].T) * (self.h > 0)
            grads = {
                "W1": X[rows].T.dot(dh),
                "b1": dh.sum(0),
                "W2": self.h.T.dot(ds),
                "b2": ds.sum(0),
            }
            self.losses.append(loss)
            for name, grad in grads.items():
                self.p[name] = self.p[name] - rate * grad
            end = (t + 1) % per_epoch == 0
            if end:
                rate *= decay
            if t == 0 or end:
                self.train_acc.append(self.accuracy(X, y, n_train))
                self.val_acc.append(self.accuracy(Xv, yv, None))
                if self.best is None or self.val_acc[-1] > max(self.val_acc[:-1]):
                    self.best = {name: w.copy() for name, w in self.p.items()}
        return rate


def trained(data, scale=0.1, **settings):
    seed(8)
    solver = Solver(TwoLayerNet(6, 10, 3, weight_scale=scale), data, verbose=False, **settings)
    solver.train()
    return solver


@pytest.mark.parametrize("n_train", [20, 1000])
def test_it_is_the_loop_written_out(n_train):
    data = blobs()
    solver = trained(
        data, optim_config={"learning_rate": 0.3}, lr_decay=0.7, batch_size=16, num_epochs=6,
        num_train_samples=n_train,
    )  # fmt: skip
    loop = Loop(data, 10, 8, 0.1)
    rate = loop.run(6, 16, 0.3, 0.7, n_train)
    np.testing.assert_allclose(solver.loss_history, loop.losses, rtol=1e-10)
    assert len(solver.loss_history) == 12
    assert solver.train_acc_history == pytest.approx(loop.train_acc)
    assert solver.val_acc_history == pytest.approx(loop.val_acc)
    assert len(solver.val_acc_history) == 7  # the first iteration, and each epoch's end
    for name, w in loop.best.items():
        np.testing.assert_allclose(solver.model.params[name], w, rtol=1e-9, atol=1e-12)
        assert solver.optim_configs[name]["learning_rate"] == pytest.approx(rate)
    assert solver.best_val_acc == max(solver.val_acc_history)
    assert solver.epoch == 6


def test_the_lines_that_it_prints(capsys):
    data = blobs()
    solver = Solver(TwoLayerNet(6, 10, 3), data, num_epochs=2, batch_size=8, print_every=4)
    solver.train()
    loss, train, val = solver.loss_history, solver.train_acc_history, solver.val_acc_history
    assert capsys.readouterr().out.splitlines() == [
        f"(Iteration 1 / 10) loss: {loss[0]:f}",
        f"(Epoch 0 / 2) train acc: {train[0]:f}; val_acc: {val[0]:f}",
        f"(Iteration 5 / 10) loss: {loss[4]:f}",
        f"(Epoch 1 / 2) train acc: {train[1]:f}; val_acc: {val[1]:f}",
        f"(Iteration 9 / 10) loss: {loss[8]:f}",
        f"(Epoch 2 / 2) train acc: {train[2]:f}; val_acc: {val[2]:f}",
    ]
    quiet = Solver(TwoLayerNet(6, 10, 3), data, num_epochs=1, verbose=False)
    quiet.train()
    assert capsys.readouterr().out == ""


class Scripted:
    """A model whose validation accuracies are written down beforehand; W counts the steps."""

    def __init__(self, accuracies):
        self.params = {"W1": np.zeros(1)}
        self.accuracies, self.checks = accuracies, 0

    def loss(self, X, y=None):
        if y is not None:
            return 0.0, {"W1": -np.ones(1)}  # with a rate of 1, W1 grows by 1 a step
        right = len(X)
        if len(X) == 10:  # the validation part; the training part has 4 rows
            right = round(10 * self.accuracies[self.checks])
            self.checks += 1
        return np.eye(2)[[0] * right + [1] * (len(X) - right)]


def test_only_a_strictly_better_validation_accuracy_replaces_the_best():
    data = {
        "X_train": np.zeros((4, 1)),
        "y_train": np.zeros(4, int),
        "X_val": np.zeros((10, 1)),
        "y_val": np.zeros(10, int),
    }
    model = Scripted([0.2, 0.6, 0.3, 0.6, 0.1])
    solver = Solver(
        model, data, optim_config={"learning_rate": 1.0}, batch_size=2, num_epochs=4, verbose=False
    )
    solver.train()
    assert solver.val_acc_history == [0.2, 0.6, 0.3, 0.6, 0.1]
    assert solver.best_val_acc == 0.6
    assert model.params["W1"] == [2]  # after epoch 1, of two steps; equal in epoch 3 is not better
    model = Scripted([0.0] * 5)
    Solver(
        model, data, optim_config={"learning_rate": 1.0}, batch_size=2, num_epochs=4, verbose=False
    ).train()
    assert model.params["W1"] == [1]  # never right: the parameters stay parameters, those of the first check


def test_accuracy_in_batches_is_that_of_all():
    data = blobs()
    solver = trained(data, num_epochs=1)
    X, y = data["X_train"], data["y_train"]
    whole = np.mean(solver.model.loss(X).argmax(axis=1) == y)
    assert solver.check_accuracy(X, y, batch_size=7) == pytest.approx(whole)
    seed(5)
    rows = np.random.RandomState(5).choice(40, 15)
    part = np.mean(solver.model.loss(X[rows]).argmax(axis=1) == y[rows])
    assert solver.check_accuracy(X, y, num_samples=15) == pytest.approx(part)


@pytest.mark.parametrize("rule", ["sgd_momentum", "sgd_nesterov_momentum", "rmsprop", "adam"])
def test_every_rule_learns(rule):
    solver = trained(
        blobs(), update_rule=rule, optim_config={"learning_rate": 1e-2}, num_epochs=40, batch_size=20
    )
    assert solver.loss_history[-1] < 0.5 * solver.loss_history[0]
    assert solver.best_val_acc > 0.8
    configs = list(solver.optim_configs.values())
    assert all(config is not other for config in configs for other in configs if config is not other)


def test_the_best_running_statistics_come_back_with_the_best_parameters(tmp_path):
    data = blobs()
    seed(3)
    model = FullyConnectedNet([12], input_dim=6, num_classes=3, use_batchnorm=True, weight_scale=0.3)
    solver = Solver(
        model, data, optim_config={"learning_rate": 3.0}, num_epochs=12, batch_size=10, verbose=False,
        checkpoint_name=str(tmp_path / "run"),
    )  # fmt: skip
    solver.train()
    best = int(np.argmax(solver.val_acc_history))
    assert best < 12  # else this test would not see it
    kept = read_npz(tmp_path / f"run_epoch_{best}.npz")
    for name in ("running_mean", "running_var"):
        np.testing.assert_array_equal(model.bn_params[0][name], kept[f"bn1.{name}"])
    assert solver.check_accuracy(data["X_val"], data["y_val"]) == solver.best_val_acc


def test_checkpoints_hold_arrays_alone(tmp_path):
    name = str(tmp_path / "run")
    seed(3)
    model = FullyConnectedNet([12], input_dim=6, num_classes=3, use_batchnorm=True)
    solver = Solver(
        model,
        blobs(),
        update_rule="adam",
        lr_decay=0.5,
        num_epochs=2,
        batch_size=10,
        verbose=False,
        checkpoint_name=name,
    )
    solver.train()
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"run_epoch_{i}.npz" for i in range(3)]
    kept = read_npz(tmp_path / "run_epoch_2.npz")  # which refuses pickled objects
    assert kept["epoch"] == 2
    np.testing.assert_array_equal(kept["loss_history"], solver.loss_history)
    np.testing.assert_array_equal(kept["val_acc_history"], solver.val_acc_history)
    assert kept["params.W1"].shape == (6, 12)
    assert kept["bn1.running_var"].shape == (12,)
    np.testing.assert_array_equal(kept["config.W1.v"], solver.optim_configs["W1"]["v"])
    assert kept["config.W1.t"] == 8
    rates = [read_npz(tmp_path / f"run_epoch_{i}.npz")["config.W1.learning_rate"] for i in range(3)]
    assert rates == [1e-3, 5e-4, 2.5e-4]  # an epoch's end decays the rate before its check
    best = int(np.argmax(solver.val_acc_history))
    kept = read_npz(tmp_path / f"run_epoch_{best}.npz")
    for param, w in model.params.items():
        np.testing.assert_array_equal(kept[f"params.{param}"], w)


def test_bad_input_gets_a_sentence(tmp_path):
    data, model = blobs(), TwoLayerNet(6, 10, 3)
    for settings, words in (
        ({"num_epoch": 3}, "Solver: unknown argument 'num_epoch'. Did you mean 'num_epochs'"),
        ({"update_rule": "sgd_momentun"}, "unknown update_rule 'sgd_momentun'. Did you mean 'sgd_momentum'"),
        ({"batch_size": 0}, "expected batch_size to be a whole number >= 1, got 0"),
    ):
        with pytest.raises(ValueError, match=words) as caught:
            Solver(model, data, **settings)
        assert isinstance(caught.value, ConfigError)
    with pytest.raises(ConfigError, match="there is no X_val, y_val"):
        Solver(model, {"X_train": data["X_train"], "y_train": data["y_train"]})
    with pytest.raises(ShapeError, match="as many labels in the train part, got 40 and 39"):
        Solver(model, data | {"y_train": data["y_train"][1:]})
    with pytest.raises(FileError, match="Make its folder first"):
        Solver(model, data, verbose=False, checkpoint_name=str(tmp_path / "no" / "run")).train()
