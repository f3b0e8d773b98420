"""A small run on Iris, as tables, and what of its folder must repeat bit for bit."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clearprop.runs.config import RunConfig, make_config
from clearprop.runs.folder import RunFolder, new_folder

IRIS: dict[str, Any] = {
    "data": {"name": "iris", "validation": 0.1, "test": 0.2, "stratify": True, "scale": "minmax"},
    "model": {
        "layers": [
            {"type": "Dense", "units": 10, "activation": "relu"},
            {"type": "Dropout", "rate": 0.2},
            {"type": "Dense", "units": 3},
        ]
    },
    "optimizer": {"name": "adam", "lr": 0.01},
    "training": {"epochs": 4, "batch_size": 30, "best_weights": "validation_loss", "evaluate_every": 3},
}


@pytest.fixture(autouse=True)
def no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes longer than the runs here, and has tests of its own."""
    monkeypatch.setattr("clearprop.runs.run.save_plots", lambda *args: None)


@pytest.fixture
def iris() -> Callable[..., RunConfig]:
    """iris("training.epochs=7", …): the configuration with these changes."""

    def make(*changes: str) -> RunConfig:
        return make_config(copy.deepcopy(IRIS), "test", changes)

    return make


@pytest.fixture
def folder(tmp_path: Path) -> Callable[[str], RunFolder]:
    return lambda name: new_folder(tmp_path / "experiments", name)


@pytest.fixture
def numbers() -> Callable[[RunFolder], dict[str, Any]]:
    """Everything that a finished run has computed, times left out."""

    def read(run: RunFolder) -> dict[str, Any]:
        lines = [json.loads(line) for line in run.metrics.read_text().splitlines()]
        for line in lines:
            line.pop("seconds", None)
        summary = run.read_summary()
        return {
            "weights": run.weights.read_bytes(),
            "history": [row.rpartition(",")[0] for row in run.history.read_text().splitlines()],
            "metrics": [json.dumps(line) for line in lines],
            "results": [
                summary.get(key) for key in ("status", "stopped", "steps", "train", "validation", "test")
            ],
        }

    return read
