"""Train a network with one hidden layer on Iris: `python train_ffnn.py`.

Change the settings below to compare learning rates and widths; each run keeps a folder of its own in experiments/.
"""

from neural_networks.datasets import initialize_dataset
from neural_networks.logs import Logger
from neural_networks.models import initialize_model
from neural_networks.utils import AttrDict

SEED = 0
EPOCHS = 100

data_args = AttrDict(name="iris", batch_size=25)
optimizer_args = AttrDict(name="SGD", lr=0.01, lr_scheduler="constant", momentum=0.9, clip_norm=1.0)
layer_args = [
    AttrDict(name="fully_connected", activation="relu", weight_init="xavier_uniform", n_out=25),
    AttrDict(
        name="fully_connected", activation="softmax", weight_init="xavier_uniform", n_out=None
    ),  # 3 classes
]
model_args = AttrDict(
    name="ffnn_iris", loss="cross_entropy", layer_args=layer_args, optimizer_args=optimizer_args, seed=SEED
)


def main() -> None:
    """Train, then measure on the test part."""
    dataset = initialize_dataset(**data_args)
    # The name says what is varied, so that runs can be told apart.
    model_name = f"{model_args.name}_width{layer_args[0].n_out}_lr{optimizer_args.lr}"
    logger = Logger(model_name, model_args, data_args, save=True, plot=True)
    model = initialize_model(**model_args, logger=logger)
    model.train(dataset, epochs=EPOCHS)
    model.test(dataset)


if __name__ == "__main__":
    main()
