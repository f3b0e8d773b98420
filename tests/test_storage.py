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


FOREIGN = {
    "notes": lambda path: path.write_text("notes"),
    "PyTorch's weights": lambda path: save_file({"fc.weight": np.ones((3, 4), "f4")}, path),
    "other metadata": lambda path: save_file({"0.w": np.ones((3, 4), "f4")}, path, {"format": "pt"}),
    "half a network": lambda path: (everything().save(path), path.write_bytes(path.read_bytes()[:-4])),
    "a link to notes": lambda path: (path.with_name("notes").write_text("notes"), path.symlink_to("notes")),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_what_is_no_network_is_not_replaced(path, kind):
    FOREIGN[kind](path)
    before = {p.name: (p.is_symlink(), p.read_bytes()) for p in path.parent.iterdir()}
    with pytest.raises(
        FileError,
        match=r"net\.safetensors: what lies there is no network that model\.save wrote, so it is not replaced\. "
        r"Remove it, or choose another name\.$",
    ):
        everything().save(path)
    assert {p.name: (p.is_symlink(), p.read_bytes()) for p in path.parent.iterdir()} == before
    path.unlink()
    everything().save(path)
    assert cp.load(path).shapes == everything().shapes


def test_an_empty_file_is_a_place_to_write_to(path):
    """As tempfile makes one."""
    path.touch()
    everything().save(path)
    np.testing.assert_array_equal(cp.load(path).params, everything().params)


def test_a_network_of_another_architecture_is_replaced(path):
    cp.Sequential([cp.Dense(2)], (3,), seed=1).save(path)
    everything().save(str(path))
    np.testing.assert_array_equal(cp.load(path).params, everything().params)


def test_what_cannot_be_written_says_so(path):
    with pytest.raises(FileError, match=r"net\.safetensors: could not be written, .*Make its folder first"):
        everything().save(path.parent / "nowhere" / path.name)
    with pytest.raises(FileError, match=r"could not be written, .*Choose another name: this one is a folder"):
        everything().save(path.parent)


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
        FileError, match=r"net\.safetensors: could not be read \(No such file or directory\)\. Expected a saf"
    ):
        cp.load(path)
    path.write_bytes(b"")
    with pytest.raises(DataError, match=r"not a whole safetensors file .*Take an undamaged copy"):
        cp.load(path)
    save_file({"w": np.zeros(2)}, path)
    for read in (cp.load, lambda path: cp.load_weights(everything(), path)):
        with pytest.raises(
            DataError, match=r"its header names no layers\. Weights of PyTorch .* cp\.load_torch_weights"
        ):
            read(path)
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


# --- files that are made to harm ---


def raw(path, header, body=b""):
    """A file byte by byte, whatever its header says."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + body)
    return path


def tensor(shape=(2,), offsets=(0, 8), dtype="F32", **more):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)} | more


TWICE = b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        ({"a": tensor((2**40, 2**40))}, r"a: 8 bytes for F32 of shape \(1099511627776, 1099511627776\)"),
        ({"a": tensor((2**62, 2))}, r"a: the shape is \[4611686018427387904, 2\]"),
        ({"a": tensor((0, 2**47, 2**47), (0, 0))}, r"a: 0 bytes for F32 of shape \(0, 140737488355328"),
        ({"a": tensor((0, 2**40), (0, 0)), "b": tensor((2,), (0, 4))}, r"b: 4 bytes for F32 of shape \(2,\)"),
        ({"a": tensor((-2,))}, r"a: the shape is \[-2\]"),
        ({"a": tensor((-1, -2))}, r"a: the shape is \[-1, -2\]"),
        ({"a": tensor((2.0,))}, r"a: the shape is \[2\.0\]"),
        ({"a": tensor((True, 2))}, r"a: the shape is \[True, 2\]"),
        ({"a": tensor("22")}, r"a: the shape is \['2', '2'\]"),
        ({"a": tensor((1,) * 33 + (2,))}, r"a: the shape is \[1, 1, "),
        ({"a": tensor(), "b": tensor(offsets=(4, 12))}, r"b begins at byte 4, where 8 bytes are before it"),
        ({"a": tensor(), "b": tensor(offsets=(0, 8))}, r"b begins at byte 0, where 8 bytes are before it"),
        ({"a": tensor(offsets=(8, 16))}, r"a begins at byte 8, where 0 bytes are before it"),
        ({"a": tensor(offsets=(8, 0))}, r"a: -8 bytes for F32 of shape \(2,\)"),
        ({"a": tensor(offsets=(0, 8, 8))}, r"a: the data_offsets are \[0, 8, 8\]"),
        ({"a": tensor((4,), (0, 16))}, r"16 bytes of numbers announced, 8 in the file"),
        ({"a": tensor((1,), (0, 4))}, r"4 bytes of numbers announced, 8 in the file"),
        ({"a": tensor(dtype="F7")}, r"a: the dtype is 'F7'"),
        ({"a": tensor(dtype=["F32"])}, r"a: the dtype is \['F32'\]"),
        ({"a": tensor(code="x")}, r"a: expected a dtype, a shape and data_offsets"),
        ({"a": [1]}, r"a: expected a dtype, a shape and data_offsets"),
        ({"a\x1b[31m": tensor()}, r"a tensor is called 'a\\x1b\[31m'"),
        ({"a\ud800": tensor()}, r"a tensor is called 'a\\ud800'"),
        ({"a" * 501: tensor()}, r"a tensor is called 'aaaa"),
        ({"__metadata__": ["clearprop"]}, r"the header's metadata is no table of texts"),
        ({"__metadata__": {"clearprop": 1}}, r"the header's metadata is no table of texts"),
        (TWICE, r"the key 'a' stands there twice"),
        (b'{"__metadata__":{"x":"1","x":"2"}}', r"the key 'x' stands there twice"),
        (b'{"a":' * 100_000, r"tables nested too deeply"),
        (b'{"a":{"dtype":"F32","shape":[' + b"9" * 5000 + b"]}}", r"a number of 5,000 digits"),
        (b'{"a":{"dtype":"F32","shape":[NaN],"data_offsets":[0,8]}}', r"NaN is no number"),
        (b"[]", r"the header is no table"),
        (b"{", r"Expecting property name"),
        (b"\xff\xfe", r"can't decode byte 0xff"),
    ],
)
def test_a_hostile_header_is_refused(path, header, sentence):
    raw(path, header, bytes(8))
    model = everything()
    for read in (cp.load, lambda p: cp.load_weights(model, p)):
        with pytest.raises(
            DataError, match=rf"net\.safetensors: not a whole safetensors file \(.*{sentence}"
        ) as caught:
            read(path)
        assert len(str(caught.value)) < 1000
        str(caught.value).encode()


@pytest.mark.parametrize("length", [2**63 + 5, 2**64 - 1, 10**9, 2**23 + 1, 17])
def test_a_header_longer_than_the_file_is_refused(path, length):
    path.write_bytes(length.to_bytes(8, "little") + b"{}" + b" " * 14)
    told = f"a header of {length:,} bytes" if length < 2**48 else "no header"  # but the bytes of another file
    with pytest.raises(DataError, match=rf"\({told} in a file of 24\)"):
        cp.load(path)


@pytest.mark.parametrize(
    ("description", "sentence"),
    [
        ('{"format": 1, "format": 1}', r"the key 'format' stands there twice"),
        (
            '{"format": 1, "layers": [{"type": "Dense", "units": 3, "units": 4}]}',
            r"the key 'units' stands there twice",
        ),
        ('{"format": 1, "input_shape": [' + "9" * 400 + "]}", r"a number of 400 digits"),
        ('{"format": 1, "input_shape": [Infinity]}', r"Infinity is no number"),
        ('{"format": 1, "layers": [{"type": "BatchNorm", "eps": 1e999}]}', r"1e999 is no number"),
        ("[" * 100_000, r"tables nested too deeply"),
    ],
)
def test_an_architecture_that_is_no_plain_json_is_refused(path, description, sentence):
    hostile(path, description, {"0.b": np.zeros(3, np.float32)})
    with pytest.raises(DataError, match=rf"the architecture in the header is not valid JSON \({sentence}"):
        cp.load(path)


def described(path, layers, input_shape, arrays):
    header = {
        "format": 1,
        "layers": layers,
        "input_shape": input_shape,
        "dtype": "float32",
        "link": "softmax",
    }
    return hostile(path, header if isinstance(layers, list) else layers, arrays)


NOTHING = {"0.b": np.zeros(0, np.float32)}


@pytest.mark.parametrize(
    ("layers", "input_shape", "sentence"),
    [
        ([{"type": "os.system", "command": "true"}], [4], r"unknown layer type 'os\.system'"),
        ([{"type": "__class__"}], [4], r"unknown layer type '__class__'"),
        ([{"type": "Dense", "units": 10**15}], [4], r"expected 0\.w of shape \(4, 10{15}\)"),
        ([{"type": "GroupNorm", "groups": 7}], [10**15], r"Take one of 1, 2, 4, 5, 8, 10,"),
        ([{"type": "MaxPool2D", "window": 10**9, "padding": 10**9 + 1}], [1, 1, 1], r"leaves every window a number"),
        ([{"type": "Embedding", "vocabulary": 2, "units": 2}, {"type": "GlobalAvgPool"}], [], r"expected x of shape"),
    ],
)  # fmt: skip
def test_a_hostile_architecture_is_refused(path, layers, input_shape, sentence):
    described(path, layers, input_shape, NOTHING)
    with pytest.raises((DataError, ShapeError), match=rf"net\.safetensors: .*{sentence}"):
        cp.load(path)


@pytest.mark.parametrize(
    ("layers", "input_shape"),
    [
        ([{"type": "Flatten"}], [10**6, 10**6]),
        ([{"type": "AvgPool2D", "window": 1, "padding": 0}, {"type": "Flatten"}], [10**9, 10**9, 1]),
        ([{"type": "Reshape", "shape": [1] * 100}], [1]),
    ],
)
def test_a_network_too_large_to_compute_is_refused(path, layers, input_shape):
    header = {
        "format": 1,
        "layers": layers,
        "input_shape": input_shape,
        "dtype": "float32",
        "link": "softmax",
    }
    raw(path, {"__metadata__": {"clearprop": json.dumps(header)}})
    with pytest.raises(DataError, match="describes a network that is too large to compute: one example has"):
        cp.load(path)


@pytest.mark.parametrize("depth", [60, 200, 20_000])
def test_layers_within_layers_without_end_are_refused(path, depth):
    layers = '{"type": "Residual", "layers": [' * depth + '{"type": "Flatten"}' + "]}" * depth
    text = f'{{"format": 1, "layers": [{layers}], "input_shape": [4], "dtype": "float32", "link": "softmax"}}'
    raw(path, {"__metadata__": {"clearprop": text}})
    if depth == 60:
        assert cp.load(path).output_shape == (4,)
        return
    with pytest.raises(DataError, match="nested too deeply"):
        cp.load(path)


def test_a_sentence_stays_short_whatever_it_quotes(path):
    described(path, [{"type": "Dense", "units": "9" * 10**6}], [4], NOTHING)
    with pytest.raises(DataError, match="expected units to be a whole number") as caught:
        cp.load(path)
    assert len(str(caught.value)) < 3000
    many = {f"{i:05}": tensor((0,), (0, 0)) for i in range(9999)}
    raw(path, {"__metadata__": {"clearprop": header_of(everything())}} | many)
    with pytest.raises(ShapeError, match="and 9,979 more") as caught:
        cp.load(path)
    assert len(str(caught.value)) < 1000


def header_of(model):
    specs = [layer_spec(layer) for layer in model.layers]
    return json.dumps(
        {"format": 1, "layers": specs, "input_shape": [2, 2], "dtype": "float32", "link": "softmax"}
    )


def test_nothing_is_allocated_before_the_sizes_are_checked(path):
    """64 MiB that the header announces and the file holds, of a network of 40 numbers: none of it is read."""
    import tracemalloc

    size = 1 << 26
    header = {"__metadata__": {"clearprop": header_of(everything())}, "1.w": tensor((size // 4,), (0, size))}
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + size)  # zeros that take no room on the disk
    model = everything()
    for read in (cp.load, lambda p: cp.load_weights(model, p)):
        tracemalloc.start()
        try:
            with pytest.raises(
                ShapeError, match=r"expected 1\.w of shape \(4, 6\), got 1\.w of shape \(16777216,\)"
            ):
                read(path)
            assert tracemalloc.get_traced_memory()[1] < 1 << 21
        finally:
            tracemalloc.stop()


def test_every_dtype_is_read_as_the_library_reads_it(path):
    from clearprop.tensors import open_tensors

    rng = np.random.default_rng(0)
    kinds = ["?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"]
    given = {kind: rng.integers(0, 2, (2, 3)).astype(kind) for kind in kinds}
    given |= {"none": np.zeros((0, 3), "f4"), "scalar": np.array(2.5), "größe": np.arange(3)}
    save_file(given, path, {"a": "b"})
    file = open_tensors(path)
    assert file.told == {"a": "b"}
    found = file.read_all()
    assert found.keys() == given.keys()
    for name, array in given.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(found[name], array)


def test_a_truth_value_is_one_whatever_its_byte(path):
    from clearprop.tensors import open_tensors

    raw(path, {"a": tensor((3,), (0, 3), "BOOL")}, b"\0\1\2")
    assert open_tensors(path).read("a").tolist() == [False, True, True]


def test_half_precision_is_read_as_numbers(path):
    from clearprop.tensors import open_tensors

    upper = b"".join(np.array(v, "<f4").tobytes()[2:] for v in (1.5, -2.0, 0.0))
    raw(path, {"a": tensor((3,), (0, 6), "BF16")}, upper)
    assert open_tensors(path).read("a").tolist() == [1.5, -2.0, 0.0]


def test_loading_runs_nothing_and_touches_nothing(path):
    """The system is asked to open the file for reading, and for nothing else."""
    import subprocess
    import sys

    everything().save(path)
    code = """if True:
        import sys, pathlib
        import clearprop as cp
        cp.load(sys.argv[1])  # whatever is imported has been
        seen = []
        sys.addaudithook(lambda event, args: seen.append((event, args)))
        cp.load(sys.argv[1])
        opened = {(str(a[0]), a[1]) for e, a in seen if e == "open"}
        assert opened == {(sys.argv[1], "r")}, opened
        assert not [e for e, _ in seen if e in ("exec", "compile", "import", "pickle.find_class", "os.system")], seen
    """
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    "init",
    [
        {"name": "normal", "std": 1e308},
        {"name": "xavier_uniform", "gain": 1e308},
        {"name": "orthogonal", "gain": 10**39},
    ],
)
def test_an_initializer_beyond_all_numbers_is_refused(path, init):
    arrays = {"0.w": np.ones((2, 1), np.float32), "0.b": np.zeros(1, np.float32)}
    described(path, [{"type": "Dense", "units": 1, "init": init}], [2], arrays)
    with pytest.raises(
        cp.DataError, match=r"expected (std|gain|low) (of at most 1e\+30|to be a finite number)"
    ):
        cp.load(path)


@pytest.mark.parametrize(
    ("name", "start", "remedy"),
    [
        ("net.onnx", b"\x08\x0a\x12\x09clearprop", "read it with cp.from_onnx"),
        ("net.pt", b"PK\3\4" + bytes(40), "read that with cp.load_torch_weights"),
        ("net.bin", b"PK\3\4" + bytes(40), "read that with cp.load_torch_weights"),
        ("net.safetensors", bytes(3), "Take an undamaged copy"),
        ("net.bin", bytes(range(40)), "Take an undamaged copy"),
    ],
)
def test_a_file_of_another_kind_is_told_apart(tmp_path, name, start, remedy):
    (tmp_path / name).write_bytes(start)
    with pytest.raises(cp.DataError, match=remedy):
        cp.load(tmp_path / name)


# --- what is no file, and what changes ---


@pytest.mark.parametrize("read", ["load", "load_weights", "load_torch_weights"])
def test_what_is_no_file_is_a_sentence(tmp_path, read):
    """A pipe above all: to open it would be to wait for whoever writes into it."""
    import os

    model = cp.Sequential([cp.Dense(2)], (3,))
    call = cp.load if read == "load" else lambda path: getattr(cp, read)(model, path)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "round").symlink_to(tmp_path / "round")
    (tmp_path / "weights.safetensors").write_bytes(b"")
    for path, sentence in (
        (
            tmp_path / "pipe",
            r"pipe: could not be read \(a folder, a pipe or a device\)\. Expected a safetensors file\.",
        ),
        (tmp_path, r" \(a folder, .*\)\. Expected a safetensors file, such as weights\.safetensors in it\."),
        ("/dev/zero", r"/dev/zero: could not be read \(a folder, a pipe or a device\)"),
        (tmp_path / "round", r"round: could not be read \(Too many levels of symbolic links"),
        ("a" * 5000, r"could not be read \(File name too long"),
    ):
        with pytest.raises(FileError, match=sentence):
            call(path)
    with pytest.raises(DataError, match=r"not a whole safetensors file \(embedded null"):
        call("a\0b")


def test_a_file_that_is_replaced_is_not_read_half(path):
    """Numbers of the file of before and of the one of now would make a network that never was."""
    from clearprop.tensors import open_tensors

    model = everything()
    model.save(path)
    file = open_tensors(path)
    first = file.read("1.w")
    model.params += 1
    model.save(path)
    with pytest.raises(DataError, match=r"net\.safetensors: was written while it was read\. Read it again"):
        file.read("1.b")
    np.testing.assert_array_equal(open_tensors(path).read("1.w"), first + 1)
    file = open_tensors(path)
    content = path.read_bytes()
    path.write_bytes(content[:-8] + bytes(8))  # in place
    with pytest.raises(DataError, match="was written while it was read"):
        file.read_all()
    file = open_tensors(path)
    path.write_bytes(content[:-20])
    with pytest.raises(DataError, match="was written while it was read"):
        file.read_all()
    path.unlink()
    with pytest.raises(FileError, match=r"could not be read any more \(No such file or directory\)"):
        file.read_all()


def test_a_key_that_stands_twice_is_soon_found(path):
    """Among 200,000, where to look for it from the start each time took hours."""
    keys = b",".join(b'"%d":0' % i for i in range(200_000))
    raw(path, b"{" + keys + b',"199999":0}')
    with pytest.raises(DataError, match="the key '199999' stands there twice"):
        cp.load(path)


@pytest.mark.parametrize(
    "dtype", [">f8", "(1,f4", "4)", {"names": ["a"], "formats": ["f4"], "offsets": [2**70]}, ["f4"], None, 4]
)
def test_a_dtype_is_a_name(path, dtype):
    """NumPy reads some of these as Python, and fails as Python does."""
    write(path, dtype=dtype)
    if dtype == ">f8":
        assert cp.load(path).params.dtype.str == np.dtype("f8").str
        return
    with pytest.raises(DataError, match="dtype: expected 'float32' or 'float64', got"):
        cp.load(path)


def test_variances_below_zero_are_refused(path):
    model = cp.Sequential([cp.Residual([cp.BatchNorm()]), cp.BatchNorm()], (3,))
    model.save(path)
    before = model.copy()
    model.named_buffers()["1.running_mean"][...] = -1
    model.named_buffers()["1.running_var"][1] = 0  # of a column that never changes
    model.save(path)
    assert cp.load(path).named_buffers()["1.running_var"][1] == 0
    model.named_buffers()["0.0.running_var"][2] = -1e-30
    model.save(path)
    for read in (cp.load, lambda path: cp.load_weights(before, path)):
        with pytest.raises(
            DataError, match=r"0\.0\.running_var holds variances below 0\. Take another checkpoint"
        ):
            read(path)
    assert (before.buffers >= 0).all()


def test_parameters_that_do_not_fit_into_memory_are_a_sentence(path, put_zeros):
    n, m = 2**20, 2**21  # in a file of zeros that take no room
    size = 4 * n * m
    header = {
        "format": 1,
        "layers": [{"type": "Dense", "units": m}],
        "input_shape": [n],
        "dtype": "float32",
        "link": "probs",
    }
    arrays = {"0.w": tensor((n, m), (0, size)), "0.b": tensor((m,), (size, size + 4 * m))}
    text = json.dumps({"__metadata__": {"clearprop": json.dumps(header)}} | arrays).encode()
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        put_zeros(file, size + 4 * m)
    with pytest.raises(DataError, match="not enough memory for 2,199,025,352,704 parameters"):
        cp.load(path)
