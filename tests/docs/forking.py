"""One interpreter for many commands: `clearprop` is imported once, and each command is a fork of that process.

`served` yields the words that start a command in a shell, in place of `python -m clearprop`. A command has its own
process, folder, environment, files and exit code; only the import, which is most of a small command's time, is shared.
"""

import atexit
import contextlib
import json
import os
import runpy
import shlex
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from signal import SIG_DFL, SIG_IGN, SIGCHLD, signal

IMPORTED = ("clearprop.cli", "clearprop.runs.run", "clearprop.lens.trace", "matplotlib.backends.backend_agg")
SAFE = sys.platform == "linux"  # elsewhere a system's libraries may not survive a fork


@contextlib.contextmanager
def served(env: Mapping[str, str]) -> Iterator[str]:
    """The words that start a command; in this environment `clearprop` is found."""
    python = shlex.quote(sys.executable)
    if not SAFE:
        yield f"{python} -m clearprop"
        return
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "s")
        server = subprocess.Popen(
            [sys.executable, __file__, "serve", path], env=dict(env), stdout=subprocess.PIPE
        )
        try:
            assert server.stdout is not None
            assert server.stdout.readline() == b"ready\n"
            yield f"{python} -S -E {shlex.quote(__file__)} ask {shlex.quote(path)}"
        finally:
            server.kill()
            server.communicate()


def serve(path: str) -> None:
    """Fork once for each command that is asked for."""
    for module in IMPORTED:
        import_module(module)
    signal(SIGCHLD, SIG_IGN)  # nobody waits for the commands: they answer themselves
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        print("ready", flush=True)
        while True:
            asked, _ = listening.accept()
            if os.fork() == 0:
                listening.close()
                _command(asked)
            asked.close()


def _command(asked: socket.socket) -> None:
    """Be the command, in the asking process's folder, environment and files; answer its exit code."""
    signal(SIGCHLD, SIG_DFL)
    message, files, _, _ = socket.recv_fds(asked, 1 << 20, 3)
    given = json.loads(message)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(given["folder"])
    os.environ.clear()
    os.environ.update(given["env"])
    sys.argv = ["clearprop", *given["words"]]
    code: object = 0
    try:
        runpy.run_module("clearprop", run_name="__main__", alter_sys=True)
    except SystemExit as stop:
        code = stop.code or 0
    except BaseException:
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
        code = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    asked.sendall(str(code if isinstance(code, int) else 1).encode())
    os._exit(0)


def ask(path: str, words: list[str]) -> int:
    """The command's exit code; 1 if it was killed."""
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(path)
        given = {"words": words, "folder": os.getcwd(), "env": dict(os.environ)}
        socket.send_fds(asking, [json.dumps(given).encode()], [0, 1, 2])
        return int(asking.recv(16) or b"1")


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2])
    sys.exit(ask(sys.argv[2], sys.argv[3:]))
