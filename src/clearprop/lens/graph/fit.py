"""What an operation takes, said before it is computed: shapes that fit, matrices that can be inverted."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from clearprop.arrays import Array, shape_text
from clearprop.errors import DataError, ShapeError


class Operand(NamedTuple):
    """What stands on one side of an operation."""

    describe: Callable[[], str]  # called where there is something to say
    value: Array

    @property
    def label(self) -> str:
        return self.describe()

    def __str__(self) -> str:
        return f"{self.label} of shape {shape_text(self.value.shape)}"


def _matmul(who: str, a: Operand, b: Operand) -> None:
    """(N, D) and (D, M), either of them perhaps a vector."""
    if not _multiplies(a.value, b.value):
        tried = {
            f"{a.label}.T @ {b.label}": (a.value.T, b.value),
            f"{a.label} @ {b.label}.T": (a.value, b.value.T),
            f"{b.label} @ {a.label}": (b.value, a.value),
        }
        fitting = [text for text, pair in tried.items() if _multiplies(*pair)]
        remedy = f"{' or '.join(fitting)} would fit." if fitting else "Check the shapes of both."
        if not a.value.ndim or not b.value.ndim:
            remedy = f"Numbers are multiplied by *: {a.label} * {b.label}."
        elif a.value.ndim > 2 or b.value.ndim > 2:
            remedy = "Matrices have two axes, vectors one."
        raise ShapeError(
            f"{who}: expected as many columns on the left as rows on the right, got {a} and {b}. {remedy}"
        )


def _multiplies(a: Array, b: Array) -> bool:
    return a.ndim in (1, 2) and b.ndim in (1, 2) and a.shape[-1] == b.shape[0]


def _elementwise(who: str, a: Operand, b: Operand) -> None:
    """Equal shapes, or one that is repeated to fill the other; two that would both grow are a mistake."""
    if _repeats(a.value.shape, b.value.shape):
        return
    if who == "multiply" and _multiplies(a.value, b.value):
        remedy = f"If the matrix product is meant, write {a.label} @ {b.label}."
    elif _repeats(a.value.T.shape, b.value.shape):
        remedy = f"{a.label}.T and {b.label} would fit."
    elif a.value.size == b.value.size:
        small, large = sorted((a, b), key=lambda operand: operand.value.ndim)
        remedy = f"They have as many numbers: give {small.label} the shape {shape_text(large.value.shape)}."
    else:
        remedy = "Check the shapes of both."
    raise ShapeError(
        f"{who}: expected equal shapes, or one that repeats to fill the other, got {a} and {b}. {remedy}"
    )


def _repeats(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(a, b) in (a, b)
    except ValueError:
        return False


def _matrix(who: str, a: Operand) -> None:
    if a.value.ndim > 2:
        raise ShapeError(f"{who}: expected a matrix, with two axes, got {a}. Give it two axes.")


def _square(who: str, a: Operand) -> None:
    if a.value.ndim != 2 or a.value.shape[0] != a.value.shape[1] or not a.value.size:
        raise ShapeError(
            f"{who}: expected a square matrix, got {a}. A product with its transpose would be square."
        )


def _invertible(who: str, a: Operand) -> None:
    _square(who, a)
    smallest, largest = np.linalg.svd(a.value, compute_uv=False)[[-1, 0]]
    if smallest <= largest * len(a.value) * np.finfo(np.float64).eps:
        raise DataError(
            f"{who}: expected an invertible matrix, got {a}, which is singular: its singular values reach from "
            f"{largest:.3g} down to {smallest:.1g}. Add a multiple of the identity to it, such as K + 0.1 I."
        )


def _positive_determinant(who: str, a: Operand) -> None:
    _invertible(who, a)
    if np.linalg.slogdet(a.value)[0] < 0:
        raise DataError(
            f"{who}: expected a determinant > 0, got {a} with determinant {np.linalg.det(a.value):.3g}. "
            "A covariance matrix has a positive one; check its signs."
        )


def _not_empty(who: str, a: Operand) -> None:
    if not a.value.size:
        raise ShapeError(f"{who}: expected at least one number, got {a}. Give it some.")


def _scores(who: str, a: Operand) -> None:
    if not a.value.ndim or not a.value.shape[-1]:
        raise ShapeError(
            f"{who}: expected scores of shape (N, K) or (K,), got {a}. Give one score per class."
        )


def _labels(who: str, a: Operand, b: Operand) -> None:
    """Labels 0 … K − 1, one for each row of scores, or target rows."""
    _scores(who, a)
    scores, y = a.value, b.value
    if scores.ndim > 2 or y.shape not in (scores.shape, scores.shape[:-1]):
        wanted = f"labels {shape_text(scores.shape[:-1])} or targets {shape_text(scores.shape)}"
        raise ShapeError(
            f"{who}: expected scores of shape (N, K) or (K,) and, for {a}, {wanted}, got {b}. "
            "Give one label for each row of scores."
        )
    K = scores.shape[-1]
    if y.ndim < scores.ndim and not ((y == np.round(y)) & (y >= 0) & (y < K)).all():
        raise DataError(
            f"{who}: expected labels from 0 to {K - 1}, whole numbers, in {b}. Number the classes from 0."
        )


FITS: dict[str, Callable[..., None]] = {
    "matmul": _matmul,
    "transpose": _matrix,
    **dict.fromkeys(("add", "subtract", "multiply", "divide"), _elementwise),
    "inverse": _invertible,
    "logdet": _positive_determinant,
    "trace": _square,
    "mean": _not_empty,
    "softmax": _scores,
    "softmax_cross_entropy": _labels,
}


def check_fits(who: str, *operands: Operand) -> None:
    """Refuse operands that an operation can do nothing with, in a sentence that names them."""
    if who in FITS:
        FITS[who](who, *operands)


def check_result(who: str, needs: str, y: Array, *operands: Operand) -> None:
    """Refuse a result that has lost its numbers, and say where and from what."""
    bad = ~np.isfinite(y)
    if not bad.any():
        return
    index = tuple(int(i) for i in np.argwhere(bad)[0])
    place = f"[{', '.join(map(str, index))}]" if index else ""
    same = [operand for operand in operands if operand.value.shape == y.shape]
    from_what = ", ".join(f"{o.label}{place} = {o.value[index]:.6g}" for o in same)
    where = f" where {from_what}" if from_what else f" at {place}" if place else ""
    remedy = needs or "The numbers are too large; make them smaller."
    names = " and ".join(str(operand) for operand in operands)
    raise DataError(f"{who}: expected finite numbers from {names}, got {y[index]}{where}. {remedy}")
