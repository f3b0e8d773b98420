"""clearprop export: runs and files to ONNX, and ONNX to safetensors."""

import numpy as np
import pytest

import clearprop as cp
from clearprop.data import load
from clearprop.runs.folder import RunFolder

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
    import onnx

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
    model = onnx.load(home / "net.onnx")
    assert model.opset_import[0].version == 17
    assert [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim] == [4, 2, 6, 5]
    assert model.graph.output[0].name == "probabilities"


def test_a_run(clearprop, home):
    clearprop("train", "iris", "--set", "training.epochs=1")
    said = clearprop("export", "iris", "iris.onnx").out
    assert said.splitlines()[1:] == [
        "It takes scaled numbers: feed (x - shift) / scale, both in",
        "experiments/iris/preprocessing.json, or export it with --scaling.",
    ]
    said = clearprop("export", "iris", "net.safetensors").out
    assert said.splitlines()[1:][-1] == "experiments/iris/preprocessing.json."
    run = cp.load(home / "experiments" / "iris" / "weights.safetensors")
    np.testing.assert_array_equal(cp.from_onnx(home / "iris.onnx").params, run.params)


def test_a_run_that_scales_itself(clearprop, home):
    """onnxruntime on the numbers of the data says what the run says."""
    import onnxruntime

    clearprop("train", "iris", "--set", "training.epochs=5")
    assert len(clearprop("export", "iris", "raw.onnx", "--scaling").out.splitlines()) == 1
    x = load("iris").train.x.astype(np.float32)
    (scores,) = onnxruntime.InferenceSession(home / "raw.onnx").run(None, {"x": x})
    run = RunFolder(home / "experiments" / "iris")
    model, preprocessing = run.load_model(), run.read_preprocessing()
    np.testing.assert_allclose(scores, model.scores(preprocessing.apply(x)), rtol=1e-5, atol=1e-5)
    assert np.abs(scores - model.scores(x)).max() > 1
    with pytest.raises(cp.DataError, match="Scale inputs before the network"):
        cp.from_onnx(home / "raw.onnx")


def test_nothing_is_replaced_unless_asked(clearprop, net, home):
    (home / "net.onnx").write_text("mine")
    refusal = clearprop("export", "net.safetensors", "net.onnx", code=2).err
    assert refusal == "error: net.onnx: exists. Choose another name, or replace it with --overwrite.\n"
    assert (home / "net.onnx").read_text() == "mine"
    clearprop("export", "net.safetensors", "net.onnx", "--opset", 3, "--overwrite", code=2)
    assert (home / "net.onnx").read_text() == "mine"
    clearprop("export", "net.safetensors", "net.onnx", "--overwrite")
    np.testing.assert_array_equal(cp.from_onnx(home / "net.onnx").params, net.params)


def test_overwriting_replaces_networks_only(clearprop, net, home):
    """Weights of PyTorch have the same ending, and there may be no other copy."""
    from safetensors.numpy import save_file

    path = home / "other.safetensors"
    cp.Sequential([cp.Dense(2)], input_shape=(3,)).save(path)
    clearprop("export", "net.safetensors", path.name, code=2)
    clearprop("export", "net.safetensors", path.name, "--overwrite")
    np.testing.assert_array_equal(cp.load(path).params, net.params)
    save_file({"fc.weight": net.params}, path)
    before = path.read_bytes()
    refusal = clearprop("export", "net.safetensors", path.name, "--overwrite", code=2).err
    assert " ".join(refusal.split()) == (
        "error: other.safetensors: what lies there is no network that model.save wrote, so it is not replaced. "
        "Remove it, or choose another name."
    )
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["net.safetensors", "net.pt"],
            "export: expected a file that ends in .onnx or .safetensors, got net.pt.",
        ),
        (
            ["net.safetensors", "net.onnx", "--scaling"],
            "--scaling: expected a run that was trained on scaled numbers, and a file .onnx, got net.safetensors",
        ),
        (
            ["nowhere.onnx", "other.safetensors"],
            "nowhere.onnx: could not be read (No such file or directory).",
        ),
        (
            ["nowhere.safetensors", "net.onnx"],
            "nowhere.safetensors: could not be read (No such file or directory).",
        ),
        (["iris", "net.onnx"], "iris"),
        (["cnn.pt", "net.onnx"], "It looks like a file of torch.save, a pickle"),
        (["net.h5", "net.onnx"], "net.h5: expected a run, or a network in a .safetensors or .onnx file."),
        (["net.safetensors", "no/net.onnx"], "Make its folder first."),
    ],
)
def test_refusals(clearprop, net, home, words, sentence):
    for name in ("cnn.pt", "net.h5"):
        (home / name).write_bytes(b"PK")
    assert sentence in clearprop("export", *words, code=2).err
