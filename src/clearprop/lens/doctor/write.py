"""A diagnosis as a document: its findings as remarks, what was looked at as a table."""

from clearprop.lens.doctor.finding import Diagnosis, Finding
from clearprop.lens.document import Block, Document, Fold, Paragraph, Remark, Table, literal


def document(diagnosis: Diagnosis) -> Document:
    """The blocks that all the forms are written from."""
    blocks: list[Block] = [Paragraph(diagnosis.summary), *map(remark, diagnosis.findings)]
    if diagnosis.looks:
        rows = tuple((literal(look.name), literal(look.seen)) for look in diagnosis.looks)
        blocks.append(Fold("What was looked at", (Table(("looked at", "seen"), rows),)))
    return Document(f"Diagnosis of {literal(diagnosis.subject)}", tuple(blocks))


def remark(finding: Finding) -> Remark:
    """The illness and its place; evidence, verdict and remedy.

    >>> remark(Finding("note", "dead ReLUs", "3 of 5.", "They rest.", "Go on.", "layer 1")).title
    'Dead ReLUs in layer 1'
    """
    name = finding.name[0].upper() + finding.name[1:]
    title = f"{name} in {finding.layer}" if finding.layer else name
    said = tuple(literal(sentence) for sentence in (finding.evidence, finding.verdict) if sentence)
    return Remark(finding.severity, literal(title), said, literal(finding.remedy))
