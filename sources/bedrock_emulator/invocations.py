"""The invocations of one scope in columns of 36 bytes a row, and their summaries as JSON."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import pairwise
from random import Random
from typing import Any

import orjson

from .arns import invocation_arn
from .timestamps import iso

ID_LENGTH = 12
ID_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
# The end of an invocation that never ends: later than any clock.
NEVER = 2**62
# Stands for the invocation's id in a template: DEL, which JSON leaves as it is, and which no ARN,
# token or bucket can hold.
ID_MARK = "\x7f"
# Outcomes other than a failure message, and the first places of `Invocations.texts`.
COMPLETED, RAW = 0, 1

_OUTPUT = '"outputDataConfig":{"s3OutputDataConfig":{'
_OUTPUT_WITH_UNKNOWN_MEMBERS = (
    '"priority":"standard","usage":{"outputSeconds":6,"billedUnits":[1,2]},'
    '"outputDataConfig":{"retentionPolicy":{"days":30},'
    '"s3OutputDataConfig":{"storageClass":"STANDARD_IA",'
)

Key = tuple[int, str]
"""The order of a listing: submit time, then id."""


class Invocations:
    """Rows sorted by `Key`.

    ``submit`` and ``end`` are milliseconds since the epoch. ``template`` points into ``texts``:
    the JSON of what never changes, up to the submit time, with `ID_MARK` for the id. ``outcome``
    is `COMPLETED`, or `RAW` for a row whose template is the whole summary, or points to a failure
    message as JSON.
    """

    def __init__(self, account: str, region: str) -> None:
        self.submit = array("q")
        self.end = array("q")
        self.ids = bytearray()
        self.template = array("I")
        self.outcome = array("I")
        self.texts = ["", ""]
        self._places: dict[str, int] = {}
        self._arn_prefix = invocation_arn(account, region, "")
        # From the invocationArn of each raw summary to the id that it is sorted by.
        self._raw_ids: dict[str, str] = {}
        # Equal submissions in equal order get equal ARNs.
        self._id_rng = Random(f"{account}/{region}/ids")

    def __len__(self) -> int:
        return len(self.submit)

    def id_at(self, row: int) -> str:
        """The id of one row."""
        return self.ids[ID_LENGTH * row : ID_LENGTH * (row + 1)].decode()

    def key_at(self, row: int) -> Key:
        """The key of one row."""
        return self.submit[row], self.id_at(row)

    def first_at_or_after(self, key: Key) -> int:
        """The first row whose key is not smaller."""
        return bisect_left(range(len(self)), key, key=self.key_at)

    def first_after(self, key: Key) -> int:
        """The first row whose key is larger."""
        return bisect_right(range(len(self)), key, key=self.key_at)

    def find(self, arn: str) -> int | None:
        """The row of an ARN, or None."""
        invocation_id = self._raw_ids.get(arn, "")
        if not invocation_id and arn.startswith(self._arn_prefix):
            invocation_id = arn.removeprefix(self._arn_prefix)
        wanted = invocation_id.encode()
        at = self.ids.find(wanted) if len(wanted) == ID_LENGTH else -1
        while at >= 0 and at % ID_LENGTH:
            at = self.ids.find(wanted, at + 1)
        return at // ID_LENGTH if at >= 0 else None

    def intern_template(self, model_arn: str, output: dict[str, Any], token: str | None) -> int:
        """The place of a template; the output is its ``s3OutputDataConfig``."""
        summary = {"invocationArn": self._arn_prefix + ID_MARK, "modelArn": model_arn}
        if token is not None:
            summary["clientRequestToken"] = token
        parts = {**summary, "outputDataConfig": {"s3OutputDataConfig": output}}
        return self._intern(to_json(parts)[:-1] + ',"submitTime":"')

    def intern_outcome(self, failure_message: str | None) -> int:
        """The place of a failure message, or `COMPLETED` for None."""
        return COMPLETED if failure_message is None else self._intern(to_json(failure_message))

    def _intern(self, text: str) -> int:
        if text not in self._places:
            self._places[text] = len(self.texts)
            self.texts.append(text)
        return self._places[text]

    def add(
        self,
        submit: int,
        end: int,
        model_arn: str,
        output: dict[str, Any],
        token: str | None,
        failure_message: str | None,
    ) -> str:
        """Add one invocation; returns its ARN."""
        template = self.intern_template(model_arn, output, token)
        outcome = self.intern_outcome(failure_message)
        return self._arn_prefix + self._insert(submit, end, template, outcome)

    def add_raw(self, submit: int, summary: dict[str, Any]) -> None:
        """Add a summary that is listed exactly as it is."""
        invocation_id = self._insert(submit, NEVER, self._intern(to_json(summary)), RAW)
        arn = summary.get("invocationArn")
        if isinstance(arn, str):
            self._raw_ids[arn] = invocation_id

    def remove(self, arn: str) -> None:
        """Remove one invocation; raises ValueError where there is none of that ARN."""
        row = self.find(arn)
        if row is None:
            raise ValueError(f"there is no invocation {arn!r}")
        for column in (self.submit, self.end, self.template, self.outcome):
            del column[row]
        del self.ids[ID_LENGTH * row : ID_LENGTH * (row + 1)]
        self._raw_ids.pop(arn, None)

    def _insert(self, submit: int, end: int, template: int, outcome: int) -> str:
        invocation_id = "".join(self._id_rng.choices(ID_ALPHABET, k=ID_LENGTH))
        row = self.first_after((submit, invocation_id))
        self.submit.insert(row, submit)
        self.end.insert(row, end)
        self.ids[ID_LENGTH * row : ID_LENGTH * row] = invocation_id.encode()
        self.template.insert(row, template)
        self.outcome.insert(row, outcome)
        return invocation_id

    def merge(self, other: "Invocations") -> None:
        """Add all rows of another; raises ValueError, unchanged, if some are here already."""
        places = [COMPLETED, RAW, *map(self._intern, other.texts[2:])]
        submit, end, ids = self.submit + other.submit, self.end + other.end, self.ids + other.ids
        template = self.template + array("I", map(places.__getitem__, other.template))
        outcome = self.outcome + array("I", map(places.__getitem__, other.outcome))
        if self.submit and other.submit and other.submit[0] <= self.submit[-1]:
            chunks = [bytes(ids[at : at + ID_LENGTH]) for at in range(0, len(ids), ID_LENGTH)]
            keys = list(zip(submit, chunks, strict=True))
            order = sorted(range(len(keys)), key=keys.__getitem__)
            if any(keys[one] == keys[next_one] for one, next_one in pairwise(order)):
                raise ValueError("these invocations are there already: choose another seed")
            ids = bytearray(b"".join(chunks[row] for row in order))
            for column in (submit, end, template, outcome):
                column[:] = array(column.typecode, map(column.__getitem__, order))
        self.submit, self.end, self.ids = submit, end, ids
        self.template, self.outcome = template, outcome

    def status_at(self, row: int, now: int) -> str | None:
        """The status of a row at a time; None where a raw row has none."""
        outcome = self.outcome[row]
        if outcome == RAW:
            status = orjson.loads(self.texts[self.template[row]]).get("status")
            return status if isinstance(status, str) else None
        if self.end[row] > now:
            return "InProgress"
        return "Completed" if outcome == COMPLETED else "Failed"

    def summaries(self, rows: Iterable[int], now: int, *, unknown_members: bool) -> list[str]:
        """The AsyncInvokeSummary of each row at a time, as JSON built without an object per row."""
        summaries = []
        for row in rows:
            text, outcome = self.texts[self.template[row]], self.outcome[row]
            if outcome == RAW:
                summaries.append(text)
                continue
            if unknown_members:
                text = text.replace(_OUTPUT, _OUTPUT_WITH_UNKNOWN_MEMBERS, 1)
            submit, end = iso(self.submit[row]), self.end[row]
            head = text.replace(ID_MARK, self.id_at(row)) + submit
            if end > now:
                summaries.append(f'{head}","status":"InProgress","lastModifiedTime":"{submit}"}}')
                continue
            ended = iso(end)
            tail = f'"lastModifiedTime":"{ended}","endTime":"{ended}"}}'
            if outcome == COMPLETED:
                summaries.append(f'{head}","status":"Completed",{tail}')
            else:
                failure = self.texts[outcome]
                summaries.append(f'{head}","status":"Failed","failureMessage":{failure},{tail}')
        return summaries


def to_json(value: Any) -> str:
    """Compact JSON."""
    return orjson.dumps(value).decode()
