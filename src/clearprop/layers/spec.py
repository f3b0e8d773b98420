"""Specs: a layer as plain values, for configurations, files, and layers that hold other layers."""

from inspect import signature
from typing import Any

from clearprop.errors import ConfigError
from clearprop.layers.base import Layer
from clearprop.names import unknown


def layer_spec(layer: Layer) -> dict[str, Any]:
    """A layer as plain values: {"type": "Dense", "units": 100}."""
    return {"type": type(layer).__name__, **layer.settings()}


def layer_from(spec: Any, who: str) -> Layer:
    """The layer that a spec describes, or a layer itself.

    Raises
    ------
    ConfigError
        If the type or a setting is unknown, or a setting's value is refused.
    """
    from clearprop.layers import LAYERS  # a layer that holds others is in there and reads specs

    if isinstance(spec, Layer):
        return spec
    if not isinstance(spec, dict) or not isinstance(spec.get("type"), str):
        raise ConfigError(f'{who}: expected a table such as {{type = "Dense", units = 10}}, got {spec!r}.')
    settings = dict(spec)
    kind = settings.pop("type")
    if kind not in LAYERS:
        raise unknown(who, "layer type", kind, LAYERS)
    known = list(signature(LAYERS[kind]).parameters)
    for key in settings:
        if key not in known:
            raise unknown(f"{who}, {kind}", "setting", key, known)
    try:
        return LAYERS[kind](**settings)
    except TypeError as error:
        raise ConfigError(f"{who}, {kind}: {error}. Settings: {', '.join(sorted(known))}.") from None
