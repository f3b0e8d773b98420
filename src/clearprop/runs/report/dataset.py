"""A run's data in a report: its parts, its classes or targets, its features, and how they were scaled."""

from collections.abc import Sequence

import numpy as np

from clearprop.arrays import Array, shape_text
from clearprop.data import Pair
from clearprop.losses import Loss
from clearprop.runs.figures import figure
from clearprop.runs.prepare import LOOKED_AT, Prepared, in_memory
from clearprop.runs.record import Record
from clearprop.runs.report.html import Markup, element, joined, more, paragraphs, table

MOST = 40  # classes or features that a table lists
SCALES = {
    "none": "The examples are used as they are.",
    "standardize": "Each feature is moved to mean 0 and scaled to deviation 1 by the training part.",
    "channels": "Each channel is moved to mean 0 and scaled to deviation 1 by the training part.",
    "minmax": "Each feature is moved and scaled to 0..1 by the training part.",
}


def dataset(record: Record) -> Markup:
    """What the network learned from."""
    own = record.config.data
    source = f"The data set {own.name}." if own.name else f"From {own.file}."
    data, scaled = record.data, SCALES[own.scale]
    if isinstance(data, str):
        return paragraphs(source, scaled, f"Nothing more is known of them here: {data}")
    held = {name: in_memory(part) for name, part in data.raw.items()}
    on_disk = any(not isinstance(part, Pair) for part in data.raw.values())
    said = (
        f"Of the parts on the disk, the first {LOOKED_AT:,} examples are counted and measured."
        if on_disk
        else ""
    )
    return joined(
        [
            paragraphs(source if own.name else "", data.note, scaled, said),
            element("div", _parts(data, held, record.loss), class_="side"),
            _features(held["train"].x, data.preprocessing.feature_names),
        ]
    )


def _parts(data: Prepared, held: dict[str, Pair], loss: Loss) -> Markup:
    """How many examples each part has, by class, or which numbers are to be predicted."""
    head, rows = ["part", "examples", "shape of x"], []
    for name, part in data.raw.items():
        rows.append([name, f"{len(part.x):,}", shape_text(("N", *part.x.shape[1:]))])
    labels = {name: part.y for name, part in held.items() if _are_labels(part.y, loss)}
    if not labels:
        head += ["targets: mean", "deviation", "least", "most"]
        for row, part in zip(rows, held.values(), strict=True):
            row += _spread(part.y)
        return table(head, rows, says="The parts of the data", numbers=1)
    top = max(int(y.max()) for y in labels.values()) + 1
    names = [*(data.preprocessing.class_names or ())]
    names += [str(k) for k in range(len(names), max(top, len(names)))]
    parts = table(head, rows, says="The parts of the data", numbers=1)
    if len(names) > MOST:
        return joined([parts, paragraphs(f"{len(names):,} classes.")])
    counts = {
        name: np.bincount(y.ravel().astype(np.intp), minlength=len(names)) for name, y in labels.items()
    }
    by_class = [[names[k], *(f"{counts[name][k]:,}" for name in counts)] for k in range(len(names))]
    return joined([parts, table(["class", *counts], by_class, says="Examples of each class", numbers=1)])


def _are_labels(y: Array, loss: Loss) -> bool:
    return (
        loss.metric == "accuracy"
        and (y.dtype.kind in "iub" or bool((y == np.round(y)).all()))
        and y.min() >= 0
    )


def _features(x: Array, names: Sequence[str] | None) -> Markup:
    """Of a table each column as it was measured; of everything else all numbers together."""
    head = ["training part", "mean", "deviation", "least", "most"]
    if x.ndim != 2 or x.shape[1] > MOST:
        return table(head, [["all numbers", *_spread(x)]], says="The numbers in x", numbers=1)
    named = names or [f"x{d}" for d in range(x.shape[1])]
    rows = [[name, *_spread(x[:, d])] for d, name in enumerate(named)]
    shown = table(head, rows, says="The features before scaling", numbers=1)
    return more(f"{len(rows)} features before scaling", shown, is_open=len(rows) <= 8)


def _spread(values: Array) -> list[str]:
    finite = values[np.isfinite(values)].astype(np.float64)
    if not finite.size:
        return ["not finite"] * 4
    return [figure(float(value)) for value in (finite.mean(), finite.std(), finite.min(), finite.max())]
