"""CMU's homework 3, network and training: the handout's accuracies, and a network written out in NumPy."""

from itertools import pairwise

import numpy as np
import pytest

from clearprop.courses.cmu10701.hw3_lib import CrossEntropyLoss, Linear, ReLU, Sigmoid
from clearprop.courses.cmu10701.hw3_sol import (
    define_network,
    init_linear_params,
    init_params,
    load_data,
    train_network,
)
from clearprop.data import load
from clearprop.errors import ConfigError, DataError, ShapeError


def digits():
    data = load("cmu-mnist")
    return {"train_x": data.train.x, "train_y": data.train.y, "test_x": data.test.x, "test_y": data.test.y}


def small_set(n=37, d=6, k=3):
    rng = np.random.default_rng(5)
    centers = rng.normal(size=(k, d))
    sets = {}
    for name, count in (("train", n), ("test", 11)):
        y = np.sort(rng.integers(k, size=count))
        sets |= {f"{name}_x": centers[y] + rng.normal(size=(count, d)), f"{name}_y": y}
    return sets


class Written:
    """The same network in plain NumPy: its initialization, its training, its statistics, from the handout's text."""

    def __init__(self, sizes, relu, seed=10701):
        stream = np.random.RandomState(seed)
        self.relu, self.params = relu, []
        for a, b in pairwise(sizes):
            bound = 1 / np.sqrt(b)
            self.params.append([stream.uniform(-bound, bound, (a, b)), stream.uniform(-bound, bound, (1, b))])

    def outputs(self, x):
        found = [x]
        for i, (w, b) in enumerate(self.params):
            a = found[-1].dot(w) + b
            if i < len(self.params) - 1:
                a = np.where(a > 0, a, 0) if self.relu else 1 / (1 + np.exp(-a))
            found.append(a)
        return found

    def loss_and_accuracy(self, x, y):
        scores = self.outputs(x)[-1]
        p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        return -np.log(p[np.arange(len(y)), y]).mean(), (p.argmax(axis=1) == y).mean()

    def step(self, x, y, rate):
        *hidden, scores = self.outputs(x)
        p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        d = (p - np.eye(p.shape[1])[y]) / len(x)
        for (w, b), h in zip(self.params[::-1], hidden[::-1], strict=True):
            dw, db, d = h.T.dot(d), d.sum(axis=0), d.dot(w.T)
            d = d * ((h > 0) if self.relu else h * (1 - h))
            w -= rate * dw
            b -= rate * db

    def train(self, data, epochs, rate, batch):
        rows = []
        for _ in range(epochs):
            for i in range(0, len(data["train_x"]), batch):
                self.step(data["train_x"][i : i + batch], data["train_y"][i : i + batch], rate)
            rows.append([
                *self.loss_and_accuracy(data["train_x"], data["train_y"]),
                *self.loss_and_accuracy(data["test_x"], data["test_y"]),
            ])  # fmt: skip
        return np.array(rows)


def as_rows(result):
    names = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")
    return np.array([result[name] for name in names]).T


def test_init_draws_the_weights_first():
    np.random.seed(3)
    weights, biases = init_linear_params(5, 16)
    stream = np.random.RandomState(3)
    np.testing.assert_array_equal(weights, stream.uniform(-0.25, 0.25, (5, 16)))
    np.testing.assert_array_equal(biases, stream.uniform(-0.25, 0.25, (1, 16)))
    assert init_params is init_linear_params


def test_define_network():
    model = define_network([384, 256], activation="relu")
    assert [type(layer) for layer in model.layers] == [Linear, ReLU, Linear, ReLU, Linear]
    expected = Written([784, 384, 256, 10], relu=True).params
    for layer, (w, b) in zip(model.layers[::2], expected, strict=True):
        np.testing.assert_array_equal(layer.weights, w)
        np.testing.assert_array_equal(layer.biases, b)
    sigmoid = define_network(8, size_input=5, size_output=3, seed=1)
    assert [type(layer) for layer in sigmoid.layers] == [Linear, Sigmoid, Linear]
    assert sigmoid.layers[0].weights.shape == (5, 8)


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("hidden", [[7], [9, 4]])
@pytest.mark.parametrize("batch", [5, 1, 37, 50])
def test_training_is_what_the_handout_says(relu, hidden, batch):
    data = small_set()
    kept = {name: array.copy() for name, array in data.items()}
    model = define_network(hidden, 6, 3, seed=2, activation="relu" if relu else "sigmoid")
    result = train_network(model, data, 4, 0.2, batch)
    reference = Written([6, *hidden, 3], relu, seed=2)
    np.testing.assert_allclose(as_rows(result), reference.train(data, 4, 0.2, batch), rtol=1e-7, atol=1e-8)
    for layer, (w, b) in zip(model.layers[::2], reference.params, strict=True):
        np.testing.assert_allclose(layer.weights, w, rtol=1e-7, atol=1e-8)
        np.testing.assert_allclose(layer.biases, b, rtol=1e-7, atol=1e-8)
    for name in ("train", "test"):
        scores = reference.outputs(data[f"{name}_x"])[-1]
        np.testing.assert_array_equal(result[f"yhat_{name}"], scores.argmax(axis=1))
    for name, array in data.items():
        np.testing.assert_array_equal(array, kept[name])


@pytest.mark.data("cmu-mnist")
@pytest.mark.parametrize(("relu", "rate"), [(False, 0.01), (False, 0.001), (True, 0.01)], ids="abc")
def test_5_6_a_to_c_begin_as_written_out(relu, rate):
    data = digits()
    model = define_network(256, activation="relu" if relu else "sigmoid")
    result = train_network(model, data, 2, rate, 50)
    expected = Written([784, 256, 10], relu).train(data, 2, rate, 50)
    np.testing.assert_allclose(as_rows(result), expected, rtol=1e-7, atol=1e-8)


@pytest.mark.data("cmu-mnist")
@pytest.mark.parametrize(
    ("hidden", "batch", "train", "test"),
    [(256, 200, "0.9083", "0.8760"), ([384, 256], 50, "0.9067", "0.8630")],
    ids="de",
)
def test_5_6_d_and_e_are_those_of_the_handout(hidden, batch, train, test):
    data = digits()
    result = train_network(define_network(hidden, activation="relu"), data, 50, 0.01, batch)
    assert [f"{result[f'{name}_accuracy'][-1]:.4f}" for name in ("train", "test")] == [train, test]
    assert [len(values) for values in result.values()] == [50, 50, 50, 50, 3000, 1000]
    for name in ("train", "test"):
        assert np.mean(result[f"yhat_{name}"] == data[f"{name}_y"]) == result[f"{name}_accuracy"][-1]


@pytest.mark.data("cmu-mnist")
def test_load_data_reads_the_courses_folder(tmp_path, monkeypatch, data_folder):
    import lzma

    folder = tmp_path / "training_data_student"
    folder.mkdir()
    for name in ("train.csv", "test.csv"):
        packed = (data_folder / "cmu-10701-hw3" / f"{name}.xz").read_bytes()
        (folder / name).write_bytes(lzma.decompress(packed))
    monkeypatch.chdir(tmp_path)
    found = load_data()
    assert {name: array.shape for name, array in found.items()} == {
        "train_x": (3000, 784), "train_y": (3000,), "test_x": (1000, 784), "test_y": (1000,),
    }  # fmt: skip
    rows = np.loadtxt(folder / "test.csv", delimiter=",")
    np.testing.assert_array_equal(found["test_x"], rows[:, :-1])
    np.testing.assert_array_equal(found["test_y"], rows[:, -1])
    assert found["test_y"].dtype.kind == "i"
    assert found["train_x"].dtype == np.float64


def test_load_data_from_another_folder_and_without_a_file(tmp_path):
    (tmp_path / "train.csv").write_text("0.5,0,7\n1,0.25,3\n")
    with pytest.raises(
        DataError,
        match=r"test\.csv: there is no such file\. .*`clearprop course start cmu10701-s21 DIR`.*CLEARPROP_DATA.*"
        r"cmu-10701-hw3/train\.csv\.xz and test\.csv\.xz\.$",
    ):
        load_data(tmp_path)
    (tmp_path / "test.csv").write_text("0.5,0,7\n1,x,3\n")
    with pytest.raises(DataError, match=r"test\.csv, line 2, column 2: expected a number, got 'x'"):
        load_data(tmp_path)


def bad(**changes):
    return {**small_set(), **changes}


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"num_epoch": 0}, ConfigError, "train_network: expected num_epoch to be a whole number >= 1, got 0"),
        ({"batch_size": 2.5}, ConfigError, "train_network: expected batch_size to be a whole number >= 1"),
        ({"learning_rate": -1}, ConfigError, "expected learning_rate to be a finite number > 0, got -1"),
        ({"dataset": {"train_x": 1}}, ConfigError,
         r"expected a dataset with train_x, .*, got none of train_y, test_x, test_y\. load_data\(\) gives one"),
        ({"dataset": bad(test_x=np.zeros((11, 7)))}, ShapeError, r"expected x of shape \(N, 6\), got \(1, 7\)"),
        ({"dataset": bad(train_x=np.zeros((37, 2, 3)))}, ShapeError,
         r"^train_network: expected train_x of shape \(N, D\), got \(37, 2, 3\)"),
        ({"dataset": bad(test_y=np.zeros((11, 3)))}, ShapeError,
         r"^train_network: expected test_y of shape \(11,\), got \(11, 3\)"),
        ({"dataset": bad(train_y=np.full(37, 3))}, DataError,
         "^train_network, train_y: expected labels from 0 to 2, got 3 in row 0"),
    ],
)  # fmt: skip
def test_sentences_before_anything_is_trained(arguments, error, words):
    model = define_network(4, 6, 3)
    before = [array.copy() for layer in model.layers[::2] for array in (layer.weights, layer.biases)]
    settings = {"dataset": small_set(), "num_epoch": 1, "learning_rate": 0.1, "batch_size": 5, **arguments}
    with pytest.raises(error, match=words):
        train_network(model, **settings)
    after = [array for layer in model.layers[::2] for array in (layer.weights, layer.biases)]
    for was, now in zip(before, after, strict=True):
        np.testing.assert_array_equal(was, now)


def test_sentences_of_define_network():
    with pytest.raises(
        ConfigError, match=r"define_network: unknown activation 'tanh'\..* Known: relu, sigmoid\."
    ):
        define_network(4, activation="tanh")
    with pytest.raises(
        ConfigError, match="define_network: expected each size to be a whole number >= 1, got 0"
    ):
        define_network([4, 0])


def test_modules_of_ones_own_train_along():
    """A first layer that is not Linear gets its gradient, too."""

    class Doubled(ReLU):
        def forward(self, x):
            return 2 * x

        def backward(self, g):
            self.seen = 2 * g
            return self.seen

    model = define_network(4, 6, 3)
    model.layers.insert(0, Doubled())
    data, criterion = small_set(), CrossEntropyLoss()
    criterion(model.forward(data["train_x"]), data["train_y"])
    model.backward(criterion)
    assert model.layers[0].seen.shape == (37, 6)
    assert np.abs(model.layers[0].seen).max() > 0
