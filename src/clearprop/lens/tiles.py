"""Pictures side by side: many small images as one, or a few in a row."""

from collections.abc import Sequence
from math import ceil, sqrt
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from clearprop.arrays import Array, Shape
from clearprop.lens.style import INK, bare

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Tiles(NamedTuple):
    """Images laid out in rows, and where the corner of each one is."""

    mosaic: Array  # (rows, columns, C), NaN or `ground` between the images
    corners: list[tuple[int, int]]  # top, left


def tile(
    images: Array, columns: int, gap: int = 1, below: int | None = None, ground: float = np.nan
) -> Tiles:
    """One image of all the images (N, H, W, C), so many in a row.

    `gap` pixels lie between neighbours of a row, `below` pixels below each row but where they equal the gap.

    >>> tile(np.ones((3, 2, 2, 1)), columns=2).corners
    [(0, 0), (0, 3), (3, 0)]
    """
    N, H, W, C = images.shape
    under = gap if below is None else below
    rows = ceil(N / columns)
    height = rows * (H + under) - (gap if below is None else 0)
    mosaic = np.full((height, min(columns, N) * (W + gap) - gap, C), ground)
    corners = [(n // columns * (H + under), n % columns * (W + gap)) for n in range(N)]
    for image, (top, left) in zip(images, corners, strict=True):
        mosaic[top : top + H, left : left + W] = image
    return Tiles(mosaic, corners)


def nearly_square(n: int, H: int = 1, W: int = 1) -> int:
    """How many columns n pictures of that size have in a sheet that is a little wider than high, its last row full.

    >>> nearly_square(10), nearly_square(16)
    (5, 4)
    """
    best = max(1, min(n, ceil(sqrt(1.5 * n * H / W))))
    return min(
        range(max(1, best - 2), min(n, best + 2) + 1), key=lambda c: (-n % c, abs(c - best)), default=1
    )


def show(ax: "Axes", image: Array, **look: Any) -> "Axes":
    """An image (H, W, 1) by its shades or (H, W, 3) in its colours, without axes."""
    if image.shape[2] == 3:  # colours have no transparent NaN
        image = np.where(np.isnan(image), 1.0, image)
    ax.imshow(image[..., 0] if image.shape[2] == 1 else image, aspect="equal", **look)
    return bare(ax)


def head(ax: "Axes", words: str) -> "Axes":
    """The line above a picture: what it shows, and what its shades mean."""
    ax.set_title(words, loc="left", fontsize=9.5, color=INK, fontweight="normal")
    return ax


def signed_scale(peak: float) -> str:
    """What the shades of `style.SIGNED` mean, from −peak to peak."""
    return f"dark is −{peak:.2g}, grey 0, bright {peak:.2g}"


def size_text(shape: Sequence[int] | Shape) -> str:
    """28×28, as one says it."""
    return "×".join(str(n) for n in shape)
