"""`relook jobs`: what the worker does and did."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

import click
from click.core import ParameterSource
from sqlalchemy import Connection

from relook.cli import options
from relook.cli.failing import fail
from relook.cli.opening import Opened, opened
from relook.core.clock import as_datetime, system_clock
from relook.jobs import queue
from relook.jobs.queue import Job
from relook.jobs.stages import without_time_left
from relook.jobs.states import JobState, ended

_SHORT = 12
"""Digits of an id in the table; commands take any beginning that only one job has."""
_SEARCHED = 100_000

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(invoke_without_command=True)
@options.data
@_json
@click.option(
    "--limit",
    type=click.IntRange(1, 1000),
    default=20,
    show_default=True,
    help="How many, newest first, beside those that have not ended.",
)
@click.pass_context
def jobs(context: click.Context, data: Path | None, as_json: bool, limit: int) -> None:
    """List the newest jobs, and those not yet ended: dataset checks, trainings and transforms, with their progress."""
    if context.invoked_subcommand is not None:
        _hand_down(context, context.invoked_subcommand)
        return
    with opened(data) as folder:
        with folder.store.read() as connection:
            found = _listed(connection, limit)
        if as_json:
            click.echo(json.dumps([_document(job, folder.served) for job in found], indent=2))
        else:
            _print(found, folder.served)
        _tell(folder, found)


@jobs.command()
@click.argument("job_id")
@options.data
@_json
def show(job_id: str, data: Path | None, as_json: bool) -> None:
    """Show one job with its events."""
    with opened(data) as folder:
        with folder.store.read() as connection:
            job = _resolve(connection, job_id)
            events = queue.events(connection, job.id)
        document = _document(job, folder.served)
        told = [{"at": _at(event.created), "attempt": event.attempt, "message": event.message} for event in events]
        if as_json:
            click.echo(json.dumps(document | {"events": told}, indent=2))
        else:
            for name, value in document.items():
                click.echo(f"{name}: {'' if value is None else value}")
            for event in events:
                click.echo(f"{_at(event.created)}  [{event.attempt}]  {event.message}")
        _tell(folder, [job])


@jobs.command()
@click.argument("job_id")
@options.data
def cancel(job_id: str, data: Path | None) -> None:
    """Ask for a job to be cancelled; the worker looks at least every 30 seconds."""
    with opened(data) as folder:
        with folder.store.write() as connection:
            job = _resolve(connection, job_id)
            asked = queue.request_cancel(connection, job.id, system_clock())
        click.echo(f"cancellation of {job.id} was asked for" if asked else f"{job.id} has ended already")
        _tell(folder, [job])


def _hand_down(context: click.Context, name: str) -> None:
    """What was given before a subcommand counts for it; what it cannot take is a usage error."""
    command = jobs.get_command(context, name)
    taken = {parameter.name for parameter in command.params} if command else set()
    given = {
        parameter.name: parameter.opts[0]
        for parameter in jobs.params
        if parameter.name and context.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE
    }
    for parameter, option in given.items():
        if parameter not in taken:
            raise click.UsageError(f"{option} is not for `relook jobs {name}`", context)
    context.default_map = {name: {parameter: context.params[parameter] for parameter in given}}


def _tell(folder: Opened, shown: Sequence[Job]) -> None:
    """Say that jobs wait, where they do: on standard error, for the rows may be read by a program."""
    if not folder.served and any(not ended(job.state) for job in shown):
        start = f"relook serve --data {shlex.quote(str(folder.root))}"
        click.echo(f"no server runs on {folder.root}: its jobs wait until one is started ({start})", err=True)


def _listed(connection: Connection, limit: int) -> list[Job]:
    """The newest jobs, then those before them that have not ended."""
    newest = queue.list_jobs(connection, limit=limit)
    shown = {job.id for job in newest}
    going_on = [state for state in JobState if not ended(state)]
    older = queue.list_jobs(connection, states=going_on, limit=_SEARCHED)
    return [*newest, *(job for job in older if job.id not in shown)]


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


def _print(found: Sequence[Job], served: bool) -> None:
    """A line of short facts for each job, its ARN whole on the next, then why it failed: however narrow the terminal,
    what is to be copied stays in one piece."""
    kind = max(map(len, ["kind", *(job.kind for job in found)]))
    form = f"{{:<{_SHORT}}}  {{:<{kind}}}  {{:<{max(map(len, JobState))}}}  {{:>9}}  {{}}"
    click.echo(form.format("job", "kind", "state", "took", "progress"))
    for job in found:
        line = form.format(job.id[:_SHORT], job.kind, str(job.state), _took(job, served), _progress(job, served))
        click.echo(line.rstrip())
        for more in filter(None, (job.subject, job.reason)):
            click.echo(f"    {more}")


def _at(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else as_datetime(milliseconds).isoformat(timespec="milliseconds")


def _document(job: Job, served: bool) -> dict[str, object]:
    return {
        "id": job.id,
        "kind": job.kind,
        "subject": job.subject,
        "state": str(job.state),
        "attempt": job.attempt,
        "stage": _stage(job, served),
        "done": job.progress.done,
        "total": job.progress.total,
        "reason": job.reason,
        "created": _at(job.created),
        "started": _at(job.started),
        "finished": _at(job.finished),
    }


def _stage(job: Job, served: bool) -> str:
    """With the time that is left only while there is somebody to keep it."""
    running = job.state is JobState.RUNNING and served
    return job.progress.stage if running else without_time_left(job.progress.stage)


def _progress(job: Job, served: bool) -> str:
    if not served and not ended(job.state):
        return "waits for a server"
    if not job.progress.stage or job.state is JobState.SUCCEEDED:
        return ""
    counts = f" {job.progress.done}/{job.progress.total}" if job.progress.total else ""
    return f"{_stage(job, served)}{counts}"


def _took(job: Job, served: bool) -> str:
    """Nothing where a job lies still: nobody wrote when it was interrupted."""
    if job.started is None or (job.finished is None and not served):
        return ""
    return f"{((job.finished or system_clock()) - job.started) / 1000:.1f} s"
