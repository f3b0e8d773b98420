"""Reading a page back in the tests: whether its HTML is well formed, what it loads, what it says."""

from html.parser import HTMLParser

VOID = {"meta", "br", "hr", "img", "input", "link"}
LOADING = ("src", "href", "action", "data", "poster", "srcset", "formaction")


class Page(HTMLParser):
    """A page taken apart; what is wrong with it stands in `wrong`."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.ids: list[str] = []
        self.loads: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()
        self.wrong += [f"<{tag}> is never closed" for tag in self.open]
        self.wrong += [f"#{name} twice" for name in {name for name in self.ids if self.ids.count(name) > 1}]
        self.wrong += [f"#{name} leads nowhere" for name in self.links if name not in self.ids]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._take(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._take(tag, attrs)
        if "svg" not in self.open and tag not in VOID:
            self.wrong.append(f"<{tag} /> outside of a drawing")

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}> closes nothing that is open")

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("style", "script"):
            self.loads += [word for word in ("url(", "@import", "http", "fetch") if word in data]
        elif data.strip():
            self.words.append(data.strip())
            if self.tables and {"td", "th"} & set(self.open):
                self.tables[-1][-1][-1] += data

    def _take(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        names = [name for name, _ in attrs]
        self.wrong += [f"<{tag} {name}> twice" for name in set(names) if names.count(name) > 1]
        given = {name: value or "" for name, value in attrs}
        if "id" in given:
            self.ids.append(given["id"])
        for name in LOADING:
            value = given.get(name, "")
            if value.startswith("#"):
                self.links.append(value[1:])
            elif value and not value.startswith("data:image/png;base64,"):
                self.loads.append(value)
        self.wrong += [f"<{tag} {name}> runs a script" for name in names if name.startswith("on")]
        if tag == "img" and not given.get("alt"):
            self.wrong.append("<img> without words for who does not see it")
        if tag == "table":
            self.tables.append([])
        elif tag == "tr" and self.tables:
            self.tables[-1].append([])
        elif tag in ("td", "th") and self.tables:
            self.tables[-1][-1].append("")

    @property
    def text(self) -> str:
        return " ".join(self.words)

    def table(self, head: str) -> list[list[str]]:
        """The first table whose first row begins with this cell."""
        return next(table for table in self.tables if table[0][0] == head)
