"""The Solver: trains a model that has `params` and `loss(X, y)` by an update rule, and keeps the best parameters."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from clearprop.arrays import Array
from clearprop.courses.nndl.optim import RULES, Config
from clearprop.errors import ConfigError, ShapeError
from clearprop.files import replace_file
from clearprop.names import check_count, unknown

__all__ = ["Solver"]

DATA = ("X_train", "y_train", "X_val", "y_val")
ARGUMENTS = (
    "update_rule", "optim_config", "lr_decay", "batch_size", "num_epochs", "num_train_samples", "num_val_samples",
    "checkpoint_name", "print_every", "verbose",
)  # fmt: skip


class Model(Protocol):
    """What a Solver trains. A model with `bn_params` has its running statistics kept, too."""

    params: dict[str, Array]

    def loss(self, X: Array, y: Array | None = None) -> Any:
        """Scores (N, C); with y, the loss and its gradients, named as the parameters."""


class Solver:
    """Stochastic gradient descent on random batches, with accuracies after each epoch.

    Parameters
    ----------
    model : object
        With `params`, a dict of arrays, and `loss(X, y=None)` as of `TwoLayerNet`.
    data : dict of str to array
        X_train, y_train, X_val, y_val.
    update_rule : str
        A name of `optim`.
    optim_config : dict
        The rule's settings; each parameter gets a copy.
    lr_decay : float
        The learning rate is multiplied by it at each epoch's end.
    batch_size : int
        Drawn with `np.random.choice(N, batch_size)`. An epoch is max(N // batch_size, 1) iterations.
    num_epochs : int
    num_train_samples, num_val_samples : int or None
        How many random rows the accuracies are taken of; None for all.
    checkpoint_name : str, optional
        After each check `<checkpoint_name>_epoch_<epoch>.npz` is written: arrays only.
    print_every : int
        Iterations between two printed losses.
    verbose : bool

    Attributes
    ----------
    loss_history, train_acc_history, val_acc_history : list of float
        The loss of each iteration; the accuracies after the first one, at each epoch's end and after the last one.
    best_val_acc, best_params : float, dict of str to array
    epoch : int

    Raises
    ------
    ConfigError
        For an unknown argument or rule, or a part of the data that is missing.
    ShapeError
        If X and y are of different lengths.

    Examples
    --------
    >>> from clearprop.courses.nndl.fc_net import TwoLayerNet
    >>> np.random.seed(0)
    >>> data = {"X_train": np.eye(3), "y_train": np.arange(3), "X_val": np.eye(3), "y_val": np.arange(3)}
    >>> config = {"learning_rate": 0.5}
    >>> solver = Solver(TwoLayerNet(3, 20, 3, weight_scale=1), data, "sgd", config, batch_size=3, verbose=False)
    >>> solver.train()
    >>> len(solver.loss_history), len(solver.val_acc_history), solver.best_val_acc
    (10, 10, 1.0)
    """

    def __init__(
        self,
        model: Model,
        data: Mapping[str, Array],
        update_rule: str = "sgd",
        optim_config: Mapping[str, Any] | None = None,
        lr_decay: float = 1.0,
        batch_size: int = 100,
        num_epochs: int = 10,
        num_train_samples: int | None = 1000,
        num_val_samples: int | None = None,
        checkpoint_name: str | None = None,
        print_every: int = 10,
        verbose: bool = True,
        **others: object,
    ) -> None:
        for name in others:
            raise unknown("Solver", "argument", name, ARGUMENTS)
        if update_rule not in RULES:
            raise unknown("Solver", "update_rule", update_rule, RULES)
        _check_data(data)
        self.model = model
        self.X_train, self.y_train, self.X_val, self.y_val = (data[name] for name in DATA)
        self.update_rule, self.lr_decay = RULES[update_rule], lr_decay
        self.batch_size = check_count("Solver", "batch_size", batch_size)
        self.num_epochs = check_count("Solver", "num_epochs", num_epochs, least=0)
        self.num_train_samples, self.num_val_samples = num_train_samples, num_val_samples
        self.checkpoint_name, self.verbose = checkpoint_name, verbose
        self.print_every = check_count("Solver", "print_every", print_every)
        self.optim_configs: dict[str, Config] = {name: dict(optim_config or {}) for name in model.params}
        self.epoch, self.best_val_acc = 0, 0.0
        self.best_params: dict[str, Array] = {}
        self._best_norms: list[dict[str, Any]] = []
        self.loss_history: list[float] = []
        self.train_acc_history: list[float] = []
        self.val_acc_history: list[float] = []

    def train(self) -> None:
        """Run num_epochs epochs; then the best parameters come back into the model."""
        per_epoch = max(len(self.X_train) // self.batch_size, 1)
        iterations = self.num_epochs * per_epoch
        for t in range(iterations):
            self._step()
            if self.verbose and t % self.print_every == 0:
                print(f"(Iteration {t + 1} / {iterations}) loss: {self.loss_history[-1]:f}")
            epoch_end = (t + 1) % per_epoch == 0
            if epoch_end:
                self.epoch += 1
                for config in self.optim_configs.values():
                    config["learning_rate"] *= self.lr_decay
            if t == 0 or epoch_end:  # the last iteration is an epoch's end
                self._check()
        if self.best_params:
            self.model.params = self.best_params
            for param, best in zip(getattr(self.model, "bn_params", []), self._best_norms, strict=True):
                param.update(best)

    def check_accuracy(
        self, X: Array, y: Array, num_samples: int | None = None, batch_size: int = 100
    ) -> float:
        """The share of right predictions, of `np.random.choice(N, num_samples)` if there are more rows than that."""
        if num_samples is not None and len(X) > num_samples:
            rows = np.random.choice(len(X), num_samples)
            X, y = X[rows], y[rows]
        right = 0
        for start in range(0, len(X), batch_size):
            scores = self.model.loss(X[start : start + batch_size])
            right += int(np.count_nonzero(scores.argmax(axis=1) == y[start : start + batch_size]))
        return right / len(X)

    def _step(self) -> None:
        """One batch, one update of each parameter."""
        rows = np.random.choice(len(self.X_train), self.batch_size)
        loss, grads = self.model.loss(self.X_train[rows], self.y_train[rows])
        self.loss_history.append(loss)
        for name, w in self.model.params.items():
            self.model.params[name], self.optim_configs[name] = self.update_rule(
                w, grads[name], self.optim_configs[name]
            )

    def _check(self) -> None:
        """Note the accuracies; keep the parameters if those on the validation rows are better than ever."""
        train_acc = self.check_accuracy(self.X_train, self.y_train, self.num_train_samples)
        val_acc = self.check_accuracy(self.X_val, self.y_val, self.num_val_samples)
        self.train_acc_history.append(train_acc)
        self.val_acc_history.append(val_acc)
        self._save_checkpoint()
        if self.verbose:
            print(f"(Epoch {self.epoch} / {self.num_epochs}) train acc: {train_acc:f}; val_acc: {val_acc:f}")
        if val_acc > self.best_val_acc or not self.best_params:
            self.best_val_acc = val_acc
            self.best_params = {name: np.array(w) for name, w in self.model.params.items()}
            self._best_norms = [dict(param) for param in getattr(self.model, "bn_params", [])]

    def _save_checkpoint(self) -> None:
        """Parameters, running statistics, the rule's state and the histories, by name."""
        if self.checkpoint_name is None:
            return
        arrays: dict[str, Any] = {f"params.{name}": w for name, w in self.model.params.items()}
        for i, param in enumerate(getattr(self.model, "bn_params", []), start=1):
            arrays |= {f"bn{i}.{key}": value for key, value in param.items() if key.startswith("running")}
        for name, config in self.optim_configs.items():
            arrays |= {f"config.{name}.{key}": value for key, value in config.items()}
        for name in ("epoch", "loss_history", "train_acc_history", "val_acc_history"):
            arrays[name] = np.array(getattr(self, name))
        path = Path(f"{self.checkpoint_name}_epoch_{self.epoch}.npz")
        replace_file(path, lambda file: np.savez(file, **arrays))


def _check_data(data: Mapping[str, Array]) -> None:
    missing = [name for name in DATA if name not in data]
    if missing:
        raise ConfigError(f"Solver: expected data with {', '.join(DATA)}; there is no {', '.join(missing)}.")
    for part in ("train", "val"):
        x, y = len(data[f"X_{part}"]), len(data[f"y_{part}"])
        if x != y or not x:
            raise ShapeError(
                f"Solver: expected at least one row and as many labels in the {part} part, got {x} and {y}."
            )
