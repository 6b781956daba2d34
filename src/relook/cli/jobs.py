"""`relook jobs`: what the worker does and did."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from relook.cli.failing import fail
from relook.core.clock import as_datetime, system_clock
from relook.datafolder import DataFolder
from relook.jobs import queue
from relook.jobs.queue import Job
from relook.settings import SettingsError, load
from relook.store.engine import DatabaseUnusable, StorageFull, Store
from relook.store.migrate import SchemaTooNew

_data = click.option(
    "--data", type=click.Path(path_type=Path, file_okay=False), help="The data folder. [env: RELOOK_DATA]"
)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(invoke_without_command=True)
@_data
@_json
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many, newest first.")
@click.pass_context
def jobs(context: click.Context, data: Path | None, as_json: bool, limit: int) -> None:
    """List the newest jobs: dataset checks and trainings, with their progress."""
    if context.invoked_subcommand is not None:
        return
    with _opened(data) as store, store.read() as connection:
        found = queue.list_jobs(connection, limit=limit)
    if as_json:
        click.echo(json.dumps([_document(job) for job in found], indent=2))
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("job", "kind", "of", "state", "progress", "took", "reason"):
        table.add_column(heading, overflow="fold")
    for job in found:
        table.add_row(job.id, job.kind, job.subject, str(job.state), _progress(job), _took(job), job.reason)
    Console(highlight=False).print(table)


@jobs.command()
@click.argument("job_id")
@_data
@_json
def show(job_id: str, data: Path | None, as_json: bool) -> None:
    """Show one job with its events."""
    with _opened(data) as store, store.read() as connection:
        job = queue.find(connection, job_id)
        events = queue.events(connection, job_id)
    if job is None:
        fail(f"there is no job {job_id}: `relook jobs` lists those there are")
    document = _document(job) | {
        "events": [{"at": _at(event.created), "attempt": event.attempt, "message": event.message} for event in events]
    }
    if as_json:
        click.echo(json.dumps(document, indent=2))
        return
    for name, value in document.items():
        if name != "events":
            click.echo(f"{name}: {'' if value is None else value}")
    for event in events:
        click.echo(f"{_at(event.created)}  [{event.attempt}]  {event.message}")


@jobs.command()
@click.argument("job_id")
@_data
def cancel(job_id: str, data: Path | None) -> None:
    """Ask for a job to be cancelled; the worker looks at least every 30 seconds."""
    with _opened(data) as store, store.write() as connection:
        if queue.find(connection, job_id) is None:
            fail(f"there is no job {job_id}: `relook jobs` lists those there are")
        asked = queue.request_cancel(connection, job_id, system_clock())
    click.echo(f"cancellation of {job_id} was asked for" if asked else f"{job_id} has ended already")


@contextmanager
def _opened(data: Path | None) -> Iterator[Store]:
    try:
        folder = DataFolder(load(data).data)
    except SettingsError as error:
        fail(error)
    if not folder.database.exists():
        fail(f"{folder.root}: no server has run on this data folder: name the right one with --data")
    try:
        store = Store.open(folder.database)
    except (DatabaseUnusable, SchemaTooNew, StorageFull, OSError) as error:
        fail(error)
    try:
        yield store
    finally:
        store.close()


def _at(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else as_datetime(milliseconds).isoformat(timespec="milliseconds")


def _document(job: Job) -> dict[str, object]:
    return {
        "id": job.id,
        "kind": job.kind,
        "subject": job.subject,
        "state": str(job.state),
        "attempt": job.attempt,
        "stage": job.progress.stage,
        "done": job.progress.done,
        "total": job.progress.total,
        "reason": job.reason,
        "created": _at(job.created),
        "started": _at(job.started),
        "finished": _at(job.finished),
    }


def _progress(job: Job) -> str:
    return f"{job.progress.stage} {job.progress.done}/{job.progress.total}" if job.progress.stage else ""


def _took(job: Job) -> str:
    if job.started is None:
        return ""
    return f"{((job.finished or system_clock()) - job.started) / 1000:.1f} s"
