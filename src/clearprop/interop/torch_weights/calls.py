"""What both ways are called with: other things than a network, a path and names are refused in a sentence."""

import sys
from collections.abc import Collection, Mapping
from os import PathLike
from typing import Any

from clearprop.errors import ConfigError
from clearprop.interop.torch_weights.table import WeightTable
from clearprop.model import Sequential
from clearprop.names import shown

LOAD, SAVE = "load_torch_weights", "save_torch_weights"


def check_call(who: str, model: Any, path: Any, names: Any, skip: Any = ()) -> None:
    """Refuse what is no network, no path, or no names.

    Raises
    ------
    ConfigError
    """
    if not isinstance(model, Sequential):
        raise ConfigError(
            f"{who}: expected a network of clearprop first, got {_kind(model)}. Write {who}(model, path)."
        )
    if not isinstance(path, str | PathLike):
        remedy = f'Write {who}(model, "net.safetensors").'
        if who == LOAD and (isinstance(path, Mapping) or hasattr(path, "state_dict")):
            remedy = (
                "Weights come in a file. In PyTorch: from safetensors.torch import save_file; "
                f'save_file(net.state_dict(), "net.safetensors"). Then {who}(model, "net.safetensors").'
            )
        raise ConfigError(f"{who}: expected a path, got {_kind(path)}. {remedy}")
    if names is not None and not (who == SAVE and isinstance(names, WeightTable)):
        right = (str, type(None)) if who == LOAD else str
        texts = isinstance(names, Mapping) and all(isinstance(key, str) for key in names)
        if not texts or not all(isinstance(value, right) for value in names.values()):
            raise ConfigError(
                f'{who}: expected names such as {{"0": "conv1", "3": "fc"}}, our layers first, got {shown(names)}.'
            )
    if isinstance(skip, str) or not isinstance(skip, Collection) or not all(isinstance(n, str) for n in skip):
        raise ConfigError(f'{who}: expected skip to be a list of modules, such as ["fc"], got {shown(skip)}.')


def _kind(value: object) -> str:
    name, room = type(value).__name__, type(value).__module__.partition(".")[0]
    foreign = f" of {room}" * (room not in sys.builtin_module_names and room not in sys.stdlib_module_names)
    return f"{'an' if name[:1] in 'AEIOUaeiou' else 'a'} {name}{foreign}"
