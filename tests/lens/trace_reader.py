"""Reads the equations with numbers of a trace, as they stand there, and calculates them."""

import math
import re
from collections.abc import Iterator

import numpy as np

from clearprop.lens.document.formula import plain
from clearprop.lens.trace import Trace, TraceStep

SUPER = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
KNOWN = {name: getattr(math, name) for name in ("exp", "log", "sqrt", "tanh", "pi")} | {
    "max": max, "min": min, "arctan": math.atan, "padding": -math.inf, "sign": np.sign, "clip": np.clip,
    "σ": lambda z: 1 / (1 + math.exp(-z)), "Φ": lambda z: 0.5 * (1 + math.erf(z / math.sqrt(2))),
    "φ": lambda z: math.exp(-z * z / 2) / math.sqrt(2 * math.pi), "nan": math.nan, "inf": math.inf, "abs": abs,
}  # fmt: skip
NAMES = {"γ": "gamma", "β": "beta", "bᵤ": "bu", "dγ": "dgamma", "dβ": "dbeta", "dbᵤ": "dbu"}
MORE = re.compile(r"(?:the largest of )?[\d,]+ more(?: products)?: ")
INSIDE = re.compile(r"(inside|forward|backward): ")


def equations(shown: Trace) -> Iterator[tuple[TraceStep, str, list[str]]]:
    """Each equation with numbers: its step, its left side, and its right sides."""
    for step in shown.steps:
        for latex in step.put_in:
            left, *sides = re.split(" = | ← ", plain(latex))
            yield step, left, sides


def array_of(step: TraceStep, name: str) -> np.ndarray:
    """A step's array by its name in plain signs."""
    for quantity in (*step.outputs, *step.inputs):
        if plain(quantity.letter) == name:
            return quantity.value
    raise KeyError(name)


def entry_of(step: TraceStep, words: str) -> float | None:
    """The number that `dw[0,1]` names, if the step has such an array."""
    found = re.fullmatch(r"(\S+?)\[([\d,]*)\]", words)
    if not found:
        return None
    try:
        array = array_of(step, found[1])
    except KeyError:
        return None
    return float(array[tuple(int(i) for i in found[2].split(",") if i)])


def calculate(words: str, step: TraceStep, others: tuple[TraceStep, ...] = ()) -> float:
    """A right side in numbers; the entries of arrays that stand in it are looked up in the step, then in others."""
    words = MORE.sub("", words)
    where = (step, *others)
    if inner := INSIDE.match(words):
        where = tuple(other for other in others if inner[1] == "inside" or other.layer.endswith(inner[1]))
        words = words[inner.end() :]

    def look_up(found: re.Match[str]) -> str:
        values = (entry_of(one, found[0]) for one in where)
        return repr(next(value for value in values if value is not None))

    words = re.sub(r"(?<![\w.])[A-Za-z]\w*\[[\d,]+\]", look_up, words)
    words = re.sub(r"(?<=10)([⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+)", lambda found: f"**{found[0].translate(SUPER)}", words)
    words = re.sub(r"[⁰¹²³⁴⁵⁶⁷⁸⁹]+", lambda found: f"**{found[0].translate(SUPER)}", words)
    words = re.sub(r"√([\d.]+)", r"sqrt(\1)", words).replace("√", "sqrt")
    for sign, word in (("−", "-"), ("·", "*"), ("∞", "inf"), ("π", "pi"), ("²", "**2")):
        words = words.replace(sign, word)
    words = re.sub(r"\|([^|]+)\|", r"abs(\1)", words)
    words = re.sub(r"log ([\d.]+(?:e-?\d+)?)", r"log(\1)", words)
    words = words.replace("[", "int(").replace("]", ")")
    return float(eval(words, {}, KNOWN))


def wrong_sums(shown: Trace, close: float | None = None) -> list[str]:
    """The equations whose sides are not the same, and those whose end is not the number that their left side names.

    `close` is the largest difference allowed, relative to the number; without it, what four decimals leave open.
    """
    wrong = []
    for step, left, sides in equations(shown):
        inside = tuple(
            other for other in shown.steps
            if other.phase == step.phase and other is not step and other.layer.startswith(step.layer)
        )  # fmt: skip
        try:
            values = [calculate(side, step, inside) for side in sides]
        except (SyntaxError, NameError, StopIteration) as error:
            raise AssertionError(f"{step.title}: {left} = {sides} cannot be read") from error
        named = entry_of(step, left)
        if named is not None and step.phase != "update":
            values.append(named)
        line = f"{left} = {' = '.join(sides)}"
        room = 2e-4 * (1 + line.count("·") + line.count("+")) + 0.01 * abs(values[-1])
        if close is not None:
            room = close * max(1e-3, abs(values[-1]))
        if not all(abs(value - values[-1]) <= room for value in values):
            wrong.append(f"{step.title}: {line}")
    return wrong
