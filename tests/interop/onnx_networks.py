"""Networks to be written as ONNX, one for each layer and setting, and how they are compared with onnxruntime."""

import numpy as np
import onnx
import onnxruntime

import clearprop as cp
from clearprop.layers import ACTIVATIONS

RECURRENT = (cp.Elman, cp.LSTM, cp.GRU)
ELMAN = ("tanh", "relu", "sigmoid", "softplus", "leaky_relu", "elu", "identity")

# name: (layers, input_shape)
NETWORKS = {
    "dense": ([cp.Dense(3)], (4,)),
    "dense, one": ([cp.Dense(1)], (1,)),
    "dropout": ([cp.Dropout(0.3), cp.Dense(2)], (4,)),
    "conv": ([cp.Conv2D(4, (3, 2), stride=(2, 1), padding="same")], (7, 9, 3)),
    "conv, dilated": ([cp.Conv2D(4, (2, 3), padding=(1, 2), dilation=(2, 3))], (7, 9, 3)),
    "conv, depthwise": ([cp.Conv2D(8, 3, groups=4, padding=((2, 0), (1, 3)))], (7, 5, 4)),
    "conv1d": ([cp.Conv1D(4, 3, stride=2, padding=1)], (9, 3)),
    "conv1d, causal": ([cp.Conv1D(6, 3, padding="causal", dilation=2, groups=3)], (7, 3)),
    "transposed": ([cp.ConvTranspose2D(4, 3, stride=2, padding="same", groups=2)], (5, 4, 6)),
    "transposed, gaps": ([cp.ConvTranspose2D(4, 2, stride=(3, 4), padding="same")], (3, 4, 2)),
    "transposed, more": (
        [cp.ConvTranspose2D(4, 3, stride=2, padding=((1, 0), (2, 1)), output_padding=1, dilation=2)], (5, 4, 6)
    ),
    "max pool": ([cp.MaxPool2D(2)], (5, 7, 3)),
    "max pool, far": ([cp.MaxPool2D(2, dilation=3, padding=2, stride=1)], (7, 8, 3)),
    "max pool, end": ([cp.MaxPool2D((2, 3), stride=(9, 3), padding=((0, 5), (1, 0)))], (4, 7, 3)),
    "max pool 1d": ([cp.MaxPool1D(3, stride=2, padding="same")], (8, 3)),
    "mean pool": ([cp.AvgPool2D(3, padding=1, stride=2)], (7, 8, 3)),
    "mean pool, counted": ([cp.AvgPool2D((3, 2), padding=((1, 1), (0, 1)), count_padding=True)], (7, 8, 3)),
    "mean pool 1d": ([cp.AvgPool1D(3, padding="same", stride=2)], (8, 3)),
    "global mean": ([cp.Conv2D(3, 2), cp.GlobalAvgPool()], (5, 4, 3)),
    "global maximum": ([cp.GlobalMaxPool()], (5, 4, 3)),
    "global mean of a sequence": ([cp.GlobalAvgPool()], (5, 3)),
    "batch norm": ([cp.BatchNorm(momentum=0.8, eps=1e-3)], (5,)),
    "batch norm of images": ([cp.BatchNorm()], (5, 4, 3)),
    "batch norm of sequences": ([cp.BatchNorm()], (5, 3)),
    "layer norm": ([cp.LayerNorm(eps=1e-3)], (5,)),
    "layer norm of images": ([cp.LayerNorm()], (5, 4, 3)),
    "layer norm, three axes": ([cp.LayerNorm(axes=3)], (5, 4, 3)),
    "group norm": ([cp.GroupNorm(3)], (5, 4, 6)),
    "group norm of rows": ([cp.GroupNorm(3, eps=1e-2)], (6,)),
    "group norm of sequences": ([cp.GroupNorm(2)], (5, 6)),
    "flatten": ([cp.Conv2D(2, 2), cp.Flatten(), cp.Dense(4)], (4, 5, 3)),
    "flatten alone": ([cp.Flatten()], (4, 5, 3)),
    "reshape": ([cp.Reshape((4, 3, 2)), cp.Conv2D(3, 2)], (24,)),
    "reshape of dense": ([cp.Dense(24), cp.Activation("relu"), cp.Reshape((4, 3, 2)), cp.ConvTranspose2D(2, 3)], (5,)),
    "embedding": ([cp.Embedding(11, 4)], (5,)),
    "embedding of two axes": ([cp.Embedding(11, 4), cp.Flatten(), cp.Dense(2)], (5, 2)),
    "embedding, later": ([cp.Residual([cp.Embedding(2, 4), cp.Flatten(), cp.Dense(3)], [cp.Dense(3)])], (3,)),
    "words": ([cp.Embedding(11, 4), cp.LSTM(3, return_sequences=True), cp.GRU(2), cp.Dense(2)], (5,)),
    "residual": ([cp.Residual([cp.Conv2D(3, 3, padding="same"), cp.Activation("tanh")])], (5, 4, 3)),
    "residual, shortcut": ([cp.Residual([cp.Dense(8, activation="relu"), cp.Dense(4)], [cp.Dense(4)])], (5,)),
    "residual in residual": (
        [cp.Residual([cp.Dense(5), cp.Residual([cp.Activation("gelu")])]), cp.Residual([cp.Activation("swish")])],
        (5,),
    ),
    "residual of sequences": (
        [cp.Residual([cp.Conv1D(3, 3, padding="causal"), cp.LSTM(3, return_sequences=True)]), cp.GRU(2)],
        (6, 3),
    ),
    "at each step": (
        [cp.TimeDistributed(cp.Dense(4, activation="relu")), cp.TimeDistributed(cp.Dense(2)), cp.Activation("tanh")],
        (5, 3),
    ),
    "at each step of steps": ([cp.TimeDistributed(cp.TimeDistributed(cp.Dense(4)))], (2, 5, 3)),
    "films": (
        [cp.TimeDistributed(cp.Conv2D(4, 2)), cp.TimeDistributed(cp.Flatten()), cp.Bidirectional(cp.GRU(3))],
        (3, 5, 4, 2),
    ),
    "before the product": ([cp.GRU(4, reset="before", return_sequences=True), cp.GRU(3, reset="before")], (5, 3)),
    **{f"{kind.__name__}": ([kind(4), cp.Dense(2)], (5, 3)) for kind in RECURRENT},
    **{f"{kind.__name__}, all": ([kind(4, return_sequences=True), kind(2)], (5, 3)) for kind in RECURRENT},
    **{f"both ways {kind.__name__}": ([cp.Bidirectional(kind(4))], (5, 3)) for kind in RECURRENT},
    **{
        f"both ways {kind.__name__}, all": ([cp.Bidirectional(kind(4, return_sequences=True)), kind(2)], (5, 3))
        for kind in RECURRENT
    },
    **{f"Elman {name}": ([cp.Bidirectional(cp.Elman(4, activation=name))], (5, 3)) for name in ELMAN},
    **{name: ([cp.Conv2D(3, 1), cp.Activation(name)], (3, 2, 4)) for name in ACTIVATIONS},
    "elu, 0.3": ([cp.Activation("elu", alpha=0.3)], (4,)),
    "leaky_relu, 0.3": ([cp.Activation("leaky_relu", alpha=0.3)], (4,)),
}  # fmt: skip
LEFT_OUT = {  # what is no node, for it does nothing in prediction
    "pictures": ([cp.RandomFlip(), cp.RandomShift(1), cp.Cutout(2), cp.Conv2D(2, 2)], (5, 4, 3)),
    "nothing": ([cp.RandomFlip()], (5, 4, 3)),
    "channels dropped": ([cp.Dropout(0.3, channels=True), cp.LSTM(2)], (4, 3)),
}


def network(layers, input_shape, seed=0, dtype="float32"):
    """Sequential with random parameters and statistics, none of which is as it was drawn."""
    model = cp.Sequential(layers, input_shape, dtype=dtype)
    rng = np.random.default_rng(seed)
    model.params = rng.normal(size=model.params.shape) * 0.6
    model.buffers[...] = rng.uniform(0.5, 2, model.buffers.shape)
    return model


def examples(model, n, seed=0):
    """Rows that may go in, in the network's dtype."""
    rng = np.random.default_rng(seed)
    leaves = [part for layer in model.layers for part in layer.parts() if isinstance(part, cp.Embedding)]
    if leaves:
        x = rng.integers(0, leaves[0].vocabulary, (n, *model.input_shape))
        return x if model.layers[0] is leaves[0] else x.astype(model.dtype)
    return rng.normal(size=(n, *model.input_shape)).astype(model.dtype)


def run(path_or_bytes, x):
    """onnxruntime's output."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    source = path_or_bytes if isinstance(path_or_bytes, bytes) else str(path_or_bytes)
    session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})[0]


def channels_first(x):
    return np.moveaxis(x, -1, 1) if x.ndim == 4 else x


def agree(model, path, n=3, layout="NHWC"):
    """Demand that onnxruntime computes the network's scores, to 1e-5."""
    x = examples(model, n)
    turned = channels_first if layout == "NCHW" else np.asarray
    theirs = run(path, np.ascontiguousarray(turned(x)))
    ours = turned(model.scores(x))
    np.testing.assert_allclose(theirs, ours, rtol=1e-5, atol=1e-5, strict=True)


def same_network(a, b, n=3):
    """Demand that two networks give the same scores and gradients, in float64."""
    x = examples(a, n).astype("float64")
    a, b = a.astype("float64"), b.astype("float64")
    (y, caches), (z, others) = a.forward(x), b.forward(x)
    np.testing.assert_allclose(z, y, rtol=1e-6, atol=1e-6, strict=True)
    dy = np.random.default_rng(1).normal(size=y.shape)
    dx, dz = a.backward(dy, caches, need_dx=True), b.backward(dy, others, need_dx=True)
    np.testing.assert_allclose(dz, dx, rtol=1e-6, atol=1e-6, strict=True)
    np.testing.assert_allclose(b.grads, a.grads, rtol=1e-6, atol=1e-6, strict=True)


def check_file(path):
    onnx.checker.check_model(str(path), full_check=True)
    return onnx.load(str(path))
