"""A run read back: whatever became of it, its network is that of its newest state, and the doctor looks at that one."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from interruption import StopAt

from clearprop.errors import DataError
from clearprop.runs import doctor
from clearprop.runs.checkpoint import latest, load_state
from clearprop.runs.config import RunConfig
from clearprop.runs.folder import RunFolder
from clearprop.runs.prepare import Prepared, prepare
from clearprop.runs.record import Network, read_run
from clearprop.runs.report.chapter import chapter
from clearprop.runs.report.figure import Figures
from clearprop.runs.run import resume, start

Config = Callable[..., RunConfig]
Folder = Callable[[str], RunFolder]


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the doctor is given, beside its findings."""
    calls: list[dict[str, Any]] = []
    real = doctor.diagnose

    def diagnose(model: Any, *data: Any, **settings: Any) -> Any:
        calls.append(
            {"params": model.params.copy(), "buffers": model.buffers.copy(), "data": data, **settings}
        )
        return real(model, *data, **settings)

    monkeypatch.setattr(doctor, "diagnose", diagnose)
    return calls


def test_a_finished_run_that_goes_on_and_stops_is_looked_at_where_it_stopped(
    iris: Config, folder: Folder, looked_at: list[dict[str, Any]]
) -> None:
    run = folder("a")
    start(run, iris())
    finished = run.load_model().params
    resume(run, iris("training.epochs=40"), [StopAt(100)])
    newest = load_state(latest(run.checkpoints))["params"]
    assert run.weights.is_file()
    assert not np.array_equal(newest, finished)
    record = read_run(run)
    assert record.status == "interrupted"
    assert isinstance(record.network, Network)
    assert record.network.state == "after step 100"
    np.testing.assert_array_equal(record.network.model.params, newest)
    doctor.diagnose_run(record)
    np.testing.assert_array_equal(looked_at[0]["params"], newest)
    assert len(looked_at[0]["history"].steps["loss"]) == 100


def test_a_finished_run_is_looked_at_with_its_weights(
    iris: Config, folder: Folder, looked_at: list[dict[str, Any]]
) -> None:
    run = folder("a")
    start(run, iris())
    found = doctor.diagnose_run(read_run(run))
    np.testing.assert_array_equal(looked_at[0]["params"], run.load_model().params)
    assert found.subject.startswith(f"{run.path}, a trained network")


def test_the_doctor_is_given_the_configuration(
    iris: Config, folder: Folder, looked_at: list[dict[str, Any]]
) -> None:
    told = {
        "batch_size": 20, "epochs": 2, "l1": 1e-4, "l2": 1e-3, "clip_norm": 3.0, "clip_value": 2.0, "shuffle": False,
        "drop_last": True,
    }  # fmt: skip
    changes = [f"training.{name}={str(value).lower()}" for name, value in told.items()]
    config = iris(*changes, "seed=5")
    run = folder("a")
    start(run, config)
    record = read_run(run)
    doctor.diagnose_run(record)
    doctor.diagnose_config(config, "a")
    assert isinstance(record.data, Prepared)
    for given in looked_at:
        assert {name: given[name] for name in told} == told
        assert given["seed"] == 5
        assert given["loss"].name == config.make_loss().name
        assert given["optimizer"].settings() == config.make_optimizer().settings()
        for part, arrays in (("train", given["data"]), ("validation", given["validation"])):
            for one, other in zip(arrays, record.data.parts[part], strict=True):
                np.testing.assert_array_equal(one, other)


def test_a_checkpoint_s_running_statistics_are_its_own(
    iris: Config, folder: Folder, looked_at: list[dict[str, Any]]
) -> None:
    run = folder("a")
    layers = 'model.layers=[{type="Dense", units=8}, {type="BatchNorm"}, {type="Dense", units=3}]'
    start(run, iris(layers), [StopAt(3)])
    doctor.diagnose_run(read_run(run))
    kept = load_state(latest(run.checkpoints))["buffers"]
    np.testing.assert_array_equal(looked_at[0]["buffers"], kept)
    assert len(np.unique(kept)) > 2  # not as they began, 0 and 1


def test_a_run_without_a_checkpoint_is_untrained_whatever_its_log_says(
    iris: Config, folder: Folder, looked_at: list[dict[str, Any]]
) -> None:
    run = folder("a")
    start(run, iris(), [StopAt(2)])
    latest(run.checkpoints).unlink()
    record = read_run(run)
    assert isinstance(record.network, Network)
    assert not record.network.trained
    found = doctor.diagnose_run(record)
    assert looked_at[0]["history"] is None
    assert "an untrained network" in found.subject


def test_a_report_prepares_the_data_once_and_lets_go_of_them(
    iris: Config, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = []

    def count(*given: Any) -> Prepared:
        prepared.append(prepare(*given))
        return prepared[-1]

    monkeypatch.setattr("clearprop.runs.record.prepare", count)
    run = folder("a")
    start(run, iris())
    record = read_run(run)
    chapter(record, Figures(), "")
    assert len(prepared) == 1
    assert not {"data", "network"} & set(vars(record))


def test_what_cannot_be_read_is_said_in_the_readers_sentence(iris: Config, folder: Folder) -> None:
    run = folder("a")
    start(run, iris())
    run.weights.write_bytes(b"broken")
    with pytest.raises(DataError, match=r"weights\.safetensors"):
        doctor.diagnose_run(read_run(run))
    text = run.config.read_text()
    run.config.write_text(text.replace('name = "iris"', 'file = "gone.csv"'))
    with pytest.raises(DataError, match=r"gone\.csv"):
        doctor.diagnose_run(read_run(run))
