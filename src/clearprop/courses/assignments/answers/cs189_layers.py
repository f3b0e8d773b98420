"""CS 189, homework 6: the gradients of the layers, derived, and each equation held against differences.

The functions `<name>_gradients` are the answers' equations written out in NumPy, with loops where an equation has
indices. They use no kernel, so that a wrong equation cannot hide.
"""

from typing import Any

import numpy as np

from clearprop.arrays import Array
from clearprop.courses.assignments.answers.confirm import BY_KERNEL, by_comparison, by_differences
from clearprop.kernels.activations import relu_backward, relu_forward, softmax_backward, softmax_forward
from clearprop.kernels.affine import affine_backward, affine_forward
from clearprop.kernels.conv import conv2d_backward, conv2d_forward
from clearprop.kernels.elman import elman_backward, elman_forward
from clearprop.kernels.losses import cross_entropy, squared_error
from clearprop.lens.document import Block, Equation, Heading, Items, Paragraph, joined

Arrays = dict[str, Array]


def _rng() -> np.random.Generator:
    return np.random.default_rng(189)


def relu_gradients(dy: Array, at: Arrays) -> Arrays:
    """∂L/∂Z = ∂L/∂Y ⊙ [Z > 0]."""
    return {"Z": dy * (at["Z"] > 0)}


def relu(number: str) -> list[Block]:
    """The ReLU's gradient."""
    rng = _rng()
    at = {"Z": rng.standard_normal((4, 3))}
    dy = rng.standard_normal((4, 3))
    kernel = relu_backward(dy, relu_forward(at["Z"])[1])
    return [
        Heading(f"{number} ReLU"),
        Paragraph(
            r"Each $Y_{nm} = \max(0, Z_{nm})$ depends on $Z_{nm}$ alone, with slope 1 above zero and 0 below. At zero "
            "there is no slope; we take 0, as the course's tests do. For the whole batch, entry by entry:"
        ),
        Equation(
            "\\begin{aligned}\n"
            "\\frac{\\partial L}{\\partial Z_{nm}} &= \\frac{\\partial L}{\\partial Y_{nm}} \\begin{cases} 1 & "
            "\\text{where } Z_{nm} > 0 \\\\ 0 & \\text{elsewhere} \\end{cases} \\\\\n"
            "\\frac{\\partial L}{\\partial Z} &= \\frac{\\partial L}{\\partial Y} \\odot [Z > 0]\n"
            "\\end{aligned}"
        ),
        by_differences(
            lambda x: relu_forward(x["Z"])[0], relu_gradients, at, {"Z": r"\frac{\partial L}{\partial Z}"}
        ),
        by_comparison(BY_KERNEL, {r"\frac{\partial L}{\partial Z}": (relu_gradients(dy, at)["Z"], kernel)}),
    ]


def dense_gradients(dz: Array, at: Arrays) -> Arrays:
    """∂L/∂W = Xᵀ ∂L/∂Z, ∂L/∂b = Σₙ ∂L/∂Zₙ, ∂L/∂X = ∂L/∂Z Wᵀ."""
    return {"X": dz @ at["W"].T, "W": at["X"].T @ dz, "b": dz.sum(axis=0)}


def dense(number: str) -> list[Block]:
    """The fully connected layer's gradients."""
    rng = _rng()
    at = {"X": rng.standard_normal((5, 4)), "W": rng.standard_normal((4, 3)), "b": rng.standard_normal(3)}
    dz = rng.standard_normal((5, 3))
    kernel = dict(zip("XWb", affine_backward(dz, affine_forward(*at.values())[1]), strict=True))
    found = dense_gradients(dz, at)
    names = {k: rf"\frac{{\partial L}}{{\partial {k}}}" for k in "XWb"}
    return [
        Heading(f"{number} Fully connected layer"),
        Paragraph(
            r"Let $X$ be $m \times d$, $W$ $d \times k$, $b$ $1 \times k$ and $Z = X W + b$, so $Z_{nj} = \sum_i "
            r"X_{ni} W_{ij} + b_j$. The weight $W_{ij}$ reaches the loss through column $j$ of $Z$, once for every "
            r"example:"
        ),
        Equation(
            r"\frac{\partial L}{\partial W_{ij}} = \sum_n \frac{\partial L}{\partial Z_{nj}} X_{ni}, \quad "
            r"\frac{\partial L}{\partial b_j} = \sum_n \frac{\partial L}{\partial Z_{nj}}, \quad "
            r"\frac{\partial L}{\partial X_{ni}} = \sum_j \frac{\partial L}{\partial Z_{nj}} W_{ij}"
        ),
        Paragraph(r"These sums are matrix products; $\mathbf{1}$ is a column of $m$ ones:"),
        Equation(
            r"\frac{\partial L}{\partial W} = X^\top \frac{\partial L}{\partial Z}, \quad "
            r"\frac{\partial L}{\partial b} = \mathbf{1}^\top \frac{\partial L}{\partial Z}, \quad "
            r"\frac{\partial L}{\partial X} = \frac{\partial L}{\partial Z} W^\top"
        ),
        Paragraph(
            r"With an activation, $\frac{\partial L}{\partial Z}$ is what its own backward pass gives from "
            r"$\frac{\partial L}{\partial Y}$. The mean over the batch is taken in the cost, so it is not taken here."
        ),
        by_differences(lambda x: affine_forward(x["X"], x["W"], x["b"])[0], dense_gradients, at, names),
        by_comparison(BY_KERNEL, {names[k]: (found[k], kernel[k]) for k in "XWb"}),
    ]


def softmax_gradients(dsigma: Array, at: Arrays) -> Arrays:
    """∂L/∂s = Jᵀ ∂L/∂σ with Jᵢⱼ = σᵢ (δᵢⱼ − σⱼ)."""
    sigma = np.exp(at["s"]) / np.exp(at["s"]).sum()
    K = len(sigma)
    jacobian = np.array([[sigma[i] * ((i == j) - sigma[j]) for j in range(K)] for i in range(K)])
    return {"s": jacobian.T @ dsigma}


def softmax(number: str) -> list[Block]:
    """The softmax's Jacobian."""
    rng = _rng()
    at, dsigma = {"s": rng.standard_normal(6)}, rng.standard_normal(6)
    kernel = softmax_backward(dsigma[None], softmax_forward(at["s"][None])[1])[0]
    name = r"\frac{\partial L}{\partial s}"
    return [
        Heading(f"{number} Softmax"),
        Paragraph(
            r"Write $\sigma_i = e^{s_i} / S$ with $S = \sum_k e^{s_k}$. The numerator depends on $s_j$ only where "
            r"$i = j$, the denominator always, with $\frac{\partial S}{\partial s_j} = e^{s_j}$. By the quotient rule"
        ),
        Equation(
            "\\begin{aligned}\n"
            "\\frac{\\partial \\sigma_i}{\\partial s_j} &= \\frac{\\delta_{ij} e^{s_i} S - e^{s_i} e^{s_j}}{S^2} \\\\\n"
            "&= \\sigma_i (\\delta_{ij} - \\sigma_j)\n"
            "\\end{aligned}"
        ),
        Paragraph(
            r"with $\delta_{ij} = 1$ for $i = j$ and 0 otherwise: $\sigma_i (1 - \sigma_i)$ on the diagonal, "
            r"$-\sigma_i \sigma_j$ beside it. The Jacobian is $\mathrm{diag}(\sigma) - \sigma \sigma^\top$, and "
            "the backward pass needs only its product with the gradient:"
        ),
        Equation(
            r"\frac{\partial L}{\partial s} = \sigma \odot \left( \frac{\partial L}{\partial \sigma} - \sum_k "
            r"\frac{\partial L}{\partial \sigma_k} \sigma_k \right)"
        ),
        Paragraph(
            "Taking the largest score from all of them first changes nothing in $\\sigma$, since it cancels, and no "
            "exponential can overflow."
        ),
        by_differences(lambda x: softmax_forward(x["s"])[0], softmax_gradients, at, {"s": name}),
        by_comparison(BY_KERNEL, {name: (softmax_gradients(dsigma, at)["s"], kernel)}),
    ]


def cross_entropy_gradients(dcost: Array, at: Arrays) -> Arrays:
    """∂J/∂Ŷ = −(1/m) Y ⊘ Ŷ; the labels are one-hot rows."""
    return {"Yhat": dcost * -at["Y"] / (len(at["Y"]) * at["Yhat"])}


def cross_entropy_cost(number: str) -> list[Block]:
    """The cross-entropy cost's gradient."""
    rng = _rng()
    labels = np.eye(4)[rng.integers(4, size=5)]
    at = {"Yhat": softmax_forward(rng.standard_normal((5, 4)))[0]}
    name = r"\frac{\partial J}{\partial \hat{Y}}"
    found = cross_entropy_gradients(np.ones(()), {**at, "Y": labels})["Yhat"]
    return [
        Heading(f"{number} Cross-entropy cost"),
        Paragraph(
            r"Written out, $J = -\frac{1}{m} \sum_i \sum_k Y_{ik} \ln \hat{Y}_{ik}$. Each prediction appears in one "
            "term, so"
        ),
        Equation(
            r"\frac{\partial J}{\partial \hat{Y}_{ik}} = -\frac{1}{m} \frac{Y_{ik}}{\hat{Y}_{ik}}, \quad "
            r"\text{that is} \quad \frac{\partial J}{\partial \hat{Y}} = -\frac{1}{m} (Y / \hat{Y})"
        ),
        Paragraph(
            r"with the division taken entry by entry. Only the true class of each row has a gradient. The factor "
            r"$\frac{1}{m}$ stands here and nowhere else in the network."
        ),
        by_differences(
            lambda x: -(labels * np.log(x["Yhat"])).sum() / len(labels),
            lambda dy, x: cross_entropy_gradients(dy, {**x, "Y": labels}),
            at,
            {"Yhat": name},
        ),
        by_comparison(BY_KERNEL, {name: (found, cross_entropy(at["Yhat"], labels)[1] / len(labels))}),
    ]


def squared_error_gradients(dcost: Array, at: Arrays) -> Arrays:
    """∂J/∂Ŷ = (2/m) (Ŷ − Y)."""
    return {"Yhat": dcost * 2 * (at["Yhat"] - at["Y"]) / len(at["Y"])}


def squared_error_cost(number: str) -> list[Block]:
    """The mean squared error's gradient."""
    rng = _rng()
    targets, at = rng.standard_normal((5, 1)), {"Yhat": rng.standard_normal((5, 1))}
    name = r"\frac{\partial J}{\partial \hat{Y}}"
    found = squared_error_gradients(np.ones(()), {**at, "Y": targets})["Yhat"]
    return [
        Heading(f"{number} Mean squared error"),
        Paragraph(
            r"Only the term of example $i$ contains $\hat{Y}_i$, and its outer derivative is $2 (\hat{Y}_i - Y_i)$:"
        ),
        Equation(
            r"J = \frac{1}{m} \sum_i (Y_i - \hat{Y}_i)^2, \quad \frac{\partial J}{\partial \hat{Y}} = "
            r"\frac{2}{m} (\hat{Y} - Y)"
        ),
        by_differences(
            lambda x: ((targets - x["Yhat"]) ** 2).sum() / len(targets),
            lambda dy, x: squared_error_gradients(dy, {**x, "Y": targets}),
            at,
            {"Yhat": name},
        ),
        by_comparison(BY_KERNEL, {name: (found, squared_error(at["Yhat"], targets)[1] / len(targets))}),
    ]


def conv_gradients(dz: Array, at: Arrays) -> Arrays:
    """The three sums over components, one entry at a time; ∂L/∂Z counts as 0 outside of its bounds."""
    x, w = at["X"], at["W"]
    dx, dw, db = np.zeros_like(x), np.zeros_like(w), dz.sum(axis=(0, 1, 2))
    rows, columns = dz.shape[1:3]
    for i, k, c, f in np.ndindex(*w.shape):
        for n, d1, d2 in np.ndindex(*dz.shape[:3]):
            dw[i, k, c, f] += dz[n, d1, d2, f] * x[n, d1 + i, d2 + k, c]
    for n, p, q, c in np.ndindex(*x.shape):
        for i, k in np.ndindex(*w.shape[:2]):
            if 0 <= p - i < rows and 0 <= q - k < columns:
                dx[n, p, q, c] += (dz[n, p - i, q - k] * w[i, k, c]).sum()
    return {"X": dx, "W": dw, "b": db}


def convolution(number: str) -> list[Block]:
    """The convolution's gradients, component by component."""
    rng = _rng()
    at = {
        "X": rng.standard_normal((2, 5, 4, 2)),
        "W": rng.standard_normal((3, 2, 2, 3)),
        "b": rng.standard_normal(3),
    }
    z, cache = conv2d_forward(at["X"], at["W"], at["b"])
    dz = rng.standard_normal(z.shape)
    kernel = dict(zip("XWb", conv2d_backward(dz, cache), strict=True))
    found = conv_gradients(dz, at)
    names = {k: rf"\frac{{\partial L}}{{\partial {k}}}" for k in "XWb"}
    return [
        Heading(f"{number} Convolutional layer"),
        Paragraph(
            r"For one image, $Z[d_1, d_2, f] = \sum_{i,k,c} W[i,k,c,f] X[d_1 + i, d_2 + k, c] + b[f]$. Everything "
            "outside of its bounds counts as zero; over a batch, the first two sums also run over the images."
        ),
        Paragraph("(a) The bias of filter $f$ is added to each of its outputs:"),
        Equation(
            r"\frac{\partial L}{\partial b[f]} = \sum_{d_1,d_2} \frac{\partial L}{\partial Z[d_1,d_2,f]}"
        ),
        Paragraph("(b) The weight meets, in the output at $d_1, d_2$, the pixel at $d_1 + i, d_2 + k$:"),
        Equation(
            r"\frac{\partial L}{\partial W[i,k,c,f]} = \sum_{d_1,d_2} \frac{\partial L}{\partial Z[d_1,d_2,f]} "
            r"X[d_1 + i, d_2 + k, c]"
        ),
        Paragraph(
            r"(c) The pixel at $x, y$ is read by the outputs at $d_1 = x - i$ and $d_2 = y - k$, through the weight at "
            "$i, k$:"
        ),
        Equation(
            r"\frac{\partial L}{\partial X[x,y,c]} = \sum_{i,k,f} \frac{\partial L}{\partial Z[x - i,y - k,f]} "
            r"W[i,k,c,f]"
        ),
        Paragraph(
            "So (b) is a correlation of the image with the gradient, and (c) a convolution proper: the filter is "
            "turned by half a turn."
        ),
        by_differences(lambda x: conv2d_forward(x["X"], x["W"], x["b"])[0], conv_gradients, at, names),
        by_comparison(BY_KERNEL, {names[k]: (found[k], kernel[k]) for k in "XWb"}),
    ]


def elman_gradients(dlast: Array, at: Arrays) -> Arrays:
    """Backwards through time: δₜ = ∂L/∂sₜ ⊙ (1 − sₜ²), ∂L/∂sₜ₋₁ = δₜ Uᵀ; every step adds its share."""
    x, w, u, b = (at[k] for k in ("X", "W", "U", "b"))
    states = [np.zeros((len(x), len(u)))]
    for t in range(x.shape[1]):
        states.append(np.tanh(x[:, t] @ w + states[-1] @ u + b))
    dx, dw, du, db, ds = np.zeros_like(x), np.zeros_like(w), np.zeros_like(u), np.zeros_like(b), dlast
    for t in reversed(range(x.shape[1])):
        delta = ds * (1 - states[t + 1] ** 2)
        dw += x[:, t].T @ delta
        du += states[t].T @ delta
        db += delta.sum(axis=0)
        dx[:, t] = delta @ w.T
        ds = delta @ u.T
    return {"X": dx, "W": dw, "U": du, "b": db}


def elman(number: str) -> list[Block]:
    """The Elman layer's gradients, through time."""
    rng = _rng()
    shapes = {"X": (3, 4, 2), "W": (2, 5), "U": (5, 5), "b": (5,)}
    at = {k: rng.standard_normal(shape) for k, shape in shapes.items()}
    start, dlast = np.zeros((3, 5)), rng.standard_normal((3, 5))

    def last_state(x: Any) -> Any:
        return elman_forward(x["X"], x["W"], x["U"], x["b"], start)[0][:, -1]

    _, cache = elman_forward(at["X"], at["W"], at["U"], at["b"], start)
    kernel = dict(zip("XWUb", elman_backward(dlast, cache)[:4], strict=True))
    found = elman_gradients(dlast, at)
    names = {k: rf"\frac{{\partial L}}{{\partial {k}}}" for k in "WUb"} | {
        "X": r"\frac{\partial L}{\partial x_t}"
    }
    return [
        Heading(f"{number} Elman layer"),
        Paragraph(
            r"Let $z_t = x_t W + s_{t-1} U + b$ and $s_t = \sigma(z_t)$, for a batch of $m$ rows, $t = 1, \dots, T$. "
            r"Write $\delta_t = \frac{\partial L}{\partial z_t}$. A state reaches the loss directly, where the next "
            "layer reads it (here only $s_T$), and through the next state:"
        ),
        Equation(
            "\\begin{aligned}\n"
            "\\frac{\\partial L}{\\partial s_T} &= \\text{given by the next layer} \\\\\n"
            "\\delta_t &= \\frac{\\partial L}{\\partial s_t} \\odot \\sigma'(z_t) \\\\\n"
            "\\frac{\\partial L}{\\partial s_{t-1}} &= \\delta_t U^\\top \\\\\n"
            "\\frac{\\partial L}{\\partial x_t} &= \\delta_t W^\\top\n"
            "\\end{aligned}"
        ),
        Paragraph("The parameters are the same at every step, so the steps' shares are added:"),
        Equation(
            r"\frac{\partial L}{\partial W} = \sum_{t=1}^{T} x_t^\top \delta_t, \quad \frac{\partial L}{\partial U} = "
            r"\sum_{t=1}^{T} s_{t-1}^\top \delta_t, \quad \frac{\partial L}{\partial b} = \sum_{t=1}^{T} "
            r"\mathbf{1}^\top \delta_t"
        ),
        Paragraph(
            r"For tanh, $\sigma'(z_t) = 1 - s_t^2$. This factor belongs into every step; with a linear activation its "
            "absence would go unseen, so the check uses tanh, 4 steps and the last state:"
        ),
        by_differences(last_state, elman_gradients, at, names),
        by_comparison(BY_KERNEL, {names[k]: (found[k], kernel[k]) for k in "WUbX"}),
    ]


def pooling(number: str) -> list[Block]:
    """Pooling's backward pass, in words."""
    return joined(
        Heading(f"{number} Pooling"),
        Items(
            (
                "Max pooling passes one number of each window on. A small change of it changes the output as much, and "
                "small changes of the others change nothing. So backward sends each output's gradient to the place of "
                "its window's maximum, and zero to the rest. To keep: where each maximum was (or the input and the "
                "output), and the input's shape.",
                "Average pooling gives every number of a window of $k_1 k_2$ places the same share. So backward sends "
                r"$\frac{1}{k_1 k_2}$ of each output's gradient to every place. To keep: the shapes alone.",
                "Where windows overlap, a place belongs to several of them, and what they send is added. What lands on "
                "the padding is dropped. Each channel is on its own.",
                "Of equal maxima one must be chosen, always in the same way; clearprop takes the first in reading "
                "order. Sending the gradient to all of them would count it more than once.",
            )
        ),
    )
