"""CS 189's weights: the distributions, and that they are NumPy's legacy stream's, draw by draw."""

import numpy as np
import pytest

from clearprop.courses.cs189.weights import WEIGHTS, initialize_weights
from clearprop.errors import ConfigError

STDS = {
    ("xavier_uniform", None): np.sqrt(2 / (200 + 300)),
    ("xavier_normal", "tanh"): 5 / 3 * np.sqrt(2 / (200 + 300)),
    ("he_uniform", "relu"): np.sqrt(2) / np.sqrt(200),
    ("he_normal", "sigmoid"): 1 / np.sqrt(200),
    ("normal", None): 1.0,
    ("uniform", None): 1 / np.sqrt(3),
}


@pytest.mark.parametrize(("name", "activation"), STDS)
def test_standard_deviations(name, activation):
    np.random.seed(0)
    W = initialize_weights(name, activation)((200, 300))
    assert W.shape == (200, 300)
    assert W.std() == pytest.approx(STDS[name, activation], rel=0.01)
    assert abs(W.mean()) < 0.02 * W.std()
    if name.endswith("uniform"):
        assert np.abs(W).max() == pytest.approx(np.sqrt(3) * STDS[name, activation], rel=1e-3)


def test_fan_out_and_a_convolutions_fans():
    np.random.seed(1)
    W = initialize_weights("he_normal", mode="fan_out")((200, 300))
    assert W.std() == pytest.approx(1 / np.sqrt(300), rel=0.01)
    W = initialize_weights("xavier_normal")((5, 5, 24, 40))
    assert W.std() == pytest.approx(np.sqrt(2 / (25 * 24 + 25 * 40)), rel=0.01)


@pytest.mark.parametrize("activation", [None, "relu", "tanh"])
def test_the_draws_are_the_global_streams(activation):
    gain = {"relu": np.sqrt(2), "tanh": 5 / 3}.get(activation, 1)
    np.random.seed(189)
    drawn = [initialize_weights(n, activation)((4, 25)) for n in ("xavier_uniform", "he_normal", "uniform")]
    np.random.seed(189)
    bound = gain * np.sqrt(6 / 29)
    expected = [
        np.random.uniform(-bound, bound, (4, 25)),
        np.random.normal(0, gain / np.sqrt(4), (4, 25)),
        np.random.uniform(-1, 1, (4, 25)),
    ]
    for ours, theirs in zip(drawn, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-14)


def test_what_is_not_drawn():
    assert (initialize_weights("zeros")((2, 3)) == 0).all()
    assert (initialize_weights("ones")((1, 3)) == 1).all()
    assert (initialize_weights("constant")((2, 3)) == 0.5).all()
    np.testing.assert_array_equal(initialize_weights("identity")((3, 4)), np.eye(3, 4))


def test_sparse_has_a_tenth_of_zeros_in_each_column():
    np.random.seed(2)
    W = initialize_weights("sparse")((25, 400))
    assert ((W == 0).sum(axis=0) == 3).all()  # a tenth of 25, rounded up
    assert len({tuple(np.flatnonzero(column == 0)) for column in W.T}) > 100  # not the same rows
    assert W[W != 0].std() == pytest.approx(0.01, rel=0.03)
    np.random.seed(2)
    np.testing.assert_array_equal(initialize_weights("sparse")((25, 400)), W)


def test_all_names_are_there_and_no_other():
    assert set(WEIGHTS) == {
        "zeros", "ones", "identity", "uniform", "normal", "constant", "sparse", "he_uniform", "he_normal",
        "xavier_uniform", "xavier_normal",
    }  # fmt: skip
    with pytest.raises(NotImplementedError, match=r"weights 'glorot' are not there\. Known: zeros, ones"):
        initialize_weights("glorot")
    with pytest.raises(ConfigError, match=r"expected mode 'fan_in' or 'fan_out', got 'fan_avg'"):
        initialize_weights("he_normal", mode="fan_avg")
