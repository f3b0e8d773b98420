"""CS 189/289A, homework 6, Spring 2023 and Spring 2020: the written questions of both editions."""

from collections.abc import Callable

from clearprop.courses.assignments.answers import cs189_layers as layers
from clearprop.courses.assignments.catalog import course
from clearprop.lens.document import (
    Block,
    Document,
    Heading,
    Items,
    Paragraph,
    joined,
    run_code,
)

TRACE = """
import numpy as np
rng = np.random.default_rng(189)
A = rng.standard_normal((5, 5))
ours, numpys = np.einsum("ii", A), np.trace(A)
print("einsum    ", ours)
print("np.trace  ", numpys)
print("difference", np.linalg.norm(ours - numpys))
"""
PRODUCT = """
import numpy as np
rng = np.random.default_rng(189)
A, b = rng.standard_normal((5, 5)), rng.standard_normal(5)
ours, numpys = np.einsum("ij,j->i", A, b), A @ b
print("einsum    ", ours.round(4))
print("A @ b     ", numpys.round(4))
print("difference", np.linalg.norm(ours - numpys))
"""
OUTER = """
import numpy as np
rng = np.random.default_rng(189)
a, b = rng.standard_normal(5), rng.standard_normal(5)
ours, numpys = np.einsum("i,j->ij", a, b), np.outer(a, b)
print(ours.round(4))
print("difference from np.outer", np.linalg.norm(ours - numpys))
"""


def answers(key: str, say: Callable[[str], None]) -> Document:
    """The document of one edition."""
    blocks = _spring_2023() if key == "cs189-sp23" else _spring_2020()
    return Document(f"{course(key).title}: written questions", tuple(blocks))


def _about(key: str) -> Paragraph:
    return Paragraph(
        "Rows are examples, and nothing loops over them. Below each derivation its equations are confirmed: they are "
        "written out in NumPy and compared with central differences, for a random gradient from above, in float64. The "
        f"outputs of the tests come from your own folder: `clearprop course start {key} DIR`, then "
        "`clearprop course check DIR`, and `python -m unittest -v` in that folder."
    )


def _spring_2023() -> list[Block]:
    return joined(
        _about("cs189-sp23"),
        Heading("4 Basic network layers", 1),
        layers.relu("4.1"),
        layers.dense("4.2"),
        layers.softmax("4.3"),
        layers.cross_entropy_cost("4.4"),
        Heading("5 Two-layer networks", 1),
        _trained(
            "5.2 Iris",
            "cs189-sp23",
            "iris",
            "learning rates and widths, their test errors, and the loss curve",
        ),
        Heading("6 CNN layers", 1),
        _einsum(),
        layers.convolution("6.2"),
        layers.pooling("6.3"),
        Heading("7 Kaggle", 1),
        _trained(
            "7.1 Fashion-MNIST",
            "cs189-sp23",
            "fashion",
            "training and validation loss and accuracy per epoch",
        ),
        _trained(
            "7.2 CIFAR-10",
            "cs189-sp23",
            "cifar",
            "the training curves, the test accuracy, `predictions.csv` for the competition, and the network's layers",
        ),
        _cifar_components(),
    )


def _spring_2020() -> list[Block]:
    return joined(
        _about("cs189-sp20"),
        Heading("3 Feed-forward, fully connected networks", 1),
        layers.relu("3.1.1"),
        layers.dense("3.1.2"),
        layers.softmax("3.1.3"),
        layers.cross_entropy_cost("3.1.4"),
        _trained(
            "3.2 Iris",
            "cs189-sp20",
            "iris",
            "learning rates and widths, their test errors, and the loss curve",
        ),
        _trained(
            "3.3 HIGGS", "cs189-sp20", "higgs", "networks of several depths and their validation accuracy"
        ),
        Heading("4 Recurrent networks", 1),
        layers.squared_error_cost("4.1"),
        layers.elman("4.2"),
        _trained("4.5 Sine waves", "cs189-sp20", "sine", "training and validation loss and the test error"),
        Heading("5 Convolutional networks", 1),
        layers.convolution("5.1"),
        Paragraph(
            "The handout prints the sum with $X[d_1 - i, d_2 - j, c]$, a convolution proper. Its reference code, and "
            "the later edition, compute the cross-correlation above, and so does clearprop. The two differ by a filter "
            "turned by half a turn, which learning makes up for."
        ),
    )


def _cifar_components() -> list[Block]:
    """7.2 (4), on the preset `cifar10-cnn`."""
    return [
        Paragraph(
            "(4) What the network has, and what each part is there for; none was left out to measure its share:"
        ),
        Items(
            (
                r"Six convolutions of $3 \times 3$, in stages of 32, 64 and 128 filters. Two of them see as much as "
                r"one of $5 \times 5$, with fewer weights and a ReLU more. Max pooling after each stage halves the "
                "picture, so later filters see more of it, and there can be more of them.",
                "Batch norm before each ReLU keeps the scale of what the next layer gets, whatever the weights do, so "
                "larger steps are safe.",
                "Random shifts by up to 4 pixels and mirroring, dropout of 0.3 before the last layer and an L2 penalty "
                "of 0.0005: all against learning the 45,000 pictures by heart.",
                "SGD with Nesterov's momentum, 0.9. The learning rate rises to 0.05 over the first fifth of the steps "
                "and falls to the end: long steps while it is far away, short ones to settle.",
            )
        ),
    ]


def _einsum() -> list[Block]:
    return [
        Heading("6.1 The einsum function"),
        Paragraph(
            "Run now, on random numbers. Each letter is an index; one that is missing on the right is summed over."
        ),
        Paragraph("(1) The trace: one letter for both axes takes the diagonal."),
        run_code(TRACE),
        Paragraph("(2) Matrix times vector: the column index is shared and summed over."),
        run_code(PRODUCT),
        Paragraph("(3) Outer product: two letters, none summed over."),
        run_code(OUTER),
        Paragraph(
            "The differences are zero up to rounding, since NumPy may add the same products in another order."
        ),
    ]


def _trained(title: str, key: str, experiment: str, shows: str) -> list[Block]:
    """A question that training answers."""
    return [
        Heading(title),
        Paragraph(
            f"This is answered by training. `clearprop course run {key} {experiment}` writes {shows}; "
            f"`clearprop course run {key}` lists all of the course's experiments."
        ),
    ]
