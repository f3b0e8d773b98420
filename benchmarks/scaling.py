"""When data parallelism stops paying, on paper: `python -m benchmarks.scaling` prints docs/many-machines.md's tables.

t(p) = t(1)/p + 4 α log₂ p + 2 (p − 1)/p · 4 P/B        p machines, P parameters of 4 bytes, latency α, bandwidth B

Rabenseifner's Allreduce of the gradient takes 2 α log₂ p, the two of a few numbers α log₂ p each.
"""

from collections.abc import Iterable
from math import log2

from benchmarks.table import amount
from clearprop.cli.presets import preset_names, read_preset_or_file

ROUNDS = 4
FLOPS = 75e9  # a core's products in float32, as measured
NETWORKS = {"1 Gbit/s": (50e-6, 125e6), "10 Gbit/s": (20e-6, 1.25e9), "100 Gbit/s": (2e-6, 12.5e9)}  # α, B


def step(p: int, compute: float, params: float, alpha: float, rate: float) -> float:
    """The seconds of a step on p machines, of `compute` seconds on one."""
    return compute / p + ROUNDS * alpha * log2(p) + 2 * (p - 1) / p * 4 * params / rate


def most_params(p: int, compute: float, alpha: float, rate: float) -> float:
    """With how many parameters p machines take as long as one: t(p) = t(1), solved for P."""
    return max(0.0, rate / 8 * (compute - ROUNDS * alpha * log2(p) * p / (p - 1)))


def presets() -> dict[str, tuple[int, int, int]]:
    """Of each preset whose data set's shape is known here: parameters, multiply-adds an example, batch size."""
    from clearprop.model import Sequential
    from clearprop.runs.config import make_config

    shapes = {
        "mnist": (28, 28, 1),
        "fashion-mnist": (28, 28, 1),
        "cifar-10": (32, 32, 3),
        "higgs": (28,),
        "iris": (4,),
    }
    found = {}
    for name in preset_names():
        tables, _ = read_preset_or_file(name)
        config = make_config(tables, name, [])
        shape = shapes.get(config.data.name or "")
        if shape is None or config.sweep is not None:
            continue
        model = Sequential(config.make_layers(), shape, dtype=config.model.dtype)
        work = sum(layer.multiply_adds(at) for layer, at in zip(model.layers, model.shapes, strict=False))
        found[name] = (model.params.size, work, config.training.batch_size)
    return found


def rounded(n: float) -> str:
    """To two digits: 9,400 or 1.5 million."""
    n = float(f"{n:.2g}")
    unit, name = (1e9, " billion") if n >= 1e9 else (1e6, " million") if n >= 1e6 else (1, "")
    return f"{n / unit:,g}{name}"


def table(*rows: Iterable[str]) -> str:
    """The first row is its head."""
    head, *body = ("| " + " | ".join(row) + " |" for row in rows)
    return "\n".join([head, "|" + "---|" * (head.count("|") - 1), *body, ""])


def break_even() -> str:
    """With how many parameters two machines are as slow as one."""
    steps = (1e-3, 1e-2, 1e-1, 1.0)
    return table(
        ["a step on one machine", *NETWORKS],
        *([amount(t, "s"), *(rounded(most_params(2, t, *net)) for net in NETWORKS.values())] for t in steps),
    )


def gains() -> str:
    """How many times as fast the presets' steps are on 2 and on 8 machines, the longest first."""
    rows = []
    for name, (params, work, batch) in presets().items():
        compute = (
            6 * work * batch / FLOPS
        )  # forward, and twice as much backward; two operations a multiply-add
        gain = [
            " / ".join(f"{compute / step(p, compute, params, *network):.2f}" for p in (2, 8))
            for network in NETWORKS.values()
        ]
        rows.append((compute, [f"`{name}`", f"{params:,}", amount(compute, "s"), *gain]))
    longest_first = (cells for _, cells in sorted(rows, key=lambda row: -row[0]))
    return table(["preset", "parameters", "step", *NETWORKS], *longest_first)


def main() -> None:
    print(break_even())
    print(gains())


if __name__ == "__main__":
    main()
