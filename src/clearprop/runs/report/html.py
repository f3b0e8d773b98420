"""HTML as strings that know that they are HTML: everything else is escaped where it goes in."""

from collections.abc import Iterable
from html import escape


class Markup(str):
    """HTML that is whole: it goes into other HTML as it is."""

    __slots__ = ()


Content = str | Iterable[str]


def joined(parts: Content) -> Markup:
    """Texts and HTML one after the other.

    >>> joined(["1 < 2", Markup("<br>")])
    '1 &lt; 2<br>'
    """
    parts = [parts] if isinstance(parts, str) else parts
    return Markup("".join(part if isinstance(part, Markup) else escape(part) for part in parts))


def element(name: str, content: Content = (), /, **attributes: str | bool) -> Markup:
    """An element; its attributes' names are Python's: class_ is class, aria_label is aria-label. False leaves one out.

    >>> element("a", "R & D", href="#a", class_="b", hidden=False)
    '<a href="#a" class="b">R &amp; D</a>'
    """
    given = {
        key.strip("_").replace("_", "-"): value for key, value in attributes.items() if value is not False
    }
    words = "".join(
        f" {key}" if value is True else f' {key}="{escape(value)}"' for key, value in given.items()
    )
    return Markup(f"<{name}{words}>{joined(content)}</{name}>")


def heading(level: int, text: str) -> Markup:
    return element(f"h{level}", text)


def paragraphs(*sentences: str) -> Markup:
    """One paragraph each; an empty one is left out."""
    return joined(element("p", sentence) for sentence in sentences if sentence)


def more(title: str, content: Content, *, is_open: bool = False) -> Markup:
    """A long part that opens by its title."""
    return element("details", [element("summary", title), joined(content)], open=is_open)


def table(
    head: Iterable[str], rows: Iterable[Iterable[str]], *, says: str, numbers: int = 0, class_: str = ""
) -> Markup:
    """A table whose rows begin with their heads; on a narrow screen it scrolls by itself.

    `says` names it for who does not see it; from the column `numbers` on, cells stand to the right (0 is never).
    """

    def cells(row: Iterable[str], of: str) -> list[Markup]:
        made = []
        for i, cell in enumerate(row):
            kind = "th" if i == 0 or of == "col" else "td"
            scope = of if kind == "th" else False
            made.append(element(kind, cell, scope=scope, class_="n" if 0 < numbers <= i else False))
        return made

    heads = list(head)
    top = [element("thead", element("tr", cells(heads, "col")))] if heads else []
    body = element("tbody", [element("tr", cells(row, "row")) for row in rows])
    return scrolling(element("table", [*top, body], class_=class_ or False), says)


def scrolling(content: Content, says: str, class_: str = "wide") -> Markup:
    """What may be wider than the screen, with its name; the keyboard reaches it and scrolls it."""
    return element("div", content, class_=class_, role="region", aria_label=says, tabindex="0")


def facts(pairs: Iterable[tuple[str, str]]) -> Markup:
    """Names and values; a value that is empty is left out."""
    return element(
        "dl", [element("div", [element("dt", name), element("dd", value)]) for name, value in pairs if value]
    )


def code(text: str) -> Markup:
    """Text as it is, in a box that scrolls."""
    return element("pre", element("code", text), tabindex="0")
