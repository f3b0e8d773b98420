"""What a network does, shown. Reads the core and is never imported by it.

The names below are imported when they are first used; Matplotlib, when the first picture is drawn.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clearprop.lens.architecture import draw_model, model_size, plot_model, save_model_picture, tikz_model
    from clearprop.lens.boundary import plot_boundary
    from clearprop.lens.cells import confusion_size, plot_confusion, plot_worst, worst_size
    from clearprop.lens.curves import plot_epochs, plot_predicted, plot_runs, plot_steps
    from clearprop.lens.embedding import Components, plot_embedding, principal_components
    from clearprop.lens.histograms import Histograms, histograms_size, plot_histograms
    from clearprop.lens.lr_range import RateRange, lr_range_test, plot_lr_range
    from clearprop.lens.maps import plot_responses, plot_saliency, saliency
    from clearprop.lens.operands import check_shapes
    from clearprop.lens.plots import (
        Predicted,
        best_and_worst_size,
        best_examples,
        plot_best_and_worst,
        predict_set,
        save_run_plots,
        worst_examples,
    )
    from clearprop.lens.states import layer_output
    from clearprop.lens.weights import plot_filters, plot_templates

# Each module of this room, and what it offers.
_HOMES = {
    "architecture": ("draw_model", "model_size", "plot_model", "save_model_picture", "tikz_model"),
    "boundary": ("plot_boundary",),
    "cells": ("confusion_size", "plot_confusion", "plot_worst", "worst_size"),
    "curves": ("plot_epochs", "plot_predicted", "plot_runs", "plot_steps"),
    "embedding": ("Components", "plot_embedding", "principal_components"),
    "histograms": ("Histograms", "histograms_size", "plot_histograms"),
    "lr_range": ("RateRange", "lr_range_test", "plot_lr_range"),
    "maps": ("plot_responses", "plot_saliency", "saliency"),
    "operands": ("check_shapes",),
    "plots": (
        "Predicted", "best_and_worst_size", "best_examples", "plot_best_and_worst", "predict_set", "save_run_plots",
        "worst_examples",
    ),
    "states": ("layer_output",),
    "weights": ("plot_filters", "plot_templates"),
}  # fmt: skip

__all__ = [
    "Components",
    "Histograms",
    "Predicted",
    "RateRange",
    "best_and_worst_size",
    "best_examples",
    "check_shapes",
    "confusion_size",
    "draw_model",
    "histograms_size",
    "layer_output",
    "lr_range_test",
    "model_size",
    "plot_best_and_worst",
    "plot_boundary",
    "plot_confusion",
    "plot_embedding",
    "plot_epochs",
    "plot_filters",
    "plot_histograms",
    "plot_lr_range",
    "plot_model",
    "plot_predicted",
    "plot_responses",
    "plot_runs",
    "plot_saliency",
    "plot_steps",
    "plot_templates",
    "plot_worst",
    "predict_set",
    "principal_components",
    "saliency",
    "save_model_picture",
    "save_run_plots",
    "tikz_model",
    "worst_examples",
    "worst_size",
]

if not TYPE_CHECKING:

    def __getattr__(name):
        if name in __all__:
            module = next(module for module, names in _HOMES.items() if name in names)
            found = globals()[name] = getattr(import_module(f"clearprop.lens.{module}"), name)
            return found
        raise AttributeError(f"module 'clearprop.lens' has no attribute {name!r}")

    def __dir__():
        return sorted({*globals(), *__all__})
