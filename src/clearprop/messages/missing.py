"""Names that other libraries have and that are none here: the error says what to write."""

from collections.abc import Iterable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from clearprop.messages.elsewhere import words
from clearprop.names import nearest


class Told:
    """The base of what one asks for attributes that it has elsewhere: they are missed in a sentence."""

    if not TYPE_CHECKING:  # to a type checker they are missing as ever

        def __getattr__(self, name: str) -> Any:
            kinds = [kind.__name__ for kind in type(self).__mro__]
            raise AttributeError(missed(f"{kinds[0]!r} object", kinds, name, dir(self)))


def missed(owner: str, kinds: Iterable[str], name: str, known: Iterable[str]) -> str:
    """What an AttributeError says, without advice for names that only Python itself asks for."""
    advice = ""
    if not name.startswith("_"):
        advice = next(filter(None, (words("missing", kind).get(name.lower()) for kind in kinds)), "")
        if not advice and "clearprop" in kinds and find_spec(f"clearprop.{name}"):
            advice = f"Write import clearprop.{name} first."
        elif not advice and (near := nearest(name, (other for other in known if not other.startswith("_")))):
            advice = f"Did you mean {near!r}?"
    return f"{owner} has no attribute {name!r}" + f". {advice}" * bool(advice)
