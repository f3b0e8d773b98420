"""to_onnx: every layer and every preset, against onnxruntime, and read back."""

import json

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx.reference import ReferenceEvaluator
from onnx_networks import (
    LEFT_OUT,
    NETWORKS,
    agree,
    channels_first,
    check_file,
    examples,
    network,
    run,
    same_network,
)

import clearprop as cp
from clearprop.cli.presets import preset_names, read_preset_or_file
from clearprop.errors import ConfigError, DataError, FileError
from clearprop.interop.onnx.package import NEWEST, OLDEST
from clearprop.interop.onnx.write_layers import WRITERS
from clearprop.layers import LAYERS
from clearprop.layers.spec import layer_spec
from clearprop.runs.config import make_config

ALL = NETWORKS | LEFT_OUT
SHAPES = {  # one example of each data set that presets train on
    "cifar-10": (32, 32, 3),
    "cmu-mnist": (784,),
    "fashion-mnist": (28, 28, 1),
    "higgs": (28,),
    "iris": (4,),
    "mnist": (28, 28, 1),
    "mnist-3v9": (28, 28, 1),
    "sine": (20, 1),
}

WRITTEN_ANOTHER_WAY = {  # read back as the same function, in other words
    "identity": "does nothing",
    "conv1d": 'the word "same" for a padding of 1',
    "transposed, gaps": "numbers for the word",
    "max pool, end": "without padding that no window reaches",
}


def specs(model):
    """The layers without what only matters before training."""
    text = json.dumps([layer_spec(layer) for layer in model.layers], sort_keys=True)

    def bare(table):
        return {
            k: v for k, v in table.items() if k not in ("init", "recurrent_init", "bias_init", "forget_bias")
        }

    return json.loads(text, object_hook=bare)


@pytest.mark.parametrize("opset", [OLDEST, 18, NEWEST])
@pytest.mark.parametrize("name", ALL)
def test_onnxruntime_computes_the_same(name, opset, tmp_path):
    model, path = network(*ALL[name]), tmp_path / "net.onnx"
    model.to_onnx(path, opset=opset)
    assert check_file(path).opset_import[0].version == opset
    agree(model, path, 1)
    agree(model, path, 4)


@pytest.mark.parametrize("opset", range(OLDEST, NEWEST + 1))
def test_every_opset(opset, tmp_path):
    layers = [
        cp.Conv2D(6, 3, activation="gelu"), cp.GroupNorm(2), cp.BatchNorm(), cp.Activation("swish"), cp.MaxPool2D(2),
        cp.Reshape((6, 6)), cp.LayerNorm(), cp.Bidirectional(cp.LSTM(3, return_sequences=True)), cp.GlobalMaxPool(),
        cp.Activation("gelu_tanh"), cp.Dropout(0.5), cp.Dense(3, activation="log_softmax"),
    ]  # fmt: skip
    model, path = network(layers, (6, 8, 2)), tmp_path / "net.onnx"
    model.to_onnx(path, opset=opset)
    check_file(path)
    agree(model, path)
    read = cp.from_onnx(path)
    same_network(model, read)
    assert specs(read) == specs(model)


@pytest.mark.parametrize("name", [name for name, (_, shape) in ALL.items() if len(shape) == 3])
def test_channels_first(name, tmp_path):
    model, path = network(*ALL[name]), tmp_path / "net.onnx"
    model.to_onnx(path, layout="NCHW")
    height, width, channels = model.input_shape
    given = check_file(path).graph.input[0].type.tensor_type.shape.dim
    assert [d.dim_param or d.dim_value for d in given] == ["N", channels, height, width]
    agree(model, path, layout="NCHW")
    same_network(model, cp.from_onnx(path))


@pytest.mark.parametrize("opset", [OLDEST, 21])
@pytest.mark.parametrize("name", NETWORKS)
def test_read_back(name, opset, tmp_path):
    model, path = network(*NETWORKS[name]), tmp_path / "net.onnx"
    model.to_onnx(path, opset=opset)
    read = cp.from_onnx(path)
    same_network(model, read)
    if name not in WRITTEN_ANOTHER_WAY:
        assert specs(read) == specs(model)
    assert read.dtype == model.dtype
    assert read.link == model.link


@pytest.mark.parametrize("name", LEFT_OUT)
def test_what_does_nothing_in_prediction_is_left_out(name, tmp_path):
    model, path = network(*LEFT_OUT[name]), tmp_path / "net.onnx"
    model.to_onnx(path)
    same_network(model, cp.from_onnx(path))
    assert "Dropout" not in [node.op_type for node in onnx.load(path).graph.node]


def test_tokens_are_taken_as_they_are(tmp_path):
    model, path = network(*NETWORKS["embedding"]), tmp_path / "net.onnx"
    model.to_onnx(path)
    assert [node.op_type for node in onnx.load(path).graph.node] == ["Gather"]


@pytest.mark.parametrize("preset", preset_names())
def test_every_preset(preset, tmp_path):
    config = make_config(read_preset_or_file(preset)[0], preset)
    layers, path = config.make_layers(), tmp_path / "net.onnx"
    model = network(layers, SHAPES[config.data.name], dtype=config.model.dtype)
    model.params *= 0.2
    model.to_onnx(path)
    check_file(path)
    agree(model, path, 5)
    read = cp.from_onnx(path)
    np.testing.assert_array_equal(read.params, model.params)
    np.testing.assert_array_equal(read.buffers, model.buffers)
    x = examples(model, 3)
    np.testing.assert_array_equal(read.scores(x), model.scores(x))
    same_network(model, read, 2)
    kept = [spec for spec in specs(model) if spec["type"] not in ("RandomFlip", "RandomShift")]
    assert specs(read) == kept


def test_every_layer_is_written():
    assert set(WRITERS) == set(LAYERS.values())
    written = {
        type(part).__name__ for layers, _ in ALL.values() for layer in layers for part in layer.parts()
    }
    assert written == set(LAYERS)


@pytest.mark.parametrize(
    "name",
    ["dense", "flatten", "batch norm", "layer norm", "group norm", "LSTM", "both ways GRU, all", "films"],
)
def test_float64(name, tmp_path):
    """By ONNX's own reference, for onnxruntime has few kernels in float64."""
    model, path = network(*NETWORKS[name], dtype="float64"), tmp_path / "net.onnx"
    model.to_onnx(path)
    ops = {node.op_type for node in check_file(path).graph.node}
    assert not ops & {"LayerNormalization", "GroupNormalization"}  # may take their statistics in float32
    x = examples(model, 3)
    (theirs,) = ReferenceEvaluator(str(path)).run(None, {"x": x})
    np.testing.assert_allclose(theirs, model.scores(x), rtol=1e-6, atol=1e-6)
    assert theirs.dtype == np.float64
    assert cp.from_onnx(path).dtype == np.float64


def test_a_transposition_is_written_only_where_it_is_needed(tmp_path):
    block = [cp.Conv2D(4, 3, padding="same"), cp.BatchNorm(), cp.Activation("relu"), cp.MaxPool2D(2)]
    layers = [*block, cp.Residual(block[:3]), *block, cp.GlobalAvgPool(), cp.Dense(3)]
    model, path = network(layers, (8, 8, 2)), tmp_path / "net.onnx"

    def transposed(**options):
        model.to_onnx(path, **options)
        return [node.op_type for node in onnx.load(path).graph.node].count("Transpose")

    assert transposed() == 1
    assert transposed(layout="NCHW") == 0
    model = network(
        [cp.LSTM(3, return_sequences=True), cp.GRU(3, return_sequences=True), cp.Elman(2)], (5, 2)
    )
    assert transposed() == 1


def test_a_fixed_batch_and_what_the_file_says_of_itself(tmp_path):
    model, path = network([cp.Dense(3)], (4,)), tmp_path / "net.onnx"
    model.to_onnx(path, batch=2)
    proto = check_file(path)
    assert [d.dim_value for d in proto.graph.input[0].type.tensor_type.shape.dim] == [2, 4]
    assert [d.dim_value for d in proto.graph.output[0].type.tensor_type.shape.dim] == [2, 3]
    agree(model, path, 2)
    same_network(model, cp.from_onnx(path))
    assert (proto.producer_name, proto.producer_version) == ("clearprop", cp.__version__)
    assert [proto.graph.input[0].name, proto.graph.output[0].name] == ["x", "scores"]
    assert [tensor.name for tensor in proto.graph.initializer] == ["0.w", "0.b"]
    told = {prop.key: prop.value for prop in proto.metadata_props}
    assert told["clearprop.input_shape"] == "[4]"
    assert (told["clearprop.layout"], told["clearprop.output"], told["clearprop.link"]) == (
        "NHWC",
        "scores",
        "softmax",
    )


@pytest.mark.parametrize(("units", "link"), [(3, "softmax"), (1, "sigmoid")])
def test_probabilities(units, link, tmp_path):
    model, path = network([cp.Dense(units)], (4,)), tmp_path / "net.onnx"
    assert model.link == link
    model.to_onnx(path, output="probabilities")
    assert check_file(path).graph.output[0].name == "probabilities"
    x = examples(model, 4)
    np.testing.assert_allclose(run(path, x), model.probabilities(x), rtol=1e-5, atol=1e-6)
    read = cp.from_onnx(path)
    np.testing.assert_allclose(read.probabilities(x), model.probabilities(x), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(read.predict(x), model.predict(x))


def test_probabilities_at_each_place(tmp_path):
    model, path = network([cp.Conv2D(3, 2)], (4, 5, 2)), tmp_path / "net.onnx"
    model.to_onnx(path, output="probabilities", layout="NCHW")
    x = examples(model, 2)
    theirs = run(path, np.ascontiguousarray(channels_first(x)))
    np.testing.assert_allclose(theirs, channels_first(model.probabilities(x)), rtol=1e-5, atol=1e-6)


def plain(layers, input_shape=(4,)):
    return network(layers, input_shape)


class Own(cp.Dense):
    pass


REFUSED = {
    "opset 12": (plain([cp.Dense(3)]), {"opset": 12}, f"to_onnx: expected opset from 13 to {NEWEST}, got 12."),
    "opset 99": (plain([cp.Dense(3)]), {"opset": 99}, f"expected opset from 13 to {NEWEST}, got 99."),
    "opset 17.5": (plain([cp.Dense(3)]), {"opset": 17.5}, "to_onnx: expected opset to be a whole number"),
    "batch 0": (plain([cp.Dense(3)]), {"batch": 0}, "to_onnx: expected batch to be a whole number >= 1, got 0."),
    "layout": (plain([cp.Dense(3)]), {"layout": "NCWH"}, "to_onnx: unknown layout 'NCWH'. Did you mean 'NCHW'?"),
    "no images": (
        plain([cp.Dense(3)]), {"layout": "NCHW"},
        "to_onnx: expected layout='NHWC' for a network that takes no images (N, H, W, C), got 'NCHW' and "
        "input_shape=(4,). Leave it out.",
    ),
    "output": (plain([cp.Dense(3)]), {"output": "logits"}, "to_onnx: unknown output 'logits'."),
    "option": (plain([cp.Dense(3)]), {"opst": 17}, "to_onnx: unknown setting 'opst'. Did you mean 'opset'?"),
    "activation": (
        plain([cp.Elman(3, activation="swish")], (4, 2)), {},
        "to_onnx: layer 0, Elman(3): expected an activation that ONNX's RNN has, tanh, relu, sigmoid, softplus, "
        "leaky_relu, elu, identity, got 'swish'. Train with one of these, such as 'tanh'.",
    ),
    "inside": (
        plain([cp.Dense(4), cp.Residual([cp.Reshape((2, 2)), cp.Elman(2, activation="gelu"), cp.Dense(4)])]), {},
        "to_onnx: layer 1.1, Elman(2): expected an activation",
    ),
    "own layer": (plain([Own(3)]), {}, "to_onnx: layer 0, Dense(3): expected one of clearprop's own layers, got Own"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused_before_anything_is_written(name, tmp_path):
    model, options, sentence = REFUSED[name]
    path = tmp_path / "net.onnx"
    path.write_bytes(b"before")
    with pytest.raises(ConfigError) as refusal:
        model.to_onnx(path, **options)
    assert sentence in str(refusal.value)
    assert path.read_bytes() == b"before"
    assert [p.name for p in tmp_path.iterdir()] == ["net.onnx"]


def test_numbers_have_no_probabilities(tmp_path):
    model = network([cp.Dense(3)], (4,))
    model.link = "identity"
    with pytest.raises(ConfigError, match="its scores are no probabilities"):
        model.to_onnx(tmp_path / "net.onnx", output="probabilities")
    with pytest.raises(FileError, match="Make its folder first"):
        model.to_onnx(tmp_path / "nowhere" / "net.onnx")
    for nameless in ("", "."):
        with pytest.raises(FileError, match=r"^'\.': expected a file's name, got none\. Choose one\.$"):
            model.to_onnx(nameless)
    model.to_onnx(tmp_path / "net.onnx")
    assert cp.from_onnx(tmp_path / "net.onnx").link == "identity"


def test_what_the_installed_package_does_not_know(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx.defs, "onnx_opset_version", lambda: 22)
    with pytest.raises(
        ConfigError, match=r"expected opset from 13 to 22, got 24\. The installed onnx ends at 22\."
    ):
        network([cp.Dense(3)], (4,)).to_onnx(tmp_path / "net.onnx", opset=24)


def test_too_large_for_one_file(tmp_path, monkeypatch):
    monkeypatch.setattr("clearprop.interop.onnx.write.LARGEST", 50)
    with pytest.raises(ConfigError, match=r"less than 2 GiB, .*, got 60 bytes of float32"):
        network([cp.Dense(3)], (4,)).to_onnx(tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []


def test_without_the_package(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(ConfigError, match=r"expected the package onnx.*pip install 'clearprop\[onnx\]'"):
        network([cp.Dense(3)], (4,)).to_onnx(tmp_path / "net.onnx")
    with pytest.raises(ConfigError, match="expected the package onnx"):
        cp.from_onnx(tmp_path / "net.onnx")


def change_number(proto):
    """One weight, a little."""
    tensor = next(t for t in proto.graph.initializer if t.name.endswith(".w") or t.name.endswith(".W"))
    values = onnx.numpy_helper.to_array(tensor).copy()
    values.flat[0] += 1e-2
    tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))


def change_attribute(proto):
    """A stride, an axis, an eps or a number of groups."""
    for node in proto.graph.node:
        for attribute in node.attribute:
            if attribute.name == "epsilon":
                attribute.f = 0.5
            if attribute.name == "linear_before_reset":
                attribute.i = 1 - attribute.i
            if attribute.name == "count_include_pad":
                attribute.i = 1 - attribute.i


def swap_inputs(proto):
    """Gamma and beta, mean and variance, or W and R's bias halves."""
    for tensor in proto.graph.initializer:
        if tensor.name.endswith(".B"):
            values = onnx.numpy_helper.to_array(tensor)
            tensor.CopyFrom(onnx.numpy_helper.from_array(np.roll(values, 1, axis=-1).copy(), tensor.name))
    for node in proto.graph.node:
        if node.op_type == "BatchNormalization":
            node.input[1], node.input[2] = node.input[2], node.input[1]


def turn_another_way(proto):
    """Height and width for each other, in a square image."""
    for node in proto.graph.node:
        if node.op_type == "Transpose":
            node.attribute[0].ints[:] = [{1: 2, 2: 1}.get(axis, axis) for axis in node.attribute[0].ints]


PLANTED = [
    (change_number, [cp.Dense(3)], (4,)),
    (change_number, [cp.LSTM(3)], (4, 2)),
    (change_attribute, [cp.BatchNorm()], (4,)),
    (change_attribute, [cp.LayerNorm()], (4,)),
    (change_attribute, [cp.GRU(3)], (4, 2)),
    (change_attribute, [cp.AvgPool2D(2, padding=1)], (4, 4, 2)),
    (swap_inputs, [cp.BatchNorm()], (4,)),
    (swap_inputs, [cp.LSTM(3)], (4, 2)),
    (turn_another_way, [cp.Conv2D(2, (1, 2), padding="same"), cp.Flatten()], (4, 4, 2)),
]


@pytest.mark.parametrize(("plant", "layers", "shape"), PLANTED)
def test_a_planted_error_is_found(plant, layers, shape, tmp_path):
    model, path = network(layers, shape), tmp_path / "net.onnx"
    model.to_onnx(path)
    agree(model, path)
    proto = onnx.load(path)
    plant(proto)
    onnx.save(proto, path)
    with pytest.raises(AssertionError):
        agree(model, path)
    with pytest.raises((AssertionError, DataError)):
        same_network(model, cp.from_onnx(path))


def on_images(draw):
    kind = draw(st.sampled_from(["conv", "pool", "mean", "norm", "group", "act", "drop", "residual", "up"]))
    k, s = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    return {
        "conv": cp.Conv2D(2 * k, (k, s), stride=s, padding="same", dilation=k),
        "pool": cp.MaxPool2D(k, stride=s, padding="same"),
        "mean": cp.AvgPool2D(k, stride=s, padding="same", count_padding=s == 1),
        "norm": cp.BatchNorm(),
        "group": cp.GroupNorm(1),
        "act": cp.Activation(draw(st.sampled_from(["relu", "gelu", "swish", "tanh", "elu"]))),
        "drop": cp.Dropout(0.25),
        "residual": cp.Residual([cp.Conv2D(2, k, padding="same"), cp.BatchNorm()], [cp.Conv2D(2, 1)]),
        "up": cp.ConvTranspose2D(2, k, stride=s),
    }[kind]


def on_sequences(draw):
    kind = draw(st.sampled_from(["conv", "pool", "lstm", "gru", "both", "norm", "each", "residual"]))
    k = draw(st.integers(1, 3))
    return {
        "conv": cp.Conv1D(k, k, padding="causal"),
        "pool": cp.MaxPool1D(k, stride=1, padding="same"),
        "lstm": cp.LSTM(k, return_sequences=True),
        "gru": cp.GRU(k, return_sequences=True, reset=draw(st.sampled_from(["before", "after"]))),
        "both": cp.Bidirectional(cp.Elman(k, return_sequences=True)),
        "norm": cp.BatchNorm(),
        "each": cp.TimeDistributed(cp.Dense(k, activation="sigmoid")),
        "residual": cp.Residual([cp.TimeDistributed(cp.Dense(2))], [cp.LSTM(2, return_sequences=True)]),
    }[kind]


@st.composite
def random_networks(draw):
    make, shape = draw(st.sampled_from([(on_images, (5, 6, 2)), (on_sequences, (4, 3))]))
    layers = [make(draw) for _ in range(draw(st.integers(1, 5)))]
    ends = [
        [],
        [cp.Flatten(), cp.Dense(3, activation="relu"), cp.Dense(2)],
        [cp.GlobalAvgPool(), cp.Dense(2)],
    ]
    return layers + draw(st.sampled_from(ends)), shape, draw(st.sampled_from([13, 16, 20, 22]))


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(random_networks(), st.integers(0, 99))
def test_random_networks(tmp_path, drawn, seed):
    layers, shape, opset = drawn
    model, path = network(layers, shape, seed), tmp_path / "net.onnx"
    model.to_onnx(path, opset=opset)
    agree(model, path)
    same_network(model, cp.from_onnx(path))


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_a_scaling_before_the_network(tmp_path, layout, axes):
    rng, path = np.random.default_rng(axes), tmp_path / "net.onnx"
    model = cp.Sequential(
        [cp.Conv2D(2, 3, padding="same"), cp.Flatten(), cp.Dense(3)], input_shape=(6, 5, 2), seed=1
    )
    shape = model.input_shape[-axes:]
    shift, scale = rng.normal(size=shape), rng.uniform(0.5, 2, size=shape)
    model.to_onnx(path, layout=layout, scaling=(shift, scale))
    x = rng.normal(size=(4, *model.input_shape)).astype(np.float32)
    given = x.transpose(0, 3, 1, 2) if layout == "NCHW" else x
    scores = run(path, given)
    np.testing.assert_allclose(scores, model.scores((x - shift) / scale), rtol=1e-4, atol=1e-5)
    with pytest.raises(cp.ShapeError, match="to_onnx: expected scaling"):
        model.to_onnx(path, scaling=(shift, scale[..., :1]))
