"""Homework 3: a network made of the layers in hw3_lib, and its training.

python hw3_sol.py            trains the five networks of question 5.6, about a minute in all
python hw3_sol.py d e        some of them
"""

import sys
from pathlib import Path

import numpy as np
from hw3_lib import CrossEntropyLoss, GradientDescentOptimizer, Linear, ReLU, Sigmoid

DATA = Path(__file__).with_name("training_data_student")
ACTIVATIONS = {"sigmoid": Sigmoid, "relu": ReLU}


def init_linear_params(in_size, out_size):
    """Initial parameters of a Linear layer, from NumPy's global random numbers: weights first, then biases.

    Returns weights (in_size, out_size) and biases (1, out_size), uniform within 1/sqrt(out_size) of zero.
    """
    bound = 1 / np.sqrt(out_size)
    weights = np.random.uniform(-bound, bound, (in_size, out_size))
    biases = np.random.uniform(-bound, bound, (1, out_size))
    return weights, biases


init_params = init_linear_params  # the handout uses both names


class MultiLayerPerceptron:
    """Layers in a row: a list of Modules, the first of which takes the examples."""

    def __init__(self, layers):
        self.layers = list(layers)

    def forward(self, x):
        """x: (N, in)  ->  scores (N, K), before the softmax"""
        for layer in self.layers:
            x = layer(x)
        return x

    def backward(self, criterion):
        """Compute the gradients of all layers' parameters; `criterion` is the loss after its `forward`."""
        g = criterion.backward()
        for layer in reversed(self.layers):
            g = layer.backward(g)


def define_network(size_hidden, size_input=784, size_output=10, seed=10701, activation="sigmoid"):
    """A network with one hidden layer or several.

    size_hidden: the hidden layer's number of units, or a list of such numbers
    activation: "sigmoid" or "relu", after each hidden layer

    Returns a MultiLayerPerceptron. The layers are initialized by `init_linear_params`, in their order.
    """
    np.random.seed(seed)
    # BEGIN SOLUTION: Linear, activation, Linear, ...; the last layer gives the scores and has no activation
    hidden = [size_hidden] if np.isscalar(size_hidden) else list(size_hidden)
    sizes = [size_input, *hidden, size_output]
    layers = []
    for in_size, out_size in zip(sizes[:-1], sizes[1:]):
        layers += [Linear(init_linear_params(in_size, out_size)), ACTIVATIONS[activation]()]
    return MultiLayerPerceptron(layers[:-1])
    # END SOLUTION


def train_network(model, dataset, num_epoch, learning_rate, batch_size, seed=10701):
    """Batch gradient descent: appendix A, without shuffling and with a fixed learning rate.

    model: a MultiLayerPerceptron, which is trained in place
    dataset: a dictionary of train_x (N, D), train_y (N,), test_x, test_y; labels are integers

    Returns a dictionary:
        train_loss, test_loss            lists, one mean cross entropy an epoch
        train_accuracy, test_accuracy    lists, the share of right predictions, between 0 and 1
        yhat_train, yhat_test            the predicted labels after the last epoch, (N,)
    All of it is measured on the whole sets, with the model as it is at the epoch's end.
    """
    np.random.seed(seed)
    criterion = CrossEntropyLoss()
    optimizer = GradientDescentOptimizer(model, learning_rate)
    result = {"train_loss": [], "test_loss": [], "train_accuracy": [], "test_accuracy": []}
    train_x, train_y = dataset["train_x"], dataset["train_y"]
    for _ in range(num_epoch):
        for start in range(0, len(train_x), batch_size):
            batch = slice(start, start + batch_size)  # the last one may be shorter
            criterion(model.forward(train_x[batch]), train_y[batch])
            model.backward(criterion)
            optimizer.step()
        # BEGIN SOLUTION: the epoch's losses, accuracies and predicted labels, of the training and of the test set
        for name in ("train", "test"):
            label = dataset[f"{name}_y"]
            score = model.forward(dataset[f"{name}_x"])
            predicted = score.argmax(axis=1)
            result[f"{name}_loss"].append(criterion(score, label))
            result[f"{name}_accuracy"].append(np.mean(predicted == label))
            result[f"yhat_{name}"] = predicted
        # END SOLUTION
    return result


def load_data(folder=DATA):
    """The handout's digits as `train_network` takes them: 3,000 to train with and 1,000 to test.

    A row of train.csv and test.csv is 784 pixels between 0 and 1, then the label.
    """
    dataset = {}
    for name in ("train", "test"):
        path = Path(folder) / f"{name}.csv"
        if not path.exists():
            raise FileNotFoundError(
                f"{path}: there is no such file. `clearprop course data {DATA.parent}` brings it."
            )
        table = np.loadtxt(path, delimiter=",")
        dataset[f"{name}_x"], dataset[f"{name}_y"] = table[:, :-1], table[:, -1].astype(int)
    return dataset


# Question 5.6: hidden units, activation, learning rate, batch size
QUESTION_56 = {
    "a": ([256], "sigmoid", 0.01, 50),
    "b": ([256], "sigmoid", 0.001, 50),
    "c": ([256], "relu", 0.01, 50),
    "d": ([256], "relu", 0.01, 200),
    "e": ([384, 256], "relu", 0.01, 50),
}


def main(parts, num_epoch=50):
    """Train the networks of question 5.6 and print the accuracies after the last epoch."""
    dataset = load_data()
    for part in parts:
        size_hidden, activation, learning_rate, batch_size = QUESTION_56[part]
        model = define_network(size_hidden, activation=activation)
        result = train_network(model, dataset, num_epoch, learning_rate, batch_size)
        train, test = result["train_accuracy"][-1], result["test_accuracy"][-1]
        print(f"({part}) training accuracy {train:.4f}, test accuracy {test:.4f}", flush=True)


if __name__ == "__main__":
    chosen = sys.argv[1:] or list(QUESTION_56)
    unknown = [part for part in chosen if part not in QUESTION_56]
    if unknown:
        sys.exit(
            f"hw3_sol.py: there is no part {', '.join(unknown)} in question 5.6, only {', '.join(QUESTION_56)}."
        )
    main(chosen)
