"""The training loop for any model that has `params` and `loss(X, y)`."""

import numpy as np

from nndl import optim


DEFAULTS = {
    "update_rule": "sgd",
    "optim_config": {},
    "lr_decay": 1.0,
    "batch_size": 100,
    "num_epochs": 10,
    "num_train_samples": 1000,
    "num_val_samples": None,
    "checkpoint_name": None,
    "print_every": 10,
    "verbose": True,
}


class Solver:
    """Train a model by mini-batches, watch its accuracy, and keep its best parameters.

    The model has `params`, a dict of arrays, and `loss(X, y)`, which returns the loss and a dict of gradients, or
    the scores (N, C) without y.

    Parameters
    ----------
    model
    data : dict
        X_train, y_train, X_val, y_val.
    update_rule : str
        A function of nndl/optim.py.
    optim_config : dict
        The rule's settings; each parameter has a copy of its own.
    lr_decay : float
        The learning rate is multiplied by it at each epoch's end.
    batch_size, num_epochs : int
    num_train_samples, num_val_samples : int or None
        On how many examples an accuracy is measured, drawn at random; None for all of them.
    checkpoint_name : str or None
        Where it is given, the parameters and histories are written to NAME_epoch_EPOCH.npz after each epoch.
    print_every : int
        How many steps lie between two printed losses.
    verbose : bool
        Whether to print at all.

    Attributes
    ----------
    loss_history : list of float
        The loss of each step's batch.
    train_acc_history, val_acc_history : list of float
        The accuracies after the first step, at each epoch's end and after the last step.
    best_val_acc, best_params
        The best validation accuracy, and the parameters that had it; `train` puts them into the model at the end.

    Examples
    --------
    >>> solver = Solver(model, data, optim_config={"learning_rate": 1e-3}, num_epochs=5)  # doctest: +SKIP
    >>> solver.train()  # doctest: +SKIP
    """

    def __init__(self, model, data, **settings):
        unknown = sorted(settings.keys() - DEFAULTS)
        if unknown:
            names = ", ".join(DEFAULTS)
            raise ValueError(f"Solver: there is no argument {', '.join(unknown)}. There are: {names}.")
        for name, default in DEFAULTS.items():
            setattr(self, name, settings.get(name, default))
        rule = self.update_rule
        if not (isinstance(rule, str) and not rule.startswith("_") and callable(getattr(optim, rule, None))):
            raise ValueError(f"Solver: nndl/optim.py has no update rule {rule!r}.")

        self.model = model
        self.X_train, self.y_train = data["X_train"], data["y_train"]
        self.X_val, self.y_val = data["X_val"], data["y_val"]
        self._rule = getattr(optim, rule)
        self._configs = {name: dict(self.optim_config) for name in model.params}
        self.epoch = 0
        self.best_val_acc, self.best_params = 0.0, {}
        self.loss_history, self.train_acc_history, self.val_acc_history = [], [], []

    def train(self):
        """Take all steps; at the end the model has the parameters with the best validation accuracy."""
        steps_per_epoch = max(len(self.X_train) // self.batch_size, 1)
        steps = self.num_epochs * steps_per_epoch
        for step in range(steps):
            self._step()
            if self.verbose and step % self.print_every == 0:
                print(f"(Iteration {step + 1} / {steps}) loss: {self.loss_history[-1]:f}")

            epoch_end = (step + 1) % steps_per_epoch == 0
            if epoch_end:
                self.epoch += 1
                for config in self._configs.values():
                    if "learning_rate" in config:
                        config["learning_rate"] *= self.lr_decay
            if epoch_end or step == 0:  # the last step is an epoch's end, too
                self._measure()
            if epoch_end and self.checkpoint_name:
                self._save()

        if self.best_params:
            self.model.params = self.best_params

    def check_accuracy(self, X, y, num_samples=None, batch_size=100):
        """The share of examples whose largest score is the right one.

        Parameters
        ----------
        X, y : arrays of shape (N, d1, ..., dk) and (N,)
        num_samples : int, optional
            Measure on so many examples, drawn at random, where there are more.
        batch_size : int
            How many examples go through the model at once.
        """
        if num_samples is not None and num_samples < len(X):
            rows = np.random.choice(len(X), num_samples)
            X, y = X[rows], y[rows]
        starts = range(0, len(X), batch_size)
        predicted = [self.model.loss(X[start : start + batch_size]).argmax(axis=1) for start in starts]
        return float(np.mean(np.concatenate(predicted) == y))

    def _step(self):
        rows = np.random.choice(len(self.X_train), self.batch_size)
        loss, grads = self.model.loss(self.X_train[rows], self.y_train[rows])
        self.loss_history.append(loss)
        for name, w in self.model.params.items():
            self.model.params[name], self._configs[name] = self._rule(w, grads[name], self._configs[name])

    def _measure(self):
        train_acc = self.check_accuracy(self.X_train, self.y_train, num_samples=self.num_train_samples)
        val_acc = self.check_accuracy(self.X_val, self.y_val, num_samples=self.num_val_samples)
        self.train_acc_history.append(train_acc)
        self.val_acc_history.append(val_acc)
        if self.verbose:
            print(f"(Epoch {self.epoch} / {self.num_epochs}) train acc: {train_acc:f}; val_acc: {val_acc:f}")
        if val_acc > self.best_val_acc:
            self.best_val_acc = val_acc
            self.best_params = {name: w.copy() for name, w in self.model.params.items()}

    def _save(self):
        np.savez(
            f"{self.checkpoint_name}_epoch_{self.epoch}.npz",
            loss_history=self.loss_history,
            train_acc_history=self.train_acc_history,
            val_acc_history=self.val_acc_history,
            **self.model.params,
        )
