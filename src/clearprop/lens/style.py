"""How clearprop's pictures look: one set of colours, line styles and letters, legible in print and colour-blind."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from math import ceil
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DPI = 120
INK = "#222222"
SMALL = 9  # points


class Look(NamedTuple):
    """One curve's colour, its shade for what lies behind it, its dashes and its marker."""

    color: str
    shade: str
    dashes: Any
    marker: str


# The colours of M. Okabe and K. Ito, "Color Universal Design" (2008); each with dashes and a marker of its own.
LOOKS = {
    "train": Look("#0072B2", "#a6cbe3", "-", "o"),
    "validation": Look("#D55E00", "#f0bf99", (0, (5, 1.5)), "s"),
    "test": Look("#009E73", "#99d8c7", (0, (1, 1.2)), "^"),
}
OTHERS = (
    Look("#CC79A7", "#ebc9dc", (0, (5, 1.2, 1, 1.2)), "D"),
    Look("#E69F00", "#f5d999", (0, (3, 1, 1, 1, 1, 1)), "v"),
    Look("#56B4E9", "#bbe1f6", (0, (8, 2)), "P"),
    Look("#000000", "#999999", (0, (1, 2.5)), "X"),
)

# For classes, beside the three of the sets and the four above: colours of P. Tol's "muted" scheme (2021).
MORE = (
    Look("#882255", "#cfa6ba", (0, (2, 2)), "<"),
    Look("#999933", "#d6d6ad", (0, (6, 1, 1, 1, 1, 1)), ">"),
    Look("#332288", "#ada7cf", (0, (12, 2)), "*"),
)
SIGNED = "cividis"  # dark, grey, bright: also in a grey print is 0 between its two ends
AMOUNT = "Blues"  # from 0, the paper's white, upwards

RC: Any = {
    "font.size": 10,
    "font.family": ["sans-serif"],
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.labelsize": 10,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "legend.fontsize": SMALL,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "savefig.bbox": None,
    "axes.unicode_minus": True,
    "text.usetex": False,
    "text.parse_math": False,  # a dollar sign in a class name is a dollar sign
    "axes.formatter.useoffset": False,
}


def styled() -> AbstractContextManager[None]:
    """Within it, letters and backgrounds are clearprop's, whatever the user's Matplotlib settings say."""
    import matplotlib as mpl

    return mpl.rc_context(RC)


def new_axes(width: float, height: float) -> "Axes":
    """The only Axes of a new figure of that size, in inches. It belongs to no window and to no pyplot state."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08)  # inches
    axes: Axes = Figure(figsize=(width, height), dpi=DPI, layout=layout).subplots()
    return axes


def look(name: str, others: int = 0) -> Look:
    """A set's look by its name; `others` counts the sets with names of their own."""
    return LOOKS.get(name, OTHERS[others % len(OTHERS)])


def class_look(k: int) -> Look:
    """Class k's colour, shade, dashes and marker. After ten classes colours come again, with the next one's marker."""
    every = (*LOOKS.values(), *OTHERS, *MORE)
    again, k = divmod(k, len(every))
    return every[k]._replace(marker=every[(k + again) % len(every)].marker)


def plain(ax: "Axes") -> "Axes":
    """Two spines and a faint grid behind the curves."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(True, color="#e4e4e4", linewidth=0.7)
    ax.set_axisbelow(True)
    return ax


def bare(ax: "Axes") -> "Axes":
    """No spines, ticks or grid: room for pictures and words."""
    ax.spines[:].set_visible(False)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.grid(False)
    return ax


def say(ax: "Axes", sentence: str) -> "Axes":
    """A sentence in place of a picture."""
    bare(ax)
    ax.text(0.5, 0.5, sentence, transform=ax.transAxes, ha="center", va="center", color=INK)
    return ax


def legend_above(ax: "Axes") -> None:
    """The legend in rows above the Axes, where it covers no curve; in as many columns as the figure has room for."""
    handles, labels = ax.get_legend_handles_labels()
    if handles:
        columns = _legend_columns(ax, labels)
        ax.legend(
            handles, labels, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=columns, frameon=False,
            handlelength=2.6, borderaxespad=0.2, columnspacing=1.6,
        )  # fmt: skip


def _legend_columns(ax: "Axes", labels: Sequence[str]) -> int:
    """At most four; they are filled from top to bottom, and each is as wide as its longest label."""
    room = 1.12 * ax.bbox.width / ax.figure.dpi  # inches; the layout will find a little more
    for columns in range(min(4, len(labels)), 1, -1):
        rows = ceil(len(labels) / columns)
        longest = [max(map(len, labels[first : first + rows])) for first in range(0, len(labels), rows)]
        if sum(0.62 + 0.068 * letters for letters in longest) <= room:
            return columns
    return 1
