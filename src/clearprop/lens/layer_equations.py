r"""The table of the layers' equations, in LaTeX and in the letters of `kernels/`; equations.py reads it.

In a layer's equations x goes in, y comes out, and w, u, b, γ, β are its parameters; dy is the gradient that comes back
and dx, dw, … are those that are found. `page` is the derivation's file in docs/derivations, without its ending.
"""

from typing import NamedTuple


class Equations(NamedTuple):
    """What a layer computes, and its gradients."""

    forward: tuple[str, ...]
    backward: tuple[str, ...]
    page: str
    where: str = ""  # what the other letters are, as a sentence
    back: str = ""  # how the gradient goes back, as a sentence


def _cases(positive: str, other: str, condition: str) -> str:
    return rf"\begin{{cases}} {positive} & {condition} > 0 \\ {other} & \text{{else}} \end{{cases}}"


ACTIVATION_EQUATIONS: dict[str, Equations] = {
    "identity": Equations(("y = x",), ("dx = dy",), "identity"),
    "sigmoid": Equations(
        (r"y = \sigma(x) = \frac{1}{1 + \exp(-x)}",), (r"dx = dy \odot y \odot (1 - y)",), "sigmoid"
    ),
    "tanh": Equations((r"y = \tanh(x)",), (r"dx = dy \odot (1 - y^2)",), "tanh"),
    "relu": Equations((r"y = \max(x, 0)",), (r"dx = dy \odot [y > 0]",), "relu"),
    "leaky_relu": Equations(
        ("y = " + _cases("x", r"\alpha x", "x"),),
        ("dx = " + _cases("dy", r"\alpha \, dy", "y"),),
        "leaky_relu",
    ),
    "elu": Equations(
        ("y = " + _cases("x", r"\alpha (\exp(x) - 1)", "x"),),
        ("dx = " + _cases("dy", r"dy \odot (y + \alpha)", "y"),),
        "elu",
    ),
    "softplus": Equations((r"y = \log(1 + \exp(x))",), (r"dx = dy \odot (1 - \exp(-y))",), "softplus"),
    "arctan": Equations((r"y = \arctan(x)",), (r"dx = \frac{dy}{1 + x^2}",), "arctan"),
    "swish": Equations(
        (r"y = x \odot \sigma(x)",), (r"dx = dy \odot (\sigma(x) + y \odot (1 - \sigma(x)))",), "swish"
    ),
    "gelu": Equations(
        (r"y = x \odot \Phi(x)",),
        (r"dx = dy \odot (\Phi(x) + x \odot \varphi(x))",),
        "gelu",
        r"$\Phi(x)$ is the chance that a standard normal number is below x, $\varphi(x)$ its density.",
    ),
    "gelu_tanh": Equations(
        (r"t = \tanh\left(\sqrt{2 / \pi} (x + 0.044715 x^3)\right)", r"y = \frac{1}{2} x \odot (1 + t)"),
        (
            r"dx = \frac{1}{2} dy \odot \left(1 + t + x \odot (1 - t^2) \odot "
            r"\sqrt{2 / \pi} (1 + 3 \cdot 0.044715 x^2)\right)",
        ),
        "gelu",
    ),
    "softmax": Equations(
        (r"y_k = \frac{\exp(x_k)}{\sum_j \exp(x_j)}",),
        (r"dx_k = y_k \left(dy_k - \sum_j dy_j y_j\right)",),
        "softmax",
    ),
    "log_softmax": Equations(
        (r"y_k = x_k - \log \sum_j \exp(x_j)",), (r"dx_k = dy_k - \exp(y_k) \sum_j dy_j",), "log_softmax"
    ),
}

_STEPS = "s is the stride, {stride}, and d the dilation, {dilation}"
_CONV_BACK = (
    r"dw[h,k,c,f] = \sum_{nij} x[n, s i + d h, s j + d k, c] \, dy[n,i,j,f]",
    r"db_f = \sum_{nij} dy[n,i,j,f]",
    r"dx[n, s i + d h, s j + d k, c] = \sum_{ijhkf} dy[n,i,j,f] \, w[h,k,c,f]",
)
_NORM = (r"\hat{x} = \frac{x - \mu}{\sqrt{v + \epsilon}}", r"y = \gamma \odot \hat{x} + \beta")
_NORM_SUMS = (r"d\gamma = \sum dy \odot \hat{x}", r"d\beta = \sum dy")
_NORM_BACK = (
    *_NORM_SUMS,
    r"g = \gamma \odot dy",
    r"dx = \frac{1}{\sqrt{v + \epsilon}} \odot (g - \text{mean}(g) - \hat{x} \odot \text{mean}(g \odot \hat{x}))",
)
_PRODUCTS_BACK = (r"dw = \sum_t x_t^\top dz_t", r"du = \sum_t h_{t-1}^\top dz_t", r"db = \sum_{t,n} dz_{t,n}")
_FIRST = "of equal ones to the first, row by row"
_RECURRENT = "The state before the first step is 0."
_TIME = (
    "The way back goes from the last step, to which nothing comes from later ones, to the first; "
    "dw, du and db add up all steps."
)

LAYER_EQUATIONS: dict[str, Equations] = {
    "Dense": Equations(
        ("y = x w + b",), (r"dw = x^\top dy", r"db = \sum_n dy_n", r"dx = dy \, w^\top"), "affine"
    ),
    "Conv2D": Equations(
        (r"y[n,i,j,f] = \sum_{hkc} x[n, s i + d h, s j + d k, c] \, w[h,k,c,f] + b_f",),
        _CONV_BACK,
        "conv",
        f"{_STEPS}; x has its padding of zeros around it.",
        "Each dy goes back, times its weight, to where its window had read.",
    ),
    "Conv1D": Equations(
        (r"y[n,t,f] = \sum_{kc} x[n, s t + d k, c] \, w[k,c,f] + b_f",),
        (
            r"dw[k,c,f] = \sum_{nt} x[n, s t + d k, c] \, dy[n,t,f]",
            r"db_f = \sum_{nt} dy[n,t,f]",
            r"dx[n, s t + d k, c] = \sum_{tkf} dy[n,t,f] \, w[k,c,f]",
        ),
        "conv",
        f"{_STEPS}; x has its padding of zeros around it.",
        "Each dy goes back, times its weight, to where its window had read.",
    ),
    "ConvTranspose2D": Equations(
        (r"y[n, s i + d h, s j + d k, f] = \sum_{ijhkc} x[n,i,j,c] \, w[h,k,f,c] + b_f",),
        (
            r"dw[h,k,f,c] = \sum_{nij} dy[n, s i + d h, s j + d k, f] \, x[n,i,j,c]",
            r"db_f = \sum_{nij} dy[n,i,j,f]",
            r"dx[n,i,j,c] = \sum_{hkf} dy[n, s i + d h, s j + d k, f] \, w[h,k,f,c]",
        ),
        "conv",
        f"{_STEPS}; the sum is over all i, j, h, k that lead to the same place, and the padding is cut off.",
    ),
    "MaxPool2D": Equations(
        (r"y[n,i,j,c] = \max_{hk} x[n, s i + d h, s j + d k, c]",),
        (r"dx[n, s i + d h, s j + d k, c] = \sum dy[n,i,j,c] [x[n, s i + d h, s j + d k, c] = y[n,i,j,c]]",),
        "max_pool2d",
        f"{_STEPS}.",
        f"Each dy goes back to the largest number of its window; {_FIRST}.",
    ),
    "MaxPool1D": Equations(
        (r"y[n,t,c] = \max_k x[n, s t + d k, c]",),
        (r"dx[n, s t + d k, c] = \sum dy[n,t,c] [x[n, s t + d k, c] = y[n,t,c]]",),
        "max_pool2d",
        f"{_STEPS}.",
        f"Each dy goes back to the largest number of its window; {_FIRST}.",
    ),
    "AvgPool2D": Equations(
        (r"y[n,i,j,c] = \frac{1}{P} \sum_{hk} x[n, s i + h, s j + k, c]",),
        (r"dx[n, s i + h, s j + k, c] = \sum \frac{1}{P} dy[n,i,j,c]",),
        "avg_pool2d",
        "s is the stride, {stride}, and P how many numbers the window holds.",
        "Each dy / P goes back to every place of its window.",
    ),
    "AvgPool1D": Equations(
        (r"y[n,t,c] = \frac{1}{P} \sum_k x[n, s t + k, c]",),
        (r"dx[n, s t + k, c] = \sum \frac{1}{P} dy[n,t,c]",),
        "avg_pool2d",
        "s is the stride, {stride}, and P how many numbers the window holds.",
        "Each dy / P goes back to every place of its window.",
    ),
    "GlobalAvgPool": Equations(
        (r"y[n,c] = \frac{1}{P} \sum_p x[n,p,c]",),
        (r"dx[n,p,c] = \frac{1}{P} dy[n,c]",),
        "avg_pool2d",
        "P is the number of places.",
    ),
    "GlobalMaxPool": Equations(
        (r"y[n,c] = \max_p x[n,p,c]",),
        (r"dx[n,p,c] = dy[n,c] [x[n,p,c] = y[n,c]]",),
        "max_pool2d",
        "p counts the places.",
        f"Each dy goes back to the largest number; {_FIRST}.",
    ),
    "BatchNorm": Equations(
        _NORM,
        (
            *_NORM_SUMS,
            r"dx = \frac{\gamma}{\sqrt{v + \epsilon}} \odot \left(dy - \frac{d\beta + \hat{x} \odot d\gamma}{n}\right)",
        ),
        "batch_norm",
        r"$\mu$ and v are mean and variance of each channel's n numbers in the mini-batch.",
    ),
    "BatchNorm, prediction": Equations(
        _NORM,
        (*_NORM_SUMS, r"dx = \frac{\gamma}{\sqrt{v + \epsilon}} \odot dy"),
        "batch_norm",
        r"$\mu$ and v are the running statistics, constants here.",
    ),
    "LayerNorm": Equations(
        _NORM,
        _NORM_BACK,
        "layer_norm",
        r"$\mu$ and v are mean and variance of each row, and so are the means.",
    ),
    "GroupNorm": Equations(
        _NORM,
        _NORM_BACK,
        "group_norm",
        r"$\mu$ and v are mean and variance of an example's group of channels, and so are the means.",
    ),
    "Dropout": Equations(
        (r"y = x \odot m",),
        (r"dx = dy \odot m",),
        "dropout",
        "The mask m is 0 for the numbers that are dropped and 1 / (1 − rate) for the others.",
    ),
    "RandomShift": Equations(
        (r"y[n,i,j] = x[n, i - a, j - b]",),
        (r"dx[n,i,j] = dy[n, i + a, j + b]",),
        "augment",
        "a and b say how far the image is moved down and to the right; zeros come in.",
    ),
    "RandomFlip": Equations(
        (r"y[n,i,j] = x[n, i, W - 1 - j]",),
        (r"dx[n,i,j] = dy[n, i, W - 1 - j]",),
        "augment",
        "So it is where the image is mirrored; where it is not, y = x.",
    ),
    "Cutout": Equations(
        (r"y = x \odot m",),
        (r"dx = dy \odot m",),
        "augment",
        "m is 0 in the square that is cut out, and 1 around it.",
    ),
    "Flatten": Equations(
        (r"y = \text{reshape}(x)",),
        (r"dx = \text{reshape}(dy)",),
        "index",
        "The same numbers, each example as one row.",
    ),
    "Reshape": Equations(
        (r"y = \text{reshape}(x)",),
        (r"dx = \text{reshape}(dy)",),
        "index",
        "The same numbers in another shape.",
    ),
    "Embedding": Equations(
        (r"y = w_{x}",),
        (r"dw_v = \sum_{i : x_i = v} dy_i",),
        "embedding",
        "x holds numbers of rows of w, which have no gradient.",
    ),
    "Elman": Equations(
        (r"z_t = x_t w + h_{t-1} u + b", r"h_t = f(z_t)"),
        (
            r"dz_t = dh_t \odot f'(z_t)",
            r"dh_{t-1} = dz_t u^\top + \text{what comes back to } h_{t-1}",
            *_PRODUCTS_BACK,
            r"dx_t = dz_t w^\top",
        ),
        "elman",
        _RECURRENT,
        _TIME,
    ),
    "LSTM": Equations(
        (
            r"z^i, z^f, z^g, z^o = x_t w + h_{t-1} u + b",
            r"i, f, o = \sigma(z^i), \sigma(z^f), \sigma(z^o) \quad g = \tanh(z^g)",
            r"c_t = f \odot c_{t-1} + i \odot g",
            r"h_t = o \odot \tanh(c_t)",
        ),
        (
            r"do = dh_t \odot \tanh(c_t)",
            r"dc_t = dh_t \odot o \odot (1 - \tanh(c_t)^2) + \text{what comes back to } c_t",
            r"di, df, dg, dc_{t-1} = dc_t \odot (g, c_{t-1}, i, f)",
            r"dz_t = (di, df, dg, do) \odot (i (1 - i), f (1 - f), 1 - g^2, o (1 - o))",
            r"dh_{t-1} = dz_t u^\top + \text{what comes back to } h_{t-1}",
            *_PRODUCTS_BACK,
            r"dx_t = dz_t w^\top",
        ),
        "lstm",
        _RECURRENT,
        _TIME,
    ),
    "GRU": Equations(
        (
            r"r, z = \sigma(x_t w_{rz} + h_{t-1} u_{rz} + b_{rz})",
            r"q = h_{t-1} u_n + b_u",
            r"n = \tanh(x_t w_n + b_n + r \odot q)",
            r"h_t = (1 - z) \odot n + z \odot h_{t-1}",
        ),
        (
            r"da^n = dh_t \odot (1 - z) \odot (1 - n^2)",
            r"da^r = da^n \odot q \odot r (1 - r)",
            r"da^z = dh_t \odot (h_{t-1} - n) \odot z (1 - z)",
            r"dh_{t-1} = dh_t \odot z + (da^r, da^z, da^n \odot r) u^\top + \text{what comes back to } h_{t-1}",
            r"dw = \sum_t x_t^\top (da^r, da^z, da^n)",
            r"du = \sum_t h_{t-1}^\top (da^r, da^z, da^n \odot r)",
            r"db = \sum_{t,n} (da^r, da^z, da^n) \quad db_u = \sum_{t,n} da^n \odot r",
            r"dx_t = (da^r, da^z, da^n) w^\top",
        ),
        "gru",
        _RECURRENT,
        _TIME,
    ),
    "GRU, before": Equations(
        (
            r"r, z = \sigma(x_t w_{rz} + h_{t-1} u_{rz} + b_{rz})",
            r"n = \tanh(x_t w_n + (r \odot h_{t-1}) u_n + b_n)",
            r"h_t = (1 - z) \odot n + z \odot h_{t-1}",
        ),
        (
            r"da^n = dh_t \odot (1 - z) \odot (1 - n^2) \quad ds = da^n u_n^\top",
            r"da^r = ds \odot h_{t-1} \odot r (1 - r)",
            r"da^z = dh_t \odot (h_{t-1} - n) \odot z (1 - z)",
            r"dh_{t-1} = dh_t \odot z + ds \odot r + (da^r, da^z) u_{rz}^\top + \text{what comes back to } h_{t-1}",
            r"dw = \sum_t x_t^\top (da^r, da^z, da^n)",
            r"du = \sum_t (h_{t-1}^\top da^r, h_{t-1}^\top da^z, (r \odot h_{t-1})^\top da^n)",
            r"db = \sum_{t,n} (da^r, da^z, da^n)",
            r"dx_t = (da^r, da^z, da^n) w^\top",
        ),
        "gru",
        _RECURRENT,
        _TIME,
    ),
    "Residual": Equations(
        ("y = f(x) + g(x)",),
        (r"dx = \text{back}_f(dy) + \text{back}_g(dy)",),
        "index",
        "f are its layers and g is the shortcut, x itself if there is none.",
        "dy goes back both ways, and what arrives is added.",
    ),
    "Bidirectional": Equations(
        (r"y_t = (\overrightarrow{h}_t, \overleftarrow{h}_t)",),
        (r"dx_t = d\overrightarrow{x}_t + d\overleftarrow{x}_t",),
        "recurrent",
        "One layer reads x from its first step to its last, the other one from its last to its first.",
        "Each gets its half of dy.",
    ),
    "TimeDistributed": Equations(
        (r"y_t = f(x_t)",),
        (r"dx_t = \text{back}_f(dy_t)",),
        "index",
        "f is the layer inside, the same at every time step.",
    ),
}
