"""CS 189's experiments in small: tables and pictures are written, and say what the training gives."""

import csv

import numpy as np
import pytest

from clearprop.courses.assignments import materials
from clearprop.courses.assignments.catalog import course
from clearprop.courses.assignments.experiments import cs189, cs189_pictures
from clearprop.courses.assignments.experiments.families import experiments_of, run_experiment
from clearprop.courses.cs189.models import NeuralNetwork
from clearprop.data import Pair
from clearprop.errors import ConfigError


def rows_of(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def pictures(folder):
    """The names of the PNG files, each one with a picture in it."""
    for path in folder.glob("*.png"):
        assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
        assert path.stat().st_size > 5000
    return {path.name for path in folder.glob("*.png")}


def test_each_edition_has_its_own_experiments():
    new, old = (experiments_of(course(key)) for key in ("cs189-sp23", "cs189-sp20"))
    assert [e.name for e in new] == ["iris", "fashion", "cifar"]
    assert [e.name for e in old] == ["iris", "higgs", "sine"]
    assert all(10 < len(e.summary) < 90 for e in (*new, *old))
    with pytest.raises(ConfigError, match="experiment"):
        run_experiment(course("cs189-sp23"), "sine", None, print)


def test_iris_compares_combinations_and_shows_the_best(tmp_path):
    said = []
    folder = tmp_path / "iris"
    experiment = experiments_of(course("cs189-sp23"))[0]
    assert experiment.run is cs189.iris
    folder.mkdir()
    experiment.run(folder, said.append, rates=(0.003, 0.01), widths=(5, 10), epochs=40)
    rows = rows_of(folder / "results.csv")
    assert [(row["learning_rate"], row["width"]) for row in rows] == [
        ("0.003", "5"), ("0.003", "10"), ("0.01", "5"), ("0.01", "10"),
    ]  # fmt: skip
    best = min(rows, key=lambda row: (float(row["test_error"]), float(row["test_loss"])))
    page = (folder / "results.md").read_text(encoding="utf-8")
    assert f"is that of learning rate {best['learning_rate']} and {best['width']} hidden units" in page
    epochs = rows_of(folder / "epochs.csv")
    assert len(epochs) == 40
    assert float(epochs[-1]["validation_loss"]) == float(best["validation_loss"])
    assert float(epochs[-1]["train_loss"]) < 0.6 < float(epochs[0]["train_loss"])
    assert float(best["test_error"]) <= 0.2
    assert pictures(folder) == {"loss.png", "error.png"}
    assert max(map(len, said)) <= 80


def test_iriss_table_is_what_the_courses_package_gives_with_that_seed(tmp_path):
    cs189.iris(tmp_path, lambda line: None, rates=(0.02, 0.01), widths=(10,), epochs=3)
    parts = cs189.read_parts("iris", materials.iris, batch_size=25)
    layers = [
        {"name": "fully_connected", "activation": "relu", "n_out": 10},
        {"name": "fully_connected", "activation": "softmax"},
    ]
    optimizer = {"name": "SGD", "lr": 0.01, "momentum": 0.9, "clip_norm": 1.0}
    model = NeuralNetwork("cross_entropy", layers, optimizer, seed=0)
    model.train(parts.dataset(), 3)
    loss, error = model.test(parts.dataset())
    row = rows_of(tmp_path / "results.csv")[1]
    assert float(row["test_error"]) == pytest.approx(error, abs=1e-12)
    assert float(row["test_loss"]) == pytest.approx(loss, rel=1e-12)


def test_the_run_command_keeps_nothing_of_a_run_that_fails(tmp_path, monkeypatch):
    def broken(*args, **kwargs):
        raise ConfigError("broken")

    monkeypatch.setattr(cs189, "train_network", broken)
    with pytest.raises(ConfigError, match="broken"):
        run_experiment(course("cs189-sp20"), "iris", tmp_path / "out", print)
    assert not (tmp_path / "out").exists()


def test_sine_says_how_near_the_next_value_is(tmp_path):
    said = []
    cs189.sine(tmp_path, said.append, epochs=4, waves=1500)
    test = float(rows_of(tmp_path / "results.csv")[2]["mean squared error"])
    assert test < 5e-3
    assert f"with a mean squared error of {test:.3g}" in (tmp_path / "results.md").read_text(encoding="utf-8")
    epochs = rows_of(tmp_path / "epochs.csv")
    assert [row["train_loss"] for row in epochs] == [
        row["train_error"] for row in epochs
    ]  # the mean, no half of it
    assert pictures(tmp_path) == {"loss.png"}
    assert max(map(len, said)) <= 80


@pytest.mark.data("higgs")
def test_higgs_compares_depths_and_predicts_integers(tmp_path):
    said = []
    cs189.higgs(tmp_path, said.append, depths=(1, 3), width=16, epochs=2, collisions=4000)
    rows = rows_of(tmp_path / "results.csv")
    assert [(row["hidden_layers"], row["parameters"]) for row in rows] == [("1", "498"), ("3", "1042")]
    assert all(float(row["validation_error"]) < 0.45 for row in rows)
    predictions = rows_of(tmp_path / "kaggle_predictions.csv")
    assert [row["Id"] for row in predictions] == [str(i) for i in range(5000)]
    assert {row["Category"] for row in predictions} == {"0", "1"}
    assert pictures(tmp_path) == {"loss.png", "error.png", "validation_error.png"}
    assert "4,000 rows" in (tmp_path / "results.md").read_text(encoding="utf-8")
    assert max(map(len, said)) <= 80


def test_scaling_goes_by_the_training_part_alone(tmp_path):
    plain = cs189.read_parts("iris", materials.iris, batch_size=25)
    scaled = cs189.read_parts("iris", materials.iris, batch_size=25, scaled=True)
    np.testing.assert_allclose(scaled.train.x.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(scaled.train.x.std(axis=0), 1)
    shift, spread = plain.train.x.mean(axis=0), plain.train.x.std(axis=0)
    np.testing.assert_allclose(scaled.test.x * spread + shift, plain.test.x)


@pytest.mark.data("fashion-mnist")
def test_fashion_draws_training_and_validation(tmp_path):
    said = []
    cs189_pictures.fashion(tmp_path, said.append, epochs=3, images=3000)
    epochs = rows_of(tmp_path / "epochs.csv")
    assert [row["epoch"] for row in epochs] == ["1", "2", "3"]
    assert float(epochs[-1]["validation_accuracy"]) > 0.7
    page = (tmp_path / "results.md").read_text(encoding="utf-8")
    assert f"the validation accuracy is {float(epochs[-1]['validation_accuracy']):.2%}" in page
    assert pictures(tmp_path) == {"loss.png", "accuracy.png"}
    assert max(map(len, said)) <= 80


def bars(n, seed):
    """Pictures of CIFAR-10's shape in ten classes: a bright row."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(10, size=n)
    x = rng.normal(size=(n, 32, 32, 3)).astype(np.float32)
    x[np.arange(n), 3 * labels + 1] += 2
    return Pair(x, labels)


def test_cifar_writes_curves_and_the_competitions_predictions(tmp_path, monkeypatch):
    parts = {"train": bars(150, 0), "validation": bars(20, 1), "test": bars(30, 2)}
    monkeypatch.setattr(cs189_pictures, "parts_of", lambda config, images: parts)
    said = []
    cs189_pictures.cifar(tmp_path, said.append, epochs=2)
    head, *lines = (tmp_path / "predictions.csv").read_text().splitlines()
    assert head == "Id,Category"
    assert [line.split(",")[0] for line in lines] == [str(i) for i in range(30)]
    assert all(line.split(",")[1] in "0123456789" for line in lines)
    assert len(rows_of(tmp_path / "steps.csv")) == 2 * 2
    assert pictures(tmp_path) == {"loss.png", "accuracy.png", "steps.png"}
    assert (tmp_path / "weights.safetensors").stat().st_size > 308_394 * 4
    page = (tmp_path / "results.md").read_text(encoding="utf-8")
    assert "Id from 0, Category an integer" in page
    assert "308,394 parameters, 150 pictures to train on" in page
    assert max(map(len, said)) <= 80


@pytest.mark.parametrize(("name", "epochs"), [("fashion-mlp", 8), ("cifar10-cnn", 10)])
def test_the_presets_schedule_ends_with_the_last_epoch(name, epochs):
    config = cs189_pictures.preset(name, epochs)
    assert config.training.epochs == config.optimizer["lr"]["epochs"] == epochs


@pytest.mark.data("fashion-mnist")
def test_of_the_parts_the_first_images_are_taken():
    parts = cs189_pictures.parts_of(cs189_pictures.preset("fashion-mlp", 8), 100)
    assert {name: pair.x.shape for name, pair in parts.items()} == dict.fromkeys(
        ("train", "validation", "test"), (100, 28, 28, 1)
    )
