"""The invocations of one scope in the order of their listing, and their summaries as JSON."""

from bisect import insort
from datetime import datetime
from random import Random
from typing import Any

import orjson
from msgspec import Struct

from .arns import invocation_arn, model_arn
from .timestamps import iso, to_datetime

ID_LENGTH = 12
ID_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
# The end of an invocation that never ends: later than any clock.
NEVER = 2**62
# Stands for the invocation's id in a template: DEL, which JSON leaves as it is, and which no ARN,
# token or bucket can hold.
ID_MARK = "\x7f"

_OUTPUT = '"outputDataConfig":{"s3OutputDataConfig":{'
_OUTPUT_WITH_UNKNOWN_MEMBERS = (
    '"priority":"standard","usage":{"outputSeconds":6,"billedUnits":[1,2]},'
    '"outputDataConfig":{"retentionPolicy":{"days":30},'
    '"s3OutputDataConfig":{"storageClass":"STANDARD_IA",'
)

Key = tuple[int, str]
"""The order of a listing: submit time, then id."""


class Invocation(Struct, order=True, gc=False):
    """One invocation, ordered by `key`; times are milliseconds since the epoch."""

    submit: int
    id: str
    end: int
    template: str
    """`summary_template`, or the whole summary of a raw one."""
    failure_message: str | None = None
    is_raw: bool = False

    @property
    def key(self) -> Key:
        return self.submit, self.id

    @property
    def submitted_at(self) -> datetime:
        return to_datetime(self.submit)

    def status(self, now: int) -> Any:
        """The status at a time; None where a raw summary has none."""
        if self.is_raw:
            return orjson.loads(self.template).get("status")
        if self.end > now:
            return "InProgress"
        return "Completed" if self.failure_message is None else "Failed"

    def summary(self, now: int, *, unknown_members: bool) -> str:
        """The AsyncInvokeSummary at a time, as JSON."""
        if self.is_raw:
            return self.template
        submit, text = iso(self.submit), self.template.replace(ID_MARK, self.id)
        if unknown_members:
            text = text.replace(_OUTPUT, _OUTPUT_WITH_UNKNOWN_MEMBERS, 1)
        text += f',"submitTime":"{submit}","status":'
        if self.end > now:
            return f'{text}"InProgress","lastModifiedTime":"{submit}"}}'
        end, status = iso(self.end), '"Completed"'
        if self.failure_message is not None:
            status = f'"Failed","failureMessage":{to_json(self.failure_message)}'
        return f'{text}{status},"lastModifiedTime":"{end}","endTime":"{end}"}}'


class Invocations:
    """The invocations of one scope: ``rows``, sorted."""

    def __init__(self, account: str, region: str) -> None:
        self.rows: list[Invocation] = []
        self._arn_prefix = invocation_arn(account, region, "")
        # From the invocationArn of each raw summary to the id that it is sorted by.
        self._raw_ids: dict[str, str] = {}
        # Equal submissions in equal order get equal ARNs.
        self._id_rng = Random(f"{account}/{region}/ids")

    def add(self, submit: int, end: int, template: str, failure_message: str | None) -> str:
        """Add one invocation; returns its ARN."""
        invocation_id = self._new_id()
        insort(self.rows, Invocation(submit, invocation_id, end, template, failure_message))
        return self._arn_prefix + invocation_id

    def add_raw(self, submit: int, summary: dict[str, Any]) -> None:
        """Add a summary that is listed exactly as it is."""
        invocation_id = self._new_id()
        insort(self.rows, Invocation(submit, invocation_id, NEVER, to_json(summary), is_raw=True))
        self._raw_ids[str(summary.get("invocationArn"))] = invocation_id

    def _new_id(self) -> str:
        return "".join(self._id_rng.choices(ID_ALPHABET, k=ID_LENGTH))

    def add_all(self, rows: list[Invocation]) -> None:
        """Add many; raises ValueError, unchanged, if some are here already."""
        if not {row.key for row in self.rows}.isdisjoint(row.key for row in rows):
            raise ValueError("these invocations are there already: choose another seed")
        self.rows = sorted(self.rows + rows)

    def find(self, arn: str) -> Invocation | None:
        """The invocation of an ARN, or None."""
        raw_id = self._raw_ids.get(arn)
        wanted = self._arn_prefix + raw_id if raw_id else arn
        return next((row for row in self.rows if self._arn_prefix + row.id == wanted), None)

    def remove(self, arn: str) -> None:
        """Remove one invocation; raises ValueError where there is none of that ARN."""
        row = self.find(arn)
        if row is None:
            raise ValueError(f"there is no invocation {arn!r}")
        self.rows.remove(row)


def summary_template(
    account: str, region: str, model_id: str, output: dict[str, Any], token: str | None
) -> str:
    """JSON of what never changes in a summary, up to the submit time, with `ID_MARK` for the id.

    The output is its ``s3OutputDataConfig``, the token its ``clientRequestToken``.
    """
    summary: dict[str, Any] = {
        "invocationArn": invocation_arn(account, region, ID_MARK),
        "modelArn": model_arn(model_id, account, region),
    }
    if token is not None:
        summary["clientRequestToken"] = token
    summary["outputDataConfig"] = {"s3OutputDataConfig": output}
    return to_json(summary).removesuffix("}")


def to_json(value: Any) -> str:
    """Compact JSON."""
    return orjson.dumps(value).decode()
