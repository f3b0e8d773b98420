"""`clearprop explain`: a preset before training, a run after it, in four forms; nothing of them changes."""

from collections.abc import Callable
from pathlib import Path
from shutil import rmtree

import numpy as np
import pytest

import clearprop as cp
from clearprop.cli.explain import _start as start_of
from clearprop.cli.explain import _step as step_of
from clearprop.lens.document.as_text import columns
from clearprop.runs.checkpoint import latest, load_state
from clearprop.runs.folder import find_run
from clearprop.runs.prepare import prepare
from clearprop.runs.run import build

BATCH_NORM = '{ type = "Dense", units = 6 }, { type = "BatchNorm" }, { type = "Activation", name = "relu" },'


def files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_file_before_training(clearprop: Callable, small: Path) -> None:
    said = clearprop("explain", small, "--example", "2").out
    assert said.startswith("small, before training: one training step on example 2\n=====")
    assert max(columns(line) for line in said.splitlines()) <= 80
    for words in (
        "Layer 0, Dense(10)", "Layer 2, Dropout(0.2)", "y = x ⊙ m", "Softmax cross entropy",
        "Back through layer 0, Dense(10)", "Adam", "The network itself has not changed.",
    ):  # fmt: skip
        assert words in " ".join(said.split())
    assert not Path("experiments").exists()
    assert clearprop("explain", small, "--example", "2").out == said
    assert clearprop("explain", small, "--example", "3").out != said


def test_a_preset_by_its_name(clearprop: Callable) -> None:
    said = clearprop("explain", "iris", "--unit", "2").out
    assert said.startswith("iris, before training")
    assert "clipping by norm" in said.lower()
    assert "y[0,2] = " in said


def test_a_run_after_training(clearprop: Callable, small: Path, home: Path) -> None:
    clearprop("train", small, "--name", "iris")
    before = files(home / "experiments")
    said = clearprop("explain", "iris").out
    assert said.startswith(
        "The run experiments/iris: one training step on example 0"
    )  # not the preset of the name
    assert said.partition("Forward")[2] != clearprop("explain", small).out.partition("Forward")[2]
    assert files(home / "experiments") == before
    clearprop("explain", "experiments/iris", "--out", "run.html")
    assert "The run experiments/iris" in Path("run.html").read_text(encoding="utf-8")


def test_its_forms(clearprop: Callable, small: Path) -> None:
    starts = {
        "markdown": "# small, before",
        "latex": "\\documentclass",
        "html": "<!DOCTYPE html>",
        "text": "small, before",
    }
    for form, start in starts.items():
        assert clearprop("explain", small, "--format", form).out.startswith(start)
    for name, form in (("a.md", "markdown"), ("a.tex", "latex"), ("a.html", "html"), ("a.txt", "text")):
        assert clearprop("explain", small, "--out", name).out == f"{name}\n"
        assert Path(name).read_text(encoding="utf-8").startswith(starts[form])
    clearprop("explain", small, "--out", "b.md", "--format", "text")
    assert Path("b.md").read_text(encoding="utf-8").startswith(starts["text"])


def test_no_file_is_lost(clearprop: Callable, small: Path) -> None:
    before = small.read_text()
    for out, sentence in (
        (small, "expected a name that ends in .txt, .md, .tex, .html"),
        ("page.html", "page.html: exists. Choose another name, or replace it with --overwrite"),
    ):
        Path("page.html").write_text("mine")
        said = clearprop("explain", small, "--out", out, code=2)
        assert sentence in " ".join(said.err.split())
        assert Path("page.html").read_text() == "mine"
    assert small.read_text() == before
    clearprop("explain", small, "--out", small, "--format", "text", code=2)
    assert small.read_text() == before
    clearprop("explain", small, "--out", "page.html", "--overwrite")
    assert Path("page.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_a_unit_that_no_layer_has(clearprop: Callable, small: Path) -> None:
    for unit in ("10", "-1"):
        said = clearprop("explain", small, "--unit", unit, code=2)
        assert f"expected --unit from 0 to 9, the widest layer's last, got {unit}" in " ".join(
            said.err.split()
        )
    clearprop("explain", small, "--unit", "9")


def test_batch_norm_gets_a_mini_batch(clearprop: Callable, small: Path) -> None:
    text = small.read_text()
    small.write_text(text.replace('{ type = "Dense", units = 10, activation = "relu" },', BATCH_NORM))
    said = " ".join(clearprop("explain", small, "--example", "100").out.split())
    assert "one training step on example 100 and the 7 after it, for batch norm's statistics" in said
    assert "the mean of each channel's 8 numbers" in said


@pytest.mark.parametrize(("example", "rows"), [(0, range(8)), (100, [100, 101, 102, 103, 104, 0, 1, 2])])
def test_its_rows_are_the_example_and_those_after_it(small: Path, example: int, rows: list[int]) -> None:
    alone = step_of(start_of(str(small), Path("experiments")), example, 0)
    text = small.read_text()
    small.write_text(text.replace('{ type = "Dense", units = 10, activation = "relu" },', BATCH_NORM))
    start = start_of(str(small), Path("experiments"))
    x, y = start.prepared.parts["train"]
    x = x.astype(start.model.dtype)
    together = step_of(start, example, 0)
    assert np.array_equal(together.step("forward", 0)["x"], x[list(rows)])
    assert np.array_equal(together.step("loss")["y"], y[list(rows)])
    assert np.array_equal(alone.step("forward", 0)["x"], x[[example]])
    assert np.array_equal(alone.step("loss")["y"], y[[example]])


def test_a_trainings_penalties_and_limits_are_the_steps(clearprop: Callable, small: Path) -> None:
    more = "batch_size = 15\nl1 = 0.03\nl2 = 0.05\nclip_norm = 0.4\nclip_value = 0.2"
    small.write_text(small.read_text().replace("batch_size = 15", more))
    said = " ".join(clearprop("explain", small).out.split())
    for words in ("λ is 0.03;", "λ is 0.05;", "c is 0.4,", "c is 0.2,"):
        assert words in said
    shown = step_of(start_of(str(small), Path("experiments")), 0, 0)
    w = start_of(str(small), Path("experiments")).model.named_params()
    penalties = {step.name: float(step["R"]) for step in shown.steps if step.name.endswith("penalty")}
    weights = np.concatenate([array.ravel() for name, array in w.items() if name.endswith("w")]).astype(float)
    assert penalties["the L1 penalty"] == pytest.approx(0.03 * np.abs(weights).sum(), rel=1e-5)
    assert penalties["the L2 penalty"] == pytest.approx(0.025 * (weights**2).sum(), rel=1e-5)


def test_a_large_network_is_cut_with_a_note(clearprop: Callable, small: Path) -> None:
    small.write_text(small.read_text().replace("units = 10", "units = 300"))
    said = clearprop("explain", small).out
    assert "Arrays of more than 100 numbers are cut" in said
    assert len(said.splitlines()) < 320


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("irsi",), "unknown run or preset 'irsi'. Did you mean 'iris'?"),
        (("iris", "--example", "105"), "expected --example from 0 to 104, a row of the training part, got 105."),
        (("iris", "--example", "-1"), "expected --example from 0 to 104, a row of the training part, got -1."),
        (("iris", "--unit", "-1"), "expected --unit from 0 to 24"),
        (("iris", "--out", "none/a.html"), "Make its folder first."),
        (("missing.toml",), "missing.toml: the configuration could not be read"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_a_sentence(clearprop: Callable, words: tuple[str, ...], sentence: str) -> None:
    found = clearprop("explain", *words, code=2)
    assert sentence in found.err
    assert "Traceback" not in found.err
    assert found.out == ""


ADAM = 'name = "adam"\n        lr = 0.01'
OTHERS = {
    "adam": ADAM,
    "momentum, cosine": 'name = "sgd"\nmomentum = 0.9\nlr = { name = "cosine", lr = 0.1, epochs = 9, warmup = 1 }',
    "adamw": 'name = "adamw"\nlr = 0.01\nweight_decay = 0.3',
    "rmsprop": 'name = "rmsprop"\nlr = 0.01',
}


@pytest.mark.parametrize("name", OTHERS)
def test_of_a_run_it_is_the_step_that_training_would_take_next(
    clearprop: Callable, small: Path, name: str
) -> None:
    text = (
        small.read_text().replace(ADAM, OTHERS[name]).replace("batch_size = 15", "batch_size = 15\nl2 = 0.01")
    )
    small.write_text(text)
    clearprop("train", small, "--name", "run")
    run = find_run(Path("experiments"), "run")
    config, state = run.read_config(), load_state(latest(run.checkpoints))
    prepared = prepare(config.data, config.seed)
    model, optimizer = build(config, prepared), config.make_optimizer()
    model.params[...] = state["params"]
    model.rng.bit_generator.state = state["model_rng"]
    optimizer.restore(state["optimizer"])
    if (schedule := optimizer.schedule) is not None:  # fit begins at 0, the run goes on at 4
        optimizer.schedule = lambda t: schedule(t + config.training.epochs)
    x, y = (array[7:8] for array in prepared.parts["train"])
    cp.fit(
        model, x, y, loss=config.make_loss(), optimizer=optimizer, batch_size=1, l2=0.01, shuffle=False, workers=1,
        shard_size=1,
    )  # fmt: skip
    before = files(run.path)
    shown = step_of(start_of("run", Path("experiments")), 7, 0)
    assert files(run.path) == before
    for key, array in model.named_params().items():
        assert np.array_equal(shown.updated[key], array), key
    afresh = cp.trace(
        run.load_model(), x, y, loss=config.make_loss(), optimizer=config.make_optimizer(), l2=0.01
    )
    assert any(not np.array_equal(shown.updated[key], array) for key, array in afresh.updated.items())
    said = " ".join(clearprop("explain", "run", "--example", "7").out.split())
    assert "Network and optimizer are as the run's checkpoint has them, after step 28." in said
    assert ("k = 29, the number of the step" in said) == name.startswith("adam")


def test_a_run_without_a_checkpoint_says_so(clearprop: Callable, small: Path, home: Path) -> None:
    clearprop("train", small, "--name", "run")
    rmtree(home / "experiments/run/checkpoints")
    said = " ".join(clearprop("explain", "run").out.split())
    assert "The run has no checkpoint, so the optimizer starts afresh" in said
    assert "k = 1, the number of the step" in said
    (home / "experiments/run/weights.safetensors").unlink()
    assert "has no weights yet" in clearprop("explain", "run", code=2).err


def test_a_run_that_was_stopped_can_be_explained_from_its_checkpoint(
    clearprop: Callable, small: Path, home: Path
) -> None:
    clearprop("train", small, "--name", "run")
    (home / "experiments/run/weights.safetensors").unlink()
    assert "after step 28" in clearprop("explain", "run").out
    damaged = latest(home / "experiments/run/checkpoints")
    damaged.write_bytes(damaged.read_bytes()[:100])
    found = clearprop("explain", "run", code=None)
    assert found.code != 0
    assert "not a whole checkpoint" in found.err
