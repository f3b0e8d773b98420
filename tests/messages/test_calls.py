"""Calls with another library's settings: the sentence names the setting, and what it says to write works."""

import inspect
import pickle
import re

import numpy as np
import pytest

import clearprop as cp
from clearprop import schedules
from clearprop.losses import make_loss
from clearprop.messages.elsewhere import MEANT
from clearprop.names import nearest

x = np.random.default_rng(0).normal(size=(20, 3))
y = np.arange(20) % 2


def names() -> dict[str, object]:
    """What a remedy may be written with."""
    model = cp.Sequential([cp.Dense(2)], (3,), seed=0)
    own = {
        name: getattr(schedules, name)
        for name in ("Step", "Exponential", "Cosine", "OneCycle", "ReduceOnPlateau")
    }
    return {name: getattr(cp, name) for name in cp.__all__} | own | {
        "make_loss": make_loss, "model": model, "x": x, "y": y,
    }  # fmt: skip


FIT = [
    # Keras
    ("fit(model, x, y, validation_split=0.25)", "fit(model, x, y, validation=0.25)"),
    ("fit(model, x, y, batch=5, verbose=0)", "fit(model, x, y, batch_size=5)"),
    ("fit(model, x, y, optimizer='adam', learning_rate=0.01)", "optimizer={'name': 'adam', 'lr': 0.01}"),
    (
        "fit(model, x, y, class_weight={0: 1.0, 1: 2.0})",
        "{'name': 'softmax_cross_entropy', 'class_weights': [1.0, 2.0]}",
    ),
    # PyTorch
    ("fit(model, x, y, lr=0.1, momentum=0.9)", "optimizer={'name': 'sgd', 'lr': 0.1, 'momentum': 0.9}"),
    ("fit(model, x, y, weight_decay=0.1, criterion='hinge')", "fit(model, x, y, l2=0.1, loss='hinge')"),
    ("fit(model, x, y, num_epochs=2, max_grad_norm=1.0)", "fit(model, x, y, epochs=2, clip_norm=1.0)"),
    # scikit-learn
    ("fit(model, x, y, max_iter=2, alpha=0.1, random_state=1)", "fit(model, x, y, epochs=2, l2=0.1, seed=1)"),
    ("fit(model, x, y, solver='adam', learning_rate_init=0.01)", "optimizer={'name': 'adam', 'lr': 0.01}"),
    ("fit(model, x, y, validation_fraction=0.2, early_stopping=True)", "fit(model, x, y, validation=0.2)"),
    ("fit(model, x, y, epoch=2)", "fit(model, x, y, epochs=2)"),
    ("fit_lbfgs(model, x, y, tol=0.01, maxiter=3)", "fit_lbfgs(model, x, y, tolerance=0.01, max_iter=3)"),
]
MAKERS = [
    ("SGD(learning_rate=0.1)", "SGD(lr=0.1)"),
    ("SGD(0.1, nesterovs_momentum=True, momentum=0.9)", "SGD(0.1, nesterov=True, momentum=0.9)"),
    ("SGD(lr=0.1, weight_decay=0.01)", "SGD(lr=0.1)"),
    ("Adam(learning_rate=0.1, beta_1=0.8, epsilon=1e-7)", "Adam(lr=0.1, beta1=0.8, eps=1e-07)"),
    ("AdamW(betas=(0.8, 0.9), weight_decay=0.1)", "AdamW(beta1=0.8, beta2=0.9, weight_decay=0.1)"),
    ("Adam(lr=0.1, amsgrad=True)", "Adam(lr=0.1)"),
    ("RMSProp(alpha=0.9, eta0=0.1)", "RMSProp(rho=0.9, lr=0.1)"),
    ("Step(lr=0.1, step_size=30, gamma=0.5)", "Step(lr=0.1, every=30, factor=0.5)"),
    ("Exponential(0.1, gamma=0.5)", "Exponential(0.1, decay=0.5)"),
    ("Cosine(0.1, T_max=10, eta_min=0.01)", "Cosine(0.1, epochs=10, final=0.01)"),
    ("OneCycle(max_lr=0.1, epochs=3)", "OneCycle(lr=0.1, epochs=3)"),
    ("make_loss('huber', delta=2.0)", "make_loss({'name': 'huber', 'delta': 2.0})"),
    ("make_loss('softmax_cross_entropy', weight=[1, 2])", "'class_weights': [1, 2]"),
    ("make_loss('hinge', reduction='mean')", "make_loss('hinge')"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "words"), FIT + MAKERS)
def test_what_it_says_to_write_works(call: str, words: str) -> None:
    with pytest.raises(cp.ConfigError) as refused:
        eval(call, names())
    written = re.search(r"Write (.*)\.$", str(refused.value))
    assert written is not None, str(refused.value)
    assert words in written[1]
    known = names()
    before = known["model"].params.copy()
    eval(written[1], known)
    if "fit" in call:
        assert not np.array_equal(known["model"].params, before)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("fit(model, x, y, validation_data=(x, y))", "'validation_data'. Write fit(model, x, y, validation=(…, …))."),
        ("fit(model, x, y, optimizer=SGD(), lr=0.1)", "lr belongs to the optimizer: make it with lr=0.1."),
        ("fit(model, x, y, verbose=1)", "fit prints nothing: pass callbacks=[Progress()], or read the History"),
        ("fit(model, x, y, patience=3)", "Pass callbacks=[EarlyStopping()] with validation=0.1."),
        ("fit(model, x, y, 10)", "fit: too many positional arguments. Settings: model, x, y, loss"),
        ("fit(model, x)", "fit: expected the setting 'y', got none."),
        ("SGD(lr=0.1, weight_decay=0.01)", "Weight decay is the l2 of fit, or AdamW's weight_decay."),
        ("SGD(lr=0.1, clipnorm=1.0)", "Clipping is fit's clip_norm."),
        ("SGD(params=model.params, lr=0.1)", "fit hands the parameters over: leave them out."),
        ("SGD(betas=(0.9, 0.99))", "SGD: unknown setting 'betas'. Known: lr, momentum, nesterov."),
        ("Step(optimizer=1, lr=0.1, every=2)", "A schedule is given to the optimizer as its lr."),
        ("make_loss({'name': 'softmax_cross_entropy', 'weight': [1, 2]})", "Did you mean 'class_weights'?"),
    ],
)  # fmt: skip
def test_the_sentence(call: str, words: str) -> None:
    with pytest.raises(cp.ConfigError) as refused:
        eval(call, names())
    assert words in str(refused.value)
    assert "Did you mean 'l1'" not in str(refused.value)


def test_nothing_is_trained_by_a_call_that_is_refused() -> None:
    known = names()
    before = known["model"].params.copy()
    with pytest.raises(cp.ConfigError):
        eval("fit(model, x, y, lr=0.1)", known)
    assert np.array_equal(known["model"].params, before)


def test_an_error_inside_stays_as_it_is() -> None:
    def rate(t: float) -> float:
        return "0.1" + t

    with pytest.raises(TypeError, match="concatenate"):
        cp.SGD(lr=rate)
    known = names()
    with pytest.raises(TypeError, match="unhashable"):
        cp.fit(known["model"], x, y, callbacks=[Wrong()])


class Wrong(cp.Callback):
    def on_fit_start(self, training: object) -> None:
        {}[[]] = 1


def test_signatures_copies_and_docs_are_those_of_before() -> None:
    assert list(inspect.signature(cp.fit).parameters)[:4] == ["model", "x", "y", "loss"]
    assert str(inspect.signature(cp.SGD)).startswith("(lr: float")
    assert list(inspect.signature(schedules.Step).parameters) == ["lr", "every", "factor"]
    assert cp.fit.__doc__.startswith("Train a network")
    optimizer = pickle.loads(pickle.dumps(cp.SGD(lr=0.1, momentum=0.5)))
    assert repr(optimizer) == "SGD(lr=0.1, momentum=0.5, nesterov=False)"
    assert pickle.loads(pickle.dumps(schedules.Step(0.1, 3))) == schedules.Step(0.1, 3)


def test_the_table_names_no_setting_that_is_one_here() -> None:
    """Such an entry would never be read; a name that is near to nothing here needs one."""
    taken = {
        "fit": cp.fit, "fit_lbfgs": cp.fit_lbfgs, "Exponential": schedules.Exponential, "make_loss": make_loss,
    }  # fmt: skip
    for who, function in taken.items():
        assert not MEANT[who].keys() & inspect.signature(function).parameters.keys()
    assert nearest("weight", ["class_weights"]) == "class_weights"
