"""UCLA ECE C147/C247, homework 3: CIFAR-10 by default, in a grid, with the Solver, and 50 images by heart.

All of it runs in float64, as the course does, from np.random's global stream, which is left as it was.
"""

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from clearprop.arrays import Array
from clearprop.courses.assignments.experiments import Experiment
from clearprop.courses.assignments.experiments.report import (
    markdown_table,
    save_picture,
    write_csv,
    write_text,
)
from clearprop.courses.nndl.fc_net import FullyConnectedNet
from clearprop.courses.nndl.fc_net import TwoLayerNet as ModularNet
from clearprop.courses.nndl.neural_net import TwoLayerNet
from clearprop.courses.nndl.utils.data_utils import get_CIFAR10_data, load_CIFAR10
from clearprop.courses.nndl.utils.solver import Solver
from clearprop.courses.nndl.utils.vis_utils import visualize_grid
from clearprop.history import History
from clearprop.lens.curves import plot_epochs, plot_steps
from clearprop.lens.style import INK, bare, look, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Say = Callable[[str], None]
DEFAULT = (1e-4, 0.95, 0.25)  # the first notebook's rate, decay and reg
CURVES = "![Loss](loss.png)\n\n![Accuracy](accuracy.png)\n\nTheir numbers: loss.csv, accuracy.csv."
FULL_MARKS = 0.5  # the validation accuracy that the course asks for


class Rows(NamedTuple):
    """CIFAR-10 as the first notebook has it: an image is a row of 3,072 numbers, channels last."""

    X_train: Array
    y_train: Array
    X_val: Array
    y_val: Array
    X_test: Array
    y_test: Array


class Trial(NamedTuple):
    """A point of the grid, and what has come of it."""

    rate: float
    decay: float
    reg: float
    loss: float  # the last 50 iterations' mean
    val: float  # validation accuracy
    net: TwoLayerNet
    stats: dict[str, list[float]]


EPOCH = ("epoch", "training accuracy", "validation accuracy")
GRID = ("rate", "decay", "reg", "last loss, mean of 50", "validation accuracy")


def default_run(
    out: Path, say: Say, *, rows: Rows | None = None, num_iters: int = 1000, seed: int = 0
) -> None:
    """The two-layer network with the notebook's first settings, which learn too slowly."""
    rows = rows or _load_rows(say)
    with _seeded(seed), _said(say):
        net = TwoLayerNet(rows.X_train.shape[1], 50, 10)
        stats = net.train(*rows[:4], *DEFAULT, num_iters, batch_size=200, verbose=True)
    train, val = (_accuracy(net, X, y) for X, y in ((rows.X_train, rows.y_train), (rows.X_val, rows.y_val)))
    say(f"Validation accuracy: {val:.3f}")
    _write_curves(out, *_histories(stats))
    losses = stats["loss_history"]
    early, late = (
        losses[0] - losses[len(losses) // 4],
        losses[-len(losses) // 4] - float(np.mean(losses[-50:])),
    )
    _write_page(
        out,
        "The default run",
        [
            f"50 hidden units, {num_iters} iterations in batches of 200, rate 1e-4, decay 0.95, reg 0.25; seed {seed}.",
            markdown_table(
                ("first loss", "last loss, mean of 50", "training accuracy", "validation accuracy"),
                [(f"{losses[0]:.4f}", f"{np.mean(losses[-50:]):.4f}", f"{train:.3f}", f"{val:.3f}")],
            ),
            f"The loss fell by {early:.3f} in the first quarter of the iterations and by {late:.3f} in the last. The "
            f"training accuracy less that on the validation rows is {train - val:.3f}. Where the loss still falls at "
            "the end and there is no such gap, the rate is too small or the iterations are too few.",
            CURVES,
        ],
    )


def grid(
    out: Path,
    say: Say,
    *,
    rows: Rows | None = None,
    rates: Sequence[float] = (5e-4, 1e-3, 2e-3),
    decays: Sequence[float] = (0.9, 0.95),
    regs: Sequence[float] = (0.1, 0.5),
    num_iters: int = 2000,
    default_iters: int = 1000,
    seed: int = 0,
) -> None:
    """The same network over rates, decays and penalties; the best one's weights beside the default run's."""
    rows = rows or _load_rows(say)
    with _seeded(seed):
        tried = [_try(rows, *point, num_iters, say) for point in product(rates, decays, regs)]
        say("The default run, to compare the weights with.")
        default = _try(rows, *DEFAULT, default_iters, say)
    best = max(tried, key=lambda trial: trial.val)
    test = _accuracy(best.net, rows.X_test, rows.y_test)
    say(f"Best validation accuracy: {best.val:.3f}. Test accuracy: {test:.3f}")
    _write_grid(out, tried)
    _write_curves(out, *_histories(best.stats))
    for name, trial in (("weights_default", default), ("weights_best", best)):
        _draw_weights(out / f"{name}.png", trial.net.params["W1"])
    _write_page(
        out,
        "A grid over rate, decay and penalty",
        [
            f"50 hidden units, {num_iters} iterations in batches of 200; seed {seed}.",
            markdown_table(
                GRID, [(*(f"{v:g}" for v in t[:3]), f"{t.loss:.4f}", f"{t.val:.3f}") for t in tried]
            ),
            f"Best: rate {best.rate:g}, decay {best.decay:g}, reg {best.reg:g}: validation accuracy {best.val:.3f}, "
            f"test accuracy {test:.3f}. The course gives full marks from {FULL_MARKS:.2f} on.",
            "![The grid](grid.png)\n\nEach unit's weights as a picture, stretched to the whole range of brightness: "
            f"first of the default run (validation accuracy {default.val:.3f}), then of the best.",
            "![Weights of the default run](weights_default.png)\n\n![Weights of the best run](weights_best.png)",
            f"The best run:\n\n{CURVES} The grid's: grid.csv.",
        ],
    )


def solver(
    out: Path,
    say: Say,
    *,
    data: dict[str, Array] | None = None,
    hidden_dims: int = 200,
    learning_rate: float = 1e-3,
    lr_decay: float = 0.95,
    num_epochs: int = 10,
    seed: int = 0,
) -> None:
    """The modular two-layer network, trained by the Solver."""
    data = data or _load_images(say)
    with _seeded(seed), _said(say):
        model = ModularNet(input_dim=int(np.prod(data["X_train"].shape[1:])), hidden_dims=hidden_dims)
        run = Solver(
            model, data, update_rule="sgd", optim_config={"learning_rate": learning_rate}, lr_decay=lr_decay,
            num_epochs=num_epochs, batch_size=200, print_every=100,
        )  # fmt: skip
        run.train()
        test = run.check_accuracy(data["X_test"], data["y_test"])
    say(f"Best validation accuracy: {run.best_val_acc:.3f}. Test accuracy: {test:.3f}")
    _write_curves(out, run.loss_history, run.train_acc_history, run.val_acc_history, goal=FULL_MARKS)
    _write_page(
        out,
        "A two-layer network with the Solver",
        [
            f"{hidden_dims} hidden units, SGD with rate {learning_rate:g} and decay {lr_decay:g} an epoch, "
            f"{num_epochs} epochs in batches of 200, {len(run.loss_history):,} iterations; seed {seed}.",
            _epoch_table(run),
            f"Best validation accuracy {run.best_val_acc:.3f}; those parameters' test accuracy {test:.3f}. The course "
            f"asks for {FULL_MARKS:.2f} on the validation rows.",
            CURVES,
        ],
    )


def overfit(
    out: Path,
    say: Say,
    *,
    data: dict[str, Array] | None = None,
    weight_scale: float = 2e-2,
    learning_rate: float = 1e-2,
    num_epochs: int = 20,
    seed: int = 0,
) -> None:
    """A three-layer network that learns 50 images by heart."""
    data = data or _load_images(say)
    small = {name: part[:50] if name.endswith("_train") else part for name, part in data.items()}
    with _seeded(seed), _said(say):
        features = int(np.prod(data["X_train"].shape[1:]))
        model = FullyConnectedNet([100, 100], features, weight_scale=weight_scale, dtype=np.float64)
        run = Solver(
            model, small, update_rule="sgd", optim_config={"learning_rate": learning_rate},
            num_epochs=num_epochs, batch_size=25,
        )  # fmt: skip
        run.train()
    first = next((i for i, accuracy in enumerate(run.train_acc_history) if accuracy == 1), None)
    reached = f"All 50 are right from epoch {first} on" if first is not None else "Not all 50 are right"
    say(f"{reached}; validation accuracy {run.val_acc_history[-1]:.3f}")
    _write_curves(out, run.loss_history, run.train_acc_history, run.val_acc_history)
    _write_page(
        out,
        "Fifty images by heart",
        [
            f"Two hidden layers of 100 units, weights of scale {weight_scale:g}, SGD with rate {learning_rate:g}, "
            f"{num_epochs} epochs in batches of 25; seed {seed}.",
            _epoch_table(run),
            f"{reached}. What is learned by heart says little about other images: the validation accuracy at the end "
            f"is {run.val_acc_history[-1]:.3f}.",
            CURVES,
        ],
    )


EXPERIMENTS = (
    Experiment("default-run", "the two-layer network as the notebook first trains it", default_run),
    Experiment("grid", "rates, decays and penalties; the weights as pictures", grid),
    Experiment("solver", "200 hidden units with the Solver, 10 epochs", solver),
    Experiment("overfit", "a three-layer network learns 50 images by heart", overfit),
)


def _load_rows(say: Say) -> Rows:
    say("Loading CIFAR-10 …")
    X, y, X_test, y_test = load_CIFAR10()
    mean = X[:49_000].mean(axis=0)
    X -= mean
    X_test -= mean
    X, X_test = X.reshape(len(X), -1), X_test.reshape(len(X_test), -1)
    return Rows(X[:49_000], y[:49_000], X[49_000:], y[49_000:], X_test[:1000], y_test[:1000])


def _load_images(say: Say) -> dict[str, Array]:
    say("Loading CIFAR-10 …")
    return get_CIFAR10_data()


def _try(rows: Rows, rate: float, decay: float, reg: float, num_iters: int, say: Say) -> Trial:
    """A new network, trained."""
    net = TwoLayerNet(rows.X_train.shape[1], 50, 10)
    stats = net.train(*rows[:4], rate, decay, reg, num_iters, batch_size=200)
    val = _accuracy(net, rows.X_val, rows.y_val)
    say(f"rate {rate:g}, decay {decay:g}, reg {reg:g}: validation accuracy {val:.3f}")
    return Trial(rate, decay, reg, float(np.mean(stats["loss_history"][-50:])), val, net, stats)


def _accuracy(net: TwoLayerNet, X: Array, y: Array) -> float:
    """In parts, for the hidden numbers of 49,000 images are many."""
    parts = [net.predict(X[start : start + 5000]) for start in range(0, len(X), 5000)]
    return float((np.concatenate(parts) == y).mean())


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """The global stream from this seed on; afterwards it is where it was."""
    state = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(state)


class _Lines(io.TextIOBase):
    """What is printed into it is said, line by line."""

    def __init__(self, say: Say) -> None:
        self.say, self.rest = say, ""

    def write(self, text: str) -> int:
        *lines, self.rest = (self.rest + text).split("\n")
        for line in lines:
            self.say(line)
        return len(text)


@contextmanager
def _said(say: Say) -> Iterator[None]:
    """What the course's classes print, said; `say` itself may print."""
    import sys

    screen = sys.stdout

    def aloud(line: str) -> None:
        with redirect_stdout(screen):
            say(line)

    with redirect_stdout(_Lines(aloud)):
        yield


def _histories(stats: dict[str, list[float]]) -> tuple[list[float], list[float], list[float]]:
    return stats["loss_history"], stats["train_acc_history"], stats["val_acc_history"]


def _write_curves(
    out: Path, losses: list[float], train: list[float], val: list[float], goal: float | None = None
) -> None:
    """loss.csv and accuracy.csv, loss.png and accuracy.png."""
    history = History("accuracy")
    history.steps["loss"] = losses
    history.epochs = [
        {"epoch": i, "accuracy": a, "validation_accuracy": b}
        for i, (a, b) in enumerate(zip(train, val, strict=True))
    ]
    write_csv(out / "loss.csv", ("iteration", "loss"), list(enumerate(losses, 1)))
    write_csv(out / "accuracy.csv", EPOCH, list(zip(range(len(val)), train, val, strict=True)))

    def accuracy(ax: "Axes") -> None:
        plot_epochs(ax, history, "accuracy")
        if goal is not None:
            ax.axhline(goal, color=INK, linewidth=1, linestyle=(0, (4, 3)))

    save_picture(out / "loss.png", lambda ax: plot_steps(ax, history, "loss"))
    save_picture(out / "accuracy.png", accuracy)


def _write_grid(out: Path, tried: list[Trial]) -> None:
    """grid.csv and grid.png."""
    write_csv(out / "grid.csv", GRID, [trial[:5] for trial in tried])
    save_picture(out / "grid.png", lambda ax: _draw_grid(ax, tried))


def _draw_grid(ax: "Axes", tried: list[Trial]) -> None:
    """A curve over the rates for each decay and penalty."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    for i, (decay, reg) in enumerate(sorted({trial[1:3] for trial in tried})):
        points = sorted((t.rate, t.val) for t in tried if t[1:3] == (decay, reg))
        style = look(("train", "validation", "test")[i] if i < 3 else "", i - 3)
        ax.plot(
            *zip(*points, strict=True), color=style.color, linestyle=style.dashes, marker=style.marker,
            label=f"decay {decay:g}, reg {reg:g}",
        )  # fmt: skip
    ax.axhline(FULL_MARKS, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(FixedLocator(sorted({trial.rate for trial in tried})))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda rate, _: f"{rate:g}"))
    ax.set_xlabel("learning rate (logarithmic)")
    ax.set_ylabel("validation accuracy")
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, frameon=False, handlelength=2.6)
    plain(ax)


def _draw_weights(path: Path, w: Array) -> None:
    """Each unit's weights (3072,) as a picture of 32 × 32 pixels, as the notebook shows them."""
    pictures = visualize_grid(w.reshape(-1, 32, 32, 3), padding=3).astype(np.uint8)
    save_picture(path, lambda ax: bare(ax).imshow(pictures, interpolation="nearest"), size=(6.0, 6.0))


def _write_page(out: Path, title: str, parts: list[str]) -> None:
    """results.md"""
    write_text(out / "results.md", "\n\n".join(part.strip() for part in (f"# {title}", *parts)) + "\n")


def _epoch_table(run: Solver) -> str:
    both = zip(run.train_acc_history, run.val_acc_history, strict=True)
    return markdown_table(EPOCH, [(i, f"{train:.3f}", f"{val:.3f}") for i, (train, val) in enumerate(both)])
