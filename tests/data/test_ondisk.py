"""Converted data: opened as they were written, and scaled as in memory."""

from pathlib import Path

import numpy as np
import pytest

from clearprop.data import (
    ChannelStandardizer,
    MinMax,
    ScaledRows,
    Standardizer,
    fit_scaling,
    open_folder,
)
from clearprop.errors import DataError, FileError, ShapeError
from clearprop.sources import ArrayRows

X = np.random.default_rng(0).normal(3, [1, 100, 1e-3], size=(500, 3))


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clearprop.sources.BLOCK_BYTES", 700)


def folder_of(path: Path, x: np.ndarray, y: np.ndarray, facts: str | None = None) -> Path:
    np.save(path / "x.npy", x)
    np.save(path / "y.npy", y)
    if facts is not None:
        (path / "data.json").write_text(facts)
    return path


def test_a_folder_of_your_own(tmp_path: Path) -> None:
    dataset = open_folder(folder_of(tmp_path, X, np.arange(500)))
    assert (dataset.class_names, dataset.feature_names) == (None, None)
    x, y = dataset.pair.part(100, 400).head(7)
    np.testing.assert_array_equal(x, X[100:107])
    np.testing.assert_array_equal(y, np.arange(100, 107))
    assert len(dataset.pair.part(100, 400).head(1000).x) == 300


@pytest.mark.parametrize("kind", [Standardizer, MinMax])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int32])
def test_scaling_by_blocks_is_scaling_in_memory(kind: type, dtype: type) -> None:
    x = (X * 10).astype(dtype)
    x[:, 0] = 5  # a constant feature
    found, expected = fit_scaling(kind, ArrayRows(x)), kind.fit(x)
    np.testing.assert_allclose(found.shift, expected.shift, rtol=1e-12)
    np.testing.assert_allclose(found.scale, expected.scale, rtol=1e-10)
    scaled = ScaledRows(ArrayRows(x), found)
    assert scaled.shape == x.shape
    rows = scaled.read(10, 300)
    assert rows.dtype == scaled.dtype == (dtype if dtype != np.int32 else np.float64)
    tolerance = 1e-4 if dtype == np.float32 else 1e-9
    np.testing.assert_allclose(rows, expected.transform(x[10:300]), rtol=tolerance, atol=tolerance)


def test_far_from_zero_the_variance_keeps_its_digits() -> None:
    x = X + 1e7
    np.testing.assert_allclose(fit_scaling(Standardizer, ArrayRows(x)).scale, x.std(axis=0), rtol=1e-6)


def test_channels_by_blocks() -> None:
    x = np.random.default_rng(0).normal([1, 2, 3], [1, 5, 1], size=(60, 4, 5, 3))
    x[..., 2] = 7
    x[:, 1] += 3
    found, expected = fit_scaling(ChannelStandardizer, ArrayRows(x)), ChannelStandardizer.fit(x)
    np.testing.assert_allclose(found.shift, expected.shift, rtol=1e-12)
    np.testing.assert_allclose(found.scale, expected.scale, rtol=1e-12)


def test_what_cannot_be_scaled() -> None:
    with pytest.raises(ShapeError, match="ChannelStandardizer: expected pictures"):
        fit_scaling(ChannelStandardizer, ArrayRows(X))
    with pytest.raises(DataError, match="Standardizer: expected features as numbers"):
        fit_scaling(Standardizer, ArrayRows(X.astype(str)))
    x = X.copy()
    x[333, 1] = np.nan
    with pytest.raises(DataError, match=r"Standardizer: x\[333, 1\] is nan"):
        fit_scaling(Standardizer, ArrayRows(x))


def test_folders_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"x\.npy: there is no such file"):
        open_folder(tmp_path)
    with pytest.raises(
        ShapeError, match=r"x\.npy and y\.npy with as many rows, got shapes \(500, 3\) and \(9,\)"
    ):
        open_folder(folder_of(tmp_path, X, np.arange(9)))
    for facts in ("no json", "[]", '{"class_names": 3}'):
        with pytest.raises(DataError, match=r"data\.json: not as clearprop wrote it"):
            open_folder(folder_of(tmp_path, X, np.arange(500), facts))
