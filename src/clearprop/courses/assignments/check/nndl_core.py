"""What C147's functions have to give, from clearprop's core, and what the usual mistakes would give instead."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from clearprop.arrays import Array
from clearprop.courses.assignments.check.case import Case, Mismatch
from clearprop.kernels.activations import relu_backward, relu_forward
from clearprop.kernels.affine import affine_backward, affine_forward
from clearprop.kernels.losses import softmax_cross_entropy
from clearprop.kernels.norm import (
    BatchNormCache,
    batch_norm_backward,
    batch_norm_forward,
    batch_norm_moments,
    batch_norm_statistics,
    batch_norm_sums,
)
from clearprop.kernels.penalties import l2_penalty

EPS = 1e-5  # batch norm's
OVERFLOWS = "exp overflows, or log meets 0: subtract each row's largest score from the row before exp."
DIVIDES = "Is relu's mask a division, as Hout / Hin? At 0 it is 0 / 0. Compare instead: Hin > 0."


def student(module: str, name: str) -> Any:
    """A function or class of the student's folder."""
    found = getattr(import_module(module), name, None)
    if found is None:
        raise Mismatch(f"{module.replace('.', '/')}.py has no {name}. Has it another name there?")
    return found


def pair(case: Case, what: str, got: Any, names: Sequence[str]) -> tuple[Any, ...]:
    """What a function returned, if that is as many things as it should be."""
    if not isinstance(got, tuple | list) or len(got) != len(names):
        count = f"{len(got)} things" if isinstance(got, tuple | list) else type(got).__name__
        case.refuse(f"{what}: expected it to return {', '.join(names)}, got {count}.")
    return tuple(got)


def relu_like(rng: np.random.Generator, *shape: int) -> Array:
    """Numbers with a few exact zeros among them, the place where relu's slope is a convention."""
    x = rng.normal(size=shape)
    x.flat[:: max(3, x.size // 5)] = 0
    return x


class Run(NamedTuple):
    """A network's scores and the gradients of its mean loss, without a penalty."""

    scores: Array
    losses: Array  # (N,)
    grads: list[tuple[Array, Array]]  # of each layer: dw, db


Mask = Callable[[Array, Array], Array]
MASKS: dict[str, Mask] = {
    "relu's mask is missing: where a hidden unit is 0, nothing goes back.": lambda dh, z: dh,
    "relu's mask lets the gradient through at exactly 0; the slope there is taken as 0: z > 0.": lambda dh, z: (
        dh * (z >= 0)
    ),
    "relu's mask is that of the gradient, dh > 0; it is that of relu's input, z > 0.": lambda dh, z: (
        dh * (dh > 0)
    ),
}


def network(x: Array, y: Array, layers: Sequence[tuple[Array, Array]], mask: Mask | None = None) -> Run:
    """affine, relu, ..., affine, softmax; w (inputs, outputs). Another mask than relu's shows what it would give."""
    h, caches, zs = x.reshape(len(x), -1), [], []
    for w, b in layers:
        z, cache = affine_forward(h, w, b)
        h = relu_forward(z)[0]
        caches.append(cache)
        zs.append(z)
    losses, dh = softmax_cross_entropy(zs[-1], y)
    dh = dh / len(x)
    grads: list[tuple[Array, Array]] = []
    for i in range(len(layers) - 1, -1, -1):
        dx, dw, db = affine_backward(dh, caches[i])
        grads.insert(0, (dw, db))
        if i and dx is not None:
            dh = relu_backward(dx, relu_forward(zs[i - 1])[0]) if mask is None else mask(dx, zs[i - 1])
    return Run(zs[-1], losses, grads)


def check_loss(
    case: Case, what: str, got: Any, run: Run, weights: Iterable[Array], biases: Iterable[Array], reg: float
) -> None:
    """The mean loss with its penalty."""
    weights, biases = list(weights), list(biases)
    mean, N = float(run.losses.mean()), len(run.losses)
    penalty = sum(l2_penalty(w, reg)[0] for w in weights)
    on_biases = sum(l2_penalty(b, reg)[0] for b in biases)
    norms = sum(0.5 * reg * float(np.linalg.norm(w)) for w in weights)
    suspects = {
        "The mean over the batch, 1/N, is missing.": N * mean + penalty,
        "The mean over the batch, 1/N, is taken twice.": mean / N + penalty,
    }
    if reg:
        suspects |= {
            "The penalty is missing: ½ reg ΣW², over both layers' weights.": mean,
            "The penalty's half is missing: ½ reg ΣW².": mean + 2 * penalty,
            "The penalty is on the biases, too; only weights have one.": mean + penalty + on_biases,
            "The penalty is divided by N, too; only the data's loss is a mean.": mean + penalty / N,
            "The sign of the data's loss is flipped: the loss is −log p.": -mean + penalty,
            "The penalty is the norm, not its square: ½ reg ΣW².": mean + norms,
            "Only the first layer's weights have a penalty.": mean + l2_penalty(weights[0], reg)[0],
            "Only the last layer's weights have a penalty.": mean + l2_penalty(weights[-1], reg)[0],
        }  # fmt: skip
    case.expect(what, got, mean + penalty, suspects, not_finite=OVERFLOWS)


def penalized(
    dw: Array, w: Array, reg: float, others: Mapping[str, Array], N: int
) -> tuple[Array, dict[str, Array]]:
    """A weight's gradient with its penalty, and what mistakes would give; `others` are wrong gradients of the data."""
    right = l2_penalty(w, reg)[1]
    suspects = {
        "The mean over the batch, 1/N, is missing.": N * dw + right,
        "The mean over the batch, 1/N, is taken twice.": dw / N + right,
    }
    suspects |= {sentence: other + right for sentence, other in others.items()}
    if reg:
        suspects |= {
            "The penalty's part is missing from the gradient: add reg · W.": dw,
            "The penalty's part is taken twice: ½ reg ΣW² has the derivative reg · W.": dw + 2 * right,
            "The penalty's part is halved: ½ reg ΣW² has the derivative reg · W.": dw + right / 2,
            "The penalty's part is divided by N, too; only the data's loss is a mean.": dw + right / N,
        }
    return dw + right, suspects


def bias_suspects(db: Array, b: Array, reg: float, others: Mapping[str, Array], N: int) -> dict[str, Array]:
    """What mistakes would give for a bias."""
    return {
        "The mean over the batch, 1/N, is missing.": N * db,
        "The mean over the batch, 1/N, is taken twice.": db / N,
        "The bias has a penalty; only weights have one.": db + reg * b,
        **others,
    }


def check_grads(
    case: Case,
    grads: Any,
    x: Array,
    y: Array,
    layers: Sequence[tuple[Array, Array]],
    reg: float,
    turned: bool = False,
) -> None:
    """The gradients of a network, in a dict with the keys W1, b1, ...; `turned`: its weights are (outputs, inputs)."""
    if not isinstance(grads, Mapping):
        case.refuse(f"loss(X, y): expected a dict of gradients, got {type(grads).__name__}.")
    run = network(x, y, layers)
    masked = {sentence: network(x, y, layers, mask).grads for sentence, mask in MASKS.items()}
    for i in range(len(layers), 0, -1):
        (w, b), (dw, db) = layers[i - 1], run.grads[i - 1]
        last = i == len(layers)  # the last layer's gradients come before any mask
        others = {} if last else {sentence: wrong[i - 1] for sentence, wrong in masked.items()}
        expected, suspects = penalized(dw, w, reg, {s: g[0] for s, g in others.items()}, len(x))
        if turned:
            expected, suspects = expected.T, {s: g.T for s, g in suspects.items()}
        case.expect(f'grads["W{i}"]', grads.get(f"W{i}"), expected, suspects, not_finite=DIVIDES)
        wrong_b = bias_suspects(db, b, reg, {s: g[1] for s, g in others.items()}, len(x))
        case.expect(f'grads["b{i}"]', grads.get(f"b{i}"), db, wrong_b, not_finite=DIVIDES)


def normalized(x: Array, gamma: Array, beta: Array) -> tuple[Array, BatchNormCache, Array, Array]:
    """The core's batch norm of x (..., C): y, its cache, and the batch's mean and variance."""
    _, mean, var = batch_norm_statistics(batch_norm_moments(x)[0])
    y, cache = batch_norm_forward(x, gamma, beta, mean, var, EPS)
    return y, cache, mean, var


def batch_norm_gradients(dout: Array, cache: BatchNormCache) -> tuple[Array, Array, Array]:
    """dx, dgamma and dbeta; n is what stands in x beside the channels."""
    sums = batch_norm_sums(dout, cache)
    return batch_norm_backward(dout, cache, sums, dout.size // dout.shape[-1]), *sums


def expect_differences(case: Case, net: Any, X: Array, y: Array, grads: Any) -> None:
    """Each gradient against central differences of the student's own loss, where the loss is made of checked parts."""
    step = 1e-6
    rough = Case(case.about, rtol=1e-4, atol=1e-6)
    for name, values in net.params.items():
        numeric = np.empty(values.shape)
        for index in np.ndindex(values.shape):
            kept = values[index]
            values[index] = kept + step
            above = net.loss(X, y)[0]
            values[index] = kept - step
            numeric[index] = (above - net.loss(X, y)[0]) / (2 * step)
            values[index] = kept
        rough.expect(f'grads["{name}"], against differences of loss(X, y),', grads.get(name), numeric)
