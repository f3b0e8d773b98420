"""A diagnosis as text of 80 columns, as Markdown and as HTML."""

from html import escape
from textwrap import wrap

from clearprop.lens.doctor.finding import Diagnosis, Finding

WIDTH = 80
NAMES = 25  # columns for what was looked at
COLOURS = {"serious": "#b2182b", "warning": "#b35806", "note": "#2166ac"}  # told apart by the words, too


def as_text(diagnosis: Diagnosis) -> str:
    """For a terminal, without a newline at the end."""
    parts = ["\n".join(_wrapped(f"Diagnosis of {diagnosis.subject}")), diagnosis.summary]
    parts += [finding_text(finding) for finding in diagnosis.findings]
    if diagnosis.looks:
        lines = [
            line
            for name, seen in diagnosis.looks
            for line in _wrapped(seen, f"  {name:<{NAMES - 2}}".ljust(NAMES + 2), " " * (NAMES + 2))
        ]
        parts.append("\n".join(["Looked at", *lines]))
    return "\n\n".join(parts)


def finding_text(finding: Finding) -> str:
    """A finding's lines: what, where; the evidence; the verdict; the remedy behind an arrow."""
    head = _wrapped(title(finding), f"{finding.severity.upper():<9}", " " * 9)
    body = [*_wrapped(finding.evidence, "  ", "  "), *_wrapped(finding.verdict, "  ", "  ")]
    return "\n".join([*head, *body, *_wrapped(finding.remedy, "  → ", "    ")])


def title(finding: Finding) -> str:
    """The illness and its place.

    >>> title(Finding("note", "dead ReLUs", "", "", "", "layer 1"))
    'Dead ReLUs in layer 1'
    """
    name = finding.name[0].upper() + finding.name[1:]
    return f"{name} in {finding.layer}" if finding.layer else name


def as_markdown(diagnosis: Diagnosis) -> str:
    """With a newline at the end."""
    lines = [f"**Diagnosis of {_plain(diagnosis.subject)}**", "", diagnosis.summary, ""]
    for f in diagnosis.findings:
        lines.append(
            f"- **{f.severity}: {_plain(title(f))}.** {_plain(f.evidence)} {_plain(f.verdict)} *{_plain(f.remedy)}*"
        )
    if diagnosis.looks:
        lines += [""] if diagnosis.findings else []
        lines += ["| looked at | seen |", "|---|---|"]
        lines += [f"| {_plain(name)} | {_plain(seen)} |" for name, seen in diagnosis.looks]
    return "\n".join(lines).rstrip() + "\n"


def as_html(diagnosis: Diagnosis) -> str:
    """A block for a notebook or a page: no script, nothing from outside, light and dark as its surroundings."""
    items = "".join(_item(finding) for finding in diagnosis.findings)
    rows = "".join(
        f'<tr><th scope="row" style="text-align:left;font-weight:normal">{escape(name)}</th>'
        f'<td style="text-align:left">{escape(seen)}</td></tr>'
        for name, seen in diagnosis.looks
    )
    table = f"<details><summary>Looked at</summary><table>{rows}</table></details>" if rows else ""
    return (
        f'<div class="clearprop-diagnosis"><p><strong>Diagnosis of {escape(diagnosis.subject)}</strong><br>'
        f"{escape(diagnosis.summary)}</p>{items}{table}</div>"
    )


def _item(finding: Finding) -> str:
    colour = COLOURS[finding.severity]
    return (
        f'<div style="border-left:4px solid {colour};padding-left:.7em;margin:.7em 0">'
        f'<strong><span style="color:{colour};background:#fff;padding:0 .3em">{finding.severity}</span> '
        f"{escape(title(finding))}</strong><br>{escape(finding.evidence)} {escape(finding.verdict)}<br>"
        f"<em>{escape(finding.remedy)}</em></div>"
    )


def _wrapped(text: str, first: str = "", rest: str = "") -> list[str]:
    lines = wrap(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=True,
        break_on_hyphens=False,
    )
    return lines or [first.rstrip()]


def _plain(text: str) -> str:
    """Without what Markdown would read as a mark."""
    for mark in "\\`*_<[]|":
        text = text.replace(mark, f"\\{mark}")
    return text
