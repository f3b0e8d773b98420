"""`clearprop sweep`: as a user runs it, interrupted, killed, shared by processes, and as a report."""

import csv
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "runs"))
import postgres

Clearprop = Callable[..., Any]
Start = Callable[..., subprocess.Popen[str]]
RATES = "{low = 0.001, high = 1.0, log = true}"
DRAWN = f'sweep={{"optimizer.lr" = {RATES}, sampler = "random", trials = 6}}'
GRID = 'sweep={"optimizer.lr" = [0.001, 0.01, 0.1], "model.layers.0.units" = [4, 8]}'
# `clearprop` which writes down each training that begins in this process, and draws nothing
COUNTS = """
import clearprop.runs.run, clearprop.runs.trial as trial
from clearprop.cli import main
from pathlib import Path
clearprop.runs.run.save_plots = lambda *args: None
def noted(what, work):
    def run(folder, *args):
        with open("trained.txt", "a") as file:
            file.write(f"{what} {folder.name}\\n")
        return work(folder, *args)
    return run
trial.start, trial.resume = noted("start", trial.start), noted("resume", trial.resume)
main()
"""


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def weights(sweep: Path) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in sweep.glob("*/weights.safetensors")}


def wait_for(child: subprocess.Popen[str], happened: Callable[[], bool]) -> None:
    limit = time.monotonic() + 60
    while not happened():
        assert child.poll() is None, child.communicate()
        assert time.monotonic() < limit
        time.sleep(0.005)


def trained(home: Path) -> Counter[str]:
    return Counter((home / "trained.txt").read_text().split("\n")[:-1])


def test_a_sweep(clearprop: Clearprop, small: Path, home: Path) -> None:
    out = clearprop("sweep", small, "--set", GRID).out
    assert "6/6  lr=0.1,units=8  validation loss" in out
    table = [line for line in out.splitlines() if line.endswith("finished") or " finished " in line]
    losses = [float(line.split()[3]) for line in table]
    assert losses == sorted(losses)  # best first
    choices = itertools.product(("0.001", "0.01", "0.1"), ("4", "8"))
    assert sorted(tuple(line.split()[:3]) for line in table) == [
        (f"{number:03d}", *choice) for number, choice in enumerate(choices)
    ]
    assert f"best validation loss: lr={table[0].split()[1]},units={table[0].split()[2]}\n" in out
    assert all(len(line) <= 80 for line in out.splitlines())
    assert len(rows(home / "experiments/small/comparison.csv")) == 6
    assert "experiments/small exists; this sweep is small-2." in clearprop("sweep", small, "--set", GRID).out


def test_what_is_drawn_and_how_many(clearprop: Clearprop, small: Path, home: Path) -> None:
    clearprop("sweep", small, "--set", DRAWN, "--trials", 3, "--seed", 5, "--name", "a")
    clearprop("sweep", small, "--set", DRAWN, "--trials", 3, "--seed", 5, "--name", "b", "--jobs", 1)
    assert [path.name[:4] for path in sorted((home / "experiments/a").glob("0*"))] == ["000,", "001,", "002,"]
    assert (home / "experiments/a/comparison.csv").read_bytes() == (
        home / "experiments/b/comparison.csv"
    ).read_bytes()
    clearprop("sweep", "--resume", "a", "--trials", 4)
    assert len(rows(home / "experiments/a/comparison.csv")) == 4
    kept = (home / "experiments/a/comparison.csv").read_bytes()
    err = clearprop("sweep", "--resume", "a", "--trials", 3, code=2).err
    assert "sweep.trials: expected at least 4, for so many have been begun, got 3. Ask for more, or" in err
    assert (home / "experiments/a/comparison.csv").read_bytes() == kept
    assert "trials = 4\n" in (home / "experiments/a/sweep.toml").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "sweep: expected a preset or a TOML file, such as: clearprop sweep iris-sweep"),
        (["iris"], "iris: expected a table [sweep], which says what is to be tried. Pass --set 'sweep={"),
        (["iris", "--trials", "3"], "iris: expected a table [sweep], which says what is to be tried. Pass --set"),
        (["iris-sweep", "--storage", "postgresql://me:it's@h:x/d"], "got one that is not shown: it may hold"),
        (["iris-sweep", "--trials", "3"], "sampler 'grid', which trains all 6 combinations, got 3"),
        (["--resume", "nothing"], "no run 'nothing'"),
        (["--resume", "x", "--seed", "1"], "sweep: --resume takes a sweep's name, --trials, --jobs and --storage"),
        (["iris-sweep", "--storage", "nowhere"], "sweep.storage: got 'nowhere'. Expected an address such as"),
        (["iris-sweep", "--storage", "sqlite:///x.db", "--overwrite"], "--overwrite removes a folder, and no study"),
        (["iris-sweep", "--storage", "sqlite:///x.db", "--name", "../x"], "run name: expected a plain name"),
    ],
)  # fmt: skip
def test_what_is_refused(clearprop: Clearprop, home: Path, words: list[str], said: str) -> None:
    assert said in clearprop("sweep", *words, code=2).err
    assert not list(home.glob("experiments/*"))


def test_without_optuna_it_says_what_to_install(
    clearprop: Clearprop, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("study", "database"):
        monkeypatch.delitem(sys.modules, f"clearprop.runs.{name}", raising=False)
    for name in ("optuna", "optuna.exceptions", "optuna.storages"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr("clearprop.runs.sweep.prepare", None)  # before any data are read, or downloaded
    err = clearprop("sweep", "iris-sweep", code=2).err
    assert "sweep: needs Optuna, which is not installed" in err
    assert "pip install 'clearprop[sweep]'" in err
    assert not list(home.glob("experiments/*"))
    clearprop("train", "iris", "--set", "training.epochs=1")


def test_a_run_is_no_sweep(clearprop: Clearprop, small: Path) -> None:
    clearprop("train", small)
    err = clearprop("sweep", "--resume", "small", code=2).err
    assert "experiments/small: a run, not a sweep. Go on with: clearprop train --resume small" in err


def test_a_sweep_that_is_killed_at_any_moment_loses_and_repeats_nothing(
    clearprop: Clearprop, process: Start, small: Path, home: Path
) -> None:
    words = ("--set", DRAWN, "--set", "training.epochs=16")
    sweep = home / "experiments" / "small"
    clearprop("sweep", small, *words, "--name", "whole")
    child = process("sweep", small, *words, "--set", "checkpoints.seconds=0", code=COUNTS)
    wait_for(child, lambda: bool(list(sweep.glob("002*/checkpoints/*"))))
    child.kill()
    child.communicate()
    done = {path.parent.name: path.stat().st_mtime_ns for path in sweep.glob("*/weights.safetensors")}
    assert len(done) >= 2
    child = process("sweep", "--resume", "small", code=COUNTS)
    out, err = child.communicate(timeout=60)
    assert (child.returncode, err) == (0, ""), out
    assert weights(sweep) == weights(home / "experiments" / "whole")
    assert (sweep / "comparison.csv").read_bytes() == (home / "experiments/whole/comparison.csv").read_bytes()
    assert {name: (sweep / name / "weights.safetensors").stat().st_mtime_ns for name in done} == done
    starts = Counter({what: n for what, n in trained(home).items() if what.startswith("start")})
    assert sorted(starts.values()) == [1] * 6  # each began once
    assert sum(trained(home).values()) <= 7  # and the one that was killed went on


def test_ctrl_c(clearprop: Clearprop, process: Start, small: Path, home: Path) -> None:
    words = ("--set", GRID, "--set", "training.epochs=100000", "--jobs", "2")
    sweep = home / "experiments" / "small"
    child = process("sweep", small, *words)
    wait_for(child, lambda: sum(path.stat().st_size > 0 for path in sweep.glob("*/metrics.jsonl")) == 2)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=60)
    assert (child.returncode, err) == (130, "")
    assert out.endswith("Go on with what is not finished:\nclearprop sweep --resume small\n")
    states = [json.loads(path.read_text())["status"] for path in sweep.glob("*/summary.json")]
    assert states == ["interrupted", "interrupted"]
    assert not (sweep / ".workers").exists()


@pytest.fixture(params=["sqlite", "postgresql"])
def storage(request: pytest.FixtureRequest, home: Path) -> Iterator[str]:
    """An address that several processes may use."""
    if request.param == "sqlite":
        yield f"sqlite:///{home / 'shared.db'}"
        return
    pytest.importorskip("psycopg", reason="PostgreSQL's driver psycopg is not installed")
    if postgres.binaries() is None:
        pytest.skip("PostgreSQL is not installed")
    with postgres.server() as address:
        yield address


def test_two_processes_share_a_storage(
    clearprop: Clearprop, process: Start, small: Path, home: Path, storage: str
) -> None:
    """Each on a "machine" of its own: a folder that the other does not see."""
    words = ("sweep", small, "--set", DRAWN, "--set", "training.epochs=60", "--trials", "10")
    clearprop(*words, "--name", "rates", "--folder", "alone")
    shared = (*words, "--name", "rates", "--storage", storage, "--folder")
    both = [process(*shared, folder, code=COUNTS) for folder in ("here", "there")]
    said = [child.communicate(timeout=90) for child in both]
    assert [child.returncode for child in both] == [0, 0], said
    assert [err for _, err in said] == ["", ""]
    starts = trained(home)
    assert set(starts.values()) == {1}
    assert len(starts) == 10
    ours, theirs = weights(home / "here/rates"), weights(home / "there/rates")
    assert ours
    assert theirs
    assert ours | theirs == weights(home / "alone/rates")
    again = clearprop(*shared, "here").out
    assert "/10  " not in again  # all are done
    assert (home / "here/rates/comparison.csv").read_bytes() == (
        home / "alone/rates/comparison.csv"
    ).read_bytes()
    other = clearprop(*shared, "elsewhere", "--set", "training.batch_size=7", code=2).err
    assert "the study 'rates' in the storage was begun with other settings." in other


def test_a_report_of_a_sweep(clearprop: Clearprop, small: Path, home: Path) -> None:
    rates = 'sweep={"optimizer.lr" = [1e38, 0.1, 0.01], "model.layers.0.units" = [4, 8]}'
    clearprop("sweep", small, "--set", rates, "--set", "optimizer.name=sgd", "--name", "rates")
    clearprop("report", "rates")
    page = (home / "experiments/rates/report.html").read_text()
    assert "<h1>Sweep rates</h1>" in page
    assert "<title>Sweep rates: 6 runs compared</title>" in page
    assert page.index('id="sweep"') < page.index('id="results"')
    section = page.split('id="sweep"')[1].split("</section>")[0]
    assert "6 of 6 trials are done; sampler grid, pruner none." in section
    numbers = re.findall(r"<t[hd][^>]*>(00\d)</t[hd]>", section)
    assert sorted(numbers) == [f"{number:03d}" for number in range(6)]
    assert numbers[4:] == ["000", "001"]  # those that diverged
    assert "Why 2 of them did not go to their end" in section
    lines, bars = section.split("<figure")[1:]
    assert "Each trial a line; bright is a good validation loss" in lines
    assert "Which settings matter" in bars
    for key in ("lr", "units"):
        assert f">{key}<" in lines
        assert f">{key}<" in bars
    assert "http" not in section.replace("http://www.w3.org/2000/svg", "")
    clearprop("report", "rates/lr=0.1,units=4")
    assert 'id="sweep"' not in (home / "experiments/rates/lr=0.1,units=4/report.html").read_text()


def test_a_remedy_that_can_be_pasted(clearprop: Clearprop, small: Path) -> None:
    err = clearprop("sweep", small, code=2).err
    assert f"{small}: expected a table [sweep]" in err
    small.write_text(f"{small.read_text()}\n{err.split('of your own:')[1]}")
    assert "2/2  lr=0.01  validation loss" in clearprop("sweep", small).out
    words = err.split("--set '")[1].split("', or")[0]
    assert "2/2  lr=0.01" in clearprop("sweep", "iris", "--set", words, "--set", "training.epochs=1").out


def test_runs_has_a_line_for_a_sweep(clearprop: Clearprop, small: Path, home: Path) -> None:
    """A trial's name is too long for a table; the sweep's is not."""
    clearprop("sweep", small, "--set", 'sweep={"optimizer.lr" = [1e-6, 0.1]}', "--name", "rates")
    *_, said = clearprop("runs").out.rstrip().split("\n\n")[-1].splitlines()
    best = json.loads((home / "experiments/rates/lr=0.1/summary.json").read_text())
    (row,) = [line for line in clearprop("runs").out.splitlines() if line.startswith("  rates")]
    assert row.split()[:4] == ["rates", "sweep,", "best", str(best["epochs"])]
    assert f"{best['validation']['accuracy']:.4f}" in row
    assert said == "all 2 trials of the sweep: clearprop compare rates"
    assert "  lr=1e-06   finished " in clearprop("runs", "--folder", "experiments/rates").out
    (home / "experiments/rates/sweep.toml").write_text("x")
    assert "  rates   sweep " in clearprop("runs").out


def test_a_report_of_a_sweep_whose_trials_do_not_differ(
    clearprop: Clearprop, small: Path, home: Path
) -> None:
    same = 'sweep={"checkpoints.keep" = [1, 2], "description" = ["a", "b"]}'
    clearprop("sweep", small, "--set", same, "--name", "same")
    clearprop("report", "same")
    section = (
        (home / "experiments/same/report.html").read_text().split('id="sweep"')[1].split("</section>")[0]
    )
    assert "4 of 4 trials are done" in section
    assert "sweep: expected finished trials with different results, got none that differ." in section


def test_values_that_are_all_the_same_have_no_column(clearprop: Clearprop, small: Path) -> None:
    out = clearprop("sweep", small, "--set", 'sweep={"optimizer.lr" = [0.1, 0.2], seed = [3]}').out
    assert "  lr    " in out
    assert "seed" not in out.split("2/2")[1].split("best")[0].split("\n", 1)[1]


@pytest.mark.parametrize("delay", [0.0, 0.4])
def test_ctrl_c_in_a_terminal_while_workers_begin(
    clearprop: Clearprop, home: Path, small: Path, delay: float
) -> None:
    """It goes to all processes of the group, also to those that are not ready for it."""
    words = ("--set", GRID, "--set", "training.epochs=100000", "--jobs", "2")
    child = subprocess.Popen(
        [sys.executable, "-m", "clearprop", "sweep", *map(str, (small, *words))],
        cwd=home, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        wait_for(child, lambda: (home / "experiments/small/.workers").is_dir())
        time.sleep(delay)
        os.killpg(child.pid, signal.SIGINT)
        _, err = child.communicate(timeout=60)
    finally:
        child.kill()
    assert (child.returncode, err) == (130, "")


def test_a_sweep_is_no_run(clearprop: Clearprop, small: Path, home: Path) -> None:
    """It is not silently the preset of its name, and its trials are not listed."""
    rates = 'sweep={"optimizer.lr" = [1e-6, 0.01, 1e-5]}'
    for _ in range(2):
        clearprop("sweep", small, "--set", rates, "--name", "iris-sweep")
    for command, more in (("eval", ()), ("predict", ("x.csv",)), ("export", ("net.onnx",))):
        err = " ".join(clearprop(command, "iris-sweep", *more, code=2).err.split())
        assert (
            f"{command}: experiments/iris-sweep is a sweep. Take one of its trials, such as its best:" in err
        )
    for command in ("doctor", "explain"):
        for name in ("iris-sweep", "iris-sweep-2", "experiments/iris-sweep-2"):
            folder = Path("experiments") / Path(name).name
            said = (
                f"{command}: {folder} is a sweep. Take one of its trials, such as its best: {folder}/lr=0.01"
            )
            assert said in " ".join(clearprop(command, name, code=2).err.split())
        err = clearprop(command, "iris-sweeep", code=2).err
        assert "Did you mean 'iris-sweep'?" in err
        assert "lr=" not in err
    assert "trained network" in clearprop("doctor", "experiments/iris-sweep/lr=0.01", code=None).out
    assert "before training" in clearprop("doctor", "iris-sweep", "--set", "seed=1", code=None).out
    for path in home.glob("experiments/iris-sweep/*/summary.json"):
        path.unlink()
    err = clearprop("doctor", "iris-sweep", code=2).err
    assert "no trial of it is finished here. Go on with: clearprop sweep --resume iris-sweep" in err
