"""Histograms of layers: what is counted is what flowed, and training goes on as if nobody looked."""

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import clearprop as cp
from clearprop.lens import Histograms, histograms_size, plot_histograms
from clearprop.lens.histograms import ACTIVATION_EDGES, GRADIENT_EDGES


def axes() -> Axes:
    return Figure().subplots()


def network(seed: int = 0) -> cp.Sequential:
    layers = [cp.Dense(12, activation="relu"), cp.Dropout(0.3), cp.Dense(6, activation="tanh"), cp.Dense(3)]
    return cp.Sequential(layers, input_shape=(4,), seed=seed)


def examples() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(60, 4)), rng.integers(0, 3, 60)


def trained(seen: Histograms, **settings: object) -> cp.Sequential:
    model, (x, y) = network(), examples()
    cp.fit(model, x, y, batch_size=20, callbacks=[seen], **settings)
    return model


def test_counts_are_those_of_numpy() -> None:
    x, _ = examples()
    seen = Histograms(x, every=1)
    model = trained(seen)  # three steps; the last record is of the network as it stands
    assert seen.steps == [1, 2, 3]
    h = x.astype("float32")
    for i, layer in enumerate(model.layers):
        h, _ = layer.forward(h)
        moving = h[h != 0]
        expected = np.histogram(moving, ACTIVATION_EDGES)[0] / h.size
        np.testing.assert_allclose(seen.counts["activations"][-1][i], expected, atol=1e-7)
        assert seen.zeros["activations"][-1][i] == pytest.approx(np.mean(h == 0))
    own = np.concatenate([model.named_grads()["0.w"].ravel(), model.named_grads()["0.b"]])
    expected = np.histogram(np.abs(own[own != 0]), GRADIENT_EDGES)[0] / own.size
    np.testing.assert_allclose(seen.counts["gradients"][-1][0], expected, atol=1e-7)
    assert seen.counts["gradients"][-1][1].sum() == seen.zeros["gradients"][-1][1] == 0  # no parameters


def test_training_is_the_same_with_it() -> None:
    (x, y), seen = examples(), Histograms(examples()[0], every=2)
    watched, alone = trained(seen, epochs=3), network()
    cp.fit(alone, x, y, batch_size=20, epochs=3)
    np.testing.assert_array_equal(watched.params, alone.params)
    assert watched.rng.bit_generator.state == alone.rng.bit_generator.state


def test_long_runs_keep_few_records_evenly_apart() -> None:
    seen = Histograms(examples()[0], every=1, most=8)
    trained(seen, epochs=20)  # 60 steps
    assert len(seen.steps) <= 8
    assert len(set(np.diff(seen.steps))) == 1
    assert seen.steps[0] == 1
    assert 60 - seen.steps[-1] < seen.every == np.diff(seen.steps)[0]
    assert {len(record) for kind in (seen.counts, seen.zeros) for record in kind.values()} == {
        len(seen.steps)
    }


def test_a_second_run_begins_anew_and_a_resumed_one_goes_on() -> None:
    x, y = examples()

    class Keep(cp.Callback):
        def on_epoch_end(self, training: cp.Training) -> None:
            if training.epoch == 2:
                self.kept = training.state()

    whole, keep = Histograms(x, every=1, most=5), Keep()
    fitted = {"epochs": 4, "batch_size": 20}
    cp.fit(network(), x, y, callbacks=[whole, keep], **fitted)
    resumed = Histograms(x, every=1, most=5)
    cp.fit(network(), x, y, callbacks=[resumed, Keep()], resume=keep.kept, **fitted)
    assert resumed.steps == whole.steps
    for what in ("activations", "gradients"):
        np.testing.assert_array_equal(resumed.counts[what], whole.counts[what])
        np.testing.assert_array_equal(resumed.zeros[what], whole.zeros[what])
    first = whole.steps
    cp.fit(network(), x, y, callbacks=[whole, Keep()], **fitted)
    assert whole.steps == first


def test_strips_show_the_recorded_shares() -> None:
    seen = Histograms(examples()[0], every=1)
    trained(seen, epochs=4)
    ax = plot_histograms(axes(), seen, "gradients")
    assert len(ax.images) == 3  # layers with parameters
    words = [text.get_text() for text in ax.texts]
    assert [word.partition("   ")[0] for word in words] == ["0 Dense(12)", "3 Dense(6)", "5 Dense(3)"]
    for layer, image in zip((0, 3, 5), ax.images, strict=True):
        shown = np.asarray(image.get_array())
        assert shown.shape[1] == len(seen.steps)
        shares = np.array(seen.counts["gradients"])[:, layer].T
        scaled = shares / shares.max(axis=0)
        first = int(np.flatnonzero((shares > 0).any(axis=1))[0])
        rows = [
            r for r in range(len(scaled) - len(shown) + 1) if np.allclose(scaled[r : r + len(shown)], shown)
        ]
        assert rows, f"layer {layer}: the strip is no part of what was recorded, from bin {first}"
    top, bottom = ax.images[0].get_extent(), ax.images[-1].get_extent()
    assert top[2] > bottom[3]  # the first layer is at the top
    assert ax.get_xlabel() == "step"
    assert histograms_size(seen)[1] > histograms_size(seen, layers=[0])[1]


def test_the_line_is_the_median() -> None:
    seen = Histograms(np.zeros((1, 4)))
    trained(seen)
    known = 10.0 ** np.random.default_rng(1).uniform(-5, -1, 4001)
    counts = np.histogram(known, GRADIENT_EDGES)[0] / known.size
    seen.steps = [1, 2]
    seen.counts["gradients"] = [np.tile(counts, (7, 1))] * 2
    seen.zeros["gradients"] = [np.zeros(7)] * 2
    ax = plot_histograms(axes(), seen, layers=[0])
    height = ax.get_lines()[0].get_ydata()[0]
    places = dict(zip((label.get_text() for label in ax.get_yticklabels()), ax.get_yticks(), strict=True))
    (a, at_a), (b, at_b), *_ = ((float(word), at) for word, at in places.items())
    slope = (np.log10(b) - np.log10(a)) / (at_b - at_a)
    shown = np.log10(a) + (height - at_a) * slope
    assert shown == pytest.approx(np.log10(np.median(known)), abs=0.05)


def test_activations_show_their_functions_and_the_scores() -> None:
    seen = Histograms(examples()[0], every=1)
    trained(seen, epochs=2)
    words = [text.get_text() for text in plot_histograms(axes(), seen, "activations").texts]
    assert [word.partition("   ")[0] for word in words] == [
        "1 Activation('relu')",
        "4 Activation('tanh')",
        "5 Dense(3)",
    ]
    assert "are exactly 0" in words[0]
    assert len(plot_histograms(axes(), seen, "activations", layers=[0, -1]).images) == 2


def test_values_beyond_the_bins_are_in_the_last_and_nan_in_none() -> None:
    seen = Histograms(examples()[0])
    trained(seen)
    from clearprop.lens.histograms import _histogram

    values = np.array([0.0, 1e-20, 1e9, np.nan, np.inf, 1.0])
    shares, zeros = _histogram(values, GRADIENT_EDGES)
    assert zeros == pytest.approx(1 / 6)
    assert shares[0] == shares[-1] == pytest.approx(1 / 6)
    assert shares.sum() == pytest.approx(3 / 6)


def test_what_cannot_be_drawn_is_said() -> None:
    seen = Histograms(examples()[0])
    assert "No step was recorded" in plot_histograms(axes(), seen).texts[0].get_text()
    trained(seen)
    assert (
        "None of these layers has parameters" in plot_histograms(axes(), seen, layers=[1]).texts[0].get_text()
    )
    for record in seen.counts["activations"]:
        record[...] = 0
    assert "are 0 or not finite" in plot_histograms(axes(), seen, "activations").texts[0].get_text()


def test_wrong_settings_are_refused_in_a_sentence() -> None:
    x, _ = examples()
    with pytest.raises(cp.ConfigError, match="every to be a whole number >= 1, got 0"):
        Histograms(x, every=0)
    with pytest.raises(cp.ShapeError, match=r"Histograms: expected x of shape \(N, 4\), got \(60, 3\)"):
        trained(Histograms(x[:, :3]))
    seen = Histograms(x)
    trained(seen)
    with pytest.raises(cp.ConfigError, match="unknown histogram 'weights'"):
        plot_histograms(axes(), seen, "weights")
    with pytest.raises(cp.ConfigError, match="expected layers from 0 to 5, got 6"):
        plot_histograms(axes(), seen, layers=[6])
