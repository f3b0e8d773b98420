"""The benchmarks run: every row once, with hardly any work, and what they say is the arithmetic of what they took."""

import json
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

ROOT = Path(__file__).parent.parent
INSTALLED = {
    "PyTorch": "torch",
    "PyTorch, NCHW": "torch",
    "PyTorch, NHWC": "torch",
    "1 worker": "numpy",
    "scikit-learn": "sklearn",
    "NumPy": "numpy",
    "core": "numpy",
    "not watched": "numpy",
    "1 rank": "numpy",
}


@pytest.fixture(autouse=True)
def _from_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT)


def run(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8")


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """The table and the JSON file of a run over everything."""
    file = tmp_path_factory.mktemp("benchmarks") / "results.json"
    done = run("--tiny", "--repeats", "1", "--threads", "1", "--json", str(file))
    if done.returncode:
        pytest.fail(done.stderr)
    return done.stdout, json.loads(file.read_text(encoding="utf-8"))


def test_every_row_has_its_ratios(trial: tuple[str, dict[str, Any]]) -> None:
    from benchmarks.families import ROWS

    table, kept = trial
    assert [result["name"] for result in kept["results"]] == [row.name for row in ROWS]
    for result in kept["results"]:
        assert result["name"] in table
        for rival, ratio in result["ratios"].items():
            theirs = result["rivals"][rival]["values"]
            assert ratio == pytest.approx(np.median(result["ours"]["values"]) / np.median(theirs))
            assert f"{ratio:.2f}" in table
        missing = {name for name in result["rivals"] if not find_spec(INSTALLED[name])}
        assert set(result["rivals"]) - set(result["ratios"]) == missing
        assert all(result["rivals"][name]["missing"] for name in missing)


def test_the_header_names_what_was_measured(trial: tuple[str, dict[str, Any]]) -> None:
    table, kept = trial
    assert f"numpy {np.__version__}" in kept["header"][0]
    assert "cores" in kept["header"][1]
    assert any("kernels" in line for line in kept["header"])
    assert max(map(len, table.splitlines())) <= 100


def test_rows_are_chosen_by_family_or_name() -> None:
    assert len(run("--list", "--only", "train").stdout.splitlines()) == 2
    assert run("--list", "--only", "epoch 784-256-10, batch 200").stdout.splitlines() == [
        "train    epoch 784-256-10, batch 200"
    ]
    refused = run("--only", "nothing")
    assert refused.returncode == 2
    assert "no row is called 'nothing'; --list shows them all" in refused.stderr


def counting(values: list[float]) -> Callable[[Any], Callable[[], float]]:
    """A contender that gives these values, one a turn."""
    turns = iter(values)
    return lambda scale: lambda: next(turns)


def test_contenders_have_turns_and_the_first_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    import benchmarks.measure
    from benchmarks.measure import measure, result_from
    from benchmarks.rows import Row, Scale

    monkeypatch.setattr(benchmarks.measure, "PAUSE", 0.0)
    row = Row("f", "r", counting([99.0, 1.0, 3.0, 2.0]), {"it": counting([99.0, 4.0, 4.0, 8.0])})
    result = measure(row, Scale(threads=1), repeats=3)
    assert result.ours.values == [1.0, 3.0, 2.0]
    assert result.ratio("it") == 0.5
    assert result.ours.spread == pytest.approx(np.subtract(*np.quantile([1, 2, 3], [0.75, 0.25])) / 2 / 2)
    assert result_from(json.loads(json.dumps(result.as_dict()))) == result


def test_a_row_may_have_fewer_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    import benchmarks.measure
    from benchmarks.measure import measure
    from benchmarks.rows import Row, Scale

    monkeypatch.setattr(benchmarks.measure, "PAUSE", 0.0)
    for rounds, taken in ((2, [1.0, 2.0]), (9, [1.0, 2.0, 3.0]), (None, [1.0, 2.0, 3.0])):
        row = Row("f", "r", counting([0.0, 1.0, 2.0, 3.0]), {}, rounds=rounds)
        assert measure(row, Scale(threads=1), repeats=3).ours.values == taken


def test_a_missing_rival_is_said_to_be_missing() -> None:
    from benchmarks.measure import measure
    from benchmarks.rows import Row, Scale
    from benchmarks.table import show

    def absent(scale: Any) -> Any:
        import a_library_that_nobody_has

        return a_library_that_nobody_has

    row = Row("f", "a workload", counting([0.0015]), {"Absent": absent, "Present": counting([0.006])})
    result = measure(row, Scale(threads=2, tiny=True), repeats=1)
    assert "a_library_that_nobody_has" in result.rivals["Absent"].missing
    printed = StringIO()
    show([result], ["a header"], Console(file=printed, width=100))
    lines = printed.getvalue().splitlines()
    assert lines[3].split() == [
        "a",
        "workload",
        "2",
        "1.50",
        "ms",
        "±0",
        "%",
        "Absent",
        "not",
        "installed",
        "–",
    ]
    assert lines[4].split() == ["Present", "6.00", "ms", "±0", "%", "0.25"]


def test_kernels_that_were_forced_are_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks.machine import notes

    monkeypatch.setenv("OPENBLAS_CORETYPE", "Prescott")
    assert "OPENBLAS_CORETYPE=Prescott in the environment forces" in " ".join(notes())
    assert "env -u OPENBLAS_CORETYPE python -m benchmarks" in " ".join(notes())
    monkeypatch.delenv("OPENBLAS_CORETYPE")
    assert "CORETYPE" not in " ".join(notes())


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(0.00123, "s", "1.23 ms"), (12.0, "s", "12.0 s"), (4.567e-5, "s", "45.7 µs"), (741e6, "B", "741 MB")],
)
def test_amounts_have_three_digits(value: float, unit: str, text: str) -> None:
    from benchmarks.table import amount

    assert amount(value, unit) == text


@pytest.mark.parametrize("p", [2, 8, 64])
def test_where_data_parallelism_stops_paying(p: int) -> None:
    """With so many parameters p machines are as fast as one, with fewer faster."""
    from benchmarks.scaling import NETWORKS, most_params, step

    for network in NETWORKS.values():
        most = most_params(p, 0.05, *network)
        assert step(p, 0.05, most, *network) == pytest.approx(0.05)
        assert step(p, 0.05, most / 2, *network) < 0.05 < step(p, 0.05, most * 2, *network)
    assert most_params(p, 1e-6, 1e-5, 1e9) == 0


def test_latency_and_bandwidth_of_planted_times() -> None:
    from benchmarks.allreduce import SIZES, constants

    times = {size: 3 * 5e-6 + 2 * 7 / 8 * size / 2e9 for size in SIZES}
    alpha, rate = constants(8, times)
    assert alpha == pytest.approx(5e-6, rel=0.01)
    assert rate == pytest.approx(2e9)


def test_what_it_brings_on_paper_is_as_the_page_says() -> None:
    from benchmarks.scaling import break_even, gains

    page = (ROOT / "docs" / "many-machines.md").read_text(encoding="utf-8")
    assert break_even() in page
    assert gains() in page
