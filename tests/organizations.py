"""An AWS Organizations of one's own: ListAccounts over HTTP, two accounts a page."""

import json
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.servers import Service

PAGE_SIZE = 2
LIST_ACCOUNTS = "AWSOrganizationsV20161128.ListAccounts"


@dataclass
class Organization(Service):
    """Answers with `accounts`, as the service writes them, or with `error`: a code and a text."""

    accounts: list[dict[str, str]] = field(default_factory=list)
    error: tuple[str, str] | None = None
    tokens: list[str | None] = field(default_factory=list)
    """The `NextToken` of each call."""
    body: bytes | None = None
    """What it answers instead, with this status."""
    status: int = 200

    def make_server(self, address: tuple[str, int]) -> ThreadingHTTPServer:
        return ThreadingHTTPServer(address, _handler(self))

    def has(self, account_id: str, state: str = "ACTIVE") -> None:
        """One more account; `Status` has no word for each of the states."""
        self.accounts.append({"Id": account_id, "State": state, "Status": state})

    def answer(self, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.tokens.append(token := request.get("NextToken"))
        if self.error:
            code, message = self.error
            return 400, {"__type": code, "Message": message}
        end = int(token or 0) + PAGE_SIZE
        page: dict[str, Any] = {"Accounts": self.accounts[end - PAGE_SIZE : end]}
        return 200, page | ({"NextToken": str(end)} if end < len(self.accounts) else {})


def _handler(organization: Organization) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.headers["X-Amz-Target"] == LIST_ACCOUNTS
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, document = organization.answer(json.loads(body))
            answer = organization.body
            if answer is not None:
                status = organization.status
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.end_headers()
            self.wfile.write(json.dumps(document).encode() if answer is None else answer)

        def log_message(self, *_: object) -> None:
            """Tests print nothing."""

    return Handler
