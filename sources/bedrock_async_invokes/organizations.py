"""The accounts of an AWS organization, and the role that each of them has for the reader."""

import re
from collections.abc import Mapping
from typing import Any, Final

from botocore.client import BaseClient
from botocore.exceptions import BotoCoreError, ClientError

from .errors import OptionError, ScopeError
from .reports import describe

ROLE_NAME: Final = re.compile(r"(?:[^\s:*/]+/)*[\w+=,.@-]{1,64}", re.ASCII)
REFUSALS: Final = {
    "AccessDeniedException": "organizations:ListAccounts is denied. Allow it, and call it from the "
    "organization's management account or from a delegated administrator.",
    "AWSOrganizationsNotInUseException": "the caller's account is not in an organization. Name "
    "each role by its ARN instead, with role_arns.",
}
"""What is wrong, and what to do about it, by error code."""


def check_role_name(name: str) -> None:
    """Raises `OptionError` for what is no role's name, with or without a path before it."""
    if ROLE_NAME.fullmatch(name) is None:
        raise OptionError(
            f"Not a role's name: {name!r}. It looks like NAME or PATH/NAME, without an account: "
            "the organization tells the accounts."
        )


def active_accounts(organizations: BaseClient) -> list[str]:
    """The ids of an organization's accounts that are in use: not suspended, closed or unfinished.

    Raises `ScopeError` where they cannot be listed.
    """
    try:
        pages = organizations.get_paginator("list_accounts").paginate()
        return [
            account["Id"] for page in pages for account in page["Accounts"] if _is_active(account)
        ]
    except ClientError as error:
        reason = REFUSALS.get(error.response["Error"]["Code"]) or describe(error)
    except BotoCoreError as error:
        reason = describe(error)
    raise ScopeError(f"Cannot list the organization's accounts: {reason}")


def _is_active(account: Mapping[str, Any]) -> bool:
    """AWS retires `Status` for `State`, which a boto3 older than that does not pass on."""
    state = account.get("State") or account.get("Status")
    if state is None:
        raise ScopeError(
            f"AWS Organizations does not tell the state of account {account['Id']}: this boto3 is "
            "too old for it, see `pip install --upgrade boto3`."
        )
    return bool(state == "ACTIVE")
