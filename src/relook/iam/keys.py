"""Access keys: who may sign requests, and with which secret.

KeyFileError    the administrator's file cannot be used
"""

from __future__ import annotations

import json
import os
import secrets
import stat
import string
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from relook.core.identity import ACCOUNT_PATTERN, Arn, Principal

_ID_ALPHABET = string.ascii_uppercase + "234567"
_SECRET_ALPHABET = string.ascii_letters + string.digits + "+/"


class KeyFileError(Exception):
    """The administrator's key file cannot be used; the message names the file, the rule and the fix."""


@dataclass(frozen=True, slots=True)
class AccessKey:
    access_key_id: str
    secret: str
    principal: Principal

    def __repr__(self) -> str:
        return f"AccessKey({self.access_key_id}, secret not shown)"


class AccessKeys(Protocol):
    def find(self, access_key_id: str) -> AccessKey | None:
        """The key of this id, or None."""
        ...


class FixedKeys:
    """A set of keys that does not change while the server runs."""

    def __init__(self, *keys: AccessKey) -> None:
        self._keys: Mapping[str, AccessKey] = {key.access_key_id: key for key in keys}

    def find(self, access_key_id: str) -> AccessKey | None:
        return self._keys.get(access_key_id)

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(self._keys)


def administrator(path: Path, account: str) -> FixedKeys:
    """The administrator's key from the file at `path`, which is made (mode 0600) on first use and never overwritten.

    KeyFileError when it cannot be read or written, others than its owner may read it, or its content is not a key of
    this account. ValueError when `account` is not 12 digits.
    """
    if not ACCOUNT_PATTERN.fullmatch(account):
        raise ValueError(f"{account!r} is not an account: it takes 12 digits")
    try:
        if not path.exists():
            _create(path, account)
        content = _read(path)
    except OSError as error:
        raise _unreadable(path, error) from error
    return FixedKeys(_key(path, content, account))


def administrators_key(path: Path) -> AccessKey:
    """The key in a file that `administrator` made, whatever its account. KeyFileError when it cannot be used."""
    try:
        content = _read(path)
    except OSError as error:
        raise _unreadable(path, error) from error
    account = content.get("account") if isinstance(content, dict) else None
    return _key(path, content, account if isinstance(account, str) else "")


def root_of(account: str, access_key_id: str) -> Principal:
    """The account itself, as AWS names its root user."""
    return Principal(account, str(Arn("iam", "", account, "root")), account, access_key_id)


def _create(path: Path, account: str) -> None:
    """Write a new key so that the file appears whole or not at all, and a second creator loses to the first."""
    content = {
        "accessKeyId": "AKIA" + "".join(secrets.choice(_ID_ALPHABET) for _ in range(16)),
        "secretAccessKey": "".join(secrets.choice(_SECRET_ALPHABET) for _ in range(40)),
        "account": account,
    }
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(descriptor, "w") as file:
            json.dump(content, file, indent=2)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(name, path)
        except FileExistsError:
            return
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    finally:
        os.unlink(name)


def _read(path: Path) -> Any:
    with path.open("rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        if mode & 0o077:
            raise KeyFileError(
                f"{path}: others may read or change the administrator's key (mode {mode:04o}): "
                f"run chmod 600 {path}, and replace the key if someone may have seen it"
            )
        try:
            return json.load(file)
        except ValueError as error:
            raise _corrupt(path, f"it is not JSON ({error})") from error


def _key(path: Path, content: Any, account: str) -> AccessKey:
    if not isinstance(content, dict):
        raise _corrupt(path, "it is not a JSON object")
    for name in ("accessKeyId", "secretAccessKey", "account"):
        if not isinstance(content.get(name), str) or not content[name]:
            raise _corrupt(path, f"{name} is missing or no text")
    if content["account"] != account:
        raise KeyFileError(
            f"{path}: the key is for account {content['account']}, this server is set up as {account}: "
            "use the same account as before, or another data folder"
        )
    identity = content["accessKeyId"]
    return AccessKey(identity, content["secretAccessKey"], root_of(account, identity))


def _unreadable(path: Path, error: OSError) -> KeyFileError:
    reason = f"{path}: the administrator's key file cannot be used ({error.strerror}): "
    return KeyFileError(reason + "check who owns the file and its folder")


def _corrupt(path: Path, why: str) -> KeyFileError:
    return KeyFileError(
        f"{path}: the administrator's key file is damaged: {why}. Put it back from a copy, or move it away "
        "and a new key is made at the next start"
    )
