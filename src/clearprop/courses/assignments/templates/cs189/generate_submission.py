"""Gather what you have written for the write-up.

    python generate_submission.py --format latex --heading_level 2 --output submission.tex

The Markdown can be pasted into a cell of a notebook; the LaTeX is for `\\input{submission.tex}` in a document of yours,
and needs no package. Your files are read, not run.
"""

import argparse
import ast
import sys
import unicodedata
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "neural_networks"
# Under each heading a file, and of each of its classes the functions to show; none: the whole class.
student_implementations = {
    "Activation functions": ("activations.py", {"Linear": (), "Sigmoid": (), "ReLU": (), "SoftMax": ()}),
    "Layers": (
        "layers.py",
        {
            "FullyConnected": (),
            # ONLY cs189-sp20
            "Elman": (),
            # END ONLY
            "Pool2D": (),
            "Conv2D": (),
        },
    ),
    "Losses": ("losses.py", {"CrossEntropy": (), "L2": ()}),
    "Models": ("models.py", {"NeuralNetwork": ("forward", "backward", "predict")}),
}
LATEX_HEADINGS = {1: "section", 2: "subsection", 3: "subsubsection"}
COLUMNS = 105  # of a line of LaTeX's \\footnotesize verbatim that stays on the paper
PLAIN = {
    "−": "-",
    "·": "*",
    "×": "x",
    "⊙": "*",
    "√": "sqrt",
    "≤": "<=",
    "≥": ">=",
    "→": "->",
    "∂": "d",
    "…": "...",
    "⁄": "/",
}
PLAIN |= {"‖": "||", "⟨": "<", "⟩": ">", "–": "-", "—": "-", "’": "'", "“": '"', "”": '"'}


def gather(path: Path, wanted: dict[str, tuple[str, ...]]) -> list[str]:
    """The source of each class, or of some of its functions under the class's first line."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        classes = {node.name: node for node in ast.parse(text).body if isinstance(node, ast.ClassDef)}
    except OSError as err:
        sys.exit(f"{path} cannot be read: {err.strerror}.")
    except SyntaxError as err:
        sys.exit(f"{path}, line {err.lineno}: {err.msg}. Python cannot read the file; mend this line first.")
    lines, found = text.split("\n"), []  # as ast counts them: a form feed ends no line
    for name, functions in wanted.items():
        if name not in classes:
            sys.exit(f"{path}: there is no class {name}. Has it been renamed? See student_implementations.")
        node = classes[name]
        if not functions:
            found.append(source(lines, node))
            continue
        known = {part.name: part for part in node.body if isinstance(part, ast.FunctionDef)}
        missing = [function for function in functions if function not in known]
        if missing:
            sys.exit(f"{path}: {name} has no function {', '.join(missing)}. See student_implementations.")
        parts = [source(lines, known[function]) for function in functions]
        found.append("\n\n".join([lines[node.lineno - 1], *parts]))
    return found


def source(lines: list[str], node: ast.ClassDef | ast.FunctionDef) -> str:
    """The lines of a class or function, with its decorators."""
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return "\n".join(lines[first - 1 : node.end_lineno])


def markdown(level: int) -> str:
    """All headings with their code in fences."""
    parts = []
    for heading, (name, wanted) in student_implementations.items():
        parts.append(f"{'#' * level} {heading} (`neural_networks/{name}`)")
        for code in gather(FOLDER / name, wanted):
            fence = "```"
            while fence in code:
                fence += "`"
            parts.append(f"{fence}python\n{code}\n{fence}")
    return "\n\n".join(parts) + "\n"


def latex(level: int) -> str:
    """All headings with their code in verbatim environments."""
    parts = []
    for heading, (name, wanted) in student_implementations.items():
        path = f"neural_networks/{name}".replace("_", "\\_")
        parts.append(f"\\{LATEX_HEADINGS[level]}{{{heading} (\\texttt{{{path}}})}}")
        for code in gather(FOLDER / name, wanted):
            code = plain(code).expandtabs(4).replace("\\end{verbatim}", "\\end {verbatim}")
            code = "\n".join(fold(line) for line in code.split("\n"))
            parts.append(f"{{\\footnotesize\n\\begin{{verbatim}}\n{code}\n\\end{{verbatim}}\n}}")
    return "\n\n".join(parts) + "\n"


def fold(line: str) -> str:
    """A line that is too long goes on in the next, after a backslash."""
    room = COLUMNS - 1
    return "\\\n".join(line[at : at + room] for at in range(0, max(len(line), 1), room))


def plain(text: str) -> str:
    """The text in ASCII, since pdfLaTeX's verbatim knows no other signs: σ becomes sigma."""
    return "".join(sign if " " <= sign <= "~" or sign in "\t\n" else _plain_sign(sign) for sign in text)


def _plain_sign(sign: str) -> str:
    if sign in PLAIN:
        return PLAIN[sign]
    words = unicodedata.name(sign, "?").split()
    if words[0] == "GREEK":
        name = words[3] if len(words) > 3 else words[-1]
        return name.capitalize() if words[1] == "CAPITAL" else name.lower()
    parts = unicodedata.normalize("NFKD", sign)  # é is an e and an accent, ₜ is a small t
    return "".join(PLAIN.get(part, part) for part in parts if " " <= part <= "~" or part in PLAIN) or "?"


def main() -> None:
    """Read the command line, and write the file or print."""
    parser = argparse.ArgumentParser(description="Gather your implementations as Markdown or LaTeX.")
    parser.add_argument(
        "-f", "--format", choices=("markdown", "latex"), default="markdown", help="default: markdown"
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="where to write; without it, to the screen")
    parser.add_argument(
        "--heading_level", type=int, choices=(1, 2, 3), default=1,
        help="1: sections, 2: subsections, 3: subsubsections; default: 1",
    )  # fmt: skip
    args = parser.parse_args()
    text = (markdown if args.format == "markdown" else latex)(args.heading_level)
    if args.output is None:
        sys.stdout.buffer.write(text.encode("utf-8"))
    else:
        Path(args.output).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
