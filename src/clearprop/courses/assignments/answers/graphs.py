"""A computational graph inside a document: as arrows and a listing, as Mermaid, as TikZ."""

from clearprop.lens.graph import Node, text, tikz
from clearprop.lens.graph.names import equation, names_of, ordered


class Graph:
    """The drawing of a loss's graph.

    >>> from clearprop.lens.graph import Variable, squared_norm
    >>> print(Graph(squared_norm(Variable("x", [3.0, 4.0])).named("L")).mermaid())
    flowchart LR
        n0(["x"]) --> n1
        n1["L = ‖x‖²"]
    """

    def __init__(self, loss: Node) -> None:
        self.loss = loss
        self.names = names_of(loss)
        self.nodes = ordered(loss)

    def text(self) -> str:
        """What leads where, then each node with its value and its gradient."""
        wide = max(len(name) for name in self.names.values())
        arrows = [
            f"    {self.names[node]:<{wide}} → {', '.join(self.names[user] for user in users)}"
            for node in self.nodes
            if (users := self._users(node))
        ]
        return "\n".join([*arrows, "", text(self.loss)])

    def mermaid(self) -> str:
        """A flow chart from left to right, which GitHub draws: inputs are rounded, steps are boxes."""
        number = {node: f"n{i}" for i, node in enumerate(self.nodes)}
        lines = []
        for node in self.nodes:
            label = f'["{self._made(node)}"]' if node.op else f'(["{self.names[node]}"])'
            users = " & ".join(number[user] for user in self._users(node))
            lines.append(f"    {number[node]}{label}" + (f" --> {users}" if users else ""))
        return "\n".join(["flowchart LR", *lines])

    def tikz(self) -> tuple[str, ...]:
        """With the gradients as formulas, and once more with the numbers."""
        return tikz(self.loss, show="formulas"), tikz(self.loss)

    def _users(self, node: Node) -> list[Node]:
        return [user for user in self.nodes if node in user.inputs]

    def _made(self, node: Node) -> str:
        """The node's name and how it is made, where that says more."""
        made = equation(node, self.names)
        return made if made == self.names[node] else f"{self.names[node]} = {made}"
