"""Numbers of runs: as tables and lines show them, and which are good."""


def figure(value: float | None) -> str:
    """A number of a summary, in words: null stands for one that was not finite.

    >>> figure(0.96667), figure(15094675.9), figure(0.0000037)
    ('0.9667', '1.509e+07', '3.7e-06')
    """
    if value is None:
        return "not finite"
    if 0 < abs(value) < 5e-4:
        return f"{value:.1e}"
    return f"{value:.4f}" if abs(value) < 1e4 else f"{value:.4g}"


def high_is_good(metric: str) -> bool:
    """Losses and errors are best when low, all else when high.

    >>> high_is_good("validation_accuracy"), high_is_good("mean_squared_error")
    (True, False)
    """
    return not metric.endswith(("loss", "error"))
