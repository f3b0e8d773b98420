"""The known data sets and users' own files, against scikit-learn's Iris and against what is in the files."""

import gzip
import hashlib
import lzma
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clearprop.data import SOURCES, SourceFile, load, load_file, read_features
from clearprop.errors import ConfigError, DataError, FileError


def test_iris_comes_with_the_package() -> None:
    iris = load("iris")
    assert iris.train.x.shape == (150, 4)
    assert iris.train.x.dtype == np.float64
    assert np.bincount(iris.train.y).tolist() == [50, 50, 50]
    assert iris.class_names == ("setosa", "versicolor", "virginica")
    assert iris.feature_names == ("sepal length", "sepal width", "petal length", "petal width")
    assert iris.test is None
    assert "Fisher" in iris.note
    assert "CC BY 4.0" in iris.note


def test_iris_is_scikit_learns_but_for_the_two_rows_in_which_ucis_differs() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    theirs = datasets.load_iris()
    ours = load("iris")
    np.testing.assert_array_equal(ours.train.y, theirs.target)
    assert np.flatnonzero((ours.train.x != theirs.data).any(axis=1)).tolist() == [34, 37]


@pytest.mark.data("iris")
def test_iris_is_ucis(data_folder: Path) -> None:
    theirs = load_file(data_folder / "iris/iris.data")
    np.testing.assert_array_equal(load("iris").train.x, theirs.train.x)
    np.testing.assert_array_equal(load("iris").train.y, theirs.train.y)
    assert theirs.class_names == ("Iris-setosa", "Iris-versicolor", "Iris-virginica")


@pytest.mark.data("mnist")
def test_mnist() -> None:
    mnist = load("mnist")
    assert mnist.train.x.shape == (60000, 28, 28, 1)
    assert mnist.train.x.dtype == np.float32
    assert (mnist.train.x.min(), mnist.train.x.max()) == (0, 1)
    assert mnist.train.x[0].sum() * 255 == pytest.approx(27525, rel=1e-5)
    assert mnist.train.y[:5].tolist() == [5, 0, 4, 1, 9]
    assert mnist.train.y.dtype == np.int64
    assert mnist.test is not None
    assert np.bincount(mnist.test.y).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert mnist.image_shape == (28, 28, 1)


@pytest.mark.data("mnist-3v9")
def test_threes_and_nines() -> None:
    pair = load("mnist-3v9")
    assert pair.test is not None
    assert (len(pair.train.x), len(pair.test.x)) == (12080, 2019)
    assert np.bincount(pair.train.y).tolist() == [6131, 5949]
    assert np.bincount(pair.test.y).tolist() == [1010, 1009]
    assert pair.class_names == ("3", "9")


@pytest.mark.data("fashion-mnist")
def test_fashion_mnist() -> None:
    fashion = load("fashion-mnist")
    assert np.bincount(fashion.train.y).tolist() == [6000] * 10
    assert fashion.test is not None
    assert fashion.test.x.shape == (10000, 28, 28, 1)
    assert fashion.class_names is not None
    assert fashion.class_names[fashion.train.y[0]] == "Ankle boot"


@pytest.mark.data("cmu-mnist")
def test_cmu_mnist(data_folder: Path) -> None:
    cmu = load("cmu-mnist")
    assert cmu.test is not None
    assert cmu.train.x.shape == (3000, 784)
    assert cmu.test.x.shape == (1000, 784)
    assert (np.diff(cmu.train.y) >= 0).all()
    with lzma.open(data_folder / "cmu-10701-hw3/train.csv.xz", "rt") as file:
        lines = file.read().split()
    rng = np.random.default_rng(0)
    for k in rng.integers(0, 3000, size=20):
        row = [float(cell) for cell in lines[k].split(",")]
        assert [*cmu.train.x[k], cmu.train.y[k]] == row


@pytest.mark.data("higgs")
def test_higgs(data_folder: Path) -> None:
    higgs = load("higgs")
    x, y = higgs.train
    assert (x.shape, x.dtype, y.dtype) == ((35298, 28), np.float32, np.int64)
    assert y.mean() == pytest.approx(0.529, abs=5e-4)
    with gzip.open(data_folder / "higgs/HIGGS_subset_35298.csv.gz", "rt") as file:
        lines = file.read().split()
    for k in (0, 777, 35297):
        np.testing.assert_array_equal([y[k], *x[k]], [float(cell) for cell in lines[k].split(",")])
    assert higgs.class_names == ("background", "signal")
    assert higgs.feature_names is not None
    assert (len(higgs.feature_names), higgs.feature_names[0], higgs.feature_names[-1]) == (
        28,
        "lepton_pT",
        "m_wwbb",
    )
    assert (higgs.validation, higgs.test) == (None, None)


@pytest.mark.data("higgs/sas_viya_higgs_10984.csv.gz", "higgs/h2o_higgs_test_5k.csv.gz", "higgs")
def test_other_excerpts_of_higgs_as_users_files(data_folder: Path) -> None:
    sas = load_file(data_folder / "higgs/sas_viya_higgs_10984.csv.gz")
    h2o = load_file(data_folder / "higgs/h2o_higgs_test_5k.csv.gz", label="first")
    uci = load_file(data_folder / "higgs/HIGGS_subset_35298.csv.gz", label="first")
    assert [part.train.x.shape for part in (sas, h2o)] == [(10984, 28), (5000, 28)]
    assert [sorted(set(part.train.y)) for part in (sas, h2o)] == [[0, 1], [0, 1]]
    assert sas.feature_names == load("higgs").feature_names  # so that its columns are matched by name
    assert (h2o.feature_names, uci.feature_names) == (None, None)
    np.testing.assert_array_equal(uci.train.x, load("higgs").train.x)
    ours = {row.tobytes() for row in uci.train.x.astype("f4").round(4)}
    assert sum(row.tobytes() in ours for row in sas.train.x.astype("f4").round(4)) == 40


def test_the_last_rows_of_the_full_higgs_are_its_test_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same file in small; 500,000 rows to test are more than there are here."""
    rng = np.random.default_rng(0)
    table = np.column_stack([rng.integers(0, 2, 6), rng.normal(size=(6, 28)).astype("f4")])
    path = tmp_path / "higgs" / "HIGGS.csv.gz"
    path.parent.mkdir()
    path.write_bytes(
        gzip.compress("".join(",".join(f"{v:.18e}" for v in row) + "\n" for row in table).encode())
    )
    content = path.read_bytes()
    file = SourceFile("higgs/HIGGS.csv.gz", len(content), hashlib.sha256(content).hexdigest())
    monkeypatch.setitem(SOURCES, "higgs-full", replace(SOURCES["higgs-full"], files=(file,)))
    monkeypatch.setenv("CLEARPROP_DATA", str(tmp_path))
    monkeypatch.setattr("clearprop.data.sets._HIGGS_TEST", 2)
    full = load("higgs-full")
    assert full.test is not None
    np.testing.assert_array_equal(np.column_stack([full.train.y, full.train.x]), table[:4])
    np.testing.assert_array_equal(np.column_stack([full.test.y, full.test.x]), table[4:])
    assert full.train.x.dtype == np.float32


def test_missing_files_say_how_to_get_them() -> None:
    with pytest.raises(
        DataError, match=r"train-images-idx3-ubyte.gz: there is no such file\. Run `clearprop data fet"
    ):
        load("mnist")
    with pytest.raises(
        DataError,
        match=r"higgs has no public address: put HIGGS_subset_35298\.csv\.gz into .*, or take the data set "
        r"higgs-full\.",
    ):
        load("higgs")


def test_unknown_set() -> None:
    with pytest.raises(ConfigError, match=r"data: unknown data set 'irsi'\. Did you mean 'iris'\?"):
        load("irsi")


# --- users' own files ---

X = np.arange(12, dtype=np.float32).reshape(4, 3) / 4
Y = np.array([0, 1, 1, 2])


@pytest.mark.parametrize("name", ["a.csv", "a.data", "a.txt"])
def test_csv(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("u,v,kind\n1,2,cat\n3,4,ant\n")
    found = load_file(tmp_path / name)
    assert found.train.x.tolist() == [[1, 2], [3, 4]]
    assert found.train.y.tolist() == [1, 0]
    assert (found.class_names, found.feature_names) == (("ant", "cat"), ("u", "v"))
    assert found.name == name


@pytest.mark.parametrize("label", ["first", "last"])
def test_npy_with_a_label_column(tmp_path: Path, label: str) -> None:
    columns = [Y[:, None], X] if label == "first" else [X, Y[:, None]]
    np.save(tmp_path / "a.npy", np.hstack(columns))
    found = load_file(tmp_path / "a.npy", label=label)  # type: ignore[arg-type]
    np.testing.assert_array_equal(found.train.x, X)
    np.testing.assert_array_equal(found.train.y, Y)
    assert found.train.y.dtype == np.int64


def test_npz(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=X, y=Y)
    found = load_file(tmp_path / "a.npz")
    assert found.train.x.dtype == np.float32
    np.testing.assert_array_equal(found.train.y, Y)
    assert found.validation is None


@pytest.mark.parametrize("validation", ["val", "validation"])
def test_npz_in_parts_with_class_names_numbered_together(tmp_path: Path, validation: str) -> None:
    parts = {
        f"x_{validation}": X[:1],
        f"y_{validation}": np.array(["b"]),
        "x_test": X[:2],
        "y_test": np.array(["a", "c"]),
    }
    np.savez(tmp_path / "a.npz", x_train=X, y_train=np.array(["c", "b", "c", "c"]), **parts)
    found = load_file(tmp_path / "a.npz")
    assert found.class_names == ("a", "b", "c")
    assert found.train.y.tolist() == [2, 1, 2, 2]
    assert found.validation is not None
    assert found.validation.y.tolist() == [1]
    assert found.test is not None
    assert found.test.y.tolist() == [0, 2]


def test_one_hot_rows_stay_targets(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=X, y=np.eye(3, dtype=int)[Y])
    found = load_file(tmp_path / "a.npz")
    np.testing.assert_array_equal(found.train.y, np.eye(3)[Y])
    assert found.train.y.dtype == np.float64


def test_a_label_for_each_pixel_is_kept_in_its_place(tmp_path: Path) -> None:
    x, y = np.ones((4, 2, 3, 1), np.float32), np.arange(24).reshape(4, 2, 3) % 3
    np.savez(tmp_path / "a.npz", x=x, y=y)
    np.testing.assert_array_equal(load_file(tmp_path / "a.npz").train.y, y)


def test_whole_number_features_become_floats(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.arange(16, dtype=np.uint8).reshape(4, 2, 2, 1), y=Y)
    assert load_file(tmp_path / "a.npz").train.x.dtype == np.float64


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        (
            {"a": X, "b": Y},
            r"a.npz: expected arrays x and y, or x_train and y_train, got a, b\. Save them with np",
        ),
        ({"x": X}, r"expected arrays x and y, .*, got x\."),
        (
            {"x": X, "y": Y[:3]},
            r"train: expected y with one row for each of the 4 rows of x, got shape \(3,\)",
        ),
        ({"x": X, "y": np.array(1)}, r"one row for each of the 4 rows of x, got shape \(\)\."),
        (
            {"x": X[:, 0], "y": Y},
            r"train: expected features of shape \(N, D\) .* got \(4,\)\. One row is one ex",
        ),
        ({"x": X.astype(str), "y": Y}, r"train: expected features as numbers, got an array of <U"),
        ({"x": X, "y": Y * 1j}, r"train, y: expected labels as numbers or names, got an array of complex128"),
        (
            {"x": X, "y": np.array([0, 1, np.inf, 0])},
            r"train: y\[2\] is inf, one of 1 values",
        ),
        (
            {"x": np.full((4, 3), np.nan), "y": Y},
            r"train: x\[0, 0\] is nan, one of 12 values .* fill the values in",
        ),
        (
            {"x": X, "y": Y, "x_test": X, "y_test": np.array(list("abca"))},
            "test: expected y as numbers as in the other parts, got class names",
        ),
    ],
)
def test_arrays_that_are_no_data_set(tmp_path: Path, arrays: dict[str, np.ndarray], sentence: str) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError, match=sentence):
        load_file(tmp_path / "a.npz")


def folder_of(path: Path, *names: str) -> Path:
    path.mkdir()
    for name in names:
        np.save(path / f"{name}.npy", X if name.endswith("data") else np.eye(3)[Y])
    return path


def test_a_folder_in_the_courses_layout(tmp_path: Path) -> None:
    names = [f"toy_{part}_{what}" for part in ("train", "val", "test") for what in ("data", "labels")]
    found = load_file(folder_of(tmp_path / "toys", *names))
    for part in (found.train, found.validation, found.test):
        assert part is not None
        np.testing.assert_array_equal(part.x, X)
        np.testing.assert_array_equal(part.y, np.eye(3)[Y])
    assert found.name == "toys"
    assert found.note == f"From the folder {tmp_path / 'toys'}."


def test_a_test_part_without_labels_is_left_out(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "toys", "toy_train_data", "toy_train_labels", "toy_test_data")
    found = load_file(path)
    assert (found.validation, found.test) == (None, None)
    np.testing.assert_array_equal(read_features(path / "toy_test_data.npy")[0], X)


@pytest.mark.parametrize(
    ("names", "error", "sentence"),
    [
        (
            [],
            DataError,
            r"toys: expected one file \*_train_data\.npy in the folder, got none\. Name a file, or a",
        ),
        (
            ["a_train_data", "b_train_data"],
            DataError,
            r"got a_train_data\.npy, b_train_data\.npy\. Name a file",
        ),
        (["a_train_data"], FileError, r"a_train_labels\.npy: there is no such file"),
        (
            ["a_train_data", "a_train_labels", "a_val_data"],
            FileError,
            r"a_val_labels\.npy: there is no such file",
        ),
        (
            ["a_train_data", "a_train_labels", "a_test_labels"],
            FileError,
            r"a_test_data\.npy: there is no such file",
        ),
    ],
)
def test_folders_that_are_no_data_set(
    tmp_path: Path, names: list[str], error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        load_file(folder_of(tmp_path / "toys", *names))


@pytest.mark.data("iris/cs189/iris_train_data.npy")
def test_the_courses_iris(data_folder: Path) -> None:
    iris = load_file(data_folder / "iris/cs189")
    assert iris.validation is not None
    assert iris.test is not None
    parts = (iris.train, iris.validation, iris.test)
    assert [(part.x.shape, part.y.shape) for part in parts] == [
        ((105, 4), (105, 3)),
        ((15, 4), (15, 3)),
        ((30, 4), (30, 3)),
    ]
    assert np.concatenate([part.y for part in parts]).sum(axis=0).tolist() == [50, 50, 50]


def test_npy_that_is_no_table(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((4, 2, 2)))
    with pytest.raises(
        DataError, match=r"a.npy: expected one array of shape \(N, D \+ 1\), .* got \(4, 2, 2\)\."
    ):
        load_file(tmp_path / "a.npy")


def test_unknown_ending_and_label_column(tmp_path: Path) -> None:
    for read in (load_file, read_features):
        with pytest.raises(
            DataError, match=r"a.xlsx: expected a file that ends in \.csv, \.data, \.txt, \.npy, \.npz"
        ):
            read(tmp_path / "a.xlsx")
    with pytest.raises(ConfigError, match="load_file: expected label to be 'first' or 'last', got None"):
        load_file(tmp_path / "a.csv", label=None)


def test_features_alone(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("u,v\n1,2\n3,4\n")
    np.save(tmp_path / "a.npy", X)
    np.savez(tmp_path / "a.npz", x=X, other=Y)
    np.savez(tmp_path / "b.npz", data=X)
    assert read_features(tmp_path / "a.csv")[0].tolist() == [[1, 2], [3, 4]]
    np.testing.assert_array_equal(read_features(tmp_path / "a.npy")[0], X)
    np.testing.assert_array_equal(read_features(tmp_path / "a.npz")[0], X)
    with pytest.raises(DataError, match=r"b.npz: expected an array x, got data\. Save it with np\.savez"):
        read_features(tmp_path / "b.npz")


def test_the_packaged_file_is_the_one_that_was_written() -> None:
    import clearprop.data

    content = (Path(clearprop.data.__file__).parent / "iris.csv").read_bytes()
    assert hashlib.sha256(content).hexdigest().startswith("c0ced216d038b70a")
