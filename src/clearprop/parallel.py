"""Team: replicas of a network that share out a mini-batch, in shards that fit the cache, on threads and on ranks."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import nan
from threading import Barrier, BrokenBarrierError, Semaphore
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np

from clearprop.arrays import Array
from clearprop.batches import Rows
from clearprop.model import Sequential
from clearprop.optimizer import Optimizer
from clearprop.ranks import ALONE, Ranks
from clearprop.work import keep_memory

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

T = TypeVar("T")
Noise = Sequence[Any]
Run = Callable[[Sequential, slice, Noise], tuple[float, float]]  # forward and backward of a shard: two sums


class Team:
    """`workers` threads, each with a replica of the network, over one vector of parameters.

    The mini-batch is cut into shards of at most `shard_size` examples, so that their numbers stay in the cache; each
    worker takes some of them, one after the other, and adds their gradients up. The workers' sums are added in the
    workers' order. So the total is the mini-batch's gradient, whatever the number of workers and shards, and a run
    repeats bit for bit.

    Where a layer looks at the whole mini-batch, as batch norm does, all shards are under way at the same time, each
    on a thread and with a row of gradients of its own, and meet in that layer; `workers` of them run at once.

    On several ranks each has a team for its own part of the mini-batch, and the teams' sums are added up, too.
    """

    def __init__(
        self, model: Sequential, workers: int, shard_size: int | None = None, ranks: Ranks = ALONE
    ) -> None:
        self.model, self.workers, self.shard_size, self.ranks = model, workers, shard_size, ranks
        self.meets = any(part.over_batch for layer in model.layers for part in layer.parts())
        self.replicas = [model]  # which write their gradients into vectors of their own
        self.spans = [slice(a, b) for a, b in cuts(model.params.size, workers)]
        self.pool: ThreadPoolExecutor | None = None
        self.threads = 0  # of the pool
        self.idle, self.own_loss = (
            False,
            nan,
        )  # of several ranks: whether it had no examples; its part of the loss

    def __enter__(self) -> Self:
        keep_memory()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._dismiss()

    def gradient(self, run: Run, n: int, noise: Noise) -> tuple[float, float]:
        """Run all shards of this rank's n examples of a mini-batch; the model's grads and the two sums are all ranks'.

        A rank that has none, n = 0, runs one all the same, to be where the others wait for it, and adds zeros.
        """
        if self.ranks.size == 1:
            return self._gradient(run, n, noise)
        self.idle = n == 0
        own = self._gradient(run, max(n, 1), noise)
        self.own_loss, sums = own[0], np.array(own)
        if self.idle:
            sums[...] = self.model.grads[...] = 0
        self.ranks.total(self.model.grads)
        loss, right = self.ranks.total(sums).tolist()
        return loss, right

    def _gradient(self, run: Run, n: int, noise: Noise) -> tuple[float, float]:
        size = min(self.shard_size or n, -(-n // self.workers))
        count = min(n, -(-n // (size * self.workers)) * self.workers)  # as many for each worker
        shards = [slice(a, b) for a, b in cuts(n, count)]
        if len(shards) == 1 and not (self.meets and self.ranks.size > 1):
            return run(self.model, shards[0], noise)
        parts = [[part_of(drawn, shard) for drawn in noise] for shard in shards]
        sums = self._meeting(run, shards, parts) if self.meets else self._in_turn(run, shards, parts)
        return sum(s[0] for s in sums), sum(s[1] for s in sums)

    def _in_turn(self, run: Run, shards: list[slice], noise: Sequence[Noise]) -> list[tuple[float, float]]:
        """Each worker runs some of the shards, and adds their gradients up."""
        shares = cuts(len(shards), min(self.workers, len(shards)))
        replicas = self._replicas(2 * len(shares))  # the first of a worker's two holds the sum

        def work(i: int) -> list[tuple[float, float]]:
            first, other = replicas[i], replicas[len(shares) + i]
            sums = []
            for s in range(*shares[i]):
                replica = first if s == shares[i][0] else other
                sums.append(run(replica, shards[s], noise[s]))
                if replica is other:
                    np.add(first.grads, other.grads, out=first.grads)
            return sums

        sums = self.each(work, len(shares))
        self._add_up(replicas[1 : len(shares)])
        return [pair for some in sums for pair in some]

    def _meeting(self, run: Run, shards: list[slice], noise: Sequence[Noise]) -> list[tuple[float, float]]:
        """All shards at the same time, so that layers can add up over the whole mini-batch."""
        replicas = self._replicas(len(shards))
        meeting = Meeting(len(shards), self.workers, self.ranks)

        def work(i: int) -> tuple[float, float]:
            for layer in replicas[i].layers:
                for part in layer.parts():
                    if part.over_batch:
                        part.total = lambda sums: meeting.total(i, np.zeros_like(sums) if self.idle else sums)
            try:
                with meeting.running:
                    return run(replicas[i], shards[i], noise[i])
            except BaseException:
                meeting.barrier.abort()  # the others wait for this one no longer
                raise
            finally:
                for layer in replicas[i].layers:
                    for part in layer.parts():
                        part.__dict__.pop("total", None)

        try:
            sums = self.each(work, len(shards))
        except BaseException:
            meeting.barrier.abort()  # a thread could not be started: those that wait for it would wait for ever
            self._dismiss()  # and they have left the replicas before anybody uses these again
            raise
        self._add_up(replicas[1 : len(shards)])
        return sums

    def _add_up(self, others: Sequence[Sequential]) -> None:
        """The replicas' gradients into the model's, each worker a part of the vector."""

        def add(i: int) -> None:
            for other in others:
                self.model.grads[self.spans[i]] += other.grads[self.spans[i]]

        if others:
            self.each(add, len(self.spans))

    def _replicas(self, n: int) -> list[Sequential]:
        while len(self.replicas) < n:
            self.replicas.append(self.model.replica(np.empty_like(self.model.grads)))
        return self.replicas[:n]

    def each(self, work: Callable[[int], T], n: int) -> list[T]:
        """work(0), …, work(n − 1), each on a thread, the first of them on this one."""
        if n == 1:
            return [work(0)]
        others = [self._pool(n - 1).submit(work, i) for i in range(1, n)]
        try:
            results = [work(0)]
        except BrokenBarrierError:
            results = []  # another thread's error is the cause, and comes out below
        errors = [error for other in others if (error := other.exception()) is not None]
        for error in sorted(errors, key=lambda error: isinstance(error, BrokenBarrierError)):
            raise error
        return [*results, *(other.result() for other in others)]

    def _pool(self, n: int) -> "ThreadPoolExecutor":
        if self.pool is None or self.threads < n:
            from concurrent.futures import ThreadPoolExecutor  # brings logging, which is slow to import

            self._dismiss()
            self.pool, self.threads = ThreadPoolExecutor(n, "clearprop", initializer=_quiet), n
        return self.pool

    def _dismiss(self) -> None:
        if self.pool is not None:
            self.pool.shutdown()
            self.pool = None

    def step(self, optimizer: Optimizer) -> None:
        """One optimizer step, each worker on its own part of the flat vectors."""
        if len(self.spans) == 1:
            optimizer.step(self.model.params, self.model.grads)
            return
        optimizer.begin(self.model.params)
        self.each(
            lambda i: optimizer.update(self.model.params, self.model.grads, self.spans[i]), len(self.spans)
        )


class Meeting:
    """Where the shards of a mini-batch meet: each brings an array, and all leave with the sum over all ranks.

    Of the shards that are not waiting for the others, `workers` run at a time.
    """

    def __init__(self, shards: int, workers: int, ranks: Ranks = ALONE) -> None:
        self.ranks = ranks
        self.barrier = Barrier(shards, self._add_up)
        self.running = Semaphore(workers)
        self.brought: list[Array] = [np.empty(0)] * shards
        self.sum = np.empty(0)

    def total(self, i: int, sums: Array) -> Array:
        """The sum of what all shards bring; shard i brings `sums`."""
        self.brought[i] = sums
        self.running.release()
        try:
            self.barrier.wait()
        finally:
            self.running.acquire()
        return self.sum

    def _add_up(self) -> None:
        # in the shards' order, so that a run repeats bit for bit
        self.sum = self.ranks.total(np.add.reduce(self.brought))


def cuts(n: int, parts: int) -> list[tuple[int, int]]:
    """0..n in equal consecutive parts."""
    edges = [n * i // parts for i in range(parts + 1)]
    return list(pairwise(edges))


def part_of(noise: Any, rows: Rows) -> Any:
    """A shard's rows of what a layer has drawn."""
    if isinstance(noise, list):
        return [part_of(inner, rows) for inner in noise]
    return None if noise is None else noise[rows]


def _quiet() -> None:
    np.seterr(all="ignore")  # a thread starts with NumPy's own settings; the loop reports what is not finite
