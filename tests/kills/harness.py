"""Kills the commands of a site again and again, and looks whether the next run mends all."""

import random
from collections import Counter
from datetime import timedelta
from typing import Final

from bedrock_async_etl.load import load
from bedrock_async_etl.models.refresh import refresh
from bedrock_emulator import Control
from tests.copies import Row, listed_rows
from tests.growth import files_with_rows
from tests.kills.killing import AS_DUCKDB_WRITES, AS_IT_WRITES, AT_ANY_TIME, Killer
from tests.kills.moments import moments_of
from tests.kills.sites import COMMANDS, Site
from tests.whole_load.invariants import MODIFIED

RENEWED: Final = 0.3
"""How often kills hit a first load instead of an increment."""
DIRECTORY_LOST: Final = 0.15
"""How often the working directory goes with the process."""
DIRECTORY_LOST_FIRST: Final = 0.5
"""How often it is gone before a first load."""
LONGEST_CHAIN: Final = 3
"""Kills before a run comes to its end."""

FROM_OUTSIDE: Final = (AT_ANY_TIME, AS_IT_WRITES) * 4
"""As often as these, for each time that a command kills itself at each of its moments."""

WRONGS: Final = ("lost", "doubled", "outdated", "broken checks", "loaded again", "kept in files")


class Harness:
    """Kills at one site, and a tally of it."""

    def __init__(self, site: Site, bedrock: Control, seed: str) -> None:
        self.tally = Counter(dict.fromkeys(WRONGS, 0))
        """Kills by command and way or moment, rows compared, and rows that were wrong."""
        self.stories: list[str] = []
        """What came before each wrong."""
        self._site, self._bedrock = site, bedrock
        self._rng = random.Random(seed)
        self._killer = Killer(site, self._rng)
        self._decks: dict[str, list[str]] = {}
        self._story: list[str] = []

    def kill(self, kills: int) -> None:
        """Kill so many commands, or a few more."""
        while self.tally["kills"] < kills:
            self._story = []
            if self._rng.random() < RENEWED:
                self._begin_anew()
            self._kill_in_a_row(self._rng.choice(COMMANDS[self._site.kind]))

    def _begin_anew(self) -> None:
        """What the working directory has of a copy that is gone has to count for nothing."""
        self._site.remove()
        self._story.append("first load")
        if self._rng.random() < DIRECTORY_LOST_FIRST:
            self._site.lose_working_directory()

    def _kill_in_a_row(self, command: str) -> None:
        if command != "run":
            self._pass_time()
            self._site.complete("run")
        for _ in range(self._rng.randint(1, LONGEST_CHAIN)):
            if command == "run":
                self._pass_time()
            self._kill_once(command)
        self._look(command)

    def _pass_time(self) -> None:
        self._bedrock.advance(timedelta(minutes=self._rng.randint(5, 90)))

    def _kill_once(self, command: str) -> None:
        way, site = self._next_way(command), self._site
        rows, exported, published = site.rows(), site.exported_rows(), site.published_rows()
        if not self._killer.kill(command, way):
            self._story.append(command)
            self.tally["commands that ended before"] += 1
            return
        self.tally["kills"] += 1
        self.tally[f"{command}, {way}"] += 1
        self._story.append(f"{command} killed, {way}")
        self._compare_readers(rows, site.rows())
        self._compare_readers(exported, site.exported_rows())
        self._compare_readers(published, site.published_rows())
        if command == "run" and self._rng.random() < DIRECTORY_LOST:
            site.lose_working_directory()
            self._story.append("lost its working directory")

    def _next_way(self, command: str) -> str:
        """Each comes once before any comes again."""
        deck = self._decks.setdefault(command, [])
        if not deck:
            kind = self._site.kind
            deck += [*FROM_OUTSIDE, *moments_of(command, kind)]
            if kind == "duckdb" and command != "export":
                deck += [AS_DUCKDB_WRITES] * 4
            self._rng.shuffle(deck)
        return deck.pop()

    def _look(self, command: str) -> None:
        """Let a run and the command come to their ends, and compare."""
        self._site.complete("run")
        self._compare_rows(self._site.rows())
        if command == "export":
            self._site.complete("export")
            self._compare_rows(self._site.exported_rows())
        elif command == "compact":
            self._site.complete("compact")
            self._compare_rows(self._site.rows())
        refreshed = refresh(self._site.destination)
        assert refreshed.error is None
        self._note("broken checks", len(refreshed.broken))
        if self._site.kind == "duckdb":
            self._site.publish()
            self._compare_rows(self._site.published_rows())
            self._note("kept in files", self._site.left_beside_the_copy())
        self._note("loaded again", load(self._site.destination).rows_loaded)
        self._note("kept in files", len(files_with_rows(self._site.destination)))

    def _compare_readers(self, before: list[Row], after: list[Row]) -> None:
        """Who reads between a kill and the next run misses nothing, and sees nothing twice."""
        now = {row[0]: row for row in after}
        known = [row for row in before if row[0] in now]
        self._note("lost", len(before) - len(known))
        self._note("doubled", len(after) - len(now))
        self._note("outdated", sum(now[row[0]][MODIFIED] < row[MODIFIED] for row in known))

    def _compare_rows(self, stored: list[Row]) -> None:
        listed, by_arn = listed_rows(self._bedrock), {row[0]: row for row in stored}
        self.tally["rows compared"] += len(listed)
        self._note("lost", len(listed.keys() - by_arn.keys()))
        self._note("doubled", len(stored) - len(by_arn) + self._site.doubled_reports())
        self._note("outdated", sum(listed.get(arn) != row for arn, row in by_arn.items()))

    def _note(self, wrong: str, count: int) -> None:
        self.tally[wrong] += count
        if count:
            self.stories.append(f"{wrong} {count} after {', '.join(self._story)}")
