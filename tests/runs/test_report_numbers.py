"""What a report's pictures and tables say, counted again: labels at places, shares, deviations, layers, paths."""

import copy
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from report_pages import Page

from clearprop.errors import DivergedError
from clearprop.layers import Dense, Residual
from clearprop.lens.plots import Predicted
from clearprop.model import Sequential
from clearprop.runs import plots, prepare
from clearprop.runs.config import make_config
from clearprop.runs.figures import figure
from clearprop.runs.folder import RunFolder, new_folder
from clearprop.runs.record import Network, read_run
from clearprop.runs.report import chapter
from clearprop.runs.report.figure import Figures
from clearprop.runs.report.page import report
from clearprop.runs.report.pictures import _confusion
from clearprop.runs.run import start


def train(home: Path, layers: list[dict[str, Any]], x: Any, y: Any, **more: Any) -> RunFolder:
    np.savez(home / "own.npz", x=x, y=y)
    tables = {
        "data": {"file": str(home / "own.npz"), "test": 0.5},
        "model": {"layers": layers},
        "training": {"epochs": 2, "batch_size": 10},
        **more,
    }
    run = new_folder(home / "experiments", "own")
    with suppress(DivergedError):
        start(run, make_config(copy.deepcopy(tables), "own", ()))
    return run


RNG = np.random.default_rng(0)
ROWS = RNG.normal(3.0, 2.5, size=(40, 2))


def test_a_run_with_a_label_at_each_step_draws_and_reports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clearprop.runs.run.save_plots", plots.save_plots)  # which conftest leaves out
    x = RNG.normal(size=(60, 5, 2))
    inner = {"type": "TimeDistributed", "layer": {"type": "Dense", "units": 3}}
    layers = [{"type": "GRU", "units": 4, "return_sequences": True}, inner]
    run = train(tmp_path, layers, x, (x[..., 0] > 0).astype(int) + (x[..., 1] > 0))
    assert {path.stem for path in (run.path / "plots").iterdir()} >= {"confusion", "worst"}
    page = Page(report([read_run(run)]))
    assert page.wrong == []
    right = round(150 * run.read_summary()["test"]["accuracy"])
    assert f"{right} of 150 right" in page.text
    counts = [[int(cell or 0) for cell in row[1:]] for row in page.table("true\u00a0↓ predicted\u00a0→")[1:]]
    assert (sum(map(sum, counts)), sum(counts[k][k] for k in range(3))) == (150, right)
    head, first, *_ = page.table("row")
    assert head[:4] == ["row", "true", "predicted", "x0"]
    assert len(first[1].split(", ")) == len(first[2].split(", ")) == 5


def test_a_cell_is_shaded_by_its_share_of_the_row() -> None:
    true, pred = np.array([0] * 4 + [1] * 16), np.array([0, 0, 0, 1] + [1] * 16)
    made = _confusion(Predicted(np.zeros((20, 1)), true, pred, np.zeros(20)), "", (), Figures())
    shades = [part.partition('"')[0] for part in made.split("--amount:")[1:]]
    assert shades == ["0.75", "0.25", "1.00"]


def test_features_have_their_mean_and_their_deviation(tmp_path: Path) -> None:
    run = train(tmp_path, [{"type": "Dense", "units": 2}], ROWS, (ROWS[:, 0] > 3).astype(int))
    record = read_run(run)
    assert not isinstance(record.data, str)
    x = np.asarray(record.data.raw["train"].x)
    found = Page(report([record])).table("training part")
    for d, row in enumerate(found[1:]):
        mean = sum(x[:, d]) / len(x)
        deviation = (sum((x[:, d] - mean) ** 2) / len(x)) ** 0.5
        assert row == [f"x{d}", *(figure(float(v)) for v in (mean, deviation, min(x[:, d]), max(x[:, d])))]


def test_a_layers_parameters_are_its_own_among_more_than_ten() -> None:
    units = [3, 4, 5, 2, 3, 4, 5, 2, 3, 4, 5, 2]
    model = Sequential([Dense(n) for n in units], input_shape=(6,))
    page = Page(chapter.layers_table(Network(model, "")))
    before = [6, *units]
    expected = [f"{before[i] * n + n}" for i, n in enumerate(units)]
    assert [row[2] for row in page.table("layer")[1:-1]] == expected


def test_layers_inside_a_layer_have_rows_of_their_own() -> None:
    model = Sequential([Residual([Dense(6), Dense(6)]), Dense(2)], input_shape=(6,))
    rows = Page(chapter.layers_table(Network(model, ""))).table("layer")[1:]
    assert [row[2] for row in rows] == ["84", "42", "42", "14", "98"]
    assert [row[3] for row in rows] == ["72", "36", "36", "12", "84"]


def test_the_page_says_where_the_run_lies_and_forgets_its_data(tmp_path: Path) -> None:
    run = train(tmp_path, [{"type": "Dense", "units": 2}], ROWS, (ROWS[:, 0] > 3).astype(int))
    record = read_run(run)
    assert str(run.path) in Page(chapter.repeat(record, is_open=True)).words
    assert isinstance(record.network, Network)
    chapter.chapter(record, Figures(), "")
    assert not {"data", "network"} & set(vars(record))


def test_a_network_that_is_built_again_knows_what_its_scores_are(tmp_path: Path) -> None:
    y = (ROWS > 3).astype(int)  # two yes or no an example, and not one of two classes
    run = train(tmp_path, [{"type": "Dense", "units": 2}], ROWS, y, loss="sigmoid_cross_entropy")
    run.summary.unlink()  # as a run that is not finished has none
    network = read_run(run).network
    assert isinstance(network, Network)
    scores = network.model.scores(ROWS)
    np.testing.assert_array_equal(network.model.predict(ROWS), scores > 0)
    np.testing.assert_allclose(network.model.probabilities(ROWS), 1 / (1 + np.exp(-scores)), rtol=1e-5)


def test_data_and_network_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = train(tmp_path, [{"type": "Dense", "units": 2}], ROWS, (ROWS[:, 0] > 3).astype(int))
    read: list[Any] = []

    def counted(*given: Any) -> Any:
        read.append(given)
        return prepare.prepare(*given)

    for module in ("record", "doctor"):
        monkeypatch.setattr(f"clearprop.runs.{module}.prepare", counted)
    report([read_run(run)])
    assert len(read) == 1
