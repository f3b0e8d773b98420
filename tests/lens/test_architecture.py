"""A network's picture: every layer, shape and number of parameters is in it, nothing overlaps, rows end in time."""

import re
import xml.etree.ElementTree as ET
from itertools import combinations

import numpy as np
import pytest
from matplotlib.figure import Figure

import clearprop as cp
from clearprop.lens import draw_model, model_size, plot_model, save_model_picture, tikz_model
from clearprop.lens.architecture import WIDTH, model_scene
from clearprop.lens.blocks import details
from clearprop.lens.graph.labels import plain


def block(filters: int, stride: int = 1) -> cp.Residual:
    layers = [cp.Conv2D(filters, 3, stride=stride, padding="same"), cp.BatchNorm(), cp.Activation("relu")]
    shortcut = [cp.Conv2D(filters, 1, stride=stride), cp.BatchNorm()] if stride > 1 else []
    return cp.Residual([*layers, cp.Conv2D(filters, 3, padding="same")], shortcut)


NETWORKS = {
    "rows": cp.Sequential([cp.Dense(25, activation="relu"), cp.Dense(3)], input_shape=(4,)),
    "one layer": cp.Sequential([cp.Flatten()], input_shape=(4, 4)),
    "images": cp.Sequential(
        [
            layer
            for f in (8, 16, 32)
            for layer in (
                cp.Conv2D(f, 3, padding="same"), cp.BatchNorm(), cp.Activation("relu"), cp.MaxPool2D(2),
                cp.Dropout(0.25), cp.GroupNorm(4), cp.ConvTranspose2D(f, 2),
            )
        ]
        + [cp.Flatten(), cp.Dense(10)],
        input_shape=(32, 32, 3),
    ),
    "residual": cp.Sequential(
        [cp.Conv2D(8, 3), block(8), cp.Activation("relu"), block(16, 2), cp.GlobalAvgPool(), cp.Dense(2)],
        input_shape=(16, 16, 1),
    ),
    "sequences": cp.Sequential(
        [
            cp.Embedding(1000, 8), cp.Bidirectional(cp.LSTM(6, return_sequences=True)),
            cp.TimeDistributed(cp.Dense(5, activation="relu")),
            cp.Residual([cp.Residual([cp.TimeDistributed(cp.Dense(5))])]),
            cp.Bidirectional(cp.GRU(3)), cp.Dense(1, activation="sigmoid"),
        ],
        input_shape=(12,),
    ),
}  # fmt: skip
ALL = pytest.mark.parametrize("model", NETWORKS.values(), ids=NETWORKS)


def words(model: cp.Sequential) -> list[str]:
    return [plain(label.text) for label in model_scene(model).labels]


def leaves(model: cp.Sequential) -> list[cp.Layer]:
    inside = []
    for layer, shape in zip(model.layers, model.shapes, strict=False):
        for leaf, _ in layer.leaves(shape):
            inside += leaf.sides if isinstance(leaf, cp.Bidirectional) else [leaf]
    return [leaf.layer if isinstance(leaf, cp.TimeDistributed) else leaf for leaf in inside]


@ALL
def test_every_layer_is_in_it(model: cp.Sequential) -> None:
    said = words(model)
    nested = model is NETWORKS["sequences"]
    for layer in leaves(model):
        name = details(layer) if isinstance(layer, cp.Activation) else type(layer).__name__
        assert name in said or nested
    titles = [type(layer).__name__ for layer in leaves(model) if not isinstance(layer, cp.Activation)]
    if not nested:  # in which one Residual stands within another, as one block
        assert all(said.count(title) == titles.count(title) for title in titles)


@ALL
def test_counts_add_up_to_all_parameters(model: cp.Sequential) -> None:
    counts = [label.text for label in model_scene(model).labels if label.kind == "quiet"]
    numbers = [int(text.replace(",", "")) for text in counts if re.fullmatch(r"[\d,]+", text)]
    assert sum(numbers) == model.params.size


@ALL
def test_arrows_carry_the_shapes(model: cp.Sequential) -> None:
    shapes = [plain(label.text) for label in model_scene(model).labels if label.kind == "value"]
    expected = ["×".join(map(str, shape)) for shape in model.shapes]
    assert shapes[0] == expected[0]
    assert shapes[-1] == expected[-1]
    rest = iter(expected)
    assert all(shape in rest for shape in shapes)  # in their order, some left out where an activation follows


def overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return min(a[2], b[2]) - max(a[0], b[0]) > 0.5 and min(a[3], b[3]) - max(a[1], b[1]) > 0.5


@ALL
def test_nothing_overlaps_and_all_is_on_the_sheet(model: cp.Sequential) -> None:
    scene = model_scene(model)
    boxes = [(s.x, s.y, s.x + s.width, s.y + s.height) for s in scene.shapes]
    labels = [label.box for label in scene.labels]
    for some in (boxes, labels):
        assert [pair for pair in combinations(some, 2) if overlap(*pair)] == []
    for label in labels:  # within a box, or beside it
        for box in boxes:
            inside = (
                box[0] <= label[0] and label[2] <= box[2] and box[1] <= label[1] and label[3] <= box[3] + 1
            )
            assert inside or not overlap(label, box), scene.labels[labels.index(label)].text
    points = [p for path in scene.paths for p in (path.start, *(q for piece in path.pieces for q in piece))]
    for left, top, right, bottom in [*boxes, *labels, *((x, y, x, y) for x, y in points)]:
        assert 0 <= left <= right <= scene.width
        assert 0 <= top <= bottom <= scene.height


@ALL
def test_rows_are_no_wider_than_a_page_and_letters_large_enough(model: cp.Sequential) -> None:
    scene = model_scene(model)
    assert scene.width <= WIDTH + 100
    points = 16 / 2.54 * 72 / scene.width  # to a pixel, on 16 cm
    assert min(label.size for label in scene.labels) * points > 5.5


@ALL
def test_svg_is_whole_and_stands_alone(model: cp.Sequential) -> None:
    svg = draw_model(model)
    root = ET.fromstring(svg)
    texts = ["".join(text.itertext()) for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == words(model)
    assert "href" not in svg
    assert "<script" not in svg


@ALL
def test_inside_a_page_it_takes_the_pages_letters_and_colours(model: cp.Sequential) -> None:
    printed, inline = (ET.fromstring(draw_model(model, inline=inline)) for inline in (False, True))
    written = ET.tostring(inline, encoding="unicode")
    assert "currentColor" in written
    assert "#ffffff" not in written
    assert "#222222" not in written
    assert "font-family" not in written
    assert "currentColor" not in ET.tostring(printed, encoding="unicode")
    assert printed[1].attrib["fill"] == "#ffffff"
    rest = [node for i, node in enumerate(printed) if i != 1]  # all but the paper
    for on_paper, here in zip(rest, inline, strict=True):
        assert on_paper.tag == here.tag
        if "rect" in here.tag:
            assert np.abs(over_white(here) - over_white(on_paper)).max() <= 2


def over_white(node: ET.Element) -> np.ndarray:
    """The colour that a filled shape has on white paper, with black ink."""
    fill = {"none": "#ffffff", "currentColor": "#000000"}.get(node.attrib["fill"], node.attrib["fill"])
    color = np.array(list(bytes.fromhex(fill[1:])), dtype=float)
    return 255 + float(node.get("fill-opacity", "1")) * (color - 255)


@ALL
def test_matplotlib_and_tikz_draw_the_same(model: cp.Sequential) -> None:
    figure = Figure(figsize=model_size(model))
    ax = plot_model(figure.add_axes((0, 0, 1, 1)), model)
    assert len(ax.texts) == len(model_scene(model).labels)
    figure.canvas.draw()
    widest = max(ax.texts, key=lambda text: text.get_window_extent().width)
    assert widest.get_window_extent().width < ax.get_window_extent().width
    for text, label in zip(ax.texts, model_scene(model).labels, strict=True):
        left, _, right, _ = label.box
        assert text.get_window_extent().width <= 1.15 * (right - left) * figure.dpi / 96 + 2
    tikz = tikz_model(model)
    assert tikz.count(r"\node") == len(ax.texts)
    assert tikz.count("{") == tikz.count("}")


def test_letters_shrink_with_the_axes() -> None:
    model = NETWORKS["rows"]
    width, height = model_size(model)
    sizes = []
    for scale in (1.0, 0.5):
        ax = Figure(figsize=(scale * width, scale * height)).add_axes((0, 0, 1, 1))
        sizes.append(np.array([text.get_fontsize() for text in plot_model(ax, model).texts]))
    np.testing.assert_allclose(sizes[1], sizes[0] / 2, rtol=1e-6)


def test_kinds_have_their_fills() -> None:
    kinds = {shape.kind for model in NETWORKS.values() for shape in model_scene(model).shapes}
    assert kinds >= {"convolution", "dense", "recurrent", "norm", "pool", "shape", "noise", "activation"}


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (cp.Dense(1200), "1,200"),
        (
            cp.Conv2D(8, (3, 5), stride=(2, 1), dilation=2, groups=4),
            "8, 3×5, stride 2×1, dilation 2, groups 4",
        ),
        (cp.MaxPool2D(2, stride=2), "2×2"),
        (cp.MaxPool2D(3, stride=2), "3×3, stride 2"),
        (cp.Dropout(0.25), "rate 0.25"),
        (cp.LSTM(4, return_sequences=True), "4, all steps"),
        (cp.Activation("leaky_relu"), "leaky_relu"),
        (cp.Reshape((2, 3)), "2×3"),
        (cp.RandomShift(4), "pixels 4"),
        (cp.BatchNorm(), ""),
    ],
)
def test_settings_in_a_few_letters(layer: cp.Layer, said: str) -> None:
    assert details(layer) == said


def test_a_picture_is_written_whole(tmp_path) -> None:
    save_model_picture(NETWORKS["rows"], tmp_path / "network.svg")
    with pytest.raises(
        cp.ConfigError,
        match=r"save_model_picture: expected a file name that ends in \.svg, got .* by plot_model into",
    ):
        save_model_picture(NETWORKS["rows"], tmp_path / "network.png")
    assert (tmp_path / "network.svg").read_text(encoding="utf-8") == draw_model(NETWORKS["rows"])
    with pytest.raises(cp.FileError):
        save_model_picture(NETWORKS["rows"], tmp_path / "nowhere" / "network.svg")


def test_a_layer_of_ones_own_is_drawn_too() -> None:
    class Double(cp.Layer):
        def output_shape(self, input_shape, who):
            return input_shape

        def forward(self, x, training=False, noise=None):
            return 2 * x, None

        def backward(self, dy, cache, need_dx=True):
            return 2 * dy

    model = cp.Sequential([Double(), cp.Dense(2)], input_shape=(3,))
    assert "Double" in words(model)
    assert "Double" in draw_model(model)
