"""All rows, in the table's order. A new family is a file with ROWS and a line here."""

from benchmarks import (
    courses,
    disk,
    doctor,
    estimators,
    images,
    imports,
    iris,
    peak,
    predict,
    ranks,
    sequences,
    size,
    train,
)
from benchmarks.rows import Row

ROWS: list[Row] = [
    *train.ROWS, *iris.ROWS, *predict.ROWS, *images.ROWS, *peak.ROWS, *sequences.ROWS, *disk.ROWS, *imports.ROWS,
    *size.ROWS, *courses.ROWS, *doctor.ROWS, *estimators.ROWS, *ranks.ROWS,
]  # fmt: skip
