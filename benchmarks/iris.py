"""Iris: a network so small that every microsecond around the arithmetic counts. 105 rows, batches of 25."""

from collections.abc import Callable
from math import ceil

from benchmarks.networks import Problem, make_problem, our_epochs, sklearn_epochs, torch_epochs
from benchmarks.rows import Contender, Row, Run, Scale, timed

SIZES, N, BATCH = (4, 25, 3), 105, 25


def one_step(epochs: Callable[[Problem, int, int, int], Callable[[], object]]) -> Contender:
    """The time of a step, over the 5 steps of each of 100 epochs."""

    def prepare(scale: Scale) -> Run:
        n_epochs = scale.of(100, 2)
        work = epochs(make_problem(SIZES, N), BATCH, n_epochs, scale.threads)
        return timed(work, n_epochs * ceil(N / BATCH))

    return prepare


ROWS = [
    Row(
        family="iris",
        name="step 4-25-3, batch 25",
        ours=one_step(our_epochs),
        rivals={"PyTorch": one_step(torch_epochs), "scikit-learn": one_step(sklearn_epochs)},
    )
]
