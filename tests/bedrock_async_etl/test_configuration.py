"""Environment variables that are set for a while, and values of dlt's configuration."""

import os
import stat
from pathlib import Path

import pytest

from bedrock_async_etl.configuration import (
    DEFAULTS,
    environment,
    private_files,
    set_defaults,
    shared_files,
)


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
