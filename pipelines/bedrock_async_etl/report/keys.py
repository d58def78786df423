"""Accounts, regions and models as small numbers, and every selection of them that a page offers."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

import pyarrow as pa

ALL: Final = -1
"""The key of a selection that takes all of a dimension."""
OTHERS: Final = "others"
CELLS: Final = 36_000
"""Selections times days that a page has at most, which keeps it below three megabytes."""
LABELS: Final = ("account_id", "region_name", "model_id")
KEYS: Final = ("account", "region", "model")

Leaf = tuple[str | None, str | None, str | None]
"""Account, region and model of some invocation; null where its ARNs have none."""
Keyed = tuple[int, ...]
"""The same three by their keys."""


@dataclass(frozen=True)
class Dimension:
    """Labels, the one with most invocations first, and the key of each: its place among them."""

    labels: Sequence[str | None]
    keys: Mapping[str | None, int]
    """Of the labels, and of those that have become one, the last label."""


@dataclass(frozen=True)
class Keys:
    """The three dimensions of a page, and the leaves that have invocations."""

    accounts: Dimension
    regions: Dimension
    models: Dimension
    leaves: Sequence[Leaf]

    @property
    def dimensions(self) -> tuple[Dimension, Dimension, Dimension]:
        return self.accounts, self.regions, self.models

    def keyed(self, leaf: Leaf) -> Keyed:
        """Account, region and model of a leaf by their keys."""
        return tuple(each.keys[label] for each, label in zip(self.dimensions, leaf, strict=True))

    def leaf_table(self) -> pa.Table:
        """The leaves beside their keys."""
        columns = dict.fromkeys(LABELS, pa.string()) | dict.fromkeys(KEYS, pa.int32())
        return _table(columns, [(*leaf, *self.keyed(leaf)) for leaf in self.leaves])

    def selection_table(self) -> pa.Table:
        """Every leaf, by its keys, beside every selection that it belongs to."""
        names = (*KEYS, *(f"in_{name}" for name in KEYS))
        rows = [(*leaf, *selection) for leaf, selection in self._pairs()]
        return _table(dict.fromkeys(names, pa.int32()), rows)

    def selections(self) -> int:
        """The number of selections that have invocations."""
        return len({selection for _, selection in self._pairs()})

    def _pairs(self) -> set[tuple[Keyed, Keyed]]:
        leaves = {self.keyed(leaf) for leaf in self.leaves}
        return {(leaf, selection) for leaf in leaves for selection in self._selections_of(leaf)}

    def _selections_of(self, leaf: Keyed) -> Iterator[Keyed]:
        """A dimension with one label has no selection but all of it."""
        choices = [
            (ALL, key) if len(dimension.labels) > 1 else (ALL,)
            for dimension, key in zip(self.dimensions, leaf, strict=True)
        ]
        return product(*choices)


def keys_of(invocations: Mapping[Leaf, int], days: int) -> Keys:
    """Keys for leaves, given with the number of their invocations, in a page of so many days.

    Where there would be too many selections, the rarest accounts (or regions, or models: whichever
    are most) become "others".
    """
    limits = [len({leaf[at] for leaf in invocations}) for at in range(3)]
    while (keys := _limited(invocations, limits)).selections() * (days + 1) > CELLS:
        most = limits.index(max(limits))
        if limits[most] == 1:
            break
        limits[most] //= 2
    return keys


def _limited(invocations: Mapping[Leaf, int], limits: Sequence[int]) -> Keys:
    accounts, regions, models = (
        _dimension(invocations, at, limit) for at, limit in enumerate(limits)
    )
    return Keys(accounts, regions, models, list(invocations))


def _dimension(invocations: Mapping[Leaf, int], at: int, limit: int) -> Dimension:
    counts: Counter[str | None] = Counter()
    for leaf, count in invocations.items():
        counts[leaf[at]] += count
    ranked = sorted(counts, key=lambda label: (-counts[label], label or ""))
    labels = ranked if len(ranked) <= limit else [*ranked[:limit], OTHERS]
    return Dimension(labels, {label: min(at, limit) for at, label in enumerate(ranked)})


def _table(columns: Mapping[str, pa.DataType], rows: Sequence[Sequence[Any]]) -> pa.Table:
    named = [dict(zip(columns, row, strict=True)) for row in rows]
    return pa.Table.from_pylist(named, pa.schema(list(columns.items())))
