"""Who does the work of a step: how many threads of which kind, on how many examples at a time."""

from typing import NamedTuple

from clearprop.blas import threads_now
from clearprop.model import Sequential

# Multiply-adds of a step's products, below which waking a thread costs more than it saves.
WORTH_THREADS = 20e6
# Activations of a shard. Measured with the convolutional network of the benchmark: shards of 4 and of 8 images
# (3 and 7 MB) take the same time, 2 and 16 take 10 % more, 32 a third more.
SHARD_BYTES = 6 * 2**20


class Work(NamedTuple):
    """How a step is carried out."""

    workers: int  # threads that share every mini-batch
    blas_threads: int  # threads of each one's matrix products
    shard_size: int | None  # examples at a time; None: a worker's whole part


def choose_work(model: Sequential, batch_size: int) -> Work:
    """By the work in a step, and by what kind of layer it is in.

    A dense network's time goes into a few large products, which BLAS cuts up better than shards of the batch do.
    Convolutions make many numbers of few: a shard's stay in the cache, and every pass over them is the faster.
    """
    layers = list(zip(model.layers, model.shapes[:-1], strict=True))
    work = [layer.multiply_adds(shape) for layer, shape in layers]
    in_shards = sum(n for n, (layer, _) in zip(work, layers, strict=True) if layer.by_shards)
    threads = threads_now() if 3 * batch_size * sum(work) >= WORTH_THREADS else 1
    if 2 * in_shards < sum(work) or in_shards == 0:
        return Work(1, threads, None)
    return Work(min(threads, batch_size), 1, max(1, SHARD_BYTES // model.bytes_per_example))
