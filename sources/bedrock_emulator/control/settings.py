"""Control routes of the clock, the faults, the counters and the roles."""

from dataclasses import asdict
from typing import Any

from ..credentials import Trust
from ..faults import Faults
from ..instants import iso, milliseconds
from ..scope import COUNTERS, Scope
from ..world import World
from .fields import Fields

LATEST_INSTANT = 253_402_300_799_999


def _now(world: World) -> dict[str, str]:
    return {"now": iso(world.now)}


def get_clock(world: World, fields: Fields) -> Any:
    """The virtual clock."""
    fields.end()
    return _now(world)


def set_clock(world: World, fields: Fields) -> Any:
    """Set the clock to an instant."""
    now = fields.instant("now")
    fields.end()
    with world.lock:
        world.now = milliseconds(now)
        return _now(world)


def advance_clock(world: World, fields: Fields) -> Any:
    """Move the clock by a number of seconds."""
    seconds = fields.take("seconds", (int, float))
    fields.end()
    with world.lock:
        now = world.now + round(seconds * 1_000)
        if not 0 <= now <= LATEST_INSTANT:
            raise ValueError(f"seconds {seconds!r} leads out of the calendar")
        world.now = now
        return _now(world)


def get_faults(world: World, fields: Fields) -> Any:
    """All fault settings."""
    fields.end()
    with world.lock:
        return [
            {"account": account, "region": region, "faults": asdict(faults)}
            for (account, region), faults in world.fault_settings.items()
        ]


def set_faults(world: World, fields: Fields) -> Any:
    """Replace the faults of a scope, or of all."""
    account, region = fields.scope(or_any=True)
    faults = Faults.parse(fields.take("faults", dict))
    fields.end()
    with world.lock:
        world.set_faults(account, region, faults)
    return asdict(faults)


def clear_faults(world: World, fields: Fields) -> Any:
    """Bring all scopes back to good health."""
    fields.end()
    with world.lock:
        world.clear_faults()
    return {}


def get_calls(world: World, fields: Fields) -> Any:
    """What was counted, for each scope that was called."""
    fields.end()
    with world.lock:
        return [
            {"account": scope.account, "region": scope.region, "counters": _counts(scope)}
            for scope in world.scopes.values()
            if scope.counters
        ]


def _counts(scope: Scope) -> dict[str, int]:
    return {name: scope.counters[name] for name in COUNTERS}


def reset_calls(world: World, fields: Fields) -> Any:
    """Start counting from nothing."""
    fields.end()
    with world.lock:
        world.reset_calls()
    return {}


def refuse_role(world: World, fields: Fields) -> Any:
    """Refuse to let anybody assume a role."""
    role_arn = fields.text("role_arn")
    fields.end()
    with world.lock:
        world.roles.refused.add(role_arn)
    return {}


def misdirect_role(world: World, fields: Fields) -> Any:
    """Let a role's sessions land in another account than its ARN says."""
    role_arn, account = fields.text("role_arn"), fields.account()
    fields.end()
    with world.lock:
        world.roles.misdirected[role_arn] = account
    return {}


def trust(world: World, fields: Fields) -> Any:
    """Let nobody assume a role but a principal, or whoever has an external id, or both."""
    role_arn = fields.text("role_arn")
    trusted = Trust(fields.take("principal", str, None), fields.take("external_id", str, None))
    fields.end()
    with world.lock:
        world.roles.trusts[role_arn] = trusted
    return {}


def close_account(world: World, fields: Fields) -> Any:
    """Turn away whoever shows credentials of an account, or assumes a role in it."""
    account = fields.account()
    fields.end()
    with world.lock:
        world.roles.closed.add(account)
    return {}


def get_sessions(world: World, fields: Fields) -> Any:
    """Every session of a role that there was, in order."""
    fields.end()
    with world.lock:
        return [
            {
                "arn": session.arn,
                "access_key": session.access_key,
                "secret_key": session.secret_key,
                "token": session.token,
            }
            for session in world.roles.sessions.values()
        ]


def limit_sessions(world: World, fields: Fields) -> Any:
    """Let role sessions from now on expire after so many virtual seconds, whatever is asked."""
    seconds = fields.take("seconds", int)
    fields.end()
    with world.lock:
        world.roles.session_seconds = seconds
    return {}


def reset_roles(world: World, fields: Fields) -> Any:
    """Let all roles be assumed again, as they say, for as long as asked; open all accounts."""
    fields.end()
    with world.lock:
        world.roles.reset()
    return {}
