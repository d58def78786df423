"""`digest`: what changed in a day or a week."""

import re
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from bedrock_async_etl.commands.options import Copy, Digest, JsonOption, existing_copy
from bedrock_async_etl.configuration import setting
from bedrock_async_etl.console import output_console, print_json
from bedrock_async_etl.errors import UsageError
from bedrock_async_etl.formatting import MAX_LINES
from bedrock_async_etl.options import DIGEST_SECTION, DigestOptions

if TYPE_CHECKING:
    from bedrock_async_etl.check import digest

EXAMPLES: Final = """\
# What changed in the last day
bedrock-async-etl digest

# What changed in the last week, for an issue or a chat
bedrock-async-etl digest --period 7d --format markdown

# For cron, which mails what is printed: nothing on a day without a change
bedrock-async-etl digest --quiet
"""

Format = Literal["text", "markdown"]
MARKS: Final = re.compile(r"([\\`*_\[\]<>|~&])")
"""Characters that may be markup in Markdown."""


def command(
    contents: Digest,
    copy: Copy,
    form: Annotated[Format, typer.Option("--format", help="Format of the text.")] = "text",
    is_quiet: Annotated[
        bool, typer.Option("--quiet", help="Print and post nothing if nothing changed.")
    ] = False,
    as_json: JsonOption = False,
) -> int:
    """Show what changed in a day or a week, beyond chance.

    Exit codes: 0 also if something changed, 1 could not be read or posted, 2 wrong usage.
    """
    from bedrock_async_etl.check.digest import read_digest
    from bedrock_async_etl.check.notifications import Message, find_receivers, post

    if as_json and form != "text":
        raise UsageError("--json and --format are two formats: give one of them.")
    period = setting(DigestOptions, "period", contents.get("period"))
    receivers = find_receivers(DIGEST_SECTION, contents.get("notify"))
    target = existing_copy(copy)
    found = read_digest(target, period)
    if is_quiet and not found.changes:
        return 0
    if not as_json:
        output_console().print(_markdown(found) if form == "markdown" else _text(found))
    message = Message(found.title, _body(found), "warning" if found.changes else "info")
    notified = post(message, receivers)
    exit_code = 1 if notified is False else 0
    if as_json:
        print_json(asdict(found) | {"notified": notified, "exit_code": exit_code})
    return exit_code


def _text(found: "digest.Digest") -> str:
    return f"{found.title}\n\n{_body(found)}"


def _markdown(found: "digest.Digest") -> str:
    return f"## {_escaped(found.title)}\n\n{_body(found, '- ', _escaped)}"


def _body(found: "digest.Digest", bullet: str = "", escaped: Callable[[str], str] = str) -> str:
    """Each change with its certainty and next step, and what was looked at."""
    parts = [
        f"- {escaped(change.what)}\n"
        f"  {bullet}How sure: {change.certainty}\n"
        f"  {bullet}Next: {change.next_step}"
        for change in found.changes[:MAX_LINES]
    ]
    if (hidden := len(found.changes) - MAX_LINES) > 0:
        parts.append(f"and {hidden:,} more: `digest --json` has all.")
    return "\n\n".join([*parts, found.looked_at])


def _escaped(text: str) -> str:
    """Foreign text escaped for Markdown, on one line."""
    return MARKS.sub(r"\\\1", " ".join(text.split()))
