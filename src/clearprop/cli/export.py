"""`clearprop export`: a network for other programs, and other programs' networks for this one."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from clearprop.arrays import shape_text
from clearprop.cli.common import Folder, finished_network
from clearprop.errors import ConfigError
from clearprop.interop.onnx import from_onnx, write_onnx
from clearprop.interop.onnx.package import DEFAULT
from clearprop.model import Sequential
from clearprop.runs.folder import EXPERIMENTS, find_run
from clearprop.storage import load

ENDINGS = (".onnx", ".safetensors")


def export(
    what: Annotated[
        str, typer.Argument(metavar="RUN|FILE", help="A run, or a network in a .safetensors or .onnx file.")
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The file to write: .onnx or .safetensors.")],
    opset: Annotated[int, typer.Option(help="The version of ONNX's operators, 13 or later.")] = DEFAULT,
    batch: Annotated[
        int | None, typer.Option(help="The examples that the graph takes; any by default.")
    ] = None,
    layout: Annotated[
        Literal["NHWC", "NCHW"], typer.Option(help="How images go into the graph: NCHW as in PyTorch.")
    ] = "NHWC",
    output: Annotated[
        Literal["scores", "probabilities"], typer.Option(help="What comes out of the graph.")
    ] = "scores",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT, if it exists.")] = False,
    folder: Folder = EXPERIMENTS,
) -> None:
    """Write a network as ONNX, or read ONNX and write it as safetensors, by how OUT ends.

    The options but --overwrite and --folder are for .onnx.
    """
    if out.suffix not in ENDINGS:
        raise ConfigError(
            f"export: expected a file that ends in .onnx or .safetensors, got {out}. Rename it."
        )
    if out.exists() and not overwrite:
        raise ConfigError(f"{out}: exists. Choose another name, or replace it with --overwrite.")
    model, of_run = _network(what, folder)
    if out.suffix == ".onnx":
        write_onnx(model, out, opset=opset, batch=batch, layout=layout, output=output)
    else:
        model.save(out)
    typer.echo(f"{out}: {_shapes(model)}")
    if of_run:
        typer.echo("x is scaled as in training; the run's preprocessing.json says how.")


def _network(what: str, folder: Path) -> tuple[Sequential, bool]:
    """The network, and whether it is a run's that was trained on scaled numbers."""
    if what.endswith(".onnx"):
        return from_onnx(what), False
    if what.endswith(".safetensors"):
        return load(what), False
    run = find_run(folder, what)
    return finished_network(run), run.read_preprocessing().scaling is not None


def _shapes(model: Sequential) -> str:
    n = len(model.layers)
    return (
        f"x {shape_text(('N', *model.input_shape))} -> {shape_text(('N', *model.output_shape))}, {n} "
        f"layer{'s' * (n > 1)}, {model.params.size:,} parameters, {model.dtype}"
    )
