"""Constructors called with another library's settings: refused in a sentence that says what to write here."""

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from inspect import signature
from typing import Any

from clearprop.errors import ConfigError
from clearprop.names import check_settings, nearest, told_by_shape


def in_a_sentence(init: Callable[..., None]) -> Callable[..., None]:
    """An `__init__` that refuses wrong settings in a sentence with what to write, where Python has a TypeError."""

    @wraps(init)
    def made(self: Any, *args: Any, **settings: Any) -> None:
        try:
            init(self, *args, **settings)
        except TypeError:
            kind = type(self)
            if refusal := _refusal(kind, args, settings):
                raise ConfigError(refusal) from None
            raise

    return made


def _refusal(kind: type, args: Sequence[Any], settings: Mapping[str, Any]) -> str:
    """What is wrong with such a call, or "" if nothing is."""
    taken = signature(kind)
    try:
        taken.bind(*args, **settings)
    except TypeError as error:
        try:
            check_settings(kind.__name__, kind, args, settings)
        except ConfigError as refusal:
            return f"{refusal}{_rewritten(kind, args, settings)}"
        return f"{kind.__name__}: {error}. Settings: {', '.join(taken.parameters) or 'none'}."
    return ""


def _rewritten(kind: type, args: Sequence[Any], settings: Mapping[str, Any]) -> str:
    """The call with the settings' names from here, if that makes an object."""
    taken = signature(kind).parameters
    near = {name: name if name in taken else nearest(name, taken) for name in settings}
    kept = [name for name in settings if name in taken or not told_by_shape(name, near[name])]
    here = {near[name]: settings[name] for name in kept}
    if here == settings or len(here) < len(kept) or not taken.keys() >= here.keys():
        return ""
    try:
        kind(*args, **here)
    except (ConfigError, TypeError):
        return ""
    words = [*map(repr, args), *(f"{name}={value!r}" for name, value in here.items())]
    elsewhere = ", and give Sequential the input_shape" * ("input_shape" in settings.keys() - taken.keys())
    return f" Write {kind.__name__}({', '.join(words)}){elsewhere}."
