"""CS 189's network against PyTorch step by step; training, testing, the competition's file, the sentences."""

import csv
import shutil

import numpy as np
import pytest

from clearprop.courses.cs189.datasets import Dataset, initialize_dataset
from clearprop.courses.cs189.layers import Layer
from clearprop.courses.cs189.logs import Logger
from clearprop.courses.cs189.models import NeuralNetwork, initialize_model
from clearprop.data.sine import sine_waves
from clearprop.errors import ConfigError, DataError, DivergedError

HIDDEN = {"name": "fully_connected", "activation": "tanh", "n_out": 6, "weight_init": "xavier_uniform"}
LAST = {"name": "fully_connected", "activation": "softmax", "n_out": None}
SGD = {"name": "SGD", "lr": 0.1, "momentum": 0.9}


def blobs(n=60, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    return rng.normal(size=(n, 4)) + 2 * np.eye(3, 4)[labels], np.eye(3)[labels]


def dataset(batch_size=25, parts=3):
    arrays = [array for seed in range(parts) for array in blobs(seed=seed)]
    return Dataset(*arrays[:2], batch_size, *arrays[2:])


def model(**how):
    return NeuralNetwork(
        **{"loss": "cross_entropy", "layer_args": [HIDDEN, LAST], "optimizer_args": SGD, "seed": 0, **how}
    )


def parameters(network):
    return [p.copy() for layer in network.layers for p in layer.parameters.values()]


@pytest.fixture(autouse=True)
def _quiet(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.torch
@pytest.mark.parametrize("loss", ["cross_entropy", "l2"])
def test_every_step_is_torchs(loss):
    """A network of every layer of images: forward, loss, all gradients, and the parameters after each step."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    X, Y = rng.normal(size=(5, 8, 8, 2)), np.eye(3)[[0, 1, 2, 1, 0]]
    args = [
        {"name": "conv2d", "activation": "tanh", "n_out": 4, "kernel_shape": (3, 3)},
        {"name": "pool2d", "kernel_shape": (2, 2), "stride": 2},
        {"name": "flatten"},
        {"name": "fully_connected", "activation": "relu", "n_out": 6},
        {"name": "fully_connected", "activation": "softmax", "n_out": 3},
    ]
    network = model(loss=loss, layer_args=args)
    network.forward(X)
    theirs = [torch.tensor(p, requires_grad=True) for p in parameters(network)]
    optimizer = torch.optim.SGD(theirs, lr=0.1, momentum=0.9)
    x, y = torch.tensor(X).permute(0, 3, 1, 2), torch.tensor(Y)
    for step in range(4):
        W0, b0, W1, b1, W2, b2 = theirs
        h = torch.tanh(torch.nn.functional.conv2d(x, W0.permute(3, 2, 0, 1), b0[0], padding=1))
        h = torch.nn.functional.max_pool2d(h, 2).permute(0, 2, 3, 1).reshape(5, -1)
        p = torch.softmax(torch.relu(h @ W1 + b1) @ W2 + b2, 1)
        value = -(y * p.log()).sum() / 5 if loss == "cross_entropy" else ((p - y) ** 2).sum() / 10
        optimizer.zero_grad()
        value.backward()
        out = network.forward(X)
        np.testing.assert_allclose(out, p.detach().numpy(), rtol=1e-9)
        assert network.backward(Y, out) == pytest.approx(value.item(), rel=1e-10)
        gradients = [g for layer in network.layers for g in layer.gradients.values()]
        for ours, tensor in zip(gradients, theirs, strict=True):
            np.testing.assert_allclose(ours, tensor.grad.numpy(), rtol=1e-7, atol=1e-11)
        optimizer.step()
        network.update(step)
    for ours, tensor in zip(parameters(network), theirs, strict=True):
        np.testing.assert_allclose(ours, tensor.detach().numpy(), rtol=1e-8, atol=1e-11)


def test_backward_gives_the_first_layers_input_gradient_back_to_its_users():
    network = model(layer_args=[HIDDEN, {**LAST, "n_out": 3}])
    X, Y = blobs(5)
    out = network.forward(X)
    network.backward(Y, out)
    assert network.layers[0].needs_dX is True
    assert network.layers[0].backward(np.ones((5, 6))).shape == (5, 4)


def test_training_is_a_loop_that_can_be_written_by_hand():
    """The draws, in their order: at each epoch a new order of the data, the weights at the first batch."""
    X, Y = blobs()
    network = model(seed=7)
    network.train(Dataset(X, Y, 25), 3)
    np.random.seed(7)
    other, order = model(layer_args=[HIDDEN, {**LAST, "n_out": 3}], seed=None), np.arange(60)
    for epoch in range(3):
        np.random.shuffle(order)
        for start in (0, 25, 50):
            rows = order[start : start + 25]
            other.backward(Y[rows], other.forward(X[rows]))
            other.update(epoch)
    for ours, theirs in zip(parameters(network), parameters(other), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_validation_draws_nothing():
    found = []
    for validation in ((), blobs(seed=1)):
        network = model(seed=3)
        network.train(Dataset(*blobs(), 25, *validation), 2)
        found.append(parameters(network))
    for without, with_validation in zip(*found, strict=True):
        np.testing.assert_array_equal(without, with_validation)


def test_without_a_seed_the_global_stream_is_left_alone():
    np.random.seed(11)
    before = np.random.get_state()[1].copy()
    model(seed=None)
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    model(seed=0)
    np.random.seed(0)
    a = np.random.uniform()
    model(seed=0)
    assert np.random.uniform() == a


def test_the_last_layer_has_the_data_sets_outputs():
    network = model()
    with pytest.raises(ConfigError, match=r"the last layer has no n_out yet\. Write it into layer_args, or"):
        network.forward(np.ones((1, 4)))
    network.train(dataset(), 1)
    assert network.layers[-1].n_out == 3
    assert network.n_layers == len(network.layers) == 2
    network.train(dataset(), 1)
    assert len(network.layers) == 2  # a second training goes on with the same layers
    refused = model(layer_args=[HIDDEN, {**LAST, "n_out": 5}])
    with pytest.raises(
        ConfigError, match=r"the last layer to have the data set's n_out=3, got 5\. Leave n_out"
    ):
        refused.train(dataset(), 1)


def test_the_error_counts_examples_and_not_batches():
    """Of 60 rows in batches of 25 the last has 10: the mean is over rows."""
    data, network = dataset(), model()
    network.train(data, 1)
    loss, error = network.test(data)
    X, Y = blobs(seed=2)
    out, whole = network.predict(X, Y)
    assert error == pytest.approx(np.mean(out.argmax(axis=1) != Y.argmax(axis=1)), abs=1e-15)
    assert loss == pytest.approx(whole, rel=1e-12)
    assert network.error(Y, out) == pytest.approx(error)
    assert network.predict(X, None)[1] is None


def test_the_error_of_l2_is_the_mean_squared_error():
    network = model(loss="l2", layer_args=[{**LAST, "activation": "linear", "n_out": 2}])
    target, out = np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([[0.0, 0.0], [0.0, -1.0]])
    assert network.error(target, out) == 2.5


def test_what_training_prints(capsys):
    network = model()
    network.train(dataset(), 2)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["epoch 1", "epoch 2"]
    assert all("training loss" in line and "; validation loss" in line for line in lines)
    network.test(dataset())
    assert capsys.readouterr().out.startswith("test loss ")


@pytest.mark.data("iris/cs189/iris_train_data.npy")
def test_iris_as_the_script_trains_it(tmp_path, data_folder):
    shutil.copytree(data_folder / "iris" / "cs189", tmp_path / "datasets" / "iris")
    iris = initialize_dataset("iris", batch_size=25)
    layers = [
        {"name": "fully_connected", "activation": "relu", "weight_init": "xavier_uniform", "n_out": 25},
        LAST,
    ]
    sgd = {"name": "SGD", "lr": 0.01, "lr_scheduler": "constant", "momentum": 0.9, "clip_norm": 1}
    logger = Logger("iris", {"layer_args": layers}, {"batch_size": 25}, save=True, plot=True)
    network = initialize_model("feed_forward", "cross_entropy", layers, sgd, logger, seed=0)
    network.train(iris, 100)
    loss, error = network.test(iris, save_predictions=True)
    assert error <= 2 / 30
    assert loss < 0.2
    assert len(logger.log) == 100
    assert logger.log[-1]["error"]["train"] < 0.1 < logger.log[0]["error"]["train"]
    folder = tmp_path / "experiments" / "iris"
    pictures = [f"parameter_{i}.{name}.png" for i in (0, 1) for name in ("W", "b")]
    others = ["hyperparameters.json", "log.jsonl", "parameters_epoch99.npz", "predictions.npz"]
    assert sorted(p.name for p in folder.iterdir()) == sorted(["loss.png", "error.png", *pictures, *others])
    with np.load(folder / "parameters_epoch99.npz", allow_pickle=False) as saved:
        assert list(saved) == ["0.W", "0.b", "1.W", "1.b"]
        np.testing.assert_array_equal(saved["1.W"], network.layers[1].parameters["W"])
        assert logger.log[-1]["parameters"]["1.W"] == {"max": saved["1.W"].max(), "min": saved["1.W"].min()}
    with np.load(folder / "predictions.npz", allow_pickle=False) as saved:
        np.testing.assert_array_equal(saved["target"], iris.test.labels)
        assert np.mean(saved["prediction"].argmax(1) != saved["target"].argmax(1)) == pytest.approx(error)


def test_sine_waves_are_learned():
    x, y = sine_waves(600, steps=10)
    X = x.transpose(0, 2, 1)  # (m, 1, t), as the course has them
    data = Dataset(X[:500], y[:500], 50, X[500:], y[500:], X[500:], y[500:])
    layers = [
        {"name": "elman", "n_out": 16},
        {"name": "fully_connected", "activation": "linear", "n_out": None},
    ]
    decay = {"lr_scheduler": "exponential", "lr_decay": 0.99, "stage_length": 1000}
    sgd = {"name": "SGD", "lr": 0.05, "momentum": 0.9, "clip_norm": 1, **decay}
    network = initialize_model("rnn", "l2", layers, sgd, seed=0)
    network.loss.half = False  # as the text of 2020 has it
    network.train(data, 15)
    loss, error = network.test(data)
    assert loss == pytest.approx(error)
    assert error < 0.005  # a wave's variance is 0.5


def test_the_competitions_file_has_the_datas_order(tmp_path, capsys):
    X, Y = blobs()
    network = model()
    network.train(Dataset(X, Y, 25), 5)
    data = Dataset(X, Y, 7, test_set=X)
    data.test.shuffle()
    network.test_kaggle(data)
    content = (tmp_path / "kaggle_predictions.csv").read_text()
    rows = list(csv.reader(content.splitlines()))
    assert rows[0] == ["Id", "Category"]
    assert [int(i) for i, _ in rows[1:]] == list(range(60))
    np.testing.assert_array_equal([int(k) for _, k in rows[1:]], network.forward(X).argmax(axis=1))
    assert "." not in content
    assert "kaggle_predictions.csv: 60 predictions." in capsys.readouterr().out
    assert [p.name for p in tmp_path.iterdir()] == ["kaggle_predictions.csv"]


def test_predictions_without_a_logger_lie_here(tmp_path):
    network = model()
    network.train(dataset(), 1)
    network.test(dataset(), save_predictions=True)
    assert (tmp_path / "predictions.npz").is_file()


def test_an_interrupted_training_keeps_what_was_learned(tmp_path, monkeypatch):
    network = model(logger=Logger("run", {}, {}, save=True, plot=True))
    epochs = iter([False, False, True])
    train_epoch = network._train_epoch

    def interrupted(data, epoch):
        if next(epochs):
            raise KeyboardInterrupt
        return train_epoch(data, epoch)

    monkeypatch.setattr(network, "_train_epoch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        network.train(dataset(), 10)
    found = {path.name for path in (tmp_path / "experiments" / "run").iterdir()}
    assert {"parameters_epoch1.npz", "loss.png", "log.jsonl"} <= found


def test_a_loss_that_is_no_number_ends_the_training():
    network = model(
        loss="l2", layer_args=[{**LAST, "activation": "linear"}], optimizer_args={"name": "SGD", "lr": 1e200}
    )
    with (
        np.errstate(all="ignore"),
        pytest.raises(
            DivergedError, match=r"train: the loss of epoch \d+, batch \d+ is (inf|nan)\. Choose a smaller lr"
        ),
    ):
        network.train(dataset(), 50)


def test_sentences(tmp_path):
    network = model()
    with pytest.raises(ConfigError, match="save_parameters: expected a model with a logger, got none"):
        network.save_parameters(0)
    network.train(dataset(), 1)
    unlabelled = Dataset(*blobs(), 25, test_set=blobs()[0])
    with pytest.raises(
        DataError, match=r"test: expected a test set with labels, got none\. test_kaggle predicts"
    ):
        network.test(unlabelled)
    with pytest.raises(DataError, match="test_kaggle: expected a data set with a test part, got none"):
        network.test_kaggle(dataset(parts=2))
    with pytest.raises(DataError, match="expected data with labels, got a part without"):
        network.train(Dataset(*blobs(), 25, blobs()[0]), 1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ({"layer_args": []}, "expected at least one layer in layer_args, got none"),
        ({"layer_args": [{**HIDDEN, "units": 3}]}, "layer 0: unknown setting 'units'"),
        ({"layer_args": [HIDDEN, {"activation": "relu"}]}, "layer 1: expected the setting 'name', got none"),
        (
            {"optimizer_args": {**SGD, "learning_rate": 1}},
            "unknown setting 'learning_rate'. Did you mean 'lr'",
        ),
        (
            {"layer_args": [{"name": "fully_connected", "activation": "relu"}, LAST]},
            "expected the setting 'n_out'",
        ),
    ],
)
def test_settings_that_do_not_do(how, sentence):
    with pytest.raises(ConfigError, match=sentence.replace(".", r"\.")):
        model(**how)


def test_unknown_losses_are_not_implemented():
    with pytest.raises(NotImplementedError, match="loss 'hinge' is not there"):
        model(loss="hinge")


def test_a_layer_of_ones_own_has_a_place_in_the_network():
    class Halve(Layer):
        def forward(self, X):
            return X / 2

        def backward(self, dLdY):
            return dLdY / 2

    X, Y = blobs(6)
    network = model(layer_args=[HIDDEN, {**LAST, "n_out": 3}])
    network.layers.insert(0, Halve())
    network.layers.insert(2, Halve())
    before = network.backward(Y, network.forward(X))
    network.update(0)
    assert network.loss(Y, network.forward(X)) < before
