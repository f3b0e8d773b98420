"""All rows, in the table's order. A new family is a file with ROWS and a line here."""

from benchmarks import courses, disk, doctor, images, imports, iris, peak, predict, sequences, size, train
from benchmarks.rows import Row

ROWS: list[Row] = [
    *train.ROWS, *iris.ROWS, *predict.ROWS, *images.ROWS, *peak.ROWS, *sequences.ROWS, *disk.ROWS, *imports.ROWS,
    *size.ROWS, *courses.ROWS, *doctor.ROWS,
]  # fmt: skip
