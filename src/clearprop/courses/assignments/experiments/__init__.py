"""The documents' experiments: each trains, and writes its tables and pictures into a folder."""

from collections.abc import Callable
from typing import NamedTuple


class Experiment(NamedTuple):
    """One experiment of a document."""

    name: str  # as it is called on the command line
    summary: str  # one line
    run: Callable[..., None]  # run(out: Path, say: Callable[[str], None], **settings)
