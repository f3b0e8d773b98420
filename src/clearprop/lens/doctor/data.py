"""What can be wrong with the data: NaN, scale, constant columns, targets, rows in two places, no relation."""

import numpy as np

from clearprop.arrays import Array
from clearprop.layers import BatchNorm, Embedding, Flatten, LayerNorm
from clearprop.lens.doctor import thresholds as t
from clearprop.lens.doctor.case import Case, Seeing
from clearprop.lens.doctor.finding import Finding, Severity
from clearprop.lens.doctor.sample import Sample
from clearprop.lens.words import names, percent, short


def not_a_number(case: Case) -> Seeing:
    """NaN and infinity in x or y, of the training rows and of the validation rows."""
    parts = (
        {"": case.sample} if case.validation is None else {"": case.sample, "validation ": case.validation}
    )
    bad = {part: sample for part, sample in parts.items() if sample.not_finite}
    seen = ", ".join(f"{one.not_finite} of {one.taken} {part}rows" for part, one in bad.items())
    return seen or "none", [_not_a_number(sample, part) for part, sample in bad.items()]


def _not_a_number(sample: Sample, part: str) -> Finding:
    columns = sample.bad_columns
    one = "s" if sample.not_finite == 1 else ""
    where = (
        f", in {'the columns' if len(columns) > 1 else 'column'} {names(columns)} of x"
        if columns
        else ", in y"
    )
    name = f"{'x' if columns else 'y'}{'_validation' if part else ''}"
    return Finding(
        "serious", f"NaN in the {part}data",
        f"{sample.not_finite} of {sample.taken} {part}rows hold{one} NaN or infinity{where}.",
        "With such a row there is no validation loss: fit refuses it." if part
        else "One such row turns the loss and then every parameter into NaN.",
        f"Find them by np.argwhere(~np.isfinite({name})), and take these rows out before training.",
    )  # fmt: skip


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
        _by_state(case, severity), "data not standardized",
        f"{said} (column {int(rms.argmax())} has the mean {short(x.mean(axis=0)[rms.argmax()])} and the deviation "
        f"{short(std[rms.argmax()])}).",
        "Initial weights and learning rates are made for inputs of mean 0 and deviation 1; with others, training is "
        "slow or diverges.",
        "Standardize each column by the training part: clearprop.data.Standardizer.fit(x).transform(x), or "
        "--set data.scale=standardize.",
    )  # fmt: skip
    return seen, [found]


def _by_state(case: Case, severity: Severity) -> Severity:
    """How much a scale matters: less in a network that has learned all the same, more in one that has not."""
    return "note" if case.learned else "serious" if case.stuck else severity


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
    if isinstance(case.model.layers[0], Flatten):  # each pixel is a column of its own
        x = x.reshape(len(case.sample.x), -1)
    still = np.flatnonzero(x.max(axis=0) == x.min(axis=0))
    share = len(still) / x.shape[1]
    what = "columns" if x.shape[0] == len(case.sample.x) else "channels"
    seen = f"{len(still)} of {x.shape[1]} {what if x.shape[1] > 1 else what[:-1]}"
    if not len(still) or (share < t.CONSTANT and x.shape[1] >= 50):
        return seen, []  # a picture's margin
    severity: Severity = "serious" if share == 1 else "warning" if share >= t.CONSTANT else "note"
    return seen, [
        Finding(
            severity, "constant columns",
            f"{seen} of x {'has' if x.shape[1] == 1 else 'have'} the same value in every row: {names(tuple(still))}.",
            "They tell the network nothing" + (", so it can only learn a constant." if share == 1 else "."),
            "Look where x was read." if share == 1 or case.sample.x.ndim > 2
            else "Leave them out: x[:, x.max(axis=0) > x.min(axis=0)]; if they should change, look where x was read.",
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
                "There is nothing to learn but a constant.", "Look where y was read: print(np.unique(y)).",
            )
        ]  # fmt: skip
    large = max(abs(mean), std)
    if large <= t.LARGE and large >= t.SMALL:
        return seen, []
    severity: Severity = "serious" if large > t.VERY_LARGE or large < t.VERY_SMALL else "warning"
    return seen, [
        Finding(
            _by_state(case, severity), "targets not standardized",
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
            "Look at a few rows with their labels, x[:5] and y[:5]: are x and y in the same order?",
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


def validation_scale(case: Case) -> Seeing:
    """Validation rows that were not scaled as the training rows were."""
    x, held = _columns(case), case.validation
    if x is None or held is None or len(held.x) < t.FEW_HELD:
        return "", []
    other = held.x.astype(np.float64).reshape(-1, x.shape[1])
    mean, std = x.mean(axis=0), x.std(axis=0)
    varied = std > 1e-6 * (np.abs(mean) + std + 1e-30)
    if not varied.any():
        return "", []
    shift = float(np.median((np.abs(other.mean(axis=0) - mean) / std)[varied]))
    ratio = float(np.median((other.std(axis=0) / std)[varied]))
    seen = f"deviations {short(ratio)} times those of the training rows, means {short(shift)} of them away"
    factor = max(ratio, 1 / max(ratio, 1e-12))
    if factor <= t.OTHER_SCALE and shift <= t.OTHER_MEAN:
        return seen, []
    return seen, [
        Finding(
            "serious" if factor > t.VERY_OTHER_SCALE or shift > t.VERY_OTHER_MEAN else "warning",
            "validation rows of another scale",
            f"In the middle column the validation rows' deviation is {short(ratio)} times that of the training rows, "
            f"and their mean {short(shift)} such deviations away.",
            "What the network has learned of the training rows does not hold for numbers of another scale.",
            "Scale all parts by the training part: s = clearprop.data.Standardizer.fit(x), then s.transform(x) and "
            "s.transform(x_validation).",
        )
    ]  # fmt: skip


def rows_in_both(case: Case) -> Seeing:
    """Validation rows that were trained on."""
    held = case.validation
    if held is None or not len(held.x):
        return "", []
    train, other = (np.ascontiguousarray(s.x.reshape(len(s.x), -1)) for s in (case.sample, held))
    known = {row.tobytes() for row in train}
    hits, factor = sum(row.tobytes() in known for row in other), case.sample.of / len(train)
    share = min(1.0, factor * hits / len(other))  # of a sample's rows only so many can be met
    twice = 1 - len(known) / len(train)  # rows of few values repeat by themselves
    chance = t.SURE * hits**0.5 if twice or factor > 1 else 0.0
    excess = factor * ((hits - chance) / len(other) - 2 * twice)
    seen = f"{percent(share)} of the validation rows are training rows, too"
    if excess <= t.SHARED:
        return seen, []
    return seen, [
        Finding(
            "serious" if excess > t.WIDELY_SHARED else "warning", "validation rows in the training data",
            f"{percent(share)} of the validation rows stand in the training rows, number for number.",
            "The validation loss then measures memory, not what the network does with new rows.",
            "Split before you copy or augment rows, and remove duplicates: np.unique(x, axis=0, return_index=True).",
        )
    ]  # fmt: skip
