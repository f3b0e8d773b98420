"""`python -m benchmarks`: for each number of threads a process of its own, then one table."""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.families import ROWS
from benchmarks.machine import facts, notes
from benchmarks.measure import Result, result_from
from benchmarks.table import show

THREAD_VARIABLES = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
)  # fmt: skip
ROOT = Path(__file__).parent.parent


def main(argv: Sequence[str] | None = None) -> None:
    """Measure the rows that are asked for, and print the table."""
    args = _arguments(argv)
    if args.list:
        for number in args.only:
            print(f"{ROWS[number].family:8} {ROWS[number].name}")
        return
    header = notes()
    results: list[tuple[int, Result]] = []
    blas: list[str] = []
    for n, threads in enumerate(args.threads):
        numbers = [number for number in args.only if ROWS[number].threaded or n == 0]
        for said in _worker(numbers, threads, args) if numbers else ():
            if "blas" in said:
                blas = said["blas"]
                continue
            results.append((said["row"], result_from(said["result"])))
            print(f"measured with {threads} thread(s): {results[-1][1].name}", file=sys.stderr)
    in_order = [result for _, result in sorted(results, key=lambda pair: pair[0])]
    header = facts(blas) + header
    show(in_order, header, Console(width=None if sys.stdout.isatty() else 100))
    if args.json:
        kept = {"header": header, "results": [result.as_dict() for result in in_order]}
        args.json.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="clearprop beside PyTorch and scikit-learn, measured in turn. Rivals come with the extra 'bench'.",
    )
    parser.add_argument(
        "--only", type=_rows, default=list(range(len(ROWS))), metavar="NAME",
        help="the rows whose family is NAME or whose name contains it",
    )  # fmt: skip
    parser.add_argument("--threads", type=_counts, default=[1, 2], help="numbers of threads (default: 1,2)")
    parser.add_argument("--repeats", type=int, default=7, help="rounds after the warm-up (default: 7)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep all the numbers here, too")
    parser.add_argument("--list", action="store_true", help="print the rows and measure nothing")
    parser.add_argument("--tiny", action="store_true", help="a trial run: little work, worthless numbers")
    args = parser.parse_args(argv)
    if args.repeats < 1:
        parser.error("--repeats wants at least 1")
    return args


def _rows(name: str) -> list[int]:
    chosen = [number for number, row in enumerate(ROWS) if name == row.family or name in row.name]
    if not chosen:
        raise argparse.ArgumentTypeError(f"no row is called {name!r}; --list shows them all")
    return chosen


def _counts(text: str) -> list[int]:
    counts = [int(part) for part in text.split(",")]
    if min(counts) < 1:
        raise argparse.ArgumentTypeError("a number of threads is at least 1")
    return counts


def _worker(numbers: list[int], threads: int, args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """What a process that may use so many threads has to say, as it says it."""
    command = [sys.executable, "-m", "benchmarks.worker", "--threads", str(threads)]
    command += ["--repeats", str(args.repeats), "--rows", *map(str, numbers)]
    environment = os.environ | dict.fromkeys(THREAD_VARIABLES, str(threads))
    with subprocess.Popen(
        command + ["--tiny"] * args.tiny, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        for line in process.stdout or ():
            yield json.loads(line)
    if process.returncode:
        sys.exit(f"The measuring process ended with status {process.returncode}.")


if __name__ == "__main__":
    main()
