"""Who does the work of a step: how many threads of which kind, on how many examples at a time."""

from collections.abc import Callable, Sequence
from math import prod
from typing import NamedTuple, TypeVar

import numpy as np

from clearprop.arrays import Shape
from clearprop.blas import threads_each, threads_now
from clearprop.layers.base import Layer, leaves_of, multiply_adds

S = TypeVar("S")
T = TypeVar("T")

# Multiply-adds of a step's products, below which waking a thread costs more than it saves.
WORTH_THREADS = 20e6
# Activations of a shard, by the convolutional network of the benchmark. On one thread and on two a step took, with
# shards of 4 images, 175 and 98 ms, of 8 163 and 91, of 12 and 16 158 and 88, of 32 158 and 94, of 64 187 and 115.
# 14 MB are 16 images.
SHARD_BYTES = 14 * 2**20
# Where shards meet in a layer, each needs gradients of its own: no more of them than these hold.
GRADIENT_BYTES = 64 * 2**20


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
    work = multiply_adds(layers, shapes)
    threads = threads_now() if passes * batch_size * work >= WORTH_THREADS else 1
    shard_size = choose_shard(layers, shapes, itemsize)
    if shard_size is None:
        return Work(1, threads, None)
    workers = min(threads, batch_size)
    if any(part.over_batch for layer in layers for part in layer.parts()):
        # Each meeting costs a change of threads: with batch norm in that network, shards of 16, 32 and 64 images
        # took 215, 205 and 240 ms on one thread, 161, 143 and 135 on two.
        sizes = [
            prod(s)
            for layer, at in zip(layers, shapes, strict=False)
            for s in layer.param_shapes(at).values()
        ]
        rows = GRADIENT_BYTES // (itemsize * max(sum(sizes), 1)) if workers == 1 else workers
        shard_size = max(2 * shard_size, -(-batch_size // max(rows, 1)))
    return Work(workers, 1, shard_size)


def choose_shard(layers: Sequence[Layer], shapes: Sequence[Shape], itemsize: int) -> int | None:
    """How many examples at a time, where layers that are best computed on a few do at least half of the work.

    Convolutions make many numbers of few: a shard's stay in the cache, and every pass over them is the faster.
    """
    leaves = leaves_of(layers, shapes)
    work = [(layer.multiply_adds(shape), layer.by_shards) for layer, shape in leaves]
    in_shards = sum(n for n, by_shards in work if by_shards)
    if in_shards == 0 or 2 * in_shards < sum(n for n, _ in work):
        return None
    size = SHARD_BYTES // (itemsize * (sum(prod(shape) for _, shape in leaves) + prod(shapes[-1])))
    return max(1, size - size % 4 if size > 4 else size)  # products of a multiple of 4 rows are the faster


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
