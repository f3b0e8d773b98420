"""What every test stands on: no user's files, no screen, and the real data where a test asks for them.

A test that needs real data says so: `@pytest.mark.data("mnist")`, or `@pytest.mark.data("higgs/h2o.csv.gz")` for
a file that the registry does not know. It is skipped where CLEARPROP_DATA is not set, and fails where the
variable is set but the file is missing.
"""

import os
from pathlib import Path

import pytest

os.environ["MPLBACKEND"] = "Agg"
os.environ["COLUMNS"] = "80"
for variable in ("FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS"):  # Rich and Typer would write colours
    os.environ.pop(variable, None)

REAL = os.environ.get("CLEARPROP_DATA")
NOWHERE = Path(__file__) / "no-data"  # under a file, so that no test can ever make it


def needed_paths(name: str) -> list[tuple[str, ...]]:
    """A registry name's files, each with the other places in which it may lie, or the path itself."""
    from clearprop.data import SOURCES

    return [(name,)] if "/" in name else [(file.path, *file.others) for file in SOURCES[name].files]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    names = [name for mark in item.iter_markers("data") for name in mark.args]
    os.environ["CLEARPROP_DATA"] = str(NOWHERE)
    if not names:
        return
    if not REAL:
        pytest.skip(
            f"needs {names[0]}: let CLEARPROP_DATA name its folder; see `clearprop data list` and `where`"
        )
    missing = [
        places[0]
        for name in names
        for places in needed_paths(name)
        if not any((Path(REAL) / place).exists() for place in places)
    ]
    if missing:
        pytest.fail(f"CLEARPROP_DATA={REAL} holds no {', '.join(missing)}", pytrace=False)
    os.environ["CLEARPROP_DATA"] = REAL


@pytest.fixture
def data_folder() -> Path:
    """The folder of the real data, for a test marked with `data`."""
    return Path(os.environ["CLEARPROP_DATA"])


@pytest.fixture
def put_zeros():
    """Writes terabytes that take no room on the disk, where there are such files and less memory."""

    def put(file, size):
        promised = Path("/proc/sys/vm/overcommit_memory")
        if promised.exists() and promised.read_text().strip() == "1":
            pytest.skip("this system promises any amount of memory")
        try:
            file.truncate(file.tell() + size)
        except OSError:
            pytest.skip("this file system has no files of terabytes")

    return put
