"""What the kernel grants this process: CPUs and memory, as control groups of version 2 and 1 limit them.

Linux only. This module imports nothing of ours, so that every process can load it before anything heavy.
"""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")


def usable_cpus() -> int:
    """How many threads can compute at a time, at least 1: the CPUs that this process may run on, or fewer where its
    control group grants fewer. Of 1.5 CPUs one counts: threads that wait for each other wait for the half one too."""
    usable, quota = len(os.sched_getaffinity(0)), cpu_quota()
    return usable if quota is None else max(1, min(usable, int(quota)))


def cpu_quota(root: Path = ROOT, own: Path = OWN) -> float | None:
    """The least number of CPUs that this process's control group and those above it grant; None: no limit."""
    limits = [_ratio(text) for text in files("cpu.max", root, own)]
    v1_quota, v1_period = root / "cpu/cpu.cfs_quota_us", root / "cpu/cpu.cfs_period_us"
    if v1_quota.is_file() and v1_period.is_file():
        limits.append(_ratio(f"{v1_quota.read_text().strip()} {v1_period.read_text().strip()}"))
    return min((limit for limit in limits if limit is not None), default=None)


def free_memory(meminfo: Path = Path("/proc/meminfo"), root: Path = ROOT, own: Path = OWN) -> tuple[int, int] | None:
    """Bytes that can be had without swapping, and bytes in all, as far as control groups allow; None where the kernel
    does not say."""
    lines = meminfo.read_text().splitlines() if meminfo.is_file() else []
    amounts = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines if line.endswith("kB")}
    if "MemTotal" not in amounts:
        return None
    groups = [_memory(folder, "memory.max", "memory.current", "inactive_file") for folder in _folders(root, own)]
    groups.append(_memory(root / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"))
    limited = [group for group in groups if group is not None]
    total = min([amounts["MemTotal"], *(limit for _, limit in limited)])
    free = min([amounts.get("MemAvailable", total), *(free for free, _ in limited)])
    return min(free, total), total


def files(name: str, root: Path = ROOT, own: Path = OWN) -> list[str]:
    """A control file of this process's group (version 2) and of every group above it, where it can be read."""
    return [(folder / name).read_text() for folder in _folders(root, own) if (folder / name).is_file()]


def _folders(root: Path, own: Path) -> list[Path]:
    """This process's group (version 2) and those above it, up to `root`."""
    lines = own.read_text().splitlines() if own.is_file() else []
    line = next((text for text in lines if text.startswith("0::")), None)
    if line is None:
        return []
    group = root / line.removeprefix("0::").strip("/")
    return [folder for folder in (group, *group.parents) if folder.is_relative_to(root)]


def _memory(group: Path, limit: str, usage: str, cache: str) -> tuple[int, int] | None:
    """Bytes that the group can still have and its limit; None without one. Of its use, the files that nobody has read
    lately (`cache` in memory.stat) make room when it is wanted."""
    limits = group / limit
    if not limits.is_file() or not (most := limits.read_text().strip()).isdigit():
        return None
    used = int((group / usage).read_text()) if (group / usage).is_file() else 0
    stat = (group / "memory.stat").read_text().splitlines() if (group / "memory.stat").is_file() else []
    idle = next((int(line.split()[1]) for line in stat if line.startswith(f"{cache} ")), 0)
    return max(0, int(most) - max(0, used - idle)), int(most)


def _ratio(text: str) -> float | None:
    quota, _, period = text.strip().partition(" ")
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() and int(period) else None
