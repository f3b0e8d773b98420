"""Matplotlib's figures inside a page: SVG with words as words, in the page's colours, light or dark."""

import re
from io import BytesIO
from itertools import count
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from clearprop.lens.style import styled
from clearprop.runs.report.html import Markup, element

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH, HEIGHT = 5.2, 3.3  # inches: on a phone the words then keep their size
SHARP = 144  # dots per inch of the pictures within
RC: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "clearprop",  # the same run gives the same page
    "font.sans-serif": ["DejaVu Sans", "Verdana"],  # of one width
}
SVG = "http://www.w3.org/2000/svg"
_LINK = "{http://www.w3.org/1999/xlink}href"
_COLOUR = re.compile(r"#([0-9a-f]{6})\b")
_USED = re.compile(r"#([\w.-]+)\)?$")


class Figures:
    """The figures of one page, each with names of its own for its parts."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def figure(self, axes: "Axes", caption: str, *, paper: bool = False) -> Markup:
        """A drawing over its caption; on `paper` it is dark on white on a dark page, too, as pictures must be."""
        look = "paper" if paper else "lines"
        drawn = self.drawing(axes, caption, paper=paper)
        return element("figure", [drawn, element("figcaption", caption)], class_=look)

    def drawing(self, axes: "Axes", says: str, *, paper: bool = False) -> Markup:
        """The figure of `axes` as an SVG element, named for who does not see it.

        Its colours become variables of the page, `var(--c-0072b2, #0072b2)`, which a dark page sets.
        """
        import matplotlib as mpl

        drawn: Any = axes.get_figure()
        for one in drawn.axes:
            one.patch.set_visible(paper)
        file = BytesIO()
        with styled(), mpl.rc_context(RC):
            ground = "white" if paper else "none"
            drawn.savefig(file, format="svg", dpi=SHARP, facecolor=ground, metadata={"Date": None})
        root = ElementTree.fromstring(file.getvalue())
        _bare(root)
        _rename(root, f"f{next(self._numbers)}-")
        if not paper:
            _colour(root)
        width = float(root.attrib.pop("width").removesuffix("pt"))
        root.attrib.pop("height")
        root.attrib |= {"role": "img", "aria-label": says, "style": f"max-width:{width / 9:.1f}rem"}
        ElementTree.register_namespace("", SVG)
        return Markup(ElementTree.tostring(root, encoding="unicode"))


def _bare(root: ElementTree.Element) -> None:
    """Without what describes the file, rules of style, which would hold for the whole page, and empty lines."""
    for parent in list(root.iter()):
        parent.tail = None
        parent.text = (parent.text or "").strip() or None
        for child in list(parent):
            if child.tag.rpartition("}")[2] in ("metadata", "style"):
                parent.remove(child)


def _rename(root: ElementTree.Element, prefix: str) -> None:
    """Keep the ids that are pointed to, each in the page once; links by the name that HTML knows, href."""
    used = set()
    for node in root.iter():
        if _LINK in node.attrib:
            node.set("href", node.attrib.pop(_LINK))
        for key in ("href", "clip-path"):
            if found := _USED.search(node.get(key, "")):
                used.add(found[1])
                node.set(key, node.attrib[key].replace(f"#{found[1]}", f"#{prefix}{found[1]}"))
    for node in root.iter():
        if (name := node.attrib.pop("id", None)) in used:
            node.set("id", f"{prefix}{name}")


def _colour(root: ElementTree.Element) -> None:
    for node in root.iter():
        if "style" in node.attrib:
            node.set("style", _COLOUR.sub(r"var(--c-\1, #\1)", node.attrib["style"]))
