"""Keys stay small, whatever the organization is."""

from itertools import product

from bedrock_async_etl.report.keys import ALL, CELLS, OTHERS, Leaf, keys_of

SMALL: dict[Leaf, int] = {
    ("111122223333", "us-east-1", "reel"): 5,
    ("444455556666", "us-east-1", "reel"): 9,
    ("444455556666", "us-east-1", None): 1,
}


def test_the_busiest_come_first() -> None:
    keys = keys_of(SMALL, 30)
    assert keys.accounts == ["444455556666", "111122223333"]
    assert keys.regions == ["us-east-1"]
    assert keys.models == ["reel", None]


def test_every_selection_of_a_leaf_is_there_once() -> None:
    selections = keys_of(SMALL, 30).selection_table().to_pylist()
    of_leaf = [tuple(row.values())[3:] for row in selections if row["account"] == 1]
    # There is one region, so that all regions are the same as that one.
    assert sorted(of_leaf) == [(ALL, ALL, ALL), (ALL, ALL, 0), (1, ALL, ALL), (1, ALL, 0)]


def test_no_invocations_have_no_keys() -> None:
    keys = keys_of({}, 30)
    assert keys.selections() == 0
    assert keys.leaf_table().num_rows == 0


def test_the_rarest_accounts_of_many_are_put_together() -> None:
    accounts = [f"{number:012}" for number in range(1_000)]
    leaves = product(accounts, ("us-east-1", "us-west-2"), ("reel", "ray"))
    counts: dict[Leaf, int] = {leaf: 1_000 - int(leaf[0]) for leaf in leaves}
    keys = keys_of(counts, 365)
    assert keys.selections() * 366 <= CELLS
    *kept, last = keys.accounts
    assert last == OTHERS
    assert kept == accounts[: len(kept)]
    assert len(kept) > 5
    assert keys.leaves[accounts[-1], "us-east-1", "reel"][0] == len(kept)
    assert len(keys.regions) == len(keys.models) == 2
    assert len(keys.leaves) == len(counts)
