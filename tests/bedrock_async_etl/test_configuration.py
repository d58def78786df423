"""Environment variables that are set for a while, and values of dlt's configuration."""

import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dlt.common.configuration.container import Container
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext

from bedrock_async_etl.configuration import (
    DEFAULTS,
    check_configuration,
    configured,
    configured_options,
    environment,
    private_files,
    section_of,
    set_defaults,
    setting,
    shared_files,
)
from bedrock_async_etl.errors import UsageError
from bedrock_async_etl.options import (
    DESTINATIONS,
    CheckOptions,
    DestinationOptions,
    DigestOptions,
    ReportOptions,
)
from bedrock_async_invokes.errors import OptionError
from bedrock_async_invokes.options import LoadOptions

ROOT = Path(__file__).parents[2]


@pytest.fixture
def configure(tmp_path: Path) -> Iterator[Callable[..., None]]:
    """Make a project with this text in a file of its configuration."""
    context = Container()[PluggableRunContext]
    before = context.context.run_dir

    def write(text: str, file: str = "config.toml") -> None:
        (tmp_path / ".dlt").mkdir()
        (tmp_path / ".dlt" / file).write_text(text)
        context.reload(str(tmp_path))

    yield write
    context.reload(before)


def test_variables_are_set_and_taken_away_and_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHANGED", "before")
    monkeypatch.setenv("TAKEN", "before")
    monkeypatch.delenv("NEW", raising=False)
    before = dict(os.environ)
    with environment({"CHANGED": "now", "TAKEN": None, "NEW": "now", "NEVER": None}):
        assert (os.environ["CHANGED"], os.environ["NEW"]) == ("now", "now")
        assert "TAKEN" not in os.environ
    assert dict(os.environ) == before


def test_they_are_put_back_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHANGED", "before")
    with pytest.raises(RuntimeError), environment({"CHANGED": "now"}):
        raise RuntimeError
    assert os.environ["CHANGED"] == "before"


def test_what_is_set_already_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "true")
    monkeypatch.delenv("PROVIDERS__ENABLE_AIRFLOW_SECRETS")
    set_defaults()
    assert os.environ["RUNTIME__DLTHUB_TELEMETRY"] == "true"
    assert os.environ["PROVIDERS__ENABLE_AIRFLOW_SECRETS"] == "false"
    assert os.environ.keys() >= DEFAULTS.keys()


def test_files_for_others_follow_the_callers_umask_among_private_ones(tmp_path: Path) -> None:
    def made(name: str) -> int:
        (tmp_path / name).touch()
        return stat.S_IMODE((tmp_path / name).stat().st_mode)

    before = os.umask(0o027)
    try:
        with shared_files():
            assert made("of a library") == 0o640
        with private_files():
            with shared_files():
                assert made("shared") == 0o640
            assert made("private") == 0o600
        assert made("afterwards") == 0o640
    finally:
        assert os.umask(before) == 0o027


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            '[bedrock_async_etl.check]\nmax_lagg = "1h"',
            '[bedrock_async_etl.check] in config.toml has "max_lagg", which is no setting: did you '
            'mean "max_lag"?',
        ),
        ('[bedrock_async_etl.chek]\nmax_lag = "1h"', 'has "chek", which is no setting: did you'),
        ('[sources.bedrock_async_invokes]\nregons = ["a"]', 'did you mean "regions"?'),
        (
            '[sources.bedrock_async_invokes]\nregions = "a"',
            'has "regions", which must be a list: ["…"',
        ),
        ('[bedrock_async_etl.report]\nwindow = "1d"', "it may have period, quotas, redact."),
    ],
)
def test_a_wrong_key_is_told(text: str, told: str, configure: Callable[..., None]) -> None:
    configure(text)
    with pytest.raises(UsageError, match=re.escape(told)):
        check_configuration()


def test_so_is_one_among_secrets(configure: Callable[..., None]) -> None:
    configure("[bedrock_async_etl.digest]\nnotifi = []", "secrets.toml")
    with pytest.raises(UsageError, match=r"in secrets\.toml has .notifi., .*mean .notify."):
        check_configuration()


@pytest.mark.parametrize(
    ("variable", "key"),
    [
        ("SOURCES__BEDROCK_ASYNC_INVOKES__LAG", "lag"),
        ("BEDROCK_ASYNC_ETL__CHECK__MAX_LAGG", "max_lagg"),
        ("BEDROCK_ASYNC_ETL__CHEK__MAX_LAG", "chek"),
    ],
)
def test_so_is_one_in_the_environment(
    variable: str, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "300")
    with pytest.raises(UsageError, match=rf'\({variable}\) has "{key}"'):
        check_configuration()


def test_every_key_of_the_documents_is_known_and_tables_of_dlt_are_left_to_it(
    configure: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = re.sub(
        r"^# (?=[\[a-z])", "", (ROOT / ".dlt" / "config.toml").read_text(), flags=re.MULTILINE
    )
    for section in ("sources.bedrock_async_invokes", "bedrock_async_etl"):
        text += f"\n[{section}.data_writer]\nbuffer_max_items = 100\n"
    configure(f"{text}\n[bedrock_async_etl.load]\nworkers = 4\n")
    monkeypatch.setenv("BEDROCK_ASYNC_ETL__LOAD__WORKERS", "4")
    monkeypatch.setenv("BEDROCK_ASYNC_ETL__SLICE_ROWS", "1000")
    monkeypatch.setenv("BEDROCK_ASYNC_ETL__CHECK__MODELS", "{}")
    monkeypatch.setenv("SOURCES__BEDROCK_ASYNC_INVOKES__DATA_WRITER__BUFFER_MAX_ITEMS", "100")
    check_configuration()


FOREIGN = {
    "DATABASE": "/tmp/other.duckdb",
    "LAKE": "/tmp/lake",
    "WAIT": "never",
    "CONCURRENCY": "3",
    "SHARD": "1/4",
    "SINCE": "2026-01-01",
    "EXTERNAL_ID": "another",
    "SOURCES__CONCURRENCY": "3",
    "SLICE_ROWS": "none",
}


def test_variables_of_other_programs_are_no_options(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in FOREIGN.items():
        monkeypatch.setenv(name, value)
    assert configured_options(LoadOptions) == LoadOptions()
    assert configured_options(DestinationOptions) == DestinationOptions()
    assert configured("slice_rows", int) is None


def test_keys_of_outer_sections_are_no_options(configure: Callable[..., None]) -> None:
    configure('database = "other"\nconcurrency = 3\n[sources]\nshard = "1/4"\nsince = 2026-01-01')
    assert configured_options(LoadOptions) == LoadOptions()
    assert configured_options(DestinationOptions) == DestinationOptions()


def test_values_of_every_type_are_read_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {
        "SOURCES__BEDROCK_ASYNC_INVOKES__REGIONS": '["us-east-1", "us-west-2"]',
        "SOURCES__BEDROCK_ASYNC_INVOKES__CONCURRENCY": "3",
        "SOURCES__BEDROCK_ASYNC_INVOKES__FAILURE_MESSAGE": "drop",
        "SOURCES__BEDROCK_ASYNC_INVOKES__EXTERNAL_ID": "012345",
        "SOURCES__BEDROCK_ASYNC_INVOKES__SHARD": "",
        "BEDROCK_ASYNC_ETL__LAKE": "",
        "BEDROCK_ASYNC_ETL__DATABASE": "bedrock.duckdb",
        "BEDROCK_ASYNC_ETL__REPORT__REDACT": "true",
    }.items():
        monkeypatch.setenv(name, value)
    assert configured_options(LoadOptions, {"concurrency": 4}) == LoadOptions(
        regions=["us-east-1", "us-west-2"],
        concurrency=4,
        failure_message="drop",
        external_id="012345",
    )
    assert configured_options(DestinationOptions) == DestinationOptions(database="bedrock.duckdb")
    assert setting(ReportOptions, "redact") is True


def test_and_from_files(configure: Callable[..., None]) -> None:
    configure(
        "[sources.bedrock_async_invokes]\nregions = ['us-east-1']\nlag_seconds = 60\n"
        "since = 2026-01-31\n[bedrock_async_etl]\nlake = 'lake'\nwait = 5\n"
        "[bedrock_async_etl.check]\nstrict = true\n"
    )
    assert configured_options(LoadOptions) == LoadOptions(
        regions=["us-east-1"], lag_seconds=60, since="2026-01-31"
    )
    options = configured_options(DestinationOptions, {"lake": ""})
    assert options == DestinationOptions(lake="", wait="5")
    assert setting(CheckOptions, "strict") is True


def test_a_secret_is_read_from_its_file_alone(configure: Callable[..., None]) -> None:
    configure("[sources.bedrock_async_invokes]\nexternal_id = 'secret'\n", "secrets.toml")
    assert configured_options(LoadOptions).external_id == "secret"


@pytest.mark.parametrize(
    ("section", "key"),
    [("sources.bedrock_async_invokes", "external_id"), ("bedrock_async_etl.check", "notify")],
)
def test_a_secret_in_the_other_file_is_refused_and_not_shown(
    section: str, key: str, configure: Callable[..., None]
) -> None:
    """dlt reads none there, so that a role would be assumed without its external id."""
    configure(f"[{section}]\n{key} = 'swordfish'\n")
    with pytest.raises(UsageError, match=rf'"{key}", which is a secret: put it into') as told:
        check_configuration()
    assert "swordfish" not in str(told.value)


@pytest.mark.parametrize(
    ("declared", "name", "value", "message"),
    [
        (LoadOptions, "concurrency", '"x"', "concurrency cannot be read: it must be of type int"),
        (LoadOptions, "regions", '"us-east-1"', "regions cannot be read: it must be of type list"),
        (LoadOptions, "role_arns", "[1]", "role_arns cannot be read: it must be a list of texts"),
        (LoadOptions, "failure_message", '"x"', "failure_message is one of keep, redact, drop, no"),
        (
            DestinationOptions,
            "destination",
            '"x"',
            f"destination is one of {', '.join(DESTINATIONS)}",
        ),
        (
            DestinationOptions,
            "compact_after",
            "1.5",
            "compact_after cannot be read: it must be of type int",
        ),
        (DigestOptions, "period", '"3d"', "period is one of 1d, 7d, not '3d'"),
        (CheckOptions, "strict", "[1]", "strict cannot be read: it must be of type bool"),
    ],
)
def test_a_value_of_another_type_is_told(
    declared: type, name: str, value: str, message: str, configure: Callable[..., None]
) -> None:
    configure(f"[{section_of(declared)}]\n{name} = {value}")
    with pytest.raises((UsageError, OptionError), match=re.escape(message)) as told:
        setting(declared, name)
    assert "\n" not in str(told.value)


def test_a_secret_may_be_a_number(configure: Callable[..., None]) -> None:
    configure("[sources.bedrock_async_invokes]\nexternal_id = 123456\n", "secrets.toml")
    assert configured_options(LoadOptions).external_id == "123456"


def test_a_secret_of_another_type_is_not_shown(configure: Callable[..., None]) -> None:
    configure("[sources.bedrock_async_invokes]\nexternal_id = {id = 'swordfish'}\n", "secrets.toml")
    with pytest.raises((UsageError, OptionError)) as told:
        configured_options(LoadOptions)
    assert "swordfish" not in str(told.value)
