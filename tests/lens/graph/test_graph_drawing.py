"""Pictures of graphs: well-formed, nothing over anything else, in SVG, TikZ and PNG; the layout against oracles."""

import itertools
import re
import xml.etree.ElementTree as ET
from base64 import b64decode
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clearprop.errors import ConfigError, FileError, ShapeError
from clearprop.lens import graph as g
from clearprop.lens.graph import examples
from clearprop.lens.graph.drawing import plot_scene
from clearprop.lens.graph.labels import latex_of
from clearprop.lens.graph.layout import Item, Link, crossings, nearest, place
from clearprop.lens.graph.scene import build_scene
from clearprop.lens.graph.shapes import Scene

SVG = "{http://www.w3.org/2000/svg}"
LOSSES: dict[str, Any] = {
    "autoencoder": lambda: examples.autoencoder()[0],
    "autoencoder, large": lambda: examples.autoencoder(np.ones((20, 50)) / 50, np.ones(50))[0],
    "gp_lvm_log_det": lambda: examples.gp_lvm_log_det()[0],
    "gp_lvm_trace": lambda: examples.gp_lvm_trace()[0],
    "gp_lvm": lambda: examples.gp_lvm()[0],
    "two_layer_swish": lambda: examples.two_layer_swish()[0],
    "logistic_regression": lambda: examples.logistic_regression()[0],
    "xor": lambda: examples.xor()[0],
    "one variable": lambda: g.squared_norm(g.Variable("x", [1e-5, 0.0])),
    "the variable alone": lambda: g.Variable("x", 2.0),
    "twice into one gate": lambda: g.total(x * x) if (x := g.Variable("x", [1.0, -2000.0])) else None,
    "many paths": lambda: many_paths(),
    "strange names": lambda: g.total(
        g.Variable('a<b&"c"', [1.0]) * g.Variable("w_hidden", [2.0]) + g.Variable("重み%$#_{}", [3.0])
    ),
}
BOTH = [(name, show) for name in LOSSES for show in ("numbers", "formulas")]


def many_paths() -> g.Node:
    rng = np.random.default_rng(0)
    nodes: list[g.Node] = [g.Variable(name, rng.normal(size=(2, 2))) for name in "ABC"]
    for _ in range(12):
        one, other = rng.integers(len(nodes), size=2)
        nodes.append(g.tanh(nodes[one] @ nodes[other]))
    return g.total(nodes[-1] + nodes[-2] + nodes[-3] * nodes[3])


def scene_of(name: str, show: str) -> Scene:
    loss = LOSSES[name]()
    return build_scene(loss, g.gradients(loss), show)


def overlap(one: tuple[float, ...], other: tuple[float, ...], slack: float = 0.5) -> bool:
    return (
        one[0] < other[2] - slack
        and other[0] < one[2] - slack
        and one[1] < other[3] - slack
        and other[1] < one[3] - slack
    )


def flattened(scene: Scene) -> list[tuple[float, float]]:
    """Points along every arrow's line, close together."""
    points = []
    for path in scene.paths:
        if path.kind != "edge":
            continue
        here = path.start
        for piece in path.pieces:
            controls = np.array([here, *piece])
            for t in np.linspace(0, 1, 25):
                curve = controls
                while len(curve) > 1:  # de Casteljau's construction
                    curve = (1 - t) * curve[:-1] + t * curve[1:]
                points.append((float(curve[0][0]), float(curve[0][1])))
            here = piece[-1]
    return points


@pytest.mark.parametrize(("name", "show"), BOTH)
def test_nothing_lies_on_anything_else(name: str, show: str) -> None:
    scene = scene_of(name, show)
    labels = [label for label in scene.labels if label.kind not in ("name", "symbol")]
    shapes = [(s.x, s.y, s.x + s.width, s.y + s.height) for s in scene.shapes]
    for one, other in itertools.combinations(labels, 2):
        assert not overlap(one.box, other.box, 1.5), (one, other)
    for one, other in itertools.combinations(shapes, 2):
        assert not overlap(one, other)
    for label, shape in itertools.product(labels, shapes):
        assert not overlap(label.box, shape), label
    points = flattened(scene)
    for label in labels:
        left, top, right, bottom = label.box
        assert not [p for p in points if left < p[0] < right and top < p[1] < bottom], label


@pytest.mark.parametrize(("name", "show"), BOTH)
def test_everything_is_on_the_sheet_and_symbols_are_in_their_shapes(name: str, show: str) -> None:
    scene = scene_of(name, show)
    for label in scene.labels:
        left, top, right, bottom = label.box
        assert left >= 0
        assert top >= 0
        assert right <= scene.width
        assert bottom <= scene.height
    inside = [label for label in scene.labels if label.kind in ("name", "symbol")]
    for label, shape in zip(inside, scene.shapes, strict=True):
        assert shape.x < label.box[0]
        assert label.box[2] < shape.x + shape.width


@pytest.mark.parametrize("name", ["autoencoder", "gp_lvm", "xor"])
def test_the_letters_as_matplotlib_measures_them_do_not_overlap_either(name: str) -> None:
    ax = plot_scene(scene_of(name, "numbers"))
    figure: Any = ax.get_figure()
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in ax.texts]
    for one, other in itertools.combinations(boxes, 2):
        assert not overlap(tuple(one.extents), tuple(other.extents), 1.0)


@pytest.mark.parametrize(("name", "show"), BOTH)
def test_the_svg_is_well_formed_and_asks_for_nothing(name: str, show: str) -> None:
    document = g.draw(LOSSES[name](), show=show)
    root = ET.fromstring(document)
    assert root.tag == f"{SVG}svg"
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
        "svg", "title", "rect", "path", "g", "text", "tspan",
    }  # fmt: skip
    assert "href" not in document
    assert "url(" not in document
    assert "nan" not in re.sub(">[^<]*<", "><", document)


def words(document: str) -> list[str]:
    return ["".join(text.itertext()) for text in ET.fromstring(document).iter(f"{SVG}text")]


def test_the_picture_says_names_shapes_values_gradients_and_shares() -> None:
    x, y = g.Variable("x", [1.0, 2.0]), g.Variable("y", [3.0, 4.0])
    said = words(g.draw(g.total(x * y + x).named("L")))
    assert said.count("(2,)") == 3  # on both arrows of x and on that of y
    assert {"v1  (2,)", "v2  (2,)", "x", "y", "L", "⊙", "+", "Σ", "sum of 2 paths", "14"} <= set(said)
    at = said.index("sum of 2 paths")
    assert said[at - 2 : at + 3] == [
        "1",
        "2",
        "sum of 2 paths",
        "4",
        "5",
    ]  # x above its box, ∂x = y + 1 below it


def test_each_share_stands_on_its_own_arrow_and_the_sum_at_the_node() -> None:
    x = g.Variable("x", 0.25)
    said = words(g.draw((3 * x + 7 * x).named("L")))
    assert said.count("3") == 1
    assert said.count("7") == 1
    assert said.count("10") == 1
    assert "sum of 2 paths" in said


def test_formulas_name_what_flows_back_and_leave_the_numbers_out() -> None:
    said = words(g.draw(examples.autoencoder()[0], show="formulas"))
    assert {"∂h xT", "W ∂r", "(∂WT)T", "−∂m", "½ ∂L"} <= set(said)
    assert not [w for w in said if re.fullmatch(r"−?\d\.\d+", w)]


def test_large_arrays_are_shown_by_shape_and_norm() -> None:
    said = words(g.draw(g.squared_norm(g.Variable("X", np.ones((10, 10))))))
    assert "(10, 10)" in said
    assert "norm 10" in said
    assert "norm 20" in said  # the gradient


def test_colours_can_be_told_apart_and_read() -> None:
    from clearprop.lens.graph.drawing import GRADIENT, INKS, VALUE

    def luminance(color: str) -> float:
        rgb = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
        return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))

    for ink in INKS.values():
        assert 1.05 / (luminance(ink) + 0.05) >= 4.5  # the contrast that WCAG asks of text, on white
    blue = [int(color[5:], 16) for color in (VALUE, GRADIENT)]
    assert blue[0] - blue[1] > 100  # the channel that red-green blindness leaves


def test_notebooks_show_any_node() -> None:
    x = g.Variable("x", [1.0, 2.0])

    def shown(node: g.Node) -> str:
        found = re.fullmatch(
            r'<img src="data:image/svg\+xml;base64,([^"]*)" alt="Graph of [^"]+" style="[^"]+">',
            node._repr_html_(),
        )
        assert found
        return b64decode(found[1]).decode()

    assert "sum of" not in shown(2 * x)
    assert ET.fromstring(shown(g.total(x))).tag == f"{SVG}svg"
    assert shown(g.total(x)) == g.draw(g.total(x))
    assert words(shown(g.total(g.Constant("c", [1.0, 2.0])))).count("3") == 1


def test_what_is_no_loss_is_refused() -> None:
    x = g.Variable("x", [1.0, 2.0])
    for do in (g.draw, g.tikz, g.text, g.latex):
        with pytest.raises(ShapeError, match="expected a loss that is a single number"):
            do(2 * x)
    with pytest.raises(ConfigError, match=r"unknown show 'formula'\. Did you mean 'formulas'"):
        g.draw(g.total(x), show="formula")


@pytest.mark.parametrize(("name", "show"), BOTH)
def test_the_tikz_picture_is_balanced(name: str, show: str) -> None:
    picture = g.tikz(LOSSES[name](), show=show)
    assert picture.startswith(r"\begin{tikzpicture}")
    assert picture.rstrip().endswith(r"\end{tikzpicture}")
    if name != "strange names":
        assert picture.isascii()  # for pdflatex, whatever the input encoding
    bare = re.sub(r"\\[{}#$%&_]", "", picture)
    depth = list(itertools.accumulate({"{": 1, "}": -1}.get(c, 0) for c in bare))
    assert depth[-1] == 0
    assert min(depth) >= 0
    assert bare.count("$") % 2 == 0
    assert all(
        line.endswith(";") for line in bare.splitlines() if line.startswith((r"\draw", r"\fill", r"\node"))
    )


def test_a_wide_picture_is_scaled_to_the_page() -> None:
    scale = {
        name: float(re.search(r"scale=([\d.]+)", g.tikz(LOSSES[name]()))[1])
        for name in ("xor", "one variable")
    }
    assert scale["one variable"] == 1
    assert scale["xor"] * 0.75 * scene_of("xor", "numbers").width <= 651


@pytest.mark.parametrize(
    "formula",
    ["∂z2 W2ᵀ", "−K⁻ᵀ ∂K⁻¹ K⁻ᵀ", "y ⊙ (1 − y²)", "‖m‖²", "log |K|", "alpha x_1", "8.5e−3", "100%", "½ a^0.5"],
)
def test_latex_is_understood_by_matplotlibs_parser(formula: str) -> None:
    from matplotlib.mathtext import MathTextParser

    assert MathTextParser("path").parse(f"${latex_of(formula)}$").width > 0


def test_any_letters_in_a_name_are_drawn(tmp_path: Path) -> None:
    for start in range(33, 127, 12):
        name = "".join(map(chr, range(start, min(start + 12, 127))))
        loss = g.total(g.Variable(f"a{name}b", [1.0]))
        assert ET.fromstring(g.draw(loss)) is not None
        g.save_png(loss, tmp_path / "name.png", show="formulas")
    assert (tmp_path / "name.png").stat().st_size > 1000


def test_png(tmp_path: Path) -> None:
    from matplotlib.image import imread

    path = tmp_path / "graph.png"
    g.save_png(examples.autoencoder()[0], path)
    scene = scene_of("autoencoder", "numbers")
    height, width, _ = imread(path).shape
    assert abs(width - scene.width * 200 / 96) <= 1
    assert abs(height - scene.height * 200 / 96) <= 1
    with pytest.raises(FileError, match=r"Make its folder first"):
        g.save_png(examples.autoencoder()[0], tmp_path / "nowhere" / "graph.png")
    assert [p.name for p in tmp_path.iterdir()] == ["graph.png"]


@pytest.mark.parametrize("seed", range(20))
def test_heights_are_the_nearest_that_keep_their_distances(seed: int) -> None:
    from scipy.optimize import isotonic_regression

    rng = np.random.default_rng(seed)
    wishes, weights, spaces = rng.normal(size=7) * 9, rng.uniform(0.1, 5, size=7), rng.uniform(0, 4, size=6)
    shift = np.concatenate([[0], np.cumsum(spaces)])
    expected = isotonic_regression(wishes - shift, weights=weights).x + shift
    np.testing.assert_allclose(
        nearest(wishes.tolist(), weights.tolist(), spaces.tolist()), expected, atol=1e-9
    )


@pytest.mark.parametrize("seed", range(20))
def test_a_random_layout_keeps_every_distance(seed: int) -> None:
    rng = np.random.default_rng(seed)
    items = [Item(int(c), *rng.uniform(5, 60, size=3)) for c in np.sort(rng.integers(5, size=18))]
    links = [
        Link(i, j)
        for i, j in itertools.product(range(18), repeat=2)
        if items[j].column == items[i].column + 1 and rng.random() < 0.4
    ]
    placed = place(items, links, gap=10)
    for i, j in itertools.combinations(range(18), 2):
        if items[i].column == items[j].column:
            low, high = sorted((i, j), key=lambda k: placed.y[k])
            assert placed.y[high] - items[high].up - placed.y[low] - items[low].down >= 10 - 1e-6
    edges = [left + width for left, width in zip(placed.left, placed.width, strict=True)]
    assert all(right + 10 <= left + 1e-9 for right, left in zip(edges, placed.left[1:], strict=False))
    assert min(y - item.up for y, item in zip(placed.y, items, strict=True)) == pytest.approx(0)


def test_lines_that_need_not_cross_do_not() -> None:
    items = [Item(c, 10, 5, 5) for c in (0, 0, 0, 1, 1, 1)]
    links = [Link(0, 5), Link(1, 4), Link(2, 3)]
    placed = place(items, links)
    assert crossings([[0, 1, 2], [3, 4, 5]], links) == 3
    columns = [sorted(range(3), key=lambda i: placed.y[i]), sorted(range(3, 6), key=lambda i: placed.y[i])]
    assert crossings(columns, links) == 0
    assert all(placed.y[a] == pytest.approx(placed.y[b]) for a, b, _ in links)


def test_a_chain_is_drawn_as_one_straight_line() -> None:
    x = g.Variable("x", [1.0, 2.0])
    scene = build_scene(g.total(g.tanh(g.exp(2 * x))), None)
    assert (
        len(
            {
                round(y, 6)
                for path in scene.paths
                if path.kind == "edge"
                for _, y in (path.start, *path.pieces[-1])
            }
        )
        == 1
    )


@pytest.mark.parametrize("name", ["autoencoder", "gp_lvm", "two_layer_swish", "logistic_regression", "xor"])
def test_the_pages_pictures_are_what_is_drawn_today(name: str) -> None:
    page = Path(__file__).parents[3] / "docs" / "_static" / f"graph_{name}.svg"
    assert words(page.read_text(encoding="utf-8")) == words(g.draw(getattr(examples, name)()[0]))


def test_the_same_graph_is_drawn_the_same() -> None:
    assert g.draw(LOSSES["many paths"]()) == g.draw(LOSSES["many paths"]())


@pytest.mark.parametrize("name", ["graph.svg", "graph", "."])
def test_a_png_is_called_so(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        ConfigError, match=r"save_png: expected a file name that ends in \.png, got '.*'\. Rename it"
    ):
        g.save_png(examples.autoencoder()[0], name)
    assert not list(tmp_path.iterdir())
