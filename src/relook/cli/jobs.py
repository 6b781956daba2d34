"""`relook jobs`: what the worker does and did."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection

from relook.cli import options
from relook.cli.failing import fail
from relook.core.clock import as_datetime, system_clock
from relook.datafolder import DataFolder
from relook.jobs import queue
from relook.jobs.queue import Job
from relook.jobs.states import JobState
from relook.settings import SettingsError, load
from relook.store.engine import DatabaseUnusable, StorageFull, Store
from relook.store.migrate import SchemaTooNew

_SHORT = 12
"""Digits of an id in the table; commands take any beginning that only one job has."""
_SEARCHED = 100_000

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(invoke_without_command=True)
@options.data
@_json
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many, newest first.")
@click.pass_context
def jobs(context: click.Context, data: Path | None, as_json: bool, limit: int) -> None:
    """List the newest jobs: dataset checks, trainings and transforms, with their progress."""
    if context.invoked_subcommand is not None:
        return
    with _opened(data) as store, store.read() as connection:
        found = queue.list_jobs(connection, limit=limit)
    if as_json:
        click.echo(json.dumps([_document(job) for job in found], indent=2))
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("job", "kind", "of", "state"):
        table.add_column(heading, no_wrap=heading != "of", overflow="fold")
    table.add_column("took", no_wrap=True, justify="right")
    table.add_column("progress", overflow="fold")
    for job in found:
        name = job.subject.rpartition(":")[2]  # the resource part of the ARN
        outlook = job.reason or _progress(job)
        table.add_row(job.id[:_SHORT], job.kind, name, str(job.state), _took(job), outlook)
    Console(highlight=False).print(table)


@jobs.command()
@click.argument("job_id")
@options.data
@_json
def show(job_id: str, data: Path | None, as_json: bool) -> None:
    """Show one job with its events."""
    with _opened(data) as store, store.read() as connection:
        job = _resolve(connection, job_id)
        events = queue.events(connection, job.id)
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
@options.data
def cancel(job_id: str, data: Path | None) -> None:
    """Ask for a job to be cancelled; the worker looks at least every 30 seconds."""
    with _opened(data) as store, store.write() as connection:
        job = _resolve(connection, job_id)
        asked = queue.request_cancel(connection, job.id, system_clock())
    click.echo(f"cancellation of {job.id} was asked for" if asked else f"{job.id} has ended already")


def _resolve(connection: Connection, given: str) -> Job:
    """The job of this id, or of the only id that begins so; else the command fails."""
    job = queue.find(connection, given)
    if job is not None:
        return job
    found = [each for each in queue.list_jobs(connection, limit=_SEARCHED) if given and each.id.startswith(given)]
    if not found:
        fail(f"there is no job {given}: `relook jobs` lists those there are")
    if len(found) > 1:
        fail(f"{len(found)} jobs begin with {given}: give more of the id; `relook jobs --json` has them whole")
    return found[0]


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
    if not job.progress.stage or job.state is JobState.SUCCEEDED:
        return ""
    counts = f" {job.progress.done}/{job.progress.total}" if job.progress.total else ""
    return f"{job.progress.stage}{counts}"


def _took(job: Job) -> str:
    if job.started is None:
        return ""
    return f"{((job.finished or system_clock()) - job.started) / 1000:.1f} s"
