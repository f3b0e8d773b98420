"""Layers: thin holders of settings and parameters; `kernels/` has the mathematics under the same file names."""

from clearprop.layers.activation import ACTIVATIONS, Activation
from clearprop.layers.base import Layer
from clearprop.layers.conv import Conv1D, Conv2D, ConvTranspose2D
from clearprop.layers.dense import Dense
from clearprop.layers.dropout import Dropout
from clearprop.layers.residual import Residual
from clearprop.layers.shape import Flatten, Reshape

LAYERS: dict[str, type[Layer]] = {
    layer.__name__: layer
    for layer in (Activation, Conv1D, Conv2D, ConvTranspose2D, Dense, Dropout, Flatten, Residual, Reshape)
}

__all__ = [
    "ACTIVATIONS",
    "LAYERS",
    "Activation",
    "Conv1D",
    "Conv2D",
    "ConvTranspose2D",
    "Dense",
    "Dropout",
    "Flatten",
    "Layer",
    "Residual",
    "Reshape",
]
