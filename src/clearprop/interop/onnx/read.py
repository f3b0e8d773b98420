"""An ONNX file as a network: each tensor is followed from the input to the output."""

from collections.abc import Callable, Iterable, Sequence
from os import PathLike, fspath
from typing import Any

import numpy as np

from clearprop.arrays import Array, shape_text
from clearprop.errors import ClearpropError, ConfigError, DataError
from clearprop.interop.onnx import read_constants as constants
from clearprop.interop.onnx import read_functions as functions
from clearprop.interop.onnx import read_layers as layers
from clearprop.interop.onnx import read_recurrent as recurrent
from clearprop.interop.onnx import read_shapes as shapes
from clearprop.interop.onnx import read_sums as sums
from clearprop.interop.onnx.package import onnx_package
from clearprop.interop.onnx.read_file import OnnxFile, needed_nodes, read_onnx_file
from clearprop.interop.onnx.read_node import ANY, ROOM, WITHOUT_IT, Node
from clearprop.interop.onnx.read_values import Value, chain
from clearprop.interop.onnx.write_graph import Order, as_ours, channels_first
from clearprop.layers import Activation
from clearprop.model import Sequential
from clearprop.names import check_count, nearest, unknown
from clearprop.plan import plan
from clearprop.storage import LINKS, fill_params

NO_LAYER = f"clearprop has no layer for it. {WITHOUT_IT}"


def _unknown(node: Node) -> Any:
    return node.refuse(NO_LAYER)


def _sqrt(node: Node) -> Any:
    found = sums.read_sqrt(node)
    return functions.read_function(node) if found is None else found


def _gather(node: Node) -> Any:
    return layers.read_embedding(node) if isinstance(node.get(0), np.ndarray) else recurrent.read_last(node)


READERS: dict[str, Callable[[Node], Any]] = {
    "AveragePool": layers.read_pool,
    "BatchNormalization": layers.read_batch_norm,
    "Cast": constants.read_cast,
    "Concat": recurrent.put_together,
    "Constant": constants.read_constant,
    "ConstantOfShape": constants.constant_of_shape,
    "Conv": layers.read_conv,
    "ConvTranspose": layers.read_conv_transpose,
    "Dropout": layers.read_dropout,
    "Flatten": shapes.read_flatten,
    "Gather": _gather,
    "Gemm": layers.read_gemm,
    "GlobalAveragePool": layers.read_global_pool,
    "GlobalMaxPool": layers.read_global_pool,
    "GroupNormalization": layers.read_group_norm,
    "Identity": lambda node: node.get(0),
    "InstanceNormalization": layers.read_group_norm,
    "LayerNormalization": layers.read_layer_norm,
    "MatMul": layers.read_matmul,
    "MaxPool": layers.read_pool,
    "Pad": layers.read_pad,
    "ReduceMax": sums.read_reduce,
    "ReduceMean": sums.read_reduce,
    "Reshape": shapes.read_reshape,
    "Shape": constants.read_shape,
    "Slice": recurrent.read_slice,
    "Split": recurrent.read_split,
    "Squeeze": shapes.read_squeeze,
    "Transpose": shapes.read_transpose,
    "Unsqueeze": shapes.read_squeeze,
    **dict.fromkeys(("GRU", "LSTM", "RNN"), recurrent.read_recurrent),
    **dict.fromkeys(functions.UNARY, functions.read_function),
    **dict.fromkeys(functions.BINARY, sums.read_binary),
    **dict.fromkeys(functions.CHOICES, functions.read_choice),
    **dict.fromkeys(functions.OF_ROWS, functions.read_rows),
    **dict.fromkeys(("Elu", "Gelu", "LeakyRelu", "Swish"), functions.read_with_settings),
    "Sqrt": _sqrt,
}


def from_onnx(
    path: str | PathLike[str],
    *,
    input_shape: Sequence[int] | None = None,
    layout: str | None = None,
    output: str | None = None,
) -> Sequential:
    """The network that an ONNX file describes, if it is made of layers that clearprop has.

    Images that go in as (N, C, H, W) go in as (N, H, W, C) here, and weights are turned accordingly; images that come
    out do so, too. Nothing in the file is run, and its sizes are checked before anything is allocated.

    Parameters
    ----------
    path : str or path
        A file that `to_onnx`, PyTorch or another exporter has written; weights in files beside it are read, too.
    input_shape : tuple of int, optional
        One example's shape, as it goes in here, where the file leaves sizes open.
    layout : str, optional
        "NCHW" or "NHWC": how images go into the graph. By default the file tells, by its nodes.
    output : str, optional
        The tensor that comes out, where the graph has several outputs, or where it is to end: what comes behind it is
        not read.

    Raises
    ------
    FileError, DataError
        If the file is missing, damaged, or has a node that is no layer of clearprop's: which, and why.
    ConfigError
        If the package onnx is not installed.

    Examples
    --------
    >>> from_onnx("net.onnx")  # doctest: +SKIP
    """
    if layout not in (None, "NCHW", "NHWC"):
        raise unknown("from_onnx", "layout", layout, ("NCHW", "NHWC"))
    try:
        file = read_onnx_file(path)
        graph = _Reading(file, input_shape, layout, output)
        return _network(file, graph)
    except UnicodeDecodeError as error:  # protobuf looks at a name when it is asked for it
        raise DataError(
            f"{fspath(path)}: a name in it is no text ({error}). Take an undamaged copy."
        ) from None


class _Reading:
    """The tensors of one file, as far as they are understood."""

    def __init__(
        self, file: OnnxFile, input_shape: Sequence[int] | None, layout: str | None, output: str | None
    ) -> None:
        self.file = file
        self.output = _output(file, output)
        self.nodes = list(needed_nodes(file, self.output))
        self.readers: dict[str, list[Any]] = {}
        for _, node in self.nodes:
            for name in node.input:
                self.readers.setdefault(name, []).append(node)
        self.input = _only_input(file, self.readers)
        self.start, self.batch = self._start(input_shape, layout or file.told.get("clearprop.layout"))
        self.found: dict[str, Any] = {**file.tensors, self.input.name: self.start}

    def result(self) -> Value:
        """What comes out, after every node."""
        for i, node in self.nodes:
            self._follow(i, node)
        node = self._node("the output", None, [self.found.get(self.output)])
        y = node.value()
        if y.fold:
            node.refuse("examples and time steps come out as one axis. Leave the last Reshape out.")
        if y.places is not None:
            node.refuse("images flattened channels first come out, in another order than clearprop's.")
        return y

    def _follow(self, i: int, node: Any) -> None:
        who = f"node {node.name!r}" if node.name else f"node {i}, which gives {node.output[0]!r}"
        known = node.op_type in READERS or node.op_type in constants.FOLDED
        if not known or node.domain not in ("", "ai.onnx"):
            kind = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
            raise DataError(f"{self.file.name}: {who} ({kind}): {NO_LAYER}")
        self._check(node, f"{self.file.name}: {who} ({node.op_type})")
        missing = [name for name in node.input if name and name not in self.found]
        given = [self.found.get(name) if name else None for name in node.input]
        made = self._node(who, node, given)
        if missing:
            made.refuse(f"takes {missing[0]!r}, which nothing before it gives. The file is damaged.")
        constant = bool(given) and all(a is None or isinstance(a, np.ndarray) for a in given)
        reader = (constants.FOLDED if constant else READERS).get(node.op_type, _unknown)
        try:
            with np.errstate(all="ignore"):
                results = reader(made)
        except ClearpropError as error:
            if str(error).startswith(self.file.name):
                raise
            made.refuse(str(error))
        except (
            ValueError,
            TypeError,
            IndexError,
            KeyError,
            AttributeError,
            OverflowError,
            MemoryError,
        ) as error:
            made.refuse(f"is malformed ({type(error).__name__}: {error}).")
        each = results if isinstance(results, tuple) else (results,)
        for name, result in zip(node.output, each, strict=False):
            if name:
                self.found[name] = result

    def _node(self, who: str, node: Any, given: list[Any]) -> Node:
        attribute = onnx_package().helper.get_attribute_value
        op = node.op_type if node is not None else ""
        return Node(
            f"{self.file.name}: {who}" + (f" ({op})" if op else ""), op, given,
            {a.name: attribute(a) for a in node.attribute} if node is not None else {},
            list(node.output) if node is not None else [], self.batch, self.file, self.readers,
        )  # fmt: skip

    def _check(self, node: Any, who: str) -> None:
        """Refuse a node that is none by ONNX's own rules: its inputs, outputs and attributes."""
        checker = onnx_package().checker
        context = checker.C.CheckerContext()
        context.ir_version, context.opset_imports = min(max(self.file.ir, 3), 99), {"": self.file.opset}
        try:
            checker.check_node(node, context)
        except checker.ValidationError as error:
            raise DataError(
                f"{who}: is no valid node ({str(error).splitlines()[0]}). The file is damaged."
            ) from None

    def _start(self, given: Sequence[int] | None, layout: str | None) -> tuple[Value, int]:
        """The input as clearprop has it, and how many examples stand for any number."""
        kind = self.input.type.tensor_type
        dims = [dim.dim_value if dim.dim_value > 0 else None for dim in kind.shape.dim]
        order = self._order(len(dims), layout)
        who = f"{self.file.name}: input {self.input.name!r}"
        if len(dims) < 2 or kind.elem_type not in (1, 6, 7, 10, 11):
            raise DataError(
                f"{who}: expected float or integer numbers for a batch of examples, got {len(dims)} axes."
            )
        ours: list[Any] = [dims[order.index(axis)] for axis in range(len(dims))]
        shape = ours[1:] if given is None else _given_shape(given)
        if len(shape) != len(ours) - 1 or any(
            n is not None and n != m for n, m in zip(ours[1:], shape, strict=True)
        ):
            open_shape = shape_text(["?" if n is None else n for n in ours[1:]])
            raise DataError(f"{who}: expected input_shape to fit {open_shape}, got {shape_text(shape)}.")
        if None in shape:
            open_shape = shape_text(["?" if n is None else n for n in shape])
            raise DataError(
                f"{who}: leaves sizes open, {open_shape}. Say them: from_onnx(path, input_shape=(…)), channels last."
            )
        return Value(None, tuple(shape), order), ours[0] or ANY

    def _order(self, axes: int, layout: str | None) -> Order:
        """How the input's axes stand: images channels first, if nothing turns them so; sequences as nodes ask."""
        user = shapes.first_user(self, self.input.name)
        op = "" if user is None else user.op_type
        if axes == 4:
            first = not self._turned(user) if layout not in ("NCHW", "NHWC") else layout == "NCHW"
            return channels_first(4) if first else as_ours(4)
        if axes == 3 and op in shapes.CHANNELS_FIRST:
            return channels_first(3)
        return (1, 0, 2) if axes == 3 and op in ("RNN", "LSTM", "GRU") else as_ours(axes)

    def _turned(self, user: Any) -> bool:
        """Whether images that go in channels last are turned here; one of a single channel by a Reshape."""
        dims = [dim.dim_value for dim in self.input.type.tensor_type.shape.dim]
        if user is not None and user.op_type == "Reshape" and dims[3] == 1:
            target = self.file.tensors.get(user.input[1], np.zeros(0))
            return bool(target.tolist()[1:] == [1, *dims[1:3]])
        return (
            user is not None and user.op_type == "Transpose" and list(user.attribute[0].ints) == [0, 3, 1, 2]
        )


def _given_shape(given: Sequence[int]) -> list[int]:
    if not isinstance(given, Iterable):
        raise ConfigError(
            f"from_onnx: expected input_shape to be one example's sizes, got {given!r}. Write ({given!r},)."
        )
    return [check_count("from_onnx", "input_shape", n) for n in given]


def _output(file: OnnxFile, given: str | None) -> str:
    """The name of the tensor that comes out."""
    names = [str(output.name) for output in file.graph.output]
    if given is None and len(names) > 1:
        raise DataError(
            f"{file.name}: expected one output, got {', '.join(map(repr, names))}. Say which holds the scores: "
            f"from_onnx(path, output={names[-1]!r})."
        )
    inner = {str(name) for node in file.graph.node for name in node.output}
    if given is not None and given not in inner:
        near = nearest(str(given), inner)
        hint = f" Did you mean {near!r}?" if near else ""
        raise DataError(
            f"{file.name}: no node gives {given!r}.{hint} Its outputs: {', '.join(map(repr, names))}."
        )
    return names[0] if given is None else given


def _only_input(file: OnnxFile, readers: dict[str, list[Any]]) -> Any:
    given = [value for value in file.graph.input if value.name not in file.tensors and value.name in readers]
    if len(given) != 1:
        names = ", ".join(repr(value.name) for value in given) or "none"
        raise DataError(f"{file.name}: expected one input that the output depends on, got {names}.")
    return given[0]


def _network(file: OnnxFile, graph: _Reading) -> Sequential:
    """The chain of layers as a network, with the file's numbers."""
    steps, input_shape = chain(graph.result().step), graph.start.shape
    found = [step.layer for step in steps] or [Activation("identity")]
    arrays: dict[str, Array] = {f"{i}.{n}": a for i, step in enumerate(steps) for n, a in step.arrays.items()}
    dtype = "float64" if any(a.dtype == np.float64 for a in file.tensors.values()) else "float32"
    try:
        size = plan(found, input_shape).params.size
        if size > file.size + ROOM:
            raise DataError(f"expected at most as many parameters as the file has bytes, got {size:,}.")
        model = Sequential(found, input_shape, dtype=dtype)
        link = file.told.get("clearprop.link")
        if link in LINKS and file.told.get("clearprop.output") == graph.output == "scores":
            model.link = link
        fill_params(model, {n: np.asarray(a, model.dtype) for n, a in arrays.items()}, file.name)
    except ClearpropError as error:
        text = str(error)
        raise DataError(text if text.startswith(file.name) else f"{file.name}: {text}") from None
    return model
