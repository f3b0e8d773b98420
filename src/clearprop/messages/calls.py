"""Calls with another library's settings: refused in a sentence that says what to write here."""

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from inspect import isclass, signature
from operator import is_
from typing import Any, ParamSpec, TypeVar

from clearprop.errors import ConfigError
from clearprop.messages.elsewhere import Meant, meant_by
from clearprop.names import check_settings, nearest, told_by_shape

P = ParamSpec("P")
R = TypeVar("R")


def in_a_sentence(function: Callable[P, R]) -> Callable[P, R]:
    """An `__init__` or a function that refuses wrong settings in a sentence, where Python has a TypeError.

    The sentence ends with the call to write: of a class only if that makes an object.
    """

    @wraps(function)
    def made(*args: P.args, **settings: P.kwargs) -> R:
        try:
            return function(*args, **settings)
        except TypeError:
            of_class = function.__name__ == "__init__"
            called: Any = type(args[0]) if of_class else function
            if refusal := _refusal(called, args[1:] if of_class else args, settings):
                raise ConfigError(refusal) from None
            raise

    return made


def _refusal(called: Callable[..., Any], args: Sequence[Any], settings: Mapping[str, Any]) -> str:
    """What is wrong with such a call, or "" if nothing is."""
    who, taken = called.__name__, signature(called)
    try:
        taken.bind(*args, **settings)
    except TypeError as error:
        here, advice = _translated(called, args, settings)
        call = _call(called, args, here, settings)
        known = next((name for name in settings if meant_by(called, name)), None)
        if known is not None and (said := [*dict.fromkeys(advice), call] if call else advice):
            return " ".join([f"{who}: unknown setting {known!r}.", *said])
        try:
            check_settings(who, called, args, settings)
        except ConfigError as refusal:
            return f"{refusal} {call}".rstrip()
        return f"{who}: {error}. Settings: {', '.join(taken.parameters) or 'none'}."
    return ""


def _translated(
    called: Callable[..., Any], args: Sequence[Any], settings: Mapping[str, Any]
) -> tuple[dict[str, Any] | None, list[str]]:
    """The settings under their names here, or None where one has none; and what else there is to say."""
    taken = signature(called).parameters
    known = {name: value for name, value in settings.items() if name in taken}
    here, advice = dict(zip(taken, args, strict=False)), list[str]()
    for name, value in settings.items():
        meant: Meant | None = meant_by(called, name)
        near = name if name in taken else nearest(name, taken)
        if name in taken:
            here.setdefault(name, value)  # what another setting was put into stays
        elif meant is not None:
            found, words = meant(value, known | here)
            here |= found
            advice += [words] * bool(words)
        elif not told_by_shape(name, near):
            if not near or near in known | here:
                return None, []
            here[near] = value
    return here, advice


def _call(
    called: Callable[..., Any],
    args: Sequence[Any],
    here: Mapping[str, Any] | None,
    settings: Mapping[str, Any],
) -> str:
    """Write …, with the settings' names from here; of a class only if that makes an object."""
    taken = signature(called).parameters
    first = list(taken)[: len(args)]
    if here is None or not taken.keys() >= here.keys():
        return ""
    values = [here[name] for name in first]
    named = {name: value for name, value in here.items() if name not in first}
    if named.keys() == settings.keys() and all(map(is_, values, args)):
        return ""  # nothing was translated
    try:
        called(*values, **named) if isclass(called) else signature(called).bind(*values, **named)
    except (ConfigError, TypeError):
        return ""
    shown = repr if isclass(called) else _brief
    given = [name if "…" in shown(value) else shown(value) for name, value in zip(first, values, strict=True)]
    words = ", ".join([*given, *(f"{name}={shown(value)}" for name, value in named.items())])
    elsewhere = ", and give Sequential the input_shape" * ("input_shape" in settings.keys() - taken.keys())
    return f"Write {called.__name__}({words}){elsewhere}."


def _brief(value: Any) -> str:
    """A plain value as it is written; … for arrays and other large things."""
    if isinstance(value, tuple):
        return f"({', '.join(map(_brief, value))})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {_brief(item)}" for key, item in value.items()) + "}"
    plain = isinstance(value, str | int | float | bool | None) or (
        isinstance(value, list) and len(value) < 20
    )
    return repr(value) if plain else "…"
