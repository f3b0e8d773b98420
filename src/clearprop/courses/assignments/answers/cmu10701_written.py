"""CMU 10-701, homework 3, sections 2 to 4: initialization, activations and learning rates, and single questions."""

from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.arrays import Array
from clearprop.kernels.activations import (
    identity_backward,
    identity_forward,
    relu_backward,
    relu_forward,
    sigmoid_backward,
    sigmoid_forward,
    tanh_backward,
    tanh_forward,
)
from clearprop.kernels.affine import affine_backward, affine_forward
from clearprop.kernels.conv import conv2d_forward
from clearprop.kernels.elman import elman_backward, elman_forward
from clearprop.kernels.losses import squared_error
from clearprop.kernels.lstm import lstm_backward, lstm_forward
from clearprop.lens.document import (
    Block,
    Equation,
    Heading,
    Items,
    Paragraph,
    Table,
    Value,
    joined,
    number,
)

Pair = tuple[Callable[[Array], tuple[Array, Any]], Callable[[Array, Any], Array]]
ACTIVATIONS: dict[str, Pair] = {
    "ReLU": (relu_forward, relu_backward),
    "tanh": (tanh_forward, tanh_backward),
    "sigmoid": (sigmoid_forward, sigmoid_backward),
    "linear": (identity_forward, identity_backward),
}
ROWS = np.array([[-1, 0.4], [3, 8], [-3, 0.3], [4, 10], [-0.5, 5]])
TARGETS = np.array([2, -4, 3.2, -8.3, -2.3])
W1, B1 = np.array([[0.2, 3.8], [-1.1, 2.3]]), np.array([-1.3, 0.86])  # row j: the weights into hidden unit j
W2, B2 = np.array([[-1.2, 0.7]]), np.zeros(1)
RATES = (0.1, 0.001, 0.0001, 0.9)
IMAGE = np.array(
    [
        [-1, 0, -2, 3, 4, 1],
        [2, 9, 5, 6, 0, -1],
        [0, -3, 1, 3, 4, 4],
        [6, 5, 2, 0, 6, 8],
        [-5, 4, -3, 1, 3, -2],
        [4, 1, 2, 8, 9, 7],
    ],
    dtype=np.float64,
)
FILTER = np.full((3, 3), -2.0) + 7.0 * (np.arange(9).reshape(3, 3) == 4)
STEPS_BACK = (0, 1, 5, 10, 20, 40)


def symmetric_start(steps: int) -> list[tuple[Array, Array]]:
    """Section 2's network from zeros, squared error to the target 1 at x = (1, 2, 3): its w and v after each step."""
    x, w, v, found = np.array([[1.0, 2.0, 3.0]]), np.zeros((3, 2)), np.zeros((2, 1)), []
    for _ in range(steps):
        z, first = affine_forward(x, w, np.zeros(2))
        h, kept = sigmoid_forward(z)
        y, second = affine_forward(h, v, np.zeros(1))
        _, dy = squared_error(y, np.ones((1, 1)))
        dh, dv, _ = affine_backward(dy, second)
        assert dh is not None
        _, dw, _ = affine_backward(sigmoid_backward(dh, kept), first, need_dx=False)
        w, v = w - 0.1 * dw, v - 0.1 * dv
        found.append((w, v[:, 0]))
    return found


def loss_of(activation: str) -> float:
    """Section 3's mean squared error at step k, with this activation in the hidden layer."""
    return descend(activation, 0.0, 0)[0]


def descend(activation: str, rate: float, steps: int) -> list[float]:
    """The mean squared error at step k and after each further step of full gradient descent."""
    forward, backward = ACTIVATIONS[activation]
    params = [W1.T.copy(), B1.copy(), W2.T.copy(), B2.copy()]
    losses = []
    for _ in range(steps + 1):
        a, first = affine_forward(ROWS, params[0], params[1])
        h, kept = forward(a)
        y, second = affine_forward(h, params[2], params[3])
        each, dy = squared_error(y[:, 0], TARGETS)
        losses.append(float(each.mean()))
        dh, dw2, db2 = affine_backward(dy[:, None] / len(ROWS), second)
        assert dh is not None
        _, dw1, db1 = affine_backward(backward(dh, kept), first, need_dx=False)
        for param, gradient in zip(params, (dw1, db1, dw2, db2), strict=True):
            param -= rate * gradient
    return losses


def convolved() -> Array:
    """Section 4's Y: the image and the filter, padded with zeros, stride 1."""
    y, _ = conv2d_forward(
        IMAGE[None, :, :, None], FILTER[:, :, None, None], np.zeros(1), padding=((1, 1), (1, 1))
    )
    return y[0, :, :, 0]


def through_time(units: int = 16, steps: int = 41) -> tuple[Array, Array]:
    """‖∂L/∂xₜ‖ for t steps before the end, of an Elman network with sigmoids and of an LSTM, over its own at 0."""
    rng = np.random.default_rng(0)
    x, start, dh = rng.standard_normal((1, steps, 3)), np.zeros((1, units)), rng.standard_normal((1, units))
    w, u = rng.standard_normal((3, units)) / np.sqrt(3), rng.standard_normal((units, units)) / np.sqrt(units)
    _, cache = elman_forward(x, w, u, np.zeros(units), start, sigmoid_forward)
    plain = elman_backward(dh, cache, sigmoid_backward)[0]
    w4, u4 = np.tile(w, 4), np.tile(u, 4)
    b4 = np.zeros(4 * units)
    b4[units : 2 * units] = 5.0  # the forget gates start nearly open
    _, kept = lstm_forward(x, w4, u4, b4, start, start)
    gated = lstm_backward(dh, kept)[0]
    assert plain is not None
    assert gated is not None
    plain_norm, gated_norm = (np.linalg.norm(dx[0, ::-1], axis=1) for dx in (plain, gated))
    return plain_norm / plain_norm[0], gated_norm / gated_norm[0]


def sections() -> list[Block]:
    """Sections 2, 3 and 4."""
    return joined(_initialization(), _activations_and_rates(), _miscellaneous(), _vanishing())


def _initialization() -> list[Block]:
    first, second, *_, last = symmetric_start(5)
    w, v = last
    return [
        Heading("2 Effect of initialization", 1),
        Heading("2.1 (a) All weights zero"),
        Paragraph(
            r"The gradients are $\frac{d\ell}{dv_i} = \frac{d\ell}{dy} \sigma(z_i)$ and $\frac{d\ell}{dw_i} = "
            r"\frac{d\ell}{dy} v_i \sigma'(z_i) x$."
        ),
        Items(
            (
                "After one step: $a = b = c = 0$, because $v_1 = 0$ lets no gradient through to $w_1$.",
                r"After one step: $v_2 = -\frac{1}{2} \frac{d\ell}{dy}$, because $\sigma(0) = \frac{1}{2}$ and "
                r"$\eta = 1$.",
                r"After $n$ steps: $w_1 = w_2 \ne 0$, for $n \ge 2$. From the second step on the $v_i$ are "
                "not zero, so the $w_i$ move, "
                "and both move alike.",
                "After $n$ steps: $v_1 = v_2$.",
                "It is not an effective start: both hidden units get the same gradient in every step, so they stay "
                "copies of each other, and the network is worth one hidden unit. Small random weights break the "
                "symmetry.",
            )
        ),
        Paragraph(
            r"Run now with $x = (1, 2, 3)$, squared error to the target 1 and $\eta = 0.1$; the columns are the two "
            "units:"
        ),
        Value(r"w \text{ after step 1}", first[0]),
        Value(r"w \text{ after step 2}", second[0]),
        Value(r"w \text{ after step 5}", w),
        Value(r"v \text{ after step 5}", v),
    ]


def _activations_and_rates() -> list[Block]:
    losses = {name: loss_of(name) for name in ACTIVATIONS}
    best = min(losses, key=lambda name: losses[name])
    paths = {rate: descend("ReLU", rate, 2) for rate in RATES}
    winner = min(paths, key=lambda rate: paths[rate][-1])
    return [
        Heading("3 Activation functions and learning rates", 1),
        Paragraph("Row $j$ of $w^{(1)}$ holds the weights into hidden unit $j$, so the hidden layer is"),
        Equation(r"h = \max(0, X (w^{(1)})^\top + b^{(1)})"),
        Heading("3.1 The loss at step $k$"),
        Value(r"\frac{1}{5} \sum_{i=1}^{5} (\hat{y}_i - y_i)^2", losses["ReLU"]),
        Heading("3.2 The activation with the smallest loss at step $k$"),
        Table(("hidden activation", "loss"), tuple((name, number(loss)) for name, loss in losses.items())),
        Paragraph(
            f"The smallest is {best}'s. The targets are small and the inputs are not: bounded hidden units keep the "
            "outputs near the targets. The weights are those of step $k$ in every row; nothing was trained in between."
        ),
        Heading("3.3 The learning rate with the smallest loss after two more steps"),
        Table(
            (r"$\eta$", "step $k$", "$k + 1$", "$k + 2$"),
            tuple((f"{rate:g}", *(_shown(loss) for loss in path)) for rate, path in paths.items()),
        ),
        Paragraph(
            rf"$\eta = {winner:g}$. With 0.1 and 0.9 the first step overshoots so far that the loss explodes, and "
            "0.0001 takes steps that are too small."
        ),
    ]


def _shown(loss: float) -> str:
    return number(loss) if loss < 1e5 else f"{loss:.2e}"


def _miscellaneous() -> list[Block]:
    y = convolved()
    j = int(y[1, 3])
    terms = " + ".join(number(pixel) for pixel in np.delete(IMAGE[0:3, 2:5].ravel(), 4))
    return [
        Heading("4 Miscellaneous", 1),
        Heading("4.1 Must the training error fall at every step of SGD?"),
        Paragraph(
            "False. A step of SGD follows the gradient of one example or mini-batch, and may raise the error of the "
            "others. Take the model $w x$ with the examples $(1, 1)$ and $(1, -1)$ at $w = 0$. The mean squared error "
            r"is 1, the least there is. A step on the first example goes to $w = 2 \eta$, where it is $1 + 4 \eta^2$: "
            r"more, for every step size $\eta > 0$."
        ),
        Heading("4.2 and 4.3 Convolutional networks and their inputs"),
        Paragraph(
            "False. A convolution needs neighbours along some axis, not two axes: sound and sensor signals, and "
            "sentences, have one axis (time); CT scans and videos have three."
        ),
        Heading("4.4 A convolution by hand"),
        Value("Y", y),
        Paragraph(
            f"$J = {j}$. Under the filter's middle lies {number(IMAGE[1, 3])}, so $J = 5 \\cdot "
            f"{number(IMAGE[1, 3])} - 2 ({terms}) = {j}$. The filter looks the same when it is turned by half a turn, "
            "so convolution and cross-correlation agree."
        ),
    ]


def _vanishing() -> list[Block]:
    plain, gated = through_time()
    rows = tuple((str(t), f"{plain[t]:.1e}", f"{gated[t]:.1e}") for t in STEPS_BACK)
    return [
        Heading("4.5 The vanishing gradient"),
        Paragraph(
            "Backwards through time, the gradient is multiplied at every step by the recurrent weights and by the "
            r"slope of the sigmoid: $\frac{\partial L}{\partial s_{t-1}} = \left( \frac{\partial L}{\partial s_t} "
            r"\odot s_t \odot (1 - s_t) \right) U^\top$. The slope is at most $\frac{1}{4}$, less where the unit is "
            "saturated. A product of many such factors shrinks geometrically, so early inputs have almost no part in "
            "the gradient, and what depends on them is not learned."
        ),
        Heading("4.6 A change that keeps the sigmoids"),
        Paragraph(
            r"Use an LSTM (or a GRU). Its gates are sigmoids, and its cell $c_t = f_t \odot c_{t-1} + i_t \odot g_t$ "
            "is carried on by a sum: the gradient along the cell is multiplied by the forget gate $f_t$ alone, which "
            "can stay near 1. Attention from the decoder to every encoder state also shortens the way."
        ),
        Paragraph(
            r"Measured now: $\lVert \frac{\partial L}{\partial x_t} \rVert$ by how many steps an input lies before the "
            "end, relative to the last input's, in random networks with 16 units; the LSTM's forget gates have the "
            "bias 5:"
        ),
        Table(("steps back", "Elman with sigmoids", "LSTM"), rows),
    ]
