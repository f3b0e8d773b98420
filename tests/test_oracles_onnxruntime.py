"""Our kernels against onnxruntime: models of one node with random inputs and settings, in ONNX's words and layouts."""

import numpy as np
import pytest

from onnx_cases.adapters import ADAPTERS

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

SEEDS = range(12)
IN_FLOAT64 = {"BatchNormalization", "LayerNormalization", "MaxPool"}  # onnxruntime has the others in float32
EPS = 2**-10  # attributes are float32, and this number is the same in both
OPSET, IR = 22, 10  # of onnx 1.17, which onnxruntime has known since 1.20


def run(operator, attributes, inputs, n_outputs):
    """The outputs of a model of one node; an input that is left out is None."""
    feeds = {f"input{i}": a for i, a in enumerate(inputs) if a is not None}
    names = [f"output{i}" for i in range(n_outputs)]
    node = onnx.helper.make_node(
        operator, [f"input{i}" if a is not None else "" for i, a in enumerate(inputs)], names, **attributes
    )
    kind = {name: onnx.helper.np_dtype_to_tensor_dtype(a.dtype) for name, a in feeds.items()}
    graph = onnx.helper.make_graph(
        [node],
        operator,
        [onnx.helper.make_tensor_value_info(name, kind[name], a.shape) for name, a in feeds.items()],
        [onnx.helper.make_tensor_value_info(name, kind["input0"], None) for name in names],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", OPSET)], ir_version=IR)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, feeds)


def compare(operator, attributes, inputs, n_outputs=1):
    dtype, tolerance = ("float64", 1e-10) if operator in IN_FLOAT64 else ("float32", 1e-5)
    inputs = [None if a is None else np.asarray(a, dtype) for a in inputs]
    expected = run(operator, attributes, inputs, n_outputs)
    for ours, theirs in zip(ADAPTERS[operator](attributes, *inputs)[:n_outputs], expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance, strict=True)


def sliding(rng, axes, dilated=True):
    """A window's attributes, and a size over which it slides."""
    window = rng.integers(1, 4, axes)
    strides = rng.integers(1, 4, axes)
    dilations = rng.integers(1, 4, axes) if dilated else np.ones(axes, int)
    pads = rng.integers(0, np.tile(window, 2))  # onnxruntime refuses more
    size = dilations * (window - 1) + rng.integers(1, 8, axes)
    attributes = {"kernel_shape": window, "strides": strides, "dilations": dilations, "pads": pads}
    return {name: value.tolist() for name, value in attributes.items()}, size.tolist()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("axes", [1, 2])
def test_conv(seed, axes):
    rng = np.random.default_rng(seed)
    attributes, size = sliding(rng, axes)
    n, channels, filters, groups = rng.integers(1, 4, 4).tolist()
    x = rng.normal(size=(n, groups * channels, *size))
    w = rng.normal(size=(groups * filters, channels, *attributes["kernel_shape"]))
    b = rng.normal(size=groups * filters) if seed % 2 else None
    compare("Conv", attributes | {"group": groups}, [x, w, b])


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("axes", [1, 2])
def test_conv_transpose(seed, axes):
    rng = np.random.default_rng(seed)
    attributes, size = sliding(rng, axes)
    n, channels, filters, groups = rng.integers(1, 4, 4).tolist()
    x = rng.normal(size=(n, groups * channels, *size))
    w = rng.normal(size=(groups * channels, filters, *attributes["kernel_shape"]))
    b = rng.normal(size=groups * filters) if seed % 2 else None
    more = rng.integers(0, attributes["strides"]).tolist()
    compare("ConvTranspose", attributes | {"group": groups, "output_padding": more}, [x, w, b])


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("axes", [1, 2])
def test_max_pool(seed, axes):
    rng = np.random.default_rng(seed)
    attributes, size = sliding(rng, axes)
    x = rng.normal(size=(2, 3, *size))
    compare("MaxPool", attributes | {"ceil_mode": seed % 2}, [x])


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("axes", [1, 2])
def test_average_pool(seed, axes):
    rng = np.random.default_rng(seed)
    attributes, size = sliding(rng, axes, dilated=False)
    x = rng.normal(size=(2, 3, *size))
    compare("AveragePool", attributes | {"count_include_pad": seed % 2}, [x])


@pytest.mark.parametrize("operator", ["GlobalAveragePool", "GlobalMaxPool"])
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_global_pools(operator, axes):
    rng = np.random.default_rng(axes)
    compare(operator, {}, [rng.normal(size=(3, 4, *rng.integers(1, 7, axes)))])


@pytest.mark.parametrize("training", [0, 1])
@pytest.mark.parametrize("axes", [0, 1, 2])
def test_batch_norm(training, axes):
    rng = np.random.default_rng(axes)
    x = rng.normal(3, 2, size=(5, 4, *rng.integers(1, 7, axes)))
    gamma, beta, mean, var = rng.normal(size=(4, 4))
    attributes = {"training_mode": training, "epsilon": EPS, "momentum": 0.75}
    compare("BatchNormalization", attributes, [x, gamma, beta, mean, var**2], 3 if training else 1)


@pytest.mark.parametrize("axis", [1, 2, -1])
def test_layer_norm(axis):
    rng = np.random.default_rng(0)
    x = rng.normal(3, 2, size=(5, 2, 3, 4))
    gamma, beta = rng.normal(size=(2, *x.shape[axis:]))
    compare("LayerNormalization", {"axis": axis, "epsilon": EPS}, [x, gamma, beta])


@pytest.mark.parametrize("groups", [1, 2, 3, 6])
@pytest.mark.parametrize("axes", [1, 2])
def test_group_norm(groups, axes):
    rng = np.random.default_rng(groups)
    x = rng.normal(3, 2, size=(3, 6, *rng.integers(2, 7, axes)))
    gamma, beta = rng.normal(size=(2, 6))
    compare("GroupNormalization", {"num_groups": groups, "epsilon": EPS}, [x, gamma, beta])


@pytest.mark.parametrize("axes", [1, 2])
def test_instance_norm(axes):
    rng = np.random.default_rng(axes)
    x = rng.normal(3, 2, size=(3, 4, *rng.integers(2, 7, axes)))
    gamma, beta = rng.normal(size=(2, 4))
    compare("InstanceNormalization", {"epsilon": EPS}, [x, gamma, beta])


def recurrent(operator, gates, attributes, n_states, seed):
    """A layer with weights, biases and first states; the outputs are all states, and the last ones."""
    rng = np.random.default_rng(seed)
    T, N, D, H = rng.integers(1, 6, 4).tolist()
    ways = 2 if attributes.get("direction") == "bidirectional" else 1
    x = rng.normal(size=(T, N, D))
    w, r = rng.normal(size=(ways, gates * H, D)), rng.normal(size=(ways, gates * H, H))
    b = rng.normal(size=(ways, 2 * gates * H)) if seed % 2 else None
    states = [rng.normal(size=(ways, N, H)) if seed % 4 < 2 else None for _ in range(n_states)]
    compare(operator, {"hidden_size": H, **attributes}, [x, w, r, b, None, *states], 1 + n_states)


every_way = pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
with_and_without = pytest.mark.parametrize("seed", range(4))  # with and without biases and first states


@every_way
@with_and_without
@pytest.mark.parametrize("activation", ["Tanh", "Relu"])
def test_rnn(direction, seed, activation):
    activations = [activation] * (2 if direction == "bidirectional" else 1)
    recurrent("RNN", 1, {"direction": direction, "activations": activations}, 1, seed)


@every_way
@with_and_without
def test_lstm(direction, seed):
    recurrent("LSTM", 4, {"direction": direction}, 2, seed)


@every_way
@with_and_without
@pytest.mark.parametrize("linear_before_reset", [0, 1])
def test_gru(direction, seed, linear_before_reset):
    recurrent("GRU", 3, {"direction": direction, "linear_before_reset": linear_before_reset}, 1, seed)
