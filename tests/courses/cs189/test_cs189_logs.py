"""CS 189's logger: what lies in a run's folder, that no run is lost, and that it is not drawn all the time."""

import json
import os

import matplotlib.image
import numpy as np
import pytest

from clearprop.courses.cs189 import logs
from clearprop.courses.cs189.logs import Logger
from clearprop.courses.cs189.utils import AttrDict
from clearprop.errors import ConfigError, FileError

LOG = {
    "loss": {"train": 1.1, "validate": 1.2},
    "error": {"train": 0.5, "validate": 0.6},
    "parameters": {"0.W": {"max": 1.0, "min": -1.0}, "0.b": {"max": 0.1, "min": 0.0}},
}
PICTURES = ["error.png", "loss.png", "parameter_0.W.png", "parameter_0.b.png"]


@pytest.fixture
def drawings(monkeypatch):
    """The names of the curves that were drawn."""
    drawn, draw = [], logs.plot_epochs

    def counted(ax, history, what):
        drawn.append((what, len(history.epochs)))
        return draw(ax, history, what)

    monkeypatch.setattr(logs, "plot_epochs", counted)
    return drawn


def make(folder, name="run", **how):
    args = AttrDict(seed=0, layer_args=[AttrDict(name="fully_connected", n_out=np.int64(25))])
    return Logger(name, args, {"name": "iris", "path": folder}, save_dir=folder, **how)


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_without_save_and_plot_nothing_is_written(tmp_path):
    logger = make(tmp_path / "experiments")
    logger.push(LOG)
    logger.flush()
    assert logger.log == [LOG]
    assert not (tmp_path / "experiments").exists()


def test_what_is_saved(tmp_path):
    logger = make(tmp_path, save=True)
    for loss in (1.1, float("nan")):
        logger.push({"loss": {"train": loss}})
    assert files(tmp_path / "run") == ["hyperparameters.json", "log.jsonl"]
    settings = json.loads((tmp_path / "run" / "hyperparameters.json").read_text())
    assert settings["model"] == {"seed": 0, "layer_args": [{"name": "fully_connected", "n_out": 25}]}
    assert settings["data"]["name"] == "iris"
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert lines == [{"epoch": 1, "loss": {"train": 1.1}}, {"epoch": 2, "loss": {"train": None}}]


def test_the_pictures(tmp_path):
    logger = make(tmp_path, plot=True)
    for _ in range(3):
        logger.push(LOG)
    logger.flush()
    assert files(tmp_path / "run") == sorted([*PICTURES, "hyperparameters.json"])
    for name in PICTURES:
        picture = matplotlib.image.imread(tmp_path / "run" / name)
        assert picture.std() > 0.01  # something is on it


def test_it_is_drawn_at_the_end_and_not_at_every_epoch(tmp_path, drawings):
    logger = make(tmp_path, plot=True)
    for _ in range(100):
        logger.push(LOG)
    assert drawings == []
    logger.flush()
    assert drawings == [("loss", 100), ("error", 100), ("0.W", 100), ("0.b", 100)]
    logger.flush()
    assert len(drawings) == 4  # nothing new, nothing drawn


def test_a_long_training_is_drawn_on_the_way(tmp_path, drawings, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(logs, "monotonic", lambda: now[0])
    logger = make(tmp_path, plot=True)
    for _ in range(13):
        now[0] += 10.0  # seconds an epoch
        logger.push({"loss": {"train": 1.0}})
    assert drawings == [("loss", 4), ("loss", 8), ("loss", 12)]


def test_a_run_of_the_same_name_is_not_overwritten(tmp_path, capsys):
    make(tmp_path, save=True).push(LOG)
    kept = (tmp_path / "run" / "log.jsonl").read_bytes()
    assert capsys.readouterr().out == ""
    again = make(tmp_path, save=True)
    again.push(LOG)
    again.push(LOG)
    assert again.folder == tmp_path / "run-2"
    assert (
        f"{tmp_path / 'run'}: there is a run of this name already. This one is kept in"
        in capsys.readouterr().out
    )
    assert (tmp_path / "run" / "log.jsonl").read_bytes() == kept
    assert len((tmp_path / "run-2" / "log.jsonl").read_text().splitlines()) == 2


def test_reset_begins_another_run(tmp_path):
    logger = make(tmp_path, save=True)
    logger.push(LOG)
    logger.reset()
    assert logger.log == []
    logger.push(LOG)
    assert files(tmp_path) == ["run", "run-2"]


def test_numbers_without_parts_are_logged_too(tmp_path, drawings):
    logger = make(tmp_path, save=True, plot=True)
    logger.push({"loss": 0.5})
    logger.flush()
    assert drawings == [("loss", 1)]
    assert json.loads((tmp_path / "run" / "log.jsonl").read_text()) == {"epoch": 1, "loss": 0.5}


def test_what_is_pushed_may_be_changed_afterwards():
    logger, log = Logger("run", {}, {}), {"loss": {"train": 1.0}}
    logger.push(log)
    log["loss"]["train"] = 2.0
    assert logger.log == [{"loss": {"train": 1.0}}]


def test_a_name_that_would_leave_the_folder(tmp_path):
    with pytest.raises(ConfigError, match=r"expected a plain name such as iris-2, got '\.\./iris'"):
        make(tmp_path, "../iris", save=True).push(LOG)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs a user who can be refused")
def test_a_folder_that_cannot_be_made(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(FileError, match="could not be made"):
        make(tmp_path / "experiments", save=True).push(LOG)


def test_a_file_in_the_folders_place(tmp_path):
    (tmp_path / "experiments").write_text("")
    with pytest.raises(FileError, match="the folder could not be made"):
        make(tmp_path / "experiments", save=True).push(LOG)
