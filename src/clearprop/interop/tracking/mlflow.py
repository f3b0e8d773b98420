"""A run in MLflow, through its client."""

import re
import socket
from collections.abc import Mapping
from importlib import import_module
from time import time
from typing import Any
from urllib.parse import urlsplit

from clearprop.errors import ConfigError
from clearprop.interop.tracking.tracker import FAILED, FINISHED, Tracker, Values

AT_ONCE = 1000  # metrics that MLflow takes in one call
PARAMS_AT_ONCE = 100
LONGEST = 6000  # characters of a parameter
REFUSED = r"[^\w\-. :/]"  # in a parameter's name
PATIENCE = 5.0  # seconds that a server has to answer before it counts as out of reach
ENDS = {FINISHED: "FINISHED", FAILED: "FAILED"}


class MLflow(Tracker):
    """Record a training as a run in MLflow: its curves, its configuration as parameters, how it ended.

    A resumed training goes on in its own run. What the server has already is not sent again, for it deletes nothing.

    Parameters
    ----------
    experiment : str
        Made if there is none of this name.
    run_name : str, optional
        By default MLflow thinks of one.
    tracking_uri : str, optional
        A server's address, or a database's such as "sqlite:///mlflow.db"; by default MLflow's own setting, which the
        variable MLFLOW_TRACKING_URI names.
    every : int
        Record every so many steps; epochs are always recorded.
    hparams : mapping, optional
        The configuration, nested as it may be; by default what `fit` was told.

    Attributes
    ----------
    run_id : str
        MLflow's name for the run, once training has begun.

    Raises
    ------
    ConfigError
        If mlflow is not installed.

    Examples
    --------
    >>> callbacks = [MLflow(experiment="iris", tracking_uri="http://127.0.0.1:5000")]  # doctest: +SKIP
    """

    def __init__(
        self,
        experiment: str = "clearprop",
        *,
        run_name: str | None = None,
        tracking_uri: str | None = None,
        every: int = 1,
        hparams: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(every, hparams)
        self.experiment, self.run_name = experiment, run_name
        self._mlflow = _package()
        self.tracking_uri = str(tracking_uri or self._mlflow.get_tracking_uri())
        self.run_id = ""
        self._client: Any = None
        self._waiting: list[Any] = []
        self._there: dict[str, int] = {}  # the last step of each metric that a resumed run had recorded

    def _place(self) -> str:
        return f"MLflow, {_without_password(self.tracking_uri)}"

    def state(self) -> dict[str, Any]:
        return super().state() | {"run_id": self.run_id}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self.run_id = state.get("run_id", "")

    def _begin(self, hparams: Mapping[str, Any], text: str, metrics: list[str]) -> bool:
        assert self._training is not None
        self._waiting, self._there = [], {}
        _check_reachable(self.tracking_uri)
        self._client = self._mlflow.MlflowClient(tracking_uri=self.tracking_uri)
        if self._training.step and self.run_id:
            self._client.update_run(self.run_id, status="RUNNING")
            known = self._client.get_run(self.run_id).data.metrics
            self._there = {key: self._last(key) for key in known}
            return True
        run = self._client.create_run(self._experiment_id(), run_name=self.run_name)
        self.run_id = run.info.run_id
        parameter = self._mlflow.entities.Param
        params = [parameter(re.sub(REFUSED, "_", key), str(v)[:LONGEST]) for key, v in hparams.items()]
        for i in range(0, len(params), PARAMS_AT_ONCE):
            self._client.log_batch(self.run_id, params=params[i : i + PARAMS_AT_ONCE])
        self._client.set_tag(self.run_id, "mlflow.note.content", text[:LONGEST])
        return False

    def _experiment_id(self) -> str:
        found = self._client.get_experiment_by_name(self.experiment)
        if found is None:
            try:
                return str(self._client.create_experiment(self.experiment))
            except Exception:  # another process was faster
                found = self._client.get_experiment_by_name(self.experiment)
                if found is None:
                    raise
        return str(found.experiment_id)

    def _last(self, key: str) -> int:
        return max(int(metric.step) for metric in self._client.get_metric_history(self.run_id, key))

    def _tell(self, step: int, values: Values) -> None:
        metric, now = self._mlflow.entities.Metric, int(1000 * time())
        self._waiting += [
            metric(key, value, now, step) for key, value in values.items() if step > self._there.get(key, -1)
        ]

    def _flush(self) -> None:
        if self._waiting:
            _check_reachable(self.tracking_uri)
        while self._waiting:
            self._client.log_batch(self.run_id, metrics=self._waiting[:AT_ONCE])
            del self._waiting[:AT_ONCE]

    def _end(self, status: str) -> None:
        self._flush()
        self._client.set_terminated(self.run_id, ENDS.get(status, "KILLED"))

    def _add_results(self, step: int, values: Values) -> None:
        self._tell(step, values)
        self._flush()

    def _give_up(self) -> None:
        self._waiting = []


def _package() -> Any:
    try:
        package = import_module("mlflow")
        import_module("mlflow.entities")
    except ImportError as error:
        raise ConfigError(
            f"MLflow: expected the package mlflow, got none ({error}). Install it: pip install 'clearprop[mlflow]'"
        ) from None
    return package


def _check_reachable(address: str) -> None:
    """Find at once that a server is out of reach; MLflow's client would try again for minutes."""
    parts = urlsplit(address)
    if parts.scheme in ("http", "https") and parts.hostname:
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
        socket.create_connection((parts.hostname, port), timeout=PATIENCE).close()


def _without_password(address: str) -> str:
    """The address as it may be printed."""
    parts = urlsplit(address)
    return address.replace(f":{parts.password}@", ":…@") if parts.password else address
