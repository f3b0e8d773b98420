"""Splits and scaling, against scikit-learn and against counting."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from clearprop.data import ChannelStandardizer, MinMax, Standardizer, load, split
from clearprop.errors import ConfigError, DataError, ShapeError

SHARES = (0.7, 0.1, 0.2)


@hypothesis_settings(max_examples=40, deadline=None)
@given(st.integers(10, 300), st.integers(0, 2**32))
def test_every_example_is_in_one_part(count: int, seed: int) -> None:
    parts = split(count, SHARES, seed=seed)
    assert sorted(np.concatenate(parts)) == list(range(count))
    for part, share in zip(parts, SHARES, strict=True):
        assert abs(len(part) - share * count) < 1
    again = split(count, SHARES, seed=seed)
    for one, other in zip(parts, again, strict=True):
        np.testing.assert_array_equal(one, other)


def test_another_seed_gives_other_parts() -> None:
    assert not np.array_equal(split(100, SHARES, seed=0)[0], split(100, SHARES, seed=1)[0])


def test_iris_in_the_courses_sizes() -> None:
    y = load("iris").train.y
    assert [len(part) for part in split(150, SHARES)] == [105, 15, 30]
    parts = split(y, SHARES, seed=3, stratify=True)
    assert [np.bincount(y[part]).tolist() for part in parts] == [[35] * 3, [5] * 3, [10] * 3]
    assert sorted(np.concatenate(parts)) == list(range(150))
    assert not (np.diff(y[parts[0]]) >= 0).all()  # the classes lie mixed


def test_labels_without_stratify_count_alone() -> None:
    y = np.array([3, 1, 4, 1, 5])
    for one, other in zip(split(y, (0.5, 0.5)), split(5, (0.5, 0.5)), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("fractions", [(), (0.5, 0.4), (1.2, -0.2), (1.0, 0.0)])
def test_fractions_that_are_none(fractions: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError, match="split: expected fractions above 0 that add up to 1, got "):
        split(10, fractions)


def test_stratify_needs_labels() -> None:
    with pytest.raises(ConfigError, match=r"split: stratify needs the labels, an array of shape \(N,\)"):
        split(10, (0.5, 0.5), stratify=True)


def test_parts_that_would_be_empty() -> None:
    with pytest.raises(
        DataError, match=r"split: expected enough examples for 3 parts .*, got 3, so a part would be em"
    ):
        split(3, SHARES)
    with pytest.raises(DataError, match="split, class 1: expected enough examples for 2 parts"):
        split(np.array([0, 0, 0, 1]), (0.5, 0.5), stratify=True)


@pytest.mark.parametrize(("ours", "theirs"), [(Standardizer, "StandardScaler"), (MinMax, "MinMaxScaler")])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_against_scikit_learn(ours: type[Standardizer], theirs: str, dtype: str) -> None:
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    rng = np.random.default_rng(0)
    train = (rng.normal(size=(50, 5)) * [1, 10, 1e-3, 1, 0] + [0, 5, 0, -3, 0.1]).astype(dtype)
    test = rng.normal(size=(20, 5)).astype(dtype)
    kept = test.copy()
    scaling = ours.fit(train)
    expected = getattr(preprocessing, theirs)().fit(train.astype("float64"))
    scaled = scaling.transform(test)
    assert scaled.dtype == dtype
    rtol = 1e-12 if dtype == "float64" else 2e-4
    np.testing.assert_allclose(scaled, expected.transform(test.astype("float64")), rtol=rtol, atol=rtol)
    assert scaling.inverse(scaled).dtype == dtype
    np.testing.assert_allclose(scaling.inverse(scaled), test, rtol=rtol, atol=rtol)
    np.testing.assert_array_equal(test, kept)


def test_a_constant_feature_stays_finite() -> None:
    x = np.full((7, 2), 0.1)
    assert Standardizer.fit(x).scale.tolist() == [1, 1]
    np.testing.assert_allclose(Standardizer.fit(x).transform(x), 0, atol=1e-15)
    assert MinMax.fit(x).transform(x).tolist() == np.zeros((7, 2)).tolist()


def test_images_and_whole_numbers() -> None:
    x = np.arange(24, dtype=np.uint8).reshape(2, 3, 4, 1)
    scaled = Standardizer.fit(x).transform(x)
    assert scaled.dtype == np.float64
    np.testing.assert_array_equal(scaled, np.broadcast_to(np.array([-1.0, 1.0]).reshape(2, 1, 1, 1), x.shape))


@pytest.mark.parametrize("kind", [Standardizer, ChannelStandardizer, MinMax])
def test_kept_as_arrays(kind: type[Standardizer]) -> None:
    x = np.random.default_rng(0).normal(size=(9, 3, 2))
    scaling = kind.fit(x)
    again = kind.from_arrays(scaling.to_arrays())
    np.testing.assert_array_equal(again.transform(x), scaling.transform(x))


def test_other_features_are_refused() -> None:
    scaling = Standardizer.fit(np.eye(4))
    with pytest.raises(
        ShapeError, match=r"Standardizer: expected x of shape \(N, 4\), got \(2, 3\)\. Use data with th"
    ):
        scaling.transform(np.zeros((2, 3)))


def test_a_scaling_is_not_fitted_on_what_is_no_number() -> None:
    x = np.ones((3, 4), dtype=np.float32)
    x[1, 2] = -np.inf
    x[2, 0] = np.nan
    with pytest.raises(
        DataError, match=r"Standardizer: x\[1, 2\] is -inf, one of 2 values .* in 2 of 3 rows"
    ):
        Standardizer.fit(x)


@pytest.mark.parametrize("shape", [(40, 5, 6, 3), (30, 7, 2), (9, 4, 4, 1)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_channels_against_scikit_learn(
    shape: tuple[int, ...], dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    monkeypatch.setattr("clearprop.data.splits._NUMBERS", 100)  # a few rows at a time
    rng = np.random.default_rng(0)
    places = rng.normal(size=shape[1:])  # each place has a mean of its own
    train = ((rng.normal(size=shape) + places) * np.arange(1, shape[-1] + 1) + 3).astype(dtype)
    test = rng.normal(size=(2, *shape[1:])).astype(dtype)
    scaling = ChannelStandardizer.fit(train)
    assert scaling.shift.shape == scaling.scale.shape == (shape[-1],)
    theirs = preprocessing.StandardScaler().fit(train.reshape(-1, shape[-1]).astype("float64"))
    expected = theirs.transform(test.reshape(-1, shape[-1]).astype("float64")).reshape(test.shape)
    rtol = 1e-12 if dtype == "float64" else 2e-5
    scaled = scaling.transform(test)
    assert scaled.dtype == dtype
    np.testing.assert_allclose(scaled, expected, rtol=rtol, atol=rtol)
    np.testing.assert_allclose(scaling.inverse(scaled), test, rtol=rtol, atol=rtol)


def test_a_constant_channel_becomes_0() -> None:
    x = np.random.default_rng(0).normal(size=(5, 3, 3, 2))
    x[..., 1] = 0.1
    scaling = ChannelStandardizer.fit(x)
    assert scaling.scale[1] == 1
    np.testing.assert_allclose(scaling.transform(x)[..., 1], 0, atol=1e-15)
    x[0, 0, 0, 1] = 0.2  # one pixel of it differs
    assert 0 < ChannelStandardizer.fit(x).scale[1] < 0.1


def test_channels_need_an_axis_of_their_own() -> None:
    sentence = (
        r"ChannelStandardizer: expected pictures \(N, H, W, C\) or sequences .* got x of shape \(4, 784\)\."
    )
    with pytest.raises(ShapeError, match=sentence):
        ChannelStandardizer.fit(np.zeros((4, 784)))
    scaling = ChannelStandardizer.fit(np.random.default_rng(0).normal(size=(4, 5, 5, 3)))
    assert scaling.transform(np.zeros((2, 9, 9, 3))).shape == (2, 9, 9, 3)  # pictures of another size
    for shape, expected in (
        ((2, 5, 5, 1), r"\(N, …, …, 3\)"),
        ((2, 3), r"\(N, …, 3\)"),
        ((3,), r"\(N, …, 3\)"),
    ):
        with pytest.raises(ShapeError, match=rf"ChannelStandardizer: expected x of shape {expected}, got"):
            scaling.transform(np.zeros(shape))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_few_rows_at_a_time_or_all_at_once(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x = (np.random.default_rng(0).normal(size=(53, 4)) * 3 + 1000).astype(dtype)
    whole = Standardizer.fit(x)
    np.testing.assert_allclose(whole.scale, x.std(axis=0, dtype=np.float64), rtol=1e-12)
    monkeypatch.setattr("clearprop.data.splits._NUMBERS", 30)
    np.testing.assert_allclose(Standardizer.fit(x).scale, whole.scale, rtol=1e-12)
