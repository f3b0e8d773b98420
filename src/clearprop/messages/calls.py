"""Calls with another library's settings: refused in a sentence that says what to write here."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from inspect import Parameter, isclass, signature
from itertools import takewhile
from typing import Any, ParamSpec, TypeVar

from clearprop.errors import ClearpropError, ConfigError
from clearprop.messages.elsewhere import meant_by, positions, told_by_shape
from clearprop.names import check_settings, nearest, shown

Made = Callable[..., Any]  # a class, or a function
Settings = Mapping[str, Any]
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
        except (TypeError, ClearpropError):
            called: Any = function
            of_class = function.__name__ == "__init__"
            if of_class:  # the class whose __init__ this is, which a subclass may have called
                called = next(kind for kind in type(args[0]).__mro__ if kind.__init__ is made)  # type: ignore[misc]
            if refusal := _refusal(called, args[1:] if of_class else args, settings):
                raise ConfigError(refusal) from None
            raise

    return made


def _refusal(called: Made, args: Sequence[Any], settings: Settings) -> str:
    """What is wrong with such a call, or "" if nothing is."""
    who, taken = called.__name__, signature(called).parameters
    if "layers" in taken and args and hasattr(args[0], "output_shape"):
        return _in_a_list(who, args, settings, "input_shape" in taken)
    by_position = _by_position(called)
    crowded = len(args) > len(by_position)
    several = isinstance(first := next(iter(args), None), Iterable) and not isinstance(first, str | Mapping)
    params = several and positions(called)[:1] == [["params", "lr"]]
    problem = _problem(called, args, settings)
    if not problem and not params:
        return ""
    advice, call = _remedy(called, args, settings, crowded or params)
    known = next((name for name in settings if meant_by(called, name)), None)
    if params:
        refused = f"{who}: expected {by_position[0]} first, got {shown(first)}."
    elif crowded:
        rest = " and the rest by name" * (len(taken) > len(by_position))
        only = f"{', '.join(by_position)} by position{rest}" if by_position else "all settings by name"
        refused = f"{who}: expected {only}, got {len(args)} by position."
        call = call or f"Settings: {', '.join(taken) or 'none'}."
    elif known is not None and (advice or call):
        refused = f"{who}: unknown setting {known!r}."
    else:
        refused, advice = problem, []
    return " ".join([refused, *advice, call]).rstrip()


def _problem(called: Made, args: Sequence[Any], settings: Settings) -> str:
    """What Python says against such a call, in the house's words; "" if nothing."""
    who, taken = called.__name__, signature(called)
    try:
        taken.bind(*args, **settings)
    except TypeError as error:
        try:
            check_settings(who, called, args, settings)
        except ConfigError as refusal:
            return str(refusal)
        return f"{who}: {error}. Settings: {', '.join(taken.parameters) or 'none'}."
    return ""


def _by_position(called: Made) -> list[str]:
    taken = signature(called).parameters
    return [name for name, setting in taken.items() if setting.kind != Parameter.KEYWORD_ONLY]


def _in_a_list(who: str, args: Sequence[Any], settings: Settings, shaped: bool) -> str:
    """What to write for layers that were not put into a list."""
    layers = ", ".join(repr(arg) for arg in args if hasattr(arg, "output_shape"))
    shape = settings.get("input_shape", next((arg for arg in args if not hasattr(arg, "output_shape")), "…"))
    more = f", input_shape={shape}" * shaped
    return f"{who}: expected the layers in a list, got them one by one. Write {who}([{layers}]{more})."


def _remedy(called: Made, args: Sequence[Any], settings: Settings, foreign: bool) -> tuple[list[str], str]:
    """Advice, and the call to write: with the positions of here first, unless they are foreign."""
    taken = signature(called).parameters
    own = dict(zip(taken, args, strict=False))
    readings: list[tuple[Settings, Settings]] = [] if foreign else [(own, settings)]
    for order in positions(called) if args else ():
        there = dict(zip(order, args, strict=False))
        if len(order) >= len(args) and not there.keys() & settings.keys():
            readings.append(({}, {**there, **settings}))
    advice, calls = list[str](), list[str]()
    for given, named in readings:
        here, words = _translated(called, given, named)
        call = "" if here is None else _call(called, len(args), here)
        if call and foreign and any(told_by_shape(name, "") for name in named):
            advice.append("The shape tells how many channels or features come in.")
        advice += words
        calls += [f"Bidirectional({call})" if settings.get("bidirectional") else call] * bool(call)
        if call and not foreign:
            break
    elsewhere = ", and give Sequential the input_shape" * ("input_shape" in settings.keys() - taken.keys())
    written = f"Write {', or '.join(dict.fromkeys(calls))}{elsewhere}." if calls else ""
    return [*dict.fromkeys(advice)], written


def _translated(called: Made, given: Settings, settings: Settings) -> tuple[dict[str, Any] | None, list[str]]:
    """The settings under their names here, or None where one has none; and what else there is to say."""
    taken = signature(called).parameters
    here, advice = dict(given), list[str]()
    for name, value in settings.items():
        meant = meant_by(called, name)
        near = name if name in taken else nearest(name, taken)
        if name in taken and name not in given:
            here.setdefault(name, value)  # what another setting was put into stays
        elif name not in taken and meant is not None:
            found, words = meant(value, {**settings, **here})
            here |= found
            advice += [words.replace("leave it out", f"leave {name} out")] * bool(words)
        elif name in taken or not told_by_shape(name, near):
            if not near or near in settings or near in here:
                return None, advice
            here[near] = value
    return here, advice


def _call(called: Made, count: int, here: Settings) -> str:
    """The call with up to so many settings by position; "" if that is none, or of a class makes no object."""
    first = [*takewhile(here.__contains__, _by_position(called)[:count])]
    values, named = [here[name] for name in first], {k: v for k, v in here.items() if k not in first}
    try:
        signature(called).bind(*values, **named)  # or this very code would refuse it, and so for ever
        if isclass(called):
            called(*values, **named)
    except (ClearpropError, TypeError):
        return ""
    quoted = shown if isclass(called) else _brief
    given = [name if "…" in quoted(here[name]) else quoted(here[name]) for name in first]
    words = ", ".join([*given, *(f"{name}={quoted(value)}" for name, value in named.items())])
    return f"{called.__name__}({words})"


def _brief(value: Any) -> str:
    """A plain value as it is written; … for arrays and other large things."""
    if isinstance(value, tuple):
        return f"({', '.join(map(_brief, value))})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {_brief(item)}" for key, item in value.items()) + "}"
    short = isinstance(value, list) and len(value) < 20
    return repr(value) if short or isinstance(value, str | int | float | bool | None) else "…"
