"""How long the worker waits for what, and the exit codes by which a child tells it how a job ended."""

from __future__ import annotations

import errno
import sqlite3
from dataclasses import dataclass
from enum import IntEnum

from sqlalchemy.exc import OperationalError

from relook.store.engine import StorageFull


@dataclass(frozen=True, slots=True)
class Policy:
    """All in seconds, but `niceness`."""

    lease: float = 60
    """A child that has not renewed its lease for so long is hung, and is killed."""
    beat: float = 15
    """How often a child renews it."""
    stall: float = 1800
    """A child whose job reported nothing for so long stops renewing it."""
    progress: float = 0.5
    """The least time between two writes of progress within a stage."""
    grace: float = 10
    """What a child has to end by itself once it was told to stop, or to cancel its job."""
    retry_delay: float = 1
    """Wait before the second attempt of a job that crashed; doubles with every further one."""
    disk_delay: float = 30
    """The same for a job that met a full disk."""
    storage_retry: float = 2
    """When to try again what the worker itself could not write."""
    unasked: float = 30
    """After so long the worker looks at the queue unasked: a lost wake-up or a stepped clock costs no more."""
    unasked_amid: float = 2
    """The same while a job runs: it may put others into the queue, and cannot wake the worker."""
    niceness: int = 5
    """By how much jobs yield the processor to the inference units."""

    def __post_init__(self) -> None:
        if self.beat >= self.lease:
            raise ValueError(f"a beat of {self.beat} s cannot keep a lease of {self.lease} s: the beat must be shorter")


class Exit(IntEnum):
    """How a child process ends. Any other status is a crash."""

    SETTLED = 0
    """The job's row says how it ended."""
    DISK_FULL = 75
    STOPPED = 76
    """It was told to stop, and the job has to start again."""
    DATABASE = 77
    """The database did not answer."""
    UNKNOWN_KIND = 78


DISK_FULL_REASON = "the disk is full: free space where the data folder lies"


def disk_full(error: BaseException | None) -> bool:
    """Whether a full disk (or a used-up quota, or a file-size limit) is behind the exception."""
    while error is not None:
        if isinstance(error, StorageFull):
            return True
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return True
        if isinstance(error, OperationalError) and "disk is full" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def machine_trouble(error: BaseException) -> bool:
    """Whether the machine is to blame and not the code (a full disk, a locked database), so that a retry may help."""
    if disk_full(error):
        return True
    # SQLite reports mistakes in the SQL (no such column) as OperationalError too; those never get better.
    mistake = getattr(getattr(error, "orig", None), "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR
    return isinstance(error, OperationalError) and not mistake
