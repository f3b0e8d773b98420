"""A run's trackers, as its table [tracking] asks for them."""

from pathlib import Path

from clearprop.interop.tracking import MLflow, TensorBoard, Tracker
from clearprop.runs.config import RunConfig
from clearprop.runs.folder import RunFolder


def make_trackers(folder: RunFolder, config: RunConfig) -> list[Tracker]:
    """TensorBoard and MLflow for this run; none without a table [tracking].

    Raises
    ------
    ConfigError
        If a package is not installed.
    """
    table, made = config.tracking, list[Tracker]()
    if table is None:
        return made
    name = f"{folder.path.parent.name}/{folder.name}" if _is_trial(folder) else folder.name
    hparams = config.model_copy(update={"tracking": None}).plain()
    if table.tensorboard:
        place = folder.path / "tensorboard" if table.tensorboard is True else Path(table.tensorboard) / name
        made.append(TensorBoard(place, every=table.every, histograms=table.histograms, hparams=hparams))
    if table.mlflow:
        address = None if table.mlflow is True else table.mlflow
        made.append(
            MLflow(table.experiment, run_name=name, tracking_uri=address, every=table.every, hparams=hparams)
        )
    return made


def _is_trial(folder: RunFolder) -> bool:
    return RunFolder(folder.path.parent).sweep.is_file()
