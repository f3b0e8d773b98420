"""Files are written whole or not at all."""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

import pytest

from clearprop.errors import FileError
from clearprop.files import make_folder, replace_file


def full_disk(file: BinaryIO) -> None:
    file.write(b"the first half")
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_replaces_the_whole_file_and_leaves_nothing_beside(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"old, and longer")
    replace_file(path, lambda file: file.write(b"new"))
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["weights"]


def test_a_new_file_has_the_rights_that_open_gives(tmp_path: Path) -> None:
    replace_file(tmp_path / "ours", lambda file: file.write(b"x"))
    (tmp_path / "plain").write_bytes(b"x")
    assert stat.S_IMODE((tmp_path / "ours").stat().st_mode) == stat.S_IMODE(
        (tmp_path / "plain").stat().st_mode
    )


def test_the_old_file_is_there_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"old")

    def write(file: BinaryIO) -> None:
        file.write(b"half of the new")
        file.flush()
        assert path.read_bytes() == b"old"

    replace_file(path, write)
    assert path.read_bytes() == b"half of the new"


def test_full_disk_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"old")
    sentence = r"weights: could not be written, the file there is as it was \(No space left.*Free some space"
    with pytest.raises(FileError, match=sentence):
        replace_file(path, full_disk)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["weights"]


def test_full_disk_at_the_flush_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "weights"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(FileError, match="No space left on device"):
        replace_file(path, lambda file: file.write(b"new"))
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["weights"]


def test_without_an_old_file_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="could not be written, nothing is left of it"):
        replace_file(tmp_path / "weights", full_disk)
    assert os.listdir(tmp_path) == []


def test_other_errors_and_ctrl_c_pass_and_clean_up(tmp_path: Path) -> None:
    def interrupted(file: BinaryIO) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replace_file(tmp_path / "weights", interrupted)
    assert os.listdir(tmp_path) == []


def test_a_pipe_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(path := tmp_path / "pipe")
    with pytest.raises(FileError, match="pipe: expected a file or nothing there, got a device or a pipe"):
        replace_file(path, lambda file: file.write(b"new"))
    assert path.is_fifo()
    assert [p.name for p in tmp_path.iterdir()] == ["pipe"]


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"No such file or directory\)\. Make its folder first\."):
        replace_file(tmp_path / "none" / "weights", lambda file: file.write(b"x"))


def test_a_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(FileError, match="a part of this path is a file"):
        replace_file(tmp_path / "file" / "weights", lambda file: file.write(b"x"))
    with pytest.raises(FileError, match=r"the folder could not be made \(.*a part of this path is a file"):
        make_folder(tmp_path / "file" / "runs")


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS])
def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Path, "open", refuse)
    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(FileError, match=r"Choose a folder that you may write to\."):
        replace_file(tmp_path / "weights", lambda file: file.write(b"x"))
    with pytest.raises(FileError, match=r"could not be made .* Choose a folder that you may write to\."):
        make_folder(tmp_path / "runs")


def test_make_folder_makes_those_above_and_minds_no_old_one(tmp_path: Path) -> None:
    assert make_folder(tmp_path / "a" / "b").is_dir()
    assert make_folder(tmp_path / "a" / "b").is_dir()
