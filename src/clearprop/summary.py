"""The table that says what a network costs before any data exists."""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from clearprop.arrays import Shape, shape_text
from clearprop.layers import Layer
from clearprop.params import Layout


def bytes_text(n: float) -> str:
    """A number of bytes as one reads it.

    >>> bytes_text(814120)
    '795.0 KiB'
    """
    for unit in ("B", "KiB", "MiB", "GiB"):
        if n < 1024 or unit == "GiB":
            break
        n /= 1024
    return f"{n:.0f} {unit}" if unit == "B" else f"{n:.1f} {unit}"


def summary_table(
    layers: Sequence[Layer], shapes: Sequence[Shape], layout: Layout, dtype: np.dtype[Any], batch_size: int
) -> str:
    """Layers with output shape, parameters and multiply-adds; below them what a training step keeps in memory."""
    head = ("layer", "output", "parameters", "multiply-adds")
    rows = [("input", shape_text(("N", *shapes[0])), "", "")]
    for i, layer in enumerate(layers):
        count = sum(prod(shape) for shape in layer.param_shapes(shapes[i]).values())
        work = layer.multiply_adds(shapes[i])
        rows.append(
            (
                f"{i} {layer}",
                shape_text(("N", *shapes[i + 1])),
                f"{count:,}" if count else "",
                f"{work:,}" if work else "",
            )
        )
    work = sum(layer.multiply_adds(shape) for layer, shape in zip(layers, shapes[:-1], strict=True))
    total = ("total", "", f"{layout.size:,}", f"{work:,}")
    widths = [max(len(row[c]) for row in (head, *rows, total)) for c in range(4)]
    rule = "  ".join("─" * width for width in widths)

    def line(row: Sequence[str]) -> str:
        cells = [
            c.ljust(w) if i < 2 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ]
        return "  ".join(cells).rstrip()

    size = dtype.itemsize
    activations = size * batch_size * sum(prod(shape) for shape in shapes)
    return "\n".join(
        [
            line(head),
            rule,
            *map(line, rows),
            rule,
            line(total),
            f"memory in {dtype}: parameters and gradients {bytes_text(2 * size * layout.size)},",
            f"activations {bytes_text(activations)} for a batch of {batch_size}",
        ]
    )
