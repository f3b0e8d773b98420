"""The tests: what they compare with lies in tests/data/, and how near is near enough."""

import unittest
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).with_name("data")
TOLERANCE = 1.5e-4


class NumbersTestCase(unittest.TestCase):
    """A test case that compares arrays with tests/data/<numbers>.npz."""

    numbers = ""

    @classmethod
    def setUpClass(cls) -> None:
        """Read the file once for all tests of the class."""
        with np.load(FOLDER / f"{cls.numbers}.npz", allow_pickle=False) as file:
            cls.data = {name: np.asarray(file[name], dtype=np.float64) for name in file.files}

    def compare(self, what: str, got: np.ndarray, expected: np.ndarray) -> None:
        """Fail unless all numbers are within 1.5e-4 of the expected ones."""
        got, expected = np.asarray(got, dtype=np.float64), np.asarray(expected)
        self.assertEqual(got.shape, expected.shape, f"{what} has the wrong shape")
        off = np.abs(got - expected)
        wrong = ~(off < TOLERANCE)  # so that NaN is wrong, too
        if wrong.any():
            place = np.unravel_index(int(np.argmax(np.where(np.isnan(off), np.inf, off))), off.shape)
            self.fail(
                f"{what}: {wrong.sum()} of {wrong.size} numbers are off by {TOLERANCE} or more; at "
                f"{tuple(map(int, place))} {expected[place]:.6g} is expected, {got[place]:.6g} is there"
            )
