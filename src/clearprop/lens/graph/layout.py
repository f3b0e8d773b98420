"""Where things stand: a layered drawing from left to right, in which nothing lies on anything else.

The items stand in columns; links join items of neighbouring columns. Their order within a column is improved by
barycentres (K. Sugiyama, S. Tagawa, M. Toda, "Methods for Visual Understanding of Hierarchical System
Structures", 1981). For the heights, each column in turn is moved to where its lines bend least, by pooling
adjacent violators, so that every distance is kept; a bend counts by its height, so a few bend and the rest is straight.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations, pairwise
from typing import NamedTuple

SWEEPS = 16
SETTLINGS = 200
SOFT = 2.0  # a line's bend, in pixels, below which it counts by its square, above by its height
BEND = 8.0  # what a bend costs beyond its height
NARROWEST, WIDEST = 10.0, 38.0  # the gap between columns, in which the lines bend


class Item(NamedTuple):
    """Something in a column: its width, and how far it reaches above and below its line."""

    column: int
    width: float
    up: float
    down: float


class Link(NamedTuple):
    """A line from one item to one in the next column, both by their numbers."""

    start: int
    end: int
    weight: float = 1.0  # how much it is to be straight


class Placed(NamedTuple):
    """The drawing: each column's left edge and width, each item's height of its line."""

    left: list[float]
    width: list[float]
    y: list[float]


def place(items: Sequence[Item], links: Sequence[Link], gap: float = 10.0) -> Placed:
    """Put every item into its place.

    Parameters
    ----------
    items : sequence of Item
        In a first order from top to bottom within each column.
    links : sequence of Link
        From a column to the next.
    gap : float
        The least distance between items of a column.

    Examples
    --------
    >>> place([Item(0, 10, 5, 5), Item(1, 20, 5, 5)], [Link(0, 1)]).y
    [5.0, 5.0]
    """
    columns: list[list[int]] = [[] for _ in range(1 + max(item.column for item in items))]
    for i, item in enumerate(items):
        columns[item.column].append(i)
    columns = _ordered(columns, links)
    y = _settled(columns, items, links, gap)
    top = min(height - item.up for height, item in zip(y, items, strict=True))
    y = [height - top for height in y]
    width = [max((items[i].width for i in column), default=0.0) for column in columns]
    left = [0.0]
    for column in range(len(columns) - 1):
        rise = max((abs(y[a] - y[b]) for a, b, _ in links if items[a].column == column), default=0.0)
        left.append(left[-1] + width[column] + min(max(0.4 * rise, NARROWEST), WIDEST))
    return Placed(left, width, y)


class _Near(NamedTuple):
    """Each item's neighbours in the columns before and after its own."""

    before: list[list[int]]
    after: list[list[int]]


def _ordered(columns: list[list[int]], links: Sequence[Link]) -> list[list[int]]:
    """The columns in the order with the fewest crossings that the sweeps come by; the first of equals is kept."""
    near = _Near([[] for column in columns for _ in column], [[] for column in columns for _ in column])
    for a, b, _ in links:
        near.after[a].append(b)
        near.before[b].append(a)
    best, fewest = columns, crossings(columns, links)
    for sweep in range(SWEEPS):
        if not fewest:
            break
        columns = [list(column) for column in columns]
        forward = sweep % 2 == 0
        for at in range(1, len(columns)) if forward else range(len(columns) - 2, -1, -1):
            rank = {i: r for r, i in enumerate(columns[at - 1 if forward else at + 1])}
            columns[at] = _by_barycentre(columns[at], rank, near.before if forward else near.after)
        _swap(columns, near)
        if (found := crossings(columns, links)) < fewest:
            best, fewest = columns, found
    return best


def _by_barycentre(column: list[int], rank: Mapping[int, int], near: list[list[int]]) -> list[int]:
    """A column sorted by the mean place of each item's neighbours on one side."""
    own = {i: r for r, i in enumerate(column)}
    return sorted(column, key=lambda i: sum(rank[j] for j in near[i]) / len(near[i]) if near[i] else own[i])


def _swap(columns: list[list[int]], near: _Near) -> None:
    """Exchange neighbours of a column wherever that saves a crossing."""
    rank = {i: r for column in columns for r, i in enumerate(column)}
    for column in columns:
        for r in range(len(column) - 1):
            one, other = column[r], column[r + 1]
            saved = sum(
                (rank[j] > rank[k]) - (rank[j] < rank[k])
                for side in near
                for j in side[one]
                for k in side[other]
            )
            if saved > 0:
                column[r], column[r + 1] = other, one
                rank[one], rank[other] = r + 1, r


def crossings(columns: Sequence[Sequence[int]], links: Sequence[Link]) -> int:
    """How many pairs of links cross."""
    at = {i: (c, r) for c, column in enumerate(columns) for r, i in enumerate(column)}
    lines: list[list[tuple[int, int]]] = [[] for _ in columns]
    for a, b, _ in links:
        lines[at[a][0]].append((at[a][1], at[b][1]))
    return sum(
        (one[0] - other[0]) * (one[1] - other[1]) < 0
        for between in lines
        for one, other in combinations(between, 2)
    )


def _settled(
    columns: list[list[int]], items: Sequence[Item], links: Sequence[Link], gap: float
) -> list[float]:
    """Every item's height."""
    y = [0.0] * len(items)
    near: list[list[tuple[int, float]]] = [[] for _ in items]
    for a, b, weight in links:
        near[a].append((b, weight))
        near[b].append((a, weight))
    spaces = [[items[a].down + gap + items[b].up for a, b in pairwise(column)] for column in columns]
    for settling in range(SETTLINGS):
        soft = 1e3 if settling < SETTLINGS // 4 else SOFT  # first by squares, which finds the way from afar
        order = range(len(columns)) if settling % 2 == 0 else range(len(columns) - 1, -1, -1)
        for at in order:
            wishes, weights = [], []
            for i in columns[at]:
                pulls = [(y[j], weight / (abs(y[i] - y[j]) + soft)) for j, weight in near[i]]
                weights.append(sum(pull for _, pull in pulls) or 1e-9)
                wishes.append(sum(height * pull for height, pull in pulls) / weights[-1])
            for i, height in zip(columns[at], nearest(wishes, weights, spaces[at]), strict=True):
                y[i] = height
    return _straightened(y, columns, items, links, gap)


def _straightened(
    y: list[float], columns: list[list[int]], items: Sequence[Item], links: Sequence[Link], gap: float
) -> list[float]:
    """Bends taken away, where both ends and what is level with them can share a height at no greater cost."""
    level = {i: [i] for i in range(len(items))}  # the items at one height with this one
    for a, b, _ in sorted(links, key=lambda link: -link.weight):
        if level[a] is level[b]:
            continue
        both = level[a] + level[b]
        moving = set(both)
        touched = [link for link in links if link.start in moving or link.end in moving]
        for height in (y[a], y[b], (y[a] + y[b]) / 2):
            moved = list(y)
            for i in both:
                moved[i] = height
            held = all(_apart(moved, columns[items[i].column], items, gap) for i in both)
            if held and _cost(moved, touched) <= _cost(y, touched):
                y = moved
                for i in both:
                    level[i] = both
    return y


def _cost(y: Sequence[float], links: Sequence[Link]) -> float:
    return sum(weight * (abs(y[a] - y[b]) + BEND) for a, b, weight in links if abs(y[a] - y[b]) > 1e-6)


def _apart(y: Sequence[float], column: Sequence[int], items: Sequence[Item], gap: float) -> bool:
    return all(y[b] - items[b].up - y[a] - items[a].down >= gap - 1e-6 for a, b in pairwise(column))


def nearest(wishes: Sequence[float], weights: Sequence[float], spaces: Sequence[float]) -> list[float]:
    """The heights nearest to the wishes, by weighted squares, that keep the spaces between neighbours.

    >>> nearest([0.0, 0.0, 9.0], [1.0, 1.0, 1.0], [2.0, 2.0])
    [-1.0, 1.0, 9.0]
    """
    shift = [0.0]
    for space in spaces:
        shift.append(shift[-1] + space)
    pools: list[tuple[float, float, int]] = []  # mean, weight, how many
    for wish, weight, moved in zip(wishes, weights, shift, strict=False):
        pool = (wish - moved, weight, 1)
        while pools and pools[-1][0] > pool[0]:
            mean, heavy, count = pools.pop()
            both = heavy + pool[1]
            pool = ((mean * heavy + pool[0] * pool[1]) / both, both, count + pool[2])
        pools.append(pool)
    levels = [mean for mean, _, count in pools for _ in range(count)]
    return [level + moved for level, moved in zip(levels, shift, strict=False)]
