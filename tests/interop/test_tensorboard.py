"""What TensorBoard is told against the history, also after a stop at any step; nothing there stops a training."""

import errno
import io
import sys
import warnings
from copy import copy

import numpy as np
import pytest

import clearprop as cp
import event_files
from clearprop.errors import ConfigError
from clearprop.interop.tracking import TensorBoard, tracker
from event_files import crc32c, curves, records, values
from oracles import blobs

X, Y = blobs(30)
SETTINGS = {
    "epochs": 3,
    "batch_size": 8,
    "validation": 0.2,
    "evaluate_every": 2,
    "seed": 3,
}  # 3 steps an epoch


def network():
    return cp.Sequential([cp.Dense(5, activation="tanh"), cp.Dense(3)], (4,), seed=0)


def train(*callbacks, **settings):
    model = network()
    optimizer = cp.SGD(cp.Exponential(0.1, decay=0.9), momentum=0.9)
    return model, cp.fit(model, X, Y, optimizer=optimizer, callbacks=callbacks, **SETTINGS | settings)


class Norms(cp.Callback):
    def __init__(self):
        self.norms = []

    def on_step_end(self, training):
        self.norms.append(float(np.sqrt((training.model.grads.astype(float) ** 2).sum())))


def expected(history, norms=None):
    """The curves that belong to a history."""
    found = {f"step/{name}": [*enumerate(column, 1)] for name, column in history.steps.items()}
    if norms is not None:
        found["step/grad_norm"] = [*enumerate(norms, 1)]
    for kind, rows in (("watched", history.watched), ("epoch", history.epochs)):
        for row in rows:
            for key in row.keys() - {"step", "epoch"}:
                found.setdefault(f"{kind}/{key}", []).append((row["step"], row[key]))
    return found


def assert_same(found, wanted, apart=()):
    assert found.keys() - set(apart) == wanted.keys() - set(apart)
    for tag in wanted.keys() - set(apart):
        assert [step for step, _ in found[tag]] == [step for step, _ in wanted[tag]], tag
        np.testing.assert_allclose(
            [value for _, value in found[tag]], [value for _, value in wanted[tag]], rtol=1e-6, err_msg=tag
        )


def test_the_reader_s_checksum_is_the_standard_s():
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA  # RFC 3720, B.4


def test_the_reader_finds_a_flipped_bit(tmp_path):
    train(TensorBoard(tmp_path))
    blob = bytearray(next(tmp_path.iterdir()).read_bytes())
    assert len(list(records(bytes(blob)))) > 20
    blob[len(blob) // 2] ^= 4
    with pytest.raises((ValueError, event_files.struct.error)):
        list(records(bytes(blob)))


@pytest.mark.parametrize("clip_norm", [None, 0.5])
def test_the_curves_are_the_history_s(tmp_path, clip_norm):
    norms = Norms()
    _, history = train(norms, TensorBoard(tmp_path), clip_norm=clip_norm)
    assert_same(curves(tmp_path), expected(history, None if clip_norm else norms.norms))
    if clip_norm:
        assert history.steps["grad_norm"] != norms.norms  # the curve is of the gradient as it was


def test_every_so_many_steps(tmp_path):
    _, history = train(TensorBoard(tmp_path, every=4))
    found = curves(tmp_path)
    assert [step for step, _ in found["step/loss"]] == [4, 8]
    assert [step for step, _ in found["epoch/loss"]] == [3, 6, 9]
    assert found["step/loss"][1][1] == pytest.approx(history.steps["loss"][7])


class Keep(cp.Callback):
    """Takes the state at an event of a step, and stops the training by an error two steps later."""

    def __init__(self, step, event):
        self.step, self.event, self.kept = step, event, None
        setattr(self, event, self.keep)

    def keep(self, training):
        if training.step == self.step:
            self.kept = training.state()

    def on_step_end(self, training):
        if training.step == self.step + 2:
            raise ZeroDivisionError("planted")


class KeepAtStep(Keep):
    def on_step_end(self, training):
        self.keep(training)
        super().on_step_end(training)


class KeepAtEpoch(Keep):
    def on_epoch_end(self, training):
        self.keep(training)


@pytest.mark.parametrize("before", [True, False], ids=["state first", "tracker first"])
@pytest.mark.parametrize("step", range(1, 9))
def test_a_resumed_training_has_each_point_once(tmp_path, step, before):
    keep, norms, board = KeepAtStep(step, "_"), Norms(), TensorBoard(tmp_path)
    if step <= 7:
        with pytest.raises(ZeroDivisionError):
            train(*(keep, board) if before else (board, keep))
    else:
        train(*(keep, board) if before else (board, keep))
    _, whole = train(norms)
    board = TensorBoard(tmp_path)
    others = cp.Callback()
    _, history = train(*(others, board) if before else (board, others), resume=keep.kept)
    assert history.steps == whole.steps
    assert_same(curves(tmp_path), expected(history, norms.norms), apart=["epoch/seconds"])
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("step", range(1, 8))
def test_resumed_where_every_so_many_steps_are_told(tmp_path, step):
    keep = KeepAtStep(step, "_")
    with pytest.raises(ZeroDivisionError):
        train(TensorBoard(tmp_path, every=4), keep)
    train(TensorBoard(tmp_path, every=4), cp.Callback(), resume=keep.kept)
    assert [at for at, _ in curves(tmp_path)["step/loss"]] == [4, 8]
    assert [at for at, _ in curves(tmp_path)["epoch/loss"]] == [3, 6, 9]


@pytest.mark.parametrize("step", [3, 6])
def test_resumed_after_an_epoch(tmp_path, step):
    keep, norms = KeepAtEpoch(step, "_"), Norms()
    with pytest.raises(ZeroDivisionError):
        train(TensorBoard(tmp_path, histograms=True), keep)
    train(norms)
    _, history = train(TensorBoard(tmp_path, histograms=True), cp.Callback(), resume=keep.kept)
    assert_same(curves(tmp_path), expected(history, norms.norms), apart=["epoch/seconds"])
    assert [at for at, _ in values(tmp_path)["gradients/0.w"]] == [3, 6, 9]  # none is lost, none twice


def test_a_training_that_begins_to_be_tracked_when_it_is_resumed_has_its_whole_curve(tmp_path):
    keep = KeepAtStep(4, "_")
    with pytest.raises(ZeroDivisionError):
        train(cp.Callback(), keep)
    _, history = train(TensorBoard(tmp_path), cp.Callback(), resume=keep.kept)
    assert_same(curves(tmp_path), expected(history), apart=["step/grad_norm"])
    assert [step for step, _ in curves(tmp_path)["step/grad_norm"]] == [5, 6, 7, 8, 9]


def test_a_new_training_does_not_mix_with_an_old_one(tmp_path):
    boards = [TensorBoard(tmp_path / "logs") for _ in range(3)]
    for board in boards:
        train(board)
    assert [board.folder.name for board in boards] == ["logs", "logs-2", "logs-3"]
    train(boards[0])  # the same callback again
    assert boards[0].folder.name == "logs-4"
    keep = KeepAtStep(4, "_")
    with pytest.raises(ZeroDivisionError):
        train(TensorBoard(tmp_path / "logs"), keep)
    board = TensorBoard(tmp_path / "logs")
    train(board, cp.Callback(), resume=keep.kept)
    assert board.folder.name == "logs-5"  # it goes on in its own
    assert [step for step, _ in curves(board.folder)["step/loss"]] == [*range(1, 10)]
    board = TensorBoard(tmp_path / "elsewhere")
    train(board, cp.Callback(), resume=keep.kept)
    assert board.folder.name == "elsewhere"


def test_an_error_closes_the_file(tmp_path):
    board = TensorBoard(tmp_path)
    with pytest.raises(ZeroDivisionError):
        train(board, KeepAtStep(3, "_"))
    assert board._file is None
    assert [step for step, _ in curves(tmp_path)["step/loss"]] == [1, 2, 3, 4, 5]
    assert "_hparams_/session_end_info" not in values(tmp_path)


def test_what_was_told_before_a_checkpoint_is_on_the_disk(tmp_path):
    class Look(cp.Callback):
        def on_step_end(self, training):
            before = curves(tmp_path).get("step/loss", [])
            training.state()
            self.seen = len(before), len(curves(tmp_path)["step/loss"])

    look = Look()
    train(TensorBoard(tmp_path), look)
    assert look.seen == (8, 9)


class SmallDisk(io.FileIO):
    """A file that takes so many bytes and no more."""

    def __init__(self, path, room):
        super().__init__(path, "wb")
        self.room = room

    def write(self, data):
        self.room -= len(data)
        if self.room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(data)


@pytest.mark.parametrize(("room", "flush"), [(0, 60.0), (4000, 0.0), (4000, 60.0)])
def test_a_full_disk_stops_nothing(tmp_path, monkeypatch, room, flush):
    from tensorboardX import record_writer

    files = []

    def open_file(path):
        files.append(io.BufferedWriter(SmallDisk(path, room)))
        return files[-1]

    monkeypatch.setattr(record_writer, "open_file", open_file)
    monkeypatch.setattr(tracker, "FLUSH", flush)
    plain, _ = train()
    board = TensorBoard(tmp_path / "logs")
    with pytest.warns(RuntimeWarning) as caught:
        model, history = train(board)
    said = "logs: could not be told (No space left on device). Training goes on without it."
    assert [str(w.message) for w in caught] == [f"TensorBoard, {tmp_path / said}"]
    np.testing.assert_array_equal(model.params, plain.params)
    assert len(history.epochs) == 3
    board.results({"test": {"loss": 1.0}})  # nothing more is said
    assert [file.closed for file in files] == [True]
    read = curves(board.folder).get("step/loss", []) if room else []
    assert [step for step, _ in read] == [*range(1, len(read) + 1)]  # what was there before is whole
    assert (0 < len(read) < 9) == (room > 0 and flush == 0)


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.warns(RuntimeWarning, match=r"could not be told \(Not a directory\)\. Training goes on"):
        _, history = train(TensorBoard(tmp_path / "file" / "logs"))
    assert len(history.epochs) == 3


def test_a_later_training_is_told_again_after_a_failure(tmp_path):
    (tmp_path / "logs").write_text("")
    board = TensorBoard(tmp_path / "logs")
    with pytest.warns(RuntimeWarning, match="goes on without it"):
        train(board)
    (tmp_path / "logs").unlink()
    train(board)
    assert len(curves(tmp_path / "logs")["step/loss"]) == 9


def test_histograms(tmp_path):
    class Copy(cp.Callback):
        def on_epoch_end(self, training):
            self.params = {k: v.copy() for k, v in training.model.named_params().items()}
            self.grads = {k: v.copy() for k, v in training.model.named_grads().items()}

    copies = Copy()
    train(TensorBoard(tmp_path, histograms=True), copies)
    found = values(tmp_path)
    for kind, arrays in (("parameters", copies.params), ("gradients", copies.grads)):
        for name, array in arrays.items():
            assert [step for step, _ in found[f"{kind}/{name}"]] == [3, 6, 9]
            told = found[f"{kind}/{name}"][-1][1].histo
            assert (told.num, sum(told.bucket)) == (array.size, array.size)
            np.testing.assert_allclose([told.min, told.max], [array.min(), array.max()])
            np.testing.assert_allclose(told.sum, array.sum(dtype=float), atol=1e-6)
            for limit, below in zip(told.bucket_limit, np.cumsum(told.bucket), strict=True):
                assert abs((array <= limit).sum() - below) <= 1  # a value on a limit lies on either side
    assert "parameters/0.w" not in values_without_histograms(tmp_path / "plain")


def values_without_histograms(folder):
    train(TensorBoard(folder))
    return values(folder)


def test_a_gradient_that_is_not_finite_has_a_histogram_of_the_rest(tmp_path):
    class Spoil(cp.Callback):
        def on_epoch_end(self, training):
            training.model.named_grads()["0.w"][0, :2] = np.nan, np.inf
            training.model.named_grads()["0.b"][:] = np.nan

    train(Spoil(), TensorBoard(tmp_path, histograms=True))
    found = values(tmp_path)
    assert found["gradients/0.w"][0][1].histo.num == 18
    assert "gradients/0.b" not in found


def hparams(folder):
    from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData

    found = {}
    for tag, pairs in values(folder).items():
        if tag.startswith("_hparams_/"):
            assert pairs[0][1].metadata.plugin_data.plugin_name == "hparams"
            content = pairs[0][1].metadata.plugin_data.content
            found[tag.removeprefix("_hparams_/")] = HParamsPluginData.FromString(content)
    return found


def test_what_fit_was_told_is_there(tmp_path):
    train(TensorBoard(tmp_path))
    told = hparams(tmp_path)
    start = told["session_start_info"].session_start_info.hparams
    assert start["optimizer.name"].string_value == "sgd"
    assert start["optimizer.momentum"].number_value == 0.9
    assert start["optimizer.lr.name"].string_value == "exponential"
    assert start["training.batch_size"].number_value == 8
    assert start["training.shuffle"].bool_value is True
    assert start["model.layers"].string_value == "Dense(5), Activation('tanh'), Dense(3)"
    metrics = [info.name.tag for info in told["experiment"].experiment.metric_infos]
    assert metrics == ["epoch/loss", "epoch/accuracy", "epoch/validation_loss", "epoch/validation_accuracy"]
    assert set(metrics) < curves(tmp_path).keys()
    assert told["session_end_info"].session_end_info.status == 1  # success
    text = values(tmp_path)["configuration/text_summary"][0][1].tensor.string_val[0].decode()
    assert "optimizer.momentum = 0.9\n" in text
    assert network().summary() in text


def test_a_configuration_of_one_s_own(tmp_path):
    train(TensorBoard(tmp_path, hparams={"a": {"b": 2, "no": None}, "list": [1, {"c": 3}]}))
    start = hparams(tmp_path)["session_start_info"].session_start_info.hparams
    assert {key: v.string_value or v.number_value for key, v in start.items()} == {
        "a.b": 2,
        "list": '[1, {"c": 3}]',
    }


def test_results(tmp_path):
    board = TensorBoard(tmp_path)
    board.results({"test": {"loss": 1.0}})  # before any training: nothing
    train(board)
    board.results({"test": {"loss": 0.5, "accuracy": 0.75}})
    found = curves(tmp_path)
    assert (found["final/test_loss"], found["final/test_accuracy"]) == ([(9, 0.5)], [(9, 0.75)])


def test_only_the_first_rank_tells(tmp_path):
    class Second(cp.Callback):
        def on_fit_start(self, training):
            training.ranks = copy(training.ranks)
            training.ranks.rank = 1

    board = TensorBoard(tmp_path / "logs")
    train(Second(), board, validation=None, evaluate_every=None)
    board.results({"test": {"loss": 0.5}})
    assert not (tmp_path / "logs").exists()


def test_it_changes_nothing_of_the_training(tmp_path):
    plain, history = train()
    model, tracked = train(TensorBoard(tmp_path, histograms=True))
    np.testing.assert_array_equal(model.params, plain.params)
    assert tracked.steps == history.steps


def test_without_tensorboardx_a_sentence_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    monkeypatch.setitem(sys.modules, "tensorboardX.summary", None)
    with pytest.raises(
        ConfigError,
        match=r"TensorBoard: expected the package tensorboardX, got none .*'clearprop\[tensorboard\]'",
    ):
        TensorBoard(tmp_path)


def test_every_is_a_count(tmp_path):
    with pytest.raises(ConfigError, match="TensorBoard: expected every to be a whole number >= 1, got 0"):
        TensorBoard(tmp_path, every=0)


def test_no_warning_on_the_way(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(TensorBoard(tmp_path, histograms=True))
