"""What it costs to leave the doctor's `Watch` on: the same training with it and without it, with default settings."""

from functools import partial

import clearprop as cp
from benchmarks.networks import LR, MOMENTUM, make_problem, our_model
from benchmarks.rows import Row, Run, Scale, timed
from clearprop.lens.doctor import Watch


def training(
    scale: Scale, sizes: tuple[int, ...], n: int, batch_size: int, epochs: int, watched: bool
) -> Run:
    """`fit`, with the callback or with none."""
    problem = make_problem(sizes, scale.of(n, 2 * batch_size))

    def work() -> None:
        cp.fit(
            our_model(sizes),
            problem.x,
            problem.y,
            optimizer=cp.SGD(lr=LR, momentum=MOMENTUM),
            batch_size=batch_size,
            epochs=scale.of(epochs, 1),
            callbacks=[Watch(say=None)] if watched else [],
        )

    return timed(work)


ROWS = [
    Row(
        family="doctor",
        name=f"watched, {name}",
        ours=partial(training, sizes=sizes, n=n, batch_size=batch, epochs=epochs, watched=True),
        rivals={
            "not watched": partial(training, sizes=sizes, n=n, batch_size=batch, epochs=epochs, watched=False)
        },
    )
    for name, sizes, n, batch, epochs in (
        ("784-256-10, batch 50", (784, 256, 10), 60_000, 50, 1),
        ("784-256-10, batch 200", (784, 256, 10), 60_000, 200, 1),
        ("4-25-3, batch 25", (4, 25, 3), 105, 25, 1000),
    )
]
