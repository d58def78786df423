"""Names and texts, quoted for SQL."""


def identifier(name: str) -> str:
    """The name of a schema, table or column in double quotes."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text in single quotes."""
    return "'" + text.replace("'", "''") + "'"
