"""Bad input on the command line: a sentence on standard error, exit code 2, and nothing left or lost."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Clearprop = Callable[..., Any]


def nothing_left(home: Path) -> bool:
    return not list(home.glob("experiments/*"))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["irs"], "train: unknown preset 'irs'. Did you mean 'iris'? Known: cifar10-cnn, "),
        (["IRIS"], "train: unknown preset 'IRIS'. Did you mean 'iris'?"),
        ([], "train: expected a preset or a TOML file, such as: clearprop train iris"),
        (["gone.toml"], "gone.toml: the configuration could not be read (No such file or directory)."),
        (["note.txt"], "note.txt: expected a configuration whose name ends in .toml, or a preset's name."),
        (["broken.toml"], "broken.toml: not valid TOML: "),
        (["iris", "--set", "training.epoch=3"], "iris: unknown key 'training.epoch'. Did you mean 'epochs'?"),
        (["iris", "--set", "optimizer.lr"], "--set: expected KEY=VALUE such as optimizer.lr=0.01, got 'optimizer.lr'."),
        (["iris", "--set", "model.layers.9.units=3"], "expected a number from 0 to 1 in place of '9'."),
        (["iris", "--name", "a/b"], "run name: expected a plain name such as iris-2, got 'a/b'."),
        (["iris", "--name", ".."], "run name: expected a plain name such as iris-2, got '..'."),
        (["iris", "--set", "data.name=irs"], "data: unknown data set 'irs'. Did you mean 'iris'?"),
        (["iris", "--set", "data.file=x.csv"], "iris: data: expected either name, a known data set, or file, a path"),
        (["iris", "--set", "data.test=0.95"], "data: expected validation and test to leave rows for training"),
        (["iris", "--set", "model.layers.1.units=2"], "expected labels from 0 to 1, got 2"),
        (["iris", "--set", "loss=squared_error"], "squared_error predicts numbers, and the labels are names"),
        (["mnist-mlp"], "there is no such file"),
        (["iris-sweep", "--set", 'sweep={"optimizer.lr" = [0.1, 0]}'], "sweep, lr=0: "),
        (["own.toml"], "flowers.csv, line 2: expected 3 cells as in the first line, got 2. Mend or delete this line."),
    ],
)  # fmt: skip
def test_train(clearprop: Clearprop, home: Path, words: list[str], sentence: str) -> None:
    (home / "note.txt").write_text("seed = 1")
    (home / "broken.toml").write_text("seed = 1\n[data\n")
    (home / "flowers.csv").write_text("1,2,a\n1,b\n")
    (home / "own.toml").write_text(
        '[data]\nfile = "flowers.csv"\n[model]\nlayers = [{type = "Dense", units = 2}]\n'
        "[training]\nepochs = 1\nbatch_size = 1\n"
    )
    result = clearprop("train", *words, code=2)
    assert result.err.startswith("error: ")
    assert sentence in result.err
    assert "Traceback" not in result.err
    assert result.out == ""
    assert nothing_left(home)


def test_the_line_of_broken_toml(clearprop: Clearprop, home: Path) -> None:
    (home / "broken.toml").write_text("seed = 1\n\n[data\n")
    assert "line 3" in clearprop("train", "broken.toml", code=2).err


@pytest.mark.parametrize("words", [["--seed", "-1"], ["--seed", "x"], ["--workers", "0"], ["--epochs", "3"]])
def test_options_that_typer_refuses(clearprop: Clearprop, home: Path, words: list[str]) -> None:
    assert "Usage: clearprop train" in clearprop("train", "iris", *words, code=2).err
    assert nothing_left(home)


@pytest.mark.parametrize("folder", ["file", "file/below"])
def test_a_folder_that_cannot_be_written(clearprop: Clearprop, home: Path, folder: str) -> None:
    (home / "file").write_text("kept")
    err = clearprop("train", "iris", "--folder", folder, code=2).err
    assert f"{folder}: the folder could not be made" in err
    assert "Choose a folder" in err
    assert (home / "file").read_text() == "kept"


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="/proc is Linux's")
def test_a_folder_that_the_system_keeps_for_itself(clearprop: Clearprop) -> None:
    assert "the folder could not be made" in clearprop("train", "iris", "--folder", "/proc/runs", code=2).err


def test_a_refused_start_leaves_the_old_run(clearprop: Clearprop, small: Path, home: Path) -> None:
    clearprop("train", small)
    before = {path: path.read_bytes() for path in (home / "experiments").rglob("*") if path.is_file()}
    for change in ("data.name=mnist", "model.layers.2.units=2", "optimizer.lr=0", "training.best_weights=x"):
        clearprop("train", small, "--overwrite", "--set", change, code=2)
        clearprop("train", small, "--set", change, code=2)
    (home / "experiments" / "thesis").mkdir()
    (home / "experiments" / "thesis" / "chapter.tex").write_text("")
    err = clearprop("train", small, "--overwrite", "--name", "thesis", code=2).err
    assert "holds no clearprop run, so it is not overwritten. Choose another --name." in err
    (home / "experiments" / "thesis" / "chapter.tex").unlink()
    (home / "experiments" / "thesis").rmdir()
    assert {path: path.read_bytes() for path in (home / "experiments").rglob("*") if path.is_file()} == before
    assert [path.name for path in (home / "experiments").iterdir()] == ["small"]


def test_brackets_in_a_message_are_shown(clearprop: Clearprop) -> None:
    err = clearprop("train", "iris", "--set", "model.layers.0.units=[red]", code=2).err
    assert "[red]" in err
    assert "\\" not in err
