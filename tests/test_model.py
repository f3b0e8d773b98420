"""Sequential: its gradients against PyTorch and differences, its memory, its predictions, its sentences."""

import copy
import pickle

import numpy as np
import pytest

from clearprop import Activation, Dense, Dropout, Flatten, Reshape, Sequential, fit
from clearprop.errors import ConfigError, DataError, ShapeError
from clearprop.model import ROWS_AT_ONCE
from oracles import numeric_gradient

ACTIVATIONS = [
    "sigmoid",
    "tanh",
    "relu",
    "leaky_relu",
    "elu",
    "softplus",
    "arctan",
    "swish",
    "gelu",
    "gelu_tanh",
]


def network(activation="tanh", dtype="float64", seed=0):
    """Images (2, 3, 2) -> Flatten -> 12 -> 5 -> Reshape -> Flatten -> 4, with biases that are not zero."""
    layers = [
        Flatten(),
        Dense(10, activation=activation, bias_init="uniform"),
        Reshape((5, 2)),
        Activation(activation),
        Flatten(),
        Dense(4, bias_init="uniform"),
    ]
    return Sequential(layers, (2, 3, 2), seed=seed, dtype=dtype)


def draw(model, n=7, seed=1):
    rng = np.random.default_rng(seed)
    x, dy = rng.normal(size=(n, *model.input_shape)), rng.normal(size=(n, *model.output_shape))
    return x.astype(model.dtype), dy.astype(model.dtype)


# gradients


@pytest.mark.torch
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_scores_and_gradients_agree_with_torch(activation):
    torch = pytest.importorskip("torch")
    functions = {
        "swish": torch.nn.functional.silu,
        "gelu_tanh": lambda t: torch.nn.functional.gelu(t, approximate="tanh"),
        "arctan": torch.arctan,
        "sigmoid": torch.sigmoid,
        "tanh": torch.tanh,
    }
    f = functions.get(activation) or getattr(torch.nn.functional, activation)
    model = network(activation)
    x, dy = draw(model)
    theirs = {name: torch.tensor(view, requires_grad=True) for name, view in model.named_params().items()}
    tx = torch.tensor(x, requires_grad=True)
    hidden = f(f(tx.flatten(1) @ theirs["1.w"] + theirs["1.b"]))
    their_scores = hidden @ theirs["6.w"] + theirs["6.b"]
    their_scores.backward(torch.tensor(dy))

    scores, caches = model.forward(x, training=True)
    dx = model.backward(dy, caches, need_dx=True)
    np.testing.assert_allclose(scores, their_scores.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(dx, tx.grad.numpy(), rtol=1e-10, atol=1e-14)
    for name, view in model.named_grads().items():
        np.testing.assert_allclose(view, theirs[name].grad.numpy(), rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("activation", ["tanh", "gelu", "softplus"])
def test_gradients_agree_with_differences(activation):
    model = network(activation)
    x, dy = draw(model)
    _, caches = model.forward(x)
    dx = model.backward(dy, caches, need_dx=True)

    def value():
        return np.sum(dy * model.forward(x)[0])

    np.testing.assert_allclose(model.grads, numeric_gradient(value, model.params), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(dx, numeric_gradient(value, x), rtol=1e-6, atol=1e-8)


def test_gradients_with_dropout_agree_with_differences_under_the_same_mask():
    model = Sequential([Dense(8, activation="tanh"), Dropout(0.5), Dense(3)], (4,), seed=0, dtype="float64")
    x, dy = draw(model)
    noise = model.draw_noise(len(x))
    _, caches = model.forward(x, training=True, noise=noise)
    model.backward(dy, caches)
    numeric = numeric_gradient(lambda: np.sum(dy * model.forward(x, True, noise)[0]), model.params)
    np.testing.assert_allclose(model.grads, numeric, rtol=1e-6, atol=1e-8)
    assert (noise[2] == 0).any()


def test_dx_only_where_it_is_asked_for():
    model = network()
    x, dy = draw(model)
    _, caches = model.forward(x)
    assert model.backward(dy, caches) is None
    without = model.grads.copy()
    assert model.backward(dy, caches, need_dx=True).shape == x.shape
    np.testing.assert_array_equal(model.grads, without)


def test_layers_in_front_of_the_first_parameters_are_spared():
    class Counted(Activation):
        calls = 0

        def backward(self, dy, cache, need_dx=True):
            Counted.calls += 1
            return super().backward(dy, cache, need_dx)

    model = Sequential([Counted("tanh"), Dense(2)], (3,))
    _, caches = model.forward(np.ones((1, 3), np.float32))
    model.backward(np.ones((1, 2), np.float32), caches)
    assert Counted.calls == 0
    model.backward(np.ones((1, 2), np.float32), caches, need_dx=True)
    assert Counted.calls == 1


def test_the_first_layers_dx_is_spared():
    asked = []

    class Asked(Dense):
        def backward(self, dy, cache, need_dx=True):
            asked.append(need_dx)
            return super().backward(dy, cache, need_dx)

    model = Sequential([Asked(3), Asked(2)], (3,))
    _, caches = model.forward(np.ones((1, 3), np.float32))
    model.backward(np.ones((1, 2), np.float32), caches)
    model.backward(np.ones((1, 2), np.float32), caches, need_dx=True)
    assert asked == [True, False, True, True]


def test_backward_writes_and_never_accumulates():
    model = network()
    x, dy = draw(model)
    model.grads[...] = np.nan
    _, caches = model.forward(x)
    model.backward(dy, caches)
    once = model.grads.copy()
    assert np.isfinite(once).all()
    model.backward(dy, caches)
    np.testing.assert_array_equal(model.grads, once)
    model.backward(2 * dy, caches)
    np.testing.assert_allclose(model.grads, 2 * once, rtol=1e-12)


def test_a_pass_between_forward_and_backward_does_no_harm():
    model = network()
    x, dy = draw(model)
    _, caches = model.forward(x, training=True)
    model.backward(dy, caches)
    undisturbed = model.grads.copy()
    _, caches = model.forward(x, training=True)
    other, _ = draw(model, n=11, seed=5)
    model.scores(other), model.predict(other), model.forward(other)
    model.backward(dy, caches)
    np.testing.assert_array_equal(model.grads, undisturbed)


def test_inputs_stay_as_they_were():
    model = network("relu")
    x, dy = draw(model)
    x_before, dy_before = x.copy(), dy.copy()
    _, caches = model.forward(x)
    model.backward(dy, caches, need_dx=True)
    np.testing.assert_array_equal(x, x_before)
    np.testing.assert_array_equal(dy, dy_before)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtype_is_kept(dtype):
    model = Sequential([Flatten(), Dense(8, activation="gelu"), Dropout(0.3), Dense(3)], (2, 2), dtype=dtype)
    x, dy = draw(model)
    scores, caches = model.forward(x.astype("float64"), training=True)
    dx = model.backward(dy, caches, need_dx=True)
    found = [scores, dx, model.params, model.grads, model.scores(x), model.probabilities(x)]
    assert {a.dtype.name for a in found} == {dtype}


# memory


def test_params_and_grads_are_one_vector_each_with_views():
    model = network()
    assert model.params.shape == model.grads.shape == (12 * 10 + 10 + 10 * 4 + 4,)
    for layer in (model.layers[1], model.layers[6]):
        assert np.shares_memory(layer.w, model.params)
        assert np.shares_memory(layer.db, model.grads)
    model.params[0] = 42
    assert model.layers[1].w[0, 0] == model.named_params()["1.w"][0, 0] == 42
    model.layers[6].b[-1] = 43
    assert model.params[-1] == 43
    model.named_grads()["6.b"][0] = 44
    assert model.grads[-4] == model.layers[6].db[0] == 44


def test_names_come_in_layer_order_weights_first():
    model = network()
    assert list(model.named_params()) == list(model.named_grads()) == ["1.w", "1.b", "6.w", "6.b"]
    flat = np.concatenate([view.ravel() for view in model.named_params().values()])
    np.testing.assert_array_equal(flat, model.params)
    assert model.weight_spans() == [slice(0, 120), slice(130, 170)]


def test_replica_shares_parameters_and_writes_into_its_own_row():
    model = network()
    x, dy = draw(model)
    model.grads[...] = -7
    row = np.zeros(model.params.size)
    twin = model.replica(row)
    _, caches = twin.forward(x)
    twin.backward(dy, caches)
    assert (model.grads == -7).all()
    assert twin.grads is row
    assert twin.params is model.params
    _, caches = model.forward(x)
    model.backward(dy, caches)
    np.testing.assert_array_equal(row, model.grads)
    model.params[...] = 0
    np.testing.assert_array_equal(twin.scores(x), 0)
    with pytest.raises(ShapeError, match=r"Sequential: expected grads of shape \(174,\), got \(3,\)"):
        model.replica(np.zeros(3))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_astype_is_independent(dtype):
    model = network()
    twin = model.astype(dtype)
    assert twin.dtype == twin.params.dtype == dtype
    np.testing.assert_array_equal(twin.params, model.params.astype(dtype))
    before = model.params.copy()
    twin.params += 1
    twin.layers[1].w += 1
    twin.draw_noise(3)
    np.testing.assert_array_equal(model.params, before)
    x, dy = draw(twin)
    _, caches = twin.forward(x)
    twin.backward(dy, caches)
    assert (model.grads == 0).all()


def test_copy_draws_the_same_but_not_from_the_same_generator():
    model = Sequential([Dropout(0.5), Dense(2)], (50,))
    twin = model.copy()
    first = model.draw_noise(2)[0]
    np.testing.assert_array_equal(twin.draw_noise(2)[0], first)
    assert (model.draw_noise(2)[0] != first).any()


def test_one_layer_object_in_two_places():
    shared = Dense(3)
    model = Sequential([shared, shared], (3,))
    assert model.params.size == 24
    assert not np.shares_memory(model.layers[0].w, model.layers[1].w)


def test_initial_parameters_by_seed():
    np.testing.assert_array_equal(network(seed=3).params, network(seed=3).params)
    assert (network(seed=3).params != network(seed=4).params).all()
    np.testing.assert_array_equal(network(dtype="float32").params, network().params.astype("float32"))


# predictions


@pytest.mark.parametrize("n", [0, 1, ROWS_AT_ONCE, ROWS_AT_ONCE + 1, 2 * ROWS_AT_ONCE + 3])
def test_scores_in_parts_are_those_of_one_pass(n):
    model = network()
    x, _ = draw(model, n)
    scores = model.scores(x)
    assert scores.shape == (n, 4)
    np.testing.assert_allclose(scores, model.forward(x)[0], rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(model.predict(x), model.forward(x)[0].argmax(axis=1))


def test_lists_and_whole_numbers_are_taken():
    model = Sequential([Dense(3)], (2,), dtype="float64")
    expected = np.array([[1.0, 2.0]]) @ model.layers[0].w
    np.testing.assert_array_equal(model.scores([[1, 2]]), expected)
    np.testing.assert_array_equal(model.forward(np.array([[1, 2]]))[0], expected)


def fixed(scores, link):
    """A network that gives these scores for any input."""
    model = Sequential([Dense(len(scores), init="zeros")], (1,), dtype="float64")
    model.layers[0].b[...] = scores
    model.link = link
    return model


@pytest.mark.parametrize(
    ("link", "scores", "prediction", "probabilities"),
    [
        ("softmax", np.log([1, 2, 5]), [2], [[0.125, 0.25, 0.625]]),
        ("sigmoid", [np.log(3)], [1], [[0.75]]),
        ("sigmoid", [-np.log(3)], [0], [[0.25]]),
        ("sigmoid", [np.log(3), -np.log(3)], [[1, 0]], [[0.75, 0.25]]),
        ("probs", [0.2, 0.7, 0.1], [1], [[0.2, 0.7, 0.1]]),
        ("probs", [0.7], [1], [[0.7]]),
        ("argmax", [1.0, 3.0], [1], None),
        ("identity", [1.5], [1.5], None),
        ("identity", [1.5, -2.0], [[1.5, -2.0]], None),
        ("exp", [np.log(4)], [4.0], None),
    ],
)
def test_predictions_and_probabilities_of_every_link(link, scores, prediction, probabilities):
    model = fixed(scores, link)
    predicted = model.predict([[0.0]])
    np.testing.assert_allclose(predicted, prediction, rtol=1e-12)
    assert predicted.dtype.kind == ("f" if link in ("identity", "exp") else "i")
    if probabilities is None:
        with pytest.raises(
            ConfigError, match="probabilities: this network was trained to predict numbers or margins"
        ):
            model.probabilities([[0.0]])
    else:
        np.testing.assert_allclose(model.probabilities([[0.0]]), probabilities, rtol=1e-12)


@pytest.mark.parametrize(
    ("layers", "link"),
    [
        ([Dense(3)], "softmax"),
        ([Dense(1)], "sigmoid"),
        ([Dense(3, activation="softmax")], "probs"),
        ([Dense(1, activation="sigmoid")], "probs"),
        ([Dense(3, activation="tanh")], "softmax"),
    ],
)
def test_the_link_before_any_training(layers, link):
    assert Sequential(layers, (4,)).link == link


# sentences


@pytest.mark.parametrize(
    ("shape", "sentence"),
    [
        (
            (2, 3, 2),
            r"layer 0, Flatten\(\): expected x of shape \(N, 2, 3, 2\), got \(2, 3, 2\)\. .*pass x\[None\]",
        ),
        ((5, 12), r"got \(5, 12\)\. Each example has as many numbers: pass x\.reshape\(-1, 2, 3, 2\)"),
        ((5, 3, 2, 2), r"Its axes stand in another order: pass x\.transpose\(0, 3, 1, 2\)"),
        ((5, 11), r"got \(5, 11\)\. The shape is fixed by input_shape when the network is built"),
        ((), r"got \(\)\. The shape is fixed by input_shape"),
    ],
)
def test_wrong_inputs(shape, sentence):
    model = network()
    for method in (model.scores, model.predict, model.probabilities, model.forward):
        with pytest.raises(ShapeError, match=sentence):
            method(np.zeros(shape))


def test_wrong_inputs_of_a_flat_network():
    model = Sequential([Dense(3)], (4,))
    with pytest.raises(ShapeError, match=r"layer 0, Dense\(3\): .* got \(4,\)\. The batch axis is missing"):
        model.predict([5.1, 3.5, 1.4, 0.2])
    with pytest.raises(ShapeError, match=r"got \(4, 150\)\. Examples are rows: pass x\.T"):
        model.predict(np.zeros((4, 150)))
    with pytest.raises(ShapeError, match=r"got \(150, 2, 2\)\. .* pass x\.reshape\(-1, 4\)"):
        model.predict(np.zeros((150, 2, 2)))


@pytest.mark.parametrize(
    ("layers", "shape", "error", "sentence"),
    [
        (
            [Dense(3), Dense],
            (4,),
            ConfigError,
            r"expected layer 1 to be a Layer .*Dense'>\. Put \(\) behind its name",
        ),
        (
            [Dense(3), "relu"],
            (4,),
            ConfigError,
            r"expected layer 1 to be a Layer such as Dense\(10\), got 'relu'\.$",
        ),
        ([], (4,), ConfigError, r"Sequential: expected a list of at least one layer, got \[\]"),
        (
            Dense(3),
            (4,),
            ConfigError,
            r"got them one by one\. Write Sequential\(\[Dense\(3\)\], input_shape=\(4,\)\)\.$",
        ),
        ([Dense(3)], (), ShapeError, r"expected input_shape to be a tuple of one example's sizes.* got \(\)"),
        ([Dense(3)], 784, ShapeError, r"expected input_shape to be a tuple .*such as \(784,\), got 784"),
        (
            [Dense(3)],
            (-1,),
            ConfigError,
            r"Sequential: expected input_shape to be a whole number >= 1, got -1",
        ),
        (
            [Dense(3, activation="relu"), Reshape((3, 1)), Dense(2)],
            (4,),
            ShapeError,
            r"layer 3, Dense\(2\): expected x of shape \(N, D\), got \(N, 3, 1\)\. .*Flatten\(\) makes one row of all",
        ),
    ],
)
def test_a_wrong_network_is_refused_when_it_is_built(layers, shape, error, sentence):
    with pytest.raises(error, match=sentence):
        Sequential(layers, shape)


def test_wrong_dtype():
    with pytest.raises(ConfigError, match=r"dtype: expected 'float32' or 'float64', got 'float16'"):
        Sequential([Dense(3)], (4,), dtype="float16")
    with pytest.raises(ConfigError, match=r"dtype: expected"):
        network().astype("int32")


def test_predict_refuses_what_it_would_hide():
    model = Sequential([Dense(3)], (2,))
    with pytest.raises(DataError, match=r"predict: x\[1, 0\] is nan"):
        model.predict([[0, 1], [np.nan, 1]])
    with pytest.raises(DataError, match=r"predict: x\[0, 1\] is inf"):
        model.predict([[0, 1e39]])
    with pytest.raises(DataError, match="predict: expected x to hold numbers in rows of one length"):
        model.predict([["a", "b"]])
    with pytest.raises(DataError, match="predict: expected x to hold numbers in rows of one length"):
        model.predict([[1, 2], [3]])
    model.params[...] = 3e38
    with np.errstate(all="ignore"), pytest.raises(DataError, match=r"predict: scores\[0, 0\] is inf"):
        model.predict([[10, 10]])


def test_large_scores_are_finite_even_where_their_sum_is_not():
    model = Sequential([Dense(2, init="identity")], (2,))
    with np.errstate(over="ignore"):  # of their sum
        assert model.predict([[3e38, 2e38]]).tolist() == [0]


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_learns_by_itself(duplicate):
    model = Sequential([Dense(8, activation="relu"), Dropout(0.2), Dense(3)], (4,))
    before, twin = model.params.copy(), duplicate(model)
    x, y = np.random.default_rng(0).standard_normal((30, 4)), np.arange(30) % 3
    history = fit(twin, x, y, epochs=30, optimizer="adam")
    assert history["loss"][-1] < history["loss"][0]
    np.testing.assert_array_equal(model.params, before)
    again = fit(model, x, y, epochs=30, optimizer="adam")
    assert again["loss"] == history["loss"]
    np.testing.assert_array_equal(model.params, twin.params)


def test_a_pickle_holds_the_parameters_once():
    model = Sequential([Dense(500)], (500,))
    assert len(pickle.dumps(model)) < 2.1 * model.params.nbytes  # and the gradients


def test_assigned_parameters_are_copied_in():
    model = Sequential([Dense(3)], (4,))
    given = np.arange(15.0)
    model.params = given
    np.testing.assert_array_equal(model.layers[0].w, given[:12].reshape(4, 3))
    given[:] = 0
    assert model.params[14] == 14
    with pytest.raises(ShapeError, match=r"Sequential: expected params of shape \(15,\), got \(3,\)"):
        model.params = np.zeros(3)


def test_repr_shows_the_layers():
    model = Sequential([Dense(8, activation="relu"), Dense(3)], (4,))
    assert repr(model) == "Sequential([Dense(8), Activation('relu'), Dense(3)], input_shape=(4,))"
