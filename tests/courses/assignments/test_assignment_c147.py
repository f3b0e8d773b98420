"""C147's folder: what its files do, its data, and its hand-in; the layers themselves are in test_check_c147.py."""

import pickle
import sys
import zipfile
from importlib import import_module

import numpy as np
import pytest
from students import in_folder, laid_out

from clearprop.courses.assignments.catalog import course
from clearprop.courses.assignments.start import start
from clearprop.courses.assignments.submit import submit
from clearprop.data.cifar import read_cifar

KEY = "c147-w25"
PIXELS = 3 * 32 * 32


@pytest.fixture(scope="module")
def folder(complete):
    """The complete folder's modules by their names."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(complete)
        yield import_module
    for module in [name for name in sys.modules if name.split(".")[0] in ("nndl", "utils")]:
        del sys.modules[module]


def test_the_folder_is_plain_numpy(complete):
    for path in complete.rglob("*.py"):
        assert "clearprop" not in path.read_text().replace("`clearprop ", ""), path
    code, text = in_folder(
        complete, "-c", "import sys, nndl.cnn, nndl.neural_net, utils.solver; print(*sys.modules)"
    )
    assert code == 0
    assert not {"clearprop", "torch", "scipy", "matplotlib"} & set(text.split())


def test_a_students_folder_imports_and_says_what_is_missing(tmp_path):
    student = laid_out(KEY, tmp_path / KEY, solution=False)
    names = [
        path.relative_to(student).with_suffix("").as_posix().replace("/", ".")
        for path in student.rglob("[a-z]*.py")
    ]
    assert len(names) == 12
    assert in_folder(student, "-c", f"import {', '.join(names)}") == (0, "")
    code, text = in_folder(
        student, "-c", "import numpy as np; from nndl import optim; optim.adam(np.ones(2), np.ones(2))"
    )
    assert code == 1
    assert text.endswith("NotImplementedError: nndl/optim.py: adam is still to be written.\n")
    hints = (student / "nndl" / "layers.py").read_text()
    assert hints.count("# YOUR CODE HERE: HW4: ") == 6
    assert (student / "nndl" / "conv_layers.py").read_text().count("# YOUR CODE HERE: HW5: ") == 6
    readme = (student / "README.md").read_text()
    assert "clearprop course check ." in readme
    assert "clearprop course submit ." in readme


def test_the_documents_toy_numbers(folder):
    net_class = folder("nndl.neural_net").TwoLayerNet
    np.random.seed(0)
    net = net_class(4, 10, 3, std=1e-1)
    np.random.seed(1)
    X, y = 10 * np.random.randn(5, 4), np.array([0, 1, 2, 2, 1])
    assert abs(net.loss(X, y, reg=0.05)[0] - 1.071696123862817) < 1e-12
    np.random.seed(0)
    net = net_class(4, 10, 3, std=1e-1)
    stats = net.train(X, y, X, y, learning_rate=1e-1, reg=5e-6, num_iters=100)
    assert abs(stats["loss_history"][-1] - 0.014497864587765886) < 1e-13
    assert len(stats["train_acc_history"]) == len(stats["val_acc_history"]) == 100


def test_training_prints_every_hundredth_loss(folder, capsys):
    net = folder("nndl.neural_net").TwoLayerNet(4, 3, 2)
    stats = net.train(
        np.ones((6, 4)), np.zeros(6, int), np.ones((2, 4)), np.zeros(2, int), num_iters=101, verbose=True
    )
    first, second = capsys.readouterr().out.splitlines()
    assert first == f"iteration 0 / 101: loss {stats['loss_history'][0]}"
    assert second == f"iteration 100 / 101: loss {stats['loss_history'][100]}"


def test_a_two_layer_net_of_layers_has_no_dropout(folder):
    with pytest.raises(
        ValueError, match=r"has no dropout; FullyConnectedNet\(\[hidden_dims\], dropout=\.\.\.\) has\."
    ):
        folder("nndl.fc_net").TwoLayerNet(dropout=0.5)


def test_float32_stays(folder):
    net = folder("nndl.fc_net").FullyConnectedNet([5], input_dim=12, use_batchnorm=True, dropout=0.3)
    X, y = np.random.default_rng(0).normal(size=(4, 3, 2, 2)), np.array([0, 1, 2, 3])
    assert {values.dtype for values in net.loss(X, y)[1].values()} == {np.dtype(np.float32)}
    assert net.loss(X).dtype == np.float32
    cnn = folder("nndl.cnn").ThreeLayerConvNet((3, 4, 4), num_filters=2, filter_size=3, use_batchnorm=True)
    images = np.random.default_rng(1).normal(size=(4, 3, 4, 4))
    assert {values.dtype for values in cnn.loss(images, y)[1].values()} == {np.dtype(np.float32)}


@pytest.mark.torch
def test_the_convolutional_net_with_batch_norm_against_torch(folder):
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    np.random.seed(2)
    net = folder("nndl.cnn").ThreeLayerConvNet(
        (2, 6, 4), num_filters=3, filter_size=5, hidden_dim=7, num_classes=4, weight_scale=0.3, reg=0.2,
        dtype=np.float64, use_batchnorm=True,
    )  # fmt: skip
    X, y = np.random.randn(5, 2, 6, 4), np.array([0, 3, 1, 2, 3])
    for name in net.params:
        net.params[name] = net.params[name] + np.random.randn(*net.params[name].shape) / 4
    p = {name: torch.tensor(values, requires_grad=True) for name, values in net.params.items()}
    running = [
        (torch.zeros(3, dtype=float), torch.zeros(3, dtype=float)),
        (torch.zeros(7, dtype=float), torch.zeros(7, dtype=float)),
    ]

    def scores(training):
        h = functional.conv2d(torch.tensor(X), p["W1"], p["b1"], padding=2)
        h = functional.batch_norm(h, *running[0], p["gamma1"], p["beta1"], training)
        h = functional.max_pool2d(torch.relu(h), 2).reshape(5, -1) @ p["W2"] + p["b2"]
        h = functional.batch_norm(h, *running[1], p["gamma2"], p["beta2"], training)
        return torch.relu(h) @ p["W3"] + p["b3"]

    loss, grads = net.loss(X, y)
    expected = functional.cross_entropy(scores(True), torch.tensor(y))
    expected = expected + 0.1 * sum((p[f"W{i}"] ** 2).sum() for i in (1, 2, 3))
    expected.backward()
    np.testing.assert_allclose(loss, expected.item(), rtol=1e-12)
    assert grads.keys() == p.keys()
    for name, values in p.items():
        np.testing.assert_allclose(grads[name], values.grad, rtol=1e-8, atol=1e-10)
    for param, (mean, var), n in zip(net.bn_params, running, (5 * 6 * 4, 5), strict=True):
        np.testing.assert_allclose(param["running_mean"], mean, rtol=1e-10, atol=1e-14)
        np.testing.assert_allclose(
            param["running_var"], var * (n - 1) / n, rtol=1e-10
        )  # torch keeps the unbiased one
        var *= (n - 1) / n
    np.testing.assert_allclose(net.loss(X), scores(False).detach(), rtol=1e-8, atol=1e-10)


@pytest.mark.torch
def test_the_losses_against_torch(folder):
    torch = pytest.importorskip("torch")
    layers, rng = folder("nndl.layers"), np.random.default_rng(3)
    x, y = rng.normal(size=(6, 5)) * 3, rng.integers(5, size=6)
    t = torch.tensor(x, requires_grad=True)
    for name, loss in (
        ("softmax_loss", torch.nn.functional.cross_entropy(t, torch.tensor(y))),
        (
            "svm_loss",
            5 * torch.nn.functional.multi_margin_loss(t, torch.tensor(y)),
        ),  # torch divides by C, too
    ):
        got, dx = getattr(layers, name)(x, y)
        np.testing.assert_allclose(got, loss.item(), rtol=1e-12)
        np.testing.assert_allclose(dx, torch.autograd.grad(loss, t)[0], atol=1e-12)


def test_a_mode_that_is_none(folder):
    layers = folder("nndl.layers")
    with pytest.raises(ValueError, match=r'the mode is "train" or "test", not \'fit\''):
        layers.batchnorm_forward(np.ones((2, 3)), np.ones(3), np.ones(3), {"mode": "fit"})
    with pytest.raises(ValueError, match=r'the mode is "train" or "test", not \'fit\''):
        layers.dropout_forward(np.ones((2, 3)), {"mode": "fit", "p": 0.5})


class Model:
    """One weight for each of two classes; remembers at what rate it was moved."""

    def __init__(self):
        self.params = {"w": np.zeros(2)}

    def loss(self, X, y=None):
        scores = np.tile(self.params["w"], (len(X), 1))
        return scores if y is None else (1.0, {"w": np.array([1.0, -1.0])})


def data_of(n, y_val):
    return {
        "X_train": np.zeros((n, 3)),
        "y_train": np.ones(n, int),
        "X_val": np.zeros((2, 3)),
        "y_val": np.array(y_val),
    }


def test_the_solver_decays_at_an_epochs_end_and_keeps_the_best(folder, capsys):
    model = Model()
    solver = folder("utils.solver").Solver(
        model, data_of(6, [1, 1]), optim_config={"learning_rate": 0.5}, lr_decay=0.1, num_epochs=3, batch_size=3,
        print_every=4,
    )  # fmt: skip
    solver.train()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "(Iteration 1 / 6) loss: 1.000000"
    assert lines[1] == "(Epoch 0 / 3) train acc: 1.000000; val_acc: 1.000000"
    assert lines[4] == "(Iteration 5 / 6) loss: 1.000000"
    assert lines[5] == "(Epoch 3 / 3) train acc: 1.000000; val_acc: 1.000000"
    assert len(lines) == 6
    np.testing.assert_allclose(model.params["w"], [-0.5, 0.5])  # the first of equally good ones
    assert len(solver.loss_history) == 6
    assert len(solver.train_acc_history) == len(solver.val_acc_history) == 4
    np.testing.assert_allclose(solver._configs["w"]["learning_rate"], 0.5e-3)


def test_the_solver_gives_back_the_best_parameters_not_the_last(folder):
    class Worse(Model):
        def loss(self, X, y=None):
            return super().loss(X, y) if y is None else (1.0, {"w": np.array([-1.0, 1.0])})

    model = Worse()
    model.params["w"] = np.array([0.0, 2.5])  # right until the scores cross, in the second step
    solver = folder("utils.solver").Solver(
        model,
        data_of(2, [1, 1]),
        optim_config={"learning_rate": 1.0},
        num_epochs=4,
        batch_size=2,
        verbose=False,
    )
    solver.train()
    np.testing.assert_allclose(model.params["w"], [1.0, 1.5])
    assert solver.val_acc_history == [1.0, 0.0, 0.0, 0.0]  # the first step is an epoch's end, too


def test_the_solver_writes_checkpoints_that_are_no_pickles(folder, tmp_path):
    folder("utils.solver").Solver(
        Model(),
        data_of(4, [0, 1]),
        num_epochs=2,
        batch_size=2,
        verbose=False,
        checkpoint_name=str(tmp_path / "run"),
    ).train()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run_epoch_1.npz", "run_epoch_2.npz"]
    with np.load(tmp_path / "run_epoch_2.npz", allow_pickle=False) as saved:
        assert saved["loss_history"].shape == (4,)
        np.testing.assert_allclose(saved["w"], [-0.04, 0.04])


def test_the_solver_measures_on_samples(folder):
    seen = []

    class Watched(Model):
        def loss(self, X, y=None):
            seen.append(len(X))
            return super().loss(X, y)

    solver = folder("utils.solver").Solver(Watched(), data_of(4, [0, 1]))
    assert solver.check_accuracy(np.zeros((250, 3)), np.zeros(250, int), batch_size=100) == 1.0
    assert seen == [100, 100, 50]
    seen.clear()
    solver.check_accuracy(np.zeros((250, 3)), np.zeros(250, int), num_samples=30)
    assert seen == [30]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"lr": 1}, r"there is no argument lr\. There are: update_rule, optim_config"),
        ({"update_rule": "adamw"}, r"nndl/optim\.py has no update rule 'adamw'"),
        ({"update_rule": "__name__"}, "has no update rule"),
        ({"update_rule": None}, "has no update rule None"),
    ],
)
def test_the_solver_refuses_what_it_does_not_know(folder, arguments, words):
    with pytest.raises(ValueError, match=words):
        folder("utils.solver").Solver(Model(), data_of(4, [0, 1]), **arguments)


def test_gradients_by_differences(folder, capsys):
    check, rng = folder("utils.gradient_check"), np.random.default_rng(4)
    x, a = rng.normal(size=(3, 2)), rng.normal(size=(2, 4))
    kept, df = x.copy(), rng.normal(size=(3, 4))
    np.testing.assert_allclose(
        check.eval_numerical_gradient(lambda x: np.sum(x**3), x), 3 * x**2, rtol=1e-8, atol=1e-9
    )
    assert len(capsys.readouterr().out.splitlines()) == 6
    got = check.eval_numerical_gradient_array(lambda x: x @ a, x, df)
    np.testing.assert_allclose(got, df @ a.T, rtol=1e-8)
    np.testing.assert_allclose(check.eval_numerical_gradient_array(lambda x: x, x, kept), kept, rtol=1e-8)
    np.testing.assert_array_equal(x, kept)
    check.grad_check_sparse(lambda x: np.sum(x**2), x, 2 * x, num_checks=3)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert all(float(line.rsplit(" ", 1)[1]) < 1e-7 for line in lines)
    assert check.rel_error(np.array([1.0, 0.0]), np.array([3.0, 0.0])) == 0.5


def test_a_grid_of_pictures(folder):
    rng = np.random.default_rng(5)
    images = rng.normal(size=(5, 4, 3, 3))
    images[2] = 7.0
    grid = folder("utils.vis_utils").visualize_grid(images, ubound=10.0, padding=2)
    assert grid.shape == (3 * 6 - 2, 3 * 5 - 2, 3)
    part = grid[6:10, 0:3]  # the fourth, first of the second row
    np.testing.assert_allclose(part, 10 * (images[3] - images[3].min()) / np.ptp(images[3]))
    assert not grid[0:4, 10:13].any()  # the third has one colour
    assert not grid[4:6].any()


def write_cifar(folder, photos, classes):
    """Six files of the binary version: photos (6n, 3072), classes (6n,)."""
    folder.mkdir(exist_ok=True)
    names = [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]
    records = np.column_stack([classes, photos]).astype(np.uint8)
    for name, part in zip(names, np.array_split(records, 6), strict=True):
        part.tofile(folder / name)


@pytest.fixture
def cifar():
    rng = np.random.default_rng(6)
    return rng.integers(256, size=(24, PIXELS)).astype(np.uint8), rng.integers(10, size=24)


def test_the_binary_version(folder, cifar, tmp_path):
    photos, classes = cifar
    write_cifar(tmp_path / "bin", photos, classes)
    X, y, X_test, y_test = folder("utils.data_utils").load_CIFAR10(tmp_path / "bin")
    assert X.shape == (20, 32, 32, 3)
    assert X.dtype == X_test.dtype == np.float64
    assert X.flags.c_contiguous
    np.testing.assert_array_equal(X[7, 5, 9], photos[7].reshape(3, 32, 32)[:, 5, 9])
    np.testing.assert_array_equal(X_test.reshape(4, -1).sum(axis=1), photos[20:].sum(axis=1, dtype=int))
    np.testing.assert_array_equal(np.concatenate([y, y_test]), classes)


def test_the_python_version(folder, cifar, tmp_path):
    photos, classes = cifar
    write_cifar(tmp_path / "bin", photos, classes)
    names = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
    for name, protocol, rows in zip(names, (0, 1, 2, 3, 4, 2), np.array_split(np.arange(24), 6), strict=True):
        batch = {
            "data": photos[rows],
            "labels": classes[rows].tolist(),
            "batch_label": name,
            "filenames": ["a.png"],
        }
        if name == "data_batch_3":
            batch["data"] = np.asfortranarray(batch["data"])
        (tmp_path / name).write_bytes(pickle.dumps(batch, protocol))
    load = folder("utils.data_utils").load_CIFAR10
    for got, expected in zip(load(tmp_path), load(tmp_path / "bin"), strict=True):
        np.testing.assert_array_equal(got, expected)


def python_2_batch(photos, classes):
    """As Python 2's cPickle wrote the original: text is bytes, in the opcodes U and T."""
    word = lambda text: b"U" + bytes([len(text)]) + text  # noqa: E731
    n = len(classes)
    shape = b"K" + bytes([n]) + b"M" + PIXELS.to_bytes(2, "little") + b"\x86"
    content = photos.tobytes()
    array = b"".join([
        b"cnumpy.core.multiarray\n_reconstruct\n", b"(cnumpy\nndarray\n", b"K\x00\x85", word(b"b"), b"tR",
        b"(K\x01", shape, b"cnumpy\ndtype\n", b"(", word(b"u1"), b"K\x00K\x01tR",
        b"(K\x03", word(b"|"), b"NNN", b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb",
        b"\x89", b"T", len(content).to_bytes(4, "little"), content, b"tb",
    ])  # fmt: skip
    labels = b"](" + b"".join(b"K" + bytes([int(k)]) for k in classes) + b"e"
    return b"\x80\x02}(" + word(b"data") + array + word(b"labels") + labels + b"u."


def test_a_batch_of_python_2(folder, cifar, tmp_path):
    photos, classes = cifar
    for i, name in enumerate([f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]):
        (tmp_path / name).write_bytes(python_2_batch(photos[4 * i : 4 * i + 4], classes[4 * i : 4 * i + 4]))
    X, y, X_test, _ = folder("utils.data_utils").load_CIFAR10(tmp_path)
    np.testing.assert_array_equal(X[3, :, :, 1].ravel(), photos[3].reshape(3, -1)[1])
    np.testing.assert_array_equal(y, classes[:20])
    assert X_test.shape == (4, 32, 32, 3)


class Evil:
    def __reduce__(self):
        return exec, ("import pathlib; pathlib.Path('ran').touch()",)


@pytest.mark.parametrize(
    ("batch", "words"),
    [
        (Evil(), r"builtins\.exec, and only NumPy arrays are read"),
        ({"data": np.zeros((2, PIXELS), np.uint8), "labels": [0, Evil()]}, r"builtins\.exec"),
        ({"data": np.zeros((2, PIXELS)), "labels": [0, 1]}, "its numbers are of type 'f8', not bytes"),
        ({"data": np.zeros((2, 5), np.uint8), "labels": [0, 1]}, "expected photos of 3072 bytes"),
        ({"data": np.zeros((2, PIXELS), np.uint8), "labels": [0, 12]}, "classes from 0 to 9"),
        ({"data": np.zeros((2, PIXELS), np.uint8)}, "this is not a batch of CIFAR-10's Python version"),
        ([1, 2], "this is not a batch"),
        ({"data": [1, 2], "labels": [0, 1]}, "this is not a batch"),
    ],
)
def test_pickles_that_are_refused(folder, tmp_path, monkeypatch, batch, words):
    monkeypatch.chdir(tmp_path)
    for name in [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]:
        (tmp_path / name).write_bytes(pickle.dumps(batch))
    with pytest.raises(ValueError, match=words):
        folder("utils.data_utils").load_CIFAR10(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_files_that_are_missing_or_damaged(folder, cifar, tmp_path):
    load = folder("utils.data_utils").load_CIFAR10
    with pytest.raises(
        FileNotFoundError,
        match=r"there is no such folder\. `clearprop course data \.`.*`clearprop data fetch",
    ):
        load(tmp_path / "none")
    with pytest.raises(
        FileNotFoundError, match=r"data_batch_1, .*test_batch is missing\. `clearprop course data \.`"
    ):
        load(tmp_path)
    write_cifar(tmp_path, *cifar)
    (tmp_path / "data_batch_4.bin").unlink()
    with pytest.raises(FileNotFoundError, match=r": data_batch_4\.bin is missing"):
        load(tmp_path)
    (tmp_path / "data_batch_4.bin").write_bytes(bytes(3000))
    with pytest.raises(
        ValueError, match=r"data_batch_4\.bin: 3000 bytes are no whole number of photos of 3073"
    ):
        load(tmp_path)
    (tmp_path / "data_batch_4.bin").write_bytes(b"\x0c" + bytes(3072))
    with pytest.raises(ValueError, match=r"classes from 0 to 9\. Is it damaged\?"):
        load(tmp_path)


def test_the_sets_of_a_notebook(folder, cifar, tmp_path, monkeypatch):
    utils, (photos, classes) = folder("utils.data_utils"), cifar
    monkeypatch.setattr(utils, "HERE", tmp_path)
    with pytest.raises(FileNotFoundError, match="cifar-10-batches-bin: there is no such folder"):
        utils.get_CIFAR10_data()
    write_cifar(tmp_path / "cifar-10-batches-bin", photos, classes)
    data = utils.get_CIFAR10_data(15, 4, 3)
    raw = utils.get_CIFAR10_data(15, 4, 3, subtract_mean=False)
    mean = photos[:15].reshape(15, 3, 32, 32).mean(axis=0)
    np.testing.assert_array_equal(raw["X_val"], photos[15:19].reshape(4, 3, 32, 32))
    np.testing.assert_allclose(data["X_test"], photos[20:23].reshape(3, 3, 32, 32) - mean, atol=1e-12)
    np.testing.assert_allclose(data["X_train"].mean(axis=0), 0, atol=1e-12)
    assert {name: values.shape for name, values in data.items()} == {
        "X_train": (15, 3, 32, 32), "y_train": (15,), "X_val": (4, 3, 32, 32), "y_val": (4,),
        "X_test": (3, 3, 32, 32), "y_test": (3,),
    }  # fmt: skip
    with pytest.raises(
        ValueError, match=r"there are 20 photos .* and 4 for the test, but 49000 \+ 1000 and 1000"
    ):
        utils.get_CIFAR10_data()


@pytest.mark.data("cifar-10")
def test_the_courses_data_are_what_the_folder_reads(tmp_path):
    start(course(KEY), tmp_path / "hw3", solution=True)
    code, text = in_folder(tmp_path / "hw3", "-c", "\n".join([
        "from utils.data_utils import get_CIFAR10_data",
        "data = get_CIFAR10_data(5000, 500, 500)",
        "print(*data['X_val'].shape, *data['y_train'][:5], *data['y_test'][:3], repr(float(data['X_test'].std())))",
    ]))  # fmt: skip
    assert code == 0, text
    *words, deviation = text.split()
    assert words == ["500", "3", "32", "32", "6", "9", "9", "4", "1", "3", "8", "8"]
    bins = tmp_path / "hw3" / "cifar-10-batches-bin"
    photos, test = read_cifar(bins / "data_batch_1.bin")[0], read_cifar(bins / "test_batch.bin")[0]
    np.testing.assert_allclose(float(deviation), (test[:500] - photos[:5000].mean(axis=0)).std(), rtol=1e-10)


def test_the_hand_in_has_the_code_of_the_notebooks_and_no_data(complete, cifar, tmp_path):
    write_cifar(complete / "cifar-10-batches-bin", *cifar)
    zipped, appendix = submit(course(KEY), complete, tmp_path / "out")
    with zipfile.ZipFile(zipped) as archive:
        names = archive.namelist()
    assert len(names) == 17
    assert {"README.md", "FC_nets.ipynb", "two_layer_nn.ipynb", "nndl/cnn.py", "utils/solver.py"} <= set(
        names
    )
    assert not any("cifar-10-batches" in name for name in names)
    text = appendix.read_text()
    assert "## `two_layer_nn.ipynb`" in text
    assert "best_net, best_val_acc = net, val_acc" in text
    assert "weight_scale = 2e-2" in text
    assert "class FullyConnectedNet" in text
    assert zipped.stat().st_size < 100_000
