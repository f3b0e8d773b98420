"""Feed: a source's rows as training takes them, and the order in which an epoch visits them."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from clearprop.arrays import Array, Shape
from clearprop.sources import RowSource

WINDOW_BLOCKS = 32  # in memory at a time

Spans = tuple[tuple[int, int], ...]  # rows from … to before …


class Picked(NamedTuple):
    """Rows of a window, in the order in which they are wanted."""

    spans: Spans  # the window's blocks
    places: Array  # among the blocks' rows, end to end


class Feed:
    """A source's rows, checked and cast as they are read: one window of them at a time is in memory.

    Parameters
    ----------
    source : RowSource
    ready : callable
        ready(rows, first) gives the rows as the loop takes them, or refuses them; `first` is the first one's number.
    """

    def __init__(self, source: RowSource, ready: Callable[[Array, int], Array]) -> None:
        self.source, self.ready = source, ready
        self._spans: Spans = ()  # what is in memory
        self._window: Array = np.empty(0)  # its rows, and perhaps room for more

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, rows: slice) -> "Feed":
        """Consecutive rows as a feed of their own; nothing is read."""
        start, stop, _ = rows.indices(len(self))
        return Feed(self.source.part(start, stop), lambda part, first: self.ready(part, first + start))

    @property
    def shape(self) -> Shape:
        return self.source.shape

    def take(self, rows: "slice | list[Picked]") -> Array:
        """A copy of the rows, from the window in memory or, where they lie in another one, from that."""
        if isinstance(rows, slice):
            return self._consecutive(rows.start, rows.stop)
        parts = [self._read(picked.spans).take(picked.places, axis=0) for picked in rows]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _consecutive(self, start: int, stop: int) -> Array:
        """Here a window is as many whole batches as fill a block."""
        a, b = self._spans[0] if len(self._spans) == 1 else (0, 0)
        if not a <= start < stop <= b:
            rows = max(self.source.block_rows // (stop - start), 1) * (stop - start)
            a, b = start, min(start + rows, len(self))
        return self._read(((a, b),))[start - a : stop - a].copy()

    def _read(self, spans: Spans) -> Array:
        """A window's rows; they are valid until the next one is read."""
        if spans != self._spans:
            self._spans = ()  # nothing, should one of its blocks be refused
            at, rows = 0, sum(stop - start for start, stop in spans)
            for start, stop in spans:
                block = self.ready(self.source.rows(start, stop), start)
                if len(self._window) < rows:
                    self._window = np.empty((rows, *block.shape[1:]), block.dtype)
                self._window[at : at + len(block)] = block
                at += len(block)
            self._spans = spans
        return self._window


def window_order(
    n: int, batch_size: int, rng: np.random.Generator, drop_last: bool, block_rows: int
) -> Iterator[list[Picked]]:
    """The mini-batches of an epoch over rows that are not in memory: blocks in random order, shuffled within windows.

    The rows are cut into blocks of consecutive rows, and the blocks are put into a random order. So many of them at
    a time are a window: they are read, and their rows shuffled together. Every row is visited once an epoch, in an
    order that is drawn anew for each, and only one window is in memory.

    It is not a full shuffle: the rows of a block are never further apart than a window. Where neighbours are alike,
    as in a file that is sorted by label, the batches are then alike, too: shuffle such a file once when it is made,
    as `convert_csv` does. tf.data's `shuffle(buffer_size)`, whose documentation asks for a buffer as large as the
    data set "for perfect shuffling", and WebDataset's shuffled shards with a buffer are in the same position.

    Nothing is read here: batches that a resumed run passes over cost no more than their numbers.
    """
    rng = np.random.default_rng(rng.integers(2**63))  # one draw, however far one follows the epoch
    starts = (rng.permutation(-(-n // block_rows)) * block_rows).tolist()
    batch: list[Picked] = []
    wanted = batch_size
    for i in range(0, len(starts), WINDOW_BLOCKS):
        spans = tuple((start, min(start + block_rows, n)) for start in starts[i : i + WINDOW_BLOCKS])
        order = rng.permutation(sum(stop - start for start, stop in spans))
        at = 0
        while at < len(order):
            places = order[at : at + wanted]
            batch.append(Picked(spans, places))
            at += len(places)
            wanted -= len(places)
            if wanted == 0:
                yield batch
                batch, wanted = [], batch_size
    if batch and not drop_last:
        yield batch
