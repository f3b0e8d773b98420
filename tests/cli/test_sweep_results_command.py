"""What `runs`, `compare` and the terminal show of a sweep."""

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clearprop.cli.report import MOST_OF_SWEEP

Clearprop = Callable[..., Any]
PRUNED = 'sweep={"optimizer.lr" = [0.1, 1e-6], pruner = {name = "median", startup = 1}}'


def first_words(out: str) -> list[str]:
    return [line.split()[0] for line in out.splitlines() if line.startswith("  lr=")]


def test_a_pruned_trial_is_shown_as_one(clearprop: Clearprop, small: Path, home: Path) -> None:
    clearprop("sweep", small, "--set", PRUNED, "--name", "rates", "--set", "training.epochs=5")
    out = clearprop("runs", "--folder", "experiments/rates").out
    assert re.search(r"lr=0.1 +finished +5 ", out)
    assert re.search(r"lr=1e-06 +pruned +[1-4] ", out)
    assert re.search(r"lr=1e-06 +1e-06 +pruned ", clearprop("compare", "rates").out)
    clearprop("report", "rates/lr=1e-06")
    page = (home / "experiments/rates/lr=1e-06/report.html").read_text()
    assert re.search(r"<dt>state</dt>\s*<dd>pruned</dd>", page)


def test_the_best_are_compared_first(clearprop: Clearprop, small: Path, home: Path) -> None:
    rates = [f"{0.1 * 0.5**k:.3g}" for k in range(MOST_OF_SWEEP + 2)]
    values = f'sweep={{"optimizer.lr" = [{", ".join(rates)}], metric = "validation_accuracy"}}'
    clearprop("sweep", small, "--set", values, "--name", "rates", "--set", "training.epochs=2")
    clearprop("train", small, "--name", "alone", "--set", "training.epochs=1")
    ended = {
        path.parent.name: json.loads(path.read_text())["validation"]["accuracy"]
        for path in home.glob("experiments/rates/*/summary.json")
    }
    ranked = sorted(sorted(ended), key=ended.__getitem__, reverse=True)
    found = clearprop("compare", "rates")
    shown = list(dict.fromkeys(first_words(found.out)))
    assert [ended[name] for name in shown] == [ended[name] for name in ranked[:MOST_OF_SWEEP]]
    assert found.out.endswith("and 2 more; with all of them: clearprop compare rates --all\n")
    every = clearprop("compare", "rates", "--all").out
    assert set(first_words(every)) == set(ended)
    assert "more;" not in every
    both = clearprop("compare", "rates", "alone").out
    assert "\n  alone " in both
    assert both.endswith("and 2 more; with all of them: clearprop compare rates alone --all\n")


def test_the_metric_that_is_searched_leads(clearprop: Clearprop, small: Path) -> None:
    for metric, words in (
        ("validation_accuracy", "validation accuracy "),
        ("test_loss", "test loss "),
        ("accuracy", "train accuracy "),
    ):
        values = f'sweep={{seed = [1], metric = "{metric}"}}'
        out = clearprop("sweep", small, "--set", values, "--name", metric, "--set", "training.epochs=1").out
        assert re.search(rf"^1/1  seed=1  {words}[\d.]+, (loss|accuracy) [\d.]+$", out, flags=re.MULTILINE)


def test_a_quoted_key_is_one_word(clearprop: Clearprop, small: Path) -> None:
    words = ("--set", 'sweep."optimizer.lr"=[0.1, 0.2]', "--set", "sweep.'training.batch_size'=[25]")
    out = clearprop("sweep", small, *words, "--set", "training.epochs=1").out
    assert "2/2  lr=0.2,batch_size=25  " in out
    err = clearprop("sweep", small, "--set", "sweep.optimizer.lr=[0.1]", code=2).err
    assert "the key in quotes, got {'lr': [0.1]}" in " ".join(err.split())


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
def test_a_terminal_says_what_is_trained(home: Path, small: Path) -> None:
    ours, theirs = pty.openpty()
    words = ("sweep", small, "--set", 'sweep={"optimizer.lr" = [0.1, 0.2]}', "--set", "training.epochs=300")
    environment = {**os.environ, "COLUMNS": "30", "TERM": "xterm", "MPLBACKEND": "Agg"}
    child = subprocess.Popen(
        [sys.executable, "-m", "clearprop", *map(str, words)], cwd=home, stdout=theirs, env=environment
    )
    os.close(theirs)
    said = b""
    try:
        while part := os.read(ours, 4096):
            said += part
    except OSError:  # Linux ends a terminal so
        pass
    finally:
        os.close(ours)
    assert child.wait(timeout=60) == 0
    lines = re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]", b"", said).decode()
    assert "training lr=0.1" in lines
    assert "training lr=0.2" in lines
    assert lines.index("training lr=0.1") < lines.index("1/2  lr=0.1  ") < lines.rindex("training lr=0.2")
