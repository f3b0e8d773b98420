"""A few hundred damaged files for each reader, with a fixed seed; and planted faults, which must be found."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

import clearprop as cp
from clearprop.errors import DataError
from fuzz.guard import Range
from fuzz.mutate import DAMAGES, damage, damage_tensors
from fuzz.targets import TARGETS, Target

HERE = Path(__file__).parents[1]


def test_a_few_hundred_files_each():
    """In a process of its own, whose memory is limited."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])}
    run = subprocess.run(
        [sys.executable, "-m", "fuzz", "--inputs", "300"], capture_output=True, text=True, env=environment
    )
    lines = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
    assert [line["target"] for line in lines] == list(TARGETS), run.stderr
    for line in lines:
        assert line["found"] == {}
        assert line["read"] + line["refused"] == 300
        assert line["refused"] > 30, line
    assert run.returncode == 0


@pytest.fixture
def shoot(tmp_path):
    """One file to a reader that the test writes."""
    target = tmp_path / "range"
    target.mkdir()
    shots = Range(target, memory=0)
    return lambda read, data=b"x": shots.shoot(Target("x.bin", read, None), data)


def test_what_a_reader_may_do(shoot):
    def refuse(path):
        raise DataError("No.")

    assert shoot(lambda path: path.read_bytes()) == "read"
    assert shoot(refuse) == "refused"


def spin(path):
    while True:
        pass


def say(text):
    def read(path):
        raise DataError(text)

    return read


@pytest.mark.parametrize(
    ("read", "found"),
    [
        (lambda path: 1 / 0, "ZeroDivisionError at test_fuzz.py"),
        (lambda path: bytearray(1 << 60), "MemoryError at test_fuzz.py"),
        (lambda path: path.with_name("y").write_bytes(b""), "touched: open"),
        (lambda path: path.unlink(), "touched: os.remove"),
        (lambda path: path.rename(path.with_name("z")), "touched: os.rename"),
        (lambda path: os.system("true"), "touched: os.system"),
        (lambda path: subprocess.run(["true"], check=True), "touched: subprocess.Popen"),
        (lambda path: __import__("socket").socket().close(), "touched: socket."),
        (lambda path: __import__("pickle").loads(b"cos\nsystem\n."), "touched: pickle.find_class"),
        (say(""), "a sentence of 0 characters"),
        (say("x" * 20_001), "a sentence of 20001 characters"),
        (say("\ud800"), "a sentence that cannot be printed"),
    ],
)
def test_planted_faults_are_found(shoot, read, found):
    assert shoot(read).startswith(found)


def test_a_reader_that_does_not_come_back_is_found(shoot, monkeypatch):
    monkeypatch.setattr("fuzz.guard.SECONDS", 0.2)
    assert shoot(spin).startswith("TooSlowError at test_fuzz.py")


def test_memory_beyond_the_bound_is_found():
    code = (
        "from fuzz.guard import limit_memory; import numpy as np; limit_memory(64); a = np.ones(4 << 20); "
        "print(a.nbytes >> 20); np.ones(8 << 20)"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert run.stdout == "32\n"
    assert "MemoryError" in run.stderr


def test_damages_differ_and_do_not_change_the_whole_file():
    rng, data = random.Random(0), bytes(range(48, 80)) * 4
    made = {damage(rng, data, data) for _ in range(300)}
    assert len(made) > 250
    for each in DAMAGES:
        assert any(each(rng, data, b"other") != data for _ in range(20)), each


def test_damaged_headers_are_often_well_formed(tmp_path):
    """So that they reach what comes behind the header."""
    from clearprop.tensors import open_tensors

    rng, path = random.Random(0), tmp_path / "x"
    cp.Sequential([cp.Dense(2)], (3,)).save(path)
    data, whole = path.read_bytes(), 0
    for _ in range(200):
        path.write_bytes(damage_tensors(rng, data, data))
        try:
            open_tensors(path)
        except DataError:
            continue
        whole += 1
    assert 60 < whole < 160
