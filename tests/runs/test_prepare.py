"""A run's data: the parts, the scaling against scikit-learn's, and another file's class names."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from clearprop.data import load
from clearprop.errors import ClearpropError, ConfigError, DataError, ShapeError
from clearprop.runs.config import DataTable
from clearprop.runs.prepare import Preprocessing, prepare


@pytest.mark.parametrize(("scale", "scaler"), [("standardize", StandardScaler), ("minmax", MinMaxScaler)])
def test_the_scaling_knows_the_training_part_alone(scale: str, scaler: type) -> None:
    table = DataTable(name="iris", validation=0.1, test=0.2, stratify=True, scale=scale)
    prepared = prepare(table, seed=3)
    theirs = scaler().fit(prepared.raw["train"].x)
    for name, part in prepared.parts.items():
        np.testing.assert_allclose(part.x, theirs.transform(prepared.raw[name].x), atol=1e-12)
    plain = json.loads(json.dumps(prepared.preprocessing.to_plain()))
    again = Preprocessing.from_plain(plain)
    np.testing.assert_array_equal(again.apply(prepared.raw["test"].x), prepared.parts["test"].x)
    assert again.class_names == ("setosa", "versicolor", "virginica")


def test_channels_of_pictures(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 4, 5, 3)).astype(np.float32) * [1, 10, 100]
    np.savez(tmp_path / "a.npz", x=x, y=np.arange(20) % 2)
    prepared = prepare(DataTable(file=str(tmp_path / "a.npz"), test=0.2, scale="channels"), seed=0)
    theirs = StandardScaler().fit(prepared.raw["train"].x.reshape(-1, 3))
    for name, part in prepared.parts.items():
        expected = theirs.transform(prepared.raw[name].x.reshape(-1, 3)).reshape(part.x.shape)
        np.testing.assert_allclose(part.x, expected, atol=1e-5)
    plain = json.loads(json.dumps(prepared.preprocessing.to_plain()))
    assert (len(plain["scaling"]["shift"]), len(plain["scaling"]["scale"])) == (3, 3)
    again = Preprocessing.from_plain(plain)
    np.testing.assert_array_equal(again.apply(prepared.raw["test"].x), prepared.parts["test"].x)
    with pytest.raises(ShapeError, match=r"expected pictures \(N, H, W, C\) .* For rows of features take"):
        prepare(DataTable(name="iris", scale="channels"), seed=0)


def test_the_parts_hold_every_flower_once() -> None:
    prepared = prepare(DataTable(name="iris", validation=0.1, test=0.2, stratify=True), seed=3)
    assert {name: len(part.y) for name, part in prepared.parts.items()} == {
        "train": 105,
        "validation": 15,
        "test": 30,
    }
    for part in prepared.parts.values():
        assert len(set(np.bincount(part.y))) == 1  # as many of each species
    rows = np.concatenate([np.column_stack(part) for part in prepared.parts.values()])
    every = np.column_stack(load("iris").train)
    np.testing.assert_array_equal(rows[np.lexsort(rows.T)], every[np.lexsort(every.T)])


def test_the_seed_decides_who_is_held_out() -> None:
    table = DataTable(name="iris", test=0.2)
    a, b, c = (prepare(table, seed).parts["test"].x for seed in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)


def test_parts_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected validation and test to leave rows for training, got"):
        prepare(DataTable(name="iris", validation=0.5, test=0.5), 0)
    np.savez(tmp_path / "own.npz", x_train=np.eye(4), y_train=range(4), x_test=np.eye(4), y_test=range(4))
    table = DataTable(file=str(tmp_path / "own.npz"), test=0.2)
    with pytest.raises(
        ConfigError, match=r"data.test: own.npz has a test part of its own, got the share 0.2"
    ):
        prepare(table, 0)
    with pytest.raises(ClearpropError, match=r"\.npz|row|example"):
        prepare(DataTable(file=str(tmp_path / "own.npz"), validation=0.001), 0)


def test_labels_go_by_the_names() -> None:
    known = Preprocessing(class_names=("a", "b", "c"))
    assert known.labels(np.array([0, 1, 0]), ("c", "a"), "file").tolist() == [2, 0, 2]
    assert known.labels(np.array([0, 2]), None, "file").tolist() == [0, 2]
    with pytest.raises(
        DataError, match=r"file: expected the classes a, b, c, got d, e, too\. Take those rows out"
    ):
        known.labels(np.array([0, 1, 2]), ("a", "d", "e"), "file")
    with pytest.raises(DataError, match=r"file: expected numbers as labels, .* got the names x, y"):
        Preprocessing().labels(np.array([0, 1]), ("x", "y"), "file")
