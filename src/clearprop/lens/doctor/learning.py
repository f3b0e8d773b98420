"""What real steps on copies show: whether a small batch can be learned by heart, and whether the rate fits."""

from math import isfinite

import numpy as np

from clearprop.layers import BatchNorm
from clearprop.lens.doctor import thresholds as t
from clearprop.lens.doctor.case import Case, Seeing
from clearprop.lens.doctor.finding import Finding
from clearprop.lens.doctor.trials import Trial
from clearprop.lens.doctor.words import short


def one_batch(case: Case) -> Seeing:
    """A network that cannot learn a few rows by heart has a fault."""
    if not case.finite or case.model.params.size == 0 or len(case.sample.x) < 2:
        return "", []
    rows, good, reached = case.memorized
    seen = f"{rows} rows to a loss of {short(reached)}; {short(good)} is enough"
    if reached <= good:
        return seen, []
    return seen, [
        Finding(
            "serious", "cannot overfit one batch",
            f"On {rows} rows Adam reaches a loss of {short(reached)} in {case.steps(t.MEMORIZE_STEPS, rows)} steps, at "
            f"the best of three rates; {short(good)} would do.",
            "A network that cannot learn a handful of rows by heart will not learn the whole.",
            "Treat the other findings first; without any, look at the labels, the loss and the layers of your own.",
        )
    ]  # fmt: skip


def learning_rate(case: Case) -> Seeing:
    """The rate beside those of a range test (Smith 2017), each tried for some steps from the same start."""
    optimizer, found = case.optimizer, case.rates
    if optimizer is None or found is None:
        return "", []
    own, better = case.trial(optimizer, case.rate), None
    if found.suggested is not None:
        better = case.trial(optimizer, found.suggested / case.shrunk)
    said = f"{case.rate:g}{' at its highest' if optimizer.schedule else ''}; "
    said += f"{own.steps} steps take the loss from {short(case.first.loss)} to {short(own.after)}"
    said += "" if better is None or case.learned else f", at {short(better.lr)} to {short(better.after)}"
    calmer = better if better is not None and better.lr < own.lr else None
    if calmer is None and _progress(case, own) <= t.MOVES * max(case.first.loss - case.perfect, 0):
        calmer = case.trial(optimizer, case.rate / 10)
    if calmer is not None and (high := _too_high(case, own, calmer)):
        return said, [high]
    if better is not None and not case.learned and (low := _too_low(case, own, better)):
        return said, [low]
    return said, []


def _progress(case: Case, trial: Trial) -> float:
    return case.first.loss - trial.after


def _too_high(case: Case, own: Trial, calmer: Trial) -> Finding | None:
    gain, calm = _progress(case, own), _progress(case, calmer)
    worse = gain < -0.5 * case.to_lose
    moves = calm > t.MOVES * max(case.first.loss - case.perfect, 0)
    # what has learned has little left to gain, and a few steps on small batches tell little
    stuck = moves and gain < t.SHY * calm and not case.learned and not case.limited
    nothing = own.after > case.constant > calmer.after + t.GAINED * case.to_lose and not case.limited
    if not (worse or stuck or nothing):
        return None
    serious = not isfinite(own.after) or gain <= 0 or nothing
    failed = own.failure.partition(". Lower")[0]
    how = (
        failed and f"At {own.lr:g} it diverges: {failed}"
    ) or f"{own.steps} steps at {own.lr:g} take the loss from {short(case.first.loss)} to {short(own.after)}"
    return Finding(
        "serious" if serious else "warning", "learning rate too high",
        f"{how.rstrip('.')}; at {short(calmer.lr)} they take it to {short(calmer.after)}.",
        "The steps are longer than the loss is smooth, so they land where it is higher.",
        f"Take a rate of {short(calmer.lr)} or so.",
    )  # fmt: skip


def _too_low(case: Case, own: Trial, better: Trial) -> Finding | None:
    gain, best = _progress(case, own), _progress(case, better)
    if best <= t.MOVES * max(case.first.loss - case.perfect, 0) or better.lr < t.APART * own.lr:
        return None
    if gain >= t.CREEPS * best:
        return None
    return Finding(
        "serious" if gain < t.STANDS_STILL * best else "warning", "learning rate too low",
        f"{own.steps} steps at {own.lr:g} take the loss from {short(case.first.loss)} to {short(own.after)}, at "
        f"{short(better.lr)} to {short(better.after)}.",
        "The network moves in the right direction, but hardly.",
        f"Take a rate of {short(better.lr)} or so.",
    )  # fmt: skip


def small_batches(case: Case) -> Seeing:
    """Batch norm with hardly any rows."""
    norms = [
        index
        for index, layer in enumerate(case.model.layers)
        for part in layer.parts()
        if isinstance(part, BatchNorm)
    ]
    if not norms:
        return "", []
    size = min(case.batch_size, case.sample.of)
    seen = f"batches of {size}"
    index = norms[0]
    places = int(np.prod(case.model.shapes[index][:-1]))
    if size * places >= t.SMALL_BATCH:
        return seen, []
    return seen, [
        Finding(
            "serious" if size * places < 2 else "warning", "batch norm with tiny batches",
            f"Mini-batches have {size} row{'s' if size > 1 else ''}, so mean and variance are those of {size * places} "
            f"number{'s' if size * places > 1 else ''}.",
            "They are mostly noise" + (": fit refuses it." if size * places < 2 else ", and predictions use others."),
            "Take a batch_size of 16 or more, or LayerNorm, which needs no batch.",
            f"layer {index}, {case.model.layers[index]}",
        )
    ]  # fmt: skip
