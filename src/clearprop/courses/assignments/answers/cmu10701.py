"""CMU 10-701, Spring 2021, homework 3: all written questions."""

from collections.abc import Callable

from clearprop.arrays import Array
from clearprop.courses.assignments.answers import cmu10701_network, cmu10701_written
from clearprop.courses.assignments.catalog import course
from clearprop.courses.assignments.experiments.cmu10701 import EPOCHS, SETTINGS
from clearprop.courses.cmu10701.hw3_lib import Linear
from clearprop.courses.cmu10701.hw3_sol import define_network, train_network
from clearprop.data.sets import load
from clearprop.errors import DataError
from clearprop.lens.document import (
    Block,
    Document,
    Heading,
    Items,
    Paragraph,
    Table,
    joined,
    number,
)

PRINTED = {"d": "0.9083, 0.876", "e": "0.9067, 0.863"}  # our copy of the handout has no others


def answers(key: str, say: Callable[[str], None]) -> Document:
    """The document; trains section 5.6's five networks where the digits are there."""
    blocks = joined(cmu10701_network.section(), cmu10701_written.sections(), section_5(say))
    return Document(f"{course(key).title}: written questions", tuple(blocks))


def section_5(say: Callable[[str], None]) -> list[Block]:
    """Question 5.6, trained now, or the way to do so."""
    title = Heading("5.6 Training on 4,000 digits", 1)
    try:
        digits = load("cmu-mnist")
    except DataError as err:
        return [
            title,
            Paragraph(
                "The five accuracies come from training, and the digits are not here, so nothing is shown. "
                f"{err} Then ask for the answers again, or run `clearprop course run cmu10701-s21 5.6`.",
                "Not computed.",
            ),
        ]
    assert digits.test is not None
    dataset = dict(zip(("train_x", "train_y"), digits.train, strict=True))
    dataset |= dict(zip(("test_x", "test_y"), digits.test, strict=True))
    finals = {part: final_accuracies(part, dataset, say) for part in SETTINGS}
    return joined(title, _finals(finals), _compared(finals))


def final_accuracies(
    part: str, dataset: dict[str, Array], say: Callable[[str], None], epochs: int = EPOCHS
) -> tuple[float, float]:
    """Train and test accuracy after the last epoch."""
    hidden, activation, rate, batch = SETTINGS[part]
    say(f"5.6 ({part}) {SETTINGS[part].words()}")
    model = define_network(hidden, activation=activation)
    log = train_network(model, dataset, epochs, rate, batch)
    return log["train_accuracy"][-1], log["test_accuracy"][-1]


def _finals(finals: dict[str, tuple[float, float]]) -> list[Block]:
    rows = tuple(
        (
            f"({part})",
            f"{setting.activation} {'-'.join(str(width) for width in setting.hidden)}",
            f"{setting.learning_rate:g}",
            str(setting.batch_size),
            *(number(accuracy) for accuracy in finals[part]),
            PRINTED.get(part, ""),
        )
        for part, setting in SETTINGS.items()
    )
    return [
        Paragraph(f"Trained now, {EPOCHS} epochs each, seed 10701, accuracies after the last epoch:"),
        Table(("", "network", "rate", "batch", "train", "test", "handout"), rows),
    ]


def _compared(finals: dict[str, tuple[float, float]]) -> list[Block]:
    train, test = ({part: number(pair[i]) for part, pair in finals.items()} for i in (0, 1))
    return [
        Items(
            (
                f"(a) Train {train['a']}, test {test['a']}.",
                f"(b) Train {train['b']}, test {test['b']}. A tenth of the learning rate makes a tenth of the way in "
                "the same number of epochs: the network is far from trained. It underfits, for both numbers are low.",
                f"(c) Train {train['c']}, test {test['c']}. ReLU learns faster than the sigmoid of (a), because its "
                r"slope is 1 where it is active, and the sigmoid's is at most $\frac{1}{4}$.",
                f"(d) Train {train['d']}, test {test['d']}. Batches of 200 make a quarter as many steps in the same "
                "epochs as batches of 50, each of the same length, so training is not as far along as in (c).",
                f"(e) Train {train['e']}, test {test['e']}. {_deeper(finals)}",
            )
        ),
    ]


def _deeper(finals: dict[str, tuple[float, float]]) -> str:
    """What the deeper network did, against (c)."""
    (wide_train, wide_test), (deep_train, deep_test) = finals["c"], finals["e"]
    layers = define_network(SETTINGS["e"].hidden).layers
    count = sum(layer.weights.size + layer.biases.size for layer in layers if isinstance(layer, Linear))
    words = "improves" if deep_test > wide_test else "does not improve"
    text = (
        f"The deeper network {words} the test accuracy ({number(wide_test)} in (c)): 3,000 images are few for its "
        f"{count:,} parameters."
    )
    if deep_train < wide_train:
        text += (
            " Its training accuracy is lower, too, so after 50 epochs it is not overfitted more than (c), but trained "
            "less far."
        )
    return text
