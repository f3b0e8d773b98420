"""`clearprop explain`: a preset before training, a run after it, in four forms; nothing of them changes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from clearprop.lens.document.as_text import columns

BATCH_NORM = '{ type = "Dense", units = 6 }, { type = "BatchNorm" }, { type = "Activation", name = "relu" },'


def files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_file_before_training(clearprop: Callable, small: Path) -> None:
    said = clearprop("explain", small, "--example", "2").out
    assert said.startswith("small, before training: one training step on example 2\n=====")
    assert max(columns(line) for line in said.splitlines()) <= 80
    for words in (
        "Layer 0, Dense(10)", "Layer 2, Dropout(0.2)", "y = x ⊙ m", "Softmax cross entropy",
        "Back through layer 0, Dense(10)", "Adam", "The network itself has not changed.",
    ):  # fmt: skip
        assert words in " ".join(said.split())
    assert not Path("experiments").exists()
    assert clearprop("explain", small, "--example", "2").out == said
    assert clearprop("explain", small, "--example", "3").out != said


def test_a_preset_by_its_name(clearprop: Callable) -> None:
    said = clearprop("explain", "iris", "--unit", "2").out
    assert said.startswith("iris, before training")
    assert "clipping by norm" in said.lower()
    assert "y[0,2] = " in said


def test_a_run_after_training(clearprop: Callable, small: Path, home: Path) -> None:
    clearprop("train", small, "--name", "iris")
    before = files(home / "experiments")
    said = clearprop("explain", "iris").out
    assert said.startswith(
        "The run experiments/iris: one training step on example 0"
    )  # not the preset of the name
    assert said.partition("Forward")[2] != clearprop("explain", small).out.partition("Forward")[2]
    assert files(home / "experiments") == before
    clearprop("explain", "experiments/iris", "--out", "run.html")
    assert "The run experiments/iris" in Path("run.html").read_text(encoding="utf-8")


def test_its_forms(clearprop: Callable, small: Path) -> None:
    starts = {
        "markdown": "# small, before",
        "latex": "\\documentclass",
        "html": "<!DOCTYPE html>",
        "text": "small, before",
    }
    for form, start in starts.items():
        assert clearprop("explain", small, "--format", form).out.startswith(start)
    for name, form in (("a.md", "markdown"), ("a.tex", "latex"), ("a.html", "html"), ("a.txt", "text")):
        assert clearprop("explain", small, "--out", name).out == f"{name}\n"
        assert Path(name).read_text(encoding="utf-8").startswith(starts[form])
    clearprop("explain", small, "--out", "b.md", "--format", "text")
    assert Path("b.md").read_text(encoding="utf-8").startswith(starts["text"])


def test_batch_norm_gets_a_mini_batch(clearprop: Callable, small: Path) -> None:
    text = small.read_text()
    small.write_text(text.replace('{ type = "Dense", units = 10, activation = "relu" },', BATCH_NORM))
    said = " ".join(clearprop("explain", small, "--example", "100").out.split())
    assert "one training step on example 100 and the 7 after it, for batch norm's statistics" in said
    assert "the mean of each channel's 8 numbers" in said


def test_a_large_network_is_cut_with_a_note(clearprop: Callable, small: Path) -> None:
    small.write_text(small.read_text().replace("units = 10", "units = 300"))
    said = clearprop("explain", small).out
    assert "Arrays of more than 100 numbers are cut" in said
    assert len(said.splitlines()) < 320


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("irsi",), "unknown run or preset 'irsi'. Did you mean 'iris'?"),
        (("iris", "--example", "105"), "expected --example from 0 to 104, a row of the training part, got 105."),
        (("iris", "--example", "-1"), "expected --example from 0 to 104, a row of the training part, got -1."),
        (("iris", "--unit", "-1"), "trace: expected unit"),
        (("iris", "--out", "none/a.html"), "Make its folder first."),
        (("missing.toml",), "missing.toml: the configuration could not be read"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_a_sentence(clearprop: Callable, words: tuple[str, ...], sentence: str) -> None:
    found = clearprop("explain", *words, code=2)
    assert sentence in found.err
    assert "Traceback" not in found.err
    assert found.out == ""


def test_a_run_without_weights_is_a_sentence(clearprop: Callable, small: Path, home: Path) -> None:
    clearprop("train", small, "--name", "iris")
    (home / "experiments/iris/weights.safetensors").unlink()
    assert "has no weights yet" in clearprop("explain", "iris", code=2).err
