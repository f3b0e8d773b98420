"""What the doctor says: a finding, and the diagnosis that holds them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from clearprop.lens.document import Document, Written

Severity = Literal["serious", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("serious", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or may be.

    Attributes
    ----------
    severity : str
        "serious": the network does not learn, or its results mislead. "warning": it will learn worse than it could.
        "note": worth knowing.
    name : str
        The illness, in a word or two.
    evidence : str
        What was measured, with its numbers.
    verdict : str
        What that means, in a sentence.
    remedy : str
        What to do, in a sentence.
    layer : str
        Where, if it is in one place: "layer 1, Activation('relu')".
    """

    severity: Severity
    name: str
    evidence: str
    verdict: str
    remedy: str
    layer: str = ""


class Look(NamedTuple):
    """One thing that was looked at, and what was seen in a few words."""

    name: str
    seen: str


@dataclass(frozen=True, repr=False)
class Diagnosis(Written):
    """What `diagnose` gives: the findings, most serious first, and all that was looked at.

    Attributes
    ----------
    findings : tuple of Finding
    looks : tuple of Look
    subject : str
        Which network, in which state, on how many rows.

    Examples
    --------
    >>> print(Diagnosis((), (Look("loss", "1.12; ln 3 is 1.10"),), "a network"))
    Diagnosis of a network
    ======================
    <BLANKLINE>
    Nothing serious found.
    <BLANKLINE>
      looked at  seen
      ---------  ------------------
      loss       1.12; ln 3 is 1.10
    """

    findings: tuple[Finding, ...]
    looks: tuple[Look, ...]
    subject: str

    @property
    def ok(self) -> bool:
        """Whether nothing serious was found."""
        return not any(finding.severity == "serious" for finding in self.findings)

    @property
    def summary(self) -> str:
        """How many findings of each kind, in a sentence."""
        counts = [(kind, sum(f.severity == kind for f in self.findings)) for kind in SEVERITIES]
        said = [
            f"{n} {kind}{' finding' if kind == 'serious' else ''}{'s' if n > 1 else ''}"
            for kind, n in counts
            if n
        ]
        if self.ok:
            return "Nothing serious found" + (f"; {' and '.join(said)}." if said else ".")
        return f"{', '.join(said)}."

    def __repr__(self) -> str:
        return f"Diagnosis({self.summary.removesuffix('.')})"

    def document(self) -> Document:
        """The blocks that all the forms are written from."""
        from clearprop.lens.doctor.write import document

        return document(self)

    def _repr_html_(self) -> str:
        return self.document().fragment()

    def __str__(self) -> str:
        return self.text().rstrip()


def gathered(findings: Iterable[Finding]) -> list[Finding]:
    """The same illness in several layers as one finding: as serious as the worst of them, whose evidence it shows."""
    kinds: dict[str, list[Finding]] = {}
    for finding in findings:
        kinds.setdefault(finding.name, []).append(finding)
    return [one for alike in kinds.values() for one in _in_one(alike)]


def _in_one(alike: list[Finding]) -> list[Finding]:
    numbers = list(dict.fromkeys(f.layer.partition(",")[0].removeprefix("layer ") for f in alike))
    if len(numbers) < 2 or "" in numbers:
        return alike
    worst = most_serious_first(alike)[0]
    listed = f"{', '.join(numbers[:-1])} and {numbers[-1]}"
    evidence = f"In {worst.layer}: {worst.evidence} Alike in the other{'s' if len(numbers) > 2 else ''}."
    return [replace(worst, layer=f"layers {listed}", evidence=evidence)]


def most_serious_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Sorted by severity; among equals the order stays, in which causes come before what follows from them."""
    return tuple(sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity)))
