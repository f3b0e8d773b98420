"""Which operators are tried, how many of their cases must run, and which cases stand outside what we offer, and why."""

from typing import NamedTuple


class Operator(NamedTuple):
    module: str  # the file of onnx.backend.test.case.node that makes its cases
    runs: int  # so many cases run, or more with a newer onnx


OPERATORS = {
    "Atan": Operator("atan", 2),
    "AveragePool": Operator("averagepool", 15),
    "BatchNormalization": Operator("batch_normalization", 9),
    "Conv": Operator("conv", 26),
    "ConvTranspose": Operator("convtranspose", 13),
    "Dropout": Operator("dropout", 12),
    "Elu": Operator("elu", 4),
    "Erf": Operator("erf", 1),
    "GRU": Operator("gru", 6),
    "Gelu": Operator("gelu", 4),
    "Gemm": Operator("gemm", 11),
    "GlobalAveragePool": Operator("globalaveragepool", 2),
    "GlobalMaxPool": Operator("globalmaxpool", 2),
    "GroupNormalization": Operator("groupnormalization", 2),
    "Identity": Operator("identity", 1),
    "InstanceNormalization": Operator("instance_normalization", 3),
    "LSTM": Operator("lstm", 5),
    "LayerNormalization": Operator("layernormalization", 19),
    "LeakyRelu": Operator("leakyrelu", 5),
    "LogSoftmax": Operator("logsoftmax", 10),
    "MaxPool": Operator("maxpool", 20),
    "NegativeLogLikelihoodLoss": Operator("negativeloglikelihoodloss", 18),
    "RNN": Operator("rnn", 6),
    "Relu": Operator("relu", 2),
    "Sigmoid": Operator("sigmoid", 3),
    "Softmax": Operator("softmax", 10),
    "SoftmaxCrossEntropyLoss": Operator("softmax_cross_entropy_loss", 34),
    "Softplus": Operator("softplus", 3),
    "Swish": Operator("swish", 1),
    "Tanh": Operator("tanh", 3),
}

THREE_AXES = "three axes of space; ours have one or two"

OUT_OF_SCOPE = {
    "test_AvgPool3d*": THREE_AXES,
    "test_Conv3d*": THREE_AXES,
    "test_MaxPool3d*": THREE_AXES,
    "test_averagepool_2d_dilations": "a mean over places that lie apart; our mean pooling has no dilation",
    "test_averagepool_3d*": THREE_AXES,
    "test_convtranspose_3d": THREE_AXES,
    "test_gemm_default_matrix_bias": "a bias for each example; ours is one number for each output",
    "test_identity_opt": "an optional value, not an array",
    "test_identity_sequence": "a sequence of arrays",
    "test_lstm_with_peepholes": "gates that look at the cell, too; ours look at the input and the state",
    "test_maxpool_2d_uint8": "integers of 8 bits; our arrays are float32 or float64",
    "test_maxpool_3d*": THREE_AXES,
}

NOT_COMPARED = {  # (operator, number of the output)
    ("LayerNormalization", 1): "the mean: the kernel keeps the normalized x and 1 / std, which are compared",
    ("MaxPool", 1): "where each maximum was: the kernel finds it again from x and y when it goes backward",
}

# What onnx expects here is written with four decimals: the case's own, wider tolerance applies.
ROUNDED = ["test_averagepool_2d_ceil_last_window_starts_on_pad"]
