"""Control groups, where the server may make them: versions 1, 2 and both at once (hybrid).

Where it may not, `create` says which limits nothing will hold, and the caller says so in the container's log.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from relook.containers.api import Limits

_PREFIX = "relook-"
_PERIOD = 100_000
"""Microseconds over which a share of the processors is counted."""
_GOING_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Hierarchies:
    """Per controller, the folder in which ours may lie; `unified` holds all of version 2's."""

    own: Mapping[str, Path]
    unified: frozenset[str] = frozenset()


class Cgroup:
    """One container's groups."""

    def __init__(self, folders: tuple[Path, ...]) -> None:
        self.folders = folders

    def add(self, pid: int) -> None:
        """Move a process; what it starts from now on comes along. OSError."""
        for folder in self.folders:
            (folder / "cgroup.procs").write_text(str(pid), encoding="ascii")

    def remove(self) -> None:
        """The processes must be ending; waits for the last for a few seconds. Safe to call twice. OSError."""
        until = time.monotonic() + _GOING_SECONDS
        for folder in self.folders:
            while True:
                try:
                    folder.rmdir()
                except FileNotFoundError:
                    break
                except OSError:  # busy: the kernel has no event for version 1 that could be waited for
                    if time.monotonic() > until:
                        raise
                    time.sleep(0.01)
                else:
                    break


def hierarchies() -> Hierarchies:
    """Those of this process. Empty where there are no control groups."""
    try:
        groups = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text("utf-8").splitlines()]
        mounts = [line.split() for line in Path("/proc/self/mountinfo").read_text("utf-8").splitlines()]
    except OSError:
        return Hierarchies({})
    own: dict[str, Path] = {}
    unified: frozenset[str] = frozenset()
    paths = {name: path for _, names, path in groups for name in names.split(",")}
    for fields in mounts:
        kind, options = fields[fields.index("-") + 1], fields[-1].split(",")
        if kind == "cgroup":
            own |= {name: _below(fields, paths[name]) for name in options if name in paths}
        elif kind == "cgroup2" and "" in paths:
            folder = _below(fields, paths[""])
            unified = frozenset(_words(folder / "cgroup.controllers"))
            own |= {name: folder for name in unified}
    return Hierarchies(own, unified)


def create(name: str, limits: Limits, where: Hierarchies | None = None) -> tuple[Cgroup, list[str]]:
    """Groups that hold `limits`, and in words what they cannot hold here. Leaves nothing behind where it fails."""
    where = where or hierarchies()
    folders: list[Path] = []
    missing: list[str] = []
    for controller, words in _wanted(limits).items():
        folder = where.own.get(controller, Path("/nonexistent")) / (_PREFIX + quote(name, safe=""))
        try:
            if controller in where.unified:
                _delegate(folder.parent, controller)
            _make(folder, folders)
            for file, value in _values(controller, limits, controller in where.unified).items():
                (folder / file).write_text(value, encoding="ascii")
        except OSError as error:
            missing.append(f"{words} ({error.strerror or error})")
    return Cgroup(tuple(folders)), missing


def leftover(prefix: str, where: Hierarchies | None = None) -> list[Cgroup]:
    """Groups whose container's name begins so."""
    start = _PREFIX + quote(prefix, safe="")
    found: list[Path] = []
    for folder in {*(where or hierarchies()).own.values()}:
        with contextlib.suppress(OSError):
            found += [each for each in folder.iterdir() if each.name.startswith(start) and each.is_dir()]
    return [Cgroup((folder,)) for folder in found]


def processes(group: Cgroup) -> set[int]:
    return {int(word) for folder in group.folders for word in _words(folder / "cgroup.procs")}


def _wanted(limits: Limits) -> dict[str, str]:
    wanted = {}
    if limits.memory_bytes is not None:
        wanted["memory"] = f"{limits.memory_bytes} bytes of memory"
    if limits.processes is not None:
        wanted["pids"] = f"{limits.processes} processes"
    if limits.cpus is not None:
        wanted["cpu"] = f"{limits.cpus:g} processors"
    return wanted


def _values(controller: str, limits: Limits, unified: bool) -> dict[str, str]:
    if controller == "memory":
        return {"memory.max" if unified else "memory.limit_in_bytes": str(limits.memory_bytes)}
    if controller == "pids":
        return {"pids.max": str(limits.processes)}
    quota = str(max(1000, int((limits.cpus or 0) * _PERIOD)))
    if unified:
        return {"cpu.max": f"{quota} {_PERIOD}"}
    return {"cpu.cfs_period_us": str(_PERIOD), "cpu.cfs_quota_us": quota}


def _make(folder: Path, folders: list[Path]) -> None:
    if folder not in folders:  # with version 2, one folder is for every controller
        folder.mkdir(exist_ok=True)
        folders.append(folder)


def _delegate(folder: Path, controller: str) -> None:
    """Have version 2 offer the controller to folders in this one."""
    if controller not in _words(folder / "cgroup.subtree_control"):
        (folder / "cgroup.subtree_control").write_text("+" + controller, encoding="ascii")


def _below(fields: list[str], path: str) -> Path:
    root, point = fields[3], fields[4]
    return Path(point, os.path.relpath(path, root)) if path.startswith(root) else Path(point)


def _words(file: Path) -> list[str]:
    try:
        return file.read_text("utf-8").split()
    except OSError:
        return []
