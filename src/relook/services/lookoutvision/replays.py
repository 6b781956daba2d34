"""Client tokens: a call that is repeated with its token gets the first result, instead of being done twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from relook.aws.errors import ServiceError
from relook.aws.operation import Members, RequestContext
from relook.core.clock import as_datetime
from relook.core.dates import to_milliseconds
from relook.services.lookoutvision.lookups import scope_of
from relook.store import lookoutvision_tokens as tokens

_TOKEN = "ClientToken"
_TIME = "$milliseconds"


@dataclass(frozen=True, slots=True)
class Call:
    """One call with a token, or without one (then nothing is replayed or remembered)."""

    key: tokens.TokenKey | None
    digest: str
    now: int

    @classmethod
    def of(cls, context: RequestContext, operation: str, resource: str, members: Members) -> Call:
        """`resource` is what the token is bound to, beside the operation, the account and the region."""
        token = members.get(_TOKEN)
        if token is None:
            return cls(None, "", context.now)
        key = tokens.TokenKey(scope_of(context), operation, resource, token)
        return cls(key, _digest(members), context.now)

    def replay(
        self,
        connection: Connection,
        mismatch: Callable[[str], ServiceError],
        holds: Callable[[int | None], bool] = lambda subject: True,
    ) -> Members | None:
        """The first result; None if there is none to replay.

        `holds`, given the id of the row that the first call concerned, says whether its result still agrees with
        what is: clients that use one constant token for years must get a model started, not an old answer. Raises
        `mismatch(message)` when the first call had other parameters.
        """
        first = tokens.find(connection, self.key, self.now) if self.key is not None else None
        if first is None or self.key is None:
            return None
        if first.digest != self.digest:
            raise mismatch(
                f"ClientToken {self.key.token} was used for another {self.key.operation} of {self.key.resource} "
                "less than 8 hours ago; use a new token for another request"
            )
        return _decoded(first.result) if holds(first.subject) else None

    def remember(self, connection: Connection, result: Members, subject: int | None = None) -> Members:
        """Keep the result with its token; returns it."""
        if self.key is not None:
            tokens.keep(connection, self.key, tokens.Remembered(self.digest, _encoded(result), subject), self.now)
        return result


def _digest(members: Members) -> str:
    rest = {name: value for name, value in members.items() if name != _TOKEN}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, default=_plain).encode()).hexdigest()


def _plain(value: object) -> object:
    if isinstance(value, bytes | bytearray):
        return hashlib.sha256(value).hexdigest()
    if isinstance(value, datetime):
        return to_milliseconds(value)
    raise TypeError(f"a request member of type {type(value).__name__} has no canonical form")


def _encoded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _encoded(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_encoded(item) for item in value]
    return {_TIME: to_milliseconds(value)} if isinstance(value, datetime) else value


def _decoded(value: Any) -> Any:
    if isinstance(value, Mapping):
        if set(value) == {_TIME}:
            return as_datetime(value[_TIME])
        return {name: _decoded(item) for name, item in value.items()}
    return [_decoded(item) for item in value] if isinstance(value, list) else value
