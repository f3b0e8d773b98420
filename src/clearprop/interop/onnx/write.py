"""A network as an ONNX file."""

import inspect
import json
from collections.abc import Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np

import clearprop
from clearprop.arrays import Array, check_shape
from clearprop.errors import ConfigError
from clearprop.files import replace_file
from clearprop.interop.onnx.package import DEFAULT, check_opset, onnx_package
from clearprop.interop.onnx.write_functions import write_function
from clearprop.interop.onnx.write_graph import Graph, Order, Value, as_ours, channels_first
from clearprop.interop.onnx.write_layers import write_layers
from clearprop.layers import Embedding
from clearprop.losses import probabilities_from
from clearprop.model import Sequential
from clearprop.names import check_count, unknown

LARGEST = 2**31 - 2**20  # bytes: protobuf's limit, less what is no weight

LAYOUTS = ("NHWC", "NCHW")
OUTPUTS = ("scores", "probabilities")


def write_onnx(
    model: Sequential,
    path: str | PathLike[str],
    *,
    opset: int = DEFAULT,
    batch: int | None = None,
    layout: str = "NHWC",
    output: str = "scores",
    scaling: tuple[Array, Array] | None = None,
) -> None:
    """Write the network, as it predicts, to one ONNX file, whole or not at all.

    The graph's input is called "x" and its output as `output` says. Tokens, where an `Embedding` comes first, are
    int64; all else is in the network's dtype.

    Parameters
    ----------
    model : Sequential
    path : str or path
    opset : int
        The version of ONNX's operators, from 13 to 26, or to the newest that the installed onnx knows.
    batch : int, optional
        The number of examples that the graph takes; any by default.
    layout : str
        "NHWC", in which images go in and come out as they do here, or "NCHW", as PyTorch has them.
    output : str
        "scores", or "probabilities" with the softmax or sigmoid that the network was trained with.
    scaling : (shift, scale), optional
        Arrays in the shape of an example, or of its last axes. The graph begins with (x - shift) / scale, so that it
        takes x as it was before it was scaled for training. `from_onnx` does not read such a graph.

    Raises
    ------
    ConfigError
        If an option is none of these, or a layer is nothing that ONNX can express.
    FileError
        When the file cannot be written.

    Examples
    --------
    >>> import tempfile, pathlib, clearprop as cp
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "net.onnx"
    >>> model = cp.Sequential([cp.Dense(25, activation="relu"), cp.Dense(3)], input_shape=(4,))
    >>> model.to_onnx(path)
    >>> cp.from_onnx(path)
    Sequential([Dense(25), Activation('relu'), Dense(3)], input_shape=(4,))
    """
    made = to_proto(model, opset, batch, layout, output, scaling)
    replace_file(Path(fspath(path)), lambda file: file.write(made.SerializeToString()))


def write_with(model: Sequential, path: str | PathLike[str], options: dict[str, Any]) -> None:
    """`write_onnx`, where the options' names have not been looked at."""
    known = [name for name, p in inspect.signature(write_onnx).parameters.items() if p.kind is p.KEYWORD_ONLY]
    for name in options:
        if name not in known:
            raise unknown("to_onnx", "setting", name, known)
    write_onnx(model, path, **options)


def to_proto(
    model: Sequential,
    opset: int,
    batch: int | None,
    layout: str,
    output: str,
    scaling: tuple[Array, Array] | None = None,
) -> Any:
    """The network as onnx's ModelProto."""
    opset = check_opset(opset)
    batch = None if batch is None else check_count("to_onnx", "batch", batch)
    _check_layout(model, layout)
    if output not in OUTPUTS:
        raise unknown("to_onnx", "output", output, OUTPUTS)
    if model.params.nbytes + model.buffers.nbytes > LARGEST:
        raise ConfigError(
            f"to_onnx: expected a network of less than 2 GiB, which is what one ONNX file holds, got "
            f"{model.params.nbytes:,} bytes of {model.dtype}. Take model.astype('float32'), or model.save."
        )
    graph = Graph(opset, model.dtype)
    whole = isinstance(model.layers[0], Embedding)
    x = Value(model.input_shape, {_order(model.input_shape, layout): "x"}, whole=whole)
    if scaling is not None:
        x = _scaled(graph, x, *scaling)
    y = write_layers(graph, model.layers, x)
    if output == "probabilities":
        y = _probabilities(graph, model, y)
    _name_output(graph, graph.form(y, _order(y.shape, layout)), output)
    return _proto(graph, model, batch, layout, output)


def _check_layout(model: Sequential, layout: str) -> None:
    if layout not in LAYOUTS:
        raise unknown("to_onnx", "layout", layout, LAYOUTS)
    if layout == "NCHW" and len(model.input_shape) != 3:
        raise ConfigError(
            f"to_onnx: expected layout='NHWC' for a network that takes no images (N, H, W, C), got {layout!r} and "
            f"input_shape={model.input_shape}. Leave it out."
        )


def _scaled(graph: Graph, x: Value, shift: Array, scale: Array) -> Value:
    """(x - shift) / scale, in the order of axes in which x comes in."""
    order, name = graph.any(x)
    for op, array in (("Sub", np.asarray(shift)), ("Div", np.asarray(scale))):
        check_shape("to_onnx", "scaling", array.shape, x.shape[len(x.shape) - array.ndim :])
        full = array.reshape((1,) * (x.axes - array.ndim) + array.shape)
        name = graph.node(op, [name, graph.constant("scaling", full.transpose(order))])
    return Value(x.shape, {order: name})


def _order(shape: Sequence[int], layout: str) -> Order:
    """How images stand at the graph's ends."""
    axes = len(shape) + 1
    return channels_first(axes) if layout == "NCHW" and axes == 4 else as_ours(axes)


def _probabilities(graph: Graph, model: Sequential, y: Value) -> Value:
    probabilities_from(model.link, np.zeros((1, *y.shape), model.dtype))  # refuses where there are none
    if model.link == "probs":
        return y
    order, name = graph.any(y)
    last = order.index(y.axes - 1)
    return Value(y.shape, {order: write_function(graph, model.link, None, name, last)})


def _name_output(graph: Graph, name: str, output: str) -> None:
    """Call the tensor that comes out what the user reads."""
    if name == "x":
        name = graph.node("Identity", [name])
    for node in graph.nodes:
        for names in (node.input, node.output):
            names[:] = [output if one == name else one for one in names]


def _proto(graph: Graph, model: Sequential, batch: int | None, layout: str, output: str) -> Any:
    onnx = onnx_package()
    helper, float_type = onnx.helper, onnx.helper.np_dtype_to_tensor_dtype(model.dtype)
    first = onnx.TensorProto.INT64 if isinstance(model.layers[0], Embedding) else float_type

    def info(name: str, kind: int, shape: Sequence[int]) -> Any:
        stored = [("N" if batch is None else batch, *shape)[axis] for axis in _order(shape, layout)]
        return helper.make_tensor_value_info(name, kind, stored)

    made = helper.make_graph(
        graph.nodes,
        "clearprop",
        [info("x", first, model.input_shape)],
        [info(output, float_type, model.output_shape)],
        [onnx.numpy_helper.from_array(values, name) for name, values in graph.constants.items()],
    )
    opsets = [helper.make_opsetid("", graph.opset)]
    proto = helper.make_model(
        made, opset_imports=opsets, ir_version=helper.find_min_ir_version_for(opsets),
        producer_name="clearprop", producer_version=clearprop.__version__,
    )  # fmt: skip
    told = {
        "input_shape": json.dumps(model.input_shape),
        "layout": layout,
        "output": output,
        "link": model.link,
    }
    helper.set_model_props(proto, {f"clearprop.{name}": text for name, text in told.items()})
    return proto
