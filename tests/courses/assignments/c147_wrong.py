"""C147: wrong solutions with the words that name them, by the check, and right ones in another style."""

NET, LAYERS, FC = "nndl/neural_net.py", "nndl/layers.py", "nndl/fc_net.py"
OPTIM, CONV, CNN, SOLVER = "nndl/optim.py", "nndl/conv_layers.py", "nndl/cnn.py", "utils/solver.py"

SHIFTED = "shifted = scores - scores.max(axis=1, keepdims=True)  # the same softmax, and exp cannot overflow"
DATA_LOSS = "data_loss = np.mean(np.log(sums) - shifted[rows, y])"
PENALTY = "0.5 * reg * (np.sum(W1 * W1) + np.sum(W2 * W2))"
W1, W2, B1 = '"W1": dz.T @ X + reg * W1', '"W2": dscores.T @ h + reg * W2', '"b1": dz.sum(axis=0)'
MASK, RELU = " * (z > 0)", "h = np.maximum(z, 0)\n"
STEP = "self.params[name] = self.params[name] - learning_rate * gradient"
DECAY = "                learning_rate *= learning_rate_decay\n"
DRAWN = "rows = np.random.choice(num_train, batch_size, replace=True)"
EPOCH = "if it % iterations_per_epoch == 0:"
TRAIN = [
    ("uphill", [(STEP, STEP.replace(" - ", " + "))], "The steps go uphill"),
    ("no decay", [(DECAY, "")], "The rate never decays"),
    (
        "decays at every step",
        [(DECAY, ""), (f"            {EPOCH}", f"            {DECAY.strip()}\n            {EPOCH}")],
        "decays at every step",
    ),
    (
        "decays before the step",
        [
            (DECAY, ""),
            (
                "            for name, gradient in grads",
                f"            {EPOCH}\n{DECAY}            for name, gradient in grads",
            ),
        ],
        "decays before the step",
    ),
    ("decays an epoch later", [(EPOCH, "if (it + 1) % iterations_per_epoch == 0:")], "it + 1 is a multiple"),
    (
        "no decay at first",
        [(EPOCH, "if it and it % iterations_per_epoch == 0:")],
        "does not decay after the first step",
    ),
    (
        "epochs rounded",
        [("max(num_train / batch_size, 1)", "max(num_train // batch_size, 1)")],
        "rounded down",
    ),
    (
        "no biases",
        [("in grads.items():\n", 'in [(n, grads[n]) for n in ("W1", "W2")]:\n')],
        "The biases stay as they are",
    ),
    (
        "one layer",
        [("in grads.items():\n", 'in [(n, grads[n]) for n in ("W2", "b2")]:\n')],
        "Only the second layer learns",
    ),
    ("without replacement", [(DRAWN, DRAWN.replace("True", "False"))], "neural_net.py, line"),
    (
        "smaller batches",
        [(DRAWN, "rows = np.random.permutation(num_train)[:batch_size]")],
        "draw with replacement",
    ),
    (
        "other classes",
        [("y_batch = X[rows], y[rows]", "y_batch = X[rows], np.random.permutation(y[rows])")],
        "do not belong together",
    ),
    ("always the same", [(DRAWN, "rows = np.arange(batch_size) % num_train")], "not drawn at random"),
    ("X centred", [(DRAWN, f"X -= 1\n            {DRAWN}")], "X was changed in place"),
    ("no history", [("        return history", "        return None")], 'a dict with "loss_history"'),
]
AFFINE, DX = "out = x.reshape(len(x), -1) @ w + b", "dx = (dout @ w.T).reshape(x.shape)"
DW, DB = "dw = x.reshape(len(x), -1).T @ dout", "    db = dout.sum(axis=0)\n"
OUT, SLOPE = "out = np.maximum(x, 0)", "dx = dout * (cache > 0)"
FIRST = 'self.params["W1"] = weight_scale * np.random.randn(input_dim, hidden_dims)'
HALF = "(0.5 * np.sum(W1 * W1) + 0.5 * np.sum(W2 * W2))"
ADDED = 'grads["W1"] += self.reg * W1\n        grads["W2"] += self.reg * W2'
DEEP = 'self.params[f"W{i}"] = weight_scale * np.random.randn(sizes[i - 1], sizes[i])'
WRONG = {
    "two-layer net: scores": (
        NET,
        [
            ("no relu", [(RELU, "h = z\n")], "There is no relu between the two layers"),
            ("relu at the end", [("h @ W2.T + b2", "np.maximum(h @ W2.T + b2, 0)")], "the scores have none"),
            ("no first bias", [("X @ W1.T + b1", "X @ W1.T")], "The first layer's bias is missing"),
            ("no second bias", [("h @ W2.T + b2", "h @ W2.T")], "The second layer's bias is missing"),
            (
                "X changed",
                [("z = X @ W1.T", "X -= X.mean()\n        z = X @ W1.T")],
                "X was changed in place",
            ),
            (
                "nothing comes back",
                [("            return scores", "            return None")],
                "is None: is a `return`",
            ),
        ],
    ),
    "two-layer net: loss": (
        NET,
        [
            ("no mean", [(DATA_LOSS, DATA_LOSS.replace("mean", "sum"))], "1/N, is missing"),
            ("mean twice", [(DATA_LOSS, DATA_LOSS + " / N")], "1/N, is taken twice"),
            ("no half", [("0.5 * reg", "reg")], "The penalty's half is missing"),
            (
                "on biases",
                [(PENALTY, PENALTY[:-1] + " + np.sum(b1 * b1) + np.sum(b2 * b2))")],
                "The penalty is on the biases, too",
            ),
            ("no penalty", [(f" + {PENALTY}", "")], "The penalty is missing"),
            ("one layer's penalty", [(" + np.sum(W2 * W2)", "")], "Only the first layer's weights"),
            ("a norm", [(PENALTY, "0.5 * reg * (np.linalg.norm(W1) + np.linalg.norm(W2))")], "its square"),
            ("overflow", [(SHIFTED, "shifted = scores")], "exp overflows"),
            (
                "one thing back",
                [("return loss, grads", "return loss")],
                "expected it to return the loss, the gradients",
            ),
        ],
    ),
    "two-layer net: gradients": (
        NET,
        [
            ("no mean", [("dscores /= N ", "dscores /= 1 ")], "1/N, is missing"),
            ("mean twice", [("dscores /= N ", "dscores /= N * N ")], "1/N, is taken twice"),
            ("no penalty", [(W1, '"W1": dz.T @ X')], "The penalty's part is missing from the gradient"),
            ("penalty doubled", [(W2, W2.replace("reg", "2 * reg"))], "The penalty's part is taken twice"),
            ("penalty halved", [(W2, W2.replace("reg", "0.5 * reg"))], "The penalty's part is halved"),
            ("bias penalized", [(B1, B1 + " + reg * b1")], "The bias has a penalty"),
            ("transposed", [(W1, '"W1": X.T @ dz + reg * W1.T')], "The transpose matches"),
            ("no mask", [(MASK, "")], "relu's mask is missing"),
            ("mask by division", [(MASK, " * (h / z)")], "At 0 it is 0 / 0"),
            (
                "in place, then divided",
                [(RELU, "h = z.copy()\n        h[h < 0] = 0\n"), (MASK, " * (h / z)")],
                "Compare instead: Hin > 0",
            ),
            ("slope 1 at 0", [(MASK, " * (z >= 0)")], "lets the gradient through at exactly 0"),
            ("no b2", [('            "b2": dscores.sum(axis=0),\n', "")], 'grads["b2"] is None'),
            ("overflow", [(SHIFTED, "shifted = scores")], "NaN or infinite"),
            (
                "y changed",
                [("dscores /= N ", "y += 0 * y + 1\n        dscores /= N ")],
                "y was changed in place",
            ),
        ],
    ),
    "two-layer net: training": (NET, TRAIN),
    "two-layer net: predict": (
        NET,
        [
            ("smallest", [("argmax(axis=1)", "argmin(axis=1)")], "the class with the smallest score"),
            ("other axis", [("argmax(axis=1)", "argmax(axis=0)")], "expected shape (40,), got (4,)"),
        ],
    ),
    "affine_forward": (
        LAYERS,
        [
            ("no bias", [(AFFINE, AFFINE[:-4])], "The bias is missing"),
            ("another order", [(AFFINE, AFFINE.replace("-1)", '-1, order="F")'))], "read in another order"),
            ("x flattened in place", [(AFFINE, f"x *= 2\n    {AFFINE}")], "x was changed in place"),
            (
                "no cache",
                [
                    (
                        "    return out, cache\n\n\ndef affine_backward",
                        "    return out\n\n\ndef affine_backward",
                    )
                ],
                "return out, cache",
            ),
        ],
    ),
    "affine_backward": (
        LAYERS,
        [
            ("dx flat", [(DX, "dx = dout @ w.T")], "Reshaped, it matches"),
            ("dw a mean", [(DW, DW + " / len(x)")], "dout has it already"),
            ("db a mean", [(DB, DB.replace("sum", "mean"))], "dout has it already"),
            ("db not summed", [(DB, DB.replace(".sum(axis=0)", ""))], "is the sum over the batch missing"),
            ("dw transposed", [(DW, "dw = dout.T @ x.reshape(len(x), -1)")], "Its transpose matches"),
            (
                "order",
                [("return dx, dw, db\n\n\ndef relu", "return dw, dx, db\n\n\ndef relu")],
                "expected shape",
            ),
        ],
    ),
    "relu_forward": (
        LAYERS,
        [
            ("in place", [(OUT, "x[x < 0] = 0\n    out = x")], "x was changed in place"),
            ("absolute", [(OUT, "out = np.abs(x)")], "the absolute value"),
            ("division", [(OUT, "out = x * (np.abs(x) / x > 0) / (x / x)")], "NaN or infinite"),
        ],
    ),
    "relu_backward": (
        LAYERS,
        [
            ("no mask", [(SLOPE, "dx = dout")], "relu's mask is missing"),
            (
                "division",
                [(SLOPE, "dx = dout * (np.maximum(cache, 0) / cache)")],
                "Is relu's mask a division",
            ),
            ("slope 1 at 0", [(SLOPE, SLOPE.replace(">", ">="))], "lets the gradient through at exactly 0"),
            ("mask of dout", [(SLOPE, "dx = dout * (dout > 0)")], "that of the gradient"),
            ("dout changed", [(SLOPE, "dout[cache <= 0] = 0\n    dx = dout")], "dout was changed in place"),
        ],
    ),
    "TwoLayerNet of layers: initialization": (
        FC,
        [
            ("no scale", [(FIRST, FIRST.replace("weight_scale * ", ""))], "Is weight_scale left out"),
            (
                "turned",
                [(FIRST, FIRST.replace("input_dim, hidden_dims", "hidden_dims, input_dim"))],
                "It is the transpose",
            ),
            ("another key", [(FIRST, FIRST.replace('"W1"', '"w1"'))], "expected the keys W1, W2, b1, b2"),
            ("random biases", [("np.zeros(num_classes)", "np.random.randn(num_classes)")], "are wrong"),
        ],
    ),
    "TwoLayerNet of layers: scores, loss, gradients": (
        FC,
        [
            ("no half", [(HALF, "(np.sum(W1 * W1) + np.sum(W2 * W2))")], "The penalty's half is missing"),
            (
                "no penalty in the gradient",
                [(ADDED, "pass")],
                "The penalty's part is missing from the gradient",
            ),
            (
                "relu at the end",
                [
                    (
                        "        if y is None:\n            return scores",
                        "        if y is None:\n            return np.maximum(scores, 0)",
                    )
                ],
                "the scores have none",
            ),
        ],
    ),
    "FullyConnectedNet: initialization": (
        FC,
        [
            ("no scale", [(DEEP, DEEP.replace("weight_scale * ", ""))], "Is weight_scale left out"),
            (
                "last layer missing",
                [
                    (
                        "range(1, self.num_layers + 1):\n            self",
                        "range(1, self.num_layers):\n            self",
                    )
                ],
                "expected the keys",
            ),
        ],
    ),
    "FullyConnectedNet: scores, loss, gradients": (
        FC,
        [
            (
                "no half",
                [("0.5 * self.reg * np.sum(W * W)", "self.reg * np.sum(W * W)")],
                "The penalty's half is missing",
            ),
            ("last layer without", [("for i in range(1, L + 1):", "for i in range(1, L):")], "is wrong"),
            (
                "no penalty in the gradient",
                [('grads[f"W{i}"] += self.reg * W', "pass")],
                "The penalty's part is missing from the gradient",
            ),
            ("no mask", [("dh = relu_backward(dh, relu)", "pass")], "relu's mask is missing"),
            ("no relu", [("h, relu = relu_forward(h)", "relu = np.maximum(h, 0)")], "are wrong"),
        ],
    ),
    "FullyConnectedNet: trained by the Solver": (
        SOLVER,
        [
            ("uphill", [("self._rule(w, grads[name]", "self._rule(w, -grads[name]")], "by heart"),
        ],
    ),
}
