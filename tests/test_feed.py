"""An epoch over rows that are not in memory: every row once, in windows, each read once and checked as it is read."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import clearprop.feed as feed_room
from clearprop.batches import epoch_order, n_batches, take
from clearprop.errors import DataError
from clearprop.feed import WINDOW_BLOCKS, Feed, Picked, window_order
from clearprop.sources import ArrayRows, RowSource


class Counted(RowSource):
    """Row numbers, and which blocks have been asked for."""

    def __init__(self, n, shape=(1,)):
        self.shape, self.dtype, self.asked = (n, *shape), np.dtype(np.float32), []

    def read(self, start, stop):
        self.asked.append((start, stop))
        rows = np.arange(start, stop, dtype=np.float32)
        return np.broadcast_to(rows.reshape(-1, *[1] * len(self.shape[1:])), (stop - start, *self.shape[1:]))


def numbers_of(batch):
    """The rows of a mini-batch, by their numbers."""
    numbers = []
    for picked in batch:
        window = np.concatenate([np.arange(start, stop) for start, stop in picked.spans])
        numbers += window[picked.places].tolist()
    return numbers


@given(
    n=st.integers(1, 400),
    batch_size=st.integers(1, 90),
    block_rows=st.integers(1, 60),
    window=st.integers(1, 5),
    drop_last=st.booleans(),
    seed=st.integers(0, 5),
)
@settings(max_examples=150, deadline=None)
def test_every_row_once_an_epoch(n, batch_size, block_rows, window, drop_last, seed):
    kept, feed_room.WINDOW_BLOCKS = feed_room.WINDOW_BLOCKS, window
    try:
        batches = list(window_order(n, batch_size, np.random.default_rng(seed), drop_last, block_rows))
    finally:
        feed_room.WINDOW_BLOCKS = kept
    rows = [numbers_of(batch) for batch in batches]
    assert [len(batch) for batch in rows[:-1]] == [batch_size] * (len(rows) - 1)
    assert len(rows) == n_batches(n, batch_size, drop_last)
    visited = [row for batch in rows for row in batch]
    assert len(set(visited)) == len(visited)
    assert len(visited) == (n - n % batch_size if drop_last else n)
    assert set(visited) <= set(range(n))
    for picked in (picked for batch in batches for picked in batch):
        assert len(picked.spans) <= window
        assert all(stop - start <= block_rows for start, stop in picked.spans)
    seen = [picked.spans for batch in batches for picked in batch]
    windows = sum(a != b for a, b in pairwise([None, *seen]))
    assert len(set(seen)) == windows  # none is left and returned to


def test_the_order_is_the_rngs_and_each_epoch_has_its_own():
    def epoch(rng):
        return [numbers_of(batch) for batch in window_order(1000, 7, rng, False, 4)]

    rng, again = np.random.default_rng(3), np.random.default_rng(3)
    first, second = epoch(rng), epoch(rng)
    assert first != second
    assert [first, second] == [epoch(again), epoch(again)]


def test_an_epoch_takes_one_draw_however_far_it_is_followed():
    rngs = [np.random.default_rng(3) for _ in range(3)]
    for rng, batches in zip(rngs, (1, 5, 1000), strict=True):
        order = window_order(1000, 7, rng, False, 4)
        for _, _ in zip(range(batches), order, strict=False):
            pass
    states = [rng.bit_generator.state for rng in rngs]
    assert states[0] == states[1] == states[2]


def test_blocks_are_visited_in_random_order_and_rows_mixed_within_a_window():
    batches = list(window_order(64 * 50, 64, np.random.default_rng(0), False, 50))
    starts = [start for spans in dict.fromkeys(p.spans for b in batches for p in b) for start, _ in spans]
    assert sorted(starts) == list(range(0, 3200, 50))
    assert starts != sorted(starts)
    blocks = {row // 50 for row in numbers_of(batches[0])}
    assert len(blocks) > 20  # of the window's 32: 64 rows drawn from 1600
    rows = np.array(numbers_of(batches[0]))
    assert abs(np.corrcoef(rows, np.arange(64))[0, 1]) < 0.4


def test_few_rows_are_shuffled_as_a_whole():
    places = [numbers_of(batch) for batch in window_order(100, 100, np.random.default_rng(0), False, 10)]
    assert sorted(places[0]) == list(range(100))
    assert len({row // 10 for row in places[0][:20]}) > 5


def test_only_rows_not_in_memory_have_windows():
    x = np.zeros((10, 2))
    order = np.concatenate(list(epoch_order(x, 4, np.random.default_rng(1))))
    np.testing.assert_array_equal(order, np.random.default_rng(1).permutation(10))
    feed = Feed(ArrayRows(x), lambda rows, first: rows)
    assert list(epoch_order(feed, 4)) == [slice(0, 4), slice(4, 8), slice(8, 10)]
    assert all(isinstance(batch, list) for batch in epoch_order(feed, 4, np.random.default_rng(1)))


@pytest.mark.parametrize("shape", [(), (3,), (2, 2)])
@pytest.mark.parametrize("batch_size", [1, 7, 100, 5000])
def test_taken_rows_are_the_sources_and_a_window_is_read_once(monkeypatch, shape, batch_size):
    monkeypatch.setattr("clearprop.sources.BLOCK_BYTES", 160)
    source = Counted(1000, shape)
    feed = Feed(source, lambda rows, first: rows * 2)
    for batch in window_order(1000, batch_size, np.random.default_rng(2), False, source.block_rows):
        expected = np.array(numbers_of(batch))
        rows = take(feed, batch)
        assert rows.shape == (len(expected), *shape)
        np.testing.assert_array_equal(rows.reshape(len(rows), -1)[:, 0], 2 * expected)
        rows[:] = -1  # the window must not know
    assert sorted(source.asked) == [
        (a, min(a + source.block_rows, 1000)) for a in range(0, 1000, source.block_rows)
    ]
    assert len(source.asked) > WINDOW_BLOCKS or shape == ()


@pytest.mark.parametrize("batch_size", [1, 7, 40, 100, 5000])
def test_consecutive_rows_are_read_ahead(monkeypatch, batch_size):
    monkeypatch.setattr("clearprop.sources.BLOCK_BYTES", 160)
    source = Counted(1000)
    feed = Feed(source, lambda rows, first: rows)
    taken = [take(feed, rows) for rows in epoch_order(feed, batch_size)]
    np.testing.assert_array_equal(np.concatenate(taken)[:, 0], np.arange(1000))
    assert [stop for _, stop in source.asked[:-1]] == [
        start for start, _ in source.asked[1:]
    ]  # each row once
    assert len(source.asked) == -(-1000 // min(1000, max(batch_size, 40 // batch_size * batch_size)))


def test_consecutive_and_picked_rows_may_take_turns(monkeypatch):
    monkeypatch.setattr("clearprop.sources.BLOCK_BYTES", 160)
    feed = Feed(Counted(1000), lambda rows, first: rows)
    for batch in window_order(1000, 30, np.random.default_rng(2), False, 40):
        np.testing.assert_array_equal(take(feed, slice(13, 29))[:, 0], np.arange(13, 29))
        np.testing.assert_array_equal(take(feed, batch)[:, 0], numbers_of(batch))


def test_nothing_is_read_for_batches_that_are_passed_over(monkeypatch):
    monkeypatch.setattr("clearprop.sources.BLOCK_BYTES", 40)
    source = Counted(10_000)
    feed = Feed(source, lambda rows, first: rows)
    order = list(epoch_order(feed, 10, np.random.default_rng(0)))
    assert source.asked == []
    take(feed, order[500])
    assert sorted(source.asked) == sorted(span for picked in order[500] for span in picked.spans)


def test_a_part_knows_its_rows_by_the_wholes_numbers():
    seen = []
    feed = Feed(Counted(100), lambda rows, first: seen.append((first, len(rows))) or rows)
    part = feed[40:90]
    assert (len(part), part.shape) == (50, (50, 1))
    np.testing.assert_array_equal(take(part, slice(5, 8))[:, 0], [45, 46, 47])
    assert seen == [(45, 45)]
    assert len(feed[:]) == 100


def test_what_is_refused_is_refused_each_time():
    def refuse(rows, first):
        if first + len(rows) > 50:
            raise DataError(f"row {first}")
        return rows

    feed = Feed(Counted(100), refuse)
    np.testing.assert_array_equal(take(feed[:50], slice(0, 2))[:, 0], [0, 1])
    for _ in range(2):
        with pytest.raises(DataError, match="row 0"):
            take(feed, slice(0, 2))


def test_a_window_is_read_anew_after_another_has_been_refused():
    def refuse(rows, first):
        if first >= 50:
            raise DataError(f"row {first}")
        return rows

    good, bad = (Picked(spans, np.arange(2)) for spans in (((0, 2), (4, 6)), ((10, 12), (50, 52))))
    feed = Feed(Counted(100), refuse)
    for _ in range(2):
        np.testing.assert_array_equal(feed.take([good])[:, 0], [0, 1])
        with pytest.raises(DataError, match="row 50"):
            feed.take([bad])


def test_a_source_that_gives_too_few_rows():
    class Short(Counted):
        def read(self, start, stop):
            return super().read(start, stop)[:-1]

    with pytest.raises(
        DataError, match=r"Short\(shape=\(9, 1\), .*: expected .* from read\(0, 9\), got \(8, 1\)"
    ):
        take(Feed(Short(9), lambda rows, first: rows), slice(0, 2))
