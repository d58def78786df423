"""Options of the commands, made from their declarations.

A command has one parameter for each declaration, such as `load: Load`, and receives the options
that were given, by name; dlt's configuration has the others.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

import typer

from bedrock_async_etl.errors import UsageError
from bedrock_async_etl.options import (
    CheckOptions,
    DestinationOptions,
    ModelOptions,
    ReportOptions,
    RunOptions,
    drop_none,
    parse_time,
)
from bedrock_async_invokes.options import LoadOptions, Option, options_of

if TYPE_CHECKING:
    from bedrock_async_etl.destinations import Destination

Given = dict[str, Any]
"""Options that were given, by name."""


@dataclass(frozen=True)
class Declared:
    """The options of a declaration, all of them or some."""

    declaration: type
    names: tuple[str, ...] = ()

    @property
    def options(self) -> list[Option]:
        every = options_of(self.declaration)
        return [each for each in every if not self.names or each.name in self.names]


Load = Annotated[Given, Declared(LoadOptions)]
NewCopy = Annotated[Given, Declared(DestinationOptions)]
Copy = Annotated[Given, Declared(DestinationOptions, ("database", "lake"))]
"""An existing destination, whose kind is known."""
Lake = Annotated[Given, Declared(DestinationOptions, ("lake",))]
Models = Annotated[Given, Declared(ModelOptions)]
Output = Annotated[Given, Declared(RunOptions)]
Check = Annotated[Given, Declared(CheckOptions)]
Report = Annotated[Given, Declared(ReportOptions)]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show the traceback of a failure.")]


def with_options(command: Callable[..., int | None]) -> Callable[..., int | None]:
    """The command with one keyword for each option of its declarations."""
    parameters: list[inspect.Parameter] = []
    declared: dict[str, list[Option]] = {}
    for parameter in inspect.signature(command).parameters.values():
        if options := _declared_options(parameter):
            declared[parameter.name] = options
            parameters += map(_parameter, options)
        else:
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))

    @wraps(command)
    def with_given(**values: Any) -> int | None:
        for name, options in declared.items():
            given = {each.name: _parse(each, values.pop(each.name)) for each in options}
            values[name] = drop_none(**given)
        return command(**values)

    with_given.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return with_given


def _declared_options(parameter: inspect.Parameter) -> list[Option]:
    if get_origin(parameter.annotation) is not Annotated:
        return []
    [*_, last] = get_args(parameter.annotation)
    return last.options if isinstance(last, Declared) else []


def _parameter(option: Option) -> inspect.Parameter:
    """A keyword whose default is None, so that dlt's configuration has its say."""
    flag = typer.Option(
        option.flag,
        metavar=option.metavar,
        help=option.help,
        show_default=str(option.default) if option.default else False,
    )
    kind = str | None if _is_time(option) else option.type | None
    return inspect.Parameter(
        option.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[kind, flag],
    )


def _parse(option: Option, value: Any) -> Any:
    if _is_time(option):
        return parse_time(option.flag, value)
    return value if value != [] else None


def _is_time(option: Option) -> bool:
    return datetime in get_args(option.type)


def destination_options(given: Given) -> Given:
    """The place of a copy; a flag wins over the place that is configured."""
    if not given.get("database"):
        return given
    if given.get("lake"):
        raise UsageError("--database and --lake are two destinations: give one of them.")
    return given | {"lake": ""}


def existing_copy(given: Given) -> "Destination":
    """The destination that was loaded; raises `CommandError` where nothing was loaded yet."""
    from bedrock_async_etl.load import existing_destination

    return existing_destination(**destination_options(given))
