"""Runs that are killed and resumed end as one that was never stopped, bit for bit."""

import json
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Clearprop = Callable[..., Any]
Start = Callable[..., subprocess.Popen[str]]
LONG = ("--set", "training.epochs=100000")


def numbers(run: Path) -> dict[str, Any]:
    """Everything that a finished run has computed, times left out."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    for line in lines:
        line.pop("seconds", None)
    summary = json.loads((run / "summary.json").read_text())
    return {
        "weights": (run / "weights.safetensors").read_bytes(),
        "history": [row.rpartition(",")[0] for row in (run / "history.csv").read_text().splitlines()],
        "metrics": [json.dumps(line) for line in lines],
        "summary": {
            key: summary[key] for key in ("status", "stopped", "steps", "train", "validation", "test")
        },
    }


def wait_for(child: subprocess.Popen[str], happened: Callable[[], bool]) -> bool:
    """Whether it happened before the process ended."""
    limit = time.monotonic() + 60
    while not happened():
        if child.poll() is not None:
            return False
        assert time.monotonic() < limit
        time.sleep(0.002)
    return True


# Four lengths as a picture of two by two: noise, statistics that the shards share, and buffers.
CONVOLUTIONS = """model.layers=[{type="Reshape", shape=[2, 2, 1]}, {type="RandomFlip"},
    {type="Conv2D", filters=4, kernel=2, padding="same"}, {type="BatchNorm"}, {type="Activation", name="relu"},
    {type="Residual", layers=[{type="Dropout", rate=0.3, channels=true}, {type="Conv2D", filters=4, kernel=1}]},
    {type="Flatten"}, {type="Dense", units=3}]""".replace("\n", " ")


@pytest.mark.parametrize(
    ("workers", "network"), [(1, ()), (2, ()), (2, ("--set", CONVOLUTIONS, "--set", "training.shard_size=4"))]
)
def test_killed_at_random_moments(
    clearprop: Clearprop, process: Start, small: Path, home: Path, workers: int, network: tuple[str, ...]
) -> None:
    """With a checkpoint after every step, most moments lie within the writing of one."""
    changes = (
        "--workers", workers, "--set", "training.epochs=300", "--set", "training.early_stopping.patience=100",
        "--set", "training.evaluate_every=5", *network,
    )  # fmt: skip
    clearprop("train", small, "--name", "whole", *changes)
    run = home / "experiments" / "killed"
    words = ("train", small, "--name", "killed", *changes, "--set", "checkpoints.seconds=0")
    rng, killed = random.Random(workers), 0
    while killed < 6:
        before = set(run.glob("checkpoints/*"))
        child = process(*words)
        if not wait_for(child, lambda before=before: bool(set(run.glob("checkpoints/*")) - before)):
            break
        time.sleep(rng.uniform(0, 0.15))
        child.send_signal(signal.SIGKILL)
        _, err = child.communicate()
        killed += child.returncode == -signal.SIGKILL
        assert err == ""
        words = ("train", "--resume", "killed")
    assert killed >= 3
    child = process("train", "--resume", "killed", "--set", "checkpoints.seconds=10")
    out, err = child.communicate(timeout=60)
    assert (child.returncode, err) == (0, ""), out
    assert numbers(run) == numbers(home / "experiments" / "whole")
    assert len(list((run / "checkpoints").iterdir())) <= 2
    assert not list(run.rglob("*.part"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(
    clearprop: Clearprop, process: Start, small: Path, home: Path, number: signal.Signals
) -> None:
    run = home / "experiments" / "small"
    child = process("train", small, *LONG)
    assert wait_for(
        child, lambda: (run / "metrics.jsonl").is_file() and "epoch" in (run / "metrics.jsonl").read_text()
    )
    child.send_signal(number)
    out, err = child.communicate(timeout=60)
    assert (child.returncode, err) == (130, "")
    assert "Interrupted after " in out
    assert "clearprop train --resume small" in out
    summary = json.loads((run / "summary.json").read_text())
    assert summary["status"] == "interrupted"
    steps = summary["steps"]
    assert f"Interrupted after {steps} steps" in out
    assert [path.name for path in (run / "checkpoints").iterdir()] == [f"step-{steps:09d}.safetensors"]
    assert "interrupted" in clearprop("runs").out
    assert "no weights yet" in clearprop("eval", "small", code=2).err
    epochs = ("--set", f"training.epochs={steps // 7 + 2}")  # 105 examples, 15 a step
    clearprop("train", "--resume", "small", *epochs)
    clearprop("train", small, "--name", "whole", *epochs)
    assert numbers(run) == numbers(home / "experiments" / "whole")


def test_killed_before_the_first_checkpoint(
    clearprop: Clearprop, process: Start, small: Path, home: Path
) -> None:
    run = home / "experiments" / "small"
    child = process("train", small, *LONG)
    assert wait_for(child, (run / "summary.json").is_file)
    child.kill()
    child.communicate()
    assert not list(run.glob("checkpoints/*.safetensors"))
    assert "not finished" in clearprop("runs").out
    clearprop("train", "--resume", "small", "--set", "training.epochs=4")
    clearprop("train", small, "--name", "whole")
    assert numbers(run) == numbers(home / "experiments" / "whole")


def test_a_finished_run_and_more_of_it(clearprop: Clearprop, small: Path, home: Path) -> None:
    clearprop("train", small)
    err = clearprop("train", "--resume", "small", code=2).err
    assert (
        "experiments/small: all 4 epochs are done. To train on, ask for more: clearprop train --resume small"
        in err
    )
    clearprop("train", "--resume", "small", "--set", "training.epochs=6")
    clearprop("train", small, "--name", "whole", "--set", "training.epochs=6")
    assert numbers(home / "experiments" / "small") == numbers(home / "experiments" / "whole")


def test_the_command_that_is_printed_works_from_another_folder(
    clearprop: Clearprop, process: Start, small: Path, home: Path
) -> None:
    run = home / "my runs" / "a"
    child = process("train", small, *LONG, "--folder", "my runs", "--name", "a")
    assert wait_for(
        child, lambda: bool((run / "metrics.jsonl").is_file() and (run / "metrics.jsonl").read_text())
    )
    child.terminate()
    out, _ = child.communicate(timeout=60)
    assert "clearprop train --resume 'my runs/a'" in out
    steps = json.loads((run / "summary.json").read_text())["steps"]
    clearprop("train", "--resume", "my runs/a", "--set", f"training.epochs={steps // 7 + 1}")


def test_resume_of_what(clearprop: Clearprop, small: Path) -> None:
    assert "There are none yet" in clearprop("train", "--resume", "small", code=2).err
    clearprop("train", small)
    assert "Did you mean 'small'? There are: small." in clearprop("train", "--resume", "smal", code=2).err
    for words in (["iris"], ["--name", "x"], ["--overwrite"]):
        err = clearprop("train", "--resume", "small", *words, code=2).err
        assert "--resume takes a run's name alone; leave the preset, --name and --overwrite out." in err


def test_a_damaged_checkpoint(clearprop: Clearprop, small: Path, home: Path) -> None:
    clearprop("train", small, "--set", "checkpoints.seconds=0")
    newest = max((home / "experiments/small/checkpoints").iterdir())
    newest.write_bytes(newest.read_bytes()[:500])
    err = clearprop("train", "--resume", "small", "--set", "training.epochs=6", code=2).err
    assert f"{newest.name}: not a whole checkpoint" in err
    assert "Remove it to resume from the one before." in err
    newest.unlink()
    clearprop("train", "--resume", "small", "--set", "training.epochs=6")
    clearprop("train", small, "--name", "whole", "--set", "training.epochs=6")
    assert numbers(home / "experiments" / "small") == numbers(home / "experiments" / "whole")


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))  # as a disk that is full: writing fails half-way
from clearprop.cli import main
sys.argv[0] = "clearprop"
main()
"""


def test_no_room_on_the_disk(clearprop: Clearprop, process: Start, small: Path, home: Path) -> None:
    """The log and the checkpoints grow until one does not fit; the one before stays good."""
    words = ("--set", "training.epochs=60")
    child = process("train", small, *words, "--set", "checkpoints.seconds=0", code=LIMITED)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 2
    assert err.startswith("error: ")
    assert "could not be written" in err
    assert "File too large" in err
    run = home / "experiments" / "small"
    assert list(run.glob("checkpoints/step-*.safetensors"))
    clearprop("train", "--resume", "small", "--set", "checkpoints.seconds=100")
    clearprop("train", small, "--name", "whole", *words)
    assert numbers(run) == numbers(home / "experiments" / "whole")


def test_two_processes_and_one_run(clearprop: Clearprop, process: Start, small: Path, home: Path) -> None:
    run = home / "experiments" / "small"
    child = process("train", small, *LONG)
    assert wait_for(child, (run / "summary.json").is_file)
    for words in (["--resume", "small"], [small, "--overwrite"]):
        err = clearprop("train", *words, code=2).err
        assert (
            "experiments/small: is being trained by another process. Wait for it, or start a run of another name."
            in err
        )
    assert child.poll() is None
    child.kill()
    child.communicate()
    clearprop("train", "--resume", "small", "--set", "training.epochs=4")  # its lock is gone with it
    clearprop("train", small, "--name", "whole")
    assert numbers(run) == numbers(home / "experiments" / "whole")


def test_a_killed_sweep(clearprop: Clearprop, process: Start, home: Path) -> None:
    words = ("train", "iris-sweep", "--set", "training.epochs=40", "--set", "checkpoints.seconds=0")
    sweep = home / "experiments" / "iris-sweep"
    child = process(*words)
    assert wait_for(child, lambda: bool(list((sweep / "lr=0.001,units=25").glob("checkpoints/*"))))
    child.kill()
    child.communicate()
    assert (sweep / "comparison.csv").is_file()
    err = clearprop("train", "--resume", "iris-sweep", "--seed", 3, code=2).err
    assert "iris-sweep: a sweep goes on as it began; leave --set, --seed and --workers out" in err
    out = clearprop("train", "--resume", "iris-sweep").out
    assert "6/6  lr=0.1,units=25  validation loss" in out
    clearprop(*words, "--name", "whole")
    for run in (home / "experiments" / "whole").glob("lr=*"):
        assert numbers(sweep / run.name) == numbers(run)
    table = (sweep / "comparison.csv").read_bytes()
    assert table == (home / "experiments" / "whole" / "comparison.csv").read_bytes()
    known = "Did you mean 'iris-sweep'? There are: iris-sweep, whole."
    assert known in clearprop("train", "--resume", "iris-swep", code=2).err


def test_ctrl_c_after_the_last_step_says_how_to_go_on(
    clearprop: Callable[..., Any], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*args: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("clearprop.runs.run.save_plots", interrupted)
        said = clearprop("train", "iris", code=130).out
    assert "Interrupted; the run is not finished.\nContinue with: clearprop train --resume iris\n" in said
    clearprop("train", "--resume", "iris")
    assert json.loads((home / "experiments/iris/summary.json").read_text())["status"] == "finished"
