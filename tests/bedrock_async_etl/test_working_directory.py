"""dlt's working directory has what the next run needs, and no second copy of the rows."""

from datetime import timedelta
from pathlib import Path

import pytest

from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_etl.load import load
from bedrock_async_invokes.run import Observer
from bedrock_emulator import Control
from tests.conftest import ACCOUNT, NOW, REGION
from tests.copies import assert_exact_copy
from tests.growth import Footprint, files_with_rows, run_again, state_file

pytestmark = pytest.mark.slow


class Stopping(Observer):
    """An observer that stops a load when its second slice was read."""

    slices = 0

    def slice_read(self, rows: int) -> None:
        self.slices += 1
        if self.slices == 2:
            raise KeyboardInterrupt


def test_ten_runs_leave_no_more_than_three(bedrock: Control, database: Path) -> None:
    destination = DuckDBDestination(database)
    run_again(bedrock, destination, 3)
    folder, state = destination.working_directory, state_file(destination).stat().st_size
    after_three = Footprint.of(folder)
    run_again(bedrock, destination, 7)
    Footprint.of(folder).assert_no_larger_than(after_three)
    assert state_file(destination).stat().st_size <= state * 1.1


def test_a_load_of_many_slices_leaves_no_rows(bedrock: Control, database: Path) -> None:
    bedrock.populate(ACCOUNT, REGION, 1_000, NOW - timedelta(days=1), NOW)
    destination = DuckDBDestination(database)
    load(destination, slice_rows=200)
    assert files_with_rows(destination) == []


def test_a_load_that_was_stopped_leaves_no_rows(bedrock: Control, database: Path) -> None:
    bedrock.populate(ACCOUNT, REGION, 1_000, NOW - timedelta(days=1), NOW)
    destination = DuckDBDestination(database)
    with pytest.raises(KeyboardInterrupt):
        load(destination, slice_rows=200, observer=Stopping())
    assert files_with_rows(destination) == []
    load(destination)
    assert_exact_copy(destination, bedrock)
