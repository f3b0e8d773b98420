"""CS 189's checks of the fully connected, recurrent and flattening layers."""

from typing import Any

import numpy as np

from clearprop.arrays import Array, shape_text
from clearprop.courses.assignments.check.case import Case, Check, Mismatch
from clearprop.courses.assignments.check.cs189_numbers import activation_backward, module
from clearprop.courses.assignments.expected.cs189 import ACTIVATIONS
from clearprop.kernels.affine import affine_backward, affine_forward
from clearprop.kernels.elman import elman_backward, elman_forward

NO_SLOPE = "σ′ is missing: the gradient has to go back through the activation first."
Parameters = dict[str, Array]


def prepared(layer: Any, X: Array, parameters: Parameters) -> Any:
    """What forward gives with these parameters: as the tests do, after a first forward that makes the layer's own."""
    layer.forward(X)
    for name, value in parameters.items():
        layer.parameters[name] = value.copy()
    return layer.forward(X)


def gradient(layer: Any, name: str, expected: Array) -> Any:
    """A parameter's gradient; a bias's may have lost its axis of length 1."""
    got = layer.gradients.get(name)
    if got is None:
        raise Mismatch(f'gradients["{name}"] is missing: backward has to write it.')
    array = np.asarray(got)
    return (
        array.reshape(expected.shape) if array.shape == expected.shape[1:] and expected.shape[0] == 1 else got
    )


def expect_shapes(layer: Any, parameters: dict[str, tuple[int, ...]], case: Case) -> None:
    """The parameters and their gradients exist and have these shapes."""
    for name, shape in parameters.items():
        for where in ("parameters", "gradients"):
            found = getattr(layer, where).get(name)
            if found is None:
                case.refuse(f'{where}["{name}"] is missing: it has shape {shape_text(shape)}.')
            if np.shape(found) != shape:
                turned = " It is transposed." if np.shape(found) == shape[::-1] else ""
                case.refuse(
                    f'{where}["{name}"]: expected shape {shape_text(shape)}, got {shape_text(np.shape(found))}.{turned}'
                )


def check_dense_parameters() -> None:
    """n_in, W and b for several sizes; W is drawn by init_weights, b is zero."""
    for n_in, n_out in ((4, 3), (7, 7), (1, 5), (60, 2)):
        case = Case(f"n_in {n_in}, n_out {n_out}")
        layer = module("layers").FullyConnected(n_out=n_out, activation="relu")
        layer._init_parameters((-1, n_in))
        if layer.n_in != n_in:
            case.refuse(f"n_in: expected {n_in}, got {layer.n_in}. It is X_shape[1].")
        expect_shapes(layer, {"W": (n_in, n_out), "b": (1, n_out)}, case)
        W, bound = layer.parameters["W"], np.sqrt(2) * np.sqrt(6 / (n_in + n_out))
        if np.abs(W).max() > bound or np.ptp(W) == 0:
            case.refuse('parameters["W"] is not drawn by self.init_weights.')
        if np.any(layer.parameters["b"]):
            case.refuse('parameters["b"]: expected zeros to begin with.')


def _dense_cases() -> list[tuple[Case, str, Array, Parameters, Array]]:
    rng = np.random.RandomState(6)
    found = []
    for (m, d, n), activation in (((5, 4, 3), "tanh"), ((6, 2, 7), "arctan"), ((1, 3, 3), "tanh")):
        parameters = {"W": rng.normal(size=(d, n)), "b": rng.normal(size=(1, n))}
        case = Case(f"X ({m}, {d}), W ({d}, {n}), b (1, {n}), {activation}")
        found.append((case, activation, rng.normal(size=(m, d)), parameters, rng.normal(size=(m, n))))
    return found


def check_dense_forward() -> None:
    """The affine map and its activation; X is not changed."""
    for case, activation, X, parameters, _ in _dense_cases():
        layer = module("layers").FullyConnected(n_out=parameters["W"].shape[1], activation=activation)
        with case.untouched(X=X):
            got = prepared(layer, X, parameters)
        W, b = parameters["W"], parameters["b"][0]
        act = ACTIVATIONS[activation][0]
        Z, _ = affine_forward(X, W, b)
        case.expect("FullyConnected.forward(X)", got, act(Z)[0], {
            "The activation is missing.": Z,
            "The bias is missing.": act(Z - b)[0],
            "The bias and the activation are missing.": Z - b,
            "The activation is applied twice.": act(act(Z)[0])[0],
        })  # fmt: skip


def check_dense_backward() -> None:
    """The gradients by X, W and b."""
    for case, activation, X, parameters, dY in _dense_cases():
        layer = module("layers").FullyConnected(n_out=parameters["W"].shape[1], activation=activation)
        prepared(layer, X, parameters)
        with case.untouched(X=X, dLdY=dY):
            got = layer.backward(dY)
        Z, cache = affine_forward(X, parameters["W"], parameters["b"][0])
        dZ = activation_backward(activation, Z, dY)
        at_output = activation_backward(activation, ACTIVATIONS[activation][0](Z)[0], dY)
        mistaken = {NO_SLOPE: dY, "σ′ is taken at the output: the activation's backward wants Z.": at_output}
        known = {sentence: affine_backward(wrong, cache) for sentence, wrong in mistaken.items()}
        right = affine_backward(dZ, cache)
        for i, name in ((1, "W"), (2, "b")):
            expected = np.asarray(right[i]).reshape(parameters[name].shape)
            suspects = {s: np.asarray(wrong[i]).reshape(expected.shape) for s, wrong in known.items()}
            if name == "b":
                suspects["It is each example's own: the sum over the batch, axis 0, is missing."] = dZ
            what = f'gradients["{name}"] after FullyConnected.backward(dLdY)'
            case.expect(what, gradient(layer, name, expected), expected, suspects, batch=len(X))
        suspects = {sentence: np.asarray(wrong[0]) for sentence, wrong in known.items()}
        case.expect("FullyConnected.backward(dLdY)", got, right[0], suspects, batch=len(X))


def check_flatten_forward() -> None:
    """Rows of all numbers of an example."""
    X = np.random.RandomState(7).normal(size=(3, 2, 4, 5))
    Case("X (3, 2, 4, 5)").expect(
        "Flatten.forward(X)", module("layers").Flatten().forward(X), X.reshape(3, 40)
    )


def check_flatten_backward() -> None:
    """The shape that the input had."""
    layer, dY = module("layers").Flatten(), np.random.RandomState(8).normal(size=(3, 40))
    layer.forward(np.zeros((3, 2, 4, 5)))
    Case("dLdY (3, 40)").expect("Flatten.backward(dLdY)", layer.backward(dY), dY.reshape(3, 2, 4, 5))


def _elman_case(m: int, d: int, n: int, t: int) -> tuple[Case, Array, Parameters, Array]:
    rng = np.random.RandomState(9)
    shapes = {"W": (d, n), "U": (n, n), "b": (1, n)}
    parameters = {name: 0.7 * rng.normal(size=shape) for name, shape in shapes.items()}
    case = Case(f"X ({m}, {d}, {t}), W ({d}, {n}), U ({n}, {n}), tanh")
    return case, rng.normal(size=(m, d, t)), parameters, rng.normal(size=(m, n))


def check_elman_parameters() -> None:
    """The parameters' shapes, and the state before the first step."""
    case, X, _, _ = _elman_case(4, 3, 5, 6)
    layer = module("layers").Elman(n_out=5)
    layer._init_parameters(X.shape)
    if layer.n_in != 3:
        case.refuse(f"n_in: expected 3, got {layer.n_in}. It is X_shape[1]; the times come last.")
    expect_shapes(layer, {"W": (3, 5), "U": (5, 5), "b": (1, 5)}, case)
    layer.forward(X)
    case.expect('the first entry of cache["s"]', layer.cache["s"][0], np.zeros((4, 5)))


def _states(X: Array, parameters: Parameters, s0: Array) -> Array:
    """All states after s0, (m, t, n), by the core."""
    W, U, b = parameters["W"], parameters["U"], parameters["b"][0]
    return elman_forward(X.transpose(0, 2, 1), W, U, b, s0)[0]


def check_elman_step() -> None:
    """One step from the state that a sequence has ended in."""
    case, X, parameters, _ = _elman_case(4, 3, 5, 6)
    layer = module("layers").Elman(n_out=5)
    last = _states(X[:, :, :5], parameters, np.zeros((4, 5)))[:, -1]
    prepared(layer, X[:, :, :5], parameters)
    step = np.ascontiguousarray(X[:, :, 5])
    with case.untouched(X=step):
        got = layer.forward_step(step)
    expected = _states(X[:, :, 5:], parameters, last)[:, -1]
    Z = step @ parameters["W"] + last @ parameters["U"] + parameters["b"]
    case.expect("Elman.forward_step(X)", got, expected, {
        "It begins with a state of zeros: cache[\"s\"] ends with the state before.": (
            _states(X[:, :, 5:], parameters, np.zeros((4, 5)))[:, -1]
        ),
        "The activation is missing.": Z,
        "The bias is missing.": np.tanh(Z - parameters["b"]),
    })  # fmt: skip


def check_elman_forward() -> None:
    """The last state of a sequence, the second time, too: each sequence begins with zeros."""
    case, X, parameters, _ = _elman_case(4, 3, 5, 6)
    zeros = np.zeros((4, 5))
    expected = _states(X, parameters, zeros)[:, -1]
    layer = module("layers").Elman(n_out=5)
    with case.untouched(X=X):
        first = prepared(layer, X, parameters)
        second = layer.forward(X)
    alone = {**parameters, "U": np.zeros((5, 5))}
    suspects = {
        "The state before is not used: s U is missing.": _states(X, alone, zeros)[:, -1],
        "The times go backwards: begin with X[:, :, 0].": _states(X[:, :, ::-1], parameters, zeros)[:, -1],
        "It is the first state: go on to the last time.": _states(X, parameters, zeros)[:, 0],
        "It begins where the sequence before has ended: the state has to begin with zeros.": (
            _states(X, parameters, np.asarray(first, dtype=np.float64))[:, -1]
        ),
    }
    case.expect("Elman.forward(X)", second, expected, suspects)
    case.expect("Elman.forward(X)", first, expected, suspects)


_BPTT = {
    NO_SLOPE: "no slope",
    "σ′ is forgotten in the recurrence: what goes to the state before is dZ Uᵀ, with dZ = σ′ ⊙ ds.": "no slope back",
    "σ′ is used at the last time alone: every step's gradient has to go back through the activation.": "slope of last",
    "Only the last time counts: what the states before have done is missing.": "one step",
    "What goes to the state before is dZ Uᵀ: U is not transposed.": "U not turned",
    "Each time's gradient overwrites the one before: the parameters' are summed over the times.": "overwritten",
    "gradients[\"U\"] is made with the state after the step: it is the state before, s of t − 1.": "state after",
}  # fmt: skip


def _wrong_bptt(X: Array, parameters: Parameters, dY: Array, wrong: str) -> dict[str, Array]:
    """Backpropagation through time with a known mistake."""
    W, U = parameters["W"], parameters["U"]
    s = np.concatenate(
        [np.zeros((len(X), 1, len(U))), _states(X, parameters, np.zeros((len(X), len(U))))], axis=1
    )
    T = X.shape[2]
    found = {name: np.zeros_like(value) for name, value in parameters.items()} | {"X": np.zeros_like(X)}
    ds = dY
    for t in reversed(range(T)):
        slope = wrong != "no slope" and (wrong != "slope of last" or t == T - 1)
        dZ = ds * (1 - s[:, t + 1] ** 2) if slope else ds
        step = {
            "W": X[:, :, t].T @ dZ,
            "U": s[:, t + 1 if wrong == "state after" else t].T @ dZ,
            "b": dZ.sum(axis=0, keepdims=True),
        }
        for name, value in step.items():
            found[name] = value if wrong == "overwritten" else found[name] + value
        found["X"][:, :, t] = dZ @ W.T
        ds = (ds if wrong == "no slope back" else dZ) @ (U if wrong == "U not turned" else U.T)
        if wrong == "one step":
            break
    return found


def check_elman_backward() -> None:
    """Backpropagation through time with tanh: a linear activation would hide a missing derivative."""
    case, X, parameters, dY = _elman_case(4, 3, 5, 6)
    layer = module("layers").Elman(n_out=5, activation="tanh")
    prepared(layer, X, parameters)
    with case.untouched(X=X, dLdY=dY):
        got = layer.backward(dY)
    W, U, b = parameters["W"], parameters["U"], parameters["b"][0]
    _, cache = elman_forward(X.transpose(0, 2, 1), W, U, b, np.zeros((4, 5)))
    dx, dw, du, db, _ = elman_backward(dY, cache)
    known = {sentence: _wrong_bptt(X, parameters, dY, wrong) for sentence, wrong in _BPTT.items()}
    for name, expected in {"W": dw, "U": du, "b": db[None]}.items():
        suspects = {sentence: wrong[name] for sentence, wrong in known.items()}
        what = f'gradients["{name}"] after Elman.backward(dLdY)'
        case.expect(what, gradient(layer, name, expected), expected, suspects, batch=len(X))
    _expect_dx(
        case, got, np.asarray(dx).transpose(1, 0, 2), {s: wrong["X"] for s, wrong in known.items()}, len(X)
    )


def _expect_dx(case: Case, got: Any, right: Array, known: Parameters, m: int) -> None:
    """A list of t arrays (m, d), in the order of time: right is (t, m, d), the known mistakes are (m, d, t)."""
    if not isinstance(got, list | tuple | np.ndarray):
        case.refuse(
            f"Elman.backward(dLdY): expected a list of {len(right)} arrays, got {type(got).__name__}."
        )
    array = np.asarray(got, dtype=np.float64) if len({np.shape(each) for each in got}) == 1 else None
    suspects = {sentence: wrong.transpose(2, 0, 1) for sentence, wrong in known.items()}
    suspects["The list begins with the last time: turn it around."] = right[::-1]
    case.expect("Elman.backward(dLdY), a list over the times", array, right, suspects, batch=m)


def dense_checks() -> tuple[Check, ...]:
    """The fully connected layer's tests."""
    return (
        Check("TestFullyConnected.test_init_params", check_dense_parameters),
        Check("TestFullyConnected.test_forward", check_dense_forward),
        Check("TestFullyConnected.test_backward", check_dense_backward),
    )


def flatten_checks() -> tuple[Check, ...]:
    """The flattening layer's tests."""
    return (
        Check("TestFlatten.test_forward", check_flatten_forward),
        Check("TestFlatten.test_backward", check_flatten_backward),
    )


def elman_checks() -> tuple[Check, ...]:
    """The recurrent layer's checks."""
    return (
        Check("Elman parameters", check_elman_parameters),
        Check("Elman.forward_step", check_elman_step),
        Check("Elman.forward", check_elman_forward),
        Check("Elman.backward", check_elman_backward),
    )
