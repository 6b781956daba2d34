"""How much a container or a service manager lets this process compute."""

from __future__ import annotations

from pathlib import Path

import pytest

from relook import control_groups
from relook.control_groups import cpu_quota, free_memory, usable_cpus


def test_the_tightest_control_group_counts(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("0::/a/b\n")
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert cpu_quota(tmp_path, own) is None
    (tmp_path / "a" / "b" / "cpu.max").write_text("max 100000\n")
    assert cpu_quota(tmp_path, own) is None
    (tmp_path / "a" / "cpu.max").write_text("150000 100000\n")
    (tmp_path / "cpu.max").write_text("400000 100000\n")
    assert cpu_quota(tmp_path, own) == 1.5


def test_the_older_control_groups_are_read(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("4:cpu,cpuacct:/x\n")
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("-1\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert cpu_quota(tmp_path, own) is None
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("200000\n")
    assert cpu_quota(tmp_path, own) == 2


@pytest.mark.parametrize(
    ("limit", "usage", "idle"),
    [
        ("a/memory.max", "a/memory.current", "inactive_file"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "total_inactive_file"),
    ],
)
def test_what_the_control_group_has_taken_is_not_free(tmp_path: Path, limit: str, usage: str, idle: str) -> None:
    meminfo, group = tmp_path / "meminfo", tmp_path / "own"
    meminfo.write_text("MemTotal: 4096 kB\nMemAvailable: 4096 kB\n")
    group.write_text("0::/a/b\n")
    (tmp_path / limit).parent.mkdir(exist_ok=True)
    (tmp_path / limit).write_text(f"{3 << 20}\n")
    (tmp_path / usage).write_text(f"{2 << 20}\n")
    assert free_memory(meminfo, tmp_path, group) == (1 << 20, 3 << 20)
    (tmp_path / usage).with_name("memory.stat").write_text(f"anon {1 << 20}\n{idle} {1 << 19}\n")
    assert free_memory(meminfo, tmp_path, group) == ((1 << 20) + (1 << 19), 3 << 20)
    (tmp_path / usage).write_text(f"{4 << 20}\n")  # a limit that was lowered
    assert free_memory(meminfo, tmp_path, group) == (0, 3 << 20)


@pytest.mark.parametrize(("limit", "own"), [("a/memory.max", "0::/a/b\n"), ("memory/memory.limit_in_bytes", "")])
def test_memory_is_what_is_free_and_no_more_than_the_control_group_grants(tmp_path: Path, limit: str, own: str) -> None:
    meminfo, group, file = tmp_path / "meminfo", tmp_path / "own", tmp_path / limit
    assert free_memory(meminfo, tmp_path, group) is None
    group.write_text(own)
    (tmp_path / "a" / "b").mkdir(parents=True)
    file.parent.mkdir(exist_ok=True)
    meminfo.write_text("MemTotal:       4096 kB\nMemAvailable:   3072 kB\nHugePages_Total: 0\n")
    file.write_text("max\n")
    assert free_memory(meminfo, tmp_path, group) == (3 << 20, 4 << 20)
    file.write_text(f"{2 << 20}\n")
    assert free_memory(meminfo, tmp_path, group) == (2 << 20, 2 << 20)


@pytest.mark.parametrize(("quota", "usable"), [(None, 3), (8.0, 3), (2.0, 2), (1.5, 1), (0.2, 1)])
def test_no_more_threads_than_the_control_group_grants(
    monkeypatch: pytest.MonkeyPatch, quota: float | None, usable: int
) -> None:
    monkeypatch.setattr(control_groups.os, "sched_getaffinity", lambda process: {0, 1, 2})
    monkeypatch.setattr(control_groups, "cpu_quota", lambda: quota)
    assert usable_cpus() == usable
