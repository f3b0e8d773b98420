"""The CSV reader, against the standard library's and against sentences with line and column."""

import csv
import gzip
import lzma
import math
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import clearprop.data.csv as csv_room
from clearprop.data import read_csv
from clearprop.errors import ClearpropError, ConfigError, DataError

IRIS = "5.1,3.5,setosa\n7.0,3.2,versicolor\n6.3,3.3,virginica\n4.9,3.0,setosa\n"


def in_file(tmp_path: Path, text: str | bytes, name: str = "table.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress])
@pytest.mark.parametrize("end", ["", "\n", "\n\n  \n"])
def test_class_names(tmp_path: Path, pack: object, end: str) -> None:
    path = in_file(tmp_path, pack((IRIS + end).encode()))  # type: ignore[operator]
    x, y, class_names, feature_names = read_csv(path)
    np.testing.assert_array_equal(x, [[5.1, 3.5], [7.0, 3.2], [6.3, 3.3], [4.9, 3.0]])
    assert x.dtype == np.float64
    assert y.tolist() == [0, 1, 2, 0]
    assert y.dtype == np.int64
    assert class_names == ("setosa", "versicolor", "virginica")
    assert feature_names is None


def test_label_first_as_float(tmp_path: Path) -> None:
    path = in_file(tmp_path, "1.000000000000000000e+00,9.0e-01,3.2\r\n0.0,1.5,-1e-3\r\n")
    x, y, class_names, _ = read_csv(path, label="first")
    np.testing.assert_array_equal(x, [[0.9, 3.2], [1.5, -0.001]])
    assert y.tolist() == [1, 0]
    assert y.dtype == np.int64
    assert class_names is None


def test_labels_that_are_no_whole_numbers_stay_floats(tmp_path: Path) -> None:
    assert read_csv(in_file(tmp_path, "1,0.5\n2,1\n")).y.tolist() == [0.5, 1.0]


def test_without_labels(tmp_path: Path) -> None:
    table = read_csv(in_file(tmp_path, "1,2\n3,4\n"), label=None)
    assert table.x.tolist() == [[1, 2], [3, 4]]
    assert table.y.shape == (0,)
    assert table.class_names is None


@pytest.mark.parametrize(
    ("label", "names"), [("first", ("b", "c")), ("last", ("a", "b")), (None, ("a", "b", "c"))]
)
@pytest.mark.parametrize("header", [True, "auto"])
def test_header(tmp_path: Path, label: str, names: tuple[str, ...], header: bool | str) -> None:
    table = read_csv(in_file(tmp_path, "\ufeffa,b,c\n1,2,3\n4,5,6\n"), label=label, header=header)  # type: ignore[arg-type]
    assert table.feature_names == names
    assert len(table.x) == 2


def test_gaps_in_the_first_line_are_no_header(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 1, column 1"):
        read_csv(in_file(tmp_path, "?,?,1\n1,2,0\n"))


def test_header_of_numbers_when_told_so(tmp_path: Path) -> None:
    path = in_file(tmp_path, "0,1,2\n1,2,3\n")
    assert read_csv(path, header=True).x.tolist() == [[1, 2]]
    assert read_csv(path, header="auto").x.tolist() == [[0, 1], [1, 2]]
    assert read_csv(path, header=False).x.tolist() == [[0, 1], [1, 2]]


def test_quoted_cells_and_blanks(tmp_path: Path) -> None:
    text = '"width, cm", length ,"kind"\n "1.5" , 2 ,"a ""b"", c"\n3,4, d \n'
    x, y, class_names, feature_names = read_csv(in_file(tmp_path, text))
    assert x.tolist() == [[1.5, 2], [3, 4]]
    assert y.tolist() == [0, 1]
    assert class_names == ('a "b", c', "d")
    assert feature_names == ("width, cm", "length")


def test_more_lines_than_are_parsed_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_room, "_LINES", 7)
    rng = np.random.default_rng(0)
    for rows in (6, 7, 8, 14, 20):
        rows_of_text = [
            [repr(v) for v in row] + [f"c{k % 3}"]
            for k, row in enumerate(rng.normal(size=(rows, 3)).tolist())
        ]
        path = in_file(tmp_path, "\n".join(",".join(row) for row in rows_of_text) + "\n\n")
        x, y, _, _ = read_csv(path)
        np.testing.assert_array_equal(x, [[float(cell) for cell in row[:-1]] for row in rows_of_text])
        assert y.tolist() == [k % 3 for k in range(rows)]


FAULTS = [
    ("empty", "", r"table.csv: the file is empty; expected rows of comma-separated numbers\."),
    ("blank", "\n\n", r"table.csv: the file is empty"),
    ("header alone", "a,b,c\n", r"table.csv: there is nothing under the header"),
    ("one column", "1\n2\n", r"table.csv, line 1: expected at least 2 columns, .* got 1\."),
    (
        "ragged, short",
        "1,2,0\n3,1\n",
        r"line 2: expected 3 cells as in the first line, got 2\. Mend or delete",
    ),
    ("ragged, long", "1,2,0\n1,2,0\n1,2,3,0\n", r"line 3: expected 3 cells as in the first line, got 4"),
    ("ragged under a header", "a,b,c\n1,2\n1,2\n", r"line 2: expected 3 cells as in the first line, got 2"),
    ("missing", "1,2,a\n3,,b\n", r"table.csv, line 2, column 2: the cell is missing\. Fill it in"),
    ("missing under a header", "u,v,w\n1,2,0\n3, ,0\n", r"line 3, column 2 \(v\): the cell is missing"),
    ("missing label", "1,2,a\n3,4,\n", r"line 2, column 3: the cell is missing"),
    ("missing numeric label", "1,2,1\n3,4,\n", r"line 2, column 3: the cell is missing"),
    ("missing first label", "1,2,\n3,4,1\n", r"line 1, column 3: the cell is missing"),
    ("not a number", "1,2,a\n3,x7,b\n", r"line 2, column 2: expected a number, got 'x7'\. Mend it"),
    (
        "not a number in line 1",
        "1,x7,a\n3,4,b\n",
        r"line 1, column 2: .* 'x7'\. If this line is a header, say",
    ),
    ("name among numbers", "1,2,0\n3,4,cat\n", r"line 2, column 3: expected a number, got 'cat'"),
    ("grouped digits", "1,2,0\n1_000,4,1\n", r"line 2, column 1: expected a number, got '1_000'"),
    ("NaN", "1,2,0\n3,nan,1\n", r"line 2, column 2: expected a finite number, got 'nan'"),
    ("infinity", "1,2,0\n-inf,3,1\n", r"line 2, column 1: expected a finite number, got '-inf'"),
    ("NaN label", "1,2,0\n3,4,nan\n", r"line 2, column 3: expected a finite number, got 'nan'"),
    ("overflow", "1,2,0\n3,1e999,1\n", r"line 2, column 2: expected a finite number, got '1e999'"),
    ("empty line within", "1,2,0\n\n3,4,1\n", r"table.csv, line 2: the line is empty\. Delete it"),
    ("empty line first", "\n3,4,1\n", r"table.csv, line 1: the line is empty"),
]


@pytest.mark.parametrize(("text", "sentence"), [s[1:] for s in FAULTS], ids=[s[0] for s in FAULTS])
def test_faults_are_named_by_line_and_column(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        read_csv(in_file(tmp_path, text))


def test_a_fault_far_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_room, "_LINES", 10)
    lines = ["1,2,0"] * 35
    lines[27] = "1,?,0"
    with pytest.raises(DataError, match=r"line 28, column 2: expected a number, got '\?'"):
        read_csv(in_file(tmp_path, "\n".join(lines)))


def test_not_text(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"table.csv: expected text in UTF-8, got the byte ff\. Save it as CSV"
    ):
        read_csv(in_file(tmp_path, b"1,2,0\n\xff\xfe,2,0\n"))


def test_packed_file_cut_off(tmp_path: Path) -> None:
    for pack in (gzip.compress, lzma.compress):
        with pytest.raises(DataError, match=r"table.csv: the packed file is truncated or damaged"):
            read_csv(in_file(tmp_path, pack(IRIS.encode() * 50)[:-12]))


def test_unknown_label_column(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected label to be 'first', 'last' or None, got 'middle'"):
        read_csv(in_file(tmp_path, IRIS), label="middle")  # type: ignore[arg-type]


@hypothesis_settings(max_examples=80, deadline=None)
@given(
    st.one_of(st.binary(max_size=50), st.text(alphabet='01.,\n\r"-ea _#\0x', max_size=30).map(str.encode)),
    st.sampled_from(["first", "last", None]),
)
def test_arbitrary_bytes_raise_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, label: str | None
) -> None:
    path = in_file(tmp_path_factory.getbasetemp(), content, "arbitrary.csv")
    with suppress(ClearpropError):
        table = read_csv(path, label=label)  # type: ignore[arg-type]
        assert np.isfinite(table.x).all()
        assert len(table.y) in (len(table.x), 0)


@hypothesis_settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats(allow_nan=False, allow_infinity=False), st.integers(-9, 9), st.sampled_from("pq")
        ),
        min_size=1,
        max_size=12,
    )
)
def test_reads_back_what_the_standard_library_writes(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[float, int, str]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "written.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    x, y, class_names, _ = read_csv(path)
    assert all(
        math.copysign(1, a) == math.copysign(1, b[0]) and a == b[0]
        for a, b in zip(x[:, 0], rows, strict=True)
    )
    assert x[:, 1].tolist() == [row[1] for row in rows]
    assert class_names is not None
    assert [class_names[k] for k in y] == [row[2] for row in rows]


@pytest.mark.data("higgs/HIGGS_subset_35298.csv.gz", "higgs/sas_viya_higgs_10984.csv.gz")
def test_higgs(data_folder: Path) -> None:
    x, y, _, _ = read_csv(data_folder / "higgs/HIGGS_subset_35298.csv.gz", label="first")
    assert x.shape == (35298, 28)
    assert y.mean() == pytest.approx(0.529, abs=5e-4)
    with gzip.open(data_folder / "higgs/HIGGS_subset_35298.csv.gz", "rt") as file:
        first = next(csv.reader(file))
    assert [float(y[0]), *x[0]] == [float(cell) for cell in first]
    x, y, _, names = read_csv(data_folder / "higgs/sas_viya_higgs_10984.csv.gz")
    assert x.shape == (10984, 28)
    assert set(y) == {0, 1}
    assert names is not None
    assert names[0] == "lepton_pT"


def test_a_column_of_a_long_name_keeps_the_sentence_short(tmp_path):
    path = tmp_path / "long.csv"
    path.write_text(f"{'a' * 30_000},label\n{'1' * 400},0\n,1\n")
    with pytest.raises(
        DataError, match=r"line 2, column 1 \(a{40}\): expected a finite number, got '1{40}'\."
    ):
        read_csv(path)
    path.write_text(f"{'a' * 30_000},label\n,1\n")
    with pytest.raises(DataError, match=r"line 2, column 1 \(a{40}\): the cell is missing"):
        read_csv(path)
