"""An STS of one's own, which gives any answer to AssumeRole."""

from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.conftest import ACCOUNT
from tests.servers import Service

SECRET_KEY, TOKEN = "wJalrXUtnFEMIK7MDENGbPxRfiCY", "IQoJb3JpZ2luX2VjEAMaCXVzLWVhc3QtMSJH"
ACCESS_KEY = "ASIAIOSFODNN7EXAMPLE"
IDENTITY = f"""\
<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<GetCallerIdentityResult><Arn>arn:aws:iam::{ACCOUNT}:user/x</Arn><UserId>x</UserId>
<Account>{ACCOUNT}</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"""


def assumed(account_id: str, expiration: str = "2099-01-01T00:00:00Z") -> str:
    """An answer to AssumeRole as STS gives it."""
    return f"""\
<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>
<AssumedRoleUser><AssumedRoleId>AROA:x</AssumedRoleId>
<Arn>arn:aws:sts::{account_id}:assumed-role/reader/x</Arn></AssumedRoleUser>
<Credentials><AccessKeyId>{ACCESS_KEY}</AccessKeyId>
<SecretAccessKey>{SECRET_KEY}</SecretAccessKey><SessionToken>{TOKEN}</SessionToken>
<Expiration>{expiration}</Expiration></Credentials>
</AssumeRoleResult></AssumeRoleResponse>"""


@dataclass
class TokenService(Service):
    """Says who the caller is, and answers AssumeRole with `body`."""

    body: bytes = b""
    status: int = 200

    def make_server(self, address: tuple[str, int]) -> ThreadingHTTPServer:
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                request = self.rfile.read(int(self.headers["Content-Length"]))
                is_identity = b"Action=GetCallerIdentity" in request
                body = IDENTITY.encode() if is_identity else service.body
                self.send_response(200 if is_identity else service.status)
                self.send_header("Content-Type", "text/xml")
                self.send_header("Content-Length", str(len(body)))
                if 300 <= service.status < 400:
                    self.send_header("Location", f"{service.url}/elsewhere")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Tests print nothing."""

        return ThreadingHTTPServer(address, Handler)
