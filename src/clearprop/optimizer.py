"""What all optimizers share: chunks, the learning rate, the state. Their equations are in optim.py."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Protocol, final, runtime_checkable
from weakref import ReferenceType, ref

import numpy as np

from clearprop.arrays import Array, check_shape, shape_text
from clearprop.errors import ConfigError, ShapeError
from clearprop.messages.calls import in_a_sentence
from clearprop.messages.missing import Told
from clearprop.names import check_number

Schedule = Callable[[float], float]  # t in epochs, fractional within an epoch -> lr

# Elements that are updated at a time: params, grads, two slots and the scratch of one chunk stay in a
# core's second-level cache. Measured with 203,530 float32 parameters, Adam: 221 µs with 16k, 193 µs with
# 32k, 181 µs with 64k, 178 µs with 128k; smaller chunks lose to the cost of the calls.
CHUNK = 65_536

_local = threading.local()


def scratch_like(p: Array) -> Array:
    """An array for intermediate results, of p's size and dtype, p no longer than CHUNK; one per thread."""
    buffer: Array | None = getattr(_local, p.dtype.char, None)
    if buffer is None:
        buffer = np.empty(CHUNK, dtype=p.dtype)
        setattr(_local, p.dtype.char, buffer)
    return buffer[: p.size]


@runtime_checkable
class Stateful(Protocol):
    """What has a state to be kept in a checkpoint: here, a schedule that observes the training."""

    def state(self) -> dict[str, Array]: ...
    def restore(self, state: Mapping[str, Array]) -> None: ...


class Optimizer(Told, ABC):
    """The base of all optimizers: chunks, learning rate, state; a subclass adds its `rule`.

    Parameters
    ----------
    lr : float or callable
        The learning rate, or a schedule t -> lr with t in epochs.

    Attributes
    ----------
    lr : float
        The current learning rate; `advance` sets it where there is a schedule.
    steps : int
        The steps taken so far.
    slots : dict of str to array of shape (n_params,)
        What is remembered from step to step, beside the parameters; made at the first step.
    """

    name: ClassVar[str]
    slot_names: tuple[str, ...] = ()
    setting_names: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        cls.__init__ = in_a_sentence(cls.__init__)  # type: ignore[method-assign]

    def __init__(self, lr: float | Schedule) -> None:
        self.schedule: Schedule | None = None
        if callable(lr):
            self.schedule = lr
            self.lr = float(lr(0.0))
        else:
            self.lr = self._number("lr", lr, "to be a finite number > 0 or a schedule", lambda v: v > 0)
        self._given_lr = self.lr
        self.steps = 0
        self.slots: dict[str, Array] = {}
        self._params: ReferenceType[Array] | None = None  # whose steps the slots remember

    @final
    def step(self, params: Array, grads: Array) -> None:
        """Take one step: params, array of shape (n_params,), changes in place; grads is only read."""
        if grads.shape != params.shape:
            check_shape(type(self).__name__, "grads", grads.shape, params.shape, "One gradient a parameter.")
        self.begin(params)
        self.update(params, grads, slice(0, params.size))

    @final
    def begin(self, params: Array) -> None:
        """Begin a step: count it, and at the first one make the slots. `update` does the rest."""
        if self._params is None or self._params() is not params:
            self._meet(params)
        self.steps += 1

    def _meet(self, params: Array) -> None:
        """Make slots for these parameters; refuse them if the slots are others'."""
        if params.ndim != 1 or params.dtype.kind != "f":
            raise ShapeError(
                f"{type(self).__name__}: expected params to be a flat vector of floats, got shape "
                f"{shape_text(params.shape)}, {params.dtype}. Pass model.params."
            )
        if not self.slots:
            self.slots, self._params = {name: np.zeros_like(params) for name in self.slot_names}, None
        for slot in self.slots.values():
            if slot.shape != params.shape or slot.dtype != params.dtype:
                raise ShapeError(
                    f"{type(self).__name__}: expected the {slot.size} {slot.dtype} parameters of the steps "
                    f"before, got {params.size} {params.dtype}. Make a new optimizer for another model."
                )
        if self._params is not None:
            raise ConfigError(
                f"{type(self).__name__}: expected the parameters of the {self.steps} steps before, got those of "
                "another model. Make a new optimizer for it."
            )
        self._params = ref(params)

    @final
    def update(self, params: Array, grads: Array, span: slice) -> None:
        """Carry out the begun step on params[span]; threads may call it at once, each with its own span."""
        start, stop = span.start, span.stop
        while start < stop:
            end = min(start + CHUNK, stop)
            chunk = slice(start, end)
            self.rule(params[chunk], grads[chunk], chunk)
            start = end

    @abstractmethod
    def rule(self, p: Array, g: Array, chunk: slice) -> None:
        """The optimizer's equation on one chunk.

        p, g : the chunk's parameters, changed in place, and gradients, only read, at most CHUNK elements
        chunk : where the chunk lies in the flat vectors, for the slots
        """

    def advance(self, t: float) -> None:
        """Set lr for the moment t, in epochs, from the schedule if there is one."""
        if self.schedule is not None:
            self.lr = self._number(
                "the schedule's lr", self.schedule(t), "to be a finite number >= 0", lambda v: v >= 0
            )

    def settings(self) -> dict[str, Any]:
        """Name and settings as plain values, for configurations, reports and `make_optimizer`."""
        lr: Any = self._given_lr
        if self.schedule is not None:
            describe = getattr(self.schedule, "settings", None)
            lr = describe() if callable(describe) else repr(self.schedule)
        return {"name": self.name, "lr": lr, **{name: getattr(self, name) for name in self.setting_names}}

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value!r}" for name, value in self.settings().items() if name != "name")
        return f"{type(self).__name__}({settings})"

    @final
    def state(self) -> dict[str, Array]:
        """Copies of all that the next step depends on: steps, lr, slots, and the schedule's own state."""
        state = {"steps": np.array(self.steps), "lr": np.array(self.lr)}
        state.update({name: slot.copy() for name, slot in self.slots.items()})
        if observer := self._observer():
            state.update({f"schedule.{name}": value for name, value in observer.state().items()})
        return state

    @final
    def restore(self, state: Mapping[str, Array]) -> None:
        """Go back to a `state()`: the steps that follow are the same, bit for bit."""
        scheduled = {k.removeprefix("schedule."): v for k, v in state.items() if k.startswith("schedule.")}
        names = {"steps", "lr", *(self.slot_names if int(state.get("steps", 0)) else ())}
        found = {name for name in state if not name.startswith("schedule.")}
        observer = self._observer()
        if found != names or (observer is not None) != bool(scheduled):
            expected = sorted(names | ({"schedule.…"} if observer else set()))
            raise ConfigError(
                f"{type(self).__name__}: expected a state with {', '.join(expected)}, got "
                f"{', '.join(sorted(state)) or 'an empty one'}. Make the optimizer with the settings it had."
            )
        if observer:
            observer.restore(scheduled)
        self.steps = int(state["steps"])
        self.lr = float(state["lr"])
        self.slots = {name: np.array(state[name]) for name in self.slot_names if self.steps}
        self._params = None

    def _observer(self) -> Stateful | None:
        schedule: object = self.schedule
        return schedule if isinstance(schedule, Stateful) else None

    def __getstate__(self) -> dict[str, Any]:
        # a copy, or what is pickled, may go on with a copy of the model
        return self.__dict__ | {"_params": None}

    def _number(self, what: str, value: object, expected: str, holds: Callable[[float], bool]) -> float:
        return check_number(type(self).__name__, what, value, expected, holds)

    def _share(self, what: str, value: object) -> float:
        """A factor that forgets: 0 keeps nothing of the past, 1 would keep it for ever."""
        return self._number(what, value, "in [0, 1)", lambda v: 0 <= v < 1)

    def _eps(self, value: object) -> float:
        return self._number("eps", value, "to be a finite number > 0", lambda v: v > 0)
