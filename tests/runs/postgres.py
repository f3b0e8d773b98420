"""A PostgreSQL server of the tests' own: a new database in a temporary folder, on loopback, stopped afterwards."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

USER = "postgres"  # root may not run the server


def binaries() -> Path | None:
    """Where initdb and postgres are: on the path, or where Debian puts them."""
    found = shutil.which("initdb")
    places = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return next((place for place in reversed(places) if (place / "postgres").is_file()), None)


def _as_user(*command: object) -> list[str]:
    words = [str(word) for word in command]
    return ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", *words] if _root() else words


def _root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


@contextmanager
def server() -> Iterator[str]:
    """Its address as an Optuna storage."""
    place = binaries()
    assert place is not None
    folder = Path(tempfile.mkdtemp(prefix="clearprop-postgres-"))
    if _root():
        shutil.chown(folder, USER)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data, log = folder / "data", folder / "log"
    quiet = {"cwd": folder, "stdout": subprocess.DEVNULL, "check": True, "timeout": 120}
    options = f"-c listen_addresses=127.0.0.1 -p {port} -c unix_socket_directories={folder} -c fsync=off"
    try:
        subprocess.run(_as_user(place / "initdb", "-D", data, "-U", USER, "-A", "trust", "-N"), **quiet)
        start = (place / "pg_ctl", "start", "-w", "-D", data, "-l", log, "-o", options)
        subprocess.run(_as_user(*start), **quiet)
        try:
            yield f"postgresql://{USER}@127.0.0.1:{port}/postgres"
        finally:
            subprocess.run(_as_user(place / "pg_ctl", "stop", "-w", "-m", "immediate", "-D", data), **quiet)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
