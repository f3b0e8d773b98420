"""The package onnx, where it is needed, and which opsets go with it."""

from importlib import import_module
from typing import Any

from clearprop.errors import ConfigError
from clearprop.names import check_count

OLDEST, NEWEST = 13, 26  # the newest one that the tests run in onnxruntime
DEFAULT = 21  # the first that needs no more than one node for a gelu or a group norm


def onnx_package() -> Any:
    """The package onnx, whose parts are attributes of it.

    Raises
    ------
    ConfigError
        If it is not installed.
    """
    try:
        package = import_module("onnx")
        import_module("onnx.numpy_helper")
    except ImportError as error:
        raise ConfigError(
            f"ONNX: expected the package onnx, got none ({error}). Install it: pip install 'clearprop[onnx]'"
        ) from None
    return package


def check_opset(opset: object) -> int:
    """The opset as an int, if this version of clearprop writes it and the installed onnx knows it.

    Raises
    ------
    ConfigError
        With the opsets that are possible.
    """
    installed = int(onnx_package().defs.onnx_opset_version())
    number, newest = check_count("to_onnx", "opset", opset), min(NEWEST, installed)
    if not OLDEST <= number <= newest:
        why = f" The installed onnx ends at {installed}." if number <= NEWEST else ""
        raise ConfigError(f"to_onnx: expected opset from {OLDEST} to {newest}, got {number}.{why}")
    return number
