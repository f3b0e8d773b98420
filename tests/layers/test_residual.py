"""Residual: a branch plus a shortcut, with all that layers inside a layer need: names, files, noise, shards."""

import copy
import pickle
from json import dumps, loads

import numpy as np
import pytest

import clearprop as cp
from clearprop.layers.spec import layer_from, layer_spec

SHAPE = (6, 6, 4)


def block(filters=4, stride=1, rate=0.0):
    """As in He et al. (2016): two convolutions with batch norm, and a shortcut where the shape changes."""
    layers = [
        cp.Conv2D(filters, 3, stride=stride, padding="same"),
        cp.BatchNorm(),
        cp.Activation("tanh"),
        cp.Conv2D(filters, 3, padding="same", init={"name": "normal", "std": 0.1}),
    ]
    layers += [cp.Dropout(rate)] if rate else []
    return cp.Residual(layers, [cp.Conv2D(filters, 1, stride=stride)] if stride > 1 else [])


def network(*layers, shape=SHAPE, seed=0, dtype="float64"):
    return cp.Sequential([*layers, cp.Flatten(), cp.Dense(3)], shape, seed=seed, dtype=dtype)


def draw(model, n=7, seed=1):
    rng = np.random.default_rng(seed)
    x, dy = rng.normal(size=(n, *model.input_shape)), rng.normal(size=(n, *model.output_shape))
    return x.astype(model.dtype), dy.astype(model.dtype)


# what it computes


def test_it_is_the_branch_plus_the_shortcut():
    layers, past = [cp.Dense(5, activation="tanh"), cp.Dense(3)], [cp.Dense(3)]
    model = cp.Sequential([cp.Residual(layers, past)], (4,), seed=0, dtype="float64")
    x, dy = draw(model)
    p = model.named_params()
    hidden = np.tanh(x @ p["0.0.w"] + p["0.0.b"])
    expected = hidden @ p["0.2.w"] + p["0.2.b"] + x @ p["0.3.w"] + p["0.3.b"]
    y, caches = model.forward(x)
    np.testing.assert_allclose(y, expected, rtol=1e-13)
    dx = model.backward(dy, caches, need_dx=True)
    dhidden = (dy @ p["0.2.w"].T) * (1 - hidden * hidden)
    np.testing.assert_allclose(dx, dhidden @ p["0.0.w"].T + dy @ p["0.3.w"].T, rtol=1e-12, atol=1e-14)
    grads = model.named_grads()
    np.testing.assert_allclose(grads["0.0.w"], x.T @ dhidden, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(grads["0.3.w"], x.T @ dy, rtol=1e-12, atol=1e-14)


def test_without_a_shortcut_x_itself_is_added():
    model = cp.Sequential([cp.Residual([cp.Activation("tanh")])], (4,), dtype="float64")
    x, dy = draw(model)
    before = x.copy(), dy.copy()
    y, caches = model.forward(x)
    np.testing.assert_array_equal(y, np.tanh(x) + x)
    dx = model.backward(dy, caches, need_dx=True)
    np.testing.assert_allclose(dx, dy * (1 - np.tanh(x) ** 2) + dy, rtol=1e-14)
    np.testing.assert_array_equal((x, dy), before)  # added to nothing that is somebody else's


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (block(), SHAPE),
        (block(6, stride=2), SHAPE),
        (block(rate=0.4), SHAPE),
        (cp.Residual([cp.Dense(5, activation="gelu"), cp.Dense(4)]), (4,)),
        (cp.Residual([cp.Conv1D(4, 3, padding="causal", activation="tanh")]), (7, 4)),
        (
            cp.Residual([block(), cp.Activation("tanh"), block(6, stride=2)], [cp.Conv2D(6, 1, stride=2)]),
            SHAPE,
        ),
        (cp.Residual([cp.Flatten(), cp.Dense(3)], [cp.Flatten(), cp.Dense(3, activation="tanh")]), (2, 3)),
    ],
    ids=["block", "stride", "dropout", "dense", "causal", "nested", "flat"],
)
def test_gradients(layer, shape):
    cp.check_layer(layer, shape)
    cp.check_layer([cp.Activation("tanh"), layer], shape, batch_size=3)


def test_a_wrong_dx_of_the_shortcut_is_found():
    class HalfTheWay(cp.Residual):
        def backward(self, dy, cache, need_dx=True):
            dx = super().backward(dy, cache, need_dx)
            return None if dx is None else dx - dy / 2

    with pytest.raises(cp.GradientError, match="the gradient of x is wrong"):
        cp.check_layer(HalfTheWay([cp.Dense(4)]), (4,))


def test_backward_without_dx():
    asked = []

    class Asked(cp.Dense):
        def backward(self, dy, cache, need_dx=True):
            asked.append((self.units, need_dx))
            return super().backward(dy, cache, need_dx)

    model = cp.Sequential(
        [cp.Residual([Asked(5), Asked(6)], [Asked(7), cp.Activation("tanh"), Asked(6)])], (4,)
    )
    model.layers[0].layers[1].units = 60  # to tell the two that give 6
    x, dy = draw(model)
    _, caches = model.forward(x)
    model.backward(dy, caches)
    grads = model.grads.copy()
    assert asked == [(60, True), (5, False), (6, True), (7, False)]
    assert model.layers[0].backward(dy, caches[0], need_dx=False) is None
    model.backward(dy, caches, need_dx=True)
    assert [need for _, need in asked[-4:]] == [True] * 4
    np.testing.assert_array_equal(model.grads, grads)


# names, settings, files


def test_parameters_and_buffers_are_named_by_their_place():
    model = network(cp.Conv2D(4, 1), block(6, stride=2))
    names = ["0.w", "0.b", "1.0.w", "1.0.b", "1.1.gamma", "1.1.beta", "1.3.w", "1.3.b", "1.4.w", "1.4.b"]
    assert list(model.named_params()) == [*names, "3.w", "3.b"]
    assert [name.rpartition(".")[0] for name in model.named_buffers()] == ["1.1"] * len(model.named_buffers())
    assert len(model.named_buffers()) > 0
    inner = model.layers[1].inner
    for name in names[2:]:
        _, number, own = name.split(".")
        assert np.shares_memory(getattr(inner[int(number)], own), model.named_params()[name])
        assert np.shares_memory(getattr(inner[int(number)], "d" + own), model.named_grads()[name])
    assert model.params.size == sum(view.size for view in model.named_params().values())
    weights = {name for name in model.named_params() if name.endswith(".w")}
    assert {model.layout.name_at(span.start) for span in model.weight_spans()} == weights


def test_names_in_a_residual_in_a_residual():
    inner = cp.Residual([cp.Dense(4, activation="relu"), cp.Dense(4)])
    model = cp.Sequential([cp.Residual([inner, cp.Dense(5)], [cp.Dense(5)])], (4,))
    assert list(model.named_params()) == [
        "0.0.0.w", "0.0.0.b", "0.0.2.w", "0.0.2.b", "0.1.w", "0.1.b", "0.2.w", "0.2.b",
    ]  # fmt: skip
    assert [type(part).__name__ for part in model.layers[0].parts()] == [
        "Residual", "Residual", "Dense", "Activation", "Dense", "Dense", "Dense",
    ]  # fmt: skip


def test_settings_make_it_again():
    layer = cp.Residual([cp.Conv2D(6, 3, activation="relu"), block(6)], [cp.Conv2D(6, 3), cp.Dropout(0.2)])
    spec = loads(dumps(layer_spec(layer)))
    again = layer_from(spec, "layer 0")
    assert layer_spec(again) == layer_spec(layer) == spec
    assert repr(again) == repr(layer)
    assert repr(layer) == "Residual(2 layers, a shortcut)"
    assert "shortcut" not in block().settings()


def test_activations_inside_become_layers():
    layer = cp.Residual([cp.Dense(5, activation="relu"), cp.Dense(4)], [cp.Dense(4, activation="tanh")])
    (expanded,) = layer.expand()
    words = ["Dense(5)", "Activation('relu')", "Dense(4)", "Dense(4)", "Activation('tanh')"]
    assert [repr(part) for part in expanded.inner] == words
    assert [repr(part) for part in layer.inner] == ["Dense(5)", "Dense(4)", "Dense(4)"]  # left as it is
    assert [repr(part) for part in expanded.expand()[0].inner] == words


def test_a_file_holds_it_whole(tmp_path):
    nested = cp.Residual([block(), cp.Activation("relu"), block(6, 2)], [cp.Conv2D(6, 1, stride=2)])
    model = network(nested, dtype="float32")
    x, _ = draw(model, 16)
    cp.fit(model, x, np.arange(16) % 3, epochs=2, batch_size=8)  # so that running statistics have moved
    model.save(tmp_path / "net.safetensors")
    again = cp.load(tmp_path / "net.safetensors")
    assert repr(again) == repr(model)
    np.testing.assert_array_equal(again.scores(x), model.scores(x))
    for name, buffer in model.named_buffers().items():
        np.testing.assert_array_equal(again.named_buffers()[name], buffer)
    fresh = network(nested, dtype="float32", seed=5)
    assert (fresh.scores(x) != model.scores(x)).any()
    cp.load_weights(fresh, tmp_path / "net.safetensors")
    np.testing.assert_array_equal(fresh.scores(x), model.scores(x))


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_of_the_network_has_views_of_its_own(duplicate):
    model = network(block(6, stride=2))
    twin = duplicate(model)
    x, _ = draw(model)
    np.testing.assert_array_equal(twin.scores(x), model.scores(x))
    before = model.scores(x)
    twin.params[...] += 1
    np.testing.assert_array_equal(twin.layers[0].layers[0].w, twin.named_params()["0.0.w"])
    np.testing.assert_array_equal(model.scores(x), before)
    assert (twin.scores(x) != before).any()


# memory


def arrays(layer):
    return {
        (i, name): value
        for i, part in enumerate(layer.parts())
        for name, value in vars(part).items()
        if isinstance(value, np.ndarray)
    }


def test_a_layer_serves_in_several_networks():
    layer = block(6, stride=2)
    first, second = network(layer), network(layer, seed=1)
    assert not arrays(layer)
    assert len(arrays(first.layers[0])) > 10
    for key, value in arrays(first.layers[0]).items():
        assert not np.shares_memory(value, arrays(second.layers[0])[key])


def test_a_replica_shares_the_parameters_alone():
    model = network(cp.Residual([block(), block(6, stride=2)], [cp.Conv2D(6, 1, stride=2)]))
    twin = model.replica(np.zeros_like(model.grads))
    copied = model.copy()
    assert set(model.layers[0].parts()).isdisjoint(twin.layers[0].parts())
    parameters = {name.rpartition(".")[2] for name in model.named_params()}
    for key, value in arrays(model.layers[0]).items():
        assert np.shares_memory(value, arrays(twin.layers[0])[key]) == (key[1] in parameters)
        assert not np.shares_memory(value, arrays(copied.layers[0])[key])
    x, dy = draw(model)
    _, caches = twin.forward(x, training=True)
    twin.backward(dy, caches)
    assert not model.grads.any()
    assert twin.grads.any()


# noise and shards


def test_noise_is_nested_as_the_layers_are():
    model = network(cp.Residual([cp.Dropout(0.5), cp.Residual([cp.Activation("tanh"), cp.Dropout(0.5)])]))
    outer, flat, dense = model.draw_noise(9)
    assert (flat, dense) == (None, None)
    first, (nothing, second) = outer
    assert nothing is None
    assert first.shape == second.shape == (9, *SHAPE)
    assert (first != second).any()
    x, _ = draw(model, 9)
    hidden = x * first
    y, _ = model.layers[0].forward(x, True, outer)
    np.testing.assert_allclose(y, np.tanh(hidden) * second + hidden + x, rtol=1e-13)
    silent, _ = model.layers[0].forward(x)
    np.testing.assert_allclose(silent, np.tanh(x) + 2 * x, rtol=1e-13)


def test_noise_of_the_shortcut_is_the_shortcuts():
    model = cp.Sequential([cp.Residual([cp.Dropout(0.5), cp.Dense(3)], [cp.Dense(3), cp.Dropout(0.5)])], (4,))
    drawn = model.layers[0].draw_noise((8, 4), np.random.default_rng(0), model.dtype)
    assert [None if mask is None else mask.shape for mask in drawn] == [(8, 4), None, None, (8, 3)]
    assert all(mask.dtype == model.dtype for mask in drawn if mask is not None)
    drawn[0][...] = drawn[3][...] = 0
    y, _ = model.layers[0].forward(np.ones((8, 4), np.float32), True, drawn)
    np.testing.assert_array_equal(y, 0)


@pytest.mark.parametrize("norm", [False, True], ids=["plain", "batch norm"])
@pytest.mark.parametrize(
    "settings", [{"workers": 2}, {"shard_size": 3}, {"workers": 2, "shard_size": 3}], ids=str
)
def test_training_is_the_same_in_shards(settings, norm):
    def train(**settings):
        middle = block(rate=0.3) if norm else cp.Residual([cp.Conv2D(4, 3, padding="same"), cp.Dropout(0.3)])
        nested = cp.Residual([cp.Residual([cp.Dropout(0.2), cp.Activation("tanh")]), middle])
        model = network(cp.Conv2D(4, 3, padding="same"), nested)
        x, _ = draw(model, 20)
        history = cp.fit(model, x, np.arange(20) % 3, epochs=3, batch_size=8, seed=4, **settings)
        return model, history.steps["loss"]

    one, losses = train(workers=1)
    found, found_losses = train(**settings)
    np.testing.assert_allclose(found_losses, losses, rtol=1e-9)
    np.testing.assert_allclose(found.params, one.params, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(found.buffers, one.buffers, rtol=1e-8, atol=1e-10)


def test_training_goes_down():
    model = network(block(6, stride=2), dtype="float32")
    x, _ = draw(model, 30)
    history = cp.fit(model, x, np.arange(30) % 3, epochs=30, batch_size=10, optimizer=cp.Adam(0.01))
    assert history.epochs[-1]["loss"] < 0.3 * history.epochs[0]["loss"]


# shapes and work


def test_work_and_shapes_are_those_of_all_inside():
    layer = block(6, stride=2)
    assert layer.output_shape(SHAPE, "layer 0") == (3, 3, 6)
    assert layer.multiply_adds(SHAPE) == 9 * 9 * 4 * 6 + 9 * 9 * 6 * 6 + 9 * 4 * 6
    assert cp.Residual([layer], [layer]).multiply_adds(SHAPE) == 2 * layer.multiply_adds(SHAPE)


def test_the_summary_counts_all_inside():
    model = network(cp.Residual([cp.Conv2D(4, 3, padding="same"), cp.Activation("relu")]))
    rows = model.summary().splitlines()
    assert rows[3].split("  ")[0] == "0 Residual(2 layers)"
    assert rows[3].split()[-2:] == ["148", f"{36 * 9 * 4 * 4:,}"]
    assert rows[4].split("  ")[2] == "Conv2D(4, 3, padding='same')"  # what is inside stands below
    assert rows[4].split()[-2:] == rows[3].split()[-2:]
    assert rows[5].split("  ")[2] == "Activation('relu')"


def test_initial_weights_follow_the_layers_order():
    model = cp.Sequential([cp.Residual([cp.Dense(5), cp.Dense(4)])], (4,), seed=3)
    plain = cp.Sequential([cp.Dense(5), cp.Dense(4)], (4,), seed=3)
    np.testing.assert_array_equal(model.params, plain.params)
