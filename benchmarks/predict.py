"""One sample, as a program that uses a network asks for it: a NumPy array in, a NumPy label out."""

from functools import partial

import numpy as np

from benchmarks.networks import make_problem, our_model, sklearn_model, torch_model
from benchmarks.rows import Row, Run, Scale, repeated

CALLS = 1000


def ours(scale: Scale, sizes: tuple[int, ...]) -> Run:
    """`model.predict`."""
    model = our_model(sizes)
    x = make_problem(sizes, 10).x[:1]
    return repeated(lambda: model.predict(x), scale.of(CALLS, 3))


def with_torch(scale: Scale, sizes: tuple[int, ...]) -> Run:
    """The forward pass in inference mode, between `from_numpy` and `numpy`."""
    import torch

    torch.set_num_threads(scale.threads)
    model = torch_model(sizes).eval()
    x = make_problem(sizes, 10).x[:1]

    def predict() -> object:
        with torch.inference_mode():
            return model(torch.from_numpy(x)).argmax(1).numpy()

    return repeated(predict, scale.of(CALLS, 3))


def with_sklearn(scale: Scale, sizes: tuple[int, ...]) -> Run:
    """`MLPClassifier.predict`."""
    model = sklearn_model(sizes, 10)
    problem = make_problem(sizes, 10)
    model.partial_fit(problem.x, problem.y, classes=np.arange(sizes[-1]))
    x = problem.x[:1]
    return repeated(lambda: model.predict(x), scale.of(CALLS, 3))


ROWS = [
    Row(
        family="predict",
        name=f"predict one, {'-'.join(map(str, sizes))}",
        ours=partial(ours, sizes=sizes),
        rivals={
            "PyTorch": partial(with_torch, sizes=sizes),
            "scikit-learn": partial(with_sklearn, sizes=sizes),
        },
    )
    for sizes in ((784, 256, 10), (4, 25, 3))
]
