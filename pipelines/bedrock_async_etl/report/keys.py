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
Labels = Sequence[str | None]
"""Of a dimension, the one with most invocations first; the key of each is its place."""
Keyed = tuple[int, ...]
"""Account, region and model by their keys."""


@dataclass(frozen=True)
class Keys:
    """The three dimensions of a page, and the leaves that have invocations."""

    accounts: Labels
    regions: Labels
    models: Labels
    leaves: Mapping[Leaf, Keyed]

    def leaf_table(self) -> pa.Table:
        """The leaves beside their keys."""
        columns = dict.fromkeys(LABELS, pa.string()) | dict.fromkeys(KEYS, pa.int32())
        return _table(columns, [(*leaf, *keyed) for leaf, keyed in self.leaves.items()])

    def selection_table(self) -> pa.Table:
        """Every leaf, by its keys, beside every selection that it belongs to."""
        names = (*KEYS, *(f"in_{name}" for name in KEYS))
        leaves = set(self.leaves.values())
        rows = [(*leaf, *selection) for leaf in leaves for selection in self._selections(leaf)]
        return _table(dict.fromkeys(names, pa.int32()), rows)

    def selections(self) -> int:
        """The number of selections that have invocations."""
        leaves = set(self.leaves.values())
        return len({selection for leaf in leaves for selection in self._selections(leaf)})

    def _selections(self, leaf: Keyed) -> Iterator[Keyed]:
        """A dimension with one label has no selection but all of it."""
        dimensions = zip((self.accounts, self.regions, self.models), leaf, strict=True)
        return product(*((ALL, key) if len(labels) > 1 else (ALL,) for labels, key in dimensions))


def keys_of(invocations: Mapping[Leaf, int], days: int) -> Keys:
    """Keys for leaves, given with the number of their invocations, in a page of so many days.

    Where there would be too many selections, the rarest accounts (or regions, or models: whichever
    are most) become "others".
    """
    ranked = [_ranked(invocations, at) for at in range(3)]
    limits = [len(labels) for labels in ranked]
    while (keys := _limited(invocations, ranked, limits)).selections() * (days + 1) > CELLS:
        most = limits.index(max(limits))
        if limits[most] == 1:
            break
        limits[most] //= 2
    return keys


def _ranked(invocations: Mapping[Leaf, int], at: int) -> Labels:
    counts: Counter[str | None] = Counter()
    for leaf, count in invocations.items():
        counts[leaf[at]] += count
    return sorted(counts, key=lambda label: (-counts[label], label or ""))


def _limited(
    invocations: Mapping[Leaf, int], ranked: Sequence[Labels], limits: Sequence[int]
) -> Keys:
    labels, keys = [], []
    for each, limit in zip(ranked, limits, strict=True):
        labels.append(each if len(each) <= limit else [*each[:limit], OTHERS])
        keys.append({label: min(at, limit) for at, label in enumerate(each)})
    leaves = {
        leaf: tuple(key[label] for key, label in zip(keys, leaf, strict=True))
        for leaf in invocations
    }
    accounts, regions, models = labels
    return Keys(accounts, regions, models, leaves)


def _table(columns: Mapping[str, pa.DataType], rows: Sequence[Sequence[Any]]) -> pa.Table:
    named = [dict(zip(columns, row, strict=True)) for row in rows]
    return pa.Table.from_pylist(named, pa.schema(list(columns.items())))
