"""load_torch_weights with layers that keep their own weights, and modules of the file that go nowhere."""

import re

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import clearprop as cp
from clearprop.errors import ConfigError, ShapeError

torch = pytest.importorskip("torch")
nn = torch.nn

pytestmark = pytest.mark.torch


class Backbone(nn.Module):
    """A block with a shortcut and statistics, a flattened image, a head of three classes."""

    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(2, 4, 3, bias=False), nn.BatchNorm2d(4)
        self.layer1 = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1))
        self.hidden, self.fc = nn.Linear(4 * 4 * 3, 7), nn.Linear(7, 3)

    def features(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.hidden((x + self.layer1(x)).flatten(1)))

    def forward(self, x):
        return self.fc(self.features(x))


def body():
    return [
        cp.Conv2D(4, 3), cp.BatchNorm(), cp.Activation("relu"),
        cp.Residual([cp.Conv2D(4, 3, padding=1, activation="relu"), cp.Conv2D(4, 3, padding=1)]),
        cp.Flatten(), cp.Dense(7, activation="relu"),
    ]  # fmt: skip


def network(*head, dtype="float32"):
    return cp.Sequential([*body(), *head], (6, 5, 2), seed=3, dtype=dtype)


HEAD = "7"  # of `network`: each activation is a layer of its own


@pytest.fixture
def net():
    torch.manual_seed(0)
    net = Backbone()
    for tensor in (*net.bn1.parameters(), net.bn1.running_mean, net.bn1.running_var):
        tensor.data.uniform_(0.5, 2)
    return net.eval()


@pytest.fixture
def path(tmp_path, net):
    from safetensors.torch import save_file as save_torch

    save_torch(net.state_dict(), str(tmp_path / "net.safetensors"))
    return tmp_path / "net.safetensors"


def images(dtype="f4"):
    return np.random.default_rng(0).normal(size=(5, 2, 6, 5)).astype(dtype)


def features(net, x):
    with torch.no_grad():
        return net.features(torch.from_numpy(x)).numpy()


def channels_last(x):
    return np.moveaxis(x, 1, -1)


def arrays(model):
    return {n: view.copy() for n, view in (model.named_params() | model.named_buffers()).items()}


def refused(model, path, error=ShapeError, **options):
    """The message, after a look that the model is as it was."""
    before = arrays(model)
    with pytest.raises(error) as caught:
        cp.load_torch_weights(model, path, **options)
    for name, array in arrays(model).items():
        np.testing.assert_array_equal(array, before[name])
    assert all(len(line) <= 80 for line in str(caught.value).splitlines()[1:])
    return str(caught.value)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_backbone_with_a_new_head(net, path, dtype):
    """The head has its own initial weights to the bit, and is fed what PyTorch's is fed."""
    model = network(cp.Dense(5), dtype=dtype)
    before = arrays(model)
    table = cp.load_torch_weights(model, path, names={HEAD: None}, skip=["fc"])
    after = arrays(model)
    for name in (f"{HEAD}.w", f"{HEAD}.b"):
        np.testing.assert_array_equal(after[name], before[name])
    x = images()
    expected = features(net, x).astype(dtype) @ before[f"{HEAD}.w"] + before[f"{HEAD}.b"]
    np.testing.assert_allclose(model.scores(channels_last(x)), expected, rtol=1e-5, atol=1e-5)
    kept = [row.name for row in table.rows if row.tensor == "none: kept as it was"]
    assert kept == [f"{HEAD}.w", f"{HEAD}.b"]
    over = [(row.tensor, row.tensor_shape, row.remark) for row in table.rows if not row.name]
    assert sorted(over) == [("fc.bias", (3,), "left out"), ("fc.weight", (3, 7), "left out")]
    assert "\n7.w              (7, 5)            none: kept as it was\n" in str(table)
    assert "                                   fc.bias                   (3,)\n    ^ left out\n" in str(table)
    assert all(len(line) <= 80 for line in str(table).splitlines())


def test_a_backbone_alone_gives_the_features(net, path):
    model = network()
    cp.load_torch_weights(model, path, skip=["fc"])
    x = images()
    np.testing.assert_allclose(model.scores(channels_last(x)), features(net, x), rtol=1e-5, atol=1e-5)


def test_the_refusal_says_what_to_pass(net, path):
    model = network(cp.Dense(5))
    text = refused(model, path)
    assert text.splitlines()[0].endswith(
        "1 layer of the model found no weights that fit and 1 module or tensor of the file found no layer. Build the "
        'same network, or say what goes where with names. To load the rest alone, pass names={"7": None}, skip=["fc"].'
    )
    text = refused(model, path, names={"7.w": None, "0": "conv1"}).splitlines()[0]
    assert text.endswith('pass names={"7.w": None, "0": "conv1"}, skip=["fc"].')
    text = refused(model, path, skip=["fc.bias"]).splitlines()[0]  # which holds for the module
    assert "1 layer of the model found no weights that fit. Build the same network" in text
    assert text.endswith('pass names={"7": None}, skip=["fc.bias"].')


def test_what_is_not_left_out_must_still_fit(path):
    layers = body()
    layers[0] = cp.Conv2D(4, 5, padding=1)
    model = cp.Sequential([*layers, cp.Dense(5)], (6, 5, 2))
    text = refused(model, path, names={HEAD: None}, skip=["fc"])
    assert "    ^ expected (4, 2, 5, 5)\n" in text
    assert "none: kept as it was" in text
    assert "Is input_shape (6, 5, 2) right?" not in text


def test_equal_layers_are_not_shifted_by_what_is_left_out(path):
    """Of three modules and three layers of one shape the middle ones are left out: the last still goes to the last."""
    rng = np.random.default_rng(0)
    state = {f"{i}.weight": rng.random((3, 3)).astype("f4") for i in range(3)}
    save_file(state, path)
    model = cp.Sequential([cp.Dense(3) for _ in range(3)], (3,), seed=1)
    before = arrays(model)
    table = cp.load_torch_weights(model, path, names={"1": None}, skip=["1"])
    np.testing.assert_array_equal(model.named_params()["0.w"], state["0.weight"].T)
    np.testing.assert_array_equal(model.named_params()["1.w"], before["1.w"])
    np.testing.assert_array_equal(model.named_params()["2.w"], state["2.weight"].T)
    assert table.notes == (
        "Equal in shapes, so taken in the order of the numbers in the file's names: 0, 2.",
    )
    assert (
        refused(model, path, skip=["1"]).count("nothing of shape (3, 3) is left") == 1
    )  # and none is guessed


def test_a_residual_and_a_module_with_all_that_is_in_them(net, path):
    model = network(cp.Dense(3))
    before = arrays(model)
    cp.load_torch_weights(model, path, names={"3": None}, skip=["layer1"])
    for name, array in arrays(model).items():
        assert (array == before[name]).all() == (name.startswith("3.") or name == "0.b"), name


def test_tensors_that_no_module_has_are_left_out_by_name(net, path):
    save_file(
        {**load_file(path), "cls_token": np.ones((1, 4), "f4"), "rnn.weight_hr_l0": np.ones((1, 2))}, path
    )
    model = network(cp.Dense(3))
    assert re.search(
        r'pass skip=\["(cls_token|rnn.weight_hr_l0)", "(cls_token|rnn.weight_hr_l0)"\]', refused(model, path)
    )
    table = cp.load_torch_weights(model, path, skip=["cls_token", "rnn"])
    assert sorted(row.tensor for row in table.rows if not row.name) == ["cls_token", "rnn.weight_hr_l0"]


def test_a_head_that_torch_does_not_have(path):
    """It need not, for nothing comes into it; to PyTorch it does not go."""
    save_file({"enc.weight": np.ones((4, 6), "f4"), "enc.bias": np.zeros(4, "f4")}, path)
    model = cp.Sequential([cp.TimeDistributed(cp.Dense(4)), cp.GRU(3, reset="before")], (5, 6))
    assert "GRU resets after the product" in refused(model, path, ConfigError)
    table = cp.load_torch_weights(model, path, names={"1": None})
    assert [row.name for row in table.rows if row.tensor == "none: kept as it was"] == ["1.w", "1.u", "1.b"]
    with pytest.raises(ConfigError, match="GRU resets after the product"):
        cp.save_torch_weights(model, path, table)


def test_back_to_torch_with_the_new_head_under_its_number(net, path):
    model = network(cp.Dense(5))
    table = cp.load_torch_weights(model, path, names={HEAD: None}, skip=["fc"])
    cp.save_torch_weights(model, path, table)
    state = {name: torch.from_numpy(array) for name, array in load_file(path).items()}
    state |= {f"fc.{kind}": state.pop(f"{HEAD}.{kind}") for kind in ("weight", "bias")}
    other = Backbone()
    other.fc = nn.Linear(7, 5)
    other.load_state_dict(state)
    x = images()
    with torch.no_grad():
        theirs = other.eval()(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(model.scores(channels_last(x)), theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"names": {"8": None}}, r"unknown parameter in names '8'\. .*Known: 0, 0\.b, 0\.w, 1,"),
        ({"names": {"2": None}}, r"unknown parameter in names '2'"),  # an activation, which has no weights
        ({"skip": ["fd"]}, r"unknown module in skip 'fd'\. Did you mean 'fc'\?"),
        ({"skip": [""]}, r"unknown module in skip ''"),
        ({"skip": "fc"}, r"expected skip to be a list of modules, such as \[\"fc\"\], got 'fc'"),
        ({"skip": [3]}, r"expected skip to be a list of modules, .* got \[3\]"),
        ({"names": {"7": None, "7.w": "fc.weight"}}, r"'7' is left out, and names says where it goes\. Take one"),
        ({"names": {"7": "fc"}, "skip": ["fc.weight"]}, r"'fc' is left out, and names says where it goes"),
        ({"names": ["a"]}, r'expected names such as \{"0": "conv1", "3": "fc"\}, our layers first, got \[.a.\]'),
        ({"names": {"7": 3}}, r"expected names such as .*, got \{'7': 3\}"),
        ({"names": {8: "fc"}}, r"expected names such as .*, got \{8: 'fc'\}"),
        ({"strict": False}, r"unknown setting 'strict'\. A file that does not fit is refused with the names= and skip= "
                            r"that leave the rest out\. Write load_torch_weights\(model, path\)"),
    ],
)  # fmt: skip
def test_what_names_and_skip_cannot_be(path, options, sentence):
    assert re.search(sentence, refused(network(cp.Dense(3)), path, ConfigError, **options))


def test_the_names_of_a_large_file_are_not_all_listed(path):
    save_file({f"layer{i}.weight": np.zeros((1, 1), "f4") for i in range(3000)}, path)
    model = cp.Sequential([cp.Dense(1)], (1,))
    for options in ({"skip": ["layer30x"]}, {"names": {"0": "layer30x"}}):
        text = refused(model, path, ConfigError, **options)
        assert re.search(r"Did you mean 'layer30\d?'\? Known: layer.*, …\.$", text)
        assert len(text) < 400


def test_what_is_no_network_and_no_file(net, path):
    model = network(cp.Dense(3))
    write = (
        r'In PyTorch: from safetensors\.torch import save_file; save_file\(net\.state_dict\(\), "net\.safet'
    )
    for call, sentence in (
        (lambda: cp.load_torch_weights(model, net.state_dict()), rf"expected a path, got an OrderedDict\. .*{write}"),
        (lambda: cp.load_torch_weights(model, nn.Linear(2, 2)), rf"expected a path, got a Linear of torch\. .*{write}"),
        (lambda: cp.load_torch_weights(model, None), r"expected a path, got a NoneType\. Write load_torch_weights"),
        (lambda: cp.load_torch_weights(path, model), r"expected a network of clearprop first, got a PosixPath\. Write "
                                                     r"load_torch_weights\(model, path\)"),
        (lambda: cp.load_torch_weights(net, path), r"expected a network of clearprop first, got a Backbone"),
        (lambda: cp.save_torch_weights(path, model), r"save_torch_weights: expected a network of clearprop first"),
        (lambda: cp.save_torch_weights(model, model), r'save_torch_weights\(model, "net\.safetensors"\)'),
        (lambda: cp.save_torch_weights(model, path, ["a"]), r"save_torch_weights: expected names such as"),
        (lambda: cp.save_torch_weights(model, path, {"0": None}), r"save_torch_weights: expected names such as"),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=sentence):
            call()


def test_a_module_that_lacks_one_tensor(net, path):
    state = load_file(path)
    del state["bn1.running_var"]
    save_file(state, path)
    lines = refused(network(cp.Dense(3)), path).splitlines()
    at = lines.index("1.gamma          (4,)              bn1.weight                (4,)")
    assert lines[at + 3 : at + 5] == ["1.running_var    (4,)", "    ^ module 'bn1' has no running_var"]
    assert "no layer takes it" not in "\n".join(lines)


def test_a_module_that_has_more_than_its_layer(path):
    save_file(
        {f"n.{kind}": np.ones(4, "f4") for kind in ("weight", "bias", "running_mean", "running_var")}, path
    )
    text = refused(cp.Sequential([cp.LayerNorm()], (4,)), path, names={"0": "n"})
    assert "n.running_mean            (4,)\n    ^ layer 0 has no running_mean" in text


def test_an_image_of_another_size(net, path):
    model = cp.Sequential([*body(), cp.Dense(3)], (8, 8, 2))
    text = refused(model, path)
    assert "Is input_shape (8, 8, 2) right?" in text.splitlines()[0]
    assert "    ^ expected (7, 144)" in text


@pytest.mark.parametrize(("n", "shown"), [(3, "0, 1, 2"), (14, "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, …")])
def test_modules_that_only_their_numbers_tell_apart(path, n, shown):
    save_file({f"fc{i}.weight": np.eye(3, dtype="f4") for i in range(n)}, path)
    table = cp.load_torch_weights(cp.Sequential([cp.Dense(3) for _ in range(n)], (3,)), path)
    assert table.notes[0].endswith(f"in the order of the numbers in the file's names: {shown}.")
    names = {str(i): f"fc{i}" for i in range(n)}
    table = cp.load_torch_weights(cp.Sequential([cp.Dense(3) for _ in range(n)], (3,)), path, names)
    assert table.notes == ()
