"""How activations and gradients are distributed, layer by layer, as training goes on."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from clearprop.arrays import Array
from clearprop.callbacks import Callback
from clearprop.errors import ConfigError
from clearprop.lens.states import as_batch
from clearprop.lens.style import AMOUNT, INK, bare, say
from clearprop.lens.tiles import head
from clearprop.lens.words import percent
from clearprop.model import Sequential
from clearprop.names import check_count, unknown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from clearprop.loop import Training

What = Literal["activations", "gradients"]

LOW, HIGH, PER_DECADE = -12, 4, 8  # of the gradients' bins: powers of ten
WIDTH = 0.1  # where the activations' bins turn from even ones to logarithmic ones
TOP = 1e3  # of the activations' bins
GRADIENT_EDGES: Array = 10.0 ** np.linspace(LOW, HIGH, (HIGH - LOW) * PER_DECADE + 1)
ACTIVATION_EDGES: Array = WIDTH * np.sinh(np.linspace(-1, 1, 161) * np.arcsinh(TOP / WIDTH))
MOST_EXAMPLES = 128
MOST_NUMBERS = 2_000  # of a layer, evenly spaced among all
APART = 0.13  # of a strip's height: nearer to one another, ticks could not be read
RARE = 0.002  # of a layer's numbers: bins that hold fewer are not worth room in the picture


class Histograms(Callback):
    """Record how each layer's output and gradient are distributed, at some steps of a training run.

    Zeros are counted apart, and the bins are fixed: gradients go by their size, 8 bins to a power of ten from
    1e-12 to 1e4; activations from −1000 to 1000, evenly near 0 and by powers of ten away from it. What is beyond
    stands in the first or last bin, what is not finite nowhere. Large layers are sampled.

    Parameters
    ----------
    x : array of shape (N, *input_shape)
        Examples whose activations are recorded, in prediction; of more than 128 some that are evenly spaced.
    every : int
        Steps from one record to the next.
    most : int
        When there are so many records, every other one is dropped and `every` doubles.

    Attributes
    ----------
    steps : list of int
        When was recorded.
    names : list of str
        The layers.
    counts : dict
        "activations" and "gradients" -> list of arrays (layers, bins), one a record: shares of the layer's numbers.
        Layers without parameters have none among the gradients.
    zeros : dict
        In the same way, arrays (layers,): the share that is exactly 0.

    Examples
    --------
    >>> import clearprop as cp
    >>> x, y = np.eye(4), np.arange(4)
    >>> model = cp.Sequential([cp.Dense(8, activation="relu"), cp.Dense(4)], input_shape=(4,))
    >>> seen = Histograms(x, every=5)
    >>> _ = cp.fit(model, x, y, epochs=20, batch_size=4, callbacks=[seen])
    >>> seen.steps, seen.counts["gradients"][0].shape
    ([1, 6, 11, 16], (3, 128))
    """

    def __init__(self, x: Any, every: int = 10, most: int = 100) -> None:
        x = np.asarray(x)
        rows = np.linspace(0, max(len(x) - 1, 0), min(len(x), MOST_EXAMPLES)).astype(int)
        self.x = x[rows]
        self.every = check_count("Histograms", "every", every)
        self.most = check_count("Histograms", "most", most, least=2)
        self._apart = self.every
        self._forget()

    def _forget(self) -> None:
        self.names: list[str] = []
        self.steps: list[int] = []
        self.counts: dict[str, list[Array]] = {"activations": [], "gradients": []}
        self.zeros: dict[str, list[Array]] = {"activations": [], "gradients": []}
        self.every = self._apart

    def on_fit_start(self, training: "Training") -> None:
        self.x = as_batch(training.model, self.x, "Histograms")
        if training.step == 0:
            self._forget()
        self.names = [f"{i} {layer}" for i, layer in enumerate(training.model.layers)]

    def on_step_end(self, training: "Training") -> None:
        if (training.step - 1) % self.every:
            return
        model = training.model
        self.steps.append(training.step)
        self._add("activations", _outputs(model, self.x), ACTIVATION_EDGES)
        self._add("gradients", _gradients(model), GRADIENT_EDGES)
        if len(self.steps) > self.most:
            self.every *= 2
            del self.steps[1::2]
            for record in (*self.counts.values(), *self.zeros.values()):
                del record[1::2]

    def _add(self, what: What, arrays: Sequence[Array], edges: Array) -> None:
        found = [_histogram(values, edges) for values in arrays]
        self.counts[what].append(np.stack([shares for shares, _ in found]))
        self.zeros[what].append(np.array([zero for _, zero in found]))

    def state(self) -> dict[str, Any]:
        kept = {
            f"{what}.{kind}": np.array(record)
            for kind, records in self._records()
            for what, record in records
        }
        return {"every": self.every, "steps": np.array(self.steps, np.int64), **kept}

    def restore(self, state: dict[str, Any]) -> None:
        self.every, self.steps = int(state["every"]), [int(step) for step in state["steps"]]
        for kind, records in self._records():
            for what, record in records:
                record[:] = list(state[f"{what}.{kind}"])

    def _records(self) -> list[tuple[str, list[tuple[str, list[Array]]]]]:
        return [("counts", [*self.counts.items()]), ("zeros", [*self.zeros.items()])]


def _outputs(model: Sequential, x: Array) -> list[Array]:
    """Each layer's output, in prediction."""
    outputs = []
    for layer in model.layers:
        x, _ = layer.forward(x)
        outputs.append(x)
    return outputs


def _gradients(model: Sequential) -> list[Array]:
    """Each layer's part of the gradient; empty for a layer without parameters."""
    parts: list[list[Array]] = [[] for _ in model.layers]
    for name, gradient in model.named_grads().items():
        parts[int(name.partition(".")[0])].append(gradient.ravel())
    return [np.concatenate(own) if own else np.empty(0, model.dtype) for own in parts]


def _histogram(values: Array, edges: Array) -> tuple[Array, float]:
    """The shares of the numbers in each bin, and of those that are exactly 0."""
    flat = values.reshape(-1)
    if flat.size > MOST_NUMBERS:
        flat = flat[np.linspace(0, flat.size - 1, MOST_NUMBERS).astype(int)]
    moving = flat[np.isfinite(flat) & (flat != 0)]
    if edges[0] > 0:
        moving = np.abs(moving)
    bins = np.clip(np.searchsorted(edges, moving, side="right") - 1, 0, len(edges) - 2)
    counts = np.bincount(bins, minlength=len(edges) - 1) / max(flat.size, 1)
    return counts.astype(np.float32), float(np.mean(flat == 0)) if flat.size else 0.0


def plot_histograms(
    ax: "Axes", seen: Histograms, what: What = "gradients", layers: Sequence[int] | None = None
) -> "Axes":
    """A strip for each layer, the first at the top: the training's steps to the right, values upwards.

    The darker, the more of the layer's numbers have that value at that step; the line is their median. All strips
    have the same scale, so that what shrinks or grows from layer to layer, or in time, is seen. Numbers that are
    exactly 0 are left out of it, and their share in the last record is said.

    Parameters
    ----------
    ax : matplotlib Axes
        `histograms_size` says how large it wants to be.
    seen : Histograms
        After a training run.
    what : str
        "gradients", by their size on a logarithmic scale, or "activations".
    layers : sequence of int, optional
        By default those with parameters, or for activations the activation functions and the last layer.

    Raises
    ------
    ConfigError
        If there is no such layer, or `what` is neither.
    """
    who = "plot_histograms"
    if what not in seen.counts:
        raise unknown(who, "histogram", what, seen.counts)
    if not seen.steps:
        return say(ax, "No step was recorded: pass the Histograms to fit in callbacks=[…].")
    chosen = strips(seen, what, layers)
    if not chosen:
        return say(ax, "None of these layers has parameters, so none has a gradient.")
    shares = np.array(seen.counts[what])[:, chosen]  # (records, strips, bins)
    used = np.flatnonzero((shares > RARE).any(axis=(0, 1)))
    if not len(used):
        return say(ax, f"All of the {what} are 0 or not finite.")
    first, last = max(used[0] - 1, 0), min(used[-1] + 2, shares.shape[2])
    _draw_strips(ax, seen, what, chosen, shares[..., first:last], range(first, last))
    scale = "by their size, logarithmic" if what == "gradients" else "logarithmic away from 0"
    return head(ax, f"{what}, {scale}\nthe darker, the more numbers; the line is the median")


def strips(seen: Histograms, what: What, layers: Sequence[int] | None = None) -> list[int]:
    """The layers that are drawn, of those asked for."""
    n = len(seen.names)
    if layers is not None:
        for layer in layers:
            if not -n <= check_count("plot_histograms", "layers", layer, least=-n) < n:
                raise ConfigError(f"plot_histograms: expected layers from 0 to {n - 1}, got {layer}.")
        chosen = [layer % n for layer in layers]
    elif what == "activations":
        words = [name.partition(" ")[2] for name in seen.names]
        chosen = [i for i, word in enumerate(words) if word.startswith("Activation") or i == n - 1]
    else:
        chosen = list(range(n))
    if what == "gradients":
        last = seen.counts[what][-1].sum(axis=1) + seen.zeros[what][-1]
        chosen = [i for i in chosen if last[i] > 0]
    return chosen


def histograms_size(
    seen: Histograms, what: What = "gradients", layers: Sequence[int] | None = None
) -> tuple[float, float]:
    """Width and height in inches of a figure in which `plot_histograms` can be read."""
    return 7.2, 1.25 + 1.15 * max(1, len(strips(seen, what, layers)) if seen.steps else 1)


def _draw_strips(
    ax: "Axes", seen: Histograms, what: What, chosen: Sequence[int], shares: Array, bins: range
) -> None:
    """One strip of height 1 below the other, each with its name above it."""
    S, n, B = shares.shape
    apart = 0.34
    left, right = seen.steps[0] - seen.every / 2, seen.steps[-1] + seen.every / 2
    ticks, words = _ticks(what, bins)
    places: list[float] = []
    for row, layer in enumerate(chosen):
        bottom = -row * (1 + apart)
        own = shares[:, row]
        peaks = own.max(axis=1, keepdims=True)
        ax.imshow(
            (own / np.where(peaks > 0, peaks, 1)).T, extent=(left, right, bottom, bottom + 1), origin="lower",
            aspect="auto", interpolation="nearest", cmap=AMOUNT, vmin=0, vmax=1.25,
        )  # fmt: skip
        ax.plot(
            seen.steps, bottom + _medians(own) / B, color=INK, linewidth=1.2, marker="." if S == 1 else ""
        )
        zero = seen.zeros[what][-1][layer]
        said = seen.names[layer] + (f"   {percent(zero)} are exactly 0" if zero >= 0.005 else "")
        ax.text(left, bottom + 1.03, said, ha="left", va="bottom", fontsize=8.5, color=INK)
        ax.hlines([bottom, bottom + 1], left, right, color="#999999", linewidth=0.6)
        places += [bottom + tick for tick in ticks]
    bare(ax)
    ax.set_yticks(places, words * n)
    ax.tick_params(axis="y", labelsize=8, length=2)
    ax.set_xlim(left, right)
    ax.set_ylim(-(n - 1) * (1 + apart) - 0.03, 1.0 + apart)
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
    ax.set_xlabel("step")


def _medians(shares: Array) -> Array:
    """Each record's median, counted in bins from below; NaN where there is nothing."""
    sums = np.cumsum(shares, axis=1)
    totals = sums[:, -1]
    medians = np.full(len(shares), np.nan)
    for s in np.flatnonzero(totals > 0):
        at = int(np.searchsorted(sums[s], totals[s] / 2))
        before = sums[s, at - 1] if at else 0.0
        medians[s] = at + (totals[s] / 2 - before) / max(shares[s, at], 1e-12)
    return medians


def _ticks(what: What, bins: range) -> tuple[list[float], list[str]]:
    """Where a strip of height 1 has ticks, and what stands at them."""
    if what == "gradients":
        powers = [p for p in range(LOW, HIGH + 1) if bins.start <= (p - LOW) * PER_DECADE <= bins.stop]
        step = max(1, -(-len(powers) // 4))
        marks: Mapping[float, str] = {(p - LOW) * PER_DECADE: f"1e{p}" for p in powers if p % step == 0}
    else:
        values = [0.0] + [sign * 10.0**p for p in (0, 1, 2, 3, -1) for sign in (-1, 1)]
        edges = np.arcsinh(np.array(values) / WIDTH) / np.arcsinh(TOP / WIDTH)
        marks = {
            float(at): f"{value:g}"
            for at, value in zip((edges + 1) / 2 * (len(ACTIVATION_EDGES) - 1), values, strict=True)
            if bins.start <= at <= bins.stop
        }
    kept: dict[float, str] = {}
    for at, word in marks.items():
        place = (at - bins.start) / len(bins)
        if all(abs(place - other) > APART for other in kept):
            kept[place] = word
    return list(kept), list(kept.values())
