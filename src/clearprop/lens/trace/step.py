"""What a trace is made of: steps, and the arrays that go in and come out of each."""

from dataclasses import dataclass
from typing import Literal

from clearprop.arrays import Array
from clearprop.lens.document import Tensor

Phase = Literal["forward", "loss", "backward", "update"]


@dataclass(frozen=True, eq=False)
class Quantity:
    """An array of a step.

    Attributes
    ----------
    letter : str
        What it is called in the step's equations, in LaTeX.
    role : str
        What it is, in words: "the output of layer 0", "the parameter 0.w".
    value : array
    shown : bool
        Whether an earlier step has shown the same array.
    plane : (int, int) or None
        The axes that are drawn as rows and columns, by default the last two.
    """

    letter: str
    role: str
    value: Array
    shown: bool = False
    plane: tuple[int, int] | None = None

    def tensor(self) -> Tensor:
        """For a document."""
        return Tensor(self.letter, self.value, self.role, self.plane)


@dataclass(frozen=True, eq=False)
class TraceStep:
    """One line of the computation.

    Attributes
    ----------
    phase : "forward", "loss", "backward" or "update"
    layer : str
        The layer's number, "3.0" for layer 0 inside layer 3; "" for what is no layer.
    name : str
        What is computed, such as "Dense(4)" or "softmax_cross_entropy".
    equations : tuple of str
        In LaTeX.
    inputs, outputs : tuples of Quantity
    put_in : tuple of str
        Equations with numbers put in, in LaTeX.
    notes : tuple of str
        Sentences: what the letters are, where the gradient came from.
    rows : tuple of tuples of str
        A table, where there are too many arrays to show each; the first row is its head.
    """

    phase: Phase
    layer: str
    name: str
    equations: tuple[str, ...]
    inputs: tuple[Quantity, ...] = ()
    outputs: tuple[Quantity, ...] = ()
    put_in: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()

    @property
    def title(self) -> str:
        """The step's heading."""
        where = f"layer {self.layer}, " if self.layer else ""
        back = "back through " if self.phase == "backward" else ""
        title = f"{back}{where}{self.name}"
        return title[0].upper() + title[1:]

    def __getitem__(self, letter: str) -> Array:
        """An array by its letter: what comes out first, then what goes in."""
        for quantity in (*self.outputs, *self.inputs):
            if quantity.letter == letter:
                return quantity.value
        known = ", ".join(quantity.letter for quantity in (*self.outputs, *self.inputs))
        raise KeyError(f"{letter!r}: {self.title} has {known}.")
