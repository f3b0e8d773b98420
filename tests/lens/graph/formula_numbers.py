"""What a graph's formulas come to: they are read as a person reads them, and computed with NumPy."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

_TOKEN = re.compile(
    r"∂⟨[^⟩]*⟩|[A-Za-zσ]+\d*|\d+(?:\.\d+)?(?:e−?\d+)?|⁻¹|⁻ᵀ|[ᵀ²½¼¾+−⊙⊘/()\[\]>|‖,^Σ]|(?P<else>\S)"
)
FRACTIONS = {"½": 0.5, "¼": 0.25, "¾": 0.75}


def sigmoid(a: Any) -> Any:
    return 1 / (1 + np.exp(-a))


def softmax(a: Any) -> Any:
    powers = np.exp(a)
    return powers / powers.sum(axis=-1, keepdims=True)


def cross_entropy(p: Any, b: Any) -> Any:
    """Of labels in p's form without its last axis, or of rows."""
    rows = b if np.shape(b) == p.shape else np.eye(p.shape[-1])[np.asarray(b, int)]
    return -(rows * np.log(p)).sum(axis=-1)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "exp": np.exp, "log": np.log, "tanh": np.tanh, "σ": sigmoid, "softmax": softmax, "mean": np.mean, "tr": np.trace,
    "relu": lambda a: np.maximum(a, 0), "swish": lambda a: a * sigmoid(a), "CE": cross_entropy,
}  # fmt: skip
AFTER = {
    "ᵀ": lambda a: a.T,
    "²": lambda a: a * a,
    "⁻¹": np.linalg.inv,
    "⁻ᵀ": lambda a: np.linalg.inv(a).T,
}


def times(left: Any, right: Any) -> Any:
    """Side by side: a matrix product, where neither is a number."""
    return left * right if not np.ndim(left) or not np.ndim(right) else left @ right


class Reader:
    """A formula's value; `added` says what Σ adds up, `product` what side by side means."""

    def __init__(
        self,
        formula: str,
        values: Mapping[str, Any],
        added: Callable[[Any], Any] = np.sum,
        product: Callable[[Any, Any], Any] = times,
    ) -> None:
        found = list(_TOKEN.finditer(formula))
        assert not any(token["else"] for token in found), formula
        self.tokens, self.at = [token[0] for token in found], 0
        self.values, self.added, self.product = values, added, product

    def value(self) -> Any:
        found = self.sum()
        assert self.at == len(self.tokens), self.tokens[self.at :]
        return found

    @property
    def next(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, wanted: str = "") -> str:
        token = self.next
        assert not wanted or token == wanted, (token, wanted)
        self.at += 1
        return token

    def sum(self) -> Any:
        found = -self.term() if self.next == "−" and self.take() else self.term()
        while self.next in ("+", "−"):
            found = found + self.term() if self.take() == "+" else found - self.term()
        return found

    def term(self) -> Any:
        """Side by side binds closer than a sign; Σ reaches to the end of its term."""
        if self.next == "Σ" and self.take():
            return self.added(-self.term() if self.next == "−" and self.take() else self.term())
        found = self.side_by_side()
        while self.next in ("⊙", "⊘", "/"):
            sign = self.take()
            right = self.term() if self.next == "Σ" else self.side_by_side()
            found = found * right if sign == "⊙" else found / right
        return found

    def side_by_side(self) -> Any:
        found = self.raised()
        while self.next and self.next not in "+−⊙⊘/)]>|‖,":
            found = self.product(found, self.raised())
        return found

    def raised(self) -> Any:
        found = self.one()
        while self.next in AFTER or self.next == "^":
            if (sign := self.take()) == "^":
                minus = self.next == "−" and self.take()
                found = found ** (-self.number() if minus else self.number())
            else:
                found = AFTER[sign](found)
        return found

    def number(self) -> float:
        token = self.take()
        return FRACTIONS[token] if token in FRACTIONS else float(token.replace("−", "-"))

    def one(self) -> Any:
        token = self.next
        if token[0].isdigit() or token in FRACTIONS:
            return self.number()
        self.take()
        if token == "(":
            return self.until(")")
        if token == "[":
            left = self.sum()
            self.take(">")
            return np.asarray(left > self.until("]"), float)
        if token == "‖":
            return np.linalg.norm(self.until("‖"))
        if token == "onehot":
            self.take("(")
            labels = np.asarray(self.until(")"), int)
            return np.eye(self.values["classes"])[labels]
        if token in FUNCTIONS:
            return self.applied(FUNCTIONS[token])
        return self.values[token]

    def applied(self, function: Callable[..., Any]) -> Any:
        if self.take() == "|":
            return function(abs(np.linalg.det(self.until("|"))))
        given = [self.sum()]
        while self.next == "," and self.take():
            given.append(self.sum())
        self.take(")")
        return function(*given)

    def until(self, end: str) -> Any:
        found = self.sum()
        self.take(end)
        return found
