"""An Airflow of one's own: a home, a SQLite database, and free ports."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import requests

from tests.integration.places import free_ports

BIN = Path(sys.executable).parent
DAG_ID = "copied"
DAG_FILES = {
    "as_it_is.py": "from bedrock_async_etl.airflow import dag\n\n__all__ = ['dag']\n",
    "own.py": (
        "import pipelines, sources, sql\n"
        "from datetime import timedelta\n"
        "from bedrock_async_etl.airflow import make_dag\n"
        f"own = make_dag({DAG_ID!r}, schedule=None, retry_delay=timedelta(seconds=1),"
        " is_paused_upon_creation=False)\n"
    ),
    # What others call their folders, too.
    "pipelines/__init__.py": "",
    "sources/__init__.py": "",
    "sql/__init__.py": "",
}
PATIENCE_SECONDS = 300
T = TypeVar("T")
ENDED = ("success", "failed")


def wait_for(look: Callable[[], T | None]) -> T:
    """What `look` finds as soon as it finds something."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (found := look()) is None:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


@dataclass(frozen=True)
class AirflowHome:
    """Where an Airflow keeps what it has; the DAG is there as the README says, and as one's own."""

    path: Path

    @classmethod
    def made(cls, path: Path) -> "AirflowHome":
        """A new one; its database has no runs."""
        for name, text in DAG_FILES.items():
            file = path / "dags" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        home = cls(path)
        home.run("db", "migrate")
        return home

    @property
    def environment(self) -> dict[str, str]:
        """No AWS credentials but those that a connection has, and no other Airflow's settings."""
        others = ("AWS_", "AIRFLOW_")
        return {
            **{name: text for name, text in os.environ.items() if not name.startswith(others)},
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "AIRFLOW_HOME": str(self.path),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.path / "dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "true",
            "AIRFLOW__API_AUTH__JWT_SECRET": "only-for-these-tests-" + "x" * 64,
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "false",
            "AWS_EC2_METADATA_DISABLED": "true",
            "BEDROCK_ASYNC_ETL__SLICE_ROWS": "1000",
            "DLT_DATA_DIR": str(self.path / "dlt"),
            "NO_PROXY": "127.0.0.1",
        }

    def run(self, *arguments: str, **variables: str) -> str:
        """What `airflow` prints."""
        return self.execute(BIN / "airflow", *arguments, **variables)

    def execute(self, *command: str | Path, **variables: str) -> str:
        """What a command prints in this home."""
        done = subprocess.run(
            command,
            cwd=self.path,
            env=self.environment | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What Airflow's database holds."""
        with closing(sqlite3.connect(self.path / "airflow.db", timeout=30)) as connection:
            return connection.execute(query).fetchall()

    def events(self) -> list[str]:
        """URIs of the assets that DAG runs have told of, one after the other."""
        events = "select uri from asset_event join asset on asset.id = asset_id order by timestamp"
        return [uri for (uri,) in self.rows(events)]


@dataclass(frozen=True)
class AirflowServer:
    """`airflow standalone`: scheduler, DAG processor and API, which is used as anyone may."""

    home: AirflowHome
    url: str
    token: str

    def call(self, method: str, path: str, document: Any = None) -> Any:
        """What the API answers; None where there is no such thing."""
        headers = {"Authorization": f"Bearer {self.token}", "Accept": "application/json"}
        answer = requests.request(
            method, f"{self.url}/api/v2/{path}", json=document, headers=headers, timeout=30
        )
        if answer.status_code == 404:
            return None
        assert answer.ok, answer.text
        return answer.json() if answer.content else {}

    def put(self, kind: str, key: str, document: dict[str, Any]) -> None:
        """Make a Variable or a connection in the place of the one that there is."""
        self.call("DELETE", f"{kind}/{key}")
        self.call("POST", kind, document)

    def set_variable(self, key: str, settings: Any) -> None:
        self.put("variables", key, {"key": key, "value": json.dumps(settings)})

    def trigger(self, **parameters: Any) -> "AirflowRun":
        """A run of the DAG with these parameters."""
        asked = {"logical_date": None, "conf": parameters}
        run = self.call("POST", f"dags/{DAG_ID}/dagRuns", asked)
        return AirflowRun(self, run["dag_run_id"])


@dataclass(frozen=True)
class AirflowRun:
    """A run of the DAG."""

    server: AirflowServer
    run_id: str

    @property
    def path(self) -> str:
        return f"dags/{DAG_ID}/dagRuns/{self.run_id}"

    def tasks(self) -> dict[str, dict[str, Any]]:
        """Task instances by task, those of a mapped one by task and number."""
        found = self.server.call("GET", f"{self.path}/taskInstances")["task_instances"]
        return {_name(each): each for each in found}

    def ended(self) -> str:
        """`success` or `failed`, when it has come to that."""

        def look() -> str | None:
            state = self.server.call("GET", self.path)["state"]
            return state if state in ENDED else None

        return wait_for(look)

    def states(self) -> dict[str, str]:
        return {name: task["state"] for name, task in self.tasks().items()}

    def returned(self, task_id: str, map_index: int = -1) -> Any:
        """What a task has returned."""
        entry = f"{self.path}/taskInstances/{task_id}/xcomEntries/return_value"
        return self.server.call("GET", f"{entry}?map_index={map_index}&deserialize=true")["value"]

    def log(self, task_id: str, tries: int = 1, map_index: int = -1) -> str:
        """What a task has logged in one of its tries."""
        logs = f"{self.path}/taskInstances/{task_id}/logs/{tries}?map_index={map_index}"
        return json.dumps(self.server.call("GET", logs)["content"])


def _name(task: dict[str, Any]) -> str:
    number = f"[{task['map_index']}]" if task["map_index"] >= 0 else ""
    return f"{task['task_id']}{number}"


@contextmanager
def served(home: AirflowHome) -> Iterator[AirflowServer]:
    """`airflow standalone` in that home, as soon as it knows the DAG."""
    api, logs, trigger_logs = free_ports(3)
    url = f"http://127.0.0.1:{api}"
    variables = {
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(api),
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__CORE__PARALLELISM": "2",
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.1",
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(logs),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(trigger_logs),
    }
    with (home.path / "standalone.log").open("wb") as log:
        process = subprocess.Popen(
            [BIN / "airflow", "standalone"],
            cwd=home.path,
            env=home.environment | variables,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield _ready(home, url, process)
    finally:
        # All of it at once: its own way out takes a quarter of a minute.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _ready(home: AirflowHome, url: str, process: subprocess.Popen[bytes]) -> AirflowServer:
    def token() -> str | None:
        assert process.poll() is None
        try:
            return str(requests.get(f"{url}/auth/token", timeout=5).json()["access_token"])
        except requests.ConnectionError:
            return None

    server = AirflowServer(home, url, wait_for(token))
    wait_for(lambda: server.call("GET", f"dags/{DAG_ID}"))
    return server
