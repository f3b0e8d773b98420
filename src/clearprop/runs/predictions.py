"""A file of predictions, as competitions take it."""

from pathlib import Path

from clearprop.arrays import Array


def predictions_csv(labels: Array) -> str:
    """Rows Id, Category: Id counts from 0 in the file's order, Category is an integer (a number as predicted).

    Several outputs an example are Category0, Category1, …
    """
    cells = labels.reshape(len(labels), -1)
    columns = ["Category"] if cells.shape[1] == 1 else [f"Category{k}" for k in range(cells.shape[1])]
    rows = (",".join(f"{v:d}" if isinstance(v, int) else f"{v!r}" for v in row) for row in cells.tolist())
    return f"Id,{','.join(columns)}\n" + "".join(f"{i},{row}\n" for i, row in enumerate(rows))


def holds_predictions(path: Path) -> bool:
    """Whether a file begins as `predictions_csv` does."""
    start = b"Id,Category"
    with path.open("rb") as file:
        return file.read(len(start)) == start
