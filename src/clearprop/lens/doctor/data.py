"""What can be wrong with the data: NaN, scale, constant columns, targets, rows in two places, no relation."""

import numpy as np

from clearprop.arrays import Array
from clearprop.layers import BatchNorm, Embedding, LayerNorm
from clearprop.lens.doctor import thresholds as t
from clearprop.lens.doctor.case import Case, Seeing
from clearprop.lens.doctor.finding import Finding, Severity
from clearprop.lens.doctor.words import names, percent, short


def not_a_number(case: Case) -> Seeing:
    """NaN and infinity in x or y."""
    sample = case.sample
    n = len(sample.x) + sample.not_finite
    if not sample.not_finite:
        return "none", []
    columns = sample.bad_columns
    where = f", in the columns {names(columns)} of x" if columns else ", in y"
    found = Finding(
        "serious", "NaN in the data",
        f"{sample.not_finite} of {n} rows hold NaN or infinity{where}.",
        "One such row turns the loss and then every parameter into NaN.",
        "Take these rows out, or fill the gaps with the column's mean, before training.",
    )  # fmt: skip
    return f"{sample.not_finite} of {n} rows", [found]


def _columns(case: Case) -> Array | None:
    """x as rows of features: (N, D), the channels of images and sequences; None if numbers are names of words."""
    if isinstance(case.model.layers[0], Embedding):
        return None
    x = case.sample.x.astype(np.float64)
    return x.reshape(-1, x.shape[-1])


def input_scale(case: Case) -> Seeing:
    """Columns that are not of mean about 0 and deviation about 1."""
    x = _columns(case)
    if x is None or len(x) < 2:
        return "", []
    mean, std = np.abs(x.mean(axis=0)), x.std(axis=0)
    rms = np.sqrt(mean**2 + std**2)
    varied = std > 1e-6 * (rms + 1e-30)
    largest = float(rms.max())
    if not varied.any():
        return f"root mean square {short(largest)}", []
    widest, middle = float(std[varied].max()), float(np.sort(std[varied])[(varied.sum() - 1) // 2])
    offset = float((mean[varied] / std[varied]).max()) if largest > 1 else 0.0
    seen = f"root mean square up to {short(largest)}, deviations {short(middle)} to {short(widest)}"
    if isinstance(case.model.layers[0], BatchNorm | LayerNorm):
        return seen + "; the first layer normalizes", []
    said, severity = _scale_verdict(largest, offset, widest / middle)
    if not said:
        return seen, []
    found = Finding(
        "note" if case.learned else severity, "data not standardized",
        f"{said} (column {int(rms.argmax())} has the mean {short(x.mean(axis=0)[rms.argmax()])} and the deviation "
        f"{short(std[rms.argmax()])}).",
        "Initial weights and learning rates are made for inputs of mean 0 and deviation 1; with others, training is "
        "slow or diverges.",
        "Standardize each column by the training part: clearprop.data.Standardizer.fit(x).transform(x), or "
        'scale = "standardize" in a configuration.',
    )  # fmt: skip
    return seen, [found]


def _scale_verdict(largest: float, offset: float, uneven: float) -> tuple[str, Severity]:
    """The strongest reason why the inputs are not of one scale, and how strong."""
    serious: Severity = "serious"
    warning: Severity = "warning"
    if largest > t.LARGE:
        return (
            f"Inputs are as large as {short(largest)}, root mean square of a column",
            serious if max(largest, offset) > t.VERY_LARGE else warning,
        )
    if uneven > t.UNEVEN:
        return (
            f"The widest column varies {short(uneven)} times as much as the middle one",
            serious if uneven > t.VERY_UNEVEN else warning,
        )
    if largest < t.SMALL:
        return (
            f"Inputs are as small as {short(largest)}, root mean square of the largest column",
            serious if largest < t.VERY_SMALL else warning,
        )
    return "", "note"


def constant_columns(case: Case) -> Seeing:
    """Columns that never change say nothing."""
    x = _columns(case)
    if x is None or len(x) < 2:
        return "", []
    still = np.flatnonzero(x.max(axis=0) == x.min(axis=0))
    share = len(still) / x.shape[1]
    seen = f"{len(still)} of {x.shape[1]} columns"
    if not len(still) or (share < t.CONSTANT and x.shape[1] >= 50):
        return seen, []  # a picture's margin
    severity: Severity = "serious" if share == 1 else "warning" if share >= t.CONSTANT else "note"
    return seen, [
        Finding(
            severity, "constant columns",
            f"{len(still)} of {x.shape[1]} columns of x have the same value in every row: {names(tuple(still))}.",
            "They tell the network nothing" + (", so it can only learn a constant." if share == 1 else "."),
            "Look where the data were read; leave such columns out.",
        )
    ]  # fmt: skip


def target_scale(case: Case) -> Seeing:
    """Numbers to predict that are far from mean 0 and deviation 1."""
    if case.loss.link != "identity":
        return "", []
    y = case.sample.y.astype(np.float64)
    mean, std = float(y.mean()), float(y.std())
    mean = 0.0 if abs(mean) < 1e-6 * std else mean
    seen = f"mean {short(mean)}, deviation {short(std)}"
    if len(y) > 1 and std == 0:
        return seen, [
            Finding(
                "serious", "constant targets", f"All {len(y)} targets are {short(float(y.flat[0]))}.",
                "There is nothing to learn but a constant.", "Look where y was read.",
            )
        ]  # fmt: skip
    large = max(abs(mean), std)
    if large <= t.LARGE and large >= t.SMALL:
        return seen, []
    severity: Severity = "serious" if large > t.VERY_LARGE or large < t.VERY_SMALL else "warning"
    return seen, [
        Finding(
            "note" if case.learned else severity, "targets not standardized",
            f"The targets have the mean {short(mean)} and the deviation {short(std)}.",
            "The loss and its gradient grow with their scale, and the output's bias has far to go."
            if large > 1
            else "The loss and its gradient shrink with their scale, so nothing seems to happen.",
            "Train on (y - y.mean()) / y.std(), and turn predictions back.",
        )
    ]  # fmt: skip


def unrelated_labels(case: Case) -> Seeing:
    """Neighbours in x whose y agree no more often than chance: shuffled labels, or inputs that tell nothing."""
    sample = case.sample
    n = min(len(sample.x), 1000)
    if n < t.FEW_NEIGHBOURS or case.learned or isinstance(case.model.layers[0], Embedding):
        return "", []
    x, y = sample.x[:n].reshape(n, -1).astype(np.float64), sample.y[:n]
    if y.shape == sample.x[:n].shape or y.ndim > 2:
        return "", []
    near = _neighbours(x)
    if case.loss.metric == "accuracy" and (y.ndim == 1 or y.shape[1] > 1 or set(np.unique(y)) <= {0, 1}):
        labels = y if y.ndim == 1 else y.argmax(axis=1) if y.shape[1] > 1 else y[:, 0]
        shares = np.unique(labels, return_counts=True)[1] / n
        chance = float((shares**2).sum())
        agree = float((labels[near] == labels[:, None]).mean())
        error = np.sqrt(chance * (1 - chance) / n)
        seen = f"{percent(agree)} of neighbours have the same label, {percent(chance)} by chance"
        related = chance > t.ONE_SIDED or agree - chance > t.CHANCE * error
    else:
        value = y.reshape(n, -1).sum(axis=1).astype(np.float64)
        guess = value[near].mean(axis=1)
        r = float(np.corrcoef(value, guess)[0, 1]) if value.std() and guess.std() else 1.0
        seen = f"targets and their neighbours' correlate by {short(r)}"
        related = r * np.sqrt(n) > t.CHANCE
    if related:
        return seen, []
    return seen, [
        Finding(
            "warning", "labels unrelated to the inputs",
            f"Of {n} rows, {seen} (the {t.NEIGHBOURS} nearest rows in x).",
            "Rows that look alike agree no more than by chance: y may be shuffled against x, or x may not tell.",
            "Check that x and y are in the same order: plot or print a few rows with their labels.",
        )
    ]  # fmt: skip


def _neighbours(x: Array) -> Array:
    """The nearest rows of each row, (N, k), by columns of equal deviation."""
    std = x.std(axis=0)
    x = (x - x.mean(axis=0)) / np.where(std > 0, std, 1)
    square = (x * x).sum(axis=1)
    distance = square[:, None] + square - 2 * x @ x.T
    np.fill_diagonal(distance, np.inf)
    return np.argpartition(distance, t.NEIGHBOURS, axis=1)[:, : t.NEIGHBOURS]


def rows_in_both(case: Case) -> Seeing:
    """Validation rows that were trained on."""
    held = case.validation
    if held is None:
        return "", []
    train, other = (np.ascontiguousarray(s.x.reshape(len(s.x), -1)) for s in (case.sample, held))
    known = {row.tobytes() for row in train}
    share = sum(row.tobytes() in known for row in other) / len(other)
    share *= min(1.0, case.sample.of / len(train))  # of a sample, only so much can be met
    twice = 1 - len(known) / len(train)  # rows of few values repeat by themselves
    seen = f"{percent(share)} of the validation rows are training rows, too"
    if share - 2 * twice <= t.SHARED:
        return seen, []
    return seen, [
        Finding(
            "serious" if share - 2 * twice > t.WIDELY_SHARED else "warning", "validation rows in the training data",
            f"{percent(share)} of the validation rows stand in the training rows, number for number.",
            "The validation loss then measures memory, not what the network does with new rows.",
            "Split before you copy or augment rows, and remove duplicates: np.unique(x, axis=0, return_index=True).",
        )
    ]  # fmt: skip
