"""Who does the work of a step: how many threads of which kind, on how many examples at a time."""

from collections.abc import Callable, Sequence
from math import prod
from typing import NamedTuple, TypeVar

import numpy as np

from clearprop.arrays import Shape
from clearprop.blas import threads_each, threads_now
from clearprop.layers import Layer

S = TypeVar("S")
T = TypeVar("T")

# Multiply-adds of a step's products, below which waking a thread costs more than it saves.
WORTH_THREADS = 20e6
# Activations of a shard. Measured with the convolutional network of the benchmark: shards of 4 and of 8 images
# (3 and 7 MB) take the same time, 2 and 16 take 10 % more, 32 a third more.
SHARD_BYTES = 6 * 2**20
# Where shards meet in a layer, each meeting costs a change of threads: four times as large ones are best then.
MEETING_BYTES = 4 * SHARD_BYTES


class Work(NamedTuple):
    """How a step is carried out."""

    workers: int  # threads that share every mini-batch
    blas_threads: int  # threads of each one's matrix products
    shard_size: int | None  # examples at a time; None: a worker's whole part


def choose_work(
    layers: Sequence[Layer], shapes: Sequence[Shape], itemsize: int, batch_size: int, passes: int = 3
) -> Work:
    """By the work in a step, and by what kind of layer it is in.

    A dense network's time goes into a few large products, which BLAS cuts up better than shards of the batch do.

    Parameters
    ----------
    layers, shapes
        The network's, as `Sequential` has them.
    itemsize : int
        Bytes a number.
    batch_size : int
    passes : int
        Products a layer: 3 in training, 1 in prediction.
    """
    work = sum(layer.multiply_adds(shape) for layer, shape in zip(layers, shapes, strict=False))
    threads = threads_now() if passes * batch_size * work >= WORTH_THREADS else 1
    shard_size = choose_shard(layers, shapes, itemsize)
    return Work(1, threads, None) if shard_size is None else Work(min(threads, batch_size), 1, shard_size)


def choose_shard(layers: Sequence[Layer], shapes: Sequence[Shape], itemsize: int) -> int | None:
    """How many examples at a time, where layers that are best computed on a few do at least half of the work.

    Convolutions make many numbers of few: a shard's stay in the cache, and every pass over them is the faster.
    """
    leaves = [leaf for layer, shape in zip(layers, shapes, strict=False) for leaf in layer.leaves(shape)]
    work = [(layer.multiply_adds(shape), layer.by_shards) for layer, shape in leaves]
    in_shards = sum(n for n, by_shards in work if by_shards)
    if in_shards == 0 or 2 * in_shards < sum(n for n, _ in work):
        return None
    meets = any(part.over_batch for layer in layers for part in layer.parts())
    size = itemsize * (sum(prod(shape) for _, shape in leaves) + prod(shapes[-1]))
    return max(1, (MEETING_BYTES if meets else SHARD_BYTES) // size)


def share_out(work: Callable[[S], T], items: Sequence[S], threads: int) -> list[T]:
    """[work(item) for item in items], on so many threads, each with matrix products of its own."""
    threads = min(threads, len(items))
    if threads == 1:
        return [work(item) for item in items]
    from concurrent.futures import ThreadPoolExecutor  # brings logging, which is slow to import

    settings = np.geterr()
    with (
        threads_each(1, threads),
        ThreadPoolExecutor(threads, "clearprop", lambda: np.seterr(**settings)) as pool,
    ):
        return list(pool.map(work, items))


def keep_memory() -> None:
    """Let the C library keep what is freed, for arrays of a shard's size.

    glibc gives memory back to the system at once, and fetches it page by page the next time, unless something
    large has been freed before: then it keeps that much. Without this, steps took up to a third longer. Elsewhere it
    does nothing.
    """
    np.empty(31 * 2**20, np.uint8)
