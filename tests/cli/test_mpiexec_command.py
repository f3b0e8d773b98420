"""`mpiexec -n N clearprop train`: one run of several processes; interrupted, killed, and gone on with others."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_resume_command import wait_for

from clearprop import load
from mpi_jobs import finish, launch, start

Clearprop = Callable[..., Any]
ROUNDING = 1e-5
FAST = ("--set", "optimizer.lr=0.1")


def params(run: Path) -> np.ndarray:
    return load(run / "weights.safetensors").params


def epochs(run: Path) -> np.ndarray:
    """The history without its last column, the seconds."""
    lines = (run / "history.csv").read_text().splitlines()[1:]
    return np.array([[float(cell) for cell in line.split(",")[:-1]] for line in lines])


def files(run: Path) -> set[str]:
    return {str(path.relative_to(run)) for path in run.rglob("*")}


def test_the_run_of_one_process(clearprop: Clearprop, small: Path, home: Path) -> None:
    """Rank 0 alone writes and prints."""
    words = (
        "train",
        small,
        "--set",
        "training.early_stopping.patience=3",
        "--set",
        "training.epochs=60",
        "--set",
        "training.best_weights='validation_loss'",
        *FAST,
    )
    clearprop(*words, "--name", "alone")
    done = launch(2, "-m", "clearprop", *words, "--name", "ranks", cwd=home)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("epoch, loss and accuracy of each part:") == 1
    assert done.stdout.count("weights   experiments/ranks/weights.safetensors") == 1
    assert max(map(len, done.stdout.splitlines())) <= 80
    alone, ranks = (home / "experiments" / name for name in ("alone", "ranks"))
    assert {path.name for path in (home / "experiments").iterdir()} == {"alone", "ranks"}
    assert {path for path in files(ranks) if not path.startswith("plots")} == files(alone)
    np.testing.assert_allclose(params(ranks), params(alone), rtol=0, atol=ROUNDING)
    np.testing.assert_allclose(epochs(ranks), epochs(alone), rtol=0, atol=ROUNDING)
    assert 3 < len(epochs(alone)) < 60  # it has stopped early
    one, two = (json.loads((run / "summary.json").read_text()) for run in (alone, ranks))
    assert (one["ranks"], two["ranks"]) == (1, 2)
    for part in (
        "train",
        "validation",
        "test",
    ):  # each rank has measured rows with the best weights of its own
        assert two[part] == pytest.approx(one[part], abs=ROUNDING)
    settings = (ranks / "config.toml").read_text()
    assert "workers" not in settings
    assert "blas_threads" not in settings


def ranks_of(job: subprocess.Popen[str]) -> list[int]:
    """The process numbers of the ranks: mpiexec's grandchildren."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended since
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    return [child for child, proxy in parents.items() if parents.get(proxy) == job.pid]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds the ranks' numbers in /proc")
def test_on_other_numbers_of_ranks_after_each_end(clearprop: Clearprop, small: Path, home: Path) -> None:
    """2 ranks until Ctrl-C, 3 until a cluster's notice, 4 until one of them is killed; then one process."""
    changes = ("--set", "training.epochs=150")
    clearprop("train", small, "--name", "whole", *changes)
    run = home / "experiments" / "parts"
    words: tuple[object, ...] = (
        "train",
        small,
        "--name",
        "parts",
        *changes,
        "--set",
        "checkpoints.seconds=0",
    )
    reached = [0]
    for n, number in ((2, signal.SIGINT), (3, signal.SIGTERM), (4, signal.SIGKILL)):
        job = start(n, "-m", "clearprop", *words, cwd=home)

        def further() -> bool:
            return newest(run) >= reached[-1] + 15

        assert wait_for(job, further), finish(job)
        victim = max(ranks_of(job)) if number == signal.SIGKILL else job.pid
        os.kill(victim, number)
        done = finish(job)
        if number == signal.SIGKILL:
            assert done.returncode not in (0, 2, 130)
            assert re.search("(?i)signal:? 9", done.stdout + done.stderr)  # says mpiexec
        else:
            assert done.returncode == 130
            assert done.stdout.count("Interrupted after ") == 1
            assert json.loads((run / "summary.json").read_text())["status"] == "interrupted"
            assert f"Interrupted after {newest(run)} steps" in done.stdout
            assert "rank" not in done.stderr
        reached.append(newest(run))
        assert reached[-1] >= reached[-2] + 15
        words = ("train", "--resume", "parts")
    clearprop("train", "--resume", "parts", "--set", "checkpoints.seconds=10")
    whole = home / "experiments" / "whole"
    assert reached[-1] < len(epochs(whole)) * 7
    np.testing.assert_allclose(params(run), params(whole), rtol=0, atol=ROUNDING)
    np.testing.assert_allclose(epochs(run), epochs(whole), rtol=0, atol=ROUNDING)


def newest(run: Path) -> int:
    """The step of the newest checkpoint."""
    return max((int(path.stem.rpartition("-")[2]) for path in run.glob("checkpoints/step-*")), default=0)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nosuch",), "error: rank 0 of 2: train: unknown preset 'nosuch'."),
        (
            ("small.toml", "--set", "training.batch_size=104", "--set", "model.layers=[{type='BatchNorm'}]"),
            "error: rank 0 of 2: fit, layer 0, BatchNorm(): expected at least 2 rows in each mini-batch",
        ),
        (("iris-sweep",), "error: rank 0 of 2: train: expected one run under mpiexec, got a sweep"),
        (
            ("small.toml", "--set", "optimizer.lr=1e39"),
            "error: step 2 (epoch 1): the loss became nan: 0.w is not ",
        ),
    ],
)
def test_what_is_refused_is_said_once(small: Path, home: Path, words: tuple[str, ...], said: str) -> None:
    done = launch(2, "-m", "clearprop", "train", *words, cwd=home)
    assert done.returncode == 2
    assert done.stderr.count("error: ") == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    folders = home / "experiments"
    if said.startswith("error: rank"):
        assert not folders.exists() or not list(folders.iterdir())  # nor is an empty one left
    else:
        assert json.loads((folders / "small" / "summary.json").read_text())["status"] == "diverged"


def test_a_machine_without_the_data(small: Path, home: Path) -> None:
    """What one rank alone misses is said, and leaves no folder to the others."""
    (home / "rows.csv").write_text("".join(f"{i},{i % 7},{i % 2}\n" for i in range(60)))
    (home / "elsewhere").mkdir()
    words = ("train", small, "--set", "data={file='rows.csv'}", "--name", "half")
    there = (":", "-n", "1", "-wdir", home / "elsewhere", sys.executable, "-m", "clearprop", *words)
    done = launch(1, "-m", "clearprop", *words, *there, cwd=home)
    assert done.returncode == 2
    assert "error: rank 1 of 2: rows.csv: there is no such file." in done.stderr
    assert done.stderr.count("error: ") == 1
    assert not list((home / "experiments").iterdir())


def test_an_error_before_the_run_begins(home: Path) -> None:
    """On one rank, between what the ranks do together: the others do not wait for it."""
    code = (
        "import sys, clearprop.cli; from mpi4py.MPI import COMM_WORLD\n"
        "def fail(console): raise RuntimeError('planted')\n"
        "if COMM_WORLD.rank: sys.modules['clearprop.cli.train'].Progress = fail\n"
        "sys.argv = ['clearprop', 'train', 'iris']; clearprop.cli.main()"
    )
    done = launch(2, "-c", code, cwd=home)
    assert done.returncode == 1
    assert "error: rank 1 of 2: planted\n" in done.stderr
