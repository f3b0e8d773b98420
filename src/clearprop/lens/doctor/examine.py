"""diagnose: all illnesses, in the order in which one leads to the other."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from clearprop.errors import DataError
from clearprop.history import History
from clearprop.lens.doctor import data, general, gradients, labels, learning, start, units
from clearprop.lens.doctor import thresholds as t
from clearprop.lens.doctor.case import Case, Seeing
from clearprop.lens.doctor.finding import Diagnosis, Finding, Look, gathered, most_serious_first
from clearprop.lens.doctor.sample import Sample, take_sample
from clearprop.losses import Loss, make_loss
from clearprop.messages.calls import in_a_sentence
from clearprop.model import Sequential
from clearprop.names import check_count, check_number
from clearprop.optim import make_optimizer
from clearprop.optimizer import Optimizer

# What is looked at, causes before what follows from them.
WITHOUT_TARGETS: dict[str, Callable[[Case], Seeing]] = {
    "NaN in the data": data.not_a_number,
    "labels, outputs, loss": labels.misfit,
    "constant columns": data.constant_columns,
    "scale of the inputs": data.input_scale,
}
LOOKS: dict[str, Callable[[Case], Seeing]] = WITHOUT_TARGETS | {
    "output's range": labels.output_range,
    "classes": labels.classes,
    "scale of the targets": data.target_scale,
    "NaN in a pass": start.born_nan,
    "layers in a row": start.linear_in_a_row,
    "units that are alike": start.same_units,
    "dead ReLUs": units.dead_units,
    "ReLUs always on": units.always_on,
    "saturation": units.saturated,
    "gradients of 0": gradients.no_gradient,
    "gradients through time": gradients.through_time,
    "exploding gradients": gradients.exploding,
    "vanishing gradients": gradients.vanishing,
    "dropout": units.dropout,
    "batch norm's batches": learning.small_batches,
    "batch norm's statistics": general.old_statistics,
    "class imbalance": labels.imbalance,
    "order of the rows": labels.order,
    "scale of the validation": data.validation_scale,
    "rows in both parts": data.rows_in_both,
    "overfitting": general.overfitting,
    "learning rate": learning.learning_rate,
    "size of updates": gradients.updates,
    "what was learned": learning.nothing_learned,
    "loss": start.initial_loss,
    "neighbours' labels": data.unrelated_labels,
    "one batch by heart": learning.one_batch,
}
# A finding, and one whose remedy is its contrary: where both are found, the first was tried with real steps.
CONTRARY = {
    "learning rate too high": "updates too small for the weights",
    "learning rate too low": "updates too large for the weights",
}


@in_a_sentence
def diagnose(
    model: Sequential,
    x: Any,
    y: Any,
    *,
    loss: "str | Mapping[str, Any] | Loss" = "softmax_cross_entropy",
    optimizer: "str | Mapping[str, Any] | Optimizer | None" = None,
    validation: tuple[Any, Any] | None = None,
    history: History | None = None,
    batch_size: int = 32,
    epochs: int | None = None,
    l1: float = 0.0,
    l2: float = 0.0,
    clip_norm: float | None = None,
    clip_value: float | None = None,
    shuffle: bool = True,
    drop_last: bool = False,
    rows: int = t.ROWS,
    seed: int = 0,
) -> Diagnosis:
    """Why a network does not learn, or that nothing is wrong with it.

    Network, optimizer and everything random stay as they are: what is tried is tried on copies. Network and data may
    be untrained or trained; a trained network's findings are judged by what it has learned.

    Parameters
    ----------
    model : Sequential
    x, y : arrays or RowSource
        The training data, as for `fit`. What fit would refuse is a finding, unless x has another shape.
    loss : as for `fit`
    optimizer : as for `fit`, optional
        With it, its learning rate and its updates are judged.
    validation : (x, y), optional
        With it, overfitting and rows that are in both.
    history : History, optional
        What `fit` gave: the network is then a trained one.
    batch_size, epochs, l1, l2, clip_norm, clip_value, shuffle, drop_last
        As in the training that is to follow, or was.
    rows : int
        How many rows are looked at, drawn by `seed`; labels are counted in all that are in memory.
    seed : int

    Returns
    -------
    Diagnosis

    Raises
    ------
    ShapeError, DataError, ConfigError
        If x has not the network's input shape or holds no numbers, or a setting is unknown.

    Examples
    --------
    >>> import clearprop as cp
    >>> x = np.random.default_rng(0).normal(size=(200, 3)); y = (x[:, 0] > 0).astype(int)
    >>> model = cp.Sequential([cp.Dense(8, activation="relu", bias_init={"name": "constant", "value": -50.0}),
    ...                        cp.Dense(2)], input_shape=(3,))
    >>> found = diagnose(model, x, y)
    >>> found.ok, found.findings[0].name, found.findings[0].layer
    (False, 'dead ReLUs', "layer 1, Activation('relu')")
    """
    who, loss = "diagnose", make_loss(loss)
    check_count(who, "batch_size", batch_size)
    rng = np.random.default_rng(check_count(who, "seed", seed, least=0))
    most = check_count(who, "rows", rows, least=2)
    held = None
    if validation is not None:
        if not isinstance(validation, tuple | list) or len(validation) != 2:
            raise DataError(f"{who}: expected validation to be a pair (x, y), got {validation!r}.")
        held = take_sample(model, loss, *validation, most, rng, f"{who}, validation")
    case = Case(
        model, loss, take_sample(model, loss, x, y, most, rng, who),
        optimizer=None if optimizer is None else make_optimizer(optimizer),
        validation=held, history=history, batch_size=batch_size, epochs=epochs, shuffle=shuffle, drop_last=drop_last,
        settings=_settings(l1, l2, clip_norm, clip_value), seed=seed,
    )  # fmt: skip
    return examine(case)


def _settings(l1: float, l2: float, clip_norm: float | None, clip_value: float | None) -> dict[str, float]:
    """Those that are set."""
    for name, value in (("l1", l1), ("l2", l2)):
        check_number("diagnose", name, value, ">= 0", lambda v: v >= 0)
    clips = {"clip_norm": clip_norm, "clip_value": clip_value}
    given = {name: value for name, value in clips.items() if value is not None}
    for name, value in given.items():
        check_number("diagnose", name, value, "> 0", lambda v: v > 0)
    return {name: value for name, value in {"l1": l1, "l2": l2, **given}.items() if value}


def examine(case: Case) -> Diagnosis:
    """All looks at a case."""
    sample = case.sample
    usable = len(sample.x) > 0 and not sample.misfit
    looks, findings = [], list[Finding]()
    for name, illness in (LOOKS if usable else WITHOUT_TARGETS).items():
        if not len(sample.x) and illness is not data.not_a_number:
            continue
        with np.errstate(all="ignore"):
            seen, found = illness(case)
        if seen:
            looks.append(Look(name, seen))
        findings += found
    contrary = {CONTRARY.get(finding.name) for finding in findings}
    findings = [finding for finding in findings if finding.name not in contrary]
    state = f"{case.state} network" if usable else "network"
    return Diagnosis(most_serious_first(gathered(findings)), tuple(looks), _subject(case, state, sample))


def _subject(case: Case, state: str, sample: Sample) -> str:
    article = "an" if state[0] in "aeiou" else "a"
    return f"{article} {state} of {case.model.params.size:,} parameters, on {sample.said}"
