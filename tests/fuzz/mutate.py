"""Damage: to bytes, to text, and to the JSON of a safetensors header, which stays well formed or does not."""

import copy
import json
import struct

NUMBERS = [
    0, 1, 2, 3, 4, 7, 8, 16, 63, 64, 65, 127, 128, 255, 256, 1023, 4096, 65535, 65536, 2**24, 2**31 - 1, 2**31,
    2**32 - 1, 2**32, 2**40, 2**53, 2**62, 2**63 - 1, 2**63, 2**64 - 1, -1, -2, -128, -(2**31), -(2**63),
]  # fmt: skip
VALUES = [
    None, True, False, "", "x", "µ", "\ud800", "\x1b[31m", "a" * 3000, 0.5, -0.0, 1e-320, 1e308, 1e400,
    float("nan"), float("inf"), 10**39, 10**400, [], {}, [[]], [1, 2], {"type": "Dense", "units": 3},
]  # fmt: skip
WORDS = [
    b"nan", b"inf", b"-1", b"1e999", b"9" * 30, b"0x10", b"\xff\xfe", b"\xef\xbb\xbf", b"\0", b"\r", b"\n", b'"',
    b",", b"{", b"}", b"[", b"]", b"\\u0000", b"\x1f\x8b\x08", b"\xfd7zXZ\0", b"__import__", b"cos\nsystem\n",
    b"[" * 3000, b"{a=" * 3000, b'{"a":' * 3000, b"(" * 3000,
]  # fmt: skip


def flip(rng, data, other):
    i = rng.randrange(len(data))
    return data[:i] + bytes([data[i] ^ 1 << rng.randrange(8)]) + data[i + 1 :]


def put_byte(rng, data, other):
    i = rng.randrange(len(data))
    return data[:i] + bytes([rng.choice([0, 1, 2, 127, 128, 255, rng.randrange(256)])]) + data[i + 1 :]


def put_number(rng, data, other):
    size, code = rng.choice([(1, "B"), (2, "H"), (4, "I"), (8, "Q")])
    i = rng.randrange(len(data))
    number = rng.choice(NUMBERS) % (1 << 8 * size)
    return data[:i] + struct.pack(rng.choice("<>") + code, number) + data[i + size :]


def cut(rng, data, other):
    return data[: rng.randrange(len(data))]


def take_out(rng, data, other):
    i = rng.randrange(len(data))
    return data[:i] + data[i + rng.choice([1, 1, 2, 4, 8, 64, 512]) :]


def repeat(rng, data, other):
    i = rng.randrange(len(data))
    part = data[i : i + rng.choice([1, 2, 4, 8, 64, 512])]
    return data[:i] + part * rng.choice([2, 2, 2, 3, 17]) + data[i + len(part) :]


def insert(rng, data, other):
    i = rng.randrange(len(data) + 1)
    return data[:i] + rng.choice([rng.choice(WORDS), rng.randbytes(rng.choice([1, 2, 8]))]) + data[i:]


def cross(rng, data, other):
    i, j = rng.randrange(len(data) + 1), rng.randrange(len(other) + 1)
    return data[:i] + other[j : j + rng.choice([4, 32, 256, 4096])] + data[rng.choice([i, len(data)]) :]


def other_digits(rng, data, other):
    """One of the text's numbers is another."""
    at = [i for i, b in enumerate(data[:20_000]) if 48 <= b <= 57]
    if not at:
        return flip(rng, data, other)
    i = j = rng.choice(at)
    while j < len(data) and 48 <= data[j] <= 57:
        j += 1
    return data[:i] + str(rng.choice(NUMBERS)).encode() + data[j:]


DAMAGES = (flip, put_byte, put_number, cut, take_out, repeat, insert, cross, other_digits, other_digits)


def damage(rng, data, other):
    """One to four damages to bytes."""
    for _ in range(rng.choice([1, 1, 2, 4])):
        data = rng.choice(DAMAGES)(rng, data or b"\0", other)
    return data[: 1 << 20]


def damage_tensors(rng, data, other):
    """Damage to a safetensors file, most often to what its header says."""
    try:
        length = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + length])
    except (ValueError, RecursionError):
        return damage(rng, data, other)
    body = data[8 + length :]
    if not isinstance(header, dict) or rng.random() < 0.2:
        return damage(rng, data, other)
    try:
        for _ in range(rng.choice([1, 1, 2, 3])):
            change_tables(rng, header)
        text = dump(header)
    except RecursionError:  # what has been nested deeply before
        return damage(rng, data, other)
    if rng.random() < 0.1:
        text = damage(rng, text, other)
    if rng.random() < 0.1 and b"," in text:  # a key twice
        i = text.index(b",")
        text = b"{" + text[1:i] + b"," + text[1:]
    return len(text).to_bytes(8, "little") + text + body


def dump(value):
    return json.dumps(value).encode("utf-8", "surrogatepass")


def change_tables(rng, header):
    """One change in the header, or in the JSON that stands in its metadata."""
    told = header.get("__metadata__")
    if isinstance(told, dict) and told and rng.random() < 0.6:
        key = rng.choice(list(told))
        try:
            inner = json.loads(told[key])
        except (TypeError, ValueError, RecursionError):
            return change(rng, header)
        change(rng, inner)
        if rng.random() < 0.03:
            inner = nested(inner, rng.choice([30, 300, 3000]))
        told[key] = dump(inner).decode() if not isinstance(inner, str) else inner
        return None
    return change(rng, header)


def nested(value, depth):
    """A layer within a layer within …, as text, for json.dumps could not write it."""
    layers = '{"type": "Residual", "layers": [' * depth + '{"type": "Flatten"}' + "]}" * depth
    return f'{{"format": 1, "layers": [{layers}], "input_shape": [4], "dtype": "float32", "link": "softmax"}}'


def change(rng, tree):
    """Another value, key, order or number of one node of a tree of lists and dicts."""
    nodes = list(walk(tree))
    if not nodes:
        return
    holder, key = rng.choice(nodes)
    value = holder[key]
    what = rng.randrange(7)
    if what == 0:
        del holder[key]
    elif what == 1:
        holder[key] = rng.choice(NUMBERS)
    elif what == 2:
        holder[key] = copy.deepcopy(rng.choice(VALUES))
    elif what == 3:  # some other node's value
        there, at = rng.choice(nodes)
        holder[key] = copy.deepcopy(there[at]) if there is not holder else value
    elif what == 4 and isinstance(holder, list):
        holder[key:key] = [copy.deepcopy(value)] * rng.choice([1, 2, 40])
    elif what == 4:
        holder[rng.choice(["type", "layers", "layer", "units", "x", "µ\n", key + "0"])] = copy.deepcopy(value)
    elif what == 5 and isinstance(value, int) and not isinstance(value, bool):
        holder[key] = value + rng.choice([-1, 1, 8, 2**31, value])
    elif what == 6 and isinstance(value, str) and value:
        holder[key] = rng.choice([value.upper(), value[:-1], value + "x", [value], {value: value}])


def walk(tree):
    """Every place in the tree: its holder and the key there."""
    for key in list(tree) if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ():
        yield tree, key
        yield from walk(tree[key])
