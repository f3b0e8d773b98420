"""The progress of a run, on a terminal that is none."""

import io
import re
from typing import Any

import numpy as np
import pytest
from rich.console import Console

import clearprop as cp
from clearprop.runs import progress
from clearprop.runs.progress import Progress


def shown(terminal: bool, epochs: int, loss: str = "softmax_cross_entropy", **settings: Any) -> str:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 3)), rng.integers(0, 2, 40)
    screen = io.StringIO()
    bar = Progress(Console(file=screen, force_terminal=terminal, width=80, color_system=None))
    model = cp.Sequential([cp.Dense(2 if loss.startswith("soft") else 1)], input_shape=(3,))
    cp.fit(model, x, y, loss=loss, epochs=epochs, batch_size=10, validation=0.25, callbacks=[bar], **settings)
    bar.close()
    return screen.getvalue()


@pytest.mark.parametrize(("epochs", "lines"), [(1, 1), (7, 7), (10, 10), (100, 10), (105, 11)])
def test_about_ten_lines_in_a_file(epochs: int, lines: int) -> None:
    first, *rest = shown(False, epochs).splitlines()
    rest = [line for line in rest if line]
    assert first == "epoch, loss and accuracy of each part:"
    assert len(rest) == lines
    assert rest[-1].startswith(f"{epochs}/{epochs}  train ")
    assert all(
        re.fullmatch(r" *\d+/\d+  train [\d.]+ [\d.]+   validation [\d.]+ [\d.]+", line) for line in rest
    )


def test_the_numbers_are_the_historys() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 3)), rng.integers(0, 2, 40)
    screen = io.StringIO()
    model = cp.Sequential([cp.Dense(2)], input_shape=(3,))
    history = cp.fit(model, x, y, epochs=3, callbacks=[Progress(Console(file=screen))])
    last = history.epochs[-1]
    assert f"3/3  train {last['loss']:.4f} {last['accuracy']:.4f}" in screen.getvalue()


def test_numbers_that_are_predicted_have_their_own_name() -> None:
    assert shown(False, 1, "squared_error").startswith("epoch, loss and mean squared error of each part:")
    assert "mse" in shown(True, 2, "squared_error")


def test_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "REFRESH", 0)  # draw every step
    text = shown(True, 3)
    assert "epoch 1/3" in text
    assert "epoch 3/3" in text
    assert re.search(r"loss \d\.\d{4}  acc \d\.\d{3}  [\d,]+/s", text)
    assert re.search(r"\d+:\d\d", text)  # the time left
    assert text.endswith(("\x1b[2K", "\x1b[?25h", "\n")) or "\x1b[?25h" in text  # and the cursor is back


def test_a_bar_is_taken_off_after_an_error() -> None:
    screen = io.StringIO()
    bar = Progress(Console(file=screen, force_terminal=True, width=80))

    class Fail(cp.Callback):
        def on_step_end(self, training: cp.Training) -> None:
            raise ZeroDivisionError

    model = cp.Sequential([cp.Dense(2)], input_shape=(3,))
    with pytest.raises(ZeroDivisionError):
        cp.fit(model, np.ones((4, 3)), np.array([0, 1, 0, 1]), callbacks=[bar, Fail()])
    bar.close()
    assert "\x1b[?25h" in screen.getvalue()  # the cursor is shown again


def test_in_python_it_is_a_callback_like_others(capsys: pytest.CaptureFixture[str]) -> None:
    bar = cp.Progress()
    for _ in range(2):  # the same one twice
        model = cp.Sequential([cp.Dense(2)], input_shape=(3,), seed=0)
        cp.fit(model, np.ones((4, 3)), np.array([0, 1, 0, 1]), epochs=2, callbacks=[bar])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6
    assert lines[:3] == lines[3:]
    assert lines[2].startswith("2/2  train ")


def test_a_bar_for_a_second_training_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "REFRESH", 0)
    screen = io.StringIO()
    bar = Progress(Console(file=screen, force_terminal=True, width=80, color_system=None))
    for epochs in (2, 3):
        model = cp.Sequential([cp.Dense(2)], input_shape=(3,), seed=0)
        cp.fit(model, np.ones((4, 3)), np.array([0, 1, 0, 1]), epochs=epochs, callbacks=[bar])
    assert "epoch 3/3" in screen.getvalue()
    assert len(bar._bar.task_ids) == 1


def test_it_changes_nothing_of_the_training() -> None:
    def trained(*callbacks: cp.Callback) -> cp.Array:
        model = cp.Sequential([cp.Dropout(0.5), cp.Dense(2)], input_shape=(3,), seed=0)
        cp.fit(model, np.ones((4, 3)), np.array([0, 1, 0, 1]), epochs=2, callbacks=list(callbacks))
        return model.params

    np.testing.assert_array_equal(trained(), trained(cp.Progress(Console(file=io.StringIO()))))


def test_in_a_notebook_there_are_lines_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    class Cell(io.StringIO):
        def isatty(self) -> bool:
            return True  # as ipykernel's

    cell = Cell()
    monkeypatch.setattr("sys.stdout", cell)
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    model = cp.Sequential([cp.Dense(2)], input_shape=(3,), seed=0)
    cp.fit(model, np.ones((4, 3)), np.array([0, 1, 0, 1]), epochs=2, callbacks=[cp.Progress()])
    lines = cell.getvalue().splitlines()
    assert len(lines) == 3
    assert "\x1b" not in cell.getvalue()
