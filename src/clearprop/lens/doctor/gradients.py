"""What can be wrong with gradients: none at all, vanishing, exploding, in layers and in time."""

from collections.abc import Mapping
from math import isfinite

import numpy as np

from clearprop.arrays import Array
from clearprop.lens.doctor import thresholds as t
from clearprop.lens.doctor.case import Case, Seeing
from clearprop.lens.doctor.finding import Finding
from clearprop.lens.words import names, percent, short
from clearprop.model import Sequential


def no_gradient(case: Case) -> Seeing:
    """Weights whose gradient is 0 in every number: they are frozen."""
    if not case.finite:
        return "", []
    single = {str(one.index) for one in case.first.seen if one.steps == 1}  # h₀ = 0, so u is never multiplied
    weights = {
        n: g
        for n, g in case.first.grads.items()
        if n.endswith(".w") or (n.endswith(".u") and n.partition(".")[0] not in single)
    }
    still = [name for name, grad in weights.items() if not grad.any()]
    if still and len(still) < len(
        weights
    ):  # behind weights that begin at 0 gradients come with the first step
        later = case.later.grads
        still = [name for name in still if not later[name].any()]
    seen = f"{len(still)} of {len(weights)} weights without any"
    if not still or case.first.loss - case.perfect < 1e-6 * case.to_lose:
        return seen, []
    whole = len(still) == len(weights)
    first = int(still[0].partition(".")[0])
    return seen, [
        Finding(
            "serious", "all gradients are 0" if whole else "weights without a gradient",
            f"Over {len(case.first.losses)} rows every number of the gradient of {names(still)} is 0, "
            f"while the loss is {short(case.first.loss)}.",
            f"What has no gradient does not learn: {'nothing moves' if whole else 'these weights stay as they are'}.",
            "Look for dead units or weights of 0 behind it; check a layer of your own with cp.check_layer.",
            "" if whole else f"layer {first}, {case.model.layers[first]}",
        )
    ]  # fmt: skip


def relative_gradients(params: Mapping[str, Array], grads: Mapping[str, Array]) -> dict[str, float]:
    """‖dw‖ / ‖w‖ of each weight that is not 0, in the network's order."""
    found = {}
    for name, w in params.items():
        if name.rpartition(".")[2] in ("w", "u") and w.size >= t.FEW_NUMBERS and (norm := _norm(w)):
            found[name] = _norm(grads[name]) / norm
    return found


def _norm(values: Array) -> float:
    """The Euclidean norm, which does not overflow."""
    norm = float(np.linalg.norm(values))
    if 1e-15 < norm < np.inf:
        return norm
    largest = float(np.abs(values).max(initial=0))  # its squares are out of range
    return largest * float(np.linalg.norm(values / largest)) if 0 < largest < np.inf else largest


def vanishing(case: Case) -> Seeing:
    """Gradients that fade on their way to the input."""
    if not case.finite:
        return "", []
    relative = relative_gradients(case.first.params, case.first.grads)
    if len(relative) < 2:
        return "", []
    said = f"relative to the weights {short(min(relative.values()))} to {short(max(relative.values()))}"
    return said, vanishing_findings(case.model, relative, case.learned)


def vanishing_findings(model: Sequential, relative: Mapping[str, float], learned: bool) -> list[Finding]:
    """A finding if an early layer's gradient is far below a later one's."""
    order = list(relative)
    low = min((n for n in order if relative[n] > 0), key=lambda n: relative[n], default=order[0])
    high = max(order[order.index(low) :], key=lambda n: relative[n])
    share = relative[low] / relative[high] if relative[high] else 1.0
    if share >= t.FADED:
        return []
    first, last = int(low.partition(".")[0]), int(high.partition(".")[0])
    serious = share < t.VANISHED and not learned
    return [
        Finding(
            "serious" if serious else "note" if learned else "warning", "vanishing gradients",
            f"The gradient's norm, relative to the weights', is {short(relative[low])} for {low} and "
            f"{short(relative[high])} for {high}: {short(1 / share)} times as much.",
            f"Layer {last} learns, and layer {first} hardly moves.",
            "Take activation='relu' in place of sigmoid or tanh, put BatchNorm() before the activations, or take fewer "
            "layers.",
            f"layer {first}, {model.layers[first]}",
        )
    ]  # fmt: skip


def exploding(case: Case) -> Seeing:
    """Gradients that are larger than the weights."""
    if not case.finite:
        return "", []
    relative = relative_gradients(case.first.params, case.first.grads)
    if not relative:
        return "", []
    return f"at most {short(max(relative.values()))} times the weights", exploding_findings(
        case.model, relative, case.settings.get("clip_norm") is not None
    )


def exploding_findings(
    model: Sequential, relative: Mapping[str, float], clipped: bool = False
) -> list[Finding]:
    """A finding for the layer whose gradient is largest, if it is large."""
    high = max(relative, key=lambda n: relative[n])
    if not relative[high] > t.GROWN:
        return []
    index = int(high.partition(".")[0])
    serious = relative[high] > t.EXPLODED and not clipped
    return [
        Finding(
            "serious" if serious else "note" if clipped else "warning", "exploding gradients",
            f"The gradient of {high} is {short(relative[high])} times as long as the weights themselves.",
            f"A step at a rate of {short(1 / relative[high])} would move them by their own length.",
            "Begin with smaller weights, standardize x and the targets, or clip the gradients: clip_norm=1.",
            f"layer {index}, {model.layers[index]}",
        )
    ]  # fmt: skip


def through_time(case: Case) -> Seeing:
    """Gradients of recurrent layers, from the last time step to the first."""
    if not case.finite:
        return "", []
    said, found = [], []
    for one in case.first.seen:
        norms = [n for n in one.through_time if np.isfinite(n)]
        if len(norms) < 4 or not max(norms):
            continue
        # of the whole sequence's outputs each step has its own gradient: compare the ends' means
        early, late = float(np.mean(norms[: len(norms) // 4])), float(np.mean(norms[-len(norms) // 4 :]))
        if not late:  # nothing asks for the last outputs
            continue
        growth = early / late
        said.append(f"{short(growth)} times as large {len(norms)} steps back")
        if growth > t.TIME_GROWN and case.settings.get("clip_norm") is None:
            found.append(
                Finding(
                    "serious", "gradients that explode in time",
                    f"From the last time steps to the first of {len(norms)} the gradient grows {short(growth)} times.",
                    "One long memory outweighs everything else, and the next step throws the weights far away.",
                    "Begin with orthogonal recurrent weights, clip the gradients (clip_norm=1), or truncate.",
                    one.place,
                )
            )  # fmt: skip
        elif growth < t.TIME_FADED and not case.learned:
            found.append(
                Finding(
                    "warning", "gradients that vanish in time",
                    f"From the last time steps to the first of {len(norms)} the gradient shrinks to {short(growth)}.",
                    "What happened early in a sequence cannot be learned.",
                    "Take an LSTM or a GRU, orthogonal recurrent weights, or shorter sequences.", one.place,
                )
            )  # fmt: skip
    return ", ".join(said), found


def updates(case: Case) -> Seeing:
    """How far a step moves the weights, relative to their length."""
    if case.optimizer is None or not case.finite:
        return "", []
    found = case.trial(case.optimizer, case.rate).updates
    if not found or not all(isfinite(ratio) for ratio in found.values()):
        return "", []
    low, high = min(found.values()), max(found.values())
    moved = {name: ratio for name, ratio in found.items() if case.first.grads[name].any()}
    said = f"{short(low)} to {short(high)} of the weights"
    return said, update_findings(case.model, moved, case.rate, case.learned, _clipped(case))


def _clipped(case: Case) -> bool:
    """Whether clipping takes nearly all of the gradient away."""
    norm = float(np.sqrt(sum(_norm(grad) ** 2 for grad in case.first.grads.values())))
    return norm > 10 * float(case.settings.get("clip_norm", np.inf))


def update_findings(
    model: Sequential, ratios: Mapping[str, float], lr: float, learned: bool, clipped: bool = False
) -> list[Finding]:
    """Findings for the largest and the smallest update, if they are far from 1e-3."""
    ratios = {name: ratio for name, ratio in ratios.items() if isfinite(ratio)}
    if not ratios:
        return []  # the learning rate's own finding says why
    high, low = (f(ratios, key=lambda n: ratios[n]) for f in (max, min))
    found = []
    if ratios[high] > t.HUGE_UPDATE:
        serious = ratios[high] > t.OVERTURNING_UPDATE
        found.append(
            _update(
                "serious" if serious else "warning",
                "updates too large for the weights",
                model,
                high,
                ratios,
                lr,
            )
        )
    if ratios[low] < t.TINY_UPDATE and not learned:
        name = "updates too small for the weights"
        found.append(_update("warning", name, model, low, ratios, lr, clipped))
    return found


def _update(
    severity: str,
    name: str,
    model: Sequential,
    weight: str,
    ratios: Mapping[str, float],
    lr: float,
    clipped: bool = False,
) -> Finding:
    index = int(weight.partition(".")[0])
    large = ratios[weight] > 1e-3
    share = percent(ratios[weight]) if large else short(ratios[weight])
    return Finding(
        severity, name,  # type: ignore[arg-type]
        f"A step at the rate {short(lr)} moves {weight} by {share} of its own length; about 0.1 % is usual.",
        "What the weights have learned is gone after a few steps." if large else "These weights hardly move.",
        "Lower the learning rate, or begin with larger weights." if large
        else f"Raise {'clip_norm or ' if clipped else ''}the learning rate, or begin with smaller weights.",
        f"layer {index}, {model.layers[index]}",
    )  # fmt: skip
