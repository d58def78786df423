"""The proxy and the CA bundle that botocore takes, for engines with rules of their own."""

from dataclasses import dataclass, field
from typing import Any, Final, Self
from urllib.parse import urlsplit

import botocore.session
from botocore.httpsession import ProxyConfiguration
from botocore.utils import get_environ_proxies

from bedrock_async_invokes.client import ca_bundle

PORTS: Final = {"http": 80, "https": 443}
"""Of proxies whose URLs name none."""
DIRECT: Final = {"proxy_url": "http://localhost", "proxy_excludes": "*,0.0.0.0/0,::/0"}
"""For delta-rs, which else follows ALL_PROXY, and other rules than botocore for `NO_PROXY`."""


@dataclass(frozen=True)
class Transport:
    """Proxy and CA bundle for an endpoint."""

    proxy_url: str | None = field(repr=False)
    """May have a password."""
    ca_bundle: str | None
    """File of certificates in PEM; None where each engine has its own."""

    @classmethod
    def to(cls, endpoint: str) -> Self:
        """The proxy and CA bundle that botocore takes for an endpoint's URL."""
        proxies = ProxyConfiguration(get_environ_proxies(endpoint))
        return cls(proxies.proxy_url_for(endpoint), ca_bundle(botocore.session.get_session()))

    def arrow_options(self) -> dict[str, Any]:
        """Arguments of Arrow's `S3FileSystem`, which asks neither environment nor profile."""
        return {
            "proxy_options": _with_port(self.proxy_url) if self.proxy_url else None,
            "tls_ca_file_path": self.ca_bundle,
        }

    def delta_options(self) -> dict[str, str]:
        """Storage options of delta-rs."""
        proxy = {"proxy_url": self.proxy_url} if self.proxy_url else DIRECT
        return proxy | ({"certificate_path": self.ca_bundle} if self.ca_bundle else {})


def _with_port(url: str) -> str:
    parts = urlsplit(url)
    return url if parts.port else f"{parts.scheme}://{parts.netloc}:{PORTS[parts.scheme]}"
