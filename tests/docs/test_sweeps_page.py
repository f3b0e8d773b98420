"""docs/sweeps.md: its whole file is a sweep, and its programs run."""

import re
import tomllib
from pathlib import Path

import pytest

from clearprop.runs.config import make_config
from clearprop.runs.folder import new_folder
from clearprop.runs.sweep import configurations, run_sweep

TEXT = (Path(__file__).parents[2] / "docs" / "sweeps.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)


def test_the_whole_file_and_the_program_that_reads_the_sweep(tmp_path, monkeypatch, capsys):
    pytest.importorskip("optuna")
    pytest.importorskip("sklearn")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("clearprop.runs.run.save_plots", lambda *args: None)
    config = make_config(
        tomllib.loads(blocks("toml")[0]), "mine.toml", ["sweep.trials=3", "training.epochs=2"]
    )
    done = run_sweep(new_folder(Path("experiments"), "mine"), config, lambda line: None)
    assert [one.summary["status"] for one in done] == ["finished"] * 3
    exec(blocks("python")[-1], {})
    choice, shares = capsys.readouterr().out.splitlines()
    best = min(done, key=lambda one: one.summary["validation"]["loss"])
    assert choice == repr(best.choice)
    assert re.fullmatch(r"\{('[\w.]+': [\d.e-]+(, )?){3}\}", shares)  # plain numbers


def test_optimizers_with_settings_of_their_own():
    whole, optimizers = (tomllib.loads(text) for text in blocks("toml"))
    found = configurations(make_config(whole | optimizers, "mine.toml"))
    assert [type(own.make_optimizer()).__name__ for _, own in found] == ["Adam", "SGD"]
    assert [own.make_optimizer().settings().get("momentum") for _, own in found] == [None, 0.9]
