"""Train an Elman layer and a fully connected one to say how a sine wave goes on: `python train_rnn.py`.

It is a regression: the last layer is linear, and the loss is the squared error.
"""

from neural_networks.datasets import initialize_dataset
from neural_networks.logs import Logger

# ONLY cs189-sp20
from neural_networks.losses import L2

# END ONLY
from neural_networks.models import initialize_model
from neural_networks.utils import AttrDict

# ONLY cs189-sp20
L2.half = False  # the mean squared error, as this edition has it
# END ONLY
SEED = 0
EPOCHS = 20

data_args = AttrDict(name="sinewave", batch_size=50)
optimizer_args = AttrDict(
    name="SGD",
    lr=0.01,
    lr_scheduler="exponential",
    lr_decay=0.99,
    stage_length=1000,
    momentum=0.9,
    clip_norm=1.0,
)
layer_args = [
    AttrDict(name="elman", activation="tanh", weight_init="xavier_uniform", n_out=25),
    AttrDict(
        name="fully_connected", activation="linear", weight_init="xavier_uniform", n_out=None
    ),  # 1 number
]
model_args = AttrDict(
    name="rnn_sinewave", loss="l2", layer_args=layer_args, optimizer_args=optimizer_args, seed=SEED
)


def main() -> None:
    """Train, then measure on the test part."""
    dataset = initialize_dataset(**data_args)
    logger = Logger(model_args.name, model_args, data_args, save=True, plot=True)
    model = initialize_model(**model_args, logger=logger)
    model.train(dataset, epochs=EPOCHS)
    model.test(dataset, save_predictions=True)


if __name__ == "__main__":
    main()
