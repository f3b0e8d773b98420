"""from_onnx: networks that PyTorch has exported, against PyTorch's outputs."""

import warnings

import numpy as np
import pytest
from onnx_networks import channels_first

import clearprop as cp

torch = pytest.importorskip("torch")
nn = torch.nn

pytestmark = pytest.mark.torch


class Of(nn.Module):
    """A network by its parts and a function of them and of x."""

    def __init__(self, function, **parts):
        super().__init__()
        self.function = function
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x):
        return self.function(self, x)


def conv_block(a, b):
    return nn.Sequential(nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU())


def as_it_is(x):
    return x


def turned(x):
    """(N, C, T) -> (N, T, C)"""
    return np.moveaxis(x, 1, -1)


def channels_last(x):
    return np.moveaxis(x, 1, -1) if x.ndim == 4 else x


# name: (network, one batch's shape, x here, what is read)
CASES = {
    "mlp": (
        lambda: nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3)),
        (4, 5), as_it_is, "[Dense(8), Activation('relu'), Dense(3)]",
    ),
    "cnn": (
        lambda: nn.Sequential(
            conv_block(3, 6), nn.MaxPool2d(2), nn.Conv2d(6, 8, 3, stride=2, groups=2), nn.Tanh(), nn.Flatten(),
            nn.Linear(8 * 3 * 2, 10), nn.BatchNorm1d(10), nn.Softmax(1),
        ),
        (4, 3, 14, 10), channels_last,
        "[Conv2D(6, 3, padding='same'), Activation('relu'), MaxPool2D(2), Conv2D(8, 3, stride=2, groups=2), "
        "Activation('tanh'), Flatten(), Dense(10), BatchNorm(), Activation('softmax')]",
    ),
    "norms behind flatten": (
        lambda: nn.Sequential(
            nn.Conv2d(3, 6, 3), nn.Flatten(), nn.BatchNorm1d(72), nn.LayerNorm(72), nn.GELU(), nn.Linear(72, 3)
        ),
        (4, 3, 6, 5), channels_last,
        "[Conv2D(6, 3), Flatten(), BatchNorm(), LayerNorm(), Activation('gelu'), Dense(3)]",
    ),
    "activations": (
        lambda: nn.Sequential(
            nn.Linear(5, 8), nn.GELU(), nn.SiLU(), nn.GELU(approximate="tanh"), nn.ELU(0.5), nn.LeakyReLU(0.2),
            nn.Softplus(), nn.Sigmoid(), nn.LogSoftmax(1),
        ),
        (4, 5), as_it_is,
        "[Dense(8), Activation('gelu'), Activation('swish'), Activation('gelu_tanh'), Activation('elu', alpha=0.5), "
        "Activation('leaky_relu', alpha=0.2), Activation('softplus'), Activation('sigmoid'), "
        "Activation('log_softmax')]",
    ),
    "pools": (
        lambda: nn.Sequential(
            nn.MaxPool2d(3, 2, ceil_mode=True),
            nn.AvgPool2d(2, padding=1, count_include_pad=False, ceil_mode=True),
            nn.AvgPool2d(2, 1, padding=1),
        ),
        (2, 3, 12, 11), channels_last,
        "[MaxPool2D(3, stride=2, padding=((0, 1), (0, 0))), AvgPool2D(2, padding=1), "
        "AvgPool2D(2, stride=1, padding=1)]",
    ),
    "pooled to one": (
        lambda: nn.Sequential(nn.Conv2d(3, 6, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 2)),
        (4, 3, 6, 5), channels_last, "[Conv2D(6, 3), GlobalAvgPool(), Dense(2)]",
    ),
    "mean of places": (
        lambda: Of(lambda s, x: s.l(s.c(x).mean((2, 3))), c=nn.Conv2d(3, 6, 3), l=nn.Linear(6, 2)),
        (4, 3, 6, 5), channels_last, "[Conv2D(6, 3), GlobalAvgPool(), Dense(2)]",
    ),
    "view": (
        lambda: Of(lambda s, x: s.l(torch.relu(s.c(x)).view(x.size(0), -1)), c=nn.Conv2d(3, 6, 3), l=nn.Linear(72, 2)),
        (4, 3, 6, 5), channels_last, "[Conv2D(6, 3), Activation('relu'), Flatten(), Dense(2)]",
    ),
    "group and instance norm": (
        lambda: nn.Sequential(nn.Conv2d(3, 6, 3), nn.GroupNorm(3, 6), nn.InstanceNorm2d(6, affine=True)),
        (4, 3, 6, 5), channels_last, "[Conv2D(6, 3), GroupNorm(groups=3), GroupNorm(groups=6)]",
    ),
    "residual": (
        lambda: Of(
            lambda s, x: s.b(torch.relu(s.a(x) + s.s(x))) + x,
            a=conv_block(3, 4), b=conv_block(4, 3), s=nn.Conv2d(3, 4, 1),
        ),
        (4, 3, 6, 5), channels_last, "[Residual(4 layers)]",
    ),
    "generator": (
        lambda: nn.Sequential(
            nn.Linear(7, 24), nn.ReLU(), nn.Unflatten(1, (6, 2, 2)), nn.ConvTranspose2d(6, 4, 4, 2, 1),
            nn.BatchNorm2d(4), nn.ReLU(), nn.ConvTranspose2d(4, 3, 3, 2, 1, output_padding=1), nn.Tanh(),
        ),
        (4, 7), as_it_is,
        "[Dense(24), Activation('relu'), Reshape((2, 2, 6)), ConvTranspose2D(4, 4, stride=2, padding='same'), "
        "BatchNorm(), Activation('relu'), ConvTranspose2D(3, 3, stride=2, padding=1), Activation('tanh')]",
    ),
    "padded": (
        lambda: nn.Sequential(nn.ZeroPad2d((1, 2, 0, 1)), nn.Conv2d(3, 4, 3)),
        (4, 3, 6, 5), channels_last, "[Conv2D(4, 3, padding=((0, 1), (1, 2)))]",
    ),
    "last step": (
        lambda: Of(lambda s, x: s.l(s.r(x)[0][:, -1]), r=nn.LSTM(3, 5, batch_first=True), l=nn.Linear(5, 2)),
        (4, 6, 3), as_it_is, "[LSTM(5), Dense(2)]",
    ),
    "last state of two layers": (
        lambda: Of(lambda s, x: s.l(s.r(x)[1][0][-1]), r=nn.LSTM(3, 5, 2, batch_first=True), l=nn.Linear(5, 2)),
        (4, 6, 3), as_it_is, "[LSTM(5, return_sequences=True), LSTM(5), Dense(2)]",
    ),
    "gru": (
        lambda: Of(lambda s, x: s.l(s.r(x)[0]), r=nn.GRU(3, 5, batch_first=True), l=nn.Linear(5, 2)),
        (4, 6, 3), as_it_is, "[GRU(5, return_sequences=True), TimeDistributed(Dense(2))]",
    ),
    "both ways": (
        lambda: Of(
            lambda s, x: s.l(s.r(x)[0]), r=nn.GRU(3, 5, 2, bidirectional=True, batch_first=True), l=nn.Linear(10, 2)
        ),
        (4, 6, 3), as_it_is,
        "[Bidirectional(GRU(5, return_sequences=True)), Bidirectional(GRU(5, return_sequences=True)), "
        "TimeDistributed(Dense(2))]",
    ),
    "last states of both ways": (
        lambda: Of(
            lambda s, x: s.l(torch.cat([*s.r(x)[1][0]], 1)),
            r=nn.LSTM(3, 5, bidirectional=True, batch_first=True), l=nn.Linear(10, 2),
        ),
        (4, 6, 3), as_it_is, "[Bidirectional(LSTM(5)), Dense(2)]",
    ),
    "rnn": (
        lambda: Of(lambda s, x: s.r(x)[0], r=nn.RNN(3, 5, nonlinearity="relu", batch_first=True)),
        (4, 6, 3), as_it_is, "[Elman(5, return_sequences=True)]",
    ),
    "time first": (
        lambda: Of(lambda s, x: s.l(s.r(x)[0][-1]), r=nn.LSTM(3, 5), l=nn.Linear(5, 2)),
        (6, 4, 3), lambda x: np.moveaxis(x, 1, 0), "[LSTM(5), Dense(2)]",
    ),
    "words": (
        lambda: Of(
            lambda s, x: s.l(s.r(s.e(x))[1][0]),
            e=nn.Embedding(11, 4), r=nn.GRU(4, 5, batch_first=True), l=nn.Linear(5, 2),
        ),
        (4, 6), as_it_is, "[Embedding(11, 4), GRU(5), Dense(2)]",
    ),
    "convolutions along time": (
        lambda: Of(
            lambda s, x: s.l(s.r(s.c(x).transpose(1, 2))[1][0][0]),
            c=nn.Conv1d(3, 4, 3, padding=2, dilation=2), r=nn.LSTM(4, 5, batch_first=True), l=nn.Linear(5, 2),
        ),
        (4, 3, 9), turned, "[Conv1D(4, 3, padding='same', dilation=2), LSTM(5), Dense(2)]",
    ),
    "flattened sequence": (
        lambda: nn.Sequential(nn.Conv1d(3, 4, 3), nn.MaxPool1d(2), nn.Flatten(), nn.Linear(12, 2)),
        (4, 3, 9), turned, "[Conv1D(4, 3), MaxPool1D(2), Flatten(), Dense(2)]",
    ),
    "dense at each step": (
        lambda: nn.Sequential(nn.Linear(3, 6), nn.LayerNorm(6), nn.ReLU(), nn.Linear(6, 2)),
        (4, 5, 3), as_it_is,
        "[TimeDistributed(Dense(6)), LayerNorm(), Activation('relu'), TimeDistributed(Dense(2))]",
    ),
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


def export(net, x, path, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # this exporter is the older one of two
        torch.onnx.export(net, (x,), str(path), input_names=["x"], dynamo=False, **options)


@pytest.mark.parametrize("opset", [13, 20])
@pytest.mark.parametrize("free", [False, True], ids=["one batch", "any batch"])
@pytest.mark.parametrize("name", CASES)
def test_torch_computes_the_same(name, free, opset, tmp_path):
    make, shape, turn, layers = CASES[name]
    net, path = random(make()), tmp_path / "net.onnx"
    generator = torch.Generator().manual_seed(1)
    x = (
        torch.randint(0, 11, shape, generator=generator)
        if name == "words"
        else torch.randn(shape, generator=generator)
    )
    axis = 1 if name == "time first" else 0
    export(net, x, path, opset_version=opset, dynamic_axes={"x": {axis: "N"}} if free else None)
    model = cp.from_onnx(path)
    theirs = channels_last(net(x).detach().numpy())
    np.testing.assert_allclose(model.scores(turn(x.numpy())), theirs, rtol=1e-5, atol=1e-5)
    assert repr(model.layers) == layers


def test_gradients_are_torchs(tmp_path):
    """Not the scores alone: each weight is where it belongs."""
    net, path = (
        random(nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 4, 5))),
        tmp_path / "n.onnx",
    )
    x = torch.randn((3, 2, 4, 4), generator=torch.Generator().manual_seed(1), requires_grad=True)
    export(net, x.detach(), path)
    model = cp.from_onnx(path)
    y = net(x)
    dy = torch.randn(y.shape, generator=torch.Generator().manual_seed(2))
    y.backward(dy)
    _, caches = model.forward(channels_last(x.detach().numpy()))
    dx = model.backward(dy.numpy(), caches, need_dx=True)
    np.testing.assert_allclose(channels_first(dx), x.grad.numpy(), rtol=1e-5, atol=1e-5)
    grads = model.named_grads()
    np.testing.assert_allclose(
        grads["0.w"], net[0].weight.grad.permute(2, 3, 1, 0).numpy(), rtol=1e-5, atol=1e-5
    )
    np.testing.assert_allclose(grads["3.b"], net[3].bias.grad.numpy(), rtol=1e-5, atol=1e-5)
    rows = net[3].weight.grad.numpy().reshape(5, 3, 2, 2).transpose(2, 3, 1, 0).reshape(12, 5)
    np.testing.assert_allclose(grads["3.w"], rows, rtol=1e-5, atol=1e-5)
