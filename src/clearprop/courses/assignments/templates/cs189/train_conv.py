"""Train a small convolutional network on pictures drawn here: `python train_conv.py`.

A bar lies, stands or leans somewhere in a noisy picture of 12 × 12: three classes. No file is needed, and seconds are
enough, so that it shows whether Conv2D, Pool2D and Flatten learn together.
"""

import numpy as np

from neural_networks.datasets import Dataset
from neural_networks.logs import Logger
from neural_networks.models import initialize_model
from neural_networks.utils import AttrDict, integers_to_one_hot

SEED = 0
EPOCHS = 8
SIZE, LENGTH = 12, 6  # of a picture and of a bar

data_args = AttrDict(name="bars", batch_size=25)
optimizer_args = AttrDict(name="SGD", lr=0.05, lr_scheduler="constant", momentum=0.9, clip_norm=1.0)
layer_args = [
    AttrDict(name="conv2d", activation="relu", n_out=8, kernel_shape=(3, 3), stride=1, pad="same"),
    AttrDict(name="pool2d", mode="max", kernel_shape=(2, 2), stride=2, pad="valid"),
    AttrDict(name="flatten"),
    AttrDict(name="fully_connected", activation="softmax", n_out=None),  # 3 classes
]
model_args = AttrDict(
    name="cnn_bars", loss="cross_entropy", layer_args=layer_args, optimizer_args=optimizer_args, seed=SEED
)


def bars(count: int, rng: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (count, 12, 12, 1) and their classes (count, 3): lying, standing, leaning."""
    X = 0.3 * rng.normal(size=(count, SIZE, SIZE, 1))
    classes = rng.randint(3, size=count)
    along = np.arange(LENGTH)
    for picture, kind in zip(X, classes, strict=True):
        row, col = rng.randint(SIZE - LENGTH + 1, size=2)
        rows, cols = row + along * (kind != 0), col + along * (kind != 1)
        picture[rows, cols] += 1.0
    return X, integers_to_one_hot(classes, 2)


def main() -> None:
    """Draw the pictures, train, then measure on the test part."""
    rng = np.random.RandomState(SEED)
    (X, Y), (X_val, Y_val), (X_test, Y_test) = bars(600, rng), bars(150, rng), bars(300, rng)
    dataset = Dataset(X, Y, data_args.batch_size, X_val, Y_val, X_test, Y_test)
    logger = Logger(model_args.name, model_args, data_args, save=True, plot=True)
    model = initialize_model(**model_args, logger=logger)
    model.train(dataset, epochs=EPOCHS)
    model.test(dataset)


if __name__ == "__main__":
    main()
