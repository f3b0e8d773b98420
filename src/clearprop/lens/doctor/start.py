"""What can be wrong before the first step: parameters that are no numbers, units that are alike, the first loss."""

from math import isfinite, log

import numpy as np

from clearprop.arrays import Array
from clearprop.divergence import params_not_finite
from clearprop.layers import Activation, ConvTranspose2D, Dense, Dropout, Flatten
from clearprop.lens.doctor import thresholds as t
from clearprop.lens.doctor.case import Case, Seeing
from clearprop.lens.doctor.finding import Finding
from clearprop.lens.doctor.probe import Seen
from clearprop.lens.words import percent, short
from clearprop.model import Sequential


def born_nan(case: Case) -> Seeing:
    """The first number of a pass that is not finite: in a parameter, forward, in the loss or backward."""
    if case.finite:
        return f"all finite, the largest output {short(max(s.y_largest for s in case.first.seen))}", []
    if place := params_not_finite(case.model):
        return "a parameter", [
            _nan(
                "In the parameters, before any pass: " + place + ".",
                "",
                "Go back to a checkpoint from before; then see what the doctor says of it.",
            )
        ]
    seen = case.first.seen
    for one in seen:
        if isfinite(one.x_largest) and not isfinite(one.y_largest):
            said = (
                f"Forward, in {_operation(one)}: inputs up to {short(one.x_largest)} give what is not finite."
            )
            return "forward", [_nan(said, one.place, _forward_remedy(case, one))]
    if not isfinite(case.first.loss) or not isfinite(case.first.dscores_largest):
        top = short(float(np.abs(case.first.scores).max()))
        return "in the loss", [
            _nan(
                f"In {case.loss.name}: the scores are finite, up to {top}, and the loss is not.",
                "",
                "Standardize x, and begin with smaller weights.",
            )
        ]
    for one in reversed(seen):
        grads = [g for name, g in case.first.grads.items() if name.startswith(f"{one.index}.")]
        bad = not isfinite(one.dx_largest) or not all(np.isfinite(g).all() for g in grads)
        if isfinite(one.dy_largest) and bad:
            said = (
                f"Backward, in {_operation(one)}: a gradient of up to {short(one.dy_largest)} comes in, and what goes "
                f"out is not finite; forward all was finite, up to {short(one.y_largest)}."
            )
            return "backward", [_nan(said, one.place, _backward_remedy(one))]
    return "backward", [
        _nan("A gradient is not finite.", "", "Check the layers of your own with cp.check_layer.")
    ]


def _nan(evidence: str, layer: str, remedy: str) -> Finding:
    return Finding(
        "serious", "NaN or infinity in a pass", evidence,
        "From there it spreads to the loss and with the first step to every parameter.", remedy, layer,
    )  # fmt: skip


def _operation(one: Seen) -> str:
    """The first operation of a layer that can overflow, in words."""
    if isinstance(one.layer, Activation):
        return f"{one.layer.name} of its input"
    kind = type(one.layer).__name__
    known = {
        "Dense": "the sums x w + b",
        "Elman": "the states h = f(x w + h u + b)",
        "BatchNorm": "the variance",
    }
    if kind.startswith("Conv"):
        return "the convolution's sums"
    return known.get(kind, f"{kind}'s own computation")


def _forward_remedy(case: Case, one: Seen) -> str:
    known = type(one.layer).__module__.startswith("clearprop.")
    if not known:
        who = f"{type(one.layer).__name__}.forward"
        return f"Look at {who}: a logarithm, a root or a division of what may be 0 or less."
    return (
        "Begin with smaller weights and standardized inputs: numbers grew from layer to layer and overflowed."
    )


def _backward_remedy(one: Seen) -> str:
    if not type(one.layer).__module__.startswith("clearprop."):
        who = f"{type(one.layer).__name__}.backward"
        return f"Check {who} with cp.check_layer: a slope may be infinite where forward is not."
    return (
        "Begin with smaller weights; in a recurrent layer truncate the backward pass or clip the gradients."
    )


def linear_in_a_row(case: Case) -> Seeing:
    """Dense layers with no activation between them, unless the first is narrow, as one factor of a product is."""
    found, before = [], None  # the last Dense layer with nothing but a Flatten or Dropout behind it
    shapes = case.model.shapes
    for index, layer in enumerate(case.model.layers):
        if isinstance(layer, Dense):
            if before is not None:
                n_in, middle, n_out = shapes[before][-1], shapes[before + 1][-1], shapes[index + 1][-1]
                found += [before] if middle >= min(n_in, n_out) else []
            before = index
        elif not isinstance(layer, Dropout | Flatten):
            before = None
    if not any(isinstance(layer, Dense) for layer in case.model.layers):
        return "", []
    return f"{len(found)} without an activation", [
        Finding(
            "warning", "layers without an activation",
            f"Between layer {index}, {case.model.layers[index]}, and the next Dense layer there is no activation.",
            "Two such layers can do no more than one, however wide they are.",
            f"Give it one: Dense({case.model.shapes[index + 1][-1]}, activation='relu').",
            f"layer {index}, {case.model.layers[index]}",
        )
        for index in found[:1]
    ]  # fmt: skip


def same_units(case: Case) -> Seeing:
    """Units with the same weights and the same gradient stay the same for ever."""
    if not case.finite:
        return "", []
    worst, findings = 0.0, []
    for name, w in case.first.params.items():
        if name.rpartition(".")[2] != "w" or w.ndim < 2:
            continue
        columns, slopes = (_by_unit(case.model, name, each) for each in (w, case.first.grads[name]))
        if columns.shape[1] < 2:
            continue
        share = _alike(columns, slopes)
        worst = max(worst, share)
        if share > t.SAME_UNITS:
            findings.append(_symmetric(case, name, columns, share))
    return f"at most {percent(worst)} of a layer's", findings[:1] if len(findings) > 1 else findings


def _by_unit(model: Sequential, name: str, w: Array) -> Array:
    """The weights as columns, one a unit; a transposed convolution's are (KH, KW, F/G, C), for G groups of channels."""
    for part in model.layers[int(name.partition(".")[0])].parts():
        if isinstance(part, ConvTranspose2D) and np.may_share_memory(part.w, model.named_params()[name]):
            *_, filters, channels = w.shape
            w = w.reshape(-1, filters, part.groups, channels // part.groups)
            return w.transpose(0, 3, 1, 2).reshape(-1, part.filters)
    return w.reshape(-1, w.shape[-1])


def _alike(columns: Array, slopes: Array) -> float:
    """The share of units (columns) whose weights and gradient are another unit's, up to rounding.

    Columns are told apart by their products with a random vector, each beside its neighbour in their order.
    """
    columns, slopes = columns.astype(np.float64), slopes.astype(np.float64)
    random = np.random.default_rng(0).standard_normal(len(columns))
    order = np.argsort(random @ columns)
    same = np.ones(len(order) - 1, bool)
    for each in (columns[:, order], slopes[:, order]):
        place, norm = random @ each, np.linalg.norm(each, axis=0)
        same &= np.abs(np.diff(place)) <= t.SAME * np.maximum(norm[1:], norm[:-1])
    return float(same.mean())


def _symmetric(case: Case, name: str, w: Array, share: float) -> Finding:
    index = int(name.partition(".")[0])
    still = not np.any(case.first.grads[name])
    return Finding(
        "serious", "units that are all alike",
        f"{percent(share)} of the {w.shape[-1]} units of {name} have the same weights and the same gradient"
        + (f" (weights {short(float(w.flat[0]))}, gradient 0)." if still else f" (weights {short(float(w.flat[0]))})."),
        "They get the same updates and stay copies of one unit, however long one trains.",
        "Draw the weights at random: leave init out, or take init='he_normal' or 'xavier_uniform'.",
        f"layer {index}, {case.model.layers[index]}",
    )  # fmt: skip


def initial_loss(case: Case) -> Seeing:
    """The first loss beside that of scores that are all 0, ln K for K classes."""
    if not case.finite:
        return "", []
    loss, zero = case.first.loss, case.zero
    K = case.model.output_shape[-1]
    natural = (
        f"ln {K} is {short(zero)}"
        if abs(zero - log(K)) < 1e-6 and K > 1
        else f"{short(zero)} for scores of 0"
    )
    seen = f"{short(loss)}; {natural}"
    if case.learned or case.stuck:
        return seen, []
    if case.loss.metric == "accuracy":
        far, very = loss > zero + t.FAR_LOSS, loss > zero + t.VERY_FAR_LOSS
    else:
        far, very = loss > t.FAR_ERROR * max(zero, 1e-12), loss > t.VERY_FAR_ERROR * max(zero, 1e-12)
    if not far or (not case.fresh and loss < 2 * case.constant):
        return seen, []
    top = float(np.sqrt(np.mean(np.square(case.first.scores, dtype=np.float64))))
    return seen, [
        Finding(
            "serious" if very else "warning", "initial loss too high" if case.fresh else "loss worse than chance",
            f"The loss is {short(loss)} {'at the start' if case.fresh else 'now'}, and {natural}; scores have the root "
            f"mean square {short(top)}.",
            "The network is sure of answers that it has no reason for, and spends its first steps on unlearning them."
            if case.fresh
            else "A network that always gave the same answer would do better.",
            "Standardize x, and begin with smaller weights in the last layer: init={'name': 'normal', 'std': 0.01}."
            if case.fresh
            else "Scale x as in its training; if it was scaled so, train anew at a lower rate: it may have diverged.",
        )
    ]  # fmt: skip
