"""UCLA ECE C147/C247, Winter 2025, homework 3: questions 1 to 3, and those inside the notebooks."""

from collections.abc import Callable

import numpy as np

from clearprop.arrays import Array
from clearprop.courses.assignments.answers.confirm import by_comparison
from clearprop.courses.assignments.answers.graphs import Graph
from clearprop.courses.assignments.catalog import course
from clearprop.lens.document import (
    Block,
    Confirmation,
    Document,
    Equation,
    Heading,
    Items,
    Paragraph,
    Picture,
    joined,
    number,
    recorded,
)
from clearprop.lens.graph import Node, check
from clearprop.lens.graph.examples import autoencoder, gp_lvm, gp_lvm_log_det, gp_lvm_trace, two_layer_swish

_RUN = "clearprop course run c147-w25"
ALPHA, BETA = 0.5, 2.0  # GP-LVM's constants, where numbers are needed


def answers(key: str, say: Callable[[str], None]) -> Document:
    """The three questions with their graphs, and the notebooks' questions."""
    blocks = joined(
        Paragraph(
            "Vectors are columns. Each graph is drawn with small numbers, drawn at random, on it. Each gradient is "
            "confirmed twice: the graph's own by central differences, and the closed form against the graph's on "
            "larger arrays."
        ),
        _autoencoder(),
        _autoencoder_gradient(),
        _gp_lvm(),
        _swish(),
        _default_run(),
        _grid(),
        _solver(),
    )
    return Document(f"{course(key).title}: written questions", tuple(blocks))


def _checked(loss: Node, names: dict[str, str]) -> Confirmation:
    """The graph's gradients against central differences."""
    report = check(loss, raise_on_failure=False)
    errors = {names[entry.name]: entry.error for entry in report.entries if entry.name in names}
    guess = " ".join(entry.guess for entry in report.failures if entry.guess)
    return Confirmation("The graph's gradients against central differences", errors, guess=guess)


def autoencoder_paths(W: Array, x: Array) -> tuple[Array, Array]:
    """(W x) mᵀ, through Wᵀ, and W m xᵀ, through h; m = Wᵀ W x − x."""
    m = W.T @ (W @ x) - x
    return np.outer(W @ x, m), np.outer(W @ m, x)


def _autoencoder() -> list[Block]:
    loss, _ = autoencoder()
    return [
        Heading("1 Backpropagation for autoencoders", 1),
        Heading("1 (a) Why $W$ preserves information"),
        Paragraph(
            r"$W x$ has fewer numbers than $x$, and $W^\top W x$ is an attempt to get $x$ back from them. The loss is "
            "the squared distance of that attempt from $x$. It can be small only if $W x$ still holds what is needed "
            "to rebuild $x$; what $W$ throws away comes back as error. So the minimization keeps the directions in "
            "which the data vary most and gives up those that matter least: over many examples, those of the largest "
            "principal components."
        ),
        Heading("1 (b) The graph"),
        Equation(r"h = W x, \quad r = W^\top h, \quad m = r - x, \quad L = \frac{1}{2} \lVert m \rVert^2"),
        Picture(
            Graph(loss),
            "Naming $h$ and $r$ keeps all gradients vectors and matrices: no 4-D array is needed.",
        ),
        Heading("1 (c) The two paths"),
        Paragraph(
            r"$W$ is used twice: in $h = W x$, and, transposed, in $r = W^\top h$. Give the two uses names of their "
            r"own, $L = \phi(W_1, W_2)$ with $W_1 = W_2 = W$. A change of $W$ by $dW$ changes both, and to first order "
            "the effects add up. That is the law of the total derivative:"
        ),
        Equation(
            r"\frac{\partial L}{\partial W_{ij}} = \frac{\partial \phi}{\partial (W_1)_{ij}} \cdot 1 + "
            r"\frac{\partial \phi}{\partial (W_2)_{ij}} \cdot 1, \quad \nabla_W L = \nabla_{W_1} \phi + \nabla_{W_2} "
            r"\phi"
        ),
        Paragraph(
            "So each path is followed on its own, as if the other were constant, and the results are added."
        ),
    ]


def _autoencoder_gradient() -> list[Block]:
    rng = np.random.default_rng(147)
    W, x = rng.standard_normal((3, 6)), rng.standard_normal(6)
    found, paths = autoencoder(W, x)[0].backward(), autoencoder_paths(W, x)
    through_transpose, through_h = (share.gradient for share in found.shares("W"))
    name = r"\nabla_W L"
    return [
        Heading(r"1 (d) The gradient $\nabla_W L$"),
        Paragraph(
            r"Backwards from the loss: $\frac{\partial L}{\partial m} = m$ and $\frac{\partial L}{\partial r} = m$. "
            r"From $r = W^\top h$ comes $\frac{\partial L}{\partial W^\top} = m h^\top$, whose transpose is $h "
            r"m^\top$, and $\frac{\partial L}{\partial h} = W m$; from $h = W x$ then $(W m) x^\top$. Together:"
        ),
        Equation(r"\nabla_W L = W m x^\top + (W x) m^\top, \quad m = W^\top W x - x"),
        _checked(autoencoder()[0], {"W": name}),
        by_comparison(
            r"The closed form against the graph's gradient, $W$ of shape $3 \times 6$",
            {name: (paths[0] + paths[1], found["W"])},
        ),
        by_comparison(
            "Each path's term against that path's share in the graph",
            {r"(W x) m^\top": (paths[0], through_transpose), r"W m x^\top": (paths[1], through_h)},
        ),
    ]


def _covariance(X: Array) -> Array:
    cov: Array = ALPHA * X @ X.T + np.eye(len(X)) / BETA
    return cov


def log_det_gradient(X: Array, D: int) -> Array:
    """−α D K⁻¹ X."""
    return -ALPHA * D * np.linalg.inv(_covariance(X)) @ X


def trace_gradient(X: Array, Y: Array) -> Array:
    """α K⁻¹ Y Yᵀ K⁻¹ X."""
    inverse = np.linalg.inv(_covariance(X))
    return ALPHA * inverse @ Y @ Y.T @ inverse @ X


_X, _Y = np.random.default_rng(147).standard_normal((2, 5, 3))  # Y has D = 3 columns
_LARGER = r"The closed form against the graph's gradient, $X$ and $Y$ of shape $5 \times 3$"


def _gp_lvm() -> list[Block]:
    name = r"\frac{\partial L}{\partial X}"
    found = gp_lvm(_X, _Y, alpha=ALPHA, beta=BETA)[0].backward()["X"]
    return joined(
        Heading("2 Backpropagation for the GP-LVM", 1),
        Paragraph(
            r"$K = \alpha X X^\top + \beta^{-1} I$ is symmetric, and so is its inverse. In the graphs $\alpha = 0.5$, "
            r"$\beta = 2$ and $D = 3$."
        ),
        _log_det(),
        _trace(),
        Heading(rf"2 (e) The gradient ${name}$"),
        Paragraph("The constant has no gradient; the other two are added:"),
        Equation(rf"{name} = \alpha \left( -D K^{{-1}} + K^{{-1}} Y Y^\top K^{{-1}} \right) X"),
        by_comparison(_LARGER, {name: (log_det_gradient(_X, 3) + trace_gradient(_X, _Y), found)}),
    )


def _log_det() -> list[Block]:
    name = r"\frac{\partial L_1}{\partial X}"
    loss, _ = gp_lvm_log_det(alpha=ALPHA, beta=BETA, D=3)
    found = gp_lvm_log_det(_X, alpha=ALPHA, beta=BETA, D=3)[0].backward()["X"]
    return [
        Heading("2 (a) The graph of $L_1$"),
        Picture(Graph(loss), r"$X$ is used twice in $X X^\top$, so two paths lead back to it."),
        Heading(rf"2 (b) The gradient ${name}$"),
        Paragraph(
            r"The derivative of $\log \lvert K \rvert$ with respect to $K$ is $K^{-\top} = K^{-1}$. Write $G$ for the "
            r"gradient that arrives at $X X^\top$. By the rule for $Z = A B$ with $A = X$ and $B = X^\top$, the path "
            r"through $A$ gives $G X$; the path through $B$ gives $X^\top G$ for $X^\top$, so $G^\top X$ for $X$:"
        ),
        Equation(
            "\\begin{aligned}\n"
            "\\frac{\\partial L_1}{\\partial K} &= -\\frac{D}{2} K^{-1}, \\quad G = -\\frac{\\alpha D}{2} K^{-1} \\\\\n"
            "\\frac{\\partial L_1}{\\partial X} &= G X + G^\\top X = -\\alpha D K^{-1} X\n"
            "\\end{aligned}"
        ),
        _checked(loss, {"X": name}),
        by_comparison(_LARGER, {name: (log_det_gradient(_X, 3), found)}),
    ]


def _trace() -> list[Block]:
    name = r"\frac{\partial L_2}{\partial X}"
    loss, _ = gp_lvm_trace(alpha=ALPHA, beta=BETA)
    found = gp_lvm_trace(_X, _Y, alpha=ALPHA, beta=BETA)[0].backward()["X"]
    return [
        Heading("2 (c) The graph of $L_2$"),
        Picture(Graph(loss), r"$Y Y^\top$ is a constant: nothing flows back into it."),
        Heading(rf"2 (d) The gradient ${name}$"),
        Paragraph(
            r"The trace passes $-\frac{1}{2}$ to each place of the diagonal, so $K^{-1}$ gets $-\frac{1}{2} Y Y^\top$. "
            "The rule for the inverse that the question gives, and the two paths of (b), do the rest:"
        ),
        Equation(
            "\\begin{aligned}\n"
            "\\frac{\\partial L_2}{\\partial K} &= -K^{-\\top} \\left( -\\frac{1}{2} Y Y^\\top \\right) K^{-\\top} = "
            "\\frac{1}{2} K^{-1} Y Y^\\top K^{-1} \\\\\n"
            "\\frac{\\partial L_2}{\\partial X} &= 2 \\alpha \\frac{\\partial L_2}{\\partial K} X = \\alpha K^{-1} Y "
            "Y^\\top K^{-1} X\n"
            "\\end{aligned}"
        ),
        _checked(loss, {"X": name}),
        by_comparison(_LARGER, {name: (trace_gradient(_X, _Y), found)}),
    ]


def swish_gradients(x: Array, W1: Array, b1: Array, W2: Array, dz2: Array) -> dict[str, Array]:
    """The four gradients of question 3 from ∂L/∂z₂."""
    z1 = W1 @ x + b1
    gate = 1 / (1 + np.exp(-z1))
    dz1 = (W2.T @ dz2) * (gate + z1 * gate * (1 - gate))
    return {"W1": np.outer(dz1, x), "b1": dz1, "W2": np.outer(dz2, z1 * gate), "b2": dz2}


def _swish() -> list[Block]:
    loss, _ = two_layer_swish()
    rng = np.random.default_rng(147)
    shapes = {"x": (6,), "W1": (5, 6), "b1": (5,), "W2": (7, 5), "b2": (7,)}
    given = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    found = two_layer_swish(y=4, **given)[0].backward()  # type: ignore[arg-type]
    ours = swish_gradients(given["x"], given["W1"], given["b1"], given["W2"], found["z2"])
    names = {f"{p}{k}": rf"\nabla_{{{p}_{k}}} L" for k in (2, 1) for p in "Wb"}
    return [
        Heading("3 The two-layer network with Swish", 1),
        Heading("3 (a) The graph"),
        Equation(
            "\\begin{aligned}\n"
            "z_1 &= W_1 x + b_1, \\quad h_1 = z_1 \\odot \\sigma(z_1) \\\\\n"
            "z_2 &= W_2 h_1 + b_2, \\quad L = -\\log \\mathrm{softmax}(z_2)_y\n"
            "\\end{aligned}"
        ),
        Picture(Graph(loss), "With 3 inputs, 2 hidden units and the 7 species; $h$ is $h_1$."),
        Heading(r"3 (b) $\nabla_{W_2} L$ and $\nabla_{b_2} L$"),
        Equation(
            r"\nabla_{W_2} L = \frac{\partial L}{\partial z_2} h_1^\top, \quad \nabla_{b_2} L = "
            r"\frac{\partial L}{\partial z_2}"
        ),
        Heading(r"3 (c) $\nabla_{W_1} L$ and $\nabla_{b_1} L$"),
        Paragraph(
            r"By the product rule the slope of $k \sigma(k)$ is $\sigma(k) + k \sigma(k) (1 - \sigma(k))$. Swish acts "
            "on each entry alone, so its Jacobian is diagonal, and multiplying by it is a product entry by entry:"
        ),
        Equation(
            "\\begin{aligned}\n"
            "\\frac{\\partial L}{\\partial z_1} &= \\left( W_2^\\top \\frac{\\partial L}{\\partial z_2} \\right) "
            "\\odot \\left( \\sigma(z_1) + z_1 \\odot \\sigma(z_1) \\odot (1 - \\sigma(z_1)) \\right) \\\\\n"
            "\\nabla_{W_1} L &= \\frac{\\partial L}{\\partial z_1} x^\\top, \\quad \\nabla_{b_1} L = "
            "\\frac{\\partial L}{\\partial z_1}\n"
            "\\end{aligned}"
        ),
        _checked(loss, names),
        by_comparison(
            r"The closed forms against the graph's gradients, with 6 inputs and 5 hidden units",
            {names[key]: (ours[key], found[key]) for key in names},
        ),
    ]


def _default_run() -> list[Block]:
    """Recorded with seed 0."""
    return [
        Heading("4 Two-layer network: the questions in the notebook", 1),
        Heading("4 (1) Why the training accuracy is not great"),
        recorded(
            "The default run, seed 0: the loss is 2.3028 at the start, 2.3022 after 100 iterations, 2.2953 after 200, "
            "and 1.9529 as the mean of the last 50. The accuracy is 28.0 % on all training rows and 28.1 % on the "
            "validation rows. The loss fell by 0.018 in the first quarter of the iterations and by 0.066 in the last.",
            f"{_RUN} default-run",
        ),
        Items(
            (
                "The network is not trained long enough. 1,000 batches of 200 are 4 epochs, and the loss still falls "
                "at the end.",
                "The learning rate, 0.0001, is too small, and it decays. The start is the worst: with weights of size "
                f"0.0001 all scores are near 0, the loss is near $\\log 10 = {number(np.log(10))}$, and the gradient "
                "of each layer is multiplied by the other's tiny weights. So 200 iterations go by with hardly "
                "any progress.",
                "It is not overfitting: training and validation accuracy are the same. And 50 hidden units are enough "
                "for far more, as (2) shows.",
            )
        ),
    ]


def _grid() -> list[Block]:
    """Recorded with seed 0; the pictures were looked at."""
    return [
        Heading("4 (2) How to fix it"),
        recorded(
            "A grid over the rates 0.0005, 0.001 and 0.002, the decays 0.9 and 0.95 and the penalties 0.1 and 0.5, "
            "with 50 hidden units and 2,000 iterations each, seed 0: validation accuracies from 46.7 % to 51.3 %. The "
            "best is rate 0.001, decay 0.95, penalty 0.5, with 51.3 % on the validation and 50.1 % on the test rows.",
            f"{_RUN} grid",
        ),
        Paragraph(
            "Raise the learning rate tenfold and train twice as long. Every network of the grid is far above 28 %. "
            "Inside it, another decay or penalty alone changes the accuracy by at most 2.6 points, so they matter "
            "less. All are chosen on the validation rows; the test rows are used once, at the end."
        ),
        Heading("4 (3) What differs in the weights"),
        recorded(
            "Each hidden unit's weights as a picture, `weights_default.png` and `weights_best.png`. Seen in them: in "
            "the default network many units are alike, few kinds in all (blue all over, yellow all over, a dark patch "
            "or a car-like blob in the middle), and several are still the noise that they started as. In the best "
            "network the units differ: coloured blobs, dark and light bars at several heights, edges between them, "
            "here and there something like the front of a car; fine noise lies over all of them.",
            f"{_RUN} grid",
        ),
        Paragraph(
            "The small rate has only begun to pull the units out of the noise, and towards the same few average "
            "colours. The larger one has let them become different, so that 50 units tell more."
        ),
    ]


def _solver() -> list[Block]:
    return [
        Heading("5 General networks: the notebook's trainings", 1),
        Paragraph(
            f"`{_RUN} solver` trains 200 hidden units with the Solver for at least 50 % on the validation rows, and "
            f"`{_RUN} overfit` lets a three-layer network learn 50 images by heart. Both write curves and tables."
        ),
    ]
