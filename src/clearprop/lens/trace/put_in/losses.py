"""A loss's numbers: the first example's, at its first place where there are several, and one of its gradient."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from clearprop.arrays import Array
from clearprop.kernels.losses import LARGEST_LOG_RATE
from clearprop.lens.trace.letters import Letters, bracketed, difference, factor, figure, fine, near
from clearprop.lens.trace.put_in.words import Index, largest, mean, over, products, softmax_words, total
from clearprop.losses import Loss, probabilities_from

LABELS = ("labels", "labels or rows")


@dataclass(frozen=True, eq=False)
class LossNumbers:
    """What a loss made of scores and targets."""

    loss: Loss
    scores: Array
    y: Array
    losses: Array  # (N,)
    dscores: Array  # the gradient of their mean, which goes back
    weights: Array | None = None  # (N,), of the examples

    @property
    def mean(self) -> float:
        weighted = self.losses if self.weights is None else self.losses * self.weights
        return float(np.add.reduce(weighted) / len(self.losses))

    @property
    def labelled(self) -> bool:
        """Whether y holds labels, not targets of the scores' shape."""
        return self.loss.targets in LABELS and self.y.ndim < self.scores.ndim

    @property
    def places(self) -> int:
        """At how many places of an example there is a loss of its own: the steps of a sequence, the pixels."""
        return int(np.prod(self.scores.shape[1:-1])) if self.loss.targets in LABELS else 1

    @cached_property
    def targets(self) -> Array:
        """The rows that a cross-entropy compares with: smoothed and weighted, in the scores' shape."""
        settings, K = self.loss.settings, self.scores.shape[-1]
        t = (self.y[..., None] == np.arange(K)) if self.labelled else self.y
        t = t.astype(self.scores.dtype)
        if smoothing := settings.get("label_smoothing"):
            t = t * (1 - smoothing) + smoothing / K
        return (
            t if settings.get("class_weights") is None else t * np.asarray(settings["class_weights"], t.dtype)
        )

    @property
    def own_rows(self) -> bool:
        """Whether the loss has made rows of its own, that are not to be seen in y."""
        return (
            bool(self.loss.settings.get("label_smoothing"))
            or self.loss.settings.get("class_weights") is not None
        )


@dataclass(frozen=True)
class _First:
    """The first example's scores, or those at its first place, and how its numbers are called."""

    numbers: LossNumbers
    letters: Letters

    @property
    def lead(self) -> Index:
        """The index before the output's."""
        return (0,) * (self.numbers.scores.ndim - 1 if self.numbers.loss.targets in LABELS else 1)

    def index(self, k: int) -> Index:
        s = self.numbers.scores
        return (*self.lead, *(int(i) for i in np.unravel_index(k, s.shape[len(self.lead) :])))

    @cached_property
    def s(self) -> Array:
        found: Array = self.numbers.scores[self.lead].ravel().astype(np.float64)
        return found

    @cached_property
    def t(self) -> Array:
        rows = self.numbers.targets if self.numbers.loss.link in ("softmax", "probs") else self.numbers.y
        found: Array = rows[self.lead].ravel().astype(np.float64)
        return found

    @cached_property
    def label(self) -> int:
        return int(self.numbers.y[self.lead])

    @property
    def chosen(self) -> int:
        """The output whose gradient is written out: the label, or where it is largest."""
        if self.numbers.labelled:
            return self.label
        return largest(self.numbers.dscores[self.lead].ravel())[0]

    def gradient(self, k: int, words: str, whole: bool = False) -> str:
        """ds at an output, with the share of the mean; `whole` says that the words need no brackets."""
        shares = [] if self.numbers.weights is None else [rf" \cdot {factor(float(self.numbers.weights[0]))}"]
        if (count := len(self.numbers.losses) * self.numbers.places) > 1:
            shares.append(f" / {count}")
        bracketed = f"({words})" if shares and not whole else words
        at = self.index(k)
        value = self.numbers.dscores[at]
        return self.letters.equality("ds", at, bracketed + "".join(shares), value)

    def loss(self, words: str) -> list[str]:
        """The example's loss; where it is a mean over places, first that of its first place."""
        losses, alone = self.numbers.losses, len(self.numbers.losses) == 1
        first = r"\ell" if alone else r"\ell_{1}" if self.letters.by_hand else r"\ell[0]"
        if self.numbers.places == 1:
            return [rf"{first} = {words} = {figure(losses[0])}"]
        n = self.numbers.places
        rows = self.numbers.y.reshape(-1, *self.numbers.y.shape[self.numbers.scores.ndim - 1 :])[:n]
        each = self.numbers.loss.kernel(self.numbers.scores[0].reshape(n, -1), rows)[0]
        return [
            rf"\ell \text{{ of the first place}} = {words} = {figure(each[0])}",
            rf"{first} = {mean(each)} = {figure(losses[0])}",
        ]


def loss_lines(numbers: LossNumbers, letters: Letters) -> list[str]:
    """Probability, loss, gradient; then the mean over the examples."""
    if not numbers.scores.size:
        return []
    first = _First(numbers, letters)
    lines = _WRITERS[numbers.loss.name](first)
    if len(numbers.losses) == 1:
        return lines
    each = total(numbers.losses) if numbers.weights is None else products(numbers.weights, numbers.losses)
    return [*lines, f"L = {over(each, len(numbers.losses))} = {figure(numbers.mean)}"]


def _cross_entropy(first: _First) -> list[str]:
    """With p = softmax(s), or the network's own probabilities."""
    numbers, k, t = first.numbers, first.chosen, first.t
    softmax = numbers.loss.name == "softmax_cross_entropy"
    p = probabilities_from("softmax", first.s[None])[0] if softmax else first.s
    lines = []

    def rate(m: int) -> str:
        return _rate(p[m], float(np.delete(p, m).sum()) if softmax else max(0.0, 1 - p[m]))

    if softmax:
        lines.append(f"{first.letters.entry('p', *first.index(k))} = {softmax_words(first.s, k)} = {rate(k)}")
    if numbers.own_rows:
        lines.append(f"t[{','.join(map(str, first.index(k)))}] = {_target(first, k)} = {figure(t[k])}")
    some = np.flatnonzero(t)
    if numbers.labelled and not numbers.own_rows:
        words = f"-{_log(rate(k))}" if p[k] else f"-({softmax_words(first.s, k, log=True)})"
    else:
        each = -t[some] * np.log(np.maximum(p[some], 1e-30))
        words = "-(" + total(-each, lambda i: rf"{factor(t[some[i]])} \cdot {_log(rate(some[i]))}") + ")"
    lines += first.loss(words)
    if not softmax:
        return [*lines, first.gradient(k, rf"-\frac{{{figure(t[k])}}}{{{fine(p[k])}}}")]
    weighted = numbers.loss.settings.get("class_weights") is not None
    if not weighted:
        return [*lines, first.gradient(k, _less(p[k], float(np.delete(p, k).sum()), t[k]))]
    return [*lines, first.gradient(k, rf"{bracketed(rate(k))} \cdot {factor(t.sum())} - {factor(t[k])}")]


def _rate(p: float, rest: float) -> str:
    """A probability with the digits that its logarithm needs: close to 1 it is written by the rest."""
    return f"1 - {fine(rest)}" if rest < 1e-3 else near(p, rest)


def _less(p: float, rest: float, t: float) -> str:
    """p - t; next to a target between 0 and 1 with the digits that the difference needs."""
    return f"{_rate(p, rest)} - {factor(t)}" if t in (0, 1) else difference(p, t)


def _log(text: str) -> str:
    return rf"\log({text})" if " " in text or "{" in text else rf"\log {text}"


def _target(first: _First, k: int) -> str:
    """(1 − ε) t + ε / K, times the class's weight."""
    settings, K = first.numbers.loss.settings, len(first.s)
    lead = first.lead
    given = float(first.numbers.y[lead] == k) if first.numbers.labelled else float(first.numbers.y[lead][k])
    words = figure(given)
    if smoothing := settings.get("label_smoothing"):
        words = rf"(1 - {figure(smoothing)}) \cdot {factor(given)} + \frac{{{figure(smoothing)}}}{{{K}}}"
    if (weights := settings.get("class_weights")) is not None:
        words = rf"({words}) \cdot {factor(float(weights[k]))}"
    return words


def _sigmoid(first: _First) -> list[str]:
    p, q, t, k = *(probabilities_from("sigmoid", s) for s in (first.s, -first.s)), first.t, first.chosen
    losses = np.maximum(first.s, 0) - first.s * t + np.log1p(np.exp(-np.abs(first.s)))

    def each(m: int) -> str:
        rest = f"1 - {fine(p[m])}" if q[m] > 0.1 else fine(q[m])
        parts = [rf"{factor(t[m])} \cdot {_log(_rate(p[m], q[m]))}"] if t[m] else []
        parts += [rf"{factor(1 - t[m])} \cdot {_log(rest)}"] if t[m] != 1 else []
        return " + ".join(parts)

    sigmoid = rf"\frac{{1}}{{1 + \exp({figure(-first.s[k])})}}"
    return [
        f"{first.letters.entry('p', *first.index(k))} = {sigmoid} = {_rate(p[k], q[k])}",
        *first.loss(f"-({total(-losses, each)})"),
        first.gradient(k, _less(p[k], q[k], t[k])),
    ]


def _hinge(first: _First) -> list[str]:
    s, label = first.s, first.label
    others = np.delete(np.arange(len(s)), label)
    margins = np.maximum(s[others] - s[label] + 1, 0)
    words = total(margins, lambda i: rf"\max(0, {difference(s[others[i]], s[label])} + 1)")
    k = int(others[np.argmax(margins)]) if len(others) else label
    lines = first.loss(words)
    if len(others):
        lines.append(first.gradient(k, rf"[{figure(margins.max())} > 0]", whole=True))
    wrong = int((margins > 0).sum())
    return [*lines, first.gradient(label, f"-{wrong}", whole=True)]


def _numbers(first: _First) -> list[str]:
    """The losses of numbers: a sum over the outputs."""
    s, t, k, name = first.s, first.t, first.chosen, first.numbers.loss.name
    e = s - t
    if name == "huber":
        return _huber(first, e)
    values = {"squared_error": e * e, "absolute_error": np.abs(e)}[name]
    pattern = {"squared_error": "({e})^2", "absolute_error": r"\lvert {e} \rvert"}[name]
    words = total(values, lambda m: pattern.format(e=difference(s[m], t[m])))
    inside = difference(s[k], t[k])
    slope = rf"2 \cdot ({inside})" if name == "squared_error" else rf"\text{{sign}}({inside})"
    return [*first.loss(words), first.gradient(k, slope, whole=True)]


def _huber(first: _First, e: Array) -> list[str]:
    delta, k = float(first.numbers.loss.settings.get("delta", 1.0)), first.chosen
    c = np.clip(e, -delta, delta)
    words = total(
        c * (e - c / 2),
        lambda m: rf"{factor(c[m])} \cdot ({figure(e[m])} - \frac{{1}}{{2}} \cdot {factor(c[m])})",
    )
    at = ",".join(map(str, first.index(k)))
    return [
        f"e[{at}] = {difference(first.s[k], first.t[k])} = {figure(e[k])}",
        rf"c[{at}] = \text{{clip}}({figure(e[k])}, {figure(-delta)}, {figure(delta)}) = {figure(c[k])}",
        *first.loss(words),
        first.gradient(k, figure(c[k]), whole=True),
    ]


def _poisson(first: _First) -> list[str]:
    s, t, k = first.s, first.t, first.chosen
    top = LARGEST_LOG_RATE

    def rate(m: int) -> str:
        return rf"\exp({figure(min(s[m], top))})"

    def each(m: int) -> str:
        beyond = rf" \cdot (1 + {figure(s[m])} - {figure(top)})" if s[m] > top else ""
        return rf"{rate(m)}{beyond} - {factor(t[m])} \cdot {factor(s[m])}"

    values = np.exp(np.minimum(s, top)) * (1 + np.maximum(s - top, 0)) - t * s
    return [*first.loss(total(values, each)), first.gradient(k, f"{rate(k)} - {factor(t[k])}")]


_WRITERS = {
    "softmax_cross_entropy": _cross_entropy,
    "cross_entropy": _cross_entropy,
    "sigmoid_cross_entropy": _sigmoid,
    "hinge": _hinge,
    "squared_error": _numbers,
    "absolute_error": _numbers,
    "huber": _numbers,
    "poisson": _poisson,
}
