"""`clearprop doctor`: a run, a preset, a file; its exit codes; what it refuses."""

from pathlib import Path

import numpy as np


def test_a_preset_before_training(clearprop):
    out = clearprop("doctor", "iris").out
    assert out.startswith("Diagnosis of iris, before training: an untrained network of 203 parameters")
    assert "Nothing serious found" in out
    assert max(map(len, out.splitlines())) <= 80
    assert not Path("experiments").exists()


def test_a_serious_finding_exits_with_1(clearprop):
    out = clearprop("doctor", "iris", "--set", "optimizer.lr=1e-6", code=1).out
    assert "SERIOUS  Learning rate too low" in out


def test_a_run_with_its_history(clearprop):
    clearprop("train", "iris", "--set", "training.epochs=30")
    before = {path: path.read_bytes() for path in Path("experiments").rglob("*") if path.is_file()}
    out = clearprop("doctor", "iris").out
    assert out.startswith("Diagnosis of experiments/iris, a trained network")
    assert "Nothing serious found" in out
    assert clearprop("doctor", "experiments/iris").out == out
    assert {path: path.read_bytes() for path in Path("experiments").rglob("*") if path.is_file()} == before


def test_a_run_that_diverged(clearprop):
    clearprop("train", "iris", "--set", "optimizer.lr=1e39", "--name", "hot", code=2)
    out = clearprop("doctor", "hot", code=1).out
    assert "as it began" in out
    assert "At step 2 (epoch 1): the loss became nan" in " ".join(out.split())
    assert "Learning rate too high" in out


def test_a_file_of_ones_own(clearprop):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((100, 2)) * [1, 5000]
    np.savetxt("mine.csv", np.column_stack([x, x[:, 0] > 0]), delimiter=",", fmt="%g")
    Path("mine.toml").write_text(
        '[data]\nfile = "mine.csv"\n[model]\nlayers = [{type = "Dense", units = 8, activation = "relu"}, '
        '{type = "Dense", units = 2}]\n[training]\nepochs = 1\nbatch_size = 10\n'
    )
    out = clearprop("doctor", "mine.toml", code=1).out
    assert "SERIOUS  Data not standardized" in out


def test_what_is_neither_run_nor_preset_is_refused(clearprop):
    err = clearprop("doctor", "irsi", code=2).err
    assert "unknown run or preset 'irsi'. Did you mean 'iris'?" in err
    clearprop("train", "iris", "--set", "training.epochs=1")
    Path("experiments/iris/weights.safetensors").write_bytes(b"broken")
    assert "weights.safetensors" in clearprop("doctor", "iris", code=2).err


def test_a_run_is_not_changed_by_set(clearprop):
    clearprop("train", "iris", "--name", "mine", "--set", "training.epochs=1")
    err = clearprop("doctor", "mine", "--set", "optimizer.lr=1", code=2).err
    assert "--set changes a preset or a file, and mine is a run" in err
    assert "Leave it out, or give experiments/mine/config.toml." in err
    assert (
        "before training"
        in clearprop("doctor", "experiments/mine/config.toml", "--set", "seed=1", code=None).out
    )
