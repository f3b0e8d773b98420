"""The memory that the convolutional network's step needs at its peak, beyond what was there before the first one.

Each contender runs in a process of its own, since memory that has been touched once is rarely given back.
"""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

from benchmarks.rows import Row, Run, Scale

ROOT = Path(__file__).parent.parent
STATUS = Path("/proc/self/status")


def in_a_process(scale: Scale, contender: str) -> Run:
    """The bytes that `python -m benchmarks.peak CONTENDER` prints."""
    if contender != "ours":
        import torch  # noqa: F401 - may be missing
    command = [
        sys.executable,
        "-m",
        "benchmarks.peak",
        contender,
        str(scale.threads),
        *["--tiny"] * scale.tiny,
    ]

    def run() -> float:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, env=os.environ)
        return float(done.stdout)

    return run


def resident(key: str) -> int:
    """VmRSS, now resident, or VmHWM, the most there ever was, in bytes; where there is no such file, the latter."""
    if not STATUS.exists():
        import resource

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else 1024 * most
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(key))
    return 1024 * int(line.split()[1])


def main() -> None:
    from benchmarks.images import our_steps, torch_steps

    contender, threads = sys.argv[1], int(sys.argv[2])
    scale = Scale(threads, "--tiny" in sys.argv)
    if contender == "ours":
        run = our_steps(scale, norm=False)
    else:
        run = torch_steps(scale, norm=False, channels_last=contender == "NHWC")
    before = resident("VmRSS")
    run()
    print(max(0, resident("VmHWM") - before))


ROWS = [
    Row(
        "images",
        "CNN step, peak memory",
        partial(in_a_process, contender="ours"),
        {f"PyTorch, {name}": partial(in_a_process, contender=name) for name in ("NCHW", "NHWC")},
        unit="B",
        rounds=3,
    )
]

if __name__ == "__main__":
    main()
