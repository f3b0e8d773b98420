"""One epoch of training 784-256-10, the size of MNIST: 60,000 rows, batches of 50 and of 200."""

from collections.abc import Callable

from benchmarks.networks import Problem, make_problem, our_epochs, sklearn_epochs, torch_epochs
from benchmarks.rows import Contender, Row, Run, Scale, timed

SIZES = (784, 256, 10)


def one_epoch(epochs: Callable[[Problem, int, int, int], Callable[[], object]], batch_size: int) -> Contender:
    """A contender from a library's way to train."""

    def prepare(scale: Scale) -> Run:
        problem = make_problem(SIZES, scale.of(60_000, 400))
        return timed(epochs(problem, batch_size, 1, scale.threads))

    return prepare


ROWS = [
    Row(
        family="train",
        name=f"epoch 784-256-10, batch {batch_size}",
        ours=one_epoch(our_epochs, batch_size),
        rivals={
            "PyTorch": one_epoch(torch_epochs, batch_size),
            "scikit-learn": one_epoch(sklearn_epochs, batch_size),
        },
    )
    for batch_size in (50, 200)
]
