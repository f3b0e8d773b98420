"""Runs that are tracked: from the command line, resumed, swept, and refused."""

import sys

import pytest

import clearprop as cp
from clearprop.cli import main
from clearprop.errors import ConfigError
from clearprop.runs.config import make_config
from clearprop.runs.folder import RunFolder
from clearprop.runs.run import resume, start
from clearprop.runs.tracking import make_trackers
from event_files import curves, values


def config(**tracking):
    tables = {
        "data": {"name": "iris", "validation": 0.1, "test": 0.2},
        "model": {"layers": [{"type": "Dense", "units": 3}]},
        "training": {"epochs": 2, "batch_size": 35},
        "checkpoints": {"seconds": 0},
        "tracking": tracking,
    }
    return make_config(tables, "test")


def run(folder, **tracking):
    folder.mkdir(parents=True)
    return start(RunFolder(folder), config(**tracking))


def test_a_run_s_curves_and_results(tmp_path):
    result = run(tmp_path / "a", tensorboard=True, histograms=True)
    found = curves(tmp_path / "a" / "tensorboard")
    losses = [value for _, value in found["step/loss"]]
    assert losses == pytest.approx(result.history.steps["loss"], rel=1e-6)
    assert found["final/test_loss"] == [(6, pytest.approx(result.summary["test"]["loss"], rel=1e-6))]
    text = (
        values(tmp_path / "a" / "tensorboard")["configuration/text_summary"][0][1]
        .tensor.string_val[0]
        .decode()
    )
    assert "data.name = iris\n" in text
    assert "parameters/0.w" in values(tmp_path / "a" / "tensorboard")


@pytest.mark.parametrize("step", [1, 2, 3, 4, 5])
def test_a_run_that_was_stopped_goes_on_in_its_curves(tmp_path, step):
    class Fail(cp.Callback):
        def on_step_end(self, training):
            if training.step == step + 1:
                raise ZeroDivisionError

    folder = RunFolder(tmp_path / "a")
    folder.path.mkdir()
    with pytest.raises(ZeroDivisionError):
        start(folder, config(tensorboard=True), [Fail()])
    result = resume(folder, folder.read_config())
    found = curves(folder.path / "tensorboard")
    for tag in ("step/loss", "step/grad_norm"):
        assert [at for at, _ in found[tag]] == [1, 2, 3, 4, 5, 6]
    assert [at for at, _ in found["epoch/validation_loss"]] == [3, 6]
    assert [v for _, v in found["step/loss"]] == pytest.approx(result.history.steps["loss"], rel=1e-6)


def test_a_finished_run_that_trains_on(tmp_path):
    run(tmp_path / "a", tensorboard=True)
    folder = RunFolder(tmp_path / "a")
    resume(folder, folder.read_config(("training.epochs=4",)))
    found = curves(folder.path / "tensorboard")
    assert [at for at, _ in found["step/loss"]] == [*range(1, 13)]
    assert [at for at, _ in found["epoch/loss"]] == [3, 6, 9, 12]
    assert [at for at, _ in found["final/test_loss"]] == [6, 12]


def test_a_folder_for_all_runs(tmp_path):
    run(tmp_path / "a", tensorboard=str(tmp_path / "logs"))
    assert len(curves(tmp_path / "logs" / "a")["step/loss"]) == 6
    assert not (tmp_path / "a" / "tensorboard").exists()


def test_a_sweep_s_trial_is_called_by_both_names(tmp_path):
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "sweep.toml").write_text("")
    (board,) = make_trackers(RunFolder(tmp_path / "sweep" / "3"), config(tensorboard="logs"))
    assert board.folder.as_posix() == "logs/sweep/3"


def test_nothing_is_tracked_unless_asked_for(tmp_path):
    run(tmp_path / "a")
    assert (
        make_trackers(RunFolder(tmp_path / "a"), make_config(config().plain() | {"tracking": {}}, "x")) == []
    )
    assert not (tmp_path / "a" / "tensorboard").exists()


def test_without_the_package_no_folder_is_left(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(ConfigError, match="MLflow: expected the package mlflow"):
        run(tmp_path / "a", mlflow=True)
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("tracking", "sentence"),
    [
        ({"tensorboard": 3}, "test: tracking.tensorboard: expected true, false or a text, got 3."),
        ({"tensorbord": True}, "unknown key 'tracking.tensorbord'. Did you mean 'tensorboard'?"),
        ({"every": 0}, "tracking.every: input should be greater than or equal to 1, got 0."),
    ],
)
def test_sentences(tracking, sentence):
    with pytest.raises(ConfigError) as caught:
        config(**tracking)
    assert sentence in str(caught.value)


def test_the_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        sys, "argv", ["clearprop", "train", "iris", "--tensorboard", "--set", "training.epochs=2"]
    )
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert len(curves(tmp_path / "experiments" / "iris" / "tensorboard")["epoch/test_loss"]) == 2
    # again, where it cannot be written
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(sys, "argv", [*sys.argv[:3], "--name", "b", "--set", "tracking.tensorboard=file"])
    with pytest.warns(RuntimeWarning, match="file/b: could not be told"), pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert (tmp_path / "experiments" / "b" / "weights.safetensors").is_file()
