"""Labels and targets that the loss cannot take, or not with this network's output."""

import numpy as np

import clearprop as cp

from .case import CROSS, IMAGES, RNG, ROWS, SERIES, N, Y, case, step

ONE_HOT = np.eye(3)[Y]
BYTES = RNG.integers(0, 256, (N, 3)).astype(np.uint8)
TARGETS = RNG.normal(size=(N, 3))


def learn(y, loss=CROSS, units=3, **settings):
    return step([cp.Dense(units)], ROWS, y, loss, **settings)


LABELS = {
    "labels from 1": case(
        lambda: learn(Y + 1),
        "fit: expected labels from 0 to 2, got 3 in row 2.",
        r"They seem to start at 1: pass (y - 1)\.",
        learn,
        y=Y + 1,
    ),
    "too few units": case(
        lambda: learn(Y + 2),
        "fit: expected labels from 0 to 2, got 3 in row 1.",
        r"For this y the last layer needs (5) units\.",
        lambda units: learn(Y + 2, units=units),
    ),
    "one unit for a softmax": case(
        lambda: learn(Y % 2, units=1),
        "fit: expected labels from 0 to 0, got 1 in row 1.",
        r"For this y the last layer needs (2) units\.",
        lambda units: learn(Y % 2, units=units),
    ),
    "labels of -1 and 1": case(
        lambda: learn(Y % 2 * 2 - 1, units=2),
        "fit: expected labels from 0 to 1, got -1 in row 0.",
        r"Labels count from 0: pass (np\.unique\(y, return_inverse=True\)\[1\])\.",
        lambda y: learn(y, units=2),
        y=Y % 2 * 2 - 1,
    ),
    "names as labels": case(
        lambda: learn(np.array(["a", "b", "c"])[Y]),
        "fit: expected y to hold numbers, got <U1 ('a', …).",
        r"Turn class names into labels: names, y = (np\.unique\(y, return_inverse=True\))\.",
        lambda found: learn(found[1]),
        y=np.array(["a", "b", "c"])[Y],
    ),
    "numbers as labels": case(
        lambda: learn(TARGETS[:, 0], units=1),
        "fit: expected whole numbers as labels, got ",
        r"To predict numbers, take the loss (squared_error)\.",
        lambda loss: learn(TARGETS[:, 0], loss, units=1),
        squared_error="squared_error",
    ),
    "one-hot rows for a hinge": case(
        lambda: learn(ONE_HOT, "hinge"),
        "fit: hinge wants labels of shape (N,), got rows of shape (6, 3).",
        r"If they are one-hot, pass (y\.argmax\(axis=1\))\.",
        lambda y: learn(y, "hinge"),
        ("got y: 3",),
        y=ONE_HOT,
    ),
    "one-hot rows of more classes": case(
        lambda: learn(np.eye(4)[Y]),
        "fit: expected y of shape (N,), got (6, 4).",
        r"or rows of probabilities \(N, 3\)\. For this y the last layer needs (4) units\.",
        lambda units: learn(np.eye(4)[Y], units=units),
        ("got y: 4",),
    ),
    "labels for a squared error": case(
        lambda: learn(Y, "squared_error"),
        "fit: squared_error wants targets of shape (N, 3), got labels of shape (6,).",
        r"Pass (one_hot\(y, 3\)), or take the loss softmax_cross_entropy\.",
        lambda y: learn(y, "squared_error"),
        ("wanted y: 3",),
        y=Y,
    ),
    "one number an example for three units": case(
        lambda: learn(TARGETS[:, 0], "squared_error"),
        "fit: squared_error wants targets of shape (N, 3), got labels of shape (6,).",
        r"It is one number an example, so the last layer needs (1) unit\.",
        lambda units: learn(TARGETS[:, 0], "squared_error", units=units),
        ("wanted y: 3",),
    ),
    "two numbers an example for three units": case(
        lambda: learn(TARGETS[:, :2], "huber"),
        "fit: expected y of shape (N, 3), got (6, 2).",
        r"Targets have the shape of the network's output\. For this y the last layer needs (2) units\.",
        lambda units: learn(TARGETS[:, :2], "huber", units=units),
        ("expected y: 3", "got y: 2"),
    ),
    "images as targets of rows": case(
        lambda: step([cp.Flatten(), cp.Dense(144)], IMAGES, IMAGES, "squared_error"),
        "fit: expected y of shape (N, 144), got (6, 12, 12, 1).",
        r"Each example has as many numbers: pass (y\.reshape\(-1, 144\))\.",
        lambda y: step([cp.Flatten(), cp.Dense(144)], IMAGES, y, "squared_error"),
        ("expected y: 144", "got y: 12 12 1"),
        y=IMAGES,
    ),
    "fewer labels than rows": case(
        lambda: learn(Y[:4]),
        "fit: expected one row of y for each of the 6 rows of x, got y of shape (4,).",
        r"Take both from the same rows of the data, such as (x\[:4\], y\[:4\])\.",
        lambda both: step([cp.Dense(3)], *both),
        ("x: 6", "y: 4"),
        x=ROWS,
        y=Y,
    ),
    "labels as one row": case(
        lambda: learn(Y[None]),
        "fit: expected one row of y for each of the 6 rows of x, got y of shape (1, 6).",
        r"Examples are rows: pass (y\.T)\.",
        learn,
        ("x: 6", "y: 1"),
        y=Y[None],
    ),
    "targets as columns": case(
        lambda: learn(TARGETS.T, "absolute_error"),
        "fit: expected one row of y for each of the 6 rows of x, got y of shape (3, 6).",
        r"Examples are rows: pass (y\.T)\.",
        lambda y: learn(y, "absolute_error"),
        ("x: 6", "y: 3"),
        y=TARGETS.T,
    ),
    "one label a sequence, scores at each step": case(
        lambda: step([cp.LSTM(3, return_sequences=True)], SERIES),
        "fit: expected y of shape (N, 7), got (6,).",
        r"end the network with (Flatten\(\) and Dense\(K\)), or leave return_sequences out\.",
        lambda last: step([cp.LSTM(3, return_sequences=True), cp.Flatten(), last], SERIES),
        ("expected y: 7",),
        K=3,
    ),
    "classes for a sigmoid": case(
        lambda: learn(Y, "sigmoid_cross_entropy", units=1),
        "fit: sigmoid_cross_entropy wants targets from 0 to 1, got [2] in row 2.",
        r"For labels take softmax_cross_entropy, and (3) units in the last layer\.",
        lambda units: learn(Y, units=units),
    ),
    "two classes of other names": case(
        lambda: learn(Y % 2 * 2 - 1, "sigmoid_cross_entropy", units=1),
        "fit: sigmoid_cross_entropy wants targets from 0 to 1, got [-1] in row 0.",
        r"For two classes pass (y == 1)\.",
        lambda y: learn(y, "sigmoid_cross_entropy", units=1),
        y=Y % 2 * 2 - 1,
    ),
    "bytes for a sigmoid": case(
        lambda: learn(BYTES, "sigmoid_cross_entropy"),
        "fit: sigmoid_cross_entropy wants targets from 0 to 1, got ",
        r"Scale them: pass (y / 255)\.",
        lambda y: learn(y, "sigmoid_cross_entropy"),
        y=BYTES,
    ),
    "several labels for a softmax": case(
        lambda: learn(np.array([[1, 1, 0]] * N)),
        "fit: softmax_cross_entropy wants rows of probabilities that sum to 1, got [1. 1. 0.] in row 0.",
        r"For several labels an example take the loss (sigmoid_cross_entropy)\.",
        lambda loss: learn(np.array([[1, 1, 0]] * N), loss),
        sigmoid_cross_entropy="sigmoid_cross_entropy",
    ),
    "votes for a softmax": case(
        lambda: learn(np.array([[1, 3, 1]] * N)),
        "fit: softmax_cross_entropy wants rows of probabilities that sum to 1, got [1. 3. 1.] in row 0.",
        r"Pass (y / y\.sum\(axis=1, keepdims=True\))\.",
        learn,
        y=np.array([[1, 3, 1]] * N),
    ),
    "a softmax twice": case(
        lambda: step([cp.Dense(3, activation="softmax")], ROWS),
        "fit: softmax_cross_entropy contains the softmax, and the network ends with Activation('softmax'), too.",
        r"Leave that layer out, or take the loss (cross_entropy)\.",
        lambda loss: step([cp.Dense(3, activation="softmax")], ROWS, loss=loss),
        cross_entropy="cross_entropy",
    ),
}
