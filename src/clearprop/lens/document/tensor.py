"""An array of any size in a document: whole where it is small, else a part of it and its statistics."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import floor, log10, prod

import numpy as np
import numpy.typing as npt

from clearprop.arrays import Array, shape_text
from clearprop.lens.words import percent

WHOLE = 100  # numbers that are all written down
SEVERAL = 50  # the same, where they lie in more than one plane
ROWS = 4  # of a part
COLUMNS = 8  # of a part at most; LaTeX's matrices have ten


@dataclass(frozen=True)
class Part:
    """Some of an array's numbers, as rows, and where they stand: `[0, :, :, 3]`, or nothing for all of them."""

    where: str
    rows: Array


@dataclass(frozen=True, eq=False)
class Tensor:
    """An array with its name, a formula in LaTeX, and what it is in a few words.

    `plane` are the two axes that are laid out as rows and columns, by default the last two.

    >>> image = np.zeros((1, 28, 28, 1)); image[0, 20, 9] = 1
    >>> part = Tensor("x", image, plane=(1, 2)).parts(6)[0]
    >>> part.where, part.rows.shape, Tensor("x", image).statistics()
    ('[0, 18:22, 6:12, 0]', (4, 6), 'smallest 0, mean 0.001276, largest 1, norm 1; 99.9 % are 0')
    """

    name: str
    value: Array
    role: str = ""
    plane: tuple[int, int] | None = None
    digits: int = 4

    @property
    def shape(self) -> str:
        return shape_text(self.value.shape)

    @property
    def whole(self) -> bool:
        """Whether all of it is written down."""
        return self.value.size <= (WHOLE if self.value.ndim <= 2 else SEVERAL)

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes of the plane: two, or what there is."""
        return (
            (self.plane or (self.value.ndim - 2, self.value.ndim - 1))[-self.value.ndim :]
            if self.value.ndim
            else ()
        )

    def parts(self, columns: int = COLUMNS) -> list[Part]:
        """What is written down, in rows of so many columns at most."""
        if self.value.ndim == 0:
            return [Part("", self.value.reshape(1, 1))]
        if self.value.size == 0:
            return [Part("", self.value.reshape(1, 0))]
        if not self.whole:
            return [self._around(self._largest(), columns)]
        return [part for index in self._planes() for part in self._plane(index, columns)]

    def scale(self) -> int:
        """The power of ten to take out of the numbers, so that few decimals say enough; mostly 0."""
        top = float(np.abs(self.value[np.isfinite(self.value)]).max(initial=0)) if self.value.size else 0
        return 0 if top == 0 or 1e-2 <= top < 1e5 else floor(log10(top))

    def scaled(self, rows: Array) -> Array:
        """Some of its numbers without that power of ten, in float64; in two steps, since 10³²⁴ is no number."""
        half = -self.scale() // 2
        scaled: Array = rows.astype(np.float64) * 10.0**half * 10.0 ** (-self.scale() - half)
        return scaled

    def statistics(self) -> str:
        """Its smallest, mean and largest number, its norm, and how much of it is 0."""
        flat = self.value.astype(np.float64).ravel()
        finite = flat[np.isfinite(flat)]
        if not finite.size:
            return "none of its numbers is finite" if flat.size else "empty"
        top = float(np.abs(finite).max()) or 1.0  # so that no sum and no square is too large or too small
        mean, norm = float((finite / top).mean()) * top, float(np.linalg.norm(finite / top)) * top
        said = f"smallest {short(finite.min())}, mean {short(mean)}, largest {short(finite.max())}"
        said += f", norm {short(norm)}"
        zeros, lost = np.mean(flat == 0), flat.size - finite.size
        said += f"; {percent(float(zeros))} are 0" if zeros > 0 else ""
        return said + (f"; {lost:,} of {flat.size:,} are not finite" if lost else "")

    def _planes(self) -> Iterator[tuple[int | None, ...]]:
        """Each plane's index: a number on every axis outside it, None on its own."""
        others = [n if axis not in self.axes else 1 for axis, n in enumerate(self.value.shape)]
        for index in np.ndindex(*others):
            yield tuple(None if axis in self.axes else i for axis, i in enumerate(index))

    def _plane(self, index: tuple[int | None, ...], columns: int) -> Iterator[Part]:
        rows = np.atleast_2d(self.value[tuple(slice(None) if i is None else i for i in index)])
        for start in range(0, rows.shape[1], columns):
            cut = rows.shape[1] > columns
            along = f"{start}:{min(start + columns, rows.shape[1])}" if cut else ":"
            words = [":" if i is None else str(i) for i in index]
            words[self.axes[-1]] = along
            bare = all(word == ":" for word in words)
            yield Part("" if bare else f"[{', '.join(words)}]", rows[:, start : start + columns])

    def _largest(self) -> tuple[int, ...]:
        """Where the first number that is not finite stands, or else the largest in size."""
        sizes = np.abs(self.value.astype(np.float64))
        at = int(np.argmax(np.where(np.isfinite(sizes), sizes, np.inf)))
        return tuple(int(i) for i in np.unravel_index(at, self.value.shape))

    def _around(self, index: tuple[int, ...], columns: int) -> Part:
        """The part of the plane around a place."""
        cuts: list[slice | int] = list(index)
        words = [str(i) for i in index]
        for axis, most in zip(reversed(self.axes), (columns, ROWS), strict=False):
            size = self.value.shape[axis]
            start = max(0, min(index[axis] - most // 2, size - most))
            stop = min(size, start + most)
            cuts[axis] = slice(start, stop)
            words[axis] = ":" if stop - start == size else f"{start}:{stop}"
        return Part(f"[{', '.join(words)}]", np.atleast_2d(self.value[tuple(cuts)]))


def short(value: npt.ArrayLike) -> str:
    """A number with four digits at most.

    >>> short(0.000123456), short(-2.0), short(123456.0), short(1.25e-7)
    ('0.0001235', '-2', '123456', '1.25e-7')
    """
    number = float(np.asarray(value))
    text = f"{number:.4g}"
    if "e" in text:
        mantissa, _, power = text.partition("e")
        return f"{number:.0f}" if 0 < int(power) < 6 else f"{mantissa}e{int(power)}"
    return text


def tiles(tensor: Tensor, most: int) -> tuple[Array, str]:
    """Planes of the array side by side, (planes, rows, columns), with `most` numbers at most, and what was left out."""
    axes = tensor.axes
    value = tensor.value.astype(np.float64)
    if len(axes) < 2:
        planes = value.reshape(1, 1, -1)
    else:
        planes = np.moveaxis(value, axes, (-2, -1))
        planes = planes.reshape(-1, *planes.shape[-2:])
    of = len(planes)
    left_out = []
    every = 1
    while prod(planes[0, ::every, ::every].shape) > most:
        every += 1
    if every > 1:
        planes = planes[:, ::every, ::every]
        left_out.append(f"1 of {every} rows and columns")
    shown = max(1, min(of, most // max(1, prod(planes.shape[1:])), 64))
    if shown < of:
        left_out.append(f"{shown} of {of:,} planes")
    return planes[:shown], ", ".join(left_out)
