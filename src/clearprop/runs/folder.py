"""A run's folder, `experiments/<name>/`: everything that is needed to understand, resume and reuse it."""

import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from shlex import quote
from typing import Any

import tomli_w

from clearprop.errors import ConfigError, DataError, FileError
from clearprop.files import make_folder, replace_file
from clearprop.model import Sequential
from clearprop.names import nearest
from clearprop.runs.config import RunConfig, make_config, read_toml
from clearprop.runs.log import to_json
from clearprop.runs.prepare import Preprocessing
from clearprop.storage import load

if sys.platform != "win32":
    import fcntl

EXPERIMENTS = Path("experiments")
CONFIG = "config.toml"  # a run's folder has it
SWEEP = "sweep.toml"  # a sweep's folder has it
COMPARISON = "comparison.csv"
LOCK = ".lock"


class RunFolder:
    """The files of one run, by what they are.

    Examples
    --------
    >>> RunFolder(Path("experiments/iris")).weights.as_posix()
    'experiments/iris/weights.safetensors'
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / CONFIG
        self.sweep = path / SWEEP
        self.preprocessing = path / "preprocessing.json"
        self.metrics = path / "metrics.jsonl"
        self.history = path / "history.csv"
        self.weights = path / "weights.safetensors"
        self.checkpoints = path / "checkpoints"
        self.plots = path / "plots"
        self.summary = path / "summary.json"

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def handle(self) -> str:
        """What to call the run on the command line: its name, or its path where that is not enough."""
        return quote(self.name if self.path.parent == EXPERIMENTS else str(self.path))

    @contextmanager
    def locked(self, *, shared: bool = False) -> Iterator[None]:
        """Keep other processes from training in the folder; a process that is killed lets go of it, too.

        With `shared` several hold it at once, and keep out who wants it alone. Where the system or the disk knows no
        locks, nothing is kept.

        Raises
        ------
        FileError
            If another process trains there.
        """
        if sys.platform == "win32":
            yield
            return
        try:
            file = (self.path / LOCK).open("a")
        except OSError as error:
            raise FileError(
                f"{self.path}: the folder could not be locked ({error.strerror}). Choose one that you may write to."
            ) from error
        with file:
            try:
                kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
                fcntl.flock(file, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                raise FileError(
                    f"{self.path}: is being trained by another process. Wait for it, or start a run of another name."
                ) from None
            except OSError:  # a disk in the network without locks
                pass
            yield

    def write_config(self, config: RunConfig, path: Path | None = None) -> None:
        """Into config.toml, or a sweep's into `sweep`."""
        text = tomli_w.dumps(config.plain())
        replace_file(path or self.config, lambda file: file.write(text.encode()))

    def read_config(self, changes: tuple[str, ...] = ()) -> RunConfig:
        return make_config(read_toml(self.config), str(self.config), changes)

    def write_json(self, path: Path, content: Mapping[str, Any]) -> None:
        text = to_json(content, indent=2) + "\n"
        replace_file(path, lambda file: file.write(text.encode()))

    def read_summary(self) -> dict[str, Any]:
        summary = _read_json(self.summary)
        if not isinstance(summary, dict):
            raise DataError(f"{self.summary}: not as clearprop wrote it. Train again, or restore the file.")
        return summary

    def read_preprocessing(self) -> Preprocessing:
        try:
            return Preprocessing.from_plain(_read_json(self.preprocessing))
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"{self.preprocessing}: not as clearprop wrote it ({error!r}). Train again."
            ) from None

    def check_data(self, now: Preprocessing) -> None:
        """Refuse training data that are not those the run began with."""
        if self.preprocessing.is_file() and self.read_preprocessing().train_sha256 != now.train_sha256:
            raise DataError(
                f"{self.path}: expected the training data that the run began with, got others: they have changed "
                "since. Bring them back, or train a new run."
            )

    def load_model(self) -> Sequential:
        if not self.weights.is_file():
            raise FileError(
                f"{self.path}: the run has no weights yet. Finish it with: clearprop train --resume {self.handle}"
            )
        return load(self.weights)

    def clear(self) -> None:
        """Remove everything in the folder but its lock."""
        try:
            for path in self.path.iterdir():
                if path.name == LOCK:
                    continue
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()
        except OSError as error:
            raise FileError(
                f"{self.path}: the old run could not be removed ({error.strerror}). Choose another --name."
            ) from error

    def remove_torn(self) -> None:
        """Remove what a killed process had begun to write: see `replace_file`."""
        for torn in self.path.rglob(".*.part"):
            torn.unlink(missing_ok=True)

    def remove_if_empty(self) -> None:
        """A run that was refused before its first step leaves no folder behind."""
        with suppress(OSError):
            if [path.name for path in self.path.iterdir()] == [LOCK]:
                (self.path / LOCK).unlink()
            self.path.rmdir()


def plain_name(name: str) -> str:
    """The name, if it is one that does not leave the folder of experiments.

    Raises
    ------
    ConfigError
        If it would.
    """
    if not name or name in (".", "..") or any(sign in name for sign in "/\\\0"):
        raise ConfigError(f"run name: expected a plain name such as iris-2, got {name!r}.")
    return name


def new_folder(experiments: Path, name: str, overwrite: bool = False) -> RunFolder:
    """A new run's folder; where the name is taken it gets a number.

    With `overwrite` it is the old run's folder, which `start` clears when nothing can be refused any more.

    Raises
    ------
    ConfigError
        If the name would leave the folder of experiments, or what is to be overwritten is no run.
    FileError
        If the folder cannot be made.
    """
    plain_name(name)
    make_folder(experiments)
    path = experiments / name
    if overwrite and path.is_dir():
        if any(path.iterdir()) and not any((path / file).is_file() for file in (CONFIG, SWEEP, COMPARISON)):
            raise ConfigError(
                f"{path}: holds no clearprop run, so it is not overwritten. Choose another --name."
            )
        return RunFolder(path)
    number = 1
    while True:
        try:
            path.mkdir()
            return RunFolder(path)
        except FileExistsError:
            number += 1
            path = experiments / f"{name}-{number}"
        except OSError as error:
            raise FileError(
                f"{path}: the run's folder could not be made ({error.strerror}). Choose another place with --folder."
            ) from None


def find_run(experiments: Path, name: str) -> RunFolder:
    """A run or a sweep, by its name or its folder's path.

    Raises
    ------
    ConfigError
        With the nearest name, if there is no such run.
    """
    for path in (experiments / name, Path(name)):
        if any((path / file).is_file() for file in (CONFIG, SWEEP)):
            return RunFolder(path)
    known = names_of_runs(experiments)
    near = nearest(name, known)
    hint = f" Did you mean {near!r}?" if near else ""
    there = (
        f"There are: {', '.join(known)}." if known else "There are none yet: clearprop train iris makes one."
    )
    raise ConfigError(f"no run {name!r} in {experiments}.{hint} {there}")


def names_of_runs(experiments: Path) -> list[str]:
    """What lies in the folder, by name; a sweep stands for its trials."""
    places = {path.parent for file in (CONFIG, SWEEP) for path in experiments.glob(f"**/{file}")}
    tops = {path.parent if (path.parent / SWEEP).is_file() else path for path in places}
    return sorted(str(path.relative_to(experiments)) for path in tops)


def all_runs(experiments: Path) -> list[RunFolder]:
    """Every run in the folder, sweeps' runs included, by name."""
    return [RunFolder(path.parent) for path in sorted(experiments.glob(f"**/{CONFIG}"))]


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FileError(
            f"{path}: could not be read ({error.strerror}). The run may not have got that far."
        ) from None
    except ValueError as error:
        raise DataError(f"{path}: not valid JSON ({error}). Train again, or restore the file.") from None
