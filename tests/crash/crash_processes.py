"""The processes of one data folder, found by their command lines."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Kind(StrEnum):
    SERVER = "server"
    WORKER = "worker"
    JOB = "job"
    UNIT = "unit"


@dataclass(frozen=True, slots=True)
class Process:
    """A process; a number that was given away again is not the same."""

    pid: int
    started: str
    kind: Kind


_MARKS = {b"_worker": Kind.WORKER, b"_job": Kind.JOB, b"relook.fleet.unit": Kind.UNIT, b"serve": Kind.SERVER}


def processes_of(data: Path, kind: Kind | None = None) -> list[Process]:
    """Everything that runs for the data folder now, whoever its parent is; zombies do not count."""
    found = (_look(Path(entry.path), os.fsencode(data)) for entry in os.scandir("/proc") if entry.name.isdigit())
    return [one for one in found if one is not None and kind in (None, one.kind)]


def _look(folder: Path, data: bytes) -> Process | None:
    try:
        arguments = (folder / "cmdline").read_bytes().split(b"\0")
        # What follows the command's name in parentheses: state, parent, ...; the 20th of these is the time of start.
        fields = (folder / "stat").read_text("latin-1").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    if fields[0] in "ZX" or not any(one == data or data + b"/" in one or data + b'"' in one for one in arguments):
        return None
    kind = next((kind for mark, kind in _MARKS.items() if mark in arguments), None)
    return None if kind is None else Process(int(folder.name), fields[19], kind)


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Poll. Raises AssertionError naming `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"after {seconds:g} s: not {what}")
        time.sleep(0.02)
