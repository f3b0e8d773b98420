"""Team: replicas of a network, each on a thread of its own, that share out a mini-batch."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

import numpy as np

from clearprop.arrays import Array
from clearprop.batches import Rows
from clearprop.blas import threads_now
from clearprop.model import Sequential
from clearprop.optimizer import Optimizer

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

T = TypeVar("T")
Noise = Sequence[Array | None]
WORTH_THREADS = (
    20e6  # multiply-adds of a step's products, below which waking a thread costs more than it saves
)


class Team:
    """`workers` replicas over one vector of parameters; each writes its gradients into a row of its own.

    The mini-batch is cut into one shard a worker, and the rows are added in the workers' order. So the sum is the
    mini-batch's gradient, whatever the number of workers, and a run repeats bit for bit.
    """

    def __init__(self, model: Sequential, workers: int) -> None:
        self.model = model
        self.rows = [model.grads] + [np.empty_like(model.grads) for _ in range(workers - 1)]
        self.replicas = [model] + [model.replica(row) for row in self.rows[1:]]
        self.spans = [slice(a, b) for a, b in _cuts(model.params.size, workers)]
        self.pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> Self:
        if len(self.rows) > 1:
            from concurrent.futures import ThreadPoolExecutor  # brings logging, which is slow to import

            self.pool = ThreadPoolExecutor(len(self.rows) - 1, "clearprop", initializer=_quiet)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.pool is not None:
            self.pool.shutdown()
            self.pool = None

    def each(self, work: Callable[[int], T], workers: int) -> list[T]:
        """work(i) for each of the first `workers`, at the same time, the first of them on this thread."""
        if self.pool is None or workers == 1:
            return [work(i) for i in range(workers)]
        others = [self.pool.submit(work, i) for i in range(1, workers)]
        first = work(0)
        return [first, *(other.result() for other in others)]

    def gradient(
        self,
        shard: Callable[[Sequential, Rows, Noise], tuple[float, float]],
        rows: Rows,
        n: int,
        noise: Noise,
    ) -> tuple[float, float]:
        """Run `shard` on every replica's part of the n rows; the model's grads and the two sums are the totals."""
        if len(self.rows) == 1:
            return shard(self.model, rows, noise)
        cuts = _cuts(n, min(len(self.rows), n))

        def part(i: int) -> tuple[float, float]:
            a, b = cuts[i]
            return shard(self.replicas[i], _part(rows, a, b), [m if m is None else m[a:b] for m in noise])

        def add(i: int) -> None:
            for row in self.rows[1 : len(cuts)]:
                self.model.grads[self.spans[i]] += row[self.spans[i]]

        sums = self.each(part, len(cuts))
        self.each(add, len(self.spans))
        return sum(s[0] for s in sums), sum(s[1] for s in sums)

    def step(self, optimizer: Optimizer) -> None:
        """One optimizer step, each worker on its own part of the flat vectors."""
        if len(self.spans) == 1:
            optimizer.step(self.model.params, self.model.grads)
            return
        optimizer.begin(self.model.params)
        self.each(
            lambda i: optimizer.update(self.model.params, self.model.grads, self.spans[i]), len(self.spans)
        )


def choose_threads(model: Sequential, batch_size: int) -> tuple[int, int]:
    """Workers, and the threads of each one's matrix products, by the work in a step.

    A dense network's time goes into a few large products, which BLAS cuts up better than shards of the batch do.
    """
    layers = zip(model.layers, model.shapes[:-1], strict=True)
    work = 3 * batch_size * sum(layer.multiply_adds(shape) for layer, shape in layers)
    return 1, threads_now() if work >= WORTH_THREADS else 1


def _cuts(n: int, parts: int) -> list[tuple[int, int]]:
    """0..n in equal consecutive parts."""
    edges = [n * i // parts for i in range(parts + 1)]
    return list(pairwise(edges))


def _part(rows: Rows, a: int, b: int) -> Rows:
    return slice(rows.start + a, rows.start + b) if isinstance(rows, slice) else rows[a:b]


def _quiet() -> None:
    np.seterr(all="ignore")  # a thread starts with NumPy's own settings; the loop reports what is not finite
