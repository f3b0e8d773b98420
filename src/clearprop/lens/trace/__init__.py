"""trace: one training step of a network, line by line, with its equations, its shapes and its numbers."""

import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from clearprop.arrays import Array
from clearprop.errors import ConfigError
from clearprop.evaluation import prepare_arrays, prepare_weights
from clearprop.kernels.penalties import l1_penalty, l2_penalty
from clearprop.lens.document import Document, Written, scalar
from clearprop.lens.document.formula import plain
from clearprop.lens.trace.build import Builder
from clearprop.lens.trace.ends import clip_step, loss_step, penalty_step, update_step
from clearprop.lens.trace.letters import Letters
from clearprop.lens.trace.put_in.losses import LossNumbers
from clearprop.lens.trace.record import Recorder
from clearprop.lens.trace.step import Quantity, TraceStep
from clearprop.losses import Loss, make_loss
from clearprop.messages.calls import in_a_sentence
from clearprop.model import Sequential
from clearprop.names import check_count, check_number, unknown
from clearprop.optim import AdamW, clip_norm, clip_value, make_optimizer
from clearprop.optimizer import Optimizer

__all__ = ["Quantity", "Trace", "TraceStep", "trace"]


@dataclass(frozen=True, eq=False, repr=False)
class Trace(Written):
    """One training step, as data and as a document. Made by `trace`.

    Attributes
    ----------
    steps : tuple of TraceStep
        Forward through the layers, the loss, back through them, the update.
    loss : float
        The mean over the examples, without penalties.
    scores : array of shape (N, *output_shape)
    grads : dict of str to array
        As `model.backward` writes them, by the parameters' names.
    updated : dict of str to array
        The parameters after the step.
    examples : int
        N.
    title : str
    origin : str
        Where network and optimizer come from, if there is something to be said of it.
    """

    steps: tuple[TraceStep, ...]
    loss: float
    scores: Array
    grads: dict[str, Array]
    updated: dict[str, Array]
    examples: int
    title: str
    origin: str = ""

    def step(self, phase: str, layer: int | str = "") -> TraceStep:
        """A step by its phase and its layer: `trace.step("backward", 0)["dw"]`; of the update the last one."""
        for step in reversed(self.steps):
            if step.phase == phase and step.layer == str(layer):
                return step
        known = ", ".join(f"{s.phase} {s.layer}".strip() for s in self.steps)
        raise KeyError(f"no step {phase} {layer}: there are {known}.")

    def document(self) -> Document:
        """The blocks that all the forms are written from."""
        from clearprop.lens.trace.write import document

        return document(self)

    def html(self) -> str:
        """A page that steps through the network, by the arrow keys; it needs no network and no script."""
        from clearprop.lens.trace.page import trace_page

        return trace_page(self)

    def _repr_html_(self) -> str:
        page = escape(self.html(), quote=True)
        without = (
            f"{escape(repr(self))}: run this cell, and its page is shown here."  # where no frame is allowed
        )
        look = "width:100%;height:40rem;border:1px solid #ccc"
        return f'<iframe srcdoc="{page}" title="trace" style="{look}">{without}</iframe>'

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        n = f"{self.examples} example{'s' if self.examples > 1 else ''}"
        return f"Trace({len(self.steps)} steps, {n}, loss {plain(scalar(self.loss))})"


@in_a_sentence
def trace(
    model: Sequential,
    x: Any,
    y: Any,
    *,
    loss: "str | Mapping[str, Any] | Loss" = "softmax_cross_entropy",
    optimizer: "str | Mapping[str, Any] | Optimizer" = "sgd",
    l1: float = 0.0,
    l2: float = 0.0,
    clip_norm: float | None = None,
    clip_value: float | None = None,
    sample_weights: Any = None,
    training: bool = True,
    unit: int = 0,
    letters: Mapping[str, str] | None = None,
    apply: bool = False,
) -> Trace:
    """One training step, line by line: every layer's equation, shapes and numbers, forward and backward; the update.

    The numbers are those of the model's own layers. It is a copy that is run: the model, its running statistics, its
    random state and the optimizer stay as they are, unless `apply` is set.

    Parameters
    ----------
    model : Sequential
    x : array of shape (N, *input_shape)
        The mini-batch; one example is a mini-batch of one.
    y : array
        Labels (N,) or targets, as the loss wants them.
    loss, optimizer, l1, l2, clip_norm, clip_value, sample_weights
        As of `fit`; so the weights of these examples are scaled to a mean of 1.
    training : bool
        Whether dropout drops, and batch norm takes the mini-batch's statistics.
    unit : int
        Which of a layer's outputs has its numbers written out.
    letters : mapping of str to str, optional
        Letters of your own, in LaTeX: for the input "x", a layer's output "0.y", a parameter "0.w", the
        probabilities "p".
    apply : bool
        Whether the model and the optimizer take the step that is shown.

    Returns
    -------
    Trace

    Raises
    ------
    ConfigError
        If the model is no Sequential, or a setting or letter is unknown.
    ShapeError, DataError
        If x or y does not fit; nothing has been changed then.

    Examples
    --------
    >>> import numpy as np, clearprop as cp
    >>> model = cp.Sequential([cp.Dense(2, init="ones")], input_shape=(2,), dtype="float64")
    >>> shown = trace(model, np.array([[3.0, 1.0]]), np.array([0]), optimizer=cp.SGD(lr=1.0))
    >>> shown.step("forward", 0)["y"], shown.step("backward", 0)["dw"]
    (array([[4., 4.]]), array([[-1.5,  1.5],
           [-0.5,  0.5]]))
    """
    _check_model(model)
    loss, given = make_loss(loss), make_optimizer(optimizer)
    unit = check_count("trace", "unit", unit, least=0)
    _check_letters(model, {} if letters is None else letters)
    for name, flag in (("training", training), ("apply", apply)):
        if not isinstance(flag, bool | np.bool_):
            raise ConfigError(f"trace: expected {name} to be True or False, got {flag!r}.")
    for name, value in (("l1", l1), ("l2", l2)):
        check_number("trace", name, value, ">= 0", lambda v: v >= 0)
    x, y = prepare_arrays(model, loss, x, y, "trace")
    weights = prepare_weights("trace", sample_weights, len(x), model.dtype)
    limits = {"value": clip_value, "norm": clip_norm}
    with np.errstate(all="ignore"):
        run = _Run(model, loss, deepcopy(given), letters or {}, unit)
        numbers = run.passes(x, y, weights, training)
        grads = run.grads()
        run.penalties(l1, l2, numbers.mean)
        run.clip(limits)
        updated = run.update(apply)
    if apply:
        _apply(model, run, given)
    shapes = f"{' × '.join(map(str, model.input_shape))} → {' × '.join(map(str, model.output_shape))}"
    title = f"One training step of a network {shapes}"
    return Trace(tuple(run.steps), numbers.mean, numbers.scores, grads, updated, len(x), title)


class _Run:
    """The loop's one step, on a copy that notes everything down."""

    def __init__(
        self, model: Sequential, loss: Loss, optimizer: Optimizer, letters: Mapping[str, str], unit: int
    ) -> None:
        self.recorder = Recorder(model)
        self.model, self.loss, self.optimizer = self.recorder.model, loss, optimizer
        self.before = {name: array.copy() for name, array in self.model.named_params().items()}
        self.letters, self.unit = letters, unit
        self.steps: list[TraceStep] = []

    def passes(self, x: Array, y: Array, weights: Array | None, training: bool) -> LossNumbers:
        """Forward, loss, backward."""
        scores, caches = self.model.forward(x, training=training)
        losses, each = self.loss(scores, y)
        share = 1 / len(x) if weights is None else (weights / len(x)).reshape(-1, *[1] * (scores.ndim - 1))
        dscores = each * share
        self.model.backward(dscores, caches, need_dx=True)
        builder = Builder(self.recorder, self.before, self.letters, self.unit, training)
        self.steps += builder.forward()
        numbers = LossNumbers(self.loss, scores, y, losses, dscores, weights)
        names = {"s": f"{len(self.model.layers) - 1}.y", "p": "p"}
        given = {letter: self.letters[key] for letter, key in names.items() if key in self.letters}
        self.steps.append(loss_step(numbers, Letters(given, bool(self.letters), len(x) == 1), "the scores"))
        builder.shown.add(id(dscores))
        self.steps += builder.backward(dscores)
        return numbers

    def grads(self) -> dict[str, Array]:
        """As backward has left them."""
        return {name: array.copy() for name, array in self.model.named_grads().items()}

    def penalties(self, l1: float, l2: float, loss: float) -> None:
        spans = self.model.weight_spans()
        names = [name for name, span in self.model.layout.spans.items() if span in spans]
        for strength, penalty in ((l1, l1_penalty), (l2, l2_penalty)):
            if not strength:
                continue
            value, before = 0.0, self.grads()
            for span in spans:
                part, dw = penalty(self.model.params[span], strength)
                value += part
                self.model.grads[span] += dw
            weights = {name: self.before[name] for name in names}
            grads, squared = (before, self.grads()), penalty is l2_penalty
            self.steps.append(penalty_step(weights, grads, strength, squared, value, loss, self.letters))
            loss += value

    def clip(self, limits: Mapping[str, float | None]) -> None:
        grads = self.model.grads
        if (limit := limits["value"]) is not None:
            before, size = self.grads(), float(np.abs(grads).max(initial=0))
            clip_value(grads, limit)
            sizes = size, float(np.abs(grads).max(initial=0))
            self._clipped("value", limit, sizes, before)
        if (limit := limits["norm"]) is not None:
            before, size = self.grads(), clip_norm(grads, limit)
            self._clipped("norm", limit, (size, float(np.linalg.norm(grads))), before)

    def _clipped(self, kind: str, limit: float, sizes: tuple[float, float], before: dict[str, Array]) -> None:
        if before:
            self.steps.append(clip_step(kind, limit, sizes, (before, self.grads()), self.letters))

    def update(self, applied: bool) -> dict[str, Array]:
        """The optimizer's step."""
        if not self.before:
            return {}
        decaying: set[str] = set()
        if isinstance(self.optimizer, AdamW):
            spans = self.optimizer.decay_spans = self.model.weight_spans()
            decaying = {name for name, span in self.model.layout.spans.items() if span in spans}
        slots = self._slots()
        self.optimizer.step(self.model.params, self.model.grads)
        after = self.model.named_params()
        self.steps.append(
            update_step(
                self.optimizer, self.before, self.model.named_grads(), after, (slots, self._slots()),
                decaying, self.letters, applied,
            )
        )  # fmt: skip
        return {name: array.copy() for name, array in after.items()}

    def _slots(self) -> dict[str, dict[str, Array]]:
        """What the optimizer remembers now, by parameter: zeros before its first step."""
        found = {
            name: np.zeros_like(self.model.params) for name in self.optimizer.slot_names
        } | self.optimizer.slots
        return {name: dict(self.model.layout.views(slot.copy())) for name, slot in found.items()}


def _apply(model: Sequential, run: _Run, optimizer: Optimizer) -> None:
    """Give the user's network and optimizer what the copy has come to."""
    model.params[...], model.grads[...] = run.model.params, run.model.grads
    model.buffers[...] = run.model.buffers
    model.rng.bit_generator.state = run.model.rng.bit_generator.state
    model.link = run.loss.link
    if run.optimizer.steps:
        optimizer.restore(run.optimizer.state())


def _check_model(model: Any) -> None:
    if not isinstance(model, Sequential):
        remedy = "Build the network first: cp.Sequential([...], input_shape=(4,))."
        raise ConfigError(f"trace: expected a Sequential, got {model!r}. {remedy}")


def _check_letters(model: Sequential, letters: Mapping[str, str]) -> None:
    if not isinstance(letters, Mapping):
        raise ConfigError(f"trace: expected letters to be a mapping such as {{'0.y': 'a'}}, got {letters!r}.")
    known = ["x", "p", *(f"{i}.y" for i in range(len(model.layers))), *model.named_params()]
    for key, letter in letters.items():
        if key not in known:
            raise unknown("trace", "letter", key, known)
        if not (isinstance(letter, str) and _is_letter(letter)):
            what = r"a letter in LaTeX such as 'a', 'h_1' or '\alpha'"
            raise ConfigError(f"trace: expected letters[{key!r}] to be {what}, got {letter!r}.")


def _is_letter(latex: str) -> bool:
    """Whether the documents' reader of formulas knows it, and indices can follow it."""
    if re.search(r"[$&\n]|\\\\|^[_^}]", latex) or latex.count("{") != latex.count("}"):
        return False
    try:
        return bool(plain(latex).strip())
    except (ValueError, IndexError):
        return False
