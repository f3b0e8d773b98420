"""The operands of a kernel against its docstring: which shape is wrong where NumPy only says that two do not match."""

import re
from collections.abc import Callable, Mapping
from inspect import signature
from itertools import combinations, permutations
from math import prod
from sys import modules
from textwrap import fill, indent
from typing import Any

import numpy as np

from clearprop.arrays import Shape, ShapePattern, fits, shape_text
from clearprop.errors import ShapeError
from clearprop.layers.remedies import MOST_AXES
from clearprop.messages.shapes import differing, pictured

Letters = dict[str, int]


def check_shapes(kernel: Callable[..., Any], *operands: Any, **settings: Any) -> None:
    """Refuse arrays that a kernel cannot take, and say which one is wrong, where, and what to pass.

    Kernels check nothing themselves: they run thousands of times a second. Where one of them fails with NumPy's
    message, give this function the kernel and the same arguments. What the shapes have to be is read from the line
    of the kernel's docstring that declares them.

    Parameters
    ----------
    kernel : callable
        One of clearprop.kernels, or a function of your own whose docstring declares its shapes in the same way.
    *operands, **settings
        What the kernel is called with.

    Raises
    ------
    ShapeError
        If an operand does not fit the docstring, or those before it.

    Examples
    --------
    >>> from clearprop.kernels.affine import affine_forward
    >>> check_shapes(affine_forward, np.ones((32, 784)), np.ones((100, 784)), np.ones(100))
    Traceback (most recent call last):
        ...
    clearprop.errors.ShapeError: affine_forward: expected w of shape (784, M), got (100, 784). Pass w.T.
        x: (N, D)  (32, 784)
                        ^^^
        w: (D, M)  (100, 784)
                    ^^^
        b: (M,)    (100,)
        y = x w + b
    """
    given = dict(signature(kernel).bind(*operands, **settings).arguments)
    patterns, known = _declared(kernel, list(given)), _known(kernel, given)
    shapes = {name: np.shape(given[name]) for name in patterns}
    wrong = _first_wrong(patterns, shapes, known, given)
    if wrong is None:
        return
    name, expected = wrong
    who, got = getattr(kernel, "__name__", "the function"), shapes[name]
    remedy = _remedy(name, patterns, shapes, known, given)
    error = ShapeError(
        f"{who}: expected {name} of shape {shape_text(expected)}, got {shape_text(got)}. {remedy}".rstrip()
    )
    off, missing = differing(got, expected)
    declared = next(p for p in patterns[name] if len(p) == len(expected))
    letters = {declared[i] for i in missing} & {axis for p in patterns.values() for axis in p[0]}
    rows = []
    for other, shape in shapes.items():
        first = next((p for p in patterns[other] if len(p) == len(shape)), patterns[other][0])
        marks = {i for i, axis in enumerate(first) if axis in letters and len(first) == len(shape)}
        rows.append((f"{other}: {shape_text(first)}", shape, off if other == name else marks))
    equation = (kernel.__doc__ or "").partition("\n")[0]
    pictured(error, *rows).add_note(indent(fill(equation, 76), " " * 4))
    raise error


def _declared(kernel: Callable[..., Any], names: list[str]) -> dict[str, list[ShapePattern]]:
    """The shapes that the docstring allows for each argument, in its letters."""
    text = (kernel.__doc__ or "").partition("->")[0]
    found: dict[str, list[ShapePattern]] = {}
    for name in names:
        match = re.search(rf"\b{name}(?:, \w+)*: ([^:]*)", text)
        shapes = re.findall(r"\(([^()]*)\)", match[1]) if match and "or more" not in match[1] else []
        if shapes:
            axes = [
                [a.strip() for a in shape.replace("...", "…").split(",") if a.strip()] for shape in shapes
            ]
            found[name] = [tuple(each) for each in axes]
    return found


def _known(kernel: Callable[..., Any], given: Mapping[str, Any]) -> Letters:
    """Letters whose numbers a backward kernel's cache tells, by the forward kernel's docstring."""
    forward = getattr(
        modules.get(kernel.__module__), kernel.__name__.replace("_backward", "_forward"), kernel
    )
    known: Letters = {}
    for cache in given.values():
        fields = cache._asdict() if hasattr(cache, "_asdict") else {}
        for name, (pattern, *others) in _declared(forward, list(fields)).items():
            shape = np.shape(fields[name])
            if not others and len(shape) == len(pattern):
                known |= {str(a): n for a, n in zip(pattern, shape, strict=True) if str(a).isalpha()}
    return known


def _first_wrong(
    patterns: Mapping[str, list[ShapePattern]], shapes: Mapping[str, Shape], known: Letters, settings: Any
) -> tuple[str, ShapePattern] | None:
    """The first operand that does not fit, and what would; letters mean what the ones before it make them."""
    known, chosen = dict(known), dict[tuple[ShapePattern, ...], ShapePattern]()
    for name, declared_for in patterns.items():
        shape, together = shapes[name], tuple(declared_for)
        allowed = (
            [chosen[together]] if together in chosen else declared_for
        )  # "scores, targets: (N,) or (N, M)"
        tried = [tuple(_axis(axis, known, settings) for axis in pattern) for pattern in allowed]
        at = next((i for i, pattern in enumerate(tried) if _fits(shape, pattern)), None)
        if at is None:
            return name, next((p for p in tried if len(p) == len(shape)), tried[0])
        declared = chosen[together] = allowed[at]
        dots = declared.index("…") if "…" in declared else len(declared)
        back = len(shape) - len(declared)
        for i, axis in enumerate(declared):
            if match := re.fullmatch(r"(\d*)([A-Za-z]+)", str(axis)):
                size = shape[i if i < dots else i + back]
                known.setdefault(match[2], size // int(match[1] or 1))
    return None


def _fits(shape: Shape, pattern: ShapePattern) -> bool:
    """Whether the shape has the pattern's axes, of which 3H is a multiple of 3."""
    blocks = [(n, re.fullmatch(r"(\d+)[A-Za-z]+", str(a))) for n, a in zip(shape, pattern, strict=False)]
    return fits(shape, pattern) and all(n % int(match[1]) == 0 for n, match in blocks if match)


def _axis(axis: int | str, known: Letters, settings: Mapping[str, Any]) -> int | str:
    """An axis as a number, where that is known: 3H, C/groups, 2."""
    match = re.fullmatch(r"(\d*)([A-Za-z]*)(?:/(\w+))?", str(axis))
    if not match or (match[2] and match[2] not in known):
        return axis
    return int(match[1] or 1) * known.get(match[2], 1) // (settings.get(match[3], 1) if match[3] else 1)


def _remedy(
    name: str,
    patterns: Mapping[str, list[ShapePattern]],
    shapes: Mapping[str, Shape],
    known: Letters,
    settings: Mapping[str, Any],
) -> str:
    """The change of one operand after which all of them fit, found by trying."""

    def works(*changes: tuple[str, Shape]) -> bool:
        return _first_wrong(patterns, {**shapes, **dict(changes)}, known, settings) is None

    for other in (name, *(other for other in shapes if other != name)):
        shape = shapes[other]
        n = len(shape)
        usual = [(2, 3, 1, 0), (0, 2, 3, 1)] if n == 4 else []  # PyTorch's layouts of weights and of images
        for axes in (*usual, *(permutations(range(n)) if n <= MOST_AXES else ())):
            if axes != tuple(range(n)) and works((other, tuple(shape[axis] for axis in axes))):
                return f"Pass {other}.T." if n == 2 else f"Pass {other}.transpose{shape_text(axes)}."
        if n > 1 and works((other, (prod(shape),))):
            return f"Pass {other}.ravel()."
        if works((other, (1, *shape))):
            return f"Pass {other}[None]."
        if n > 2 and works((other, (shape[0], prod(shape[1:])))):
            return f"Pass {other}.reshape({shape[0]}, -1)."
    for one, two in combinations([other for other in shapes if len(shapes[other]) == 2], 2):
        if works((one, shapes[one][::-1]), (two, shapes[two][::-1])):
            return f"Pass {one}.T and {two}.T."
    return ""
