"""CS 189's Fall 2022 toy batch, as its document hands it out: two examples and a network of 4, 2 and 1 neurons."""

import pickle
import shutil
from pathlib import Path

from clearprop.courses.cs189_functions import TOY_BATCH, load_toy_batch

NAME = "test_batch_weights_biases"


def toy_batch(folder: Path) -> None:
    """test_batch_weights_biases.npz, which hw2.py reads, and .pkl, which the document's own lines read."""
    shutil.copyfile(TOY_BATCH, folder / f"{NAME}.npz")
    with (folder / f"{NAME}.pkl").open("wb") as file:
        pickle.dump(tuple(load_toy_batch()), file)
