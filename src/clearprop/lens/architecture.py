"""A network's picture: its layers as blocks from left to right, the shapes between them, the parameters below."""

from pathlib import Path as FilePath
from typing import TYPE_CHECKING

from clearprop.files import replace_file
from clearprop.lens.blocks import GAP, SMALL, Block, arrow, blocks_of, line, prose
from clearprop.lens.graph.drawing import picture_path, plot_scene_in, svg, tikz_scene
from clearprop.lens.graph.labels import width_of
from clearprop.lens.graph.scene import framed
from clearprop.lens.graph.shapes import Label, Scene
from clearprop.lens.tiles import size_text
from clearprop.model import Sequential

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH = 820.0  # pixels, of a row: in print, on 16 cm, the letters have 7 points
SHORTEST = 52.0  # arrow: the words input and output fit below it


def draw_model(model: Sequential, *, inline: bool = False) -> str:
    """The network as an SVG picture.

    An activation stands in the block of the layer before it. Rows that would be too wide go on below. What is
    inside a Residual or a Bidirectional hangs below the line.

    Parameters
    ----------
    model : Sequential
    inline : bool
        For a page in HTML: in the letters and colours of what is around it, light or dark. Otherwise black on white.

    Returns
    -------
    str
        A whole SVG document, without fonts, scripts or anything else from outside.

    Examples
    --------
    >>> import clearprop as cp
    >>> model = cp.Sequential([cp.Dense(25, activation="relu"), cp.Dense(3)], input_shape=(4,))
    >>> draw_model(model)[:38]
    '<svg xmlns="http://www.w3.org/2000/svg'
    """
    return svg(model_scene(model), inline)


def tikz_model(model: Sequential) -> str:
    r"""The network as a TikZ picture, for LaTeX documents; they need ``\usepackage{tikz}`` and nothing more."""
    return tikz_scene(model_scene(model))


def plot_model(ax: "Axes", model: Sequential) -> "Axes":
    """The network drawn into an Axes, in its own proportions; the letters are scaled with the picture.

    Parameters
    ----------
    ax : matplotlib Axes
        `model_size` says how large it wants to be.
    model : Sequential
    """
    return plot_scene_in(ax, model_scene(model))


def model_size(model: Sequential) -> tuple[float, float]:
    """Width and height in inches of a figure in which `plot_model` can be read."""
    scene = model_scene(model)
    return scene.width / 96, scene.height / 96


def save_model_picture(model: Sequential, path: str | FilePath) -> None:
    """Write `draw_model`'s picture as an SVG file.

    Raises
    ------
    ConfigError
        If the name has another ending than .svg.
    FileError
        If it cannot be written.
    """
    otherwise = "for PNG or PDF draw it by plot_model into a figure of model_size(model), and save that"
    path = picture_path(path, ".svg", "save_model_picture", otherwise)
    picture = draw_model(model).encode()
    replace_file(path, lambda file: file.write(picture))


def model_scene(model: Sequential) -> Scene:
    """The blocks and arrows with their places."""
    scene = Scene("Network of " + ", ".join(str(layer) for layer in model.layers))
    blocks = blocks_of(model.layers, model.input_shape)
    labels = [size_text(shape) for shape in (model.input_shape, *(block.shape for block in blocks))]
    rows = _rows(blocks, labels)
    right = max(sum(_long(labels[i]) + blocks[i].width for i in row) for row in rows)
    y = 0.0
    for row in rows:
        y += max(blocks[i].up for i in row)
        x = 0.0
        for i in row:
            along = _long(labels[i])
            arrow(scene, (x, y), (x + along, y))
            _label(scene, labels[i], x + along / 2, y, "input" if i == 0 else "")
            blocks[i].draw(scene, x + along, y)
            x += along + blocks[i].width
        low = y + max(blocks[i].down for i in row)
        if row is rows[-1]:
            along = _long(labels[-1])
            arrow(scene, (x, y), (x + along, y))
            _label(scene, labels[-1], x + along / 2, y, "output")
        else:
            line(scene, (x, y), (right + GAP, y), (right + GAP, low + GAP), (-GAP, low + GAP))
            y = low + 2 * GAP
            below = y + max(blocks[i].up for i in rows[rows.index(row) + 1])
            line(scene, (-GAP, low + GAP), (-GAP, below), (0, below))
    key = "above an arrow: the shape of one example" + "; below a block: its parameters" * bool(
        model.params.size
    )
    said = prose(f"{key}, {model.params.size:,} in all" if model.params.size else key)
    return framed(scene, [Label(said, 0, 0, SMALL, "quiet", "start")])


def _rows(blocks: list[Block], labels: list[str]) -> list[list[int]]:
    """The blocks' numbers, row by row, each row as full as it can be."""
    rows: list[list[int]] = [[]]
    filled = 0.0
    for i, block in enumerate(blocks):
        long = _long(labels[i]) + block.width
        if rows[-1] and filled + long > WIDTH - (_long(labels[-1]) if i == len(blocks) - 1 else 0):
            rows.append([])
            filled = 0.0
        rows[-1].append(i)
        filled += long
    return rows


def _long(label: str) -> float:
    """How long the arrow is that carries the label."""
    return max(SHORTEST, width_of(prose(label)) * SMALL + 14)


def _label(scene: Scene, shape: str, middle: float, y: float, what: str) -> None:
    scene.labels.append(Label(prose(shape), middle - 3, y - 5, SMALL, "value"))
    if what:
        scene.labels.append(Label(prose(what), middle - 3, y + SMALL + 3, SMALL, "quiet"))
