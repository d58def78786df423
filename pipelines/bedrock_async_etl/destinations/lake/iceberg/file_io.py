"""How pyiceberg reads and writes a lake's files: as everything else of the lake does."""

from typing import TYPE_CHECKING, Any, Final

from pyarrow import fs
from pyiceberg.io.pyarrow import PyArrowFileIO

from bedrock_async_etl.destinations.lake.iceberg.catalog import LAKE_FILES

if TYPE_CHECKING:
    from bedrock_async_etl.files.object_store import LakeFiles

S3_SCHEMES: Final = ("s3", "s3a", "s3n")
S3_OPTIONS: Final = "s3."


class LakeFileIO(PyArrowFileIO):
    """Reaches S3 by the keys, the endpoint, the proxy and the CA bundle that boto3 would take.

    Where pyiceberg's configuration has options for S3, or the catalog gives keys for a table,
    pyiceberg reaches it by those.
    """

    def __init__(self, properties: dict[str, Any]) -> None:
        files: LakeFiles = properties[LAKE_FILES]
        super().__init__(properties)
        by_options = self.fs_by_scheme
        has_options = any(name.startswith(S3_OPTIONS) for name in properties)

        def file_system(scheme: str, bucket: str | None) -> fs.FileSystem:
            if scheme in S3_SCHEMES and not files.is_local and not has_options:
                return files.arrow_filesystem
            return by_options(scheme, bucket)

        self.fs_by_scheme = file_system
