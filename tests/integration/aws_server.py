"""moto's server, with Glue's check of versions: `python -m tests.integration.aws_server`.

Glue refuses an update of a table of which another was faster. moto takes each.
"""

import threading
from typing import Any

from moto.core.responses import ActionResult
from moto.glue.exceptions import GlueClientError
from moto.glue.responses import GlueResponse
from moto.server import main

TURN = threading.Lock()
update_table = GlueResponse.update_table


def update_newest_version(self: GlueResponse) -> ActionResult:
    parameters: dict[str, Any] = self.parameters
    name = parameters["TableInput"]["Name"]
    with TURN:
        stored = self.glue_backend.get_table(parameters["DatabaseName"], name)
        if parameters.get("VersionId") not in (None, stored.as_dict()["VersionId"]):
            raise GlueClientError("ConcurrentModificationException", "Another is newer.")
        return update_table(self)


if __name__ == "__main__":
    setattr(GlueResponse, "update_table", update_newest_version)  # noqa: B010, as mypy wants it
    main()
