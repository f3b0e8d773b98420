"""Networks whose layers do not fit together, or not the data."""

import numpy as np

import clearprop as cp

from .case import AND_HEAD, AT_EACH, COLOUR, IMAGES, ROWS, SERIES, WORDS, N, case, step

NETWORKS = {
    "dense on images": case(
        lambda: step([cp.Dense(3)], IMAGES),
        "layer 0, Dense(3): expected x of shape (N, D), got (N, 12, 12, 1).",
        r"Put (Flatten\(\)) before it\.",
        lambda layer: step([layer, cp.Dense(3)], IMAGES),
        ("expected x: D", "got x: 12 12 1"),
    ),
    "dense behind a convolution": case(
        lambda: step([cp.Conv2D(2, 3, activation="relu"), cp.Dense(3)], IMAGES),
        "layer 2, Dense(3): expected x of shape (N, D), got (N, 10, 10, 2).",
        r"Put (Flatten\(\)) before it\.",
        lambda layer: step([cp.Conv2D(2, 3, activation="relu"), layer, cp.Dense(3)], IMAGES),
        ("expected x: D", "got x: 10 10 2"),
    ),
    "dense at each time step": case(
        lambda: step([cp.GRU(5, return_sequences=True), cp.Dense(3)], SERIES, AT_EACH),
        "layer 1, Dense(3): expected x of shape (N, D), got (N, 7, 5).",
        r"write (TimeDistributed\(Dense\(3\)\));",
        lambda layer: step([cp.GRU(5, return_sequences=True), layer], SERIES, AT_EACH),
        ("expected x: D", "got x: 7 5"),
    ),
    "the batch in a dense network's input_shape": case(
        lambda: step([cp.Dense(3)], ROWS, input_shape=ROWS.shape),
        "layer 0, Dense(3): expected x of shape (N, D), got (N, 6, 4).",
        r"If 6 is the number of examples, leave it out: input_shape=(\(4,\))\.",
        lambda shape: step([cp.Dense(3)], ROWS, input_shape=shape),
        ("expected x: D", "got x: 6 4"),
    ),
    "the batch in an image network's input_shape": case(
        lambda: step([cp.Conv2D(2, 3), *AND_HEAD], IMAGES, input_shape=IMAGES.shape),
        "layer 0, Conv2D(2, 3): expected x of shape (N, H, W, C), got (N, 6, 12, 12, 1).",
        r"If 6 is the number of examples, leave it out: input_shape=(\(12, 12, 1\))\.",
        lambda shape: step([cp.Conv2D(2, 3), *AND_HEAD], IMAGES, input_shape=shape),
        ("expected x: H W C", "got x: 6 12 12 1"),
    ),
    "a batch of None": case(
        lambda: step([cp.Conv2D(2, 3), *AND_HEAD], IMAGES, input_shape=(None, 12, 12, 1)),
        "Sequential: expected one example's input_shape, got (None, 12, 12, 1).",
        r"Leave the batch axis out: (\(12, 12, 1\))\.",
        lambda shape: step([cp.Conv2D(2, 3), *AND_HEAD], IMAGES, input_shape=shape),
    ),
    "input_shape as a number": case(
        lambda: step([cp.Dense(3)], ROWS, input_shape=4),
        "Sequential: expected input_shape to be a tuple of one example's sizes, such as (784,), got 4.",
        r"Write (\(4,\))\.",
        lambda shape: step([cp.Dense(3)], ROWS, input_shape=shape),
    ),
    "channels first": case(
        lambda: step([cp.Conv2D(2, 3), *AND_HEAD], COLOUR.transpose(0, 3, 1, 2)),
        "layer 0, Conv2D(2, 3): expected input_shape to be (H, W, C), with the channels last, got (3, 12, 12).",
        r"Take input_shape=\(12, 12, 3\) and (x\.transpose\(0, 2, 3, 1\))\.",
        lambda x: step([cp.Conv2D(2, 3), *AND_HEAD], x),
        x=COLOUR.transpose(0, 3, 1, 2),
    ),
    "images without channels": case(
        lambda: step([cp.Conv2D(2, 3), *AND_HEAD], IMAGES[..., 0]),
        "layer 0, Conv2D(2, 3): expected x of shape (N, H, W, C), got (N, 12, 12).",
        r"Put (Reshape\(\(12, 12, 1\)\)) before it\.",
        lambda layer: step([layer, cp.Conv2D(2, 3), *AND_HEAD], IMAGES[..., 0]),
        ("expected x: C",),
    ),
    "images as rows": case(
        lambda: step([cp.Conv2D(2, 3), *AND_HEAD], COLOUR.reshape(N, -1)),
        "layer 0, Conv2D(2, 3): expected x of shape (N, H, W, C), got (N, 432).",
        r"Put (Reshape\(\(12, 12, 3\)\)) before it\.",
        lambda layer: step([layer, cp.Conv2D(2, 3), *AND_HEAD], COLOUR.reshape(N, -1)),
        ("expected x: W C",),
    ),
    "flattened too early": case(
        lambda: step([cp.Flatten(), cp.Conv2D(2, 3), *AND_HEAD], IMAGES),
        "layer 1, Conv2D(2, 3): expected x of shape (N, H, W, C), got (N, 144).",
        r"144\)\. Leave out (Flatten\(\)) before it\.$",
        lambda layer: step([cp.Conv2D(2, 3), *AND_HEAD], IMAGES),
        ("expected x: W C",),
    ),
    "a kernel larger than the image": case(
        lambda: step([cp.MaxPool2D(4), cp.Conv2D(2, 5), *AND_HEAD], IMAGES),
        "layer 1, Conv2D(2, 5): expected a kernel no larger than what it slides over, (3, 3) with padding, got (5, 5).",
        r"Take a smaller kernel, or padding=('same')\.",
        lambda word: step([cp.MaxPool2D(4), cp.Conv2D(2, 5, padding=word), *AND_HEAD], IMAGES),
        ("x, padded: 3 3", "kernel: 5 5"),
    ),
    "a convolution in one dimension over images": case(
        lambda: step([cp.Conv1D(2, 3), *AND_HEAD], IMAGES),
        "layer 0, Conv1D(2, 3): expected x of shape (N, T, C), got (N, 12, 12, 1).",
        r"Or: Put (Reshape\(\(12, 12\)\)) before it",
        lambda layer: step([layer, cp.Conv1D(2, 3), *AND_HEAD], IMAGES),
        ("expected x: T C", "got x: 12 12 1"),
    ),
    "a convolution over one number at a time": case(
        lambda: step([cp.Conv1D(2, 3), *AND_HEAD], ROWS),
        "layer 0, Conv1D(2, 3): expected x of shape (N, T, C), got (N, 4).",
        r"Put (Reshape\(\(4, 1\)\)) before it\.",
        lambda layer: step([layer, cp.Conv1D(2, 3), *AND_HEAD], ROWS),
        ("expected x: C",),
    ),
    "groups that do not divide the channels": case(
        lambda: step([cp.Conv2D(4, 1, groups=2), *AND_HEAD], COLOUR),
        "layer 0, Conv2D(4, 1, groups=2): expected groups to divide the channels, got 2 groups of 3 channels.",
        r"Take a number of groups that divides both channels and filters: (1)\.",
        lambda groups: step([cp.Conv2D(4, 1, groups=groups), *AND_HEAD], COLOUR),
        ("x: 3",),
    ),
    "a convolution over films": case(
        lambda: step([cp.Conv2D(2, 3), *AND_HEAD], IMAGES[:, None].repeat(2, axis=1)),
        "layer 0, Conv2D(2, 3): expected x of shape (N, H, W, C), got (N, 2, 12, 12, 1).",
        r"Write (TimeDistributed\(Conv2D\(2, 3\)\))\.",
        lambda layer: step([layer, *AND_HEAD], IMAGES[:, None].repeat(2, axis=1)),
        ("expected x: H W C", "got x: 2 12 12 1"),
    ),
    "each row of an image as an image": case(
        lambda: step([cp.TimeDistributed(cp.Conv2D(2, 3)), *AND_HEAD], IMAGES),
        "layer 0, TimeDistributed(Conv2D(2, 3)), its layer Conv2D(2, 3): expected x of shape (N, H, W, C), "
        "got (N, 12, 1).",
        r"1\)\. Leave TimeDistributed out: (Conv2D\(2, 3\))\.$",
        lambda layer: step([layer, *AND_HEAD], IMAGES),
        ("expected x: C",),
    ),
    "pooled until nothing is left": case(
        lambda: step([cp.MaxPool2D(4), cp.MaxPool2D(3), cp.AvgPool2D(2), *AND_HEAD], IMAGES),
        "layer 2, AvgPool2D(2): expected a window no larger than what it slides over, (1, 1) with padding, got (2, 2).",
        r"Take a smaller window, or padding=('same')\.",
        lambda word: step(
            [cp.MaxPool2D(4), cp.MaxPool2D(3), cp.AvgPool2D(2, padding=word), *AND_HEAD], IMAGES
        ),
        ("x, padded: 1 1", "window: 2 2"),
    ),
    "pooling in one dimension over images": case(
        lambda: step([cp.AvgPool1D(2), *AND_HEAD], IMAGES),
        "layer 0, AvgPool1D(2): expected x of shape (N, T, C), got (N, 12, 12, 1).",
        r"Channels come last\. For images there is the layer of that name in (2)D\.",
        lambda d: step([getattr(cp, f"AvgPool{d}D")(2), *AND_HEAD], IMAGES),
        ("expected x: T C", "got x: 12 12 1"),
    ),
    "nothing to pool": case(
        lambda: step([cp.Dense(5), cp.GlobalAvgPool(), cp.Dense(3)], ROWS),
        "layer 1, GlobalAvgPool(): expected x of shape (N, …, C), got (N, 5).",
        r"Leave it out: there is nothing to pool\.()",
        lambda _: step([cp.Dense(5), cp.Dense(3)], ROWS),
        ("expected x: …",),
    ),
    "a recurrent layer on last states": case(
        lambda: step([cp.LSTM(5), cp.LSTM(3)], SERIES),
        "layer 1, LSTM(3): expected x of shape (N, T, D), got (N, 5).",
        r"5\)\. Give LSTM\(5\) before it return_sequences=(True)\.$",
        lambda given: step([cp.LSTM(5, return_sequences=given), cp.LSTM(3)], SERIES),
        ("expected x: D",),
    ),
    "a recurrent layer on last states of both directions": case(
        lambda: step([cp.Bidirectional(cp.GRU(5)), cp.Elman(3)], SERIES),
        "layer 1, Elman(3): expected x of shape (N, T, D), got (N, 10).",
        r"Give Bidirectional\(GRU\(5\)\) before it return_sequences=(True)\.$",
        lambda given: step([cp.Bidirectional(cp.GRU(5, return_sequences=given)), cp.Elman(3)], SERIES),
        ("expected x: D",),
    ),
    "a recurrent layer on one number at a time": case(
        lambda: step([cp.Elman(3)], ROWS),
        "layer 0, Elman(3): expected x of shape (N, T, D), got (N, 4).",
        r"for one number at each time step put (Reshape\(\(4, 1\)\)) before it\.",
        lambda layer: step([layer, cp.Elman(3)], ROWS),
        ("expected x: D",),
    ),
    "a recurrent layer over images": case(
        lambda: step([cp.GRU(3)], IMAGES),
        "layer 0, GRU(3): expected x of shape (N, T, D), got (N, 12, 12, 1).",
        r"Put (Reshape\(\(12, 12\)\)) before it: each row is then a time step\.",
        lambda layer: step([layer, cp.GRU(3)], IMAGES),
        ("expected x: T D", "got x: 12 12 1"),
    ),
    "time steps of rows": case(
        lambda: step([cp.LSTM(5), cp.TimeDistributed(cp.Dense(3))], SERIES),
        "layer 1, TimeDistributed(Dense(3)): expected x of shape (N, T, …), got (N, 5).",
        r"Or: Leave TimeDistributed out: (Dense\(3\))\.",
        lambda layer: step([cp.LSTM(5), layer], SERIES),
        ("expected x: …",),
    ),
    "one-hot words": case(
        lambda: step([cp.Embedding(9, 4), cp.LSTM(3)], np.eye(9)[WORDS]),
        "layer 1, LSTM(3): expected x of shape (N, T, D), got (N, 7, 9, 4).",
        r"Embedding takes the words' numbers, not one-hot rows: input_shape=\(7,\) and (x\.argmax\(axis=-1\))\.",
        lambda x: step([cp.Embedding(9, 4), cp.LSTM(3)], x),
        ("expected x: T D", "got x: 7 9 4"),
        x=np.eye(9)[WORDS],
    ),
    "groups of channels": case(
        lambda: step([cp.Conv2D(6, 3), cp.GroupNorm(4), *AND_HEAD], IMAGES),
        "layer 1, GroupNorm(groups=4): expected groups to divide the 6 channels of x, of shape (N, 10, 10, 6), got 4.",
        r"Take one of (1, 2, 3, 6)\.",
        lambda counts: [step([cp.Conv2D(6, 3), cp.GroupNorm(k), *AND_HEAD], IMAGES) for k in counts],
        ("x: 6",),
    ),
    "more axes than there are": case(
        lambda: step([cp.LayerNorm(axes=3), cp.LSTM(3)], SERIES),
        "layer 0, LayerNorm(axes=3): expected x to have at least 3 axes beside the batch, got x of shape (N, 7, 2).",
        r"Normalize over fewer axes: (LayerNorm\(axes=2\))\.",
        lambda layer: step([layer, cp.LSTM(3)], SERIES),
        ("x: 7 2",),
    ),
    "one number normalized": case(
        lambda: step([cp.LayerNorm(), *AND_HEAD], IMAGES),
        "layer 0, LayerNorm(): expected at least 2 numbers to normalize together, got 1, with x of shape "
        "(N, 12, 12, 1).",
        r"Normalize over more axes: (LayerNorm\(axes=2\))\.",
        lambda layer: step([layer, *AND_HEAD], IMAGES),
    ),
    "a residual of other width": case(
        lambda: step([cp.Residual([cp.Dense(5)]), cp.Dense(3)], ROWS),
        "layer 0, Residual(1 layer): expected the layers to give the shape (4,) that is added to theirs, got (5,).",
        r"or give a shortcut to that shape, such as (\[Dense\(5\)\])\.",
        lambda way: step([cp.Residual([cp.Dense(5)], way), cp.Dense(3)], ROWS),
        ("x: 4", "layers: 5"),
    ),
    "a residual without padding": case(
        lambda: step([cp.Residual([cp.Conv2D(2, 3), cp.Conv2D(2, 3)]), *AND_HEAD], IMAGES),
        "layer 0, Residual(2 layers): expected the layers to give the shape (12, 12, 1) that is added to theirs, "
        "got (8, 8, 2).",
        r"such as (\[Conv2D\(2, 5\)\])\.",
        lambda way: step([cp.Residual([cp.Conv2D(2, 3), cp.Conv2D(2, 3)], way), *AND_HEAD], IMAGES),
        ("x: 12 12 1", "layers: 8 8 2"),
    ),
    "a residual with strides": case(
        lambda: step([cp.Residual([cp.Conv1D(2, 3, stride=3, padding="same")]), *AND_HEAD], SERIES),
        "layer 0, Residual(1 layer): expected the layers to give the shape (7, 2) that is added to theirs, got (3, 2).",
        r"such as (\[Conv1D\(2, 1, stride=3\)\])\.",
        lambda way: step([cp.Residual([cp.Conv1D(2, 3, stride=3, padding="same")], way), *AND_HEAD], SERIES),
        ("x: 7", "layers: 3"),
    ),
    "inside a residual": case(
        lambda: step([cp.Residual([cp.LSTM(4), cp.LSTM(2, return_sequences=True)]), cp.LSTM(3)], SERIES),
        "layer 0, Residual(2 layers), its layer 1, LSTM(2, return_sequences=True): expected x of shape (N, T, D), "
        "got (N, 4).",
        r"Give LSTM\(4\) before it return_sequences=(True)\.$",
        lambda given: step(
            [
                cp.Residual([cp.LSTM(4, return_sequences=given), cp.LSTM(2, return_sequences=True)]),
                cp.LSTM(3),
            ],
            SERIES,
        ),
        ("expected x: D",),
    ),
    "the batch in Reshape": case(
        lambda: step([cp.Reshape((6, 12, 12, 1)), cp.Conv2D(2, 3), *AND_HEAD], IMAGES.reshape(N, -1)),
        "layer 0, Reshape((6, 12, 12, 1)): expected 864 numbers for each example, to fill (6, 12, 12, 1), got x "
        "of shape (N, 144), which has 144.",
        r"as many numbers and no batch axis: (Reshape\(\(12, 12, 1\)\))\.",
        lambda layer: step([layer, cp.Conv2D(2, 3), *AND_HEAD], IMAGES.reshape(N, -1)),
        ("x: 144", "y: 6 12 12 1"),
    ),
    "a Reshape of other size": case(
        lambda: step([cp.Reshape((12, 10)), cp.LSTM(3)], IMAGES),
        "layer 0, Reshape((12, 10)): expected 120 numbers for each example",
        r"as many numbers, such as (Reshape\(\(12, 12\)\))\.",
        lambda layer: step([layer, cp.LSTM(3)], IMAGES),
        ("x: 12 12 1", "y: 12 10"),
    ),
    "whole channels of rows dropped": case(
        lambda: step([cp.Dropout(0.5, channels=True), cp.Dense(3)], ROWS),
        "layer 0, Dropout(0.5, channels=True): expected x of shape (N, …, C), got (N, 4).",
        r"Leave channels out\.()",
        lambda _: step([cp.Dropout(0.5), cp.Dense(3)], ROWS),
        ("expected x: …",),
    ),
}
