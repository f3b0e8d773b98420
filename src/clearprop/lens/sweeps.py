"""Pictures of a sweep: every trial's values as a line, and which settings matter."""

from collections.abc import Mapping, Sequence
from math import isfinite, log10
from typing import TYPE_CHECKING, Any, NamedTuple

from clearprop.errors import ConfigError
from clearprop.lens.style import INK, LOOKS, SIGNED, SMALL, bare, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_TICKS = 6
WIDE = 30.0  # the ratio of largest to smallest from which on an axis is one of logarithms
LONGEST = 14  # letters of a tick


class Scale(NamedTuple):
    """A column's places from 0 to 1, and its ticks."""

    places: list[float]
    ticks: list[tuple[float, str]]


def plot_parallel(
    ax: "Axes",
    keys: Sequence[str],
    rows: Sequence[Sequence[Any]],
    values: Sequence[float],
    metric: str,
    *,
    maximize: bool = False,
) -> "Axes":
    """Each trial a line through its values, the colour its metric: dark is worst, bright is best.

    Parameters
    ----------
    ax : Axes
    keys : sequence of str
        The columns.
    rows : sequence of sequences
        A trial's values, in the columns' order. Numbers over more than a decade and a half stand by their logarithms;
        what is no number stands in steps.
    values : sequence of float
        The trials' metric, all finite; the last column.
    metric : str
    maximize : bool
        Whether high values of the metric are good.
    """  # fmt: skip
    if (
        not rows
        or len(rows) != len(values)
        or {len(row) for row in rows} != {len(keys)}
        or not all(map(isfinite, values))
    ):
        raise ConfigError(
            f"plot_parallel: expected rows of {len(keys)} values and as many finite metrics, got {len(rows)} rows and "
            f"the metrics {list(values)[:3]}. Leave out trials without numbers."
        )
    import matplotlib as mpl

    scales = [scale([row[k] for row in rows]) for k in range(len(keys))] + [scale(values)]
    shades, colours = scale(values).places, mpl.colormaps[SIGNED]
    good = [shade if maximize else 1 - shade for shade in shades]
    for i in sorted(range(len(rows)), key=good.__getitem__):  # the best on top
        line = [column.places[i] for column in scales]
        ax.plot(range(len(line)), line, color=colours(good[i]), linewidth=1 + good[i], alpha=0.9)
    bare(ax)
    for k, column in enumerate(scales):
        ax.axvline(k, color=INK, linewidth=0.8)
        for place, text in column.ticks:
            right = k == len(scales) - 1
            ax.annotate(
                text, (k, place), (4 if right else -4, 0), textcoords="offset points", fontsize=SMALL - 1,
                ha="left" if right else "right", va="center", color=INK,
                bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.5},
            )  # fmt: skip
    ax.set_xticks(range(len(scales)), [*keys, metric.replace("_", "\n")])
    ax.tick_params(length=0)
    ax.set(xlim=(-0.45, len(scales) - 0.5), ylim=(-0.06, 1.06))
    return ax


def scale(values: Sequence[Any]) -> Scale:
    """Numbers by their size, or by their logarithm where they are far apart; others in steps, in their order."""
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool) and isfinite(v)]
    if len(numbers) < len(values):
        texts = [str(value) for value in values]
        kinds = list(dict.fromkeys(texts))
        step = {kind: k / max(len(kinds) - 1, 1) for k, kind in enumerate(kinds)}
        return Scale([step[text] for text in texts], [(step[kind], _short(kind)) for kind in kinds])
    low, high = min(numbers), max(numbers)
    by_log = low > 0 and high / low >= WIDE
    low_place, high_place = (log10(low), log10(high)) if by_log else (low, high)

    def place(value: float) -> float:
        at = log10(value) if by_log else value
        return (at - low_place) / (high_place - low_place) if high > low else 0.5

    shown = sorted(set(numbers))
    if len(shown) > MOST_TICKS:
        ends = [low_place + k * (high_place - low_place) / (MOST_TICKS - 1) for k in range(MOST_TICKS)]
        shown = [10**end if by_log else end for end in ends]
    return Scale([place(value) for value in numbers], [(place(value), f"{value:.3g}") for value in shown])


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def plot_importances(ax: "Axes", shares: Mapping[str, float]) -> "Axes":
    """A bar for each setting, the longest on top: its share of what makes trials differ."""
    ordered = sorted(shares.items(), key=lambda item: item[1])
    look = LOOKS["train"]
    bars = ax.barh([key for key, _ in ordered], [share for _, share in ordered], color=look.color, height=0.6)
    ax.bar_label(bars, [f"{100 * share:.0f} %" for _, share in ordered], padding=3, fontsize=SMALL, color=INK)
    ax.set(xlim=(0, 1.12 * max(shares.values(), default=1) or 1), xlabel="share of the explained variance")
    plain(ax).grid(axis="y", visible=False)
    return ax
