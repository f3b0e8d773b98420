"""Wrong solutions of CS 189: what is written instead of what, the check that has to fail, and words of its report."""

from typing import NamedTuple

A, D, L, M = (f"neural_networks/{name}.py" for name in ("activations", "layers", "losses", "models"))


class Wrong(NamedTuple):
    """A planted mistake."""

    name: str
    file: str
    old: str
    new: str
    check: str
    words: str


RELU = "return np.maximum(Z, 0.0)"
SHIFTED = "np.exp(Z - Z.max(axis=-1, keepdims=True))"
SOFTMAX_BACK = "return Y * (dY - (dY * Y).sum(axis=-1, keepdims=True))"
CE = "return float(-np.sum(Y * np.log(np.maximum(Y_hat, self.TINY))) / len(Y))"
CE_BACK = "return -Y / np.maximum(Y_hat, self.TINY) / len(Y)"
DENSE_DW = 'self.gradients["W"] = self.cache["X"].T @ dZ\n        self.gradients["b"]'
DENSE_DB = 'self.gradients["b"] = dZ.sum(axis=0, keepdims=True)\n        return dZ @ self'
DENSE_DZ = (
    'dZ = self.activation.backward(self.cache["Z"], dLdY)  # (m, n_out)\n'
    '        self.gradients["W"] = self.cache["X"]'
)
DENSE_W = "W, b = self.init_weights((self.n_in, self.n_out))"
CONV_PAD = "X_pad, _ = pad2d(X, self.pad, self.kernel_shape)"
ELMAN_DZ = 'dZ = self.activation.backward(self.cache["Z"][t], ds)  # (m, n_out)'
CONV_DZ = 'dZ = self.activation.backward(self.cache["Z"], dLdY)\n        rows, cols'
POOL_ADD = "dX_pad[:, i : i + s * rows : s, j : j + s * cols : s] += dLdY * share"
WINNER = "share = 1 / (kh * kw) if self.arg_pool_fn is None else winner == i * kw + j"

WRONG = (
    Wrong("relu in place", A, RELU, "Z[Z < 0] = 0\n        return Z", "TestReLU.test_forward", "changed in place"),
    Wrong("relu absolute", A, RELU, "return np.abs(Z)", "TestReLU.test_forward", "It is |Z|"),
    Wrong("relu mask of dY", A, "return dY * (Z > 0)", "return dY * (dY > 0)", "TestReLU.test_backward",
          "Z that decides"),
    Wrong("relu without dY", A, "return dY * (Z > 0)", "return 1.0 * (Z > 0)", "TestReLU.test_backward",
          "dY is not used"),
    Wrong("relu dY in place", A, "return dY * (Z > 0)", "dY[Z <= 0] = 0\n        return dY", "TestReLU.test_backward",
          "dY was changed in place"),
    Wrong("sigmoid of Z", A, "return dY * Y * (1.0 - Y)", "return dY * Z * (1.0 - Z)", "TestSigmoid.test_backward",
          "It is Z (1 − Z)"),
    Wrong("softmax overflows", A, SHIFTED, "np.exp(Z)", "SoftMax at scores",
          "Subtract the largest score of each row"),
    Wrong("softmax shifted by one number", A, SHIFTED, "np.exp(Z - Z.max())", "SoftMax at scores", "of each row"),
    Wrong("softmax over the batch", A, "exponentials / exponentials.sum(axis=-1, keepdims=True)",
          "np.exp(Z) / np.exp(Z).sum(axis=0)", "TestSoftMax.test_forward", "sum runs over the batch"),
    Wrong("softmax diagonal", A, SOFTMAX_BACK, "return dY * Y * (1 - Y)", "TestSoftMax.test_backward",
          "Only the Jacobian's diagonal"),
    Wrong("softmax first part", A, SOFTMAX_BACK, "return dY * Y", "TestSoftMax.test_backward",
          "second part is missing"),
    Wrong("softmax wrong axis", A, SOFTMAX_BACK, "return Y * (dY - (dY * Y).sum(axis=0, keepdims=True))",
          "TestSoftMax.test_backward", "runs over the batch"),
    Wrong("1/N missing in the loss", L, CE_BACK, "return -Y / np.maximum(Y_hat, self.TINY)",
          "TestCrossEntropy.test_backward", "1/N, is missing"),
    Wrong("1/N missing in the loss's value", L, CE, CE.replace(" / len(Y)", ""), "TestCrossEntropy.test_forward",
          "1/N, is missing"),
    Wrong("1/N twice in the loss", L, CE_BACK, CE_BACK + " / len(Y)", "TestCrossEntropy.test_backward", "too often"),
    Wrong("1/N again in the layer", D, DENSE_DW, DENSE_DW.replace("@ dZ", "@ dZ / len(dZ)"),
          "TestFullyConnected.test_backward", "too often"),
    Wrong("mean over classes, too", L, CE, "return float(-np.mean(Y * np.log(Y_hat)))",
          "TestCrossEntropy.test_forward",
          "divided by m·k"),
    Wrong("softmax's gradient in the loss", L, CE_BACK, "return (Y_hat - Y) / len(Y)",
          "TestCrossEntropy.test_backward",
          "softmax and loss together"),
    Wrong("logarithm to the base 2", L, CE, CE.replace("np.log(", "np.log2("), "TestCrossEntropy.test_forward",
          "base 2"),
    Wrong("no floor under a probability", L, CE, CE.replace("np.maximum(Y_hat, self.TINY)", "Y_hat"),
          "TestCrossEntropy.test_forward", "Put a small floor under Y_hat"),
    Wrong("L2 of the other edition", L, "return 2 * len(Y) if self.half else len(Y)", "return len(Y)",
          "TestL2.test_backward", "factor 1/2 is missing"),
    Wrong("dense dW transposed", D,
          DENSE_DW, DENSE_DW.replace('self.cache["X"].T @ dZ', '(self.cache["X"].T @ dZ).T'),
          "TestFullyConnected.test_backward", "transpose matches"),
    Wrong("dense db not summed", D, DENSE_DB, DENSE_DB.replace("dZ.sum(axis=0, keepdims=True)", "dZ"),
          "TestFullyConnected.test_backward", "sum over the batch, axis 0, is missing"),
    Wrong("dense without slope", D,
          DENSE_DZ, DENSE_DZ.replace('self.activation.backward(self.cache["Z"], dLdY)', "dLdY"),
          "TestFullyConnected.test_backward", "σ′ is missing"),
    Wrong("dense slope at the output", D, DENSE_DZ,
          DENSE_DZ.replace('self.cache["Z"], dLdY', 'self.activation(self.cache["Z"]), dLdY'),
          "TestFullyConnected.test_backward", "taken at the output"),
    Wrong("dense without bias", D, 'Z = X @ self.parameters["W"] + self.parameters["b"]\n        self.cache["Z"], ',
          'Z = X @ self.parameters["W"]\n        self.cache["Z"], ', "TestFullyConnected.test_forward",
          "bias is missing"),
    Wrong("dense W transposed", D, DENSE_W, DENSE_W.replace("n_in, self.n_out", "n_out, self.n_in"),
          "TestFullyConnected.test_init", "It is transposed"),
    Wrong("conv flipped", D, "rows, cols) @ W[i, j]\n", "rows, cols) @ W[-1 - i, -1 - j]\n",
          "TestConv2D.test_forward",
          "kernel is flipped"),
    Wrong("conv padded on one side", D, CONV_PAD,
          "X_pad = np.pad(X, ((0, 0), (2 * self.pad[0], 0), (2 * self.pad[1], 0), (0, 0)))",
          "TestConv2D.test_forward", "above and on the left"),
    Wrong("conv padded on the other side", D, CONV_PAD,
          "X_pad = np.pad(X, ((0, 0), (0, 2 * self.pad[0]), (0, 2 * self.pad[1]), (0, 0)))",
          "TestConv2D.test_forward", "below and on the right"),
    Wrong("conv without activation", D,
          "return self.activation(Z)\n\n    def backward(self, dLdY: np.ndarray) -> np.ndarray:\n"
          '        """dLdY (m, OH, OW, n_out)', "return Z\n\n    def backward(self, dLdY: np.ndarray) -> np.ndarray:\n"
          '        """dLdY (m, OH, OW, n_out)', "TestConv2D.test_forward", "activation is missing"),
    Wrong("conv dW flipped",
          D, 'self.gradients["W"] = dW\n        self.gradients["b"] = dZ.sum(axis=(0, 1, 2))[None]',
          'self.gradients["W"] = dW[::-1, ::-1]\n        self.gradients["b"] = dZ.sum(axis=(0, 1, 2))[None]',
          "TestConv2D.test_backward", "kernel is flipped"),
    Wrong("conv db of each image", D, "dZ.sum(axis=(0, 1, 2))[None]", "dZ.sum(axis=(1, 2))",
          "TestConv2D.test_backward",
          "sum over the batch, axis 0, is missing"),
    Wrong("conv dX flipped", D, "+= dZ @ W[i, j].T", "+= dZ @ W[-1 - i, -1 - j].T", "TestConv2D.test_backward",
          "kernel is flipped"),
    Wrong("conv dX with padding", D, "return dX_pad[:, p : p + X.shape[1], q : q + X.shape[2]]", "return dX_pad",
          "TestConv2D.test_backward", "padding is still there"),
    Wrong("conv dX cut on one side", D, "return dX_pad[:, p : p + X.shape[1], q : q + X.shape[2]]",
          "return dX_pad[:, : X.shape[1], : X.shape[2]]", "TestConv2D.test_backward", "cut off on one side"),
    Wrong("conv dX without stride", D, "self._under(dX_pad, i, j, rows, cols)[...] += ",
          "dX_pad[:, i : i + rows, j : j + cols] += ", "TestConv2D.test_backward", "stride is ignored"),
    Wrong("conv without slope", D, CONV_DZ, "dZ = dLdY\n        rows, cols", "TestConv2D.test_backward",
          "σ′ is missing"),
    Wrong("pool over channels", D, "return self.pool_fn(windows, axis=(-2, -1))",
          "return self.pool_fn(windows, axis=(-3, -2, -1))[..., None] + np.zeros(X.shape[3])",
          "TestPool2D.test_forward", "over the channels"),
    Wrong("pool divided by kh", D, "return self.pool_fn(windows, axis=(-2, -1))",
          "pooled = self.pool_fn(windows, axis=(-2, -1))\n"
          '        return pooled if self.mode == "max" else pooled * self.kernel_shape[1]',
          "TestPool2D.test_forward", "wrong count, kh"),
    Wrong("pool padding not counted", D, "return self.pool_fn(windows, axis=(-2, -1))",
          "pooled = self.pool_fn(windows, axis=(-2, -1))\n"
          "        ones, _ = pad2d(np.ones_like(X), self.pad, self.kernel_shape)\n"
          '        return pooled if self.mode == "max" else pooled / self._windows(ones).mean(axis=(-2, -1))',
          "TestPool2D.test_forward", "the padding's zeros among them"),
    Wrong("pool to every tie", D, WINNER, WINNER.replace("winner == i * kw + j",
          "windows[..., i, j] == windows.max(axis=(-2, -1))"), "TestPool2D.test_backward", "equals the maximum"),
    Wrong("pool argmax taken apart wrongly", D, WINNER, WINNER.replace("winner == i * kw + j",
          "(winner % kh == i) & (winner // kh == j)"), "TestPool2D.test_backward", "kw to a row"),
    Wrong("pool overwritten", D, POOL_ADD, POOL_ADD.replace("+=", "="), "TestPool2D.test_backward", "overwrites"),
    Wrong("pool stride ignored in backward", D, POOL_ADD, "dX_pad[:, i : i + rows, j : j + cols] += dLdY * share",
          "TestPool2D.test_backward", "stride is ignored"),
    Wrong("pool average not divided in backward", D, WINNER, WINNER.replace("1 / (kh * kw)", "1.0"),
          "TestPool2D.test_backward", "not divided by the number of places"),
    Wrong("elman without slope", D, ELMAN_DZ, "dZ = ds", "Elman.backward", "σ′ is missing"),
    Wrong("elman without slope in the recurrence", D, "ds = dZ @ U.T", "ds = ds @ U.T", "Elman.backward",
          "σ′ is forgotten in the recurrence"),
    Wrong("elman slope at the last time", D, ELMAN_DZ,
          'dZ = self.activation.backward(self.cache["Z"][t], ds) if ds is dLdY else ds', "Elman.backward",
          "at the last time alone"),
    Wrong("elman last step alone", D, "ds = dZ @ U.T", "ds = np.zeros_like(ds)", "Elman.backward",
          "Only the last time"),
    Wrong("elman U not transposed", D, "ds = dZ @ U.T", "ds = dZ @ U", "Elman.backward", "U is not transposed"),
    Wrong("elman overwritten",
          D, 'dW += self.cache["X"][t].T @ dZ', 'dW = self.cache["X"][t].T @ dZ', "Elman.backward",
          "overwrites the one before"),
    Wrong("elman state after the step",
          D, 'dU += self.cache["s"][t].T', 'dU += self.cache["s"][t + 1].T', "Elman.backward",
          "state after the step"),
    Wrong("elman backwards list", D, "return dX[::-1]", "return dX", "Elman.backward", "begins with the last time"),
    Wrong("elman 1/N in the layer", D, "db += dZ.sum(axis=0, keepdims=True)", "db += dZ.mean(axis=0, keepdims=True)",
          "Elman.backward", "too often"),
    Wrong("elman state goes on", D, "        self._init_cache(X.shape)\n        for t", "        for t",
          "Elman.forward",
          "has to begin with zeros"),
    Wrong("elman without state", D, ' + self.cache["s"][-1] @ self.parameters["U"]', "", "Elman.forward",
          "s U is missing"),
    Wrong("elman begins anew in each step", D, 'self.cache["s"][-1] @ self.parameters["U"]',
          'self.cache["s"][0] @ self.parameters["U"]', "Elman.forward_step", "state of zeros"),
    Wrong("model passes X on", M, "            X = layer.forward(X)\n        return X",
          "            out = layer.forward(X)\n        return out", "NeuralNetwork.forward",
          "Each layer gets the network's X"),
    Wrong("model from the first to the last", M, "for layer in reversed(self.layers):", "for layer in self.layers:",
          "NeuralNetwork.backward", "from the first to the last"),
    Wrong("model's loss turned around", M, "self.loss.backward(target, out)", "self.loss.backward(out, target)",
          "NeuralNetwork.backward", "in each other's place"),
    Wrong("model hands on nothing", M, "            gradient = layer.backward(gradient)",
          "            layer.backward(gradient)",
          "NeuralNetwork.backward", "Every layer gets the loss's gradient"),
    Wrong("model without a loss", M, "        return loss\n", "", "NeuralNetwork.backward", "is None"),
    Wrong("predict gives classes", M, "return Y_hat, self.loss.forward(Y, Y_hat)",
          "return Y_hat.argmax(axis=1), self.loss.forward(Y, Y_hat)", "NeuralNetwork.predict",
          "not the class's number"),
    Wrong("the gradient goes up", L, CE_BACK, CE_BACK.replace("-Y", "Y"), "Iris", "does not learn"),
)  # fmt: skip
