"""Errors as AWS clients receive them: data (code, status, message, members), raised anywhere, serialised in one place.

ServiceError
 +-- ValidationError          a constraint of the service model is broken
 +-- UnknownOperationError    the service exists, the operation does not
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ServiceError(Exception):
    """An error answer. `members` are the modelled members beside the message, under their wire names.

    `logged` stands in the server's log in the message's place, where that quotes what is not the server's to keep.
    """

    def __init__(
        self,
        code: str,
        message: str,
        status: int = 400,
        *,
        members: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        logged: str | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.logged = message if logged is None else logged
        self.status = status
        self.members = dict(members or {})
        self.headers = dict(headers or {})
