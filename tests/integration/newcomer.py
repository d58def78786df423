"""Somebody with a clone of this repository, a fresh machine, and an AWS of their own."""

import os
import shutil
import signal
import subprocess
import sys
import venv
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO

import boto3
import duckdb

from bedrock_emulator import Control, Emulator
from tests.conftest import ACCOUNT, NOW, REGION
from tests.integration.documents import ROOT, Block, Command
from tests.integration.places import served_s3
from tests.organizations import Organization

LEFT_OUT = (".git", ".venv", "__pycache__", ".*_cache", "*.duckdb*")
OTHER_ACCOUNT, FOREIGN_ROLE = "444455556666", "arn:aws:iam::777788889999:role/bedrock-async-etl"
SOURCE = "sources/bedrock_async_invokes/README.md"
TIMEOUT_SECONDS = 900
MARK = "printf '\\036%d\\036' $code"
END_OF_ONE = f"code=$?; {MARK}; {MARK} >&2; (exit $code)"
ANSWERS = "y\n" * 20
"""Answers to questions whether to go on."""


@dataclass(frozen=True)
class Done:
    """A command's stdout, or else its stderr, and its exit code."""

    output: str
    exit_code: int


@dataclass(frozen=True)
class Newcomer:
    """Types the commands of the documents, in a clone."""

    home: Path
    environment: dict[str, str]

    @property
    def clone(self) -> Path:
        return self.home / "bedrock-async-etl"

    @property
    def tools(self) -> Path:
        """Programs that are installed for the user alone."""
        return self.home / ".local" / "bin"

    @property
    def places(self) -> dict[str, Path]:
        """Folders and programs by the names that the documents have for them."""
        return {
            "/opt/bedrock-async-etl/.venv/bin": Path(sys.executable).parent,
            "/opt/bedrock-async-etl": self.clone,
            "/data": self.home / "data",
            "/usr/local/bin/uv": self.home / "python" / "bin" / "uv",
            "/var/lib/prometheus/node-exporter": self.home / "metrics",
            # dlt takes no source from a clone in which there are new files.
            "PATH_TO_A_CLONE_OF_THIS_REPOSITORY": self.home / "untouched",
        }

    def does(self, block: Block) -> list[Done]:
        """Run each command of a block."""
        if block.language == "sql":
            return [Done(self._asks(block.text), 0)]
        # A user of the source has a project of their own.
        return self._types(block.commands, "project" if block.document == SOURCE else "")

    def _asks(self, sql: str) -> str:
        """The last table that DuckDB shows, of the demo's database."""
        with duckdb.connect(self.clone / "bedrock_demo.duckdb", read_only=True) as connection:
            connection.execute("set TimeZone = 'UTC'")
            connection.execute(f"set file_search_path = '{self.clone}'")
            *_, last = (connection.sql(each.query) for each in connection.extract_statements(sql))
            return str(last)

    def _types(self, commands: list[Command], folder: str) -> list[Done]:
        """Run commands in one shell, and end the processes that they leave."""
        script = "".join(f"{command.text}\n{END_OF_ONE}\n" for command in commands)
        with self._output("stdout") as stdout, self._output("stderr") as stderr:
            process = subprocess.Popen(
                ["bash", "-c", self._here(script)],
                cwd=self.home / folder if folder else self.clone,
                env=self.environment,
                stdin=subprocess.PIPE,
                stdout=stdout,
                stderr=stderr,
                text=True,
                start_new_session=True,
            )
            # A command that did not end in time has no output here, and neither have the next ones.
            with suppress(subprocess.TimeoutExpired):
                process.communicate(ANSWERS, timeout=TIMEOUT_SECONDS)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            outputs, errors = self._parts(stdout), self._parts(stderr)
        return [
            Done(text or error, int(code))
            for text, error, code in zip(outputs[::2], errors[::2], outputs[1::2], strict=False)
        ]

    def _output(self, name: str) -> IO[str]:
        return (self.home / name).open("w+")

    def _parts(self, output: IO[str]) -> list[str]:
        output.seek(0)
        return self._there(output.read()).split("\036")

    def _here(self, text: str) -> str:
        for name, path in self.places.items():
            text = text.replace(name, str(path))
        return text

    def _there(self, text: str) -> str:
        for name, path in self.places.items():
            text = text.replace(str(path), name)
        return text


@contextmanager
def newcomer(home: Path, blocks: Iterable[Block]) -> Iterator[Newcomer]:
    """Somebody whose AWS has an organization of two accounts, a bucket, and a role that is refused.

    Programs that take long to install are there if the blocks use them.
    """
    with ExitStack() as stack:
        emulator = stack.enter_context(Emulator(NOW))
        organization = stack.enter_context(Organization())
        s3 = stack.enter_context(served_s3())
        _fill(emulator.control, organization, s3)
        environment = _environment(home, emulator.environment(ACCOUNT, REGION))
        environment |= {
            "URL": emulator.url,
            "AWS_ENDPOINT_URL_ORGANIZATIONS": organization.url,
            "AWS_ENDPOINT_URL_S3": s3,
            "AWS_ENDPOINT_URL_GLUE": s3,
        }
        somebody = Newcomer(home, environment)
        _furnish(somebody)
        used = "\n".join(block.text for block in blocks)
        if "airflow " in used:
            _install_airflow(somebody)
        if "aws " in used:
            _install_aws(somebody)
        yield somebody


def _fill(bedrock: Control, organization: Organization, s3: str) -> None:
    month = timedelta(days=30)
    for account, region, count in (
        (ACCOUNT, "us-east-1", 20_000),
        (ACCOUNT, "us-west-2", 3_000),
        (OTHER_ACCOUNT, "us-east-1", 4_000),
    ):
        bedrock.populate(account, region, count, NOW - month, NOW + month / 30, seed=count)
    bedrock.refuse_role(FOREIGN_ROLE)
    for account in (ACCOUNT, OTHER_ACCOUNT):
        organization.has(account)
    session = boto3.Session("AKIAIOSFODNN7EXAMPLE", "emulator", region_name=REGION)
    session.client("s3", endpoint_url=s3).create_bucket(Bucket="my-bucket")


def _environment(home: Path, aws: dict[str, str]) -> dict[str, str]:
    """Variables for a machine with the environment of this process, which `uv run` leaves alone."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    kept.pop("VIRTUAL_ENV", None)
    here = Path(sys.executable).parent
    path = [folder for folder in kept["PATH"].split(os.pathsep) if Path(folder) != here]
    return {
        **kept,
        **aws,
        "HOME": str(home),
        "XDG_CONFIG_HOME": kept.get("XDG_CONFIG_HOME", str(Path.home() / ".config")),
        "UV_CACHE_DIR": kept.get("UV_CACHE_DIR", str(Path.home() / ".cache" / "uv")),
        "PATH": os.pathsep.join([f"{home}/.local/bin", f"{home}/python/bin", *path]),
        "AIRFLOW_HOME": f"{home}/airflow",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        "DLT_DATA_DIR": f"{home}/dlt",
        "PIP_NO_COMPILE": "1",
        "UV_NO_SYNC": "1",
        "UV_PROJECT_ENVIRONMENT": sys.prefix,
        "BENCHMARKS_SHARE": "0.001",
        "BENCHMARKS_RUNS": "1",
    }


def _furnish(somebody: Newcomer) -> None:
    shutil.copytree(ROOT, somebody.clone, ignore=shutil.ignore_patterns(*LEFT_OUT))
    _run(somebody, "git", "init", "--quiet")
    _run(somebody, "git", "add", ".")
    author = ["-c", "user.name=nobody", "-c", "user.email=nobody@localhost"]
    _run(somebody, "git", *author, "commit", "--quiet", "--message=clone")
    _run(somebody, "git", "clone", "--quiet", ".", "../untouched")
    for folder in ("data", "metrics", "project"):
        (somebody.home / folder).mkdir()
    (somebody.home / ".curlrc").write_text("fail\nsilent\nshow-error\n")
    somebody.tools.mkdir(parents=True)
    venv.create(somebody.home / "python", with_pip=True)


def _install_airflow(somebody: Newcomer) -> None:
    (somebody.home / "airflow" / "dags").mkdir(parents=True)
    (somebody.tools / "airflow").symlink_to(Path(sys.executable).with_name("airflow"))
    _run(somebody, "airflow", "db", "migrate")


def _install_aws(somebody: Newcomer) -> None:
    """In an environment of its own: it asks for one botocore, and lets no other be beside it."""
    venv.create(somebody.home / "aws", with_pip=True)
    _run(somebody, f"{somebody.home}/aws/bin/pip", "install", "--quiet", "awscli")
    (somebody.tools / "aws").symlink_to(somebody.home / "aws" / "bin" / "aws")


def _run(somebody: Newcomer, *command: str) -> None:
    subprocess.run(command, cwd=somebody.clone, env=somebody.environment, check=True)
