"""How our processes depend on one another: no child outlives its parent, and children go first when memory runs out.

Linux only. This module imports nothing of ours, so that every process can load it before anything heavy.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from pathlib import Path

_PR_SET_PDEATHSIG = 1


class ParentGone(Exception):
    """The process that started this one has ended already; there is nobody left to work for."""


def die_with(parent: int) -> None:
    """Have the kernel kill this process as soon as the thread of `parent` that started it ends.

    Call it first thing in a child. Raises ParentGone if `parent` is not the parent (any more): the request to the
    kernel does not look back, so a parent that died before it would never be noticed. OSError where the kernel refuses.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl(PR_SET_PDEATHSIG): {os.strerror(number)}")
    if os.getppid() != parent:
        raise ParentGone(f"process {parent}, which started this one, has ended")


def volunteer_for_oom(score: int) -> None:
    """Raise this process' score (0..1000) with the kernel's out-of-memory killer, so that the server is spared.

    A courtesy: where /proc refuses (some sandboxes), the kernel's own choice stands.
    """
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(score), encoding="ascii")


def return_memory() -> None:
    """Give memory that was freed but is kept for later back to the system, where the C library can (glibc).

    Loading a model takes several times what it needs afterwards, in pieces that are not given back by themselves.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def describe_exit(returncode: int) -> str:
    """Words for a `Popen.returncode`: "exited with status 3", "was killed by SIGKILL (out of memory?)"."""
    if returncode >= 0:
        return f"exited with status {returncode}"
    try:
        name = signal.Signals(-returncode).name
    except ValueError:
        name = f"signal {-returncode}"
    hint = " (out of memory?)" if -returncode == signal.SIGKILL else ""
    return f"was killed by {name}{hint}"
