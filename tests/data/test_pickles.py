"""Pickles of arrays: what NumPy writes in every protocol is read, and nothing that a pickle holds is run."""

import gzip
import pickle
import pickletools
import tracemalloc
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

from clearprop.data.pickles import read_arrays
from clearprop.errors import DataError, FileError

RNG = np.random.default_rng(0)
ARRAYS = [
    RNG.normal(size=(3, 4)),
    np.asfortranarray(RNG.normal(size=(2, 3, 4))),
    RNG.normal(size=(2, 3, 4)).transpose(1, 0, 2),
    RNG.integers(0, 256, (5, 7)).astype(np.uint8),
    np.arange(6, dtype=np.float32)[::2],
    np.array([True, False]),
    np.array([1, -2], dtype=">i4"),
    np.array(["setosa", "virginica"]),
    np.array([1 + 2j]),
    np.zeros((3, 0)),
    np.array(2.5),
]


def in_file(folder: Path, content: bytes) -> Path:
    path = folder / "some.pkl"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: f"{a.dtype}{a.shape}")
def test_what_numpy_writes_comes_back(tmp_path: Path, array: np.ndarray, protocol: int) -> None:
    found = read_arrays(in_file(tmp_path, pickle.dumps(array, protocol)))
    assert type(found) is np.ndarray
    assert found.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(found, array)
    found[...] = found.copy()  # its memory is its own
    assert found.flags.owndata or found.base.flags.owndata


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_large_array_comes_back(tmp_path: Path, protocol: int) -> None:
    """Before protocol 3 its bytes are text, are made bytes, then numbers: each counts."""
    array = np.zeros(500_000)  # as text 4 MB, one byte each
    np.testing.assert_array_equal(
        read_arrays(in_file(tmp_path, pickle.dumps([array, array + 1], protocol))), [array, array + 1]
    )


def test_arrays_in_containers_with_plain_values(tmp_path: Path) -> None:
    shared = np.arange(3.0)
    value = {"w": [shared, (shared, "name")], b"n": 3, "none": None, "rate": 0.5, "on": True, "empty": []}
    found = read_arrays(in_file(tmp_path, gzip.compress(pickle.dumps(value))))
    assert found.keys() == value.keys()
    assert found["w"][0] is found["w"][1][0]
    np.testing.assert_array_equal(found["w"][0], shared)
    assert {k: v for k, v in found.items() if k != "w"} == {k: v for k, v in value.items() if k != "w"}


def test_a_list_that_holds_itself(tmp_path: Path) -> None:
    loop: list[object] = [np.arange(2)]
    loop.append((loop,))
    found = read_arrays(in_file(tmp_path, pickle.dumps(loop)))
    assert found[1][0] is found


def python_2_batch() -> bytes:
    """A dict as Python 2's cPickle writes it: text is bytes (opcode U, or T with its length in four bytes)."""
    word = lambda text: b"U" + bytes([len(text)]) + text  # noqa: E731
    pixels = bytes(range(200, 206))
    array = b"".join([
        b"cnumpy.core.multiarray\n_reconstruct\n", b"(cnumpy\nndarray\n", b"K\x00\x85", word(b"b"), b"tR",
        b"(K\x01K\x02K\x03\x86", b"cnumpy\ndtype\n", b"(", word(b"u1"), b"K\x00K\x01tR",
        b"(K\x03", word(b"|"), b"NNN", b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb",
        b"\x89", b"T\x06\x00\x00\x00", pixels, b"tb",
    ])  # fmt: skip
    labels = b"](K\x06K\x09e"
    pairs = [word(b"data"), array, word(b"labels"), labels, word(b"batch_label"), word(b"batch 1 \xe9")]
    return b"\x80\x02}(" + b"".join(pairs) + b"u."


def test_a_batch_of_python_2(tmp_path: Path) -> None:
    content = python_2_batch()
    kept = pickle.loads(content, encoding="bytes")  # Python's own reader agrees on what it is
    path = in_file(tmp_path, content)
    found = read_arrays(path, encoding="bytes")
    assert found.keys() == kept.keys() == {b"data", b"labels", b"batch_label"}
    assert found[b"labels"] == [6, 9]
    assert found[b"data"].dtype == np.uint8
    np.testing.assert_array_equal(found[b"data"], np.arange(200, 206).reshape(2, 3))
    np.testing.assert_array_equal(kept[b"data"], found[b"data"])
    np.testing.assert_array_equal(read_arrays(path, encoding="latin1")["data"], found[b"data"])
    with pytest.raises(DataError, match=r"Python 2 wrote this pickle\. Read it with encoding='bytes'\.$"):
        read_arrays(path)


class RunsCode:
    def __init__(self, flag: Path) -> None:
        self.flag = flag

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return open, (str(self.flag), "w")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_code_in_a_pickle_does_not_run(tmp_path: Path, protocol: int) -> None:
    flag = tmp_path / "it ran"
    content = pickle.dumps([np.arange(3), RunsCode(flag)], protocol)
    pickle.loads(content)[1].close()  # it would run
    assert flag.exists()
    flag.unlink()
    with pytest.raises(
        DataError, match=r"the pickle holds \w+\.open, and only NumPy arrays, .* Save the arrays"
    ):
        read_arrays(in_file(tmp_path, content))
    assert not flag.exists()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.array([None, RunsCode(Path("never"))]), "an array of dtype 'O8'"),
        (np.zeros(2, dtype=[("a", "f8")]), "an array of dtype 'V8'"),
        (np.zeros(2, dtype="M8[s]"), "an array of dtype 'M8'"),
        (np.float64(3), r"numpy\._core\.multiarray\.scalar"),
        (np.ma.zeros(2), r"numpy\.ma\.core\._mareconstruct"),
        (OrderedDict(a=1), r"collections\.OrderedDict"),
        (Path("x"), r"pathlib\.\S+"),
        ({1, 2}, "a set, or an object of a class"),
        ({(1, 2): 3}, "a dict with keys that are neither numbers nor text"),
        (np.dtype("f8"), "something that is not an array"),
        (np.ndarray, "something that is not an array"),
    ],
    ids=lambda v: type(v).__name__ if not isinstance(v, str) else "",
)
def test_what_is_no_array_is_refused(tmp_path: Path, value: object, words: str) -> None:
    path = in_file(tmp_path, pickle.dumps(value, 4))
    with pytest.raises(DataError, match=rf"^\S+some\.pkl: the pickle holds {words}, and only"):
        read_arrays(path)


DTYPE = b"cnumpy\ndtype\n(X\x02\x00\x00\x00f8\x89\x88tR"
PENDING = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85C\x01btR"


@pytest.mark.parametrize(
    ("program", "words"),
    [
        # a dtype whose fields lie outside its items, by which NumPy itself would read foreign memory
        (
            DTYPE + b"(K\x03X\x01\x00\x00\x00<NC\x01a\x85}K\x08K\x01K\x00tb.",
            "an array whose dtype has fields",
        ),
        (PENDING + b"(K\x01K\x02\x85" + DTYPE + b"\x89](K\x01K\x02etb.", "an array of Python objects"),
        (
            PENDING + b"(K\x01K\x02\x85" + DTYPE + b"\x89C\x08\0\0\0\0\0\0\0\0tb.",
            "8 bytes for float64 of shape",
        ),
        (PENDING + b"(K\x01J\xff\xff\xff\xff\x85" + DTYPE + b"\x89C\x00tb.", "an array's shape is"),
        (PENDING + b".", "something that is not an array"),
        (b"cnumpy\nndarray\n(K\x09tR.", "an array made in an unknown way"),
        (b"cnumpy\nndarray\n\x93.", "not a whole pickle"),
        (b"(cnumpy\nndarray\nI1\no.", "a set, or an object of a class"),
        (b"(I1\ninumpy\nndarray\n.", "a set, or an object of a class"),
        (b"]NNs.", "something that is not an array"),
        (b"c_codecs\nencode\n(X\x01\x00\x00\x00aX\x05\x00\x00\x00rot13tR.", "text in 'rot13'"),
        # the stand-ins cannot be altered: an attribute of one, then of its __dict__
        (b"c_codecs\nencode\n(N}X\x04\x00\x00\x00callNstb.", "not a whole pickle"),
        (b"c_codecs\nencode\n}X\x04\x00\x00\x00callNsb.", "not a whole pickle"),
        (b"c_codecs\nencode\n)\x81.", "a set, or an object of a class"),
        (b"\x80\x02U\x01aQ.", "a reference to something outside it"),
        (b"(" * 50_000 + b"t" * 50_000 + b".", "recursion"),
    ],
    ids=lambda v: v[:24] if isinstance(v, str) else "",
)
def test_programs_that_no_writer_makes(tmp_path: Path, program: bytes, words: str) -> None:
    with pytest.raises(DataError, match=words):
        read_arrays(in_file(tmp_path, program))
    again = read_arrays(in_file(tmp_path, pickle.dumps(b"still", 2)))  # by the same stand-ins
    assert again == b"still"


def test_damaged_files(tmp_path: Path) -> None:
    whole = pickle.dumps([np.arange(3.0), "a"])
    end = max(place for _, _, place in pickletools.genops(whole) if place is not None)
    for size in range(end + 1):
        with pytest.raises(DataError, match=r"this is not a whole pickle of arrays \(.+\)\. Get it again\.$"):
            read_arrays(in_file(tmp_path, whole[:size]))
    with pytest.raises(FileError, match="there is no such file"):
        read_arrays(tmp_path / "none.pkl")


def peak(path: Path) -> int:
    """The most memory that reading takes, whatever comes of it."""
    tracemalloc.start()
    try:
        read_arrays(path)
    except DataError:
        pass
    finally:
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return most


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02Nr\xff\xff\xff\x7f.",
        b"Np999999999999\n.",
        b"\x80\x05\x96" + (10**9).to_bytes(8, "little") + b"x.",
        b"\x80\x05\x8e" + (10**12).to_bytes(8, "little") + b"x.",
        b"\x80\x05\x95" + (10**12).to_bytes(8, "little") + b"N.",
    ],
    ids=["memo", "memo as text", "bytearray", "bytes", "frame"],
)
def test_sizes_that_are_announced_take_no_memory(tmp_path: Path, content: bytes) -> None:
    assert peak(in_file(tmp_path, content)) < 1 << 21  # of which half is a buffer


def test_an_array_of_bytes_that_can_be_written(tmp_path: Path) -> None:
    """Protocol 5 has them for arrays that are not read-only; one that is cut off is not whole."""
    content = pickle.dumps(np.arange(5.0), 5)
    assert b"\x96" in content
    np.testing.assert_array_equal(read_arrays(in_file(tmp_path, content)), np.arange(5.0))


DOUBLED = b")" + b"2\x86" * 60  # (), ((), ()), …: 2⁶⁰ of them, of which Python would make a hash


@pytest.mark.parametrize(
    ("program", "words"),
    [
        (b"}" + DOUBLED + b"Ns.", "a dict with keys"),
        (b"}(" + DOUBLED + b"Nu.", "a dict with keys"),
        (b"(" + DOUBLED + b"Nd.", "a dict with keys"),
        (b"\x8f(" + DOUBLED + b"\x90.", "a set, or an object"),
        (b"(" + DOUBLED + b"\x91.", "a set, or an object"),
    ],
    ids=["setitem", "setitems", "dict", "additems", "frozenset"],
)
def test_tuples_within_tuples_are_never_hashed(tmp_path: Path, program: bytes, words: str) -> None:
    with pytest.raises(DataError, match=f"the pickle holds {words}"):
        read_arrays(in_file(tmp_path, b"\x80\x04" + program))


def test_numbers_that_collide_are_no_keys(tmp_path: Path) -> None:
    """Multiples of 2⁶¹ − 1 have all one hash, so that each would be compared with all before."""
    for sign in (1, -1):
        path = in_file(tmp_path, pickle.dumps({sign * i * (2**61 - 1): None for i in range(1, 4)}))
        with pytest.raises(DataError, match="a dict with keys that are neither numbers nor text"):
            read_arrays(path)
    value = {-(2**59): 1, 2.5: 2, True: 3, None: 4, "a": 5, b"a": 6}
    assert read_arrays(in_file(tmp_path, pickle.dumps(value))) == value


@pytest.mark.parametrize("times", [50, 5000])
def test_the_same_bytes_are_not_copied_without_end(tmp_path: Path, times: int) -> None:
    """A megabyte that stands in the file once, and an array of it, or Python 2's bytes, thousands of times."""
    size = 1 << 20
    state = b"(K\x01J" + size.to_bytes(4, "little") + b"\x85h\x01\x89h\x02tb"
    dtype = b"cnumpy\ndtype\n(X\x02\x00\x00\x00u1\x89\x88tR\x94"
    raw = b"B" + size.to_bytes(4, "little") + bytes(size) + b"\x94"
    arrays = b"\x80\x04N\x94(" + dtype + raw + (PENDING + state) * times + b"l."
    text = b"X" + size.to_bytes(4, "little") + b"a" * size + b"\x94"
    encoded = b"\x80\x04(" + text + b"c_codecs\nencode\n(h\x00X\x06\x00\x00\x00latin1tR" * times + b"l."
    for content in (arrays, encoded):
        path = in_file(tmp_path, content)
        with pytest.raises(DataError, match="its arrays are larger than the file"):
            read_arrays(path)
        assert peak(path) < 16 * size
