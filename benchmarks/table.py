"""The table, on 100 columns or fewer."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from benchmarks.measure import Measured, Result

UNITS = {
    "s": ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")),
    "B": ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B")),
}


def amount(value: float, unit: str) -> str:
    """Three digits and a fitting unit.

    >>> amount(0.00123, "s"), amount(12_345_678, "B")
    ('1.23 ms', '12.3 MB')
    """
    factor, name = next((each for each in UNITS[unit] if value >= each[0]), UNITS[unit][-1])
    return f"{value / factor:#.3g}".rstrip(".") + f" {name}"


def show(results: Sequence[Result], header: Sequence[str], console: Console) -> None:
    """Print the header, the table, and how to read it."""
    for line in header:
        console.print(line, highlight=False, markup=False, soft_wrap=False)
    table = Table(box=None, pad_edge=False, header_style="bold", collapse_padding=True)
    table.add_column("workload", no_wrap=True)
    table.add_column("threads", justify="right")
    table.add_column("clearprop", justify="right", no_wrap=True)
    table.add_column("rival", no_wrap=True)
    table.add_column("its own", justify="right", no_wrap=True)
    table.add_column("ratio", justify="right", no_wrap=True)
    for result in results:
        workload = [result.name, "–" if result.threads is None else str(result.threads)]
        workload.append(_cell(result.ours, result.unit))
        for name, rival in result.rivals.items():
            if rival.missing:
                table.add_row(*workload, name, "not installed", "–")
            else:
                table.add_row(*workload, name, _cell(rival, result.unit), f"{result.ratio(name):.2f}")
            workload = ["", "", ""]
    console.print()
    console.print(table)
    console.print(
        "\nMedians, measured in turn; ± is half the distance between the quartiles. "
        "Ratio: clearprop / rival, below 1 is better.",
        highlight=False,
    )


def _cell(measured: Measured, unit: str) -> str:
    spread = f" ±{100 * measured.spread:.0f} %" if unit == "s" else ""
    return amount(measured.middle, unit) + spread
