"""All rows, in the table's order. A new family is a file with ROWS and a line here."""

from benchmarks import imports, iris, predict, size, train
from benchmarks.rows import Row

ROWS: list[Row] = [*train.ROWS, *iris.ROWS, *predict.ROWS, *imports.ROWS, *size.ROWS]
