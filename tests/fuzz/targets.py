"""The readers, each with whole files from which the damaged ones are made."""

import gzip
import io
import lzma
import pickle
import struct
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

import clearprop as cp
from clearprop.courses.nndl.utils.data_utils import _read_python as read_batch
from clearprop.data.cifar import read_cifar
from clearprop.data.csv import read_csv
from clearprop.data.idx import read_idx
from clearprop.data.npy import read_npy, read_npz
from clearprop.data.pickles import read_arrays
from clearprop.data.userfile import read_features
from clearprop.optim import SGD
from clearprop.runs.checkpoint import Checkpoints, load_state, restore_step
from clearprop.runs.config import make_config, read_toml
from fuzz.mutate import damage, damage_tensors


class Target(NamedTuple):
    """A reader, its whole files, and how they are damaged."""

    file: str  # the name under which it finds them
    read: Any
    seeds: Any  # () -> list of bytes
    damage: Any = damage


def written(write, name="net.safetensors"):
    """The bytes that a function writes to a path."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        write(path)
        return path.read_bytes()


# --- networks ---


def networks():
    """Each kind of layer at least once."""
    image = [
        cp.Conv2D(2, 3, padding="same"), cp.BatchNorm(), cp.Activation("relu"), cp.MaxPool2D(2),
        cp.Residual([cp.Conv2D(2, 1)], shortcut=[cp.GroupNorm(2)]), cp.AvgPool2D(2, padding=1),
        cp.ConvTranspose2D(2, 2, stride=2), cp.RandomFlip(), cp.RandomShift(1), cp.Cutout(2), cp.Flatten(), cp.Dense(2),
    ]  # fmt: skip
    time = [
        cp.Conv1D(2, 2), cp.AvgPool1D(2, stride=1), cp.Bidirectional(cp.GRU(2, return_sequences=True)), cp.LayerNorm(),
        cp.TimeDistributed(cp.Dense(2, activation="tanh")), cp.LSTM(2, return_sequences=True), cp.Elman(2),
        cp.Dropout(0.5), cp.Reshape((2, 1)), cp.GlobalMaxPool(),
    ]  # fmt: skip
    words = [cp.Embedding(5, 2), cp.GlobalAvgPool(), cp.Dense(1)]
    return [
        cp.Sequential(image, (4, 4, 2)),
        cp.Sequential(time, (5, 2), dtype="float64"),
        cp.Sequential(words, (3,)),
        cp.Sequential([cp.Dense(3, activation="gelu"), cp.Dense(2)], (2,)),
    ]


def read_weights(path):
    model = cp.load(path)
    assert np.isfinite(model.params).all()
    assert all((a >= 0).all() for name, a in model.named_buffers().items() if name.endswith("var"))
    with safe_open(path, framework="np") as file:  # whatever is read here is a file for everybody else, too
        for name, array in (model.named_params() | model.named_buffers()).items():
            assert (file.get_tensor(name).astype(model.dtype) == array).all()


def train_briefly(path):
    rng = np.random.default_rng(0)
    model = cp.Sequential([cp.Dense(2), cp.BatchNorm()], (3,))
    checkpoints = Checkpoints(path.parent, 1000)
    cp.fit(model, rng.normal(size=(4, 3)), np.arange(4) % 2, epochs=1, batch_size=2, callbacks=[checkpoints],
           optimizer=SGD(0.1, momentum=0.9))  # fmt: skip
    next(path.parent.glob("step-*")).rename(path)


def read_checkpoint(path):
    state = load_state(path)
    restore_step(state, cp.Sequential([cp.Dense(2), cp.BatchNorm()], (3,)), SGD(0.1, momentum=0.9))


# --- PyTorch's weights ---


def torch_files():
    """What PyTorch writes of a small convolutional and of a recurrent network."""
    rng = np.random.default_rng(0)

    def arrays(**shapes):
        return {k.replace("__", "."): rng.random(shape).astype("f4") for k, shape in shapes.items()}

    image = arrays(
        c__weight=(2, 2, 3, 3), c__bias=(2,), n__weight=(2,), n__bias=(2,), n__running_mean=(2,), n__running_var=(2,),
        f__weight=(3, 8), f__bias=(3,),
    )  # fmt: skip
    gates = {
        f"{w}_l0{r}": s
        for r in ("", "_reverse")
        for w, s in (
            ("r__weight_ih", (6, 2)),
            ("r__weight_hh", (6, 2)),
            ("r__bias_ih", (6,)),
            ("r__bias_hh", (6,)),
        )
    }
    time = arrays(e__weight=(5, 2), **gates, o__weight=(1, 4))
    return [save(image | {"n.num_batches_tracked": np.array(3)}), save(time)]


def torch_models():
    image = [cp.Conv2D(2, 3, padding="same"), cp.BatchNorm(), cp.MaxPool2D(2), cp.Flatten(), cp.Dense(3)]
    time = [cp.Embedding(5, 2), cp.Bidirectional(cp.GRU(2)), cp.Dense(1)]
    return [cp.Sequential(image, (4, 4, 2)), cp.Sequential(time, (3,))]


def read_torch(path):
    for model in torch_models():
        before = model.params.copy(), model.buffers.copy()
        try:
            table = cp.load_torch_weights(model, path)
            assert np.isfinite(model.params).all()
            str(table), table._repr_html_()
        except cp.ClearpropError as error:
            assert (model.params == before[0]).all()
            assert (model.buffers == before[1]).all()
            refused = error
        else:
            return
    raise refused


# --- data ---


def idx_files():
    kinds = ((8, (3, 2, 2), 12), (0x0D, (2, 3), 24), (0x0B, (4,), 8), (8, (), 1))
    plain = [
        b"\0\0" + bytes([code, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + bytes(size)
        for code, shape, size in kinds
    ]
    return [*plain, gzip.compress(plain[0]), lzma.compress(plain[1])]


def cifar_files():
    record = bytes([3]) + bytes(range(256)) * 12
    return [record, record * 2, gzip.compress(record)]


def batches():
    """CIFAR-10's Python version, of both of Python's versions, as the courses read it."""
    data = np.random.default_rng(0).integers(0, 255, (2, 3072), np.uint8)
    batch = {b"data": data, b"labels": [1, 2], b"batch_label": b"training 1"}
    return [pickle.dumps(batch, protocol) for protocol in (0, 2, 5)]


def pickles():
    rng = np.random.default_rng(0)
    batch = {
        b"data": rng.integers(0, 255, (2, 3072), np.uint8),
        b"labels": [1, 2],
        b"batch_label": b"training 1",
    }
    others = [
        {"w": rng.random((2, 3)), "b": [1, 2.5, "x", None, True]},
        (np.asfortranarray(rng.random((3, 2))), 7),
    ]
    return [pickle.dumps(value, protocol) for value in (batch, *others) for protocol in (0, 2, 4, 5)]


def tables():
    return [
        b"5.1,3.5,1.4,0.2,Iris-setosa\n4.9,3.0,1.4,0.2,Iris-virginica\n", b"a,b,label\n1,2,0\n3,4,1\n",
        b'1.5e3,"x, y"\n-2,z\n\n', "\ufeffgröße,art\n1,µ\n2,ß\n".encode(), gzip.compress(b"1,2\n3,4\n"),
        b"1,0\r\n2,1\r\n",
    ]  # fmt: skip


def read_tables(path):
    for read in (read_csv, lambda p: read_csv(p, "first"), lambda p: read_csv(p, None, False), read_features):
        try:
            read(path)
        except cp.ClearpropError as error:
            refused = error
        else:
            return
    raise refused


def arrays_of_numpy():
    rng = np.random.default_rng(0)

    def packed(write, *args, **named):
        stream = io.BytesIO()
        write(stream, *args, **named)
        return stream.getvalue()

    each = [
        rng.random((2, 3)),
        np.arange(4),
        np.array(["a", "bc"]),
        np.asfortranarray(rng.random((3, 2)).astype("f4")),
    ]
    return [*(packed(np.save, a) for a in each), packed(np.savez, x=each[0], y=each[1]),
            packed(np.savez_compressed, x=each[0], y=each[1])]  # fmt: skip


def read_numpy(path):
    try:
        return read_npy(path)
    except cp.ClearpropError:
        return read_npz(path)


# --- configurations and graphs ---


def configurations():
    presets = Path(cp.__file__).parent / "cli" / "presets"
    return [path.read_bytes() for path in sorted(presets.glob("*.toml"))]


def graphs():
    return [written(lambda path, m=m: m.to_onnx(path), "net.onnx") for m in networks()]


TARGETS = {
    "weights": Target(
        "net.safetensors", read_weights, lambda: [written(m.save) for m in networks()], damage_tensors
    ),
    "torch": Target("net.safetensors", read_torch, torch_files, damage_tensors),
    "checkpoint": Target(
        "step-1.safetensors", read_checkpoint, lambda: [written(train_briefly)], damage_tensors
    ),
    "idx": Target("x-ubyte", read_idx, idx_files),
    "cifar": Target("batch.bin", read_cifar, cifar_files),
    "cifar-python": Target("data_batch_1", read_batch, batches),
    "pickles": Target("batch", lambda path: read_arrays(path, encoding="bytes"), pickles),
    "csv": Target("table.csv", read_tables, tables),
    "npy": Target("x.npy", read_numpy, arrays_of_numpy),
    "configuration": Target("run.toml", lambda path: make_config(read_toml(path), str(path)), configurations),
    "onnx": Target("net.onnx", cp.from_onnx, graphs),
}
