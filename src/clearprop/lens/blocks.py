"""A network's layers as blocks to be drawn: what stands in each, how wide it is, and what it draws.

Every block is entered and left on one line; Residual and Bidirectional hang their branches below it.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import prod
from typing import Any, NamedTuple

import numpy as np

from clearprop.arrays import Shape
from clearprop.layers import (
    GRU,
    LSTM,
    Activation,
    AvgPool1D,
    AvgPool2D,
    BatchNorm,
    Bidirectional,
    Conv1D,
    Conv2D,
    ConvTranspose2D,
    Cutout,
    Dense,
    Dropout,
    Elman,
    Embedding,
    Flatten,
    GlobalAvgPool,
    GlobalMaxPool,
    GroupNorm,
    Layer,
    LayerNorm,
    MaxPool1D,
    MaxPool2D,
    RandomFlip,
    RandomShift,
    Reshape,
    Residual,
    TimeDistributed,
)
from clearprop.lens.graph.labels import width_of
from clearprop.lens.graph.shapes import Label, Path, Point, Scene
from clearprop.lens.graph.shapes import Shape as Outline
from clearprop.lens.tiles import size_text

TITLE, SMALL = 13.5, 11.5  # sizes of letters, in pixels
PAD, LINE = 7.0, 1.28  # around a box's words; a line of them
GAP = 16.0  # between boxes below one another, and of a rail from a box
HEAD = 7.0  # an arrow's
PLUS, JOIN = 9.0, 7.0  # the radius of the circle in which branches are added, or put side by side

KINDS: tuple[tuple[str, tuple[type[Layer], ...]], ...] = (
    ("convolution", (Conv1D, Conv2D, ConvTranspose2D)),
    ("dense", (Dense, Embedding)),
    ("recurrent", (Elman, GRU, LSTM)),
    ("norm", (BatchNorm, GroupNorm, LayerNorm)),
    ("activation", (Activation,)),
    ("pool", (MaxPool1D, MaxPool2D, AvgPool1D, AvgPool2D, GlobalAvgPool, GlobalMaxPool)),
    ("shape", (Flatten, Reshape)),
    ("noise", (Dropout, RandomFlip, RandomShift, Cutout)),
)


class Box(NamedTuple):
    """A layer, with the activation that follows it."""

    kind: str
    title: str
    lines: tuple[str, ...]
    n_params: int

    @property
    def width(self) -> float:
        words = [width_of(prose(self.title)) * TITLE, *(width_of(prose(line)) * SMALL for line in self.lines)]
        return max(58.0, max(words) + 2 * PAD, width_of(self.below) * SMALL)

    @property
    def height(self) -> float:
        return 2 * PAD + LINE * (TITLE + SMALL * len(self.lines)) - 3

    @property
    def below(self) -> str:
        return f"{self.n_params:,}" if self.n_params else ""

    @property
    def down(self) -> float:
        """From the middle to where nothing more is drawn."""
        return self.height / 2 + (LINE * SMALL + 2 if self.n_params else 0)

    def draw(self, scene: Scene, left: float, y: float) -> None:
        middle, top = left + self.width / 2, y - self.height / 2
        scene.shapes.append(Outline(self.kind, left, top, self.width, self.height, 3.0))
        base = top + PAD + 0.82 * TITLE
        scene.labels.append(Label(prose(self.title), middle, base, TITLE, "name"))
        for line in self.lines:
            base += LINE * SMALL
            scene.labels.append(Label(prose(line), middle, base, SMALL, "name"))
        if self.n_params:
            scene.labels.append(Label(self.below, middle, y + self.height / 2 + SMALL + 1, SMALL, "quiet"))


class Block(NamedTuple):
    """A step of the network: its width, how far it reaches above and below its line, what draws it, what leaves it."""

    width: float
    up: float
    down: float
    draw: Callable[[Scene, float, float], None]
    shape: Shape


def blocks_of(layers: Sequence[Layer], input_shape: Shape) -> list[Block]:
    """The blocks of a network's expanded layers, in their order."""
    blocks: list[Block] = []
    for layers_of_one, shape, after in _grouped(layers, input_shape):
        first = layers_of_one[0]
        if isinstance(first, Residual):
            blocks.append(_residual(first, shape, after))
        elif isinstance(first, Bidirectional):
            blocks.append(_bidirectional(first, shape, after))
        else:
            box = _box(layers_of_one, shape)
            blocks.append(Block(box.width, box.height / 2, box.down, box.draw, after))
    return blocks


def _grouped(layers: Sequence[Layer], shape: Shape) -> list[tuple[list[Layer], Shape, Shape]]:
    """Each layer with the activation that follows it; what goes in and what comes out."""
    groups: list[tuple[list[Layer], Shape, Shape]] = []
    for layer in layers:
        after = layer.output_shape(shape, str(layer))
        holds = groups and not isinstance(groups[-1][0][0], Residual | Bidirectional)
        if holds and _is_activation(layer) and not _is_activation(groups[-1][0][-1]):
            before, at, _ = groups[-1]
            groups[-1] = ([*before, layer], at, after)
        else:
            groups.append(([layer], shape, after))
        shape = after
    return groups


def _is_activation(layer: Layer) -> bool:
    return isinstance(layer.layer if isinstance(layer, TimeDistributed) else layer, Activation)


def _box(layers: Sequence[Layer], shape: Shape) -> Box:
    first = layers[0]
    inner = first.layer if isinstance(first, TimeDistributed) else first
    lines = [details(inner)] + (["at each time step"] if inner is not first else [])
    lines += [
        str(details(layer.layer if isinstance(layer, TimeDistributed) else layer)) for layer in layers[1:]
    ]
    kind = next((kind for kind, types in KINDS if isinstance(inner, types)), "gate")
    count = sum(prod(one) for layer in layers for one in layer.param_shapes(shape).values())
    return Box(kind, type(inner).__name__, tuple(line for line in lines if line), count)


def details(layer: Layer) -> str:
    """A layer's settings in a few letters: 32, 3×3, stride 2.

    >>> details(Conv2D(32, 3, stride=2, padding="same"))
    '32, 3×3, stride 2'
    """
    if isinstance(layer, Residual):  # within another block
        return f"{len(layer.layers)} layers"
    if isinstance(layer, Bidirectional):
        return str(layer.layer)
    given = layer.settings()
    words: list[str] = []
    for name in ("filters", "vocabulary", "units"):
        if name in given:
            words.append(f"{given[name]:,}")
    for name in ("kernel", "window", "shape"):
        if name in given:
            words.append(size_text(given[name]))
    if "stride" in given and list(given["stride"]) != list(given.get("window", [])):
        words.append(f"stride {_pair(given['stride'])}")
    for name in ("dilation", "groups", "rate", "pixels", "size"):
        if name in given:
            words.append(f"{name} {_pair(given[name])}")
    if given.get("return_sequences"):
        words.append("all steps")
    return given["name"] if isinstance(layer, Activation) else ", ".join(words)


def _pair(value: Any) -> str:
    if not isinstance(value, list | tuple):
        return f"{value:g}"
    return f"{value[0]:g}" if len(set(value)) == 1 else size_text(value)


def _residual(layer: Residual, shape: Shape, after: Shape) -> Block:
    """The layers below one another, the shortcut past them at their left, the sum, and the way back to the line."""
    branch = [_box(group, at) for group, at, _ in _grouped(layer.layers, shape)]
    past = [_box(group, at) for group, at, _ in _grouped(layer.shortcut, shape)]
    wide = max(box.width for box in branch)
    side = max((box.width for box in past), default=0.0)
    rail = GAP + side / 2  # of the shortcut, from the left edge
    left = rail + side / 2 + GAP  # of the branch
    width = left + wide + 2 * GAP
    heads = [0.0]
    for above, below in pairwise(branch):
        heads.append(heads[-1] + above.down + GAP + below.height / 2)
    top = branch[0].height / 2
    start = max(GAP, top) + GAP if past else 0.0  # the shortcut's boxes lie below the line
    ends = [start + (past[0].height / 2 if past else 0.0)]
    for above, below in pairwise(past):
        ends.append(ends[-1] + above.down + GAP + below.height / 2)
    low = max(heads[-1] + branch[-1].down, ends[-1] + past[-1].down if past else 0.0) + GAP + PLUS

    def draw(scene: Scene, x: float, y: float) -> None:
        frame = Outline("frame", x, y - top - 22, width, low + PLUS + 8 + top + 22, 6.0)
        scene.frames.append(frame)
        scene.labels.append(Label(prose("Residual"), x + 9, y - top - 8, SMALL, "quiet", "start"))
        middle, sum_y, out = x + left + wide / 2, y + low, x + width
        arrow(scene, (x, y), (middle - branch[0].width / 2, y))
        _stack(scene, branch, middle, [y + head for head in heads])
        arrow(scene, (middle, y + heads[-1] + branch[-1].down), (middle, sum_y - PLUS))
        if past:
            arrow(scene, (x + rail, y), (x + rail, y + ends[0] - past[0].height / 2))
            _stack(scene, past, x + rail, [y + end for end in ends])
        last = y + ends[-1] + past[-1].down if past else y
        arrow(scene, (x + rail, last), (x + rail, sum_y), (middle - PLUS, sum_y))
        plus(scene, middle, sum_y)
        line(scene, (middle + PLUS, sum_y), (out - GAP, sum_y), (out - GAP, y), (out, y))

    return Block(width, top + 22, low + PLUS + 8, draw, after)


def _bidirectional(layer: Bidirectional, shape: Shape, after: Shape) -> Block:
    """The two directions, one below the other; their outputs stand side by side."""
    boxes = [_box([side], shape)._replace(lines=(details(side), words)) for side, words in
             zip(layer.sides, ("forward in time", "backward in time"), strict=True)]  # fmt: skip
    wide, top = max(box.width for box in boxes), boxes[0].height / 2
    below = boxes[0].down + GAP + boxes[1].height / 2
    width = GAP + wide + 2 * GAP + 2 * GAP

    def draw(scene: Scene, x: float, y: float) -> None:
        bottom = below + boxes[1].down + 6
        scene.frames.append(Outline("frame", x, y - top - 22, width, bottom + top + 22, 6.0))
        scene.labels.append(Label(prose("Bidirectional"), x + 9, y - top - 8, SMALL, "quiet", "start"))
        left, right = x + 2 * GAP, x + 2 * GAP + wide
        rail, out = x + GAP, right + GAP
        arrow(scene, (x, y), (left + (wide - boxes[0].width) / 2, y))
        arrow(scene, (rail, y), (rail, y + below), (left + (wide - boxes[1].width) / 2, y + below))
        for box, at in zip(boxes, (y, y + below), strict=True):
            box.draw(scene, left + (wide - box.width) / 2, at)
        line(scene, (right - (wide - boxes[1].width) / 2, y + below), (out, y + below), (out, y + JOIN))
        line(scene, (right - (wide - boxes[0].width) / 2, y), (out - JOIN, y))
        scene.shapes.append(Outline("gate", out - JOIN, y - JOIN, 2 * JOIN, 2 * JOIN, JOIN))
        scene.labels.append(Label("‖", out, y + 4, SMALL, "symbol"))
        line(scene, (out + JOIN, y), (x + width, y))

    return Block(width, top + 22, below + boxes[1].down + 6, draw, after)


def _stack(scene: Scene, boxes: Sequence[Box], middle: float, heights: Sequence[float]) -> None:
    """Boxes below one another, with arrows between them."""
    for box, y in zip(boxes, heights, strict=False):
        box.draw(scene, middle - box.width / 2, y)
    for (box, y), (below, then) in pairwise(zip(boxes, heights, strict=False)):
        arrow(scene, (middle, y + box.down), (middle, then - below.height / 2))


def plus(scene: Scene, x: float, y: float) -> None:
    """The circle in which two branches are added."""
    scene.shapes.append(Outline("gate", x - PLUS, y - PLUS, 2 * PLUS, 2 * PLUS, PLUS))
    scene.labels.append(Label("+", x, y + 0.33 * TITLE, TITLE, "symbol"))


def line(scene: Scene, start: Point, *points: Point) -> None:
    """Straight pieces without a head."""
    scene.paths.append(Path(start, tuple((point,) for point in points), "edge"))


def arrow(scene: Scene, start: Point, *points: Point) -> None:
    """Straight pieces, the last one with a filled head at its end."""
    *way, tip = points
    before = way[-1] if way else start
    dx, dy = (float(np.sign(b - a)) for a, b in zip(before, tip, strict=True))  # it runs along an axis
    neck = (tip[0] - HEAD * dx, tip[1] - HEAD * dy)
    line(scene, start, *way, neck)
    aside = (0.45 * HEAD * dy, 0.45 * HEAD * dx)
    corners = (
        ((neck[0] - aside[0], neck[1] - aside[1]),),
        ((neck[0] + aside[0], neck[1] + aside[1]),),
        (tip,),
    )
    scene.paths.append(Path(tip, corners, "arrow"))


def prose(words: str) -> str:
    """Words, not a formula, in a label."""
    return f"⟪{words}⟫"
