"""What an Allreduce costs here, by size: `mpiexec -n 2 python -m benchmarks.allreduce`.

For each size the fastest of many calls, as the slowest rank has seen it; then latency and bandwidth by

    α log₂ p for a few bytes, and 2 (p − 1)/p · n/B more for n bytes

(Thakur, Rabenseifner and Gropp, Optimization of Collective Communication Operations in MPICH, 2005: recursive doubling
for short vectors, Rabenseifner's algorithm for long ones; the time for the additions is in B).
"""

import sys
from math import log2
from time import perf_counter
from typing import Any

import numpy as np

SIZES = [2**k for k in range(3, 25)]  # bytes
GRADIENTS = (2**20, 2**24)  # between these, the sizes of most gradients, B is taken


def fastest(comm: Any, size: int, seconds: float) -> float:
    """The seconds of the fastest call, of those within so many seconds, three or more."""
    from mpi4py.MPI import IN_PLACE, MAX

    array, times, spent = np.zeros(size // 4, np.float32), [], 0.0
    while spent < seconds or len(times) < 3:
        comm.Barrier()
        start = perf_counter()
        comm.Allreduce(IN_PLACE, array)
        took = np.array([perf_counter() - start])
        comm.Allreduce(IN_PLACE, took, MAX)  # so that all ranks count the same
        times.append(float(took[0]))
        spent += times[-1]
    return min(times)


def constants(p: int, times: dict[int, float]) -> tuple[float, float]:
    """α in seconds, B in bytes a second, of the times by bytes."""
    less, most = GRADIENTS
    rate = 2 * (p - 1) / p * (most - less) / (times[most] - times[less])
    return times[min(times)] / log2(p), rate


def main() -> None:
    """Measure and print."""
    from mpi4py.MPI import COMM_WORLD

    p = COMM_WORLD.size
    if p == 1:
        sys.exit("Start it on several ranks: mpiexec -n 2 python -m benchmarks.allreduce")
    times = {size: fastest(COMM_WORLD, size, seconds=0.2) for size in SIZES}
    if COMM_WORLD.rank:
        return
    for size, seconds in times.items():
        print(f"{size:>12,} B {seconds * 1e6:>12,.1f} µs")
    alpha, rate = constants(p, times)
    print(f"{p} ranks: α = {alpha * 1e6:.2f} µs, B = {rate / 1e9:.2f} GB/s")


if __name__ == "__main__":
    main()
