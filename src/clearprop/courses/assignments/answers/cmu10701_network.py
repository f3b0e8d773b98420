"""CMU 10-701, homework 3, section 1: the network with six inputs, four hidden units and three classes, by hand."""

from typing import Any, NamedTuple

import numpy as np

from clearprop.arrays import Array
from clearprop.courses.assignments.answers.confirm import by_differences
from clearprop.kernels.activations import sigmoid_backward, sigmoid_forward, softmax_forward
from clearprop.kernels.affine import affine_backward, affine_forward
from clearprop.kernels.losses import softmax_cross_entropy
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

ALPHA = np.array(
    [[1, 1, 2, -3, 0, 1, -3], [1, 2, 1, 1, 1, 0, 2], [1, 3, 2, 2, 2, 2, 1], [1, 2, 0, 3, 1, -2, 2]],
    dtype=np.float64,
)
BETA = np.array([[1, 1, 2, -2, 3], [1, 2, -1, 3, 1], [1, 3, 1, -1, 1]], dtype=np.float64)
X = np.array([1, 0, 1, 0, 1, 1], dtype=np.float64)
LABEL = 2  # class 3, counted from 0
LAMBDA = 0.01
STEPS = (1, 2, 10, 100, 1000, 10_000)


class Pass(NamedTuple):
    """All numbers of one forward and one backward pass, in the handout's letters; biases are the first columns."""

    a: Array  # (4,)
    z: Array  # (4,)
    b: Array  # (3,)
    y_hat: Array  # (3,)
    loss: float
    db: Array  # (3,)
    dbeta: Array  # (3, 5)
    dz: Array  # (4,)
    da: Array  # (4,)
    dalpha: Array  # (4, 7)


def both_passes(alpha: Array, beta: Array) -> Pass:
    """The kernels take rows and weights (in, out), so the handout's matrices go in transposed, without column 0."""
    a, first = affine_forward(X[None], alpha[:, 1:].T, alpha[:, 0])
    z, kept = sigmoid_forward(a)
    b, second = affine_forward(z, beta[:, 1:].T, beta[:, 0])
    losses, db = softmax_cross_entropy(b, np.array([LABEL]))
    dz, dw2, db2 = affine_backward(db, second)
    assert dz is not None
    da = sigmoid_backward(dz, kept)
    _, dw1, db1 = affine_backward(da, first, need_dx=False)
    dbeta, dalpha = np.column_stack([db2, dw2.T]), np.column_stack([db1, dw1.T])
    y_hat, _ = softmax_forward(b)
    return Pass(a[0], z[0], b[0], y_hat[0], float(losses[0]), db[0], dbeta, dz[0], da[0], dalpha)


def descend(steps: tuple[int, ...]) -> dict[int, Pass]:
    """Gradient descent with η = 1 on the one example: the pass after each of these numbers of steps."""
    alpha, beta, found = ALPHA.copy(), BETA.copy(), {}
    for step in range(1, max(steps) + 1):
        now = both_passes(alpha, beta)
        alpha -= now.dalpha
        beta -= now.dbeta
        if step in steps:
            found[step] = both_passes(alpha, beta)
    return found


def penalty() -> float:
    """λ (‖α*‖² + ‖β*‖²): the biases stay out, and there is no ½."""
    return LAMBDA * float((ALPHA[:, 1:] ** 2).sum() + (BETA[:, 1:] ** 2).sum())


def section() -> list[Block]:
    """Questions 1 to 5."""
    now = both_passes(ALPHA, BETA)
    return joined(
        Heading("1 Neural nets: written questions", 1),
        Paragraph(
            "Vectors are columns, as in the handout; their numbers are printed in a row. The biases are column 0 of "
            "$\\alpha$ and $\\beta$. Everything is computed in float64 by clearprop's kernels and rounded only where "
            "it is shown."
        ),
        _forward_form(),
        _backward_form(),
        _forward_numbers(now),
        _backward_numbers(now),
        _regularization(now),
    )


def _forward_form() -> list[Block]:
    return [
        Heading("1.1 (a) to (c) The forward pass in matrix form"),
        Items(
            (
                r"(a) $a = \alpha x^{(1)}$: $(4 \times 7)$ times $(7 \times 1)$ gives 4 numbers, since $x^{(1)}$ "
                "begins with a 1.",
                r"(b) $z = \sigma(a)$, the sigmoid of each of the 4 entries.",
                r"(c) Append a 1 as the first element of $z$. Then $\beta z$ is $(3 \times 5)$ times $(5 \times 1)$, "
                "and column 0 of $\\beta$ is the bias. A transpose would not mend the sizes, and a row or column of "
                "ones in $\\beta$ would put ones where weights are learned.",
            )
        ),
    ]


def _backward_form() -> list[Block]:
    def loss(at: Any) -> float:
        return both_passes(at["alpha"], at["beta"]).loss

    def gradients(dy: Array, at: Any) -> dict[str, Array]:
        """The equations of this answer, as they stand here."""
        z = sigmoid_forward(at["alpha"] @ np.append(1, X))[0]
        y_hat = softmax_forward(at["beta"] @ np.append(1, z))[0]
        db = y_hat - np.eye(3)[LABEL]
        dz = at["beta"][:, 1:].T @ db
        da = dz * z * (1 - z)
        return {"alpha": dy * np.outer(da, np.append(1, X)), "beta": dy * np.outer(db, np.append(1, z))}

    names = {"alpha": r"\frac{d\ell}{d\alpha}", "beta": r"\frac{d\ell}{d\beta}"}
    return [
        Heading("1.2 (a) to (h) The backward pass in matrix form"),
        Paragraph(
            r"(a) With $\log \hat{y}_k = b_k - \log \sum_l \exp(b_l)$ the loss is $\ell = - \sum_k y_k b_k + \log "
            r"\sum_l \exp(b_l)$, because the $y_k$ add up to 1. Its derivative is"
        ),
        Equation(r"\frac{d\ell}{db_k} = \hat{y}_k - y_k"),
        Paragraph(
            "(b), (e), (f), (g) Backwards, one step after the other; $\\odot$ multiplies entry by entry:"
        ),
        Equation(
            "\\begin{aligned}\n"
            "\\frac{d\\ell}{d\\beta} &= \\frac{d\\ell}{db} z^\\top \\\\\n"
            "\\frac{d\\ell}{dz} &= (\\beta^\\ast)^\\top \\frac{d\\ell}{db} \\\\\n"
            "\\frac{d\\ell}{da} &= \\frac{d\\ell}{dz} \\odot z \\odot (1 - z) \\\\\n"
            "\\frac{d\\ell}{d\\alpha} &= \\frac{d\\ell}{da} (x^{(1)})^\\top\n"
            "\\end{aligned}"
        ),
        Items(
            (
                r"(c) $\frac{d\ell}{d\beta}$ has the shape of $\beta$, $3 \times 5$; here $z$ includes its leading 1.",
                r"(d) The leading 1 of $z$ is a constant that does not depend on $\alpha$, so nothing flows back "
                r"through column 0 of $\beta$; only $\beta^\ast$ connects the hidden units to the loss.",
                r"(h) $\frac{d\ell}{d\alpha}$ has the shape of $\alpha$, $4 \times 7$.",
            )
        ),
        by_differences(loss, gradients, {"alpha": ALPHA, "beta": BETA}, names),
    ]


def _forward_numbers(now: Pass) -> list[Block]:
    return [
        Heading("1.3 (a) to (f) The forward pass in numbers"),
        Value("a", now.a),
        Value("z", now.z),
        Value("b", now.b),
        Value(r"\hat{y}", now.y_hat),
        Items(
            (
                f"(a) $a_1 = {number(now.a[0])}$",
                f"(b) $z_1 = {number(now.z[0])}$",
                f"(c) $b_2 = {number(now.b[1])}$",
                rf"(d) $\hat{{y}}_2 = {number(now.y_hat[1])}$",
                f"(e) Class {1 + int(now.y_hat.argmax())} is predicted: its probability is the largest. The label is "
                f"class {1 + LABEL}, so the prediction is wrong.",
                rf"(f) $\ell = -\log \hat{{y}}_3 = {number(now.loss)}$",
            )
        ),
    ]


def _backward_numbers(now: Pass) -> list[Block]:
    alpha, beta = ALPHA - now.dalpha, BETA - now.dbeta
    later = descend(STEPS)
    rows = tuple(
        (
            f"{step:,}",
            *(number(y, 6) for y in found.y_hat),
            f"{found.loss:.2e}",
            str(1 + int(found.y_hat.argmax())),
        )
        for step, found in later.items()
    )
    last = later[max(STEPS)]
    return [
        Heading("1.4 (a) to (d) One step back, with $\\eta = 1$"),
        Value(r"\frac{d\ell}{db}", now.db),
        Value(r"\frac{d\ell}{d\beta}", now.dbeta),
        Value(r"\frac{d\ell}{dz}", now.dz),
        Value(r"\frac{d\ell}{da}", now.da),
        Value(r"\frac{d\ell}{d\alpha}", now.dalpha),
        Paragraph("The updated weights, $\\beta - \\eta \\frac{d\\ell}{d\\beta}$ and so on:"),
        Value(r"\beta", beta),
        Value(r"\alpha", alpha),
        Items(
            (
                rf"(a) $\beta_{{2,1}} = {number(beta[1, 1])}$",
                rf"(b) $\beta_{{1,0}} = {number(beta[0, 0])}$",
                rf"(c) $\alpha_{{3,4}} = {number(alpha[2, 4])}$: it does not move, because $x_4 = 0$.",
                f"(d) Class {1 + int(last.y_hat.argmax())}. The steps were taken, on this example alone:",
            )
        ),
        Table(("steps", *(rf"$\hat{{y}}_{k}$" for k in (1, 2, 3)), r"$\ell$", "predicted"), rows),
    ]


def _regularization(now: Pass) -> list[Block]:
    return [
        Heading("1.5 (a) to (d) L2 regularization"),
        Paragraph("(a) The squares of all weights that are no biases, without a factor one half:"),
        Equation(
            r"\ell(\hat{y}, y) + \lambda \left( \sum_{j=1}^{4} \sum_{i=1}^{6} \alpha_{j,i}^2 + \sum_{k=1}^{3} "
            r"\sum_{j=1}^{4} \beta_{k,j}^2 \right)"
        ),
        Paragraph(
            rf"(b) With $\lambda = {LAMBDA}$ and the weights before the step it is ${number(now.loss)} + "
            rf"{number(penalty())} = {number(now.loss + penalty())}$."
        ),
        Paragraph(r"(c) The derivative of $\lambda \alpha_{j,i}^2$ joins, so for $i \ge 1$"),
        Equation(r"G = \frac{\partial \ell(\hat{y}, y)}{\partial \alpha_{j,i}} + 2 \lambda \alpha_{j,i}"),
        Paragraph("(d) Statement by statement:"),
        Items(
            (
                "False: the loss without the penalty is never the higher one, since the penalty is not negative. Here "
                f"it is {number(now.loss)} against {number(now.loss + penalty())}.",
                "True: as weights grow, the penalty grows with their square on top of the same loss, which grows at "
                "most linearly in the scores.",
                r"False: the two terms of $G$ may have opposite signs. " + _smaller_update(now),
                r"True: for a large weight $2 \lambda \alpha_{j,i}$ is large, and its step always leads towards 0.",
                "So two of the statements are true, and the last, none of them, is false.",
            )
        ),
    ]


def _smaller_update(now: Pass) -> str:
    """A weight of this very network whose update the penalty makes smaller."""
    with_penalty = now.dalpha + 2 * LAMBDA * ALPHA
    smaller = np.abs(with_penalty) < np.abs(now.dalpha)
    smaller[:, 0] = False  # biases have no penalty
    j, i = (int(index[0]) for index in np.nonzero(smaller))
    return (
        rf"In this network $\alpha_{{{j + 1},{i}}} = {number(ALPHA[j, i])}$ has the gradient "
        f"${number(now.dalpha[j, i])}$ without and ${number(with_penalty[j, i])}$ with the penalty."
    )
