"""What the command line shows on a screen: help in full lines, refusals in lines of the screen's width."""

import os
import pty
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from typer.testing import CliRunner

from clearprop.cli import app

COMMANDS = [
    "train", "sweep", "eval", "predict", "report", "check", "doctor", "explain", "export", "course check",
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_the_words_of_help_fill_their_lines(command: str) -> None:
    """No line ends where the first word of the next one had room."""
    shown = CliRunner().invoke(app, [*command.split(), "--help"], env={"COLUMNS": "80"}).output
    text = shown.partition("Usage:")[2].partition("\n")[2].partition("╭")[0]
    for paragraph in re.split(r"\n\s*\n", text.strip("\n")):
        lines = [line.strip() for line in paragraph.splitlines() if line.strip()]
        for line, after in pairwise(lines):
            assert 1 + len(f"{line} {after.split()[0]}") > 79, (line, after)


def test_eval_says_how_it_is_given_a_file() -> None:
    shown = CliRunner().invoke(app, ["eval", "--help"], env={"COLUMNS": "80"}).output
    assert "--data FILE" in shown.partition("╭")[0]


@pytest.mark.skipif(sys.platform == "win32", reason="a terminal of its own")
def test_a_refusal_is_broken_between_words_on_a_terminal_and_nowhere_else(home: Path) -> None:
    command = [sys.executable, "-m", "clearprop", "train", "irsi"]
    environment = {**os.environ, "COLUMNS": "60", "TERM": "xterm"}
    plain = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True)
    assert plain.stderr.startswith("error: train: unknown preset 'irsi'. Did you mean 'iris'? Known: ")
    assert plain.stderr.count("\n") == 1

    ours, its = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as screen:
        with subprocess.Popen(command, cwd=home, env=environment, stderr=its) as run:
            os.close(its)
            shown = b""
            try:
                while piece := screen.read(4096):
                    shown += piece
            except OSError:  # Linux says so when the other side is closed
                pass
        assert run.returncode == plain.returncode == 2
    lines = re.sub(r"\x1b\[[0-9;]*m", "", shown.decode()).splitlines()
    assert len(lines) > 2
    assert max(map(len, lines)) <= 60
    assert " ".join(line.strip() for line in lines) == plain.stderr.strip()
