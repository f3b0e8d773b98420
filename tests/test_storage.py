"""A network as one file: what comes back is what went in, and a file that does not fit changes nothing."""

import json

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

import clearprop as cp
from clearprop.errors import ConfigError, DataError, FileError, ShapeError
from clearprop.layers.spec import layer_from, layer_spec


def everything(dtype="float32"):
    layers = [
        cp.Flatten(),
        cp.Dense(6, activation="gelu", bias_init="uniform"),
        cp.Reshape((3, 2)),
        cp.Flatten(),
        cp.Dropout(0.25),
        cp.Activation("leaky_relu", 0.2),
        cp.Dense(3, init={"name": "normal", "std": 0.5}),
    ]
    return cp.Sequential(layers, (2, 2), seed=7, dtype=dtype)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.safetensors"


def header(path):
    with safe_open(path, framework="np") as file:
        return json.loads(file.metadata()["clearprop"])


def write(path, arrays=None, **changes):
    """A file with a description that may be wrong."""
    model = everything()
    description = {
        "format": 1,
        "layers": [layer_spec(layer) for layer in model.layers],
        "input_shape": [2, 2],
        "dtype": "float32",
        "link": "softmax",
    } | changes
    save_file(arrays or model.named_params(), path, {"clearprop": json.dumps(description)})


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_round_trip(path, dtype):
    model = everything(dtype)
    model.link = "argmax"
    model.save(path)
    again = cp.load(path)
    np.testing.assert_array_equal(again.params, model.params)
    assert again.dtype == dtype
    assert (again.link, again.shapes) == ("argmax", model.shapes)
    assert [repr(layer) for layer in again.layers] == [repr(layer) for layer in model.layers]
    assert [layer.settings() for layer in again.layers] == [layer.settings() for layer in model.layers]
    x = np.random.default_rng(0).normal(size=(5, 2, 2))
    np.testing.assert_array_equal(again.scores(x), model.scores(x))


def test_the_file_is_plain_safetensors(path):
    model = everything()
    model.save(str(path))
    with safe_open(path, framework="np") as file:
        names = set(file.keys())
        w = file.get_tensor("1.w")
    assert names == {"1.w", "1.b", "7.w", "7.b"}
    np.testing.assert_array_equal(w, model.named_params()["1.w"])
    assert header(path)["layers"][1]["type"] == "Dense"


def test_saving_replaces_the_file_and_leaves_nothing_beside_it(path):
    everything().save(path)
    model = everything()
    model.params[...] = 1
    model.save(path)
    assert (cp.load(path).params == 1).all()
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_what_cannot_be_written_says_so(path):
    with pytest.raises(FileError, match=r"net\.safetensors: could not be written, .*Make its folder first"):
        everything().save(path.parent / "nowhere" / path.name)


def test_load_weights_fills_the_same_architecture(path):
    saved, model = everything(), everything("float64")
    saved.params += 1
    saved.save(path)
    params = model.params
    cp.load_weights(model, path)
    assert model.params is params
    np.testing.assert_array_equal(model.params, saved.params)


@pytest.mark.parametrize(
    ("arrays", "error", "sentence"),
    [
        (
            lambda a: a | {"7.w": np.zeros((6, 4), "f4")},
            ShapeError,
            r"net\.safetensors: weights of another network: expected 7\.w of shape \(6, 3\), got 7\.w of shape "
            r"\(6, 4\)\. Build the network that the file was saved from, or read both with load\(path\)",
        ),
        (
            lambda a: {k: v for k, v in a.items() if k != "7.b"},
            ShapeError,
            r"expected 7\.b of shape \(3,\), got only ",
        ),
        (
            lambda a: a | {"9.w": np.zeros(2, "f4")},
            ShapeError,
            r"weights of another network: this one has no 9\.w",
        ),
        (
            lambda a: a | {"7.b": np.full(3, np.nan, "f4")},
            DataError,
            r"7\.b holds values that are not finite numbers",
        ),
        (
            lambda a: a | {"7.b": np.zeros(3, "i4")},
            DataError,
            r"7\.b holds values that are not finite numbers",
        ),
    ],
)
def test_a_refused_file_changes_nothing(path, arrays, error, sentence):
    model = everything()
    write(path, arrays(model.named_params()))
    before = model.params.copy()
    with pytest.raises(error, match=sentence):
        cp.load_weights(model, path)
    np.testing.assert_array_equal(model.params, before)
    with pytest.raises(error, match=sentence):
        cp.load(path)


def test_a_file_of_a_network_without_parameters(path):
    cp.Sequential([cp.Flatten()], (2, 3)).save(path)
    assert cp.load(path).output_shape == (6,)
    with pytest.raises(ShapeError, match=r"expected 1\.w of shape \(4, 6\), got only nothing"):
        cp.load_weights(everything(), path)


def layer_changed(index, **settings):
    specs = [layer_spec(layer) for layer in everything().layers]
    specs[index] = specs[index] | settings
    return specs


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"format": 2}, r"written in a format that this version does not know\. Expected format 1"),
        ({"layers": "Dense"}, r"the header's layers, input_shape or link are missing or malformed"),
        ({"input_shape": 4}, r"the header's layers, input_shape or link are missing or malformed"),
        ({"link": "magic"}, r"the header's layers, input_shape or link are missing or malformed"),
        ({"dtype": "float16"}, r"dtype: expected 'float32' or 'float64', got 'float16'"),
        ({"dtype": None}, r"dtype: expected 'float32' or 'float64', got None"),
        ({"layers": []}, r"expected a list of at least one layer, got \[\]"),
        (
            {"layers": ["Dense"]},
            r"layer 0: expected a table such as \{type = \"Dense\", units = 10\}, got 'Dense'",
        ),
        (
            {"layers": [{"type": "Dens"}]},
            r"layer 0: unknown layer type 'Dens'\. Did you mean 'Dense'\? Known:",
        ),
        (
            {"layers": layer_changed(1, unit=3)},
            r"layer 1, Dense: unknown setting 'unit'\. Did you mean 'units'\?",
        ),
        ({"layers": layer_changed(1, units=0)}, r"Dense: expected units to be a whole number >= 1, got 0"),
        (
            {"layers": [{"type": "Dense"}]},
            r"layer 0, Dense: expected the setting 'units', got none\. .*Settings: activation, bias_init, init, units",
        ),
        (
            {"layers": layer_changed(5, rate="half")},
            r"Dropout: expected rate in \[0, 1\), the share to drop, got 'half'",
        ),
        (
            {"layers": layer_changed(1, activation=["relu"])},
            r"Activation: expected a name such as 'relu', got \['relu'\]",
        ),
        ({"input_shape": [2, "two"]}, r"input_shape to be a whole number >= 1, got 'two'"),
    ],
)
def test_headers_that_describe_no_network(path, changes, sentence):
    write(path, **changes)
    with pytest.raises(DataError, match=rf"net\.safetensors: {sentence}|net\.safetensors: .*{sentence}"):
        cp.load(path)


def test_files_that_are_no_networks(path):
    with pytest.raises(
        FileError, match=r"net\.safetensors: no such file\. Expected a network that model\.save wrote"
    ):
        cp.load(path)
    path.write_bytes(b"")
    with pytest.raises(DataError, match=r"not a whole safetensors file .*Take an undamaged copy"):
        cp.load(path)
    save_file({"w": np.zeros(2)}, path)
    with pytest.raises(DataError, match=r"a safetensors file, but not one that model\.save wrote"):
        cp.load(path)
    save_file({"w": np.zeros(2)}, path, {"clearprop": "{"})
    with pytest.raises(DataError, match=r"the architecture in the header is not valid JSON"):
        cp.load(path)
    save_file({"w": np.zeros(2)}, path, {"clearprop": "[1]"})
    with pytest.raises(DataError, match=r"in a format that this version does not know"):
        cp.load(path)


@pytest.mark.parametrize("cut", [1, 7, 100, -1, -10])
def test_a_truncated_file_is_refused(path, cut):
    everything().save(path)
    path.write_bytes(path.read_bytes()[:cut])
    model = everything()
    before = model.params.copy()
    with pytest.raises(DataError, match=r"net\.safetensors: not a whole safetensors file"):
        cp.load_weights(model, path)
    np.testing.assert_array_equal(model.params, before)


def test_layer_from_is_for_configuration_files_too():
    layer = layer_from({"type": "Dense", "units": 4, "activation": "relu"}, "model.layers[0]")
    assert repr(layer.expand()) == "[Dense(4), Activation('relu')]"
    with pytest.raises(ConfigError, match=r"model\.layers\[0\]: unknown layer type 'Conv3D'"):
        layer_from({"type": "Conv3D"}, "model.layers[0]")


def hostile(path, description, arrays):
    text = description if isinstance(description, str) else json.dumps(description)
    save_file(arrays, path, {"clearprop": text})
    return path


def test_a_huge_layer_is_refused_before_it_is_made(tmp_path):
    layers = [{"type": "Dense", "units": 10**12}]
    header = {"format": 1, "layers": layers, "input_shape": [4], "dtype": "float32", "link": "softmax"}
    arrays = {"0.w": np.zeros((4, 3), np.float32), "0.b": np.zeros(3, np.float32)}
    path = hostile(tmp_path / "huge.safetensors", header, arrays)
    with pytest.raises(
        ShapeError, match=r"expected 0\.w of shape \(4, 1000000000000\), got 0\.w of shape \(4, 3\)"
    ):
        cp.load(path)


def test_a_header_nested_too_deeply_is_refused(tmp_path):
    path = hostile(tmp_path / "deep.safetensors", "[" * 100_000, {"0.b": np.zeros(3, np.float32)})
    with pytest.raises(DataError, match="the architecture in the header is not valid JSON"):
        cp.load(path)


def test_a_number_that_the_dtype_cannot_hold_is_refused(tmp_path):
    layers = [{"type": "Dense", "units": 1}]
    header = {"format": 1, "layers": layers, "input_shape": [1], "dtype": "float32", "link": "sigmoid"}
    path = hostile(tmp_path / "large.safetensors", header, {"0.w": np.array([[1e300]]), "0.b": np.zeros(1)})
    with pytest.raises(DataError, match=r"0\.w holds values that are not finite numbers in float32"):
        cp.load(path)
