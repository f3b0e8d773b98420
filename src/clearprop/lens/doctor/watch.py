"""Watch: the doctor beside a training run, so cheap that it can always be there."""

from collections.abc import Callable, Iterable
from math import isfinite
from time import perf_counter

import numpy as np

from clearprop.arrays import Array
from clearprop.batches import Examples, take
from clearprop.callbacks import Callback
from clearprop.feed import Feed
from clearprop.lens.doctor import thresholds as t
from clearprop.lens.doctor.finding import Diagnosis, Finding, gathered, most_serious_first
from clearprop.lens.doctor.general import history_findings
from clearprop.lens.doctor.gradients import (
    exploding_findings,
    relative_gradients,
    update_findings,
    vanishing_findings,
)
from clearprop.lens.doctor.probe import look
from clearprop.lens.doctor.reference import constant_loss, perfect_loss
from clearprop.lens.doctor.trials import update_ratios, weights_of
from clearprop.lens.doctor.units import dead_findings, saturated_findings
from clearprop.lens.doctor.write import remark
from clearprop.lens.document.as_text import as_text
from clearprop.lens.words import short
from clearprop.loop import Training
from clearprop.names import check_count


class Watch(Callback):
    """Looks at activations, gradients, updates and the loss while `fit` trains, and says each finding once.

    Parameters
    ----------
    every : int, optional
        Look every so many steps. By default as often as it costs at most 1 % of the training time, so that a run
        of less than a tenth of a second is only judged by its losses.
    say : callable, optional
        What is told about each new finding, a text of some lines; by default it is printed. None: nobody.

    Attributes
    ----------
    findings : list of Finding
        In the order in which they came; the evidence says at which step.
    looks : int
        How often it has looked.

    Examples
    --------
    >>> import clearprop as cp
    >>> x = np.random.default_rng(0).normal(size=(200, 3)); y = (x[:, 0] > 0).astype(int)
    >>> model = cp.Sequential([cp.Dense(8, activation="relu"), cp.Dense(2)], input_shape=(3,))
    >>> model.layers[0].b[...] = -20.0
    >>> watch = Watch(every=5, say=None)
    >>> history = cp.fit(model, x, y, epochs=1, batch_size=20, callbacks=[watch])
    >>> watch.findings[0].name, watch.findings[0].layer
    ('dead ReLUs', "layer 1, Activation('relu')")
    """

    def __init__(self, every: int | None = None, say: Callable[[str], object] | None = print) -> None:
        self.every = None if every is None else check_count("Watch", "every", every)
        self.say = say
        self.findings: list[Finding] = []
        self.looks = 0

    @property
    def diagnosis(self) -> Diagnosis:
        """The findings so far, most serious first."""
        return Diagnosis(
            most_serious_first(self.findings), (), f"a training run, looked at {self.looks} times"
        )

    def on_fit_start(self, training: Training) -> None:
        self._before: dict[str, Array] = {}  # the weights before the next update, if it is to be measured
        self._spent, self._cost = 0.0, t.FIRST_LOOK
        self._known = {(f.name, f.layer) for f in self.findings}
        self._rows = self._y = np.empty(0)
        self._first, self._wake = training.step, 0
        self._began = perf_counter()
        self._next = self._began + self._cost / t.SHARE

    def on_step_end(self, training: Training) -> None:
        if training.step < self._wake:
            return  # of a small network's step even the clock is a per cent
        now = perf_counter()
        due = now >= self._next if self.every is None else training.step % self.every == 0
        measured = bool(self._before)
        if measured:
            self._measure_update(training)
        if due:
            self._look(training)
            self._cost = perf_counter() - now
        if due or measured:  # wait until looking again costs no more than its share of the time
            self._spent += perf_counter() - now
            self._next = self._began + (self._spent + self._cost) / t.SHARE
        self._wake = training.step + (1 if self._before else self._steps_to_wait(training.step, now))

    def _steps_to_wait(self, step: int, now: float) -> int:
        """To the next multiple of `every`; or half way to the time of the next look, at the pace so far."""
        if self.every is not None:
            return self.every - step % self.every
        pace = (now - self._began) / (step - self._first)
        return max(1, int((self._next - now) / pace / 2)) if pace else 1

    def on_fit_end(self, training: Training) -> None:
        if not len(self._rows):
            self._choose_rows(training)
        self._note(self._by_losses(training), training)

    def _look(self, training: Training) -> None:
        """A pass over some training rows, the same at every look, and the loss so far."""
        self.looks += 1
        model, losses = training.model, training.history.steps["loss"]
        if not len(self._rows):
            self._choose_rows(training)
        if not np.isfinite(model.params).all():
            return  # fit says so itself, with the place
        seen = look(model, training.loss, self._rows, self._y, training=len(self._rows) > 1)
        recent = float(np.mean(losses[-t.RECENT :]))
        learned = recent - self._perfect <= t.LEARNED * (self._constant - self._perfect)
        found = dead_findings(seen.seen, len(self._rows), learned) + saturated_findings(seen.seen, learned)
        relative = relative_gradients(seen.params, seen.grads)
        if relative and all(isfinite(value) for value in relative.values()):
            clipped = training.settings.clip_norm is not None
            found += exploding_findings(model, relative, clipped)
            found += vanishing_findings(model, relative, learned)
        self._note([*found, *self._by_losses(training)], training)
        self._before = {name: w.copy() for name, w in weights_of(model).items() if seen.grads[name].any()}

    def _choose_rows(self, training: Training) -> None:
        n = min(t.WATCHED, len(training.x), max(2, training.batch_size))
        chosen = np.random.default_rng(training.settings.seed).choice(len(training.x), n, replace=False)
        self._rows, self._y = (_some(data, np.sort(chosen)) for data in (training.x, training.y))
        shape = training.model.output_shape
        self._constant = constant_loss(training.loss, self._y, shape)
        self._perfect = perfect_loss(training.loss, self._y, shape)

    def _by_losses(self, training: Training) -> list[Finding]:
        """What the losses tell: of the steps, and of the epochs where there is a validation set."""
        found = loss_findings(training.history.steps["loss"])
        if training.epoch > t.EPOCHS and "validation" in training.sets:
            found += history_findings(training.history, self._constant, self._perfect)
        return found

    def _measure_update(self, training: Training) -> None:
        ratios = {name: r for name, r in update_ratios(self._before, training.model).items() if isfinite(r)}
        self._before = {}
        found = update_findings(training.model, ratios, training.optimizer.lr, learned=True)
        self._note(found, training)

    def _note(self, found: Iterable[Finding], training: Training) -> None:
        """Keep and say what is new; notes are no news."""
        new = [f for f in found if f.severity != "note" and (f.name, f.layer) not in self._known]
        self._known |= {(finding.name, finding.layer) for finding in new}
        for finding in gathered(new):
            self.findings.append(_at_step(finding, training.step))
            if self.say is not None:
                self.say(as_text(remark(self.findings[-1])))


def _at_step(finding: Finding, step: int) -> Finding:
    return Finding(
        finding.severity, finding.name, f"At step {step}: {finding.evidence}", finding.verdict, finding.remedy,
        finding.layer,
    )  # fmt: skip


def _some(data: Examples, rows: Array) -> Array:
    """These rows; of what is not in memory as many from the beginning, read beside the training's own window."""
    if isinstance(data, Feed):
        first = slice(0, len(rows))
        return take(data[first], first)
    return take(data, rows)


def loss_findings(losses: list[float]) -> list[Finding]:
    """A loss that rises, or does not move, over the steps so far."""
    n = len(losses)
    if n < 2 * t.RECENT:
        return []
    first, last = (np.array(part) for part in (losses[: t.RECENT], losses[-t.RECENT :]))
    begun, now = float(first.mean()), float(last.mean())
    noise = float(np.hypot(first.std(), last.std())) / np.sqrt(t.RECENT)
    said = f"the mean loss of the last {t.RECENT} steps is {short(now)}, that of the first {short(begun)}."
    if now > t.RISE * begun and now - begun > 3 * noise:
        return [
            Finding(
                "serious", "the loss rises", said, "The steps lead away from a solution.",
                "Lower the learning rate; if that does not help, check the gradients: cp.check_gradients.",
            )
        ]  # fmt: skip
    if n >= t.MANY_STEPS and begun - now <= t.STILL * abs(begun):
        return [
            Finding(
                "warning", "the loss does not move", f"after {n} steps {said}",
                "The network has not learned anything yet.",
                "Ask cp.diagnose why: the learning rate, dead units, or labels that x does not tell.",
            )
        ]  # fmt: skip
    return []
