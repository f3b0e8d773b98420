"""Numbers in few digits, for sentences."""

from collections.abc import Sequence
from math import isfinite


def short(value: float) -> str:
    """Three digits.

    >>> short(0.123456), short(1234.0), short(3.0), short(2e-7)
    ('0.123', '1230', '3', '2e-07')
    """
    if not isfinite(value):
        return str(value)
    if 1000 <= abs(value) < 1e5:
        return f"{float(f'{value:.3g}'):.0f}"
    return f"{value:.3g}"


def about(value: float) -> str:
    """One digit, for what is only known roughly.

    >>> about(0.0546), about(12.3), about(2.4e-6)
    ('0.05', '10', '2e-06')
    """
    return f"{float(f'{value:.0e}'):g}"


def percent(share: float) -> str:
    """A share in per cent.

    >>> percent(0.5), percent(0.001), percent(1.0)
    ('50 %', '0.1 %', '100 %')
    """
    return f"{100 * share:.1f} %" if 0 < share < 0.01 or 0.99 < share < 1 else f"{100 * share:.0f} %"


def names(items: Sequence[object]) -> str:
    """A few of them, and how many more.

    >>> names((3, 1)), names(range(9))
    ('3, 1', '0, 1, 2, 3, 4 and 4 more')
    """
    said = ", ".join(str(item) for item in items[:5])
    return said + (f" and {len(items) - 5} more" if len(items) > 5 else "")
