"""The logger: a run's settings, what it measured after each epoch, and the pictures, in a folder of the run's own."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

from clearprop.errors import FileError
from clearprop.files import make_folder, replace_file
from clearprop.history import History
from clearprop.lens.curves import plot_epochs
from clearprop.lens.style import DPI, new_axes, styled
from clearprop.runs.log import to_json

REDRAW = 30.0  # seconds between two drawings while a training goes on
SETS = {"train": "", "validate": "validation_"}  # what a part's column begins with in a History


class Logger:
    """Keeps the log, and with `save` or `plot` a folder `<save_dir>/<model_name>/`.

    Parameters
    ----------
    model_name : str
        If there is a folder of this name the run gets another, with a number, and says so.
    model_args, data_args : mapping
        The settings, for hyperparameters.json.
    save : bool
        Write hyperparameters.json and log.jsonl, a line for each `push`.
    plot : bool
        Draw loss.png, error.png and a picture of each parameter's largest and smallest element.
    save_dir : str or Path

    Attributes
    ----------
    log : list of dict
        What was pushed.

    Examples
    --------
    >>> logger = Logger("iris", {"seed": 0}, {"batch_size": 25})
    >>> logger.push({"loss": {"train": 1.1}})
    >>> logger.log
    [{'loss': {'train': 1.1}}]
    """

    def __init__(
        self,
        model_name: str,
        model_args: Mapping[str, Any],
        data_args: Mapping[str, Any],
        save: bool = False,
        plot: bool = False,
        save_dir: str | Path = "experiments/",
    ) -> None:
        self.model_name, self.save_dir = model_name, Path(save_dir)
        self.model_args, self.data_args = model_args, data_args
        self.save, self.plot = save, plot
        self.reset()

    def reset(self) -> None:
        """Forget the log; what is pushed next is another run, with a folder of its own."""
        self.log: list[dict[str, Any]] = []
        self._folder: Path | None = None
        self._drawn, self._drawn_at = 0, monotonic()

    @property
    def folder(self) -> Path:
        """The run's folder, which is made when it is asked for first.

        Raises
        ------
        ConfigError
            If the name is not a plain one.
        FileError
            If the folder cannot be made.
        """
        if self._folder is None:
            from clearprop.runs.folder import new_folder  # brings pydantic, which nothing else here needs

            self._folder = new_folder(self.save_dir, self.model_name).path
            if self._folder.name != self.model_name:
                there = self.save_dir / self.model_name
                print(f"{there}: there is a run of this name already. This one is kept in {self._folder}.")
            settings = {"model_name": self.model_name, "model": self.model_args, "data": self.data_args}
            text = to_json(_plain(settings), indent=2) + "\n"
            replace_file(self._folder / "hyperparameters.json", lambda file: file.write(text.encode()))
        return self._folder

    def push(self, log: Mapping[str, Any]) -> None:
        """Add an epoch's measurements.

        log : {"loss": {"train": …, "validate": …}, "error": {…}, "parameters": {"0.W": {"max": …, "min": …}}}
        """
        self.log.append(
            {key: dict(value) if isinstance(value, Mapping) else value for key, value in log.items()}
        )
        if self.save:
            path = make_folder(self.folder) / "log.jsonl"
            try:
                with path.open("a", encoding="utf-8") as file:
                    file.write(to_json(_plain({"epoch": len(self.log), **log})) + "\n")
            except OSError as err:
                raise FileError(f"{path}: the log could not be written ({err.strerror}).") from err
        if self.plot and monotonic() - self._drawn_at > REDRAW:
            self.flush()

    def flush(self) -> None:
        """Draw the pictures of all that was pushed so far. `train` does so at its end, and sometimes on the way."""
        if not self.plot or self._drawn == len(self.log):
            return
        with styled():
            for name, (history, what) in self._curves().items():
                axes = plot_epochs(new_axes(7.2, 4.2), history, what)
                figure: Any = axes.get_figure()
                draw = partial(figure.savefig, format="png", dpi=DPI)
                replace_file(self.folder / f"{name}.png", draw)
        self._drawn, self._drawn_at = len(self.log), monotonic()

    def _curves(self) -> dict[str, tuple[History, str]]:
        """Each picture's name, the curves in it, and what they are of."""
        histories: dict[str, tuple[History, str]] = {}
        for epoch, log in enumerate(self.log, 1):
            parameters = log.get("parameters", {})
            kinds = {key: value for key, value in log.items() if key != "parameters"}
            for what, values in (kinds | parameters).items():
                name = f"parameter_{what}" if what in parameters else what
                history, _ = histories.setdefault(name, (History(what), what))
                values = values if isinstance(values, Mapping) else {"train": values}
                columns = {f"{SETS.get(part, f'{part}_')}{what}": value for part, value in values.items()}
                history.epochs.append({"epoch": epoch, **columns})
        return histories


def _plain(content: Any) -> Any:
    """Dictionaries, lists, numbers and strings, for JSON; what is none of them by its name."""
    if isinstance(content, Mapping):
        return {str(key): _plain(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_plain(value) for value in content]
    if hasattr(content, "tolist"):
        return content.tolist()
    return content if isinstance(content, str | int | float | bool | None) else repr(content)
