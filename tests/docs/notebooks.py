"""Runs the notebooks in examples/ from top to bottom, and writes them with their outputs.

`python tests/docs/notebooks.py` refreshes all of them, `… NAME.ipynb` one; `--to FOLDER` writes into another folder.
"""

import argparse
import asyncio
import os
import re
import sys
import tempfile
from itertools import zip_longest
from math import isclose
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
AT_ONCE = 2  # a kernel takes longer to start than most notebooks to run
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
LARGEST = 300_000  # bytes of a file, outputs included
NUMBER = re.compile(r"(?<![\w.])[-−+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
ABSOLUTE = re.compile(
    r"(?<![\w.<:/])(?:/(?:home|root|tmp|usr|var|opt|work|Users|private)/|[A-Z]:\\\\)"
)  # in JSON


def read(path):
    return nbformat.read(path, as_version=4)


def text_of(outputs):
    """What the outputs say as text: printed or plain; pictures and pages are left out."""
    said = (out.get("text", "") or out.get("data", {}).get("text/plain", "") for out in outputs)
    return "\n".join(said)


def agree(text, other):
    """Whether two texts differ in nothing but the last digits of their numbers.

    Numbers with an exponent are not compared: in a gradient check they are those of the worst place, which roundings
    choose.
    """
    if NUMBER.sub("#", text).split() != NUMBER.sub("#", other).split():
        return False
    pairs = zip(NUMBER.findall(text), NUMBER.findall(other), strict=True)
    plain = ((a.replace("−", "-"), b.replace("−", "-")) for a, b in pairs if "e" not in a)
    return all(isclose(float(a), float(b), rel_tol=2e-3, abs_tol=1e-6) for a, b in plain)


def complaints(path):
    """What is wrong with a notebook as it lies there."""
    book = read(path)
    nbformat.validate(book)
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    outputs = [out for cell in code for out in cell.outputs]
    found = []
    if [cell.execution_count for cell in code] != list(range(1, len(code) + 1)):
        found.append("its cells have not been run once, from top to bottom")
    if any(out.output_type == "error" or out.get("name") == "stderr" for out in outputs):
        found.append("a cell has an error or a warning among its outputs")
    if ABSOLUTE.search(path.read_text(encoding="utf-8")):
        found.append("it holds an absolute path")
    if path.stat().st_size > LARGEST:
        found.append(f"it has {path.stat().st_size:,} bytes, and {LARGEST:,} are enough")
    if book.metadata != METADATA or any(cell.metadata for cell in book.cells):
        found.append("it holds metadata of one machine")
    return found


def differences(path, fresh):
    """Where a notebook's text is not what a fresh run of it says, by cells counted from 1."""
    pairs = enumerate(zip_longest(read(path).cells, read(fresh).cells), 1)
    return [
        i
        for i, (old, new) in pairs
        if not old or not new or old.source != new.source
        or not agree(text_of(old.get("outputs", ())), text_of(new.get("outputs", ())))
    ]  # fmt: skip


def tidy(book):
    """Leave out what depends on the machine."""
    book.metadata = nbformat.from_dict(METADATA)
    for cell in book.cells:
        cell.metadata = nbformat.from_dict({})


async def refresh(path, folder, scratch, turn):
    """Run one notebook and write it; what went wrong, or nothing."""
    book = read(path)
    client = NotebookClient(
        book, kernel_name="python3", startup_timeout=120, timeout=120, record_timing=False, coalesce_streams=True,
        extra_arguments=["--log-level=ERROR"], resources={"metadata": {"path": scratch}},
    )  # fmt: skip
    async with turn:
        try:
            await client.async_execute()
        except CellExecutionError as error:
            failed = (
                any(out.output_type == "error" for out in cell.get("outputs", ())) for cell in book.cells
            )
            return f"{path.name}, cell {list(failed).index(True) + 1}: {error.ename}: {error.evalue}"
    tidy(book)
    nbformat.write(book, folder / path.name)
    return ""


async def refresh_all(paths, folder, scratch):
    turn = asyncio.Semaphore(AT_ONCE)
    said = await asyncio.gather(*(refresh(path, folder, scratch, turn) for path in paths))
    return [text for text in said if text]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", type=Path)
    parser.add_argument("--to", type=Path, default=EXAMPLES)
    given = parser.parse_args()
    paths = [EXAMPLES / name for name in given.names] or sorted(EXAMPLES.glob("*.ipynb"))
    with tempfile.TemporaryDirectory() as scratch:
        os.environ.pop("MPLBACKEND", None)  # pictures go into the notebook
        os.environ |= dict.fromkeys(("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR"), scratch)
        os.environ |= {"CLEARPROP_DATA": str(Path(scratch) / "none"), "OPENBLAS_NUM_THREADS": "1"}
        os.environ["PYTHONWARNINGS"] = "error::RuntimeWarning"
        failures = asyncio.run(refresh_all(paths, given.to, scratch))
    sys.exit("\n".join(failures) or 0)


if __name__ == "__main__":
    main()
