"""The memory of a process and of all that it started, from /proc."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Process:
    pid: int
    parent: int
    name: str


@dataclass(frozen=True, slots=True)
class Memory:
    """MiB of so many processes: `resident` counts pages that they share once, `counted_twice` with each of them."""

    processes: int
    resident: float
    counted_twice: float


def family(pid: int) -> list[Process]:
    """The process, first, and its descendants, in sandboxes too."""
    running = _running()
    found = [each for each in running if each.pid == pid]
    for parent in found:  # grows meanwhile
        found += [each for each in running if each.parent == parent.pid]
    return found


def memory(pid: int) -> Memory:
    """Of the process and its descendants. Raises PermissionError for those of another user."""
    sizes = [size for each in family(pid) if (size := _size(each.pid)) is not None]
    return Memory(len(sizes), sum(shared for shared, _ in sizes), sum(whole for _, whole in sizes))


def _running() -> list[Process]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            before, _, after = (folder / "stat").read_text("utf-8", "replace").rpartition(")")
        except (FileNotFoundError, ProcessLookupError):
            continue
        found.append(Process(int(folder.name), int(after.split()[1]), before.partition("(")[2]))
    return found


def _size(pid: int) -> tuple[float, float] | None:
    """MiB of PSS and of RSS; None for a process that has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return None
    values = {line.split(":")[0]: line.split()[1] for line in lines if line.endswith(" kB")}
    if not values:
        return None  # it has ended, and its parent has not yet heard
    return int(values["Pss"]) / 1024, int(values["Rss"]) / 1024
