"""The command line of bubblewrap: what a sandboxed process may see, and nothing more.

It gets namespaces of its own for everything, no capability, no way to make more namespaces, a root that holds the
system's programs and our Python read-only, and small writable places in memory. Its user is 65534 inside; outside it
is the server's user, so that folders only the server may read can be mounted.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import relook
from relook.containers.api import Mount

USER = 65534
ROOM_BYTES = 2 << 30
"""Of each writable place in memory, where the container has no memory limit of its own."""
_SYSTEM = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_CONFIGURATION = ("/etc/ld.so.cache", "/etc/alternatives", "/etc/localtime")
_FOR_NETWORK = (
    "/etc/resolv.conf",
    "/etc/nsswitch.conf",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/ca-certificates",
    "/etc/pki/tls/certs",
    "/etc/pki/ca-trust/extracted",
)
_HARDWARE = ("/sys/devices/system/cpu", "/sys/devices/system/node")
"""How many cores and caches there are: numeric libraries plan their threads by it."""
_OF_PYTHON = ("bin", "lib", "lib32", "lib64", "pyvenv.cfg")
_SHELL = 'mount --bind /dev /dev && mount -o remount,bind,ro /dev && exec "$@"'
_READ_ONLY_DEVICES = ["unshare", "--mount", "--propagation", "private", "--", "/bin/sh", "-c", _SHELL, "sh"]
SEARCHED = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
"""Bubblewrap's own environment; nothing of it reaches what runs inside."""
_HIDDEN = (
    "kcore",
    "keys",
    "key-users",
    "kpagecount",
    "kpageflags",
    "slabinfo",
    "sysrq-trigger",
    "timer_list",
    "vmallocinfo",
)
"""In /proc, what only root may read, or write: outside, the sandbox's user is root where the server is."""


@dataclass(frozen=True, slots=True)
class View:
    """What one sandbox shows. `network` keeps the machine's network; without it there is a loopback of its own."""

    hostname: str
    mounts: tuple[Mount, ...]
    environment: Mapping[str, str]
    network: bool
    room_bytes: int


def command(bubblewrap: str) -> list[str]:
    """How bubblewrap is run. Root owns /dev/null and the like, and an owner may change its mode from inside; so for
    root the nodes are taken from a read-only view. Bubblewrap cannot make one without losing the devices.
    """
    return [*(_READ_ONLY_DEVICES if os.geteuid() == 0 else ()), bubblewrap]


def isolation(bubblewrap: str) -> list[str]:
    """The flags without which nothing is run. Bubblewrap before 0.8 cannot forbid further user namespaces."""
    flags = ["--unshare-all", "--unshare-user", "--uid", str(USER), "--gid", str(USER)]
    flags += ["--cap-drop", "ALL", "--clearenv", "--new-session", "--die-with-parent", "--as-pid-1"]
    return flags + (["--disable-userns"] if "--disable-userns" in _help(bubblewrap) else [])


def arguments(bubblewrap: str, view: View) -> list[str]:
    """Everything for bubblewrap before the command."""
    every = isolation(bubblewrap) + (["--share-net"] if view.network else []) + ["--hostname", view.hostname]
    every += _files(view.network) + _memory(view.room_bytes)
    for path in python_folders():  # after the writable places: an environment may lie in /tmp
        every += ["--ro-bind", path, path]
    for link, target in python_links():
        every += ["--symlink", target, link]
    for mount in sorted(view.mounts, key=lambda one: one.target):  # a folder before what lies in it
        every += ["--ro-bind" if mount.read_only else "--bind", str(mount.source), mount.target]
    every += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp"]
    for name, value in view.environment.items():
        every += ["--setenv", name, value]
    return every


def own_files(view: View) -> dict[str, bytes]:
    """By which programs look up their own user and host; nobody and no host of this machine is in them."""
    files = {
        "/etc/passwd": f"root:x:0:0::/:/bin/false\nsandbox:x:{USER}:{USER}::/tmp:/bin/sh\n",
        "/etc/group": f"root:x:0:\nsandbox:x:{USER}:\n",
        "/etc/hosts": f"127.0.0.1 {' '.join(dict.fromkeys(['localhost', view.hostname]))}\n::1 localhost\n",
    }
    if not view.network:  # with one it is the machine's, see _FOR_NETWORK
        files["/etc/nsswitch.conf"] = "hosts: files\n"
    return {path: text.encode() for path, text in files.items()}


def python_folders() -> list[str]:
    """Where the interpreter, its libraries and our package lie. Not whole prefixes: a data folder may lie in one."""
    prefixes = {Path(each) for each in (sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix)}
    prefixes |= {each.resolve() for each in prefixes} | {Path(sys.executable).resolve().parent.parent}
    parts = {prefix / part for prefix in prefixes for part in _OF_PYTHON}
    shown = {part for part in parts if part.exists()} | {Path(relook.__file__).parent}
    return sorted(str(each) for each in shown if not each.is_relative_to("/usr"))


def python_links() -> list[tuple[str, str]]:
    """The links, each with where it leads, that an environment finds its interpreter by in folders that are not shown:
    a name of one's own for the machine's Python, say."""
    shown = [Path(each) for each in ("/usr", *_SYSTEM, *_CONFIGURATION, *python_folders())]
    path, found = Path(sys.executable), []
    while path.is_symlink():
        target = os.readlink(path)
        if not any(path.is_relative_to(each) for each in shown):
            found.append((str(path), target))
        path = Path(os.path.normpath(path.parent / target))
    return found


def why_not(bubblewrap: str) -> str | None:
    """None where bubblewrap can build our sandbox on this machine; else the reason, with the fix."""
    try:
        shown = ["--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"]
        tried = subprocess.run(
            [*command(bubblewrap), *isolation(bubblewrap), *shown, "--", "/bin/sh", "-c", ":"],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            env=SEARCHED,
            timeout=20,
            check=False,
        )
    except FileNotFoundError:
        return "bubblewrap (bwrap) is not installed; install it (Debian: apt-get install bubblewrap)"
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"bubblewrap ({bubblewrap}) cannot be started: {error}"
    if tried.returncode == 0:
        return None
    words = tried.stderr.decode(errors="replace").strip() or f"status {tried.returncode}"
    return f"bubblewrap cannot build a sandbox here ({words}); allow user namespaces to this user, or run as root"


@cache
def _help(bubblewrap: str) -> str:
    """What it says of its options. OSError where it cannot be started; that is not remembered."""
    return subprocess.run(
        [bubblewrap, "--help"], capture_output=True, env=SEARCHED, text=True, timeout=20, check=False
    ).stdout


def _files(network: bool) -> list[str]:
    every = ["--ro-bind", "/usr", "/usr"]
    for folder in _SYSTEM:
        if os.path.islink(folder):
            every += ["--symlink", os.readlink(folder), folder]
        elif os.path.isdir(folder):
            every += ["--ro-bind", folder, folder]
    for path in (*_CONFIGURATION, *_HARDWARE, *(_FOR_NETWORK if network else ())):
        every += ["--ro-bind-try", path, path]
    return every


def _memory(room_bytes: int) -> list[str]:
    """Where it may write. What is not of its own making is read-only even to its owner: a sandbox of root's could
    otherwise write to /proc/sys, where programs are named that the kernel runs outside.
    """
    every = ["--proc", "/proc"]
    for name in _HIDDEN:
        if os.path.exists(f"/proc/{name}"):
            every += ["--ro-bind", "/dev/null", f"/proc/{name}"]
    every += ["--remount-ro", "/proc", "--dev", "/dev"]
    for folder in ("/dev/shm", "/tmp", "/opt/ml"):
        every += ["--size", str(room_bytes), "--tmpfs", folder]
    return every
