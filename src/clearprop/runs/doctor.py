"""The doctor for runs and configurations: their network, data and history, put together and diagnosed."""

from dataclasses import replace
from typing import Any

from clearprop.history import History
from clearprop.lens.doctor import Diagnosis, Finding, diagnose
from clearprop.lens.doctor.finding import most_serious_first
from clearprop.model import Sequential
from clearprop.runs.checkpoint import latest, load_state
from clearprop.runs.config import RunConfig
from clearprop.runs.folder import RunFolder
from clearprop.runs.log import read_log
from clearprop.runs.prepare import Prepared, prepare
from clearprop.runs.run import build


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


def diagnose_run(run: RunFolder) -> Diagnosis:
    """A run with its weights and its history; one that diverged as it began.

    A run that is not finished is looked at with its newest checkpoint.

    Raises
    ------
    ClearpropError
        If a file of the run is missing or damaged, or its data have changed.
    """
    config = run.read_config()
    prepared = prepare(config.data, config.seed)
    run.check_data(prepared.preprocessing)
    summary = run.read_summary() if run.summary.is_file() else {}
    if summary.get("status") == "diverged":
        found = _diagnose(config, prepared, build(config, prepared), None)
        findings = most_serious_first([_diverged(str(summary.get("reason", ""))), *found.findings])
        found = replace(found, findings=findings, subject=f"as it began: {found.subject}")
    else:
        model, history = _as_it_stands(run, config, prepared)
        found = _diagnose(config, prepared, model, history)
    return replace(found, subject=f"{run.path}, {found.subject}")


def _as_it_stands(run: RunFolder, config: RunConfig, prepared: Prepared) -> tuple[Sequential, History | None]:
    """The network of a finished run, or that of its newest checkpoint, and the history so far."""
    newest = None if run.weights.is_file() else latest(run.checkpoints)
    if run.weights.is_file():
        model = run.load_model()
    else:
        model = build(config, prepared)
        if newest is None:
            return model, None
        state = load_state(newest)
        model.params, model.buffers[...] = state["params"], state["buffers"]
    return model, read_log(run.metrics, config.make_loss().metric)


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
        clip_norm=training.clip_norm,
        clip_value=training.clip_value,
        seed=config.seed,
    )


def _diverged(reason: str) -> Finding:
    return Finding(
        "serious", "NaN or infinity in training", "At " + reason.partition(". Lower the")[0].rstrip(".") + ".",
        "The run ended there, with parameters that are of no use.",
        "See the findings below on the network as it began; a lower learning rate or clip_norm helps most often.",
    )  # fmt: skip
