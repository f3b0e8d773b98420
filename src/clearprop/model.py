"""Sequential: layers one after the other, over one flat vector of parameters and one of gradients."""

from collections.abc import Iterator, Sequence
from copy import copy
from math import isfinite
from os import PathLike
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from clearprop.arrays import Array, Shape, as_dtype, check_finite, check_shape
from clearprop.batches import Rows, epoch_rows
from clearprop.errors import DataError
from clearprop.layers import Activation, Layer
from clearprop.layers.base import leaves_of
from clearprop.layers.remedies import array_remedy, check_rows
from clearprop.losses import predict_from, probabilities_from
from clearprop.messages.calls import in_a_sentence
from clearprop.messages.missing import Told
from clearprop.params import by_number
from clearprop.plan import as_input_shape, plan
from clearprop.sources import RowSource, as_source
from clearprop.summary import summary_table
from clearprop.work import choose_shard, choose_work, share_out

ROWS_AT_ONCE = 1024  # a prediction's activations stay small, whatever the number of rows


class Sequential(Told):
    """A network: the output of each layer is the input of the next.

    Parameters
    ----------
    layers : sequence of Layer
        Copied, so that a layer may serve in several networks. `Dense(100, activation="relu")` becomes two.
    input_shape : tuple of int
        One example's shape, without the batch axis.
    seed : int
        Seeds the initial parameters and whatever is drawn at random in training. The same seed, also when left
        out, gives the same network.
    dtype : str
        "float32", or "float64" for checking gradients.

    Attributes
    ----------
    params, grads : array of shape (P,)
        All parameters and their gradients, in layer order. The layers hold views into them.
    layers : list of Layer
        After expansion; their index is their name ("layer 2").
    shapes : list of tuple
        `shapes[i]` goes into layer i, `shapes[-1]` comes out of the network; without the batch axis.
    link : str
        How scores become predictions: "softmax" for several outputs, "sigmoid" for one; `fit` sets it by the loss.

    Raises
    ------
    ShapeError
        If a layer cannot take what the one before it gives.

    Examples
    --------
    >>> import clearprop as cp
    >>> model = cp.Sequential([cp.Dense(25, activation="relu"), cp.Dense(3)], input_shape=(4,), seed=0)
    >>> model.params.size, model.predict([[5.1, 3.5, 1.4, 0.2]]).shape
    (203, (1,))
    """

    @in_a_sentence
    def __init__(
        self,
        layers: Sequence[Layer],
        input_shape: Sequence[int],
        seed: int = 0,
        dtype: npt.DTypeLike = "float32",
    ) -> None:
        self.dtype = as_dtype(dtype)
        self.input_shape = as_input_shape(input_shape)
        self.layers, self.shapes, self.layout, self.buffer_layout = plan(layers, self.input_shape)
        self.rng = np.random.default_rng(seed)
        self.link = "sigmoid" if self.output_shape == (1,) else "softmax"
        if isinstance(self.layers[-1], Activation) and self.layers[-1].name in (
            "softmax",
            "sigmoid",
        ):
            self.link = "probs"
        sizes = self.layout.size, self.layout.size, self.buffer_layout.size
        self._bind(*(np.zeros(size, self.dtype) for size in sizes))
        for layer in self.layers:
            layer.init_params(self.rng)

    @property
    def params(self) -> Array:
        """All parameters, (P,); what is assigned is copied in, for the layers hold views into this vector."""
        return self._params

    @params.setter
    def params(self, values: Array) -> None:
        check_shape("Sequential", "params", np.shape(values), (self.layout.size,))
        self._params[...] = values

    @property
    def grads(self) -> Array:
        """All gradients, (P,), as `backward` has written them."""
        return self._grads

    @property
    def buffers(self) -> Array:
        """What is learned without a gradient, (B,): batch norm's running statistics, for one."""
        return self._buffers

    @property
    def output_shape(self) -> Shape:
        """One example's scores: their shape, without the batch axis."""
        return self.shapes[-1]

    def forward(
        self, x: Array, training: bool = False, noise: Sequence[Any] | None = None
    ) -> tuple[Array, list[Any]]:
        """scores, caches of a batch.

        Parameters
        ----------
        x : array of shape (N, *input_shape)
        training : bool
            Whether dropout drops.
        noise : list, optional
            What `draw_noise` has drawn, one entry a layer; by default it is drawn here.

        Returns
        -------
        scores : array of shape (N, *output_shape)
        caches : list
            One a layer, valid until the parameters change.
        """
        if x.shape[1:] != self.input_shape:
            self.refuse(x.shape)
        if x.dtype != self.dtype:
            x = x.astype(self.dtype)
        if noise is None:
            noise = self.draw_noise(len(x)) if training else self._silence
        caches = []
        for layer, drawn in zip(self.layers, noise, strict=True):
            x, cache = layer.forward(x, training, drawn)
            caches.append(cache)
        return x, caches

    def backward(self, dy: Array, caches: Sequence[Any], need_dx: bool = False) -> Array | None:
        """Write `grads`, from dy in the scores' shape and the forward pass's caches; dx if it is needed."""
        if dy.shape[1:] != self.output_shape:
            remedy = array_remedy("dy", dy.shape, self.output_shape) or "It has the shape of the scores."
            check_shape("backward", "dy", dy.shape, ("N", *self.output_shape), remedy)
        first = 0 if need_dx else self._first_with_params
        dx: Array | None = dy
        for i in range(len(self.layers) - 1, first - 1, -1):
            dx = self.layers[i].backward(dx, caches[i], need_dx or i > first)  # type: ignore[arg-type]
        return dx if need_dx else None

    def draw_noise(self, n: int) -> list[Any]:
        """What a training pass over n examples draws at random, one entry a layer: dropout's masks."""
        if not self._noisy:
            return self._silence
        return [
            layer.draw_noise((n, *shape), self.rng, self.dtype)
            for layer, shape in zip(self.layers, self.shapes[:-1], strict=True)
        ]

    def scores(self, x: npt.ArrayLike | RowSource) -> Array:
        """The network's output for x of shape (N, *input_shape), computed so many rows at a time as suit the cache."""
        if type(x) is not np.ndarray and (source := as_source(x)) is not None:
            if source.shape[1:] != self.input_shape:
                self.refuse(source.shape)
            y = np.empty((len(source), *self.output_shape), self.dtype)
            for first, rows in self._inputs(source):
                y[first : first + len(rows)] = self.scores(rows)
            return y
        x = self._as_input(x)
        if x.shape[1:] != self.input_shape:
            self.refuse(x.shape)
        if len(x) <= self._rows_at_once:
            return self._scores(x)
        y = np.empty((len(x), *self.output_shape), self.dtype)

        def fill(rows: Rows) -> None:
            y[rows] = self._scores(x[rows])

        workers = choose_work(self.layers, self.shapes, self.dtype.itemsize, len(x), passes=1).workers
        share_out(fill, list(epoch_rows(len(x), self._rows_at_once)), workers)
        return y

    def _inputs(self, x: npt.ArrayLike | RowSource) -> Iterator[tuple[int, Array]]:
        """x in the network's dtype: whole, or what is not in memory by blocks; each with its first row's number."""
        if (source := as_source(x)) is None:
            yield 0, self._as_input(x)
        else:
            for first, rows in source.blocks():
                yield first, self._as_input(rows, first)

    def _as_input(self, x: npt.ArrayLike | RowSource, first: int = 0) -> Array:
        if isinstance(x, np.ndarray) and x.dtype == self.dtype:
            return x
        try:
            with np.errstate(over="ignore"):  # what the dtype cannot hold becomes infinite, and is refused
                given = np.asarray(x, self.dtype)
        except (TypeError, ValueError) as error:
            raise DataError(
                f"predict: expected x to hold numbers in rows of one length ({error}). "
                "Encode text columns as numbers first; pad sequences with clearprop.data.pad_sequences."
            ) from None
        check_finite("predict", "x", given, first)
        return given

    def _scores(self, x: Array) -> Array:
        for layer in self.layers:
            x, _ = layer.forward(x)
        return x

    def predict(self, x: npt.ArrayLike | RowSource) -> Array:
        """Labels (N,) as integers; 0 or 1 for each output of a sigmoid network; numbers if trained on numbers."""
        scores = self.scores(x)
        if not isfinite(np.add.reduce(scores, axis=None)):
            for first, rows in self._inputs(x):
                check_finite("predict", "x", rows, first)
            check_finite("predict", "scores", scores)
        predicted = predict_from(self.link, scores)
        if predicted.ndim == scores.ndim == 2 and predicted.shape[1] == 1:
            predicted = predicted[:, 0]
        return predicted.astype(np.intp) if predicted.dtype == np.bool_ else predicted

    def probabilities(self, x: npt.ArrayLike | RowSource) -> Array:
        """Each class's probability, in the scores' shape (N, K); (N, 1) for the class 1 of a sigmoid network."""
        return probabilities_from(self.link, self.scores(x))

    def named_params(self) -> dict[str, Array]:
        """Views of the parameters by name, in layer order: {"0.w": …, "0.b": …}."""
        return self.layout.views(self.params)

    def named_grads(self) -> dict[str, Array]:
        """Views of the gradients, named as the parameters are."""
        return self.layout.views(self.grads)

    def named_buffers(self) -> dict[str, Array]:
        """Views of the buffers by name: {"1.running_mean": …}."""
        return self.buffer_layout.views(self.buffers)

    def weight_spans(self) -> list[slice]:
        """Where the weights lie in `params`, the biases left out: what is penalised or decays."""
        return [span for name, span in self.layout.spans.items() if name.rpartition(".")[2] in ("w", "u")]

    def summary(self, x_shape: Sequence[int] | Array | None = None, batch_size: int = 1) -> str:
        """A table of shapes, parameters, one example's multiply-adds, and memory, before any data exists.

        Parameters
        ----------
        x_shape : tuple of int, or array, optional
            Shape (N, *input_shape) of the x that is to go in, or that x; by default N stands for any number.
        batch_size : int
            How many examples' activations are counted, where x_shape does not say it.

        Raises
        ------
        ShapeError
            If such an x cannot go in.
        """
        shape = tuple(x_shape) if isinstance(x_shape, Sequence) else np.shape(x_shape)  # type: ignore[arg-type]
        if x_shape is not None and shape[1:] != self.input_shape:
            self.refuse(shape, f"summary, layer 0, {self.layers[0]}")
        n = "N" if x_shape is None else shape[0]
        return summary_table(self.layers, self.shapes, self.layout, self.dtype, n, batch_size)

    def replica(self, grads: Array) -> Self:
        """The same parameters, with gradients that go into the vector `grads` of shape (P,), and buffers of its own."""
        twin = copy(self)
        twin.layers = [copy(layer) for layer in self.layers]
        twin._bind(self.params, grads, self.buffers.copy())
        return twin

    def astype(self, dtype: npt.DTypeLike) -> Self:
        """An independent copy that computes in another dtype, with the same parameters."""
        twin = copy(self)
        twin.dtype = as_dtype(dtype)
        twin.layers = [copy(layer) for layer in self.layers]
        twin.rng = np.random.default_rng()
        twin.rng.bit_generator.state = self.rng.bit_generator.state
        zeros = np.zeros(self.layout.size, twin.dtype)
        twin._bind(self.params.astype(twin.dtype), zeros, self.buffers.astype(twin.dtype))
        return twin

    def copy(self) -> Self:
        """An independent copy."""
        return self.astype(self.dtype)

    if not TYPE_CHECKING:  # to a type checker it is not callable

        def __call__(self, *args, **settings):
            raise TypeError(
                "'Sequential' object is not callable. Write model.scores(x), or model.forward(x)."
            )

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state  # deepcopy and pickle copy arrays one by one: make the layers' views anew
        self._bind(self._params, self._grads, self._buffers)

    def __repr__(self) -> str:
        return f"Sequential({self.layers!r}, input_shape={self.input_shape})"

    def _repr_html_(self) -> str:
        from clearprop.lens.notebook import model_html

        return model_html(self)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the architecture and the parameters as one safetensors file; `cp.load` reads it."""
        from clearprop.storage import save_model

        save_model(self, path)

    def to_onnx(self, path: str | PathLike[str], **options: Any) -> None:
        """Write the network, as it predicts, to one ONNX file, which other programs run; `cp.from_onnx` reads it.

        Parameters
        ----------
        path : str or path
        opset : int
            The version of ONNX's operators, 21 by default.
        batch : int, optional
            The number of examples that the graph takes; any by default.
        layout : str
            "NHWC", in which images go in and come out as they do here, or "NCHW", as PyTorch has them.
        output : str
            "scores", or "probabilities" with the softmax or sigmoid that the network was trained with.
        scaling : (shift, scale), optional
            The graph begins with (x - shift) / scale.

        Raises
        ------
        ConfigError, FileError
            If an option or a layer is nothing that ONNX can express, or the file cannot be written.
        """
        from clearprop.interop.onnx import write_with

        write_with(self, path, options)

    def _bind(self, params: Array, grads: Array, buffers: Array) -> None:
        check_shape("Sequential", "grads", grads.shape, (self.layout.size,))
        self._params, self._grads, self._buffers = params, grads, buffers
        named = self.layout.views(params), self.layout.views(grads), self.buffer_layout.views(buffers)
        views = [by_number(found, len(self.layers)) for found in named]
        for layer, *own in zip(self.layers, *views, strict=True):
            layer.bind(*own)
        at_once = choose_shard(self.layers, self.shapes, self.dtype.itemsize)
        self._rows_at_once = min(ROWS_AT_ONCE, at_once or ROWS_AT_ONCE)
        self._silence: list[Any] = [None] * len(self.layers)
        leaves = leaves_of(self.layers, self.shapes)
        self._noisy = any(type(leaf).draw_noise is not Layer.draw_noise for leaf, _ in leaves)
        trained = [int(name.partition(".")[0]) for name in self.layout.spans]
        self._first_with_params = trained[0] if trained else len(self.layers)

    def refuse(self, shape: Shape, who: str = "") -> None:
        """Say why x of this shape cannot go in, with the remedy that fits; `who` opens the sentence."""
        check_rows(who or f"layer 0, {self.layers[0]}", shape, self.layers[0], self.input_shape)
