"""What can be wrong between labels, outputs and loss."""

import numpy as np

from clearprop.arrays import Array
from clearprop.layers import Activation, Dropout
from clearprop.lens.doctor import thresholds as t
from clearprop.lens.doctor.case import Case, Seeing
from clearprop.lens.doctor.finding import Finding, Severity
from clearprop.lens.words import names, percent, short

RANGES = {
    "sigmoid": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "relu": (0.0, np.inf),
    "softmax": (0.0, 1.0),
    "softplus": (0.0, np.inf),
}
CHECKS = 20  # different values, at most, that may be names of classes


def misfit(case: Case) -> Seeing:
    """What fit would refuse: labels out of range, rows instead of labels, two softmaxes."""
    part = "" if case.sample.misfit or case.validation is None else "validation "
    said = case.validation.misfit if part and case.validation else case.sample.misfit
    if not said:
        return "the loss takes both", []
    body, _, remedy = (
        said.removeprefix("diagnose").removeprefix(", validation").removeprefix(": ").partition(". ")
    )
    if body.startswith("expected"):  # and not a name, which stays as it is
        body = "E" + body[1:]
    return f"fit refuses {'those of the validation' if part else 'them'}", [
        Finding(
            "serious", f"{part}labels, outputs and loss do not fit", body.rstrip(".") + ".",
            "Training cannot begin with this.", remedy or "Change the labels, the last layer or the loss.",
        )
    ]  # fmt: skip


def order(case: Case) -> Seeing:
    """Rows in the order of their labels, where mini-batches are not drawn at random."""
    labels, n = _labels(case), case.sample.of
    size = min(case.batch_size, n)
    if case.shuffle or labels is None or len(labels) < n or n < 2 * size:
        return "", []
    mixed = np.random.default_rng(case.seed).permutation(labels)
    own, usual = (
        float(np.mean([len(np.unique(y[a : a + size])) for a in range(0, n - size + 1, size)]))
        for y in (labels, mixed)
    )
    seen = f"{short(own)} classes in a mini-batch of {size}, {short(usual)} if drawn at random"
    if own > t.UNMIXED * usual:
        return seen, []
    return seen, [
        Finding(
            "serious", "rows in the order of their labels",
            f"Without shuffling, a mini-batch of {size} rows holds {short(own)} classes on average; drawn at random "
            f"they would be {short(usual)}.",
            "Each step pulls towards the classes of its own rows, and the next ones pull back.",
            "Leave shuffle=False out, or mix the rows once: order = rng.permutation(len(x)), x[order] and y[order].",
        )
    ]  # fmt: skip


def output_range(case: Case) -> Seeing:
    """A last layer that cannot give what the loss wants."""
    last = case.model.layers[-1]
    if isinstance(last, Dropout):
        return str(last), [
            Finding(
                "serious", "dropout behind the last layer", f"The network ends with {last}.",
                "It sets scores to 0 at random, so that the loss cannot fall below what chance leaves.",
                "Put Dropout before the last Dense layer, or leave it out.", f"layer {len(case.model.layers) - 1}",
            )
        ]  # fmt: skip
    name = last.name if isinstance(last, Activation) else ""
    if name not in RANGES or case.loss.link == "probs":
        return name if name else "any number", []
    low, high = RANGES[name]
    place = f"layer {len(case.model.layers) - 1}, {last}"
    span = f"{short(low)} to {short(high)}" if high < np.inf else f"{short(low)} and above"
    seen = f"{name}, {span}"
    if case.loss.link in ("softmax", "sigmoid", "argmax", "exp"):
        return seen, [
            Finding(
                "serious", "an activation in front of the loss",
                f"{case.loss.name} takes scores of any size, and {last} gives {span}.",
                "The network cannot say that a class is unlikely." if low == 0 else "The network can never be sure.",
                "Leave the last activation out: the loss contains its own.", place,
            )
        ]  # fmt: skip
    outside = float(((case.sample.y < low) | (case.sample.y > high)).mean())
    if outside <= 0.01:
        return f"{seen}; so are the targets", []
    return seen, [
        Finding(
            "serious" if outside > 0.05 else "warning", "targets out of the output's range",
            f"{percent(outside)} of the targets, which go from {short(float(case.sample.y.min()))} to "
            f"{short(float(case.sample.y.max()))}, are not in what {name} gives, {span}.",
            "The network can never give these numbers.",
            "Leave the last activation out, or scale the targets to its range.", place,
        )
    ]  # fmt: skip


def _labels(case: Case) -> Array | None:
    """Labels (N,) as integers, of all rows where they are in memory; None where there are none."""
    y = case.sample.labels
    if case.loss.metric != "accuracy" or case.sample.misfit:
        return None
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim == 2 and len(case.model.output_shape) == 1 and case.loss.link in ("softmax", "probs"):
        y = y.argmax(axis=1)
    if y.ndim != 1 or (y.dtype.kind == "f" and not np.isfinite(y).all()):
        return None
    return y.astype(np.intp) if (y == np.round(y)).all() else None


def classes(case: Case) -> Seeing:
    """Outputs that no label names, a single class, and numbers that look like classes."""
    if case.loss.link == "identity" and (found := _one_hot_as_numbers(case)):
        return "one-hot rows", [found]
    if case.loss.link == "identity" and case.model.output_shape == (1,):
        values = np.unique(case.sample.y)
        whole = 2 < len(values) <= CHECKS and (values == np.arange(len(values))).all()
        if not whole or len(case.sample.y) < 10 * len(values):
            return "numbers", []
        return f"{len(values)} whole numbers", [
            Finding(
                "warning", "labels trained as numbers",
                f"y holds only the {len(values)} values 0 to {len(values) - 1}, and {case.loss.name} takes them as "
                "amounts.",
                "If they name classes, the network is told that class 0 is nearer to 1 than to 2.",
                f"Take Dense({len(values)}) as the last layer and the loss softmax_cross_entropy.",
            )
        ]  # fmt: skip
    labels = _labels(case)
    if labels is None:
        return "", []
    K = max(2, case.model.output_shape[-1])
    counts = np.bincount(labels, minlength=K)
    there = np.flatnonzero(counts)
    if len(there) == 1:
        return "one class", [
            Finding(
                "serious", "a single class", f"All {len(labels)} labels are {there[0]}.",
                "The network learns to say that, whatever x is.",
                "Look where y was read; shuffle before you cut rows off.",
            )
        ]  # fmt: skip
    never = np.flatnonzero(counts[:K] == 0)
    if not len(never):
        return f"{len(there)} classes", []
    severity: Severity = "warning" if len(never) >= len(there) else "note"
    return f"{len(there)} of {K} classes occur", [
        Finding(
            severity, "outputs without labels",
            f"Of {K} outputs, {len(never)} never are a label: {names(tuple(int(k) for k in never))}.",
            "The network has outputs that it can only learn to switch off.",
            f"If these classes do not exist, take {int(there.max()) + 1} units in the last layer.",
        )
    ]  # fmt: skip


def _one_hot_as_numbers(case: Case) -> Finding | None:
    """Rows with one 1, or a 0 or 1 for a sigmoid, whose squared error is taken."""
    y, last = case.sample.y, case.model.layers[-1]
    sigmoid = isinstance(last, Activation) and last.name == "sigmoid"
    if y.ndim != 2 or not np.isin(y, (0, 1)).all():
        return None
    if y.shape[1] == 1 and (not sigmoid or len(np.unique(y)) < 2):
        return None
    if y.shape[1] > 1 and not (y.sum(axis=1) == 1).all():
        return None
    first = f"Leave {last} out and take" if sigmoid else "Take"
    flat = "The gradient of a sigmoid's squared error is nearly 0 where the answer is most wrong."
    return Finding(
        "warning", "labels trained as numbers",
        f"Each row of y {'has one 1, and 0 elsewhere' if y.shape[1] > 1 else 'is 0 or 1'}, and {case.loss.name} takes "
        "them as amounts.",
        flat if sigmoid else "The network is punished for answers that are too sure, as it is for wrong ones.",
        f"{first} the loss softmax_cross_entropy, which takes these rows or labels."
        if y.shape[1] > 1
        else f"{first} the loss sigmoid_cross_entropy.",
    )  # fmt: skip


def imbalance(case: Case) -> Seeing:
    """Classes of very different sizes."""
    labels = _labels(case)
    if labels is None:
        return "", []
    counts = np.bincount(labels)
    counts = counts[counts > 0]
    ratio = float(counts.max() / counts.min())
    seen = f"{len(counts)} classes, the commonest {short(ratio)} times the rarest"
    if len(counts) < 2 or ratio <= t.IMBALANCE:
        return seen if len(counts) > 1 else "", []
    share = float(counts.max() / counts.sum())
    weighted = case.loss.settings.get("class_weights") is not None
    return seen, [
        Finding(
            "note" if weighted else "serious" if ratio > t.STRONG_IMBALANCE else "warning", "class imbalance",
            f"The commonest of {len(counts)} classes has {percent(share)} of the rows, the rarest "
            f"{percent(float(counts.min() / counts.sum()))} ({counts.min()} rows).",
            f"Always answering the commonest is right in {percent(share)} of cases, so accuracy says little.",
            "Watch each class by metrics.precision_recall_f1; weigh classes by the loss's class_weights."
            if case.loss.name == "softmax_cross_entropy"
            else "Watch metrics.roc_auc; weigh rows by sample_weights.",
        )
    ]  # fmt: skip
