"""CS 189's checks of activations and losses: what comes out, what goes back, and the mistakes that are known."""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from clearprop.arrays import Array
from clearprop.courses.assignments.check.case import Case, Check
from clearprop.courses.assignments.expected.cs189 import ACTIVATIONS
from clearprop.kernels.losses import cross_entropy, squared_error

NAMES = {
    "Linear": "linear",
    "Sigmoid": "sigmoid",
    "TanH": "tanh",
    "ReLU": "relu",
    "SoftMax": "softmax",
    "ArcTan": "arctan",
}
OVERFLOW = "Subtract the largest score of each row before the exponential: exp(1000) is infinite."
Suspects = dict[str, Array]


def module(name: str) -> Any:
    """A module of the student's package."""
    return import_module(f"neural_networks.{name}")


def activation_of(name: str) -> Any:
    """The student's activation of this class name."""
    return getattr(module("activations"), name)()


def check_activation_forward(name: str) -> None:
    """Random numbers, among them some beyond ±3; the input is not changed."""
    rng = np.random.RandomState(1)
    for shape in ((7, 5), (1, 4), (4, 1) if name != "SoftMax" else (6, 2)):
        Z = 2 * rng.normal(size=shape)
        case = Case(f"Z {shape}")
        with case.untouched(Z=Z):
            got = activation_of(name).forward(Z)
        expected, _ = ACTIVATIONS[NAMES[name]][0](Z)
        case.expect(f"{name}.forward(Z)", got, expected, _forward_suspects(name, Z))


def _forward_suspects(name: str, Z: Array) -> Suspects:
    if name == "ReLU":
        return {
            "It is |Z|: negative numbers become 0.": np.abs(Z),
            "It is 1 where Z is positive: that is the derivative.": (Z > 0).astype(float),
            "It keeps the negative numbers instead of the positive ones.": np.minimum(Z, 0),
        }
    if name == "Sigmoid":
        return {"The exponent's sign is turned around: it is 1 / (1 + exp(−Z)).": 1 / (1 + np.exp(Z))}
    if name == "SoftMax":
        e = np.exp(Z)
        shifted = np.exp(Z - Z.max(axis=1, keepdims=True))
        return {
            "The sum runs over the batch: each row has to add up to 1, so sum over axis 1.": e
            / e.sum(axis=0),
            "The sum runs over the whole batch: each row has to add up to 1, so sum over axis 1.": e
            / e.sum(),
            "The exponentials are not divided by their row's sum.": shifted,
            "The exponentials are not divided by their row's sum, and not shifted.": e,
        }
    return {}


def check_activation_backward(name: str) -> None:
    """A random gradient from above; neither it nor Z is changed."""
    rng = np.random.RandomState(2)
    for shape in ((7, 5), (1, 4)):
        Z, dY = 2 * rng.normal(size=shape), rng.normal(size=shape)
        case = Case(f"Z {shape}, dY {shape}")
        with case.untouched(Z=Z, dY=dY):
            got = activation_of(name).backward(Z, dY)
        expected = activation_backward(NAMES[name], Z, dY)
        case.expect(f"{name}.backward(Z, dY)", got, expected, _backward_suspects(name, Z, dY))


def activation_backward(name: str, Z: Array, dY: Array) -> Array:
    """The core's gradient."""
    forward, backward = ACTIVATIONS[name]
    return backward(dY, forward(Z)[1])


def _backward_suspects(name: str, Z: Array, dY: Array) -> Suspects:
    suspects: Suspects = {
        "dY is not used: the derivative is multiplied by the gradient that comes from above.": (
            activation_backward(NAMES[name], Z, np.ones_like(dY))
        ),
        "It is dY itself: σ′, the activation's own derivative, is missing.": dY,
    }
    if name == "ReLU":
        suspects |= {
            "The mask is taken from dY: it is Z that decides what comes through.": dY * (dY > 0),
            "The mask is turned around: what comes through is dY where Z is positive.": dY * (Z < 0),
        }
    if name == "Sigmoid":
        suspects |= {"It is Z (1 − Z): the derivative is σ(Z) (1 − σ(Z)).": dY * Z * (1 - Z)}
    return suspects | (_softmax_suspects(Z, dY) if name == "SoftMax" else {})


def _softmax_suspects(Z: Array, dY: Array) -> Suspects:
    y, _ = ACTIVATIONS["softmax"][0](Z)
    weighted = dY * y
    return {
        "Only the Jacobian's diagonal is used: entries beside it, −yᵢ yⱼ, count, too.": weighted * (1 - y),
        "The Jacobian is diag(y) − y yᵀ: its second part is missing.": weighted,
        "The Jacobian is diag(y) − y yᵀ: its second part has the wrong sign.": (
            weighted + y * weighted.sum(axis=1, keepdims=True)
        ),
        "The inner product runs over the batch: it belongs to each row, axis 1.": (
            weighted - y * weighted.sum(axis=0, keepdims=True)
        ),
        "The inner product runs over the whole batch: it belongs to each row, axis 1.": (
            weighted - y * weighted.sum()
        ),
    }


def check_large_scores() -> None:
    """Scores of ±1000: finite, and rows that add up to 1."""
    Z = np.array([[1000.0, 1001.0, 998.0], [-1000.0, -1000.5, -999.0], [0.0, 1000.0, -1000.0]])
    dY = np.random.RandomState(3).normal(size=Z.shape)
    case = Case("Z (3, 3), scores of ±1000")
    y, _ = ACTIVATIONS["softmax"][0](Z)
    expected = activation_backward("softmax", Z, dY)
    case.expect("SoftMax.forward(Z)", activation_of("SoftMax").forward(Z), y, not_finite=OVERFLOW)
    case.expect(
        "SoftMax.backward(Z, dY)", activation_of("SoftMax").backward(Z, dY), expected, not_finite=OVERFLOW
    )


def number(got: Any) -> Any:
    """A loss as one number, be it a float or an array of one entry."""
    array = np.asarray(got) if got is not None else None
    return array.reshape(()) if array is not None and array.size == 1 else got


def check_cross_entropy(backward: bool) -> None:
    """Batches of 5 and of 1, one-hot rows."""
    rng = np.random.RandomState(4)
    for m, k in ((5, 4), (1, 3)):
        Y = np.eye(k)[rng.randint(k, size=m)]
        Y_hat, _ = ACTIVATIONS["softmax"][0](rng.normal(size=(m, k)))
        losses, slope = cross_entropy(Y_hat, Y)
        case = Case(f"Y, Y_hat ({m}, {k})")
        loss = module("losses").CrossEntropy("cross_entropy")
        if backward:
            with case.untouched(Y=Y, Y_hat=Y_hat):
                got = loss.backward(Y, Y_hat)
            case.expect("CrossEntropy.backward(Y, Y_hat)", got, slope / m, {
                "It is (Ŷ − Y)/m, the gradient of softmax and loss together: here it is that of the loss alone.": (
                    (Y_hat - Y) / m
                ),
                "It is Ŷ − Y, the gradient of softmax and loss together: here it is that of the loss alone.": Y_hat - Y,
                "It is divided by m·k: the mean is over the m examples alone.": slope / (m * k),
                "The derivative of ln is 1/Ŷ: it is multiplied by Ŷ instead.": -Y * Y_hat / m,
            }, batch=m)  # fmt: skip
        else:
            with case.untouched(Y=Y, Y_hat=Y_hat):
                value = number(loss.forward(Y, Y_hat))
            right = losses.sum() / m
            case.expect("CrossEntropy.forward(Y, Y_hat)", value, right, {
                "It is divided by m·k: the mean is over the m examples alone.": right / k,
                "The sign is flipped: the logarithm of a probability is negative.": -right,
                "The logarithm is to the base 2: it is the natural one.": right / np.log(2),
                "The logarithm is to the base 10: it is the natural one.": right / np.log(10),
            }, batch=m)  # fmt: skip
            certain = number(loss.forward(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])))
            if certain is not None and not np.all(np.isfinite(certain)):
                Case("Y = [[1, 0]], Y_hat = [[0, 1]]").refuse(
                    f"CrossEntropy.forward(Y, Y_hat) is {certain}: a softmax that is sure of itself gives 0, whose "
                    "logarithm is infinite. Put a small floor under Y_hat before the logarithm."
                )


def check_l2(backward: bool, half: bool) -> None:
    """Batches of 5 and of 1; the edition's factor."""
    rng = np.random.RandomState(5)
    for m, k in ((5, 3), (1, 2)):
        Y, Y_hat = rng.normal(size=(m, k)), rng.normal(size=(m, k))
        losses, slope = squared_error(Y_hat, Y)
        shares = 2 * m if half else m
        case = Case(f"Y, Y_hat ({m}, {k})")
        loss = module("losses").L2("l2")
        loss.half = half
        with case.untouched(Y=Y, Y_hat=Y_hat):
            got = loss.backward(Y, Y_hat) if backward else number(loss.forward(Y, Y_hat))
        right = slope / shares if backward else losses.sum() / shares
        what = "L2.backward(Y, Y_hat)" if backward else "L2.forward(Y, Y_hat)"
        factor = (
            "The factor 1/2 is missing: this edition's loss is Σ (Ŷ − Y)² / (2m)."
            if half
            else "There is a factor 1/2 too many: this edition's loss is Σ (Ŷ − Y)² / m."
        )
        case.expect(what, got, right, {
            factor: 2 * right if half else right / 2,
            "It is divided by m·k: the mean is over the m examples alone.": right / k,
        }, batch=m)  # fmt: skip


def _both(name: str, forward: Callable[[], None], backward: Callable[[], None]) -> tuple[Check, Check]:
    return Check(f"Test{name}.test_forward", forward), Check(f"Test{name}.test_backward", backward)


def activation_checks() -> tuple[Check, ...]:
    """The 12 tests of activations, and one of large scores."""
    found: list[Check] = []
    for name in NAMES:
        found += _both(
            name, partial(check_activation_forward, name), partial(check_activation_backward, name)
        )
        if name == "SoftMax":
            found.append(Check("SoftMax at scores of 1000", check_large_scores))
    return tuple(found)


def loss_checks(half: bool) -> tuple[Check, ...]:
    """The 4 tests of losses."""
    entropy, squares = partial(check_cross_entropy, False), partial(check_l2, False, half)
    return (
        *_both("CrossEntropy", entropy, partial(check_cross_entropy, True)),
        *_both("L2", squares, partial(check_l2, True, half)),
    )
