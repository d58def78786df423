"""One value of dlt's configuration, by its full name."""

from typing import Any

import dlt
from dlt.common.configuration.exceptions import ConfigValueCannotBeCoercedException

from bedrock_async_etl.errors import UsageError


def configured(section: str, name: str, expected: type) -> Any:
    """What dlt's configuration has under exactly this name; None where it has nothing.

    `with_config` would look for it in the sections above, too: `models` is another thing there,
    and GNU screen has a variable WINDOW in the environment. Raises `UsageError` for what is not of
    the type expected.
    """
    try:
        return dlt.config.get(f"{section}.{name}", expected)
    except ConfigValueCannotBeCoercedException:
        raise UsageError(f"{section}.{name} cannot be read: look at its value.") from None
