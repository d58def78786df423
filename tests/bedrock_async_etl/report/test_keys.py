"""Keys of accounts, regions and models: none is left out."""

from bedrock_async_etl.report.keys import Leaf, keys_of

SMALL: dict[Leaf, int] = {
    ("111122223333", "us-east-1", "reel"): 5,
    ("444455556666", "us-east-1", "reel"): 9,
    ("444455556666", "us-east-1", None): 1,
}


def test_the_busiest_come_first() -> None:
    keys = keys_of(SMALL)
    assert keys.accounts == ["444455556666", "111122223333"]
    assert keys.regions == ["us-east-1"]
    assert keys.models == ["reel", None]


def test_a_leaf_is_beside_the_keys_of_its_labels() -> None:
    table = keys_of(SMALL).leaf_table()
    assert [tuple(row.values()) for row in table.to_pylist()] == [
        (0, 1, 0, 0, "111122223333", "us-east-1", "reel"),
        (1, 0, 0, 0, "444455556666", "us-east-1", "reel"),
        (2, 0, 0, 1, "444455556666", "us-east-1", None),
    ]


def test_no_invocations_have_no_keys() -> None:
    assert keys_of({}).leaf_table().num_rows == 0


def test_of_many_accounts_all_have_a_key() -> None:
    leaves: dict[Leaf, int] = {(f"{number:012}", "us-east-1", "reel"): 1 for number in range(1_000)}
    assert len(keys_of(leaves).accounts) == 1_000
