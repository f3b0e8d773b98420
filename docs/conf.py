"""Sphinx's settings: pages in Markdown, the reference from the docstrings, nothing from the network."""

import re
import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import clearprop

project = "clearprop"
author = "The clearprop developers"
version = release = clearprop.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build"]
default_role = "py:obj"  # `fit` in a docstring links to fit where the reference has it
add_module_names = False

myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say more: shapes
autodoc_preserve_defaults = True
napoleon_google_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["formulas.css"]
html_math_renderer = "mathml"
html_title = f"clearprop {release}"
html_show_copyright = False

MARKUP = re.compile(r"(``.+?``|`.+?`)")
SEVERAL = re.compile(
    r"(\w+(?:, \w+)+)( : .+)?"
)  # "params, grads : array", which napoleon misreads in Attributes


def docstring_as_it_stands(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Stars and bars in a docstring are mathematics, not markup; a kernel's lines stay lines."""
    is_kernel = what == "function" and name.startswith("clearprop.kernels.")
    found = (
        ["..", ""] if what == "property" else []
    )  # or napoleon takes what stands before a colon for a type
    in_doctest = in_attributes = False
    for line in lines:
        in_doctest = line.lstrip().startswith(">>>") or (in_doctest and bool(line.strip()))
        in_attributes = line == "Attributes" or (in_attributes and bool(line.strip()))
        if in_doctest or not line.strip():
            found.append(line)
            continue
        several = SEVERAL.fullmatch(line) if in_attributes else None
        for head in several[1].split(", ") if several else [None]:
            text = line if head is None else head + (several[2] or "")
            parts = MARKUP.split(text)
            parts[::2] = [re.sub(r"([*|])", r"\\\1", part) for part in parts[::2]]
            found.append(("| " if is_kernel else "") + "".join(parts))
    lines[:] = found


def is_left_out(app: Any, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """A tuple's fields have no docstring of their own, and a cache is described by its kernel."""
    is_field = (getattr(obj, "__doc__", "") or "").startswith("Alias for field number")
    return True if is_field or name.endswith("Cache") else None


def as_mathml(self: Any, node: Any) -> None:
    """Formulas as MathML, which browsers draw by themselves: the site needs no network to be read."""
    display = "block" if isinstance(node, nodes.math_block) else "inline"
    self.body.append(convert(node.astext(), display=display))
    raise nodes.SkipNode


def setup(app: Any) -> None:
    app.add_html_math_renderer("mathml", (as_mathml, None), (as_mathml, None))
    app.connect("autodoc-process-docstring", docstring_as_it_stands, priority=400)  # before napoleon
    app.connect("autodoc-skip-member", is_left_out)
