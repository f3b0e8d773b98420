"""Conv2D, Conv1D, ConvTranspose2D: shapes, initial weights, sugar, files and gradients."""

from itertools import product
from json import dumps, loads

import numpy as np
import pytest

import clearprop as cp
from clearprop.layers.spec import layer_from, layer_spec

EVERY = {  # a layer with each of its settings, and an input for it
    "conv2d": (cp.Conv2D(6, 3), (7, 6, 4)),
    "conv2d, all": (
        cp.Conv2D(
            6,
            (3, 2),
            stride=(2, 1),
            padding=((1, 0), (2, 1)),
            dilation=(1, 2),
            groups=2,
            init="ones",
            bias_init="uniform",
        ),
        (7, 6, 4),
    ),
    "conv2d, same": (cp.Conv2D(6, (2, 3), stride=(1, 3), padding="same", dilation=(3, 1)), (7, 6, 4)),
    "conv1d": (cp.Conv1D(6, 3), (9, 4)),
    "conv1d, all": (
        cp.Conv1D(
            6, 2, stride=2, padding=[(0, 3)], dilation=3, groups=2, init="he_uniform", bias_init="ones"
        ),
        (9, 4),
    ),
    "conv1d, causal": (cp.Conv1D(6, 3, padding="causal", dilation=2), (9, 4)),
    "conv_transpose2d": (cp.ConvTranspose2D(6, 3), (4, 3, 4)),
    "conv_transpose2d, all": (
        cp.ConvTranspose2D(
            6,
            (3, 2),
            stride=(3, 2),
            padding=((1, 0), (2, 1)),
            output_padding=(2, 1),
            dilation=(1, 2),
            groups=2,
            init="he_normal",
            bias_init="ones",
        ),
        (4, 3, 4),
    ),
    "conv_transpose2d, same": (cp.ConvTranspose2D(6, (4, 1), stride=(2, 3), padding="same"), (4, 3, 4)),
}
every_layer = pytest.mark.parametrize(("layer", "shape"), EVERY.values(), ids=EVERY)


def bound(layer, shape, dtype="float64", seed=0):
    return cp.Sequential([layer], shape, seed=seed, dtype=dtype).layers[0]


# settings


@every_layer
def test_settings_make_it_again(layer, shape):
    spec = loads(dumps(layer_spec(layer)))
    again = layer_from(spec, "layer 0")
    assert type(again) is type(layer)
    assert vars(again) == vars(layer)
    assert layer_spec(again) == layer_spec(layer)


def test_settings_name_what_differs_from_the_default():
    plain = {"filters": 6, "kernel": [3, 3], "init": {"name": "xavier_uniform", "gain": 1.0}}
    assert cp.Conv2D(6, 3).settings() == plain
    layer = EVERY["conv_transpose2d, all"][0]
    assert list(layer.settings()) == [
        "filters", "kernel", "stride", "dilation", "padding", "groups", "init", "bias_init", "output_padding",
    ]  # fmt: skip


@every_layer
def test_a_file_holds_it_whole(layer, shape, tmp_path):
    model = cp.Sequential([layer, cp.Flatten(), cp.Dense(3)], shape, seed=1)
    model.save(tmp_path / "net.safetensors")
    again = cp.load(tmp_path / "net.safetensors")
    x = np.random.default_rng(0).normal(size=(5, *shape)).astype("float32")
    np.testing.assert_array_equal(again.scores(x), model.scores(x))
    assert list(again.named_params()) == ["0.w", "0.b", "2.w", "2.b"]


@pytest.mark.parametrize("kind", [cp.Conv2D, cp.Conv1D, cp.ConvTranspose2D])
def test_sugar_becomes_two_layers(kind):
    layer = kind(6, 3, stride=2, padding=1, dilation=2, groups=2, activation="relu", bias_init="ones")
    conv, activation = layer.expand()
    assert repr(activation) == "Activation('relu')"
    assert conv.settings() == {k: v for k, v in layer.settings().items() if k != "activation"}
    assert conv.init.name == "he_normal"
    assert layer.activation.name == "relu"  # the given layer is left as it is
    assert layer.settings()["activation"] == "relu"
    assert [repr(part) for part in kind(6, 3).expand()] == [f"{kind.__name__}(6, 3)"]


def test_repr():
    assert repr(cp.Conv2D(32, 3)) == "Conv2D(32, 3)"
    assert repr(cp.Conv2D(32, (3, 5), stride=(1, 2))) == "Conv2D(32, (3, 5), stride=(1, 2))"
    assert repr(cp.Conv1D(8, 4, stride=2)) == "Conv1D(8, 4, stride=2)"
    whole = cp.Conv2D(8, 3, padding=((1, 2), (0, 0)), dilation=2, groups=2)
    assert repr(whole) == "Conv2D(8, 3, padding=((1, 2), (0, 0)), dilation=2, groups=2)"
    assert repr(cp.Conv1D(8, 3, padding="causal")) == "Conv1D(8, 3, padding='causal')"


# shapes


def settings_of_shapes():
    for k, s, d in product((1, 2, 3), (1, 2, 3), (1, 2)):
        for padding in (0, 1, 3):
            yield k, s, d, padding


@pytest.mark.torch
def test_output_shapes_are_torchs_and_the_formula():
    torch = pytest.importorskip("torch")
    for k, s, d, p in settings_of_shapes():
        theirs = torch.nn.Conv2d(2, 4, (k, 2), (s, 1), (p, 1), (d, 1))(torch.zeros(1, 2, 8, 7)).shape
        shape = (8, 7, 2)
        layer = cp.Conv2D(4, (k, 2), stride=(s, 1), padding=(p, 1), dilation=(d, 1))
        assert layer.output_shape(shape, "") == (*theirs[2:], theirs[1])
        assert layer.output_shape(shape, "")[0] == (8 + 2 * p - d * (k - 1) - 1) // s + 1
        assert bound(layer, shape).forward(np.zeros((2, *shape)))[0].shape == (2, *theirs[2:], theirs[1])


@pytest.mark.torch
def test_output_shapes_of_sequences_are_torchs():
    torch = pytest.importorskip("torch")
    for k, s, d, p in settings_of_shapes():
        theirs = torch.nn.Conv1d(2, 4, k, s, p, d)(torch.zeros(1, 2, 8)).shape
        layer = cp.Conv1D(4, k, stride=s, padding=p, dilation=d)
        assert layer.output_shape((8, 2), "") == (theirs[2], 4)
        assert bound(layer, (8, 2)).forward(np.zeros((3, 8, 2)))[0].shape == (3, theirs[2], 4)


@pytest.mark.torch
def test_output_shapes_of_transposed_convolutions_are_torchs():
    torch = pytest.importorskip("torch")
    for (k, s, d, p), more in product(settings_of_shapes(), (0, 1)):
        if more >= s:
            continue
        theirs = torch.nn.ConvTranspose2d(2, 4, (k, 2), (s, 1), (p, 0), (more, 0), 1, True, (d, 1))
        theirs = theirs(torch.zeros(1, 2, 8, 7)).shape
        layer = cp.ConvTranspose2D(
            4, (k, 2), stride=(s, 1), padding=(p, 0), output_padding=(more, 0), dilation=(d, 1)
        )
        assert layer.output_shape((8, 7, 2), "") == (*theirs[2:], theirs[1])
        y, _ = bound(layer, (8, 7, 2)).forward(np.zeros((2, 8, 7, 2)))
        assert y.shape == (2, *theirs[2:], theirs[1])


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize(("kernel", "dilation"), [((3, 3), (1, 1)), ((2, 4), (1, 1)), ((3, 2), (2, 3))])
def test_same_is_torchs_same(kernel, dilation):
    torch = pytest.importorskip("torch")
    layer = bound(cp.Conv2D(4, kernel, padding="same", dilation=dilation), (5, 6, 2))
    x = np.random.default_rng(0).normal(size=(3, 5, 6, 2))
    tx, tw = torch.tensor(x).permute(0, 3, 1, 2), torch.tensor(layer.w).permute(3, 2, 0, 1)
    theirs = torch.nn.functional.conv2d(tx, tw, padding="same", dilation=dilation).permute(0, 2, 3, 1)
    np.testing.assert_allclose(layer.forward(x)[0], theirs.numpy(), rtol=1e-12, atol=1e-13)


def test_same_enlarges_by_the_stride():
    for k, s, d, more in product((1, 2, 3, 5), (1, 2, 3, 4), (1, 2), (0, 1)):
        if more < s:
            layer = cp.ConvTranspose2D(2, k, stride=s, padding="same", output_padding=more, dilation=d)
            assert layer.output_shape((3, 4, 2), "") == (3 * s, 4 * s, 2)
            assert bound(layer, (3, 4, 2)).forward(np.zeros((2, 3, 4, 2)))[0].shape == (2, 3 * s, 4 * s, 2)


@pytest.mark.parametrize(
    ("kernel", "stride", "dilation"), [(3, 1, 1), (4, 2, 1), (2, 3, 1), (1, 4, 1), (3, 2, 2), (2, 4, 3)]
)
def test_same_is_the_way_back_through_the_same_convolution(kernel, stride, dilation):
    forth = bound(
        cp.Conv2D(2, kernel, stride=stride, padding="same", dilation=dilation), (4 * stride, 3 * stride, 5)
    )
    back = bound(
        cp.ConvTranspose2D(5, kernel, stride=stride, padding="same", output_padding=0, dilation=dilation),
        (4, 3, 2),
    )
    back.w[...] = forth.w
    rng = np.random.default_rng(0)
    x, dy = rng.normal(size=(2, 4 * stride, 3 * stride, 5)), rng.normal(size=(2, 4, 3, 2))
    _, cache = forth.forward(x)
    np.testing.assert_allclose(back.forward(dy)[0], forth.backward(dy, cache), rtol=1e-12, atol=1e-13)


# initial weights


@pytest.mark.parametrize(
    ("layer", "shape", "fan_in"),
    [
        (cp.Conv2D(64, (3, 5), activation="relu"), (9, 9, 32), 3 * 5 * 32),
        (cp.Conv2D(64, 3, groups=4, activation="gelu"), (9, 9, 64), 3 * 3 * 64 / 4),
        (cp.Conv1D(64, 7, groups=2, activation="elu"), (9, 64), 7 * 64 / 2),
        (cp.ConvTranspose2D(16, (3, 5), activation="relu"), (9, 9, 64), 3 * 5 * 64),
        (cp.ConvTranspose2D(64, 3, groups=4, activation="relu"), (9, 9, 64), 3 * 3 * 64 / 4),
    ],
    ids=repr,
)
def test_he_in_front_of_a_rectifier(layer, shape, fan_in):
    w = bound(layer, shape).w
    assert w.std() == pytest.approx(np.sqrt(2 / fan_in), rel=0.02)
    assert abs(w).max() > 3 * w.std()  # normal, not uniform


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (cp.Conv2D(48, 3), (9, 9, 32)),
        (cp.Conv1D(48, 9), (9, 32)),
        (cp.ConvTranspose2D(48, 3, activation="tanh"), (9, 9, 32)),
    ],
    ids=repr,
)
def test_glorot_elsewhere(layer, shape):
    layer = bound(layer, shape)
    edge = np.sqrt(6 / (9 * 32 + 9 * 48))
    assert 0.99 * edge < abs(layer.w).max() <= edge
    assert layer.w.std() == pytest.approx(edge / np.sqrt(3), rel=0.02)
    assert (layer.b == 0).all()


def test_fan_out_of_a_transposed_convolution_counts_its_filters():
    init = {"name": "he_normal", "mode": "fan_out"}
    layer = bound(cp.ConvTranspose2D(64, 3, init=init), (9, 9, 16))
    assert layer.w.std() == pytest.approx(np.sqrt(2 / (9 * 64)), rel=0.02)


def test_given_initializers_and_seeds():
    layer = bound(cp.Conv2D(4, 3, init="identity", padding="same", bias_init="ones"), (5, 6, 4))
    x = np.random.default_rng(0).normal(size=(2, 5, 6, 4))
    np.testing.assert_array_equal(layer.forward(x)[0], x + 1)
    first, second = (cp.Sequential([cp.Conv2D(4, 3)], (5, 6, 4), seed=s).params for s in (0, 1))
    np.testing.assert_array_equal(first, cp.Sequential([cp.Conv2D(4, 3)], (5, 6, 4), seed=0).params)
    assert (first != second)[:-4].all()


# work and memory


@pytest.mark.parametrize(
    ("layer", "shape", "work"),
    [
        (cp.Conv2D(16, 3), (10, 12, 8), 8 * 10 * 9 * 8 * 16),
        (cp.Conv2D(16, (3, 2), stride=2, padding="same", groups=4), (10, 12, 8), 5 * 6 * 6 * 2 * 16),
        (cp.Conv1D(16, 3, dilation=2, padding="causal"), (10, 8), 10 * 3 * 8 * 16),
        (cp.ConvTranspose2D(16, 3, stride=2, groups=4), (5, 6, 8), 5 * 6 * 9 * 8 * 4),
    ],
    ids=repr,
)
def test_work_is_counted(layer, shape, work):
    assert layer.multiply_adds(shape) == work


def test_a_layer_serves_in_several_networks():
    layer = cp.Conv2D(4, 3, activation="relu")
    first, second = (cp.Sequential([layer, layer], (9, 9, 4), seed=seed) for seed in (0, 1))
    assert not any(isinstance(value, np.ndarray) for value in vars(layer).values())
    parts = [first.layers[0], first.layers[2], second.layers[0], second.layers[2]]
    for i, one in enumerate(parts):
        for other in parts[:i]:
            assert not any(
                np.shares_memory(getattr(one, n), getattr(other, n)) for n in ("w", "b", "dw", "db")
            )


@every_layer
def test_a_replica_shares_the_weights_alone(layer, shape):
    model = cp.Sequential([layer], shape, seed=0, dtype="float64")
    twin = model.replica(np.zeros_like(model.grads))
    assert np.shares_memory(twin.layers[0].w, model.params)
    assert not np.shares_memory(twin.layers[0].dw, model.grads)
    copied = model.copy()
    assert not np.shares_memory(copied.layers[0].w, model.params)
    x = np.random.default_rng(0).normal(size=(3, *shape))
    y, caches = twin.forward(x)
    twin.backward(np.ones_like(y), caches)
    assert not model.grads.any()
    assert twin.grads.all()


# gradients


@every_layer
def test_gradients(layer, shape):
    cp.check_layer(layer, shape, batch_size=3)


@every_layer
def test_backward_without_dx(layer, shape):
    layer = bound(layer, shape)
    y, cache = layer.forward(np.random.default_rng(0).normal(size=(3, *shape)))
    dy = np.random.default_rng(1).normal(size=y.shape)
    assert layer.backward(dy, cache).shape == (3, *shape)
    dw, db = layer.dw.copy(), layer.db.copy()
    layer.dw[...] = layer.db[...] = np.nan
    assert layer.backward(dy, cache, need_dx=False) is None
    np.testing.assert_array_equal(layer.dw, dw)
    np.testing.assert_array_equal(layer.db, db)


@pytest.mark.parametrize(
    "settings", [{"workers": 2}, {"shard_size": 3}, {"workers": 2, "shard_size": 3}], ids=str
)
def test_training_is_the_same_in_shards(settings):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 8, 8, 2)), np.arange(20) % 3

    def train(**settings):
        layers = [
            cp.Conv2D(4, 3, padding="same", activation="tanh"),
            cp.Conv2D(6, 3, stride=2, groups=2, activation="tanh"),
            cp.ConvTranspose2D(2, 2, stride=2),
            cp.Flatten(),
            cp.Dense(3),
        ]
        model = cp.Sequential(layers, (8, 8, 2), seed=0, dtype="float64")
        history = cp.fit(
            model, x, y, epochs=3, batch_size=8, optimizer=cp.SGD(0.05, momentum=0.9), **settings
        )
        return model.params, history.steps["loss"]

    params, losses = train(workers=1)
    found, found_losses = train(**settings)
    np.testing.assert_allclose(found, params, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(found_losses, losses, rtol=1e-9)
    assert losses[-1] < losses[0]
