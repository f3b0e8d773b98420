"""What makes a wrong shape right: the usual mistakes are tried, and the first that explains it is the remedy."""

from collections.abc import Sequence
from itertools import permutations
from math import prod
from textwrap import fill, indent

import numpy as np

from clearprop.arrays import Array, Shape, check_shape, fits, shape_text
from clearprop.errors import ConfigError, ShapeError
from clearprop.layers.base import Layer
from clearprop.layers.embedding import Embedding
from clearprop.layers.pool import GlobalAvgPool, GlobalMaxPool
from clearprop.layers.sequences import TimeDistributed
from clearprop.layers.shape import Flatten
from clearprop.layers.spec import layer_from, layer_spec
from clearprop.messages.shapes import differing, pictured

MOST_AXES = 6  # whose orders are all tried: 720 of them
Edit = tuple[str, Sequence[Layer], Shape]  # in words; the layers from there on, and what then goes into them


def next_shape(layers: Sequence[Layer], shapes: Sequence[Shape], who: str) -> Shape:
    """What comes out of the layer that the last of the shapes goes into; its refusal says what to change.

    >>> from clearprop.layers import LSTM
    >>> next_shape([LSTM(8), LSTM(4)], [(50, 1), (8,)], "layer")
    Traceback (most recent call last):
        ...
    clearprop.errors.ShapeError: layer 1, LSTM(4): expected x of shape (N, T, D), got (N, 8). \
Give LSTM(8) before it return_sequences=True.
        expected x  (N, T, D)   N examples, T time steps, D numbers
                           ^
        got x       (N, 8)
        LSTM: Long short-term memory: (N, T, D) -> (N, H) or (N, T, H); Hochreiter &
        Schmidhuber (1997).
    """
    layer = layers[len(shapes) - 1]
    try:
        return layer.output_shape(shapes[-1], f"{who} {len(shapes) - 1}, {layer}")
    except ShapeError as error:
        if not error.settled:
            _settle(error, layers, shapes)
        raise


def _settle(error: ShapeError, layers: Sequence[Layer], shapes: Sequence[Shape]) -> None:
    """End the sentence with the changes after which the network can be built, and say what the layer does."""
    layer, shape = layers[len(shapes) - 1], shapes[-1]
    works = [words for words, edited, at in _edits(layers, shapes, error.remedy) if _builds(edited, at)]
    if works:
        error.args = (f"{str(error).removesuffix(error.remedy).rstrip()} {' Or: '.join(works)}",)
    if len(shapes) == 1 and len(shape) > 1 and _builds(layers, shape[1:]):
        batch = f"If {shape[0]} is the number of examples, leave it out: input_shape={shape_text(shape[1:])}."
        error.args = (f"{error} {batch}",)
    error.add_note(_what_it_does(layer, type(layer).__name__))
    error.settled = True


def _what_it_does(layer: Layer, who: str) -> str:
    """The first line of the layer's docstring, which gives its equation or its shapes."""
    return indent(fill(f"{who}: {(layer.__doc__ or '').partition(chr(10))[0]}", 76), " " * 4)


def _edits(layers: Sequence[Layer], shapes: Sequence[Shape], guess: str) -> list[Edit]:
    """What may have been meant, the likeliest first."""
    i, shape = len(shapes) - 1, shapes[-1]
    layer, rest = layers[i], layers[i + 1 :]
    edits: list[Edit] = []
    if i:
        before, at = layers[i - 1], shapes[i - 1]
        if isinstance(before, Flatten | GlobalAvgPool | GlobalMaxPool):
            edits.append((f"Leave out {before} before it.", layers[i:], at))
        if isinstance(before, Embedding) and at[-1:] == (before.vocabulary,):
            words = f"Embedding takes the words' numbers, not one-hot rows: input_shape={shape_text(at[:-1])}"
            edits.append((f"{words} and x.argmax(axis=-1).", layers[i - 1 :], at[:-1]))
        if (states := _with_sequences(before)) is not None:
            edits.append((f"Give {before} before it return_sequences=True.", [states, *layers[i:]], at))
    if isinstance(layer, TimeDistributed):
        edits.append((f"Leave TimeDistributed out: {layer.layer}.", [layer.layer, *rest], shape))
    elif "Put" not in guess and "TimeDistributed" not in guess:
        edits.append((f"Write TimeDistributed({layer}).", [TimeDistributed(layer), *rest], shape))
    return edits


def _with_sequences(layer: Layer) -> Layer | None:
    """A recurrent layer that gives all of its states, if this one gives the last alone."""
    spec = layer_spec(layer)
    inner = spec.get("layer", spec)
    if inner["type"] not in ("Elman", "LSTM", "GRU") or inner.get("return_sequences"):
        return None
    inner["return_sequences"] = True
    return layer_from(spec, "")


def _builds(layers: Sequence[Layer], shape: Shape) -> bool:
    try:
        for layer in layers:
            shape = layer.output_shape(shape, "")
    except (ShapeError, ConfigError):
        return False
    return True


def check_rows(who: str, shape: Shape, layer: Layer, wanted: Shape) -> None:
    """Refuse an x that is not of shape (N, *wanted), what goes into a network whose first layer this is."""
    try:
        check_shape(who, "x", shape, ("N", *wanted), input_remedy(shape, wanted))
    except ShapeError as error:
        off, _ = differing(wanted, shape[1:]) if len(shape) == len(wanted) + 1 else (set[int](), None)
        more = layer.param_shapes(tuple(n + (i in off) for i, n in enumerate(wanted)))
        for name, own in layer.param_shapes(wanted).items():  # the axes that x's would change
            pictured(error, (f"{name:<10}", own, differing(own, more[name])[0]))
        error.add_note(_what_it_does(layer, f"layer 0, {layer}"))
        raise


def input_remedy(shape: Shape, wanted: Shape) -> str:
    """What to do with an x of this shape, where (N, *wanted) is expected: the end of the sentence that refuses it.

    >>> input_remedy((60, 3, 32, 32), (32, 32, 3))
    'Its axes stand in another order: pass x.transpose(0, 2, 3, 1).'
    """
    one = shape[1:]
    if found := array_remedy("x", shape, wanted):
        batch = f" Or, if {shape[0]} is the number of examples, build the network with input_shape={shape_text(one)}."
        return found + batch * (shape == wanted and len(shape) == 2)
    if one == wanted[1:] and one:
        return f"Its input_shape holds a batch axis: build the network with input_shape={shape_text(one)}."
    if len(one) == len(wanted) > 1 and one[:-1] == wanted[:-1]:
        return f"It has {one[-1]} channels: build the network with input_shape={shape_text(one)}."
    remedy = "The shape is fixed by input_shape when the network is built"
    return f"{remedy}: for this x, input_shape={shape_text(one)}." if one else f"{remedy}."


def array_remedy(x: str, shape: Shape, wanted: Shape) -> str:
    """The NumPy expression that gives the array named x the shape (N, *wanted), in a sentence, or "".

    >>> array_remedy("y", (3, 60), (3,)), array_remedy("x", (784,), (28, 28, 1))
    ('Examples are rows: pass y.T.', 'It is one example: pass x.reshape(1, 28, 28, 1).')
    """
    n, one = len(shape), shape[1:]
    if shape == wanted:
        return f"The batch axis is missing: pass {x}[None]."
    if n == 2 and shape[:1] == wanted:
        return f"Examples are rows: pass {x}.T."
    if len(wanted) > 1:  # to reshape these would mix pixels and channels
        channels = [(0, *range(2, n), 1), (0, n - 1, *range(1, n - 1))] if n > 2 else []
        for axes in (*channels, *(permutations(range(n)) if n <= MOST_AXES else ())):
            order, moved = shape_text(axes), tuple(shape[axis] for axis in axes)
            if n > 2 and fits(moved, ("N", *wanted)):
                return f"Its axes stand in another order: pass {x}.transpose{order}."
            if moved == wanted:
                return f"Its axes stand in another order, without the batch axis: pass {x}.transpose{order}[None]."
    if len(one) != len(wanted) and n and prod(one) == prod(wanted):
        remedy = f"Each example has as many numbers: pass {x}.reshape{shape_text((-1, *wanted))}"
        if len(one) == 1 and len(wanted) == 3 and wanted[2] > 1:
            planes = shape_text((-1, wanted[2], *wanted[:2]))
            remedy += f", or if each channel lies together, {x}.reshape{planes}.transpose(0, 2, 3, 1)"
        return f"{remedy}."
    if prod(shape) == prod(wanted) and (
        n == 1 or [k for k in shape if k > 1] == [k for k in wanted if k > 1]
    ):
        return f"It is one example: pass {x}.reshape{shape_text((1, *wanted))}."
    return ""


def check_channels_last(who: str, shape: Shape) -> None:
    """Refuse images with their channels in front: a convolution would take rows for channels, and train."""
    if len(shape) == 3 and shape[0] in (1, 3) and shape[1] == shape[2] > 7:
        last = shape_text((*shape[1:], shape[0]))
        raise ShapeError(
            f"{who}: expected input_shape to be (H, W, C), with the channels last, got {shape_text(shape)}. "
            f"Take input_shape={last} and x.transpose(0, 2, 3, 1)."
        )


def length_remedy(shape: Shape, n: int) -> str:
    """What to do with a y of this shape beside n rows of x."""
    if shape[1:] == (n,):
        return "Examples are rows: pass y.T."
    fewer = min([n, *shape[:1]])
    return f"Take both from the same rows of the data, such as x[:{fewer}], y[:{fewer}]."


def units_remedy(y: Array, rows: str) -> str:
    """What to do where labels are wanted (or rows, if the loss takes some) and y has as many columns as no unit."""
    if y.ndim != 2:
        return ""
    labels = "" if rows else ", and labels: y.argmax(axis=1)"
    return f"For this y the last layer needs {y.shape[1]} units{labels}."


def from_zero_remedy(labels: Array, classes: int) -> str:
    """What to do with labels that are not from 0 to classes − 1."""
    if labels.min() == 1 and labels.max() == classes:
        return "They seem to start at 1: pass y - 1."
    if labels.min() >= 0:
        return f"For this y the last layer needs {int(labels.max()) + 1} units."
    return "Labels count from 0: pass np.unique(y, return_inverse=True)[1]."


def rows_remedy(rows: Array) -> str:
    """What rows may be that do not sum to 1."""
    if ((rows == 0) | (rows == 1)).all():
        return "For several labels an example take the loss sigmoid_cross_entropy."
    if (rows < 0).any():
        return "To predict numbers, take the loss squared_error."
    return "Pass y / y.sum(axis=1, keepdims=True)."


def numbers_remedy(y: Array, output_shape: Shape) -> str:
    """What to do with targets of another shape than the network's output."""
    if y.ndim == len(output_shape) == 1:
        if _are_labels(y, output_shape[0]):
            return f"Pass one_hot(y, {output_shape[0]}), or take the loss softmax_cross_entropy."
        return "It is one number an example, so the last layer needs 1 unit."
    if remedy := array_remedy("y", y.shape, output_shape):
        return remedy
    if y.shape[1:-1] == output_shape[:-1]:
        return f"For this y the last layer needs {y.shape[-1]} units."
    return ""


def range_remedy(y: Array, high: float) -> str:
    """What targets outside 0 to high may be: counts, two classes otherwise named, more classes, a picture's bytes."""
    values = np.unique(y).tolist()
    if high > 1:
        return "Counts are not negative: for numbers of any sign take the loss squared_error."
    if len(values) == 2:
        return f"For two classes pass y == {values[1]}."
    if y.shape[1:] == (1,) and _are_labels(y, 1000):
        return f"For labels take softmax_cross_entropy, and {int(values[-1]) + 1} units in the last layer."
    if values[0] >= 0:
        return f"Scale them: pass y / {255 if y.dtype == np.uint8 else values[-1]}."
    return "For numbers of any size take the loss squared_error."


def _are_labels(y: Array, classes: int) -> bool:
    return bool((y % 1 == 0).all() and y.min() >= 0 and y.max() < classes)
