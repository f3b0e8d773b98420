"""A training step of a recurrent network: one recurrent layer over (N, T, D), its last state, a dense layer."""

from functools import partial
from typing import Any

import numpy as np

import clearprop as cp
from benchmarks.networks import LR
from benchmarks.rows import Row, Run, Scale, repeated, timed

STEPS = 10
SIZES = ((100, 50, 1, 10), (64, 50, 32, 128))  # N, T, D, H


def sequences(scale: Scale, sizes: tuple[int, int, int, int]) -> tuple[Any, Any]:
    """x (N, T, D) and targets (N, 1)."""
    n, t, d, _ = sizes
    rng = np.random.default_rng(0)
    x = rng.standard_normal((scale.of(n, 3), scale.of(t, 4), d), dtype=np.float32)
    return x, rng.standard_normal((len(x), 1), dtype=np.float32)


def ours(scale: Scale, kind: str, sizes: tuple[int, int, int, int]) -> Run:
    """`fit` over the same batch, and with what it chooses by itself."""
    x, y = sequences(scale, sizes)
    model = cp.Sequential([getattr(cp, kind)(sizes[3]), cp.Dense(1)], input_shape=x.shape[1:], seed=0)
    optimizer, steps = cp.SGD(lr=LR), scale.of(STEPS, 1)
    settings: dict[str, Any] = {
        "loss": "squared_error",
        "optimizer": optimizer,
        "batch_size": len(x),
        "epochs": steps,
    }
    return timed(lambda: cp.fit(model, x, y, **settings), steps)


def with_torch(scale: Scale, kind: str, sizes: tuple[int, int, int, int]) -> Run:
    """The loop of PyTorch's documentation, over the same batch, with batch_first."""
    import torch

    torch.set_num_threads(scale.threads)
    torch.manual_seed(0)
    x, y = (torch.from_numpy(each) for each in sequences(scale, sizes))
    recurrent = getattr(torch.nn, {"Elman": "RNN"}.get(kind, kind))(sizes[2], sizes[3], batch_first=True)
    head = torch.nn.Linear(sizes[3], 1)
    optimizer = torch.optim.SGD([*recurrent.parameters(), *head.parameters()], lr=LR)
    loss_fn = torch.nn.MSELoss()

    def step() -> None:
        optimizer.zero_grad()
        states, _ = recurrent(x)
        loss_fn(head(states[:, -1]), y).backward()
        optimizer.step()

    return repeated(step, scale.of(STEPS, 1))


ROWS = [
    Row(
        "sequences",
        f"{kind} step, {', '.join(map(str, sizes))}",
        partial(ours, kind=kind, sizes=sizes),
        {"PyTorch": partial(with_torch, kind=kind, sizes=sizes)},
    )
    for kind in ("Elman", "LSTM", "GRU")
    for sizes in SIZES
]
