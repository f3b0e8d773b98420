"""The steps between forward and backward, and after: the loss, the penalties, the clipping, the update."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from clearprop.arrays import Array
from clearprop.lens.document.tensor import Tensor, short
from clearprop.lens.equations import loss_equations, optimizer_equations
from clearprop.lens.trace.letters import Letters, factor, figure, fine
from clearprop.lens.trace.put_in import softmax_words
from clearprop.lens.trace.step import Quantity, TraceStep
from clearprop.losses import Loss, probabilities_from
from clearprop.optimizer import Optimizer

LABELS = ("labels", "labels or rows")


@dataclass(frozen=True, eq=False)
class LossNumbers:
    """What a loss made of scores and targets."""

    loss: Loss
    scores: Array
    y: Array
    losses: Array  # (N,)
    each: Array  # the gradient of each example's own loss
    dscores: Array  # of their mean, which goes back

    @property
    def mean(self) -> float:
        return float(np.add.reduce(self.losses) / len(self.losses))


def loss_step(numbers: LossNumbers, letters: Letters, role: str) -> TraceStep:
    """The loss, and the gradient that goes back."""
    loss, n = numbers.loss, len(numbers.losses)
    equations = loss_equations(loss)
    labels = loss.targets in LABELS and numbers.y.ndim < numbers.scores.ndim
    inputs = [Quantity(letters("s"), role, numbers.scores, shown=True)]
    inputs.append(
        Quantity("y" if labels else "t", "the labels, counted from 0" if labels else "the targets", numbers.y)
    )
    outputs = []
    if loss.link in ("softmax", "sigmoid"):
        outputs.append(
            Quantity(letters("p"), "the probabilities", probabilities_from(loss.link, numbers.scores))
        )
    outputs.append(Quantity(r"\ell", "each example's loss", numbers.losses))
    lines = [letters.equation(latex) for latex in (*equations.forward, *equations.gradient)]
    if n > 1:
        outputs.append(Quantity("L", "their mean", np.array(numbers.mean)))
        lines[len(equations.forward) :] = [
            r"L = \frac{1}{N} \sum_n \ell_n",
            *(
                letters.equation(rf"{latex}").replace("=", rf"= \frac{{1}}{{{n}}} (", 1) + ")"
                for latex in equations.gradient
            ),
        ]
    outputs.append(Quantity(letters("ds"), "the gradient of the loss, which goes back", numbers.dscores))
    notes = [equations.where]
    if n > 1:
        notes.append(f"The mean over the {n:,} examples is taken here, once, by dividing by {n:,}.")
    if not np.isfinite(numbers.losses).all():
        notes.append("The loss is not finite: the steps before show where it began.")
    return TraceStep(
        "loss", "", loss.name.replace("_", " "), tuple(lines), tuple(inputs), tuple(outputs),
        tuple(_loss_put_in(numbers, letters)), tuple(notes),
    )  # fmt: skip


def _loss_put_in(numbers: LossNumbers, letters: Letters) -> list[str]:
    """The first example's loss and one number of its gradient."""
    loss, s, y = numbers.loss, numbers.scores, numbers.y
    if s.ndim != 2 or loss.settings:
        return []
    total, n = figure(numbers.losses[0]), len(s)
    first = r"\ell" if n == 1 else r"\ell_{1}" if letters.by_hand else r"\ell[0]"
    share = "" if n == 1 else rf" / {n}"
    if loss.name in ("softmax_cross_entropy", "cross_entropy") and y.ndim == 1:
        k = int(y[0])
        p = (
            float(s[0, k])
            if loss.name == "cross_entropy"
            else float(probabilities_from("softmax", s[:1])[0, k])
        )
        lines = [rf"{first} = -\log {figure(p)} = {total}"]
        if loss.name == "softmax_cross_entropy":
            lines.insert(0, rf"{letters.entry('p', 0, k)} = {softmax_words(s[0], k)} = {figure(p)}")
            whole = f"({figure(p)} - 1){share}" if share else f"{figure(p)} - 1"
            lines.append(f"{letters.entry('ds', 0, k)} = {whole} = {figure(numbers.dscores[0, k])}")
        return lines
    if loss.name == "squared_error":
        terms = [rf"({figure(a)} - {factor(b)})^2" for a, b in zip(s[0, :4], y[0, :4], strict=True)]
        more = [r"\dots"] if s.shape[1] > 4 else []
        gradient = rf"2 \cdot ({figure(s[0, 0])} - {factor(y[0, 0])}){share}"
        return [
            f"{first} = {' + '.join(terms + more)} = {total}",
            f"{letters.entry('ds', 0, 0)} = {gradient} = {figure(numbers.dscores[0, 0])}",
        ]
    if loss.name == "sigmoid_cross_entropy":
        p, t = float(probabilities_from("sigmoid", s[:1])[0, 0]), float(y[0, 0])
        gradient = f"({figure(p)} - {factor(t)}){share}" if share else f"{figure(p)} - {factor(t)}"
        return [
            rf"{letters.entry('p', 0, 0)} = \frac{{1}}{{1 + \exp({figure(-s[0, 0])})}} = {figure(p)}",
            f"{letters.entry('ds', 0, 0)} = {gradient} = {figure(numbers.dscores[0, 0])}",
        ]
    return []


def penalty_step(
    weights: Mapping[str, Array], strength: float, squared: bool, value: float, loss: float
) -> TraceStep:
    """A penalty on the weights: its value, and what it adds to the gradients."""
    if squared:
        lines = (r"R = \frac{1}{2} \lambda \sum w^2", r"dw \leftarrow dw + \lambda w")
        sums = {name: float(np.sum(w.astype(np.float64) ** 2)) for name, w in weights.items()}
        numbers = rf"\frac{{1}}{{2}} \cdot {figure(strength)}"
        head = "sum of squares"
    else:
        lines = (r"R = \lambda \sum \lvert w \rvert", r"dw \leftarrow dw + \lambda \, \text{sign}(w)")
        sums = {name: float(np.sum(np.abs(w.astype(np.float64)))) for name, w in weights.items()}
        numbers, head = figure(strength), "sum of sizes"
    put_in = (
        rf"R = {numbers} \cdot ({' + '.join(map(figure, sums.values()))}) = {figure(value)}",
        f"L + R = {figure(loss)} + {figure(value)} = {figure(loss + value)}",
    )
    outputs = (
        Quantity("R", "the penalty", np.array(value)),
        Quantity("L + R", "the loss with the penalty", np.array(loss + value)),
    )
    rows = (("weights", head), *((name, short(total)) for name, total in sums.items()))
    notes = (rf"$\lambda$ is {strength:g}; biases have no penalty.",)
    return TraceStep(
        "update", "", f"the L{2 if squared else 1} penalty", lines, (), outputs, put_in, notes, rows
    )


def clip_step(kind: str, limit: float, before: float, after: float) -> TraceStep:
    """What clipping does to the gradients: by their norm or one by one."""
    if kind == "norm":
        lines: tuple[str, ...] = (r"dp \leftarrow dp \cdot \min\left(1, \frac{c}{\lVert dp \rVert}\right)",)
        said = f"The norm of all gradients together is {short(before)}"
    else:
        lines = (r"dp \leftarrow \text{clip}(dp, -c, c)",)
        said = f"The largest size of a gradient is {short(before)}"
    to = (
        f"c is {limit:g}, so they are scaled down"
        if kind == "norm"
        else f"c is {limit:g}, so the larger ones are cut"
    )
    stays = f"c is {limit:g}, so nothing changes"
    note = f"{said}; {to if before > limit else stays}."
    return TraceStep(
        "update", "", f"clipping by {kind}", lines, (), (Quantity("c", f"the {kind} after it", np.array(after)),),
        (), (note,),
    )  # fmt: skip


def update_step(
    optimizer: Optimizer,
    before: Mapping[str, Array],
    grads: Mapping[str, Array],
    after: Mapping[str, Array],
    slots: Mapping[str, Mapping[str, Array]],
    letters: Mapping[str, str],
    applied: bool,
) -> TraceStep:
    """The optimizer's step on every parameter; `slots` are its memory afterwards, by parameter."""
    settings = {**optimizer.settings(), "lr": optimizer.lr}
    settings.pop("name")
    signs = {"lr": r"\eta", "momentum": r"\mu", "rho": r"\rho", "beta1": r"\beta_1", "beta2": r"\beta_2"}
    signs |= {"eps": r"\epsilon", "weight_decay": r"\lambda"}
    said = [f"${signs[key]} = {figure(value)}$" for key, value in settings.items() if key in signs and value]
    said += [f"$k = {optimizer.steps}$, the number of the step"] if "beta1" in settings else []
    notes = [f"{', '.join(said)}."]
    notes.append("The network has taken this step." if applied else "The network itself has not changed.")
    if all(Tensor(name, array).whole for name, array in after.items()):
        notes.append("Below the table are the parameters after the step.")
    outputs = [
        Quantity(
            letters.get(name, rf"\text{{{name}}}"),
            "after the step",
            array,
            False,
            (0, 1) if array.ndim > 2 else None,
        )
        for name, array in after.items()
    ]
    return TraceStep(
        "update", "", type(optimizer).__name__, optimizer_equations(optimizer), (), tuple(outputs),
        tuple(_update_put_in(optimizer, before, grads, after, slots, letters)), tuple(notes),
        _sizes(before, grads, after),
    )  # fmt: skip


def _sizes(
    before: Mapping[str, Array], grads: Mapping[str, Array], after: Mapping[str, Array]
) -> tuple[tuple[str, ...], ...]:
    """Each parameter's norm, its gradient's, and how far the step has moved it."""
    rows = [("parameter", "shape", "norm", "gradient", "change", "change / norm")]
    for name, old in before.items():
        norm, gradient, change = (
            float(np.linalg.norm(v.astype(np.float64))) for v in (old, grads[name], after[name] - old)
        )
        ratio = short(change / norm) if norm else ""
        shape = " × ".join(map(str, old.shape))
        rows.append((name, shape, short(norm), short(gradient), short(change), ratio))
    return tuple(rows)


def _update_put_in(
    optimizer: Any,
    before: Mapping[str, Array],
    grads: Mapping[str, Array],
    after: Mapping[str, Array],
    slots: Mapping[str, Mapping[str, Array]],
    letters: Mapping[str, str],
) -> list[str]:
    """One number of each of the first layer's parameters: where its gradient is largest."""
    lines = []
    for name in list(before)[-2:]:
        sizes = np.abs(np.nan_to_num(grads[name]))
        at = tuple(int(i) for i in np.unravel_index(int(np.argmax(sizes)), sizes.shape))
        p, g, now = (float(array[at]) for array in (before[name], grads[name], after[name]))
        kept = {slot: float(arrays[name][at]) for slot, arrays in slots.items()}
        symbol = Letters({"w": letters.get(name, rf"\text{{{name}}}")}, bool(letters)).entry("w", *at)
        lines.append(rf"{symbol} \leftarrow {_rule(optimizer, p, g, kept)} = {figure(now)}")
    return lines


def _rule(optimizer: Any, p: float, g: float, kept: Mapping[str, float]) -> str:
    """The optimizer's equation for one parameter, with its numbers."""
    lr, old = figure(optimizer.lr), figure(p)
    if optimizer.name == "sgd" and not optimizer.momentum:
        return rf"{old} - {lr} \cdot {factor(g)}"
    if optimizer.name == "sgd" and not optimizer.nesterov:
        return rf"{old} - {lr} \cdot {factor(kept['velocity'])}"
    if optimizer.name == "sgd":
        ahead = rf"{figure(g)} + {figure(optimizer.momentum)} \cdot {factor(kept['velocity'])}"
        return rf"{old} - {lr} \cdot ({ahead})"
    eps = figure(optimizer.eps)
    if optimizer.name in ("adagrad", "rmsprop"):
        square = kept["h" if optimizer.name == "adagrad" else "v"]
        return rf"{old} - {lr} \cdot \frac{{{factor(g)}}}{{\sqrt{{{fine(square)}}} + {eps}}}"
    m, v = (
        kept["m"] / (1 - optimizer.beta1**optimizer.steps),
        kept["v"] / (1 - optimizer.beta2**optimizer.steps),
    )
    return rf"{old} - {lr} \cdot \frac{{{factor(m)}}}{{\sqrt{{{fine(v)}}} + {eps}}}"
