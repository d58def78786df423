"""Environment variables that are set for a while, and values of dlt's configuration."""

import os

import pytest

from bedrock_async_etl.configuration import DEFAULTS, environment, set_defaults


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
