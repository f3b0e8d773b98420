"""Parts of a data set, and scaling that is fitted on the training part alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isclose
from typing import Self

import numpy as np

from clearprop.arrays import Array, ShapePattern, check_shape, shape_text
from clearprop.data.checks import as_features
from clearprop.errors import ConfigError, DataError, ShapeError

_NUMBERS = 1 << 20  # as float64 at a time, so that large sets need no second copy


def split(
    examples: int | Array, fractions: Sequence[float], seed: int = 0, stratify: bool = False
) -> tuple[Array, ...]:
    """Cut the examples at random into parts: their indices, each in one part.

    Parameters
    ----------
    examples : int or array of shape (N,)
        How many there are, or their labels.
    fractions : sequence of float
        Each part's share; together 1.
    seed : int
        The same seed gives the same parts.
    stratify : bool
        Whether each class is cut by these shares on its own; needs the labels.

    Returns
    -------
    tuple of arrays of int
        The indices of each part, shuffled.

    Raises
    ------
    ConfigError
        For shares that do not add up to 1.
    DataError
        When a part, or with `stratify` a class's piece of a part, would be empty.

    Examples
    --------
    >>> train, test = split(10, (0.8, 0.2), seed=1)
    >>> len(train), len(test)
    (8, 2)
    """
    if not fractions or min(fractions) <= 0 or not isclose(sum(fractions), 1, abs_tol=1e-9):
        raise ConfigError(f"split: expected fractions above 0 that add up to 1, got {tuple(fractions)}.")
    rng = np.random.default_rng(seed)
    if not stratify:
        count = examples if isinstance(examples, int) else len(examples)
        return tuple(np.split(rng.permutation(count), _cuts(count, fractions, "split")))
    if isinstance(examples, int) or np.ndim(examples) != 1:
        raise ConfigError(
            "split: stratify needs the labels, an array of shape (N,). Pass y as the first argument."
        )
    pieces = []
    for label in np.unique(examples):
        members = rng.permutation(np.flatnonzero(examples == label))
        pieces.append(np.split(members, _cuts(len(members), fractions, f"split, class {label}")))
    return tuple(rng.permutation(np.concatenate(part)) for part in zip(*pieces, strict=True))


def _cuts(count: int, fractions: Sequence[float], who: str) -> Array:
    """Where to cut so that the sizes are the shares, rounded by largest remainder."""
    exact = count * np.asarray(fractions)
    sizes = np.floor(exact).astype(int)
    most_lost = np.argsort(sizes - exact, kind="stable")
    sizes[most_lost[: count - sizes.sum()]] += 1
    if sizes.min() == 0:
        raise DataError(
            f"{who}: expected enough examples for {len(sizes)} parts of shares {tuple(fractions)}, "
            f"got {count}, so a part would be empty. Use more examples or larger shares."
        )
    return np.cumsum(sizes)[:-1]


@dataclass(frozen=True)
class _Scaling:
    """(x - shift) / scale for each feature."""

    shift: Array
    scale: Array

    def transform(self, x: Array) -> Array:
        """Scaled features, in x's dtype: (N, …) -> same shape."""
        shift, scale = self._in_dtype(x)
        scaled: Array = x - shift
        scaled /= scale
        return scaled

    def inverse(self, x: Array) -> Array:
        """The features as they were before `transform`."""
        shift, scale = self._in_dtype(x)
        original: Array = x * scale + shift
        return original

    def to_arrays(self) -> dict[str, Array]:
        """The two arrays by name, to be kept with a run."""
        return {"shift": self.shift, "scale": self.scale}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Self:
        """The scaling whose `to_arrays` this is."""
        return cls(arrays["shift"], arrays["scale"])

    def _in_dtype(self, x: Array) -> tuple[Array, Array]:
        check_shape(
            type(self).__name__,
            "x",
            x.shape,
            self._expected(x.ndim),
            "Use data with the features it was fitted on.",
        )
        dtype = x.dtype if x.dtype.kind == "f" else self.shift.dtype
        return self.shift.astype(dtype), self.scale.astype(dtype)

    def _expected(self, ndim: int) -> ShapePattern:
        return ("N", *self.shift.shape)


def _moments(x: Array) -> tuple[Array, Array]:
    """Mean and variance over N in float64, some rows at a time: (N, …) -> (…), (…)."""
    mean = x.mean(axis=0, dtype=np.float64)
    squares = np.zeros_like(mean)
    at_once = max(1, _NUMBERS // mean.size)
    for start in range(0, len(x), at_once):
        off = x[start : start + at_once] - mean
        squares += np.square(off, out=off).sum(axis=0)
    return mean, squares / len(x)


class Standardizer(_Scaling):
    """Features of mean 0 and standard deviation 1 over the training part; a constant feature becomes 0.

    Examples
    --------
    >>> x = np.array([[1.0, 5.0], [3.0, 5.0]])
    >>> Standardizer.fit(x).transform(x)
    array([[-1.,  0.],
           [ 1.,  0.]])
    """

    @classmethod
    def fit(cls, x: Array) -> Self:
        """From the training part, x of shape (N, …): mean and standard deviation (divisor N) over N."""
        x = as_features(x, "Standardizer")
        mean, variance = _moments(x)
        std = np.sqrt(variance)
        std[x.max(axis=0) == x.min(axis=0)] = 1  # exactly constant, whatever the mean was rounded to
        return cls(mean, std)


class ChannelStandardizer(_Scaling):
    """Channels of mean 0 and standard deviation 1 over the training part; a constant channel becomes 0.

    The channels are the last axis: the colours of pictures (N, H, W, C), the features of sequences (N, T, D). All
    the pixels of a channel, or all its times, are shifted and scaled alike.

    Examples
    --------
    >>> x = np.array([[[1.0, 5.0], [3.0, 5.0]]])
    >>> ChannelStandardizer.fit(x).transform(x)
    array([[[-1.,  0.],
            [ 1.,  0.]]])
    """

    @classmethod
    def fit(cls, x: Array) -> Self:
        """From the training part, x of shape (N, …, C): mean and standard deviation over all axes but the last."""
        x = as_features(x, "ChannelStandardizer")
        if x.ndim < 3:
            raise ShapeError(
                f"ChannelStandardizer: expected pictures (N, H, W, C) or sequences (N, T, D), got x of shape "
                f'{shape_text(x.shape)}. For rows of features take Standardizer, scale = "standardize".'
            )
        each, variance = _moments(x)
        axes = tuple(range(each.ndim - 1))
        mean = each.mean(axis=axes)
        # the variance of all is the mean of the places' variances, and the variance of their means
        std = np.sqrt((variance + np.square(each - mean)).mean(axis=axes))
        low, high = x.min(axis=0).min(axis=axes), x.max(axis=0).max(axis=axes)
        std[low == high] = 1
        return cls(mean, std)

    def _expected(self, ndim: int) -> ShapePattern:
        return ("N", *"…" * max(ndim - 2, 1), *self.shift.shape)


class MinMax(_Scaling):
    """Features between 0 and 1 over the training part; a constant feature becomes 0.

    Examples
    --------
    >>> x = np.array([[1.0, 5.0], [3.0, 5.0]])
    >>> MinMax.fit(x).transform(x)
    array([[0., 0.],
           [1., 0.]])
    """

    @classmethod
    def fit(cls, x: Array) -> Self:
        """From the training part, x of shape (N, …): the least value and the range over N."""
        x = as_features(x, "MinMax")
        low = x.min(axis=0).astype(np.float64)
        width = x.max(axis=0).astype(np.float64) - low
        width[width == 0] = 1
        return cls(low, width)
