"""The numbers of what comes after the way back: penalties, clipping, and the optimizer's step on one parameter."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clearprop.arrays import Array
from clearprop.lens.trace.letters import Letters, bracketed, factor, figure, fine
from clearprop.lens.trace.put_in.words import Index, largest

Named = Mapping[str, Array]


def symbol(letters: Mapping[str, str], name: str, at: Index, sign: str = "") -> str:
    """A number of a parameter: `0.w[1,2]`; with a sign before its name, of its gradient."""
    own = letters.get(name, rf"\text{{{name}}}")
    return Letters({"w": sign + own}, bool(letters)).entry("w", *at)


def penalty_lines(
    letters: Mapping[str, str], weights: Named, strength: float, squared: bool, before: Named, after: Named
) -> list[str]:
    """What a penalty adds to the last weights' gradient, where they are largest."""
    name = list(weights)[-1]
    at = largest(weights[name])
    w, g, now = (float(named[name][at]) for named in (weights, before, after))
    more = rf"{figure(strength)} \cdot " + (factor(w) if squared else rf"\text{{sign}}({figure(w)})")
    return [rf"{symbol(letters, name, at, 'd')} \leftarrow {figure(g)} + {more} = {figure(now)}"]


def clip_lines(
    letters: Mapping[str, str], kind: str, limit: float, before: Named, after: Named, norm: float
) -> list[str]:
    """What clipping makes of the largest gradient."""
    name = max(before, key=lambda name: abs(float(before[name][largest(before[name])])))
    at = largest(before[name])
    g, now = float(before[name][at]), float(after[name][at])
    if kind == "value":
        words = rf"\text{{clip}}({figure(g)}, {figure(-limit)}, {figure(limit)})"
    else:
        words = rf"{factor(g)} \cdot \min(1, \frac{{{figure(limit)}}}{{{figure(norm)}}})"
    return [rf"{symbol(letters, name, at, 'd')} \leftarrow {words} = {figure(now)}"]


@dataclass(frozen=True)
class Update:
    """One parameter's number before and after the step, its gradient, and what the optimizer remembers of it."""

    optimizer: Any
    p: float
    g: float
    old: dict[str, float]
    new: dict[str, float]
    decays: bool

    def memory(self) -> list[tuple[str, str, float]]:
        """Each slot's letter, its rule with the numbers, and what it is then."""
        o, g, old, new = self.optimizer, self.g, self.old, self.new
        if o.name == "sgd":
            words = rf"{figure(o.momentum)} \cdot {factor(old.get('velocity', 0))} + {factor(g)}"
            return [("v", words, new["velocity"])] if o.momentum else []
        if o.name == "adagrad":
            return [("h", rf"{fine(old['h'])} + {factor(g)}^2", new["h"])]
        if o.name == "rmsprop":
            return [("v", self._running("v", o.rho, rf"{factor(g)}^2"), new["v"])]
        return [
            ("m", self._running("m", o.beta1, factor(g)), new["m"]),
            ("v", self._running("v", o.beta2, rf"{factor(g)}^2"), new["v"]),
        ]

    def _running(self, slot: str, kept: float, more: str) -> str:
        return rf"{figure(kept)} \cdot {bracketed(fine(self.old[slot]))} + (1 - {figure(kept)}) \cdot {more}"

    def rule(self) -> str:
        """The parameter's own line."""
        o, lr, new = self.optimizer, figure(self.optimizer.lr), self.new
        start = figure(self.p)
        if self.decays:
            start = rf"(1 - {lr} \cdot {figure(o.weight_decay)}) \cdot {factor(self.p)}"
        if o.name == "sgd" and not o.momentum:
            return rf"{start} - {lr} \cdot {factor(self.g)}"
        if o.name == "sgd" and not o.nesterov:
            return rf"{start} - {lr} \cdot {factor(new['velocity'])}"
        if o.name == "sgd":
            ahead = rf"{figure(self.g)} + {figure(o.momentum)} \cdot {factor(new['velocity'])}"
            return rf"{start} - {lr} \cdot ({ahead})"
        over, under = factor(self.g), fine(new["h" if o.name == "adagrad" else "v"])
        if o.name in ("adam", "adamw"):
            k = f"^{{{o.steps}}}" if o.steps > 1 else ""
            over = rf"{bracketed(fine(new['m']))} / (1 - {figure(o.beta1)}{k})"
            under = rf"{under} / (1 - {figure(o.beta2)}{k})"
        return rf"{start} - {lr} \cdot \frac{{{over}}}{{\sqrt{{{under}}} + {figure(o.eps)}}}"


def update_lines(
    optimizer: Any,
    before: Named,
    grads: Named,
    after: Named,
    slots: tuple[Mapping[str, Named], Mapping[str, Named]],
    decaying: set[str],
    letters: Mapping[str, str],
) -> list[str]:
    """One number of each of the last layer's parameters, where its gradient is largest."""
    last = list(before)[-1].rpartition(".")[0]
    lines = []
    for name in (name for name in before if name.rpartition(".")[0] == last):
        at = largest(grads[name])
        old, new = ({slot: float(arrays[name][at]) for slot, arrays in each.items()} for each in slots)
        one = Update(optimizer, float(before[name][at]), float(grads[name][at]), old, new, name in decaying)
        own = symbol(letters, name, at)
        for letter, words, value in one.memory():
            lines.append(rf"{letter}\text{{ of }}{own} \leftarrow {words} = {fine(value)}")
        lines.append(rf"{own} \leftarrow {one.rule()} = {figure(float(after[name][at]))}")
    return lines
