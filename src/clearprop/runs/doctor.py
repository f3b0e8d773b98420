"""The doctor for runs and configurations: their network, data and history, put together and diagnosed."""

from dataclasses import replace
from typing import Any, TypeVar

from clearprop.errors import DataError
from clearprop.history import History
from clearprop.lens.doctor import Diagnosis, Finding, diagnose
from clearprop.lens.doctor.finding import most_serious_first
from clearprop.model import Sequential
from clearprop.runs.config import RunConfig
from clearprop.runs.prepare import Prepared, prepare
from clearprop.runs.record import Record
from clearprop.runs.run import build

T = TypeVar("T")


def diagnose_config(config: RunConfig, name: str) -> Diagnosis:
    """The network of a configuration before its training.

    Raises
    ------
    ClearpropError
        If the data cannot be read or do not go into the network.
    """
    prepared = prepare(config.data, config.seed)
    found = _diagnose(config, prepared, build(config, prepared), None)
    return replace(found, subject=f"{name}, before training: {found.subject}")


def diagnose_run(record: Record) -> Diagnosis:
    """A run with its weights and its history; one that diverged as it began.

    A run that is not finished is looked at with its newest checkpoint.

    Raises
    ------
    ClearpropError
        If a file of the run is missing or damaged, or its data have changed.
    """
    config, prepared = record.config, _there(record.data)
    if record.status == "diverged":
        found = _diagnose(config, prepared, build(config, prepared), None)
        findings = most_serious_first([_diverged(str(record.summary.get("reason", ""))), *found.findings])
        found = replace(found, findings=findings, subject=f"as it began: {found.subject}")
    else:
        network = _there(record.network)
        found = _diagnose(config, prepared, network.model, record.history if network.trained else None)
    return replace(found, subject=f"{record.folder.path}, {found.subject}")


def _there(read: T | str) -> T:
    """What a record has read; its sentence, where it could not."""
    if isinstance(read, str):
        raise DataError(read)
    return read


def _diagnose(config: RunConfig, prepared: Prepared, model: Sequential, history: History | None) -> Diagnosis:
    training = config.training
    validation: Any = prepared.parts.get("validation")
    return diagnose(
        model,
        *prepared.parts["train"],
        loss=config.make_loss(),
        optimizer=config.make_optimizer(),
        validation=validation,
        history=history,
        batch_size=training.batch_size,
        epochs=training.epochs,
        l1=training.l1,
        l2=training.l2,
        clip_norm=training.clip_norm,
        clip_value=training.clip_value,
        shuffle=training.shuffle,
        drop_last=training.drop_last,
        seed=config.seed,
    )


def _diverged(reason: str) -> Finding:
    return Finding(
        "serious", "NaN or infinity in training", "At " + reason.partition(". Lower the")[0].rstrip(".") + ".",
        "The run ended there, with parameters that are of no use.",
        "See the findings below on the network as it began; a lower learning rate or clip_norm helps most often.",
    )  # fmt: skip
