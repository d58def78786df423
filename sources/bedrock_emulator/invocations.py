"""The invocations of one scope, in columns of 36 bytes a row, in the order of submission."""

from array import array
from bisect import bisect_left, bisect_right
from itertools import pairwise
from random import Random

ID_LENGTH = 12
ID_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
# The end of an invocation that never ends: later than any clock.
NEVER = 2**62
# Stands for the invocation's id in a template: DEL, which JSON leaves as it is, and which no ARN,
# token or bucket can hold.
ID_MARK = "\x7f"
# Fixed places in the table of outcomes; every further entry is a failure message.
COMPLETED, RAW = 0, 1


def random_id(rng: Random) -> str:
    """A new invocation id, of the form that Bedrock's ARNs have."""
    return "".join(rng.choices(ID_ALPHABET, k=ID_LENGTH))


class Invocations:
    """Rows sorted by (submit time, id).

    ``submit`` and ``end`` are milliseconds since the epoch. ``template`` points into
    ``templates``: the JSON of what never changes, up to the submit time, with `ID_MARK` for the
    id. ``outcome`` points into ``outcomes``: a failure message as JSON, or `COMPLETED`, or `RAW`
    for a row whose template is the whole summary.
    """

    def __init__(self) -> None:
        self.submit = array("q")
        self.end = array("q")
        self.ids = bytearray()
        self.template = array("I")
        self.outcome = array("I")
        self.templates: list[str] = []
        self.outcomes: list[str] = ["", ""]
        self._interned: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self.submit)

    def id_at(self, row: int) -> str:
        """The id of one row."""
        return self.ids[ID_LENGTH * row : ID_LENGTH * (row + 1)].decode()

    def intern_template(self, template: str) -> int:
        """The place of a template, which is added when it is new."""
        return self._intern(template, self.templates)

    def intern_outcome(self, failure: str) -> int:
        """The place of a failure message (as JSON), which is added when it is new."""
        return self._intern(failure, self.outcomes)

    def _intern(self, text: str, table: list[str]) -> int:
        # Templates are objects and messages strings in JSON: they cannot be confused.
        place = self._interned.get(text)
        if place is None:
            place = self._interned[text] = len(table)
            table.append(text)
        return place

    def first_at_or_after(self, submit: int, invocation_id: str) -> int:
        """The first row whose (submit time, id) is not smaller."""
        return bisect_left(self._ties(submit), invocation_id, key=self.id_at) + bisect_left(
            self.submit, submit
        )

    def first_after(self, submit: int, invocation_id: str) -> int:
        """The first row whose (submit time, id) is larger."""
        return bisect_right(self._ties(submit), invocation_id, key=self.id_at) + bisect_left(
            self.submit, submit
        )

    def _ties(self, submit: int) -> range:
        return range(bisect_left(self.submit, submit), bisect_right(self.submit, submit))

    def find(self, invocation_id: str) -> int | None:
        """The row of an id, or None."""
        wanted = invocation_id.encode()
        at = self.ids.find(wanted)
        while at >= 0 and at % ID_LENGTH:
            at = self.ids.find(wanted, at + 1)
        return at // ID_LENGTH if at >= 0 and len(wanted) == ID_LENGTH else None

    def add(self, submit: int, end: int, invocation_id: str, template: str, outcome: int) -> None:
        """Insert one row at its place."""
        row = self.first_after(submit, invocation_id)
        self.submit.insert(row, submit)
        self.end.insert(row, end)
        self.ids[ID_LENGTH * row : ID_LENGTH * row] = invocation_id.encode()
        self.template.insert(row, self.intern_template(template))
        self.outcome.insert(row, outcome)

    def merge(self, other: "Invocations") -> None:
        """Take over all rows of another; raises ValueError, unchanged, if some are here already."""
        templates = [self.intern_template(template) for template in other.templates]
        failures = [self.intern_outcome(failure) for failure in other.outcomes[2:]]
        outcomes = [COMPLETED, RAW, *failures]
        merged = Invocations()
        merged.submit = self.submit + other.submit
        merged.end = self.end + other.end
        merged.ids = self.ids + other.ids
        merged.template = self.template + array("I", map(templates.__getitem__, other.template))
        merged.outcome = self.outcome + array("I", map(outcomes.__getitem__, other.outcome))
        if self.submit and other.submit and other.submit[0] <= self.submit[-1]:
            merged._sort()
        self.submit, self.end, self.ids = merged.submit, merged.end, merged.ids
        self.template, self.outcome = merged.template, merged.outcome

    def _sort(self) -> None:
        keys = [(submit, self.id_at(row)) for row, submit in enumerate(self.submit)]
        order = sorted(range(len(keys)), key=keys.__getitem__)
        if any(keys[one] == keys[next_one] for one, next_one in pairwise(order)):
            raise ValueError("these invocations are there already: choose another seed")
        ids = [keys[row][1] for row in order]
        self.ids = bytearray("".join(ids).encode())
        self.submit = array("q", map(self.submit.__getitem__, order))
        self.end = array("q", map(self.end.__getitem__, order))
        self.template = array("I", map(self.template.__getitem__, order))
        self.outcome = array("I", map(self.outcome.__getitem__, order))
