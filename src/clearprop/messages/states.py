"""A state that is none: what goes wrong while it is read, in a sentence."""

from collections.abc import Iterator
from contextlib import contextmanager

from clearprop.errors import ClearpropError, DataError


@contextmanager
def read_as_state(who: str) -> Iterator[None]:
    """Turn whatever a state of unknown origin causes into a DataError."""
    try:
        yield
    except ClearpropError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise DataError(
            f"{who}: expected a state that a training run has saved, got another ({type(error).__name__}: "
            f"{str(error)[:200]}). Take an undamaged one."
        ) from None
