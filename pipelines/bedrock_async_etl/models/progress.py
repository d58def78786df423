"""The progress of a build of the models."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from bedrock_async_etl.console import error_console
from bedrock_async_etl.logs import LogFormat, log_event
from bedrock_async_etl.models.build import BuildProgress, BuiltModel


@contextmanager
def models_progress(log_format: LogFormat = "text") -> Iterator[BuildProgress]:
    """A callback that draws a bar on a terminal and logs each model as JSON."""
    console = error_console()
    is_json = log_format == "json"
    columns = (TextColumn("Building {task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(
        *columns, console=console, transient=True, disable=is_json or not console.is_terminal
    ) as progress:
        task = progress.add_task("models", total=None)

        def on_built(model: BuiltModel, total: int) -> None:
            progress.update(task, description=model.name, total=total, advance=1)
            if is_json:
                seconds = round(model.seconds, 3)
                log_event("model_built", name=model.name, rows=model.rows, seconds=seconds)

        yield on_built
