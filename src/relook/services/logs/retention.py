"""How long lines are kept: PutRetentionPolicy, DeleteRetentionPolicy, and the task that removes what is older."""

from __future__ import annotations

import asyncio
import logging

from relook.aws.operation import Members, RequestContext, operation
from relook.core.clock import Clock, system_clock
from relook.services.logs.errors import invalid
from relook.services.logs.finding import group_resource, named_group
from relook.store import logs as rows
from relook.store.engine import Store

_log = logging.getLogger(__name__)
_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
_AT_ONCE = 1000
"""Lines removed in one transaction, so that nobody waits long to write."""


class Retention:
    def __init__(self, store: Store) -> None:
        self._store = store

    @operation("PutRetentionPolicy", resource=group_resource)
    def put(self, context: RequestContext, members: Members) -> None:
        if members["retentionInDays"] not in _DAYS:
            raise invalid(f"retentionInDays must be one of {', '.join(map(str, _DAYS))}")
        self._set(context, members, members["retentionInDays"])

    @operation("DeleteRetentionPolicy", resource=group_resource)
    def delete(self, context: RequestContext, members: Members) -> None:
        """From then on lines are kept for ever."""
        self._set(context, members, None)

    def _set(self, context: RequestContext, members: Members, days: int | None) -> None:
        with self._store.write() as connection:
            rows.set_retention(connection, named_group(connection, context, members).id, days)


class Expiry:
    """Removes the lines that are too old, at the start and every `seconds` after."""

    def __init__(self, store: Store, *, clock: Clock = system_clock, seconds: float = 3600.0) -> None:
        self._store = store
        self._clock = clock
        self._seconds = seconds
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Needs a running event loop."""
        self._task = asyncio.create_task(self._run(), name="log-expiry")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def remove(self, most: int = _AT_ONCE) -> bool:
        """At most `most` lines; whether there may be more."""
        with self._store.write() as connection:
            return rows.expire(connection, self._clock(), most) == most

    async def _run(self) -> None:
        while True:
            try:
                while await asyncio.to_thread(self.remove):
                    pass
            except Exception:
                # As with every task: the next time may go well, and the log tells what did not.
                _log.exception("old log lines could not be removed")
            await asyncio.sleep(self._seconds)
