"""Pickles of NumPy arrays, read without running anything that they hold.

A pickle is a small program: it may name any function of any module and call it. Here it meets four stand-ins for
what NumPy's own pickles name, and nothing else; the arrays are made from bytes, shapes and dtypes that are checked.
"""

import io
import pickle
import struct
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from clearprop.arrays import Array
from clearprop.data.streams import open_bytes
from clearprop.errors import DataError

_KINDS = "biufcSU"  # truth values, numbers and text: never objects, and never fields
_KEYS = (bool, int, float, str, bytes, type(None))
_BARE = (*_KEYS, complex)


def read_arrays(path: str | Path, encoding: Literal["ASCII", "bytes", "latin1"] = "ASCII") -> Any:
    """What a pickle holds, if that is arrays, alone or in lists, tuples and dicts with numbers and text.

    Parameters
    ----------
    path : str or Path
        The file, packed with gzip or xz, or plain; of Python 3 or Python 2.
    encoding : {"ASCII", "bytes", "latin1"}
        What becomes of text that Python 2 wrote, as in `pickle.load`: "bytes" keeps it as bytes, which is what
        the Python version of CIFAR-10 needs.

    Returns
    -------
    array, list, tuple, dict, number or text
        As it was pickled, the arrays in this machine's byte order and writable.

    Raises
    ------
    FileError
        When the file does not exist or cannot be read.
    DataError
        When the pickle names anything but arrays, or is no whole pickle.

    Examples
    --------
    >>> read_arrays("data_batch_1", encoding="bytes")[b"data"].shape  # doctest: +SKIP
    (10000, 3072)
    """
    with open_bytes(path) as stream:
        content = stream.read()
    try:
        return _finished(_Unpickler(content, encoding).load(), {})
    except _RefusedError as err:
        raise DataError(
            f"{path}: the pickle holds {err}, and only NumPy arrays, in lists, tuples and dicts, are read; "
            "none of its code was run. Save the arrays with np.savez."
        ) from err
    except Exception as err:  # a damaged pickle can fail in any way
        if isinstance(err, UnicodeDecodeError) and err.encoding == "ascii":
            raise DataError(f"{path}: Python 2 wrote this pickle. Read it with encoding='bytes'.") from err
        reason = str(err).rstrip(".") or type(err).__name__
        raise DataError(f"{path}: this is not a whole pickle of arrays ({reason}). Get it again.") from err


class _RefusedError(Exception):
    """The pickle holds this, in words."""


class _StandIn(NamedTuple):
    """What a pickle calls in place of NumPy's function; a tuple, so that the pickle cannot alter it."""

    call: Callable[..., Any]

    def __call__(self, *args: Any) -> Any:
        return self.call(*args)


class _Dtype:
    """A dtype that a pickle makes in two steps: its kind and size, then its byte order."""

    __slots__ = ("found",)

    def __init__(self, code: str | bytes, align: object = False, copy: object = True) -> None:
        text = _text(code)
        if text[:1] not in _KINDS or not text[1:].isdecimal():
            raise _RefusedError(f"an array of dtype {text[:40]!r}")
        self.found = np.dtype(text)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        order, parts = _text(state[1]), state[2:5]
        if parts != (None, None, None) or order not in ("<", ">", "|", "="):
            raise _RefusedError("an array whose dtype has fields")
        self.found = self.found.newbyteorder(order)  # type: ignore[arg-type]


class _Pending:
    """An array that a pickle makes in two steps: nothing yet, then its shape, dtype and bytes."""

    __slots__ = ("array",)

    def __init__(self) -> None:
        self.array: Array | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, fortran, content = state
        self.array = _array(content, dtype, shape, "F" if fortran else "C")


def _array(content: object, dtype: object, shape: object, order: str | bytes) -> Array:
    """The bytes as an array of this machine's byte order that owns its memory."""
    if not isinstance(dtype, _Dtype):
        raise _RefusedError("an array without a dtype")
    if isinstance(content, str):  # of Python 2, read as latin1
        content = content.encode("latin1")
    if not isinstance(content, bytes | bytearray):
        raise _RefusedError("an array of Python objects")
    if not (isinstance(shape, tuple) and all(type(n) is int and n >= 0 for n in shape)):
        raise ValueError(f"an array's shape is {shape!r}")
    found = dtype.found
    if len(content) != prod(shape) * found.itemsize:
        raise ValueError(f"{len(content):,} bytes for {found} of shape {shape}")
    flat = np.frombuffer(content, found) if content else np.empty(0, found)
    native = flat.astype(found.newbyteorder("="))
    return native.reshape(shape, order="F" if _text(order) == "F" else "C")


def _reconstruct(kind: object, shape: object, code: object) -> _Pending:
    if kind is not _NDARRAY:
        raise _RefusedError("a kind of array that is not NumPy's plain one")
    return _Pending()


def _from_buffer(content: object, dtype: object, shape: object, order: str, axes: Any = None) -> _Pending:
    """An array of protocol 5; the order "K" is C, with the axes in another order."""
    pending = _Pending()
    array = _array(content, dtype, shape, order)
    pending.array = array.transpose(axes) if order == "K" else array
    return pending


def _encode(text: str, encoding: str) -> bytes:
    """How Python 3 writes bytes in Python 2's protocols."""
    if encoding != "latin1":
        raise _RefusedError(f"text in {encoding!r}")
    return text.encode("latin1")


def _never(*args: object) -> None:
    raise _RefusedError("an array made in an unknown way")


_NDARRAY = _StandIn(_never)
_NUMPY = {"_reconstruct": _StandIn(_reconstruct), "_frombuffer": _StandIn(_from_buffer)}
_KNOWN = {
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): _StandIn(_Dtype),
    ("_codecs", "encode"): _StandIn(_encode),
    ("__builtin__", "bytes"): _StandIn(lambda: b""),
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _NUMPY["_reconstruct"] for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _NUMPY["_frombuffer"] for core in ("core", "_core")},
}


class _Unpickler(
    pickle._Unpickler
):  # the one in Python, whose memo is a dict, and whose steps can be replaced
    stack: list[Any]
    read: Callable[[int], bytes]
    pop_mark: Callable[[], list[Any]]
    load_reduce: Callable[[], None]
    load_build: Callable[[], None]
    dispatch: ClassVar[dict[int, Callable[..., None]]] = dict(pickle._Unpickler.dispatch)

    def __init__(self, content: bytes, encoding: str) -> None:
        super().__init__(io.BytesIO(content), encoding=encoding)
        self._left = 4 * len(content) + 2**20  # bytes that may be made of those in the file

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _KNOWN:
            raise _RefusedError(f"{module}.{name}"[:100])
        return _KNOWN[module, name]

    def persistent_load(self, pid: object) -> Any:
        raise _RefusedError("a reference to something outside it")

    def _reduce(self) -> None:
        self.load_reduce()
        self._count(self.stack[-1])

    def _build(self) -> None:
        self.load_build()
        self._count(self.stack[-1])

    def _count(self, made: object) -> None:
        """Copies of the same bytes, made again and again, would be a thousand times the file."""
        found = made.array if isinstance(made, _Pending) else made
        self._left -= (
            found.nbytes if isinstance(found, np.ndarray) else len(found) if type(found) is bytes else 0
        )
        if self._left < 0:
            raise ValueError("its arrays are larger than the file")

    def _dict(self) -> None:
        items = self.pop_mark()
        self.stack.append(_filled({}, items))

    def _set_item(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        _filled(self.stack[-1], [key, value])

    def _set_items(self) -> None:
        items = self.pop_mark()
        _filled(self.stack[-1], items)

    def _refuse(self) -> None:
        raise _RefusedError("a set, or an object of a class")

    def _bytearray(self) -> None:  # Python's own makes room for what is announced, and is often not there
        (size,) = struct.unpack("<Q", self.read(8))
        self.stack.append(bytearray(self.read(size)))

    for _code, _step in (
        (pickle.REDUCE, _reduce), (pickle.BUILD, _build), (pickle.DICT, _dict), (pickle.SETITEM, _set_item),
        (pickle.SETITEMS, _set_items), (pickle.EMPTY_SET, _refuse), (pickle.ADDITEMS, _refuse),
        (pickle.FROZENSET, _refuse), (pickle.INST, _refuse), (pickle.OBJ, _refuse), (pickle.NEWOBJ, _refuse),
        (pickle.NEWOBJ_EX, _refuse), (pickle.BYTEARRAY8, _bytearray),
    ):  # fmt: skip
        dispatch[_code[0]] = _step


def _filled(table: object, items: list[Any]) -> dict[Any, Any]:
    """A dict with keys that are hashed at once: a few bytes can describe tuples within tuples that take for ever."""
    if type(table) is not dict:
        raise _RefusedError("something that is not an array")
    for key, value in zip(items[::2], items[1::2], strict=True):
        if type(key) not in _KEYS or (
            type(key) is int and abs(key) >= 2**60
        ):  # larger ones can collide by the thousand
            raise _RefusedError("a dict with keys that are neither numbers nor text")
        table[key] = value
    return table


def _finished(value: Any, done: dict[int, tuple[Any, Any]]) -> Any:
    """The same, with its arrays in place; anything that is not plain is refused.

    `done` knows each container by its id and keeps it alive, so that one that is shared, or holds itself, is met once.
    """
    if type(value) in _BARE:
        return value
    if type(value) is _Pending and value.array is not None:
        return value.array
    if id(value) in done:
        return done[id(value)][1]
    if type(value) is list:
        done[id(value)] = value, value
        value[:] = [_finished(item, done) for item in value]
    elif type(value) is dict:
        done[id(value)] = value, value
        for key, item in value.items():
            value[key] = _finished(item, done)
    elif type(value) is tuple:
        done[id(value)] = value, tuple(_finished(item, done) for item in value)
    else:
        raise _RefusedError("something that is not an array")
    return done[id(value)][1]


def _text(value: object) -> str:
    """A word that Python 2 may have written as bytes."""
    if isinstance(value, bytes):
        return value.decode("ascii")
    if not isinstance(value, str):
        raise ValueError(f"expected a word, got {type(value).__name__}")
    return value
