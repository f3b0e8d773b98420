"""The page of a trace: all of it is there without a script and without the network, small enough, its colours true."""

import io
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from browser import needs_a_browser, seen

import clearprop as cp
from clearprop.lens.document import Document, Equation, Paragraph, Table, Tensor, Value
from clearprop.lens.document.heat import ABOVE, BELOW, LEVELS, LOST, heat_table, png
from clearprop.lens.document.tensor import tiles
from clearprop.lens.trace import Trace, trace

EMPTY = {"meta", "img", "br", "link", "input", "hr"}


class Reader(HTMLParser):
    """Checks that every element is closed, and keeps identifiers, links, images and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.words = ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids += [str(found["id"])] if "id" in found else []
        self.links += [str(found["href"])] if "href" in found else []
        self.images += [found] if tag == "img" else []
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.words += data


@pytest.fixture(scope="module")
def small() -> Trace:
    model = cp.Sequential([cp.Dense(3, activation="tanh"), cp.Dense(2)], (4,), dtype="float64")
    return trace(model, np.arange(8.0).reshape(2, 4) / 8, [0, 1])


@pytest.fixture(scope="module")
def large() -> str:
    """The page of a CNN with 20 layers with weights."""
    layers: list[cp.Layer] = []
    for filters in (32, 64, 128):
        for _ in range(6):
            layers += [cp.Conv2D(filters, 3, padding="same"), cp.BatchNorm(), cp.Activation("relu")]
        layers.append(cp.MaxPool2D(2))
    layers += [cp.Flatten(), cp.Dense(100, activation="relu"), cp.Dense(10)]
    model = cp.Sequential(layers, (32, 32, 3))
    x = np.random.default_rng(0).normal(size=(2, 32, 32, 3))
    return trace(model, x, [3, 5], optimizer="adam", l2=1e-4, clip_norm=1.0).html()


def test_every_step_is_on_the_page(small: Trace) -> None:
    page = small.html()
    read = Reader(page)
    assert [name for name in read.ids if name.startswith("step-")] == [
        f"step-{k}" for k in range(len(small.steps))
    ]
    for step in small.steps:
        assert step.title in read.words
    for words in ("y = x w + b", "dw = xᵀ dy", "p = softmax(s)", "p ← p − η dp", "With numbers put in:"):
        assert words in read.words
    assert set(read.links) <= {f"#{name}" for name in read.ids}
    assert len([link for link in read.links if link.startswith("#step-")]) >= len(small.steps)


def test_it_needs_no_network_and_hides_nothing_without_its_script(small: Trace) -> None:
    page = small.html()
    assert re.findall(r"(?:src|href)=\"(?!data:|#)[^\"]*", page) == []
    assert not re.search(r"https?:|@import|url\(", page)
    style = page[page.index("<style>") : page.index("</style>")]
    hidden = {
        rule.rpartition("{")[0].rpartition("}")[2].rpartition("{")[2].strip()
        for rule in style.split("display:none")[:-1]
    }
    assert hidden == {
        ".keys",
        ".one section",
        ".one .intro",
        ".keys .hint",
        ".net,.keys",
    }  # `one` is the script's
    assert 'class="one' not in page  # the script sets it
    for key in ("ArrowRight", "ArrowLeft", "Home", "End", "Escape"):
        assert key in page
    for query in ("prefers-color-scheme:dark", "@media print", "width=device-width"):
        assert query in page


def test_a_cnn_of_20_layers_stays_below_5_megabytes(large: str) -> None:
    read = Reader(large)
    assert len(large) < 5_000_000
    assert len(read.images) > 100
    assert all(image["alt"] and image["width"] and image["height"] for image in read.images)
    assert "Back through layer 0, Conv2D(32, 3, padding='same')" in read.words
    assert re.search(r"x is shown at Layer \d+, relu; w is shown at Layer \d+, Conv2D", read.words)


def test_what_is_the_users_is_escaped() -> None:
    class Sly(cp.Flatten):
        def __repr__(self) -> str:
            return "<b>&\"sly'</b>"

    page = trace(cp.Sequential([Sly(), cp.Dense(2)], (3,)), [[1.0, 2.0, 3.0]], [0]).html()
    assert "<b>&" not in page
    assert "&lt;b&gt;&amp;&quot;sly&#x27;&lt;/b&gt;" in page


def test_in_a_notebook_it_is_a_frame_of_its_own(small: Trace) -> None:
    shown = small._repr_html_()
    found = re.fullmatch(r'<iframe srcdoc="([^"]*)"[^>]*>(.*)</iframe>', shown)
    assert found
    assert unescape(found[1]) == small.html()
    assert found[2] == f"{small!r}: run this cell, and its page is shown here."  # what is left without frames


def test_the_image_has_the_colours_of_its_numbers() -> None:
    from PIL import Image

    levels = np.array([[-LEVELS, 0, LEVELS], [LEVELS // 2, -LEVELS // 2, LEVELS + 1]])
    pixels = np.asarray(Image.open(io.BytesIO(png(levels))).convert("RGBA"))
    assert pixels.shape == (2, 3, 4)
    below, above, lost = (list(bytes.fromhex(color[1:])) for color in (BELOW, ABOVE, LOST))
    assert pixels[0, 0].tolist() == [*below, 255]
    assert pixels[0, 1, 3] == 0
    assert pixels[0, 2].tolist() == [*above, 255]
    assert pixels[1, 0, :3].tolist() == above
    assert abs(int(pixels[1, 0, 3]) - 128) <= 1
    assert pixels[1, 1, :3].tolist() == below
    assert pixels[1, 2].tolist() == [*lost, 255]


def test_cells_hold_the_numbers_and_their_strength() -> None:
    table = heat_table(Tensor("w", np.array([[1.0, -2.0], [0.0, np.nan]])))
    assert '<td class="above" style="--a:0.50">1' in table
    assert '<td class="below" style="--a:1.00">−2' in table
    assert "<td>0" in table
    assert '<td class="lost">nan</td>' in table
    small = heat_table(Tensor("w", np.array([[1e-5, -2e-5]])))
    assert "10<sup>-5</sup> times" in small
    assert ">−2<" in small


def test_large_arrays_are_drawn_in_part() -> None:
    planes, left_out = tiles(Tensor("x", np.ones((2, 32, 32, 3)), plane=(1, 2)), 4096)
    assert planes.shape == (4, 32, 32)
    assert left_out == "4 of 6 planes"
    planes, left_out = tiles(Tensor("w", np.arange(784.0 * 300).reshape(784, 300)), 4096)
    assert planes.size <= 4096
    assert left_out == "1 of 8 rows and columns"
    assert planes[0, 1, 1] == 8 * 300 + 8


@pytest.mark.parametrize(
    "value", [np.array(3.5), np.zeros((0, 4)), np.full((20, 20), np.nan), np.array([[np.inf, 1.0]])]
)
def test_arrays_of_every_kind_are_written_in_all_forms(value: np.ndarray) -> None:
    document = Document("t", (Tensor("x", value, "what it is"),))
    assert all((document.text(), document.markdown(), document.latex()))
    Reader(document.html())


def test_any_document_is_a_page() -> None:
    table = Table(("a", "$x_1$"), (("<1>", "`b & c`"),))
    document = Document(
        "A & B",
        (Paragraph("If $x < 2$."), Equation(r"y = x^2"), Value("a_1", 2.0), Value("W", np.eye(2)), table),
    )
    page = document.html()
    read = Reader(page)
    assert page.startswith("<!DOCTYPE html>")
    for words in ("If x < 2.", "y = x²", "a₁ = 2", "<1>", "b & c", "A & B"):
        assert words in read.words


# A key or a click, and then the steps that are to be seen, the address, and how far page and strip are scrolled.
STEPPING = """
  const told = [], steps = [...document.querySelectorAll("section")], strip = document.querySelector(".net");
  const shown = () => steps.filter(step => window.getComputedStyle(step).display !== "none").map(step => step.id);
  const after = word => told.push({word, shown: shown(), hash: window.location.hash,
    now: [...document.querySelectorAll(".net a.now")].map(box => box.hash), top: window.scrollY,
    along: strip.scrollLeft, below: document.querySelector("section.now").getBoundingClientRect().top});
  const key = word => {
    window.scrollTo(0, 200);
    window.dispatchEvent(new window.KeyboardEvent("keydown", {key: word, cancelable: true}));
    after(word);
  };
  const click = query => { document.querySelector(query).click(); after(query); };
  after("opened");
"""


def told(page: str, script: str, folder: Path, **size: int) -> dict[str, dict]:
    """What was to be seen after each word of a script."""
    found = seen(page, STEPPING + script + "\n  return {told};", folder, **size)
    assert found["errors"] == []
    return {one["word"]: one for one in found["told"]}


@pytest.fixture(scope="module")
def linked() -> Trace:
    """A network in which an array of a step is shown at another one."""
    model = cp.Sequential(
        [cp.Conv2D(6, 3), cp.Activation("relu"), cp.Conv2D(2, 3), cp.Flatten(), cp.Dense(2)], (9, 9, 1)
    )
    return trace(model, np.random.default_rng(0).normal(size=(1, 9, 9, 1)), [1])


@needs_a_browser
def test_keys_and_buttons_lead_from_step_to_step(linked: Trace, tmp_path: Path) -> None:
    last = len(linked.steps) - 1
    at = told(
        linked.html(),
        """key("ArrowLeft"); key("ArrowRight"); click("#on"); click("#back"); key("End"); key("Home"); key("Escape");
        click(".net a[href='#step-7']"); click("#all");""",
        tmp_path, width=500,
    )  # fmt: skip
    wanted = {
        "opened": 0, "ArrowLeft": 0, "ArrowRight": 1, "#on": 2, "#back": 1, "End": last, "Home": 0,
        ".net a[href='#step-7']": 7,
    }  # fmt: skip
    for word, k in wanted.items():
        assert at[word]["shown"] == [f"step-{k}"], word
        assert at[word]["hash"] == ("" if word == "opened" else f"#step-{k}")
        assert at[word]["now"] == [f"#step-{k}"]
        assert at[word]["top"] == 0
    assert len(at["Escape"]["shown"]) == len(at["#all"]["shown"]) == last + 1
    assert at["opened"]["along"] == at["Home"]["along"] == 0
    assert at["End"]["along"] > 50  # the strip of boxes goes along


@needs_a_browser
def test_a_link_leads_to_the_step_that_shows_the_array(linked: Trace, tmp_path: Path) -> None:
    page = linked.html()
    here, there = re.search(
        r'<section id="(step-\d+)">(?:(?!</section>).)*shown at <a href="#(step-\d+)"', page, re.S
    ).groups()
    link = f"#{here} p a[href='#{there}']"
    at = told(page, f"""click(".net a[href='#{here}']"); click("{link}");""", tmp_path)
    assert at[f".net a[href='#{here}']"]["shown"] == [here]
    assert at[link]["shown"] == [there]
    assert at[link]["hash"] == f"#{there}"
    at = told(page, f"""key("End"); key("Escape"); click("{link}");""", tmp_path)
    assert len(at[link]["shown"]) == len(linked.steps)  # all of it stays, and the step comes into sight
    assert 100 < at[link]["below"] < 200  # under the strip
    assert not 100 < at["Escape"]["below"] < 200


@needs_a_browser
def test_in_a_notebooks_frame_it_steps_too(linked: Trace, tmp_path: Path) -> None:
    frame = f"<!DOCTYPE html><html><body>{linked._repr_html_()}</body></html>"
    at = told(frame, """key("ArrowRight"); click(".net a[href='#step-5']"); key("ArrowLeft");""", tmp_path)
    assert at["ArrowRight"]["shown"] == ["step-1"]
    assert at[".net a[href='#step-5']"]["shown"] == ["step-5"]
    assert at["ArrowLeft"]["shown"] == ["step-4"]
    assert all(one["top"] == 0 for one in at.values())
