"""From what was recorded to steps: forward, and backward, each array with its letter and where it came from."""

import re
from collections.abc import Iterator, Mapping

from clearprop.arrays import Array
from clearprop.layers import Activation, Bidirectional, Embedding, Layer, TimeDistributed
from clearprop.lens.equations import layer_equations
from clearprop.lens.layer_equations import Equations
from clearprop.lens.trace.kept import Kept, kept, kept_back
from clearprop.lens.trace.letters import Letters
from clearprop.lens.trace.put_in import Look, put_in_backward, put_in_forward
from clearprop.lens.trace.record import BackCall, Call, Recorder, own
from clearprop.lens.trace.step import Quantity, TraceStep

SUMMANDS = ("b", "bu", "beta")  # no gradient depends on them
OWN = Equations(
    ("y = f(x)",), (r"dx = \text{back}_f(dy)",), "index", "The layer is not one of the library's own."
)


class Builder:
    """Writes the steps of recorded passes, in their order."""

    def __init__(
        self,
        recorder: Recorder,
        params: Mapping[str, Array],
        letters: Mapping[str, str],
        unit: int,
        training: bool,
    ) -> None:
        self.recorder, self.params, self.letters, self.unit = recorder, params, letters, unit
        self.training = training
        x = recorder.calls[0].x
        self.alone = len(x) == 1
        self.roles: dict[int, str] = {id(x): "the input"}  # of arrays, by their ids: what they are
        self.shown: set[int] = set()
        self.kept: dict[int, list[Kept]] = {}  # of a call, by its id: the way back names the same arrays

    def forward(self) -> list[TraceStep]:
        """All layers, those inside a layer before it."""
        return [step for call in self.recorder.calls for step in self._forward(call, None)]

    def backward(self, dscores: Array) -> list[TraceStep]:
        """All layers, from the last to the first."""
        self.roles[id(dscores)] = "the gradient of the loss, from above"
        return [step for call in self.recorder.back_calls for step in self._backward(call, None)]

    def layer_letters(self, path: str) -> Letters:
        """The user's letters for a layer: its input is what the layer before it gives."""
        if not path.isdecimal():
            return Letters()
        before = f"{int(path) - 1}.y" if int(path) else "x"
        names = {"x": before, "y": f"{path}.y", **{name: f"{path}.{name}" for name in own(self.params, path)}}
        found = {letter: self.letters[key] for letter, key in names.items() if key in self.letters}
        return Letters(found, bool(self.letters), self.alone)

    def quantity(
        self, letters: Letters, letter: str, array: Array, role: str, param: bool = False
    ) -> Quantity:
        """An array of a step; whoever has shown it once need not show it again."""
        seen = id(array) in self.shown
        self.shown.add(id(array))
        plane = (
            (0, 1)
            if param and array.ndim > 2
            else (array.ndim - 3, array.ndim - 2)
            if array.ndim > 3
            else None
        )
        return Quantity(letters(letter), role, array, seen, plane)

    def _forward(self, call: Call, outer: Layer | None) -> Iterator[TraceStep]:
        for inner in call.inside:
            yield from self._forward(inner, call.layer)
        letters = self.layer_letters(call.path)
        x_role = self.roles.get(id(call.x), _around(outer, "x"))
        own_params = {} if call.inside else own(self.params, call.path)
        inputs = [self.quantity(letters, "x", call.x, x_role)]
        for name, array in own_params.items():
            inputs.append(
                self.quantity(letters, name, array, f"the parameter {call.path}.{name}", param=True)
            )
        self.kept[id(call)] = kept(call)
        outputs = [
            self.quantity(Letters(), letter, array, role) for letter, role, array in self.kept[id(call)]
        ]
        last = outer is None and call is self.recorder.calls[-1]
        y_role = "the scores" if last else f"the output of layer {call.path}"
        outputs.append(self.quantity(letters, "y", call.y, y_role))
        self.roles[id(call.y)] = y_role
        equations = self._equations(call)
        notes = [equations.where] if equations.where else []
        if call.y is call.x:
            notes.append("The array passes through unchanged.")
        yield TraceStep(
            "forward", call.path, _name(call.layer, outer),
            tuple(letters.equation(latex) for latex in equations.forward),
            tuple(inputs), tuple(outputs),
            tuple(put_in_forward(self._look(call, own_params, letters))), tuple(notes),
        )  # fmt: skip

    def _backward(self, back: BackCall, outer: Layer | None) -> Iterator[TraceStep]:
        for inner in back.inside:
            yield from self._backward(inner, back.layer)
        letters = self.layer_letters(back.path)
        call = self.recorder.forward_of[id(back.layer)]
        own_params = {} if back.inside else own(self.params, back.path)
        dy_role = self.roles.get(id(back.dy), _around(outer, "dy"))
        equations = self._equations(call)
        inputs = [self.quantity(letters, "dy", back.dy, dy_role)]
        inputs += self._read_again(call, letters, own_params, " ".join(equations.backward), outer)
        made = kept_back(call, back.dy)
        outputs = [self.quantity(Letters(), letter, array, role) for letter, role, array in made]
        outputs += [
            self.quantity(letters, f"d{name}", array, f"the gradient of {back.path}.{name}", param=True)
            for name, array in back.grads.items()
        ]
        if back.dx is not None and not isinstance(back.layer, Embedding):
            outputs.append(self.quantity(letters, "dx", back.dx, _receiver(back.path, outer)))
            self.roles[id(back.dx)] = f"what layer {back.path} sends back"
        yield TraceStep(
            "backward", back.path, _name(back.layer, outer),
            tuple(letters.equation(latex) for latex in equations.backward),
            tuple(inputs), tuple(outputs),
            tuple(put_in_backward(self._look(call, own_params, letters))),
            tuple(filter(None, [f"${letters('dy')}$ is {dy_role}.", equations.back, _derived(equations)])),
        )  # fmt: skip

    def _read_again(
        self, call: Call, letters: Letters, params: Mapping[str, Array], equations: str, outer: Layer | None
    ) -> list[Quantity]:
        """The arrays of the way forward that the way back's equations name."""
        found = []
        for letter, array in (("x", call.x), ("y", call.y)):
            if _names(equations, letter):
                role = self.roles.get(id(array), _around(outer, letter))
                found.append(self.quantity(letters, letter, array, role))
        for name, array in params.items():
            if name not in SUMMANDS:
                found.append(
                    self.quantity(letters, name, array, f"the parameter {call.path}.{name}", param=True)
                )
        return found + [
            self.quantity(Letters(), letter, array, role)
            for letter, role, array in self.kept[id(call)]
            if _names(equations, letter) or (len(letter) > 1 and "\\" not in letter)
        ]

    def _look(self, call: Call, params: Mapping[str, Array], letters: Letters) -> Look:
        return Look(call, self.recorder.back_of[id(call.layer)], dict(params), letters, self.unit)

    def _equations(self, call: Call) -> Equations:
        try:
            return layer_equations(call.layer, self.training)
        except KeyError:
            return OWN


def _names(equations: str, letter: str) -> bool:
    r"""Whether a letter stands in equations, by itself or with an index: x in x_t, and not in \exp, dx or \hat{x}.

    >>> _names(r"dx = dy \odot y", "y"), _names(r"dx = \exp(dy)", "x")
    (True, False)
    """
    return re.search(rf"(?<![A-Za-z\\])(?<!hat\{{){re.escape(letter)}(?![A-Za-z])", equations) is not None


def _name(layer: Layer, outer: Layer | None) -> str:
    inside = f", inside {type(outer).__name__}" if isinstance(outer, TimeDistributed | Bidirectional) else ""
    return f"{layer.name if isinstance(layer, Activation) else repr(layer)}{inside}"


def _around(outer: Layer | None, letter: str) -> str:
    """What an array is that the layer around has made of its own."""
    if isinstance(outer, TimeDistributed):
        return f"{letter} of the layer around it, examples and time steps as one axis"
    if isinstance(outer, Bidirectional):
        return f"{letter} of the layer around it, its part for this direction"
    return f"made by the layer around it, from its own {letter}"


def _derived(equations: Equations) -> str:
    """Where the road to the equations is written down; the plainest have no page of their own."""
    if equations.page == "index":
        return ""
    return f"The derivation is on the documentation's page {equations.page}."


def _receiver(path: str, outer: Layer | None) -> str:
    if outer is not None:
        return "goes back, inside the layer around it"
    return f"goes back to layer {int(path) - 1}" if int(path) else "the gradient of the input"
