"""What each rank takes of a mini-batch, without MPI; and what is refused before it begins."""

import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import clearprop as cp
from clearprop.batches import epoch_order, take
from clearprop.feed import WINDOW_BLOCKS, Feed, Picked
from clearprop.interop.mpi import ranks_here
from clearprop.ranks import ALONE, FEW_BLOCKS, AnotherRankFailed, Ranks, row_count
from clearprop.sources import ArrayRows


class Rank(Ranks):
    """One of several, which sends nothing."""

    def __init__(self, rank: int, size: int) -> None:
        self.comm, self.rank, self.size, self.threads = None, rank, size, 1


class InBlocks(ArrayRows):
    """Rows that tell which blocks of them were read."""

    def __init__(self, array: np.ndarray, block_rows: int) -> None:
        super().__init__(array)
        self._block_rows, self.read_blocks = block_rows, set()

    @property
    def block_rows(self) -> int:
        return self._block_rows

    def read(self, start: int, stop: int) -> np.ndarray:
        self.read_blocks.add(start // self._block_rows)
        return super().read(start, stop)


def feed(n: int, block_rows: int) -> tuple[InBlocks, Feed]:
    source = InBlocks(np.arange(n), block_rows)
    return source, Feed(source, lambda rows, first: rows)


def naive(batch: list[Picked]) -> list[int]:
    """The rows' numbers, one at a time."""
    return [
        [row for start, stop in spans for row in range(start, stop)][p] for spans, ps in batch for p in ps
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7])
@pytest.mark.parametrize(
    ("n", "block_rows", "batch_size"), [(1000, 10, 30), (997, 7, 64), (60, 20, 8), (400, 1, 3)]
)
def test_every_row_from_the_disk_is_one_ranks(n: int, block_rows: int, batch_size: int, size: int) -> None:
    _, whole = feed(n, block_rows)
    own = [feed(n, block_rows) for _ in range(size)]
    ranks = [Rank(rank, size) for rank in range(size)]
    visited: list[int] = []
    for batch in epoch_order(whole, batch_size, np.random.default_rng(n)):
        found: dict[int, int] = {}  # place in the mini-batch -> row
        for rank, (_, x) in zip(ranks, own, strict=True):
            mine, places = rank.share(batch)
            assert row_count(mine) == len(places)
            if row_count(mine):
                found |= dict(zip(places.tolist(), take(x, mine).tolist(), strict=True))
        assert [found[place] for place in range(row_count(batch))] == naive(batch)
        assert len(found) == row_count(batch)
        visited += found.values()
    assert sorted(visited) == list(range(n))


def test_no_two_ranks_read_the_same_block_where_there_are_enough() -> None:
    size, n, block_rows = 4, 4 * WINDOW_BLOCKS * 10, 10
    own = [feed(n, block_rows) for _ in range(size)]
    for batch in epoch_order(feed(n, block_rows)[1], 3, np.random.default_rng(0)):
        for rank, (_, x) in enumerate(own):
            mine, places = Rank(rank, size).share(batch)
            if not len(places):
                mine, places = Rank(rank, size).stand_in(batch)
            assert len(take(x, mine)) >= 1
    read = [source.read_blocks for source, _ in own]
    assert sum(map(len, read)) == len(set.union(*read)) == n // block_rows


def test_of_few_blocks_each_rank_reads_all() -> None:
    spans = tuple((start, start + 5) for start in range(0, 5 * (2 * FEW_BLOCKS - 1), 5))
    mine, places = Rank(1, 2).share([Picked(spans, np.array([3, 0, 9, 20]))])
    assert mine[0].spans == spans
    assert (mine[0].places.tolist(), places.tolist()) == ([9, 20], [2, 3])


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("n", [1, 2, 4, 17])
def test_every_row_in_memory_is_one_ranks(n: int, size: int) -> None:
    shuffled = np.random.default_rng(n).permutation(50)[:n]
    for batch in (shuffled, slice(20, 20 + n)):
        rows, places = zip(*(Rank(rank, size).share(batch) for rank in range(size)), strict=True)
        x = np.arange(50)
        assert np.concatenate([x[own] for own in rows]).tolist() == x[batch].tolist()
        assert np.concatenate([np.arange(n)[own] for own in places]).tolist() == list(range(n))
        counts = [row_count(own) for own in rows]
        assert max(counts) - min(counts) <= 1
        assert row_count(Rank(size - 1, size).stand_in(batch)[0]) == 1


def test_statistics_of_each_rank_are_refused() -> None:
    from clearprop.train import _check_statistics

    layers = [cp.Dense(4), cp.BatchNorm(shared=False), cp.Dense(2)]
    model = cp.Sequential(layers, input_shape=(3,))
    _check_statistics(model, ALONE)
    _check_statistics(cp.Sequential([cp.Dense(4), cp.BatchNorm()], input_shape=(3,)), Rank(0, 2))
    with pytest.raises(
        cp.ConfigError, match=r"fit, layer 1, BatchNorm.*each one's own.*Leave shared=False out"
    ):
        _check_statistics(model, Rank(0, 2))


class Two(Rank):
    """Rank 0 of two; the other one brings what it is given."""

    def __init__(self, brings: Any) -> None:
        super().__init__(0, 2)
        self.brings, self.comm = brings, self

    def total(self, sums: np.ndarray) -> np.ndarray:
        return sums + self.brings

    def allgather(self, own: Any) -> list[Any]:
        return [own, self.brings]


@pytest.mark.parametrize(
    ("ranks", "fails", "leaves"),
    [
        (ALONE, False, None),
        (ALONE, True, ZeroDivisionError),
        (Two(0), False, None),
        (Two(0), True, ZeroDivisionError),
        (Two(1), True, ZeroDivisionError),
        (Two(1), False, AnotherRankFailed),
    ],
)
def test_no_rank_goes_on_where_one_has_failed(
    ranks: Ranks, fails: bool, leaves: type[BaseException] | None
) -> None:
    def work() -> bool:
        with ranks.agreeing():
            if fails:
                raise ZeroDivisionError
        return True

    if leaves is None:
        assert work()
    else:
        with pytest.raises(leaves):
            work()


def test_what_the_ranks_were_told_is_the_same_or_named() -> None:
    def told(**values: Any) -> dict[str, str]:
        return {name: repr(value) for name, value in values.items()}

    Two(told(rate=0.1, layer=None)).check_same({"rate": 0.1, "layer": None})
    here = told(f=lambda: None)["f"]
    elsewhere = here.partition(" at 0x")[0] + ">"  # a function lies somewhere else in each process
    Two({"schedule": elsewhere}).check_same({"schedule": lambda: None})
    with pytest.raises(cp.ConfigError, match=r"expected the same rate on every rank, got 0.1 on rank 0, 0.2"):
        Two(told(rate=0.2)).check_same({"rate": 0.1})
    with pytest.raises(
        cp.ConfigError, match=r"the same layer 3 .* got None on rank 0, 'Dense' on rank 1\. Give"
    ):
        Two(told(rate=0.1) | {"layer 3": "'Dense'"}).check_same({"rate": 0.1})


def test_what_is_no_communicator_is_refused() -> None:
    with pytest.raises(cp.ConfigError, match=r"expected comm to be a communicator, such as mpi4py.*got 4"):
        cp.fit(cp.Sequential([cp.Dense(2)], (2,)), np.eye(2), [0, 1], comm=4)


def test_what_a_rank_says_is_passed_on_before_the_job_ends(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """mpiexec loses what still lies in a pipe then, about once in sixty times."""
    events: list[Any] = []

    class Job(Rank):
        def Abort(self, status: int) -> None:
            events.append(status)

    rank = Job(1, 2)
    rank.comm = rank
    monkeypatch.setattr("clearprop.ranks.sleep", lambda s: events.append((s > 0, capfd.readouterr().err)))
    monkeypatch.setattr("os._exit", lambda status: None)
    monkeypatch.setattr(rank, "_threads", lambda: 1, raising=False)
    with rank.together():
        raise cp.ConfigError("planted")
    assert events == [(True, ""), (True, "error: rank 1 of 2: planted\n"), 2]


@pytest.mark.parametrize(("here", "cores", "threads"), [(1, 8, 8), (2, 8, 4), (3, 8, 2), (16, 8, 1)])
def test_ranks_of_one_machine_share_its_cores(
    monkeypatch: pytest.MonkeyPatch, here: int, cores: int, threads: int
) -> None:
    """Of the four ranks so many may use the same cores as this one; one is elsewhere."""

    class Machine(Rank):
        def Split_type(self, kind: object) -> "Machine":
            return self

        def allgather(self, own: Any) -> list[Any]:
            return [own] * here + [["others"]]

        def Free(self) -> None:
            pass

    fake: Any = ModuleType("mpi4py.MPI")
    fake.COMM_TYPE_SHARED = 0
    monkeypatch.setitem(sys.modules, "mpi4py", ModuleType("mpi4py"))
    monkeypatch.setitem(sys.modules, "mpi4py.MPI", fake)
    monkeypatch.setattr("clearprop.ranks.cores", lambda: cores)
    monkeypatch.setattr("clearprop.ranks.threads_now", lambda: 100)
    rank = Machine(0, here + 1)
    rank.comm = rank
    with rank.together():
        assert rank.threads == threads
        monkeypatch.setattr(Machine, "Split_type", None)
        with rank.together():  # does nothing more
            assert rank.threads == threads


LAUNCHERS = (
    "PMI_SIZE",
    "PMI_RANK",
    "PMIX_RANK",
    "OMPI_COMM_WORLD_SIZE",
    "MV2_COMM_WORLD_SIZE",
    "PALS_RANKID",
)


@pytest.fixture
def no_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in LAUNCHERS:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("no_launcher")
def test_without_a_launcher_mpi_is_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mpi4py.MPI", None)  # importing it would fail
    assert ranks_here() is ALONE


@pytest.mark.usefixtures("no_launcher")
@pytest.mark.parametrize("variable", LAUNCHERS)
def test_a_launcher_without_mpi4py(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "2")
    monkeypatch.setitem(sys.modules, "mpi4py.MPI", None)
    with pytest.raises(
        cp.ConfigError, match=r"expected mpi4py with an MPI library, got none .*clearprop\[mpi\]"
    ):
        ranks_here()


@pytest.mark.usefixtures("no_launcher")
def test_ctrl_c_while_mpi_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's way out would end MPI in order, which waits for the others."""

    def exit_at_once(status: int) -> None:
        raise SystemExit(f"at once, {status}")

    def interrupted(comm: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setenv("PMI_SIZE", "2")
    fake: Any = ModuleType("mpi4py.MPI")
    fake.COMM_WORLD = None
    monkeypatch.setitem(sys.modules, "mpi4py", ModuleType("mpi4py"))
    monkeypatch.setitem(sys.modules, "mpi4py.MPI", fake)
    monkeypatch.setattr("clearprop.interop.mpi.Ranks", interrupted)
    monkeypatch.setattr("os._exit", exit_at_once)
    with pytest.raises(SystemExit, match="at once, 130"):
        ranks_here()


@pytest.mark.usefixtures("no_launcher")
def test_a_launcher_of_another_mpi(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each process would think that it is alone, and all would write into one folder."""

    class Alone:
        Allreduce = allgather = bcast = None

        def Get_rank(self) -> int:
            return 0

        def Get_size(self) -> int:
            return 1

    fake: Any = ModuleType("mpi4py.MPI")
    fake.COMM_WORLD = Alone()
    monkeypatch.setitem(sys.modules, "mpi4py", ModuleType("mpi4py"))
    monkeypatch.setitem(sys.modules, "mpi4py.MPI", fake)
    monkeypatch.setenv("PMI_SIZE", "1")
    assert ranks_here().size == 1
    monkeypatch.setenv("PMI_SIZE", "3")
    with pytest.raises(cp.ConfigError, match="expected 3 ranks, as the launcher says, got 1 from mpi4py"):
        ranks_here()
