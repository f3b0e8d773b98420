"""CIFAR-10: the reader against bytes put down one by one, and the archive in every form, whole and damaged."""

import gzip
import hashlib
import io
import lzma
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clearprop.data import SOURCES, Member, load, locate, read_cifar, verify
from clearprop.errors import DataError

RECORD = 3073
NAMES = ["data_batch_1.bin", "data_batch_2.bin", "test_batch.bin"]
ROWS = {"data_batch_1.bin": 3, "data_batch_2.bin": 2, "test_batch.bin": 4}

Contents = dict[str, bytes]
Put = Callable[[Contents], Path]


def batch(rows: int, seed: int) -> bytes:
    values = np.random.default_rng(seed).integers(0, 256, size=(rows, RECORD), dtype=np.uint8)
    values[:, 0] %= 10
    return values.tobytes()


GOOD = {name: batch(ROWS[name], seed) for seed, name in enumerate(NAMES)}


def tar_of(contents: Contents) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        folder = tarfile.TarInfo("cifar-10-batches-bin")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for name, content in {"batches.meta.txt": b"airplane\n", **contents}.items():
            entry = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The place of a small CIFAR-10, which the registry knows by these members."""
    members = tuple(Member(n, len(GOOD[n]), hashlib.sha1(GOOD[n]).hexdigest()) for n in NAMES)
    source = SOURCES["cifar-10"]
    small = replace(source, files=(replace(source.files[0], members=members),))
    monkeypatch.setitem(SOURCES, "cifar-10", small)
    monkeypatch.setenv("CLEARPROP_DATA", str(tmp_path))
    (tmp_path / "cifar-10").mkdir()
    return tmp_path / "cifar-10"


@pytest.fixture(params=["tar.gz", "tar.xz", "folder"])
def put(request: pytest.FixtureRequest, folder: Path) -> Put:
    """Lay members down in one of the forms."""

    def write(contents: Contents) -> Path:
        if request.param == "folder":
            place = folder / "cifar-10-batches-bin"
            place.mkdir()
            for name, content in contents.items():
                (place / name).write_bytes(content)
            return place
        pack = {"tar.gz": gzip.compress, "tar.xz": lzma.compress}[request.param]
        place = folder / f"cifar-10-binary.{request.param}"
        place.write_bytes(pack(tar_of(contents)))
        return place

    return write


# --- the reader ---


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_every_pixel_is_in_its_place(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    content = batch(3, seed=7)
    (tmp_path / "b.bin").write_bytes(pack(content))
    x, y = read_cifar(tmp_path / "b.bin")
    assert (x.shape, x.dtype, y.dtype) == ((3, 32, 32, 3), np.uint8, np.int64)
    assert x.flags.c_contiguous
    for n in range(3):
        assert y[n] == content[n * RECORD]
        for h, w, c in [(0, 0, 0), (0, 1, 0), (1, 0, 0), (0, 0, 1), (31, 30, 2), (17, 5, 1)]:
            assert x[n, h, w, c] == content[n * RECORD + 1 + c * 1024 + h * 32 + w]


@pytest.mark.parametrize("size", [0, 1, RECORD - 1, 2 * RECORD + 1])
def test_no_whole_number_of_records(tmp_path: Path, size: int) -> None:
    (tmp_path / "b.bin").write_bytes(bytes(size))
    with pytest.raises(DataError, match=rf"b.bin: expected records of 3,073 bytes, .* got {size:,} bytes"):
        read_cifar(tmp_path / "b.bin")


def test_a_label_that_is_none(tmp_path: Path) -> None:
    content = bytearray(3 * RECORD)
    content[RECORD] = 10
    (tmp_path / "b.bin").write_bytes(content)
    with pytest.raises(DataError, match=r"b.bin: expected labels from 0 to 9, got 10 in record 1, counted"):
        read_cifar(tmp_path / "b.bin")


# --- the data set ---


def test_load_in_every_form(put: Put, tmp_path: Path) -> None:
    place = put(GOOD | {"readme.html": b"more"})
    cifar = load("cifar-10")
    assert cifar.test is not None
    for part, names in ((cifar.train, NAMES[:2]), (cifar.test, NAMES[2:])):
        expected = []
        for name in names:
            (tmp_path / name).write_bytes(GOOD[name])
            expected.append(read_cifar(tmp_path / name))
        np.testing.assert_array_equal(
            part.x, np.concatenate([x for x, _ in expected]).astype(np.float32) / np.float32(255)
        )
        np.testing.assert_array_equal(part.y, np.concatenate([y for _, y in expected]))
        assert (part.x.dtype, part.y.dtype) == (np.float32, np.int64)
    assert cifar.image_shape == (32, 32, 3)
    assert cifar.class_names is not None
    assert (len(cifar.class_names), cifar.class_names[6]) == (10, "frog")
    assert "Krizhevsky" in cifar.note
    assert [status.state for status in verify("cifar-10")] == ["good"]
    assert locate("cifar-10") == [place]


def test_members_in_another_order(folder: Path) -> None:
    shuffled = {name: GOOD[name] for name in reversed(NAMES)}
    (folder / "cifar-10-binary.tar.gz").write_bytes(gzip.compress(tar_of(shuffled)))
    first = load("cifar-10").train.y[: ROWS[NAMES[0]]]
    assert first.tolist() == [GOOD[NAMES[0]][n * RECORD] for n in range(ROWS[NAMES[0]])]


def altered(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


@pytest.mark.parametrize(
    ("contents", "sentence"),
    [
        (
            GOOD | {"data_batch_2.bin": altered(GOOD["data_batch_2.bin"])},
            r", data_batch_2\.bin: the file is altered\. Expected SHA-1 [0-9a-f]{40}, got [0-9a-f]{40}\.",
        ),
        (
            GOOD | {"test_batch.bin": GOOD["test_batch.bin"][:-5]},
            r", test_batch\.bin: the file is not as published\. Expected 12,292 bytes, got 12,287\.",
        ),
        (
            GOOD | {"test_batch.bin": GOOD["test_batch.bin"] + b"12345"},
            r", test_batch\.bin: the file is not as published\. Expected 12,292 bytes, got 12,297\.",
        ),
        (
            {name: GOOD[name] for name in NAMES[1:]},
            r": expected data_batch_1\.bin, data_batch_2\.bin, test_batch\.bin in it; there is no data_batch_1\.bin\.",
        ),
    ],
)
def test_members_that_are_not_as_published(put: Put, contents: Contents, sentence: str) -> None:
    place = put(contents)
    assert [status.state for status in verify("cifar-10")] == ["altered"]
    whole = rf"{place.name}{sentence} Run `clearprop data fetch cifar-10`, or let CLEARPROP_DATA"
    for get in (load, locate):
        with pytest.raises(DataError, match=whole):
            get("cifar-10")


@pytest.mark.parametrize(
    ("ending", "pack", "sentence"),
    [
        ("gz", gzip.compress, r"cifar-10-binary\.tar\.gz: the packed file is truncated or damaged"),
        ("xz", lzma.compress, r"cifar-10-binary\.tar\.xz: the packed file is truncated or damaged"),
        ("gz", bytes, r"cifar-10-binary\.tar\.gz.*(not a whole tar|not as published|there is no test_batch)"),
    ],
)
def test_archives_that_are_cut_off(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    ending: str,
    pack: Callable[[bytes], bytes],
    sentence: str,
) -> None:
    monkeypatch.setattr("clearprop.data.archive.CHUNK", 1024)  # so that the end comes within a member
    whole = pack(tar_of(GOOD))
    for length in (len(whole) // 10, len(whole) // 2, 6 * len(whole) // 10):
        (folder / f"cifar-10-binary.tar.{ending}").write_bytes(whole[:length])
        with pytest.raises(DataError, match=sentence):
            load("cifar-10")


@pytest.mark.parametrize(
    "content",
    [b"", b"no archive at all" * 100, gzip.compress(b"text" * 1000)],
    ids=["nothing", "text", "packed text"],
)
def test_what_is_no_archive(folder: Path, content: bytes) -> None:
    (folder / "cifar-10-binary.tar.gz").write_bytes(content)
    with pytest.raises(
        DataError, match=r"tar\.gz: this is not a whole tar archive \(.*\)\. Get it again\. Run"
    ):
        load("cifar-10")


def test_nothing_there(folder: Path) -> None:
    sentence = (
        r"cifar-10-binary\.tar\.gz: there is no such file\. Run `clearprop data fetch cifar-10`, or let "
        r"CLEARPROP_DATA name the folder that holds cifar-10/cifar-10-binary\.tar\.gz\."
    )
    assert [status.state for status in verify("cifar-10")] == ["missing"]
    for get in (load, locate):
        with pytest.raises(DataError, match=sentence):
            get("cifar-10")


@pytest.mark.data("cifar-10")
def test_cifar_itself() -> None:
    cifar = load("cifar-10")
    assert cifar.test is not None
    assert (cifar.train.x.shape, cifar.test.x.shape) == ((50000, 32, 32, 3), (10000, 32, 32, 3))
    assert np.bincount(cifar.train.y).tolist() == [5000] * 10
    assert np.bincount(cifar.test.y).tolist() == [1000] * 10
    assert cifar.train.y[:5].tolist() == [6, 9, 9, 4, 1]
    assert (cifar.train.x.min(), cifar.train.x.max()) == (0, 1)
    # the channels' means as everybody quotes them
    means = cifar.train.x.mean(axis=(0, 1, 2), dtype=np.float64)
    np.testing.assert_allclose(means, [0.4914, 0.4822, 0.4465], atol=2e-4)
