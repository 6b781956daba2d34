"""Model archives for the tests, and whose they are."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Mapping

ACCOUNT = "123456789012"
Put = Callable[[str, bytes], str]
"""Stores an object under a key; gives its address."""


def tar_gz(files: Mapping[str, bytes], compression: str = "w:gz") -> bytes:
    """An archive of plain files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=compression) as tar:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
