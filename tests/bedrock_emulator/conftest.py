"""A running emulator, and real boto3 clients of it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import boto3
import pytest
from botocore.config import Config

from bedrock_emulator import Control, Emulator

from .wire import ACCOUNT, NOW, REGION, access_key

Connect = Callable[..., Any]


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """A Bedrock without invocations, at noon of a Monday."""
    with Emulator(NOW) as emulator:
        yield emulator


@pytest.fixture
def control(emulator: Emulator) -> Control:
    """Its controls."""
    return emulator.control


@pytest.fixture
def connect(emulator: Emulator) -> Iterator[Connect]:
    """Make boto3 clients that do not retry, and close them."""
    session = boto3.Session(aws_access_key_id="unused", aws_secret_access_key="unused")
    with ExitStack() as clients:

        def make(
            service: str = "bedrock-runtime",
            account: str = ACCOUNT,
            region: str = REGION,
            **more: Any,
        ) -> Any:
            keys = {"aws_access_key_id": access_key(account), "aws_secret_access_key": "emulator"}
            config = Config(
                retries={"total_max_attempts": 1},
                read_timeout=more.pop("read_timeout", 5),
                parameter_validation=False,
            )
            options = {"endpoint_url": emulator.url, "region_name": region, "config": config}
            return clients.enter_context(
                closing(session.client(service, **{**keys, **options, **more}))
            )

        yield make


@pytest.fixture
def bedrock(connect: Connect) -> Any:
    """A client of the usual account and region."""
    return connect()
