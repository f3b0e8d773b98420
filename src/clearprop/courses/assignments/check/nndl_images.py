"""C147's homework 5 in the same folder: layers for images (N, C, H, W) and the convolutional net."""

from typing import Any

import numpy as np

from clearprop.arrays import Array, shape_text
from clearprop.courses.assignments.check.case import Case, Check
from clearprop.courses.assignments.check.nndl_core import (
    batch_norm_gradients,
    expect_differences,
    normalized,
    pair,
    student,
)
from clearprop.kernels.activations import relu_forward
from clearprop.kernels.affine import affine_forward
from clearprop.kernels.conv import conv2d_backward, conv2d_forward
from clearprop.kernels.losses import softmax_cross_entropy
from clearprop.kernels.penalties import l2_penalty
from clearprop.kernels.pool import max_pool2d_backward, max_pool2d_forward

POOL = {"pool_height": 2, "pool_width": 2, "stride": 2}


def _last(x: Array) -> Array:
    """(N, C, H, W) with the channels last, as the core has them; of filters (F, C, HH, WW) see `_filters`."""
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1))


def _first(x: Array) -> Array:
    return x.transpose(0, 3, 1, 2)


def _filters(w: Array) -> Array:
    """(F, C, HH, WW) as the core's (HH, WW, C, F)."""
    return np.ascontiguousarray(w.transpose(2, 3, 1, 0))


def _conv(x: Array, w: Array, b: Array, stride: int, pad: int) -> tuple[Array, Any]:
    y, cache = conv2d_forward(_last(x), _filters(w), b, (stride, stride), ((pad, pad), (pad, pad)))
    return _first(y), cache


def _padded(x: Array, w: Array, b: Array, stride: int, before: int, after: int) -> Array:
    """What a convolution gives that pads by so much before and after."""
    pads = ((before, after), (before, after))
    return _first(conv2d_forward(_last(x), _filters(w), b, (stride, stride), pads)[0])


def _conv_forward() -> None:
    rng = np.random.default_rng(0)
    for stride, pad in ((1, 1), (2, 1), (1, 0)):
        x, w, b = rng.normal(size=(2, 3, 5, 7)), rng.normal(size=(4, 3, 3, 3)), rng.normal(size=4)
        case = Case(f"x (2, 3, 5, 7), w (4, 3, 3, 3), stride {stride}, pad {pad}")
        with case.untouched(x=x, w=w, b=b):
            got = student("nndl.conv_layers", "conv_forward_naive")(x, w, b, {"stride": stride, "pad": pad})
        out, _ = pair(case, "conv_forward_naive", got, ("out", "cache"))
        right = _conv(x, w, b, stride, pad)[0]
        turned = _conv(x, w[:, :, ::-1, ::-1], b, stride, pad)[0]
        suspects = {
            "The kernel is turned around: the field's convolution does not turn it.": turned,
            "The bias is missing.": right - b[:, None, None],
        }
        if pad:
            suspects |= {
                "The padding is all above and on the left: it belongs on both sides.": _padded(
                    x, w, b, stride, 2 * pad, 0
                ),
                "The padding is all below and on the right: it belongs on both sides.": _padded(
                    x, w, b, stride, 0, 2 * pad
                ),
                "Only the upper and left sides are padded: both sides are.": _padded(x, w, b, stride, pad, 0),
                "Only the lower and right sides are padded: both sides are.": _padded(
                    x, w, b, stride, 0, pad
                ),
            }
        case.expect("out", out, right, suspects)


def _conv_backward() -> None:
    rng = np.random.default_rng(1)
    for stride, pad in ((1, 1), (2, 1), (1, 0)):
        x, w, b = rng.normal(size=(2, 3, 5, 7)), rng.normal(size=(4, 3, 3, 3)), rng.normal(size=4)
        y, kept = _conv(x, w, b, stride, pad)
        dout = rng.normal(size=y.shape)
        case = Case(f"x (2, 3, 5, 7), w (4, 3, 3, 3), stride {stride}, pad {pad}")
        _, cache = student("nndl.conv_layers", "conv_forward_naive")(x, w, b, {"stride": stride, "pad": pad})
        with case.untouched(dout=dout, x=x, w=w):
            got = student("nndl.conv_layers", "conv_backward_naive")(dout, cache)
        dx, dw, db = pair(case, "conv_backward_naive", got, ("dx", "dw", "db"))
        right_dx, right_dw, right_db = conv2d_backward(_last(dout), kept)
        assert right_dx is not None
        case.expect("dx", dx, _first(right_dx))
        case.expect("dw", dw, right_dw.transpose(3, 2, 0, 1))
        case.expect("db", db, right_db, batch=len(x))


def _pool() -> None:
    rng = np.random.default_rng(2)
    for window, stride in (((2, 2), 2), ((3, 2), 1), ((2, 3), 2)):
        x = rng.normal(size=(2, 3, 6, 7))
        case = Case(f"x (2, 3, 6, 7), window {shape_text(window)}, stride {stride}")
        param = {"pool_height": window[0], "pool_width": window[1], "stride": stride}
        with case.untouched(x=x):
            out, cache = pair(
                case,
                "max_pool_forward_naive",
                student("nndl.conv_layers", "max_pool_forward_naive")(x, param),
                ("out", "cache"),
            )
        y, kept = max_pool2d_forward(_last(x), window, (stride, stride))
        case.expect("out", out, _first(y))
        dout = rng.normal(size=out.shape)
        right = _first(max_pool2d_backward(_last(dout), kept))
        case.expect("dx", student("nndl.conv_layers", "max_pool_backward_naive")(dout, cache), right)
    _pool_ties()


def _pool_ties() -> None:
    """Equal largest entries: the gradient is shared out, or goes to one of them; it is not given to each."""
    case = Case("x (1, 1, 2, 2) = [[3, 1], [3, 0]], window (2, 2), stride 2: two largest entries")
    x, dout = np.array([[[[3.0, 1.0], [3.0, 0.0]]]]), np.array([[[[2.0]]]])
    _, cache = student("nndl.conv_layers", "max_pool_forward_naive")(x, POOL)
    dx = np.asarray(student("nndl.conv_layers", "max_pool_backward_naive")(dout, cache))
    if dx.shape == x.shape and not np.isclose(dx.sum(), dout.sum()):
        case.refuse(
            f"dx sums up to {dx.sum():g}, and dout to {dout.sum():g}: the gradient goes to every tie. A window has one "
            "largest entry; of equal ones one gets the gradient, or they share it."
        )


def _spatial_batchnorm() -> None:
    rng = np.random.default_rng(3)
    x, gamma, beta = rng.normal(size=(3, 4, 2, 5)) * 2 + 1, rng.normal(size=4), rng.normal(size=4)
    case, param = Case("x (3, 4, 2, 5), gamma (4,)"), dict[str, Any](mode="train")
    with case.untouched(x=x):
        got = student("nndl.conv_layers", "spatial_batchnorm_forward")(x, gamma, beta, param)
    out, cache = pair(case, "spatial_batchnorm_forward", got, ("out", "cache"))
    y, kept, mean, _ = normalized(_last(x), gamma, beta)
    case.expect("out", out, _first(y))
    case.expect('bn_param["running_mean"]', param.get("running_mean"), 0.1 * mean)
    dout = rng.normal(size=x.shape)
    got = student("nndl.conv_layers", "spatial_batchnorm_backward")(dout, cache)
    dx, dgamma, dbeta = pair(case, "spatial_batchnorm_backward", got, ("dx", "dgamma", "dbeta"))
    right_dx, right_dgamma, right_dbeta = batch_norm_gradients(_last(dout), kept)
    case.expect("dx", dx, _first(right_dx))
    case.expect("dgamma", dgamma, right_dgamma)
    case.expect("dbeta", dbeta, right_dbeta)


def _conv_net() -> None:
    rng = np.random.default_rng(4)
    X, y, reg = rng.normal(size=(4, 2, 4, 6)), rng.integers(3, size=4), 0.2
    case = Case("ThreeLayerConvNet(input_dim=(2, 4, 6), num_filters=3, filter_size=3, hidden_dim=5, reg=0.2)")
    net = student("nndl.cnn", "ThreeLayerConvNet")(
        (2, 4, 6),
        num_filters=3,
        filter_size=3,
        hidden_dim=5,
        num_classes=3,
        weight_scale=0.5,
        reg=reg,
        dtype=np.float64,
    )
    p = net.params
    h, _ = _conv(X, p["W1"], p["b1"], 1, 1)
    pooled = _first(max_pool2d_forward(_last(relu_forward(h)[0]), (2, 2), (2, 2))[0])
    hidden = relu_forward(affine_forward(pooled.reshape(4, -1), p["W2"], p["b2"])[0])[0]
    scores = affine_forward(hidden, p["W3"], p["b3"])[0]
    case.expect("loss(X), the scores", net.loss(X), scores)
    loss, grads = pair(case, "loss(X, y)", net.loss(X, y), ("the loss", "the gradients"))
    data = float(softmax_cross_entropy(scores, y)[0].mean())
    penalty = sum(l2_penalty(p[f"W{i}"], reg)[0] for i in (1, 2, 3))
    case.expect(
        "loss(X, y)", loss, data + penalty, {"The penalty's half is missing: ½ reg ΣW².": data + 2 * penalty}
    )
    expect_differences(case, net, X, y, grads)


IMAGES = (
    Check("HW5: conv_forward_naive", _conv_forward, extra=True),
    Check("HW5: conv_backward_naive", _conv_backward, extra=True),
    Check("HW5: max_pool_forward_naive and max_pool_backward_naive", _pool, extra=True),
    Check("HW5: spatial_batchnorm_forward and _backward", _spatial_batchnorm, extra=True),
    Check("HW5: ThreeLayerConvNet", _conv_net, extra=True),
)
