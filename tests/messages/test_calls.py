"""Calls with another library's settings: the sentence names the setting, and what it says to write works."""

import inspect
import pickle
import re

import numpy as np
import pytest

import clearprop as cp
from clearprop import lens, schedules
from clearprop.losses import make_loss
from clearprop.messages.elsewhere import COMPUTED, words
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
        "make_loss": make_loss, "lens": lens, "lr_range_test": lens.lr_range_test, "model": model, "x": x, "y": y,
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
    ("fit(model, x, y, X_val=x, y_val=y)", "fit(model, x, y, validation=(…, …))"),
    # courses
    ("fit(model, x, y, reg=0.1, print_every=10)", "fit(model, x, y, l2=0.1)"),
    ("fit(model, x, y, num_iters=5, batch_size=10)", "fit(model, x, y, epochs=3, batch_size=10)"),
    ("fit(model, x, y, update_rule='adam', learning_rate=0.1)", "optimizer={'name': 'adam', 'lr': 0.1}"),
    ("fit(model, x, y, epoch=2)", "fit(model, x, y, epochs=2)"),
    ("trace(model, x, y, learning_rate=0.1, apply=True)", "optimizer={'name': 'sgd', 'lr': 0.1}"),
    ("diagnose(model, x, y, lr=0.1)", "diagnose(model, x, y, optimizer={'name': 'sgd', 'lr': 0.1})"),
    ("lens.lr_range_test(model, x, y, lows=0.01, steps=5)", "lr_range_test(model, x, y, low=0.01, steps=5)"),
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
    ("SGD(model.params)", "SGD()"),
    ("SGD(model.params, 0.1)", "SGD(0.1)"),
    ("SGD(iter([model.params]), lr=0.1, momentum=0.9)", "SGD(0.1, momentum=0.9)"),
    ("AdamW([model.params, x], lr=0.1, betas=(0.8, 0.9))", "AdamW(0.1, beta1=0.8, beta2=0.9)"),
    ("EarlyStopping(restore_best_weights=True)", "EarlyStopping()"),
    ("EarlyStopping(mode='min', n_iter_no_change=3, tol=0.1)", "EarlyStopping(patience=3, min_delta=0.1)"),
    ("BestWeights('loss', filepath='a', save_best_only=True)", "BestWeights('loss')"),
    ("ReduceOnPlateau(0.1, monitor='val_loss', min_delta=0.01)", "ReduceOnPlateau(0.1, threshold=0.01)"),
]
LAYERS = [
    # PyTorch
    ("Dense(4, 25, bias=False)", "Dense(25)"),
    ("Dense(in_features=4, out_features=25)", "Dense(units=25)"),
    ("Conv2D(3, 16, kernel_size=3, padding=1)", "Conv2D(16, 3, padding=1)"),
    ("Conv2D(3, 16, 3, 2, 1)", "Conv2D(16, 3, stride=2, padding=1)"),
    ("ConvTranspose2D(16, 8, 4, 2, 1)", "ConvTranspose2D(8, 4, stride=2, padding=1)"),
    ("GroupNorm(4, 16)", "GroupNorm(4)"),
    ("LayerNorm(32)", "LayerNorm()"),
    ("LayerNorm((4, 32), eps=1e-6)", "LayerNorm(axes=2, eps=1e-06)"),
    ("BatchNorm(16)", "BatchNorm()"),
    ("BatchNorm(16, momentum=0.1, affine=True)", "BatchNorm(momentum=0.9)"),
    ("LSTM(8, 32)", "LSTM(32)"),
    ("LSTM(8, 32, 1, batch_first=True, bidirectional=True)", "Bidirectional(LSTM(32))"),
    ("GRU(input_size=8, hidden_size=32, dropout=0.3)", "GRU(units=32)"),
    ("Elman(8, 32, nonlinearity='relu')", "Elman(32, activation='relu')"),
    ("Dropout(p=0.5, inplace=True)", "Dropout(rate=0.5)"),
    ("Embedding(1000, 64, padding_idx=0)", "Embedding(1000, 64)"),
    # Keras
    ("Conv2D(16, 3, 2, 'same', activation='relu')", "Conv2D(16, 3, stride=2, padding='same', activation='relu')"),
    ("Conv2D(16, 3, strides=2, use_bias=False, data_format='channels_last')", "Conv2D(16, 3, stride=2)"),
    ("Dense(25, kernel_initializer='he_normal', name='fc1')", "Dense(25, init='he_normal')"),
    ("Dense(25, use_bias=False, kernel_regularizer='l2')", "Dense(25)"),
    ("Elman(32, 'relu')", "Elman(32, activation='relu')"),
    ("LSTM(32, activation='tanh', recurrent_dropout=0.2)", "LSTM(32)"),
    ("GRU(32, reset_after=False)", "GRU(32, reset='before')"),
    ("Sequential(Dense(4), Dense(3), input_shape=(3,))", "Sequential([Dense(4), Dense(3)], input_shape=(3,))"),
    ("Sequential(Dense(4), (3,))", "Sequential([Dense(4)], input_shape=(3,))"),
    ("Sequential([Dense(4)], (3,), name='net')", "Sequential([Dense(4)], (3,))"),
    ("Residual(Dense(3), Activation('relu'))", "Residual([Dense(3), Activation('relu')])"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "words"), FIT + MAKERS + LAYERS)
def test_what_it_says_to_write_works(call: str, words: str) -> None:
    with pytest.raises(cp.ConfigError) as refused:
        eval(call, names())
    written = re.search(r"Write (.*)\.$", str(refused.value))
    assert written is not None, str(refused.value)
    assert words in written[1]
    known = names()
    before = known["model"].params.copy()
    eval(written[1].replace("(…, …)", "(x, y)"), known)
    if call.startswith("fit"):
        assert not np.array_equal(known["model"].params, before)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("fit(model, x, y, validation_data=(x, y))", "'validation_data'. Write fit(model, x, y, validation=(…, …))."),
        ("fit(model, x, y, optimizer=SGD(), lr=0.1)", "lr belongs to the optimizer: make it with lr=0.1."),
        ("fit(model, x, y, verbose=1)", "fit prints nothing: pass callbacks=[Progress()], or read the History"),
        ("fit(model, x, y, patience=3)", "Pass callbacks=[EarlyStopping()] with validation=0.1."),
        ("fit(model, x, y, 10)", "expected model, x, y by position and the rest by name, got 4 by position. Settings"),
        ("fit(model, x)", "fit: expected the setting 'y', got none."),
        ("trace(model, x, y, example=3)", "unknown setting 'example'. Pass that example alone: x[3:4], y[3:4]."),
        ("SGD(lr=0.1, weight_decay=0.01)", "Weight decay is the l2 of fit, or AdamW's weight_decay."),
        ("SGD(lr=0.1, clipnorm=1.0)", "Clipping is fit's clip_norm."),
        ("SGD(params=model.params, lr=0.1)", "fit hands the parameters over: leave them out."),
        ("SGD(model.params)", "SGD: expected lr first, got an array of shape (8,). fit hands the parameters over"),
        ("SGD(lr=model.params)", "finite number > 0 or a schedule, got an array of shape (8,)."),
        ("SGD('0.1')", "SGD: expected lr to be a finite number > 0 or a schedule, got '0.1'."),
        ("fit(model, x, y, epochs=x)", "expected epochs to be a whole number >= 1, got an array of shape (20, 3)."),
        ("fit(model, x, y, loss=[x] * 99)", "expected a name, or a mapping of a name and settings, got a list of 99."),
        ("fit(model, x, y, callbacks=x)", "such as [BestWeights()], got an array of shape (20, 3)."),
        ("fit(model, None, y, num_steps=9)", "fit: unknown setting 'num_steps'. fit counts epochs, not steps."),
        ("fit(model, x, y, lr_decay=0.9)", "A schedule is given to the optimizer as its lr: SGD(Exponential(0.1, d"),
        (
            "Conv2D(3, 16, 3)",
            "Conv2D: expected filters, kernel by position and the rest by name, got 3 by position. The shape tells how "
            "many channels or features come in. Write Conv2D(16, 3), or Conv2D(3, 16, stride=3).",
        ),
        ("LayerNorm(32)", "LayerNorm: expected all settings by name, got 1 by position. The shape tells"),
        ("Flatten(1)", "Flatten: expected all settings by name, got 1 by position. Settings: none."),
        ("LSTM(32, num_layers=2)", "put as many into the list, all but the last with return_sequences=True."),
        ("LSTM(32, dropout=0.3)", "Dropout is a layer of its own"),
        ("LSTM(32, 'tanh')", "LSTM: expected units by position and the rest by name, got 2 by position."),
        ("Dense(3, bias=False)", "Every layer has a bias here, which begins at 0: leave bias out."),
        ("BatchNorm(16, momentum=0.1)", "momentum is what is kept, 1 minus PyTorch's."),
        ("Sequential(Dense(4), Dense(3))", "in a list, got them one by one. Write Sequential([Dense(4), Dense(3)], i"),
        ("Sequential(Dense(4), Dense(3), Dense(4), Dense(3), Dense(2))", "Dense(3), Dense(2)], input_shape=…)."),
        ("Sequential([Dense(4)])", "Sequential: expected the setting 'input_shape', got none."),
        ("EarlyStopping(restore_best_weights=True)", "BestWeights() beside it puts the best epoch's parameters back."),
        ("ReduceOnPlateau(monitor='val_loss')", "It watches the loss, with mode='max' the accuracy"),
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


class Halving(cp.Conv2D):
    def __init__(self, filters: int) -> None:
        super().__init__(filters, 3, 2)


def test_a_subclass_that_calls_wrongly_is_told_its_base_s_call() -> None:
    with pytest.raises(cp.ConfigError, match=r"^Conv2D: .* or Conv2D\(8, 3, stride=2\)\.$"):
        Halving(8)
    with pytest.raises(
        cp.ConfigError,
        match=r"^Halving: expected filters by position, got 2 by position\. Settings: filters\.$",
    ):
        Halving(8, 3)


@pytest.mark.parametrize(("kind", "count"), [
    (cp.Conv1D, 2), (cp.Conv2D, 2), (cp.ConvTranspose2D, 2), (cp.BatchNorm, 0), (cp.LayerNorm, 0), (cp.GroupNorm, 1),
    (cp.LSTM, 1), (cp.GRU, 1), (cp.Elman, 1),
])  # fmt: skip
def test_what_means_something_else_by_position_elsewhere_is_given_by_name(kind: type, count: int) -> None:
    settings = inspect.signature(kind).parameters.values()
    assert sum(setting.kind is not setting.KEYWORD_ONLY for setting in settings) == count


def test_the_two_orders_of_a_convolution_s_settings() -> None:
    with pytest.raises(cp.ConfigError) as refused:
        cp.Conv2D(16, 3, 2)
    torch, keras = re.search(r"Write (.*), or (.*)\.$", str(refused.value)).groups()
    assert repr(eval(torch, names())) == "Conv2D(3, 2)"
    assert repr(eval(keras, names())) == "Conv2D(16, 3, stride=2)"


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
        "fit": cp.fit, "fit_lbfgs": cp.fit_lbfgs, "trace": cp.trace, "diagnose": cp.diagnose,
        "Exponential": schedules.Exponential, "make_loss": make_loss,
    }  # fmt: skip
    for who, function in taken.items():
        meant = words("settings", who).keys() | COMPUTED.get(who, {}).keys()
        assert meant
        assert not meant & inspect.signature(function).parameters.keys()
    assert nearest("weight", ["class_weights"]) == "class_weights"
