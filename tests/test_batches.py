"""Mini-batches: each row once an epoch, in an order of its own."""

import numpy as np
import pytest

from clearprop.batches import epoch_rows, n_batches, take

SIZES = [(10, 4), (12, 4), (3, 4), (1, 1), (7, 7), (5, 1)]


def numbers(n, rows):
    return np.arange(n)[rows].tolist()


@pytest.mark.parametrize(("n", "size"), SIZES)
@pytest.mark.parametrize("drop_last", [False, True])
def test_batches_in_order(n, size, drop_last):
    batches = [numbers(n, rows) for rows in epoch_rows(n, size, drop_last=drop_last)]
    expected = [list(range(n))[i : i + size] for i in range(0, n, size)]
    expected = [batch for batch in expected if len(batch) == size or not drop_last]
    assert batches == expected
    assert n_batches(n, size, drop_last) == len(expected)


@pytest.mark.parametrize(("n", "size"), SIZES)
@pytest.mark.parametrize("drop_last", [False, True])
def test_shuffled_batches_are_cut_from_one_permutation(n, size, drop_last):
    batches = [numbers(n, rows) for rows in epoch_rows(n, size, np.random.default_rng(4), drop_last)]
    order = np.random.default_rng(4).permutation(n).tolist()
    assert [row for batch in batches for row in batch] == order[: len(batches) * size]
    assert len(batches) == n_batches(n, size, drop_last)


def test_each_epoch_draws_anew():
    rng = np.random.default_rng(0)
    first, second = ([numbers(50, r) for r in epoch_rows(50, 50, rng)] for _ in range(2))
    assert first != second
    assert sorted(first[0]) == sorted(second[0]) == list(range(50))


def test_take():
    x = np.arange(20.0).reshape(10, 2)
    assert np.shares_memory(take(x, slice(2, 5)), x)
    np.testing.assert_array_equal(take(x, np.array([3, 3, 0])), [[6, 7], [6, 7], [0, 1]])
