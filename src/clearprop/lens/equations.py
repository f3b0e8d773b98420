r"""The equations of every layer, loss and optimizer, in LaTeX and in the letters of `kernels/`."""

from typing import NamedTuple

from clearprop.layers import (
    GRU,
    LAYERS,
    Activation,
    BatchNorm,
    Cutout,
    Dropout,
    Elman,
    Layer,
    RandomFlip,
    RandomShift,
)
from clearprop.lens.layer_equations import ACTIVATION_EQUATIONS, LAYER_EQUATIONS, Equations
from clearprop.losses import Loss
from clearprop.optimizer import Optimizer


class LossEquations(NamedTuple):
    """A loss of an example's scores s, and its gradient ds."""

    forward: tuple[str, ...]
    gradient: tuple[str, ...]
    page: str
    where: str = ""


_UNCHANGED = Equations(("y = x",), ("dx = dy",), "identity", "In prediction nothing is drawn at random.")
_AT_RANDOM = (Dropout, RandomShift, RandomFlip, Cutout)


def layer_equations(layer: Layer, training: bool = True) -> Equations:
    """A layer's equations, with its own settings and in training or in prediction.

    Raises
    ------
    KeyError
        For a layer that is not one of the library's.

    Examples
    --------
    >>> from clearprop.layers import Dense
    >>> layer_equations(Dense(3)).forward
    ('y = x w + b',)
    """
    if isinstance(layer, Activation):
        found, alpha = ACTIVATION_EQUATIONS[layer.name], alpha_of(layer)
        return found if alpha is None else found._replace(where=rf"$\alpha$ is {alpha:g}.")
    if isinstance(layer, _AT_RANDOM) and not training:
        return _UNCHANGED
    name = next((name for name, kind in LAYERS.items() if type(layer) is kind), "")
    if isinstance(layer, BatchNorm) and not training:
        return LAYER_EQUATIONS["BatchNorm, prediction"]
    if isinstance(layer, GRU) and layer.reset == "before":
        name = "GRU, before"
    found = LAYER_EQUATIONS[name]
    where = found.where
    for setting in ("stride", "dilation"):
        sizes = getattr(layer, setting, ())
        where = where.replace(
            f"{{{setting}}}", " × ".join(map(str, sizes[:1] if len(set(sizes)) == 1 else sizes))
        )
    if name.startswith("Conv") and (groups := getattr(layer, "groups", 1)) > 1:
        inner, outer = ("f", "channel c") if name == "ConvTranspose2D" else ("c", "filter f")
        where += f" There are {groups} groups; {inner} counts within the group of {outer}."
    back = found.back
    if truncate := getattr(layer, "truncate", None):
        back += (
            f" It is cut: from the end, after every {truncate} steps, no gradient goes on to the step before."
        )
    return found._replace(
        where=f"f is {layer.activation}. {where}" if isinstance(layer, Elman) else where, back=back
    )


def alpha_of(layer: Activation) -> float | None:
    """The α of an activation that has one."""
    return layer.alpha if layer.alpha is not None else {"leaky_relu": 0.01, "elu": 1.0}.get(layer.name)


LOSS_EQUATIONS: dict[str, LossEquations] = {
    "softmax_cross_entropy": LossEquations(
        (r"p = \text{softmax}(s)", r"\ell_n = -\sum_k t_{nk} \log p_{nk}"),
        (r"ds = p - t",),
        "softmax_cross_entropy",
        "t has a 1 at the label, and 0 elsewhere, or it is the row of targets.",
    ),
    "sigmoid_cross_entropy": LossEquations(
        (r"p = \sigma(s)", r"\ell_n = -\sum_m (t_{nm} \log p_{nm} + (1 - t_{nm}) \log(1 - p_{nm}))"),
        (r"ds = p - t",),
        "sigmoid_cross_entropy",
        "t are the targets, from 0 to 1.",
    ),
    "cross_entropy": LossEquations(
        (r"\ell_n = -\sum_k t_{nk} \log s_{nk}",),
        (r"ds_{nk} = -\frac{t_{nk}}{s_{nk}}",),
        "cross_entropy",
        "s are the network's probabilities; t has a 1 at the label, and 0 elsewhere, or it is the row of targets.",
    ),
    "hinge": LossEquations(
        (r"\ell_n = \sum_{k \ne y} \max(0, s_{nk} - s_{ny} + 1)",),
        (r"ds_{nk} = [s_{nk} - s_{ny} + 1 > 0]", r"ds_{ny} = -\sum_{k \ne y} ds_{nk}"),
        "hinge",
        "y is the label, and k any other class.",
    ),
    "squared_error": LossEquations(
        (r"\ell_n = \sum_m (s_{nm} - t_{nm})^2",), (r"ds = 2 (s - t)",), "squared_error", "t are the targets."
    ),
    "absolute_error": LossEquations(
        (r"\ell_n = \sum_m \lvert s_{nm} - t_{nm} \rvert",),
        (r"ds = \text{sign}(s - t)",),
        "absolute_error",
        "t are the targets.",
    ),
    "huber": LossEquations(
        (
            r"e = s - t \quad c = \text{clip}(e, -\delta, \delta)",
            r"\ell_n = \sum_m c_{nm} \left(e_{nm} - \frac{1}{2} c_{nm}\right)",
        ),
        ("ds = c",),
        "huber",
        "t are the targets.",
    ),
    "poisson": LossEquations(
        (r"\ell_n = \sum_m (\exp(s_{nm}) - t_{nm} s_{nm})",),
        (r"ds = \exp(s) - t",),
        "poisson",
        "t are the targets, counts; beyond 30 exp goes on as a straight line.",
    ),
}

_ADAM = (
    r"m \leftarrow \beta_1 m + (1 - \beta_1) dp",
    r"v \leftarrow \beta_2 v + (1 - \beta_2) dp^2",
    r"p \leftarrow p - \eta \frac{m / (1 - \beta_1^k)}{\sqrt{v / (1 - \beta_2^k)} + \epsilon}",
)
OPTIMIZER_EQUATIONS: dict[str, tuple[str, ...]] = {
    "sgd": (r"p \leftarrow p - \eta \, dp",),
    "sgd, momentum": (r"v \leftarrow \mu v + dp", r"p \leftarrow p - \eta v"),
    "sgd, nesterov": (r"v \leftarrow \mu v + dp", r"p \leftarrow p - \eta (dp + \mu v)"),
    "adagrad": (r"h \leftarrow h + dp^2", r"p \leftarrow p - \eta \frac{dp}{\sqrt{h} + \epsilon}"),
    "rmsprop": (
        r"v \leftarrow \rho v + (1 - \rho) dp^2",
        r"p \leftarrow p - \eta \frac{dp}{\sqrt{v} + \epsilon}",
    ),
    "adam": _ADAM,
    "adamw": (r"p \leftarrow (1 - \eta \lambda) p \quad \text{for weights}", *_ADAM),
}


def optimizer_equations(optimizer: Optimizer) -> tuple[str, ...]:
    """An optimizer's equations for a parameter p with the gradient dp.

    >>> from clearprop.optim import SGD
    >>> optimizer_equations(SGD(lr=0.1, momentum=0.9))[0]
    'v \\\\leftarrow \\\\mu v + dp'
    """
    name = optimizer.name
    if getattr(optimizer, "momentum", 0):
        name += ", nesterov" if getattr(optimizer, "nesterov", False) else ", momentum"
    return OPTIMIZER_EQUATIONS[name]


def loss_equations(loss: Loss) -> LossEquations:
    """A loss's equations, with its settings.

    >>> from clearprop.losses import make_loss
    >>> loss_equations(make_loss("squared_error")).gradient
    ('ds = 2 (s - t)',)
    """
    found = LOSS_EQUATIONS[loss.name]
    more = []
    if smoothing := loss.settings.get("label_smoothing"):
        more.append(f"Label smoothing makes of t the row (1 − {smoothing:g}) t + {smoothing:g} / K.")
    if loss.settings.get("class_weights") is not None:
        more.append("Each class's weight multiplies its t.")
        found = found._replace(gradient=(r"ds_{nk} = p_{nk} \sum_j t_{nj} - t_{nk}",))
    if "delta" in loss.settings:
        more.append(f"$\\delta$ is {loss.settings['delta']:g}.")
    return found._replace(where=" ".join([found.where, *more]))
