"""Trainings that run in one process and on several ranks alike: `mpiexec -n 2 python tests/mpi_jobs.py JOB FOLDER`.

`launch` starts them from a test; without comm they are the reference.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import clearprop as cp
from clearprop.data import DiskPair, Pair
from clearprop.losses import make_loss
from clearprop.ranks import ALONE, Ranks
from clearprop.runs.run import measure
from clearprop.sources import ArrayRows

MPIEXEC = Path(sys.executable).with_name("mpiexec")  # that of the wheel mpich, to which mpi4py belongs here


def start(n: int, *words: object, **options: Any) -> subprocess.Popen[str]:
    """`mpiexec -n N python WORDS`, or a skipped test where there is no MPI."""
    pytest.importorskip("mpi4py", reason="many machines need mpi4py: pip install 'clearprop[mpi]'")
    if not MPIEXEC.exists():
        pytest.skip("many machines need mpiexec beside Python: pip install 'clearprop[mpi]'")
    return subprocess.Popen(
        [str(MPIEXEC), "-n", str(n), sys.executable, *map(str, words)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        start_new_session=True,
        **options,
    )


def finish(job: subprocess.Popen[str], seconds: float = 60) -> subprocess.CompletedProcess[str]:
    """What the job came to; one that hangs is ended, and fails."""
    try:
        out, err = job.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(job.pid, signal.SIGTERM)  # mpiexec ends its ranks
        out, err = job.communicate()
        pytest.fail(f"the job hung for {seconds} s; it had said:\n{out}{err}")
    return subprocess.CompletedProcess(job.args, job.returncode, out, err)


def launch(n: int, *words: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """A job from its start to its end."""
    return finish(start(n, *words, **options))


class Counted(cp.RowSource):
    """Rows in memory that are read like those on a disk, in small blocks, and counted."""

    def __init__(self, array: np.ndarray) -> None:
        self.array, self.shape, self.dtype, self.read_rows = array, array.shape, array.dtype, 0

    block_rows = 16

    def read(self, start: int, stop: int) -> np.ndarray:
        self.read_rows += stop - start
        return self.array[start:stop]

    def part(self, start: int, stop: int) -> cp.RowSource:
        """The same, so that this one counts them and the blocks are as small."""
        part = Counted(self.array[start:stop])
        whole = self

        class Part(Counted):
            def read(self, first: int, last: int) -> np.ndarray:
                whole.read_rows += last - first
                return self.array[first:last]

        return Part(part.array)


def blobs(n: int, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Three classes of float32 rows that overlap."""
    rng = np.random.default_rng(7)
    y = rng.integers(0, 3, n)
    x = rng.normal(size=(n, *shape)) + y.reshape(-1, *[1] * len(shape)) * np.linspace(-0.7, 0.7, shape[-1])
    return x.astype(np.float32), y


def dense() -> cp.Sequential:
    return cp.Sequential(
        [cp.Dense(24, activation="relu"), cp.Dropout(0.2), cp.Dense(3)], input_shape=(12,), seed=1
    )


def outcome(model: cp.Sequential, history: cp.History) -> dict[str, np.ndarray]:
    return {
        "params": model.params,
        "buffers": model.buffers,
        "loss": np.array(history.steps["loss"]),
        "accuracy": np.array(history.steps["accuracy"]),
        "validation_loss": history["validation_loss"],
        "validation_accuracy": history["validation_accuracy"],
    }


def from_memory(comm: Any = None, **changes: Any) -> dict[str, np.ndarray]:
    """108 steps; each epoch's last mini-batch has 3 rows, fewer than 4 ranks."""
    x, y = blobs(608, (12,))
    model, weights = dense(), np.random.default_rng(3).random(608) + 0.1
    settings = {"epochs": 6, "batch_size": 32, "validation": 0.1, "sample_weights": weights, "seed": 5}
    settings |= {"l2": 1e-3, "clip_norm": 0.7, "optimizer": cp.Adam(lr=0.003), "comm": comm}
    return outcome(model, cp.fit(model, x, y, **settings | changes))


def from_disk(comm: Any = None) -> dict[str, np.ndarray]:
    """140 steps over windows of 32 blocks, of which batches of 30 rows cross the borders, and 4 rows are left."""
    x, y = blobs(1124, (12,))
    source, model = Counted(x), dense()
    history = cp.fit(
        model,
        source,
        y,
        epochs=4,
        batch_size=30,
        validation=100 / 1124,
        sample_weights=np.linspace(0.5, 1.5, 1124),
        optimizer=cp.Adam(lr=0.003),
        comm=comm,
    )
    return outcome(model, history) | {"read": np.array(source.read_rows)}


def convolutions(comm: Any = None, **changes: Any) -> dict[str, np.ndarray]:
    """108 steps in float64; batch norm over images and over rows, and a last mini-batch of 3."""
    x, y = blobs(203, (6, 6, 2))
    layers = [
        cp.Conv2D(4, 3, padding="same"), cp.BatchNorm(), cp.Activation("relu"), cp.MaxPool2D(2), cp.Dropout(0.3),
        cp.Flatten(), cp.Dense(8), cp.BatchNorm(), cp.Activation("relu"), cp.Dense(3),
    ]  # fmt: skip
    model = cp.Sequential(layers, input_shape=(6, 6, 2), seed=2, dtype="float64")
    settings = {"epochs": 12, "batch_size": 25, "validation": blobs(50, (6, 6, 2)), "clip_value": 0.5}
    settings |= {"optimizer": cp.SGD(lr=0.05, momentum=0.9), "sample_weights": np.linspace(0.5, 1.5, 203)}
    return outcome(model, cp.fit(model, x, y, comm=comm, **settings | changes))


def on_threads(comm: Any = None) -> dict[str, np.ndarray]:
    """The same on two threads a rank, in shards that meet in batch norm."""
    work = {} if comm is None else {"workers": 2, "shard_size": 4}
    return convolutions(comm, epochs=3, **work)


def few_to_watch(comm: Any = None) -> dict[str, np.ndarray]:
    """Fewer rows to evaluate than ranks."""
    x, y = blobs(608, (12,))
    return from_memory(comm, epochs=1, validation=(x[:3], y[:3]), evaluate_every=5)


def stopped_early(comm: Any = None) -> dict[str, np.ndarray]:
    """Patience ends on all ranks in the same epoch, and all have the same best parameters."""
    callbacks = [cp.EarlyStopping("validation_loss", patience=1), cp.BestWeights()]
    return from_memory(comm, epochs=60, optimizer=cp.Adam(lr=0.05), callbacks=callbacks)


def as_rank_0(comm: Any = None) -> dict[str, np.ndarray]:
    """The others' own parameters, statistics and generators count for nothing."""
    x, y = blobs(100, (12,))
    layers = [cp.Dense(8), cp.BatchNorm(), cp.Activation("relu"), cp.Dropout(0.3), cp.Dense(3)]
    rank = 0 if comm is None else comm.rank
    model = cp.Sequential(layers, input_shape=(12,), seed=rank)
    model.buffers[...] += rank
    return outcome(model, cp.fit(model, x, y, epochs=3, batch_size=20, validation=0.2, comm=comm))


ALIKE: dict[str, Callable[[Any], dict[str, np.ndarray]]] = {
    job.__name__: job
    for job in (from_memory, from_disk, convolutions, on_threads, few_to_watch, stopped_early, as_rank_0)
}


class At(cp.Callback):
    """Does something on one rank at a step."""

    def __init__(self, step: int, deed: Callable[[Any], None]) -> None:
        self.step, self.deed = step, deed

    def on_step_end(self, training: Any) -> None:
        if training.step == self.step:
            self.deed(training)


def alike(comm: Any, folder: Path) -> None:
    """All of ALIKE, each rank into a file of its own; and what the ranks agree on."""
    found = {f"{name}/{key}": value for name, job in ALIKE.items() for key, value in job(comm).items()}
    x, y = blobs(203, (12,))
    found |= {
        f"evaluate/{k}": v for k, v in cp.evaluate(dense(), x, y, "softmax_cross_entropy", comm).items()
    }
    found |= {f"auc/{name}": value for name, value in two_classes(Ranks(comm)).items()}
    found |= {f"told/{name}": said for name, said in told_apart(comm).items()}
    found["stop"] = stop_on_the_last_rank(comm)
    found["diverged"] = diverge(comm)
    found |= {f"scaled/{key}": value for key, value in with_a_scaled_gradient(comm).items()}
    np.savez(folder / f"{comm.size}-{comm.rank}.npz", **found)


def two_classes(ranks: Ranks = ALONE) -> dict[str, float]:
    """Areas under the curve, of rows in memory and of rows that are read."""
    x, y = blobs(203, (12,))
    model = cp.Sequential([cp.Dense(2)], input_shape=(12,), seed=1)
    parts = {"memory": Pair(x, 1 * (y > 0)), "disk": DiskPair(Counted(x), ArrayRows(1 * (y > 0)))}
    found = measure(model, parts, make_loss("softmax_cross_entropy"), ranks)
    return {name: numbers["auc"] for name, numbers in found.items()}


def stop_on_the_last_rank(comm: Any) -> str:
    """Step and reason."""
    callbacks = [At(7, lambda training: training.stop("enough"))] if comm.rank == comm.size - 1 else []
    x, y = blobs(203, (12,))
    history = cp.fit(dense(), x, y, epochs=9, callbacks=callbacks, comm=comm)
    return f"{len(history.steps['loss'])} {history.stopped}"


def diverge(comm: Any) -> str:
    """The sentence; one row, of one rank, is too large for float32."""
    x, y = blobs(32, (12,))
    x[11] = 3e38
    try:
        cp.fit(dense(), x, y, shuffle=False, comm=comm)
    except cp.DivergedError as error:
        return str(error)
    return ""


def with_a_scaled_gradient(comm: Any) -> dict[str, np.ndarray]:
    """A planted error: rank 1's part of each gradient is one hundredth too large."""
    from clearprop.parallel import Team

    right = Team._gradient

    def wrong(self: Team, *args: Any) -> tuple[float, float]:
        sums = right(self, *args)
        self.model.grads[...] *= 1.01
        return sums

    if comm.rank == 1:
        Team._gradient = wrong
    try:
        return few_to_watch(comm)
    finally:
        Team._gradient = right


def others_rows(comm: Any, folder: Path) -> None:
    """Each rank brings a part of the data."""
    x, y = blobs(200, (12,))
    part = slice(100 * comm.rank, 100 * comm.rank + 100)
    cp.fit(dense(), x[part], y[part], comm=comm)


def told_apart(comm: Any) -> dict[str, str]:
    """What is said where the last rank is told something else; all ranks find it together, and go on here."""
    x, y = blobs(200, (12,))
    other = comm.rank == comm.size - 1
    late, shifted = x.copy(), slice(other, 100 + other)
    late[-3] += other
    tanh = cp.Activation("tanh" if other else "relu")
    layers = cp.Sequential([cp.Dense(24, init="he_normal"), tanh, cp.Dense(3)], input_shape=(12,))
    ghost = cp.Sequential([cp.Dense(8), cp.BatchNorm(shared=False), cp.Dense(3)], input_shape=(12,))
    states: list[Any] = []
    cp.fit(dense(), x, y, callbacks=[At(2, lambda training: states.append(training.state()))])
    calls = {
        "steps": (dense(), x, {"callbacks": [cp.Callback()], "resume": states[0] if other else None}),
        "rows": (dense(), late, {}),
        "watched": (dense(), x, {"validation": (x[shifted], y[shifted])}),
        "rate": (dense(), x, {"optimizer": cp.SGD(lr=0.2 if other else 0.1)}),
        "loss": (dense(), x, {"loss": {"name": "softmax_cross_entropy", "class_weights": [1, 1, 1 + other]}}),
        "weights": (dense(), x, {"sample_weights": np.arange(200)} if other else {}),
        "clip": (dense(), x, {"clip_norm": 1.0 if other else None}),
        "layers": (layers, x, {}),
        "statistics": (ghost, x, {}),
    }
    said = {}
    with Ranks(comm).together():
        for name, (model, rows, settings) in calls.items():
            try:
                cp.fit(model, rows, y, comm=comm, **settings)
            except cp.ConfigError as error:
                said[name] = str(error)
    return said


def one_is_refused(comm: Any, folder: Path) -> None:
    """The last rank's x has a NaN; what rank 0 has begun is tidied up."""
    x, y = blobs(200, (12,))
    if comm.rank:
        x[100] = np.nan
    with Ranks(comm).together():
        try:
            cp.fit(dense(), x, y, comm=comm)
        finally:
            print(f"rank {comm.rank} has tidied up", flush=True)


def one_is_interrupted(comm: Any, folder: Path) -> None:
    """As by Ctrl-C, outside of training's steps."""
    with Ranks(comm).together():
        if comm.rank:
            raise KeyboardInterrupt
        comm.Barrier()


def one_raises(comm: Any, folder: Path) -> None:
    """The last rank, in its fifth step."""

    def fail(training: Any) -> None:
        raise RuntimeError("planted")

    x, y = blobs(200, (12,))
    cp.fit(dense(), x, y, epochs=9, callbacks=[At(5, fail)] if comm.rank else [], comm=comm)


def bad_row(comm: Any, folder: Path) -> None:
    """A NaN in the rows that only rank 1 reads."""
    x, y = blobs(200, (12,))
    x[150] = np.nan
    cp.evaluate(dense(), Counted(x), y, "softmax_cross_entropy", comm)


JOBS = {
    job.__name__: job for job in (alike, others_rows, one_is_refused, one_is_interrupted, one_raises, bad_row)
}

if __name__ == "__main__":
    from mpi4py.MPI import COMM_WORLD

    JOBS[sys.argv[1]](COMM_WORLD, Path(sys.argv[2]))
