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
        layers = [cp.Conv2D(n, 3, stride=stride, padding=1), cp.BatchNorm(), cp.Activation("relu"),
                  cp.Conv2D(n, 3, padding=1), cp.BatchNorm()]  # fmt: skip
        shortcut = [cp.Conv2D(n, 1, stride=stride), cp.BatchNorm()] if stride > 1 else []
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
        lambda: [cp.ConvTranspose2D(6, (3, 2), stride=2, padding=1, output_padding=1, groups=2)], (5, 6, 4),
        channels_last,
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
                 cp.ConvTranspose2D(4, 4, stride=2, padding=1), cp.Activation("tanh")],
        (7,), as_it_is,
    ),
    "as many channels as rows and columns": (
        lambda: nn.Sequential(nn.Conv2d(2, 4, 2), nn.Flatten(), nn.Linear(64, 3)), (2, 2, 5, 5),
        lambda: [cp.Conv2D(4, 2), cp.Flatten(), cp.Dense(3)], (5, 5, 2), channels_last,
    ),
    "as many channels as steps": (
        lambda: nn.Sequential(nn.Conv1d(3, 4, 2), nn.Flatten(), nn.LayerNorm(16), nn.Linear(16, 3)), (2, 3, 5),
        lambda: [cp.Conv1D(4, 2), cp.Flatten(), cp.LayerNorm(), cp.Dense(3)], (5, 3), channels_last,
    ),
    "a row reshaped": (lambda: nn.Sequential(nn.Conv2d(3, 4, 2), nn.Flatten(), nn.Linear(48, 2)), (2, 3, 5, 4),
                       lambda: [cp.Conv2D(4, 2), cp.Flatten(), cp.Reshape((48,)), cp.Dense(2)], (5, 4, 3),
                       channels_last),
    "flattened and an image again": (
        lambda: nn.Sequential(nn.Conv2d(3, 6, 3), nn.Flatten(), nn.Unflatten(1, (6, 4, 3)), nn.Conv2d(6, 2, 2)),
        (2, 3, 6, 5), lambda: [cp.Conv2D(6, 3), cp.Flatten(), cp.Reshape((4, 3, 6)), cp.Conv2D(2, 2)], (6, 5, 3),
        channels_last,
    ),
    "sequence from a row": (
        lambda: nn.Sequential(nn.Linear(5, 24), nn.Unflatten(1, (4, 6)), nn.ReLU(), nn.Conv1d(4, 3, 2), nn.Flatten(),
                              nn.Linear(15, 2)),
        (2, 5),
        lambda: [cp.Dense(24), cp.Reshape((6, 4)), cp.Activation("relu"), cp.Conv1D(3, 2), cp.Flatten(), cp.Dense(2)],
        (5,), as_it_is,
    ),
    "sequence from a row, steps first": (
        lambda: Of(lambda s, x: s.r(s.l(x).unflatten(1, (6, 4)))[0], l=nn.Linear(5, 24),
                   r=nn.GRU(4, 3, batch_first=True)),
        (2, 5), lambda: [cp.Dense(24), cp.Reshape((6, 4)), cp.GRU(3, return_sequences=True)], (5,), as_it_is,
    ),
    "residual before an image": (
        lambda: Of(lambda s, x: s.c((s.a(x) + s.b(s.a(x))).unflatten(1, (6, 2, 2))), a=nn.Linear(5, 24),
                   b=nn.Sequential(nn.Linear(24, 24), nn.BatchNorm1d(24)), c=nn.ConvTranspose2d(6, 4, 4, 2, 1)),
        (2, 5),
        lambda: [cp.Dense(24), cp.Residual([cp.Dense(24), cp.BatchNorm()]), cp.Reshape((2, 2, 6)),
                 cp.ConvTranspose2D(4, 4, stride=2, padding=1)],
        (5,), as_it_is,
    ),
    "shortcut before an image": (
        lambda: Of(lambda s, x: s.c((s.shortcut(x) + s.b(x)).unflatten(1, (6, 2, 2))), shortcut=nn.Linear(5, 24),
                   b=nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 24)), c=nn.ConvTranspose2d(6, 4, 4, 2, 1)),
        (2, 5),
        lambda: [cp.Residual([cp.Dense(7, activation="relu"), cp.Dense(24)], [cp.Dense(24)]), cp.Reshape((2, 2, 6)),
                 cp.ConvTranspose2D(4, 4, stride=2, padding=1)],
        (5,), as_it_is,
    ),
    "images along time": (
        lambda: Of(lambda s, x: s.l(s.r(s.n(s.c(x.flatten(0, 1)).flatten(1)).unflatten(0, (2, 4)))[0][:, -1]),
                   c=nn.Conv2d(2, 3, 2), n=nn.LayerNorm(12), r=nn.LSTM(12, 5, batch_first=True), l=nn.Linear(5, 2)),
        (2, 4, 2, 3, 3),
        lambda: [cp.TimeDistributed(cp.Conv2D(3, 2)), cp.TimeDistributed(cp.Flatten()), cp.LayerNorm(), cp.LSTM(5),
                 cp.Dense(2)],
        (4, 3, 3, 2), lambda x: np.moveaxis(x, 2, -1),
    ),
    "images along time, flattened twice": (
        lambda: Of(lambda s, x: s.l(s.d(s.c(x.flatten(0, 1)).flatten(1)).unflatten(0, (2, 4)).flatten(1)),
                   c=nn.Conv2d(2, 3, 2), d=nn.Linear(12, 5), l=nn.Linear(20, 2)),
        (2, 4, 2, 3, 3),
        lambda: [cp.TimeDistributed(cp.Conv2D(3, 2)), cp.TimeDistributed(cp.Flatten()),
                 cp.TimeDistributed(cp.Dense(5)), cp.Flatten(), cp.Dense(2)],
        (4, 3, 3, 2), lambda x: np.moveaxis(x, 2, -1),
    ),
    "images along time, flattened at once": (
        lambda: Of(lambda s, x: s.l(s.c(x.flatten(0, 1)).unflatten(0, (2, 4)).flatten(1)),
                   c=nn.Conv2d(2, 3, 2), l=nn.Linear(48, 2)),
        (2, 4, 2, 3, 3), lambda: [cp.TimeDistributed(cp.Conv2D(3, 2)), cp.Flatten(), cp.Dense(2)],
        (4, 3, 3, 2), lambda x: np.moveaxis(x, 2, -1),
    ),
    "a row made a column": (
        lambda: nn.Sequential(nn.Linear(5, 4), nn.Unflatten(1, (4, 1)), nn.LayerNorm((4, 1)), nn.Flatten()),
        (2, 5), lambda: [cp.Dense(4), cp.Reshape((4, 1)), cp.LayerNorm(axes=2), cp.Flatten()], (5,), as_it_is,
    ),
    "images from rows along time": (
        lambda: Of(lambda s, x: s.c(s.d(x).flatten(0, 1).unflatten(1, (6, 2, 2))).unflatten(0, (2, 4)).flatten(1),
                   d=nn.Linear(5, 24), c=nn.Conv2d(6, 1, 2)),
        (2, 4, 5),
        lambda: [cp.TimeDistributed(cp.Dense(24)), cp.TimeDistributed(cp.Reshape((2, 2, 6))),
                 cp.TimeDistributed(cp.Conv2D(1, 2)), cp.Flatten()],
        (4, 5), as_it_is,
    ),
    "an image's rows as a sequence": (
        lambda: Of(lambda s, x: s.r(s.c(x).flatten(2).transpose(1, 2))[0], c=nn.Conv2d(2, 3, 2),
                   r=nn.LSTM(3, 5, batch_first=True)),
        (2, 2, 3, 4), lambda: [cp.Conv2D(3, 2), cp.Reshape((6, 3)), cp.LSTM(5, return_sequences=True)], (3, 4, 2),
        channels_last,
    ),
    "norm of a sequence, flattened": (
        lambda: nn.Sequential(nn.BatchNorm1d(3), nn.Flatten(), nn.Linear(27, 3)), (4, 3, 9),
        lambda: [cp.BatchNorm(), cp.Flatten(), cp.Dense(3)], (9, 3), channels_last,
    ),
    "residual of a sequence, flattened": (
        lambda: Of(lambda s, x: s.b((x + s.a(x)).flatten(1)), a=nn.Conv1d(3, 3, 3, padding=1), b=nn.Linear(27, 2)),
        (2, 3, 9), lambda: [cp.Residual([cp.Conv1D(3, 3, padding=1)]), cp.Flatten(), cp.Dense(2)], (9, 3),
        channels_last,
    ),
    "sequence of states, then a convolution": (
        lambda: Of(lambda s, x: s.l(s.c(s.r(x)[0].transpose(1, 2)).flatten(1)), r=nn.LSTM(3, 4, batch_first=True),
                   c=nn.Conv1d(4, 2, 2), l=nn.Linear(10, 2)),
        (2, 6, 3), lambda: [cp.LSTM(4, return_sequences=True), cp.Conv1D(2, 2), cp.Flatten(), cp.Dense(2)], (6, 3),
        as_it_is,
    ),
    "group norm of a sequence, flattened": (
        lambda: nn.Sequential(nn.GroupNorm(1, 3), nn.Flatten(), nn.Linear(27, 3)), (4, 3, 9),
        lambda: [cp.GroupNorm(1), cp.Flatten(), cp.Dense(3)], (9, 3), channels_last,
    ),
    "norm of states, flattened": (
        lambda: Of(lambda s, x: s.l(s.n(s.r(x)[0].transpose(1, 2)).transpose(1, 2).flatten(1)),
                   r=nn.LSTM(3, 4, batch_first=True), n=nn.BatchNorm1d(4), l=nn.Linear(24, 2)),
        (2, 6, 3), lambda: [cp.LSTM(4, return_sequences=True), cp.BatchNorm(), cp.Flatten(), cp.Dense(2)], (6, 3),
        as_it_is,
    ),
    "images along time, pooled": (
        lambda: Of(lambda s, x: s.r(s.p(s.c(x.flatten(0, 1)).flatten(1).unflatten(0, (2, 4)).mT).mT)[0],
                   c=nn.Conv2d(2, 3, 2), p=nn.MaxPool1d(2), r=nn.LSTM(12, 5, batch_first=True)),
        (2, 4, 2, 3, 3),
        lambda: [cp.TimeDistributed(cp.Conv2D(3, 2)), cp.TimeDistributed(cp.Flatten()), cp.MaxPool1D(2),
                 cp.LSTM(5, return_sequences=True)],
        (4, 3, 3, 2), lambda x: np.moveaxis(x, 2, -1),
    ),
    "residual sequence from a row": (
        lambda: Of(lambda s, x: s.r(s.l(x).unflatten(1, (4, 6))).add(s.l(x).unflatten(1, (4, 6))).mean(2),
                   l=nn.Linear(5, 24), r=nn.Conv1d(4, 4, 3, padding=1)),
        (2, 5),
        lambda: [cp.Dense(24), cp.Reshape((6, 4)), cp.Residual([cp.Conv1D(4, 3, padding=1)]), cp.GlobalAvgPool()],
        (5,), as_it_is,
    ),
    "norms that have no tensors": (
        lambda: nn.Sequential(nn.Conv2d(3, 4, 2), nn.InstanceNorm2d(4), nn.Flatten(),
                              nn.LayerNorm(80, elementwise_affine=False), nn.Linear(80, 2)),
        (2, 3, 6, 5), lambda: [cp.Conv2D(4, 2), cp.GroupNorm(4), cp.Flatten(), cp.LayerNorm(), cp.Dense(2)],
        (6, 5, 3), channels_last,
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
    assert not any("channels are last" in note for note in table.notes)  # there is no doubt about these
    names = [row.name for row in table.rows]
    assert set(names) == {*model.named_params(), *model.named_buffers()}
    assert all(len(line) <= 80 for line in str(table).splitlines())


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", CASES)
def test_there_and_back(name, dtype, path):
    """Read, trained on, and written for the module of before, which then computes what is computed here."""
    make, shape, ours, input_shape, turn = CASES[name]
    net = random(make()).to(getattr(torch, dtype))
    model = cp.Sequential(ours(), input_shape, dtype=dtype)
    table = cp.load_torch_weights(model, write(net, path))
    rng = np.random.default_rng(2)
    filled = {row.name for row in table.rows if row.tensor_shape is not None}
    for own, view in (model.named_params() | model.named_buffers()).items():
        if own in filled:
            view[...] = rng.uniform(0.1, 0.9, view.shape)
    written = cp.save_torch_weights(model, path, table)
    assert written.rows == table.rows
    theirs = random(make(), seed=5).to(getattr(torch, dtype))
    theirs.load_state_dict({k: torch.from_numpy(a) for k, a in load_file(path).items()}, strict=True)
    generator = torch.Generator().manual_seed(1)
    x = (
        torch.randint(0, 11, shape, generator=generator)
        if name == "words"
        else torch.randn(shape, generator=generator, dtype=getattr(torch, dtype))
    )
    out = theirs(x).detach().numpy()
    if out.ndim == 4 or name == "conv1d":
        out = channels_last(out)
    scores = model.scores(turn(x.numpy()))
    np.testing.assert_allclose(scores, out, rtol=TOLERANCE[dtype], atol=10 * TOLERANCE[dtype])
    again = cp.Sequential(ours(), input_shape, seed=3, dtype=dtype)
    names = {row.name: row.tensor for row in table.rows if row.tensor_shape is not None}
    cp.load_torch_weights(again, path, names=names)
    np.testing.assert_array_equal(again.params, model.params)
    np.testing.assert_array_equal(again.buffers, model.buffers)


def loaded(net, path):
    """The module, filled from the file, as a user would."""
    from safetensors.torch import load_file as load_torch

    net.load_state_dict(load_torch(path), strict=True)
    return net.eval()


def test_without_names_the_modules_are_those_of_an_nn_sequential(path):
    model = cp.Sequential(our_lenet(), (28, 28, 1), seed=1)
    table = cp.save_torch_weights(model, path)
    assert str(table).splitlines()[2:6] == [
        "0.w              (5, 5, 1, 6)      0.weight                  (6, 1, 5, 5)",
        "0.b              (6,)              0.bias                    (6,)",
        "3.w              (5, 5, 6, 16)     3.weight                  (16, 6, 5, 5)",
        "3.b              (16,)             3.bias                    (16,)",
    ]
    x = np.random.default_rng(0).normal(size=(3, 28, 28, 1)).astype("f4")
    theirs = loaded(lenet(), path)(torch.from_numpy(np.moveaxis(x, -1, 1).copy())).detach().numpy()
    np.testing.assert_allclose(model.scores(x), theirs, rtol=1e-5, atol=1e-5)


def test_names_of_ones_own(path):
    layers = [cp.Embedding(7, 3), cp.Bidirectional(cp.GRU(4, return_sequences=True)), cp.Bidirectional(cp.GRU(4)),
              cp.BatchNorm(), cp.Dense(2)]  # fmt: skip
    model = cp.Sequential(layers, (5,), dtype="float64")
    model.params = np.random.default_rng(0).normal(size=model.params.shape)
    names = {"0.w": "words.weight", "1": "rnn", "2": "rnn.l1", "3": "head.0", "4.b": "head.1.bias"}
    cp.save_torch_weights(model, path, names)
    net = Of(
        lambda s, x: s.head(torch.cat([*s.rnn(s.words(x))[1][-2:]], 1)),
        words=nn.Embedding(7, 3),
        rnn=nn.GRU(3, 4, 2, bidirectional=True, batch_first=True),
        head=nn.Sequential(nn.BatchNorm1d(8), nn.Linear(8, 2)),
    ).double()
    x = np.random.default_rng(1).integers(0, 7, (3, 5))
    theirs = loaded(net, path)(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(model.scores(x), theirs, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("name", "make"), [("", nn.LSTM), ("weight_ih", nn.LSTMCell), ("weight_ih_l0", nn.LSTM)]
)
def test_a_module_alone_and_a_cell(path, name, make):
    model = cp.Sequential([cp.LSTM(4)], (3, 2))
    cp.save_torch_weights(model, path, {"0": name})
    found = loaded(make(2, 4), path)
    np.testing.assert_array_equal(next(found.parameters()).detach().numpy(), model.named_params()["0.w"].T)


def test_a_module_without_the_bias_that_is_needed(path):
    net = random(nn.Sequential(nn.Conv2d(2, 3, 2, bias=False), nn.BatchNorm2d(3)))
    model = cp.Sequential([cp.Conv2D(3, 2), cp.BatchNorm()], (4, 4, 2))
    table = cp.load_torch_weights(model, write(net, path))
    before = path.read_bytes()
    model.named_params()["0.b"][1] = 0.5
    with pytest.raises(
        ConfigError,
        match=r"layer 0, Conv2D\(3, 2\): PyTorch's module has no bias, so 0\.b would have to be 0 everywhere\. Give "
        "the module one, or set it so here",
    ):
        cp.save_torch_weights(model, path, table)
    assert path.read_bytes() == before
    x = np.random.default_rng(0).normal(size=(2, 4, 4, 2)).astype("f4")
    scores = model.scores(x)
    b = model.named_params()["0.b"]  # what docs/weights.md says
    model.named_buffers()["1.running_mean"] -= b
    b[...] = 0
    cp.save_torch_weights(model, path, table)
    theirs = loaded(net, path)(torch.from_numpy(np.moveaxis(x, -1, 1).copy())).detach().numpy()
    np.testing.assert_allclose(scores, channels_last(theirs), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("names", "error", "sentence"),
    [
        (
            {"3": "fc"},
            ConfigError,
            r"save_torch_weights: unknown parameter in names '3'\. .*Known: 0, 0\.b, 0\.w, 1",
        ),
        ({"0": "fc", "1": "fc"}, ConfigError, r"two layers would be fc\.weight\. Name each module once"),
        ({"0": "fc", "0.b": "fd.bias"}, ConfigError, r"names gives layer 0 more than one partner"),
    ],
)
def test_names_that_cannot_be_written(path, names, error, sentence):
    with pytest.raises(error, match=sentence):
        cp.save_torch_weights(cp.Sequential([cp.Dense(3), cp.Dense(3)], (3,)), path, names)
    assert not path.exists()


def test_what_has_diverged_is_written_as_it_is(path):
    """As model.save does it; reading is where it is refused."""
    model = cp.Sequential([cp.Dense(2)], (3,))
    model.named_params()["0.w"][1, 0] = np.nan
    cp.save_torch_weights(model, path)
    assert np.isnan(load_file(path)["0.weight"][0, 1])
    with pytest.raises(DataError, match=r"0\.w holds values that are not finite"):
        cp.load_torch_weights(model, path)


def test_a_table_of_another_network(path):
    one, two = cp.Sequential([cp.Dense(3)], (3,)), cp.Sequential([cp.Dense(2)], (3,))
    table = cp.save_torch_weights(one, path)
    with pytest.raises(
        ShapeError, match=r"layer 0, Dense\(2\): the table is of another network\. Give the one that"
    ):
        cp.save_torch_weights(two, path, table)
    with pytest.raises(ConfigError, match=r"GRU resets after the product"):
        cp.save_torch_weights(cp.Sequential([cp.GRU(2, reset="before")], (3, 2)), path)


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
        "no layer. Build the same network, or say what goes where with names. To load the rest alone, pass "
        'names={"2": None, "3": None}, skip=["2", "3.l0", "3.weight_hr_l0"].'
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


@pytest.mark.parametrize(("one", "other"), [(np.float32(3e38),) * 2, (np.inf, -np.inf)])
def test_two_biases_without_a_finite_sum(path, one, other):
    model = cp.Sequential([cp.Elman(2)], input_shape=(4, 3))
    before = model.params.copy()
    shapes = {"weight_ih_l0": (2, 3), "weight_hh_l0": (2, 2), "bias_ih_l0": (2,), "bias_hh_l0": (2,)}
    arrays = {name: np.ones(shape, "f4") for name, shape in shapes.items()}
    arrays["bias_ih_l0"], arrays["bias_hh_l0"] = arrays["bias_ih_l0"] * one, arrays["bias_hh_l0"] * other
    save_file(arrays, path)
    with pytest.raises(cp.DataError, match=r"0\.b holds values that are not finite numbers"):
        cp.load_torch_weights(model, path)
    assert (model.params == before).all()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision(path, dtype):
    net = random(nn.Linear(3, 2)).to(getattr(torch, dtype))
    model = cp.Sequential([cp.Dense(2)], (3,))
    cp.load_torch_weights(model, write(net, path))
    np.testing.assert_array_equal(model.named_params()["0.w"].T, net.weight.detach().float().numpy())


def test_norms_that_could_be_the_one_without_tensors(path):
    net = random(nn.Sequential(nn.LayerNorm(4, elementwise_affine=False), nn.Linear(4, 4), nn.LayerNorm(4)))
    model = cp.Sequential([cp.LayerNorm(), cp.Dense(4), cp.LayerNorm()], (4,))
    with pytest.raises(ShapeError, match=r'1 modules? .*pass names=\{"0": "2"\}; otherwise exchange them'):
        cp.load_torch_weights(model, write(net, path))
    table = cp.load_torch_weights(model, path, names={"2": "2"})
    assert [row.tensor for row in table.rows] == [
        "none: ones",
        "none: zeros",
        "1.weight",
        "1.bias",
        "2.weight",
        "2.bias",
    ]
    x = torch.randn((3, 4), generator=torch.Generator().manual_seed(1))
    np.testing.assert_allclose(model.scores(x.numpy()), net(x).detach().numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("layers", "shape"),
    [
        ([cp.LSTM(12), cp.Reshape((2, 2, 3)), cp.Conv2D(2, 1)], (4, 3)),
        ([cp.Conv2D(3, 2), cp.Reshape((2, 9)), cp.LSTM(5)], (3, 4, 2)),
        ([cp.Conv2D(3, 2), cp.Reshape((2, 9)), cp.Residual([cp.Activation("relu")]), cp.LSTM(5)], (3, 4, 2)),
        ([cp.Flatten(), cp.Residual([cp.Reshape((3, 4)), cp.LSTM(12)]), cp.Dense(1)], (2, 2, 3)),
    ],
)
def test_an_order_that_torch_may_have_otherwise_is_said(path, layers, shape):
    """What the network before and behind it computes cannot tell; so the table does."""
    model = cp.Sequential(layers, shape)
    notes = cp.save_torch_weights(model, path).notes
    assert len(notes) == 1 + isinstance(layers[1], cp.Residual)  # whose way leads past a reshaping
    assert (
        "before it takes numbers whose channels are last; in PyTorch they must be so there, too." in notes[-1]
    )
    assert cp.load_torch_weights(model, path).notes == notes


def test_thousands_of_modules_of_one_shape_are_matched_soon(path):
    """A step of each pair of layer and module, and no more: it took minutes."""
    save_file({f"{i}.weight": np.full((1, 1), i, "f4") for i in range(400)}, path)
    model = cp.Sequential([cp.Dense(1) for _ in range(400)], (1,))
    cp.load_torch_weights(model, path)
    assert [view.item() for name, view in model.named_params().items() if name.endswith("w")] == [*range(400)]
    save_file({f"{i}.weight": np.zeros((1, 1), "f4") for i in range(10_000)}, path)
    refused(model, path)


def test_layers_that_torch_does_not_have(path):
    save_file({"weight": np.ones((2, 2))}, path)
    with pytest.raises(
        ConfigError, match=r'GRU\(2\): PyTorch\'s GRU resets after the product\. .*reset="after"'
    ):
        cp.load_torch_weights(cp.Sequential([cp.GRU(2, reset="before")], (3, 2)), path)
    layers = [cp.Flatten(), cp.GroupNorm(2)]
    with pytest.raises(
        ConfigError, match=r"layer 1, GroupNorm\(groups=2\): PyTorch has nothing like it at this place"
    ):
        cp.load_torch_weights(cp.Sequential(layers, (3, 3, 2)), path)


@pytest.mark.parametrize("layer", [cp.Conv1D(2, 2), cp.GroupNorm(2)])
def test_channels_in_another_order_are_refused_where_they_cannot_be_turned(path, layer):
    layers = [cp.TimeDistributed(cp.Conv2D(3, 2)), cp.TimeDistributed(cp.Flatten()), layer]
    with pytest.raises(
        ConfigError, match=r"PyTorch's weights: layer 2, .*PyTorch has nothing like it at this place"
    ):
        cp.save_torch_weights(cp.Sequential(layers, (4, 3, 3, 2)), path)


def test_a_module_goes_where_no_other_fits():
    """The first layer takes the module with a bias, for the second has no use for that."""
    from clearprop.interop.torch_weights.match import match
    from clearprop.interop.torch_weights.turns import dense, embedding
    from clearprop.interop.torch_weights.units import units_of

    slots = [dense("0", cp.Dense(5), (2,), None, None), embedding("1", cp.Embedding(5, 2))]
    units, _ = units_of({"0.weight": (5, 2), "1.weight": (5, 2), "1.bias": (5,)})
    found, unsure, by_number = match(slots, units, {})
    assert {name: unit.name for name, unit in found.items()} == {"0": "1", "1": "0"}
    assert unsure == by_number == []


def test_a_wrong_turn_would_be_seen(path, monkeypatch):
    """The comparison itself, with the order of a flattened image left as it is in the file."""
    from clearprop.interop.torch_weights import slots

    monkeypatch.setattr(slots, "_flat", lambda here: None)
    with pytest.raises(AssertionError):
        test_torch_computes_the_same("lenet", "float32", path)
