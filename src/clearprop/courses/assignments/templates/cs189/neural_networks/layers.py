"""Layers: each turns an array into another, and on the way back the gradient of its output into that of its input.

In every class, `dLdY` is the gradient of the loss with respect to what `forward` has returned, and `backward` returns
the gradient with respect to what `forward` was given. What a layer learns lies in `parameters`, the gradients with
respect to it, under the same names, in `gradients`, and what backward needs to remember in `cache`. The letters: m
examples, d inputs, n outputs, t times; images are (m, H, W, C).
"""

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable

import numpy as np

from neural_networks.activations import initialize_activation
from neural_networks.utils import col2im, im2col, pad2d, padding
from neural_networks.weights import initialize_weights


class Layer(ABC):
    """What all layers share.

    Attributes
    ----------
    activation : Activation or None
    n_in, n_out : int or None
        The numbers of inputs and outputs (of channels, for images); n_in is None until the first forward pass.
    parameters, cache, gradients : OrderedDict
    """

    def __init__(self) -> None:
        self.activation = None
        self.n_in: int | None = None
        self.n_out: int | None = None
        self.parameters: OrderedDict[str, np.ndarray] = OrderedDict()
        self.cache: OrderedDict = OrderedDict()
        self.gradients: OrderedDict[str, np.ndarray] = OrderedDict()

    @abstractmethod
    def forward(self, X: np.ndarray) -> np.ndarray:
        """The output; what backward will need goes into the cache."""

    @abstractmethod
    def backward(self, dLdY: np.ndarray) -> np.ndarray:
        """Write the parameters' gradients; return that of forward's X."""

    def clear_gradients(self) -> None:
        """Empty the cache's entries, and set the gradients to zero."""
        self.cache = OrderedDict((name, []) for name in self.cache)
        self.gradients = OrderedDict((name, np.zeros_like(grad)) for name, grad in self.gradients.items())

    def forward_with_param(self, param_name: str, X: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        """A function of one parameter's value that gives forward(X): what a gradient check needs."""

        def with_value(value: np.ndarray) -> np.ndarray:
            kept = self.parameters[param_name]
            self.parameters[param_name] = value
            try:
                return self.forward(X)
            finally:
                self.parameters[param_name] = kept

        return with_value

    def _get_parameters(self) -> list[np.ndarray]:
        return list(self.parameters.values())

    def _get_cache(self) -> list:
        return list(self.cache.values())

    def _get_gradients(self) -> list[np.ndarray]:
        return list(self.gradients.values())


class FullyConnected(Layer):
    """Y = σ(X W + b): every output reads every input.

    Parameters
    ----------
    n_out : int
    activation : str
        A name that `initialize_activation` knows.
    weight_init : str
        A name that `initialize_weights` knows.
    """

    def __init__(self, n_out: int, activation: str, weight_init: str = "xavier_uniform") -> None:
        super().__init__()
        self.n_out = n_out
        self.activation = initialize_activation(activation)
        self.init_weights = initialize_weights(weight_init, activation=activation)

    def _init_parameters(self, X_shape: tuple[int, int]) -> None:
        """Make the parameters for inputs of this shape, (m, d), with an empty cache and gradients of zero.

        Sets n_in; `W` (n_in, n_out) comes from self.init_weights, `b` (1, n_out) is zero.
        """
        # BEGIN SOLUTION: set self.n_in, then fill self.parameters, self.cache and self.gradients: W, b; Z, X
        self.n_in = X_shape[1]
        W, b = self.init_weights((self.n_in, self.n_out)), np.zeros((1, self.n_out))
        self.parameters = OrderedDict({"W": W, "b": b})
        self.cache = OrderedDict({"Z": [], "X": []})
        self.gradients = OrderedDict({"W": np.zeros_like(W), "b": np.zeros_like(b)})
        # END SOLUTION

    def forward(self, X: np.ndarray) -> np.ndarray:
        """X (m, n_in) -> Y (m, n_out)"""
        if self.n_in is None:
            self._init_parameters(X.shape)
        # BEGIN SOLUTION: the affine map, then the activation; keep what backward needs in self.cache
        Z = X @ self.parameters["W"] + self.parameters["b"]
        self.cache["Z"], self.cache["X"] = Z, X
        return self.activation(Z)
        # END SOLUTION

    def backward(self, dLdY: np.ndarray) -> np.ndarray:
        """dLdY (m, n_out) -> dX (m, n_in); writes gradients["W"] and gradients["b"], in their parameters' shapes."""
        # BEGIN SOLUTION: first back through the activation, then to W, b and X; which axis has to be summed away?
        dZ = self.activation.backward(self.cache["Z"], dLdY)  # (m, n_out)
        self.gradients["W"] = self.cache["X"].T @ dZ
        self.gradients["b"] = dZ.sum(axis=0, keepdims=True)
        return dZ @ self.parameters["W"].T
        # END SOLUTION


class Elman(Layer):
    """A recurrent layer: sₜ = σ(xₜ W + sₜ₋₁ U + b), with s₀ = 0.

    Parameters
    ----------
    n_out : int
        The state's size.
    activation, weight_init : str
        As for FullyConnected.
    # ONLY cs189-sp23

    This edition does not ask for the layer: it is for those who want to go further, with train_rnn.py.
    # END ONLY
    """

    def __init__(self, n_out: int, activation: str = "tanh", weight_init: str = "xavier_uniform") -> None:
        super().__init__()
        self.n_out = n_out
        self.activation = initialize_activation(activation)
        self.init_weights = initialize_weights(weight_init, activation=activation)

    def _init_parameters(self, X_shape: tuple[int, int, int]) -> None:
        """Make the parameters for inputs of this shape, (m, d, t), and gradients of zero.

        Sets n_in; `W` (n_in, n_out) and `U` (n_out, n_out) come from self.init_weights, `b` (1, n_out) is zero.
        """
        # BEGIN SOLUTION: as in FullyConnected, with one matrix more
        self.n_in = X_shape[1]
        W, U = self.init_weights((self.n_in, self.n_out)), self.init_weights((self.n_out, self.n_out))
        self.parameters = OrderedDict({"W": W, "U": U, "b": np.zeros((1, self.n_out))})
        self.gradients = OrderedDict((name, np.zeros_like(p)) for name, p in self.parameters.items())
        self._init_cache(X_shape)
        # END SOLUTION

    def _init_cache(self, X_shape: tuple[int, int, int]) -> None:
        """Begin a new sequence: cache["s"] holds the state before the first step alone, zeros (m, n_out)."""
        # BEGIN SOLUTION: lists that forward_step appends to, so that backward finds every step's numbers
        self.cache = OrderedDict({"s": [np.zeros((X_shape[0], self.n_out))], "Z": [], "X": []})
        # END SOLUTION

    def forward_step(self, X: np.ndarray) -> np.ndarray:
        """One time: X (m, n_in) -> the new state (m, n_out), which also goes to the end of cache["s"]."""
        # BEGIN SOLUTION: the class's equation; keep this step's numbers for backward
        Z = X @ self.parameters["W"] + self.cache["s"][-1] @ self.parameters["U"] + self.parameters["b"]
        s = self.activation(Z)
        self.cache["X"].append(X)
        self.cache["Z"].append(Z)
        self.cache["s"].append(s)
        return s
        # END SOLUTION

    def forward(self, X: np.ndarray) -> np.ndarray:
        """All times: X (m, n_in, t) -> the last state (m, n_out)"""
        if self.n_in is None:
            self._init_parameters(X.shape)
        # BEGIN SOLUTION: a new cache, then one step after the other along X's last axis
        self._init_cache(X.shape)
        for t in range(X.shape[2]):
            s = self.forward_step(X[:, :, t])
        return s
        # END SOLUTION

    def backward(self, dLdY: np.ndarray) -> list[np.ndarray]:
        """Backpropagation through time: dLdY (m, n_out) -> a list of t arrays (m, n_in), in the order of time.

        dLdY belongs to the last state. Writes gradients["W"], gradients["U"] and gradients["b"], summed over the times.
        """
        # BEGIN SOLUTION: from the last time to the first; what is passed on to the state before has gone through σ, too
        W, U = self.parameters["W"], self.parameters["U"]
        dW, dU, db = np.zeros_like(W), np.zeros_like(U), np.zeros_like(self.parameters["b"])
        dX, ds = [], dLdY
        for t in reversed(range(len(self.cache["Z"]))):
            dZ = self.activation.backward(self.cache["Z"][t], ds)  # (m, n_out)
            dW += self.cache["X"][t].T @ dZ
            dU += self.cache["s"][t].T @ dZ  # s[t] is the state before step t: s[0] is zeros
            db += dZ.sum(axis=0, keepdims=True)
            dX.append(dZ @ W.T)
            ds = dZ @ U.T
        self.gradients = OrderedDict({"W": dW, "U": dU, "b": db})
        return dX[::-1]
        # END SOLUTION


class Conv2D(Layer):
    """Y = σ(Z), Z[m, i, j, f] = Σ W[a, b, c, f] · X[m, s·i + a, s·j + b, c] + b[f], with X in a frame of zeros.

    Parameters
    ----------
    n_out : int
        The number of kernels.
    kernel_shape : (int, int)
        kh, kw.
    activation : str
    stride : int
    pad : str or int
        "same": (k − 1) // 2 on each side; "valid": none; or a number for all sides.
    weight_init : str
    """

    def __init__(
        self,
        n_out: int,
        kernel_shape: tuple[int, int],
        activation: str,
        stride: int = 1,
        pad: str | int = "same",
        weight_init: str = "xavier_uniform",
    ) -> None:
        super().__init__()
        self.n_out = n_out
        self.kernel_shape = kernel_shape
        self.stride = stride
        self.pad = padding(pad, kernel_shape)
        self.activation = initialize_activation(activation)
        self.init_weights = initialize_weights(weight_init, activation=activation)

    def _init_parameters(self, X_shape: tuple[int, int, int, int]) -> None:
        """`W` (kh, kw, n_in, n_out) from self.init_weights, `b` (1, n_out) zero, an empty cache, gradients of zero."""
        self.n_in = X_shape[3]
        W = self.init_weights((*self.kernel_shape, self.n_in, self.n_out))
        b = np.zeros((1, self.n_out))
        self.parameters = OrderedDict({"W": W, "b": b})
        self.cache = OrderedDict({"Z": [], "X": []})
        self.gradients = OrderedDict({"W": np.zeros_like(W), "b": np.zeros_like(b)})

    def _out_shape(self, X_shape: tuple[int, int, int, int]) -> tuple[int, int]:
        """Rows and columns of the output: (in + 2·pad − k) // stride + 1."""
        rows, cols = (
            (size + 2 * p - k) // self.stride + 1
            for size, p, k in zip(X_shape[1:3], self.pad, self.kernel_shape, strict=True)
        )
        return rows, cols

    def forward(self, X: np.ndarray) -> np.ndarray:
        """X (m, H, W, n_in) -> Y (m, OH, OW, n_out)

        A loop over the kernel's or the output's places is welcome, one over the examples is not.
        """
        if self.n_in is None:
            self._init_parameters(X.shape)
        # BEGIN SOLUTION: pad X, let the kernel slide over it (do not flip it), add b, apply the activation
        W = self.parameters["W"]
        rows, cols = self._out_shape(X.shape)
        X_pad, _ = pad2d(X, self.pad, self.kernel_shape)
        Z = np.zeros((len(X), rows, cols, self.n_out)) + self.parameters["b"]
        for i in range(W.shape[0]):
            for j in range(W.shape[1]):  # what lies under the kernel's place (i, j), in all windows at once
                Z += self._under(X_pad, i, j, rows, cols) @ W[i, j]
        self.cache["Z"], self.cache["X"] = Z, X
        return self.activation(Z)
        # END SOLUTION

    def backward(self, dLdY: np.ndarray) -> np.ndarray:
        """dLdY (m, OH, OW, n_out) -> dX (m, H, W, n_in); writes gradients["W"] and gradients["b"]"""
        # BEGIN SOLUTION: what did each number of W and of X take part in? Sum over that; cut the padding off in the end
        X, W = self.cache["X"], self.parameters["W"]
        dZ = self.activation.backward(self.cache["Z"], dLdY)
        rows, cols = dZ.shape[1:3]
        X_pad, (p, q) = pad2d(X, self.pad, self.kernel_shape)
        dX_pad, dW = np.zeros_like(X_pad), np.zeros_like(W)
        for i in range(W.shape[0]):
            for j in range(W.shape[1]):
                dW[i, j] = np.tensordot(self._under(X_pad, i, j, rows, cols), dZ, axes=((0, 1, 2), (0, 1, 2)))
                self._under(dX_pad, i, j, rows, cols)[...] += dZ @ W[i, j].T  # windows may overlap: add
        self.gradients["W"] = dW
        self.gradients["b"] = dZ.sum(axis=(0, 1, 2))[None]
        return dX_pad[:, p : p + X.shape[1], q : q + X.shape[2]]
        # END SOLUTION

    # ONLY solution
    def _under(self, X_pad: np.ndarray, i: int, j: int, rows: int, cols: int) -> np.ndarray:
        """What lies under the kernel's place (i, j) in each window: a view (m, OH, OW, C)."""
        s = self.stride
        return X_pad[:, i : i + s * (rows - 1) + 1 : s, j : j + s * (cols - 1) + 1 : s]

    # END ONLY
    # ONLY solution or cs189-sp20
    def forward_faster(self, X: np.ndarray) -> np.ndarray:
        """What forward gives, by one matrix product over all windows: X (m, H, W, n_in) -> Y (m, OH, OW, n_out)"""
        if self.n_in is None:
            self._init_parameters(X.shape)
        X_col, _ = im2col(X, self.kernel_shape, self.stride, self.pad)  # (kh·kw·n_in, m·OH·OW)
        W_col = self.parameters["W"].reshape(-1, self.n_out)
        Z = (X_col.T @ W_col + self.parameters["b"]).reshape(len(X), *self._out_shape(X.shape), self.n_out)
        self.cache["Z"], self.cache["X"] = Z, X
        return self.activation(Z)

    def backward_faster(self, dLdY: np.ndarray) -> np.ndarray:
        """What backward gives, by one matrix product each: dLdY (m, OH, OW, n_out) -> dX (m, H, W, n_in)"""
        X, W = self.cache["X"], self.parameters["W"]
        dZ = self.activation.backward(self.cache["Z"], dLdY).reshape(-1, self.n_out)
        X_col, _ = im2col(X, self.kernel_shape, self.stride, self.pad)
        self.gradients["W"] = (X_col @ dZ).reshape(W.shape)
        self.gradients["b"] = dZ.sum(axis=0, keepdims=True)
        return col2im(W.reshape(-1, self.n_out) @ dZ.T, X.shape, self.kernel_shape, self.stride, self.pad)

    # END ONLY


class Pool2D(Layer):
    """One number for each window and channel: its maximum or its average; zeros of the padding count.

    Parameters
    ----------
    kernel_shape : (int, int) or int
        The window, kh, kw; one number for a square.
    mode : str
        "max" or "average".
    stride : int
    pad : str or int
        As for Conv2D.
    """

    def __init__(
        self, kernel_shape: tuple[int, int] | int, mode: str = "max", stride: int = 1, pad: str | int = 0
    ) -> None:
        super().__init__()
        self.kernel_shape = (kernel_shape, kernel_shape) if isinstance(kernel_shape, int) else kernel_shape
        self.stride = stride
        self.pad = padding(pad, self.kernel_shape)
        self.mode = mode
        if mode == "max":
            self.pool_fn, self.arg_pool_fn = np.max, np.argmax
        elif mode == "average":
            self.pool_fn, self.arg_pool_fn = np.mean, None
        else:
            raise ValueError(f"mode is 'max' or 'average', not {mode!r}.")
        self.cache = OrderedDict({"out_rows": [], "out_cols": [], "X_pad": [], "p": [], "pool_shape": []})

    def forward(self, X: np.ndarray) -> np.ndarray:
        """X (m, H, W, C) -> Y (m, OH, OW, C), with OH = (H + 2·pad − kh) // stride + 1, and OW likewise"""
        # BEGIN SOLUTION cs189-sp23: pad X, then self.pool_fn over each window and channel; fill the cache's entries
        X_pad, p = pad2d(X, self.pad, self.kernel_shape)
        windows = self._windows(X_pad)
        rows, cols = windows.shape[1:3]
        self.cache.update(out_rows=rows, out_cols=cols, X_pad=X_pad, p=p, pool_shape=self.kernel_shape)
        return self.pool_fn(windows, axis=(-2, -1))
        # END SOLUTION

    def backward(self, dLdY: np.ndarray) -> np.ndarray:
        """dLdY (m, OH, OW, C) -> dX (m, H, W, C)

        A window's gradient goes to its maximum (of equal ones to the first), or in equal shares to all its places.
        """
        # BEGIN SOLUTION cs189-sp23: self.arg_pool_fn tells which place of a window won; add up where windows overlap
        X_pad, (p, q), s = self.cache["X_pad"], self.cache["p"], self.stride
        rows, cols, (kh, kw) = self.cache["out_rows"], self.cache["out_cols"], self.cache["pool_shape"]
        if self.arg_pool_fn is not None:
            windows = self._windows(X_pad)
            winner = self.arg_pool_fn(windows.reshape(*windows.shape[:4], kh * kw), axis=-1)  # (m, OH, OW, C)
        dX_pad = np.zeros_like(X_pad)
        for i in range(kh):
            for j in range(kw):
                share = 1 / (kh * kw) if self.arg_pool_fn is None else winner == i * kw + j
                dX_pad[:, i : i + s * rows : s, j : j + s * cols : s] += dLdY * share
        return dX_pad[:, p : X_pad.shape[1] - p, q : X_pad.shape[2] - q]
        # END SOLUTION

    # ONLY solution or cs189-sp20
    def _windows(self, X_pad: np.ndarray) -> np.ndarray:
        """All windows of the padded images, as a view (m, OH, OW, C, kh, kw)."""
        every = np.lib.stride_tricks.sliding_window_view(X_pad, self.kernel_shape, axis=(1, 2))
        return every[:, :: self.stride, :: self.stride]

    # END ONLY


class Flatten(Layer):
    """Images as rows.

    Parameters
    ----------
    keep_dim : str or int
        "first": (m, ...) -> (m, everything else); "last": (..., C) -> (everything else, C); −1: (1, everything).
    """

    def __init__(self, keep_dim: str | int = "first") -> None:
        super().__init__()
        if keep_dim not in ("first", "last", -1):
            raise ValueError(f"keep_dim is 'first', 'last' or -1, not {keep_dim!r}.")
        self.keep_dim = keep_dim
        self.cache = OrderedDict({"in_dims": []})

    def forward(self, X: np.ndarray, retain_derived: bool = True) -> np.ndarray:
        """The same numbers as a matrix; `retain_derived=False` when no backward pass will follow."""
        if retain_derived:
            self.cache["in_dims"] = X.shape
        if self.keep_dim == "last":
            return X.reshape(-1, X.shape[-1])
        return X.reshape(len(X) if self.keep_dim == "first" else 1, -1)

    def backward(self, dLdY: np.ndarray) -> np.ndarray:
        """The gradient in the shape that X had."""
        return dLdY.reshape(self.cache["in_dims"])


# Each layer's class and the settings that it reads.
LAYERS = {
    "fully_connected": (FullyConnected, ("n_out", "activation", "weight_init")),
    "elman": (Elman, ("n_out", "activation", "weight_init")),
    "conv2d": (Conv2D, ("n_out", "kernel_shape", "activation", "stride", "pad", "weight_init")),
    "pool2d": (Pool2D, ("kernel_shape", "mode", "stride", "pad")),
    "flatten": (Flatten, ("keep_dim",)),
}
NEEDED = ("n_out", "kernel_shape")  # the last layer's n_out may be None: the data set will say it


def initialize_layer(
    name: str,
    activation: str | None = None,
    weight_init: str | None = None,
    n_out: int | None = None,
    kernel_shape: tuple[int, int] | None = None,
    stride: int | None = None,
    pad: str | int | None = None,
    mode: str | None = None,
    keep_dim: str | int = "first",
) -> Layer:
    """The layer of this name; a setting that is None has the class's default.

    Raises NotImplementedError for a name that is not in LAYERS.
    """
    if name not in LAYERS:
        raise NotImplementedError(f"there is no layer {name!r}; there are {', '.join(LAYERS)}.")
    given = {
        "activation": activation,
        "weight_init": weight_init,
        "n_out": n_out,
        "kernel_shape": kernel_shape,
        "stride": stride,
        "pad": pad,
        "mode": mode,
        "keep_dim": keep_dim,
    }
    layer, reads = LAYERS[name]
    return layer(**{key: given[key] for key in reads if given[key] is not None or key in NEEDED})
