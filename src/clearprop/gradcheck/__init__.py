"""Gradients checked against differences: any function, kernels, losses, layers, networks.

`check.py` and `networks.py` are the public doors. Behind them `engine.py` chooses coordinates and directions,
`probe.py` compares one slope, `guess.py` says what may be wrong, `report.py` prints it; `cases.py` lists
everything that `clearprop check` goes through.
"""

from clearprop.gradcheck.check import check_function, check_kernel, check_loss
from clearprop.gradcheck.networks import check_gradients, check_layer
from clearprop.gradcheck.report import GradientEntry, GradientReport

__all__ = [
    "GradientEntry",
    "GradientReport",
    "check_function",
    "check_gradients",
    "check_kernel",
    "check_layer",
    "check_loss",
]
