"""AWS's own test data: the source distribution of botocore 1.40.60, fetched once into .cache/ with pip.

It holds the SigV4 test suite (tests/unit/auth), the protocol vectors (tests/unit/protocols) and the last description of
Lookout for Vision (botocore/data/lookoutvision); only those are unpacked. Tests that use it skip, and say why, where
no package index can be reached.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

VERSION = "1.40.60"
SHA256 = "85443f1829d9240d16ba346781956ebcd104dd8e91742c2901a9b2ace198a829"
CACHE = Path(__file__).resolve().parent.parent / ".cache"

_ROOT = CACHE / f"botocore-{VERSION}-source"
_WANTED = ("tests/unit/auth/", "tests/unit/protocols/", "botocore/data/lookoutvision/")


def source_root() -> Path:
    """The unpacked source tree; skips the calling test (or module) where it can be had neither from cache nor index.

    Safe to call from several test processes at once. AssertionError when the index hands out other bytes than pinned.
    """
    if not _ROOT.is_dir():
        CACHE.mkdir(exist_ok=True)
        with _locked(CACHE / "botocore-source.lock"):
            if not _ROOT.is_dir():
                _fetch()
    return _ROOT


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _fetch() -> None:
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        archive = _download(Path(scratch))
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        assert digest == SHA256, f"{archive.name} has sha256 {digest}, expected {SHA256}: not the file we know"
        unpacked = _unpack(archive, Path(scratch) / "tree")
        unpacked.rename(_ROOT)


def _download(folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--retries=1", "--timeout=15", "--no-binary=botocore", f"--dest={folder}", f"botocore=={VERSION}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
        trouble = "" if done.returncode == 0 else done.stderr.strip()[-400:]
    except subprocess.TimeoutExpired:
        trouble = "no answer within 180 s"
    if trouble:
        pytest.skip(f"botocore {VERSION}'s source could not be fetched with pip: {trouble}", allow_module_level=True)
    return folder / f"botocore-{VERSION}.tar.gz"


def _unpack(archive: Path, target: Path) -> Path:
    prefix = f"botocore-{VERSION}/"
    with tarfile.open(archive) as tar:
        for entry in tar:
            name = entry.name.removeprefix(prefix)
            # Only plain files under the folders we read: nothing in the archive can name another place.
            if not entry.isfile() or not name.startswith(_WANTED) or ".." in Path(name).parts:
                continue
            destination = target / name
            destination.parent.mkdir(parents=True, exist_ok=True)
            content = tar.extractfile(entry)
            assert content is not None
            with content, destination.open("wb") as out:
                shutil.copyfileobj(content, out)
    return target
