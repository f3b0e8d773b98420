"""A document in HTML: one page that needs nothing else, light or dark, for screen, phone and paper."""

from collections.abc import Callable
from html import escape

import numpy as np

from clearprop.lens.document import (
    Block,
    Code,
    Confirmation,
    Document,
    Equation,
    Fold,
    Heading,
    Items,
    Kind,
    Paragraph,
    Picture,
    Remark,
    Table,
    Tensor,
    Value,
    scalar,
    spans,
)
from clearprop.lens.document.formula import plain, plain_rows
from clearprop.lens.document.heat import ABOVE, BELOW, LOST, heat_picture, heat_table, scale_words

SEVERITIES = {"serious": "#b2182b", "warning": "#b35806", "note": "#2166ac"}  # told apart by the words, too
LEFT = ' style="text-align:left"'  # a notebook sets tables to the right


def _rgb(color: str) -> str:
    return " ".join(str(part) for part in bytes.fromhex(color[1:]))


CSS = f"""
:root{{color-scheme:light dark;--ink:#222;--faint:#5f5f5f;--ground:#fff;--line:#d8d8d8;--panel:#f5f6f8;--link:#005a94;
--above:{ABOVE};--below:{BELOW}}}
@media(prefers-color-scheme:dark){{:root{{--ink:#e6e6e6;--faint:#a8a8a8;--ground:#16181c;--line:#3a3d44;--panel:#20232a;
--link:#8cc4f0;--serious:#ff8a95;--warning:#f5a45c;--note:#7db6f0}}}}
*{{box-sizing:border-box}}
body{{margin:0 auto;padding:1rem;max-width:60rem;color:var(--ink);background:var(--ground);
font:16px/1.5 system-ui,"Liberation Sans",Arial,sans-serif}}
h1,h2,h3,p,li{{overflow-wrap:anywhere}}
h1{{font-size:1.5rem;margin:.3rem 0}}h2{{font-size:1.25rem}}h3{{font-size:1.1rem}}
a{{color:var(--link)}}
.m,.eq{{font-family:"STIX Two Math","Cambria Math","DejaVu Serif",serif}}
.eq{{margin:.6rem 0 .6rem 1.2rem;white-space:pre-wrap;overflow-wrap:anywhere;font-size:1.05rem}}
.rows{{display:grid;grid-template-columns:auto 1fr}}.rows span:nth-child(odd){{text-align:right}}
code,pre{{font-family:ui-monospace,"DejaVu Sans Mono",monospace;font-size:.88em}}
pre,.wide{{overflow-x:auto}}
table{{border-collapse:collapse;margin:.6rem 0}}
.wide th,.wide td{{text-align:left;padding:.15rem .9rem .15rem 0;border-bottom:1px solid var(--line)}}
.wide td{{vertical-align:top}}
.remark p{{margin:.2rem 0}}.remark{{break-inside:avoid}}
figure{{margin:.8rem 0;padding:.6rem;background:var(--panel);border-radius:6px;overflow-x:auto;break-inside:avoid}}
figcaption{{margin-bottom:.3rem}}figure p{{margin:.2rem 0;max-width:27rem;color:var(--faint);font-size:.85rem}}
table.cells{{display:inline-table;margin:.2rem .8rem .2rem 0;font-variant-numeric:tabular-nums;font-size:.9rem}}
table.cells caption{{text-align:left;color:var(--faint);font-size:.8rem}}
table.cells td{{padding:.1rem .45rem;text-align:right;border:1px solid var(--line)}}
td.above{{background:rgb({_rgb(ABOVE)}/calc(var(--a)*.5))}}td.below{{background:rgb({_rgb(BELOW)}/calc(var(--a)*.5))}}
td.lost{{background:{LOST};color:#fff}}
img{{image-rendering:pixelated;max-width:100%;height:auto;border:1px solid var(--line);background:var(--ground);
display:block}}
span.above,span.below{{padding:0 .3rem;border-bottom:.35rem solid}}
span.above{{border-color:var(--above)}}span.below{{border-color:var(--below)}}
td,img,span{{-webkit-print-color-adjust:exact;print-color-adjust:exact}}
@media print{{:root{{--ink:#000;--ground:#fff;--panel:#fff;--faint:#333;--line:#bbb}}body{{max-width:none;padding:0}}}}
"""


def html(document: Document) -> str:
    """A whole page."""
    body = "\n".join([f"<h1>{inline(document.title)}</h1>", *map(as_html, document.blocks)])
    return page(document.title, f"<main>\n{body}\n</main>")


def fragment(document: Document) -> str:
    """What a notebook shows, in its own colours."""
    return (
        f"<div><p><strong>{inline(document.title)}</strong></p>{''.join(map(as_html, document.blocks))}</div>"
    )


def page(title: str, body: str, more_css: str = "", script: str = "") -> str:
    """What stands around a page's body; nothing is fetched from anywhere."""
    said = escape("".join(piece if kind != "math" else plain(piece) for kind, piece in spans(title)))
    last = f"<script>{script}</script>\n" if script else ""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{said}</title>\n<style>{CSS}{more_css}</style>\n</head>\n<body>\n{body}\n{last}</body>\n</html>\n"
    )


def inline(sentence: str) -> str:
    """A sentence, with HTML's signs made harmless."""
    written: dict[Kind, Callable[[str], str]] = {
        "text": escape,
        "math": formula,
        "code": lambda piece: f"<code>{escape(piece)}</code>",
    }
    return "".join(written[kind](piece) for kind, piece in spans(sentence))


def formula(latex: str) -> str:
    """A formula in the signs that Unicode has."""
    return f'<span class="m">{escape(plain(latex))}</span>'


def as_html(block: Block) -> str:
    """One block."""
    match block:
        case Heading(title, level):
            return f"<h{level + 1}>{inline(title)}</h{level + 1}>"
        case Paragraph(sentence, lead):
            return f"<p>{f'<b>{escape(lead)}</b> ' if lead else ''}{inline(sentence)}</p>"
        case Confirmation():
            return as_html(block.paragraph())
        case Items(items):
            return f"<ul>{''.join(f'<li>{inline(item)}</li>' for item in items)}</ul>"
        case Equation(latex):
            return _equation(plain_rows(latex))
        case Value(name, value, digits):
            return _tensor(Tensor(name, np.asarray(value), digits=digits))
        case Tensor():
            return _tensor(block)
        case Table(head, rows):
            cells = "".join(f"<th{LEFT}>{inline(cell)}</th>" for cell in head)
            lines = "".join(
                f"<tr>{''.join(f'<td{LEFT}>{inline(cell)}</td>' for cell in row)}</tr>" for row in rows
            )
            return f'<div class="wide"><table><tr>{cells}</tr>{lines}</table></div>'
        case Remark():
            return _remark(block)
        case Fold(title, blocks):
            inside = "".join(map(as_html, blocks))
            return f"<details><summary>{inline(title)}</summary>{inside}</details>"
        case Code(source, output):
            printed = f"<p>prints</p><pre>{escape(output)}</pre>" if output else ""
            return f"<pre>{escape(source)}</pre>{printed}"
        case Picture(drawing, caption):
            return f"<figure><pre>{escape(drawing.text())}</pre><p>{inline(caption)}</p></figure>"


def _equation(rows: list[tuple[str, str]]) -> str:
    """A formula's lines; those that belong together under one another at their marks, whatever the letters' widths."""
    if not any(right for _, right in rows):
        return f'<div class="eq">{escape(rows[0][0])}</div>'
    each = (f"<span>{escape(left)} </span><span>{escape(right)}</span>" for left, right in rows)
    return f'<div class="eq rows">{"".join(each)}</div>'


def _remark(remark: Remark) -> str:
    """With its looks, since it may stand in a notebook; a page's variables may give it other colours."""
    colour = f"var(--{remark.severity},{SEVERITIES[remark.severity]})"
    mark = (
        f'<span style="color:{colour};background:var(--ground,#fff);padding:0 .3em">{remark.severity}</span>'
    )
    seen = f"<p>{' '.join(map(inline, remark.sentences))}</p>" if remark.sentences else ""
    remedy = f"<p>→ <em>{inline(remark.remedy)}</em></p>" if remark.remedy else ""
    return (
        f'<div class="remark" style="border-left:4px solid {colour};padding-left:.7em;margin:.7em 0">'
        f"<p><strong>{mark} {inline(remark.title)}</strong></p>{seen}{remedy}</div>"
    )


def _tensor(tensor: Tensor) -> str:
    """A number on a line, or a figure: cells where all numbers can be written, else an image."""
    if tensor.value.ndim == 0:
        value = plain(scalar(tensor.value.item(), tensor.digits))
        return f'<div class="eq">{escape(plain(tensor.name))} = {value}</div>'
    role = f", {inline(tensor.role)}" if tensor.role else ""
    caption = f"<figcaption>{formula(tensor.name)} {escape(tensor.shape)}{role}</figcaption>"
    if tensor.whole:
        return f"<figure>{caption}{heat_table(tensor)}</figure>"
    image, left_out = heat_picture(tensor)
    words = f"{tensor.statistics()}." + (f" Shown: {left_out}." if left_out else "")
    return f"<figure>{caption}{image}<p>{scale_words(tensor)}; {words.replace('-', '−')}</p></figure>"
