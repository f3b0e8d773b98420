"""Specs: a layer as plain values, for configurations, files, and layers that hold other layers."""

from typing import Any

from clearprop.errors import ConfigError
from clearprop.layers.base import Layer
from clearprop.names import check_settings, unknown


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
    check_settings(f"{who}, {kind}", LAYERS[kind], (), settings)
    return LAYERS[kind](**settings)
