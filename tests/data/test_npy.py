"""`.npy` and `.npz`, against what NumPy writes, and against files that NumPy would not write."""

import io
import pickle
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from clearprop.data import read_npy, read_npz
from clearprop.errors import ClearpropError, DataError


def npy_bytes(array: np.ndarray, **settings: bool) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **settings)
    return file.getvalue()


def in_file(tmp_path: Path, content: bytes, name: str) -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


ARRAYS = [
    np.arange(12, dtype=np.float32).reshape(3, 4),
    np.asfortranarray(np.arange(24.0).reshape(2, 3, 4)),
    np.array([True, False]),
    np.array(["setosa", "virginica"]),
    np.array([1, -2], dtype=">i4"),
    np.zeros((3, 0)),
    np.array(2.5),
    np.random.default_rng(0).normal(size=(90, 100)),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: f"{a.dtype}{a.shape}")
def test_reads_what_numpy_writes(tmp_path: Path, array: np.ndarray) -> None:
    found = read_npy(in_file(tmp_path, npy_bytes(array), "a.npy"))
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz(tmp_path: Path, save: object) -> None:
    save(tmp_path / "a.npz", **{f"a{k}": array for k, array in enumerate(ARRAYS)})  # type: ignore[operator]
    found = read_npz(tmp_path / "a.npz")
    assert list(found) == [f"a{k}" for k in range(len(ARRAYS))]
    for array, expected in zip(found.values(), ARRAYS, strict=True):
        np.testing.assert_array_equal(array, expected)


def test_version_2_header(tmp_path: Path) -> None:
    file = io.BytesIO()
    np.lib.format.write_array(file, np.arange(3.0), version=(2, 0))
    np.testing.assert_array_equal(read_npy(in_file(tmp_path, file.getvalue(), "a.npy")), [0, 1, 2])


class Trap:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, (Path("sprung"),))  # type: ignore[return-value]


def test_pickled_objects_are_never_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    content = npy_bytes(np.array([Trap()], dtype=object), allow_pickle=True)
    with pytest.raises(
        DataError, match=r"a.npy: expected plain numbers, got pickled Python objects, which could"
    ):
        read_npy(in_file(tmp_path, content, "a.npy"))
    np.savez(tmp_path / "a.npz", x=np.array([Trap()], dtype=object))
    with pytest.raises(DataError, match=r"a.npz, array 'x': expected plain numbers, got pickled"):
        read_npz(tmp_path / "a.npz")
    with pytest.raises(DataError, match=r"b.npy: this is not an \.npy array"):
        read_npy(in_file(tmp_path, pickle.dumps(Trap()), "b.npy"))
    assert not (tmp_path / "sprung").exists()


def test_truncated(tmp_path: Path) -> None:
    content = npy_bytes(np.arange(6.0).reshape(2, 3))
    sentence = r"a.npy: the header announces float64 of shape \(2, 3\), 48 bytes, but only 43 follow it"
    with pytest.raises(DataError, match=sentence):
        read_npy(in_file(tmp_path, content[:-5], "a.npy"))
    for size in (0, 5, 20):
        with pytest.raises(
            DataError, match=r"a.npy: this is not an \.npy array .* Save it again with np.save\."
        ):
            read_npy(in_file(tmp_path, content[:size], "a.npy"))


@pytest.mark.parametrize("shape", [(10**12,), (-4,), (1,) * 80, (2**62, 2**62)])
def test_false_shapes_allocate_nothing(tmp_path: Path, shape: tuple[int, ...]) -> None:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": shape})
    with pytest.raises(DataError, match=r"a\.npy: "):
        read_npy(in_file(tmp_path, file.getvalue() + b"12345678", "a.npy"))


def test_version_3_is_refused(tmp_path: Path) -> None:
    content = b"\x93NUMPY\x03\x00" + b"\x10\x00\x00\x00" + b"{}" + b" " * 14
    with pytest.raises(DataError, match=r"format version 3\.0, expected 1\.0 or 2\.0"):
        read_npy(in_file(tmp_path, content, "a.npy"))


def test_npz_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"a.npz: this is not a whole \.npz file .* Save it again with np.savez"
    ):
        read_npz(in_file(tmp_path, b"no zip at all", "a.npz"))
    np.savez(tmp_path / "b.npz", x=np.arange(1000.0))
    whole = (tmp_path / "b.npz").read_bytes()
    with pytest.raises(DataError, match=r"b.npz: this is not a whole"):
        read_npz(in_file(tmp_path, whole[:500], "b.npz"))


def test_npz_with_an_altered_member(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.arange(1000.0))
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[2000] ^= 1
    with pytest.raises(DataError, match=r"this is not a whole .*CRC"):
        read_npz(in_file(tmp_path, bytes(content), "a.npz"))


def test_npz_with_something_else_inside(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(DataError, match=r"a.npz, array 'readme.txt': this is not an \.npy array"):
        read_npz(tmp_path / "a.npz")


HEAD = npy_bytes(np.arange(3.0))


@hypothesis_settings(max_examples=80, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=60),
        st.binary(max_size=40).map(lambda rest: b"\x93NUMPY\x01\x00\x28\x00" + rest),
        st.text(alphabet="{}()[]'descr:<f8,shape0129 \\-LTrue\n", min_size=20, max_size=40).map(
            lambda text: b"\x93NUMPY\x01\x00" + bytes([len(text), 0]) + text.encode()
        ),
        st.tuples(st.integers(0, len(HEAD) - 1), st.integers(0, 255)).map(
            lambda change: HEAD[: change[0]] + bytes([change[1]]) + HEAD[change[0] + 1 :]
        ),
    )
)
def test_arbitrary_bytes_raise_nothing_else(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = in_file(tmp_path_factory.getbasetemp(), content, "arbitrary.npy")
    for read in (read_npy, read_npz):
        with suppress(ClearpropError):
            read(path)


@hypothesis_settings(max_examples=60, deadline=None)
@given(st.data())
def test_altered_zips_raise_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    file = io.BytesIO()
    np.savez_compressed(file, x=np.arange(30.0), y=np.arange(3))
    content = bytearray(file.getvalue())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = in_file(tmp_path_factory.getbasetemp(), bytes(content), "arbitrary.npz")
    with suppress(ClearpropError):
        read_npz(path)


@pytest.mark.data("iris/cs189/iris_train_data.npy")
def test_iris_as_one_course_ships_it(data_folder: Path) -> None:
    path = data_folder / "iris/cs189/iris_train_data.npy"
    np.testing.assert_array_equal(read_npy(path), np.load(path, allow_pickle=False))
