"""The report: whole HTML that loads nothing, with a run's own numbers, however the run ended."""

import copy
import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from interruption import StopAt
from report_pages import Page

from clearprop.errors import ConfigError, DataError, DivergedError, FileError
from clearprop.lens.style import new_axes
from clearprop.runs.config import make_config
from clearprop.runs.figures import figure
from clearprop.runs.folder import RunFolder, new_folder
from clearprop.runs.log import read_log
from clearprop.runs.record import Record, read_runs
from clearprop.runs.report.figure import Figures
from clearprop.runs.report.html import Markup, element, joined, table
from clearprop.runs.report.page import MOST_CHAPTERS, report, write_report
from clearprop.runs.run import start
from clearprop.runs.sweep import run_sweep

FLOWERS: dict[str, Any] = {
    "data": {"name": "iris", "validation": 0.1, "test": 0.2, "stratify": True, "scale": "minmax"},
    "model": {"layers": [{"type": "Dense", "units": 5, "activation": "relu"}, {"type": "Dense", "units": 3}]},
    "optimizer": {"name": "adam", "lr": 0.01},
    "training": {"epochs": 3, "batch_size": 30},
}


def train(
    home: Path, name: str, *changes: str, stop: int = 0, tables: dict[str, Any] | None = None
) -> RunFolder:
    run = new_folder(home / "experiments", name)
    config = make_config(copy.deepcopy(tables or FLOWERS), name, changes)
    with suppress(DivergedError):
        start(run, config, [StopAt(stop)] if stop else [])
    return run


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of every kind, trained once."""
    home: Path = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("clearprop.runs.run.save_plots", lambda *args: None)
        train(home, "iris")
        train(home, "fast", "optimizer.lr=0.05", "training.batch_size=15")
        train(home, "hot", "optimizer.lr=1e38")
        train(home, "halted", "checkpoints.seconds=0", stop=7)
        train(home, "early", stop=2)
        train(home, "alone", "data.validation=0.0", "data.test=0.0")
        rng = np.random.default_rng(0)
        images = rng.normal(size=(60, 8, 8, 1))
        np.savez(home / "images.npz", x=images, y=(images.mean(axis=(1, 2, 3)) > 0).astype(int))
        layers = [{"type": "Conv2D", "filters": 4, "kernel": 3, "activation": "relu"}, {"type": "Flatten"}]
        pictures = FLOWERS | {
            "data": {"file": str(home / "images.npz"), "test": 0.3},
            "model": {"layers": [*layers, {"type": "Dense", "units": 2}]},
        }
        train(home, "pictures", tables=pictures)
        x = rng.normal(size=(50, 2))
        np.savez(home / "numbers.npz", x=x, y=x @ [1.0, -2.0])
        numbers = FLOWERS | {
            "data": {"file": str(home / "numbers.npz"), "validation": 0.2},
            "model": {"layers": [{"type": "Dense", "units": 1}]},
            "loss": "squared_error",
        }
        train(home, "numbers", tables=numbers)
        sweep = new_folder(home / "experiments", "rates")
        rates = 'sweep={"optimizer.lr" = [0.1, 0.01, 0.001, 0.0001], "model.layers.0.units" = [4, 8]}'
        config = make_config(copy.deepcopy(FLOWERS), "rates", [rates, "training.epochs=1"])
        run_sweep(sweep, config, lambda _: None)
    return home


def records(home: Path, *names: str) -> list[Record]:
    return read_runs(home / "experiments", names)


Pages = Callable[..., Page]


@pytest.fixture(scope="module")
def page(home: Path) -> Pages:
    """page("iris", …): the report of these runs, taken apart; each is written once, and each must be sound."""
    known: dict[tuple[str, ...], Page] = {}

    def make(*names: str) -> Page:
        if names not in known:
            html = report(records(home, *names))
            assert html.startswith("<!DOCTYPE html>\n<html")
            known[names] = found = Page(html)
            assert found.wrong == []
            assert found.loads == []
        return known[names]

    return make


def summary(home: Path, name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((home / "experiments" / name / "summary.json").read_text())
    return read


def cells_of(numbers: dict[str, float | None]) -> list[str]:
    return [figure(value) for value in numbers.values()]


# --- the page of one run ---


@pytest.mark.parametrize("name", ["iris", "alone", "pictures", "numbers"])
def test_the_results_are_those_of_the_summary(page: Pages, home: Path, name: str) -> None:
    known = summary(home, name)
    parts = [part for part in ("train", "validation", "test") if part in known]
    rows = page(name).table("part")
    assert rows[0][1:] == [word.replace("_", " ") for word in known["train"]]
    assert rows[1:] == [[part, *cells_of(known[part])] for part in parts]


def test_a_run_has_every_section_and_links_to_it(page: Pages) -> None:
    assert [name for name in page("iris").ids if not name.startswith("f")] == [
        "results", "curves", "doctor", "pictures", "network", "data", "repeat",
    ]  # fmt: skip
    assert set(page("iris").links) >= {"results", "curves", "doctor", "pictures", "network", "data", "repeat"}
    assert (
        page("iris").tags.count("main")
        == page("iris").tags.count("h1")
        == page("iris").tags.count("nav")
        == 1
    )


def test_confusions_add_up(page: Pages, home: Path) -> None:
    rows = page("iris").table("true\u00a0↓ predicted\u00a0→")
    counts = [[int(cell or 0) for cell in row[1:]] for row in rows[1:]]
    assert [row[0] for row in rows[1:]] == rows[0][1:] == ["setosa", "versicolor", "virginica"]
    assert [sum(row) for row in counts] == [10, 10, 10]
    right = sum(counts[k][k] for k in range(3))
    assert right / 30 == pytest.approx(summary(home, "iris")["test"]["accuracy"])
    assert f"{right} of 30 right" in page("iris").text


def test_the_worst_rows_are_as_they_were_measured(page: Pages) -> None:
    rows = page("iris").table("row")
    assert rows[0] == [
        "row",
        "true",
        "predicted",
        "probability",
        "sepal length",
        "sepal width",
        "petal length",
        "petal width",
    ]
    assert len(rows) == 13
    assert all(float(row[4]) > 4 for row in rows[1:])  # centimetres, not 0..1


def test_the_network_and_the_data(page: Pages) -> None:
    assert page("iris").table("layer")[1:] == [
        ["0 Dense(5)", "(N, 5)", "25", "20"],
        ["1 Activation('relu')", "(N, 5)", "", ""],
        ["2 Dense(3)", "(N, 3)", "18", "15"],
        ["total", "", "43", "35"],
    ]
    assert page("iris").table("class")[1:] == [
        [name, "35", "5", "10"] for name in ("setosa", "versicolor", "virginica")
    ]
    assert "scaled to 0..1 by the training part" in page("iris").text


def test_how_to_repeat_it(page: Pages, home: Path) -> None:
    text = page("iris").text
    assert (home / "experiments" / "iris" / "config.toml").read_text().strip() in text
    known = summary(home, "iris")
    for words in (
        *known["versions"].values(),
        "clearprop train iris.toml",
        "Save the configuration below as iris.toml",
    ):
        assert words in text


def test_a_run_without_parts_that_are_held_out(page: Pages) -> None:
    assert "Confusions of the train part" in page("alone").text


def test_a_run_on_images_shows_filters_and_examples(page: Pages, home: Path) -> None:
    found = page("pictures")
    assert "4 filters, 3×3" in found.text
    assert "Weights of the first layer after training" in found.text
    assert found.tags.count("image") == 2  # the filters, and the worst examples
    assert sum(word.startswith("said ") for word in found.words) == 12


def test_a_run_that_predicts_numbers(page: Pages) -> None:
    assert "Predicted and true numbers of the validation part" in page("numbers").text
    assert page("numbers").table("part")[0] == ["part", "loss", "mean squared error"]
    assert "Mean squared error by epoch" in page("numbers").text


def test_a_run_that_was_interrupted(page: Pages, home: Path) -> None:
    text = page("halted").text
    assert "interrupted" in text
    assert f"clearprop train --resume {home / 'experiments' / 'halted'}" in text
    assert "There are no results: the run is interrupted." in text
    assert "after step 7" in text
    first = json.loads((home / "experiments" / "halted" / "metrics.jsonl").read_text().splitlines()[0])
    assert (
        read_log(home / "experiments" / "halted" / "metrics.jsonl", "accuracy").steps["loss"][0]
        == first["loss"]
    )


def test_a_run_that_diverged(page: Pages, home: Path) -> None:
    reason = summary(home, "hot")["reason"]
    assert reason[0].upper() + reason[1:] in page("hot").text
    assert "serious" in page("hot").text
    assert "before the first step" in page("hot").text


def test_the_doctors_findings_are_the_doctors(page: Pages, home: Path) -> None:
    from clearprop.runs.doctor import diagnose_run

    found = diagnose_run(records(home, "hot")[0])
    assert found.findings
    for finding in found.findings:
        assert finding.remedy in page("hot").text
    assert page("hot").table("looked at")[1:] == [[look.name, look.seen] for look in found.looks]


def test_a_run_that_was_killed_while_it_wrote(home: Path, tmp_path: Path) -> None:
    shutil.copytree(home / "experiments" / "early", tmp_path / "experiments" / "early")
    run = RunFolder(tmp_path / "experiments" / "early")
    run.summary.unlink()
    shutil.rmtree(run.checkpoints)
    lines = run.metrics.read_text().splitlines()
    run.metrics.write_text("\n".join([*lines, lines[-1][:20]]))
    found = Page(report(records(tmp_path, "early")))
    assert found.wrong == []
    assert "not finished" in found.text
    assert len(records(tmp_path, "early")[0].history.steps["loss"]) == 2
    run.metrics.write_text("\n".join([lines[0][:20], *lines]))
    with pytest.raises(DataError, match=r"metrics.jsonl, line 1: not as clearprop wrote it"):
        records(tmp_path, "early")


def test_a_run_whose_data_are_gone(home: Path, tmp_path: Path) -> None:
    shutil.copytree(home / "experiments" / "numbers", tmp_path / "experiments" / "numbers")
    config = tmp_path / "experiments" / "numbers" / "config.toml"
    config.write_text(config.read_text().replace("numbers.npz", "gone.npz"))
    found = Page(report(records(tmp_path, "numbers")))
    assert found.wrong == []
    assert "gone.npz" in found.text
    assert found.table("part")[1:] == [
        [part, *cells_of(summary(home, "numbers")[part])] for part in ("train", "validation")
    ]
    assert found.table("layer")[1][0] == "0 Dense(1)"
    assert "Confusions and worst examples need the data." in found.text


def test_data_that_have_changed_are_not_shown_as_the_runs(home: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "numbers.npz", x=np.ones((50, 2)), y=np.ones(50))
    shutil.copytree(home / "experiments" / "numbers", tmp_path / "experiments" / "numbers")
    config = tmp_path / "experiments" / "numbers" / "config.toml"
    config.write_text(config.read_text().replace(str(home / "numbers.npz"), str(tmp_path / "numbers.npz")))
    text = Page(report(records(tmp_path, "numbers"))).text
    assert "expected the training data that the run began with, got others" in text
    assert "Predicted and true numbers" not in text


EVIL = "</style><script>alert(\"1\")</script><b>&amp; 'x'"


def test_every_name_is_escaped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clearprop.runs.run.save_plots", lambda *args: None)
    rng = np.random.default_rng(0)
    rows = [f"{a:.3f},{b:.3f},{'<i>no</i>' if a < b else '& yes'}" for a, b in rng.normal(size=(60, 2))]
    (tmp_path / "own.csv").write_text("\n".join(["<u>a</u>,b&b,label", *rows]))
    tables = FLOWERS | {
        "description": EVIL,
        "data": {"file": str(tmp_path / "own.csv"), "test": 0.2},
        "model": {"layers": [{"type": "Dense", "units": 2}]},
    }
    train(tmp_path, "<em>run", tables=tables)
    train(tmp_path, "other", tables=tables)
    for names in (["<em>run"], ["<em>run", "other"]):
        found = Page(report(records(tmp_path, *names)))
        assert found.wrong == []
        assert found.tags.count("script") == found.tags.count("style") == 1
        assert not {"i", "u", "em", "b"} & set(found.tags)
        assert {"<i>no</i>", "& yes", "<u>a</u>", "b&b"} <= set(found.words)
        assert EVIL in found.text


# --- the page of several ---


def test_several_runs_side_by_side(page: Pages, home: Path) -> None:
    found = page("iris", "fast", "hot", "numbers")
    head, *rows = found.table("run")
    assert [row[0] for row in rows] == ["iris", "fast", "hot", "numbers"]
    column = head.index("test loss")
    losses = {name: summary(home, name)["test"]["loss"] for name in ("iris", "fast")}
    assert [row[column] for row in rows] == [figure(losses["iris"]), figure(losses["fast"]), "", ""]
    assert not any(cell.startswith("★") for row in rows for cell in row)  # they are on different data
    assert "Train loss by epoch (softmax_cross_entropy)" in found.text
    assert "Train loss by epoch (squared_error)" in found.text
    assert {"run1", "run2", "run3", "run4", "run4-doctor"} <= set(found.ids)


def test_settings_that_differ_are_marked(page: Pages) -> None:
    found = page("iris", "fast", "hot", "numbers")
    rows = {row[0]: row[1:] for row in found.table("setting")[1:]}
    assert rows["≠ optimizer.lr"] == ["0.01", "0.05", "1e+38", "0.01"]
    assert rows["≠ training.batch_size"] == ["30", "15", "30", "30"]
    assert rows["≠ data.test"] == ["0.2", "0.2", "0.2", "0.0"]
    same = next(table for table in found.tables if table[0] == ["setting", "all runs"])
    assert ["optimizer.name", "adam"] in same
    assert not {row[0] for row in same} & {"optimizer.lr", "training.batch_size"}


def test_a_sweep_is_all_of_its_runs(page: Pages, home: Path) -> None:
    found = page("rates")
    assert len(found.table("run")) == 1 + 8
    losses = {record.name: record.results["validation"]["loss"] or 9.0 for record in records(home, "rates")}
    ranked = sorted(losses, key=lambda name: losses[name])
    best = ranked[:MOST_CHAPTERS]
    head, *table_rows = found.table("run")
    assert [row[0] for row in table_rows if row[head.index("validation loss")].startswith("★")] == best[:1]
    chapters = dict.fromkeys(word for word in found.words if word.startswith("Run lr="))
    assert list(chapters) == [f"Run {name}" for name in best]
    assert f"the {MOST_CHAPTERS} best of 8 runs are shown in full" in found.text
    rows = {row[0]: row[1:] for row in found.table("setting")[1:]}
    assert rows["≠ optimizer.lr"] == [name.split(",")[0].removeprefix("lr=") for name in ranked]


# --- the file ---


def test_an_older_report_is_replaced_and_nothing_else(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    size = write_report(records(home, "alone"), path)
    first = path.read_bytes()
    assert len(first) == size < 1_000_000
    write_report(records(home, "alone"), path)
    assert path.read_bytes() == first  # the same run gives the same page
    path.write_text("<html>my thesis</html>")
    with pytest.raises(ConfigError, match="what lies there is no clearprop report, so it is not replaced"):
        write_report(records(home, "alone"), path)
    assert path.read_text() == "<html>my thesis</html>"
    with pytest.raises(ConfigError, match="no clearprop report"):
        write_report(records(home, "alone"), tmp_path)
    with pytest.raises(FileError, match=r"gone/page.html: its folder does not exist. Make it first."):
        write_report(records(home, "alone"), tmp_path / "gone" / "page.html")


# --- the parts of a page ---


def test_markup_goes_in_as_it_is_and_text_does_not() -> None:
    assert element("p", ["1 < 2 & ", element("b", "x")]) == "<p>1 &lt; 2 &amp; <b>x</b></p>"
    assert joined("<br>") == "&lt;br&gt;"
    assert joined(Markup("<br>")) == "<br>"
    assert element("a", "x", title='"<') == '<a title="&quot;&lt;">x</a>'


def test_a_table_names_its_rows_and_columns() -> None:
    made = table(["a", "b"], [["<x>", "1"]], says="all", numbers=1)
    assert '<th scope="row">&lt;x&gt;</th><td class="n">1</td>' in made
    assert '<th scope="col">a</th><th scope="col" class="n">b</th>' in made
    assert 'role="region" aria-label="all" tabindex="0"' in made


def test_figures_have_names_of_their_own_and_the_pages_colours() -> None:
    figures = Figures()
    drawn = []
    for _ in range(2):
        axes = new_axes(3, 2)
        axes.plot([1, 2], [3, 4], "o-", color="#0072B2", label="<b>")
        axes.legend()
        axes.set_title("a & b")
        drawn.append(figures.drawing(axes, 'says "this"'))
    found = Page(joined(drawn))
    assert found.wrong == []
    assert found.loads == []
    assert found.ids
    assert "a & b" in found.words
    assert "<b>" in found.words
    assert "var(--c-0072b2, #0072b2)" in drawn[0]
    assert "<style" not in drawn[0]
    assert "<metadata" not in drawn[0]
    assert "var(--c" not in figures.drawing(new_axes(3, 2), "paper", paper=True)


def test_the_checker_of_pages_finds_faults() -> None:
    for html, fault in [
        ("<p><b></p></b>", "closes nothing"),
        ("<p>", "never closed"),
        ('<a href="#x">x</a>', "leads nowhere"),
        ('<p id="a"></p><p id="a"></p>', "twice"),
        ('<p onclick="x()"></p>', "runs a script"),
        ("<p/>", "outside of a drawing"),
    ]:
        assert any(fault in wrong for wrong in Page(html).wrong), html
    assert Page('<img alt="x" src="http://x/y.png">').loads == ["http://x/y.png"]
    assert Page("<style>@import url(x)</style>").loads == ["url(", "@import"]
