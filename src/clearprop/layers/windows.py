"""What convolution and pooling share: sizes, padding and output shapes of a window that slides over an input."""

from collections.abc import Iterator, Sequence
from math import gcd, isqrt
from typing import Any

from clearprop.arrays import Shape, check_shape, shape_text
from clearprop.errors import ConfigError, ShapeError
from clearprop.messages.shapes import pictured
from clearprop.names import check_count, nearest

Padding = str | int | Sequence[Any]
Pairs = tuple[tuple[int, int], ...]  # before and after, for each axis


def sizes(who: str, what: str, value: Any, axes: int, least: int = 1) -> Shape:
    """One size for each axis, from a number or a sequence of as many.

    >>> sizes("Conv2D", "kernel", 3, 2)
    (3, 3)
    """
    given = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else (value,) * axes
    if len(given) != axes:
        raise ConfigError(f"{who}: expected {what} to be a number or {axes} numbers, got {value!r}.")
    return tuple(check_count(who, what, n, least=least) for n in given)


def check_padding(
    who: str, padding: Padding, axes: int, words: Sequence[str] = ("valid", "same")
) -> str | Pairs:
    """One of the words, or what is put before and after on each axis.

    >>> check_padding("Conv2D", 1, 2), check_padding("Conv2D", (0, 2), 2), check_padding("Conv2D", "same", 2)
    (((1, 1), (1, 1)), ((0, 0), (2, 2)), 'same')
    """
    if isinstance(padding, str) and padding in words:
        return padding
    each = padding if isinstance(padding, Sequence) and not isinstance(padding, str) else (padding,) * axes
    pairs = [tuple(p) if isinstance(p, Sequence) and not isinstance(p, str) else (p, p) for p in each]
    counts = [n for pair in pairs for n in pair]
    if len(pairs) != axes or any(len(pair) != 2 for pair in pairs) or not all(_is_size(n) for n in counts):
        near = nearest(padding, words) if isinstance(padding, str) else ""
        hint = f" Did you mean {near!r}?" if near else ""
        raise ConfigError(
            f"{who}: expected padding to be {', '.join(map(repr, words))}, a number, a number for each of the "
            f"{axes} axes, or a pair (before, after) for each, got {padding!r}.{hint}"
        )
    return tuple((int(a), int(b)) for a, b in pairs)


def _is_size(n: Any) -> bool:
    return isinstance(n, int) and not isinstance(n, bool) and n >= 0


def pad_pairs(padding: str | Pairs, spatial: Shape, window: Shape, stride: Shape, dilation: Shape) -> Pairs:
    """How much is put before and after on each axis.

    "same" gives ceil(size / stride) outputs, and an odd element goes to the end, as in TensorFlow; "causal"
    puts all in front, so that an output sees nothing that comes later.

    >>> pad_pairs("same", (5,), (2,), (1,), (1,)), pad_pairs("same", (5,), (3,), (2,), (1,))
    (((0, 1),), ((1, 1),))
    """
    if padding == "valid":
        return ((0, 0),) * len(spatial)
    reach = [d * (k - 1) for k, d in zip(window, dilation, strict=True)]
    if padding == "causal":
        return tuple((r, 0) for r in reach)
    if padding == "same":
        missing = [
            max((-(-n // s) - 1) * s + r + 1 - n, 0) for n, s, r in zip(spatial, stride, reach, strict=True)
        ]
        return tuple((m // 2, m - m // 2) for m in missing)
    assert not isinstance(padding, str)
    return padding


def output_sizes(
    who: str, spatial: Shape, window: Shape, stride: Shape, pads: Pairs, dilation: Shape, what: str = "kernel"
) -> Shape:
    """How many windows fit on each axis, or a sentence where none does.

    >>> output_sizes("layer 0", (32, 32), (3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1))
    (16, 16)
    """
    padded = tuple(n + a + b for n, (a, b) in zip(spatial, pads, strict=True))
    reach = tuple(d * (k - 1) + 1 for k, d in zip(window, dilation, strict=True))
    too_large = {i for i, (r, n) in enumerate(zip(reach, padded, strict=True)) if r > n}
    if too_large:
        dilated = f" (with dilation {shape_text(dilation)})" if max(dilation) > 1 else ""
        error = ShapeError(
            f"{who}: expected a {what} no larger than what it slides over, {shape_text(padded)} with padding, "
            f"got {shape_text(reach)}{dilated}. Take a smaller {what}, or padding='same'."
        )
        raise pictured(
            error, ("x, padded", ("N", *padded, "C"), {i + 1 for i in too_large}), (what, reach, too_large)
        )
    return tuple((n - r) // s + 1 for n, r, s in zip(padded, reach, stride, strict=True))


def divisors(n: int) -> str:
    """The numbers that divide n, up to a thousand.

    >>> divisors(6)
    '1, 2, 3, 6'
    """
    return ", ".join(str(k) for k in range(1, min(n, 1000) + 1) if n % k == 0)


def plain_padding(padding: str | Pairs) -> Any:
    """Padding as it stands in a file: a word, or lists of numbers."""
    return padding if isinstance(padding, str) else [list(pair) for pair in padding]


def check_spatial(who: str, input_shape: Shape, axes: int) -> None:
    """Refuse what is no image (H, W, C), or for one axis no sequence (T, C).

    >>> check_spatial("layer 0", (28, 28), 2)
    Traceback (most recent call last):
        ...
    clearprop.errors.ShapeError: layer 0: expected x of shape (N, H, W, C), got (N, 28, 28). \
Put Reshape((28, 28, 1)) before it.
        expected x  (N, H, W, C)   N examples, H rows, W columns, C channels
                              ^
        got x       (N, 28, 28)
    """
    pattern = ("N", "H", "W", "C") if axes == 2 else ("N", "T", "C")
    remedy = put_before(input_shape, pattern[1:]) or "Channels come last."
    if axes == 1 and len(input_shape) == 3:
        remedy = f"Channels come last. For images there is the layer of that name in 2D. Or: {remedy}"
    check_shape(who, "x", ("N", *input_shape), pattern, remedy)


def put_before(shape: Shape, wanted: Sequence[str]) -> str:
    """The layer that gives x the axes that the next one wants, or "".

    >>> put_before((3072,), ("H", "W", "C"))
    'Put Reshape((32, 32, 3)) before it.'
    """
    if len(shape) == len(wanted) - 1:
        return f"Put Reshape({(*shape, 1)}) before it."
    if len(shape) == 1:
        for channels in (1, 3):
            side = isqrt(shape[0] // channels)
            if side > 7 and side * side * channels == shape[0]:
                return f"Put Reshape({(side, side, channels)}) before it."
        return f"Put Reshape((H, W, C)) before it, with H · W · C = {shape[0]}."
    if len(shape) == 3 and len(wanted) == 2:
        return f"Put Reshape({(shape[0], shape[1] * shape[2])}) before it: each row is then a time step."
    return ""


def check_places(
    who: str, spatial: Shape, window: Shape, stride: Shape, pads: Pairs, dilation: Shape
) -> None:
    """Refuse windows that hold padding alone, of which there is neither a maximum nor a mean."""
    for n, k, s, (before, after), d in zip(spatial, window, stride, pads, dilation, strict=True):
        starts = range(-before, n + after - d * (k - 1), s)
        if not all(_touches(start, n, k, d) for start in _telling(starts, d, n)):
            raise ShapeError(
                f"{who}: expected padding that leaves every window a number of x, got {plain_padding(pads)} around "
                f"{shape_text(spatial)} for a window of {shape_text(window)}. Take less padding."
            )


def _touches(start: int, n: int, k: int, d: int) -> bool:
    """Whether one of start, start + d, …, k of them, lies in 0 … n − 1."""
    first = max(0, -(start // d))  # the first of them that is not below 0
    return first < k and start + d * first < n


def _telling(starts: range, d: int, n: int) -> Iterator[int]:
    """The starts that tell for all: the ends, and where a window may step over x, as many as differ modulo d."""
    yield from starts[-1:]
    yield from starts[: 1 if d <= n else d // gcd(starts.step, d)]


def shown(value: str | Shape | Pairs) -> str:
    """A setting as one writes it: one number where all are the same.

    >>> shown((3, 3)), shown(((1, 1), (1, 1))), shown((2, 3)), shown("same")
    ('3', '1', '(2, 3)', "'same'")
    """
    if isinstance(value, str):
        return repr(value)
    numbers = {n for each in value for n in (each if isinstance(each, tuple) else (each,))}
    return str(numbers.pop()) if len(numbers) == 1 else str(value)
