"""Every course's answers: they render in three forms, hold what the handouts print, and every claim is confirmed."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from latex2mathml.converter import convert
from markdown_it import MarkdownIt
from typer.testing import CliRunner

from clearprop.cli import app
from clearprop.courses.assignments.answers import cmu10701, cs189_functions, cs189_layers, nndl
from clearprop.courses.assignments.answers import cmu10701_network as network
from clearprop.courses.assignments.answers import cmu10701_written as written
from clearprop.courses.assignments.answers.families import answers_of
from clearprop.courses.assignments.catalog import COURSES, course
from clearprop.courses.assignments.experiments.families import experiments_of
from clearprop.courses.cs189_functions import load_toy_batch
from clearprop.lens.document import (
    Block,
    Code,
    Confirmation,
    Document,
    Equation,
    Heading,
    Items,
    Paragraph,
    Picture,
    Table,
    Value,
    number,
    spans,
)
from clearprop.lens.document.as_text import columns

KEYS = tuple(COURSES)


@pytest.fixture(scope="module")
def documents() -> dict[str, Document]:
    """All five, without any data set."""
    return {key: answers_of(key) for key in KEYS}


def sentences(block: Block) -> list[str]:
    match block:
        case Heading(text) | Paragraph(text):
            return [text]
        case Items(items):
            return list(items)
        case Table(head, rows):
            return [cell for row in (head, *rows) for cell in row]
        case Picture(_, caption):
            return [caption]
        case Confirmation():
            return [block.paragraph().text]
    return []


def formulas(document: Document) -> Iterator[str]:
    for block in document.blocks:
        if isinstance(block, Equation):
            yield block.latex
        elif isinstance(block, Value):
            yield block.name
        for sentence in sentences(block):
            yield from (piece for kind, piece in spans(sentence) if kind == "math")


def paragraphs(document: Document, lead: str) -> list[Paragraph]:
    return [
        block for block in document.blocks if isinstance(block, Paragraph) and block.lead.startswith(lead)
    ]


@pytest.mark.parametrize("key", KEYS)
def test_text_is_80_columns_wide(documents: dict[str, Document], key: str) -> None:
    text = documents[key].text()
    assert [line for line in text.splitlines() if columns(line) > 80] == []
    assert "$" not in text.replace("$DIR", "")
    assert "\\frac" not in text
    assert "\u00a0" not in text


@pytest.mark.parametrize("key", KEYS)
def test_every_formula_is_one(documents: dict[str, Document], key: str) -> None:
    found = list(formulas(documents[key]))
    assert len(found) > 15
    for latex in found:
        assert latex.count("{") == latex.count("}"), latex
        assert convert(latex).startswith("<math"), latex


@pytest.mark.parametrize("key", KEYS)
def test_markdown_is_whole(documents: dict[str, Document], key: str) -> None:
    text = documents[key].markdown()
    assert text.startswith(f"# {documents[key].title}\n")
    outside = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    assert "```" not in outside
    assert outside.count("$$") == 2 * sum(isinstance(b, Equation | Value) for b in documents[key].blocks)
    inline = re.sub(r"\$\$.*?\$\$", "", outside, flags=re.DOTALL)
    assert inline.count("$") % 2 == 0
    for found in re.finditer(r"(.?)\$([^$]+)\$(.?)", inline):
        before, inside, after = found.groups()
        assert not before.isalnum(), found[0]  # GitHub takes such a dollar for a dollar
        assert not after.isalnum(), found[0]
        assert inside == inside.strip(), found[0]
        assert "operatorname" not in inside  # GitHub refuses it
        assert not re.search(r"_\S|\*|\\[^a-zA-Z]", inside), (
            inside
        )  # what Markdown takes for marks of its own


@pytest.mark.parametrize("key", KEYS)
def test_no_reader_of_markdown_sees_emphasis(documents: dict[str, Document], key: str) -> None:
    html = MarkdownIt("commonmark").enable("table").render(documents[key].markdown())
    leads = sum(
        isinstance(b, Confirmation) or (isinstance(b, Paragraph) and b.lead != "")
        for b in documents[key].blocks
    )
    assert "<em>" not in html
    assert html.count("<strong>") == leads
    assert html.count("<table>") == sum(isinstance(b, Table) for b in documents[key].blocks)


@pytest.mark.parametrize("key", KEYS)
def test_latex_is_whole(documents: dict[str, Document], key: str) -> None:
    text = documents[key].latex()
    assert text.startswith(r"\documentclass")
    assert text.endswith("\\end{document}\n")
    assert "[U+" not in text  # a sign that LaTeX has no name for
    assert (r"\usepackage{tikz}" in text) == (key == "c147-w25")
    bare = re.sub(r"\\begin\{verbatim\}.*?\\end\{verbatim\}", "", text, flags=re.DOTALL)
    open_now: list[str] = []
    for what, name in re.findall(r"\\(begin|end)\{(\w+\*?)\}", bare):
        if what == "begin":
            open_now.append(name)
        else:
            assert open_now.pop() == name
    assert open_now == []
    signs = re.sub(r"\\[\\{}%&#_$]", "", bare)
    depth = 0
    for sign in signs:
        depth += (sign == "{") - (sign == "}")
        assert depth >= 0
    assert depth == 0
    assert signs.count("$") % 2 == 0
    prose = re.sub(
        r"\\\[.*?\\\]|\$[^$]*\$|\\begin\{tikzpicture\}.*?\\end\{tikzpicture\}", "", bare, flags=re.DOTALL
    )
    assert not re.search(r"(?<!\\)[_#]|(?<!\\)\^", prose.split(r"\begin{document}")[1])


@pytest.mark.parametrize("key", KEYS)
def test_every_claim_is_confirmed(documents: dict[str, Document], key: str) -> None:
    claims = [block for block in documents[key].blocks if isinstance(block, Confirmation)]
    assert len(claims) >= (1 if key == "cmu10701-s21" else 3)
    assert documents[key].unconfirmed == ()
    assert all(error < 1e-7 for claim in claims for error in claim.errors.values())


@pytest.mark.parametrize("key", KEYS)
def test_commands_that_are_named_exist(documents: dict[str, Document], key: str) -> None:
    pieces = [piece for block in documents[key].blocks for text in sentences(block) for piece in spans(text)]
    commands = [
        code.split() for kind, code in pieces if kind == "code" and code.startswith("clearprop course run ")
    ]
    assert commands
    for _, _, _, which, *name in commands:
        known = [experiment.name for experiment in experiments_of(course(which))]
        assert name in [[], *([one] for one in known)], name


class TestCmu:
    def test_the_printed_numbers(self, documents: dict[str, Document]) -> None:
        text = documents["cmu10701-s21"].text()
        for printed in (
            "(a) a₁ = −3\n", "β₂,₁ = 1.9772\n", "β₁,₀ = 0.5477\n", "α₃,₄ = 2:", "(d) Class 3.", "= 3.9712.",
            "= 209.4557\n", "The smallest is tanh's.", "η = 0.001.", "J = −6.",
        ):  # fmt: skip
            assert printed in text, printed

    def test_the_pass_against_the_handouts_equations(self) -> None:
        now = network.both_passes(network.ALPHA, network.BETA)
        a = [sum(w * x for w, x in zip(row, [1, *network.X], strict=True)) for row in network.ALPHA]
        z = 1 / (1 + np.exp(-np.array(a)))
        b = [sum(w * v for w, v in zip(row, [1, *z], strict=True)) for row in network.BETA]
        y_hat = np.exp(b) / np.exp(b).sum()
        for got, expected in (
            (now.a, a),
            (now.z, z),
            (now.b, b),
            (now.y_hat, y_hat),
            (now.loss, -np.log(y_hat[2])),
        ):
            np.testing.assert_allclose(got, expected, rtol=1e-12)
        assert number(now.loss) == "2.6912"
        assert network.penalty() == pytest.approx(1.28)

    def test_the_later_steps_are_taken(self) -> None:
        later = network.descend((1, 3))
        alpha, beta = network.ALPHA.copy(), network.BETA.copy()
        for _ in range(3):
            now = network.both_passes(alpha, beta)
            alpha, beta = alpha - now.dalpha, beta - now.dbeta
        np.testing.assert_allclose(later[3].y_hat, network.both_passes(alpha, beta).y_hat, rtol=1e-12)
        assert later[1].loss > later[3].loss

    def test_both_units_stay_alike(self) -> None:
        (w1, v1), (w2, _) = written.symmetric_start(2)
        assert not w1.any()
        assert v1[0] == v1[1] != 0
        assert w2.all()
        np.testing.assert_array_equal(w2[:, 0], w2[:, 1])

    def test_losses_of_section_3(self) -> None:
        h = written.ROWS @ written.W1.T + written.B1
        shapes = {
            "ReLU": np.where(h > 0, h, 0), "tanh": np.tanh(h), "sigmoid": 1 / (1 + np.exp(-h)), "linear": h,
        }  # fmt: skip
        for name, hidden in shapes.items():
            expected = ((hidden @ written.W2[0] - written.TARGETS) ** 2).mean()
            assert written.loss_of(name) == pytest.approx(expected, rel=1e-12)
        ends = {rate: written.descend("ReLU", rate, 2)[-1] for rate in written.RATES}
        assert min(ends, key=lambda rate: ends[rate]) == 0.001
        assert ends[0.001] == pytest.approx(9.0734, abs=5e-5)

    def test_the_convolution(self) -> None:
        padded = np.pad(written.IMAGE, 1)
        expected = [
            [(padded[i : i + 3, j : j + 3] * written.FILTER).sum() for j in range(6)] for i in range(6)
        ]
        np.testing.assert_array_equal(written.convolved(), expected)

    def test_gradients_vanish_in_one_of_two_networks(self) -> None:
        plain, gated = written.through_time()
        assert plain[40] < 1e-20
        assert gated[40] > 1e-2

    def test_without_the_digits(self, documents: dict[str, Document]) -> None:
        [missing] = paragraphs(documents["cmu10701-s21"], "Not computed")
        assert "cmu-10701-hw3" in missing.text  # where the digits belong
        assert "clearprop course run cmu10701-s21 5.6" in missing.text
        assert "0.9083" not in documents["cmu10701-s21"].text()

    @pytest.mark.data("cmu-mnist")
    def test_with_the_digits(self, monkeypatch: pytest.MonkeyPatch) -> None:
        trained = cmu10701.final_accuracies

        def quickly(part: str, *rest: object) -> tuple[float, float]:
            return trained(part, *rest) if part == "d" else (0.5, 0.25)  # type: ignore[arg-type]

        monkeypatch.setattr(cmu10701, "final_accuracies", quickly)
        said: list[str] = []
        text = Document("5.6", tuple(cmu10701.section_5(said.append))).text()
        assert "(d)  relu 256      0.01   200    0.9083  0.8760  0.9083, 0.876" in text
        assert "(b) Train 0.5000, test 0.2500." in text
        assert "402,570 parameters" in text.replace("\n    ", " ")
        assert said == ["5.6 (d) 256 relu, learning rate 0.01, batch 200"]


class TestCs189:
    def test_each_edition_has_its_questions(self, documents: dict[str, Document]) -> None:
        sp23, sp20 = documents["cs189-sp23"].text(), documents["cs189-sp20"].text()
        for title in (
            "4.1 ReLU",
            "4.2 Fully connected layer",
            "4.3 Softmax",
            "4.4 Cross-entropy cost",
            "6.3 Pooling",
        ):
            assert f"\n{title}\n" in sp23
        for title in (
            "3.1.1 ReLU",
            "4.1 Mean squared error",
            "4.2 Elman layer",
            "3.3 HIGGS",
            "4.5 Sine waves",
        ):
            assert f"\n{title}\n" in sp20
        assert "einsum" not in sp20

    def test_einsum_is_run(self, documents: dict[str, Document]) -> None:
        codes = [block for block in documents["cs189-sp23"].blocks if isinstance(block, Code)]
        assert len(codes) == 3
        for code in codes:
            difference = float(code.output.split()[-1])
            assert 0 <= difference < 1e-14

    @pytest.mark.parametrize(
        ("name", "question", "spoil"),
        [
            ("relu_gradients", cs189_layers.relu, lambda g: {"Z": -g["Z"]}),
            ("dense_gradients", cs189_layers.dense, lambda g: g | {"b": g["b"] / 5}),
            ("softmax_gradients", cs189_layers.softmax, lambda g: {"s": g["s"] + 0.01}),
            ("cross_entropy_gradients", cs189_layers.cross_entropy_cost, lambda g: {"Yhat": 5 * g["Yhat"]}),
            ("squared_error_gradients", cs189_layers.squared_error_cost, lambda g: {"Yhat": g["Yhat"] / 2}),
            ("conv_gradients", cs189_layers.convolution, lambda g: g | {"W": g["W"][::-1, ::-1]}),
            ("elman_gradients", cs189_layers.elman, lambda g: g | {"U": g["U"].T}),
        ],
    )
    def test_a_wrong_equation_is_seen(self, monkeypatch, name, question, spoil) -> None:
        assert Document("right", tuple(question("1"))).unconfirmed == ()
        right = getattr(cs189_layers, name)
        monkeypatch.setattr(cs189_layers, name, lambda dy, at: spoil(right(dy, at)))
        document = Document("wrong", tuple(question("1")))
        assert len(document.unconfirmed) == 2
        assert document.text().count("NOT CONFIRMED.") == 2


class TestFunctions:
    def test_deliverables(self, documents: dict[str, Document]) -> None:
        codes = [block for block in documents["cs189-fa22"].blocks if isinstance(block, Code)]
        numeric, at_one, far, naive, loss, ours = (code.output for code in codes)
        assert numeric == ours  # to the two decimals that the homework's code prints
        assert "4.12e-04" in ours
        assert at_one.startswith("[0.73105858 0.5        0.26894142]")
        assert far.startswith("[1.e-15 1.e+00]")
        assert naive == "-1000.0 0.0 ['overflow encountered in exp']\n1000.0 1.0 []"
        X, y, (W1, W2), (b1, b2) = load_toy_batch()
        g = 1 / (1 + np.exp(-(np.maximum(X @ W1 + b1, 0) @ W2 + b2)))[:, 0]
        assert float(loss) == pytest.approx(-(y * np.log(g) + (1 - y) * np.log(1 - g)).mean(), rel=1e-9)

    def test_gradients_by_both_ways(self) -> None:
        ours, numeric, names = cs189_functions.toy_gradients()
        assert len(ours) == len(numeric) == len(names) == 4
        for a, b in zip(ours, numeric, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-10)

    def test_a_wrong_slope_is_seen(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cs189_functions, "loss_slope", lambda dy, at: {"g": dy * (at["g"] - at["y"])})
        assert "NOT CONFIRMED." in Document("t", tuple(cs189_functions._loss_slope())).text()

    def test_training_is_recorded(self, documents: dict[str, Document]) -> None:
        assert len(paragraphs(documents["cs189-fa22"], "Recorded")) >= 3


class TestNndl:
    def test_the_graphs_are_drawn(self, documents: dict[str, Document]) -> None:
        document = documents["c147-w25"]
        pictures = [block for block in document.blocks if isinstance(block, Picture)]
        assert len(pictures) == 4
        assert document.latex().count(r"\begin{tikzpicture}") == 8
        assert document.markdown().count("```mermaid") == 4
        assert "    W  → Wᵀ, h\n" in document.text()
        assert "the sum of 2 paths:" in document.text()

    @pytest.mark.parametrize(
        ("name", "question", "wrong"),
        [
            (
                "autoencoder_paths",
                "_autoencoder_gradient",
                lambda W, x: (np.outer(W @ x, x), np.outer(W @ x, x)),
            ),
            ("log_det_gradient", "_gp_lvm", lambda X, D: -0.5 * D * X),
            ("trace_gradient", "_gp_lvm", lambda X, Y: 0.5 * Y @ Y.T @ X),
        ],
    )
    def test_a_wrong_closed_form_is_seen(self, monkeypatch, name, question, wrong) -> None:
        monkeypatch.setattr(nndl, name, wrong)
        assert "NOT CONFIRMED." in Document("t", tuple(getattr(nndl, question)())).text()

    def test_swish_without_its_second_term_is_seen(self, monkeypatch: pytest.MonkeyPatch) -> None:
        right = nndl.swish_gradients

        def wrong(*arrays: np.ndarray) -> dict[str, np.ndarray]:
            return right(*arrays) | {"b1": arrays[3].T @ arrays[4]}

        monkeypatch.setattr(nndl, "swish_gradients", wrong)
        assert "∇_b₁ L. " in Document("t", tuple(nndl._swish())).text().replace("\n", " ") + " "

    def test_the_notebooks_questions(self, documents: dict[str, Document]) -> None:
        assert len(paragraphs(documents["c147-w25"], "Recorded")) >= 2


class TestCommand:
    @pytest.mark.parametrize(
        ("form", "start"),
        [("text", "Berkeley CS 189"), ("markdown", "# Berkeley CS 189"), ("latex", r"\document")],
    )
    def test_forms(self, form: str, start: str) -> None:
        result = CliRunner().invoke(app, ["course", "answers", "cs189-fa22", "--format", form])
        assert result.exit_code == 0
        assert result.stdout.startswith(start)

    def test_out(self, tmp_path: Path) -> None:
        path = tmp_path / "answers.tex"
        result = CliRunner().invoke(
            app, ["course", "answers", "cs189-sp20", "--format", "latex", "--out", str(path)]
        )
        assert result.exit_code == 0
        assert path.read_text(encoding="utf-8").endswith("\\end{document}\n")
        assert result.stdout.strip() == str(path)

    def test_a_course_that_is_not_there(self) -> None:
        result = CliRunner().invoke(app, ["course", "answers", "cs189-sp24"])
        assert result.exit_code != 0
        assert "cs189-sp2" in str(result.exception)
