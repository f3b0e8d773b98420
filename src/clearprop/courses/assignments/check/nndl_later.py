"""C147's later homeworks in the same files, HW4 and HW5: checks without points, for those who ask for them."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from clearprop.arrays import Array
from clearprop.courses.assignments.check.case import Case, Check
from clearprop.courses.assignments.check.nndl_core import (
    EPS,
    batch_norm_gradients,
    expect_differences,
    normalized,
    pair,
    student,
)
from clearprop.courses.assignments.check.nndl_images import IMAGES
from clearprop.kernels.losses import softmax_cross_entropy
from clearprop.kernels.norm import batch_norm_backward, batch_norm_forward
from clearprop.optim import SGD, Adam, Optimizer, RMSProp

MOMENTUM = 0.9


def _batch(seed: int, N: int = 6, D: int = 4) -> tuple[Array, Array, Array]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(N, D)) * 2 + 3, rng.normal(size=D), rng.normal(size=D)


def _batchnorm_forward() -> None:
    x, gamma, beta = _batch(0)
    forward = student("nndl.layers", "batchnorm_forward")
    param: dict[str, Any] = {"mode": "train"}
    case = Case('x (6, 4), mode "train"')
    with case.untouched(x=x, gamma=gamma, beta=beta):
        out, _ = pair(case, "batchnorm_forward", forward(x, gamma, beta, param), ("out", "cache"))
    y, _, mean, var = normalized(x, gamma, beta)
    outside = gamma * (x - mean) / (np.sqrt(var) + EPS) + beta
    unbiased = gamma * (x - mean) / np.sqrt(x.var(axis=0, ddof=1) + EPS) + beta
    suspects = {
        "The variance is divided by N − 1; batch norm takes the biased one, divided by N.": unbiased,
        "eps is added to the deviation; it belongs under the root, to the variance.": outside,
        "gamma and beta are missing.": (x - mean) / np.sqrt(var + EPS),
    }
    case.expect("out", out, y, suspects)
    for name, batch in (("running_mean", mean), ("running_var", var)):
        suspects = {
            "momentum is on the new part; it belongs to the old one.": MOMENTUM * batch,
            "It is the batch's own: keep momentum parts of the old one.": batch,
            "The variance is divided by N − 1; the biased one goes into the running one.": (1 - MOMENTUM)
            * x.var(axis=0, ddof=1),
        }
        case.expect(f'bn_param["{name}"]', param.get(name), (1 - MOMENTUM) * batch, suspects)


def _batchnorm_test_mode() -> None:
    x, gamma, beta = _batch(1)
    mean, var = np.array([1.0, -2.0, 3.0, 0.5]), np.array([0.5, 2.0, 1.0, 4.0])
    param = {"mode": "test", "running_mean": mean.copy(), "running_var": var.copy()}
    case = Case('x (6, 4), mode "test"')
    out, _ = pair(
        case,
        "batchnorm_forward",
        student("nndl.layers", "batchnorm_forward")(x, gamma, beta, param),
        ("out", "cache"),
    )
    wrong = "The batch's own mean and variance are taken; in test mode the running ones are."
    case.expect(
        "out",
        out,
        batch_norm_forward(x, gamma, beta, mean, var, EPS)[0],
        {wrong: normalized(x, gamma, beta)[0]},
    )
    moved = {
        "It was updated; in test mode it stays as it is.": MOMENTUM * mean + (1 - MOMENTUM) * x.mean(axis=0)
    }
    case.expect('bn_param["running_mean"]', param["running_mean"], mean, moved)
    case.expect('bn_param["running_var"]', param["running_var"], var)


def _batchnorm_backward() -> None:
    x, gamma, beta = _batch(2)
    dout = np.random.default_rng(3).normal(size=x.shape)
    case = Case("x and dout (6, 4)")
    _, cache = student("nndl.layers", "batchnorm_forward")(x, gamma, beta, {"mode": "train"})
    with case.untouched(dout=dout):
        got = student("nndl.layers", "batchnorm_backward")(dout, cache)
    dx, dgamma, dbeta = pair(case, "batchnorm_backward", got, ("dx", "dgamma", "dbeta"))
    kept = normalized(x, gamma, beta)[1]
    right_dx, right_dgamma, right_dbeta = batch_norm_gradients(dout, kept)
    fixed = "The batch's mean and variance are taken as constants; both depend on x."
    case.expect("dx", dx, right_dx, {fixed: batch_norm_backward(dout, kept)})
    case.expect("dgamma", dgamma, right_dgamma, batch=len(x))
    case.expect("dbeta", dbeta, right_dbeta, batch=len(x))


def _dropout_forward() -> None:
    p, x = 0.3, np.full((200, 100), 2.0)
    forward = student("nndl.layers", "dropout_forward")
    case = Case("x (200, 100), all 2, p 0.3, the probability of dropping")
    np.random.seed(0)
    with case.untouched(x=x):
        out, _ = pair(case, "dropout_forward", forward(x, {"p": p, "mode": "train"}), ("out", "cache"))
    out = np.asarray(out)
    kept, dropped = np.unique(out[out != 0]), float(np.mean(out == 0))
    if abs(dropped - p) > 0.02:
        hint = " p is the probability of dropping, not of keeping." if abs(dropped - (1 - p)) < 0.02 else ""
        case.refuse(f"out: expected {p:.0%} of the elements to be 0, got {dropped:.0%}.{hint}")
    if len(kept) != 1 or not np.isclose(kept[0], 2 / (1 - p)):
        values = ", ".join(f"{value:.4g}" for value in kept[:3])
        hint = (
            " The kept elements are not scaled: divide them by 1 − p, so that the mean stays (inverted dropout)."
            if np.allclose(kept, 2)
            else ""
        )
        case.refuse(
            f"out: expected the kept elements to be 2 / (1 − p) = {2 / (1 - p):.4g}, got {values}.{hint}"
        )
    tested, _ = pair(case, "dropout_forward", forward(x, {"p": p, "mode": "test"}), ("out", "cache"))
    suspects = {"In test mode nothing is scaled: the training has done it.": x * (1 - p)}
    Case('x (200, 100), all 2, p 0.3, mode "test"').expect("out", tested, x, suspects)
    param = {"p": p, "mode": "train", "seed": 5}
    Case("x (200, 100), twice with the same seed").expect("out", forward(x, param)[0], forward(x, param)[0])


def _dropout_backward() -> None:
    x, dout = np.ones((6, 5)), np.random.default_rng(4).normal(size=(6, 5))
    case = Case("x and dout (6, 5), p 0.4")
    np.random.seed(0)
    out, cache = student("nndl.layers", "dropout_forward")(x, {"p": 0.4, "mode": "train"})
    mask = np.array(out)  # x is 1
    dx = student("nndl.layers", "dropout_backward")(dout, cache)
    suspects = {
        "The mask is missing.": dout,
        "The kept elements' factor 1 / (1 − p) is missing: it is the same mask as in forward.": dout
        * (mask > 0),
    }
    case.expect("dx", dx, dout * mask, suspects)


def _followed(optimizer: Optimizer, w: Array, grads: Array) -> Iterator[Array]:
    w = w.copy()
    for dw in grads:
        optimizer.step(w, dw)
        yield w.copy()


def _rule(name: str, right: Optimizer, wrong: Mapping[str, Optimizer], **config: float) -> None:
    rng = np.random.default_rng(5)
    w, grads = rng.normal(size=6), rng.normal(size=(4, 6))
    case = Case(f"w (6,), four steps, {', '.join(f'{key} {value:g}' for key, value in config.items())}")
    suspects = {sentence: list(_followed(optimizer, w, grads)) for sentence, optimizer in wrong.items()}
    state: Any = dict(config)
    rule, found = student("nndl.optim", name), w
    for step, (dw, expected) in enumerate(zip(grads, _followed(right, w, grads), strict=True), 1):
        with case.untouched(dw=dw):
            found, state = pair(case, name, rule(found.copy(), dw, state), ("next_w", "config"))
        case.expect(
            f"next_w after step {step}", found, expected, {s: ws[step - 1] for s, ws in suspects.items()}
        )


def _momentum() -> None:
    wrong = {
        "The velocity is not kept: write it back to the config.": SGD(0.1),
        "It is Nesterov's momentum.": SGD(0.1, 0.8, nesterov=True),
    }
    _rule("sgd_momentum", SGD(0.1, 0.8), wrong, learning_rate=0.1, momentum=0.8)


def _nesterov() -> None:
    wrong = {"It is plain momentum: the step is v + momentum · (v − v_old).": SGD(0.1, 0.8)}
    _rule("sgd_nesterov_momentum", SGD(0.1, 0.8, nesterov=True), wrong, learning_rate=0.1, momentum=0.8)


def _rmsprop() -> None:
    wrong = {
        "decay_rate and 1 − decay_rate are swapped.": RMSProp(0.1, 1 - 0.95),
        "The running mean is not kept: write it back to the config.": SGD(0.1),
    }
    _rule("rmsprop", RMSProp(0.1, 0.95), wrong, learning_rate=0.1, decay_rate=0.95)


def _adam() -> None:
    wrong = {"beta1 and beta2 are swapped.": Adam(0.1, 0.99, 0.8)}
    _rule("adam", Adam(0.1, 0.8, 0.99), wrong, learning_rate=0.1, beta1=0.8, beta2=0.99)


def _net_with_norm() -> None:
    rng = np.random.default_rng(6)
    X, y = rng.normal(size=(8, 6)) + 1, rng.integers(4, size=8)
    case = Case("FullyConnectedNet([7, 5]) with batch norm, X (8, 6), float64")
    net = student("nndl.fc_net", "FullyConnectedNet")(
        [7, 5], input_dim=6, num_classes=4, use_batchnorm=True, weight_scale=0.5, dtype=np.float64
    )
    _, grads = pair(case, "loss(X, y)", net.loss(X, y), ("the loss", "the gradients"))
    expect_differences(case, net, X, y, grads)
    Z = rng.normal(size=(5, 6))  # other rows: the running numbers have long come to those of X
    h, batch = Z, Z
    for i in (1, 2):
        gamma, beta, param = net.params[f"gamma{i}"], net.params[f"beta{i}"], net.bn_params[i - 1]
        z = h @ net.params[f"W{i}"] + net.params[f"b{i}"]
        z = batch_norm_forward(z, gamma, beta, param["running_mean"], param["running_var"], EPS)[0]
        h = np.maximum(z, 0)
        batch = np.maximum(normalized(batch @ net.params[f"W{i}"] + net.params[f"b{i}"], gamma, beta)[0], 0)
    last = net.params["W3"], net.params["b3"]
    wrong = 'The batch\'s own mean and variance are taken: bn_param["mode"] is not "test" where y is None.'
    case.expect(
        "loss(X), the scores of test mode",
        net.loss(Z),
        h @ last[0] + last[1],
        {wrong: batch @ last[0] + last[1]},
    )


def _net_with_dropout() -> None:
    rng = np.random.default_rng(7)
    X, y = rng.normal(size=(8, 6)) + 1, rng.integers(4, size=8)
    case = Case("FullyConnectedNet([30], dropout=0.4, seed=3), X (8, 6), float64")
    net = student("nndl.fc_net", "FullyConnectedNet")(
        [30], input_dim=6, num_classes=4, dropout=0.4, weight_scale=0.5, dtype=np.float64, seed=3
    )
    _, grads = pair(case, "loss(X, y)", net.loss(X, y), ("the loss", "the gradients"))
    expect_differences(case, net, X, y, grads)
    hidden = np.maximum(X @ net.params["W1"] + net.params["b1"], 0)
    whole = hidden @ net.params["W2"] + net.params["b2"]
    got = net.loss(X)
    if np.shape(got) == whole.shape and not np.allclose(got, whole):
        case.refuse(
            "loss(X), the scores of test mode: units are dropped or scaled there. Without y, and so for every "
            'accuracy, dropout is in mode "test".'
        )
    case.expect("loss(X), the scores of test mode", got, whole)
    loss = float(net.loss(X, y)[0])
    if np.isclose(loss, softmax_cross_entropy(whole, y)[0].mean()):
        case.refuse("loss(X, y): no hidden unit is dropped in training.")
    case.expect("loss(X, y), a second time with the same seed,", net.loss(X, y)[0], loss)


LATER = (
    Check("HW4: batchnorm_forward", _batchnorm_forward, extra=True),
    Check("HW4: batchnorm_forward in test mode", _batchnorm_test_mode, extra=True),
    Check("HW4: batchnorm_backward", _batchnorm_backward, extra=True),
    Check("HW4: dropout_forward", _dropout_forward, extra=True),
    Check("HW4: dropout_backward", _dropout_backward, extra=True),
    Check("HW4: sgd_momentum", _momentum, extra=True),
    Check("HW4: sgd_nesterov_momentum", _nesterov, extra=True),
    Check("HW4: rmsprop", _rmsprop, extra=True),
    Check("HW4: adam", _adam, extra=True),
    Check("HW4: FullyConnectedNet with batch norm", _net_with_norm, extra=True),
    Check("HW4: FullyConnectedNet with dropout", _net_with_dropout, extra=True),
    *IMAGES,
)
