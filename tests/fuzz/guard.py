"""What a reader must not do, watched while it reads one file."""

import os
import resource
import signal
import sys
import traceback
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from time import process_time

from clearprop.errors import ClearpropError

SECONDS = 5.0  # of one processor, for one file
LONGEST_SENTENCE = 20_000
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
FORBIDDEN = (
    "os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod",
    "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.putenv", "shutil.",
    "subprocess.", "socket.", "pickle.find_class", "tempfile.", "webbrowser.", "urllib.",
)  # fmt: skip


class TooSlowError(BaseException):
    """The reader has not come back."""


class Watch:
    """An audit hook, which sees what Python code asks of the system, however deep it is hidden."""

    def __init__(self):
        self.armed, self.seen = False, []
        sys.addaudithook(self._hook)

    def _hook(self, event, args):
        if not self.armed:
            return
        if event == "open" and (_is_write(args[1]) or (args[2] or 0) & WRITES):
            self.seen.append(f"open {args[0]!r} to write")
        elif event.startswith(FORBIDDEN):
            self.seen.append(f"{event} {args!r}"[:200])

    @contextmanager
    def watching(self):
        self.seen.clear()
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        self.armed = True
        try:
            yield
        finally:
            self.armed = False
            signal.setitimer(signal.ITIMER_PROF, 0)


@cache
def the_watch():
    """One for the whole process: an audit hook stays for ever."""
    return Watch()


def _is_write(mode):
    return isinstance(mode, str) and bool(set(mode) & set("wax+"))


def too_slow(signum, frame):
    raise TooSlowError


def limit_memory(mebibytes):
    """So much more than now, and no more, for whatever this process asks for."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    now = pages * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + (mebibytes << 20),) * 2)


class Range:
    """A folder with one file in it, which a target reads again and again."""

    def __init__(self, folder, memory):
        self.folder, self.watch = Path(folder), the_watch()
        signal.signal(signal.SIGPROF, too_slow)
        if memory:
            limit_memory(memory)

    def shoot(self, target, data):
        """ "read", "refused", or a finding: where and what."""
        path = self.folder / target.file
        path.write_bytes(data)
        outcome, start = "read", process_time()
        try:
            with self.watch.watching():
                target.read(path)
        except ClearpropError as error:
            outcome = _sentence(error)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # anything at all is what is looked for
            outcome = _place(error)
        if self.watch.seen:
            return f"touched: {self.watch.seen[0]}"
        if process_time() - start > SECONDS and not outcome.startswith(TooSlowError.__name__):
            return "slow"
        if os.listdir(self.folder) != [target.file] or path.read_bytes() != data:
            return f"the folder holds {os.listdir(self.folder)}"
        return outcome


def _sentence(error):
    text, cause = str(error), error
    while cause is not None:
        if isinstance(cause, MemoryError):
            return f"more memory than there is, {_place(cause)}"
        cause = cause.__cause__ or cause.__context__
    try:
        text.encode()
    except UnicodeEncodeError:
        return f"a sentence that cannot be printed, {_place(error)}"
    if not text.strip() or len(text) > LONGEST_SENTENCE:
        return f"a sentence of {len(text)} characters, {_place(error)}"
    return "refused"


def _place(error):
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename != __file__]
    ours = [f for f in frames if "clearprop" in f.filename] or frames
    return f"{type(error).__name__} at {Path(ours[-1].filename).name}:{ours[-1].lineno}"
