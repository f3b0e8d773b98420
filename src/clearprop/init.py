"""Initializers: (shape, fan_in, fan_out, rng) -> float64 array, which the layer casts to its own dtype."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, prod, sqrt
from typing import Any, ClassVar, final

import numpy as np

from clearprop.arrays import Array, Shape, shape_text
from clearprop.errors import ConfigError, ShapeError
from clearprop.names import Named, build

SQRT2 = sqrt(2)
LARGEST = 1e30  # of a setting; float32 ends at 3.4e38


def fans(shape: Shape) -> tuple[int, int]:
    """Inputs to each output, and outputs of each input: fan_in, fan_out.

    (D, M) for dense, (K, C, F) and (KH, KW, C, F) for convolutions; a vector (n,) counts as n of both.

    >>> fans((784, 10)), fans((3, 3, 16, 32))
    ((784, 10), (144, 288))
    """
    if not shape:
        raise ShapeError("fans: expected a shape with at least one axis, got ().")
    window = prod(shape[:-2])
    return window * shape[-2 if len(shape) > 1 else -1], window * shape[-1]


def gain(activation: str, slope: float = 0.01) -> float:
    """What to multiply weights by so that an activation keeps the variance of its inputs; else 1.

    tanh 5/3, relu √2, leaky_relu √(2 / (1 + slope²)). He et al. (2015), equations 10 and 15, for the
    rectifiers; the value for tanh is a convention.

    >>> round(gain("relu"), 4), gain("sigmoid")
    (1.4142, 1.0)
    """
    gains = {"tanh": 5 / 3, "relu": SQRT2, "leaky_relu": sqrt(2 / (1 + slope**2))}
    return gains.get(activation, 1.0)


class Initializer(Named, ABC):
    """The base of all initializers: a frozen dataclass of settings that is called for each array.

    >>> HeNormal()((2, 3), 2, 3, np.random.default_rng(0)).shape
    (2, 3)
    """

    @abstractmethod
    def __call__(self, shape: Shape, fan_in: int, fan_out: int, rng: np.random.Generator) -> Array:
        """A new float64 array of this shape."""

    def _check_value(self, *names: str) -> None:
        for what in names:
            self._check(what, "to be a finite number")
            self._check(what, f"of at most {LARGEST:g} in size", lambda v: abs(v) <= LARGEST)

    def _check_scale(self, *names: str) -> None:
        self._check_positive(*names)
        self._check_value(*names)


@final
@dataclass(frozen=True)
class Zeros(Initializer):
    """All elements 0."""

    name = "zeros"

    def __call__(self, shape: Shape, fan_in: int, fan_out: int, rng: np.random.Generator) -> Array:
        return np.zeros(shape)


@final
@dataclass(frozen=True)
class Ones(Initializer):
    """All elements 1."""

    name = "ones"

    def __call__(self, shape: Shape, fan_in: int, fan_out: int, rng: np.random.Generator) -> Array:
        return np.ones(shape)


@final
@dataclass(frozen=True)
class Constant(Initializer):
    """All elements the same value."""

    name = "constant"
    value: float

    def __post_init__(self) -> None:
        self._check_value("value")

    def __call__(self, shape: Shape, fan_in: int, fan_out: int, rng: np.random.Generator) -> Array:
        return np.full(shape, float(self.value))


@final
@dataclass(frozen=True)
class Identity(Initializer):
    """Ones on the diagonal, so that y = x as far as the sizes go; of a convolution, in the centre."""

    name = "identity"

    def __call__(self, shape: Shape, fan_in: int, fan_out: int, rng: np.random.Generator) -> Array:
        if len(shape) < 2:
            raise ShapeError(f"Identity: expected a shape with at least two axes, got {shape_text(shape)}.")
        w = np.zeros(shape)
        w[tuple(n // 2 for n in shape[:-2])] = np.eye(shape[-2], shape[-1])
        return w


@final
@dataclass(frozen=True)
class Uniform(Initializer):
    """Uniform in [low, high)."""

    name = "uniform"
    low: float = -0.05
    high: float = 0.05

    def __post_init__(self) -> None:
        self._check_value("low", "high")
        self._check("high", f"to be a finite number > low = {self.low:g}", lambda v: v > self.low)

    def __call__(self, shape: Shape, fan_in: int, fan_out: int, rng: np.random.Generator) -> Array:
        return rng.uniform(self.low, self.high, shape)


@final
@dataclass(frozen=True)
class Normal(Initializer):
    """Normal with this standard deviation and mean."""

    name = "normal"
    std: float = 0.01
    mean: float = 0.0

    def __post_init__(self) -> None:
        self._check_scale("std")
        self._check_value("mean")

    def __call__(self, shape: Shape, fan_in: int, fan_out: int, rng: np.random.Generator) -> Array:
        return rng.normal(self.mean, self.std, shape)


@final
@dataclass(frozen=True)
class TruncatedNormal(Initializer):
    """Normal around 0, drawn again until it is within two standard deviations.

    `std` is that of the normal before it is cut; what remains has 0.88 of it.
    """

    name = "truncated_normal"
    std: float = 0.01

    def __post_init__(self) -> None:
        self._check_scale("std")

    def __call__(self, shape: Shape, fan_in: int, fan_out: int, rng: np.random.Generator) -> Array:
        z = rng.standard_normal(prod(shape))
        while (outside := np.flatnonzero(np.abs(z) > 2)).size:
            z[outside] = rng.standard_normal(outside.size)
        return z.reshape(shape) * self.std


@final
@dataclass(frozen=True)
class Sparse(Initializer):
    """Normal around 0, but in each unit's incoming weights a share, rounded up, is 0.

    Martens (2010), with a share of zeros in place of his fixed number of connections.
    """

    name = "sparse"
    sparsity: float = 0.1
    std: float = 0.01

    def __post_init__(self) -> None:
        self._check("sparsity", "in [0, 1]", lambda v: 0 <= v <= 1)
        self._check_scale("std")

    def __call__(self, shape: Shape, fan_in: int, fan_out: int, rng: np.random.Generator) -> Array:
        w = rng.normal(0.0, self.std, (prod(shape[:-1]), shape[-1]))  # a column: one unit's incoming weights
        n_zeros = ceil(self.sparsity * len(w))
        order = rng.permuted(np.tile(np.arange(len(w))[:, None], (1, w.shape[1])), axis=0)
        np.put_along_axis(w, order[:n_zeros], 0.0, axis=0)
        return w.reshape(shape)


class _Scaled(Initializer):
    """Numbers around 0 whose deviation follows from the fans: uniform ones, or normal ones, untruncated."""

    uniform: ClassVar[bool]

    @abstractmethod
    def std(self, fan_in: int, fan_out: int) -> float:
        """The standard deviation."""

    def __call__(self, shape: Shape, fan_in: int, fan_out: int, rng: np.random.Generator) -> Array:
        std = self.std(fan_in, fan_out)
        bound = sqrt(3) * std  # the variance of uniform ±a is a² / 3
        return rng.uniform(-bound, bound, shape) if self.uniform else rng.normal(0.0, std, shape)


@dataclass(frozen=True)
class _Xavier(_Scaled):
    gain: float = 1.0

    def __post_init__(self) -> None:
        self._check_scale("gain")

    def std(self, fan_in: int, fan_out: int) -> float:
        return self.gain * sqrt(2 / (fan_in + fan_out))


@final
class XavierUniform(_Xavier):
    """Uniform in ±gain √(6 / (fan_in + fan_out)). Glorot & Bengio (2010), equation 16, with gain 1."""

    name, uniform = "xavier_uniform", True


@final
class XavierNormal(_Xavier):
    """Normal with std = gain √(2 / (fan_in + fan_out)). Glorot & Bengio (2010), equation 12, with gain 1."""

    name, uniform = "xavier_normal", False


@dataclass(frozen=True)
class _He(_Scaled):
    gain: float = SQRT2
    mode: str = "fan_in"

    def __post_init__(self) -> None:
        self._check_scale("gain")
        if self.mode not in ("fan_in", "fan_out"):
            raise ConfigError(
                f"{type(self).__name__}: expected mode 'fan_in' or 'fan_out', got {self.mode!r}."
            )

    def std(self, fan_in: int, fan_out: int) -> float:
        return self.gain / sqrt(fan_in if self.mode == "fan_in" else fan_out)


@final
class HeUniform(_He):
    """Uniform in ±gain √(3 / fan), of the same variance as HeNormal. He et al. (2015), with gain √2."""

    name, uniform = "he_uniform", True


@final
class HeNormal(_He):
    """Normal with std = gain / √fan, untruncated. He et al. (2015), equations 10 and 14, with gain √2."""

    name, uniform = "he_normal", False


@dataclass(frozen=True)
class _Lecun(_Scaled):
    def std(self, fan_in: int, fan_out: int) -> float:
        return 1 / sqrt(fan_in)


@final
class LecunUniform(_Lecun):
    """Uniform in ±√(3 / fan_in), of variance 1 / fan_in. LeCun et al. (1998), section 4.6."""

    name, uniform = "lecun_uniform", True


@final
class LecunNormal(_Lecun):
    """Normal with std = 1 / √fan_in, untruncated. LeCun et al. (1998), section 4.6."""

    name, uniform = "lecun_normal", False


@final
@dataclass(frozen=True)
class Orthogonal(Initializer):
    """Columns, or rows if these are fewer, orthogonal and of length `gain`, in a uniformly drawn direction.

    Saxe, McClelland & Ganguli (2014). The Q of a normal matrix, its signs those of R's diagonal: only so
    is it uniform (Mezzadri 2007). All axes but the last are taken together.
    """

    name = "orthogonal"
    gain: float = 1.0

    def __post_init__(self) -> None:
        self._check_scale("gain")

    def __call__(self, shape: Shape, fan_in: int, fan_out: int, rng: np.random.Generator) -> Array:
        rows, columns = prod(shape[:-1]), shape[-1]
        q, r = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
        q *= np.where(np.diag(r) < 0, -1.0, 1.0) * self.gain
        return np.ascontiguousarray(q if rows >= columns else q.T).reshape(shape)


INITIALIZERS: dict[str, type[Initializer]] = {
    initializer.name: initializer
    for initializer in (
        Zeros, Ones, Constant, Identity, Uniform, Normal, TruncatedNormal, Sparse, XavierUniform,
        XavierNormal, HeUniform, HeNormal, LecunUniform, LecunNormal, Orthogonal,
    )
}  # fmt: skip


def make_initializer(spec: str | Mapping[str, Any] | Initializer) -> Initializer:
    """An initializer from its name, or from a mapping of its name and settings.

    >>> make_initializer("he_normal").settings()["mode"]
    'fan_in'
    >>> make_initializer({"name": "normal", "std": 0.1})
    Normal(std=0.1, mean=0.0)
    """
    return spec if isinstance(spec, Initializer) else build("initializer", spec, INITIALIZERS)
