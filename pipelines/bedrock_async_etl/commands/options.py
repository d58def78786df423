"""Options of the commands, made from their declarations.

A command has one parameter for each declaration, such as `load: Load`, and receives the options
that were given, by name; dlt's configuration has the others.
"""

import inspect
from collections.abc import Callable
from datetime import datetime
from functools import partial, wraps
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from bedrock_async_etl.commands.completion import completion
from bedrock_async_etl.errors import UsageError
from bedrock_async_etl.options import (
    CheckOptions,
    DestinationOptions,
    DigestOptions,
    ModelOptions,
    ReportOptions,
    RunOptions,
)
from bedrock_async_invokes.options import LoadOptions, Option, options_of

if TYPE_CHECKING:
    from bedrock_async_etl.destinations import Destination

Given = dict[str, Any]
"""Options that were given, by name."""
_PLACES = {option.name: option for option in options_of(DestinationOptions) if option.flag}

Load = Annotated[Given, [*options_of(LoadOptions)]]
NewCopy = Annotated[Given, [*_PLACES.values()]]
Copy = Annotated[Given, [_PLACES["database"], _PLACES["lake"], _PLACES["wait"]]]
"""An existing destination, whose kind is known."""
Lake = Annotated[Given, [_PLACES["lake"], _PLACES["wait"]]]
Models = Annotated[Given, [*options_of(ModelOptions)]]
Output = Annotated[Given, [*options_of(RunOptions)]]
Check = Annotated[Given, [*options_of(CheckOptions)]]
Digest = Annotated[Given, [*options_of(DigestOptions)]]
Report = Annotated[Given, [*options_of(ReportOptions)]]
JsonOption = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON document on stdout.", rich_help_panel="Output"),
]
StrictOption = Annotated[
    bool,
    typer.Option(
        "--strict", help="Fail for the warnings of checks, too.", rich_help_panel="Models"
    ),
]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show the traceback of a failure.")]

Command = Callable[..., int | None]
"""Returns its exit code; None is 0."""
_keyword = partial(inspect.Parameter, kind=inspect.Parameter.KEYWORD_ONLY)


def typer_command(command: Command, run: Callable[..., None]) -> Callable[..., None]:
    """A function for Typer, with one keyword for each option of the command, and `--debug`.

    It calls `run` with the command, its arguments bound, and with `debug` and `as_json`.
    """
    parameters: list[inspect.Parameter] = []
    declared: dict[str, list[Option]] = {}
    for parameter in inspect.signature(command).parameters.values():
        [*_, last] = get_args(parameter.annotation)
        if isinstance(last, list):
            declared[parameter.name] = last
            parameters += map(_parameter, last)
        else:
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
    parameters.append(_keyword("debug", default=False, annotation=DebugOption))

    @wraps(command)
    def call(*, debug: bool, **values: Any) -> None:
        def call_command() -> int | None:
            for name, options in declared.items():
                given = {each.name: values.pop(each.name) for each in options}
                values[name] = {
                    key: value for key, value in given.items() if value not in (None, [])
                }
            return command(**values)

        run(call_command, debug=debug, as_json=values.get("as_json", False))

    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return call


def _parameter(option: Option) -> inspect.Parameter:
    """A keyword whose default is None, so that dlt's configuration applies."""
    flag = typer.Option(
        option.flag,
        metavar=option.metavar,
        help=option.help,
        rich_help_panel=option.panel,
        autocompletion=completion(option.metavar),
        show_default=str(option.default) if option.default else False,
    )
    kind = str if datetime in get_args(option.type) else option.type
    return _keyword(option.name, default=None, annotation=Annotated[kind | None, flag])


def destination_options(given: Given) -> Given:
    """The place of a copy; a flag wins over the place that is configured."""
    if not given.get("database"):
        return given
    if given.get("lake"):
        raise UsageError("--database and --lake are two destinations: give one of them.")
    return given | {"lake": ""}


def existing_copy(given: Given) -> "Destination":
    """The destination that was loaded; raises `CommandError` where nothing was loaded yet."""
    from bedrock_async_etl.destinations import existing_destination

    return existing_destination(**destination_options(given))
