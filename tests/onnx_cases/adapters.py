"""ONNX's operators as calls of our kernels: `<operator>(attributes, inputs...) -> outputs`, in the node's order.

Here stand the standard's defaults, its layouts and its words; no mathematics. An output that a kernel does not
give is None, or left out at the end.
"""

from typing import Any

import numpy as np

from clearprop.kernels import activations as act
from clearprop.kernels.affine import affine_forward
from clearprop.kernels.dropout import dropout_forward
from clearprop.kernels.erf import erf
from clearprop.kernels.losses import cross_entropy, softmax_cross_entropy

from .norms import batch_norm, group_norm, instance_norm, layer_norm
from .recurrent import gru, lstm, rnn
from .sliding import average_pool, conv, conv_transpose, global_average_pool, global_max_pool, max_pool


def of_each_element(forward, **settings):
    """An activation; settings are {our name: (the attribute, its default)}."""

    def adapter(attributes, x):
        return [forward(x, **{ours: attributes.get(*theirs) for ours, theirs in settings.items()})[0]]

    return adapter


def of_an_axis(forward):
    """Softmax and log-softmax; ours are over the last axis."""

    def adapter(attributes, x):
        axis = attributes.get("axis", -1)
        return [np.moveaxis(forward(np.moveaxis(x, axis, -1))[0], -1, axis)]

    return adapter


def gelu(attributes, x):
    tanh = attributes.get("approximate", "none") == "tanh"
    return [(act.gelu_tanh_forward if tanh else act.gelu_forward)(x)[0]]


def gemm(attributes, a, b, c=None):
    x = a.T if attributes.get("transA", 0) else a
    w = b.T if attributes.get("transB", 0) else b
    bias = np.zeros(1, x.dtype) if c is None else c.ravel()
    bias = np.broadcast_to(attributes.get("beta", 1.0) * bias, w.shape[1])
    return [affine_forward(attributes.get("alpha", 1.0) * x, w, bias)[0]]


def dropout(attributes, x, ratio=None, training=None):
    rate = 0.5 if ratio is None else ratio.item()
    kept = np.ones(x.shape, bool)
    if training:  # onnx draws from the old global generator, which RandomState is
        kept = np.random.RandomState(attributes["seed"]).uniform(size=x.shape) >= rate
    mask = kept.astype(x.dtype) / (1 - rate if training else 1.0)
    return [dropout_forward(x, mask)[0], kept]


def softmax_cross_entropy_loss(attributes, scores, labels, weights=None):
    rows = np.moveaxis(scores, 1, -1)
    log_probs = act.log_softmax_forward(rows)[0]
    loss = reduced(
        attributes, rows, labels, weights, lambda s, y: softmax_cross_entropy(s, y, class_weights=weights)[0]
    )
    return [loss, np.moveaxis(log_probs, -1, 1)]


def negative_log_likelihood_loss(attributes, log_probs, labels, weights=None):
    """Ours takes probabilities, so log-probabilities go in by exp, in float64 in order to come back unchanged."""

    def losses(rows, y):
        K = rows.shape[1]
        targets = np.eye(K)[y] * (np.ones(K) if weights is None else weights)
        return cross_entropy(np.exp(rows.astype(float)), targets)[0].astype(rows.dtype)

    return [reduced(attributes, np.moveaxis(log_probs, 1, -1), labels, weights, losses)]


def reduced(attributes, rows, labels, weights, losses):
    """The examples' losses as the caller wants them: those that count, one by one, added, or as a weighted mean."""
    counts = labels != attributes.get("ignore_index", labels.max() + 1)
    each = np.zeros(labels.shape, rows.dtype)
    each[counts] = losses(rows[counts], labels[counts])
    reduction = attributes.get("reduction", "mean")
    if reduction == "mean":
        total = counts.sum() if weights is None else weights[labels[counts]].sum()
        return np.asarray(each.sum() / total, rows.dtype)
    return each if reduction == "none" else each.sum()


ADAPTERS: dict[str, Any] = {
    "Atan": of_each_element(act.arctan_forward),
    "AveragePool": average_pool,
    "BatchNormalization": batch_norm,
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "Dropout": dropout,
    "Elu": of_each_element(act.elu_forward, alpha=("alpha", 1.0)),
    "Erf": lambda attributes, x: [erf(x)],
    "GRU": gru,
    "Gelu": gelu,
    "Gemm": gemm,
    "GlobalAveragePool": global_average_pool,
    "GlobalMaxPool": global_max_pool,
    "GroupNormalization": group_norm,
    "Identity": of_each_element(act.identity_forward),
    "InstanceNormalization": instance_norm,
    "LSTM": lstm,
    "LayerNormalization": layer_norm,
    "LeakyRelu": of_each_element(act.leaky_relu_forward, alpha=("alpha", 0.01)),
    "LogSoftmax": of_an_axis(act.log_softmax_forward),
    "MaxPool": max_pool,
    "NegativeLogLikelihoodLoss": negative_log_likelihood_loss,
    "RNN": rnn,
    "Relu": of_each_element(act.relu_forward),
    "Sigmoid": of_each_element(act.sigmoid_forward),
    "Softmax": of_an_axis(act.softmax_forward),
    "SoftmaxCrossEntropyLoss": softmax_cross_entropy_loss,
    "Softplus": of_each_element(act.softplus_forward),
    "Swish": of_each_element(act.swish_forward),
    "Tanh": of_each_element(act.tanh_forward),
}
