"""The errors that clearprop raises on purpose: each message says who, what was expected, what came, what to do."""


class ClearpropError(Exception):
    """Base class: catch this to catch everything that clearprop refuses in a sentence."""


class ShapeError(ClearpropError, ValueError):
    """An array, or a network, whose shapes do not fit together."""

    remedy = ""  # how the sentence ends, while it is a guess from one shape alone
    settled = False  # whether the layers around the place have been looked at, too


class DataError(ClearpropError, ValueError):
    """Data that cannot be used as given: a broken file, labels out of range, NaN, wrong kind of target."""


class ConfigError(ClearpropError, ValueError):
    """A setting, a name or a configuration file that is not valid."""


class FileError(ClearpropError, OSError):
    """A file or folder that cannot be read or written."""


class DivergedError(ClearpropError, ArithmeticError):
    """Training stopped because the loss was no longer a finite number."""


class GradientError(ClearpropError, AssertionError):
    """A gradient check that failed."""
