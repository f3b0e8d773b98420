"""What a sweep draws: combinations, ranges, seeds; and how its trials are shared out, without training one."""

import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from scipy.stats import kstest

import clearprop.runs.study as room
from clearprop.errors import ConfigError, FileError
from clearprop.runs.config import RunConfig
from clearprop.runs.database import address_of, anchored, open_storage, without_password
from clearprop.runs.folder import RunFolder
from clearprop.runs.outcomes import run_name
from clearprop.runs.space import TPE, Choice, Choices, Random, Range, Search, make_search
from clearprop.runs.study import Study
from clearprop.runs.sweep import search_of

Make = Callable[..., RunConfig]
RATE = {"optimizer.lr": {"low": 1e-4, "high": 1.0, "log": True}}


def searched(space: dict[str, Any], sampler: Any = "random", trials: int | None = 8, **others: Any) -> Search:
    return make_search(space, sampler, "none", trials, **({"metric": "validation_loss"} | others))


def study(folder: Path, search: Search, *, place: str = "a", seed: int = 0, name: str = "s") -> Study:
    """A process's view: processes with the same `place` run in the same folder."""
    (folder / place).mkdir(exist_ok=True)
    return Study(address_of(folder / "sweep.db"), name, search, seed, folder / place)


def ended(loss: float) -> dict[str, Any]:
    return {"status": "finished", "validation": {"loss": loss, "accuracy": 0.5}}


def drawn(folder: Path, search: Search, loss: Callable[[Choice], float], **where: Any) -> list[Choice]:
    """All trials' values, each told its loss before the next is drawn."""
    with study(folder, search, **where) as made:
        while (claim := made.claim()) is not None:
            made.settle(claim, ended(loss(claim.choice)))
        return [entry.choice for entry in made.entries()]


def far(choice: dict[str, Any]) -> float:
    """How far the rate is from 10⁻², in decades."""
    return abs(math.log10(choice["optimizer.lr"]) + 2)


@pytest.mark.parametrize(
    ("sweep", "words"),
    [
        ("{}", r"sweep: expected keys to search, got none. Write"),
        ('{"optimizer.lr" = 0.1}', r"sweep.optimizer.lr: expected a list of values, or a range .*, got 0.1"),
        ('{"optimizer.lr" = {low = 1.0}}', r"expected a list of values, or a range .*, got \{'low': 1.0\}"),
        ('{"optimizer.lr" = {low = 1.0, high = 0.1}}', r"sweep.optimizer.lr: expected low to be less than high, got"),
        ('{"optimizer.lr" = {low = "a", high = 1}}', r"expected low to be a number, got"),
        ('{"optimizer.lr" = {low = true, high = 2}}', r"expected low to be a number, got"),
        ('{"optimizer.lr" = {low = nan, high = 1.0}}', r"expected low to be a number, got"),
        ('{"optimizer.lr" = {low = 0.0, high = 1.0, log = true}}', r"expected low to be greater than 0 in a range by"),
        ('{"optimizer.lr" = {low = 0.1, high = 1.0, log = 1}}', r"expected log to be true or false, got"),
        ('{"optimizer.lr" = {low = 0.1, high = 1.0, by = 2}}', r"of low, high, log and step, without 'by', got"),
        ('{"training.epochs" = {low = 1, high = 9, step = 0.5}}', r"expected a whole step between whole numbers"),
        ('{"training.epochs" = {low = 1, high = 9, step = -1}}', r"expected step to be greater than 0, no more than"),
        ('{"training.epochs" = {low = 1, high = 9, step = 2, log = true}}', r"than the range, and without log, got"),
        ('{"optimizer.lr" = {low = 0.1, high = 1.0}}', r"values that can be .* a range without a step. Give it"),
        ('{"optimizer.lr" = {low = 1, high = 9, log = true}}', r"a range by logarithm. Write the values out, or take"),
        ('{seed = {low = 0, high = 1000000000}}', r"at most 10,000 combinations for .* 'grid', got 1,000,000,001."),
        ('{"optimizer.lr" = [1], sampeler = "tpe"}', r"sweep.sampeler: .*, got 'tpe'. Did you mean 'sampler'\?"),
        ('{"optimizer.lr" = [1], sampler = "tp"}', r"sweep.sampler: unknown name 'tp'. Did you mean 'tpe'\? Known"),
        ('{"optimizer.lr" = [1], sampler = {name = "tpe", start = 1}}', r"sweep.sampler 'tpe': unknown setting"),
        ('{"optimizer.lr" = [1], sampler = {name = "random", seed = -1}}', r"'random': expected seed to be a whole"),
        ('{"optimizer.lr" = [1], sampler = "random"}', r"sweep: expected how many trials to draw with the .* 'random'"),
        ('{"optimizer.lr" = [1, 2], trials = 5}', r"'grid', which trains all 2 combinations, got 5. Leave it out"),
        ('{"optimizer.lr" = [1], trials = 0}', r"sweep.trials: .*greater than or equal to 1, got 0"),
        ('{"optimizer.lr" = [1], jobs = 0}', r"sweep.jobs: .*greater than or equal to 1, got 0"),
        ('{"optimizer.lr" = [1], pruner = "mean"}', r"sweep.pruner: unknown name 'mean'. Did you mean 'median'\?"),
        ('{"optimizer.lr" = [1], pruner = {name = "median", startup = -1}}', r"'median': expected startup to be"),
        ('{"optimizer.lr" = [1], pruner = {name = "percentile", keep = 0}}', r"expected keep in \(0, 100\), got 0"),
        ('{"optimizer.lr" = [1], pruner = {name = "halving", factor = 1}}', r"expected factor to be a whole"),
        ('{"optimizer.lr" = [1], direction = "up"}', r"sweep.direction: .*'minimize' or 'maximize', got 'up'"),
    ],
)  # fmt: skip
def test_what_is_refused(iris: Make, sweep: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        iris(f"sweep={sweep}")


def test_a_grid_is_the_product(tmp_path: Path) -> None:
    space: dict[str, Any] = {
        "optimizer.lr": [0.1, 0.01],
        "optimizer": [{"name": "sgd"}, {"name": "adam", "lr": 1}],
        "training.shuffle": [True, False],
        "seed": [0, 1],
        "model.layers.0.units": {"low": 4, "high": 12, "step": 4},
        "training.l2": {"low": 0.0, "high": 0.3, "step": 0.1},
    }
    values = [[0.1, 0.01], space["optimizer"], [True, False], [0, 1], [4, 8, 12], [0.0, 0.1, 0.2, 0.3]]
    expected = [dict(zip(space, chosen, strict=True)) for chosen in itertools.product(*values)]
    search = searched(space, "grid", None)
    assert search.combinations == expected
    assert search.trials == len(expected)
    few = searched(
        {key: space[key] for key in ("optimizer", "training.shuffle", "training.l2")}, "grid", None
    )
    found = drawn(tmp_path, few, lambda choice: 0.0)
    assert found == few.combinations
    assert [type(choice["training.shuffle"]) for choice in found] == [bool] * 16


def test_the_order_in_the_file_is_that_of_the_sweep_that_is_read_back(iris: Make, tmp_path: Path) -> None:
    keys = (
        '"optimizer.lr" = { low = 0.1, high = 0.3, step = 0.1 }',
        '"training.batch_size" = [25, 30]',
        '"model.layers.0.units" = { low = 4, high = 6 }',
    )
    for order in itertools.permutations(keys):
        config, folder = iris(f"sweep={{{', '.join(order)}}}"), RunFolder(tmp_path)
        folder.write_config(config, folder.sweep)
        search, again = config.make_search(), search_of(folder)
        assert list(again.space) == list(search.space)
        assert again.combinations == search.combinations
        assert len(again.combinations) == 18


@pytest.mark.parametrize("sampler", ["random", {"name": "tpe", "startup": 4}])
def test_the_seed_draws(tmp_path: Path, sampler: Any) -> None:
    search = searched(RATE | {"training.batch_size": {"low": 1, "high": 9}}, sampler, 6)
    first, again, other = (
        drawn(tmp_path, search, far, seed=seed, name=name)
        for seed, name in ((0, "one"), (0, "two"), (1, "three"))
    )
    assert first == again
    assert first != other
    assert len({choice["optimizer.lr"] for choice in first}) == 6
    own = searched(RATE | {"training.batch_size": {"low": 1, "high": 9}}, {"name": "random", "seed": 1}, 3)
    same = searched(RATE | {"training.batch_size": {"low": 1, "high": 9}}, "random", 3)
    assert drawn(tmp_path, own, far, name="own") == drawn(tmp_path, same, far, seed=1, name="same")


def test_a_sweep_that_was_stopped_draws_the_same(tmp_path: Path) -> None:
    search = searched(RATE, {"name": "tpe", "startup": 3})
    whole = drawn(tmp_path, search, far, name="whole")
    with study(tmp_path, search) as made:
        for _ in range(4):
            claim = made.claim()
            assert claim is not None
            made.settle(claim, ended(far(claim.choice)))
        assert made.claim() is not None  # the fifth was under way
    assert drawn(tmp_path, search, far) == whole


def test_a_log_range_is_even_by_its_logarithm(tmp_path: Path) -> None:
    found = drawn(tmp_path, searched(RATE, trials=60), lambda choice: 0.0)
    rates = [math.log10(choice["optimizer.lr"]) for choice in found]
    assert kstest([(rate + 4) / 4 for rate in rates], "uniform").pvalue > 0.05
    assert kstest([choice["optimizer.lr"] for choice in found], "uniform").pvalue < 1e-6


def test_tpe_draws_what_optunas_own_loop_draws(tmp_path: Path) -> None:
    search = searched(RATE, {"name": "tpe", "startup": 4}, trials=12)
    own = optuna.create_study()
    expected = []
    for number in range(12):
        seed = int(np.random.SeedSequence([0, number]).generate_state(1)[0])
        own.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=4)
        trial = own.ask()
        rate = search.space["optimizer.lr"].read(trial.suggest_float("optimizer.lr", 1e-4, 1.0, log=True))
        own.tell(trial, far({"optimizer.lr": rate}))
        expected.append({"optimizer.lr": rate})
    assert drawn(tmp_path, search, far) == expected


@pytest.mark.parametrize(
    "of", [Range(1e-4, 1.0, log=True), Range(0.9, 0.9999), Range(0.0, 1e6), Range(-3.0, 2.0)]
)
def test_what_is_drawn_is_short_and_as_good(of: Range) -> None:
    for k in range(101):
        value = of.low * (of.high / of.low) ** (k / 100) if of.log else of.low + k * (of.high - of.low) / 100
        value = min(max(value, of.low), of.high)
        fine = value * math.log(of.high / of.low) / 1000 if of.log else (of.high - of.low) / 1000
        assert abs(of.read(value) - value) <= 0.51 * fine + 1e-15
        assert of.low <= of.read(value) <= of.high
    assert len(repr(of.read(of.low + 0.123456789 * (of.high - of.low)))) <= 10


def test_values_of_every_kind_come_back() -> None:
    values = (1, 1.0, True, "1.5", None, [1, 2], {"name": "sgd", "lr": 0.1})
    of = Choices(values)
    back = [of.read(of.stored(value)) for value in values]
    assert [(type(value), value) for value in back] == [(type(value), value) for value in values]


def test_the_metric_says_which_way_is_better() -> None:
    assert not Search({}, Random(), None, 1, metric="validation_loss").maximize  # type: ignore[arg-type]
    assert not Search({}, Random(), None, 1, metric="test_mean_squared_error").maximize  # type: ignore[arg-type]
    assert Search({}, TPE(), None, 1, metric="validation_accuracy").maximize  # type: ignore[arg-type]
    assert not Search({}, TPE(), None, 1, metric="validation_accuracy", direction="minimize").maximize  # type: ignore[arg-type]


def test_two_processes_share_the_trials_and_stop_at_the_total(tmp_path: Path) -> None:
    search = searched(RATE, trials=7)
    with study(tmp_path, search, place="a") as a, study(tmp_path, search, place="b") as b:
        claims = []
        while (claim := (a if len(claims) % 2 else b).claim()) is not None:
            claims.append(claim)
        assert sorted(claim.number for claim in claims) == list(range(7))
        assert a.claim() is None
        assert b.claim() is None
        assert [entry.summary for entry in a.entries()] == [{"status": "running"}] * 4  # for the other
        for k, claim in enumerate(claims):
            (a if k % 2 else b).settle(claim, ended(1.0))
        assert len(a.entries()) == len(b.entries()) == 7
    alone = drawn(tmp_path, search, far, name="alone")
    assert [claim.choice for claim in claims] == alone  # by the numbers, whoever draws
    with study(tmp_path, searched(RATE, trials=9)) as more:
        new = [more.claim(), more.claim(), more.claim()]
        assert [claim and claim.number for claim in new] == [7, 8, None]


@pytest.mark.parametrize("status", ["interrupted", "failed"])
def test_what_was_interrupted_or_failed_waits_under_its_number(tmp_path: Path, status: str) -> None:
    search = searched(RATE, trials=2)
    with study(tmp_path, search) as first:
        claim = first.claim()
        assert claim is not None
        first.settle(claim, {"status": status})
        again = first.claim()
        assert again is not None
        assert again.number == (
            0 if status == "interrupted" else 1
        )  # what failed here is not tried here again
        assert first.entries()[0].summary == {"status": status}
    with study(tmp_path, search) as second:
        assert second.claim() == claim


def test_a_diverged_trial_counts_as_pruned(tmp_path: Path) -> None:
    with study(tmp_path, searched(RATE, trials=2)) as made:
        claim = made.claim()
        assert claim is not None
        made.settle(claim, {"status": "diverged", "reason": "step 3: the loss became nan"})
        (entry,) = made.entries()
        assert entry.summary["reason"] == "step 3: the loss became nan"
        assert entry.value is None
        assert [trial.state.name for trial in made.study.trials] == ["PRUNED"]


def test_a_dead_process_is_known_by_its_mark(tmp_path: Path) -> None:
    search = searched(RATE, trials=1)
    with study(tmp_path, search) as alive, study(tmp_path, search) as other:
        claim = alive.claim()
        assert claim is not None
        assert other.claim() is None
        assert not other.unsure()
        assert other.drawn() == []
        alive.presence._mark.close()  # type: ignore[union-attr]  # as when it is killed
        assert other.drawn() == [(claim.number, claim.choice)]
        assert other.claim() == claim
        alive.settle(claim, ended(9.0))  # too late: the trial is another's
        assert other.entries() == []
        assert alive.entries()[0].summary == {"status": "running"}
        other.settle(claim, ended(1.0))
        assert other.entries()[0].value == 1.0
    assert not (tmp_path / "a" / ".workers").exists()


def test_a_process_elsewhere_is_known_by_its_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    search = searched(RATE, trials=1)
    monkeypatch.setattr(room, "SILENCE", 30.0)
    clock = [0.0]
    monkeypatch.setattr(room, "monotonic", lambda: clock[0])
    with study(tmp_path, search, place="a") as far_away, study(tmp_path, search, place="b") as here:
        claim = far_away.claim()
        assert claim is not None
        assert here.claim() is None
        assert here.unsure()
        clock[0] = 20.0
        far_away.storage.set_trial_user_attr(claim.id, "beat", "1")
        assert here.claim() is None
        assert not here.unsure()  # it was heard of
        clock[0] = 45.0
        assert here.claim() is None
        clock[0] = 51.0
        assert here.claim() == claim


def test_a_running_process_gives_signs_of_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "BEAT", 0.01)
    with study(tmp_path, searched(RATE)) as made:
        claim = made.claim()
        assert claim is not None
        heard: set[str] = set()
        while len(heard) < 2:
            heard |= {made.storage.get_trial(claim.id).user_attrs.get("beat", "")} - {""}


def test_a_study_of_other_settings(tmp_path: Path) -> None:
    with study(tmp_path, searched(RATE)) as first:
        first.agree("these")
        first.agree("these")
    with pytest.raises(
        ConfigError, match=r"the study 's' in the storage was begun with other settings. Take the same"
    ):
        first.agree("those")


@pytest.mark.parametrize(
    ("address", "error", "words"),
    [
        ("nowhere", ConfigError, r"sweep.storage: got 'nowhere'. Expected an address such as postgresql://"),
        (
            "sqlite:////no/such/folder/x.db",
            FileError,
            r"could not be opened \(unable to open database file\)",
        ),
        (
            "oracle://u:secret@h/d",
            ConfigError,
            r"sweep.storage oracle://u@h/d: its driver is missing .*pip install 'oracledb'",
        ),
    ],
)
def test_a_storage_that_cannot_be_used(address: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        open_storage(address)


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ("postgresql://me:secret@h:5/d?connect_timeout=3", "postgresql://me@h:5/d?connect_timeout=3"),
        ("postgresql://h/d?user=me&password=secret", "postgresql://h/d?user=me"),
        ("mysql+pymysql://me:secret@h/d?ssl_key_passwd=secret", "mysql+pymysql://me@h/d"),
        ("postgresql://me@h/d?passfile=%2Fx", "postgresql://me@h/d?passfile=%2Fx"),
    ],
)
def test_no_password_is_shown(address: str, kept: str) -> None:
    assert without_password(address) == kept
    assert anchored(address) == address


@pytest.mark.parametrize(
    "address", ["postgres//me:secret@h/d", "postgresql://me:secret@h:x/d", "a?password=secret"]
)
def test_no_password_is_shown_of_what_is_no_address(address: str) -> None:
    with pytest.raises(
        ConfigError, match=r"sweep.storage: got one that is not shown: it may hold a password. Exp"
    ) as e:
        open_storage(address)
    assert "secret" not in str(e.value)


def test_steps_that_do_not_meet_the_end(tmp_path: Path) -> None:
    space = {
        "optimizer.lr": {"low": 0.1, "high": 1.0, "step": 0.4},
        "training.batch_size": {"low": 1, "high": 9, "step": 5},
    }
    found = drawn(tmp_path, searched(space, trials=30), lambda choice: 0.0)
    assert {choice["optimizer.lr"] for choice in found} == {0.1, 0.5, 0.9}
    assert {choice["training.batch_size"] for choice in found} == {1, 6}
    assert [Range(0.1, 1.0, step=0.4).ends(), Range(1, 9, step=5).ends()] == [[0.1, 0.9], [1, 6]]


def test_long_names_are_numbers() -> None:
    search = searched({"description": ["ä" * 60, "b" * 60]}, "grid", None)
    assert [run_name(search, k, choice)[:5] for k, choice in enumerate(search.combinations)] == [
        "000",
        "descr",
    ]


def test_a_folder_with_signs_in_its_name(tmp_path: Path) -> None:
    odd = tmp_path / "a ? b % c # d"
    odd.mkdir()
    open_storage(address_of(odd / "sweep.db")).engine.dispose()
    assert (odd / "sweep.db").is_file()
