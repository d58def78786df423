"""Values of dlt's configuration: one by its full name, or all those of declared options."""

from collections.abc import Callable
from typing import Any, TypeVar

import dlt
from dlt.common.configuration import with_config
from dlt.common.configuration.exceptions import ConfigValueCannotBeCoercedException

from bedrock_async_etl.errors import UsageError
from bedrock_async_invokes.options import signature_of

Declared = TypeVar("Declared")


def with_configuration(declared: type[Declared], *sections: str) -> Callable[..., Declared]:
    """A function that makes `declared` of the options given, the others from these sections."""

    def options(**values: Any) -> Declared:
        return declared(**values)

    # dlt reads the signature, and keeps what it makes of it under the qualified name.
    options.__signature__ = signature_of(declared, dlt.TSecretStrValue)  # type: ignore[attr-defined]
    options.__qualname__ = f"configured_{declared.__name__}"
    return with_config(options, sections=sections)


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
