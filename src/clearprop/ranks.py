"""Ranks: processes, on one machine or on many, that share out every mini-batch over MPI."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from re import sub
from time import sleep
from traceback import print_exc
from typing import Any
from zlib import crc32

import numpy as np

from clearprop.arrays import Array
from clearprop.batches import Examples, Rows, take
from clearprop.blas import cores, threads_each, threads_now
from clearprop.errors import ClearpropError, ConfigError, DivergedError
from clearprop.feed import Picked, Spans

FEW_BLOCKS = 4  # a rank: of fewer, shares would be too uneven
LOOKED_AT = 50  # rows at each end, by which data that differ are noticed
PATIENCE = 10.0  # seconds for another rank to say what it has found, and to end the job

_together: ContextVar[bool] = ContextVar("together", default=False)


class AnotherRankFailed(BaseException):
    """What ends a rank where another one has found something; that one says what."""


class Ranks:
    """The processes of an MPI communicator, each with the whole network and a part of every mini-batch.

    What the ranks compute is added up by Allreduce, so that from then on all of them have the same numbers: those that
    one process has for the whole mini-batch, up to rounding. All ranks make the same calls in the same order; one that
    waits for another that has gone its own way waits for ever.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm, optional
        Without one this process is alone, and nothing is sent.

    Attributes
    ----------
    rank, size : int
        This process's number, and how many there are.
    threads : int
        How many this rank may use, where there are several and they are `together`.
    """

    def __init__(self, comm: Any = None) -> None:
        known = comm and all(hasattr(comm, name) for name in ("Allreduce", "allgather", "bcast"))
        if comm is not None and not known:  # MPI's null communicator counts as False
            raise ConfigError(
                f"fit: expected comm to be a communicator, such as mpi4py.MPI.COMM_WORLD, got {comm!r}."
            )
        self.comm: Any = comm
        self.rank: int = 0 if comm is None else comm.Get_rank()
        self.size: int = 1 if comm is None else comm.Get_size()
        self.threads = 0

    def _threads(self) -> int:
        """This rank's threads: the machine's ranks that may use the same cores share them."""
        from mpi4py.MPI import COMM_TYPE_SHARED

        here = self.comm.Split_type(COMM_TYPE_SHARED)
        own = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else cores()
        sharing = here.allgather(own).count(own)
        here.Free()
        return int(max(min(threads_now(), cores() // sharing), 1))

    def total(self, sums: Array) -> Array:
        """`sums`, added up over all ranks, in place; every rank brings an array of the same shape."""
        if self.size > 1:
            from mpi4py.MPI import IN_PLACE

            self.comm.Allreduce(IN_PLACE, sums)
        return sums

    def joined(self, rows: Array) -> Array:
        """Each rank's rows, one after the other, on all ranks."""
        return rows if self.size == 1 else np.concatenate(self.comm.allgather(rows))

    def first(self, said: str) -> str:
        """What the first rank says that says anything; "" if none does, which costs the least."""
        if self.size == 1 or not self.total(np.array([float(bool(said))]))[0]:
            return said
        return str(next(filter(None, self.comm.allgather(said))))

    def given(self, value: Any) -> Any:
        """Rank 0's value, on every rank."""
        return value if self.size == 1 else self.comm.bcast(value)

    @contextmanager
    def together(self) -> Iterator[None]:
        """An error in here ends the whole job with a message: the others would wait for this rank for ever.

        Divergence is not one: all ranks find it in the same step. Inside of another `together` this one does nothing,
        so that on its way out an error passes all who have something to tidy up.
        """
        if self.size == 1 or _together.get():
            yield
            return
        token = _together.set(True)
        try:
            self.threads = self._threads()
            with threads_each(self.threads):
                yield
        except DivergedError:
            raise
        except BaseException as error:
            self._abort(error)
        finally:
            _together.reset(token)

    def _abort(self, error: BaseException) -> None:
        told = isinstance(error, AnotherRankFailed)  # or will be, by that one
        sleep(PATIENCE if told else 0.7 * min(self.rank, 2))  # what all find, rank 0 says
        refused, interrupted = isinstance(error, ClearpropError), isinstance(error, KeyboardInterrupt)
        if not (refused or interrupted or told or isinstance(error, SystemExit)):
            print_exc()
        said = "interrupted" if interrupted else str(error) or type(error).__name__
        sys.stdout.flush()  # nobody else will
        print(f"error: rank {self.rank} of {self.size}: {said}", file=sys.stderr, flush=True)
        sleep(0.2)  # for mpiexec to pass it on: what it has not read when the job ends is lost
        self.comm.Abort(status := 2 if refused else 130 if interrupted else 1)
        os._exit(status)  # MPICH comes back from there, before mpiexec has ended this process, too

    @contextmanager
    def agreeing(self) -> Iterator[None]:
        """What one rank refuses in here, none goes on from: each leaves, past all who have something to tidy up.

        Nothing else is sent in here.
        """
        found: BaseException | None = None
        try:
            yield
        except BaseException as error:
            found = error
        if self.total(np.array([float(found is not None)]))[0]:
            raise found or AnotherRankFailed("another one could not go on")

    def check_same(self, told: Mapping[str, Any]) -> None:
        """Refuse to begin where the ranks were told different things, or they would train different networks."""
        own = {what: sub(" at 0x[0-9a-fA-F]+", "", repr(value)) for what, value in told.items()}
        first, *others = self.comm.allgather(own)
        for rank, other in enumerate(others, 1):
            for what in first | other:
                if (here := first.get(what)) != (there := other.get(what)):
                    raise ConfigError(
                        f"fit: expected the same {what} on every rank, got {here} on rank 0, {there} on rank {rank}. "
                        "Give all of them the same call; each takes its own part by itself."
                    )

    def share(self, batch: "Rows | list[Picked]") -> "tuple[Rows | list[Picked], Rows]":
        """This rank's rows of a mini-batch, and their places in it; there may be none.

        Of rows that are not in memory a rank takes those that lie in its own blocks of a window, where there are blocks
        enough, so that it reads no others.
        """
        if isinstance(batch, list):
            owned = [_owned(picked, self.rank, self.size) for picked in batch]
            starts = np.cumsum([0, *(len(picked.places) for picked in batch)])
            places = [start + own for start, (_, own) in zip(starts, owned, strict=False)]
            return [picked for picked, own in owned if len(own)], np.concatenate(places)
        part = self.part(row_count(batch))
        if isinstance(batch, slice):
            return slice(batch.start + part.start, batch.start + part.stop), part
        return batch[part], part

    def stand_in(self, batch: "Rows | list[Picked]") -> "tuple[Rows | list[Picked], Rows]":
        """A row for a rank that has none of its own in a mini-batch, and a place in it."""
        if isinstance(batch, list):
            spans = _own_blocks(batch[0].spans, self.rank, self.size)  # those that it has in memory
            return [Picked(spans, np.zeros(1, np.intp))], slice(0, 1)
        return slice(batch.start, batch.start + 1) if isinstance(batch, slice) else batch[:1], slice(0, 1)

    def part(self, n: int) -> slice:
        """This rank's part of n rows, consecutive ones."""
        return slice(n * self.rank // self.size, n * (self.rank + 1) // self.size)


ALONE = Ranks()


def row_count(batch: "Rows | list[Picked]") -> int:
    """How many rows a mini-batch has."""
    if isinstance(batch, slice):
        return int(batch.stop - batch.start)
    return sum(len(picked.places) for picked in batch) if isinstance(batch, list) else len(batch)


def checksum(x: Examples) -> int:
    """Of the first and the last rows: where each rank has brought rows of its own, these differ."""
    few = min(LOOKED_AT, len(x))
    ends = (take(x, slice(0, few)), take(x, slice(len(x) - few, len(x))))
    return crc32(np.array(ends).tobytes())


def _own_blocks(spans: Spans, rank: int, size: int) -> Spans:
    """A rank's blocks of a window: every so manieth, or all where they are few."""
    return spans if len(spans) < FEW_BLOCKS * size else spans[rank::size]


def _owned(picked: Picked, rank: int, size: int) -> tuple[Picked, Array]:
    """A rank's part of the rows picked from a window, and where among them they stand."""
    spans, places = picked
    kept = _own_blocks(spans, rank, size)
    if kept is spans:
        own = np.arange(len(places) * rank // size, len(places) * (rank + 1) // size)
        return Picked(spans, places[own]), own
    ends = np.cumsum([stop - start for start, stop in spans])
    block = np.searchsorted(ends, places, side="right")
    own = np.flatnonzero(block % size == rank)
    others = np.where(np.arange(len(spans)) % size == rank, 0, np.diff(ends, prepend=0))
    before = np.cumsum(others)  # rows of other ranks' blocks in front of each own one
    return Picked(kept, places[own] - before[block[own]]), own
