"""A computational graph as shapes, lines and labels with their places, which every way of drawing shares.

Lengths are in pixels, 96 to the inch, y downwards. Every arrow has a stretch of its own where it lies flat: its
value stands above it, its gradient below.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from clearprop.arrays import Array, shape_text
from clearprop.errors import ConfigError
from clearprop.lens.graph.backward import Gradients, Share
from clearprop.lens.graph.labels import width_of
from clearprop.lens.graph.layout import Item, Link, Placed, place
from clearprop.lens.graph.names import equation, names_of, ordered, symbol
from clearprop.lens.graph.nodes import Constant, Node
from clearprop.lens.graph.shapes import (
    NUMBER,
    Label,
    Matrix,
    Path,
    Point,
    Scene,
    Shape,
    Stack,
    Words,
    numbers,
)
from clearprop.names import unknown

Show = Literal["numbers", "formulas"]
NAME, SYMBOL, SMALL = 16.0, 14.0, 11.0  # sizes of letters
RADIUS, BOX = 15.0, 28.0  # a gate's radius, a box's height
MARGIN, PAD = 12.0, 4.0
HEAD = 7.0  # an arrow's
IN_ORDER = (
    "matmul",
    "subtract",
    "divide",
)  # where it matters which operand comes first, the equation stands below


class Part(NamedTuple):
    """What an item of the layout shows: a node's shape or nothing, and what stands above and below."""

    node: Node | None
    above: Stack
    below: Stack

    def item(self, column: int) -> Item:
        """Its measures."""
        wide, half = measures(self.node)
        wide = max([wide, *(piece.width for piece in (*self.above, *self.below))])
        up, down = (half + PAD + sum(piece.height for piece in stack) for stack in (self.above, self.below))
        return Item(column, wide, up, down)


def measures(node: Node | None) -> tuple[float, float]:
    """A node's width and half its height."""
    if node is None:
        return 0.0, 0.0
    if node.op:
        return max(2 * RADIUS, width_of(symbol(node)) * SYMBOL + 12), RADIUS
    return max(BOX, width_of(node.name) * NAME + 16), BOX / 2


class _Builder:
    """The parts of a picture in their columns, then the picture."""

    def __init__(self, root: Node, found: Gradients | None, show: Show) -> None:
        self.root, self.found, self.show = root, found, show
        self.nodes = ordered(root)
        self.names: Mapping[Node, str] = names_of(root)
        self.parts: list[Part] = []
        self.items: list[Item] = []
        self.links: list[Link] = []
        self.number: dict[Node, int] = {}
        self.chains: dict[tuple[Node, int], list[int]] = {}  # an edge's items, by its end
        self.uses = {node: sum(x is node for user in self.nodes for x in user.inputs) for node in self.nodes}
        depth = dict.fromkeys(self.nodes, 0)
        for node in reversed(self.nodes):
            for x in node.inputs:
                depth[x] = max(depth[x], depth[node] + 1)
        self.column = {node: 2 * (max(depth.values()) - depth[node]) for node in self.nodes}

    def add(self, part: Part, column: int) -> int:
        self.parts.append(part)
        self.items.append(part.item(column))
        return len(self.items) - 1

    def gradient_of(self, node: Node) -> Array | None:
        return self.found.totals.get(node) if self.found else None

    def head(self, node: Node, with_name: bool) -> Stack:
        """The name of what has no box of its own, with the shape, which a number does not need."""
        shape = shape_text(node.shape) if node.shape else ""
        text = f"{self.names[node]}  {shape}".strip() if with_name else shape
        return [Words(text, SMALL, "quiet")] if text else []

    def value(self, node: Node) -> Stack:
        return [numbers(node.value, "value")] if self.show == "numbers" else []

    def node_part(self, node: Node) -> Part:
        """A node; one that is used several times has its value and the sum of its gradients here."""
        below: list[Words | Matrix] = []
        above: list[Words | Matrix] = []
        if node.op in IN_ORDER:
            below.append(Words(equation(node, self.names), SMALL, "quiet"))
        if self.uses[node] > 1:
            above += [*(self.head(node, True) if node.op else []), *self.value(node)]
            gradient = self.gradient_of(node)
            if gradient is not None:
                below.append(Words(f"⟪sum of {self.uses[node]} paths⟫", SMALL, "gradient"))
                below += [numbers(gradient, "gradient")] if self.show == "numbers" else []
        return Part(node, above, below)

    def edge_part(self, node: Node, share: Share | None) -> Part:
        """An edge's label: the value and the share of the gradient that goes through it."""
        alone = self.uses[node] <= 1
        above = [*self.head(node, bool(node.op) and alone), *(self.value(node) if alone else [])]
        if share is None:
            return Part(None, above, [])
        if self.show == "formulas":
            return Part(None, above, [Words(share.formula(self.names), NUMBER, "gradient")])
        return Part(None, above, [numbers(share.gradient, "gradient")])

    def collect(self) -> None:
        """Every node and edge as items and links."""
        for node in self.nodes:
            self.number[node] = self.add(self.node_part(node), self.column[node])
        for node in self.nodes:
            for position, x in enumerate(node.inputs):
                self.chain(node, position, x)
        gradient = self.gradient_of(self.root)
        below = [] if gradient is None else [numbers(gradient, "gradient")]
        out = Part(None, [*self.head(self.root, True), *self.value(self.root)], below)
        end = self.add(out, self.column[self.root] + 1)
        self.links.append(Link(self.number[self.root], end, 4.0))

    def chain(self, node: Node, position: int, x: Node) -> None:
        """An edge: its label beside its start, then a way through every column up to its end."""
        shares = self.found.shares(x) if self.found and x in self.found.totals else []
        share = next((s for s in shares if s.through is node and s.position == position), None)
        chain = [self.add(self.edge_part(x, share), self.column[x] + 1)]
        for column in range(self.column[x] + 2, self.column[node]):
            chain.append(self.add(Part(None, [], []), column))
        self.chains[node, position] = chain
        way = [self.number[x], *chain, self.number[node]]
        self.links += [Link(a, b, 1.0 if a == way[0] or b == way[-1] else 4.0) for a, b in pairwise(way)]

    def scene(self) -> Scene:
        """The picture."""
        self.collect()
        self.placed = place(self.items, self.links)
        scene = Scene(f"Computational graph of {self.names[self.root]}")
        for number, part in enumerate(self.parts):
            self.draw_part(scene, number, part)
        for node in self.nodes:
            for position, height in self.ports(node).items():
                self.draw_edge(scene, node, position, height)
        self.draw_out(scene)
        return framed(scene, self.key())

    def middle(self, number: int) -> float:
        column = self.items[number].column
        return self.placed.left[column] + self.placed.width[column] / 2

    def draw_part(self, scene: Scene, number: int, part: Part) -> None:
        """A node's shape, and the stacks above and below the line."""
        x, y = self.middle(number), self.placed.y[number]
        wide, half = measures(part.node)
        if node := part.node:
            kind = "gate" if node.op else "constant" if isinstance(node, Constant) else "variable"
            scene.shapes.append(Shape(kind, x - wide / 2, y - half, wide, 2 * half, half if node.op else 4.0))
            said, size = (symbol(node), SYMBOL) if node.op else (node.name, NAME)
            scene.labels.append(Label(said, x, y + 0.33 * size, size, "symbol" if node.op else "name"))
        top = y - half - PAD - sum(piece.height for piece in part.above)
        for piece in part.above:
            piece.draw(scene, x, top)
            top += piece.height
        top = y + half + PAD
        for piece in part.below:
            piece.draw(scene, x, top)
            top += piece.height

    def ports(self, node: Node) -> dict[int, float]:
        """How high above or below a gate's middle each operand's arrow ends, in the order in which they come."""
        lines = {p: self.placed.y[self.chains[node, p][-1]] for p in range(len(node.inputs))}
        if len(lines) < 2:
            return dict.fromkeys(lines, 0.0)
        first, second = sorted(lines, key=lambda p: (lines[p], p))
        away = {p: lines[p] - self.placed.y[self.number[node]] for p in lines}
        near = {p: rise for p, rise in away.items() if abs(rise) < 0.8 * RADIUS}  # these come in as they are
        ports = {first: -0.55 * RADIUS, second: 0.55 * RADIUS} | near
        if ports[second] - ports[first] >= 0.5 * RADIUS:
            return ports
        if first in near:
            return {first: ports[first], second: max(ports[first] + 0.6 * RADIUS, 0.8 * RADIUS)}
        return {first: min(ports[second] - 0.6 * RADIUS, -0.8 * RADIUS), second: ports[second]}

    def draw_edge(self, scene: Scene, node: Node, position: int, port: float) -> None:
        """Flat through the columns, bent between them, an arrow's head at the gate."""
        placed = self.placed
        number, source = self.number[node], self.number[node.inputs[position]]
        wide, _ = measures(self.parts[source].node)
        start = (self.middle(source) + wide / 2, placed.y[source])
        pieces = _way(placed, self.items, [source, *self.chains[node, position]])
        wide, _ = measures(node)
        inset = RADIUS - (RADIUS**2 - port**2) ** 0.5
        tip = (self.middle(number) - wide / 2 + inset, placed.y[number] + port)
        last = pieces[-1][-1]
        pieces += _bend(last, (placed.left[self.items[number].column], tip[1]))
        _arrow(scene, start, pieces, tip)

    def draw_out(self, scene: Scene) -> None:
        """The last arrow, out of the picture."""
        number, last = self.number[self.root], len(self.items) - 1
        wide, _ = measures(self.root)
        y = self.placed.y[number]
        column = self.items[last].column
        pieces = _way(self.placed, self.items, [number, last])[:-1]
        end = self.placed.left[column] + self.placed.width[column] + HEAD + 6
        _arrow(scene, (self.middle(number) + wide / 2, y), pieces, (end, self.placed.y[last]))

    def key(self) -> list[Label]:
        """What stands where, in a line below the picture."""
        name = self.names[self.root]
        said: list[tuple[str, Literal["value", "gradient"]]] = []
        if self.show == "numbers":
            said.append(("⟪above an arrow its value⟫", "value"))
        if self.found:
            what = f"⟪below it the gradient of⟫ {name}"
            if self.show == "formulas":
                what = f"⟪below an arrow what flows back, with⟫ ∂a ⟪for⟫ ∂⟨{name}⟩/∂a"
            said.append((what, "gradient"))
        labels, x = [], 0.0
        for text, kind in said:
            labels.append(Label(text, x, 0.0, SMALL, kind, "start"))
            x += width_of(text) * SMALL + 24
        return labels


def _way(placed: Placed, items: Sequence[Item], chain: Sequence[int]) -> list[tuple[Point, ...]]:
    """From an item's right edge through those that follow, to the right edge of the last one's column."""
    pieces: list[tuple[Point, ...]] = []
    for before, number in pairwise(chain):
        column = items[before].column
        right = placed.left[column] + placed.width[column]
        pieces.append(((right, placed.y[before]),))
        pieces += _bend((right, placed.y[before]), (placed.left[items[number].column], placed.y[number]))
    column = items[chain[-1]].column
    pieces.append(((placed.left[column] + placed.width[column], placed.y[chain[-1]]),))
    return pieces


def _bend(start: Point, end: Point) -> list[tuple[Point, ...]]:
    """From one point to another, flat at both ends."""
    half = (start[0] + end[0]) / 2
    return [(end,)] if abs(start[1] - end[1]) < 1e-6 else [((half, start[1]), (half, end[1]), end)]


def _arrow(scene: Scene, start: Point, pieces: list[tuple[Point, ...]], tip: Point) -> None:
    """A line that ends in a filled head."""
    x, y = tip
    scene.paths.append(Path(start, (*pieces, ((x - HEAD, y),)), "edge"))
    corners = (((x - HEAD, y - 0.45 * HEAD),), ((x - HEAD, y + 0.45 * HEAD),), (tip,))
    scene.paths.append(Path(tip, corners, "arrow"))


def framed(scene: Scene, key: Sequence[Label]) -> Scene:
    """The picture moved so that a margin is left all around, with the key below it."""
    boxes = [label.box for label in scene.labels]
    boxes += [(s.x, s.y, s.x + s.width, s.y + s.height) for s in (*scene.frames, *scene.shapes)]
    points = [p for path in scene.paths for p in (path.start, *(q for piece in path.pieces for q in piece))]
    boxes += [(x, y, x, y) for x, y in points]
    left, top = min(b[0] for b in boxes), min(b[1] for b in boxes)
    right, bottom = max(b[2] for b in boxes), max(b[3] for b in boxes)
    dx, dy = MARGIN - left, MARGIN - top
    height = bottom + dy
    scene.frames, scene.shapes = (
        [s._replace(x=s.x + dx, y=s.y + dy) for s in some] for some in (scene.frames, scene.shapes)
    )
    scene.labels = [label._replace(x=label.x + dx, y=label.y + dy) for label in scene.labels]
    scene.paths = [
        path._replace(
            start=(path.start[0] + dx, path.start[1] + dy),
            pieces=tuple(tuple((x + dx, y + dy) for x, y in piece) for piece in path.pieces),
        )
        for path in scene.paths
    ]
    scene.width = max(right + dx, key[-1].box[2] + MARGIN if key else 0.0) + MARGIN
    if key:
        height += 14 + SMALL
        scene.labels += [label._replace(x=label.x + MARGIN, y=height) for label in key]
    scene.height = height + MARGIN
    return scene


def build_scene(root: Node, found: Gradients | None, show: str = "numbers") -> Scene:
    """A graph's picture.

    Parameters
    ----------
    root : Node
    found : Gradients, optional
        Without them only the values are shown.
    show : str
        "numbers", or "formulas": what flows back as formulas, and no numbers.
    """
    if not isinstance(show, str):
        raise ConfigError(f"graph: expected show='numbers' or 'formulas', got {show!r}. Choose one.")
    if show == "formulas":
        return _Builder(root, found, "formulas").scene()
    if show != "numbers":
        raise unknown("graph", "show", show, ("numbers", "formulas"))
    return _Builder(root, found, "numbers").scene()
