import numpy as np
import pytest

from clearprop.kernels.embedding import embedding_backward, embedding_forward


@pytest.mark.parametrize("places", [(1,), (7,), (1, 1), (5, 3), (40, 25)])
@pytest.mark.parametrize("kind", ["one", "few", "all different", "uneven"])
def test_the_gradient_is_the_sum_over_all_places_of_a_token(places, kind):
    rng = np.random.default_rng(0)
    size, V = int(np.prod(places)), 1200
    tokens = {
        "one": np.full(size, 3),
        "few": rng.integers(0, 3, size),
        "all different": rng.permutation(V)[:size],
        "uneven": np.minimum(rng.zipf(1.3, size), V) - 1,
    }[kind].reshape(places)
    dy = rng.normal(size=(*places, 4))
    expected = np.zeros((V, 4))
    np.add.at(expected, tokens, dy)
    _, cache = embedding_forward(rng.normal(size=(V, 4)), tokens)
    np.testing.assert_allclose(embedding_backward(dy, cache), expected, rtol=1e-12, atol=1e-12)


def test_out_is_written_in_place_and_returned():
    rng = np.random.default_rng(0)
    _, cache = embedding_forward(rng.normal(size=(5, 3)), np.array([[1, 1], [4, 0]]))
    dy, out = rng.normal(size=(2, 2, 3)), np.full((5, 3), np.nan)
    assert embedding_backward(dy, cache, out=out) is out
    np.testing.assert_array_equal(out, embedding_backward(dy, cache))
    np.testing.assert_array_equal(out[[2, 3]], 0)


@pytest.mark.torch
def test_agrees_with_torch():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    w, tokens, dy = rng.normal(size=(9, 3)), rng.integers(0, 9, (6, 4)), rng.normal(size=(6, 4, 3))
    tw = torch.tensor(w, requires_grad=True)
    expected = torch.nn.functional.embedding(torch.tensor(tokens), tw)
    expected.backward(torch.tensor(dy))
    y, cache = embedding_forward(w, tokens)
    np.testing.assert_array_equal(y, expected.detach().numpy())
    np.testing.assert_allclose(embedding_backward(dy, cache), tw.grad.numpy(), rtol=1e-13, atol=1e-13)
