"""CS 189/289A, Fall 2022, homework 2: the deliverables (a) to (f)."""

from collections.abc import Callable

import numpy as np

from clearprop.arrays import Array
from clearprop.courses.assignments.answers.confirm import by_comparison, by_differences
from clearprop.courses.assignments.catalog import course
from clearprop.courses.cs189_functions import (
    backward_pass,
    forward_pass,
    load_toy_batch,
    logistic_loss,
    my_nn_finite_difference_checker,
    relu_activation,
    sigmoid_activation,
)
from clearprop.lens.document import (
    Block,
    Document,
    Equation,
    Heading,
    Items,
    Paragraph,
    Table,
    joined,
    recorded,
    run_code,
)

_SHOW = """
with np.printoptions(precision=2):
    print(grad_Ws[0], grad_Ws[1], grad_bs[0], grad_bs[1], sep="\\n\\n")
"""
BY_DIFFERENCES = f"""
import numpy as np
from clearprop.courses.cs189_functions import (
    load_toy_batch, my_nn_finite_difference_checker, relu_activation,
    sigmoid_activation,
)

X_batch, y_batch, weight_matrices, biases = load_toy_batch()
activations = [relu_activation, sigmoid_activation]
grad_Ws, grad_bs = my_nn_finite_difference_checker(
    X_batch, y_batch, weight_matrices, biases, activations
)
{_SHOW.strip()}
"""
BY_BACKPROPAGATION = f"""
import numpy as np
from clearprop.courses.cs189_functions import (
    backward_pass, forward_pass, load_toy_batch, logistic_loss,
    relu_activation, sigmoid_activation,
)

X_batch, y_batch, weight_matrices, biases = load_toy_batch()
activations = [relu_activation, sigmoid_activation]
output, layer_caches = forward_pass(
    X_batch, weight_matrices, biases, activations
)
loss, dL_dg = logistic_loss(output, y_batch)
grad_Ws, grad_bs = backward_pass(dL_dg, layer_caches)
{_SHOW.strip()}
"""
MEAN_LOSS = """
from clearprop.courses.cs189_functions import (
    forward_pass, load_toy_batch, logistic_loss, relu_activation,
    sigmoid_activation,
)

X_batch, y_batch, weight_matrices, biases = load_toy_batch()
activations = [relu_activation, sigmoid_activation]
output, _ = forward_pass(X_batch, weight_matrices, biases, activations)
loss, dL_dg = logistic_loss(output, y_batch)
print(loss.mean())
"""
SIGMOID = """
import numpy as np
from clearprop.courses.cs189_functions import sigmoid_activation
print(*sigmoid_activation(np.asarray([1., 0., -1.])), sep="\\n")
"""
FAR_SIGMOID = """
import numpy as np
from clearprop.courses.cs189_functions import sigmoid_activation
print(*sigmoid_activation(np.asarray([-1000, 1000])), sep="\\n")
"""
NAIVE = """
import warnings
import numpy as np
for s in (-1000.0, 1000.0):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        out = 1 / (1 + np.exp(np.float64(-s)))
    print(s, out, [str(warning.message) for warning in caught])
"""
_RUN = "clearprop course run cs189-fa22"


def answers(key: str, say: Callable[[str], None]) -> Document:
    """The deliverables in their order."""
    blocks = joined(
        Paragraph(
            "(a) to (d) are computed now, on the homework's toy batch: two examples, and a network 4-2-1 with ReLU and "
            "sigmoid. The gradients are those of the mean loss over the batch."
        ),
        _differences(),
        _sigmoid(),
        _loss_slope(),
        _cache(),
        _mean_loss(),
        _backpropagation(),
        _training(),
        _memorization(),
    )
    return Document(f"{course(key).title}: deliverables", tuple(blocks))


def toy_gradients() -> tuple[list[Array], list[Array], list[str]]:
    """By backpropagation, by finite differences, and their names: both matrices, then both biases."""
    X_batch, y_batch, Ws, bs = load_toy_batch()
    activations = [relu_activation, sigmoid_activation]
    output, caches = forward_pass(X_batch, Ws, bs, activations)
    ours = backward_pass(logistic_loss(output, y_batch)[1], caches)
    numeric = my_nn_finite_difference_checker(X_batch, y_batch, Ws, bs, activations)
    names = [rf"\frac{{\partial L}}{{\partial {name}}}" for name in ("W_1", "W_2", "b_1", "b_2")]
    return ours[0] + ours[1], numeric[0] + numeric[1], names


def _differences() -> list[Block]:
    return [Heading("(a) Gradients by finite differences"), run_code(BY_DIFFERENCES)]


def _sigmoid() -> list[Block]:
    return [
        Heading("(b) (i) and (ii) The sigmoid"),
        Paragraph("(i) The values and the slopes at 1, 0 and −1:"),
        run_code(SIGMOID),
        Paragraph("(ii) Far out:"),
        run_code(FAR_SIGMOID),
        Paragraph(
            r"Written as $\frac{1}{1 + e^{-s}}$, it is $s = -1000$ that overflows: $e^{1000}$ is beyond the largest "
            r"float64, about $1.8 \cdot 10^{308}$. At $s = 1000$, $e^{-1000}$ only becomes 0, which does no harm:"
        ),
        run_code(NAIVE),
        Paragraph(
            r"One remedy uses both forms: $\frac{1}{1 + e^{-s}}$ where $s \ge 0$ and $\frac{e^s}{1 + e^s}$ where $s < "
            "0$. Then no exponent is above 0. In `np.exp`, `where` and `out` keep the other form's values from being "
            "computed. clearprop's kernel does it in one form and one pass: it takes $\\max(s, -87)$ first, so that no "
            r"exponent is above 87. At the ends nothing changes, since the result is then clipped to "
            r"$[10^{-15}, 1 - 10^{-15}]$. The slope is $g (1 - g)$ of the clipped value $g$."
        ),
    ]


def loss_slope(dy: Array, at: dict[str, Array]) -> dict[str, Array]:
    """The equation of (b) (iii)."""
    g, y = at["g"], at["y"]
    return {"g": dy * (g - y) / (g * (1 - g))}


def _loss_slope() -> list[Block]:
    y, g = np.array([0.0, 1.0, 1.0, 0.0]), np.array([0.2, 0.7, 0.05, 0.9])
    name = r"\frac{\partial \ell}{\partial g}"
    return [
        Heading("(b) (iii) The derivative of the negative log-likelihood"),
        Paragraph(r"With $\ell = -y \log g - (1 - y) \log(1 - g)$, term by term:"),
        Equation(
            r"\frac{\partial \ell}{\partial g} = -\frac{y}{g} + \frac{1 - y}{1 - g} = \frac{g - y}{g (1 - g)}"
        ),
        Paragraph(
            r"After a sigmoid, its slope $g (1 - g)$ cancels the denominator, and $\frac{\partial \ell}{\partial s} = "
            "g - y$ remains."
        ),
        by_differences(
            lambda x: logistic_loss(x["g"], y)[0],
            lambda dy, x: loss_slope(dy, {**x, "y": y}),
            {"g": g},
            {"g": name},
        ),
        by_comparison(
            "The same against `logistic_loss`",
            {name: (loss_slope(np.ones(4), {"g": g, "y": y})["g"], logistic_loss(g, y)[1])},
        ),
    ]


def _cache() -> list[Block]:
    return [
        Heading("(b) (iv) What the cache holds"),
        Paragraph("`layer_forward` keeps three arrays, each for one product of the backward pass:"),
        Items(
            (
                r"`x`, the layer's input, for $\frac{\partial L}{\partial W} = x^\top \frac{\partial L}{\partial s}$.",
                r"`W`, for what goes on to the layer below, $\frac{\partial L}{\partial x} = "
                r"\frac{\partial L}{\partial s} W^\top$.",
                r"`slope`, the activation's derivative at $s = x W + b$, for $\frac{\partial L}{\partial s} = "
                r"\frac{\partial L}{\partial g} \odot \sigma'(s)$.",
            )
        ),
        Paragraph(
            r"The bias is not needed: $\frac{\partial L}{\partial b}$ is the sum of the rows of "
            r"$\frac{\partial L}{\partial s}$."
        ),
    ]


def _mean_loss() -> list[Block]:
    return [Heading("(c) The mean loss of the toy batch"), run_code(MEAN_LOSS)]


def _backpropagation() -> list[Block]:
    ours, numeric, names = toy_gradients()
    largest = tuple(
        (f"${name}$", f"{np.abs(a).max():.1e}", f"{np.abs(a - n).max():.1e}")
        for name, a, n in zip(names, ours, numeric, strict=True)
    )
    pairs = {name: (a, n) for name, a, n in zip(names, ours, numeric, strict=True)}
    return [
        Heading("(d) Gradients by backpropagation"),
        run_code(BY_BACKPROPAGATION),
        Table(("gradient", "largest entry", "largest difference from (a)"), largest),
        by_comparison("Backpropagation against the finite differences of (a)", pairs),
    ]


def _training() -> list[Block]:
    """Recorded with seed 0; the pictures were looked at."""
    return [
        Heading("(e) (i) and (ii) Loss and accuracy at each step"),
        recorded(
            "The network 784-200-1, batches of 100, step size 0.1, 5 epochs, seed 0: after 605 steps the test loss is "
            "0.0541 and the test accuracy 98.17 %; over the last epoch's batches, loss 0.0532 and accuracy 98.25 %. "
            "The plots are `loss.png` and `accuracy.png`, with the train and test curves at every step.",
            f"{_RUN} e",
        ),
        Heading("(e) (iii) The images that it gets wrong"),
        recorded(
            "37 of 2,019 test images are wrong: 18 threes taken for nines and 19 nines taken for threes. The pictures "
            "are in `misclassified.png`, the worst first.",
            f"{_RUN} e",
        ),
        Paragraph("What was seen in these pictures:"),
        Items(
            (
                "Threes that lack what a nine lacks, the lower bowl: it is cut off, very small, or straightened to a "
                "slanted stem.",
                "Threes whose upper half is a closed or filled loop, as a nine's.",
                "Nines with a long tail that swings to the left at the bottom, where a three has its lower bowl.",
                "Nines with a loop so narrow, or so far out of place, that little of it lies where most loops do.",
                "Most of the mistakes are near the border: in 8 of the 37 alone is the network more than 90 % sure.",
            )
        ),
        Heading("(e) (iv) A step size of 10"),
        recorded(
            "The network does not learn. After the first step the test loss is 0.482 and the accuracy 80 %; the second "
            "step throws the loss to 17.26, and from the fourth on it stays around 1, where a coin's is 0.693. In the "
            "end all 200 hidden units are 0 for every test image, so the output is the same for all of them, and the "
            "test accuracy is 50.02 %, the share of the commoner digit.",
            f"{_RUN} e-step10",
        ),
        Paragraph(
            "The step is so long that it jumps over the valley: the weights and biases of the hidden layer go so far "
            "that no input opens a ReLU any more. Their slope is then 0, so no later step brings them back; only the "
            "output's bias still moves, from side to side."
        ),
    ]


def _memorization() -> list[Block]:
    return [
        Heading("(f) Memorizing 100 random inputs"),
        recorded(
            "The table shows how many iterations it took until all 100 labels were right, over 10 seeds.",
            f"{_RUN} f",
        ),
        Table(
            ("network", "batch", "step", "fewest", "median", "most"),
            (
                ("784-200-1, the homework's", "100", "0.1", "51", "57", "59"),
                ("the same", "10", "0.1", "51", "68.5", "83"),
                ("784-200-1, weights of variance $2 / d$", "100", "0.1", "29", "35", "46"),
                ("784-4000-1, sparse", "100", "1", "1", "1", "1"),
            ),
        ),
        Paragraph(
            "One iteration is the least there can be. In the sparse network the hidden biases are set so that each "
            "input opens about 7 % of 4,000 units, and the output weights start at 0. The first step then makes each "
            r"input's score a sum $\sum_j \pm h \cdot h_j$ over the hidden values of all inputs, with the sign of "
            "their labels. An input's own term is positive for its own label, and outweighs the 99 others, because "
            "different inputs open different units. Nothing is learned that would hold for another input."
        ),
    ]
