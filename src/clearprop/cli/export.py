"""`clearprop export`: a network for other programs, and other programs' networks for this one."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from clearprop.arrays import shape_text
from clearprop.cli.common import Folder, finished_network, one_run
from clearprop.errors import ConfigError
from clearprop.interop.onnx import from_onnx, write_onnx
from clearprop.interop.onnx.package import DEFAULT
from clearprop.messages.files import other_kind
from clearprop.model import Sequential
from clearprop.runs.folder import EXPERIMENTS, RunFolder
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
    scaling: Annotated[
        bool, typer.Option("--scaling", help="The graph scales x itself, as the run's training did.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT, if it exists.")] = False,
    folder: Folder = EXPERIMENTS,
) -> None:
    """Write a network as ONNX, or read ONNX and write it as safetensors, by how OUT ends.

    All options but --overwrite and --folder are for .onnx.
    """
    if out.suffix not in ENDINGS:
        raise ConfigError(
            f"export: expected a file that ends in .onnx or .safetensors, got {out}. Rename it."
        )
    if out.exists() and not overwrite:
        raise ConfigError(f"{out}: exists. Choose another name, or replace it with --overwrite.")
    model, run = _network(what, folder)
    known = None if run is None else run.read_preprocessing().scaling
    if scaling and (known is None or out.suffix != ".onnx"):
        raise ConfigError(
            f"--scaling: expected a run that was trained on scaled numbers, and a file .onnx, got {what} and {out}. "
            "Leave it out."
        )
    if out.suffix == ".onnx":
        within = (known.shift, known.scale) if scaling and known is not None else None
        write_onnx(model, out, opset=opset, batch=batch, layout=layout, output=output, scaling=within)
    else:
        model.save(out)
    typer.echo(f"{out}: {_shapes(model)}")
    if run is not None and known is not None and not scaling:
        more = ", or export it with --scaling" if out.suffix == ".onnx" else ""
        typer.echo(f"It takes scaled numbers: feed (x - shift) / scale, both in\n{run.preprocessing}{more}.")


def _network(what: str, folder: Path) -> tuple[Sequential, RunFolder | None]:
    """The network, and the run that it is of."""
    if what.endswith(".onnx"):
        return from_onnx(what), None
    if what.endswith(".safetensors"):
        return load(what), None
    if Path(what).is_file() and not (folder / what).is_dir():
        advice = other_kind(Path(what), "") if what.endswith((".pt", ".pth")) else "Save it as one of these."
        raise ConfigError(f"{what}: expected a run, or a network in a .safetensors or .onnx file. {advice}")
    run = one_run(what, folder, "export")
    return finished_network(run), run


def _shapes(model: Sequential) -> str:
    n = len(model.layers)
    return (
        f"x {shape_text(('N', *model.input_shape))} -> {shape_text(('N', *model.output_shape))}, {n} "
        f"layer{'s' * (n > 1)}, {model.params.size:,} parameters, {model.dtype}"
    )
