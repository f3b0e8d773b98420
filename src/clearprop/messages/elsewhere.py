"""What other libraries call the things that are here, and what to write for a setting that is not one here.

The words stand in elsewhere.toml, which is read when a mistake asks for it; here is what has to be computed.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from operator import length_hint
from pathlib import Path
from typing import Any

# A setting's value and the call's other settings -> the settings to write here, and a sentence about the rest.
Meant = Callable[[Any, Mapping[str, Any]], tuple[dict[str, Any], str]]


@cache
def words(*path: str) -> dict[str, Any]:
    """A table of elsewhere.toml, each name by itself: words("settings", "fit")."""
    import tomllib  # only a mistake needs it

    found: dict[str, Any] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    for part in path:
        found = found.get(part, {})
    return {name: value for names, value in found.items() for name in names.split()}


def called_here(name: str) -> list[str]:
    """What a thing of another library may be called here, in small letters."""
    here: str = words("names").get(name.lower(), "")
    return here.lower().split()


def told_by_shape(name: str, near: str) -> bool:
    """Whether what comes in tells this setting here, and so no setting that is near to it."""
    return name in words("shape")["names"].split() and near not in called_here(name)


def positions(called: Callable[..., Any]) -> list[list[str]]:
    """The names of what other libraries take by position, in each of their orders."""
    known = next((kind for kind in _kinds(called) if kind in words("positions")), "")
    return [order.split() for order in words("positions").get(known, ())]


def _in_spec(setting: str, spec: str, default: str | None = None) -> Meant:
    """A setting that belongs to what `spec` describes by its name, such as the optimizer."""

    def meant(value: Any, here: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
        given = here.get(spec, default)
        if not isinstance(given, str | Mapping):
            return {}, f"{setting} belongs to the {spec}: make it with {setting}={value!r}."
        described = {"name": given} if isinstance(given, str) else given
        return {spec: {**described, setting: value}}, f"{setting} belongs to the {spec}."

    return meant


def _class_weights(value: Any, here: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    by_label = [value[label] for label in sorted(value)] if isinstance(value, Mapping) else value
    return _in_spec("class_weights", "loss", "softmax_cross_entropy")(by_label, here)


def _example(value: Any, here: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """The setting stays, so that no call is written: it would be one on other arrays."""
    first = value if isinstance(value, int) else 5
    return {"example": value}, f"Pass that example alone: x[{first}:{first + 1}], y[{first}:{first + 1}]."


def _steps(value: Any, here: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """So many epochs as hold at least this number of steps."""
    n, at_once = length_hint(here.get("x")), here.get("batch_size", 32)
    if not n or not isinstance(value, int) or not isinstance(at_once, int):
        return {}, "fit counts epochs, not steps."
    return {"epochs": -(-value * at_once // n)}, f"fit counts epochs, of {n} rows: a step has {at_once}."


def _kept(value: Any, here: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """PyTorch alone asks for the number of features, and its momentum is the share that is new."""
    new, said = here.get("momentum"), "momentum is what is kept, 1 minus PyTorch's."
    return ({"momentum": round(1 - new, 9)}, said) if isinstance(new, int | float) else ({}, "")


def _several(value: Any) -> Sequence[Any]:
    return value if isinstance(value, tuple | list) else ()


_RATE = _in_spec("lr", "optimizer", "sgd")
_RATES = dict.fromkeys(("lr", "learning_rate", "learning_rate_init", "eta0"), _RATE)
COMPUTED: dict[str, dict[str, Meant]] = {
    "fit": {
        **_RATES, "momentum": _in_spec("momentum", "optimizer", "sgd"), "class_weight": _class_weights,
        "x_val": lambda value, here: ({"validation": (value, here.get("y_val"))}, ""),
        "num_iters": _steps, "num_steps": _steps, "max_steps": _steps,
    },
    "trace": {**_RATES, "example": _example},
    "diagnose": _RATES,
    "Optimizer": {"betas": lambda pair, here: (dict(zip(("beta1", "beta2"), _several(pair), strict=False)), "")},
    "BatchNorm": {"num_features": _kept},
    "LayerNorm": {"normalized_shape": lambda n, here: ({"axes": len(_several(n))} if len(_several(n)) > 1 else {}, "")},
    "GRU": {"reset_after": lambda value, here: ({"reset": "after" if value else "before"}, "")},
    "make_loss": {
        name: _in_spec("class_weights" if "weight" in name else name, "spec")
        for name in ("class_weights", "class_weight", "weight", "label_smoothing", "delta")
    },
}  # fmt: skip


def meant_by(called: Callable[..., Any], name: str) -> Meant | None:
    """What a setting of another library means in a call of a class or a function here, if it is known."""
    for kind in _kinds(called):
        if said := (words("settings", kind) | COMPUTED.get(kind, {})).get(name.lower()):
            return said if callable(said) else lambda got, _: ({}, said) if " " in said else ({said: got}, "")
    return None


def _kinds(called: Callable[..., Any]) -> list[str]:
    return [kind.__name__ for kind in called.__mro__] if isinstance(called, type) else [called.__name__]
