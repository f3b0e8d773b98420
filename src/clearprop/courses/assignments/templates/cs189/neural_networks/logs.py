"""The log of a training run, and its pictures, in experiments/<model_name>/."""

import json
from pathlib import Path


class Logger:
    """Collects what is measured after each epoch; writes a folder if asked to.

    A run never overwrites another: if there is a folder of its name, it gets one with a number behind the name.

    Parameters
    ----------
    model_name : str
    model_args, data_args : dict
        The settings, kept in hyperparameters.json.
    save : bool
        Write hyperparameters.json, and log.jsonl with a line for each epoch.
    plot : bool
        Draw loss.png, error.png, and for each parameter its largest and smallest number.
    save_dir : str
    """

    def __init__(
        self,
        model_name: str,
        model_args: dict,
        data_args: dict,
        save: bool = False,
        plot: bool = False,
        save_dir: str = "experiments/",
    ) -> None:
        self.model_name, self.model_args, self.data_args = model_name, model_args, data_args
        self.save, self.plot, self.save_dir = save, plot, Path(save_dir)
        self.reset()

    def reset(self) -> None:
        """Forget everything: what is pushed next belongs to another run."""
        self.log: list[dict] = []
        self._folder: Path | None = None

    @property
    def folder(self) -> Path:
        """The run's folder, made when it is needed first."""
        if self._folder is None:
            self._folder = self._new_folder()
            settings = {"model_name": self.model_name, "model": self.model_args, "data": self.data_args}
            text = json.dumps(settings, indent=2, default=str)
            (self._folder / "hyperparameters.json").write_text(text + "\n", encoding="utf-8")
        return self._folder

    def _new_folder(self) -> Path:
        number, path = 1, self.save_dir / self.model_name
        while True:
            try:
                path.mkdir(parents=True)
            except FileExistsError:
                number += 1
                path = self.save_dir / f"{self.model_name}-{number}"
                continue
            if number > 1:
                print(f"There is a run {self.model_name!r} already: this one is kept in {path}.")
            return path

    def push(self, log: dict) -> None:
        """Add an epoch: {"loss": {"train": ..., "validate": ...}, "error": {...}, "parameters": {...}}."""
        self.log.append(log)
        if self.save:
            with (self.folder / "log.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps({"epoch": len(self.log)} | log) + "\n")

    def draw(self) -> None:
        """The pictures of all epochs so far. `train` calls this once, at its end: it takes longer than an epoch."""
        if not self.plot or not self.log:
            return
        for what in ("loss", "error"):
            self._draw(what, [epoch[what] for epoch in self.log])
        for name in self.log[0].get("parameters", {}):
            self._draw(f"parameter_{name}", [epoch["parameters"][name] for epoch in self.log])

    def _draw(self, what: str, epochs: list[dict]) -> None:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(6.4, 4.0), layout="constrained")
        axes = figure.subplots()
        for curve in epochs[0]:
            axes.plot(range(1, len(epochs) + 1), [epoch[curve] for epoch in epochs], label=curve)
        axes.set(xlabel="epoch", ylabel=what, title=self.model_name)
        axes.grid(alpha=0.3)
        axes.legend()
        figure.savefig(self.folder / f"{what}.png", dpi=120)
