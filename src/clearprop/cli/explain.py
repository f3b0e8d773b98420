"""`clearprop explain`: one training step of a run or a preset, line by line."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import typer

from clearprop.arrays import Array
from clearprop.cli.presets import preset_names, read_preset_or_file
from clearprop.cli.train import Folder
from clearprop.errors import ConfigError, DataError
from clearprop.files import replace_file
from clearprop.lens.trace import Trace, trace
from clearprop.model import Sequential
from clearprop.names import unknown
from clearprop.runs.config import RunConfig, make_config
from clearprop.runs.folder import EXPERIMENTS, RunFolder, all_runs, find_run
from clearprop.runs.prepare import Prepared, in_memory, prepare
from clearprop.runs.run import build

Form = Literal["text", "markdown", "latex", "html"]
FORMS: dict[str, Form] = {".md": "markdown", ".tex": "latex", ".html": "html"}
TOGETHER = 8  # examples, where a layer looks at the whole mini-batch


def explain(
    what: Annotated[
        str,
        typer.Argument(
            metavar="RUN|PRESET", help="A run, or a preset or FILE.toml to look at before training."
        ),
    ],
    example: Annotated[int, typer.Option(help="Which example of the training part, counted from 0.")] = 0,
    unit: Annotated[int, typer.Option(help="Which unit of a layer has its numbers written out.")] = 0,
    form: Annotated[
        Form | None, typer.Option("--format", help="text, markdown, latex or html; by default as FILE ends.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="A file to write, instead of the screen.")] = None,
    folder: Folder = EXPERIMENTS,
) -> None:
    """Show one training step on one example: every layer's equation, shapes and numbers, there and back.

    Where a run and a preset have the same name it is the run. Nothing of it is changed: the update is shown, not
    taken. Of large arrays a part is shown.
    """
    form = form or (FORMS.get(out.suffix, "text") if out else "text")
    found = _trace(what, example, unit, folder)
    text = {"text": found.text, "markdown": found.markdown, "latex": found.latex, "html": found.html}[form]()
    if out is None:
        typer.echo(text, nl=False)
    else:
        replace_file(out, lambda file: file.write(text.encode("utf-8")))
        typer.echo(out)


def _trace(what: str, example: int, unit: int, folder: Path) -> Trace:
    if (run := _run(what, folder)) is not None:
        config = run.read_config()
        prepared = prepare(config.data, config.seed)
        run.check_data(prepared.preprocessing)
        return _step(config, run.load_model(), prepared, example, unit, f"The run {run.path}")
    if what not in preset_names() and not what.endswith(".toml"):
        runs = [str(run.path.relative_to(folder)) for run in all_runs(folder)]
        raise unknown("explain", "run or preset", what, {*runs, *preset_names()})
    tables, name = read_preset_or_file(what)
    config = make_config(tables, what)
    prepared = prepare(config.data, config.seed)
    return _step(config, build(config, prepared), prepared, example, unit, f"{name}, before training")


def _run(what: str, folder: Path) -> RunFolder | None:
    try:
        return find_run(folder, what)
    except ConfigError:
        return None


def _step(
    config: RunConfig, model: Sequential, prepared: Prepared, example: int, unit: int, title: str
) -> Trace:
    """A step with the settings of a training, on one example; on some where the layers want a mini-batch."""
    x, y = in_memory(prepared.parts["train"])
    if not 0 <= example < len(x):
        raise DataError(
            f"explain: expected --example from 0 to {len(x) - 1:,}, a row of the training part, got {example:,}."
        )
    rows = _rows(model, example, len(x))
    t = config.training
    shown = trace(
        model, x[rows], y[rows], loss=config.make_loss(), optimizer=config.make_optimizer(), l1=t.l1, l2=t.l2,
        clip_norm=t.clip_norm, clip_value=t.clip_value, unit=unit,
    )  # fmt: skip
    words = f"example {example:,}"
    if len(rows) > 1:
        words += f" and the {len(rows) - 1} after it, for batch norm's statistics"
    return replace(shown, title=f"{title}: one training step on {words}")


def _rows(model: Sequential, example: int, n: int) -> Array:
    """The example; with some others where a layer's output depends on the whole mini-batch."""
    leaves = [
        leaf for layer, at in zip(model.layers, model.shapes, strict=False) for leaf in layer.leaves(at)
    ]
    together = any(leaf.over_batch for leaf, _ in leaves)
    return (example + np.arange(min(TOGETHER if together else 1, n))) % n
