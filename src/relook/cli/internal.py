"""The commands by which our own processes start one another; not for users, and not listed."""

from __future__ import annotations

import sys

import click

from relook import app, logs
from relook.cli.failing import fail
from relook.jobs.lock import WorkerRunning
from relook.settings import Settings


@click.command(hidden=True)
@click.argument("settings")
@click.argument("server", type=int)
def worker(settings: str, server: int) -> None:
    """The job worker of the server with this process id."""
    logs.configure()
    try:
        app.run_worker(Settings.restore(settings), server)
    except WorkerRunning as error:
        fail(error)


@click.command(hidden=True)
@click.argument("settings")
@click.argument("job_id")
def job(settings: str, job_id: str) -> None:
    """One job that the worker has claimed."""
    logs.configure()
    sys.exit(app.run_job(Settings.restore(settings), job_id))
