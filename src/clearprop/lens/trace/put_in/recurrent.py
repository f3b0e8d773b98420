"""A recurrent layer's numbers: one unit at one step forward; the last steps and the sums over time backward."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from clearprop.arrays import Array
from clearprop.kernels.elman import ElmanCache
from clearprop.kernels.gru import GRUBeforeCache
from clearprop.kernels.lstm import LSTMCache
from clearprop.kernels.recurrent import steps_back
from clearprop.layers import ACTIVATIONS, Activation, Elman
from clearprop.layers.recurrent import Recurrent
from clearprop.lens.equations import alpha_of
from clearprop.lens.trace.letters import below_one, difference, factor, figure
from clearprop.lens.trace.put_in.activations import FORWARD, slope_words, tanh_inside, value_words
from clearprop.lens.trace.put_in.words import Look, products, total
from clearprop.lens.trace.through_time import gates, states, way_back

OF_STATE = {"tanh": r"\tanh({z})", "sigmoid": r"\sigma({z})", "relu": r"\max({z}, 0)", "identity": "{z}"}


@dataclass(frozen=True)
class Step:
    """A layer's states and gates, and the example, step and unit that are looked at."""

    look: Look
    n: int
    t: int
    j: int

    @cached_property
    def gates(self) -> list[Array]:
        return gates(self.look.call.cache)

    @cached_property
    def before(self) -> Array:
        return states(self.look.call.cache)[0]

    @cached_property
    def after(self) -> Array:
        return states(self.look.call.cache)[1]

    @cached_property
    def back(self) -> dict[str, Array]:
        return way_back(self.look.call, self.look.back.dy)

    @property
    def units(self) -> int:
        return len(self.look.call.cache.u)

    def goes_on(self) -> bool:
        """Whether the step before gets a gradient from this one."""
        layer = self.look.call.layer
        assert isinstance(layer, Recurrent)
        T = self.look.call.x.shape[1]
        return self.t > 0 and dict(steps_back(T, layer.truncate))[self.t]

    def inside(self, gate: int, scale: Array | None = None) -> str:
        """xₜ w + hₜ₋₁ u + b for the unit's column of a gate; `scale` multiplies the state."""
        column, params = gate * self.units + self.j, self.look.params
        numbers, weights = [self.look.call.x[self.n, self.t]], [params["w"][:, column]]
        if self.t:  # the state before the first step is 0
            h = self.before[self.n, self.t]
            numbers.append(h if scale is None else h * scale)
            weights.append(params["u"][:, column])
        return products(np.concatenate(numbers), np.concatenate(weights), float(params["b"][column]))

    def value(self, array: Array, block: int = 0) -> float:
        """The number of (N, T, H) at this place, or of the same unit in another block of H."""
        return float(array[self.n, self.t, block * self.units + self.j])

    def line(self, letter: str, words: str, array: Array, block: int = 0) -> str:
        """`h[0,3,1] = … = 0.5`."""
        at = (self.n, self.t, block * self.units + self.j)
        return self.look.line(letter, at, words, float(array[at]))


def forward(look: Look) -> list[str]:
    """One unit's step: its gates, then its state."""
    at, T = look.at, look.call.x.shape[1]
    step = Step(look, at[0], at[1] if len(at) == 3 else T - 1, at[-1])
    cache = look.call.cache
    if isinstance(cache, ElmanCache):
        return _elman_forward(step)
    if isinstance(cache, LSTMCache):
        return _lstm_forward(step)
    return _gru_forward(step, isinstance(cache, GRUBeforeCache))


def _elman_forward(step: Step) -> list[str]:
    name, h = _activation(step), step.value(step.after)
    if name in OF_STATE:
        return [step.line("h", OF_STATE[name].format(z=step.inside(0)), step.after)]
    z = _argument(step)
    at = ",".join(map(str, (step.n, step.t, step.j)))
    lines = [f"z[{at}] = {step.inside(0)} = {figure(z)}"]
    if name not in FORWARD:
        return lines
    lines += [tanh_inside(z)] if name == "gelu_tanh" else []
    return [*lines, step.line("h", value_words(name, _alpha(name), z, h), step.after)]


def _activation(step: Step) -> str:
    layer = step.look.call.layer
    assert isinstance(layer, Elman)
    return layer.activation


def _alpha(name: str) -> float | None:
    return alpha_of(Activation(name))


def _argument(step: Step) -> float:
    """z, which the layer does not keep."""
    params, j = step.look.params, step.j
    x, h = step.look.call.x[step.n, step.t], step.before[step.n, step.t]
    return float(x @ params["w"][:, j] + h @ params["u"][:, j] + params["b"][j])


def _lstm_forward(step: Step) -> list[str]:
    i, f, g, o, before, after = step.gates
    each = zip("ifgo", (i, f, g, o), ("\\sigma", "\\sigma", "\\tanh", "\\sigma"), strict=True)
    lines = [step.line(letter, f"{of}({step.inside(k)})", gate) for k, (letter, gate, of) in enumerate(each)]
    kept, let_in, new = (factor(step.value(array)) for array in (f, i, g))
    c = rf"{kept} \cdot {factor(step.value(before))} + {let_in} \cdot {new}"
    h = rf"{factor(step.value(o))} \cdot \tanh({figure(step.value(after))})"
    return [*lines, step.line("c", c, after), step.line("h", h, step.after)]


def _gru_forward(step: Step, before: bool) -> list[str]:
    r, z, n, *q = step.gates
    lines = [step.line(letter, rf"\sigma({step.inside(k)})", (r, z)[k]) for k, letter in enumerate("rz")]
    if before:
        inside = step.inside(2, r[step.n, step.t])
    else:
        params, column = step.look.params, 2 * step.units + step.j
        read = products(step.before[step.n, step.t], params["u"][:, column], float(params["bu"][step.j]))
        lines.append(step.line("q", read if step.t else figure(float(params["bu"][step.j])), q[0]))
        own = products(step.look.call.x[step.n, step.t], params["w"][:, column], float(params["b"][column]))
        inside = rf"{own} + {factor(step.value(r))} \cdot {factor(step.value(q[0]))}"
    keep, new, old = below_one(step.value(z)), factor(step.value(n)), factor(step.value(step.before))
    h = rf"(1 - {keep}) \cdot {new} + {keep} \cdot {old}"
    return [*lines, step.line("n", rf"\tanh({inside})", n), step.line("h", h, step.after)]


def backward(look: Look) -> list[str]:
    """The last step, to which nothing comes from later ones; one before it; and the sums over time."""
    at, T = look.at, look.call.x.shape[1]
    last = Step(look, at[0], T - 1, at[-1])
    back = last.back
    lines = [last.line("dh", _from_above(last), back["dh"])]
    step = last
    if T > 1:
        step = replace(last, t=int(np.argmax(np.abs(np.nan_to_num(back["dh"][at[0], :-1, at[-1]])))))
        lines.append(step.line("dh", _arriving(step), back["dh"]))
    cache = look.call.cache
    if isinstance(cache, ElmanCache):
        return [*lines, _elman_back(step), *_sums(step, "dz")]
    if isinstance(cache, LSTMCache):
        return [*lines, *_lstm_back(step), *_sums(step, "dz")]
    return [*lines, *_gru_back(step, isinstance(cache, GRUBeforeCache)), *_sums(step, "da")]


def _from_above(step: Step) -> str:
    """What the layer above sends to a state."""
    dy = step.look.back.dy
    if dy.ndim == 3:
        return step.look.letters.entry("dy", step.n, step.t, step.j)
    last = step.t == step.look.call.x.shape[1] - 1
    return step.look.letters.entry("dy", step.n, step.j) if last else "0"


def _arriving(step: Step) -> str:
    """What comes to a state that is not the last: from the step after it, and from the layer above."""
    later, above = replace(step, t=step.t + 1), _from_above(step)
    if not later.goes_on():
        return above
    words = _through(later)
    return words if above == "0" else f"{words} + {above}"


def _through(step: Step) -> str:
    """What a step sends to the state before it."""
    look, back, H = step.look, step.back, step.units
    cache, u = look.call.cache, look.params["u"][step.j]
    if isinstance(cache, ElmanCache | LSTMCache):
        return products(back["dz"][step.n, step.t], u)
    a = back["da"][step.n, step.t]
    kept = rf"{factor(step.value(back['dh']))} \cdot {factor(step.value(step.gates[1]))}"
    r = step.gates[0][step.n, step.t]
    if isinstance(cache, GRUBeforeCache):
        read = rf"{factor(step.value(back['ds']))} \cdot {factor(float(r[step.j]))}"
        return f"{kept} + {read} + {products(a[: 2 * H], u[: 2 * H])}"
    return f"{kept} + {products(np.concatenate((a[: 2 * H], a[2 * H :] * r)), u)}"


def _elman_back(step: Step) -> str:
    name, back = _activation(step), step.back
    ones = np.ones_like(back["dh"][:, step.t])
    slope = float(ACTIVATIONS[name][1](ones, step.look.call.cache.kept[step.t])[step.n, step.j])
    dh, h = step.value(back["dh"]), step.value(step.after)
    if name in FORWARD:
        words = slope_words(name, _alpha(name), _argument(step), h, dh, slope)
    else:
        words = rf"{factor(dh)} \cdot {factor(slope)}"
    return step.line("dz", words, back["dz"])


def _lstm_back(step: Step) -> list[str]:
    i, f, g, o, before, after = (step.value(array) for array in step.gates)
    back, c = step.back, figure(after)
    dh, dc = factor(step.value(back["dh"])), factor(step.value(back["dc"]))
    words = (
        rf"{dc} \cdot {factor(g)} \cdot {below_one(i)} \cdot (1 - {below_one(i)})",
        rf"{dc} \cdot {factor(before)} \cdot {below_one(f)} \cdot (1 - {below_one(f)})",
        rf"{dc} \cdot {factor(i)} \cdot (1 - {below_one(g)}^2)",
        rf"{dh} \cdot \tanh({c}) \cdot {below_one(o)} \cdot (1 - {below_one(o)})",
    )
    cell = rf"{dh} \cdot {factor(o)} \cdot (1 - \tanh({c})^2)"
    if step.t + 1 < back["dc"].shape[1] and (later := replace(step, t=step.t + 1)).goes_on():
        cell += rf" + {factor(later.value(back['dc']))} \cdot {factor(later.value(later.gates[1]))}"
    return [
        step.line("dc", cell, back["dc"]),
        *(step.line("dz", each, back["dz"], k) for k, each in enumerate(words)),
    ]


def _gru_back(step: Step, before: bool) -> list[str]:
    r, z, n, *q = (step.value(array) for array in step.gates)
    back, H, h = step.back, step.units, step.value(step.before)
    dh = factor(step.value(back["dh"]))
    dan = rf"{dh} \cdot (1 - {below_one(z)}) \cdot (1 - {below_one(n)}^2)"
    daz = rf"{dh} \cdot ({difference(h, n)}) \cdot {below_one(z)} \cdot (1 - {below_one(z)})"
    lines = [step.line("da", dan, back["da"], 2), step.line("da", daz, back["da"], 1)]
    slope = rf"{below_one(r)} \cdot (1 - {below_one(r)})"
    if before:
        a, u = back["da"][step.n, step.t, 2 * H :], step.look.params["u"][step.j, 2 * H :]
        lines.append(step.line("ds", products(a, u), back["ds"]))
        dar = rf"{factor(step.value(back['ds']))} \cdot {factor(h)} \cdot {slope}"
    else:
        dar = rf"{factor(step.value(back['da'], 2))} \cdot {factor(q[0])} \cdot {slope}"
    return [*lines, step.line("da", dar, back["da"])]


def _sums(step: Step, inner: str) -> list[str]:
    """The gradients of the parameters at one of the unit's columns: sums over all steps and examples; and dx."""
    look, x, grads = step.look, step.look.call.x, step.look.back.grads
    inside = step.back[inner]
    column = (inside.shape[2] // step.units - 1) * step.units + step.j  # of the last gate
    each = inside[..., column]
    d = int(np.argmax(np.abs(np.nan_to_num(grads["w"][:, column]))))
    k = int(np.argmax(np.abs(np.nan_to_num(grads["u"][:, column]))))
    read, of_u = step.before[..., k], each
    if inner == "da" and isinstance(look.call.cache, GRUBeforeCache):
        read = read * step.gates[0][..., k]
    elif inner == "da":
        of_u = each * step.gates[0][..., step.j]
    lines = [
        look.line("dw", (d, column), products(x[..., d], each), grads["w"][d, column]),
        look.line("du", (k, column), products(read[:, 1:], of_u[:, 1:]), grads["u"][k, column]),
        look.line("db", (column,), total(each), grads["b"][column]),
    ]
    if "bu" in grads:
        lines.append(look.line("dbu", (step.j,), total(of_u), grads["bu"][step.j]))
    at = (step.n, step.t, d)
    return [*lines, *look.dx_line(at, products(inside[at[:2]], look.params["w"][d]))]
