"""The learning-rate range test: which rates a network learns at, found on a copy of it in a few dozen steps."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from itertools import chain, islice, repeat
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from clearprop.arrays import Array
from clearprop.batches import epoch_order, take
from clearprop.errors import ConfigError
from clearprop.evaluation import prepare_set
from clearprop.lens.style import INK, legend_above, look, plain, say
from clearprop.loop import backpropagate
from clearprop.losses import Loss, make_loss
from clearprop.messages.calls import in_a_sentence
from clearprop.model import Sequential
from clearprop.names import check_count, check_number
from clearprop.optim import AdamW, clip_norm, make_optimizer
from clearprop.optimizer import Optimizer

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WORSE = 3.0  # a loss that has risen above its best by so many times that best has diverged
LATELY = 5  # steps, over whose mean a loss is said to have diverged
FALL = 0.05  # of the loss at the beginning: a fall that is smaller may be noise


class RateRange(NamedTuple):
    """What a range test has seen; one row a step, the loss being that of the batch before it."""

    rates: Array  # (S,)
    losses: Array  # (S,), smoothed
    raw: Array  # (S,), as they were
    suggested: float | None  # where the smoothed loss falls fastest; None if it hardly falls
    lowest: float  # the rate at which the smoothed loss is smallest: a higher one does harm
    diverged: float | None  # the rate at which the test stopped; None if it came to its end


@in_a_sentence
def lr_range_test(
    model: Sequential,
    x: Any,
    y: Any,
    *,
    loss: "str | Mapping[str, Any] | Loss" = "softmax_cross_entropy",
    optimizer: "str | Mapping[str, Any] | Optimizer" = "sgd",
    low: float = 1e-6,
    high: float = 10.0,
    steps: int = 100,
    batch_size: int = 32,
    clip_norm: float | None = None,
    seed: int = 0,
) -> RateRange:
    """Train a copy of the network at rates that grow from step to step, until its loss diverges.

    Smith (2017), "Cyclical learning rates for training neural networks", with rates that grow exponentially.
    Neither the network nor the optimizer that is given changes, nor anything that they draw at random.

    Parameters
    ----------
    model : Sequential
        Best as it will be when training begins.
    x, y : arrays of shape (N, *input_shape) and (N,), or RowSource
        As for `fit`; x is visited as often as the steps need.
    loss, optimizer : as for `fit`
        The optimizer's own learning rate and what it remembers are left aside.
    low, high : float
        The first rate and the last.
    steps : int
        How many, if nothing diverges.
    batch_size : int
    clip_norm : float, optional
        As in the training that is to follow.
    seed : int
        Seeds the order of the examples.

    Returns
    -------
    RateRange

    Raises
    ------
    ShapeError, DataError, ConfigError
        If x, y or a setting does not fit.

    Examples
    --------
    >>> import clearprop as cp
    >>> x = np.random.default_rng(0).normal(size=(200, 2)); y = (x[:, 0] > 0).astype(int)
    >>> model = cp.Sequential([cp.Dense(8, activation="relu"), cp.Dense(2)], input_shape=(2,))
    >>> found = lr_range_test(model, x, y, low=1e-3, high=100.0, steps=60)
    >>> 0.01 < found.suggested < found.lowest
    True
    """
    who = "lr_range_test"
    low, high = (
        check_number(who, name, value, "to be a finite number > 0", lambda v: v > 0)
        for name, value in (("low", low), ("high", high))
    )
    if low >= high:
        raise ConfigError(f"{who}: expected low < high, got low={low:g} and high={high:g}. Exchange them.")
    steps, size = check_count(who, "steps", steps, least=2), check_count(who, "batch_size", batch_size)
    if clip_norm is not None:
        check_number(who, "clip_norm", clip_norm, "> 0", lambda v: v > 0)
    loss = make_loss(loss)
    x, y = prepare_set(model, loss, x, y, who)
    rng, size = np.random.default_rng(check_count(who, "seed", seed, least=0)), min(size, len(x))
    epochs = (epoch_order(x, size, rng, drop_last=True) for _ in repeat(None))
    batches = ((take(x, rows), take(y, rows)) for rows in islice(chain.from_iterable(epochs), steps))
    rates = np.geomspace(low, high, steps)
    twin, own = model.copy(), anew(make_optimizer(optimizer))
    if isinstance(own, AdamW):
        own.decay_spans = twin.weight_spans()
    with np.errstate(all="ignore"):
        raw = np.array(list(_losses(twin, loss, own, rates, batches, clip_norm)))
    finite = raw[np.isfinite(raw)]
    return _judged(rates, raw, _smooth(finite)) if len(finite) else RateRange(
        rates[:1], raw[:1], raw[:1], None, float(rates[0]), float(rates[0])
    )  # fmt: skip


def anew(optimizer: Optimizer) -> Optimizer:
    """A copy before its first step, without a schedule."""
    made = deepcopy(optimizer)
    made.schedule, made.slots, made.steps = None, {}, 0
    return made


def _losses(
    twin: Sequential,
    loss: Loss,
    optimizer: Optimizer,
    rates: Array,
    batches: Iterator[tuple[Array, Array]],
    max_norm: float | None,
) -> Iterator[float]:
    """Each batch's loss, then a step at the next rate, as long as the loss has not diverged."""
    seen: list[float] = []
    best = np.inf
    for rate, (x, y) in zip(rates, batches, strict=True):
        losses, _ = backpropagate(twin, loss, x, y, 1 / len(x))
        seen.append(float(losses.mean()))
        yield seen[-1]
        lately = sum(seen[-LATELY:]) / len(seen[-LATELY:])
        best = min(best, lately)
        if not isfinite(lately) or lately > best + WORSE * max(abs(best), 0.1 * abs(seen[0])):
            return
        if max_norm is not None:
            clip_norm(twin.grads, max_norm)
        optimizer.lr = float(rate)
        optimizer.step(twin.params, twin.grads)


def _smooth(raw: Array) -> Array:
    """Weighted means with the neighbours to both sides, so that nothing moves to a higher rate."""
    half = max(1, min(len(raw) // 15, 6))
    weights = 1.0 + half - np.abs(np.arange(-half, half + 1))
    over = np.convolve(np.ones(len(raw)), weights)[half:-half]
    smooth: Array = np.convolve(raw, weights)[half:-half] / over
    return smooth


def _judged(rates: Array, raw: Array, losses: Array) -> RateRange:
    """The rates that the losses speak for. A last loss that is not finite is left out."""
    stopped = float(rates[len(raw) - 1]) if len(raw) < len(rates) or len(losses) < len(raw) else None
    n = len(losses)
    rates, raw = rates[:n], raw[:n]
    lowest = int(losses.argmin())
    start = float(np.median(losses[: max(1, n // 10)]))
    suggested = None
    if lowest > 0 and start - losses[lowest] > FALL * abs(start):
        slopes = np.gradient(losses, np.log(rates))
        suggested = float(rates[int(slopes[: lowest + 1].argmin())])
    return RateRange(rates, losses, raw, suggested, float(rates[lowest]), stopped)


def plot_lr_range(ax: "Axes", found: RateRange) -> "Axes":
    """The losses of a range test over the rates, with the suggested rate and the one from which on it does harm.

    Parameters
    ----------
    ax : matplotlib Axes
    found : RateRange

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> rates, losses = np.geomspace(1e-4, 1.0, 5), np.array([2.3, 2.2, 1.5, 1.2, 3.0])
    >>> ax = plot_lr_range(Figure().subplots(), RateRange(rates, losses, losses, 0.01, 0.1, None))
    >>> ax.get_xscale(), [text.get_text() for text in ax.get_legend().get_texts()][-1]
    ('log', 'suggested: 0.01')
    """
    from matplotlib.ticker import FuncFormatter

    if not np.isfinite(found.losses).all():
        return say(ax, "The loss was not finite before the first step.")
    train, test = look("train"), look("test")
    ax.plot(found.rates, found.raw, color=train.shade, linewidth=1.0, label="loss of each batch")
    ax.plot(found.rates, found.losses, color=train.color, linewidth=1.8, label="smoothed")
    ax.axvline(
        found.lowest, color=INK, linestyle=(0, (1, 2)), linewidth=1.2, label=f"lowest: {found.lowest:.2g}"
    )
    if found.suggested is not None:
        at = float(np.interp(np.log(found.suggested), np.log(found.rates), found.losses))
        ax.plot(
            [found.suggested], [at], test.marker, color=test.color, markersize=9, linestyle="none",
            label=f"suggested: {found.suggested:.2g}",
        )  # fmt: skip
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter(FuncFormatter(lambda rate, _: f"{rate:g}"))
    low, high = float(found.losses.min()), float(np.median(found.losses[: max(1, len(found.losses) // 10)]))
    room = max(high - low, 0.05 * abs(high), 1e-12)
    ax.set_ylim(low - 0.25 * room, high + 0.8 * room)  # a loss that leaps would flatten all that came before
    ending = "the loss hardly falls" if found.suggested is None else ""
    if found.diverged is not None:
        ending = f"{ending + '; ' if ending else ''}diverged at {found.diverged:.2g}"
    ax.set_xlabel("learning rate (logarithmic)" + (f"; {ending}" if ending else ""))
    ax.set_ylabel("loss")
    legend_above(ax)
    return plain(ax)
