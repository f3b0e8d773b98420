"""from_onnx: hand-made models, nodes that it can't read, and files that are damaged or made to harm."""

import os
import tracemalloc

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from onnx_networks import network, run

import clearprop as cp
from clearprop.errors import ClearpropError, DataError, FileError


def rows(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def model_of(nodes, constants=None, shape=("N", 4), opset=21, outputs=("y",), kind=TensorProto.FLOAT):
    """A model from x to y; a node is (op, inputs, outputs, attributes), named after its op."""
    made = [
        helper.make_node(op, list(i), list(o), name=_name(op, k, nodes), **(a[0] if a else {}))
        for k, (op, i, o, *a) in enumerate(nodes)
    ]
    graph = helper.make_graph(
        made,
        "g",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(a), name) for name, a in (constants or {}).items()],
    )
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=helper.find_min_ir_version_for(opsets))


def _name(op, k, nodes):
    """relu; relu2 for the second one."""
    before = [node[0] for node in nodes[:k]].count(op)
    return f"{op.lower()}{before + 1 if before else ''}"


def save(model, tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(model.SerializeToString())
    return path


W = rows(4, 3)
READ = {  # name: (nodes, constants, shape, the layers)
    "gemm, turned and scaled": (
        [("Gemm", "xwb", "y", {"transB": 1, "alpha": 0.5, "beta": 2.0})],
        {"w": W.T.copy(), "b": rows(1, 3)}, (4,), "[Dense(3)]",
    ),
    "matmul and add": ([("MatMul", "xw", "a"), ("Add", "ba", "y")], {"w": W, "b": rows(3)}, (4,), "[Dense(3)]"),
    "matmul and subtract": ([("MatMul", "xw", "a"), ("Sub", "ab", "y")], {"w": W, "b": rows(3)}, (4,), "[Dense(3)]"),
    "matmul, no bias": ([("MatMul", "xw", "y")], {"w": W}, (5, 4), "[TimeDistributed(Dense(3))]"),
    "conv and add": (
        [("Conv", "xw", "a", {"auto_pad": "SAME_LOWER", "strides": [2, 1]}), ("Add", "ab", "y")],
        {"w": rows(3, 2, 2, 4), "b": rows(3, 1, 1)}, (2, 6, 7),
            "[Conv2D(3, (2, 4), stride=(2, 1), padding=((0, 0), (2, 1)))]",
    ),
    "same, upper": (
        [("Conv", "xw", "y", {"auto_pad": "SAME_UPPER"})], {"w": rows(3, 2, 2, 4)}, (2, 6, 7),
        "[Conv2D(3, (2, 4), padding='same')]",
    ),
    "swish": ([("Sigmoid", "x", "s"), ("Mul", "sx", "y")], {}, (4,), "[Activation('swish')]"),
    "gelu, in parts": (
        [("Div", "xr", "a"), ("Erf", "a", "b"), ("Add", "bo", "c"), ("Mul", "xc", "d"), ("Mul", "dh", "y")],
        {"r": np.float32(2**0.5), "o": np.float32(1), "h": np.float32(0.5)}, (4,), "[Activation('gelu')]",
    ),
    "softplus, in parts": (
        [("Exp", "x", "a"), ("Add", "ao", "b"), ("Log", "b", "y")], {"o": np.float32(1)}, (4,),
            "[Activation('softplus')]",
    ),
    "layer norm, its axis from the front": (
        [("LayerNormalization", "xgb", "y", {"axis": 2})], {"g": rows(4), "b": rows(4, seed=1)}, (5, 4),
        "[LayerNorm()]",
    ),
    "layer norm, in parts": (
        [
            ("ReduceMean", "xm", "a"), ("Sub", "xa", "b"), ("Pow", "bt", "c"), ("ReduceMean", "cm", "d"),
            ("Add", "de", "f"), ("Sqrt", "f", "g"), ("Div", "bg", "h"), ("Mul", "hw", "i"), ("Add", "iv", "y"),
        ],
        {"m": np.array([-1]), "t": np.float32(2), "e": np.float32(1e-5), "w": rows(4), "v": rows(4, seed=1)},
        (3, 4), "[LayerNorm()]",
    ),
    "residual, three ways": (
        [("Relu", "x", "a"), ("Tanh", "x", "b"), ("Add", "ab", "c"), ("Add", "cx", "y")], {}, (4,),
        "[Residual(1 layer)]",
    ),
    "means": ([("ReduceMean", "xm", "y", {"keepdims": 0})], {"m": np.array([2, 3])}, (2, 6, 7), "[GlobalAvgPool()]"),
    "global pool, squeezed": (
        [("GlobalMaxPool", "x", "a"), ("Squeeze", "am", "y")], {"m": np.array([2, 3])}, (2, 6, 7), "[GlobalMaxPool()]"
    ),
    "instance norm": (
        [("InstanceNormalization", "xab", "y")], {"a": rows(2), "b": rows(2, seed=1)}, (2, 6, 7),
            "[GroupNorm(groups=2)]"
    ),
    "one node each": (
        [("Gelu", "x", "a"), ("Gelu", "a", "b", {"approximate": "tanh"}), ("Unsqueeze", "bs", "c"), ("Relu", "c",
            "y")],
        {"s": np.array([1])}, (4,),
            "[Activation('gelu'), Activation('gelu_tanh'), Reshape((1, 4)), Activation('relu')]",
    ),
    "unused": ([("Selu", "x", "z"), ("Relu", "x", "y")], {}, (4,), "[Activation('relu')]"),
    "elman of relu": (
        [("Transpose", "x", "t", {"perm": [1, 0, 2]}), ("RNN", ["t", "w", "r"], ["", "h"],
          {"hidden_size": 3, "activations": ["Relu"]}), ("Squeeze", "ha", "y")],
        {"w": rows(1, 3, 4), "r": rows(1, 3, 3), "a": np.array([0])}, (5, 4), "[Elman(3)]",
    ),
    "the last state, by its number": (
        [("Transpose", "x", "t", {"perm": [1, 0, 2]}), ("RNN", ["t", "w", "r"], ["o"], {"hidden_size": 3}),
         ("Squeeze", "oa", "s"), ("Gather", "si", "y")],
        {"w": rows(1, 3, 4), "r": rows(1, 3, 3), "a": np.array([1]), "i": np.array(4)}, (5, 4), "[Elman(3)]",
    ),
    "group norm, with a scale for each group": (
        [("Reshape", "xs", "a"), ("InstanceNormalization", "agb", "c"), ("Reshape", "ct", "y")],
        {"s": np.array([0, 2, -1]), "g": rows(2), "b": rows(2, seed=1), "t": np.array([0, 6, 4, 3])}, (6, 4, 3),
        "[GroupNorm(groups=2)]",
    ),
    "reshape to images": (
        [("Gemm", "xw", "a"), ("Reshape", "as", "b"), ("Relu", "b", "c"), ("Conv", "ck", "y")],
        {"w": rows(4, 24), "s": np.array([-1, 2, 3, 4]), "k": rows(3, 2, 2, 2)}, (4,),
        "[Dense(24), Reshape((3, 4, 2)), Activation('relu'), Conv2D(3, 2)]",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_hand_made(name, tmp_path):
    nodes, constants, shape, layers = READ[name]
    path = save(model_of(nodes, constants, ("N", *shape)), tmp_path)
    model = cp.from_onnx(path)
    assert repr(model.layers) == layers
    x = rows(3, *shape, seed=2)
    theirs = run(path, x)
    ours = model.scores(np.moveaxis(x, 1, -1) if len(shape) == 3 else x)
    np.testing.assert_allclose(
        np.moveaxis(ours, -1, 1) if ours.ndim == 4 else ours, theirs, rtol=1e-5, atol=1e-5
    )


def test_images_with_channels_last(tmp_path):
    nodes = [("Transpose", "x", "t", {"perm": [0, 3, 1, 2]}), ("Conv", "tk", "c"), ("Relu", "c", "y")]
    path = save(model_of(nodes, {"k": rows(3, 2, 2, 2)}, (1, 5, 6, 2)), tmp_path)
    assert cp.from_onnx(path).input_shape == (5, 6, 2)
    path = save(
        model_of([("Flatten", "x", "f"), ("Gemm", "fw", "y")], {"w": rows(12, 3)}, (1, 2, 3, 2)), tmp_path
    )
    x = rows(1, 2, 3, 2)
    for layout, turned in (("NHWC", x), ("NCHW", np.moveaxis(x, 1, -1)), (None, np.moveaxis(x, 1, -1))):
        scores = cp.from_onnx(path, layout=layout).scores(turned)
        np.testing.assert_allclose(scores, run(path, x), rtol=1e-5, atol=1e-5)


def test_softmax_of_channels_went_over_places_too(tmp_path):
    """Before opset 13 it went over the named axis and all behind it, as one."""
    nodes, k = [("Conv", "xk", "c"), ("Softmax", "c", "y", {"axis": 1})], {"k": rows(3, 2, 2, 2)}
    x = rows(2, 2, 5, 6)
    path = save(model_of(nodes, k, ("N", 2, 5, 6), opset=13), tmp_path)
    scores = cp.from_onnx(path).scores(np.moveaxis(x, 1, -1))
    np.testing.assert_allclose(scores, np.moveaxis(run(path, x), 1, -1), rtol=1e-5, atol=1e-5)
    path = save(model_of(nodes, k, ("N", 2, 5, 6), opset=12), tmp_path)
    with pytest.raises(DataError, match=r"\(Softmax\): expected it along the channels, got axis 1\."):
        cp.from_onnx(path)


def test_open_sizes_are_asked_for(tmp_path):
    nodes = [("Conv", "xk", "c"), ("ReduceMean", "cm", "y", {"keepdims": 0})]
    path = save(model_of(nodes, {"k": rows(3, 2, 2, 2), "m": np.array([2, 3])}, ("N", 2, "H", "W")), tmp_path)
    with pytest.raises(
        DataError, match=r"leaves sizes open, \(\?, \?, 2\)\. Say them: from_onnx\(path, input_shape"
    ):
        cp.from_onnx(path)
    with pytest.raises(DataError, match=r"expected input_shape to fit \(\?, \?, 2\), got \(5, 6, 3\)"):
        cp.from_onnx(path, input_shape=(5, 6, 3))
    x = rows(2, 2, 5, 6)
    scores = cp.from_onnx(path, input_shape=(5, 6, 2)).scores(np.moveaxis(x, 1, -1))
    np.testing.assert_allclose(scores, run(path, x), rtol=1e-5, atol=1e-5)


LSTM = {
    "w": rows(1, 12, 4),
    "r": rows(1, 12, 3),
    "a": np.array([1]),
    "h": rows(1, 2, 3),
    "b": np.ones((1, 24), "f4"),
}


def lstm(inputs="xwr", **attributes):
    return [
        ("LSTM", [i.strip("_") for i in inputs], ["o"], {"hidden_size": 3, **attributes}),
        ("Squeeze", "oa", "y"),
    ]


REFUSED = {  # name: (nodes, constants, shape, what the sentence has)
    "no layer": ([("Selu", "x", "y")], {}, ("N", 4),
        "node 'selu' (Selu): clearprop has no layer for it. Export the network without it"),
    "two inputs multiplied": (
        [("Relu", "x", "a"), ("Tanh", "a", "b"), ("Softmax", "b", "c"), ("Mul", "ac", "y")], {}, ("N", 4),
        "node 'mul' (Mul): computes with two branches what no layer of clearprop does",
    ),
    "scaled inputs": ([("Mul", "xs", "y")], {"s": rows(4)}, ("N", 4), "Scale inputs before the network."),
    "written-out function": (
        [("Exp", "x", "a"), ("Softmax", "a", "y")], {}, ("N", 4),
        "node 'softmax' (Softmax): what comes in is a function of each number that no activation of clearprop is.",
    ),
    "clip": ([("Clip", "xs", "y")], {"s": np.float32(0)}, ("N", 4),
        "node 'clip' (Clip): clearprop has no layer for it."),
    "softmax of places": (
        [("Conv", "xk", "a"), ("Softmax", "a", "y", {"axis": 2})], {"k": rows(3, 2, 1, 1)}, ("N", 2, 5, 6),
        "(Softmax): expected it along the channels, got axis 2.",
    ),
    "softmax of two axes": ([("Softmax", "x", "y", {"axis": 1})], {}, ("N", 5, 4),
        "(Softmax): expected it along the channels, got axis 1."),
    "swish of other places": (
        [("Transpose", "x", "t", {"perm": [0, 2, 1]}), ("Sigmoid", "t", "s"), ("Mul", "xs", "y")], {}, ("N", 3, 3),
        "node 'mul' (Mul): computes with two branches what no layer of clearprop does",
    ),
    "three axes": ([("MaxPool", "x", "y", {"kernel_shape": [2, 2, 2]})], {}, ("N", 2, 5, 6, 7),
        "(MaxPool): expected images (N, C, H, W) or sequences (N, C, T), got an x of 5 axes."),
    "conv of three axes": ([("Conv", "xk", "y")], {"k": rows(3, 2, 1, 1, 1)}, ("N", 2, 5, 6, 7),
        "(Conv): expected images (N, C, H, W) or sequences"),
    "weights that are computed": ([("MatMul", "xx", "y")], {}, ("N", 4), "expected input 1 to be constant"),
    "batch turned": ([("Gemm", "xw", "y", {"transA": 1})], {"w": W}, ("N", 4), "expected transA = 0"),
    "batch mixed": ([("Reshape", "xs", "y")], {"s": np.array([2, -1])}, (4, 4),
        "makes (2, 8) out of (4, 4): examples are mixed"),
    "training": (
        [("BatchNormalization", "xwwww", "yzu", {"training_mode": 1})], {"w": rows(4)}, ("N", 4),
        "(BatchNormalization): expected training_mode = 0. Export the network in evaluation mode",
    ),
    "wrong weights": ([("Gemm", "xw", "y")], {"w": rows(5, 3)}, ("N", 4),
        "expected w of shape (4, 3), in clearprop's"),
    "reverse": (lstm(direction="reverse"), LSTM, (5, 2, 4), "expected direction forward or bidirectional."),
    "first state": (lstm("xwr__h"), LSTM, (5, 2, 4), "expected no first state but zero"),
    "clipped": (lstm(clip=1.0), LSTM, (5, 2, 4), "(LSTM): expected no clip, which"),
    "other gates": (
        lstm(activations=["Relu", "Tanh", "Tanh"]), LSTM, (5, 2, 4),
            "expected the activations sigmoid, tanh, tanh, got Relu",
    ),
    "peepholes": (
        [("LSTM", ["x", "w", "r", "", "", "", "", "p"], ["o"], {"hidden_size": 3}), ("Squeeze", "oa", "y")],
        {**LSTM, "p": rows(1, 9)}, (5, 2, 4), "peepholes",
    ),
    "all states and the last": (
        [("LSTM", "xwr", ["o", "h"], {"hidden_size": 3}), ("Concat", "oh", "y", {"axis": 0})], LSTM, (5, 2, 4),
        "(Concat): puts tensors side by side.",
    ),
    "mirrored frame": (
        [("Pad", "xp", "a", {"mode": "reflect"}), ("Conv", "ak", "y")],
        {"p": np.array([0, 0, 1, 1, 0, 0, 1, 1]), "k": rows(3, 2, 1, 1)}, ("N", 2, 5, 6), "expected a constant frame",
    ),
    "flattened and scaled": (
        [("Flatten", "x", "a"), ("Add", "ab", "y")], {"b": rows(60)}, ("N", 2, 5, 6),
            "node 'add' (Add): computes with numbers",
    ),
    "flattened at the end": ([("Conv", "xk", "a"), ("Flatten", "a", "y")], {"k": rows(3, 2, 1, 1)}, ("N", 2, 5, 6),
        "flattened"),
    "not normal": ([("Gemm", "xw", "y")], {"w": W * np.nan}, ("N", 4),
        "0.w holds values that are not finite numbers"),
    "large constant": (
        [("ConstantOfShape", "s", "a"), ("Neg", "a", "b"), ("Gemm", "xb", "y")], {"s": np.array([2**30, 2**30])},
            ("N", 4),
        "(Neg): would give constants of shape (1073741824, 1073741824), out of a file of",
    ),
    "large network": (
        [("ConstantOfShape", "s", "b"), ("MatMul", "xb", "y")], {"s": np.array([2**20, 2**20])}, ("N", 2**20),
        "expected at most as many parameters as the file has bytes, got 1,099,512,676,352.",
    ),
    "large image": (
        [("GlobalMaxPool", "x", "a"), ("Relu", "x", "b"), ("Flatten", "b", "y")], {}, ("N", 3, 2**20, 2**20),
            "of at most 16,777,216",
    ),
    "large state": (
        [("RNN", "xwr", ["o"], {"hidden_size": 2**40}), ("Squeeze", "oa", "y")], LSTM, (5, 2, 4),
            "expected weights of shape",
    ),
    "nothing before it": ([("Relu", "z", "a"), ("Add", "xa", "y")], {}, ("N", 4),
        "takes 'z', which nothing before it gives."),
    "too few inputs": ([("Gemm", "x", "y")], {}, ("N", 4), "node 'gemm' (Gemm): is no valid node ("),
    "wrong attribute": ([("LeakyRelu", "x", "y", {"alpha": "a"})], {}, ("N", 4), "(LeakyRelu): is no valid node ("),
    "doubled": ([("Add", "xx", "y")], {}, ("N", 4), "node 'add' (Add): adds (4,) and (4,), which is no Residual"),
}  # fmt: skip


K = {"k": rows(3, 2, 2, 2)}
IMAGES, SEQUENCES = ("N", 2, 5, 6), (5, 2, 4)
H = [("LSTM", "xwr", ["o", "h"], {"hidden_size": 3})]
BOTH = {"w": rows(2, 12, 4), "r": rows(2, 12, 3)}
H2 = [("LSTM", "xwr", ["o", "h"], {"hidden_size": 3, "direction": "bidirectional"})]
RNN = {"w": rows(1, 3, 4), "r": rows(1, 3, 3), "a": np.array([1])}

REFUSED |= {
    "half": ([("Cast", "x", "y", {"to": 10})], {}, ("N", 4), "(Cast): rounds, or makes numbers less exact"),
    "text": (
        [("Cast", "c", "d", {"to": 8}), ("Add", "xd", "y")], {"c": rows(3)}, ("N", 4),
        "expected float or integer numbers, got ONNX's type 8",
    ),
    "constant of text": ([("Constant", "", "c", {"value_string": "a"}), ("Add", "xc", "y")], {}, ("N", 4),
        "expected a tensor"),
    "sizes below 0": (
        [("ConstantOfShape", "s", "b"), ("MatMul", "xb", "y")], {"s": np.array([-2, 3])}, ("N", 4),
            "expected a shape, got (-2, 3)."
    ),
    "three axes of weights": ([("MatMul", "xw", "y")], {"w": rows(2, 4, 3)}, ("N", 4), "expected weights (D, M)"),
    "bias for each example": (
        [("Gemm", "xwb", "y")], {"w": W, "b": rows(5, 3)}, (5, 4), "a number for each output, got (4, 3) and (5, 3)"
    ),
    "dense on rows of places": ([("Conv", "xk", "a"), ("MatMul", "aw", "y")], {**K, "w": rows(5, 3)}, IMAGES,
        "works along another"),
    "rows too few": ([("Flatten", "x", "a"), ("Gemm", "aw", "y")], {"w": rows(6, 2)}, IMAGES,
        "expected weights of 60 rows, got 6."),
    "conv of weights": ([("Conv", "xk", "y")], {"k": rows(3, 2, 2)}, IMAGES,
        "expected a convolution along one axis or two"),
    "transposed along one": (
        [("ConvTranspose", "xk", "y")], {"k": rows(2, 3, 2)}, ("N", 2, 5),
            "expected a transposed convolution along two axes"
    ),
    "transposed by size": (
        [("ConvTranspose", "xk", "y", {"output_shape": [9, 9]})], {"k": rows(2, 3, 2, 2)}, IMAGES,
            "expected its pads in numbers"
    ),
    "frame of ones": (
        [("Pad", "xpv", "a"), ("Conv", "ak", "y")], {**K, "p": np.array([0, 0, 1, 1, 0, 0, 1, 1]),
            "v": np.float32(1)}, IMAGES,
        "expected a Pad of 0 before it, got one of 1.",
    ),
    "frame of axes in another order": (
        [("Pad", ["x", "p", "", "b"], "a"), ("Conv", "ak", "y")],
        {**K, "p": np.array([0, 0, 1, 1, 0, 0, 1, 1]), "b": np.array([0, 3, 1, 2])}, IMAGES,
        "expected a constant frame around images",
    ),
    "rows in two orders added": (
        [("Conv", "xk", "a"), ("Flatten", "a", "b"), ("Transpose", "a", "t", {"perm": [0, 2, 3, 1]}),
         ("Flatten", "t", "c"), ("Add", "bc", "d"), ("Gemm", "dw", "y")],
        {**K, "w": rows(60, 2)}, IMAGES, "adds (60,) and (60,), which is no Residual",
    ),
    "a cube and itself turned": (
        [("Conv", "xk", "a"), ("Relu", "a", "b"), ("Transpose", "a", "t", {"perm": [0, 2, 3, 1]}), ("Add", "bt", "y")],
        {"k": rows(4, 2, 2, 2)}, ("N", 2, 5, 5), "which is no Residual",
    ),
    "a norm's mean and variance over other axes": (
        [("ReduceMean", "xm", "a"), ("Sub", "xa", "b"), ("Mul", "bb", "c"), ("ReduceMean", "cn", "y")],
        {"m": np.array([-1]), "n": np.array([-2, -1])}, ("N", 5, 4), "expected it over all places of an image",
    ),
    "a norm by another's deviation": (
        [("ReduceMean", "xm", "a"), ("Sub", "xa", "b"), ("Relu", "x", "r"), ("ReduceMean", "rm", "c"),
         ("Sub", "rc", "d"), ("Mul", "dd", "e"), ("ReduceMean", "em", "f"), ("Add", "fo", "g"), ("Sqrt", "g", "h"),
         ("Div", "bh", "y")],
        {"m": np.array([-1]), "o": np.float32(1e-5)}, ("N", 4), "node 'div' (Div): takes numbers less their mean",
    ),
    "rounded": (
        [("Cast", "x", "a", {"to": 7}), ("Cast", "a", "b", {"to": 1}), ("Gemm", "bw", "y")], {"w": W}, ("N", 4),
        "node 'cast' (Cast): rounds, or makes numbers less exact",
    ),
    "frame of channels": (
        [("Pad", "xp", "a"), ("Conv", "ak", "y")], {**K, "p": np.array([0, 1, 0, 0, 0, 0, 0, 0])}, IMAGES,
        "expected a constant frame around images",
    ),
    "mean that counts a frame": (
        [("Pad", "xp", "a"), ("AveragePool", "a", "y", {"kernel_shape": [2, 2]})],
        {"p": np.array([0, 0, 1, 1, 0, 0, 1, 1])}, IMAGES, "expected a mean of neighbours, and padding of its own.",
    ),
    "frame at the end": ([("Pad", "xp", "y")], {"p": np.array([0, 0, 1, 1, 0, 0, 1, 1])}, IMAGES,
        "takes padded numbers, with which"),
    "strides for one": ([("Conv", "xk", "y", {"strides": [1]})], K, IMAGES, "expected sizes >= 1 for each of 2 axes"),
    "pads below 0": ([("Conv", "xk", "y", {"pads": [-1, 0, 0, 0]})], K, IMAGES, "expected 4 pads, none below 0"),
    "counted end": (
        [("AveragePool", "x", "y", {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1,
            "count_include_pad": 1})], {},
        IMAGES, "expected ceil_mode = 0 where padding is counted.",
    ),
    "long pool": ([("MaxPool", "x", "y", {"kernel_shape": [2]})], {}, ("N", 2, 2**30),
        "expected a pool of at most 1,048,576 places"),
    "mean of apart": (
        [("AveragePool", "x", "y", {"kernel_shape": [2, 2], "dilations": [2, 2]})], {}, IMAGES,
            "expected a mean of neighbours"
    ),
    "statistics of others": (
        [("Flatten", "x", "a"), ("BatchNormalization", "abbbb", "y")], {"b": rows(6)}, IMAGES,
            "expected 60 numbers of each kind"
    ),
    "scales of others": (
        [("GroupNormalization", "xab", "y", {"num_groups": 1})], {"a": rows(3), "b": rows(3)}, IMAGES,
            "expected scales for 2 channels"
    ),
    "groups of three": ([("GroupNormalization", "xab", "y", {"num_groups": 3})], {"a": rows(2), "b": rows(2)}, IMAGES,
        "groups to divide"),
    "dropping": ([("Dropout", "xrt", "y")], {"r": np.float32(0.5), "t": np.array(True)}, ("N", 4),
        "expected no training_mode"),
    "rows of a table of three": ([("Gather", "tx", "y")], {"t": rows(5, 4, 3)}, ("N", 4),
        "expected rows of a table (V, M)"),
    "one direction kept": ([*H2, ("Squeeze", "oa", "y")], {**BOTH, "a": np.array([1])}, SEQUENCES,
        "expected axis 1 of one direction"),
    "last states as they are": ([*H, ("Squeeze", "ha", "y")], LSTM, SEQUENCES, "expected axis 0 of one state to go."),
    "backward first": (
        [*H2, ("Gather", "hi", "a", {"axis": 0}), ("Gather", "hj", "b", {"axis": 0}), ("Concat", "ab", "y",
            {"axis": 1})],
        {**BOTH, "i": np.array(1), "j": np.array(0)}, SEQUENCES, "the states of both directions of one layer,",
    ),
    "a state that is not there": ([*H, ("Gather", "hi", "y", {"axis": 0})], {**LSTM, "i": np.array(3)}, SEQUENCES,
        "takes state 3 of 1."),
    "a list of states": ([*H, ("Gather", "hi", "y", {"axis": 0})], {**LSTM, "i": np.array([0])}, SEQUENCES,
        "expected a single number"),
    "half of the rows": ([("Split", "x", ["y", "z"], {"num_outputs": 2})], {}, ("N", 4), "takes a tensor apart"),
    "the first step": (
        [*H, ("Squeeze", "oa", "s"), ("Gather", "si", "y", {"axis": 0})], {**LSTM, "i": np.array(0)}, SEQUENCES,
        "expected the last time step of an RNN, LSTM or GRU",
    ),
    "lengths": (lstm("xwr_l"), {**LSTM, "l": np.array([3, 5], "i4")}, SEQUENCES, "expected sequences of one length"),
    "function of states": (
        [("RNN", "xwr", "o", {"hidden_size": 3, "activations": ["Softsign"]}), ("Squeeze", "oa", "y")], RNN,
            SEQUENCES,
        "expected one of tanh, relu, sigmoid, softplus, leaky_relu, elu, identity for all directions, got Softsign.",
    ),
    "an axis too many": ([("Reshape", "xs", "y")], {"s": np.array([0, 4, 0])}, ("N", 4),
        "asks to keep an axis that is not there"),
    "two open sizes": ([("Reshape", "xs", "y")], {"s": np.array([-1, -1])}, ("N", 4),
        "cannot make (-1, -1) out of (N, 4)."),
    "too many numbers": ([("Reshape", "xs", "y")], {"s": np.array([0, 5])}, ("N", 4),
        "cannot make (N, 5) out of (N, 4). Export the network without it, or let the graph end before it: from_onnx("),
    "axes that are not 1": ([("Squeeze", "xs", "y")], {"s": np.array([1])}, ("N", 4),
        "expected axes of one number, got [1]"),
    "images of images": ([("Conv", "xk", "a"), ("Reshape", "as", "y")], {**K, "s": np.array([0, 5, 12])}, IMAGES,
        "expected a row (N, D)"),
    "images of x": ([("Reshape", "xs", "a"), ("Conv", "ak", "y")], {**K, "s": np.array([0, 2, 2, 3])}, ("N", 12),
        "of a row that no Gemm"),
    "mean of one place": ([("ReduceMean", "xm", "y")], {"m": np.array([2])}, IMAGES, "expected it over all places"),
    "less the mean alone": ([("ReduceMean", "xm", "a"), ("Sub", "xa", "y")], {"m": np.array([-1])}, ("N", 4),
        "takes numbers less their"),
    "shifted by a table": ([("Gemm", "xw", "a"), ("Add", "ab", "y")], {"w": W, "b": rows(5, 3)}, (5, 4),
        "computes with numbers of shape"),
    "less x": ([("Gemm", "xw", "a"), ("Sub", "ba", "y")], {"w": W, "b": rows(3)}, ("N", 4),
        "computes with numbers of shape (3,)"),
    "scaled x": ([("Mul", "xb", "y")], {"b": rows(4)}, ("N", 4), "computes with numbers of shape (4,)"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name, tmp_path):
    nodes, constants, shape, sentence = REFUSED[name]
    path = save(model_of(nodes, constants, shape), tmp_path)
    with pytest.raises(DataError) as refusal:
        cp.from_onnx(path)
    assert str(refusal.value).startswith(f"{path}: ")
    assert sentence in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_refused_by_domain_outputs_and_inputs(tmp_path):
    model = model_of([("Relu", "x", "y")])
    model.graph.node[0].domain = "com.example"
    with pytest.raises(DataError, match=r"node 'relu' \(com\.example\.Relu\): clearprop has no layer for it"):
        cp.from_onnx(save(model, tmp_path))
    model = model_of([("Relu", "x", "y"), ("Tanh", "x", "z")], outputs=("y", "z"))
    with pytest.raises(DataError, match=r"expected one output, got 'y', 'z'\. Say which holds the scores"):
        cp.from_onnx(save(model, tmp_path))
    model = model_of([("Relu", "w", "y")], {"w": W})
    with pytest.raises(DataError, match="expected one input that the output depends on, got none"):
        cp.from_onnx(save(model, tmp_path))
    model = model_of([("Relu", "x", "y")])
    model.graph.node[0].name = ""
    model.graph.node[0].op_type = "Hardmax"
    with pytest.raises(DataError, match=r"node 0, which gives 'y' \(Hardmax\)"):
        cp.from_onnx(save(model, tmp_path))
    for opset, remedy in (
        (8, "Export it anew"),
        (99, "Install a newer onnx, or export it with a lower opset"),
    ):
        model.opset_import[0].version = opset
        with pytest.raises(DataError, match=f"got {opset}. {remedy}"):
            cp.from_onnx(save(model, tmp_path))
    with pytest.raises(ClearpropError, match="unknown layout 'NHCW'"):
        cp.from_onnx(save(model_of([("Relu", "x", "y")]), tmp_path), layout="NHCW")


def test_numbers_in_fields_of_their_own(tmp_path):
    """Not raw: each kind has a list of its own, and float16 stands in integers."""
    half = W.astype("f2")
    for kind, values in ((1, W.ravel()), (11, W.ravel()), (10, half.view("u2").ravel())):
        model = model_of([("Gemm", "xw", "y")], {"w": W})
        tensor = helper.make_tensor("w", kind, W.shape, values) if kind != 10 else onnx.TensorProto(
            name="w", data_type=10, dims=W.shape, int32_data=[int(n) for n in values]
        )  # fmt: skip
        model.graph.initializer[0].CopyFrom(tensor)
        read = cp.from_onnx(save(model, tmp_path))
        assert read.dtype == ("float64" if kind == 11 else "float32")
        np.testing.assert_array_equal(read.named_params()["0.w"], half if kind == 10 else W)


def test_a_version_that_never_was(tmp_path):
    model = model_of([("Relu", "x", "y")])
    model.ir_version = 2**62
    assert repr(cp.from_onnx(save(model, tmp_path)).layers) == "[Activation('relu')]"


def test_residuals_inside_one_another_end_somewhere(tmp_path):
    nodes, last = [("Relu", ["x"], ["a0"])], "a0"
    for i in range(40):  # each adds to what the first one gives, and so encloses those before
        nodes += [("Tanh", [last], [f"t{i}"]), ("Add", [f"t{i}", "x"], [f"a{i + 1}"])]
        last = f"a{i + 1}"
    nodes.append(("Relu", [last], "y"))
    with pytest.raises(DataError, match="lie at most 16 deep in others"):
        cp.from_onnx(save(model_of(nodes), tmp_path))


def damaged(change):
    model = model_of([("Gemm", "xw", "y")], {"w": W})
    change(model.graph.initializer[0])
    return model


def huge(tensor):
    tensor.dims[:] = [2**31, 2**31]


def negative(tensor):
    tensor.dims[:] = [-4, 3]


def empty_and_huge(tensor):
    tensor.raw_data, tensor.dims[:] = b"", [0, *[2**20] * 5]


def many_axes(tensor):
    tensor.dims[:] = [4, 3, *[1] * 80]


def short(tensor):
    tensor.raw_data = tensor.raw_data[:-1]


def no_numbers(tensor):
    tensor.data_type = TensorProto.STRING


def elsewhere(location, **more):
    def change(tensor):
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in {"location": location, **more}.items():
            tensor.external_data.add(key=key, value=str(value))

    return change


DAMAGED = {
    "huge": (
        huge,
        "its shape (2147483648, 2147483648) and the 48 bytes in the file disagree. It is damaged.",
    ),
    "negative": (negative, "expected sizes that a file can have, got (-4, 3)."),
    "empty and huge": (empty_and_huge, "expected sizes that a file can have, got (0, 1048576, "),
    "many axes": (many_axes, "expected sizes that a file can have, got (4, 3, 1, 1, "),
    "short": (short, "its shape (4, 3) and the 47 bytes in the file disagree."),
    "text": (no_numbers, "expected float or integer numbers, got ONNX's type 8."),
    "another folder": (elsewhere("../weights.bin"), "Only files in the same folder are read"),
    "a path": (elsewhere("/etc/passwd"), "Only files in the same folder are read"),
    "up": (elsewhere(".."), "Only files in the same folder are read"),
    "no file": (elsewhere("weights.bin"), "weights.bin, and there is no such file."),
    "link": (elsewhere("link.bin"), "link.bin, and there is no such file."),
    "too short": (
        elsewhere("beside.bin", offset=8),
        "beside.bin does not hold the 48 bytes that it needs there.",
    ),
    "wrong length": (elsewhere("beside.bin", length=4), "beside.bin does not hold the 48 bytes"),
    "bad offset": (elsewhere("beside.bin", offset=-4), "beside.bin does not hold the 48 bytes"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged(name, tmp_path):
    change, sentence = DAMAGED[name]
    (tmp_path / "beside.bin").write_bytes(W.tobytes())
    os.symlink(tmp_path / "beside.bin", tmp_path / "link.bin")
    path = save(damaged(change), tmp_path)
    tracemalloc.start()
    try:
        with pytest.raises(DataError) as refusal:
            cp.from_onnx(path)
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()
    assert sentence in str(refusal.value)


def test_weights_in_a_file_beside(tmp_path):
    (tmp_path / "beside.bin").write_bytes(b"8 bytes." + W.tobytes())
    path = save(damaged(elsewhere("beside.bin", offset=8, length=48)), tmp_path)
    np.testing.assert_array_equal(cp.from_onnx(path).named_params()["0.w"], W)


def test_no_onnx_file(tmp_path):
    path = tmp_path / "net.onnx"
    with pytest.raises(FileError, match="could not be read"):
        cp.from_onnx(path)
    with pytest.raises(FileError, match="could not be read"):
        cp.from_onnx(tmp_path)
    os.mkfifo(tmp_path / "pipe.onnx")  # to open it would be to wait for whoever writes into it
    for waiting in (tmp_path / "pipe.onnx", "/dev/zero"):
        with pytest.raises(
            FileError, match=r"could not be read \(a folder, a pipe or a device\)\. Expected an ONNX"
        ):
            cp.from_onnx(waiting)
    with pytest.raises(FileError, match=r"could not be read \(embedded null"):
        cp.from_onnx("a\0b")
    for blob in (b"", b"no protobuf", b"\x08\x08", bytes(1000)):
        path.write_bytes(blob)
        with pytest.raises(DataError, match=r"not a whole ONNX file|not an ONNX file"):
            cp.from_onnx(path)


def fuzzed_models():
    layers = [
        cp.Conv2D(2, 2, padding=1), cp.BatchNorm(), cp.Activation("gelu"), cp.MaxPool2D(2), cp.GroupNorm(1),
            cp.Flatten(),
        cp.Reshape((9, 2)), cp.LayerNorm(), cp.Bidirectional(cp.LSTM(2, return_sequences=True)), cp.GRU(2),
        cp.Residual([cp.Dense(2, activation="swish")]), cp.Dense(2, activation="softmax"),
    ]  # fmt: skip
    return layers, (5, 5, 1)


@pytest.fixture(scope="module")
def whole_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "net.onnx"
    network(*fuzzed_models()).to_onnx(path, opset=17)
    return path.read_bytes()


@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_changed_bytes_end_in_a_sentence(whole_file, tmp_path, data):
    blob = bytearray(whole_file)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(blob) - 1))
        blob[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    path = tmp_path / "net.onnx"
    path.write_bytes(blob)
    said = str(path)
    try:
        cp.from_onnx(path)
    except ClearpropError as error:
        said = str(error)
    assert str(path) in said
