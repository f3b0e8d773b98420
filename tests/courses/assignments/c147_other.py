"""C147: wrong solutions of later homeworks, and right solutions in another style."""

from c147_wrong import AFFINE, CNN, CONV, DW, FC, LAYERS, OPTIM, OUT, SLOPE

WRONG_LATER = {
    "HW4: batchnorm_forward": (
        LAYERS,
        [
            (
                "unbiased",
                [("x.mean(axis=0), x.var(axis=0)", "x.mean(axis=0), x.var(axis=0, ddof=1)")],
                "divided by N − 1",
            ),
            ("eps outside", [("1 / np.sqrt(var + eps)\n", "1 / (np.sqrt(var) + eps)\n")], "under the root"),
            (
                "momentum swapped",
                [
                    (
                        "momentum * running_mean + (1 - momentum) * mean",
                        "(1 - momentum) * running_mean + momentum * mean",
                    )
                ],
                "momentum is on the new part",
            ),
            (
                "not kept",
                [('    bn_param["running_mean"] = running_mean\n', "")],
                'bn_param["running_mean"] is None',
            ),
        ],
    ),
    "HW4: batchnorm_forward in test mode": (
        LAYERS,
        [
            (
                "the batch's",
                [
                    (
                        "gamma * (x - running_mean) / np.sqrt(running_var + eps) + beta",
                        "gamma * (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + eps) + beta",
                    )
                ],
                "in test mode the running ones",
            ),
        ],
    ),
    "HW4: batchnorm_backward": (
        LAYERS,
        [
            ("constants", [("(dout - (dbeta + xhat * dgamma) / len(dout))", "dout")], "both depend on x"),
        ],
    ),
    "HW4: dropout_forward": (
        LAYERS,
        [
            ("not inverted", [(" / (1 - p)).astype", " / 1).astype")], "inverted dropout"),
            (
                "p of keeping",
                [("np.random.rand(*x.shape) >= p", "np.random.rand(*x.shape) < p")],
                "not of keeping",
            ),
            (
                "test scaled",
                [("        out = x\n    else", "        out = x * (1 - p)\n    else")],
                "In test mode nothing is scaled",
            ),
        ],
    ),
    "HW4: dropout_backward": (
        LAYERS,
        [
            ("no mask", [("dx = dout * mask", "dx = dout")], "The mask is missing"),
        ],
    ),
    "HW4: sgd_momentum": (
        OPTIM,
        [
            (
                "forgotten",
                [('v = config["momentum"] * v - config', "v = 0 * v - config")],
                "The velocity is not kept",
            ),
        ],
    ),
    "HW4: sgd_nesterov_momentum": (
        OPTIM,
        [
            ("plain", [('w + v + config["momentum"] * (v - old)', "w + v")], "It is plain momentum"),
        ],
    ),
    "HW4: rmsprop": (
        OPTIM,
        [
            (
                "swapped",
                [
                    (
                        'config["decay_rate"] * config["a"] + (1 - config["decay_rate"])',
                        '(1 - config["decay_rate"]) * config["a"] + config["decay_rate"]',
                    )
                ],
                "are swapped",
            ),
        ],
    ),
    "HW4: adam": (
        OPTIM,
        [
            (
                "uncorrected",
                [('v = config["v"] / (1 - config["beta1"] ** config["t"])', 'v = config["v"]')],
                "are wrong",
            ),
        ],
    ),
    "HW4: FullyConnectedNet with batch norm": (
        FC,
        [
            (
                "the handout's",
                [('layer_param["mode"] = mode', "layer_param[mode] = mode")],
                'bn_param["mode"] is not "test"',
            ),
        ],
    ),
    "HW4: FullyConnectedNet with dropout": (
        FC,
        [
            (
                "accuracy in training mode",
                [
                    ('mode = "test" if y is None else "train"', 'mode = "train"'),
                    ('if mode == "test":', "if y is None:"),
                ],
                "and so for every accuracy",
            ),
            (
                "none",
                [("self.use_dropout = dropout > 0", "self.use_dropout = False")],
                "no hidden unit is dropped",
            ),
        ],
    ),
    "HW5: conv_forward_naive": (
        CONV,
        [
            (
                "turned",
                [
                    (
                        "filters = w.reshape(F, -1)\n    out",
                        "filters = w[:, :, ::-1, ::-1].reshape(F, -1)\n    out",
                    )
                ],
                "The kernel is turned around",
            ),
            (
                "padding before",
                [("(pad, pad), (pad, pad)", "(2 * pad, 0), (2 * pad, 0)")],
                "The padding is all above and on the left",
            ),
            (
                "padding after",
                [("(pad, pad), (pad, pad)", "(0, 2 * pad), (0, 2 * pad)")],
                "The padding is all below and on the right",
            ),
            (
                "padding on one side",
                [("(pad, pad), (pad, pad)", "(pad, 0), (pad, 0)")],
                "Only the upper and left sides are padded",
            ),
        ],
    ),
    "HW5: conv_backward_naive": (
        CONV,
        [
            ("not added up", [("dpadded[here] += ", "dpadded[here] = ")], "dx"),
        ],
    ),
    "HW5: max_pool_forward_naive and max_pool_backward_naive": (
        CONV,
        [
            ("mean", [("window.max(axis=(2, 3))", "window.mean(axis=(2, 3))")], "out"),
            (
                "every tie",
                [
                    (
                        "            row, column = np.divmod(window.reshape(N, C, -1).argmax(axis=2), width)  "
                        "# the first of equal ones\n",
                        "            most = window == window.max(axis=(2, 3), keepdims=True)\n",
                    ),
                    (
                        "dx[n, c, i * stride + row, j * stride + column] += dout[:, :, i, j]",
                        "dx[:, :, i * stride : i * stride + height, j * stride : j * stride + width] += "
                        "most * dout[:, :, i : i + 1, j : j + 1]",
                    ),
                ],
                "the gradient goes to every tie",
            ),
        ],
    ),
    "HW5: spatial_batchnorm_forward and _backward": (
        CONV,
        [
            (
                "no transpose",
                [("x.transpose(0, 2, 3, 1).reshape(-1, C), gamma", "x.reshape(-1, C), gamma")],
                "out",
            ),
        ],
    ),
    "HW5: ThreeLayerConvNet": (
        CNN,
        [
            ("no half", [("0.5 * self.reg", "self.reg")], "The penalty's half is missing"),
        ],
    ),
}

LOOPED_NET = """
import numpy as np
from math import exp, log


class TwoLayerNet(object):
    def __init__(self, input_size, hidden_size, output_size, std=1e-4):
        W1 = std * np.random.randn(hidden_size, input_size)
        self.params = dict(W1=W1, b1=np.zeros(hidden_size))
        self.params["W2"] = std * np.random.randn(output_size, hidden_size)
        self.params["b2"] = np.zeros(output_size)

    def loss(self, X, y=None, reg=0.0):
        p = self.params
        Hin = np.array([[row @ w + b for w, b in zip(p["W1"], p["b1"])] for row in X])
        Hout = Hin
        Hout[Hout < 0] = 0
        scores = np.einsum("nh,ch->nc", Hout, p["W2"]) + p["b2"]
        if y is None:
            return scores
        total, g = 0.0, {k: np.zeros_like(v) for k, v in p.items()}
        for n, k in enumerate(y):
            e = [exp(s - max(scores[n])) for s in scores[n]]
            probs = np.array(e) / sum(e)
            total -= log(probs[k])
            probs[k] -= 1
            g["W2"] += np.outer(probs, Hout[n]) / len(X)
            g["b2"] += probs / len(X)
            dh = np.where(Hin[n] > 0, p["W2"].T.dot(probs), 0.0)
            g["W1"] += np.outer(dh, X[n]) / len(X)
            g["b1"] += dh / len(X)
        g["W1"] += reg * p["W1"]
        g["W2"] = g["W2"] + reg * p["W2"]
        norms = np.linalg.norm(p["W1"], "fro") ** 2 + np.linalg.norm(p["W2"], "fro") ** 2
        return total / len(X) + reg * norms / 2, g

    def train(self, X, y, X_val, y_val, learning_rate=1e-3, learning_rate_decay=0.95, reg=1e-5, num_iters=100,
              batch_size=200, verbose=False):
        stats = {"loss_history": [], "train_acc_history": [], "val_acc_history": []}
        for it in range(num_iters):
            rows = np.random.randint(0, len(X), batch_size)
            loss, g = self.loss(X[rows], y[rows], reg)
            stats["loss_history"] += [loss]
            for k in self.params:
                self.params[k] -= learning_rate * g[k]
            if it % max(len(X) / batch_size, 1) == 0:
                stats["val_acc_history"] += [(self.predict(X_val) == y_val).mean()]
                learning_rate = learning_rate * learning_rate_decay
        return stats

    def predict(self, X):
        return [int(np.argmax(row)) for row in self.loss(X)]
"""
OTHER_LAYERS = [
    (AFFINE, "out = np.array([np.tensordot(one.ravel(), w, 1) + b for one in x])"),
    ("cache = (x, w, b)", 'cache = {"x": x.copy(), "w": w}'),
    ("x, w, _ = cache", 'x, w = cache["x"], cache["w"]'),
    (DW, 'dw = np.einsum("nd,nm->dm", x.reshape(x.shape[0], -1), dout)'),
    (OUT, "out = x * (x > 0)"),
    ("cache = x\n", "cache = out > 0\n"),
    (SLOPE, "dx = np.array(dout)\n    dx[~cache] = 0"),
]
WITHOUT_LATER = [
    ("h, bn = batchnorm_forward(h, gamma, beta, self.bn_params[i - 1])", "pass"),
    ("h, drop = dropout_forward(h, self.dropout_param)", "pass"),
    ("dh = dropout_backward(dh, drop)", "pass"),
    ('dh, grads[f"gamma{i}"], grads[f"beta{i}"] = batchnorm_backward(dh, bn)', "pass"),
]
OTHER_DROPOUT = [
    (
        "mask = ((np.random.rand(*x.shape) >= p) / (1 - p)).astype(x.dtype, copy=False)",
        "mask = np.random.binomial(1, 1 - p, x.shape) / (1 - p)",
    ),
    (
        "mean, var = x.mean(axis=0), x.var(axis=0)",
        "mean = sum(x) / len(x)\n        var = ((x - mean) ** 2).mean(axis=0)",
    ),
]
