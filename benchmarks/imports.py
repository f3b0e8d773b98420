"""How long a program waits for `import`: each time in a fresh process, the start of Python itself left out."""

import subprocess
import sys
from functools import partial
from importlib.util import find_spec

from benchmarks.rows import Row, Run, Scale

CODE = "from time import perf_counter as now; start = now(); import {}; print(now() - start)"


def importing(scale: Scale, module: str) -> Run:
    """The seconds of one import."""
    if find_spec(module.partition(".")[0]) is None:
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)
    command = [sys.executable, "-c", CODE.format(module)]
    return lambda: float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


ROWS = [
    Row(
        family="import",
        name="import",
        ours=partial(importing, module="clearprop"),
        rivals={
            "NumPy": partial(importing, module="numpy"),
            "PyTorch": partial(importing, module="torch"),
            "scikit-learn": partial(importing, module="sklearn.neural_network"),
        },
        threaded=False,
    )
]
