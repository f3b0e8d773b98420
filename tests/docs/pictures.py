"""Draw the pictures of docs/pictures.md anew, from real data and trainings of seconds.

    CLEARPROP_DATA=… python tests/docs/pictures.py [name …]

Run it after a picture's look has changed, and look at each.
"""

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from PIL import Image

import clearprop as cp
from clearprop import lens, metrics
from clearprop.data import MinMax, Standardizer, load, split
from clearprop.lens.style import new_axes, styled

FOLDER = Path(__file__).parents[2] / "docs" / "_static" / "pictures"
MOST_BYTES = 60_000
DPI = 110
MNIST = [str(k) for k in range(10)]


class Trained:
    """What the pictures show: three data sets, each with a network that was trained on it; made when first needed."""

    def __init__(self) -> None:
        self.made: dict[str, Any] = {}

    def __call__(self, name: str) -> Any:
        if name not in self.made:
            self.made[name] = getattr(self, name)()
        return self.made[name]

    def iris(self) -> Any:
        iris = load("iris")
        train, held = split(iris.train.y, (0.8, 0.2), seed=0, stratify=True)
        scaling = MinMax.fit(iris.train.x[train])
        x, y = scaling.transform(iris.train.x), iris.train.y
        model = cp.Sequential([cp.Dense(25, activation="relu"), cp.Dense(3)], input_shape=(4,), seed=0)
        history = cp.fit(
            model,
            x[train],
            y[train],
            optimizer=cp.SGD(lr=0.1, momentum=0.9),
            epochs=60,
            batch_size=20,
            validation=(x[held], y[held]),
        )
        return model, x, y, iris, history

    def mnist(self) -> Any:
        data = load("mnist")
        x, y = data.train.x[:12000], data.train.y[:12000]
        model = cp.Sequential(
            [
                cp.Conv2D(16, 5, activation="relu"),
                cp.MaxPool2D(2),
                cp.Conv2D(16, 5, activation="relu"),
                cp.MaxPool2D(2),
                cp.Flatten(),
                cp.Dense(64, activation="relu"),
                cp.Dense(10),
            ],
            input_shape=(28, 28, 1),
            seed=0,
        )
        cp.fit(model, x, y, optimizer=cp.Adam(lr=1e-3), epochs=2, batch_size=64)
        return model, data.test.x[:5000], data.test.y[:5000]

    def digits(self) -> Any:
        data = load("mnist")
        x, y = data.train.x[:12000], data.train.y[:12000]
        model = cp.Sequential([cp.Flatten(), cp.Dense(10)], input_shape=(28, 28, 1), seed=0)
        cp.fit(model, x, y, optimizer=cp.SGD(lr=0.1), epochs=5, batch_size=64, l2=1e-3)
        return model

    def cifar(self) -> Any:
        data = load("cifar-10")
        x, y = data.train.x[:10000], data.train.y[:10000]
        scaling = Standardizer.fit(x)
        model = cp.Sequential(
            [
                cp.Conv2D(24, 7, stride=2, activation="relu"),
                cp.Conv2D(32, 3, activation="relu"),
                cp.GlobalAvgPool(),
                cp.Dense(10),
            ],
            input_shape=(32, 32, 3),
            seed=0,
        )
        cp.fit(model, scaling.transform(x), y, optimizer=cp.Adam(lr=1e-3), epochs=10, batch_size=64, l2=0.01)
        return model

    def deep(self) -> Any:
        """Two networks of the same depth: one of sigmoids, one of rectifiers; what their gradients do."""
        data = load("mnist")
        x, y = data.train.x[:4000].reshape(-1, 784), data.train.y[:4000]
        seen = {}
        for activation in ("sigmoid", "relu"):
            layers = [cp.Dense(64, activation=activation) for _ in range(4)]
            model = cp.Sequential([*layers, cp.Dense(10)], input_shape=(784,), seed=0)
            seen[activation] = lens.Histograms(x, every=4)
            fitted = {
                "optimizer": cp.SGD(lr=0.1),
                "epochs": 3,
                "batch_size": 32,
                "callbacks": [seen[activation]],
            }
            cp.fit(model, x, y, **fitted)
        return seen


trained = Trained()


def loss() -> Axes:
    return lens.plot_epochs(new_axes(5.6, 3.6), trained("iris")[-1])


def confusion() -> Axes:
    model, x, y = trained("mnist")
    found = metrics.confusion_matrix(y, model.predict(x), 10)
    return lens.plot_confusion(new_axes(*lens.confusion_size(10, MNIST)), found, MNIST)


def best_and_worst() -> Axes:
    model, x, y = trained("mnist")
    found = lens.predict_set(model, x, y, "softmax_cross_entropy")
    return lens.plot_best_and_worst(new_axes(*lens.best_and_worst_size(found)), found)


def best_and_worst_rows() -> Axes:
    model, x, y, iris, _ = trained("iris")
    found = lens.predict_set(model, x, y, "softmax_cross_entropy")._replace(x=iris.train.x)
    names = {"class_names": iris.class_names, "feature_names": iris.feature_names}
    return lens.plot_best_and_worst(new_axes(*lens.best_and_worst_size(found, 5, **names)), found, 5, **names)


def filters() -> Axes:
    return lens.plot_filters(new_axes(5.0, 3.2), trained("mnist")[0].layers[0])


def filters_by_channel() -> Axes:
    return lens.plot_filters(new_axes(5.0, 4.2), trained("mnist")[0].layers[3], most=12)


def filters_in_colour() -> Axes:
    return lens.plot_filters(new_axes(5.6, 3.8), trained("cifar").layers[0])


def templates() -> Axes:
    return lens.plot_templates(new_axes(6.0, 4.4), trained("digits").layers[1], (28, 28), names=MNIST)


def gradients() -> Axes:
    seen = trained("deep")["sigmoid"]
    return lens.plot_histograms(new_axes(*lens.histograms_size(seen, "gradients")), seen)


def activations() -> Axes:
    seen = trained("deep")["relu"]
    return lens.plot_histograms(new_axes(*lens.histograms_size(seen, "activations")), seen, "activations")


def boundary() -> Axes:
    model, x, y, iris, _ = trained("iris")
    names = {"class_names": iris.class_names, "feature_names": iris.feature_names}
    return lens.plot_boundary(new_axes(5.6, 4.4), model, x, y, features=(2, 3), **names)


def embedding() -> Axes:
    model, x, y = trained("mnist")
    return lens.plot_embedding(new_axes(6.0, 4.8), model, x, y)


def saliency() -> Axes:
    model, x, _ = trained("mnist")
    return lens.plot_saliency(new_axes(7.2, 2.7), model, x[:6])


def responses() -> Axes:
    model, x, _ = trained("mnist")
    return lens.plot_responses(new_axes(6.4, 3.8), model, x[0])


def rates() -> Axes:
    data = load("mnist")
    model = cp.Sequential([cp.Dense(100, activation="relu"), cp.Dense(10)], input_shape=(784,), seed=0)
    x = data.train.x[:12000].reshape(-1, 784)
    return lens.plot_lr_range(
        new_axes(6.0, 3.6), lens.lr_range_test(model, x, data.train.y[:12000], low=1e-4)
    )


def architecture() -> Axes:
    model = trained("mnist")[0]
    width, height = lens.model_size(model)
    return lens.plot_model(new_axes(width, height), model)


def architecture_residual() -> Axes:
    def block(filters: int, stride: int = 1) -> cp.Residual:
        layers = [cp.Conv2D(filters, 3, stride=stride, padding="same"), cp.BatchNorm(), cp.Activation("relu")]
        layers += [cp.Conv2D(filters, 3, padding="same"), cp.BatchNorm()]
        return cp.Residual(layers, [cp.Conv2D(filters, 1, stride=stride)] if stride > 1 else [])

    layers = [cp.Conv2D(16, 3, padding="same", activation="relu"), block(16), cp.Activation("relu")]
    layers += [block(32, 2), cp.Activation("relu"), cp.GlobalAvgPool(), cp.Dense(10)]
    model = cp.Sequential(layers, input_shape=(32, 32, 3))
    return lens.plot_model(new_axes(*lens.model_size(model)), model)


PICTURES: tuple[Callable[[], Axes], ...] = (
    loss, confusion,
    best_and_worst, best_and_worst_rows, filters, filters_by_channel, filters_in_colour, templates, gradients,
    activations, boundary, embedding, saliency, responses, rates, architecture, architecture_residual,
)  # fmt: skip


def save(ax: Axes, path: Path) -> int:
    """Write a picture with no more colours than it needs; how many bytes it takes."""
    drawn = io.BytesIO()
    ax.get_figure().savefig(drawn, format="png", dpi=DPI)
    for colors in (256, 96, 48):
        small = Image.open(drawn).convert("RGB").quantize(colors, dither=Image.Dither.NONE)
        small.save(path, optimize=True)
        if path.stat().st_size < MOST_BYTES:
            break
    return path.stat().st_size


def main(names: list[str]) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for draw in PICTURES:
        if not names or draw.__name__ in names:
            with styled():
                size = save(draw(), FOLDER / f"{draw.__name__}.png")
            print(f"{draw.__name__}.png: {size:,} bytes")
            assert size < MOST_BYTES, f"{draw.__name__}.png is too large for the documentation"


if __name__ == "__main__":
    main(sys.argv[1:])
