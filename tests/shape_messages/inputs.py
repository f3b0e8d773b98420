"""Inputs that a network was not built for: in training, validation, prediction, summary."""

import numpy as np

import clearprop as cp

from .case import AND_HEAD, AT_EACH, COLOUR, IMAGES, ROWS, SERIES, WORDS, N, Y, case, step


def head(x):
    return step([cp.Dense(3)], ROWS).predict(x)


CONV = [cp.Conv2D(2, 3), *AND_HEAD]
INPUTS = {
    "one example": case(
        lambda: head(ROWS[0]),
        "layer 0, Dense(3): expected x of shape (N, 4), got (4,).",
        r"The batch axis is missing: pass (x\[None\])\.",
        head,
        ("expected x: N",),
        x=ROWS[0],
    ),
    "examples as columns": case(
        lambda: step([cp.Dense(3)], ROWS.T, np.arange(4) % 3, input_shape=(4,)),
        "fit: expected x of shape (N, 4), got (4, 6).",
        r"Examples are rows: pass (x\.T)\.",
        lambda x: step([cp.Dense(3)], x),
        ("expected x: 4", "got x: 6", "w: 4"),
        x=ROWS.T,
    ),
    "channels in front": case(
        lambda: step(CONV, COLOUR.transpose(0, 3, 1, 2), input_shape=(12, 12, 3)),
        "fit: expected x of shape (N, 12, 12, 3), got (6, 3, 12, 12).",
        r"Its axes stand in another order: pass (x\.transpose\(0, 2, 3, 1\))\.",
        lambda x: step(CONV, x),
        ("expected x: 12 3", "got x: 3 12", "w: 3"),
        x=COLOUR.transpose(0, 3, 1, 2),
    ),
    "the batch behind": case(
        lambda: step(CONV, COLOUR.transpose(1, 2, 3, 0), input_shape=(12, 12, 3)),
        "fit: expected x of shape (N, 12, 12, 3), got (12, 12, 3, 6).",
        r"pass (x\.transpose\(3, 0, 1, 2\))\.",
        lambda x: step(CONV, x),
        ("expected x: 12 3", "got x: 3 6", "w: 3"),
        x=COLOUR.transpose(1, 2, 3, 0),
    ),
    "time in front": case(
        lambda: step([cp.LSTM(3)], SERIES.transpose(1, 0, 2), AT_EACH[0], input_shape=(7, 2)),
        "fit: expected x of shape (N, 7, 2), got (7, 6, 2).",
        r"pass (x\.transpose\(1, 0, 2\))\.",
        lambda x: step([cp.LSTM(3)], x),
        ("expected x: 7", "got x: 6"),
        x=SERIES.transpose(1, 0, 2),
    ),
    "one image, channels in front": case(
        lambda: step(CONV, COLOUR).predict(COLOUR[0].transpose(2, 0, 1)),
        "layer 0, Conv2D(2, 3): expected x of shape (N, 12, 12, 3), got (3, 12, 12).",
        r"without the batch axis: pass (x\.transpose\(1, 2, 0\)\[None\])\.",
        lambda x: step(CONV, COLOUR).predict(x),
        ("expected x: 3",),
        x=COLOUR[0].transpose(2, 0, 1),
    ),
    "no channel axis": case(
        lambda: step(CONV, IMAGES[..., 0], input_shape=(12, 12, 1)),
        "fit: expected x of shape (N, 12, 12, 1), got (6, 12, 12).",
        r"pass (x\.reshape\(-1, 12, 12, 1\))\.",
        lambda x: step(CONV, x),
        ("expected x: 1",),
        x=IMAGES[..., 0],
    ),
    "rows of pixels": case(
        lambda: step(CONV, IMAGES.reshape(N, -1), input_shape=(12, 12, 1)),
        "fit: expected x of shape (N, 12, 12, 1), got (6, 144).",
        r"Each example has as many numbers: pass (x\.reshape\(-1, 12, 12, 1\))\.",
        lambda x: step(CONV, x),
        ("expected x: 12 12 1", "got x: 144"),
        x=IMAGES.reshape(N, -1),
    ),
    "one image as a row": case(
        lambda: step(CONV, IMAGES).predict(IMAGES[0].ravel()),
        "layer 0, Conv2D(2, 3): expected x of shape (N, 12, 12, 1), got (144,).",
        r"It is one example: pass (x\.reshape\(1, 12, 12, 1\))\.",
        lambda x: step(CONV, IMAGES).predict(x),
        ("expected x: 12 12 1",),
        x=IMAGES[0].ravel(),
    ),
    "colours for a grey network": case(
        lambda: step(CONV, COLOUR, input_shape=(12, 12, 1)),
        "fit: expected x of shape (N, 12, 12, 1), got (6, 12, 12, 3).",
        r"It has 3 channels: build the network with input_shape=(\(12, 12, 3\))\.",
        lambda shape: step(CONV, COLOUR, input_shape=shape),
        ("expected x: 1", "got x: 3", "w: 1"),
    ),
    "a column more": case(
        lambda: step([cp.Dense(3)], np.hstack([ROWS, ROWS[:, :1]]), input_shape=(4,)),
        "fit: expected x of shape (N, 4), got (6, 5).",
        r"The shape is fixed by input_shape when the network is built: for this x, input_shape=(\(5,\))\.",
        lambda shape: step([cp.Dense(3)], np.hstack([ROWS, ROWS[:, :1]]), input_shape=shape),
        ("expected x: 4", "got x: 5", "w: 4"),
    ),
    "a network built with its batch": case(
        lambda: step([cp.Flatten(), cp.Dense(3)], ROWS, input_shape=ROWS.shape),
        "fit: expected x of shape (N, 6, 4), got (6, 4).",
        r"The batch axis is missing: pass x\[None\]\. Or, if 6 is the number of examples, .*input_shape=(\(4,\))\.",
        lambda shape: step([cp.Flatten(), cp.Dense(3)], ROWS, input_shape=shape),
        ("expected x: N",),
    ),
    "a network built with another batch": case(
        lambda: step([cp.Flatten(), cp.Dense(3)], ROWS, input_shape=(32, 4)),
        "fit: expected x of shape (N, 32, 4), got (6, 4).",
        r"Its input_shape holds a batch axis: build the network with input_shape=(\(4,\))\.",
        lambda shape: step([cp.Flatten(), cp.Dense(3)], ROWS, input_shape=shape),
        ("expected x: 32",),
    ),
    "validation of another shape": case(
        lambda: step([cp.Dense(3)], ROWS, validation=(ROWS.T, Y)),
        "fit, validation: expected x of shape (N, 4), got (4, 6).",
        r"Examples are rows: pass (x\.T)\.",
        lambda x: step([cp.Dense(3)], ROWS, validation=(x, Y)),
        ("expected x: 4", "got x: 6", "w: 4"),
        x=ROWS.T,
    ),
    "validation with weights": case(
        lambda: step([cp.Dense(3)], ROWS, validation=(ROWS, Y, np.ones(N))),
        "fit, validation: expected a pair of arrays (x, y), got tuple of 3.",
        r"Pass (\(x_val, y_val\))\.",
        lambda pair: step([cp.Dense(3)], ROWS, validation=pair),
        x_val=ROWS,
        y_val=Y,
    ),
    "a word beyond the vocabulary": case(
        lambda: step([cp.Embedding(5, 4), cp.LSTM(3)], WORDS),
        "fit, layer 0, Embedding(5, 4): expected x to hold whole numbers from 0 to 4, got ",
        r"Number the words from 0, and give the vocabulary's size: (Embedding\(9, 4\))\.",
        lambda layer: step([layer, cp.LSTM(3)], WORDS),
    ),
    "one row for a batch norm": case(
        lambda: step([cp.Dense(3), cp.BatchNorm()], ROWS, batch_size=5),
        "fit, layer 1, BatchNorm(): expected at least 2 rows in each mini-batch, to have a variance, got 1",
        r"Pass drop_last=(True), or another batch_size\.",
        lambda given: step([cp.Dense(3), cp.BatchNorm()], ROWS, batch_size=5, drop_last=given),
    ),
    "summary of another shape": case(
        lambda: step([cp.Dense(3)], ROWS).summary((32, 2, 2)),
        "summary, layer 0, Dense(3): expected x of shape (N, 4), got (32, 2, 2).",
        r"pass (x\.reshape\(-1, 4\))\.",
        lambda x: step([cp.Dense(3)], x).summary(x.shape),
        ("expected x: 4", "got x: 2 2"),
        x=ROWS.reshape(N, 2, 2),
    ),
    "a gradient of another shape": case(
        lambda: step([cp.Dense(3)], ROWS).backward(
            np.ones((3, N)), step([cp.Dense(3)], ROWS).forward(ROWS)[1]
        ),
        "backward: expected dy of shape (N, 3), got (3, 6).",
        r"Examples are rows: pass (dy\.T)\.",
        lambda dy: (m := step([cp.Dense(3)], ROWS)).backward(dy, m.forward(ROWS)[1]),
        ("expected dy: 3", "got dy: 6"),
        dy=np.ones((3, N)),
    ),
}
