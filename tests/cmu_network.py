"""CMU 10-701's network worked out in plain Python, and how its numbers are found in a text."""

import math

import numpy as np

# CMU 10-701, Spring 2021, homework 3, section 1: weights with the biases in column 0, one example, its class.
ALPHA = [[1, 1, 2, -3, 0, 1, -3], [1, 2, 1, 1, 1, 0, 2], [1, 3, 2, 2, 2, 2, 1], [1, 2, 0, 3, 1, -2, 2]]
BETA = [[1, 1, 2, -2, 3], [1, 2, -1, 3, 1], [1, 3, 1, -1, 1]]
X, LABEL, LAMBDA = [1, 0, 1, 0, 1, 1], 2, 0.01


def by_hand() -> dict:
    """The homework's numbers in plain Python, in the handout's order."""
    x = [1, *X]
    a = [sum(w * v for w, v in zip(row, x, strict=True)) for row in ALPHA]
    z = [1.0, *(1 / (1 + math.exp(-v)) for v in a)]
    b = [sum(w * v for w, v in zip(row, z, strict=True)) for row in BETA]
    total = sum(map(math.exp, b))
    y_hat = [math.exp(v) / total for v in b]
    db = [p - (k == LABEL) for k, p in enumerate(y_hat)]
    dz = [sum(db[k] * BETA[k][j] for k in range(3)) for j in range(1, 5)]
    da = [dz[j] * z[j + 1] * (1 - z[j + 1]) for j in range(4)]
    loss = -math.log(y_hat[LABEL])
    squares = sum(w * w for row in (*ALPHA, *BETA) for w in row[1:])
    return {
        "a": a, "z": z[1:], "b": b, "y_hat": y_hat, "loss": loss, "db": db, "dz": dz, "da": da,
        "dbeta": [[d * v for v in z] for d in db], "dalpha": [[d * v for v in x] for d in da],
        "regularized": loss + LAMBDA * squares,
    }  # fmt: skip


def row(text: str, name: str) -> list[list[str]]:
    """The numbers of the first array of this name in a text, as they stand there."""
    lines = text.splitlines()
    first = next(i for i, line in enumerate(lines) if line.strip().startswith(f"{name} = ["))
    found = []
    for line in lines[first:]:
        if "[" not in line:
            break
        found.append(line[line.index("[") + 1 : line.index("]")].split())
    return found


def four(values) -> list[list[str]]:
    """To four decimals, as a document writes arrays."""
    rounded = np.round(np.atleast_2d(values), 4) + 0.0
    whole = bool((rounded == np.round(rounded)).all())
    return [[f"{v:.0f}" if whole else f"{v:.4f}" for v in line] for line in rounded]
