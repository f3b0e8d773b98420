"""The IDX reader, against files put together by struct, byte by byte."""

import gzip
import struct
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from clearprop.data import read_idx
from clearprop.errors import ClearpropError, DataError, FileError

TYPES = {0x08: "B", 0x09: "b", 0x0B: "h", 0x0C: "i", 0x0D: "f", 0x0E: "d"}
NAMES = {0x08: "uint8", 0x09: "int8", 0x0B: "int16", 0x0C: "int32", 0x0D: "float32", 0x0E: "float64"}


def idx_bytes(code: int, shape: tuple[int, ...], values: list[int]) -> bytes:
    header = struct.pack(">HBB", 0, code, len(shape)) + struct.pack(f">{len(shape)}I", *shape)
    return header + struct.pack(f">{len(values)}{TYPES[code]}", *values)


def in_file(tmp_path: Path, content: bytes, name: str = "images-idx") -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("code", TYPES)
@pytest.mark.parametrize("packed", [False, True])
def test_every_type_code(tmp_path: Path, code: int, packed: bool) -> None:
    content = idx_bytes(code, (2, 3), [0, 1, 2, 3, 100, 127])
    x = read_idx(in_file(tmp_path, gzip.compress(content) if packed else content))
    assert x.dtype.name == NAMES[code]
    assert x.dtype.isnative
    np.testing.assert_array_equal(x, [[0, 1, 2], [3, 100, 127]])
    x[0, 0] = 5  # the array is the caller's own


@pytest.mark.parametrize("shape", [(), (0,), (4, 0, 2), (1, 1, 1, 1, 1)])
def test_odd_shapes(tmp_path: Path, shape: tuple[int, ...]) -> None:
    x = read_idx(in_file(tmp_path, idx_bytes(8, shape, [7] * int(np.prod(shape)))))
    assert x.shape == shape


def test_negative_numbers_and_fractions(tmp_path: Path) -> None:
    content = struct.pack(">HBBI", 0, 0x0D, 1, 2) + struct.pack(">ff", -1.5, 0.25)
    np.testing.assert_array_equal(read_idx(in_file(tmp_path, content)), np.float32([-1.5, 0.25]))


def test_truncated(tmp_path: Path) -> None:
    content = idx_bytes(8, (5, 4), [1] * 20)[:-3]
    sentence = (
        r"images-idx: the header announces uint8 of shape \(5, 4\), 20 bytes, but only 17 follow it\. .*trunc"
    )
    with pytest.raises(DataError, match=sentence):
        read_idx(in_file(tmp_path, content))
    with pytest.raises(DataError, match="20 bytes, but only 17 follow it"):
        read_idx(in_file(tmp_path, gzip.compress(content)))


def test_overlong(tmp_path: Path) -> None:
    content = idx_bytes(0x0C, (5,), [1] * 7)
    with pytest.raises(DataError, match=r"announces int32 of shape \(5,\), 20 bytes, but 28 follow it"):
        read_idx(in_file(tmp_path, content))


def test_packed_file_cut_off(tmp_path: Path) -> None:
    content = gzip.compress(idx_bytes(8, (100,), list(range(100))))
    with pytest.raises(
        DataError, match=r"images-idx: the packed file is truncated or damaged .*Get it again"
    ):
        read_idx(in_file(tmp_path, content[:-20]))


@pytest.mark.parametrize(
    ("content", "got"),
    [
        (b"", "an empty file"),
        (b"PK\3\4rest", "50 4b 03 04"),
        (b"\0\0\7\1", "00 00 07 01"),
        (b"\0\0", "00 00"),
    ],
)
def test_wrong_magic(tmp_path: Path, content: bytes, got: str) -> None:
    with pytest.raises(DataError, match=rf"images-idx: this is not an IDX file\. Expected .*, got {got}\."):
        read_idx(in_file(tmp_path, content))


def test_header_cut_off(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected an IDX header of 16 bytes, got 9"):
        read_idx(in_file(tmp_path, b"\0\0\x08\x03" + b"\0\0\0\1\0"))


def test_a_false_size_allocates_nothing(tmp_path: Path) -> None:
    content = b"\0\0\x0e\x01" + b"\xff" * 4 + b"some"
    with pytest.raises(DataError, match=r"34,359,738,360 bytes, but only 4 follow it"):
        read_idx(in_file(tmp_path, content))
    with pytest.raises(DataError, match="which fits no memory"):
        read_idx(in_file(tmp_path, b"\0\0\x08\x03" + b"\0" * 4 + b"\xff" * 8))


def test_no_such_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"none: there is no such file\."):
        read_idx(tmp_path / "none")
    with pytest.raises(FileError, match="the file cannot be read"):
        read_idx(tmp_path)


@hypothesis_settings(max_examples=60, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=60),
        st.binary(max_size=40).map(lambda rest: b"\0\0\x08\x02" + rest),
        st.binary(max_size=40).map(lambda rest: b"\x1f\x8b\x08" + rest),
        st.binary(max_size=40).map(lambda rest: gzip.compress(b"\0\0\x0b\x01" + rest)),
    )
)
def test_arbitrary_bytes_raise_nothing_else(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = in_file(tmp_path_factory.getbasetemp(), content, "arbitrary-idx")
    with suppress(ClearpropError):
        read_idx(path)


@pytest.mark.data("mnist")
def test_mnist_itself(data_folder: Path) -> None:
    folder = data_folder / "mnist"
    images = read_idx(folder / "t10k-images-idx3-ubyte.gz")
    labels = read_idx(folder / "t10k-labels-idx1-ubyte.gz")
    with gzip.open(folder / "t10k-images-idx3-ubyte.gz") as file:
        raw = file.read()
    assert images.shape == (10000, 28, 28)
    assert images.tobytes() == raw[16:]
    assert labels[:5].tolist() == [7, 2, 1, 0, 4]
