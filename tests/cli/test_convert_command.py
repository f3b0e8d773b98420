"""`clearprop data convert`, and training on what it has made."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from clearprop.cli.convert import StageBars

Clearprop = Callable[..., Any]
ROWS = "".join(f"{k},{k % 5},{'even' if k % 2 == 0 else 'odd'}\n" for k in range(200))


@pytest.fixture
def table(home: Path) -> Path:
    path = home / "numbers.csv"
    path.write_text(ROWS)
    return path


def test_a_folder_of_the_files_name(clearprop: Clearprop, table: Path, home: Path) -> None:
    outcome = clearprop("data", "convert", "numbers.csv")
    assert outcome.out.splitlines() == ["200 rows of 2 features in numbers", "0 = even, 1 = odd"]
    x, y = (np.load(home / "numbers" / f"{name}.npy") for name in "xy")
    np.testing.assert_array_equal(y, x[:, 0] % 2)
    assert x[:, 0].tolist() != list(range(200))
    refused = clearprop("data", "convert", "numbers.csv", code=2)
    assert "numbers: exists, and is not overwritten" in refused.err


@pytest.mark.parametrize(
    ("name", "made"),
    [("a.b.csv.gz", "a.b"), ("plain", "plain"), ("x.csv.XZ", "x"), ("t.data", "t")],
)
def test_the_name_without_its_endings(clearprop: Clearprop, home: Path, name: str, made: str) -> None:
    (home / "in").mkdir()
    (home / "in" / name).write_text(ROWS)
    clearprop("data", "convert", f"in/{name}")
    assert (home / made / "x.npy").is_file()


def test_options(clearprop: Clearprop, table: Path, home: Path) -> None:
    (home / "first.csv").write_text("1,2.5,3\n0,4.5,5\n")
    clearprop(
        "data", "convert", "first.csv", "--label", "first", "--out", "deep/here", "--no-shuffle", "--dtype", "float64"
    )  # fmt: skip
    x = np.load(home / "deep" / "here" / "x.npy")
    assert (x.dtype, x.tolist()) == (np.float64, [[2.5, 3], [4.5, 5]])
    assert np.load(home / "deep" / "here" / "y.npy").tolist() == [1, 0]
    orders = []
    for seed in (0, 0, 1):
        clearprop("data", "convert", table, "--seed", seed, "--out", f"s{len(orders)}")
        orders.append(np.load(home / f"s{len(orders)}" / "x.npy").tolist())
    assert orders[0] == orders[1] != orders[2]


def test_what_is_refused(clearprop: Clearprop, table: Path, home: Path) -> None:
    wrong = clearprop("data", "convert", table, "--label", "middle", code=2)
    assert "expected label to be 'first' or 'last', got 'middle'" in wrong.err
    table.write_text(ROWS + "1,2\n")
    ragged = clearprop("data", "convert", table, code=2)
    assert "numbers.csv, line 201: expected 3 cells as in the first line, got 2" in ragged.err
    assert [path.name for path in home.iterdir()] == ["numbers.csv"]


def test_training_on_the_folder(clearprop: Clearprop, table: Path, home: Path) -> None:
    clearprop("data", "convert", table, "--out", "data")
    (home / "disk.toml").write_text(
        """
        [data]
        file = "data"
        test = 0.2
        scale = "standardize"

        [model]
        layers = [{ type = "Dense", units = 2 }]

        [training]
        epochs = 2
        batch_size = 10
        """
    )
    clearprop("train", "disk.toml")
    out = clearprop("eval", "disk").out
    assert "train" in out
    assert "test" in out
    whole = clearprop("eval", "disk", "--data", "data").out.split()
    by_text = clearprop("eval", "disk", "--data", "numbers.csv").out.split()
    assert whole[whole.index("data") + 1 :] == by_text[by_text.index("numbers.csv") + 1 :]  # the same rows
    assert "200 predictions in predictions.csv" in clearprop("predict", "disk", "data").out


def shown(terminal: bool) -> str:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=terminal, width=60, color_system=None)
    with StageBars(console) as bars:
        for stage in ("reading", "writing"):
            for done in (1, 5, 10):
                bars.progress(stage, done, 10)
    return screen.getvalue()


def test_bars_move_on_a_terminal_alone() -> None:
    assert shown(False) == ""
    assert "reading" in shown(True)
    assert "writing" in shown(True)
