"""`emulator`: what it refuses."""

import pytest
from typer.testing import CliRunner

from bedrock_async_etl.cli import app


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("--port 99999", "--port 99999 is no port: give 1 to 65535, or 0 for a free one."),
        ("--port -1", "--port -1 is no port: give 1 to 65535, or 0 for a free one."),
        ("--count -5", "--count must be 0 or more, not -5."),
        ("--days 0", "--days must be 1 to 20543 (since 1970), not 0."),
        ("--days 99999", "--days must be 1 to 20543 (since 1970), not 99999."),
        ("--account 12", "--account '12' is no account: it has 12 digits."),
        ("--region Ohio", "--region 'Ohio' is no region: it looks like us-east-1."),
        (
            "--now soon",
            "--now is not a time: 'soon'. It looks like 2026-01-31, 2026-01-31T12:00:00Z, or 2d "
            "for two days ago.",
        ),
    ],
)
def test_a_value_that_makes_no_sense_is_wrong_usage_in_one_line(
    arguments: str, complaint: str
) -> None:
    now = ["--now", "2026-03-31T00:00:00Z"]
    result = CliRunner().invoke(app, ["emulator", *now, *arguments.split()])
    assert (result.exit_code, result.stderr) == (2, f"Error: {complaint}\n")
