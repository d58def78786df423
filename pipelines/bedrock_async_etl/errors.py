"""Failures that end a command in one line: what went wrong, and what to do."""


class CommandError(Exception):
    """The command cannot go on."""

    exit_code = 1


class UsageError(CommandError):
    """An option's value is wrong."""

    exit_code = 2


class BusyError(CommandError):
    """Another run holds the destination."""

    exit_code = 75
