"""Accounts, regions and models as small numbers."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

LABELS: Final = ("account_id", "region_name", "model_id")
KEYS: Final = ("account", "region", "model")

Leaf = tuple[str | None, str | None, str | None]
"""Account, region and model of some invocation; null where its ARNs have none."""
Labels = Sequence[str | None]
"""Of a dimension, the one with most invocations first; the key of each is its place."""


@dataclass(frozen=True)
class Keys:
    """The three dimensions of a page, and the leaves that have invocations."""

    accounts: Labels
    regions: Labels
    models: Labels
    leaves: Sequence[Leaf]
    """The key of each is its place."""

    def leaf_table(self) -> pa.Table:
        """The leaves beside their keys, and those of their labels."""
        labels = {
            name: pa.array([leaf[at] for leaf in self.leaves], pa.string())
            for at, name in enumerate(LABELS)
        }
        keys = {name: pa.array(values, pa.int32()) for name, values in self.leaf_keys().items()}
        return pa.table({"leaf": pa.array(range(len(self.leaves)), pa.int32())} | keys | labels)

    def leaf_keys(self) -> dict[str, list[int]]:
        """The keys of the labels of each leaf."""
        dimensions = (self.accounts, self.regions, self.models)
        places = [{label: at for at, label in enumerate(labels)} for labels in dimensions]
        return {
            name: [places[at][leaf[at]] for leaf in self.leaves] for at, name in enumerate(KEYS)
        }


def keys_of(invocations: Mapping[Leaf, int]) -> Keys:
    """Keys for leaves, given with the number of their invocations."""
    accounts, regions, models = (_ranked(invocations, at) for at in range(3))
    return Keys(accounts, regions, models, list(invocations))


def _ranked(invocations: Mapping[Leaf, int], at: int) -> Labels:
    counts: Counter[str | None] = Counter()
    for leaf, count in invocations.items():
        counts[leaf[at]] += count
    return sorted(counts, key=lambda label: (-counts[label], label or ""))
