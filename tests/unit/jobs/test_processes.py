from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from relook import processes


def test_exits_are_put_in_words() -> None:
    assert processes.describe_exit(3) == "exited with status 3"
    assert processes.describe_exit(-signal.SIGKILL) == "was killed by SIGKILL (out of memory?)"
    assert processes.describe_exit(-signal.SIGSEGV) == "was killed by SIGSEGV"
    assert processes.describe_exit(-63) == "was killed by signal 63"


def test_a_child_whose_parent_has_gone_is_told() -> None:
    code = "import sys; from relook import processes; processes.die_with(int(sys.argv[1]))"
    orphan = subprocess.run([sys.executable, "-c", code, "1"], capture_output=True, text=True, check=False)
    assert "ParentGone: process 1, which started this one, has ended" in orphan.stderr
    child = subprocess.run([sys.executable, "-c", code, str(os.getpid())], capture_output=True, text=True, check=False)
    assert (child.returncode, child.stderr) == (0, "")


def test_a_child_is_first_in_line_when_memory_runs_out() -> None:
    code = (
        "from relook import processes; processes.volunteer_for_oom(456); print(open('/proc/self/oom_score_adj').read())"
    )
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    if not os.access("/proc/self/oom_score_adj", os.W_OK):
        pytest.skip("/proc does not let processes change their score here")
    assert child.stdout.split() == ["456"]


def test_freed_memory_is_given_back() -> None:
    """Thousands of small pieces below one that stays: the C library keeps them until it is asked."""
    code = """
import ctypes
from relook import processes

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]

def anonymous():
    return int(next(line for line in open("/proc/self/smaps_rollup") if line.startswith("Anonymous")).split()[1])

blocks = [libc.malloc(8000) for _ in range(8000)]
for block in blocks:
    ctypes.memset(block, 1, 8000)
for block in blocks[:-1]:
    libc.free(block)
before = anonymous()
processes.return_memory()
print(before - anonymous())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 50_000  # of 62,500 KiB
