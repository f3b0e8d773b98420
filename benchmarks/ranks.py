"""A training step on two ranks beside one process, with the same mini-batch of 128 images or 512 rows in all.

Each measurement is a job of its own, `mpiexec -n 2` or one process; every rank has one BLAS thread and one worker.
"""

import subprocess
import sys
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import clearprop as cp
from benchmarks.images import images, our_model
from benchmarks.networks import LR, MOMENTUM, make_problem
from benchmarks.networks import our_model as dense_model
from benchmarks.rows import Row, Run, Scale

ROOT = Path(__file__).parent.parent
WIDE = (784, 1024, 1024, 10)  # 1.9 million parameters
STEPS = 4


def mpiexec() -> str:
    """The launcher beside this Python, which belongs to its mpi4py."""
    import mpi4py  # noqa: F401 - may be missing

    return str(Path(sys.executable).with_name("mpiexec"))


def in_a_job(scale: Scale, ranks: int, network: str) -> Run:
    """The seconds of a step that `python -m benchmarks.ranks NETWORK` prints."""
    launcher = [] if ranks == 1 else [mpiexec(), "-n", str(ranks)]
    command = [*launcher, sys.executable, "-m", "benchmarks.ranks", network, *["--tiny"] * scale.tiny]

    def run() -> float:
        return float(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)

    return run


def problem(network: str, scale: Scale) -> tuple[cp.Sequential, Any, Any]:
    """A network, and one mini-batch."""
    if network == "dense":
        rows = make_problem(WIDE, scale.of(512, 8))
        return dense_model(WIDE), rows.x, rows.y
    return our_model(norm=network == "norm"), *images(scale)


def main() -> None:
    from clearprop.interop.mpi import ranks_here

    ranks, scale = ranks_here(), Scale(threads=1, tiny="--tiny" in sys.argv)
    model, x, y = problem(sys.argv[1], scale)
    optimizer = cp.SGD(lr=LR, momentum=MOMENTUM)

    def train(steps: int) -> float:
        ranks.given(None)  # everybody is here
        start = perf_counter()
        cp.fit(
            model,
            x,
            y,
            optimizer=optimizer,
            batch_size=len(x),
            epochs=steps,
            shuffle=False,
            workers=1,
            comm=ranks.comm,
        )
        return (perf_counter() - start) / steps

    train(1)
    best = min(train(scale.of(STEPS, 1)) for _ in range(scale.of(3, 1)))
    if ranks.rank == 0:
        print(best)


def row(name: str, network: str) -> Row:
    """One of the family."""
    return Row(
        family="ranks",
        name=name,
        ours=partial(in_a_job, ranks=2, network=network),
        rivals={"1 rank": partial(in_a_job, ranks=1, network=network)},
        threaded=False,
        rounds=3,
    )


ROWS = [
    row("CNN step, 2 ranks", "cnn"),
    row("CNN step, batch norm, 2 ranks", "norm"),
    row("step 784-1024-1024-10, 2 ranks", "dense"),
]

if __name__ == "__main__":
    main()
