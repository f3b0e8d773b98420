"""clearprop export: runs and files to ONNX, and ONNX to safetensors."""

import numpy as np
import pytest

import clearprop as cp

pytest.importorskip("onnx")


@pytest.fixture
def net(home):
    model = cp.Sequential([cp.Conv2D(2, 3), cp.Flatten(), cp.Dense(3)], input_shape=(6, 5, 2), seed=1)
    model.save(home / "net.safetensors")
    return model


def test_there_and_back(clearprop, net, home):
    said = clearprop("export", "net.safetensors", "net.onnx").out
    assert said == "net.onnx: x (N, 6, 5, 2) -> (N, 3), 3 layers, 113 parameters, float32\n"
    said = clearprop("export", "net.onnx", "back.safetensors").out
    assert said == "back.safetensors: x (N, 6, 5, 2) -> (N, 3), 3 layers, 113 parameters, float32\n"
    np.testing.assert_array_equal(cp.load(home / "back.safetensors").params, net.params)


OPTIONS = ("--opset", 17, "--batch", 4, "--layout", "NCHW", "--output", "probabilities")


def test_options(clearprop, net, home):
    from onnx import load

    clearprop(
        "export",
        "net.safetensors",
        "net.onnx",
        "--opset",
        17,
        "--batch",
        4,
        "--layout",
        "NCHW",
        "--output",
        "probabilities",
    )
    model = load(home / "net.onnx")
    assert model.opset_import[0].version == 17
    assert [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim] == [4, 2, 6, 5]
    assert model.graph.output[0].name == "probabilities"


def test_a_run(clearprop, home):
    clearprop("train", "iris", "--set", "training.epochs=1")
    said = clearprop("export", "iris", "iris.onnx").out
    assert said.splitlines()[1] == "x is scaled as in training; the run's preprocessing.json says how."
    run = cp.load(home / "experiments" / "iris" / "weights.safetensors")
    np.testing.assert_array_equal(cp.from_onnx(home / "iris.onnx").params, run.params)


def test_nothing_is_replaced_unless_asked(clearprop, net, home):
    (home / "net.onnx").write_text("mine")
    refusal = clearprop("export", "net.safetensors", "net.onnx", code=2).err
    assert refusal == "error: net.onnx: exists. Choose another name, or replace it with --overwrite.\n"
    assert (home / "net.onnx").read_text() == "mine"
    clearprop("export", "net.safetensors", "net.onnx", "--opset", 3, "--overwrite", code=2)
    assert (home / "net.onnx").read_text() == "mine"
    clearprop("export", "net.safetensors", "net.onnx", "--overwrite")
    np.testing.assert_array_equal(cp.from_onnx(home / "net.onnx").params, net.params)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["net.safetensors", "net.pt"],
            "export: expected a file that ends in .onnx or .safetensors, got net.pt.",
        ),
        (
            ["nowhere.onnx", "other.safetensors"],
            "nowhere.onnx: could not be read (No such file or directory).",
        ),
        (["nowhere.safetensors", "net.onnx"], "nowhere.safetensors: no such file."),
        (["iris", "net.onnx"], "iris"),
        (["net.safetensors", "no/net.onnx"], "Make its folder first."),
    ],
)
def test_refusals(clearprop, net, words, sentence):
    assert sentence in clearprop("export", *words, code=2).err
