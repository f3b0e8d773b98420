"""Arrays as heat maps in HTML: below 0 blue, above orange, 0 without colour; so a page may be light or dark."""

import struct
import zlib
from base64 import b64encode
from html import escape
from math import ceil, isqrt

import numpy as np

from clearprop.arrays import Array
from clearprop.lens.document import Tensor, number, numbers
from clearprop.lens.document.tensor import short, tiles
from clearprop.lens.style import LOOKS

PIXELS = 8192  # of one array at most
WIDE = 64  # a longer row is broken
ACROSS = 10  # cells of a table
LEVELS = 60  # on either side of 0
PICTURE = 420  # pixels of the screen
BELOW, ABOVE, LOST = LOOKS["train"].color, LOOKS["validation"].color, "#CC00CC"


def heat_table(tensor: Tensor) -> str:
    """The numbers in cells, each as strong in colour as it is large."""
    top = _top(tensor.value)
    scale = tensor.scale()
    factor = f'<p class="scale">10<sup>{scale}</sup> times</p>' if scale else ""
    tables = []
    for part in tensor.parts(ACROSS):
        words = numbers(tensor.scaled(part.rows), tensor.digits)
        lines = "".join(
            f"<tr>{''.join(_cell(v, w, top) for v, w in zip(row, cells, strict=True))}</tr>"
            for row, cells in zip(part.rows, words, strict=True)
        )
        title = f"<caption>{escape(part.where)}</caption>" if part.where else ""
        tables.append(f'<table class="cells">{title}{lines}</table>')
    return factor + "".join(tables)


def heat_picture(tensor: Tensor) -> tuple[str, str]:
    """An image of it, and a sentence on what can be seen."""
    planes, left_out = tiles(tensor, PIXELS)
    if len(planes) == 1 and planes.shape[1] == 1 and planes.shape[2] > WIDE:
        row = planes.reshape(-1)
        padded = np.full(ceil(row.size / WIDE) * WIDE, np.nan)
        padded[: row.size] = row
        planes = padded.reshape(1, -1, WIDE)
        left_out = ", ".join(filter(None, [f"in rows of {WIDE}", left_out]))
        blank = np.arange(padded.size).reshape(planes.shape) >= row.size
    else:
        blank = np.zeros(planes.shape, bool)
    mosaic = _mosaic(planes, blank, _top(tensor.value))
    height, width = mosaic.shape
    zoom = max(1, min(12, PICTURE // max(width, height)))
    source = b64encode(png(mosaic)).decode()
    alt = escape(f"{tensor.name} {tensor.shape}: {tensor.statistics()}", quote=True)
    image = f'<img src="data:image/png;base64,{source}" width="{width * zoom}" height="{height * zoom}" alt="{alt}">'
    return image, left_out


def scale_words(tensor: Tensor) -> str:
    """What the strongest colours stand for."""
    top = short(_top(tensor.value))
    return f'<span class="below">−{top}</span> to <span class="above">{top}</span>'


def png(levels: Array) -> bytes:
    """A PNG of numbers from −LEVELS to LEVELS, and LEVELS + 1 for what is not finite: its own palette, 0 clear."""
    height, width = levels.shape
    palette, alpha = bytearray(), bytearray()
    for level in range(-LEVELS, LEVELS + 2):
        color = LOST if level > LEVELS else ABOVE if level > 0 else BELOW
        palette += bytes.fromhex(color[1:])
        alpha.append(255 if level > LEVELS else round(255 * abs(level) / LEVELS))
    rows = (levels + LEVELS).astype(np.uint8)
    raw = np.concatenate([np.zeros((height, 1), np.uint8), rows], axis=1).tobytes()
    header = struct.pack(">2I5B", width, height, 8, 3, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"PLTE", bytes(palette)), (b"tRNS", bytes(alpha))]
    chunks += [(b"IDAT", zlib.compress(raw, 9)), (b"IEND", b"")]
    packed = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def _mosaic(planes: Array, blank: Array, top: float) -> Array:
    """Levels, the planes in a square of as many columns as rows, with a line of nothing between them."""
    with np.errstate(invalid="ignore"):
        levels = np.rint(planes / (top or 1) * LEVELS)
    levels = np.where(np.isfinite(levels), levels, LEVELS + 1)
    levels[blank] = 0
    count, height, width = levels.shape
    across = min(count, max(1, isqrt(count * height // max(1, width) or 1) or 1, ceil(count**0.5)))
    down = ceil(count / across)
    mosaic = np.zeros((down * (height + 1) - 1, across * (width + 1) - 1))
    for k, plane in enumerate(levels):
        i, j = divmod(k, across)
        mosaic[i * (height + 1) : i * (height + 1) + height, j * (width + 1) : j * (width + 1) + width] = (
            plane
        )
    return mosaic


def _top(value: Array) -> float:
    flat = np.abs(value.astype(np.float64))
    return float(flat[np.isfinite(flat)].max(initial=0))


def _cell(value: float, word: str, top: float) -> str:
    if not np.isfinite(value):
        return f'<td class="lost">{number(float(value))}</td>'
    share = abs(float(value)) / top if top else 0.0
    word = word.replace("-", "−")
    kind = "above" if value > 0 else "below"
    return f'<td class="{kind}" style="--a:{share:.2f}">{word}</td>' if share >= 0.005 else f"<td>{word}</td>"
