"""The options of a load, each declared once. Nothing heavy is imported: `--help` reads them."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime, timedelta
from inspect import Parameter, Signature
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

from .errors import OptionError
from .windows import Window, to_microseconds

FailureMessages = Literal["keep", "redact", "drop"]
"""Treatments of `failureMessage`, which AWS marks as sensitive."""

PLACEHOLDER: Final = "<configure me>"
"""`dlt init` writes this for every secret, needed or not."""

DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw]?)")
UNIT_SECONDS: Final = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
CENTURY: Final = 36_525 * 86_400
"""Longer durations are mistakes, and reach further back than a database's times."""
SHARD: Final = re.compile(r"([0-9]{1,9})/([0-9]{1,9})")
ROLE_ARN: Final = re.compile(r"^arn:(aws[^:]*):iam::(\d{12}):role/\S+$")
ROLE_NAME: Final = re.compile(r"(?:[^\s:*/]+/)*[\w+=,.@-]{1,64}", re.ASCII)
SESSION_NAME: Final = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
EXTERNAL_ID: Final = re.compile(r"(?:[\w+=,.@:/-]{2,1224})?", re.ASCII)
"""Accepted by AssumeRole: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html."""


@dataclass(frozen=True)
class Option:
    """One declared option, as its readers see it."""

    name: str
    """The keyword of the source, and the key in dlt's configuration and Airflow's Variable."""
    type: Any
    default: Any
    flag: str
    help: str
    metavar: str | None = None
    panel: str = ""
    """The heading of its part of a command's help."""
    is_secret: bool = False
    check: Callable[[Any], object] | None = None
    """Raises `OptionError` for a wrong value."""
    example: str = ""
    """The value in the commented `config.toml`, as TOML; else that is the default."""
    details: str = ""
    """Text of the documents beyond the help, in Markdown."""

    @property
    def kind(self) -> Any:
        """The type of its values: `list`, `int`, `bool` or `str`."""
        kinds = [get_origin(each) or each for each in (self.type, *get_args(self.type))]
        return next((kind for kind in (list, int, bool) if kind in kinds), str)

    @property
    def is_list(self) -> bool:
        """True if it has several values."""
        return self.kind is list

    @property
    def choices(self) -> tuple[str, ...]:
        """The values of an option that has a fixed set of them."""
        kinds = (self.type, *get_args(self.type))
        return next((get_args(kind) for kind in kinds if get_origin(kind) is Literal), ())


def option(
    default: Any,
    help: str,  # noqa: A002, the word of every command line
    metavar: str | None = None,
    *,
    is_secret: bool = False,
    **facts: Any,
) -> Any:
    """A dataclass field that declares an option; `facts` are further ones of `Option`.

    Its flag follows from its name unless it is given; an empty one leaves it to the configuration.
    """
    facts |= {"help": help, "metavar": metavar, "is_secret": is_secret}
    return field(default=default, repr=not is_secret, metadata={"option": facts})


def options_of(declared: type) -> Iterator[Option]:
    """The options that a dataclass declares, in its order."""
    types = get_type_hints(declared)
    for each in fields(declared):
        if facts := each.metadata.get("option"):
            facts = {"flag": f"--{each.name.replace('_', '-')}"} | facts
            yield Option(each.name, types[each.name], each.default, **facts)


def signature_of(declared: type, secret: Any) -> Signature:
    """Keyword-only parameters, one for each option; secrets are of the type `secret` or None."""
    return Signature(
        [
            Parameter(
                each.name,
                Parameter.KEYWORD_ONLY,
                default=each.default,
                annotation=secret | None if each.is_secret else each.type,
            )
            for each in options_of(declared)
        ]
    )


def check_options(options: Any) -> None:
    """Check the values of a dataclass's options; raises `OptionError`."""
    for each in options_of(type(options)):
        check_value(each, getattr(options, each.name))


def check_value(declared: Option, value: Any) -> None:
    """Check the value of one option; raises `OptionError`."""
    if declared.choices and value not in (*declared.choices, declared.default):
        choices = ", ".join(declared.choices)
        raise OptionError(f"{declared.name} is one of {choices}, not {value!r}.")
    if declared.check and value is not None:
        declared.check(value)


def role_parts(role_arn: str) -> tuple[str, str]:
    """Partition and account of a role's ARN; raises `OptionError`."""
    match = ROLE_ARN.match(role_arn)
    if match is None:
        raise OptionError(
            f"Not a role's ARN: {role_arn!r}. It looks like arn:aws:iam::111122223333:role/NAME."
        )
    return match[1], match[2]


def parse_shard(text: str) -> tuple[int, int]:
    """I and N of `I/N`; raises `OptionError` for anything else, and where I is not in 1..N."""
    match = SHARD.fullmatch(text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise OptionError(
            f"Not a shard: {text!r}. It looks like I/N with I from 1 to N, such as 2/4."
        )
    return int(match[1]), int(match[2])


def parse_time(name: str, time: str | date) -> datetime:
    """A time as people type it: ISO 8601, a date alone, or how long ago it was, such as `2d`.

    Without a zone it is UTC. Raises `OptionError`, with the option's name.
    """
    try:
        if isinstance(time, str) and (match := DURATION.fullmatch(time.strip())) and match[2]:
            return datetime.now(UTC) - timedelta(seconds=_seconds(match))
        if not isinstance(time, datetime):
            time = datetime.fromisoformat(str(time).strip())
    except (ValueError, OverflowError):
        raise OptionError(
            f"{name} is not a time: {time!r}. It looks like 2026-01-31, 2026-01-31T12:00:00Z, or "
            "2d for two days ago."
        ) from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def parse_duration(name: str, duration: Any) -> float:
    """Seconds of `90`, `90s`, `30m`, `24h`, `7d` or `2w`; raises `OptionError`, with the name."""
    match = DURATION.fullmatch(str(duration).strip())
    seconds = _seconds(match) if match else None
    if seconds is None or seconds > CENTURY:
        raise OptionError(
            f"{name} {duration!r} is not a duration. It looks like 90s, 30m, 24h or 7d; "
            "a number alone is seconds."
        )
    return seconds


def _seconds(duration: re.Match[str]) -> float:
    return float(duration[1]) * UNIT_SECONDS[duration[2]]


def _require(is_valid: Callable[[Any], object], message: str) -> Callable[[Any], None]:
    """A check that raises `OptionError` with the message, in which `{}` is the wrong value."""

    def check(value: Any) -> None:
        if not is_valid(value):
            raise OptionError(message.format(value))

    return check


@dataclass(frozen=True, kw_only=True)
class LoadOptions:
    """The options of one load; raises `OptionError` for values that make no sense."""

    regions: list[str] | None = option(
        None,
        "Region to read, or `all`; repeatable.",
        "REGION",
        panel="What to read",
        flag="--region",
        example='["us-east-1", "us-west-2"]',
    )
    role_arns: list[str] | None = option(
        None,
        "Role to assume for one more account; repeatable.",
        "ARN",
        panel="Roles",
        flag="--role-arn",
        check=lambda role_arns: [role_parts(each) for each in role_arns],
        example='["arn:aws:iam::444455556666:role/bedrock-async-etl"]',
    )
    organization_role: str | None = option(
        None,
        "Role to assume in every other account of the caller's organization.",
        "NAME",
        panel="Roles",
        check=_require(
            ROLE_NAME.fullmatch,
            "Not a role's name: {!r}. It looks like NAME or PATH/NAME, without an account: "
            "the organization has the accounts.",
        ),
        example='"bedrock-async-etl"',
    )
    hub_role_arn: str | None = option(
        None,
        "Hub role: assumed first, then used to assume the others.",
        "ARN",
        panel="Roles",
        flag="--hub-role",
        check=lambda role_arn: role_arn and role_parts(role_arn),
        example='"arn:aws:iam::222233334444:role/hub"',
    )
    external_id: str | None = option(
        None,
        "External id that the roles' trust policies require.",
        "ID",
        panel="Roles",
        is_secret=True,
        check=_require(
            EXTERNAL_ID.fullmatch,
            "The external id is not valid: it has 2 to 1,224 letters, digits and _+=,.@:/-.",
        ),
    )
    role_session_name: str = option(
        "bedrock-async-etl",
        "Session name of assumed roles, shown in CloudTrail.",
        "NAME",
        panel="Roles",
        check=_require(
            SESSION_NAME.fullmatch,
            "Not a role's session name: {!r}. It has 2 to 64 letters, digits and _+=,.@-.",
        ),
    )
    shard: str | None = option(
        None,
        "Load only the I-th of N shares of the scopes, such as 2/4; rebuild the models afterwards "
        "with `models`.",
        "I/N",
        panel="What to read",
        check=parse_shard,
        example='"1/4"',
    )
    since: str | datetime | None = option(
        None,
        "Read everything submitted from this time on: 2026-01-31 (UTC), or 2d for two days ago.",
        "TIME",
        panel="What to read",
    )
    until: str | datetime | None = option(
        None, "Leave out everything submitted from this time on.", "TIME", panel="What to read"
    )
    lag_seconds: int = option(
        300,
        "Grace period in seconds for invocations that are listed late.",
        "SECONDS",
        panel="What to read",
        flag="--lag",
        check=_require(
            lambda seconds: 0 <= seconds <= CENTURY,
            "The lag must be 0 seconds or more, and at most a century, not {}.",
        ),
    )
    scrub_calls: int = option(
        1,
        "Calls per scope and run that read again what was read longest ago, to heal what differs; "
        "0: none.",
        "N",
        panel="What to read",
        check=_require(lambda calls: calls >= 0, "The scrub has 0 calls or more, not {}."),
    )
    concurrency: int = option(
        8,
        "Calls in flight, over all scopes.",
        "N",
        panel="What to read",
        check=_require(lambda calls: calls >= 1, "The concurrency must be 1 or more, not {}."),
    )
    failure_message: FailureMessages = option(
        "keep",
        "Treatment of failure messages, and of text in members without a column: keep the text, "
        "redact it to a hash (and the category of a message), or drop it.",
        panel="What to read",
    )

    window: Window = field(init=False)
    """The requested range; without a start, everything new or open before its end is read."""

    def __post_init__(self) -> None:
        if self.external_id == PLACEHOLDER:
            object.__setattr__(self, "external_id", None)
        check_options(self)
        start, end = (
            None if time is None else to_microseconds(parse_time(name, time))
            for name, time in (("since", self.since), ("until", self.until))
        )
        object.__setattr__(self, "window", Window(start, end))
        if self.window.is_empty:
            raise OptionError("The range is empty: --since must be before --until.")
