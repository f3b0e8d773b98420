"""A computational graph drawn: as SVG, as a TikZ picture, as PNG through Matplotlib. One layout, three pens."""

from collections.abc import Callable
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from clearprop.errors import ConfigError
from clearprop.files import replace_file
from clearprop.lens.graph.backward import gradients
from clearprop.lens.graph.labels import Run, latex_of, plain, runs_of
from clearprop.lens.graph.nodes import Node
from clearprop.lens.graph.scene import build_scene
from clearprop.lens.graph.shapes import Label, Path, Point, Scene, Shape
from clearprop.lens.style import INK, LOOKS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.patches import PathPatch

VALUE = LOOKS["train"].color
GRADIENT = "#b34700"  # Okabe and Ito's vermillion, darker, so that small letters are legible on white
QUIET = "#555555"
INKS = {"name": INK, "symbol": INK, "value": VALUE, "gradient": GRADIENT, "quiet": QUIET}
FILLS = {
    "variable": "#e4eff7", "constant": "#f4f4f4", "gate": "#ffffff",
    "convolution": "#d9e9f5", "dense": "#fce9cd", "recurrent": "#d5efe5", "norm": "#f4e2ec", "activation": "#fbf6cf",
    "pool": "#e8e8e8", "shape": "#ffffff", "noise": "#ffffff", "frame": "#fafafa",
}  # fmt: skip
DASHED = ("constant", "shape", "noise")  # what holds and computes nothing, or not in prediction
STROKES = {"edge": INK, "arrow": INK, "bracket": VALUE, "gradient bracket": GRADIENT}
FRAME = "#999999"
FONT = "'STIX Two Text','Latin Modern Roman','Times New Roman','Liberation Serif','DejaVu Serif',serif"
FOR_MATPLOTLIB = {r"\top": r"\mathrm{T}", r"\&": "&"}  # what its parser spaces out, or does not know
PNG_DPI = 200
POINT = 0.75  # points to a pixel
PAGE, LANDSCAPE = 469.0, 650.0  # points between the margins of a page of letter paper, upright and lying
LEAST = 0.6  # the scale below which a picture had better lie: its letters have 5 points


def draw(loss: Node, *, show: str = "numbers") -> str:
    """The graph as an SVG picture, from left to right.

    Variables are boxes, constants boxes of dashes, operations circles. Above an arrow stand the shape and the value
    of what it carries, below it the gradient that flows back through it. A node that is used several times has an
    arrow for each use, with that path's share below it, and the sum below the node.

    Parameters
    ----------
    loss : Node
        Of shape ().
    show : str
        "numbers": small arrays whole, large ones by their norm. "formulas": what flows back through every arrow as
        a formula, for an answer in letters.

    Returns
    -------
    str
        A whole SVG document, without fonts, scripts or anything else from outside.

    Raises
    ------
    ShapeError
        If the loss is not a single number.

    Examples
    --------
    >>> from clearprop.lens.graph import Variable, squared_norm
    >>> draw(squared_norm(Variable("x", [1.0, 2.0])))[:38]
    '<svg xmlns="http://www.w3.org/2000/svg'
    """
    return svg(build_scene(loss, gradients(loss), show))


def draw_values(node: Node) -> str:
    """Any node's graph without gradients, as a notebook shows what is not a loss."""
    return svg(build_scene(node, None))


def svg(scene: Scene, inline: bool = False) -> str:
    """A picture as a whole SVG document, on white; `inline` for a page in HTML, in its letters and colours."""
    paint = _page_paint if inline else _paint
    width, height = f"{scene.width:.0f}", f"{scene.height:.0f}"
    title = escape(plain(scene.title))
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title, {chr(34): "&quot;"})}">',
        f"<title>{title}</title>",
        *([] if inline else [f'<rect width="{width}" height="{height}" fill="#ffffff"/>']),
        *(_svg_shape(shape, paint) for shape in scene.frames),
        *(_svg_path(path, paint) for path in scene.paths),
        *(_svg_shape(shape, paint) for shape in scene.shapes),
        "<g>" if inline else f'<g font-family="{FONT}">',
        *(_svg_label(label, paint) for label in scene.labels),
        "</g>",
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


Paint = Callable[[str, str], str]  # an attribute and a colour -> what an element has of them


def _paint(attribute: str, color: str) -> str:
    return f'{attribute}="{color}"'


def _page_paint(attribute: str, color: str) -> str:
    """Greys as a part of the page's ink, fills as a veil of the full colour: the same on white, and right on black."""
    red, green, blue = bytes.fromhex(color[1:])
    clear = min(red, green, blue) / 255
    if clear == 1.0:
        return f'{attribute}="none"'
    if red == green == blue:
        return f'{attribute}="currentColor"' + (
            f' {attribute}-opacity="{1 - clear:.2f}"' if clear > 0.2 else ""
        )
    if clear < 0.5:  # ink
        return f'{attribute}="{color}" style="{attribute}:color-mix(in srgb,{color} 60%,currentColor)"'
    full = bytes(round((part - 255 * clear) / (1 - clear)) for part in (red, green, blue))
    return f'{attribute}="#{full.hex()}" {attribute}-opacity="{1 - clear:.2f}"'


def _svg_path(path: Path, paint: Paint) -> str:
    route = f"M{_xy(path.start)}" + "".join(
        f"{'C' if len(piece) == 3 else 'L'}{' '.join(map(_xy, piece))}" for piece in path.pieces
    )
    color = STROKES[path.kind]
    if path.kind == "arrow":
        return f'<path d="{route}Z" {paint("fill", color)}/>'
    return f'<path d="{route}" fill="none" {paint("stroke", color)} stroke-width="{_thick(path)}"/>'


def _xy(point: Point) -> str:
    return f"{point[0]:.1f},{point[1]:.1f}"


def _thick(path: Path) -> float:
    return 1.1 if path.kind == "edge" else 0.9


def _svg_shape(shape: Shape, paint: Paint) -> str:
    dashes = ' stroke-dasharray="4 2.5"' if shape.kind in DASHED else ""
    return (
        f'<rect x="{shape.x:.1f}" y="{shape.y:.1f}" width="{shape.width:.1f}" height="{shape.height:.1f}" '
        f'rx="{shape.radius:.1f}" {paint("fill", FILLS[shape.kind])} {paint("stroke", _stroke(shape))} '
        f'stroke-width="1.1"{dashes}/>'
    )


def _stroke(shape: Shape) -> str:
    return FRAME if shape.kind == "frame" else INK


def _svg_label(label: Label, paint: Paint) -> str:
    moved, spans = 0.0, []
    for run in runs_of(label.text):
        at = {"sub": 0.22, "sup": -0.36}.get(run.style, 0.0) * label.size
        spans.append(_svg_run(run, at - moved, label.size))
        moved = at
    return (
        f'<text x="{label.x:.1f}" y="{label.y:.1f}" font-size="{label.size:g}" {paint("fill", INKS[label.kind])} '
        f'text-anchor="{label.anchor}" xml:space="preserve">{"".join(spans)}</text>'
    )


def _svg_run(run: Run, shift: float, size: float) -> str:
    small = f' font-size="{0.72 * size:.1f}"' if run.style in ("sub", "sup") else ""
    slant = ' font-style="italic"' if run.style == "it" else ""
    moved = f' dy="{shift:.1f}"' if shift else ""
    text = escape(run.text)
    return f"<tspan{moved}{small}{slant}>{text}</tspan>" if moved or small or slant else text


def tikz(loss: Node, *, show: str = "numbers") -> str:
    r"""The graph as a TikZ picture, for LaTeX documents; they need ``\usepackage{tikz}`` and nothing more.

    A graph that is wider than a page is scaled to fit it; one that would be too small then, to fit a page that lies.

    Parameters
    ----------
    loss : Node
        Of shape ().
    show : str
        As in `draw`.

    Examples
    --------
    >>> from clearprop.lens.graph import Variable, squared_norm
    >>> print(tikz(squared_norm(Variable("x", [1.0, 2.0]))).splitlines()[0])
    \begin{tikzpicture}[x=0.75pt,y=-0.75pt,scale=1,every node/.style={transform shape},line width=0.70pt]
    """
    return tikz_scene(build_scene(loss, gradients(loss), show))


def tikz_scene(scene: Scene) -> str:
    """A picture as a TikZ picture, scaled to fit a page."""
    width = POINT * scene.width
    scale = min(1.0, PAGE / width)
    if scale < LEAST:
        scale = min(LEAST, LANDSCAPE / width)
    look = f"x={POINT}pt,y=-{POINT}pt,scale={scale:.3g},every node/.style={{transform shape}}"
    look += f",line width={0.7 * scale:.2f}pt"
    lines = [rf"\begin{{tikzpicture}}[{look}]"]
    lines += [
        rf"\definecolor{{clear{name}}}{{HTML}}{{{ink[1:].upper()}}}"
        for name, ink in {**INKS, **FILLS, "line": FRAME}.items()
    ]
    lines += [rf"\path (0,0) rectangle ({_xy((scene.width, scene.height))});"]
    lines += [
        *map(_tikz_shape, scene.frames),
        *map(_tikz_path, scene.paths),
        *map(_tikz_shape, scene.shapes),
        *map(_tikz_label, scene.labels),
    ]
    return "\n".join([*lines, r"\end{tikzpicture}"]) + "\n"


def _tikz_path(path: Path) -> str:
    color = {"bracket": "clearvalue", "gradient bracket": "cleargradient"}.get(path.kind, "clearname")
    if path.kind == "arrow":
        return rf"\fill[{color}] {_tikz_route(path)} -- cycle;"
    return rf"\draw[{color}] {_tikz_route(path)};"


def _tikz_route(path: Path) -> str:
    route = f"({_xy(path.start)})"
    for piece in path.pieces:
        if len(piece) == 3:
            route += f" .. controls ({_xy(piece[0])}) and ({_xy(piece[1])}) .. ({_xy(piece[2])})"
        else:
            route += f" -- ({_xy(piece[0])})"
    return route


def _tikz_shape(shape: Shape) -> str:
    dashes = ",dash pattern=on 2.5pt off 1.5pt" if shape.kind in DASHED else ""
    ink = "line" if shape.kind == "frame" else "name"
    return rf"\draw[clear{ink},fill=clear{shape.kind}{dashes}] {_tikz_route(shape.outline)} -- cycle;"


def _tikz_label(label: Label) -> str:
    anchor = {"start": "base west", "middle": "base", "end": "base east"}[label.anchor]
    size = int(label.size * POINT)  # whole points: LaTeX's own fonts come in these
    style = f"anchor={anchor},inner sep=0pt,outer sep=0pt,text=clear{label.kind}"
    letters = rf"\fontsize{{{size}}}{{{size}}}\selectfont ${latex_of(label.text)}$"
    return rf"\node[{style}] at ({_xy((label.x, label.y))}) {{{letters}}};"


def save_png(loss: Node, path: str | FilePath, *, show: str = "numbers") -> None:
    """Write the graph as a PNG picture, 200 dots to the inch.

    Parameters
    ----------
    loss : Node
        Of shape ().
    path : str or Path
        The file to make or to replace, name.png.
    show : str
        As in `draw`.

    Raises
    ------
    ConfigError
        If the name has another ending.
    FileError
        If it cannot be written.
    """
    from clearprop.lens.style import styled

    path = picture_path(path, ".png", "save_png", "for an .svg write what draw gives")
    scene = build_scene(loss, gradients(loss), show)
    with styled():
        figure = plot_scene(scene).get_figure()
        replace_file(path, lambda file: figure.savefig(file, format="png", dpi=PNG_DPI))  # type: ignore[union-attr]


def picture_path(path: str | FilePath, ending: str, who: str, otherwise: str) -> FilePath:
    """Refuse a file name whose ending tells of another kind of picture, and say how such a one is made."""
    path = FilePath(path)
    if path.suffix.lower() != ending:
        raise ConfigError(
            f"{who}: expected a file name that ends in {ending}, got {str(path)!r}. Rename it; {otherwise}."
        )
    return path


def plot_scene(scene: Scene) -> "Axes":
    """The picture in a Matplotlib figure of its own size."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(scene.width / 96, scene.height / 96), facecolor="white")
    return plot_scene_in(figure.add_axes((0.0, 0.0, 1.0, 1.0)), scene)


def plot_scene_in(ax: "Axes", scene: Scene) -> "Axes":
    """The picture in the given Axes, its letters scaled with it."""
    from matplotlib.figure import Figure

    ax.set_xlim(0, scene.width)
    ax.set_ylim(scene.height, 0)
    ax.set_aspect("equal")
    ax.axis("off")
    figure = ax.figure
    if isinstance(figure, Figure) and (layout := figure.get_layout_engine()) is not None:
        layout.execute(figure)  # so that the Axes has its size, by which the letters are scaled
    scale = 96 / figure.dpi * min(ax.bbox.width / scene.width, ax.bbox.height / scene.height)
    for shape in scene.frames:
        _plot_shape(ax, shape)
    for path in scene.paths:
        _plot_path(ax, path)
    for shape in scene.shapes:
        _plot_shape(ax, shape)
    for label in scene.labels:
        letters = latex_of(label.text)
        for tex, own in FOR_MATPLOTLIB.items():
            letters = letters.replace(tex, own)
        ax.text(
            label.x, label.y, f"${letters}$", color=INKS[label.kind], fontsize=0.75 * label.size * scale,
            ha={"start": "left", "middle": "center", "end": "right"}[label.anchor], va="baseline",
            parse_math=True, math_fontfamily="stix",
        )  # fmt: skip
    return ax


def _plot_path(ax: "Axes", path: Path) -> None:
    filled, color = path.kind == "arrow", STROKES[path.kind]
    face, thick = (color, 0.1) if filled else ("none", 0.75 * _thick(path))
    ax.add_patch(_patch(path, facecolor=face, edgecolor=color, linewidth=thick))


def _plot_shape(ax: "Axes", shape: Shape) -> None:
    dashes = (0, (4, 2.5)) if shape.kind in DASHED else "-"
    ax.add_patch(
        _patch(
            shape.outline,
            facecolor=FILLS[shape.kind],
            edgecolor=_stroke(shape),
            linewidth=0.85,
            linestyle=dashes,
        )
    )


def _patch(path: Path, **look: Any) -> "PathPatch":
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as MplPath

    points, codes = [path.start], [int(MplPath.MOVETO)]
    for piece in path.pieces:
        points += piece
        codes += [int(MplPath.CURVE4)] * 3 if len(piece) == 3 else [int(MplPath.LINETO)]
    return PathPatch(MplPath(points, codes), **look)
