"""An Airflow connection of the type `aws` as the environment that boto3 reads."""

from collections.abc import Mapping
from typing import Any, Final, Protocol

from bedrock_async_etl.errors import CommandError, UsageError

TYPES: Final = ("aws", "generic")
"""`generic` is what Airflow's command line makes of `aws` where the provider for Amazon is not."""
KEYS: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
PROFILES: Final = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE")
REGIONS: Final = ("AWS_REGION", "AWS_DEFAULT_REGION")
EXTRAS: Final = (
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
    "region_name",
    "profile_name",
    "endpoint_url",
    "service_config",
    "role_arn",
    "assume_role_method",
    "assume_role_kwargs",
)
"""What is understood of what Airflow's provider for Amazon lets a connection have."""

Environment = dict[str, str | None]
"""Variables by name; None for those that must not be there."""


class Connection(Protocol):
    """An Airflow connection."""

    conn_id: str
    conn_type: str
    login: str | None
    password: str | None

    @property
    def extra_dejson(self) -> dict[str, Any]:
        """The JSON object that it carries besides."""


def connection_environment(connection: Connection) -> Environment:
    """What a connection says, but for its role, which has to be assumed.

    Raises `UsageError` where it is of another type, or says what would be left unheard.
    """
    extra = connection.extra_dejson
    _check(connection, extra)
    return (
        _credentials(connection, extra)
        | {name: extra["region_name"] for name in REGIONS if extra.get("region_name")}
        | _endpoints(extra)
    )


def role_environment(connection: Connection) -> Environment:
    """Credentials of the role that a connection has, if it has one; they last for an hour, or as
    long as `DurationSeconds` in its `assume_role_kwargs` says.

    The environment is that of the connection by now. Raises `CommandError` where it is refused.
    """
    extra = connection.extra_dejson
    if not extra.get("role_arn"):
        return {}
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    from bedrock_async_invokes.errors import describe

    asked = {"RoleSessionName": "airflow"} | dict(extra.get("assume_role_kwargs") or {})
    try:
        # A session of its own: boto3's own one keeps the credentials that it began with.
        answer = boto3.Session().client("sts").assume_role(RoleArn=extra["role_arn"], **asked)
    except (BotoCoreError, ClientError) as error:
        raise CommandError(
            f"The connection {connection.conn_id} cannot assume {extra['role_arn']}: "
            f"{describe(error)}"
        ) from error
    found = answer["Credentials"]
    keys = (found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])
    return dict.fromkeys(PROFILES) | dict(zip(KEYS, keys, strict=True))


def _check(connection: Connection, extra: Mapping[str, Any]) -> None:
    where = f"The connection {connection.conn_id}"
    if connection.conn_type not in TYPES:
        raise UsageError(f"{where} is of the type {connection.conn_type!r}: make it one of aws.")
    if unknown := sorted(extra.keys() - set(EXTRAS)):
        raise UsageError(
            f"{where} has {', '.join(unknown)} in its extra, which is not understood here: "
            f"make one that has but {', '.join(EXTRAS)}."
        )
    if extra.get("assume_role_method", "assume_role") != "assume_role":
        raise UsageError(f"{where}: assume_role_method can be assume_role alone.")


def _credentials(connection: Connection, extra: Mapping[str, Any]) -> Environment:
    """Keys or a profile; what the worker's environment has of either would win over a profile."""
    access_key = connection.login or extra.get("aws_access_key_id")
    if access_key:
        secret = connection.password or extra.get("aws_secret_access_key")
        if not secret:
            raise UsageError(
                f"The connection {connection.conn_id} has an access key without its secret: "
                "put the key into the login, and the secret into the password."
            )
        keys = (access_key, secret, extra.get("aws_session_token"))
        return dict.fromkeys(PROFILES) | dict(zip(KEYS, keys, strict=True))
    if extra.get("profile_name"):
        return dict.fromkeys(KEYS) | {"AWS_PROFILE": extra["profile_name"]}
    return {}


def _endpoints(extra: Mapping[str, Any]) -> Environment:
    """One for all services, and those of single services (`service_config`)."""
    found: Environment = {}
    if extra.get("endpoint_url"):
        found["AWS_ENDPOINT_URL"] = extra["endpoint_url"]
    for service, config in (extra.get("service_config") or {}).items():
        if url := config.get("endpoint_url"):
            found[f"AWS_ENDPOINT_URL_{service.upper().replace('-', '_')}"] = url
    return found
