"""Rows on the disk: what is read is what the file holds, whatever shows it; and the sentence for each other file."""

from pathlib import Path

import numpy as np
import pytest

import clearprop as cp
from clearprop.errors import DataError, FileError, ShapeError
from clearprop.sources import ArrayRows, FileRows, RowSource, Shards, as_source

TABLE = np.random.default_rng(0).normal(size=(23, 6))
CUTS = [(0, 23), (0, 1), (22, 23), (5, 17), (4, 4), (23, 23)]


def saved(folder: Path, array: np.ndarray, name: str = "x.npy") -> Path:
    np.save(folder / name, array)
    return folder / name


def mapped(folder: Path, array: np.ndarray = TABLE) -> np.ndarray:
    return np.load(saved(folder, array), mmap_mode="r")


def assert_reads(source: RowSource | None, expected: np.ndarray) -> None:
    assert source is not None
    assert (source.shape, source.dtype, len(source)) == (expected.shape, expected.dtype, len(expected))
    for start, stop in CUTS:
        if stop <= len(expected):
            rows = source.read(start, stop)
            assert rows.dtype == expected.dtype
            np.testing.assert_array_equal(rows, expected[start:stop])


@pytest.mark.parametrize(
    "array",
    [
        TABLE,
        TABLE.astype(np.float32),
        TABLE.astype(">f4"),
        np.arange(23, dtype=np.int16),
        np.asfortranarray(TABLE[:, :1]),
        np.random.default_rng(1).integers(256, size=(23, 4, 3, 2), dtype=np.uint8),
        np.array(["a", "bc"] * 3),
    ],
    ids=lambda a: f"{a.dtype}{a.shape}",
)
def test_an_npy_file_is_read_as_numpy_saved_it(tmp_path: Path, array: np.ndarray) -> None:
    path = saved(tmp_path, array)
    assert_reads(cp.open_rows(path), array)
    assert_reads(cp.open_rows(str(path)), array)
    assert_reads(as_source(np.load(path, mmap_mode="r")), array)


VIEWS = {
    "rows": lambda x: x[3:19],
    "columns": lambda x: x[:, 2:5],
    "a column": lambda x: x[:, 0],
    "every third": lambda x: x[1::3],
    "one row": lambda x: x[7:8],
    "all": lambda x: x[:],
    "more axes": lambda x: x.reshape(23, 3, 2)[:, 1:],
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
@pytest.mark.parametrize("offset", [0, 8 * 6 * 1000])
def test_a_view_of_a_mapping_is_read_from_its_file(tmp_path: Path, view: object, offset: int) -> None:
    """Beyond the first page, too, where a mapping begins at another place than its array."""
    padding = np.zeros(offset // 8)
    path = tmp_path / "plain.bin"
    path.write_bytes(padding.tobytes() + TABLE.tobytes())
    array = np.memmap(path, np.float64, "r", offset, TABLE.shape)
    source = as_source(view(array))  # type: ignore[operator]
    assert isinstance(source, FileRows)
    assert_reads(source, view(TABLE))  # type: ignore[operator]


def test_what_was_written_through_a_mapping_is_read(tmp_path: Path) -> None:
    array = np.load(saved(tmp_path, TABLE), mmap_mode="r+")
    array[3] = 7
    assert_reads(as_source(array), np.array(array))


def test_what_lies_in_memory_is_no_source(tmp_path: Path) -> None:
    path = saved(tmp_path, TABLE)
    copy_on_write = np.load(path, mmap_mode="c")
    copy_on_write[0] = 7  # which the file does not know
    for x in (TABLE, [[1.0]], copy_on_write, mapped(tmp_path) + 1, mapped(tmp_path)[[0, 2]]):
        assert as_source(x) is None


@pytest.mark.parametrize("sizes", [[23], [5, 18], [1, 0, 10, 0, 12], [20, 3]])
def test_shards_are_one(tmp_path: Path, sizes: list[int]) -> None:
    pieces = np.split(TABLE, np.cumsum(sizes)[:-1])
    paths = [saved(tmp_path, piece, f"{k}.npy") for k, piece in enumerate(pieces)]
    source = cp.open_rows(paths)
    assert_reads(source, TABLE)
    for start in range(24):
        for stop in range(start + 1, 24):
            np.testing.assert_array_equal(source.read(start, stop), TABLE[start:stop])
    mixed = [str(paths[0]), *pieces[1:-1], np.load(paths[-1], mmap_mode="r")][: len(pieces)]
    assert_reads(cp.open_rows(mixed), TABLE)


def test_shards_have_the_wider_dtype() -> None:
    source = cp.open_rows([np.zeros((2, 3), np.uint8), np.ones((2, 3), np.float32)])
    assert source.dtype == np.float32
    assert [source.read(*rows).dtype for rows in ((0, 1), (1, 3), (2, 4), (4, 4))] == [np.float32] * 4


def test_a_part_is_rows_of_the_whole(tmp_path: Path) -> None:
    source = cp.open_rows(saved(tmp_path, TABLE)).part(4, 20)
    assert_reads(source, TABLE[4:20])
    assert_reads(source.part(2, 9), TABLE[6:13])


@pytest.mark.parametrize("shape", [(23, 6), (5,), (40, 0), (3, 1000)])
def test_blocks_are_all_rows(monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...]) -> None:
    monkeypatch.setattr("clearprop.sources.BLOCK_BYTES", 200)
    array = np.random.default_rng(0).normal(size=shape)
    blocks = list(ArrayRows(array).blocks())
    np.testing.assert_array_equal(np.concatenate([rows for _, rows in blocks]), array)
    assert [first for first, _ in blocks] == np.cumsum([0, *(len(rows) for _, rows in blocks)])[:-1].tolist()
    assert len(blocks) > 1 or shape != (23, 6)
    assert all(rows.nbytes <= 200 or len(rows) == 1 for _, rows in blocks)


def test_block_rows_have_limits() -> None:
    assert ArrayRows(np.zeros((1, 28), np.float32)).block_rows == 2**19 // 112
    assert ArrayRows(np.zeros((1, 28), np.uint8)).block_rows == 2**19 // 112  # as if cast to float32
    assert ArrayRows(np.zeros((1, 2**20))).block_rows == 1
    assert ArrayRows(np.zeros(1, np.int8)).block_rows == 2**13


def test_it_says_what_it_is(tmp_path: Path) -> None:
    assert repr(cp.open_rows(saved(tmp_path, TABLE))) == "FileRows(shape=(23, 6), dtype=float64)"


# sentences


def test_rows_that_do_not_lie_one_after_the_other(tmp_path: Path) -> None:
    fortran = saved(tmp_path, np.asfortranarray(TABLE), "f.npy")
    sentence = (
        r"expected rows that lie one after the other \(C order\), got .* shape \(23, 6\) in another order"
    )
    with pytest.raises(DataError, match=rf"f.npy: {sentence}"):
        cp.open_rows(fortran)
    with pytest.raises(DataError, match=sentence):
        as_source(mapped(tmp_path)[::-1])
    with pytest.raises(DataError, match=r"np\.save\(path, np\.ascontiguousarray\(x\)\)"):
        as_source(mapped(tmp_path).T)
    with pytest.raises(DataError, match="C order"):
        as_source(mapped(tmp_path)[:, ::-1])


def test_files_that_are_no_npy(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("1,2,3\n" * 100)
    with pytest.raises(DataError, match=r"table\.csv: expected a whole \.npy file .* clearprop data convert"):
        cp.open_rows(tmp_path / "table.csv")
    (tmp_path / "empty.npy").write_bytes(b"")
    with pytest.raises(DataError, match=r"empty\.npy: expected a whole \.npy file"):
        cp.open_rows(tmp_path / "empty.npy")
    whole = saved(tmp_path, TABLE).read_bytes()
    (tmp_path / "short.npy").write_bytes(whole[:-1])
    with pytest.raises(DataError, match=r"short\.npy: expected a whole \.npy file"):
        cp.open_rows(tmp_path / "short.npy")
    np.save(tmp_path / "objects.npy", np.array([{}, []], dtype=object))
    with pytest.raises(DataError, match=r"objects\.npy: expected a whole \.npy file with numbers"):
        cp.open_rows(tmp_path / "objects.npy")
    with pytest.raises(FileError, match=r"nowhere\.npy: there is no such file"):
        cp.open_rows(tmp_path / "nowhere.npy")
    with pytest.raises(FileError, match="the file cannot be read"):
        cp.open_rows(tmp_path)


def test_a_file_that_has_changed_since(tmp_path: Path) -> None:
    path = saved(tmp_path, TABLE)
    source = cp.open_rows(path)
    path.write_bytes(path.read_bytes()[:-100])
    np.testing.assert_array_equal(source.read(0, 5), TABLE[:5])
    with pytest.raises(DataError, match=r"x\.npy: the file ends before row 22\. It has become shorter"):
        source.read(0, 23)
    path.unlink()
    with pytest.raises(FileError, match=r"x\.npy: there is no such file"):
        source.read(0, 5)


def test_what_is_no_rows() -> None:
    with pytest.raises(DataError, match="open_rows: expected a path, a memory-mapped array or a list"):
        cp.open_rows(3)
    with pytest.raises(DataError, match="open_rows: expected at least one shard, got an empty list"):
        cp.open_rows([])
    with pytest.raises(
        ShapeError, match=r"rows of one shape, \(6,\) as in the first, got shard 1 of shape \(23, 5\)"
    ):
        cp.open_rows([TABLE, TABLE[:, :5]])
    with pytest.raises(ShapeError, match=r"got shard 0 of shape \(\)"):
        Shards([ArrayRows(np.array(1.0))])


class Wrong(RowSource):
    """A source of one's own with a mistake in it."""

    shape, dtype = (100, 3), np.dtype("float32")

    def __init__(self, give):
        self.give = give

    def read(self, start, stop):
        return self.give(stop - start)


@pytest.mark.parametrize(
    ("give", "got"),
    [
        (lambda n: np.zeros((n - 1, 3), "float32"), r"got \(99, 3\)"),
        (lambda n: np.zeros((n, 2), "float32"), r"got \(100, 2\)"),
        (lambda n: [[0.0] * 3] * n, "got list"),
    ],
)
def test_rows_that_are_not_those_asked_for(give, got):
    model = cp.Sequential([cp.Dense(2)], (3,))
    sentence = rf"Wrong\(.*\): expected an array of shape \(100, 3\) from read\(0, 100\), {got}"
    for use in (
        lambda: model.predict(Wrong(give)),
        lambda: cp.fit(model, Wrong(give), np.zeros(100, int), batch_size=10),
        lambda: cp.evaluate(model, Wrong(give), np.zeros(100, int), "softmax_cross_entropy"),
    ):
        with pytest.raises(cp.DataError, match=sentence):
            use()
