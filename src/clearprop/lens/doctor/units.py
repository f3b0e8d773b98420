"""What can be wrong with activations: dead and always active ReLUs, saturated sigmoids, too much dropout."""

from collections.abc import Iterable
from math import isfinite

import numpy as np

from clearprop.layers import Dropout
from clearprop.layers.recurrent import Recurrent
from clearprop.lens.doctor import thresholds as t
from clearprop.lens.doctor.case import Case, Seeing
from clearprop.lens.doctor.finding import Finding
from clearprop.lens.doctor.probe import RECTIFIED, SQUASHED, Seen
from clearprop.lens.words import percent, short


def dead_units(case: Case) -> Seeing:
    """ReLUs that are 0 for every row."""
    seen = [one for one in case.first.seen if one.kind in RECTIFIED]
    if not seen or not isfinite(case.first.loss):
        return "", []
    said = "shares by layer " + ", ".join(percent(one.dead) for one in seen[:8])
    return said, dead_findings(seen, len(case.first.losses), case.learned)


def dead_findings(seen: Iterable[Seen], rows: int, learned: bool) -> list[Finding]:
    """One finding for each layer with many dead units."""
    found = []
    for one in seen:
        if one.kind not in RECTIFIED or one.dead <= t.DEAD or one.units < 2:
            continue
        serious = one.dead > t.MOSTLY_DEAD and not learned
        found.append(
            Finding(
                "serious" if serious else "warning", "dead ReLUs",
                f"{percent(one.dead)} of {one.units} units are 0 for all of {rows} rows.",
                "No gradient goes through them, so they will not come back.",
                "Lower the learning rate, begin with init='he_normal' and biases of 0, or take leaky_relu.",
                one.place,
            )
        )  # fmt: skip
    return found


def always_on(case: Case) -> Seeing:
    """ReLUs that never are 0: the layer is linear."""
    seen = [one for one in case.first.seen if one.kind in RECTIFIED]
    if not seen or not isfinite(case.first.loss):
        return "", []
    found = [
        Finding(
            "warning", "ReLUs that are always on",
            f"{percent(one.always_on)} of {one.units} units are above 0 for all of {len(case.first.losses)} rows.",
            "Such units are linear: the layer does no more than the one before it.",
            "Standardize x to mean 0, and begin with biases of 0: leave init and bias_init out.", one.place,
        )
        for one in seen
        if one.always_on > t.ALWAYS_ON and one.units > 1
    ]  # fmt: skip
    return "shares by layer " + ", ".join(percent(one.always_on) for one in seen[:8]), found


def saturated(case: Case) -> Seeing:
    """Sigmoids and tanhs on their flat ends."""
    seen = [
        one
        for one in case.first.seen
        if one.gates or (one.kind in SQUASHED and not (one.last and case.learned))
    ]
    if not seen or not isfinite(case.first.loss):
        return "", []
    shares = [max((gate.saturated for gate in one.gates), default=one.saturated) for one in seen]
    said = "shares by layer " + ", ".join(map(percent, shares[:8]))
    return said, saturated_findings(seen, case.learned)


def saturated_findings(seen: Iterable[Seen], learned: bool) -> list[Finding]:
    """One finding for each layer with many saturated outputs."""
    found = []
    for one in seen:
        if any(gate.saturated > t.SATURATED for gate in one.gates):
            found.append(_gates_finding(one, learned))
        if one.kind not in SQUASHED or one.saturated <= t.SATURATED:
            continue
        what = "states" if isinstance(one.layer, Recurrent) else "outputs"
        serious = one.saturated > t.MOSTLY_SATURATED and not learned
        found.append(
            Finding(
                "serious" if serious else "note" if learned else "warning", f"saturated {one.kind}",
                f"{percent(one.saturated)} of {what} are on the flat ends, where the slope is less than "
                f"{percent(t.FLAT)} of the steepest; inputs go up to {short(one.x_largest)}.",
                "Hardly any gradient comes through, so the layers before it learn slowly or not at all.",
                "Standardize x and begin with smaller weights, init='xavier_uniform', or put BatchNorm() before the "
                "activation.",
                one.place,
            )
        )  # fmt: skip
    return found


def _gates_finding(one: Seen, learned: bool) -> Finding:
    """The gates of a layer, of which at least one is saturated."""
    serious = any(gate.saturated > t.MOSTLY_SATURATED for gate in one.gates) and not learned
    shares = ", ".join(f"{gate.name} {percent(gate.saturated)}" for gate in one.gates)
    return Finding(
        "serious" if serious else "note" if learned else "warning", "saturated gates",
        f"Values at the flat ends, where the slope is less than {percent(t.FLAT)} of the steepest: {shares}. Inputs go "
        f"up to {short(one.x_largest)}.",
        "A gate that stands at its end passes on hardly any gradient, so it does not learn when to open or close.",
        "Standardize x and begin with the default weights: leave init and recurrent_init out.",
        one.place,
    )  # fmt: skip


def dropout(case: Case) -> Seeing:
    """Dropout that leaves too little."""
    rates, found = [], []
    for index, layer in enumerate(case.model.layers):
        for leaf, shape in layer.leaves(case.model.shapes[index]):
            if not isinstance(leaf, Dropout):
                continue
            rates.append(leaf.rate)
            left = (1 - leaf.rate) * (shape[-1] if leaf.channels else float(np.prod(shape)))
            if leaf.rate <= t.STRONG_DROPOUT and left >= t.FEW_LEFT:
                continue
            fierce = leaf.rate >= t.FIERCE_DROPOUT or left < 1
            found.append(
                Finding(
                    "serious" if fierce and not case.learned else "warning", "dropout too strong",
                    f"Of {int(np.prod(shape))} numbers {short(left)} are left on average (rate {leaf.rate:g}).",
                    "What is left differs so much from batch to batch that the layers behind it see mostly noise.",
                    "Take a rate of 0.5 or less.", f"layer {index}, {layer}",
                )
            )  # fmt: skip
    return ("rates " + ", ".join(f"{rate:g}" for rate in rates) if rates else ""), found
