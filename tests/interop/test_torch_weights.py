"""load_torch_weights: PyTorch's weights in our layers compute what PyTorch computes; what does not fit is a table."""

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import clearprop as cp
from clearprop.errors import ConfigError, DataError, FileError, ShapeError

torch = pytest.importorskip("torch")
nn = torch.nn

pytestmark = pytest.mark.torch

TOLERANCE = {"float32": 1e-5, "float64": 1e-10}


class Of(nn.Module):
    """A network by its parts and a function of them and of x."""

    def __init__(self, function, **parts):
        super().__init__()
        self.function = function
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x):
        return self.function(self, x)


def lenet():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10),
    )  # fmt: skip


def our_lenet():
    return [
        cp.Conv2D(6, 5, padding=2, activation="tanh"), cp.AvgPool2D(2), cp.Conv2D(16, 5, activation="tanh"),
        cp.AvgPool2D(2), cp.Flatten(), cp.Dense(120, activation="tanh"), cp.Dense(84, activation="tanh"), cp.Dense(10),
    ]  # fmt: skip


def vgg():
    def block(a, b):
        return [nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU()]

    features = nn.Sequential(
        *block(3, 8), *block(8, 8), nn.MaxPool2d(2), *block(8, 16), *block(16, 16), nn.MaxPool2d(2)
    )
    classifier = nn.Sequential(
        nn.Linear(16 * 3 * 2, 20), nn.BatchNorm1d(20), nn.ReLU(), nn.Dropout(), nn.Linear(20, 5)
    )
    return Of(lambda s, x: s.classifier(s.features(x).flatten(1)), features=features, classifier=classifier)


def our_vgg():
    def block(n):
        return [cp.Conv2D(n, 3, padding="same"), cp.BatchNorm(), cp.Activation("relu")]

    return [
        *block(8), *block(8), cp.MaxPool2D(2), *block(16), *block(16), cp.MaxPool2D(2), cp.Flatten(),
        cp.Dense(20), cp.BatchNorm(), cp.Activation("relu"), cp.Dropout(0.5), cp.Dense(5),
    ]  # fmt: skip


class Block(nn.Module):
    """A ResNet's block, with its modules named as there."""

    def __init__(self, a, b, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(a, b, 3, stride, 1, bias=False), nn.BatchNorm2d(b)
        self.conv2, self.bn2 = nn.Conv2d(b, b, 3, 1, 1, bias=False), nn.BatchNorm2d(b)
        self.downsample = (
            nn.Sequential(nn.Conv2d(a, b, 1, stride, bias=False), nn.BatchNorm2d(b)) if a != b else None
        )

    def forward(self, x):
        past = x if self.downsample is None else self.downsample(x)
        return torch.relu(self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x))))) + past)


def resnet():
    net = nn.Module()
    net.layer1 = nn.Sequential(Block(3, 3, 1), Block(3, 3, 1))
    net.layer2 = nn.Sequential(Block(3, 6, 2), Block(6, 6, 1))
    net.fc = nn.Linear(6, 4)
    net.forward = lambda x: net.fc(net.layer2(net.layer1(x)).mean((2, 3)))
    return net


def our_resnet():
    def block(n, stride=1):
        layers = [cp.Conv2D(n, 3, stride, padding=1), cp.BatchNorm(), cp.Activation("relu"),
                  cp.Conv2D(n, 3, padding=1), cp.BatchNorm()]  # fmt: skip
        shortcut = [cp.Conv2D(n, 1, stride), cp.BatchNorm()] if stride > 1 else []
        return [cp.Residual(layers, shortcut), cp.Activation("relu")]

    return [*block(3), *block(3), *block(6, 2), *block(6), cp.GlobalAvgPool(), cp.Dense(4)]


def last(run):
    """The last state of a recurrent module; of both ways, each way's own last."""
    return lambda s, x: s.l(torch.cat([*run(s, x)], 1))


def channels_last(x):
    return np.moveaxis(x, 1, -1)


def as_it_is(x):
    return x


# name: (PyTorch's network, x's shape there, ours, input_shape, x for ours)
CASES = {
    "linear": (lambda: nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 3)), (4, 5),
               lambda: [cp.Dense(8, activation="relu"), cp.Dense(3)], (5,), as_it_is),
    "no bias": (lambda: nn.Linear(5, 8, bias=False), (4, 5), lambda: [cp.Dense(8)], (5,), as_it_is),
    "conv1d": (lambda: nn.Conv1d(4, 6, 3, padding=2, dilation=2, groups=2), (2, 4, 9),
               lambda: [cp.Conv1D(6, 3, padding=2, dilation=2, groups=2)], (9, 4), channels_last),
    "conv2d": (lambda: nn.Conv2d(4, 6, (3, 2), stride=2, groups=2), (2, 4, 9, 8),
               lambda: [cp.Conv2D(6, (3, 2), stride=2, groups=2)], (9, 8, 4), channels_last),
    "transposed": (
        lambda: nn.ConvTranspose2d(4, 6, (3, 2), 2, padding=1, output_padding=1, groups=2), (2, 4, 5, 6),
        lambda: [cp.ConvTranspose2D(6, (3, 2), 2, padding=1, output_padding=1, groups=2)], (5, 6, 4), channels_last,
    ),
    "norms": (
        lambda: nn.Sequential(nn.Conv2d(2, 6, 3), nn.BatchNorm2d(6), nn.GroupNorm(3, 6), nn.LayerNorm((6, 4, 3))),
        (2, 2, 6, 5),
        lambda: [cp.Conv2D(6, 3), cp.BatchNorm(), cp.GroupNorm(3), cp.LayerNorm(axes=3)], (6, 5, 2), channels_last,
    ),
    "norm without weights": (lambda: nn.BatchNorm1d(6, affine=False), (2, 6), lambda: [cp.BatchNorm()], (6,), as_it_is),
    "norms behind flatten": (
        lambda: nn.Sequential(nn.Conv2d(3, 6, 3), nn.Flatten(), nn.BatchNorm1d(72), nn.GELU(), nn.LayerNorm(72),
                              nn.Linear(72, 3)),
        (4, 3, 6, 5),
        lambda: [cp.Conv2D(6, 3), cp.Flatten(), cp.BatchNorm(), cp.Activation("gelu"), cp.LayerNorm(), cp.Dense(3)],
        (6, 5, 3), channels_last,
    ),
    "flattened at once": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(90, 4)), (2, 3, 6, 5),
                          lambda: [cp.Flatten(), cp.Dense(4)], (6, 5, 3), channels_last),
    "flattened sequence": (
        lambda: nn.Sequential(nn.Conv1d(3, 4, 3), nn.MaxPool1d(2), nn.Flatten(), nn.Linear(12, 2)), (4, 3, 9),
        lambda: [cp.Conv1D(4, 3), cp.MaxPool1D(2), cp.Flatten(), cp.Dense(2)], (9, 3), channels_last,
    ),
    "flattened states": (
        lambda: Of(lambda s, x: s.l(s.r(x)[0].flatten(1)), r=nn.LSTM(3, 5, batch_first=True), l=nn.Linear(30, 2)),
        (4, 6, 3), lambda: [cp.LSTM(5, return_sequences=True), cp.Flatten(), cp.Dense(2)], (6, 3), as_it_is,
    ),
    "residual behind flatten": (
        lambda: Of(lambda s, x: s.b(x.flatten(1) + s.a(x.flatten(1))),
                   a=nn.Sequential(nn.Linear(90, 7), nn.ReLU(), nn.Linear(7, 90)), b=nn.Linear(90, 2)),
        (2, 3, 6, 5),
        lambda: [cp.Flatten(), cp.Residual([cp.Dense(7, activation="relu"), cp.Dense(90)]), cp.Dense(2)],
        (6, 5, 3), channels_last,
    ),
    "generator": (
        lambda: nn.Sequential(nn.Linear(7, 24), nn.BatchNorm1d(24), nn.ReLU(), nn.Unflatten(1, (6, 2, 2)),
                              nn.ConvTranspose2d(6, 4, 4, 2, 1), nn.Tanh()),
        (4, 7),
        lambda: [cp.Dense(24), cp.BatchNorm(), cp.Activation("relu"), cp.Reshape((2, 2, 6)),
                 cp.ConvTranspose2D(4, 4, 2, padding=1), cp.Activation("tanh")],
        (7,), as_it_is,
    ),
    "lenet": (lenet, (3, 1, 28, 28), our_lenet, (28, 28, 1), channels_last),
    "vgg": (vgg, (3, 3, 12, 8), our_vgg, (12, 8, 3), channels_last),
    "resnet": (resnet, (3, 3, 8, 8), our_resnet, (8, 8, 3), channels_last),
    "words": (
        lambda: Of(lambda s, x: s.l(s.r(s.e(x))[1][0]), e=nn.Embedding(11, 4), r=nn.GRU(4, 5, batch_first=True),
                   l=nn.Linear(5, 2)),
        (4, 6), lambda: [cp.Embedding(11, 4), cp.GRU(5), cp.Dense(2)], (6,), as_it_is,
    ),
    "rnn": (lambda: Of(lambda s, x: s.r(x)[0], r=nn.RNN(3, 5, nonlinearity="relu", batch_first=True)), (4, 6, 3),
            lambda: [cp.Elman(5, activation="relu", return_sequences=True)], (6, 3), as_it_is),
    "lstm without bias": (lambda: Of(lambda s, x: s.r(x)[0], r=nn.LSTM(3, 5, bias=False, batch_first=True)), (4, 6, 3),
                          lambda: [cp.LSTM(5, return_sequences=True)], (6, 3), as_it_is),
    "three lstms": (
        lambda: Of(lambda s, x: s.l(s.r(x)[0]), r=nn.LSTM(5, 5, 3, batch_first=True), l=nn.Linear(5, 2)), (4, 6, 5),
        lambda: [*[cp.LSTM(5, return_sequences=True) for _ in range(3)], cp.TimeDistributed(cp.Dense(2))],
        (6, 5), as_it_is,
    ),
    "gru both ways": (
        lambda: Of(lambda s, x: s.l(s.r(x)[0]), r=nn.GRU(3, 5, 2, bidirectional=True, batch_first=True),
                   l=nn.Linear(10, 2)),
        (4, 6, 3),
        lambda: [*[cp.Bidirectional(cp.GRU(5, return_sequences=True)) for _ in range(2)],
                 cp.TimeDistributed(cp.Dense(2))],
        (6, 3), as_it_is,
    ),
    "lstm both ways, last states": (
        lambda: Of(last(lambda s, x: s.r(x)[1][0]), r=nn.LSTM(3, 5, bidirectional=True, batch_first=True),
                   l=nn.Linear(10, 2)),
        (4, 6, 3), lambda: [cp.Bidirectional(cp.LSTM(5)), cp.Dense(2)], (6, 3), as_it_is,
    ),
    "rnn both ways": (
        lambda: Of(lambda s, x: s.r(x)[0], r=nn.RNN(3, 5, bidirectional=True, batch_first=True)), (4, 6, 3),
        lambda: [cp.Bidirectional(cp.Elman(5, return_sequences=True))], (6, 3), as_it_is,
    ),
    "cell": (lambda: Of(lambda s, x: s.c(x[:, 0]), c=nn.GRUCell(3, 5)), (4, 1, 3), lambda: [cp.GRU(5)], (1, 3),
             as_it_is),
}  # fmt: skip


def random(net, seed=0):
    """In evaluation, with numbers and statistics that are all different."""
    generator = torch.Generator().manual_seed(seed)
    for p in net.parameters():
        p.data.normal_(0, 0.4, generator=generator)
    for b in net.buffers():
        if b.dtype.is_floating_point:
            b.uniform_(0.5, 2, generator=generator)
    return net.eval()


def write(net, path):
    from safetensors.torch import save_file as save_torch

    save_torch(net.state_dict(), str(path))
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.safetensors"


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", CASES)
def test_torch_computes_the_same(name, dtype, path):
    make, shape, ours, input_shape, turn = CASES[name]
    net = random(make()).to(getattr(torch, dtype))
    generator = torch.Generator().manual_seed(1)
    x = (
        torch.randint(0, 11, shape, generator=generator)
        if name == "words"
        else torch.randn(shape, generator=generator, dtype=getattr(torch, dtype))
    )
    model = cp.Sequential(ours(), input_shape, dtype=dtype)
    table = cp.load_torch_weights(model, write(net, path))
    theirs = net(x).detach().numpy()
    if theirs.ndim == 4 or name == "conv1d":
        theirs = channels_last(theirs)
    close = {"rtol": TOLERANCE[dtype], "atol": TOLERANCE[dtype]}
    np.testing.assert_allclose(model.scores(turn(x.numpy())), theirs, **close)
    names = [row.name for row in table.rows]
    assert set(names) == {*model.named_params(), *model.named_buffers()}
    assert all(len(line) <= 80 for line in str(table).splitlines())


def test_the_table_says_what_went_where(path):
    model = cp.Sequential([cp.Bidirectional(cp.GRU(2)), cp.Dense(1)], (3, 2))
    net = Of(None, gru=nn.GRU(2, 2, bidirectional=True), out=nn.Linear(4, 1, bias=False))
    table = cp.load_torch_weights(model, write(net, path))
    assert str(table).splitlines()[2:] == [
        "0.forward.w      (2, 6)            gru.weight_ih_l0          (6, 2)",
        "0.forward.u      (2, 6)            gru.weight_hh_l0          (6, 2)",
        "0.forward.b      (6,)              gru.bias_ih_l0            (6,)",
        "0.forward.b      (6,)              gru.bias_hh_l0            (6,)",
        "0.forward.bu     (2,)              gru.bias_hh_l0            (6,)",
        "0.backward.w     (2, 6)            gru.weight_ih_l0_reverse  (6, 2)",
        "0.backward.u     (2, 6)            gru.weight_hh_l0_reverse  (6, 2)",
        "0.backward.b     (6,)              gru.bias_ih_l0_reverse    (6,)",
        "0.backward.b     (6,)              gru.bias_hh_l0_reverse    (6,)",
        "0.backward.bu    (2,)              gru.bias_hh_l0_reverse    (6,)",
        "1.w              (4, 1)            out.weight                (1, 4)",
        "1.b              (1,)              none: zeros",
    ]
    html = table._repr_html_()
    assert html.count("<tr>") == 13
    assert '<td style="text-align:left">gru.weight_ih_l0_reverse</td>' in html


def test_what_the_file_does_not_tell_is_said(path):
    layers = [
        cp.Conv2D(2, 3, stride=2, padding="same"),
        cp.BatchNorm(momentum=0.99, eps=1e-3),
        cp.Activation("relu"),
    ]
    model = cp.Sequential(layers, (6, 6, 1))
    table = cp.load_torch_weights(model, write(nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)), path))
    assert table.notes == (
        "0, Conv2D(2, 3, stride=2, padding='same'): pads ((0, 1), (0, 1)) here, while PyTorch's convolutions pad both "
        "sides alike.",
        "1, BatchNorm(momentum=0.99, eps=0.001): eps is 0.001 here; PyTorch's default is 1e-05, and the file "
        "does not tell.",
        "1, BatchNorm(momentum=0.99, eps=0.001): momentum 0.99 is PyTorch's 0.01; its default is 0.1. It matters for "
        "training alone.",
    )  # fmt: skip
    assert "eps is 0.001 here" in str(table)
    assert "<li>1, BatchNorm" in table._repr_html_()
    elman = cp.Sequential([cp.Elman(2, activation="sigmoid")], (3, 1))
    notes = cp.load_torch_weights(elman, write(Of(None, r=nn.RNN(1, 2)), path)).notes
    assert notes == ("0, Elman(2): computes sigmoid, while PyTorch's RNN has tanh and relu.",)


def test_numbers_in_names_are_numbers(path):
    net = random(nn.Sequential(*[nn.Linear(3, 3) for _ in range(12)]))
    model = cp.Sequential([cp.Dense(3) for _ in range(12)], (3,))
    cp.load_torch_weights(model, write(net, path))
    x = torch.randn((2, 3), generator=torch.Generator().manual_seed(1))
    np.testing.assert_allclose(model.scores(x.numpy()), net(x).detach().numpy(), rtol=1e-4, atol=1e-6)


def words_apart():
    """Two modules that shapes do not tell apart, and whose names' order is not theirs."""
    return random(
        Of(lambda s, x: s.head(s.body(x)), body=nn.Linear(3, 3), head=nn.Linear(3, 3), a=nn.Linear(3, 2))
    )


def test_an_order_that_names_do_not_tell_is_asked_for(path):
    model = cp.Sequential([cp.Dense(3), cp.Dense(3), cp.Dense(2)], (3,))
    write(words_apart(), path)
    before = model.params.copy()
    with pytest.raises(
        ShapeError,
        match=r"2 modules of the same shapes have names that do not tell their order, and the file has lost it\. If "
        r'this is right, pass names=\{"0": "body", "1": "head"\}; otherwise exchange them',
    ):
        cp.load_torch_weights(model, path)
    np.testing.assert_array_equal(model.params, before)
    for names in ({"0": "head"}, {"0.w": "head.weight"}, {"1.b": "body.bias", "0.w": "head.weight"}):
        model.params = before
        cp.load_torch_weights(model, path, names=names)
        np.testing.assert_array_equal(model.named_params()["0.w"].T, load_file(path)["head.weight"])
        np.testing.assert_array_equal(model.named_params()["1.w"].T, load_file(path)["body.weight"])


def test_a_tied_decoder_is_not_taken_for_the_embedding(path):
    rng = np.random.default_rng(0)
    save_file({"dec.weight": rng.random((5, 2)), "emb.weight": rng.random((5, 2))}, path)
    model = cp.Sequential([cp.Embedding(5, 2), cp.GlobalAvgPool(), cp.Dense(5)], (3,))
    with pytest.raises(ShapeError, match="names that do not tell their order"):
        cp.load_torch_weights(model, path)
    cp.load_torch_weights(model, path, names={"0.w": "emb.weight"})
    np.testing.assert_allclose(model.named_params()["0.w"], load_file(path)["emb.weight"], rtol=1e-6)


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        ({"0.v": "body.weight"}, r"unknown parameter in names '0\.v'\. Did you mean '0\.[wb]'\?"),
        ({"0.w": "bodi.weight"}, r"unknown tensor in names 'bodi\.weight'\. Did you mean 'body\.weight'\?"),
        (
            {"0.w": "body.weight", "1.w": "body.weight"},
            r"names gives layer 1 and 'body' more than one partner",
        ),
        ({"0.w": "body.weight", "0.b": "head.bias"}, r"names gives layer 0 and 'head' more than one partner"),
    ],
)
def test_names_that_name_nothing(path, names, sentence):
    model = cp.Sequential([cp.Dense(3), cp.Dense(3), cp.Dense(2)], (3,))
    with pytest.raises(ConfigError, match=sentence):
        cp.load_torch_weights(model, write(words_apart(), path), names=names)


def refused(model, path, **options):
    """The message, after a look that the model is as it was."""
    before = model.params.copy(), model.buffers.copy()
    with pytest.raises(ShapeError) as caught:
        cp.load_torch_weights(model, path, **options)
    np.testing.assert_array_equal(model.params, before[0])
    np.testing.assert_array_equal(model.buffers, before[1])
    assert all(len(line) <= 80 for line in str(caught.value).splitlines()[1:])
    return str(caught.value)


def test_another_network_is_a_table(path):
    model = cp.Sequential([cp.Conv2D(6, 3), cp.Flatten(), cp.Dense(10), cp.BatchNorm()], (8, 8, 1))
    net = nn.Sequential(nn.Conv2d(1, 6, 3), nn.Flatten(), nn.Linear(216, 12), nn.LSTM(3, 2, proj_size=1))
    lines = refused(model, write(net, path)).splitlines()
    assert lines[0].endswith(
        "net.safetensors: 2 layers of the model found no weights that fit and 3 modules or tensors of the file found "
        "no layer. Build the same network, or say what goes where with names."
    )
    assert lines[3:9] == [
        "0.w              (3, 3, 1, 6)      0.weight                  (6, 1, 3, 3)",
        "0.b              (6,)              0.bias                    (6,)",
        "2.w              (216, 10)         2.weight                  (12, 216)",
        "    ^ expected (10, 216)",
        "2.b              (10,)             2.bias                    (12,)",
        "    ^ expected (10,)",
    ]
    assert lines[9] == "3.gamma          (10,)"
    assert lines[10] == "    ^ nothing of shape (10,) is left"
    assert "                                   3.weight_hr_l0            (1, 2)" in lines
    assert lines[-1] == "    ^ no module has such a tensor"


def test_names_that_do_not_fit_are_a_table(path):
    model = cp.Sequential([cp.Dense(3), cp.Dense(3), cp.Dense(2)], (3,))
    text = refused(model, write(words_apart(), path), names={"2": "body"})
    assert (
        "2.w              (3, 2)            body.weight               (3, 3)\n    ^ expected (2, 3)" in text
    )


def test_long_names_keep_the_table_narrow(path):
    save_file({"a.very.long.path.to.a.module." * 4 + "weight": np.zeros((2, 3))}, path)
    table = cp.load_torch_weights(cp.Sequential([cp.Dense(2)], (3,)), path)
    assert str(table).splitlines()[2] == "0.w              (3, 2)            a.very.long.…odule.weight (2, 3)"
    assert "a.very.long.path.to.a.module.weight" in table._repr_html_()


def test_a_file_of_thousands_of_tensors_keeps_the_message_short(path):
    save_file({f"{i}.weight": np.zeros((1, 1), "f4") for i in range(5000)}, path)
    text = refused(cp.Sequential([cp.Dense(1)], (1,)), path)
    assert len(text) < 6000
    assert text.endswith("4,959 more tensors were left over.")


def test_pickles_are_refused_with_the_line_to_write(path):
    net = nn.Linear(2, 2)
    model = cp.Sequential([cp.Dense(2)], (2,))
    for options in ({}, {"_use_new_zipfile_serialization": False}):
        torch.save(net.state_dict(), path, **options)
        with pytest.raises(
            DataError,
            match=r"a pickle, which could run code when it is read\. Write safetensors, in PyTorch: from "
            r"safetensors\.torch import save_file; save_file\(net\.state_dict\(\), \"net\.safetensors\"\)",
        ):
            cp.load_torch_weights(model, path)


def test_files_that_hold_no_weights(path):
    model = cp.Sequential([cp.Dense(2)], (2,))
    before = model.params.copy()
    with pytest.raises(FileError, match=r"net\.safetensors: could not be read \(No such file"):
        cp.load_torch_weights(model, path)
    for array, sentence in (
        (np.full((2, 2), np.nan, "f4"), r"0\.w holds values that are not finite numbers"),
        (np.full((2, 2), 1e300), r"0\.w holds values that are not finite numbers in float32"),
        (np.zeros((2, 2), "i1"), r"l\.weight: expected floating-point numbers, got int8"),
    ):
        save_file({"l.weight": array, "l.bias": np.ones(2, "f4")}, path)
        with pytest.raises(DataError, match=sentence):
            cp.load_torch_weights(model, path)
    np.testing.assert_array_equal(model.params, before)


def test_two_biases_whose_sum_is_beyond_the_dtype(path):
    model = cp.Sequential([cp.Elman(2)], input_shape=(4, 3))
    before = model.params.copy()
    shapes = {"weight_ih_l0": (2, 3), "weight_hh_l0": (2, 2), "bias_ih_l0": (2,), "bias_hh_l0": (2,)}
    save_file({name: np.full(shape, 3e38, "f4") for name, shape in shapes.items()}, path)
    with pytest.raises(cp.DataError, match=r"0\.b holds values that are not finite numbers"):
        cp.load_torch_weights(model, path)
    assert (model.params == before).all()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision(path, dtype):
    net = random(nn.Linear(3, 2)).to(getattr(torch, dtype))
    model = cp.Sequential([cp.Dense(2)], (3,))
    cp.load_torch_weights(model, write(net, path))
    np.testing.assert_array_equal(model.named_params()["0.w"].T, net.weight.detach().float().numpy())


def test_layers_that_torch_does_not_have(path):
    with pytest.raises(
        ConfigError, match=r'GRU\(2\): PyTorch\'s GRU resets after the product\. .*reset="after"'
    ):
        cp.load_torch_weights(cp.Sequential([cp.GRU(2, reset="before")], (3, 2)), path)
    layers = [cp.Flatten(), cp.GroupNorm(2)]
    with pytest.raises(
        ConfigError, match=r"layer 1, GroupNorm\(groups=2\): PyTorch has nothing like it at this place"
    ):
        cp.load_torch_weights(cp.Sequential(layers, (3, 3, 2)), path)


def test_a_wrong_turn_would_be_seen(path, monkeypatch):
    """The comparison itself, with the order of a flattened image left as it is in the file."""
    from clearprop.interop.torch_weights import slots

    monkeypatch.setattr(slots, "_order", lambda here: None)
    with pytest.raises(AssertionError):
        test_torch_computes_the_same("lenet", "float32", path)
