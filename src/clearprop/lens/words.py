"""Numbers and names as sentences and pictures have them: in few digits, in few letters."""

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
    """A share in as few letters as tell it.

    >>> [percent(share) for share in (0.97, 0.004, 0.996, 1.0, 0.0, 0.0004)]
    ['97 %', '0.4 %', '99.6 %', '100 %', '0 %', '<0.1 %']
    """
    if 0 < share < 0.001:
        return "<0.1 %"
    digits = 1 if 0 < share < 0.0095 or 0.9905 <= share < 0.9995 else 0
    return f"{100 * share:.{digits}f} %"


def names(items: Sequence[object]) -> str:
    """A few of them, and how many more.

    >>> names((3, 1)), names(range(9))
    ('3, 1', '0, 1, 2, 3, 4 and 4 more')
    """
    said = ", ".join(str(item) for item in items[:5])
    return said + (f" and {len(items) - 5} more" if len(items) > 5 else "")


def class_name(k: int, class_names: Sequence[str]) -> str:
    """What label k stands for; the label itself, where it has no name.

    >>> class_name(1, ["no", "yes"]), class_name(2, ["no", "yes"])
    ('yes', '2')
    """
    return str(class_names[k]) if 0 <= k < len(class_names) else str(k)
