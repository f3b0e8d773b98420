"""CS 189's data: batches, orders, the files of its folder, and what is said where one is missing."""

import shutil

import numpy as np
import pytest

from clearprop.courses.cs189.datasets import Data, Dataset, initialize_dataset
from clearprop.errors import ConfigError, DataError, ShapeError

X, Y = np.arange(22.0).reshape(11, 2), np.eye(3)[np.arange(11) % 3]


def an_epoch(data, **how):
    batches = [data.sample(**how) for _ in range(data.samples_per_epoch)]
    return [len(x) for x, _ in batches], np.concatenate([x for x, _ in batches]), batches


def test_an_epoch_has_every_sample_once_with_its_label():
    data = Data(X, 4, Y)
    assert (data.n_samples, data.samples_per_epoch, data.out_dim) == (11, 3, 3)
    np.random.seed(0)
    sizes, seen, batches = an_epoch(data)
    assert sizes == [4, 4, 3]
    np.testing.assert_array_equal(np.sort(seen, axis=0), X)
    assert not np.array_equal(seen, X)
    for x, y in batches:
        np.testing.assert_array_equal(y, Y[(x[:, 0] / 2).astype(int)])
    _, again, _ = an_epoch(data)
    assert not np.array_equal(again, seen)


def test_the_order_is_the_global_streams():
    np.random.seed(3)
    first = np.arange(11)
    np.random.shuffle(first)
    second = first.copy()
    np.random.shuffle(second)
    np.random.seed(3)
    data = Data(X, 4)
    for order in (first, second):
        np.testing.assert_array_equal(an_epoch(data)[1], X[order])


def test_without_shuffling_the_order_is_the_datas_even_after_it():
    data = Data(X, 4)
    an_epoch(data)
    before = np.random.get_state()[1].copy()
    np.testing.assert_array_equal(an_epoch(data, shuffle=False)[1], X)
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    np.testing.assert_array_equal(data.data, X)


def test_reset_begins_anew():
    data = Data(X, 4)
    data.sample(shuffle=False)
    data.reset()
    np.testing.assert_array_equal(data.sample(shuffle=False)[0], X[:4])


def test_no_labels_are_none():
    assert Data(X).sample()[1] is None
    assert Data(X, out_dim=7).out_dim == 7


def test_a_data_set_has_parts():
    data = Dataset(X, Y, 4, X[:5], Y[:5], X[:2])
    assert (data.out_dim, data.n_training, data.n_validation) == (3, 11, 5)
    assert (data.validate.batch_size, data.test.labels) == (4, None)
    alone = Dataset(X, Y, 4)
    assert (alone.validate, alone.test, alone.n_validation) == (None, None, 0)


def test_data_that_do_not_fit():
    with pytest.raises(ShapeError, match=r"Data: expected labels of shape \(11, k\), got \(10, 3\)"):
        Data(X, 4, Y[:10])
    with pytest.raises(ShapeError, match=r"expected labels of shape \(11, k\), got \(11,\)\. Make classes"):
        Dataset(X, np.arange(11), 4)
    with pytest.raises(DataError, match="Data: expected at least one sample, got none"):
        Data(X[:0])
    with pytest.raises(ConfigError, match="Data: expected batch_size to be a whole number >= 1, got 0"):
        Data(X, 0)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder, name, arrays):
    (folder / "datasets" / name).mkdir(parents=True)
    for what, array in arrays.items():
        np.save(folder / "datasets" / name / f"{name}_{what}.npy", array)


@pytest.mark.data("iris/cs189/iris_train_data.npy")
def test_iris_is_the_courses(folder, data_folder):
    shutil.copytree(data_folder / "iris" / "cs189", folder / "datasets" / "iris")
    iris = initialize_dataset("iris", batch_size=25)
    assert (iris.n_training, iris.n_validation, iris.test.n_samples, iris.out_dim) == (105, 15, 30, 3)
    assert (iris.train.data.shape, iris.train.samples_per_epoch) == ((105, 4), 5)
    assert (iris.train.labels.sum(axis=1) == 1).all()
    kept = np.load(data_folder / "iris" / "cs189" / "iris_val_data.npy", allow_pickle=False)
    np.testing.assert_array_equal(iris.validate.data, kept)


def test_the_batch_size_is_fifty(folder):
    parts = {
        f"{part}_{what}": array
        for part in ("train", "val", "test")
        for what, array in (("data", X), ("labels", Y))
    }
    write(folder, "sinewave", parts)
    assert initialize_dataset("sinewave").train.batch_size == 50


def test_higgs_may_have_no_test_labels(folder):
    arrays = {"train_data": X, "train_labels": Y, "val_data": X, "val_labels": Y, "test_data": X}
    write(folder, "higgs", arrays)
    assert initialize_dataset("higgs").test.labels is None
    np.save(folder / "datasets" / "higgs" / "higgs_test_labels.npy", Y)
    np.testing.assert_array_equal(initialize_dataset("higgs").test.labels, Y)


@pytest.mark.parametrize(("name", "course"), [("iris", "sp23"), ("sinewave", "sp23"), ("higgs", "sp20")])
def test_a_missing_file_names_the_command_that_brings_it(name, course, folder):
    sentence = (
        rf"datasets.{name}.{name}_train_data\.npy: there is no such file\. Work in the folder that "
        rf"`clearprop course start cs189-{course} DIR` makes: it brings the data\."
    )
    with pytest.raises(DataError, match=sentence):
        initialize_dataset(name)


def test_the_other_sets_want_their_test_labels(folder):
    arrays = {"train_data": X, "train_labels": Y, "val_data": X, "val_labels": Y, "test_data": X}
    write(folder, "iris", arrays)
    with pytest.raises(DataError, match=r"iris_test_labels\.npy: there is no such file"):
        initialize_dataset("iris")


def test_pickled_objects_are_refused(folder):
    write(folder, "iris", {"train_data": np.array([{"a": 1}], dtype=object)})
    with pytest.raises(
        DataError, match="expected plain numbers, got pickled Python objects, which could run code"
    ):
        initialize_dataset("iris")


def test_a_name_that_is_not_there():
    with pytest.raises(
        NotImplementedError, match=r"data set 'mnist' is not there\. Known: iris, sinewave, higgs"
    ):
        initialize_dataset("mnist")
