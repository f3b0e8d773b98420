"""What a picture of a graph is made of: lines, shapes and labels, with their places.

Lengths are in pixels, 96 to the inch, y downwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from clearprop.arrays import Array
from clearprop.lens.graph.labels import cells_of, norm_text, width_of

Point = tuple[float, float]

NUMBER = 12.0  # the size of a number's letters
ROW = 1.2  # a line of text, in units of its size


class Path(NamedTuple):
    """A line: a first point, then straight pieces of one point and curves of three."""

    start: Point
    pieces: tuple[tuple[Point, ...], ...]
    kind: Literal["edge", "arrow", "bracket", "gradient bracket"]


class Shape(NamedTuple):
    """A box of a variable or constant, a gate, or a layer's block, by its edges."""

    kind: str  # which of the pens' fills: "variable", "constant", "gate", …
    x: float
    y: float
    width: float
    height: float
    radius: float  # of the corners

    @property
    def outline(self) -> Path:
        """The edge as lines and curves, for pens that draw nothing else."""
        left, top, r = self.x, self.y, self.radius
        right, bottom, k = (
            left + self.width,
            top + self.height,
            0.4477 * r,
        )  # where a quarter circle's controls stand
        return Path(
            (left + r, top),
            (
                ((right - r, top),), ((right - k, top), (right, top + k), (right, top + r)),
                ((right, bottom - r),), ((right, bottom - k), (right - k, bottom), (right - r, bottom)),
                ((left + r, bottom),), ((left + k, bottom), (left, bottom - k), (left, bottom - r)),
                ((left, top + r),), ((left, top + k), (left + k, top), (left + r, top)),
            ),
            "edge",
        )  # fmt: skip


class Label(NamedTuple):
    """A formula on one line; y is its baseline, x its middle or its right end."""

    text: str
    x: float
    y: float
    size: float
    kind: Literal["name", "symbol", "value", "gradient", "quiet"]
    anchor: Literal["start", "middle", "end"] = "middle"

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom."""
        width = width_of(self.text) * self.size
        left = self.x - {"start": 0.0, "middle": 0.5, "end": 1.0}[self.anchor] * width
        return left, self.y - 0.8 * self.size, left + width, self.y + 0.28 * self.size


@dataclass
class Scene:
    """All that is drawn, and the size of the sheet."""

    title: str
    width: float = 0.0
    height: float = 0.0
    frames: list[Shape] = field(default_factory=list)  # around shapes and paths, below them
    shapes: list[Shape] = field(default_factory=list)
    paths: list[Path] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)


class Words(NamedTuple):
    """A line of letters in a stack."""

    text: str
    size: float
    kind: Literal["name", "value", "gradient", "quiet"]

    @property
    def width(self) -> float:
        return width_of(self.text) * self.size

    @property
    def height(self) -> float:
        return ROW * self.size

    def draw(self, scene: Scene, middle: float, top: float) -> None:
        scene.labels.append(Label(self.text, middle, top + 0.9 * self.size, self.size, self.kind))


class Matrix(NamedTuple):
    """Numbers in rows and columns between brackets."""

    cells: list[list[str]]
    kind: Literal["value", "gradient"]

    @property
    def columns(self) -> list[float]:
        return [max(width_of(cell) for cell in column) * NUMBER for column in zip(*self.cells, strict=True)]

    @property
    def width(self) -> float:
        return sum(self.columns) + 7 * (len(self.columns) - 1) + 14

    @property
    def height(self) -> float:
        return ROW * NUMBER * len(self.cells) + 5

    def draw(self, scene: Scene, middle: float, top: float) -> None:
        left, right = middle - self.width / 2, middle + self.width / 2
        top, bottom = top + 2, top + self.height - 1
        for edge, inward in ((left, 3.5), (right, -3.5)):
            corners = (((edge, top),), ((edge, bottom),), ((edge + inward, bottom),))
            scene.paths.append(
                Path((edge + inward, top), corners, "bracket" if self.kind == "value" else "gradient bracket")
            )
        for r, row in enumerate(self.cells):
            x = left + 7
            for cell, width in zip(row, self.columns, strict=True):
                x += width
                scene.labels.append(Label(cell, x, top + (ROW * r + 0.95) * NUMBER, NUMBER, self.kind, "end"))
                x += 7


Stack = Sequence[Words | Matrix]


def numbers(x: Array, kind: Literal["value", "gradient"]) -> Words | Matrix:
    """An array as it is shown: a number, a small matrix, or a large one's norm."""
    cells = cells_of(x)
    if cells is None or not x.ndim:
        return Words(norm_text(x) if cells is None else cells[0][0], NUMBER, kind)
    return Matrix(cells, kind)
