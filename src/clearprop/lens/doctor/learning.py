"""What real steps on copies show: whether a small batch can be learned by heart, and whether the rate fits."""

from dataclasses import replace
from math import isfinite

import numpy as np

from clearprop.layers import BatchNorm
from clearprop.lens.doctor import thresholds as t
from clearprop.lens.doctor.case import Case, Seeing
from clearprop.lens.doctor.finding import Finding
from clearprop.lens.doctor.trials import Trial
from clearprop.lens.words import about, short
from clearprop.optim import Adam
from clearprop.optimizer import Optimizer


def one_batch(case: Case) -> Seeing:
    """A network that cannot learn a few rows by heart has a fault."""
    if not case.finite or case.model.params.size == 0 or case.memorized is None:
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
            "Treat the other findings first; without any, look at the labels, and check layers of your own: "
            "cp.check_gradients(model, x[:8], y[:8]).",
        )
    ]  # fmt: skip


def nothing_learned(case: Case) -> Seeing:
    """A training whose loss is still that of always giving the same answer; and whether Adam would get on."""
    if case.history is None or not case.finite:
        return "", []
    steps, loss = len(case.history.steps["loss"]), case.now["loss"]
    seen = f"a loss of {short(loss)}; always giving the same answer costs {short(case.constant)}"
    if not case.stuck:
        return seen, []
    best = _by_adam(case)
    adam = (
        ""
        if best is None
        else f" From here {best.steps} steps of Adam at {best.lr:g} take it to {short(best.after)}."
    )
    return seen, [
        Finding(
            "serious", "nothing learned",
            f"After {steps} steps the loss is {short(loss)}; always giving the same answer costs "
            f"{short(case.constant)}.{adam}",
            "Whatever x is, the network gives about the same answer, or a worse one.",
            f"Take Adam: cp.Adam(lr={best.lr:g}), or --set 'optimizer={{name=\"adam\", lr={best.lr:g}}}'."
            if best is not None
            else "Treat the other findings, then begin anew: a network that stands still seldom comes back.",
        )
    ]  # fmt: skip


def learning_rate(case: Case) -> Seeing:
    """The rate beside those of a range test (Smith 2017), each tried for some steps from the same start."""
    if case.stuck:  # from where it stands no rate may get on
        said, findings = learning_rate(case.anew)
        return said, [replace(one, evidence=f"Begun anew, {one.evidence}") for one in findings]
    optimizer, found = case.optimizer, case.rates
    if optimizer is None or found is None:
        return "", []
    own, better = case.trial(optimizer, case.rate), None
    if found.suggested is not None:
        better = case.trial(optimizer, found.suggested / case.shrunk)
    said = f"{short(case.rate)}{' at its highest' if optimizer.schedule else ''}; "
    said += f"{own.steps} steps take the loss from {short(case.first.loss)} to {short(own.after)}"
    said += "" if better is None or case.learned else f", at {short(better.lr)} to {short(better.after)}"
    calmer = better if better is not None and better.lr < own.lr else None
    if calmer is None and _progress(case, own) <= t.MOVES * max(case.first.loss - case.perfect, 0):
        calmer = case.trial(optimizer, case.rate / 10)
    if calmer is not None and _too_high(case, own, calmer):
        high = _too_high(case, own, _calmest(case, optimizer, own, calmer))
        return said, [high] if high else []
    if better is not None and not case.learned and (low := _too_low(case, own, better)):
        return said, [low]
    return said, []


def _by_adam(case: Case) -> Trial | None:
    """Some steps of Adam, if it is not tried already, and if they get on."""
    if isinstance(case.optimizer, Adam):
        return None
    best = min((case.trial(Adam(), lr) for lr in (0.01, 0.001)), key=lambda trial: trial.after)
    return best if best.after < case.constant - t.GAINED * case.to_lose else None


def _calmest(case: Case, optimizer: Optimizer, own: Trial, calmer: Trial) -> Trial:
    """The lowest rate that gets about as far as any below one's own: on few rows a range test is shy."""
    trials = [calmer, *(case.trial(optimizer, r) for r in ((own.lr * calmer.lr) ** 0.5, own.lr / 10))]
    enough = min(trial.after for trial in trials) + t.MOVES * case.to_lose
    return min((trial for trial in trials if trial.after <= enough), key=lambda trial: trial.lr)


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
        (failed and f"At {short(own.lr)} it diverges: {failed}")
        or f"{own.steps} steps at {short(own.lr)} take the loss from {short(case.first.loss)} to {short(own.after)}"
    )
    return Finding(
        "serious" if serious else "warning", "learning rate too high",
        f"{how.rstrip('.')}; at {short(calmer.lr)} they take it to {short(calmer.after)}.",
        "The steps are longer than the loss is smooth, so they land where it is higher.",
        f"Take the rate {about(calmer.lr)} or so: lr={about(calmer.lr)}, or --set optimizer.lr={about(calmer.lr)}.",
    )  # fmt: skip


def _too_low(case: Case, own: Trial, better: Trial) -> Finding | None:
    gain, best = _progress(case, own), _progress(case, better)
    if best <= t.MOVES * max(case.first.loss - case.perfect, 0) or better.lr < t.APART * own.lr:
        return None
    if gain >= t.CREEPS * best:
        return None
    return Finding(
        "serious" if gain < t.STANDS_STILL * best else "warning", "learning rate too low",
        f"{own.steps} steps at {short(own.lr)} take the loss from {short(case.first.loss)} to {short(own.after)}, at "
        f"{short(better.lr)} to {short(better.after)}.",
        "The network moves in the right direction, but hardly.",
        f"Take the rate {about(better.lr)} or so: lr={about(better.lr)}, or --set optimizer.lr={about(better.lr)}.",
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
    n = case.sample.of
    size = min(case.batch_size, n)
    last = size if case.drop_last else n % size or size
    seen = f"batches of {size}" + (f", the last of {last}" if last < size else "")
    index = norms[0]
    places = int(np.prod(case.model.shapes[index][:-1]))
    if last * places == 1 < size:
        return seen, [_single_row(case, index, size)]
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


def _single_row(case: Case, index: int, size: int) -> Finding:
    return Finding(
        "serious", "batch norm with a last batch of 1",
        f"Of {case.sample.of} rows in mini-batches of {size} the last one has 1 row, and a single number has no "
        "variance: fit refuses it.",
        "Training cannot begin with this.", "Pass drop_last=True, or take another batch_size.",
        f"layer {index}, {case.model.layers[index]}",
    )  # fmt: skip
