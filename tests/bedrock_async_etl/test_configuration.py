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
    environment,
    private_files,
    set_defaults,
    shared_files,
)
from bedrock_async_etl.errors import UsageError

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
