"""Durable jobs: what a kind of job is, and what its code may do while it runs.

A row of `jobs` is written in the same transaction as the state that the job will change (`queue.enqueue`), and ended
in the same transaction as the state it leaves behind (the Completion that `run` returns, or `fail`). So a resource is
never stuck: a killed job runs again, at most `max_attempts` times, and then fails with a reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import Connection

Payload = Mapping[str, Any]
"""JSON values only."""
Completion = Callable[[Connection], None]


class JobFailed(Exception):
    """The job cannot succeed, however often it is tried; the message is for the user."""


class JobCancelled(Exception):
    """Raised inside a job at its next report of progress once its cancellation was asked for."""


class JobContext(Protocol):
    """The running job's way to the outside."""

    job_id: str
    attempt: int

    def progress(self, stage: str, done: int, total: int) -> None:
        """Say how far it is; cheap, throttled; raises JobCancelled."""
        ...

    def log(self, message: str) -> None:
        """Append a line to the job's events."""
        ...


@dataclass(frozen=True, slots=True)
class JobKind:
    """A kind of job. `run` and `fail` are called in a child process of the worker, `fail` also in the worker itself.

    `run` does the work and returns what to write in the transaction that marks the job as succeeded; `fail` writes,
    in the transaction that marks it as failed, what failure means for the resource, given the reason. Both must be
    safe to repeat: a crash between work and commit runs the job again.
    """

    name: str
    lane: str
    run: Callable[[JobContext, Payload], Completion]
    fail: Callable[[Connection, Payload, str], None]
    max_attempts: int = 3
