"""Training runs where users look at theirs: TensorBoard's event files and MLflow; the page is docs/tracking.md.

tracker.py is what is told and when, and that nothing there can stop a training; tensorboard.py and mlflow.py say it in
their tool's words.
"""

from clearprop.interop.tracking.mlflow import MLflow
from clearprop.interop.tracking.tensorboard import TensorBoard
from clearprop.interop.tracking.tracker import Tracker

__all__ = ["MLflow", "TensorBoard", "Tracker"]
