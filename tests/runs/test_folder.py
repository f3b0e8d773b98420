"""A run's folder: its name, and that nothing of an old run is lost by chance."""

from pathlib import Path

import pytest

from clearprop.errors import ConfigError, DataError, FileError
from clearprop.runs.folder import RunFolder, all_runs, find_run, new_folder


def a_run(path: Path) -> Path:
    path.mkdir(parents=True)
    (path / "config.toml").write_text("seed = 0\n")
    return path


def test_a_taken_name_gets_a_number(tmp_path: Path) -> None:
    names = [new_folder(tmp_path / "deep" / "experiments", "iris").name for _ in range(3)]
    assert names == ["iris", "iris-2", "iris-3"]
    (tmp_path / "deep" / "experiments" / "note").write_text("a file takes its name, too")
    assert new_folder(tmp_path / "deep" / "experiments", "note").name == "note-2"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc", "..\\x", "a\0b"])
def test_a_name_that_is_no_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="run name: expected a plain name such as iris-2, got"):
        new_folder(tmp_path / "experiments", name)
    assert not (tmp_path / "experiments").exists()


def test_overwriting_gives_the_folder_and_removes_nothing_yet(tmp_path: Path) -> None:
    path = a_run(tmp_path / "iris")
    run = new_folder(tmp_path, "iris", overwrite=True)
    assert run.path == path
    assert (path / "config.toml").is_file()
    assert new_folder(tmp_path, "new", overwrite=True).name == "new"


def test_what_is_no_run_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work")
    with pytest.raises(ConfigError, match=r"thesis: holds no clearprop run, so it is not overwritten"):
        new_folder(tmp_path, "thesis", overwrite=True)
    assert (tmp_path / "thesis" / "chapter.tex").read_text() == "years of work"


def test_clear_follows_no_links(tmp_path: Path) -> None:
    path, elsewhere = a_run(tmp_path / "iris"), a_run(tmp_path / "elsewhere")
    (path / "checkpoints").mkdir()
    (path / "checkpoints" / "x").write_text("x")
    (path / "link").symlink_to(elsewhere)
    RunFolder(path).clear()
    assert list(path.iterdir()) == []
    assert (elsewhere / "config.toml").is_file()


def test_only_an_empty_folder_is_removed(tmp_path: Path) -> None:
    run = RunFolder(a_run(tmp_path / "iris"))
    run.remove_if_empty()
    assert run.config.is_file()
    run.clear()
    run.remove_if_empty()
    assert not run.path.exists()


def test_a_run_is_found_by_name_and_by_path(tmp_path: Path) -> None:
    path = a_run(tmp_path / "experiments" / "iris")
    swept = a_run(tmp_path / "experiments" / "sweep" / "lr=0.1")
    found = [find_run(tmp_path / "experiments", name).path for name in ("iris", str(path), "sweep/lr=0.1")]
    assert found == [path, path, swept]
    assert [run.path for run in all_runs(tmp_path / "experiments")] == [path, swept]


def test_a_run_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"no run 'iris' in .*There are none yet: clearprop train iris makes one"
    ):
        find_run(tmp_path, "iris")
    a_run(tmp_path / "iris")
    a_run(tmp_path / "alone" / "lr=0.1")
    for rate in (0.1, 0.2):
        a_run(tmp_path / "rates" / f"lr={rate}")
    RunFolder(tmp_path / "rates").sweep.touch()
    words = r"no run 'irs' in .*Did you mean 'iris'\? There are: alone/lr=0.1, iris, rates\.$"
    with pytest.raises(ConfigError, match=words):
        find_run(tmp_path, "irs")


def test_what_the_command_line_calls_a_run(tmp_path: Path) -> None:
    assert RunFolder(Path("experiments/iris")).handle == "iris"
    assert RunFolder(Path("experiments/sweep/lr=0.1")).handle == "experiments/sweep/lr=0.1"
    assert RunFolder(Path("my runs/iris")).handle == "'my runs/iris'"


@pytest.mark.parametrize("folder", ["file", "file/below"])
def test_a_place_below_a_file(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match=r"the folder could not be made .* Choose a folder"):
        new_folder(tmp_path / folder, "iris")


def test_a_place_where_nobody_may_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, *args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(FileError, match=r"Permission denied.*Choose a folder that you may write to"):
        new_folder(tmp_path / "experiments", "iris")
    with monkeypatch.context() as patch:
        patch.setattr("clearprop.runs.folder.make_folder", lambda path: path)
        with pytest.raises(
            FileError, match=r"iris: the run's folder could not be made \(Permission denied\)"
        ):
            new_folder(tmp_path, "iris")


def test_an_old_run_that_cannot_be_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, *args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    run = RunFolder(a_run(tmp_path / "iris"))
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(FileError, match=r"iris: the old run could not be removed \(Permission denied\)"):
        run.clear()


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        (None, FileError, "summary.json: could not be read .*The run may not have got that far"),
        ("", DataError, "summary.json: not valid JSON"),
        ('{"status": "fin', DataError, "summary.json: not valid JSON"),
        ('"text"', DataError, "summary.json: not as clearprop wrote it"),
    ],
)
def test_a_damaged_summary(tmp_path: Path, content: str | None, error: type[Exception], words: str) -> None:
    run = RunFolder(tmp_path)
    if content is not None:
        run.summary.write_text(content)
    with pytest.raises(error, match=words):
        run.read_summary()


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "{}",
        '{"scale": "minmax", "scaling": {"shift": [1]}, "class_names": null, "feature_names": null}',
    ],
)
def test_damaged_preprocessing(tmp_path: Path, content: str) -> None:
    run = RunFolder(tmp_path)
    run.preprocessing.write_text(content)
    with pytest.raises(DataError, match=r"preprocessing.json: not as clearprop wrote it"):
        run.read_preprocessing()
