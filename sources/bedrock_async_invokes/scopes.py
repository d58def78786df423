"""Scopes: the accounts and regions to read, their shards, and rows that belong to another."""

import difflib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
from botocore.exceptions import BotoCoreError

from .accounts import (
    ACCOUNT_ID,
    ALL_REGIONS,
    Account,
    default_region,
    find_accounts,
    region_partitions,
)
from .errors import OptionError, ScopeError
from .options import LoadOptions, parse_shard

ARN_SCOPE: Final = r"^arn:[^:]*:[^:]*:(?P<region>[^:]*):(?P<account_id>[^:]*):"
"""Region and account of any ARN, also of one that no invocation has."""
LONGEST_ARN: Final = 200
"""Characters of an ARN in a reason."""


@dataclass(frozen=True, slots=True)
class Scope:
    """One account in one region: the scope of ListAsyncInvokes."""

    account_id: str
    """12 digits, or `unknown` if neither the credentials nor STS nor an invocation has it."""
    region: str

    def __str__(self) -> str:
        return f"{self.account_id}/{self.region}"

    @property
    def is_known(self) -> bool:
        return bool(ACCOUNT_ID.fullmatch(self.account_id))

    def is_in_shard(self, index: int, count: int) -> bool:
        """True if the scope is in share `index` of `count`, which depends on its name alone.

        Python's own hash differs from process to process.
        """
        digest = hashlib.blake2b(str(self).encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") % count == index - 1


def find_scopes(options: LoadOptions) -> list[tuple[Account, str]]:
    """Each account and region to read, of the shard if there is one.

    A role in an account that is read already takes its place. Raises `OptionError` for options that
    do not fit together, `ScopeError` if there are no credentials, or if the account is unknown, as
    `unknown` may be in another shard.
    """
    try:
        accounts = {account.account_id: account for account in find_accounts(options)}
        scopes = list(_in_each_region(list(accounts.values()), options))
    except BotoCoreError as error:
        raise ScopeError(f"The AWS configuration cannot be used: {error}") from error
    if not scopes:
        raise OptionError("There is no region with Bedrock in this partition: name one.")
    if options.shard is None:
        return scopes
    share = parse_shard(options.shard)
    return [
        (account, region)
        for account, region in scopes
        if account.error or Scope(account.known_id, region).is_in_shard(*share)
    ]


def _in_each_region(accounts: list[Account], options: LoadOptions) -> Iterator[tuple[Account, str]]:
    """Regions are looked up once for each partition of AWS, since that takes a session."""
    found: dict[str, list[str]] = {}
    for account in accounts:
        if account.error:
            yield account, account.home_region
            continue
        if account.partition not in found:
            found[account.partition] = find_regions(account, options.regions or [])
        for region in found[account.partition]:
            yield account, region


def find_regions(account: Account, regions: list[str]) -> list[str]:
    """The given regions, without any the session's own; all of Bedrock's for `all`.

    Raises `OptionError` for a region that this version of boto3 does not know, and for one in
    another partition of AWS than the account.
    """
    if ALL_REGIONS in regions:
        return sorted(account.session.get_available_regions("bedrock", account.partition))
    default = default_region(account.session)
    chosen = list(dict.fromkeys(regions)) or ([default] if default else [])
    if not chosen:
        raise OptionError("No region: name one with --region, or set AWS_REGION.")
    partitions = region_partitions(account.session)
    for region in chosen:
        _check_region(account, region, partitions)
    return chosen


def _check_region(account: Account, region: str, partitions: dict[str, str]) -> None:
    if region not in partitions:
        near = difflib.get_close_matches(region, partitions, 1)
        hint = f"did you mean {near[0]}?" if near else "see `aws account list-regions`."
        raise OptionError(
            f"Unknown region {region!r}: {hint} A region newer than this boto3 needs "
            "`pip install --upgrade boto3`."
        )
    if partitions[region] != account.partition:
        raise OptionError(
            f"{region} is in the partition {partitions[region]} of AWS, but "
            f"{account.role_arn or 'the caller'} is in {account.partition}, and credentials "
            "are valid in one only: name regions of that one, and run once for each."
        )


@dataclass(frozen=True)
class Quarantine:
    """Rows that are not loaded, since they contradict the scope that lists them."""

    rows: int = 0
    reason: str | None = None
    """One line, which names the first of them."""


def separate(table: pa.Table, scope: Scope) -> tuple[pa.Table, Quarantine]:
    """The rows that may belong to the scope, and the quarantine of the others.

    An ARN without an account or a region contradicts nothing, and its row gets those of the scope;
    neither does any account if that of the scope is unknown.
    """
    is_foreign = _is_foreign(table, scope)
    if not pc.any(is_foreign).as_py():
        return _completed(table, scope), Quarantine()
    foreign = table.filter(is_foreign)["invocation_arn"]
    arn = " ".join(foreign[0].as_py().split())
    shown = arn if len(arn) <= LONGEST_ARN else f"{arn[:LONGEST_ARN]}…"
    reason = f"{shown} is in the listing of {scope}."
    own = table.filter(pc.invert(is_foreign))
    return _completed(own, scope), Quarantine(len(foreign), reason)


def _completed(table: pa.Table, scope: Scope) -> pa.Table:
    known = {"region": scope.region} | ({"account_id": scope.account_id} if scope.is_known else {})
    for name, value in known.items():
        if table[name].null_count:
            at = table.schema.get_field_index(name)
            filled = pc.fill_null(table[name], value)
            table = table.set_column(at, table.schema.field(at), filled)
    return table


def _is_foreign(table: pa.Table, scope: Scope) -> pa.ChunkedArray:
    """Compares account and region of the rows; those of the ARNs if a row has none."""
    parts = {name: table[name] for name in ("region", "account_id")}
    if parts["region"].null_count:
        found = pc.extract_regex(table["invocation_arn"], pattern=ARN_SCOPE)
        parts = {name: pc.struct_field(found, name) for name in parts}
    is_foreign = _differs(parts["region"], scope.region)
    if scope.is_known:
        is_foreign = pc.or_(is_foreign, _differs(parts["account_id"], scope.account_id))
    return is_foreign


def _differs(values: pa.ChunkedArray, expected: str) -> pa.ChunkedArray:
    is_present = pc.not_equal(values, "")
    return pc.fill_null(pc.and_(is_present, pc.not_equal(values, expected)), False)


def only_account(table: pa.Table, scope: Scope) -> str:
    """The account of a region's rows, if nothing else has it."""
    own, _ = separate(table, scope)
    accounts = own["account_id"].drop_null().unique().to_pylist()
    if len(accounts) > 1:
        raise ScopeError(
            f"The listing of {scope} has invocations of several accounts ({', '.join(accounts)}), "
            "and the credentials do not show which is theirs. Use credentials for which "
            "`aws sts get-caller-identity` works."
        )
    return accounts[0] if accounts else scope.account_id
