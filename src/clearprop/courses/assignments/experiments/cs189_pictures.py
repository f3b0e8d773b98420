"""CS 189's experiments on pictures, Spring 2023, part 7: presets of clearprop, trained by its core."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from textwrap import wrap

import clearprop
from clearprop.arrays import Array
from clearprop.callbacks import Callback
from clearprop.courses.assignments.experiments.report import (
    markdown_table,
    save_picture,
    text_lines,
    write_csv,
    write_text,
)
from clearprop.data import Pair
from clearprop.evaluation import evaluate
from clearprop.history import History
from clearprop.lens.curves import plot_epochs, plot_steps
from clearprop.loop import Training
from clearprop.model import Sequential
from clearprop.runs.config import RunConfig, make_config, read_toml
from clearprop.runs.predictions import predictions_csv
from clearprop.runs.prepare import in_memory, prepare
from clearprop.train import fit

PRESETS = Path(clearprop.__file__).parent / "cli" / "presets"
COLUMNS = ("loss", "accuracy", "validation_loss", "validation_accuracy")
Say = Callable[[str], None]


class Told(Callback):
    """A line after each epoch."""

    def __init__(self, say: Say) -> None:
        self.say = say

    def on_epoch_end(self, training: Training) -> None:
        row = training.history.epochs[-1]
        self.say(
            f"epoch {row['epoch']}  loss {row['loss']:.4g}  accuracy {row['accuracy']:.4f}  "
            f"validation loss {row['validation_loss']:.4g}  accuracy {row['validation_accuracy']:.4f}"
        )


def preset(name: str, epochs: int) -> RunConfig:
    """A preset's settings; its learning rate's schedule ends with the last epoch."""
    changes = [f"training.epochs={epochs}", f"optimizer.lr.epochs={epochs}"]
    return make_config(read_toml(PRESETS / f"{name}.toml"), name, changes)


def parts_of(config: RunConfig, images: int | None) -> dict[str, Pair]:
    """The parts, scaled; of each at most so many images."""
    prepared = prepare(config.data, config.seed)
    pairs = {name: in_memory(part) for name, part in prepared.parts.items()}
    return {name: Pair(pair.x[:images], pair.y[:images]) for name, pair in pairs.items()}


def train_preset(config: RunConfig, parts: dict[str, Pair], say: Say) -> tuple[Sequential, History]:
    """The preset's network, and what was measured on training and validation part."""
    t, train = config.training, parts["train"]
    model = Sequential(config.make_layers(), train.x.shape[1:], seed=config.seed, dtype=config.model.dtype)
    history = fit(
        model, train.x, train.y, loss=config.make_loss(), optimizer=config.make_optimizer(), epochs=t.epochs,
        batch_size=t.batch_size, watch={"validation": parts["validation"]}, l2=t.l2, callbacks=[Told(say)],
        seed=config.seed, workers=t.workers, blas_threads=t.blas_threads, shard_size=t.shard_size,
    )  # fmt: skip
    return model, history


def fashion(out: Path, say: Say, epochs: int = 8, images: int | None = None) -> None:
    """7.1: results.md, epochs.csv, loss.png and accuracy.png of a multi-layer perceptron on Fashion-MNIST."""
    config = preset("fashion-mlp", epochs)
    parts = parts_of(config, images)
    model, history = train_preset(config, parts, say)
    _report(out, say, "Fashion-MNIST: a multi-layer perceptron", config, model, history, parts, [])


def cifar(out: Path, say: Say, epochs: int = 20, images: int | None = None) -> None:
    """7.2: the same for a convolutional network on CIFAR-10, with steps.csv, steps.png and predictions.csv."""
    config = preset("cifar10-cnn", epochs)
    parts = parts_of(config, images)
    model, history = train_preset(config, parts, say)
    steps = history.steps
    rows = list(zip(range(1, len(steps["loss"]) + 1), steps["loss"], steps["accuracy"], strict=True))
    write_csv(out / "steps.csv", ["step", "loss", "accuracy"], rows)
    save_picture(out / "steps.png", partial(plot_steps, history=history, what="loss"), title="CIFAR-10")
    labels: Array = model.predict(parts["test"].x)
    write_text(out / "predictions.csv", predictions_csv(labels))
    more = [
        "predictions.csv holds the test pictures' classes in the competition's form: Id from 0, Category an integer.",
        "![Loss of each training step](steps.png)",
    ]
    _report(out, say, "CIFAR-10: a convolutional network", config, model, history, parts, more)


def _report(
    out: Path, say: Say, title: str, config: RunConfig, model: Sequential, history: History, parts: dict[str, Pair],
    more: Sequence[str],
) -> None:  # fmt: skip
    """epochs.csv, loss.png, accuracy.png, weights.safetensors and results.md."""
    model.save(out / "weights.safetensors")
    epochs = [[row[column] for column in ("epoch", *COLUMNS)] for row in history.epochs]
    write_csv(out / "epochs.csv", ["epoch", *COLUMNS], epochs)
    for what in ("loss", "accuracy"):
        save_picture(out / f"{what}.png", partial(plot_epochs, history=history, what=what), title=title)
    test = evaluate(model, *parts["test"], config.make_loss())
    head = ["epoch", "loss", "accuracy", "validation loss", "accuracy"]
    table = [[int(row[0]), *(f"{value:.4f}" for value in row[1:])] for row in epochs]
    sentence = (
        f"After {len(epochs)} epochs the validation accuracy is {history['validation_accuracy'][-1]:.2%}, that on the "
        f"{len(parts['test'].x):,} test pictures {test['accuracy']:.2%}."
    )
    page = [
        f"# {title}",
        f"{config.description}; {model.params.size:,} parameters, {len(parts['train'].x):,} pictures to train on, "
        f"{len(parts['validation'].x):,} to validate, batch {config.training.batch_size}, seed {config.seed}.",
        markdown_table(head, table).rstrip("\n"),
        sentence,
        *more,
        "![Loss](loss.png)",
        "![Accuracy](accuracy.png)",
        "The network:",
        f"```\n{model.summary()}\n```",
    ]
    write_text(out / "results.md", "\n\n".join(page) + "\n")
    for line in [*text_lines(head, table), *wrap(sentence, 80)]:
        say(line)
