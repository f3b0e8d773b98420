"""An epoch of 28-64-2 over rows that stay on the disk, in batches of 1000: its time, and the memory that it takes.

Each measurement is a process of its own: what it has touched once counts. The files, generated, are memory-mapped.
"""

import json
import subprocess
import sys
import tempfile
from functools import cache, partial
from pathlib import Path
from time import perf_counter

import numpy as np

from benchmarks.networks import Problem, our_epochs, torch_epochs
from benchmarks.peak import resident
from benchmarks.rows import Row, Run, Scale

ROOT = Path(__file__).parent.parent
SIZES = (28, 64, 2)
ROWS_IN_ALL = 11_000_000  # as many as HIGGS has
FEW = 1_000_000
AT_ONCE = 100_000
EPOCHS = {"ours": our_epochs, "torch": torch_epochs}
_kept: list[tempfile.TemporaryDirectory[str]] = []  # until this process ends


@cache
def files(n: int) -> Path:
    """A folder with x.npy (n, 28) float32 and y.npy (n,), written some rows at a time."""
    from clearprop.data.convert import write_header

    _kept.append(tempfile.TemporaryDirectory(prefix="clearprop-benchmark-"))
    folder = Path(_kept[-1].name)
    rng = np.random.default_rng(0)
    labels = rng.standard_normal((SIZES[0], SIZES[-1]), dtype=np.float32)
    with (folder / "x.npy").open("wb") as x_file, (folder / "y.npy").open("wb") as y_file:
        write_header(x_file, (n, SIZES[0]), np.dtype(np.float32))
        write_header(y_file, (n,), np.dtype(np.int64))
        for start in range(0, n, AT_ONCE):
            x = rng.standard_normal((min(AT_ONCE, n - start), SIZES[0]), dtype=np.float32)
            x.tofile(x_file)
            (x @ labels).argmax(axis=1).tofile(y_file)
    return folder


def in_a_process(scale: Scale, contender: str, rows: int, what: str) -> Run:
    """The seconds or the bytes that `python -m benchmarks.disk` prints."""
    if contender == "torch":
        import torch  # noqa: F401 - may be missing
    folder = files(scale.of(ROWS_IN_ALL, 11_000))
    n = scale.of(rows, rows // 1000)
    command = [sys.executable, "-m", "benchmarks.disk", contender, str(folder), str(n), str(scale.threads)]

    def run() -> float:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        return float(json.loads(done.stdout)[what])

    return run


def main() -> None:
    contender, folder, n, threads = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    mode = "r" if contender == "ours" else "c"  # PyTorch warns of arrays that it must not write to
    x, y = (np.load(folder / f"{name}.npy", mmap_mode=mode)[:n] for name in "xy")
    EPOCHS[contender](
        Problem(SIZES, np.zeros((2000, 28), np.float32), np.zeros(2000, np.int64)), 1000, 1, threads
    )()
    epoch = EPOCHS[contender](Problem(SIZES, x, y), 1000, 1, threads)
    before, start = resident("VmRSS"), perf_counter()
    epoch()
    print(json.dumps({"seconds": perf_counter() - start, "bytes": resident("VmHWM") - before}))


def row(name: str, rows: int, what: str, unit: str) -> Row:
    """One of the family."""
    return Row(
        family="disk",
        name=name,
        ours=partial(in_a_process, contender="ours", rows=rows, what=what),
        rivals={"PyTorch": partial(in_a_process, contender="torch", rows=rows, what=what)},
        unit=unit,
        threaded=False,
        rounds=3 if unit == "s" else 1,
    )


ROWS = [
    row("epoch from disk, 11M rows", ROWS_IN_ALL, "seconds", "s"),
    row("its memory, 1M rows", FEW, "bytes", "B"),
    row("its memory, 11M rows", ROWS_IN_ALL, "bytes", "B"),
]

if __name__ == "__main__":
    main()
