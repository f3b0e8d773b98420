"""The steps between forward and backward, and after: the loss, the penalties, the clipping, the update."""

from collections.abc import Mapping

import numpy as np

from clearprop.arrays import Array
from clearprop.lens.document.tensor import Tensor, short
from clearprop.lens.equations import loss_equations, optimizer_equations
from clearprop.lens.trace.letters import Letters, figure
from clearprop.lens.trace.put_in.losses import LossNumbers, loss_lines
from clearprop.lens.trace.put_in.updates import clip_lines, penalty_lines, update_lines
from clearprop.lens.trace.step import Quantity, TraceStep
from clearprop.losses import probabilities_from
from clearprop.optimizer import Optimizer


def loss_step(numbers: LossNumbers, letters: Letters, role: str) -> TraceStep:
    """The loss, and the gradient that goes back."""
    loss, n = numbers.loss, len(numbers.losses)
    equations = loss_equations(loss)
    notes = [equations.where]
    if numbers.places > 1:
        notes.append(
            f"i counts the {numbers.places:,} places of an example, whose loss is the mean over them."
        )
    if n > 1:
        notes.append(f"The mean over the {n:,} examples is taken here, once, by dividing by {n:,}.")
    if numbers.weights is not None:
        notes.append(r"Each example's loss is multiplied by its weight $\omega$; their mean is 1.")
    if not np.isfinite(numbers.losses).all():
        notes.append("The loss is not finite: the steps before show where it began.")
    inputs, outputs = _loss_arrays(numbers, letters, role)
    return TraceStep(
        "loss", "", loss.name.replace("_", " "), tuple(_loss_equations(numbers, letters)), tuple(inputs),
        tuple(outputs), tuple(loss_lines(numbers, letters)), tuple(notes),
    )  # fmt: skip


def _loss_equations(numbers: LossNumbers, letters: Letters) -> list[str]:
    """The table's equations, with the mean over examples and places."""
    equations, n = loss_equations(numbers.loss), len(numbers.losses)
    forward = [letters.equation(latex) for latex in equations.forward]
    gradient = [letters.equation(latex) for latex in equations.gradient]
    weighted = numbers.weights is not None
    if n == numbers.places == 1 and not weighted:
        return forward + gradient
    if numbers.places > 1:
        forward = [_at_places(latex) for latex in forward]
        gradient = [_at_places(latex) for latex in gradient]
        forward.append(rf"\ell_n = \frac{{1}}{{{numbers.places}}} \sum_i \ell_{{ni}}")
    over = rf"\frac{{1}}{{{n * numbers.places}}}" if n * numbers.places > 1 else ""
    share = " ".join(filter(None, [over, r"\omega_n" if weighted else ""]))
    if n > 1 or weighted:
        forward.append(r"L = \frac{1}{N} \sum_n " + (r"\omega_n " if weighted else "") + r"\ell_n")
    return forward + [_shared(latex, share) for latex in gradient]


def _at_places(latex: str) -> str:
    """An equation with the index of the place after that of the example."""
    return latex.replace("_{n", "_{ni").replace(r"\ell_n", r"\ell_{ni}")


def _shared(latex: str, share: str) -> str:
    """An equation of a gradient, multiplied by an example's share; one made of other gradients has it in them."""
    left, _, right = latex.partition(" = ")
    if "ds" in right:
        return latex
    return f"{left} = {share} {right}" if right.startswith("[") else f"{left} = {share} ({right})"


def _loss_arrays(numbers: LossNumbers, letters: Letters, role: str) -> tuple[list[Quantity], list[Quantity]]:
    loss, n = numbers.loss, len(numbers.losses)
    inputs = [Quantity(letters("s"), role, numbers.scores, shown=True)]
    what = ("y", "the labels, counted from 0") if numbers.labelled else ("t", "the targets")
    if numbers.own_rows and not numbers.labelled:
        what = ("y", "the rows that were given")
    inputs.append(Quantity(*what, numbers.y))
    if numbers.weights is not None:
        inputs.append(Quantity(r"\omega", "the examples' weights", numbers.weights))
    outputs = []
    if numbers.own_rows:
        outputs.append(Quantity("t", "the rows that p is compared with", numbers.targets))
    if loss.link in ("softmax", "sigmoid"):
        outputs.append(
            Quantity(letters("p"), "the probabilities", probabilities_from(loss.link, numbers.scores))
        )
    outputs.append(Quantity(r"\ell", "each example's loss", numbers.losses))
    if n > 1:
        outputs.append(Quantity("L", "their mean", np.array(numbers.mean)))
    outputs.append(Quantity(letters("ds"), "the gradient of the loss, which goes back", numbers.dscores))
    return inputs, outputs


def penalty_step(
    weights: Mapping[str, Array],
    grads: tuple[Mapping[str, Array], Mapping[str, Array]],
    strength: float,
    squared: bool,
    value: float,
    loss: float,
    letters: Mapping[str, str],
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
    more = penalty_lines(letters, weights, strength, squared, *grads) if weights else []
    put_in = (
        rf"R = {numbers} \cdot ({' + '.join(map(figure, sums.values()))}) = {figure(value)}",
        f"L + R = {figure(loss)} + {figure(value)} = {figure(loss + value)}",
        *more,
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


def clip_step(
    kind: str,
    limit: float,
    sizes: tuple[float, float],
    grads: tuple[Mapping[str, Array], Mapping[str, Array]],
    letters: Mapping[str, str],
) -> TraceStep:
    """What clipping does to the gradients: by their norm or one by one. `sizes`: before, after it."""
    before, after = sizes
    if kind == "norm":
        lines: tuple[str, ...] = (r"dp \leftarrow dp \cdot \min\left(1, \frac{c}{\lVert dp \rVert}\right)",)
        said, to = "The norm of all gradients together", "they are scaled down"
    else:
        lines = (r"dp \leftarrow \text{clip}(dp, -c, c)",)
        said, to = "The largest size of a gradient", "the larger ones are cut"
    note = f"{said} is {short(before)}; c is {limit:g}, so {to if before > limit else 'nothing changes'}."
    return TraceStep(
        "update", "", f"clipping by {kind}", lines, (), (Quantity("c", f"the {kind} after it", np.array(after)),),
        tuple(clip_lines(letters, kind, limit, *grads, before)), (note,),
    )  # fmt: skip


def update_step(
    optimizer: Optimizer,
    before: Mapping[str, Array],
    grads: Mapping[str, Array],
    after: Mapping[str, Array],
    slots: tuple[Mapping[str, Mapping[str, Array]], Mapping[str, Mapping[str, Array]]],
    decaying: set[str],
    letters: Mapping[str, str],
    applied: bool,
) -> TraceStep:
    """The optimizer's step on every parameter; `slots` are its memory before and after, by parameter."""
    settings = {**optimizer.settings(), "lr": optimizer.lr}
    settings.pop("name")
    signs = {"lr": r"\eta", "momentum": r"\mu", "rho": r"\rho", "beta1": r"\beta_1", "beta2": r"\beta_2"}
    signs |= {"eps": r"\epsilon", "weight_decay": r"\lambda"}
    said = [f"${signs[key]} = {figure(value)}$" for key, value in settings.items() if key in signs and value]
    said += [f"$k = {optimizer.steps}$, the number of the step"] if "beta1" in settings else []
    notes = ["Here $p$ is each parameter in turn.", f"{', '.join(said)}."]
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
        tuple(update_lines(optimizer, before, grads, after, slots, decaying, letters)), tuple(notes),
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
