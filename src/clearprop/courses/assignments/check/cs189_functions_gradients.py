"""CS 189's checks of the gradients: `backward_pass` and the finite differences, and the networks that checks share."""

from collections.abc import Sequence
from importlib import import_module
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from clearprop.arrays import Array
from clearprop.courses import cs189_functions as right
from clearprop.courses.assignments.check.case import Case

Arrays = list[Array]


class Network(NamedTuple):
    """A batch, its labels and a network, large enough in every number for mistakes to show."""

    X: Array  # (n, d)
    y: Array  # (n,)
    Ws: Arrays
    bs: Arrays

    @property
    def about(self) -> str:
        """Its sizes in words."""
        dims = [self.Ws[0].shape[0], *(W.shape[1] for W in self.Ws)]
        return f"X_batch {self.X.shape}, layer_dims {dims}, relu and at the end the sigmoid"

    def activations(self, module: Any) -> list[Any]:
        """A module's own functions, one a layer."""
        return [module.relu_activation] * (len(self.Ws) - 1) + [module.sigmoid_activation]

    def named(self) -> dict[str, Array]:
        """The parameters by name: W1, W2, b1, b2."""
        return {
            f"{letter}{i}": p for letter, ps in (("W", self.Ws), ("b", self.bs)) for i, p in enumerate(ps, 1)
        }


def network(dims: Sequence[int], n: int, seed: int) -> Network:
    """Random numbers of deviation 1, or for wide layers a little less."""
    rng = np.random.default_rng(seed)
    Ws = [rng.normal(scale=2 / np.sqrt(d_prev), size=(d_prev, d)) for d_prev, d in pairwise(dims)]
    bs = [rng.normal(size=(1, d)) for d in dims[1:]]
    return Network(rng.normal(size=(n, dims[0])), rng.integers(2, size=n).astype(float), Ws, bs)


def hw2_of_student() -> Any:
    return import_module("hw2")


def two(case: Case, what: str, result: Any, names: str) -> tuple[Any, Any]:
    """A pair, as almost every function here returns."""
    if not isinstance(result, tuple | list) or len(result) != 2:
        case.refuse(f"{what} returned {type(result).__name__}: expected two things, {names}.")
    return result[0], result[1]


def check_backward_pass() -> None:
    """Gradients of the mean loss, for a derivative dL_dg that is random."""
    hw2, rng = hw2_of_student(), np.random.default_rng(8)
    for dims, n in (((5, 4, 3, 1), 6), ((4, 2, 1), 5), ((3, 3, 1), 4), ((4, 3, 1), 1), ((4, 1), 3)):
        net = network(dims, n, seed=n)
        case = Case(f"{net.about}; dL_dg ({n},) random")
        dL_dg = rng.normal(size=n)
        _, caches = hw2.forward_pass(net.X, net.Ws, net.bs, net.activations(hw2))
        with case.untouched(dL_dg=dL_dg, X_batch=net.X, **net.named()):
            result = hw2.backward_pass(dL_dg, caches)
        got = _named(case, "backward_pass", result, net)
        suspects = _backward_suspects(net, dL_dg)
        for name, (expected, known) in suspects.items():
            case.expect(f"the gradient of {name}", got[name], expected, known, batch=n)


def _named(case: Case, what: str, result: Any, net: Network) -> dict[str, Any]:
    """The gradients by their parameters' names."""
    found = two(case, what, result, "grad_Ws and grad_bs")
    for name, gradients, ps in zip(("grad_Ws", "grad_bs"), found, (net.Ws, net.bs), strict=True):
        if not isinstance(gradients, tuple | list) or len(gradients) != len(ps):
            size = f" of {len(gradients)}" if isinstance(gradients, tuple | list) else ""
            case.refuse(
                f"{name} is a {type(gradients).__name__}{size}: expected a list of {len(ps)}, one a layer."
            )
        shapes, expected = [np.shape(g) for g in gradients], [p.shape for p in ps]
        if shapes != expected and shapes[::-1] == expected:
            case.refuse(f"{name} has shapes {shapes}: the last layer comes first. Reverse the list.")
    return dict(zip(net.named(), [*found[0], *found[1]], strict=True))


def _backward_suspects(net: Network, dL_dg: Array) -> dict[str, tuple[Array, dict[str, Array]]]:
    """For each parameter the right gradient, and what known mistakes would have given."""
    _, caches = right.forward_pass(net.X, net.Ws, net.bs, net.activations(right))
    flat = [cache._replace(slope=np.ones_like(cache.slope)) for cache in caches]
    rows = [_by_example(net, caches, dL_dg, i) for i in range(len(net.bs))]
    variants = {
        "1/n is missing: these are the gradients of the sum.": (len(dL_dg) * dL_dg, caches),
        "1/n is taken twice.": (dL_dg / len(dL_dg), caches),
        "The derivative of the sigmoid, the last layer's, is missing.": (dL_dg, [*caches[:-1], flat[-1]]),
        "The mask of the relu layers is missing: nothing passes where s <= 0.": (
            dL_dg,
            [*flat[:-1], caches[-1]],
        ),
        "The activations' derivatives are missing.": (dL_dg, flat),
        "The sign is flipped.": (-dL_dg, caches),
    }
    known = {sentence: _gradients(net, *variant) for sentence, variant in variants.items()}
    found = {}
    for name, expected in _gradients(net, dL_dg, caches).items():
        if name.startswith("W"):
            suspects = {"It is the transpose: W is (d_prev, d).": expected.T}
        else:
            each = rows[int(name[1:]) - 1]
            suspects = {
                "It is not summed over the batch: sum along axis 0.": each / len(dL_dg),
                "It is not summed over the batch, and 1/n is missing.": each,
                "It has lost its axis: b is (1, d); keepdims=True keeps it.": expected[0],
                "It is averaged over the batch, after 1/n was taken: sum instead.": expected / len(dL_dg),
            }
        suspects |= {sentence: gradients[name] for sentence, gradients in known.items()}
        found[name] = expected, suspects
    return found


def _gradients(net: Network, dL_dg: Array, caches: Sequence[right.LayerCache]) -> dict[str, Array]:
    grad_Ws, grad_bs = right.backward_pass(dL_dg, caches)
    return dict(zip(net.named(), [*grad_Ws, *grad_bs], strict=True))


def _by_example(net: Network, caches: Sequence[right.LayerCache], dL_dg: Array, layer: int) -> Array:
    """Each example's own gradient of a layer's biases (n, d)."""
    rows = []
    for i in range(len(dL_dg)):
        one = [right.LayerCache(c.x[i : i + 1], c.W, c.slope[i : i + 1]) for c in caches]
        rows.append(right.backward_pass(dL_dg[i : i + 1], one)[1][layer][0])
    return np.array(rows)


def check_differences() -> None:
    """Central differences of the mean loss, by default in steps of 1e-5, and the parameters as before."""
    hw2 = hw2_of_student()
    for net in (network((3, 2, 1), 4, 9), Network(*right.load_toy_batch())):
        _check_differences(hw2, net, {"eps": 0.05})  # large steps show how the difference is taken
        _check_differences(hw2, net, {})


def _check_differences(hw2: Any, net: Network, settings: dict[str, float]) -> None:
    case = Case(net.about + "".join(f", {name}={value}" for name, value in settings.items()))
    params = [[p.copy() for p in ps] for ps in (net.Ws, net.bs)]
    result = hw2.my_nn_finite_difference_checker(net.X, net.y, *params, net.activations(hw2), **settings)
    moved = max(
        float(np.abs(p - kept).max())
        for p, kept in zip(params[0] + params[1], [*net.Ws, *net.bs], strict=True)
    )
    if not moved < 1e-9:
        case.refuse(
            f"The parameters are left changed, by up to {moved:.3g}: after each difference put the number back."
        )
    got = _named(case, "my_nn_finite_difference_checker", result, net)
    eps = settings.get("eps", 1e-5)
    exact = right.my_nn_finite_difference_checker(net.X, net.y, net.Ws, net.bs, net.activations(right))
    central = right.my_nn_finite_difference_checker(net.X, net.y, net.Ws, net.bs, net.activations(right), eps)
    for name, fine, wide, above in zip(
        net.named(), exact[0] + exact[1], central[0] + central[1], _forward_differences(net, eps), strict=True
    ):
        case.expect(f"the gradient of {name}", got[name], wide, {
            "It is a one-sided difference, f(a + eps) - f(a) over eps: take both sides.": above,
            "It is a one-sided difference, f(a) - f(a - eps) over eps: take both sides.": 2 * wide - above,
            "It is twice the expected: divide by 2 eps, not by eps.": 2 * wide,
            "eps is not used: another step is taken instead.": fine,
            "The difference is not divided by 2 eps.": 2 * eps * wide,
            "The difference is multiplied by eps instead of divided.": 2 * eps**2 * wide,
            "It is divided by 2 and multiplied by eps: write / (2 * eps).": eps**2 * wide,
        }, batch=len(net.y))  # fmt: skip


def _forward_differences(net: Network, eps: float) -> Arrays:
    """(f(a + eps) - f(a)) / eps for each parameter."""
    activations = net.activations(right)
    Ws, bs = [W.copy() for W in net.Ws], [b.copy() for b in net.bs]

    def loss() -> float:
        return float(right.logistic_loss(right.forward_pass(net.X, Ws, bs, activations)[0], net.y)[0].mean())

    start, found = loss(), []
    for p in Ws + bs:
        gradient = np.empty(p.shape)
        for i in np.ndindex(p.shape):
            kept = p[i]
            p[i] = kept + eps
            gradient[i] = (loss() - start) / eps
            p[i] = kept
        found.append(gradient)
    return found
