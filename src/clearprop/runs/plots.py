"""A run's pictures, from its history and the parts of its data."""

from pathlib import Path

from clearprop.history import History
from clearprop.lens.plots import predict_set, save_run_plots
from clearprop.losses import Loss
from clearprop.model import Sequential
from clearprop.runs.prepare import Prepared, in_memory


def save_plots(
    folder: Path, history: History, model: Sequential, prepared: Prepared, loss: Loss, title: str
) -> list[Path]:
    """Curves, confusion matrix and worst examples of the test part, or of the best there is instead.

    The worst examples are shown as they were measured, before any scaling, and pictures as pictures. Of a part that
    stays on the disk only the first rows are looked at.
    """
    name = next(name for name in ("test", "validation", "train") if name in prepared.parts)
    shown, preprocessing = in_memory(prepared.raw[name]).x, prepared.preprocessing
    if preprocessing.image_shape is not None:
        shown = shown.reshape(len(shown), *preprocessing.image_shape)
    return save_run_plots(
        folder,
        history,
        predict_set(model, *in_memory(prepared.parts[name]), loss)._replace(x=shown),
        class_names=preprocessing.class_names or (),
        feature_names=preprocessing.feature_names or (),
        title=title,
        set_name=name,
    )
