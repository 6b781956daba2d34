"""One worker per data folder."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType


class WorkerRunning(Exception):
    """Another job worker, or a job it left behind, still works on this data folder."""


@contextmanager
def hold(path: Path, patience: float) -> Iterator[int]:
    """Hold the lock file for the block, waiting up to `patience` seconds for it; yields its descriptor.

    Children inherit the descriptor, and with it the lock: it is free only once the worker and every job of it are
    gone, so whoever gets it may take all running jobs for dead. Main thread only (uses SIGALRM). Raises WorkerRunning.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _acquire(descriptor, path, patience)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, path: Path, patience: float) -> None:
    previous = signal.signal(signal.SIGALRM, _give_up)
    signal.setitimer(signal.ITIMER_REAL, patience)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except TimeoutError:
        holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip() or "unknown"
        raise WorkerRunning(
            f"{path}: another job worker (process {holder}) works on this data folder: stop it, or use another folder"
        ) from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def _give_up(number: int, frame: FrameType | None) -> None:
    raise TimeoutError
