"""SeaweedFS: a REST catalog of Iceberg with an S3 of its own, for which it gives a table's keys."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.integration.places import free_ports

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

NAME: Final = "rest"
PREFIX: Final = f"PYICEBERG_CATALOG__{NAME.upper()}__"
KEY, SECRET = "catalog", "catalogs-secret"
ROLE: Final = "arn:aws:iam::role/Catalog"
POLICY: Final = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": ["s3:*", "s3tables:*"], "Resource": ["*"]}],
}
TRUST: Final = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Federated": "iceberg-catalog"},
            "Action": ["sts:AssumeRoleWithCredentials"],
        }
    ],
}
IAM: Final = {
    "sts": {
        "tokenDuration": "1h",
        "maxSessionLength": "12h",
        "issuer": "seaweedfs-sts",
        "signingKey": "a2V5IG9mIDMyIGJ5dGVzIHRvIHNpZ24gdG9rZW5zISE=",
    },
    "policy": {"defaultEffect": "Deny", "storeType": "memory"},
    "roleStore": {"storeType": "memory"},
    "policies": [{"name": "Catalog", "document": POLICY}],
    "roles": [
        {
            "roleName": "Catalog",
            "roleArn": ROLE,
            "trustPolicy": TRUST,
            "attachedPolicies": ["Catalog"],
        }
    ],
}


@contextmanager
def served_catalog(folder: Path) -> Iterator[Mapping[str, str]]:
    """The settings by which pyiceberg finds the catalog `rest`."""
    command = str(Path(sys.executable).with_name("weed"))
    services = ("s3", "iceberg", "master", "volume", "filer", "admin")
    http = dict(zip(services, free_ports(len(services)), strict=True))
    grpc = dict(zip(services, free_ports(len(services)), strict=True))
    iam = folder / "iam.json"
    iam.write_text(json.dumps(IAM))
    options = [
        f"-dir={folder}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-master.telemetry=false",
        "-webdav=false",
        "-admin.ui=false",
        *(f"-{name}.port={http[name]}" for name in ("master", "volume", "filer", "admin", "s3")),
        *(f"-{name}.port.grpc={grpc[name]}" for name in ("master", "volume", "filer", "admin")),
        f"-s3.port.grpc={grpc['s3']}",
        f"-s3.port.iceberg={http['iceberg']}",
        "-s3.port.lance=0",
        f"-s3.externalUrl=http://127.0.0.1:{http['s3']}",
        f"-s3.iam.config={iam}",
        f"-s3.iceberg.credentialRole={ROLE}",
        "-tableBucket=warehouse",
    ]
    environment = {**os.environ, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
    url = f"http://127.0.0.1:{http['iceberg']}"
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            [command, "mini", *options], cwd=folder, env=environment, stdout=log, stderr=log
        )
    settings = {
        "TYPE": "rest",
        "URI": url,
        "OAUTH2_SERVER_URI": f"{url}/v1/oauth/tokens",
        "CREDENTIAL": f"{KEY}:{SECRET}",
        "WAREHOUSE": "s3://warehouse",
    }
    found = {f"{PREFIX}{name}": text for name, text in settings.items()}
    deadline = time.monotonic() + 60
    try:
        while not _answers(found):
            is_starting = process.poll() is None and time.monotonic() < deadline
            assert is_starting, (folder / "log.txt").read_text()
            time.sleep(0.1)
        yield found
    finally:
        process.terminate()
        process.wait()


def _answers(settings: Mapping[str, str]) -> bool:
    """True once the catalog has its bucket."""
    from pyiceberg.exceptions import NoSuchNamespaceError, OAuthError, RESTError

    try:
        open_catalog(settings).list_namespaces()
    except (OAuthError, RESTError, NoSuchNamespaceError, OSError):
        return False
    return True


def open_catalog(settings: Mapping[str, str] = os.environ) -> "Catalog":
    """The catalog as another program finds it."""
    from pyiceberg.catalog import load_catalog

    found = {name: text for name, text in settings.items() if name.startswith(PREFIX)}
    return load_catalog(
        NAME,
        **{name.removeprefix(PREFIX).lower().replace("_", "-"): found[name] for name in found},
    )


def empty_catalog(catalog: "Catalog") -> None:
    """Drop all tables and their namespaces."""
    for namespace in catalog.list_namespaces():
        for name in catalog.list_tables(namespace):
            catalog.drop_table(name)
        catalog.drop_namespace(namespace)
