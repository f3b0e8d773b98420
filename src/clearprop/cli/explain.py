"""`clearprop explain`: one training step of a run or a preset, line by line."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import typer

from clearprop.arrays import Array
from clearprop.cli.common import Folder, run_or_none
from clearprop.cli.presets import read_preset_or_file
from clearprop.cli.worked import FOLDER as WORKED
from clearprop.cli.worked import worked_names, worked_step
from clearprop.errors import ConfigError, DataError
from clearprop.files import replace_file
from clearprop.layers.base import leaves_of
from clearprop.lens.trace import Trace, trace
from clearprop.model import Sequential
from clearprop.optimizer import Optimizer
from clearprop.runs.checkpoint import latest, load_state, restore_step
from clearprop.runs.config import RunConfig, make_config, read_toml
from clearprop.runs.folder import EXPERIMENTS, RunFolder
from clearprop.runs.prepare import Prepared, in_memory, prepare
from clearprop.runs.run import build

Form = Literal["text", "markdown", "latex", "html"]
FORMS: dict[str, Form] = {".txt": "text", ".md": "markdown", ".tex": "latex", ".html": "html"}
AFRESH = "The run has no checkpoint, so the optimizer starts afresh: it remembers no step, and its rate is the first."
TOGETHER = 8  # examples, where a layer looks at the whole mini-batch


def explain(
    what: Annotated[
        str,
        typer.Argument(
            metavar="RUN|PRESET",
            help="A run; a preset or FILE.toml, before training; or a worked step: cmu-worked.",
        ),
    ],
    example: Annotated[int, typer.Option(help="Which example of the training part, counted from 0.")] = 0,
    unit: Annotated[int, typer.Option(help="Which unit of a layer has its numbers written out.")] = 0,
    form: Annotated[
        Form | None, typer.Option("--format", help="text, markdown, latex or html; by default as FILE ends.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="A file to write, instead of the screen.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace that file, if it exists.")] = False,
    l2: Annotated[float | None, typer.Option(help="An L2 penalty in place of the training's.")] = None,
    folder: Folder = EXPERIMENTS,
) -> None:
    """Show one training step on one example: every layer's equation, shapes and numbers, there and back.

    Of a run it is the step that it would take next: from its newest checkpoint, with what the optimizer remembers and
    the learning rate of that moment. Where a run and a preset have the same name it is the run. Nothing of it is
    changed: the update is shown, not taken. Of large arrays a part is shown.
    """
    form = _form(out, form, overwrite)
    if (tables := _worked(what, folder)) is not None:
        if example:
            raise ConfigError(f"explain: {what} has its own examples, all in one step. Leave --example out.")
        found = worked_step(tables, what, unit, l2)
    else:
        found = _step(_start(what, folder), example, unit, l2)
    text = {"text": found.text, "markdown": found.markdown, "latex": found.latex, "html": found.html}[form]()
    if out is None:
        typer.echo(text, nl=False)
    else:
        replace_file(out, lambda file: file.write(text.encode("utf-8")))
        typer.echo(out)


def _form(out: Path | None, form: Form | None, overwrite: bool) -> Form:
    """The form that is asked for, by its name or by the file's; nothing is written over without being told to."""
    if out is None:
        return form or "text"
    if form is None and out.suffix not in FORMS:
        raise ConfigError(
            f"--out {out}: expected a name that ends in {', '.join(FORMS)}. Rename it, or say --format text."
        )
    if out.exists() and not overwrite:
        raise ConfigError(f"--out {out}: exists. Choose another name, or replace it with --overwrite.")
    return form or FORMS[out.suffix]


@dataclass(frozen=True)
class _Start:
    """What a step begins with."""

    config: RunConfig
    prepared: Prepared
    model: Sequential
    optimizer: Optimizer
    title: str
    origin: str = ""


def _worked(what: str, folder: Path) -> dict[str, Any] | None:
    """The tables of a worked step: one that comes with clearprop, if no run has its name, or a file with [step]."""
    if run_or_none(what, folder, "explain", worked_names()) is not None:
        return None
    if what in worked_names():
        return read_toml(WORKED / f"{what}.toml")
    tables = read_toml(Path(what)) if what.endswith(".toml") else {}
    return tables if "step" in tables else None


def _start(what: str, folder: Path) -> _Start:
    if (run := run_or_none(what, folder, "explain")) is not None:
        return _of_run(run)
    tables, name = read_preset_or_file(what)
    config = make_config(tables, what)
    prepared = prepare(config.data, config.seed)
    return _Start(
        config, prepared, build(config, prepared), config.make_optimizer(), f"{name}, before training"
    )


def _of_run(run: RunFolder) -> _Start:
    """A run as its newest checkpoint left it; without one its weights, and an optimizer that remembers nothing."""
    config, title = run.read_config(), f"The run {run.path}"
    path = latest(run.checkpoints)
    weights = run.load_model() if path is None else None  # refused, if it is, before the data are read
    prepared, optimizer = prepare(config.data, config.seed), config.make_optimizer()
    run.check_data(prepared.preprocessing)
    if weights is not None or path is None:
        return _Start(config, prepared, weights or build(config, prepared), optimizer, title, AFRESH)
    state, model = load_state(path), build(config, prepared)
    restore_step(state, model, optimizer)
    origin = f"Network and optimizer are as the run's checkpoint has them, after step {state['progress']['step']:,}."
    if config.training.best_weights is not None:
        origin += " The run's weights may be those of an epoch before, its best."
    return _Start(config, prepared, model, optimizer, title, origin)


def _step(start: _Start, example: int, unit: int, l2: float | None = None) -> Trace:
    """A step with the settings of a training, on one example; on some where the layers want a mini-batch."""
    config, model = start.config, start.model
    x, y = in_memory(start.prepared.parts["train"])
    if not 0 <= example < len(x):
        raise DataError(
            f"explain: expected --example from 0 to {len(x) - 1:,}, a row of the training part, got {example:,}."
        )
    widest = max(shape[-1] for shape in model.shapes[1:])
    if not 0 <= unit < widest:
        raise ConfigError(
            f"explain: expected --unit from 0 to {widest - 1:,}, the widest layer's last, got {unit:,}."
        )
    rows = _rows(model, example, len(x))
    t = config.training
    shown = trace(
        model, x[rows], y[rows], loss=config.make_loss(), optimizer=start.optimizer, l1=t.l1,
        l2=t.l2 if l2 is None else l2,
        clip_norm=t.clip_norm, clip_value=t.clip_value, unit=unit,
    )  # fmt: skip
    words = f"example {example:,}"
    if len(rows) > 1:
        words += f" and the {len(rows) - 1} after it, for batch norm's statistics"
    return replace(shown, title=f"{start.title}: one training step on {words}", origin=start.origin)


def _rows(model: Sequential, example: int, n: int) -> Array:
    """The example; with some others where a layer's output depends on the whole mini-batch."""
    together = any(leaf.over_batch for leaf, _ in leaves_of(model.layers, model.shapes))
    return (example + np.arange(min(TOGETHER if together else 1, n))) % n
