"""Names of other libraries: missed in a sentence that says what to write, and missing as ever to Python."""

import copy
import inspect
import pickle
import re

import numpy as np
import pytest

import clearprop as cp
from clearprop import losses
from clearprop.layers.activation import ACTIVATIONS
from clearprop.messages.elsewhere import words

x = np.random.default_rng(0).normal(size=(20, 3))
y = np.arange(20) % 2


def network() -> cp.Sequential:
    return cp.Sequential([cp.Dense(2)], (3,), seed=0)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Linear", "Did you mean 'Dense'?"),
        ("ReLU", "Write Activation('relu'), or activation='relu' in the layer before."),
        ("Conv2d", "Did you mean 'Conv2D'?"),
        ("MaxPooling2D", "Did you mean 'MaxPool2D'?"),
        ("AveragePooling2D", "Did you mean 'AvgPool2D'?"),
        ("GlobalAveragePooling2D", "Did you mean 'GlobalAvgPool'?"),
        ("BatchNormalization", "Did you mean 'BatchNorm'?"),
        ("BatchNorm2d", "Did you mean 'BatchNorm'?"),
        ("SimpleRNN", "Did you mean 'Elman'?"),
        ("RMSprop", "Did you mean 'RMSProp'?"),
        ("StepLR", "Did you mean 'Step'?"),
        ("load_model", "Did you mean 'load'?"),
        ("CrossEntropyLoss", "Write loss='softmax_cross_entropy' in fit."),
        ("Input", "Write Sequential([Dense(10)], input_shape=(784,))."),
        ("nn", "All layers stand in clearprop itself: Dense(10)."),
        ("no_grad", "what is not called costs nothing, and backward does not add up."),
        ("SELU", "There is no such layer here."),
        (
            "NetworkClassifier",
            "Write from clearprop.interop.sklearn import NetworkClassifier, NetworkRegressor.",
        ),
        ("_private", "has no attribute '_private'"),
    ],
)
def test_a_name_that_clearprop_has_not(name: str, said: str) -> None:
    with pytest.raises(AttributeError) as missed:
        getattr(cp, name)
    assert str(missed.value).startswith(f"module 'clearprop' has no attribute {name!r}")
    assert str(missed.value).endswith(said)
    assert not hasattr(cp, name)
    assert name not in dir(cp)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("model.fit(x, y)", "Write cp.fit(model, x, y)."),
        ("model.compile()", "What compile is told, fit is told: cp.fit(model, x, y, loss=…, optimizer=…)."),
        (
            "model.state_dict()",
            "Write model.named_params(), whose arrays can be written into; model.save(path)",
        ),
        ("model.parameters()", "Write model.params for all in one vector, or model.named_params()."),
        (
            "model.train()",
            "There are no modes: model.forward(x, training=True) trains, everything else predicts.",
        ),
        ("model.eval()", "There are no modes"),
        ("model.evaluate(x, y)", "Write cp.evaluate(model, x, y, loss)."),
        ("model.predict_proba(x)", "Write model.probabilities(x)."),
        ("model.to('cuda')", "All is computed on the CPU"),
        ("model.summery()", "'Sequential' object has no attribute 'summery'. Did you mean 'summary'?"),
        ("model.layer", "Did you mean 'layers'?"),
        ("history.history", "Write history['loss'], or history['validation_loss']"),
        (
            "cp.Adam().zero_grad()",
            "'Adam' object has no attribute 'zero_grad'. There is nothing to write: backward",
        ),
        ("cp.Adam().param_groups", "Write optimizer.lr, or optimizer.state()"),
    ],
)
def test_an_attribute_that_an_object_has_not(asked: str, said: str) -> None:
    model = network()
    known = {"cp": cp, "model": model, "history": cp.fit(model, x, y), "x": x, "y": y}
    with pytest.raises(AttributeError) as missed:
        eval(asked, known)
    assert said in str(missed.value)


def test_a_network_that_is_called() -> None:
    with pytest.raises(
        TypeError, match=r"^'Sequential' object is not callable\. Write model\.scores\(x\), or "
    ):
        network()(x)


def test_what_the_table_says_to_write_is_there() -> None:
    """Each setting, name, method and import in its sentences."""
    model = network()
    objects = {"model": model, "history": cp.fit(model, x, y), "optimizer": cp.SGD(), "cp": cp}
    for owner in ("clearprop", "Sequential", "History", "Optimizer"):
        assert words("missing", owner)
        for said in words("missing", owner).values():
            for kind in re.findall(r"\b([A-Z]\w+)\(", said):
                assert kind in cp.__all__, said
            for thing, attribute in re.findall(r"\b(model|history|optimizer|cp)\.(\w+)", said):
                assert hasattr(objects[thing], attribute), said
            for name in re.findall(r"(?:activation=|Activation\()'(\w+)'", said):
                assert name in ACTIVATIONS, said
            for name in re.findall(r"loss='(\w+)'", said):
                assert name in losses.LOSSES, said
            if imported := re.search(r"from clearprop\S* import [\w, ]+", said):
                exec(imported[0], {})
    for name in words("missing", "clearprop"):
        assert name not in cp.__all__
    for owner, kind in (("Sequential", cp.Sequential), ("History", cp.History), ("Optimizer", cp.Optimizer)):
        assert not words("missing", owner).keys() & set(dir(kind))


def test_every_position_of_the_table_is_understood() -> None:
    """A name there is a setting here, or one that the table of settings or the shape knows."""
    for kind, orders in words("positions").items():
        settings = words("settings", kind).keys() | words("settings", "Recurrent").keys()
        for order in orders:
            named = {getattr(cp, each) for each in cp.__all__ if _is(getattr(cp, each), kind)}
            taken = {setting for each in named for setting in inspect.signature(each).parameters}
            assert named, kind
            assert set(order.split()) <= taken | settings | set(words("shape")["names"].split()) | {"params"}


def _is(found: object, kind: str) -> bool:
    return isinstance(found, type) and kind in [each.__name__ for each in found.__mro__]


def test_copies_and_pickles_are_those_of_before() -> None:
    model = network()
    history = cp.fit(model, x, y, optimizer="adam")
    for copied in (copy.copy, copy.deepcopy, lambda thing: pickle.loads(pickle.dumps(thing))):
        assert copied(history)["loss"] == history["loss"]
        assert repr(copied(cp.Adam(0.5))) == repr(cp.Adam(0.5))
        np.testing.assert_array_equal(copied(model).scores(x), model.scores(x))
    bare = cp.Sequential.__new__(
        cp.Sequential
    )  # as unpickling makes it: nothing to find, and no endless search
    assert not hasattr(bare, "params")
    assert not hasattr(model, "fit")
