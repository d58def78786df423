"""dlt's filesystem destination, as a lake needs it: whole files, and jobs of its formats."""

from typing import Any

from dlt.destinations.impl.filesystem.factory import filesystem
from dlt.destinations.impl.filesystem.filesystem import FilesystemClient, ReferenceFollowupJob

from bedrock_async_etl.destinations import find_kind
from bedrock_async_etl.destinations.lake.formats import LakeFormat
from bedrock_async_etl.dlt_state import FixedCapabilities
from bedrock_async_etl.files.object_store import LocalFiles
from bedrock_async_etl.files.urls import S3_ATTEMPTS


class LakeClient(FilesystemClient):
    """Puts whole files in their places."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        if self.is_local_filesystem:
            self.fs_client = LocalFiles(auto_mkdir=True)
        else:
            self.fs_client.retries = S3_ATTEMPTS

    @staticmethod
    def get_reference_followup_job_class(
        table: Any,
    ) -> type[ReferenceFollowupJob] | None:
        name = table.get("table_format")
        return find_kind(name).Format.load_job if name else None


class lake(FixedCapabilities, filesystem):  # noqa: N801, named as dlt names destinations
    """The filesystem destination, with the client of a lake's format.

    Stored progress has its qualified name: dlt warns if that changes.
    """

    lake_format: LakeFormat | None = None

    @property
    def client_class(self) -> type[LakeClient]:
        return self.lake_format.client_class(LakeClient) if self.lake_format else LakeClient


lake.register()
