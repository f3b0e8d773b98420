import numpy as np
import pytest

from clearprop.kernels.erf import erf


@pytest.fixture
def scipy_erf():
    return pytest.importorskip("scipy.special").erf


def test_within_1e_15_of_scipy_in_float64(scipy_erf):
    x = np.concatenate([np.linspace(-8, 8, 200_001), np.linspace(-0.6, 0.6, 20_001)])
    np.testing.assert_allclose(erf(x), scipy_erf(x), rtol=0, atol=1e-15)


def test_within_3e_7_of_scipy_in_float32(scipy_erf):
    x = np.linspace(-8, 8, 200_001, dtype=np.float32)
    assert erf(x).dtype == np.float32
    np.testing.assert_allclose(erf(x), scipy_erf(x.astype(float)), rtol=0, atol=3e-7)


def test_small_arguments_keep_their_relative_accuracy(scipy_erf):
    x = np.logspace(-300, -0.31, 1000)
    np.testing.assert_allclose(erf(x), scipy_erf(x), rtol=1e-15)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_far_out_it_is_one_and_nan_stays_nan(dtype):
    x = np.array([-np.inf, -1e30, -7, -0.0, 0, 7, 1e30, np.inf, np.nan], dtype)
    np.testing.assert_array_equal(erf(x), np.array([-1, -1, -1, -0.0, 0, 1, 1, 1, np.nan], dtype))
