"""Train a deep network to tell Higgs bosons from the background: `python train_higgs.py`.

Vary the number of layers, their width and the optimizer; the test part's labels are not known, so that the last line
writes kaggle_predictions.csv.
"""

from neural_networks.datasets import Dataset, initialize_dataset
from neural_networks.logs import Logger
from neural_networks.models import initialize_model
from neural_networks.utils import AttrDict

SEED = 0
EPOCHS = 20

data_args = AttrDict(name="higgs", batch_size=100)
optimizer_args = AttrDict(name="SGD", lr=0.05, lr_scheduler="constant", momentum=0.9, clip_norm=1.0)
layer_args = [
    AttrDict(name="fully_connected", activation="relu", weight_init="xavier_uniform", n_out=64),
    AttrDict(name="fully_connected", activation="relu", weight_init="xavier_uniform", n_out=64),
    AttrDict(
        name="fully_connected", activation="softmax", weight_init="xavier_uniform", n_out=None
    ),  # 2 classes
]
model_args = AttrDict(
    name="ffnn_higgs", loss="cross_entropy", layer_args=layer_args, optimizer_args=optimizer_args, seed=SEED
)


def standardized(dataset: Dataset) -> Dataset:
    """The 28 raw numbers differ in scale: give each mean 0 and deviation 1, by the training part alone."""
    mean, std = dataset.train.data.mean(axis=0), dataset.train.data.std(axis=0)
    for part in (dataset.train, dataset.validate, dataset.test):
        part.data = (part.data - mean) / std
    return dataset


def main() -> None:
    """Train, then predict the test part for the competition."""
    dataset = standardized(initialize_dataset(**data_args))
    logger = Logger(model_args.name, model_args, data_args, save=True, plot=True)
    model = initialize_model(**model_args, logger=logger)
    model.train(dataset, epochs=EPOCHS)
    model.test_kaggle(dataset)


if __name__ == "__main__":
    main()
