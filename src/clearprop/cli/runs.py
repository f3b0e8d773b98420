"""`clearprop presets`, `runs`, `eval` and `predict`: what there is, and what to do with it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, cast

import numpy as np
import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from clearprop.arrays import Array
from clearprop.cli.common import Folder, finished_network, one_run
from clearprop.cli.presets import preset_names, read_preset_or_file
from clearprop.cli.train import results_table
from clearprop.data import load_file, read_features
from clearprop.data.csv import LabelColumn
from clearprop.errors import ClearpropError, ConfigError, ShapeError
from clearprop.evaluation import evaluate
from clearprop.files import replace_file
from clearprop.model import Sequential
from clearprop.runs.config import make_config
from clearprop.runs.figures import figure
from clearprop.runs.folder import EXPERIMENTS, RunFolder, all_runs
from clearprop.runs.outcomes import PARTS, best_run, state_of
from clearprop.runs.predictions import holds_predictions, predictions_csv
from clearprop.runs.prepare import Preprocessing, prepare
from clearprop.runs.run import measure

RunName = Annotated[
    str, typer.Argument(metavar="RUN", help="A run's name, as `clearprop runs` prints it, or its folder.")
]


def presets() -> None:
    """The presets that `clearprop train` knows by name."""
    table = Table("preset", "what", "data", "epochs", box=SIMPLE)
    for name in preset_names():
        config = make_config(read_preset_or_file(name)[0], name)
        table.add_row(name, config.description, config.data.name, str(config.training.epochs))
    Console().print(table)


def runs(folder: Folder = EXPERIMENTS) -> None:
    """The runs so far, with their results; of a sweep its best trial's."""
    table = Table("run", "state", "epochs", "train", "validation", "test", "when", box=SIMPLE)
    table.columns[0].overflow = "fold"  # a name that is cut would be of no use
    trials: dict[str, int] = {}
    for run in all_runs(folder):
        sweep = RunFolder(run.path.parent)
        if sweep.path != folder and sweep.sweep.is_file():
            trials[sweep.handle] = trials.get(sweep.handle, 0) + 1
            if trials[sweep.handle] == 1:
                table.add_row(str(sweep.path.relative_to(folder)), *_best_row(sweep))
        else:
            table.add_row(str(run.path.relative_to(folder)), *_row(run))
    if table.row_count:
        Console().print(table)
        typer.echo("train, validation, test: accuracy; the mean squared error for numbers.")
        for handle, count in trials.items():
            said = "its trial" if count == 1 else f"all {count} trials"
            typer.echo(f"{said} of the sweep: clearprop compare {handle}")
    else:
        typer.echo(f"No runs in {folder} yet. Start one with: clearprop train iris")


def _best_row(sweep: RunFolder) -> list[str]:
    try:
        best = best_run(sweep)
    except ClearpropError:
        best = None
    return ["sweep"] if best is None else ["sweep, best", *_row(best)[1:]]


def _row(run: RunFolder) -> list[str]:
    try:
        summary = run.read_summary()
    except ClearpropError:
        return ["no summary", "", "", "", "", ""]
    parts = [summary.get(part) for part in PARTS]
    cells = ["" if part is None else figure(list(part.values())[1]) for part in parts]  # after the loss
    when = str(summary.get("time", ""))[:10]
    return [state_of(summary), str(summary.get("epochs", "")), *cells, when]


def eval_run(
    run_name: RunName,
    file: Annotated[
        Path | None,
        typer.Option(
            "--data", metavar="FILE", help="A file of examples with labels; without it the run's own parts."
        ),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(help="Where the labels stand in that file's rows: first or last; as in training."),
    ] = None,
    folder: Folder = EXPERIMENTS,
) -> None:
    """Loss and accuracy of a finished run, on its own data or, with [bold]--data FILE[/], on a file's."""
    run = one_run(run_name, folder, "eval")
    config, model = run.read_config(), finished_network(run)
    loss = config.make_loss()
    if file is None:
        prepared = prepare(config.data, config.seed)
        run.check_data(prepared.preprocessing)
        results = measure(model, prepared.parts, loss)
        Console().print(results_table(results))
        return
    dataset = load_file(file, config.data.label if label is None else cast(LabelColumn, label))
    known = run.read_preprocessing()
    parts = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
    given = {name: part for name, part in parts.items() if part is not None}
    results = {}
    for name, part in given.items():
        who = str(file) if len(given) == 1 else f"{file}, {name}"
        x = _examples(part.x, dataset.feature_names, model, known, who)
        results[who] = evaluate(model, x, known.labels(part.y, dataset.class_names, who), loss)
    Console().print(results_table(results))


def predict(
    run_name: RunName,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Examples without labels: CSV, .npy or .npz.")],
    out: Annotated[Path, typer.Option(help="The CSV to write, with the columns Id and Category.")] = Path(
        "predictions.csv"
    ),
    folder: Folder = EXPERIMENTS,
) -> None:
    """Label the examples of a file by a finished run: Id counts from 0 in the file's order."""
    run = one_run(run_name, folder, "predict")
    model = finished_network(run)
    _check_out(out, file)
    known, (x, names) = run.read_preprocessing(), read_features(file)
    labels = model.predict(_examples(x, names, model, known, str(file)))
    replace_file(out, lambda stream: stream.write(predictions_csv(labels).encode()))
    typer.echo(f"{len(labels):,} predictions in {out}")
    if known.class_names is not None:
        typer.echo(", ".join(f"{k} = {name}" for k, name in enumerate(known.class_names)))


def _check_out(out: Path, file: Path) -> None:
    """Old predictions may be replaced; nothing else."""
    if not out.exists():
        return
    if out.is_dir() or out.samefile(file) or not holds_predictions(out):
        raise ConfigError(
            f"--out {out}: what lies there are no predictions, so it is not replaced. Choose another name."
        )


def _examples(
    x: Array, names: Sequence[str] | None, model: Sequential, preprocessing: Preprocessing, who: str
) -> Array:
    """A file's rows as the run's network takes them: in its shape, scaled as its training part was."""
    if x.shape == model.input_shape and x.ndim > 1:
        raise ShapeError(f"{who}: one example, without the axis of examples. Save x[None], of shape (1, …).")
    if x[0].size != np.prod(model.input_shape):
        raise ShapeError(
            f"{who}: expected {np.prod(model.input_shape)} features for each example, as the run was trained on, "
            f"got {x[0].size}. For predict the file holds the features alone, for eval the label, too."
        )
    x = preprocessing.columns(x, names, who)
    return preprocessing.apply(x.reshape(len(x), *model.input_shape))
