"""What other libraries call the things that are here, and what to write for a setting that is not one here."""

from collections.abc import Callable, Mapping
from typing import Any

# What other libraries call the same things; of several names, the first that is known where one is looked up.
ELSEWHERE = {
    "linear": "identity Dense", "silu": "swish", "atan": "arctan",
    "glorot_uniform": "xavier_uniform", "glorot_normal": "xavier_normal",
    "kaiming_uniform": "he_uniform", "kaiming_normal": "he_normal",
    "mse": "squared_error", "mean_squared_error": "squared_error", "l2": "squared_error",
    "mae": "absolute_error", "mean_absolute_error": "absolute_error", "l1": "absolute_error",
    "bce": "sigmoid_cross_entropy", "binary_cross_entropy": "sigmoid_cross_entropy",
    "binary_crossentropy": "sigmoid_cross_entropy", "logistic": "sigmoid_cross_entropy",
    "sparse_categorical_crossentropy": "softmax_cross_entropy", "categorical_crossentropy": "softmax_cross_entropy",
    "log_loss": "softmax_cross_entropy", "learning_rate": "lr",
    "class_weight": "class_weights", "weight": "class_weights", "linear_layer": "Dense", "fullyconnected": "Dense",
    "rnn": "Elman", "simplernn": "Elman",
    "units": "filters", "out_features": "units filters", "out_channels": "filters units", "p": "rate",
    "hidden_size": "units", "num_units": "units", "output_dim": "units", "embedding_dim": "units",
    "num_embeddings": "vocabulary", "input_dim": "vocabulary", "num_groups": "groups", "epsilon": "eps",
    "nonlinearity": "activation", "axis": "axes",
    "kernel_size": "kernel window", "pool_size": "window", "kernel_initializer": "init", "weight_init": "init",
    "batchnormalization": "BatchNorm", "adaptiveavgpool2d": "GlobalAvgPool", "add": "Residual", "skip": "Residual",
    **dict.fromkeys(("relu", "tanh", "sigmoid", "softmax", "gelu", "elu", "leakyrelu"), "Activation"),
}  # fmt: skip

# What other libraries ask for, and the shape that comes in tells here.
TOLD_BY_SHAPE = (
    "in_channels", "in_features", "num_features", "num_channels", "input_dim", "input_size", "input_shape",
)  # fmt: skip

# A setting's value and the call's other settings -> the settings to write here, and a sentence about the rest.
Meant = Callable[[Any, Mapping[str, Any]], tuple[dict[str, Any], str]]


def _renamed(name: str) -> Meant:
    return lambda value, here: ({name: value}, "")


def _left_out(words: str) -> Meant:
    return lambda value, here: ({}, words)


def _in_spec(setting: str, spec: str, default: str) -> Meant:
    """A setting that belongs to what fit's `spec` describes, such as the optimizer."""

    def meant(value: Any, here: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
        given = here.get(spec, default)
        if not isinstance(given, str | Mapping):
            return {}, f"{setting} belongs to the {spec}: make it with {setting}={value!r}."
        described = {"name": given} if isinstance(given, str) else given
        return {spec: {**described, setting: value}}, f"{setting} belongs to the {spec}."

    return meant


def _class_weights(value: Any, here: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    weights = [value[label] for label in sorted(value)] if isinstance(value, Mapping) else value
    return _in_spec("class_weights", "loss", "softmax_cross_entropy")(weights, here)


def _betas(value: Any, here: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    pair = isinstance(value, tuple | list) and len(value) == 2
    return ({"beta1": value[0], "beta2": value[1]} if pair else {}), ""


def _spec_of(spec: str, setting: str) -> Meant:
    """A setting beside a name, where one mapping holds both."""
    return lambda value, here: ({spec: {**_described(here.get(spec)), setting: value}}, "")


def _described(spec: Any) -> dict[str, Any]:
    return dict(spec) if isinstance(spec, Mapping) else {"name": spec}


_RATE = _in_spec("lr", "optimizer", "sgd")
_NO_DECAY = _left_out("Weight decay is the l2 of fit, or AdamW's weight_decay.")
_NO_VARIANT = _left_out("There is no such variant here: leave it out.")
_SCHEDULED = _left_out("A schedule is given to the optimizer as its lr.")
_EARLY = _left_out("Pass callbacks=[EarlyStopping()] with validation=0.1.")

MEANT: dict[str, dict[str, Meant]] = {
    "fit": {
        "validation_data": _renamed("validation"), "validation_split": _renamed("validation"),
        "validation_fraction": _renamed("validation"), "eval_set": _renamed("validation"),
        "batch": _renamed("batch_size"), "max_iter": _renamed("epochs"), "n_epochs": _renamed("epochs"),
        "num_epochs": _renamed("epochs"), "sample_weight": _renamed("sample_weights"),
        "class_weight": _class_weights, "random_state": _renamed("seed"), "criterion": _renamed("loss"),
        "solver": _renamed("optimizer"), "alpha": _renamed("l2"), "weight_decay": _renamed("l2"),
        "max_grad_norm": _renamed("clip_norm"), "clipnorm": _renamed("clip_norm"), "n_jobs": _renamed("workers"),
        "clipvalue": _renamed("clip_value"),
        **dict.fromkeys(("lr", "learning_rate", "learning_rate_init", "eta0"), _RATE),
        "momentum": _in_spec("momentum", "optimizer", "sgd"),
        "verbose": _left_out("fit prints nothing: pass callbacks=[Progress()], or read the History that it returns."),
        "metrics": _left_out("The loss has its metric: it stands in the History, too."),
        **dict.fromkeys(("early_stopping", "patience", "n_iter_no_change"), _EARLY),
    },
    "Optimizer": {
        **dict.fromkeys(("learning_rate", "learning_rate_init", "eta0", "eta"), _renamed("lr")),
        "betas": _betas, "beta_1": _renamed("beta1"), "beta_2": _renamed("beta2"), "epsilon": _renamed("eps"),
        "alpha": _renamed("rho"), "weight_decay": _NO_DECAY,
        "params": _left_out("fit hands the parameters over: leave them out."),
        "clipnorm": _left_out("Clipping is fit's clip_norm."), "clipvalue": _left_out("Clipping is fit's clip_value."),
        **dict.fromkeys(("amsgrad", "centered", "dampening", "maximize", "foreach", "fused"), _NO_VARIANT),
    },
    "Schedule": {
        "gamma": _renamed("factor"), "step_size": _renamed("every"), "t_max": _renamed("epochs"),
        **dict.fromkeys(("initial_learning_rate", "learning_rate", "base_lr", "max_lr"), _renamed("lr")),
        "decay_rate": _renamed("decay"), "eta_min": _renamed("final"), "warmup_epochs": _renamed("warmup"),
        "pct_start": _renamed("rise"), "div_factor": _renamed("start_div"), "optimizer": _SCHEDULED,
    },
    "Exponential": {"gamma": _renamed("decay")},
    "fit_lbfgs": {
        "tol": _renamed("tolerance"), "alpha": _renamed("l2"), "weight_decay": _renamed("l2"),
        "epochs": _renamed("max_iter"), "maxiter": _renamed("max_iter"), "criterion": _renamed("loss"),
        "verbose": _left_out("fit_lbfgs prints nothing: its result says how it ended."),
    },
    "make_loss": {
        "reduction": _left_out("fit takes the mean over the examples: leave it out."),
        "from_logits": _left_out("softmax_cross_entropy takes scores, cross_entropy probabilities: leave it out."),
        **dict.fromkeys(("weight", "class_weight"), _spec_of("spec", "class_weights")),
        **{name: _spec_of("spec", name) for name in ("class_weights", "label_smoothing", "delta")},
    },
}  # fmt: skip


def meant_by(called: Callable[..., Any], name: str) -> Meant | None:
    """What a setting of another library means in a call of a class or a function here, if it is known."""
    kinds = [kind.__name__ for kind in called.__mro__] if isinstance(called, type) else [called.__name__]
    return next((MEANT[kind][name.lower()] for kind in kinds if name.lower() in MEANT.get(kind, {})), None)
