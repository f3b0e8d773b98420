"""One run in full: the doctor's findings, its pictures, its network, its data, and how to repeat it."""

from collections.abc import Sequence

from clearprop.arrays import shape_text
from clearprop.errors import ClearpropError
from clearprop.layers.base import multiply_adds
from clearprop.lens.architecture import draw_model
from clearprop.lens.doctor.write import remark
from clearprop.lens.document.as_html import as_html
from clearprop.runs.doctor import diagnose_run
from clearprop.runs.figures import figure
from clearprop.runs.record import Network, Record
from clearprop.runs.report.dataset import dataset
from clearprop.runs.report.figure import Figures
from clearprop.runs.report.html import (
    Markup,
    code,
    element,
    facts,
    joined,
    more,
    paragraphs,
    scrolling,
    table,
)
from clearprop.runs.report.overview import how_it_ended
from clearprop.runs.report.pictures import pictures
from clearprop.runs.report.section import Section
from clearprop.summary import HEAD, summary_rows


def chapter(record: Record, figures: Figures, prefix: str) -> tuple[Section, ...]:
    """The sections about one run; data and network are let go of afterwards."""
    sections = (
        Section(f"{prefix}doctor", "Doctor", doctor(record)),
        Section(
            f"{prefix}pictures", "Pictures", element("div", pictures(record, figures), class_="pictures")
        ),
        Section(f"{prefix}network", "Network", network(record)),
        Section(f"{prefix}data", "Data", dataset(record)),
        Section(f"{prefix}repeat", "How to repeat it", repeat(record, is_open=not prefix)),
    )
    record.let_go()
    return sections


def key_figures(record: Record) -> Markup:
    """The state of a run and its main numbers."""
    summary, results = record.summary, record.results
    part = next((part for part in ("test", "validation", "train") if part in results), "")
    numbers = [
        (f"{part} {name.replace('_', ' ')}", figure(value)) for name, value in results.get(part, {}).items()
    ]
    count, steps = summary.get("epochs"), summary.get("steps")
    taken = summary.get("seconds")
    return facts(
        [
            ("state", record.state),
            *numbers,
            ("parameters", f"{summary['parameters']:,}" if "parameters" in summary else ""),
            (
                "trained",
                f"{count:,} epochs, {steps:,} steps" if count is not None and steps is not None else "",
            ),
            ("time", f"{taken:.3g} s" if taken else ""),
        ]
    )


def ending(record: Record) -> Markup:
    """Why a run stopped early, where it did."""
    if record.status == "finished" and not record.summary.get("stopped"):
        return Markup("")
    sentence = how_it_ended(record)
    return element("p", sentence[0].upper() + sentence[1:], class_="ending")


def doctor(record: Record) -> Markup:
    """What `clearprop doctor` says of the run."""
    try:
        diagnosis = diagnose_run(record)
    except ClearpropError as error:
        return paragraphs(f"The doctor could not examine the run. {error}")
    looked = table(["looked at", "seen"], diagnosis.looks, says="What the doctor looked at")
    return joined(
        [
            paragraphs(diagnosis.summary, f"Examined was {diagnosis.subject}."),
            *(Markup(as_html(remark(finding))) for finding in diagnosis.findings),
            more("What was looked at", looked) if diagnosis.looks else "",
        ]
    )


def network(record: Record) -> Markup:
    """Its picture, and its layers with their shapes and counts."""
    found = record.network
    if isinstance(found, str):
        layers = element("ol", [element("li", repr(layer)) for layer in record.config.make_layers()])
        return joined([paragraphs(found), layers])
    says = f"The network's {len(found.model.layers)} layers"
    drawn = scrolling(Markup(draw_model(found.model, inline=True)), says, "wide drawing")
    return joined([element("figure", drawn), layers_table(found)])


def layers_table(network: Network) -> Markup:
    """A row for each layer, as the summary has it."""
    model = network.model
    work = multiply_adds(model.layers, model.shapes)
    rows = [
        *summary_rows(model.layers, model.shapes, "N", "\u2003"),
        ("total", "", f"{model.params.size:,}", f"{work:,}"),
    ]
    shown = table(HEAD, rows, says="The network's layers", numbers=2, class_="totals")
    said = f"Input {shape_text(('N', *model.input_shape))}, computed in {model.dtype}."
    return joined([shown, paragraphs(said)])


def repeat(record: Record, *, is_open: bool) -> Markup:
    """The command, the whole configuration, versions and seed."""
    file = f"{record.folder.name}.toml"
    versions = record.summary.get("versions", {})
    known, text = record.preprocessing, record.folder.config.read_text(encoding="utf-8")
    return joined(
        [
            paragraphs(
                f"Save the configuration below as {file}, or take config.toml from the run's folder, then:"
            ),
            code(f"clearprop train '{file}'" if " " in file or "," in file else f"clearprop train {file}"),
            paragraphs(
                "On the same machine and with the same versions it gives the same numbers, bit for bit. "
                "The seed draws the parts of the data, the initial weights and the order of the examples."
            ),
            facts(
                [
                    ("seed", str(record.config.seed)),
                    *((name, str(version)) for name, version in versions.items()),
                    ("run on", str(record.summary.get("time", "")).replace("T", " ").removesuffix("+00:00")),
                    ("folder", str(record.folder.path)),
                    ("SHA-256 of the training data", known.train_sha256 if known else ""),
                ]
            ),
            more("The whole configuration", code(text), is_open=is_open),
        ]
    )


def names_of(records: Sequence[Record]) -> str:
    """The runs' names in a few words."""
    first = ", ".join(record.name for record in records[:3])
    return first if len(records) <= 3 else f"{first} and {len(records) - 3} more"
