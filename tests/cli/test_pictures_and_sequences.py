"""Pictures and sequences on the command line: trained, measured, and predicted from files in two shapes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import clearprop as cp
from clearprop.arrays import Array
from clearprop.data import sine_waves

Clearprop = Callable[..., Any]


@pytest.fixture
def sine(clearprop: Clearprop, home: Path) -> Path:
    (home / "sine.toml").write_text(
        """
        loss = "squared_error"

        [data]
        name = "sine"

        [model]
        layers = [
            { type = "Flatten" },
            { type = "Dense", units = 8, activation = "tanh" },
            { type = "Dense", units = 1 },
        ]

        [optimizer]
        name = "adam"
        lr = 0.01

        [training]
        epochs = 6
        batch_size = 50
        """
    )
    clearprop("train", "sine.toml")
    return home / "experiments" / "sine"


def test_a_generated_set_is_learnt_and_measured(clearprop: Clearprop, sine: Path) -> None:
    summary = json.loads((sine / "summary.json").read_text())
    for part in ("train", "validation", "test"):
        assert summary[part]["mean_squared_error"] < 5e-4  # of a variance of 0.5
    shown = clearprop("eval", "sine").out.split()
    error = summary["test"]["mean_squared_error"]
    assert shown[shown.index("test") + 2] == f"{error:.1e}"  # not 0.0000
    assert f"{error:.1e}" in clearprop("runs").out


def test_sequences_from_a_file(clearprop: Clearprop, sine: Path, home: Path) -> None:
    """As (N, T, 1), and as rows of T numbers, which are the same sequences."""
    x, y = sine_waves(7, seed=5)
    np.save("x.npy", x)
    np.savetxt("x.csv", x[:, :, 0], delimiter=",", fmt="%.17g")
    np.savez("xy.npz", x=x, y=y)
    np.savetxt("xy.csv", np.hstack([x[:, :, 0], y]), delimiter=",", fmt="%.17g")
    expected = cp.load(sine / "weights.safetensors").scores(x.astype("f4"))[:, 0]
    for name in ("x.npy", "x.csv"):
        clearprop("predict", "sine", name, "--out", f"{name}.predicted")
        ids, found = np.loadtxt(f"{name}.predicted", delimiter=",", skiprows=1).T
        assert ids.tolist() == list(range(7))
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    error = np.mean((expected - y[:, 0]) ** 2)
    for name in ("xy.npz", "xy.csv"):
        words = clearprop("eval", "sine", "--data", name).out.split()
        assert float(words[-1]) == pytest.approx(error, rel=0.06)


PICTURES = """
    [data]
    file = "train.npz"
    test = 0.2
    scale = "channels"

    [model]
    layers = [
        { type = "Conv2D", filters = 4, kernel = 3, activation = "relu" },
        { type = "Flatten" },
        { type = "Dense", units = 2 },
    ]

    [optimizer]
    name = "adam"
    lr = 0.01

    [training]
    epochs = 30
    batch_size = 8
    """


def pictures() -> tuple[Array, Array]:
    """Two classes of small pictures whose channels are of different sizes; one class is bright above."""
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    x = rng.normal(size=(60, 6, 6, 3)) * [1, 10, 100] + [0, 5, -5]
    x[y == 1, :3] += [3, 30, 300]
    return x, y


def test_pictures_from_a_file(clearprop: Clearprop, home: Path) -> None:
    """As (N, H, W, C), and as rows of H·W·C numbers; scaled by channel."""
    x, y = pictures()
    np.savez("train.npz", x=x[:40], y=y[:40])
    (home / "pictures.toml").write_text(PICTURES)
    clearprop("train", "pictures.toml")
    kept = json.loads((home / "experiments/pictures/preprocessing.json").read_text())["scaling"]
    assert [len(kept["shift"]), len(kept["scale"])] == [3, 3]
    np.save("new.npy", x[40:])
    np.savetxt("new.csv", x[40:].reshape(20, -1), delimiter=",", fmt="%.17g")
    scaled = ((x[40:] - kept["shift"]) / kept["scale"]).astype("f4")
    labels = cp.load(home / "experiments/pictures/weights.safetensors").predict(scaled)
    assert (labels == y[40:]).mean() > 0.9
    for name in ("new.npy", "new.csv"):
        clearprop("predict", "pictures", name, "--out", f"{name}.labels")
        assert np.loadtxt(f"{name}.labels", delimiter=",", skiprows=1)[:, 1].tolist() == labels.tolist()


def test_rows_become_pictures_in_the_network(clearprop: Clearprop, home: Path) -> None:
    x, y = pictures()
    rows = ((x - x.mean(axis=(0, 1, 2))) / x.std(axis=(0, 1, 2))).reshape(60, -1)
    np.savez("train.npz", x=rows[:40], y=y[:40])
    np.savez("new.npz", x=rows[40:], y=y[40:])
    np.savez("new-pictures.npz", x=rows[40:].reshape(20, 6, 6, 3), y=y[40:])
    flat = PICTURES.replace('"channels"', '"none"').replace(
        "layers = [", 'layers = [{ type = "Reshape", shape = [6, 6, 3] },'
    )
    (home / "rows.toml").write_text(flat)
    clearprop("train", "rows.toml")
    found = [
        clearprop("eval", "rows", "--data", name).out.split()[-2:] for name in ("new.npz", "new-pictures.npz")
    ]
    assert found[0] == found[1]
    assert float(found[0][1]) > 0.9


def test_eval_with_the_labels_in_another_column(clearprop: Clearprop, small: Path, home: Path) -> None:
    clearprop("train", small)
    last = ["5.1,3.5,1.4,0.2,setosa", "6.4,3.2,4.5,1.5,versicolor", "7.2,3.6,6.1,2.5,virginica"]
    first = [",".join([line.split(",")[4], *line.split(",")[:4]]) for line in last]
    (home / "last.csv").write_text("\n".join(last))
    (home / "first.csv").write_text("\n".join(first))
    expected = clearprop("eval", "small", "--data", "last.csv").out.split()[-2:]
    assert clearprop("eval", "small", "--data", "first.csv", "--label", "first").out.split()[-2:] == expected
    refused = clearprop("eval", "small", "--data", "first.csv", code=2)
    assert "first.csv" in refused.err
    refused = clearprop("eval", "small", "--data", "first.csv", "--label", "middle", code=2)
    assert "expected label to be 'first' or 'last', got 'middle'" in refused.err


PIXELS = """
    [data]
    file = "pixels.npz"
    test = 0.2

    [model]
    layers = [{ type = "Conv2D", filters = 2, kernel = 1 }]

    [optimizer]
    name = "adam"
    lr = 0.1

    [training]
    epochs = 20
    batch_size = 10
    """


def test_a_label_for_each_pixel_from_a_file(clearprop: Clearprop, home: Path) -> None:
    """A pixel's class is whether it is bright."""
    x = np.random.default_rng(0).normal(size=(60, 5, 4, 1))
    np.savez("pixels.npz", x=x, y=(x[..., 0] > 0).astype(int))
    (home / "pixels.toml").write_text(PIXELS)
    clearprop("train", "pixels.toml")
    summary = json.loads((home / "experiments" / "pixels" / "summary.json").read_text())
    assert summary["test"]["accuracy"] > 0.95
    assert f"{summary['test']['accuracy']:.4f}" in clearprop("eval", "pixels").out
    clearprop("predict", "pixels", "pixels.npz")
    found = np.loadtxt("predictions.csv", delimiter=",", skiprows=1)[:, 1:]
    np.testing.assert_allclose(
        (found == (x > 0).reshape(60, -1)).mean(), summary["test"]["accuracy"], atol=0.05
    )
