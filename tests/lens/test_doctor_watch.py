"""Watch: the doctor beside a training run says what is wrong as it happens, once, and changes nothing."""

import numpy as np
import pytest
from doctor_cases import REGRESSION, blobs, mlp, numbers, pictures

import clearprop as cp
from clearprop.lens.doctor import Watch
from clearprop.lens.doctor.watch import loss_findings


def names(watch):
    return [finding.name for finding in watch.findings]


def watched(model, x, y, every=5, **settings):
    said = []
    watch = Watch(every=every, say=said.append)
    cp.fit(model, x, y, callbacks=[watch], **settings)
    assert len(said) == len(watch.findings)
    assert len({(f.name, f.layer) for f in watch.findings}) == len(watch.findings)  # each once
    return watch, said


def test_training_is_the_same_with_and_without_it():
    x, y = pictures()
    layers = [
        cp.Conv2D(4, 3),
        cp.BatchNorm(),
        cp.Activation("relu"),
        cp.Flatten(),
        cp.Dropout(0.5),
        cp.Dense(3),
    ]
    results = []
    for callbacks in ([], [Watch(every=2, say=None)]):
        model = cp.Sequential(layers, (8, 8, 1), seed=0)
        history = cp.fit(model, x, y, optimizer=cp.SGD(lr=0.01), epochs=2, callbacks=callbacks)
        results.append((model.params.copy(), model.buffers.copy(), history.steps["loss"]))
    for plain, with_it in zip(*results, strict=True):
        np.testing.assert_array_equal(plain, with_it)


def test_a_healthy_run_is_left_in_peace():
    x, y = blobs()
    watch, said = watched(mlp(4, 32, 3), x, y, optimizer=cp.SGD(lr=0.05, momentum=0.9), epochs=20)
    assert (watch.findings, said) == ([], [])
    assert watch.looks == 40
    assert watch.diagnosis.ok


def test_dead_units_are_said_when_they_die():
    x, y = numbers()
    watch, said = watched(mlp(5, 32, 16, 1), x, y, **REGRESSION, optimizer=cp.SGD(lr=0.5), epochs=3)
    assert "dead ReLUs" in names(watch)
    text = next(text for text in said if "Dead ReLUs" in text)
    assert "At step 5:" in text
    assert max(map(len, text.splitlines())) <= 80


def test_saturation_gradients_and_updates():
    x, y = blobs()
    model = mlp(4, 16, 3, activation="sigmoid", init={"name": "normal", "std": 30.0})
    assert "saturated sigmoid" in names(watched(model, x, y)[0])
    assert "vanishing gradients" in names(watched(mlp(4, *[16] * 10, 3, activation="sigmoid"), x, y)[0])
    huge = mlp(4, *[32] * 8, 3, init={"name": "normal", "std": 0.9})
    assert "exploding gradients" in names(watched(huge, x, y, optimizer=cp.SGD(lr=1e-12))[0])
    tiny = cp.Sequential(
        [cp.Dense(32, init={"name": "normal", "std": 1e-4}), cp.BatchNorm(), cp.Dense(3)], (4,), seed=0
    )
    found = watched(tiny, x, y, every=1, optimizer=cp.Adam(lr=0.01))[0]
    assert "updates too large for the weights" in names(found)


def test_overfitting_is_said_during_training():
    rng = np.random.default_rng(0)
    x, y = blobs(120, features=10, spread=0.5)
    y = np.where(rng.random(120) < 0.3, rng.integers(0, 3, 120), y)
    watch, _ = watched(
        mlp(10, 128, 3),
        x[:60],
        y[:60],
        optimizer=cp.Adam(lr=0.01),
        epochs=150,
        validation=(x[60:], y[60:]),
        every=20,
    )
    assert "overfitting" in names(watch)
    step = int(watch.findings[names(watch).index("overfitting")].evidence.split()[2].rstrip(":"))
    assert step < 300


def test_the_losses_alone():
    rng = np.random.default_rng(0)
    falling = list(np.linspace(2, 0.1, 300) + 0.1 * rng.standard_normal(300))
    flat = list(1.1 + 0.01 * rng.standard_normal(300))
    assert loss_findings(falling) == []
    assert [f.name for f in loss_findings(flat)] == ["the loss does not move"]
    assert loss_findings(flat[:100]) == []  # too soon to say
    assert [f.name for f in loss_findings(falling[::-1])] == ["the loss rises"]
    assert loss_findings([1.0] * 10) == []
    assert loss_findings([1.0] * 99 + [20.0]) == []  # a single batch, which is 1.76 on average
    assert [f.name for f in loss_findings([1.0] * 75 + [1.76] * 25)] == ["the loss rises"]


def test_of_parameters_that_are_no_numbers_fit_speaks():
    x, y = blobs()
    watch = Watch(every=1, say=None)
    with pytest.raises(cp.DivergedError):
        cp.fit(mlp(4, 16, 3), x, y, optimizer=cp.SGD(lr=float("1e39")), callbacks=[watch])
    assert watch.looks
    assert not {"dead ReLUs", "vanishing gradients"} & set(names(watch))


def test_by_default_it_looks_as_often_as_its_share_of_the_time_allows(monkeypatch):
    """By a clock on which a step takes 1 ms, a look 5 ms and a question nothing."""
    import clearprop.lens.doctor.watch as module

    clock = {"now": 0.0, "asked": 0}

    class Step(cp.Callback):
        def on_step_end(self, training):
            clock["now"] += 0.001 if training.step < 2000 else 0.002  # and later it is slower

    def ask():
        clock["asked"] += 1
        return clock["now"]

    def look(*given, **settings):
        clock["now"] += 0.005
        return plain(*given, **settings)

    plain = module.look
    monkeypatch.setattr(module, "perf_counter", ask)
    monkeypatch.setattr(module, "look", look)
    x, y = blobs()
    watch = Watch(say=None)
    cp.fit(mlp(4, 16, 3), x, y, epochs=400, callbacks=[Step(), watch])
    assert watch.looks * 0.005 == pytest.approx(module.t.SHARE * clock["now"], rel=0.2)
    assert clock["asked"] < 250  # of 4000 steps


def test_rows_on_the_disk(tmp_path):
    x, y = blobs()
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    model = mlp(4, 16, 3)
    model.layers[0].b[...] = -50
    watch, _ = watched(model, cp.open_rows(tmp_path / "x.npy"), cp.open_rows(tmp_path / "y.npy"))
    assert "dead ReLUs" in names(watch)


def test_every_is_a_number_of_steps():
    with pytest.raises(cp.ConfigError, match="Watch: expected every to be a whole number >= 1, got 0"):
        Watch(every=0)
