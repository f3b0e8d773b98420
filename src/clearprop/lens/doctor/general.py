"""What a trained network does with rows that it has not seen: overfitting, and statistics that are out of date."""

import numpy as np

from clearprop.arrays import Array
from clearprop.history import History
from clearprop.layers import BatchNorm
from clearprop.lens.doctor import thresholds as t
from clearprop.lens.doctor.case import Case, Seeing
from clearprop.lens.doctor.finding import Finding
from clearprop.lens.doctor.trials import loss_of
from clearprop.lens.words import short

REMEDY = (
    "Stop earlier (callbacks=[cp.EarlyStopping(), cp.BestWeights()]), add Dropout, l2 or more data, or take a smaller "
    "network; if the validation rows are of another kind, shuffle before you split."
)


def overfitting(case: Case) -> Seeing:
    """Training loss far below that of held-out rows."""
    found = list[Finding]()
    if case.history is not None and not case.stuck:  # what has learned nothing has learned nothing by heart
        found = history_findings(case.history, case.constant, case.perfect)
    watched = case.history is not None and any("validation_loss" in row for row in case.history.epochs)
    seen = "by the history" if watched else ""
    held = case.validation
    if held is None or held.misfit or not len(held.x) or not case.finite:
        return seen, found
    train, other = (_losses(case, *rows) for rows in (case.some, (held.x, held.y)))
    gap = float(other.mean() - train.mean())
    if case.history is not None and found:  # the weights may be those of the best epoch
        best = min(row["validation_loss"] for row in case.history.epochs if "validation_loss" in row)
        found = [] if other.mean() - case.perfect <= t.RISE * (best - case.perfect) else found
    error = float(np.hypot(*(each.std() / np.sqrt(len(each)) for each in (train, other))))
    seen = (
        f"loss {short(float(train.mean()))} on training rows, {short(float(other.mean()))} on validation rows"
    )
    if not case.learned or gap <= t.GAP * case.to_lose or gap <= t.SURE * error:
        return seen, found
    wide = gap > t.WIDE_GAP * case.to_lose
    mine = Finding(
        "serious" if wide else "warning", "overfitting",
        f"The loss is {short(float(train.mean()))} on the training rows and {short(float(other.mean()))} on "
        f"{len(other)} validation rows; always giving the same answer costs {short(case.constant)}.",
        "The network has learned its rows by heart more than what they have in common.", REMEDY,
    )  # fmt: skip
    return seen, [mine] if wide or not found else found


def _losses(case: Case, x: Array, y: Array) -> Array:
    """Each row's loss, as in prediction."""
    with np.errstate(all="ignore"):
        losses: Array = case.loss(case.model.copy().scores(x), y)[0].astype(np.float64)
    return losses


def history_findings(history: History, constant: float, perfect: float) -> list[Finding]:
    """Overfitting by the epochs: the validation loss has risen since its best, while the training loss fell."""
    rows = [row for row in history.epochs if "validation_loss" in row]
    if len(rows) < 3:
        return []
    validation, train = ([row[name] for row in rows] for name in ("validation_loss", "loss"))
    best = int(np.argmin(validation))
    last = float(np.mean(validation[-2:]))
    rise, room = last - validation[best], max(constant - perfect, 1e-12)
    risen = last - perfect > t.RISE * (validation[best] - perfect) and rise > t.GAP * room
    if best >= len(rows) - 2 or not risen or train[-1] >= train[best]:
        return []
    return [
        Finding(
            "serious" if rise > t.WIDE_GAP * room else "warning", "overfitting",
            f"The validation loss was {short(validation[best])} after epoch {int(rows[best]['epoch'])} and is "
            f"{short(last)} after {int(rows[-1]['epoch'])}, while the training loss fell from {short(train[best])} "
            f"to {short(train[-1])}.",
            "Since then the network has learned its rows by heart.", REMEDY,
        )
    ]  # fmt: skip


def old_statistics(case: Case) -> Seeing:
    """Batch norm whose running statistics are not those of the data."""
    norms = any(isinstance(part, BatchNorm) for layer in case.model.layers for part in layer.parts())
    if not norms or case.fresh or not case.finite or len(case.probed[0]) < 2:
        return "", []
    x, y = case.probed
    with np.errstate(all="ignore"):
        predicting = float(case.loss(case.model.copy().scores(x), y)[0].mean())
    training = loss_of(case.model, case.loss, x, y)
    seen = f"loss {short(predicting)} as in prediction, {short(training)} as in training"
    if predicting <= t.DISAGREE * training or predicting - training <= t.GAP * case.to_lose:
        return seen, []
    return seen, [
        Finding(
            "serious", "batch norm's statistics are out of date",
            f"The same {len(x)} rows have the loss {short(predicting)} with the running mean and variance and "
            f"{short(training)} with their own.",
            "Predictions use statistics that are not those of the data.",
            "Load the buffers together with the parameters (cp.load does), or train for some more steps.",
        )
    ]  # fmt: skip
