"""What the nodes of a graph are called, and the formulas that are made of these names."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from clearprop.arrays import shape_text
from clearprop.errors import ConfigError
from clearprop.lens.graph.labels import MARKS, SUPERSCRIPTS, filled, number_text
from clearprop.lens.graph.ops import OPS

if TYPE_CHECKING:
    from clearprop.lens.graph.nodes import Node

LONGEST_NAME = 16


def checked_name(name: str) -> str:
    """The name, if it fits into a box."""
    if not isinstance(name, str) or not name.strip() or not name.isprintable() or len(name) > LONGEST_NAME:
        raise ConfigError(
            f"graph: expected a name of 1 to {LONGEST_NAME} letters on one line, got {name!r:.60}. "
            "Choose a shorter one."
        )
    if set(name) & set(MARKS):
        raise ConfigError(f"graph: expected a name without {' '.join(MARKS)}, got {name!r}. Leave them out.")
    return name


def merged(known: Iterable[Mapping[str, "Node"]]) -> dict[str, "Node"]:
    """All names together; one that stands for two nodes is refused."""
    together: dict[str, Node] = {}
    for some in known:
        for name, node in some.items():
            other = together.setdefault(name, node)
            if other is not node:
                raise ConfigError(
                    f"graph: the name {name!r} is used twice, for arrays of shape {shape_text(other.shape)} and "
                    f"{shape_text(node.shape)}. Use one node in both places, or give the second another name."
                )
    return together


def ordered(root: "Node") -> list["Node"]:
    """All that a node is made of, each after its inputs; the node itself is the last."""
    done: dict[Node, None] = {}
    waiting = [(root, False)]
    while waiting:
        node, inputs_done = waiting.pop()
        if inputs_done:
            done[node] = None
        elif node not in done:
            waiting.append((node, True))
            waiting += [(x, False) for x in reversed(node.inputs) if x not in done]
    return list(done)


def names_of(root: "Node") -> dict["Node", str]:
    """A name for every node: its own, or L for the loss, Wᵀ and K⁻¹ for what is made of W and K, or v1, v2, …"""
    nodes = ordered(root)
    taken = set(merged({node.name: node} for node in nodes if node.name))
    names: dict[Node, str] = {}
    numbers = iter(range(1, len(nodes) + len(taken) + 1))
    for node in nodes:
        wish = node.name
        if not wish:
            suffix = {"transpose": "ᵀ", "inverse": "⁻¹"}.get(node.op, "")
            simple = (
                suffix and names[node.inputs[0]].isalnum() and names[node.inputs[0]][-1] not in SUPERSCRIPTS
            )
            wish = "L" if node is root else f"{names[node.inputs[0]]}{suffix}" if simple else ""
            while not wish or wish in taken:
                wish = f"v{next(numbers)}"
            taken.add(wish)
        names[node] = wish
    return names


def letters_of(node: "Node", names: Mapping["Node", str]) -> dict[str, str]:
    """What the letters of the operation's formulas stand for."""
    letters = dict(zip("ab", (names[x] for x in node.inputs), strict=False))
    if node.number is not None:
        letters |= {"c": number_text(node.number), "e": number_text(node.number - 1)}
    if node.op == "softmax_cross_entropy":
        rows = node.inputs[0].shape == node.inputs[1].shape
        letters["t"] = letters["b"] if rows else f"onehot({letters['b']})"
    return letters | {"n": str(node.inputs[0].value.size)}


def equation(node: "Node", names: Mapping["Node", str]) -> str:
    """What made the node, in names: "W x"; empty for what is given."""
    return filled(OPS[node.op].text, letters_of(node, names)) if node.op else ""


def symbol(node: "Node") -> str:
    """What stands in the node's gate."""
    said = filled(OPS[node.op].symbol, letters_of(node, dict.fromkeys(node.inputs, "")))
    return said.replace("×−", "×(−") + ")" if said.startswith("×−") else said
