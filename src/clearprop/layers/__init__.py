"""Layers: thin holders of settings and parameters; `kernels/` has the mathematics under the same file names."""

from clearprop.layers.activation import ACTIVATIONS, Activation
from clearprop.layers.augment import Cutout, RandomFlip, RandomShift
from clearprop.layers.base import Layer
from clearprop.layers.conv import Conv1D, Conv2D, ConvTranspose2D
from clearprop.layers.dense import Dense
from clearprop.layers.dropout import Dropout
from clearprop.layers.embedding import Embedding
from clearprop.layers.norm import BatchNorm, GroupNorm, LayerNorm
from clearprop.layers.pool import (
    AvgPool1D,
    AvgPool2D,
    GlobalAvgPool,
    GlobalMaxPool,
    MaxPool1D,
    MaxPool2D,
)
from clearprop.layers.recurrent import GRU, LSTM, Elman
from clearprop.layers.residual import Residual
from clearprop.layers.sequences import Bidirectional, TimeDistributed
from clearprop.layers.shape import Flatten, Reshape

LAYERS: dict[str, type[Layer]] = {
    layer.__name__: layer
    for layer in (
        Activation,
        AvgPool1D,
        AvgPool2D,
        BatchNorm,
        Bidirectional,
        Conv1D,
        Conv2D,
        ConvTranspose2D,
        Cutout,
        Dense,
        Dropout,
        Elman,
        Embedding,
        Flatten,
        GRU,
        GlobalAvgPool,
        GlobalMaxPool,
        GroupNorm,
        LSTM,
        LayerNorm,
        MaxPool1D,
        MaxPool2D,
        RandomFlip,
        RandomShift,
        Reshape,
        Residual,
        TimeDistributed,
    )
}

__all__ = [
    "ACTIVATIONS",
    "GRU",
    "LAYERS",
    "LSTM",
    "Activation",
    "AvgPool1D",
    "AvgPool2D",
    "BatchNorm",
    "Bidirectional",
    "Conv1D",
    "Conv2D",
    "ConvTranspose2D",
    "Cutout",
    "Dense",
    "Dropout",
    "Elman",
    "Embedding",
    "Flatten",
    "GlobalAvgPool",
    "GlobalMaxPool",
    "GroupNorm",
    "Layer",
    "LayerNorm",
    "MaxPool1D",
    "MaxPool2D",
    "RandomFlip",
    "RandomShift",
    "Reshape",
    "Residual",
    "TimeDistributed",
]
