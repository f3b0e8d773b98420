"""A run's pictures: what it confuses, what it gets most wrong, and what its first layer looks for."""

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from clearprop.arrays import Array
from clearprop.layers import Conv2D, Dense
from clearprop.lens.cells import (
    MOST_CLASSES,
    feature_columns,
    plot_confusion,
    plot_worst,
    words_of,
    worst_size,
)
from clearprop.lens.curves import plot_predicted
from clearprop.lens.plots import Predicted, confusion_of, predict_set, worst_examples
from clearprop.lens.style import new_axes, styled
from clearprop.lens.weights import plot_filters, plot_templates
from clearprop.lens.words import percent
from clearprop.model import Sequential
from clearprop.runs.prepare import Prepared, Preprocessing, in_memory
from clearprop.runs.record import Network, Record
from clearprop.runs.report.figure import WIDTH, Figures
from clearprop.runs.report.html import Markup, element, joined, paragraphs, scrolling, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WORST = 12
IN_A_ROW = 3  # images: on a phone the words below them can still be read


def pictures(record: Record, figures: Figures) -> Markup:
    """All there are; where the data are gone, a sentence and what the run has drawn itself."""
    data, network = record.data, record.network
    if isinstance(network, str):
        return paragraphs(f"There is no network to look at. {network}")
    shape = None if record.preprocessing is None else record.preprocessing.image_shape
    drawn = []
    if (axes := first_layer(network.model, shape, _class_names(record.preprocessing))) is not None:
        drawn.append(figures.figure(axes, f"Weights of the first layer {network.state}", paper=True))
    if isinstance(data, str):
        return joined([paragraphs(f"Confusions and worst examples need the data. {data}"), *drawn])
    confused, worst = _of_examples(record, network, data, figures)
    return joined([confused, *drawn, worst])


def _of_examples(record: Record, network: Network, data: Prepared, figures: Figures) -> list[Markup]:
    """What is confused, and the worst: of the test part, or the best there is instead."""
    part = next(name for name in ("test", "validation", "train") if name in data.parts)
    known = data.preprocessing
    shown = in_memory(data.raw[part]).x
    if known.image_shape is not None:
        shown = shown.reshape(len(shown), *known.image_shape)
    found = predict_set(network.model, *in_memory(data.parts[part]), record.loss)._replace(x=shown)
    of = f"of the {part} part" + ("" if record.status == "finished" else f", {network.state}")
    with styled():
        if record.loss.metric == "accuracy":
            first = _confusion(found, of, _class_names(known), figures)
        else:
            first = figures.figure(
                plot_predicted(new_axes(WIDTH, WIDTH), found.y_true, found.y_pred),
                f"Predicted and true numbers {of}",
            )
        return [first, _worst(found, of, known, figures)]


def _confusion(found: Predicted, of: str, names: Sequence[str], figures: Figures) -> Markup:
    """A table, or above 25 classes a picture."""
    counts, names = confusion_of(found, names)
    K = len(counts)
    right, total = int(np.trace(counts)), int(counts.sum())
    caption = f"Confusions {of}: {right:,} of {total:,} right ({100 * right / max(total, 1):.1f} %)"
    if K > MOST_CLASSES:
        return figures.figure(plot_confusion(new_axes(WIDTH, WIDTH), counts, names), caption, paper=True)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    upright = "up" if max(map(len, names)) > 3 and K > 4 else False
    heads = [element("th", element("span", name), scope="col", class_=upright) for name in names]
    rows = [
        element(
            "tr",
            [
                element("th", name, scope="row"),
                *(_share(counts[i, j], shares[i, j], i == j) for j in range(K)),
            ],
        )
        for i, name in enumerate(names)
    ]
    head = element(
        "thead", element("tr", [element("th", "true\u00a0↓ predicted\u00a0→", scope="col"), *heads])
    )
    made = element("table", [head, element("tbody", rows)], class_="confusion")
    scrolls = scrolling(made, caption)
    return element("figure", [scrolls, element("figcaption", caption)])


def _share(count: int, share: float, right: bool) -> Markup:
    """A cell, the darker the larger its share of the row; wrong ones are told by their colour and their place."""
    kind = "right" if right else "wrong"
    look = f"--amount:{share:.2f}"
    return element(
        "td", f"{count:,}" if count else "", class_=kind if count else False, style=look if count else False
    )


def _worst(found: Predicted, of: str, known: Preprocessing, figures: Figures) -> Markup:
    rows = worst_examples(found.losses, found.y_true, found.y_pred, WORST)
    x, true, pred = found.x[rows], found.y_true[rows], found.y_pred[rows]
    sure = None if found.probability is None else found.probability[rows]
    caption = f"The worst of the {len(found.x):,} examples {of}"
    if x.ndim == 4:
        names = _class_names(known)
        axes = new_axes(*worst_size(x, names, columns=IN_A_ROW))
        plot_worst(axes, x, true, pred, sure, names, columns=IN_A_ROW)
        return figures.figure(axes, caption, paper=True)
    return element(
        "figure", [_worst_table(x, true, pred, sure, rows, known, caption), element("figcaption", caption)]
    )


def _worst_table(
    x: Array, true: Array, pred: Array, sure: Array | None, rows: Array, known: Preprocessing, says: str
) -> Markup:
    said_true, said = words_of(true, pred, _class_names(known))
    columns = [("row", [str(row) for row in rows]), ("true", said_true), ("predicted", said)]
    columns += [("probability", [percent(float(p)) for p in sure])] if sure is not None else []
    columns += feature_columns(x, known.feature_names or ())
    body = [[words[n] for _, words in columns] for n in range(len(x))]
    return table([head for head, _ in columns], body, says=says, numbers=3)


def _class_names(known: Preprocessing | None) -> Sequence[str]:
    return () if known is None else known.class_names or ()


def first_layer(
    model: Sequential, image_shape: Sequence[int] | None, class_names: Sequence[str] = ()
) -> "Axes | None":
    """The weights of the first layer that has any, as images, if it looks at images."""
    i, layer = next(((i, layer) for i, layer in enumerate(model.layers) if hasattr(layer, "w")), (0, None))
    shape = model.input_shape if image_shape is None else image_shape
    with styled():
        axes = new_axes(WIDTH, WIDTH)
        if isinstance(layer, Conv2D):
            plot_filters(axes, layer)
        elif isinstance(layer, Dense) and len(shape) in (2, 3) and prod(shape) == len(layer.w):
            last = i == len(model.layers) - 1 and len(class_names) == layer.w.shape[1]
            plot_templates(axes, layer, shape, class_names if last else ())
        else:
            return None
    if axes.images:
        high, wide = axes.images[0].get_size()
        drawn: Any = axes.get_figure()
        drawn.set_size_inches(WIDTH, min(WIDTH * high / wide, 2 * WIDTH) + 0.5)
    return axes
