"""The pages for who comes from elsewhere: PyTorch's program runs, its names exist, and both take the same steps."""

import ast
import re
from inspect import signature
from pathlib import Path

import numpy as np
import pytest

import clearprop as cp
from clearprop.data import Standardizer, load, split

DOCS = Path(__file__).parents[2] / "docs"
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("coming-from-*.md"))}


def rows(text):
    """The first and the second column of the table of names."""
    table = re.search(r"^## Names\n\n(?:.*\n)*?\|[-|]+\n((?:\|.*\n)+)", text, flags=re.MULTILINE)
    return [[cell.strip() for cell in line.split("|")[1:3]] for line in table[1].splitlines()]


def program(text):
    return next(block for block in re.findall(r"^```python\n(.*?)^```", text, flags=re.M | re.S))


def test_there_is_a_page_for_each():
    assert set(PAGES) == {f"coming-from-{who}" for who in ("a-course", "keras", "pytorch", "scikit-learn")}


@pytest.mark.parametrize("page", [page for page in PAGES if page != "coming-from-scikit-learn"])
def test_the_pages_have_one_form(page):
    heads = re.findall(r"^## (.+)$", PAGES[page], flags=re.MULTILINE)
    form = ["The same program", "Names", "What is different", "Bringing weights", "What is not here"]
    assert [head for head in heads if head in form] == form


@pytest.mark.parametrize("page", PAGES)
def test_our_names_exist(page):
    text = PAGES[page]
    names = set(re.findall(r"\bcp\.(\w+)", text))
    assert [name for name in names if not hasattr(cp, name)] == []
    settings = signature(cp.fit).parameters
    assert [name for name in re.findall(r"\bcp\.fit\(…, (\w+)=", text) if name not in settings] == []


@pytest.mark.parametrize("page", ["coming-from-keras", "coming-from-pytorch"])
def test_programs_are_python(page):
    ast.parse(program(PAGES[page]))


@pytest.mark.torch
def test_pytorch_s_names_exist():
    torch = pytest.importorskip("torch")
    homes = {"nn": torch.nn, "optim": torch.optim, "lr_scheduler": torch.optim.lr_scheduler, "torch": torch}
    homes |= {"utils": torch.utils, "autograd": torch.autograd}

    missing = []
    for cell, _ours in rows(PAGES["coming-from-pytorch"]):
        for dotted in re.findall(r"`((?:nn|optim|lr_scheduler|torch|utils|autograd)\.[\w.]+)", cell):
            first, *rest = dotted.split(".")
            thing = homes[first]
            for part in rest:
                thing = getattr(thing, part, None)
            if thing is None and dotted != "utils.tensorboard.SummaryWriter":  # which wants tensorboard
                missing.append(dotted)
    assert missing == []


@pytest.mark.torch
def test_pytorch_s_program_learns_as_ours():
    pytest.importorskip("torch")
    names = {}
    exec(compile(program(PAGES["coming-from-pytorch"]), "page", "exec"), names)
    assert names["accuracy"] > 0.9  # as ours, on the page


@pytest.mark.torch
def test_both_take_the_same_steps():
    """The page's pair, from the same weights, over the same mini-batches."""
    torch = pytest.importorskip("torch")
    iris = load("iris").train
    train, _ = split(iris.y, (0.8, 0.2), seed=0, stratify=True)
    x = Standardizer.fit(iris.x[train]).transform(iris.x)[train].astype("float32")
    y = iris.y[train]
    torch.manual_seed(0)
    theirs = torch.nn.Sequential(torch.nn.Linear(4, 25), torch.nn.ReLU(), torch.nn.Linear(25, 3))
    ours = cp.Sequential([cp.Dense(25, activation="relu"), cp.Dense(3)], input_shape=(4,))
    for name, tensor in zip(ours.named_params().values(), theirs.parameters(), strict=True):
        name[...] = tensor.detach().numpy().T
    history = cp.fit(
        ours, x, y, optimizer=cp.SGD(lr=0.05, momentum=0.9), epochs=5, batch_size=20, shuffle=False
    )
    optimizer, losses = torch.optim.SGD(theirs.parameters(), lr=0.05, momentum=0.9), []
    for _ in range(5):
        for rows_x, rows_y in zip(torch.tensor(x).split(20), torch.tensor(y).long().split(20), strict=True):
            optimizer.zero_grad()
            loss = torch.nn.CrossEntropyLoss()(theirs(rows_x), rows_y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    np.testing.assert_allclose(history.steps["loss"], losses, rtol=1e-4)
    for name, tensor in zip(ours.named_params().values(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(name, tensor.detach().numpy().T, rtol=1e-3, atol=1e-5)


@pytest.mark.torch
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("squared_error", "MSELoss"),
        ("absolute_error", "L1Loss"),
        ("huber", "HuberLoss"),
        ("poisson", "PoissonNLLLoss"),
        ("sigmoid_cross_entropy", "BCEWithLogitsLoss"),
    ],
)
def test_with_m_outputs_the_gradient_is_m_times_as_large(ours, theirs):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    scores, targets = rng.normal(size=(6, 4)), rng.integers(0, 2, (6, 4)).astype(float)
    tensor = torch.tensor(scores, requires_grad=True)
    getattr(torch.nn, theirs)()(tensor, torch.tensor(targets)).backward()
    _, dscores = cp.make_loss(ours)(scores, targets)
    np.testing.assert_allclose(dscores / 6, 4 * tensor.grad.numpy(), rtol=1e-12)


@pytest.mark.torch
def test_batch_norm_s_momentum_is_what_is_kept():
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).normal(2, 3, size=(8, 4, 4, 5))
    ours = cp.Sequential([cp.BatchNorm(momentum=0.9)], input_shape=(4, 4, 5), dtype="float64")
    theirs = torch.nn.BatchNorm2d(5, momentum=0.1, dtype=torch.float64)
    ours.forward(x, training=True)
    theirs(torch.tensor(x.transpose(0, 3, 1, 2)))
    mean, variance = ours.named_buffers().values()
    np.testing.assert_allclose(mean, theirs.running_mean.numpy(), rtol=1e-12)
    np.testing.assert_allclose(variance, theirs.running_var.numpy(), rtol=1e-12)


@pytest.mark.parametrize(
    ("call", "written"),
    [
        (lambda: cp.Dense(in_features=4, out_features=25), "Write Dense(units=25)"),
        (lambda: cp.SGD(learning_rate=0.1), "Write SGD(lr=0.1)"),
        (
            lambda: cp.fit(
                cp.Sequential([cp.Dense(2)], (3,)), np.ones((4, 3)), [0, 1, 0, 1], validation_split=0.1
            ),
            "validation=0.1",
        ),
    ],
)
def test_the_calls_of_elsewhere_are_answered(call, written):
    with pytest.raises(cp.ConfigError, match=re.escape(written)):
        call()
