"""Convolutional networks on 128 images of 32×32×3: a training step, and the scores, by two libraries.

conv 3→32, conv 32→32, pool, conv 32→64, conv 64→64, pool, dense 128, dense 10: 3×3 "same", with ReLU, and with or
without batch norm after each convolution; SGD with momentum. PyTorch runs eagerly, in both of its memory formats.
"""

from functools import partial
from typing import Any

import numpy as np

import clearprop as cp
from benchmarks.networks import LR, MOMENTUM
from benchmarks.rows import Row, Run, Scale, repeated, timed

SIZE, CLASSES, STEPS = 32, 10, 4


def images(scale: Scale) -> tuple[Any, Any]:
    """x (N, 32, 32, 3) and labels (N,)."""
    rng = np.random.default_rng(0)
    n = scale.of(128, 4)
    return rng.standard_normal((n, SIZE, SIZE, 3), dtype=np.float32), rng.integers(0, CLASSES, n)


def our_model(norm: bool) -> cp.Sequential:
    """The network, layer by layer."""
    layers: list[cp.Layer] = []
    for filters, pooled in ((32, False), (32, True), (64, False), (64, True)):
        layers += [cp.Conv2D(filters, 3, padding="same", init="he_normal")]
        layers += [cp.BatchNorm()] * norm
        layers += [cp.Activation("relu")]
        layers += [cp.MaxPool2D(2)] * pooled
    layers += [cp.Flatten(), cp.Dense(128, activation="relu"), cp.Dense(CLASSES)]
    return cp.Sequential(layers, input_shape=(SIZE, SIZE, 3), seed=0)


def our_steps(scale: Scale, norm: bool, workers: int | None = None) -> Run:
    """`fit` over the same batch, and with what it chooses by itself unless the workers are given."""
    x, y = images(scale)
    model, optimizer = our_model(norm), cp.SGD(lr=LR, momentum=MOMENTUM)
    steps = scale.of(STEPS, 1)
    settings: dict[str, Any] = {
        "optimizer": optimizer,
        "batch_size": len(x),
        "epochs": steps,
        "workers": workers,
    }
    return timed(lambda: cp.fit(model, x, y, **settings), steps)


def our_scores(scale: Scale) -> Run:
    """`model.scores` of the batch."""
    x, _ = images(scale)
    model = our_model(norm=False)
    return repeated(lambda: model.scores(x), scale.of(STEPS, 1))


def torch_model(norm: bool, channels_last: bool) -> Any:
    """The same network of torch.nn's modules."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    layers: list[Any] = []
    for channels, filters, pooled in ((3, 32, False), (32, 32, True), (32, 64, False), (64, 64, True)):
        layers += [nn.Conv2d(channels, filters, 3, padding="same")]
        layers += [nn.BatchNorm2d(filters)] * norm
        layers += [nn.ReLU()]
        layers += [nn.MaxPool2d(2)] * pooled
    layers += [nn.Flatten(), nn.Linear(64 * 8 * 8, 128), nn.ReLU(), nn.Linear(128, CLASSES)]
    return nn.Sequential(*layers).to(memory_format=_format(channels_last))


def torch_batch(scale: Scale, channels_last: bool) -> tuple[Any, Any]:
    """The images as PyTorch has them, (N, 3, 32, 32), and the labels."""
    import torch

    torch.set_num_threads(scale.threads)
    x, y = images(scale)
    return torch.from_numpy(x).permute(0, 3, 1, 2).contiguous(
        memory_format=_format(channels_last)
    ), torch.from_numpy(y)


def torch_steps(scale: Scale, norm: bool, channels_last: bool) -> Run:
    """The loop of PyTorch's documentation, over the same batch."""
    import torch

    x, y = torch_batch(scale, channels_last)
    model = torch_model(norm, channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM)
    loss_fn = torch.nn.CrossEntropyLoss()

    def step() -> None:
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        optimizer.step()

    return repeated(step, scale.of(STEPS, 1))


def torch_scores(scale: Scale, channels_last: bool) -> Run:
    """The forward pass in inference mode."""
    import torch

    x, _ = torch_batch(scale, channels_last)
    model = torch_model(False, channels_last).eval()

    def scores() -> object:
        with torch.inference_mode():
            return model(x)

    return repeated(scores, scale.of(STEPS, 1))


def _format(channels_last: bool) -> Any:
    import torch

    return torch.channels_last if channels_last else torch.contiguous_format


def _both(contender: Any, **settings: Any) -> dict[str, Any]:
    return {
        "PyTorch, NCHW": partial(contender, channels_last=False, **settings),
        "PyTorch, NHWC": partial(contender, channels_last=True, **settings),
    }


ROWS = [
    Row("images", "CNN step, 128 images", partial(our_steps, norm=False), _both(torch_steps, norm=False)),
    Row("images", "CNN step, batch norm", partial(our_steps, norm=True), _both(torch_steps, norm=True)),
    Row("images", "CNN scores, 128 images", our_scores, _both(torch_scores)),
    Row(
        "images",
        "CNN step, 2 workers",
        partial(our_steps, norm=False, workers=2),
        {"1 worker": partial(our_steps, norm=False, workers=1)},
        threaded=False,
    ),
]
