"""The summary: its numbers counted by hand, its width that of a terminal."""

import numpy as np
import pytest

from clearprop import Dense, Dropout, Flatten, Reshape, Residual, Sequential, ShapeError
from clearprop.summary import bytes_text

MNIST = Sequential([Flatten(), Dense(256, activation="relu"), Dropout(0.5), Dense(10)], (28, 28, 1))


def cells(text):
    return [[c for c in line.split("  ") if c.strip()] for line in text.splitlines()]


def test_rows():
    text = MNIST.summary()
    rows = [[c.strip() for c in line] for line in cells(text)]
    assert rows[0] == ["layer", "output", "parameters", "multiply-adds"]
    assert rows[2:8] == [
        ["input", "(N, 28, 28, 1)"],
        ["0 Flatten()", "(N, 784)"],
        ["1 Dense(256)", "(N, 256)", "200,960", "200,704"],
        ["2 Activation('relu')", "(N, 256)"],
        ["3 Dropout(0.5)", "(N, 256)"],
        ["4 Dense(10)", "(N, 10)", "2,570", "2,560"],
    ]
    assert rows[9] == ["total", "203,530", "203,264"]


@pytest.mark.parametrize(("dtype", "size"), [("float32", 4), ("float64", 8)])
def test_memory(dtype, size):
    model = MNIST.astype(dtype)
    kept = 784 + 784 + 256 + 256 + 256 + 10
    text = model.summary(batch_size=10)
    assert f"memory in {dtype}: parameters and gradients {2 * size * 203_530 / 2**20:.1f} MiB" in text
    assert f"activations {size * 10 * kept / 1024:.1f} KiB for a batch of 10" in text


def test_the_shapes_of_an_x_that_is_to_go_in():
    rows = [[c.strip() for c in line] for line in cells(MNIST.summary((32, 28, 28, 1)))]
    plain = [[c.strip() for c in line] for line in cells(MNIST.summary(batch_size=32))]
    assert rows[2:5] == [
        ["input", "(32, 28, 28, 1)"],
        ["0 Flatten()", "(32, 784)"],
        ["1 Dense(256)", "(32, 256)", "200,960", "200,704"],
    ]
    assert [row[:1] + row[2:] for row in rows[2:]] == [row[:1] + row[2:] for row in plain[2:]]
    assert MNIST.summary(np.zeros((32, 28, 28, 1))) == MNIST.summary([32, 28, 28, 1])
    with pytest.raises(ShapeError, match=r"got \(\)\. The shape is fixed by input_shape"):
        MNIST.summary(32)  # a batch_size by position
    inside = Sequential([Residual([Dense(4)])], (4,)).summary([7, 4])
    assert inside.count("(7, 4)") == 3
    assert "for a batch of 7" in inside


@pytest.mark.parametrize(
    ("x_shape", "remedy"),
    [
        ((28, 28, 1), "The batch axis is missing: pass x[None]."),
        ((32, 1, 28, 28), "Its axes stand in another order: pass x.transpose(0, 2, 3, 1)."),
        ((32, 784), "Each example has as many numbers: pass x.reshape(-1, 28, 28, 1)."),
        ((), "The shape is fixed by input_shape when the network is built."),
    ],
)
def test_an_x_that_cannot_go_in_is_refused_as_everywhere(x_shape, remedy):
    with pytest.raises(ShapeError) as caught:
        MNIST.summary(x_shape)
    got = "(" + ", ".join(map(str, x_shape)) + ")"
    start = "summary, layer 0, Flatten(): expected x of shape (N, 28, 28, 1), got"
    assert str(caught.value) == f"{start} {got}. {remedy}"


@pytest.mark.parametrize(
    "model",
    [
        MNIST,
        Sequential(
            [Dense(4096, activation="leaky_relu"), Reshape((64, 64)), Flatten(), Dense(1000)], (150_528,)
        ),
        Sequential([Dense(25, activation="tanh"), Dense(3)], (4,), dtype="float64"),
        Sequential([Flatten()], (2, 3)),
    ],
)
def test_it_fits_a_terminal(model):
    lines = model.summary(batch_size=1024).splitlines()
    assert max(map(len, lines)) <= 80
    assert all(line == line.rstrip() for line in lines)


@pytest.mark.parametrize(
    ("n", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1.5 * 2**20, "1.5 MiB"), (3000 * 2**30, "3000.0 GiB")],
)
def test_bytes_text(n, text):
    assert bytes_text(n) == text
