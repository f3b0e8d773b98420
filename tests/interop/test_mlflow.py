"""What MLflow is told, by a client that keeps it, and by MLflow itself where it is installed.

MLflow is too large for the tests' extra: `pip install mlflow-skinny sqlalchemy alembic`.
"""

import sys
from string import ascii_letters, digits
from types import ModuleType, SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest

import clearprop as cp
from clearprop.errors import ConfigError
from clearprop.interop.tracking import MLflow, tracker
from oracles import blobs

X, Y = blobs(30)
SETTINGS = {"epochs": 3, "batch_size": 8, "validation": 0.2, "seed": 3}  # 3 steps an epoch


class Metric(NamedTuple):
    key: str
    value: float
    timestamp: int
    step: int


class Param(NamedTuple):
    key: str
    value: str


class Server:
    """What MLflow's client offers, with its documented limits."""

    def __init__(self):
        self.experiments, self.runs, self.calls, self.down = {}, {}, [], False

    def __getattribute__(self, name):
        if name[0] == "_" or name in ("experiments", "runs", "calls", "down"):
            return object.__getattribute__(self, name)
        self.calls.append(name)
        if self.down:
            raise ConnectionError("the server\nhas gone")
        return object.__getattribute__(self, name)

    def get_experiment_by_name(self, name):
        return SimpleNamespace(experiment_id=self.experiments[name]) if name in self.experiments else None

    def create_experiment(self, name):
        assert name not in self.experiments
        self.experiments[name] = str(len(self.experiments))
        return self.experiments[name]

    def create_run(self, experiment_id, run_name=None):
        found = SimpleNamespace(
            info=SimpleNamespace(run_id=f"run{len(self.runs)}", status="RUNNING", name=run_name),
            experiment=experiment_id, metrics=[], params={}, tags={},
        )  # fmt: skip
        self.runs[found.info.run_id] = found
        return found

    def get_run(self, run_id):
        metrics = {metric.key: metric.value for metric in self.runs[run_id].metrics}
        return SimpleNamespace(data=SimpleNamespace(metrics=metrics))

    def get_metric_history(self, run_id, key):
        return [metric for metric in self.runs[run_id].metrics if metric.key == key]

    def log_batch(self, run_id, metrics=(), params=()):
        assert len(metrics) <= 1000
        assert len(params) <= 100
        for metric in metrics:
            assert isinstance(metric.value, float)
            assert isinstance(metric.step, int)
        self.runs[run_id].metrics += metrics
        for key, value in params:
            assert self.runs[run_id].params.setdefault(key, value) == value
            assert isinstance(value, str)
            assert set(key) <= {*ascii_letters, *digits, *"_-. :/"}
            assert len(value) <= 6000

    def set_tag(self, run_id, key, value):
        self.runs[run_id].tags[key] = value

    def update_run(self, run_id, status):
        self.runs[run_id].info.status = status

    def set_terminated(self, run_id, status):
        assert status in ("FINISHED", "FAILED", "KILLED")
        self.runs[run_id].info.status = status


@pytest.fixture
def server(monkeypatch):
    kept = Server()
    module, entities = ModuleType("mlflow"), ModuleType("mlflow.entities")
    entities.Metric, entities.Param = Metric, Param
    module.entities, module.addresses = entities, []
    module.get_tracking_uri = lambda: "sqlite:///default.db"
    module.MlflowClient = lambda tracking_uri: module.addresses.append(tracking_uri) or kept
    monkeypatch.setitem(sys.modules, "mlflow", module)
    monkeypatch.setitem(sys.modules, "mlflow.entities", entities)
    kept.__dict__["_addresses"] = module.addresses
    return kept


def train(*callbacks, **settings):
    model = cp.Sequential([cp.Dense(5, activation="tanh"), cp.Dense(3)], (4,), seed=0)
    return model, cp.fit(model, X, Y, optimizer=cp.SGD(lr=0.1), callbacks=callbacks, **SETTINGS | settings)


def recorded(run, key):
    return [(metric.step, metric.value) for metric in run.metrics if metric.key == key]


def assert_is(run, history):
    for name, column in history.steps.items():
        assert recorded(run, f"step/{name}") == [*enumerate(column, 1)]
    for key in ("loss", "accuracy", "validation_loss", "validation_accuracy", "lr"):
        assert recorded(run, f"epoch/{key}") == [(row["step"], row[key]) for row in history.epochs]
    assert [step for step, _ in recorded(run, "step/grad_norm")] == [
        *range(1, len(history.steps["loss"]) + 1)
    ]


def test_a_run_is_the_history(server):
    flow = MLflow("flowers", run_name="first")
    _, history = train(flow)
    run = server.runs[flow.run_id]
    assert_is(run, history)
    assert (run.info.status, run.info.name, run.experiment) == (
        "FINISHED",
        "first",
        server.experiments["flowers"],
    )
    assert run.params["optimizer.lr"] == "0.1"
    assert run.params["training.batch_size"] == "8"
    assert "Dense(5)" in run.tags["mlflow.note.content"]
    assert server._addresses == ["sqlite:///default.db"]
    flow.results({"test": {"loss": 0.5}})
    assert recorded(run, "final/test_loss") == [(9, 0.5)]
    second = MLflow("flowers", tracking_uri="sqlite:///own.db")
    train(second)
    assert server._addresses[-1] == "sqlite:///own.db"
    assert len(server.experiments) == 1
    assert second.run_id != flow.run_id


def test_a_thousand_at_once_and_long_settings(server):
    flow = MLflow(hparams={**{f"s{i}": i for i in range(250)}, "a$b, c.d/e:f-": 1, "long": "x" * 10_000})
    _, history = train(flow, epochs=120)
    run = server.runs[flow.run_id]
    assert_is(run, history)
    assert len(run.metrics) > 1000
    assert len(run.params) == 252
    assert run.params["a_b_ c.d/e:f-"] == "1"


class Stop(cp.Callback):
    def __init__(self, step):
        self.step = step

    def on_step_end(self, training):
        if training.step == self.step:
            self.kept = training.state()
        if training.step == self.step + 2:
            raise ZeroDivisionError("planted")


@pytest.mark.parametrize("flush", [0.0, 60.0])
@pytest.mark.parametrize("step", [2, 3, 4, 7])
def test_a_resumed_training_goes_on_in_its_run(server, monkeypatch, step, flush):
    monkeypatch.setattr(tracker, "FLUSH", flush)
    stop, flow = Stop(step), MLflow()
    with pytest.raises(ZeroDivisionError):
        train(stop, flow)
    assert server.runs[flow.run_id].info.status == "FAILED"
    again = MLflow()

    class Look(cp.Callback):
        def on_step_end(self, training):
            assert server.runs[again.run_id].info.status == "RUNNING"

    _, history = train(Look(), again, resume=stop.kept)
    assert again.run_id == flow.run_id
    assert len(server.runs) == 1
    assert server.runs[flow.run_id].info.status == "FINISHED"
    assert_is(server.runs[flow.run_id], history)


def test_ctrl_c_is_another_end(server):
    class Interrupt(cp.Callback):
        def on_step_end(self, training):
            training.stop("interrupted")

    flow = MLflow()
    train(Interrupt(), flow)
    assert server.runs[flow.run_id].info.status == "KILLED"
    flow.results({"test": {"loss": 0.5}})
    assert recorded(server.runs[flow.run_id], "final/test_loss") == []


@pytest.mark.parametrize("step", [0, 1, 5])
def test_a_server_that_goes_stops_nothing(server, monkeypatch, step):
    monkeypatch.setattr(tracker, "FLUSH", 0.0)

    class Down(cp.Callback):
        def on_fit_start(self, training):
            server.down = step == 0

        def on_step_end(self, training):
            server.down = training.step >= step

    plain, _ = train()
    flow = MLflow()
    with pytest.warns(RuntimeWarning) as caught:
        model, history = train(Down(), flow)
    said = (
        "MLflow, sqlite:///default.db: could not be told (the server has gone). Training goes on without it."
    )
    assert [str(w.message) for w in caught] == [said]
    np.testing.assert_array_equal(model.params, plain.params)
    assert len(history.epochs) == 3
    calls = len(server.calls)
    flow.results({"test": {"loss": 1.0}})
    assert len(server.calls) == calls  # it is not asked again


def test_a_server_out_of_reach_is_found_at_once(server):
    flow = MLflow(tracking_uri="http://me:secret@127.0.0.1:9/path")
    with pytest.warns(
        RuntimeWarning, match=r"MLflow, http://me:…@127.0.0.1:9/path: could not be told \(.*refused"
    ):
        train(flow)
    assert server.calls == []


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("http://there", ("there", 80)),
        ("https://there/path", ("there", 443)),
        ("http://there:5000", ("there", 5000)),
        ("databricks", None),
        ("sqlite:///here.db", None),
    ],
)
def test_where_a_server_is_looked_for(server, monkeypatch, address, place):
    asked = []
    monkeypatch.setattr("socket.create_connection", lambda at, timeout: asked.append(at) or closing_nothing())
    train(MLflow(tracking_uri=address), epochs=1)
    assert set(asked) == ({place} if place else set())


def closing_nothing():
    return SimpleNamespace(close=lambda: None)


def test_another_process_may_make_the_experiment_first(server, monkeypatch):
    def faster(name):
        server.experiments[name] = "7"
        raise ValueError("exists")

    monkeypatch.setattr(server, "create_experiment", faster)
    flow = MLflow("shared")
    train(flow)
    assert server.runs[flow.run_id].experiment == "7"


def test_without_mlflow_a_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(
        ConfigError, match=r"MLflow: expected the package mlflow, got none .*'clearprop\[mlflow\]'"
    ):
        MLflow()


@pytest.mark.filterwarnings("default")  # it is not ours to mend what it warns of
def test_a_database_of_mlflow_s_own(tmp_path):
    """A run, interrupted by an error and gone on with, read back by MLflow's client."""
    mlflow = pytest.importorskip(
        "mlflow", reason="needs MLflow: pip install mlflow-skinny sqlalchemy alembic"
    )
    pytest.importorskip("sqlalchemy")
    pytest.importorskip("alembic")
    address = f"sqlite:///{tmp_path}/mlflow.db"
    stop, flow = Stop(4), MLflow("flowers", run_name="first", tracking_uri=address)
    with pytest.raises(ZeroDivisionError):
        train(stop, flow)
    client = mlflow.MlflowClient(address)
    assert client.get_run(flow.run_id).info.status == "FAILED"
    again = MLflow("flowers", tracking_uri=address, hparams={"a$b": 1})
    _, history = train(cp.Callback(), again, resume=stop.kept)
    again.results({"test": {"loss": 0.5}})
    run = client.get_run(flow.run_id)
    metrics = {key: client.get_metric_history(flow.run_id, key) for key in run.data.metrics}
    assert_is(SimpleNamespace(metrics=[metric for told in metrics.values() for metric in told]), history)
    assert (run.info.run_id, run.info.status, run.info.run_name) == (again.run_id, "FINISHED", "first")
    assert run.data.metrics["final/test_loss"] == 0.5
    assert run.data.params["training.batch_size"] == "8"
    assert "Dense(5)" in run.data.tags["mlflow.note.content"]
    named = MLflow("flowers", tracking_uri=address, hparams={"a$b": 1})
    train(named)
    assert client.get_run(named.run_id).data.params == {"a_b": "1"}
