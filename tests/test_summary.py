"""The summary: its numbers counted by hand, its width that of a terminal."""

import pytest

from clearprop import Dense, Dropout, Flatten, Reshape, Sequential
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
