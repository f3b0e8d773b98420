"""nndl.utils.data_utils: a small CIFAR-10 in both formats, the real one, and what is no CIFAR-10."""

import pickle

import numpy as np
import pytest

from clearprop.courses.nndl.utils.data_utils import BATCHES, get_CIFAR10_data, load_CIFAR10
from clearprop.errors import ConfigError, DataError, FileError

SIZES = (4, 3, 3, 3, 2, 5)


@pytest.fixture
def small():
    """name -> (rows (n, 3072) bytes, labels), as the files have them."""
    rng = np.random.default_rng(0)
    return {
        name: (rng.integers(0, 256, (n, 3072), dtype=np.uint8), rng.integers(0, 10, n).tolist())
        for name, n in zip(BATCHES, SIZES, strict=True)
    }


def python_version(folder, small):
    for name, (rows, labels) in small.items():
        content = {
            b"batch_label": b"some",
            b"labels": labels,
            b"data": rows,
            b"filenames": [b"a.png"] * len(rows),
        }
        (folder / name).write_bytes(pickle.dumps(content, protocol=2))
    return folder


def binary_version(folder, small):
    for name, (rows, labels) in small.items():
        (folder / f"{name}.bin").write_bytes(np.column_stack([np.array(labels, np.uint8), rows]).tobytes())
    return folder


@pytest.fixture(params=[python_version, binary_version])
def folder(request, tmp_path, small):
    return request.param(tmp_path, small)


def test_all_of_it_as_floats_with_channels_last(folder, small):
    X, y, X_test, y_test = load_CIFAR10(folder)
    assert (X.shape, X.dtype, X_test.shape, y.dtype) == (
        (15, 32, 32, 3),
        np.float64,
        (5, 32, 32, 3),
        np.int64,
    )
    assert X.flags.c_contiguous
    rows = np.concatenate([rows for rows, _ in small.values()])
    labels = [label for _, labels in small.values() for label in labels]
    np.testing.assert_array_equal([*y, *y_test], labels)
    for image, row in zip([*X, *X_test], rows, strict=True):
        for channel in range(3):  # red, green, blue planes, row by row
            np.testing.assert_array_equal(
                image[:, :, channel].ravel(), row[1024 * channel : 1024 * (channel + 1)]
            )


def test_parts_with_the_training_rows_mean_subtracted(folder, small):
    data = get_CIFAR10_data(10, 4, 3, ROOT=folder)
    rows = np.concatenate([rows for rows, _ in small.values()]).reshape(-1, 3, 32, 32).astype(float)
    mean = rows[:10].mean(axis=0)
    np.testing.assert_allclose(data["X_train"], rows[:10] - mean, atol=1e-12)
    np.testing.assert_allclose(data["X_val"], rows[10:14] - mean, atol=1e-12)
    np.testing.assert_allclose(data["X_test"], rows[15:18] - mean, atol=1e-12)
    labels = [label for _, labels in small.values() for label in labels]
    for part, expected in (("train", labels[:10]), ("val", labels[10:14]), ("test", labels[15:18])):
        np.testing.assert_array_equal(data[f"y_{part}"], expected)
    plain = get_CIFAR10_data(10, 4, 3, subtract_mean=False, ROOT=folder)
    np.testing.assert_array_equal(plain["X_train"], rows[:10])
    assert {x.dtype.name for x in data.values()} == {"float64", "int64"}
    assert np.shares_memory(data["X_train"].base, data["X_val"].base)  # in memory once


def test_more_rows_than_there_are(folder):
    with pytest.raises(ConfigError, match=r"expected num_training \+ num_validation from 0 to 15, got 50000"):
        get_CIFAR10_data(ROOT=folder)
    with pytest.raises(ConfigError, match="expected num_test from 0 to 5, got 6"):
        get_CIFAR10_data(4, 4, 6, ROOT=folder)


def test_a_missing_folder_or_file_names_the_command(folder, tmp_path):
    fetch = "Run `clearprop data fetch cifar-10` and leave ROOT out"
    with pytest.raises(FileError, match=f"there is no such folder. {fetch}"):
        load_CIFAR10(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileError, match=f"they are not in it. {fetch}"):
        load_CIFAR10(tmp_path / "empty")
    gone = next(path for path in folder.iterdir() if path.name.startswith("data_batch_3"))
    gone.unlink()
    with pytest.raises(DataError, match=f"there is no {gone.name}. {fetch}"):
        load_CIFAR10(folder)
    with pytest.raises(DataError, match="Run `clearprop data fetch cifar-10`"):
        load_CIFAR10()  # the tests' data folder does not exist


class Harmful:
    def __reduce__(self):
        return print, ("the pickle's code ran",)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({b"data": Harmful(), b"labels": [1]}, "none of its code was run"),
        (
            {b"data": np.zeros((2, 3072), np.uint8), b"labels": [1]},
            r"got uint8 of shape \(2, 3072\) and 1 labels",
        ),
        ({b"data": np.zeros((1, 3072)), b"labels": [1]}, "got float64 of shape"),
        ({b"data": np.zeros((1, 3072), np.uint8), b"labels": [10]}, "labels from 0 to 9, got 10"),
        ([1, 2], "It is no batch of CIFAR-10's Python version"),
    ],
)
def test_files_that_are_no_batches_are_refused(tmp_path, small, capsys, content, words):
    folder = python_version(tmp_path, small)
    (folder / "data_batch_2").write_bytes(pickle.dumps(content))
    with pytest.raises(DataError, match=words):
        load_CIFAR10(folder)
    assert capsys.readouterr().out == ""


def test_a_truncated_file_is_refused(folder):
    path = next(path for path in folder.iterdir() if path.name.startswith("test_batch"))
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(DataError, match="test_batch"):
        load_CIFAR10(folder)


@pytest.mark.data("cifar-10")
def test_the_real_one():
    data = get_CIFAR10_data(num_training=500, num_validation=100, num_test=50)
    assert data["X_train"].shape == (500, 3, 32, 32)
    assert data["y_train"][:5].tolist() == [6, 9, 9, 4, 1]  # frog, truck, truck, deer, automobile
    assert data["y_test"][:4].tolist() == [3, 8, 8, 0]  # cat, ship, ship, airplane
    assert np.abs(data["X_train"].mean(axis=0)).max() < 1e-10
