"""Random histories of a Bedrock, of faults and of kills: what is promised holds after each run."""

from collections.abc import Callable
from typing import Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.integration.budgets import SOAK, STEPS
from tests.whole_load.machine import TALLY, WholeLoad
from tests.whole_load.replay import told_as_script

pytestmark = pytest.mark.integration

STEPS_PER_HISTORY: Final = 50


def test_the_promises_hold_after_every_run_of_any_history(
    record_property: Callable[[str, object], None],
) -> None:
    histories = settings(
        max_examples=STEPS // STEPS_PER_HISTORY,
        stateful_step_count=STEPS_PER_HISTORY,
        derandomize=not SOAK,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    try:
        with told_as_script(WholeLoad):
            run_state_machine_as_test(WholeLoad, settings=histories)
    finally:
        record_property("histories", dict(TALLY))
    assert TALLY["steps"] > STEPS / 2
