"""Names and settings that users write: looked up, built from and refused in one wording."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from inspect import Parameter, signature
from math import inf, isfinite
from numbers import Real
from typing import Any, ClassVar, TypeVar

from clearprop.errors import ConfigError

T = TypeVar("T")


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that is most like this one, or "" if none is.

    >>> nearest("adm", ["adam", "sgd"]), nearest("xyz", ["adam", "sgd"])
    ('adam', '')
    """
    from difflib import get_close_matches  # only a mistake needs it

    from clearprop.messages.elsewhere import called_here

    by_lower = {other.lower(): other for other in known}
    for here in called_here(name):
        if here in by_lower:
            return by_lower[here]
    matches = get_close_matches(name.lower(), by_lower, n=1, cutoff=0.5)
    return by_lower[matches[0]] if matches else ""


def shown(value: object) -> str:
    """A value as a sentence quotes it: an array by its shape, and what is long by its kind.

    >>> shown("adm"), shown([1, 2]), shown(list(range(1000)))
    ("'adm'", '[1, 2]', 'a list of 1000')
    """
    if shape := getattr(value, "shape", None):
        return f"an array of shape {tuple(shape)}"
    text = repr(value)
    if len(text) <= 100 or not isinstance(value, Collection):
        return text
    return f"{text[:100]}…" if isinstance(value, str) else f"a {type(value).__name__} of {len(value)}"


def unknown(who: str, what: str, name: object, known: Iterable[str]) -> ConfigError:
    """The error for a name that is not among the known ones; the caller raises it.

    >>> raise unknown("optimizer", "name", "adm", ["sgd", "adam"])
    Traceback (most recent call last):
        ...
    clearprop.errors.ConfigError: optimizer: unknown name 'adm'. Did you mean 'adam'? Known: adam, sgd.
    """
    from clearprop.messages.elsewhere import told_by_shape

    names = sorted(known)
    near = nearest(str(name), names)
    hint = f" Did you mean {near!r}?" if near else ""
    if what == "setting" and told_by_shape(str(name), near):
        hint = " It follows from what comes in: leave it out."
    return ConfigError(f"{who}: unknown {what} {name!r}.{hint} Known: {', '.join(names) or 'none'}.")


def build(who: str, spec: str | Mapping[str, Any], known: Mapping[str, Callable[..., T]]) -> T:
    """Make an object from its name, or from a mapping of its name and settings.

    Parameters
    ----------
    who : str
        What is built, for the messages.
    spec : str or mapping
        "adam", or {"name": "adam", "lr": 0.01}.
    known : mapping of str to callable
        The names and what each makes.

    Raises
    ------
    ConfigError
        For an unknown name or setting, with the nearest known one, and for a setting that is missing.

    Examples
    --------
    >>> build("number", {"name": "complex", "real": 1, "imag": 2}, {"complex": complex})
    (1+2j)
    """
    name, settings = named(who, spec, known)
    check_settings(f"{who} {name!r}", known[name], (), settings)
    return known[name](**settings)


def named(who: str, spec: Any, known: Collection[str]) -> tuple[str, dict[str, Any]]:
    """A known name and its settings, from the name alone or from a mapping of both.

    >>> named("loss", {"name": "huber", "delta": 2.0}, ["huber", "hinge"])
    ('huber', {'delta': 2.0})
    """
    if not isinstance(spec, str | Mapping):
        raise ConfigError(f"{who}: expected a name, or a mapping of a name and settings, got {shown(spec)}.")
    settings: dict[str, Any] = {"name": spec} if isinstance(spec, str) else dict(spec)
    name = settings.pop("name", None)
    if name is None:
        raise ConfigError(f"{who}: expected a 'name' among the settings, got {sorted(settings)}.")
    if not isinstance(name, str) or name not in known:
        raise unknown(who, "name", name, known)
    return name, settings


def check_settings(
    who: str, made: Callable[..., Any], args: Sequence[Any], settings: Mapping[str, Any]
) -> None:
    """Refuse settings that a callable does not know, and ones that it needs and does not get."""
    taken = signature(made).parameters
    for setting in settings:
        if setting not in taken:
            raise unknown(who, "setting", setting, taken)
    needed = [name for name in list(taken)[len(args) :] if taken[name].default is Parameter.empty]
    missing = [name for name in needed if name not in settings]
    if missing:
        value = "one example's shape, such as (784,)" if missing[0] == "input_shape" else "its value"
        raise ConfigError(
            f"{who}: expected the setting {missing[0]!r}, got none. Write {value}. "
            f"Settings: {', '.join(sorted(taken))}."
        )


def check_number(
    who: str, what: str, value: object, expected: str, holds: Callable[[float], bool] = isfinite
) -> float:
    """The value as a Python float, if it is a finite number for which `holds` is true.

    >>> check_number("SGD", "momentum", 1.5, "in [0, 1)", lambda m: 0 <= m < 1)
    Traceback (most recent call last):
        ...
    clearprop.errors.ConfigError: SGD: expected momentum in [0, 1), got 1.5.
    """
    if not isinstance(value, bool) and isinstance(value, Real):
        try:
            number = float(value)
        except OverflowError:  # an integer of hundreds of digits
            number = inf
        if isfinite(number) and holds(number):
            return number
    raise ConfigError(f"{who}: expected {what} {expected}, got {shown(value)}.")


def check_count(who: str, what: str, value: object, least: int = 1) -> int:
    """The value as a Python int, if it is a whole number that is not below `least`.

    >>> check_count("top_k_accuracy", "k", 0)
    Traceback (most recent call last):
        ...
    clearprop.errors.ConfigError: top_k_accuracy: expected k to be a whole number >= 1, got 0.
    """
    number = check_number(
        who, what, value, f"to be a whole number >= {least}", lambda n: n >= least and n == int(n)
    )
    return int(number)


class Named:
    """The base of dataclasses that `build` makes by name: their settings are a spec to make them again."""

    name: ClassVar[str]

    def settings(self) -> dict[str, Any]:
        """Name and settings as plain values, for configurations, reports and saved models."""
        given = {f.name: getattr(self, f.name) for f in fields(self) if f.init}  # type: ignore[arg-type]
        return {"name": self.name, **given}

    def _check(self, what: str, expected: str, holds: Callable[[float], bool] = isfinite) -> None:
        check_number(type(self).__name__, what, getattr(self, what), expected, holds)

    def _check_positive(self, *names: str) -> None:
        for what in names:
            self._check(what, "to be a finite number > 0", lambda v: v > 0)
