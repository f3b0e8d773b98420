"""The table that says what a network costs before any data exists."""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from clearprop.arrays import Shape, shape_text
from clearprop.layers.base import Layer, leaves_of, multiply_adds
from clearprop.params import Layout

Row = tuple[str, str, str, str]
HEAD: Row = ("layer", "output", "parameters", "multiply-adds")
SIDES = (str.ljust, str.ljust, str.rjust, str.rjust)


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
    batch_size = n if isinstance(n, int) else batch_size
    rows = [("input", shape_text((n, *shapes[0])), "", ""), *summary_rows(layers, shapes, n)]
    total = ("total", "", f"{layout.size:,}", f"{multiply_adds(layers, shapes):,}")
    widths = [max(len(row[c]) for row in (HEAD, *rows, total)) for c in range(4)]
    rule = "  ".join("─" * width for width in widths)

    def line(row: Sequence[str]) -> str:
        return "  ".join(side(cell, w) for side, cell, w in zip(SIDES, row, widths, strict=True)).rstrip()

    size = dtype.itemsize
    inputs = sum(prod(shape) for _, shape in leaves_of(layers, shapes))
    activations = size * batch_size * (inputs + prod(shapes[-1]))
    return "\n".join(
        [
            line(HEAD),
            rule,
            *map(line, rows),
            rule,
            line(total),
            f"memory in {dtype}: parameters and gradients {bytes_text(2 * size * layout.size)},",
            f"activations {bytes_text(activations)} for a batch of {batch_size}",
        ]
    )


def summary_rows(
    layers: Sequence[Layer], shapes: Sequence[Shape], n: int | str, indent: str = "    "
) -> list[Row]:
    """A row for each layer, and below one that holds others a row for each of these."""
    rows = []
    for i, (layer, shape) in enumerate(zip(layers, shapes, strict=False)):
        inside = list(layer.leaves(shape))
        rows.append(_row(f"{i} {layer}", layer, shape, n))
        if inside != [(layer, shape)]:
            rows += [_row(f"{indent}{leaf}", leaf, at, n) for leaf, at in inside]
    return rows


def _row(name: str, layer: Layer, input_shape: Shape, n: int | str) -> Row:
    """A layer's cells: its name, its output's shape, its parameters, its multiply-adds for one example."""
    count = sum(prod(shape) for shape in layer.param_shapes(input_shape).values())
    work = layer.multiply_adds(input_shape)
    output = shape_text((n, *layer.output_shape(input_shape, name)))
    return name, output, f"{count:,}" if count else "", f"{work:,}" if work else ""
