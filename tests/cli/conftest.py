"""The command line in this process, and as a process of its own, in an empty folder."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from clearprop.cli import main


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder to work in; and the signals as a shell's children find them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CLEARPROP_EXPERIMENTS", raising=False)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield tmp_path
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(autouse=True)
def no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes longer than the runs here, and has tests of its own; a `process` draws."""
    monkeypatch.setattr("clearprop.runs.run.save_plots", lambda *args: None)


@pytest.fixture
def clearprop(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """clearprop("train", "iris", code=0): runs it here, and demands the exit code; None is any."""

    def run(*words: object, code: int | None = 0) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["clearprop", *map(str, words)])
        found = 0
        try:
            main()
        except SystemExit as end:
            found = int(end.code or 0)
        captured = capsys.readouterr()
        assert code in (found, None), captured
        return Outcome(found, captured.out, captured.err)

    return run


@pytest.fixture
def process(home: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """process("train", "iris"): the same as a process of its own."""
    started: list[subprocess.Popen[str]] = []

    def run(*words: object, code: str | None = None) -> subprocess.Popen[str]:
        command = ["-m", "clearprop"] if code is None else ["-c", code]
        child = subprocess.Popen(
            [sys.executable, *command, *map(str, words)],
            cwd=home,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(child)
        return child

    yield run
    for child in started:
        child.kill()
        child.communicate()


@pytest.fixture
def small(home: Path) -> Path:
    """A configuration file of a short run on Iris."""
    path = home / "small.toml"
    path.write_text(
        """
        [data]
        name = "iris"
        validation = 0.1
        test = 0.2
        stratify = true
        scale = "minmax"

        [model]
        layers = [
            { type = "Dense", units = 10, activation = "relu" },
            { type = "Dropout", rate = 0.2 },
            { type = "Dense", units = 3 },
        ]

        [optimizer]
        name = "adam"
        lr = 0.01

        [training]
        epochs = 4
        batch_size = 15
        best_weights = "validation_loss"
        """
    )
    return path
