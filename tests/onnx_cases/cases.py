"""The test cases that come with the onnx package: one node, its inputs, and the outputs that the standard expects.

The operators' own cases are made by onnx.backend.test.case.node; those that were converted from PyTorch's tests lie
in folders beside it. Both are read without a network. The folder is not called onnx, which would hide the package.
"""

import importlib
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Case:
    """A node with its data; an input or output that is left out is None."""

    name: str
    attributes: dict[str, Any]
    inputs: list[Any]
    outputs: list[Any]
    rtol: float
    atol: float


def load(operator: str, module: str) -> list[Case]:
    """All cases of one operator, sorted by name; module is the file of onnx.backend.test.case.node that makes them.

    The cases of functions that are written out as many nodes (`_expanded`) have the same data, and are left out.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # onnx's own, while it makes its data
        found = [*_made(operator, module), *_shipped(operator)]
    return sorted(found, key=lambda case: case.name)


def _made(operator: str, module: str) -> list[Case]:
    importlib.import_module(f"onnx.backend.test.case.node.{module}")
    from onnx.backend.test.case.node import _NodeTestCases

    return [
        _case(case, case.model, *case.data_sets[0])
        for case in _NodeTestCases
        if _is_one(case.model, operator) and "_expanded" not in case.name
    ]


def _shipped(operator: str) -> list[Case]:
    import onnx
    from onnx.backend.test.loader import load_model_tests

    found = []
    for case in [
        case for kind in ("pytorch-converted", "pytorch-operator") for case in load_model_tests(kind=kind)
    ]:
        model = onnx.load(Path(case.model_dir) / "model.onnx")
        if _is_one(model, operator):
            data = Path(case.model_dir) / "test_data_set_0"
            found.append(_case(case, model, _tensors(data, "input"), _tensors(data, "output")))
    return found


def _is_one(model: Any, operator: str) -> bool:
    return [node.op_type for node in model.graph.node] == [operator]


def _tensors(folder: Path, what: str) -> list[Any]:
    import onnx

    files = sorted(folder.glob(f"{what}_*.pb"), key=lambda path: int(path.stem.split("_")[1]))
    return [onnx.numpy_helper.to_array(onnx.load_tensor(path)) for path in files]


def _case(case: Any, model: Any, inputs: Any, outputs: Any) -> Case:
    """Arrays by the names of the node's inputs and outputs; weights may stand in the model."""
    import onnx

    (node,) = model.graph.node
    arrays = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    arrays |= zip([i.name for i in model.graph.input if i.name not in arrays], inputs, strict=True)
    arrays |= zip([o.name for o in model.graph.output], outputs, strict=True)
    return Case(
        case.name,
        {a.name: _plain(onnx.helper.get_attribute_value(a)) for a in node.attribute},
        [arrays.get(name) for name in node.input],
        [arrays.get(name) for name in node.output],
        case.rtol,
        case.atol,
    )


def _plain(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value
