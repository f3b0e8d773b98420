"""The process in which rows are measured for one number of threads: a JSON object on each line it prints."""

import argparse
import json

from benchmarks.families import ROWS
from benchmarks.machine import blas_in_use
from benchmarks.measure import measure
from benchmarks.rows import Scale


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, nargs="+", required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--repeats", type=int, required=True)
    parser.add_argument("--tiny", action="store_true")
    args = parser.parse_args()
    for number in args.rows:
        result = measure(ROWS[number], Scale(args.threads, args.tiny), args.repeats)
        print(json.dumps({"row": number, "result": result.as_dict()}), flush=True)
    print(json.dumps({"blas": blas_in_use()}), flush=True)


if __name__ == "__main__":
    main()
