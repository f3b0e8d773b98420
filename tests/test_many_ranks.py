"""Training on several ranks: the numbers of one process, whatever their number; and errors that end the job."""

from pathlib import Path

import numpy as np
import pytest

import mpi_jobs

ROUNDING = 1e-5


@pytest.fixture(scope="module", params=[2, 4])
def ranks(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> list[dict[str, np.ndarray]]:
    """What each of so many ranks has found."""
    n, folder = request.param, tmp_path_factory.mktemp("ranks")
    done = mpi_jobs.launch(n, mpi_jobs.__file__, "alike", folder)
    assert done.returncode == 0, done.stderr
    return [dict(np.load(folder / f"{n}-{rank}.npz")) for rank in range(n)]


@pytest.fixture(scope="module")
def alone() -> dict[str, dict[str, np.ndarray]]:
    return {name: job(None) for name, job in mpi_jobs.ALIKE.items()}


@pytest.mark.parametrize("job", mpi_jobs.ALIKE)
def test_the_numbers_of_one_process(
    ranks: list[dict[str, np.ndarray]], alone: dict[str, dict[str, np.ndarray]], job: str
) -> None:
    for key, expected in alone[job].items():
        for found in ranks if key != "read" else []:
            assert found[f"{job}/{key}"].shape == np.shape(expected), key
            np.testing.assert_allclose(found[f"{job}/{key}"], expected, rtol=0, atol=ROUNDING, err_msg=key)
            if key in ("params", "buffers"):
                np.testing.assert_array_equal(found[f"{job}/{key}"], ranks[0][f"{job}/{key}"])
    steps = len(alone[job]["loss"])
    assert steps >= 100 or job in ("on_threads", "few_to_watch", "stopped_early", "as_rank_0"), steps


def test_stopping_early_is_not_the_whole_of_it(alone: dict[str, dict[str, np.ndarray]]) -> None:
    assert len(alone["stopped_early"]["validation_loss"]) < 60


def test_a_scaled_gradient_is_noticed(
    ranks: list[dict[str, np.ndarray]], alone: dict[str, dict[str, np.ndarray]]
) -> None:
    """What the comparison above would say of a rank that is wrong by a hundredth."""
    for found in ranks:
        assert abs(found["scaled/params"] - alone["few_to_watch"]["params"]).max() > 10 * ROUNDING


def test_each_rank_reads_its_own_blocks(
    ranks: list[dict[str, np.ndarray]], alone: dict[str, dict[str, np.ndarray]]
) -> None:
    read = [int(found["from_disk/read"]) for found in ranks]
    once = 4 * 1024 + 100  # four epochs, and the rows to watch, which stay
    ends = 4 * 50 + 28  # what is compared at the start; shares of a window are not exactly equal
    assert alone["from_disk"]["read"] == once
    assert all(own <= once / len(ranks) + ends for own in read)
    assert once <= sum(read)


def test_evaluate_is_shared(ranks: list[dict[str, np.ndarray]]) -> None:
    import clearprop as cp

    expected = cp.evaluate(mpi_jobs.dense(), *mpi_jobs.blobs(203, (12,)), "softmax_cross_entropy")
    for found in ranks:
        assert {k: float(found[f"evaluate/{k}"]) for k in expected} == pytest.approx(expected, abs=1e-6)


def test_the_area_under_the_curve_is_shared(ranks: list[dict[str, np.ndarray]]) -> None:
    expected = mpi_jobs.two_classes()
    assert 0 < expected["memory"] == expected["disk"] < 0.5  # untrained, and not by chance
    for found in ranks:
        assert {k: float(found[f"auc/{k}"]) for k in expected} == pytest.approx(expected, abs=1e-6)


def test_one_rank_stops_all(ranks: list[dict[str, np.ndarray]]) -> None:
    assert {str(found["stop"]) for found in ranks} == {"7 enough"}


def test_all_diverge_in_the_same_step_and_know_where(ranks: list[dict[str, np.ndarray]]) -> None:
    (said,) = {str(found["diverged"]) for found in ranks}
    assert said.startswith("step 1 (epoch 1): the loss became ")
    assert "the first output that is not finite is that of layer 0, Dense(24)" in said


@pytest.mark.parametrize(
    ("apart", "said"),
    [
        ("rows", "rows (their checksums) on every rank, got {'training': ["),
        ("watched", "rows (their checksums) on every rank, got {'training': ["),
        (
            "weights",
            "number of rows on every rank, got {'training': 200} on rank 0, {'training': 200, 'sample_w",
        ),
        (
            "rate",
            "optimizer on every rank, got {'name': 'sgd', 'lr': 0.1, 'momentum': 0.0, 'nesterov': False} on ",
        ),
        (
            "loss",
            "loss on every rank, got {'name': 'softmax_cross_entropy', 'class_weights': [1, 1, 1]} on rank 0",
        ),
        ("steps", "steps done on every rank, got 0 on rank 0, 2 on rank "),
        ("clip", "clip_norm on every rank, got None on rank 0, 1.0 on rank "),
        (
            "layers",
            "layer 1 on every rank, got {'type': 'Activation', 'name': 'relu'} on rank 0, {'type': 'Act",
        ),
    ],
)
def test_ranks_that_are_told_different_things(
    ranks: list[dict[str, np.ndarray]], apart: str, said: str
) -> None:
    """They would train different networks, or wait for each other for ever."""
    (sentence,) = {str(found[f"told/{apart}"]) for found in ranks}
    assert sentence.startswith(f"fit: expected the same {said}")
    assert f"on rank {len(ranks) - 1}. Give all of them the same call" in sentence


def test_statistics_of_each_rank_s_own_are_refused(ranks: list[dict[str, np.ndarray]]) -> None:
    (sentence,) = {str(found["told/statistics"]) for found in ranks}
    assert sentence.startswith("fit, layer 1, BatchNorm(shared=False): expected statistics over the whole")


@pytest.mark.parametrize(
    ("job", "status", "said"),
    [
        (
            "others_rows",
            2,
            "error: rank 0 of 2: fit: expected the same rows (their checksums) on every rank, got ",
        ),
        ("one_is_refused", 2, "error: rank 1 of 2: fit: x[100, 0] is nan, one of 12 values"),
        ("one_is_interrupted", 130, "error: rank 1 of 2: interrupted\n"),
        ("one_raises", 1, "error: rank 1 of 2: planted\n"),
        ("bad_row", 2, "error: rank 1 of 2: evaluate: x[150, 0] is nan, one of 12 values"),
    ],
)
def test_an_error_on_a_rank_ends_the_job(tmp_path: Path, job: str, status: int, said: str) -> None:
    done = mpi_jobs.launch(2, mpi_jobs.__file__, job, tmp_path)
    assert said in done.stderr
    assert done.returncode == status
    assert ("Traceback" in done.stderr) == (job == "one_raises")
    assert done.stderr.count("error: ") == 1
    if job == "one_is_refused":
        assert sorted(done.stdout.split("\n")) == ["", "rank 0 has tidied up", "rank 1 has tidied up"]
