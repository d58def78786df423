"""Kills the commands of a site again and again, and looks whether the next run mends all."""

import random
from collections import Counter
from datetime import timedelta
from typing import Final, get_args

from pipelines.load import load
from sources.bedrock_emulator import Control
from tests.copies import Row, listed_rows
from tests.kills.killing import Killer, Way
from tests.kills.sites import COMMANDS, Site, doubled

RENEWED: Final = 0.3
"""How often kills hit a first load instead of an increment."""
DIRECTORY_LOST: Final = 0.15
"""How often the working directory goes with the process."""
LONGEST_CHAIN: Final = 3
"""Kills before a run comes to its end."""

WRONGS: Final = ("lost", "doubled", "outdated", "loaded again")


class Harness:
    """Kills at one site, and a tally of it."""

    def __init__(self, site: Site, bedrock: Control, seed: str) -> None:
        self.tally = Counter(dict.fromkeys(WRONGS, 0))
        """Kills by command and way, rows compared, and rows that were wrong."""
        self.stories: list[str] = []
        """What came before each wrong."""
        self._site, self._bedrock = site, bedrock
        self._rng = random.Random(seed)
        self._killer = Killer(self._rng)
        self._story: list[str] = []

    def kill(self, kills: int) -> None:
        """Kill so many commands, or a few more."""
        while self.tally["kills"] < kills:
            self._story = []
            if self._rng.random() < RENEWED:
                self._site.remove()
                self._story.append("first load")
            self._kill_in_a_row(self._rng.choice(COMMANDS[self._site.kind]))

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
        way: Way = self._rng.choice(get_args(Way))
        rows, exported = self._site.rows(), self._site.exported_arns()
        site = self._site
        if not self._killer.kill(site.arguments(command), way, site.written_folders):
            self._story.append(command)
            return
        self.tally["kills"] += 1
        self.tally[f"kills of {command} {way}"] += 1
        self._story.append(f"{command} killed {way}")
        self._compare_readers(_arns(rows), _arns(site.rows()))
        self._compare_readers(exported, site.exported_arns())
        if command == "run" and self._rng.random() < DIRECTORY_LOST:
            site.lose_working_directory()
            self._story.append("lost its working directory")

    def _look(self, command: str) -> None:
        """Let a run and the command come to their ends, and compare."""
        self._site.complete("run")
        self._site.complete(command)
        self._compare_rows()
        if command == "export":
            self._compare_readers(_arns(self._site.rows()), self._site.exported_arns())
        self._site.complete("models")
        self._note("loaded again", load(self._site.destination).rows_loaded)

    def _compare_readers(self, before: list[str], after: list[str]) -> None:
        """Who reads between a kill and the next run misses nothing, and sees nothing twice."""
        self._note("lost", len(set(before) - set(after)))
        self._note("doubled", doubled(after))

    def _compare_rows(self) -> None:
        listed, stored = listed_rows(self._bedrock), self._site.rows()
        by_arn = {row[0]: row for row in stored}
        self.tally["rows compared"] += len(listed)
        self._note("lost", len(listed.keys() - by_arn.keys()))
        self._note("doubled", len(stored) - len(by_arn) + self._site.doubled_reports())
        self._note("outdated", sum(by_arn.get(arn, row) != row for arn, row in listed.items()))

    def _note(self, wrong: str, count: int) -> None:
        self.tally[wrong] += count
        if count:
            self.stories.append(f"{wrong} {count} after {', '.join(self._story)}")


def _arns(rows: list[Row]) -> list[str]:
    return [row[0] for row in rows]
