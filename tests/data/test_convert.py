"""A table of text as files of numbers: the same as reading it whole, in a random order, and nothing half written."""

import gzip
import json
import lzma
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from clearprop.data import convert_csv, open_folder, read_csv
from clearprop.errors import ClearpropError, ConfigError, DataError, FileError

NAMES = "a,b,kind\n5.1,3.5,setosa\n7.0,3.2,virginica\n6.3,3.3,setosa\n4.9,3.0,aster\n"


def in_file(folder: Path, text: str | bytes, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def table_text(n: int, label: str = "last", columns: int = 5, seed: int = 0) -> str:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(n, columns)), rng.integers(3, size=n)
    rows = (np.column_stack([y, x]) if label == "first" else np.column_stack([x, y])).tolist()
    return "".join(",".join(f"{value:.17g}" for value in row) + "\n" for row in rows)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several blocks of text, and several buckets."""
    monkeypatch.setattr("clearprop.data.csv._CHARACTERS", 2000)
    monkeypatch.setattr("clearprop.data.convert.BUCKET_BYTES", 2000)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress])
@pytest.mark.parametrize("label", ["first", "last"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_in_the_files_order_it_is_what_reading_gives(
    tmp_path: Path, pack: object, label: str, dtype: str
) -> None:
    path = in_file(tmp_path, pack(table_text(400, label).encode()))  # type: ignore[operator]
    x, y, _, _ = read_csv(path, label)  # type: ignore[arg-type]
    found = convert_csv(path, tmp_path / "out", label, dtype=dtype, shuffle=False)  # type: ignore[arg-type]
    assert found == (tmp_path / "out", 400, 5, None)
    kept_x, kept_y = np.load(tmp_path / "out" / "x.npy"), np.load(tmp_path / "out" / "y.npy")
    assert kept_x.dtype == dtype
    np.testing.assert_array_equal(kept_x, x.astype(dtype))
    assert kept_y.dtype == np.int64
    np.testing.assert_array_equal(kept_y, y)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["data.json", "x.npy", "y.npy"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "table.csv"]


def test_shuffled_it_is_the_same_rows_in_an_order_of_the_seed(tmp_path: Path) -> None:
    path = in_file(tmp_path, "".join(f"{k},{k % 7}\n" for k in range(1500)))
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        convert_csv(path, tmp_path / name, seed=seed)
    a, b, c = (open_folder(tmp_path / name).pair.head(1500) for name in "abc")
    np.testing.assert_array_equal(a.x, b.x)
    assert (a.x != c.x).any()
    for x, y in (a, c):
        np.testing.assert_array_equal(np.sort(x[:, 0]), np.arange(1500))
        np.testing.assert_array_equal(y, x[:, 0] % 7)  # the labels go with their rows


def test_every_row_may_come_to_every_place(tmp_path: Path) -> None:
    """The mean place of a row over many seeds is the middle, of the first rows as of the last."""
    path = in_file(tmp_path, "".join(f"{k},0\n" for k in range(600)))
    places = []
    for seed in range(60):
        convert_csv(path, tmp_path / str(seed), seed=seed)
        places.append(np.argsort(np.load(tmp_path / str(seed) / "x.npy")[:, 0]))
    spread = 600 / 12**0.5
    for rows in np.split(np.array(places), 6, axis=1):
        assert abs(rows.mean() - 299.5) < 5 * spread / rows.size**0.5
        assert rows.std() == pytest.approx(spread, rel=0.05)


def test_names_are_numbered_in_their_order(tmp_path: Path) -> None:
    path = in_file(tmp_path, NAMES)
    found = convert_csv(path, tmp_path / "out", shuffle=False)
    assert found.class_names == ("aster", "setosa", "virginica")
    assert np.load(tmp_path / "out" / "y.npy").tolist() == [1, 2, 1, 0]
    assert json.loads((tmp_path / "out" / "data.json").read_text()) == {
        "from": "table.csv",
        "rows": 4,
        "class_names": ["aster", "setosa", "virginica"],
        "feature_names": ["a", "b"],
    }
    dataset = open_folder(tmp_path / "out")
    assert (dataset.class_names, dataset.feature_names) == (found.class_names, ("a", "b"))


def test_labels_with_fractions_stay_numbers(tmp_path: Path) -> None:
    convert_csv(in_file(tmp_path, "1,2\n3,0.5\n5,2\n"), tmp_path / "out", shuffle=False)
    y = np.load(tmp_path / "out" / "y.npy")
    assert (y.dtype, y.tolist()) == (np.float64, [2, 0.5, 2])


@pytest.mark.parametrize("end", ["", "\n", "\n\n  \n", "\r\n\r\n"])
@pytest.mark.parametrize("n", [1, 30, 300])
def test_empty_lines_at_the_end_do_no_harm(tmp_path: Path, end: str, n: int) -> None:
    path = in_file(tmp_path, table_text(n).rstrip("\n") + end)
    assert convert_csv(path, tmp_path / "out").rows == n


def test_quoted_cells_are_walked_through(tmp_path: Path) -> None:
    path = in_file(tmp_path, '1,2,"a, b"\n3, 4 ,c\n"5",6,c\n')
    found = convert_csv(path, tmp_path / "out", shuffle=False)
    assert found.class_names == ("a, b", "c")
    assert np.load(tmp_path / "out" / "x.npy").tolist() == [[1, 2], [3, 4], [5, 6]]


def test_progress_is_told(tmp_path: Path) -> None:
    path = in_file(tmp_path, gzip.compress(table_text(2000).encode()))
    told: list[tuple[str, int, int]] = []
    convert_csv(path, tmp_path / "out", progress=lambda *what: told.append(what))
    assert list(dict.fromkeys(stage for stage, _, _ in told)) == ["reading", "shuffling", "writing"]
    for stage, total in (("reading", path.stat().st_size), ("shuffling", 2000), ("writing", 2000)):
        done = [(done, of) for name, done, of in told if name == stage]
        assert done == sorted(done)
        assert done[-1] == (total, total)


def test_the_memory_does_not_grow_with_the_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clearprop.data.csv._CHARACTERS", 100_000)
    monkeypatch.setattr("clearprop.data.convert.BUCKET_BYTES", 100_000)

    def peak(n: int) -> int:
        path = in_file(tmp_path, table_text(n), f"{n}.csv")
        tracemalloc.start()
        convert_csv(path, tmp_path / f"out-{n}")
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(10)  # imports
    few, many = peak(8_000), peak(40_000)  # 0.8 and 4 MB of text
    assert many < 1.3 * few


# sentences, and nothing left behind

LINES = table_text(300).splitlines(keepends=True)


def with_line(number: int, line: str) -> str:
    return "".join([*LINES[: number - 1], line + "\n", *LINES[number:]])


@pytest.mark.parametrize("number", [2, 20, 150, 299])
@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("1,2,x,4,5,0", r"line {}, column 3: expected a number, got 'x'"),
        ("1,2,3,4,5", r"line {}: expected 6 cells as in the first line, got 5"),
        ("1,2,,4,5,0", r"line {}, column 3: the cell is missing"),
        ("1,2,nan,4,5,0", r"line {}, column 3: expected a finite number, got 'nan'"),
        ("", r"line {}: the line is empty"),
        (
            "1,2,3,4,1e39,0",
            r"line {}, column 5: 1e\+39 is too large for float32\. Convert with dtype='float64'",
        ),
    ],
)
def test_a_fault_is_named_by_its_line_and_leaves_nothing(
    tmp_path: Path, number: int, line: str, sentence: str
) -> None:
    path = in_file(tmp_path, with_line(number, line))
    with pytest.raises(DataError, match=r"table\.csv, " + sentence.format(number)):
        convert_csv(path, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]


def test_the_lines_count_the_header_and_columns_the_label(tmp_path: Path) -> None:
    head = "kind,a,b\n"
    with pytest.raises(DataError, match=r"line 3, column 3 \(b\): expected a number"):
        convert_csv(in_file(tmp_path, head + "0,1,2\n1,3,x\n"), tmp_path / "out", "first")
    with pytest.raises(DataError, match=r"line 3, column 2: 1e\+300 is too large for float32"):
        convert_csv(in_file(tmp_path, head + "0,1,2\n1,1e300,1\n"), tmp_path / "out", "first")
    assert convert_csv(tmp_path / "table.csv", tmp_path / "out", "first", dtype="float64").rows == 2


def test_an_empty_line_between_blocks_of_text(tmp_path: Path) -> None:
    """Wherever the text is cut: at each line once."""
    for number in range(1, 60):
        path = in_file(tmp_path, "".join([*LINES[:number], "\n", *LINES[number:]]))
        with pytest.raises(DataError, match=rf"line {number + 1}: the line is empty"):
            convert_csv(path, tmp_path / "out")


@pytest.mark.parametrize("characters", [1, 100, 250, sum(map(len, LINES[:20])) + 1])
@pytest.mark.parametrize("empty", ["\n", "\n  \n\n", "   \n   \n   \n"])
def test_empty_lines_where_a_block_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, characters: int, empty: str
) -> None:
    monkeypatch.setattr("clearprop.data.csv._CHARACTERS", characters)
    path = in_file(tmp_path, "".join([*LINES[:20], empty, *LINES[20:22]]))
    with pytest.raises(DataError, match=r"line 21: the line is empty"):
        convert_csv(path, tmp_path / "out")
    assert convert_csv(in_file(tmp_path, "".join([*LINES[:20], empty])), tmp_path / "out").rows == 20


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    path = in_file(tmp_path, NAMES)
    convert_csv(path, tmp_path / "out")
    before = (tmp_path / "out" / "x.npy").read_bytes()
    told: list[str] = []
    with pytest.raises(FileError, match="out: exists, and is not overwritten"):
        convert_csv(path, tmp_path / "out", seed=1, progress=lambda stage, done, total: told.append(stage))
    assert told == []  # before any work
    assert (tmp_path / "out" / "x.npy").read_bytes() == before


@pytest.mark.parametrize("stage", ["reading", "shuffling", "writing"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_what_is_broken_off_leaves_nothing(tmp_path: Path, stage: str, error: object) -> None:
    path = in_file(tmp_path, table_text(300))

    def stop(name: str, done: int, total: int) -> None:
        if name == stage:
            raise error  # type: ignore[misc]

    with pytest.raises((KeyboardInterrupt, FileError)) as caught:
        convert_csv(path, tmp_path / "out", progress=stop)
    if caught.type is FileError:
        assert "No space left on device" in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]


def test_a_packed_file_that_is_cut_off(tmp_path: Path) -> None:
    packed = gzip.compress(table_text(3000).encode())
    path = in_file(tmp_path, packed[: len(packed) // 2], "table.csv.gz")
    with pytest.raises(DataError, match="truncated or damaged"):
        convert_csv(path, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv.gz"]


def test_settings_that_are_not(tmp_path: Path) -> None:
    path = in_file(tmp_path, NAMES)
    with pytest.raises(ConfigError, match="convert_csv: expected label to be 'first' or 'last', got None"):
        convert_csv(path, tmp_path / "out", None)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="dtype: expected 'float32' or 'float64', got 'int8'"):
        convert_csv(path, tmp_path / "out", dtype="int8")
    with pytest.raises(FileError, match="there is no such file"):
        convert_csv(tmp_path / "nowhere.csv", tmp_path / "out")
    with pytest.raises(ClearpropError, match="the file is empty"):
        convert_csv(in_file(tmp_path, ""), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]
    blocked = tmp_path / "table.csv" / "out"
    with pytest.raises(FileError):
        convert_csv(in_file(tmp_path, NAMES, "other.csv"), blocked)


@pytest.mark.data("higgs/HIGGS_subset_35298.csv.gz")
def test_higgs(tmp_path: Path, data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    path = data_folder / "higgs" / "HIGGS_subset_35298.csv.gz"
    found = convert_csv(path, tmp_path / "higgs", "first", shuffle=False)
    assert (found.rows, found.features) == (35298, 28)
    table = read_csv(path, "first")
    x, y = open_folder(tmp_path / "higgs").pair.head(35298)
    np.testing.assert_array_equal(x, table.x.astype(np.float32))
    np.testing.assert_array_equal(y, table.y)
