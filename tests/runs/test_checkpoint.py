"""Checkpoints: what goes in comes out, and a damaged file is a sentence."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import clearprop as cp
from clearprop.errors import DataError, FileError
from clearprop.runs.checkpoint import (
    Checkpoints,
    callback_states,
    latest,
    load_state,
    restore_step,
    save_state,
)


def same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return type(a) is type(b) and (a == b or a != a)


def state() -> dict[str, Any]:
    rng = np.random.default_rng(7)
    return {
        "params": rng.normal(size=13).astype(np.float32),
        "rng": rng.bit_generator.state,  # integers of 128 bits
        "optimizer": {"steps": np.array(3), "lr": np.array(0.1), "m": rng.normal(size=(2, 3))},
        "numbers": [1, -2.5, float("inf"), float("-inf"), float("nan"), 0.1 + 0.2, 5e-324, True, None, "µ"],
        "nested": [{"a": [np.array(np.inf), {}]}, []],
        "empty": np.zeros((0, 3), np.float32),
        "flags": np.array([True, False]),
        "turned": np.arange(6.0).reshape(2, 3).T,  # not contiguous
    }


def test_round_trip(tmp_path: Path) -> None:
    given = state()
    save_state(tmp_path / "a.safetensors", given)
    read = load_state(tmp_path / "a.safetensors")
    assert same(given, read)
    a, b = np.random.default_rng(), np.random.default_rng()
    a.bit_generator.state, b.bit_generator.state = given["rng"], read["rng"]
    np.testing.assert_array_equal(a.random(9), b.random(9))


def test_every_truncation_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "step-000000001.safetensors"
    save_state(path, state())
    whole = path.read_bytes()
    for length in [*range(0, len(whole), 41), len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(
            DataError, match=r"step-000000001.*: not a whole checkpoint .* Remove it to resume"
        ):
            load_state(path)


@pytest.mark.parametrize(
    "content",
    [b"\xff" * 40, b"step,loss\n1,2\n", b"\x02\0\0\0\0\0\0\0{}", b"\xff" * 8 + b"{}"],
    ids=["noise", "csv", "no state", "length"],
)
def test_another_file_is_a_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(DataError, match="not a whole checkpoint"):
        load_state(tmp_path / "x")


@pytest.mark.parametrize("text", ["{", "[]", "3", '{"params": {"array": "/gone"}}'])
def test_a_header_that_does_not_fit_is_a_sentence(tmp_path: Path, text: str) -> None:
    from safetensors.numpy import save_file

    save_file({"/a": np.zeros(2)}, tmp_path / "x", {"state": text})
    with pytest.raises(DataError, match="not a whole checkpoint"):
        load_state(tmp_path / "x")


def train(tmp_path: Path, seconds: float, keep: int, **settings: Any) -> tuple[cp.Sequential, list[Path]]:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 3)), rng.integers(0, 2, 20)
    model = cp.Sequential([cp.Dense(2)], input_shape=(3,))
    folder = tmp_path / "checkpoints"
    checkpoints = Checkpoints(folder, seconds, keep)
    checkpoints.open()
    cp.fit(model, x, y, epochs=3, batch_size=5, callbacks=[checkpoints], **settings)
    return model, sorted(folder.iterdir())


@pytest.mark.parametrize("keep", [1, 2, 5])
def test_the_newest_are_kept(tmp_path: Path, keep: int) -> None:
    model, files = train(tmp_path, 0, keep)
    assert [path.name for path in files] == [f"step-{step:09d}.safetensors" for step in range(13 - keep, 13)]
    assert latest(tmp_path / "checkpoints") == files[-1]
    np.testing.assert_array_equal(load_state(files[-1])["params"], model.params)


def test_one_at_the_end_however_short_the_run(tmp_path: Path) -> None:
    _, files = train(tmp_path, 1000, 2)
    assert [path.name for path in files] == ["step-000000012.safetensors"]


def test_no_checkpoint_yet(tmp_path: Path) -> None:
    assert latest(tmp_path / "nowhere") is None


@pytest.mark.parametrize("lr", [1e38, 1e39])  # with the second one's first step the parameters are infinite
def test_parameters_that_are_not_finite_are_never_written(tmp_path: Path, lr: float) -> None:
    with pytest.raises(cp.DivergedError):
        train(tmp_path, 0, 100, optimizer={"name": "sgd", "lr": lr}, loss="softmax_cross_entropy")
    for path in (tmp_path / "checkpoints").glob("*"):
        assert np.isfinite(load_state(path)["params"]).all()


def test_callbacks_find_their_states_in_any_order() -> None:
    early, best = cp.EarlyStopping("loss"), cp.BestWeights("loss")
    kept = {
        "BestWeights loss": {"value": 1.0, "epoch": 2},
        "EarlyStopping accuracy": {"value": 0.5, "epoch": 1},  # of another column: no good for this one
    }
    states = callback_states({"callbacks": kept}, [cp.Callback(), early, best])
    assert states == [{}, early.state(), {"value": 1.0, "epoch": 2}]


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x"
    save_state(path, {"a": np.ones(3)})
    before = path.read_bytes()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(FileError, match=r"x: could not be written, the file there is as it was .*No space"):
        save_state(path, {"a": np.zeros(3)})
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize("name", ["params", "buffers", "optimizer", "model_rng", "progress"])
@pytest.mark.parametrize("put", [None, [], {}, "x", 10**39], ids=str)
def test_a_step_of_a_state_that_is_none_is_a_sentence(tmp_path: Path, name: str, put: Any) -> None:
    model, files = train(tmp_path, 0, 1)
    state = load_state(files[-1])
    restore_step(state, model, cp.SGD())
    before = model.params, model.rng.bit_generator.state = (
        np.ones(8, "f4"),
        np.random.default_rng(5).bit_generator.state,
    )
    with pytest.raises(cp.ClearpropError, match=r"checkpoint: expected a state|SGD: expected a state with"):
        restore_step(state | {name: put}, model, cp.SGD())
    np.testing.assert_array_equal(model.params, before[0])
    assert model.rng.bit_generator.state == before[1]


@pytest.mark.parametrize(
    ("name", "array", "sentence"),
    [
        (
            "params",
            np.full(12, np.nan),
            r"checkpoint: 0\.w holds values that are not finite numbers in float32",
        ),
        (
            "params",
            np.full(12, 1e300),
            r"checkpoint: 0\.w holds values that are not finite numbers in float32",
        ),
        (
            "params",
            np.ones(12, bool),
            r"checkpoint: 0\.w holds values that are not finite numbers in float32",
        ),
        ("buffers", np.full(4, -1.0), r"checkpoint: 1\.running_var holds variances below 0"),
    ],
)
def test_a_step_of_a_state_with_other_numbers_is_a_sentence(
    tmp_path: Path, name: str, array: np.ndarray, sentence: str
) -> None:
    rng = np.random.default_rng(0)
    model = cp.Sequential([cp.Dense(2), cp.BatchNorm()], (3,))
    checkpoints = Checkpoints(tmp_path)
    cp.fit(model, rng.normal(size=(4, 3)), np.arange(4) % 2, epochs=1, batch_size=2, callbacks=[checkpoints])
    state = load_state(next(tmp_path.iterdir()))
    before = model.params.copy()
    assert state["params"].shape == (12,)
    with pytest.raises(DataError, match=sentence):
        restore_step(state | {name: array}, model, cp.SGD())
    np.testing.assert_array_equal(model.params, before)


def test_names_with_a_slash_do_not_meet(tmp_path: Path) -> None:
    given = {"a/b": np.array(1), "a": {"b": np.array(2)}, "a/b'": np.array(3)}
    save_state(tmp_path / "x", given)
    assert same(load_state(tmp_path / "x"), given)


def test_a_checkpoint_larger_than_memory_is_a_sentence(tmp_path: Path, put_zeros: Any) -> None:
    size = 1 << 43
    header = {
        "__metadata__": {"state": "{}"},
        "a": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]},
    }
    text = json.dumps(header).encode()
    with (tmp_path / "x").open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        put_zeros(file, size)
    with pytest.raises(DataError, match=r"x: not a whole checkpoint \(Unable to allocate"):
        load_state(tmp_path / "x")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"a": 1, "a": 2}', "the key 'a' stands there twice"),
        ("[" * 100_000, "tables nested too deeply"),
        ('{"a": ' + "9" * 500 + "}", "a number of 500 digits"),
        ('{"params": {"array": ["a"]}}', "unhashable"),
    ],
)
def test_a_hostile_state_is_a_sentence(tmp_path: Path, text: str, why: str) -> None:
    from safetensors.numpy import save_file

    save_file({"/a": np.zeros(2)}, tmp_path / "x", {"state": text})
    with pytest.raises(DataError, match=f"x: not a whole checkpoint .*{why}.*Remove it to resume"):
        load_state(tmp_path / "x")


def test_a_checkpoint_that_is_gone_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(
        FileError, match=r"x: could not be read \(No such file or directory\)\. Expected a checkpoint"
    ):
        load_state(tmp_path / "x")


@pytest.mark.parametrize("batches", [0, np.zeros(2), "x"], ids=str)
def test_a_progress_without_batches_is_a_sentence(tmp_path: Path, batches: Any) -> None:
    model, files = train(tmp_path, 0, 1)
    state = load_state(files[-1])
    state["progress"]["batches"] = batches
    with pytest.raises(DataError, match="checkpoint: expected a state that a training run has saved"):
        restore_step(state, model, cp.SGD())
