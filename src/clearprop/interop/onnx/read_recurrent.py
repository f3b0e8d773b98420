"""RNN, LSTM and GRU as layers, and what is made of their states: all of them, or the last ones, of one side or both."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clearprop.arrays import Array, Shape
from clearprop.interop.onnx.gates import ORDER, RNN_FUNCTIONS, from_onnx
from clearprop.interop.onnx.read_constants import slices
from clearprop.interop.onnx.read_node import WITHOUT_IT, Node, shortest
from clearprop.interop.onnx.read_shapes import sizes_of
from clearprop.interop.onnx.read_values import Part, States, Value
from clearprop.interop.onnx.write_recurrent import TIME_FIRST
from clearprop.layers import GRU, LSTM, Bidirectional, Elman, Layer
from clearprop.layers.recurrent import Recurrent

FUNCTIONS = {"LSTM": ("sigmoid", "tanh", "tanh"), "GRU": ("sigmoid", "tanh")}
ALL, LAST, HALF, SIDE, STEP = (
    "all states of a recurrent layer", "the last states of recurrent layers", "one direction's last state",
    "all states of one direction", "the last time step",
)  # fmt: skip
NO_STEP = (
    "expected the last time step of an RNN, LSTM or GRU of one direction, which its layer gives without "
    "return_sequences. clearprop has no layer that picks out others."
)


@dataclass(frozen=True, eq=False)
class Cell:
    """A recurrent node: what goes in, and the layer that it is."""

    x: Value
    layer: Recurrent  # without return_sequences
    sides: int
    arrays: dict[str, Array]

    def value(self, node: Node, sequences: bool) -> Value:
        cell = with_sequences(self.layer, sequences)
        layer: Layer = Bidirectional(cell) if self.sides > 1 else cell
        order = TIME_FIRST if sequences else (0, 1)
        plain = Value(self.x.step, self.x.shape, (0, 1, 2), self.x.fold)
        return node.then(plain, layer, self.arrays, order)


def with_sequences(layer: Recurrent, sequences: bool) -> Recurrent:
    return type(layer)(**{**layer.settings(), "return_sequences": sequences})


@dataclass(frozen=True, eq=False)
class AllStates(States):
    """Y, (T, sides, N, H)."""

    cell: Cell
    beside = (0, 2, 1, 3)

    def sizes(self, batch: int) -> Shape:
        return (self.cell.x.shape[0], self.cell.sides, batch, self.cell.layer.units)

    def squeezed(self, node: Node, axes: Sequence[int]) -> Value:
        if [axis % 4 for axis in axes] != [1] or self.cell.sides > 1:
            node.refuse("expected axis 1 of one direction to go.")
        return self.cell.value(node, True)

    def joined(self, node: Node, target: Sequence[int]) -> Value:
        T, N, sides, H = self.stored(node.batch)
        if sizes_of(node, list(target), (T, N, sides, H)) != (T, N, sides * H):
            node.refuse("expected the directions' states side by side.")
        return self.cell.value(node, True)

    def cut(self, node: Node, axis: int, part: range) -> Any:
        if axis != 1 or len(part) != 1:
            return node.value()
        return Part("one direction's states", self.cell.x, OneSide(self.cell, part[0]))


@dataclass(frozen=True, eq=False)
class OneSide(States):
    """One direction's part of Y, (T, 1, N, H)."""

    cell: Cell
    side: int

    def sizes(self, batch: int) -> Shape:
        return (self.cell.x.shape[0], 1, batch, self.cell.layer.units)

    def squeezed(self, node: Node, axes: Sequence[int]) -> Part:
        if [axis % 4 for axis in axes] != [1]:
            node.refuse("expected axis 1 of one direction to go.")
        return Part(SIDE, self.cell.x, SideStates(self.cell, self.side))


@dataclass(frozen=True, eq=False)
class SideStates(States):
    """One direction's part of Y, (T, N, H)."""

    cell: Cell
    side: int

    def sizes(self, batch: int) -> Shape:
        return (self.cell.x.shape[0], batch, self.cell.layer.units)

    def cut(self, node: Node, axis: int, part: range) -> Part:
        last = 0 if self.side else self.cell.x.shape[0] - 1  # the way back ends at the first step
        if axis != 0 or list(part) != [last]:
            node.refuse(NO_STEP)
        return Part(LAST, self.cell.x, LastStates([(self.cell, self.side)]))


@dataclass(frozen=True, eq=False)
class LastStates(States):
    """Y_h, (sides, N, H), of one layer, or of several one after the other."""

    states: list[tuple[Cell, int]]
    beside = (1, 0, 2)

    def sizes(self, batch: int) -> Shape:
        return (len(self.states), batch, self.states[0][0].layer.units)

    def squeezed(self, node: Node, axes: Sequence[int]) -> Any:
        if [axis % 3 for axis in axes] != [0] or len(self.states) > 1:
            node.refuse("expected axis 0 of one state to go.")
        return self.pick(node, 0)

    def pick(self, node: Node, i: int) -> Any:
        if not -len(self.states) <= i < len(self.states):
            node.refuse(f"takes state {i} of {len(self.states)}.")
        cell, side = self.states[i]
        return cell.value(node, False) if cell.sides == 1 else Part(HALF, cell.x, (cell, side))

    def joined(self, node: Node, target: Sequence[int]) -> Value:
        N, sides, H = self.stored(node.batch)
        if sizes_of(node, list(target), (N, sides, H)) != (N, sides * H):
            node.refuse("expected the directions' states side by side.")
        return _both(node, self.states, False)

    def cut(self, node: Node, axis: int, part: range) -> Any:
        states = [self.states[i] for i in part] if axis == 0 else []
        return Part(LAST, states[0][0].x, LastStates(states)) if states else node.value()


@dataclass(frozen=True, eq=False)
class LastStep(States):
    """The last time step of x, with an axis of one step."""

    x: Value
    axis: int

    def sizes(self, batch: int) -> Shape:
        sizes = self.x.stored(batch)
        return (*sizes[: self.axis], 1, *sizes[self.axis + 1 :])

    def squeezed(self, node: Node, axes: Sequence[int]) -> Value:
        if [axis % 3 for axis in axes] != [self.axis]:
            node.refuse(f"expected axis {self.axis} of one time step to go.")
        return last_step(node, self.x)


def _both(node: Node, states: Sequence[tuple[Cell, int]], sequences: bool) -> Value:
    """The last states of a layer's two directions, or all of them."""
    cell = states[0][0]
    if [side for _, side in states] != list(range(cell.sides)) or any(
        other is not cell for other, _ in states
    ):
        node.refuse("expected the states of both directions of one layer, forward first.")
    return cell.value(node, sequences)


def put_together(node: Node) -> Any:
    """Concat of states: of several layers, to choose from, or of two directions."""
    parts = [given for given in node.given if isinstance(given, Part)]
    axis = node.attributes["axis"]
    if len(parts) == len(node.given) and all(part.kind == LAST for part in parts) and axis in (0, -3):
        return Part(LAST, parts[0].base, LastStates([state for part in parts for state in part.data.states]))
    for kind, axes in ((HALF, (1, -1)), (SIDE, (2, -1))):
        if len(parts) == len(node.given) and all(part.kind == kind for part in parts) and axis in axes:
            states = [(part.data.cell, part.data.side) if kind == SIDE else part.data for part in parts]
            return _both(node, states, kind == SIDE)
    return node.refuse(
        f"puts tensors side by side. clearprop has Residual, which adds, and Bidirectional. {WITHOUT_IT}"
    )


def read_split(node: Node) -> tuple[Any, ...]:
    """Split of the last states into each."""
    given = node.get(0)
    sizes = node.array(1).tolist() if node.has(1) else [1] * len(node.outputs)
    axis = node.attributes.get("axis", 0)
    if not isinstance(given, Part) or given.kind != LAST or axis != 0 or set(sizes) != {1}:
        node.refuse("takes a tensor apart, which no layer of clearprop does.")
    return tuple(Part(LAST, given.base, LastStates([state])) for state in given.data.states)


def read_last(node: Node) -> Any:
    """Gather of one state: of the last time step, or of one layer among several."""
    given, index = node.get(0), node.array(1)
    axis = node.attributes.get("axis", 0)
    if isinstance(given, Part) and given.kind == LAST and axis == 0 and index.size == 1:
        found = given.data.pick(node, int(index.item()))
        if index.ndim:
            node.refuse("expected a single number as the index, which leaves no axis.")
        return found
    x = node.value()
    time = x.order.index(1) if len(x.order) == 3 else -1
    if index.ndim or axis % len(x.order) != time or int(index) not in (-1, x.shape[0] - 1):
        node.refuse(NO_STEP)
    return last_step(node, x)


def read_slice(node: Node) -> Any:
    """Slice of the last time step, of one direction's states, or of all that there is."""
    given = node.get(0)
    states = given.data if isinstance(given, Part) and isinstance(given.data, States) else None
    stored = (states or node.value()).stored(node.batch)
    cuts = [(axis % len(stored), range(stored[axis])[part]) for axis, part in slices(node)]
    cuts = [(axis, part) for axis, part in cuts if part != range(stored[axis])]
    if not cuts:
        return given
    axis, part = cuts[0]
    if states is not None and len(cuts) == 1 and not states.turned:
        return states.cut(node, axis, part)
    x = node.value()
    if len(cuts) > 1 or len(x.order) != 3 or x.order[axis] != 1 or list(part) != [x.shape[0] - 1]:
        node.refuse(NO_STEP)
    return Part(STEP, x, LastStep(x, axis))


def last_step(node: Node, x: Value) -> Value:
    """The layer that gives x, without its return_sequences."""
    step = x.step
    if step is None or not isinstance(step.inner, Recurrent) or step.out != x.full:
        node.refuse(NO_STEP)
    before = Value(step.before, step.shape[len(x.fold) :], (0, 1, 2), x.fold)
    return node.then(before, with_sequences(step.inner, False), step.arrays, (0, 1))


def read_recurrent(node: Node) -> tuple[Any, Any]:
    """Y and Y_h; the state before the first step must be zero."""
    x = node.in_order(node.value(), TIME_FIRST)
    kind, way = node.op, node.word("direction", "forward")
    if way == "reverse":
        node.refuse(
            "expected direction forward or bidirectional. Turn the sequences around, and train forward."
        )
    sides = 2 if way == "bidirectional" else 1
    _check_settings(node, x, kind)
    w, r = node.array(1), node.array(2)
    b = node.array(3) if node.has(3) else None
    H, G = node.attributes.get("hidden_size", r.shape[-1]), len(ORDER[kind])
    shapes = ((w, (sides, G * H, x.shape[1])), (r, (sides, G * H, H)), (b, (sides, 2 * G * H)))
    for given, shape in shapes:
        if given is not None and given.shape != shape:
            node.refuse(f"expected weights of shape {shape}, got {given.shape}.")
    layer = _layer(node, kind, H, sides)
    second = isinstance(layer, GRU) and layer.reset == "after"
    each = [from_onnx(kind, w[s], r[s], None if b is None else b[s], second) for s in range(sides)]
    arrays = each[0]
    if sides > 1:
        names = ("forward", "backward")
        arrays = {
            f"{side}.{name}": a for side, own in zip(names, each, strict=True) for name, a in own.items()
        }
    cell = Cell(x, layer, sides, arrays)
    return Part(ALL, x, AllStates(cell)), Part(LAST, x, LastStates([(cell, s) for s in range(sides)]))


def _check_settings(node: Node, x: Value, kind: str) -> None:
    """Refuse what our layers do not do."""
    for name, usual in (("layout", 0), ("input_forget", 0), ("clip", None)):
        if node.attributes.get(name, usual) != usual:
            node.refuse(
                f"expected no {name}, which clearprop's recurrent layers do not have. Export it without."
            )
    if node.has(4) and (node.array(4) != x.shape[0]).any():
        node.refuse("expected sequences of one length, got sequence_lens. Pad them at the front instead.")
    for i, what in ((5, "first state"), (6, "first cell"), (7, "peepholes")):
        if node.has(i) and not _is_zero(node.array(i)):
            node.refuse(f"expected no {what} but zero: clearprop's recurrent layers begin at zero.")


def _is_zero(a: Array) -> bool:
    """Whether all are 0; what is repeated along an axis is looked at once."""
    once = tuple(slice(0, 1) if stride == 0 else slice(None) for stride in a.strides)
    return not a[once].any()


def _layer(node: Node, kind: str, units: int, sides: int) -> Recurrent:
    names = [n.decode() if isinstance(n, bytes) else n for n in node.attributes.get("activations", [])]
    if kind == "RNN":
        return Elman(units, activation=_function(node, names or ["Tanh"] * sides))
    if names and tuple(name.lower() for name in names) != FUNCTIONS[kind] * sides:
        node.refuse(f"expected the activations {', '.join(FUNCTIONS[kind])}, got {', '.join(names)}.")
    if kind == "LSTM":
        return LSTM(units)
    return GRU(units, reset="after" if node.attributes.get("linear_before_reset", 0) else "before")


def _function(node: Node, names: Sequence[str]) -> str:
    """The one function of all directions, by clearprop's name."""
    alphas = [shortest(a) for a in node.attributes.get("activation_alpha", [])]
    betas = [shortest(b) for b in node.attributes.get("activation_beta", [])]
    for ours, (theirs, alpha, beta) in RNN_FUNCTIONS.items():
        fits = set(alphas) <= {alpha} and set(betas) <= {beta} and (theirs != "Affine" or bool(alphas))
        if {name.lower() for name in names} == {theirs.lower()} and fits:
            return ours
    return node.refuse(
        f"expected one of {', '.join(RNN_FUNCTIONS)} for all directions, got {', '.join(names)}."
    )
