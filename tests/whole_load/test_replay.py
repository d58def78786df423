"""A history that breaks a promise is told as a script that breaks it again."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from tests.whole_load.replay import script, told_as_script


class Purse(RuleBasedStateMachine):
    """Promises never to hold more than nine."""

    coins = 0

    @rule(coins=st.integers(1, 5))
    def add(self, coins: int) -> None:
        self.coins += coins
        assert self.coins < 10, f"It holds {self.coins}"


def test_the_script_breaks_the_promise_again(tmp_path: Path) -> None:
    with pytest.raises(AssertionError) as caught, told_as_script(Purse):
        run_state_machine_as_test(Purse, settings=settings(database=None, derandomize=True))
    path = tmp_path / "history.py"
    path.write_text(script(caught.value, Purse))
    assert path.read_text() in caught.value.__notes__[-1]
    repeated = subprocess.run(
        [sys.executable, str(path)],
        cwd=Path(__file__).parents[2],
        env={"PYTHONPATH": "."},
        capture_output=True,
        text=True,
        check=False,
    )
    assert repeated.stderr.endswith("AssertionError: It holds 10\n")
