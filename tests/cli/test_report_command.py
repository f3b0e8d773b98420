"""`clearprop report` and `clearprop compare`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Clearprop = Callable[..., Any]


@pytest.fixture
def two(clearprop: Clearprop, small: Path, home: Path) -> Path:
    clearprop("train", small)
    clearprop("train", small, "--name", "slow", "--set", "optimizer.lr=0.0001")
    return home / "experiments"


def accuracy(run: Path, part: str) -> str:
    return f"{json.loads((run / 'summary.json').read_text())[part]['accuracy']:.4f}"


def test_a_report_lies_in_the_runs_folder_and_is_written_anew(clearprop: Clearprop, two: Path) -> None:
    first = clearprop("report", "small").out
    assert first.startswith("experiments/small/report.html: written, ")
    text = (two / "small" / "report.html").read_text()
    assert "Iris" not in text
    assert "run small" in text
    assert accuracy(two / "small", "test") in text
    assert clearprop("report", "small").out.startswith("experiments/small/report.html: replaced, ")


def test_a_report_of_two_runs(clearprop: Clearprop, two: Path, home: Path) -> None:
    assert clearprop("report", "small", "slow").out.startswith("report.html: written, ")
    assert "2 runs compared" in (home / "report.html").read_text()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["smal"], "no run 'smal' in experiments. Did you mean 'small'? There are: slow, small."),
        (["small", "slo"], "no run 'slo' in experiments. Did you mean 'slow'?"),
        (
            ["small", "--out", "page.txt"],
            "--out page.txt: expected a name that ends in .html. Write page.txt.html.",
        ),
        (["small", "--out", "own.html"], "--out own.html: what lies there is no clearprop report"),
        (
            ["small", "--out", "gone/own.html"],
            "--out gone/own.html: its folder does not exist. Make it first.",
        ),
    ],
)
def test_what_is_refused(
    clearprop: Clearprop, two: Path, home: Path, words: list[str], sentence: str
) -> None:
    (home / "own.html").write_text("my own")
    result = clearprop("report", *words, code=2)
    assert sentence in result.err
    assert result.out == ""
    assert (home / "own.html").read_text() == "my own"
    assert not list(home.glob("**/report.html"))


def test_the_comparison(clearprop: Clearprop, two: Path) -> None:
    out = clearprop("compare", "small", "slow").out
    assert max(map(len, out.splitlines())) <= 80
    first = next(line for line in out.splitlines() if line.split()[:1] == ["small"])
    assert first.split()[1] == "0.01"
    assert accuracy(two / "small", "train") in out
    assert out.endswith("* is the best of its column.\n")
    loss = {
        name: json.loads((two / name / "summary.json").read_text())["train"]["loss"]
        for name in ("small", "slow")
    }
    better = min(loss, key=lambda name: loss[name])
    assert f"{loss[better]:.4f}*" in out


def test_a_wide_comparison_goes_on_in_another_table(clearprop: Clearprop, two: Path, small: Path) -> None:
    changes = {
        "optimizer.name": "rmsprop", "seed": 3, "training.batch_size": 30, "training.l2": 0.001, "data.scale": "none",
        "training.epochs": 5, "model.layers.0.activation": "tanh", "training.clip_norm": 1.5,
        "training.shuffle": "false",
    }  # fmt: skip
    words = [word for key, value in changes.items() for word in ("--set", f"{key}={value}")]
    clearprop("train", small, "--name", "a-run-with-[a]-name-that-is-much-too-long-for-a-column", *words)
    out = clearprop("compare", "small", "a-run-with-[a]-name-that-is-much-too-long-for-a-column").out
    assert max(map(len, out.splitlines())) <= 80
    heads = [line for line in out.splitlines() if line.split()[:1] == ["run"]]
    assert len(heads) > 2
    assert all(
        name in out
        for name in ("optimizer", "seed", "batch_size", "l2", "scale", "epochs", "clip_norm", "shuffle")
    )
    assert "[a]" in out


def test_a_sweep_is_compared_with_its_settings(clearprop: Clearprop, small: Path) -> None:
    clearprop("train", small, "--name", "rates", "--set", 'sweep={"optimizer.lr" = [0.1, 0.001]}')
    out = clearprop("compare", "rates").out
    names = [line.split()[0] for line in out.splitlines() if line.strip().startswith("lr=")]
    assert names[:2] == ["lr=0.1", "lr=0.001"]
    assert "lr" in out.split("lr=")[0]


def test_an_unknown_run_is_not_compared(clearprop: Clearprop, two: Path) -> None:
    assert "no run 'fast' in experiments." in clearprop("compare", "small", "fast", code=2).err
