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
    layers: Sequence[Layer],
    shapes: Sequence[Shape],
    layout: Layout,
    dtype: np.dtype[Any],
    n: int | str = "N",
    batch_size: int = 1,
) -> str:
    """Layers with output shape, parameters and multiply-adds; below them what a training step keeps in memory."""
    head = ("layer", "output", "parameters", "multiply-adds")
    batch_size = n if isinstance(n, int) else batch_size
    rows = [("input", shape_text((n, *shapes[0])), "", "")]
    leaves = []
    for i, (layer, shape) in enumerate(zip(layers, shapes[:-1], strict=True)):
        inside = list(layer.leaves(shape))
        leaves += inside
        rows.append(summary_row(f"{i} {layer}", layer, shape, n))
        if inside != [(layer, shape)]:
            rows += [summary_row(f"    {leaf}", leaf, at, n) for leaf, at in inside]
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
    activations = size * batch_size * (sum(prod(shape) for _, shape in leaves) + prod(shapes[-1]))
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


def summary_row(name: str, layer: Layer, input_shape: Shape, n: int | str) -> tuple[str, str, str, str]:
    """A layer's cells: its name, its output's shape, its parameters, its multiply-adds for one example."""
    count = sum(prod(shape) for shape in layer.param_shapes(input_shape).values())
    work = layer.multiply_adds(input_shape)
    output = shape_text((n, *layer.output_shape(input_shape, name)))
    return name, output, f"{count:,}" if count else "", f"{work:,}" if work else ""
