"""What the quick presets promise, by running them; the others are too long for a test, see docs/presets.md."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clearprop.cli.presets import read_preset_or_file
from clearprop.metrics import roc_auc
from clearprop.runs.config import make_config
from clearprop.runs.prepare import prepare

Clearprop = Callable[..., Any]


def summary(home: Path, name: str) -> dict[str, Any]:
    kept: dict[str, Any] = json.loads((home / "experiments" / name / "summary.json").read_text())
    return kept


@pytest.mark.parametrize("name", ["sine-elman", "sine-lstm"])
def test_the_next_value_of_a_sine_wave(clearprop: Clearprop, home: Path, name: str) -> None:
    clearprop("train", name, "--set", "training.epochs=6", "--set", "optimizer.lr.epochs=6")
    assert summary(home, name)["test"]["mean_squared_error"] <= 1e-4


@pytest.mark.data("higgs")
def test_higgs_is_no_worse_than_scikit_learns(clearprop: Clearprop, home: Path) -> None:
    """The same rows, network, batches and epochs; the rest is each one's own."""
    neural = pytest.importorskip("sklearn.neural_network")
    clearprop("train", "higgs-mlp")
    ours = summary(home, "higgs-mlp")["test"]
    config = make_config(read_preset_or_file("higgs-mlp")[0], "higgs-mlp")
    parts = prepare(config.data, config.seed).parts
    theirs = neural.MLPClassifier(
        (128, 128), batch_size=config.training.batch_size, max_iter=config.training.epochs, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it would go on
        theirs.fit(*parts["train"])
    x, y = parts["test"]
    assert f"{ours['accuracy']:.4f}" in clearprop("runs").out  # not the auc
    assert ours["accuracy"] >= theirs.score(x, y)
    assert ours["auc"] >= roc_auc(y, theirs.predict_proba(x)[:, 1])
