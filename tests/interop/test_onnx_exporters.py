"""from_onnx: what exporters make of ordinary networks, rebuilt node by node, against onnxruntime."""

import numpy as np
import pytest
from onnx import TensorProto
from onnx_networks import network, run, same_network
from test_onnx_import import model_of, rows, save

import clearprop as cp
from clearprop.errors import ConfigError, DataError

W, B = rows(4, 3), rows(3, seed=1)
LSTM = {"w": rows(1, 12, 4), "r": rows(1, 12, 3, seed=1), "b": rows(1, 24, seed=2), "one": np.array([1]),
        "zero": np.array([0])}  # fmt: skip
BOTH = {"w": rows(2, 12, 4), "r": rows(2, 12, 3, seed=1), "one": np.array([1]), "zero": np.array([0])}
STATES = [("LSTM", "xwrb", ["o", "h"], {"hidden_size": 3})]
BOTH_STATES = [("LSTM", "xwr", ["o", "h"], {"hidden_size": 3, "direction": "bidirectional"})]
TABLE = rows(11, 4)

DYNAMO_STATES = [  # the shape of all states, asked for and put together again
    *STATES, ("Transpose", "o", "p", {"perm": [0, 2, 1, 3]}), ("Shape", "p", "s"),
    ("Slice", ["s", "zero", "one"], "T"), ("Slice", ["s", "one", "two"], "N"),
    ("Slice", ["s", "two", "three"], "S"), ("Slice", ["s", "three", "four"], "H"), ("Mul", "SH", "M"),
    ("Reshape", ["M", "rest"], "R"), ("Concat", "TNR", "t", {"axis": 0}), ("Reshape", "pt", "y"),
]  # fmt: skip
COUNTS = {"two": np.array([2]), "three": np.array([3]), "four": np.array([4]), "rest": np.array([-1])}
KERAS_SIDES = [
    *BOTH_STATES, ("Slice", ["o", "one", "two", "one"], "p"), ("Squeeze", ["p", "one"], "q"),
    ("Slice", ["o", "zero", "one", "one"], "s"), ("Squeeze", ["s", "one"], "t"),
]  # fmt: skip
KERAS_TOKENS = [  # tokens below 0 count from the table's end
    ("Add", ["x", "many"], "a"), ("Cast", "x", "f", {"to": 1}), ("Less", ["f", "nought"], "l"), ("Not", "l", "n"),
    ("Cast", "n", "k", {"to": 7}), ("Mul", "xk", "u"), ("Cast", "l", "m", {"to": 7}), ("Mul", "ma", "v"),
    ("Add", "vu", "i"), ("Gather", "ei", "y"),
]  # fmt: skip
SCALE = rows(3, 1, 1, seed=3)

# name: (nodes, constants, x's shape, x as we take it, the layers)
CASES = {
    "batch norm behind dense": (
        [("MatMul", "xw", "a"), ("Mul", "as", "b"), ("Add", "bc", "y")],
        {"w": W, "s": rows(3, seed=2), "c": B}, (5, 4), "", "[Dense(3)]",
    ),
    "divided by a row": (
        [("Gemm", "xwb", "a"), ("Div", "as", "y")], {"w": W, "b": B, "s": rows(1, 3, seed=2)}, (5, 4), "",
        "[Dense(3)]",
    ),
    "batch norm behind a convolution": (
        [("Conv", "xkb", "a"), ("Mul", "sa", "c"), ("Sub", "c2", "y")],
        {"k": rows(3, 2, 2, 2), "b": B, "s": SCALE, "2": SCALE}, (5, 2, 4, 6), "images", "[Conv2D(3, 2)]",
    ),
    "batch norm behind a transposed convolution": (
        [("ConvTranspose", "xk", "a", {"group": 2, "strides": [2, 2]}), ("Mul", "as", "y")],
        {"k": rows(4, 3, 2, 2), "s": rows(6, 1, 1)}, (5, 4, 3, 2), "images",
        "[ConvTranspose2D(6, 2, stride=2, groups=2)]",
    ),
    "one number for all": (
        [("Gemm", "xwb", "a"), ("Div", "at", "c"), ("Add", "cu", "y")],
        {"w": W, "b": B, "t": np.float32(0.3), "u": np.float32(0.7)}, (5, 4), "", "[Dense(3)]",
    ),
    "gelu whose constants are rows of one": (
        [("Gemm", "xwb", "d"), ("Mul", "dr", "a"), ("Erf", "a", "e"), ("Add", "eo", "c"), ("Mul", "dc", "f"),
         ("Mul", "fh", "y")],
        {"w": W, "b": B, "r": rows(1) * 0 + np.float32(0.5**0.5), "o": np.ones(1, "f4"), "h": np.ones(1, "f4") / 2},
        (5, 4), "", "[Dense(3), Activation('gelu')]",
    ),
    "PyTorch's softplus": (
        [("Softplus", "x", "a"), ("Greater", "xt", "b"), ("Where", "bxa", "y")], {"t": np.float32(20)}, (5, 4), "",
        "[Activation('softplus')]",
    ),
    "the larger of x and 0": ([("Max", "xz", "y")], {"z": np.float32(0)}, (5, 4), "", "[Activation('relu')]"),
    "PyTorch's states": (
        DYNAMO_STATES, LSTM | COUNTS, (6, 5, 4), "time", "[LSTM(3, return_sequences=True)]",
    ),
    "a last step by Slice": (
        [*STATES, ("Squeeze", ["o", "one"], "s"), ("Slice", ["s", "minus", "end", "zero"], "l"),
         ("Squeeze", ["l", "zero"], "y")],
        LSTM | {"minus": np.array([-1]), "end": np.array([2**31 - 1])}, (6, 5, 4), "time", "[LSTM(3)]",
    ),
    "a last state by Slice": (
        [*STATES, ("Slice", ["h", "minus", "end", "zero"], "l"), ("Squeeze", ["l", "zero"], "y")],
        LSTM | {"minus": np.array([-1]), "end": np.array([2**31 - 1])}, (6, 5, 4), "time", "[LSTM(3)]",
    ),
    "Keras' states of both ways": (
        [*KERAS_SIDES, ("Concat", "tq", "y", {"axis": 2})], BOTH | COUNTS, (6, 5, 4), "time",
        "[Bidirectional(LSTM(3, return_sequences=True))]",
    ),
    "Keras' last states of both ways": (
        [*KERAS_SIDES, ("Slice", ["t", "minus", "end", "zero"], "c"), ("Squeeze", ["c", "zero"], "d"),
         ("Slice", ["q", "zero", "one", "zero"], "e"), ("Squeeze", ["e", "zero"], "f"),
         ("Concat", "df", "y", {"axis": 1})],
        BOTH | COUNTS | {"minus": np.array([-1]), "end": np.array([2**31 - 1])}, (6, 5, 4), "time",
        "[Bidirectional(LSTM(3))]",
    ),
    "Keras' tokens": (
        KERAS_TOKENS, {"many": np.array(11), "nought": np.float32(0), "e": TABLE}, (5, 4), "tokens",
        "[Embedding(11, 4)]",
    ),
    "Keras' convolution along time": (
        [("Unsqueeze", ["x", "axis"], "u"), ("Transpose", "u", "t", {"perm": [0, 3, 1, 2]}),
         ("Conv", "tk", "c", {"strides": [1, 2], "pads": [0, 1, 0, 2]}), ("Squeeze", ["c", "two"], "s"),
         ("Add", "sb", "r"), ("Unsqueeze", ["r", "two"], "v"), ("MaxPool", "v", "p", {"kernel_shape": [1, 2]}),
         ("Squeeze", ["p", "two"], "q"), ("Transpose", "q", "y", {"perm": [0, 2, 1]})],
        {"axis": np.array([-3]), "k": rows(3, 4, 1, 3), "two": np.array([2]), "b": rows(1, 3, 1)}, (5, 9, 4), "",
        "[Conv1D(3, 3, stride=2, padding=((1, 2),)), Reshape((1, 5, 3)), MaxPool2D((1, 2), stride=1), Reshape((4, 3))]",
    ),
    "PyTorch's pool of a sequence": (
        [("Conv", "xk", "c"), ("Unsqueeze", "ca", "u"), ("ReduceMean", "um", "d"), ("Squeeze", "da", "s"),
         ("Reshape", "st", "y")],
        {"k": rows(3, 4, 2), "a": np.array([-2]), "m": np.array([-1, -2]), "t": np.array([-1, 3])}, (5, 4, 7),
        "channels", "[Conv1D(3, 2), Reshape((1, 6, 3)), GlobalAvgPool()]",
    ),
    "a signal of one channel": (
        [("Unsqueeze", ["x", "one"], "u"), ("Conv", "uk", "c"), ("Flatten", "c", "f"), ("Gemm", "fw", "y")],
        {"one": np.array([1]), "k": rows(2, 1, 3), "w": rows(10, 3)}, (5, 7), "",
        "[Reshape((7, 1)), Conv1D(2, 3), Flatten(), Dense(3)]",
    ),
    "Keras' images of one channel": (
        [("Reshape", "xs", "a"), ("Conv", "ak", "b"), ("Transpose", "b", "y", {"perm": [0, 2, 3, 1]})],
        {"s": np.array([-1, 1, 6, 4]), "k": rows(3, 1, 2, 2)}, (5, 6, 4, 1), "", "[Conv2D(3, 2)]",
    ),
    "Keras' dense on two axes": (
        [("Shape", "x", "s"), ("Gather", ["s", "front"], "f"), ("ReduceProd", "f", "n"), ("Concat", ["n", "four"], "t",
          {"axis": 0}), ("Reshape", "xt", "a"), ("MatMul", "aw", "b"), ("Concat", ["f", "three"], "u", {"axis": 0}),
         ("Reshape", "bu", "y")],
        {"front": np.array([0, 1, 2]), "w": W} | COUNTS, (5, 2, 6, 4), "",
        "[TimeDistributed(TimeDistributed(Dense(3)))]",
    ),
}  # fmt: skip


def examples(shape, how):
    """What the graph takes, and the same as we take it."""
    if how == "tokens":
        tokens = np.random.default_rng(2).integers(0, 11, shape)
        return tokens, tokens
    x = rows(*shape, seed=2)
    ours = {"time": lambda: np.moveaxis(x, 1, 0), "images": lambda: np.moveaxis(x, 1, -1),
            "channels": lambda: np.moveaxis(x, 1, -1)}  # fmt: skip
    return x, ours.get(how, lambda: x)()


@pytest.mark.parametrize("free", [True, False], ids=["any batch", "one batch"])
@pytest.mark.parametrize("name", CASES)
def test_what_exporters_write(name, free, tmp_path):
    nodes, constants, shape, how, layers = CASES[name]
    batch = 1 if how == "time" else 0
    given = [("N" if free and axis == batch else n) for axis, n in enumerate(shape)]
    kind = TensorProto.INT64 if how == "tokens" else TensorProto.FLOAT
    path = save(model_of(nodes, constants, given, opset=21, kind=kind), tmp_path)
    model = cp.from_onnx(path, layout="NHWC" if name == "Keras' dense on two axes" else None)
    assert repr(model.layers) == layers
    x, ours = examples(shape, how)
    theirs = run(path, x)
    scores = model.scores(ours)
    if how == "time" and theirs.ndim == 3:
        theirs = np.moveaxis(theirs, 1, 0)
    if how == "images":
        theirs = np.moveaxis(theirs, 1, -1)
    np.testing.assert_allclose(scores, theirs, rtol=1e-5, atol=1e-5, strict=True)


def classifier():
    """As skl2onnx writes one of two classes: labels, and probabilities of both."""
    nodes = [
        ("MatMul", "xw", "a"), ("Add", "ab", ["logit"]), ("Sigmoid", ["logit"], ["one"]), ("Sub", ["i", "one"], "z"),
        ("Concat", ["z", "one"], ["probabilities"], {"axis": 1}), ("ArgMax", ["probabilities"], ["k"], {"axis": 1}),
        ("Cast", "k", ["label"], {"to": 1}),
    ]  # fmt: skip
    constants = {"w": rows(4, 1), "b": rows(1), "i": np.float32(1)}
    return model_of(nodes, constants, outputs=("label", "probabilities"))


def test_which_output(tmp_path):
    path = save(classifier(), tmp_path)
    with pytest.raises(DataError) as refusal:
        cp.from_onnx(path)
    assert str(refusal.value) == (
        f"{path}: expected one output, got 'label', 'probabilities'. Say which holds the scores: "
        "from_onnx(path, output='probabilities')."
    )
    with pytest.raises(DataError, match=r"puts tensors side by side.* from_onnx\(path, output=…\)"):
        cp.from_onnx(path, output="probabilities")
    with pytest.raises(
        DataError, match=r"no node gives 'logits'. Did you mean 'logit'\? Its outputs: 'label', "
    ):
        cp.from_onnx(path, output="logits")
    x = rows(5, 4, seed=2)
    theirs = run(path, x)  # labels
    model = cp.from_onnx(path, output="one")
    assert repr(model.layers) == "[Dense(1), Activation('sigmoid')]"
    np.testing.assert_array_equal(model.scores(x)[:, 0] > 0.5, theirs[:, 0] == 1)
    assert repr(cp.from_onnx(path, output="logit").layers) == "[Dense(1)]"


def test_an_inner_output_is_not_what_the_file_says_of_its_scores(tmp_path):
    model, path = network([cp.Dense(3, activation="relu"), cp.Dense(1)], (4,)), tmp_path / "net.onnx"
    model.link = "identity"
    model.to_onnx(path)
    assert cp.from_onnx(path, output="scores").link == "identity"
    inner = cp.from_onnx(path, output="1.Relu")
    assert repr(inner.layers) == "[Dense(3), Activation('relu')]"
    assert inner.link == cp.Sequential(inner.layers, (4,)).link != "identity"


@pytest.mark.parametrize("op", ["Squeeze", "Reshape"])
def test_one_number_for_each_example(op, tmp_path):
    """(N,) at the end is (N, 1) here."""
    s = np.array([-1]) if op == "Reshape" else np.array([1])
    nodes = [("Gemm", "xw", "a"), (op, "as", "b"), ("Sigmoid", "b", "y")]
    path = save(model_of(nodes, {"w": rows(4, 1), "s": s}), tmp_path)
    model, x = cp.from_onnx(path), rows(5, 4, seed=2)
    assert repr(model.layers) == "[Dense(1), Activation('sigmoid')]"
    np.testing.assert_allclose(model.scores(x)[:, 0], run(path, x), rtol=1e-5, atol=1e-6)
    nodes[2:] = [("Add", "bx", "y")]  # (N,) and (N, 4): examples would be mixed
    with pytest.raises(DataError, match=r"makes \(N,\) out of \(N, 1\), and goes on with it"):
        cp.from_onnx(save(model_of(nodes, {"w": rows(4, 1), "s": s}), tmp_path))


REFUSED = {  # name: (nodes, constants, shape, what the sentence has)
    "scaled input": (
        [("Div", "xt", "a"), ("Gemm", "aw", "y")], {"t": np.float32(255), "w": W}, ("N", 4),
        "what comes in is scaled by 0.00392157 and shifted by 0, and no layer stands before it whose weights could do "
        "this. Scale inputs before the network.",
    ),
    "nothing but zeros": (
        [("Gemm", "xw", "a"), ("Mul", "at", "y")], {"t": np.float32(0), "w": W}, ("N", 4),
        "what comes in is a function of each number",
    ),
    "a number divided by scores": (
        [("Gemm", "xw", "a"), ("Div", "ta", "y")], {"t": rows(3), "w": W}, ("N", 4), "computes with numbers of shape",
    ),
    "compared with rows": (
        [("Less", "xr", "l"), ("Where", "lxr", "y")], {"r": rows(4)}, ("N", 4),
        "(Less): compares numbers, or chooses among them, as no activation of clearprop does.",
    ),
    "other rows of a table": (
        [("Cast", "x", "c", {"to": 1}), ("Add", "co", "a"), ("Gather", "ea", "y")],
        {"o": np.float32(1), "e": TABLE}, ("N", 4), "what comes in is scaled by 1 and shifted by 1",
    ),
    "rounded within a function": (
        [("Exp", "x", "a"), ("Cast", "a", "c", {"to": 7}), ("Cast", "c", "y", {"to": 1})], {}, ("N", 4),
        "node 'cast' (Cast): what comes in is a function of each number",
    ),
    "the first step": (
        [*STATES, ("Squeeze", ["o", "one"], "s"), ("Slice", ["s", "zero", "one", "zero"], "l"),
         ("Squeeze", ["l", "zero"], "y")], LSTM, ("T", "N", 4), "expected the last time step",
    ),
    "two steps": (
        [*STATES, ("Squeeze", ["o", "one"], "s"), ("Slice", ["s", "two", "four", "zero"], "y")], LSTM | COUNTS,
        (4, "N", 4), "(Slice): expected the last time step",
    ),
    "some examples": ([("Slice", ["x", "zero", "one"], "y")], LSTM, ("N", 4), "(Slice): expected the last time step"),
    "a step that keeps its axis": (
        [*STATES, ("Squeeze", ["o", "one"], "s"), ("Slice", ["s", "three", "four", "zero"], "l"), ("Relu", "l", "y")],
        LSTM | COUNTS, (4, "N", 4), "(Relu): takes the last time step",
    ),
    "the way back's end": (
        [*KERAS_SIDES, ("Slice", ["q", "minus", "end", "zero"], "e"), ("Squeeze", ["e", "zero"], "y")],
        BOTH | COUNTS | {"minus": np.array([-1]), "end": np.array([2**31 - 1])}, (4, "N", 4),
        "expected the last time step",
    ),
    "the way back first": (
        [*KERAS_SIDES, ("Concat", "qt", "y", {"axis": 2})], BOTH | COUNTS, (4, "N", 4),
        "expected the states of both directions of one layer, forward first.",
    ),
    "projected states": (
        [("LSTM", "xwr", "o", {"hidden_size": 5}), ("Squeeze", ["o", "one"], "y")], LSTM, (4, "N", 4),
        "expected weights of shape (1, 20, 4), got (1, 12, 4).",
    ),
    "examples and steps as one axis": (
        [("Reshape", "xs", "a"), ("Gemm", "aw", "y")], {"s": np.array([-1, 4]), "w": W}, ("N", 5, 4),
        "examples and time steps come out as one axis.",
    ),
    "a mean that is turned": (
        [("ReduceMean", "xm", "a"), ("Transpose", "a", "y", {"perm": [0, 1]})], {"m": np.array([-1])}, ("N", 4),
        "(Transpose): takes a mean, with which",
    ),
    "a batch that is squeezed": (
        [("Squeeze", "xz", "y")], {"z": np.array([0])}, (1, 4), "expected axes of one number, got [0] of (1, 4).",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name, tmp_path):
    nodes, constants, shape, sentence = REFUSED[name]
    path = save(model_of(nodes, constants, [4 if n == "T" else n for n in shape]), tmp_path)
    with pytest.raises(DataError) as refusal:
        cp.from_onnx(path)
    assert str(refusal.value).startswith(f"{path}: ")
    assert sentence in str(refusal.value)


def test_a_circle_of_nodes_ends(tmp_path):
    nodes = [
        ("Gemm", "xw", "a"),
        ("Squeeze", "ao", "b"),
        ("Relu", "b", "c"),
        ("Neg", "c", "b"),
        ("Relu", "c", "y"),
    ]
    path = save(model_of(nodes, {"w": rows(4, 1), "o": np.array([1])}), tmp_path)
    assert repr(cp.from_onnx(path).layers) == "[Dense(1), Activation('relu'), Activation('relu')]"


def test_what_has_no_name_is_not_taken_for_needed(tmp_path):
    """An output left out is no input left out."""
    reverse = ("LSTM", "xwr", ["", "z"], {"hidden_size": 3, "direction": "reverse"})
    nodes = [
        reverse,
        ("LSTM", ["x", "w", "r", "", ""], ["o"], {"hidden_size": 3}),
        ("Squeeze", ["o", "one"], "y"),
    ]
    path = save(model_of(nodes, LSTM, (4, "N", 4)), tmp_path)
    assert repr(cp.from_onnx(path).layers) == "[LSTM(3, return_sequences=True)]"


def test_softmax_of_old_opsets(tmp_path):
    """Up to opset 12 it goes over all axes from the second one on, if nothing else is said."""
    path = save(model_of([("Softmax", "x", "y")], shape=("N", 5, 4), opset=12), tmp_path)
    with pytest.raises(DataError, match=r"\(Softmax\): expected it along the channels, got axis 1"):
        cp.from_onnx(path)
    path = save(model_of([("Softmax", "x", "y")], shape=("N", 4), opset=12), tmp_path)
    x = rows(3, 4, seed=2)
    np.testing.assert_allclose(cp.from_onnx(path).scores(x), run(path, x), rtol=1e-5, atol=1e-6)


def test_a_single_size(tmp_path):
    path = save(model_of([("Relu", "x", "y")]), tmp_path)
    with pytest.raises(
        ConfigError, match=r"expected input_shape to be one example's sizes, got 4\. Write \(4,\)\."
    ):
        cp.from_onnx(path, input_shape=4)


@pytest.mark.parametrize("batch", [None, 3])
def test_a_shape_at_each_step_behind_a_shape(batch, tmp_path):
    layers = [
        cp.Reshape((4, 6)),
        cp.TimeDistributed(cp.Reshape((2, 3))),
        cp.TimeDistributed(cp.Flatten()),
        cp.GRU(2),
    ]
    model, path = network(layers, (24,)), tmp_path / "net.onnx"
    model.to_onnx(path, batch=batch)
    same_network(model, cp.from_onnx(path))
