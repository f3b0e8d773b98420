"""How a network shows itself in a notebook, by its picture and the table of its layers; pictures as images there."""

from base64 import b64encode
from html import escape

from clearprop.layers.base import multiply_adds
from clearprop.lens.architecture import draw_model
from clearprop.model import Sequential
from clearprop.summary import HEAD, summary_rows

PAPER = "background-color:#fff;border-radius:8px;padding:8px;margin-bottom:8px"
SIDES = ("left", "left", "right", "right")


def model_html(model: Sequential) -> str:
    """A block of HTML for a notebook: no script, nothing from outside.

    The numbers are those of `model.summary()`, the picture is `draw_model`'s.

    Parameters
    ----------
    model : Sequential

    Examples
    --------
    >>> import clearprop as cp
    >>> model = cp.Sequential([cp.Dense(25, activation="relu"), cp.Dense(3)], input_shape=(4,))
    >>> "203 parameters in float32" in model_html(model)
    True
    """
    rows = [_cells("td", row) for row in summary_rows(model.layers, model.shapes, "N", "\u2003")]
    work = multiply_adds(model.layers, model.shapes)
    said = f"{model.params.size:,} parameters in {model.dtype}, {work:,} multiply-adds for an example"
    return (
        f'<div class="clearprop-model">{image_html(draw_model(model), "The network")}'
        f'<div style="overflow-x:auto"><table><thead>{_cells("th", HEAD)}</thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div><p>{said}</p></div>"
    )


def image_html(svg: str, says: str) -> str:
    """An SVG as an image in HTML, on a sheet of paper: an image knows nothing of a dark notebook around it.

    An SVG that is no image is left out of an untrusted notebook, or its words alone are left.

    >>> image_html("<svg/>", "Nothing").partition(" style")[0]
    '<img src="data:image/svg+xml;base64,PHN2Zy8+" alt="Nothing"'
    """
    source = f"data:image/svg+xml;base64,{b64encode(svg.encode()).decode()}"
    return f'<img src="{source}" alt="{escape(says)}" style="{PAPER}">'


def _cells(kind: str, row: tuple[str, ...]) -> str:
    """A row of the table; how it is aligned is written out, for notebooks align all cells alike."""
    cells = (
        f'<{kind} style="text-align:{side}">{escape(text)}</{kind}>'
        for text, side in zip(row, SIDES, strict=True)
    )
    return f"<tr>{''.join(cells)}</tr>"
