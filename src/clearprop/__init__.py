"""clearprop: neural networks in plain NumPy, with every gradient in the open.

The names below are imported when they are first used, so that `import clearprop` takes hardly longer than NumPy.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from clearprop.arrays import Array
from clearprop.errors import (
    ClearpropError,
    ConfigError,
    DataError,
    DivergedError,
    FileError,
    GradientError,
    ShapeError,
)

if TYPE_CHECKING:
    from clearprop.callbacks import BestWeights, Callback, EarlyStopping
    from clearprop.evaluation import evaluate
    from clearprop.full_batch import fit_lbfgs
    from clearprop.gradcheck import (
        GradientReport,
        check_function,
        check_gradients,
        check_kernel,
        check_layer,
        check_loss,
    )
    from clearprop.history import History
    from clearprop.interop.onnx import from_onnx
    from clearprop.interop.torch_weights import load_torch_weights, save_torch_weights
    from clearprop.layers import (
        GRU,
        LSTM,
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
        GlobalAvgPool,
        GlobalMaxPool,
        GroupNorm,
        Layer,
        LayerNorm,
        MaxPool1D,
        MaxPool2D,
        RandomFlip,
        RandomShift,
        Reshape,
        Residual,
        TimeDistributed,
    )
    from clearprop.lens.doctor import diagnose
    from clearprop.lens.operands import check_shapes
    from clearprop.lens.trace import Trace, trace
    from clearprop.loop import Training, backpropagate
    from clearprop.losses import Loss, make_loss, one_hot
    from clearprop.model import Sequential
    from clearprop.optim import SGD, AdaGrad, Adam, AdamW, RMSProp
    from clearprop.optimizer import Optimizer
    from clearprop.runs.progress import Progress
    from clearprop.schedules import Constant, Cosine, Exponential, OneCycle, ReduceOnPlateau, Step
    from clearprop.sources import RowSource, open_rows
    from clearprop.storage import load, load_weights
    from clearprop.train import fit

__version__ = "0.1.0"

__all__ = [
    "GRU",
    "LSTM",
    "SGD",
    "Activation",
    "AdaGrad",
    "Adam",
    "AdamW",
    "Array",
    "AvgPool1D",
    "AvgPool2D",
    "BatchNorm",
    "BestWeights",
    "Bidirectional",
    "Callback",
    "ClearpropError",
    "ConfigError",
    "Constant",
    "Conv1D",
    "Conv2D",
    "ConvTranspose2D",
    "Cosine",
    "Cutout",
    "DataError",
    "Dense",
    "DivergedError",
    "Dropout",
    "EarlyStopping",
    "Elman",
    "Embedding",
    "Exponential",
    "FileError",
    "Flatten",
    "GlobalAvgPool",
    "GlobalMaxPool",
    "GradientError",
    "GradientReport",
    "GroupNorm",
    "History",
    "Layer",
    "LayerNorm",
    "Loss",
    "MaxPool1D",
    "MaxPool2D",
    "OneCycle",
    "Optimizer",
    "Progress",
    "RMSProp",
    "RandomFlip",
    "RandomShift",
    "ReduceOnPlateau",
    "Reshape",
    "Residual",
    "RowSource",
    "Sequential",
    "ShapeError",
    "Step",
    "TimeDistributed",
    "Trace",
    "Training",
    "backpropagate",
    "check_function",
    "check_gradients",
    "check_kernel",
    "check_layer",
    "check_loss",
    "check_shapes",
    "diagnose",
    "evaluate",
    "fit",
    "fit_lbfgs",
    "from_onnx",
    "load",
    "load_torch_weights",
    "load_weights",
    "make_loss",
    "one_hot",
    "open_rows",
    "save_torch_weights",
    "trace",
]

# Where the names above live, in the order in which the rooms import one another.
_ROOMS = (
    "layers", "losses", "sources", "model", "optim", "optimizer", "schedules", "history", "callbacks", "evaluation",
    "loop", "train", "full_batch", "storage", "gradcheck", "lens.doctor", "lens.operands",
    "lens.trace", "interop.onnx", "interop.torch_weights", "runs.progress",
)  # fmt: skip

if not TYPE_CHECKING:

    def __getattr__(name):
        if name in __all__:
            for room in _ROOMS:
                module = import_module(f"clearprop.{room}")
                if hasattr(module, name):
                    found = globals()[name] = getattr(module, name)
                    return found
        missed = import_module("clearprop.messages.missing").missed
        raise AttributeError(missed("module 'clearprop'", ["clearprop"], name, __all__))

    def __dir__():
        return sorted({*globals(), *__all__})
