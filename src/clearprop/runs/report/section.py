"""A section of the page: a title, a name to link to, and what stands in it."""

from collections.abc import Sequence
from typing import NamedTuple

from clearprop.runs.report.html import Markup, element, heading, joined


class Section(NamedTuple):
    """One part of the page, perhaps with parts of its own."""

    name: str  # its id
    title: str
    body: Markup
    parts: "tuple[Section, ...]" = ()

    def html(self, level: int = 2) -> Markup:
        inside = [part.html(level + 1) for part in self.parts]
        return element(
            "section", [heading(level, self.title), self.body, *inside], id=self.name, class_=f"level{level}"
        )


def contents(sections: Sequence[Section]) -> Markup:
    """The list of the sections, each a link."""
    items = [
        element("li", [element("a", section.title, href=f"#{section.name}"), contents(section.parts)])
        for section in sections
    ]
    return element("ol", joined(items)) if items else Markup("")
