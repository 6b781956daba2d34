"""What autoscaling may know and do of production variants: the seam that app.py hands over."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection

from relook.core.endpoint_states import EndpointStatus
from relook.core.names import Scope
from relook.core.scaling import VariantState
from relook.services.sagemaker.endpoints import Endpoints
from relook.services.sagemaker.hosting import Hosting
from relook.store import sagemaker_endpoints as rows
from relook.store.engine import Store


class VariantScaling:
    """Callable from any thread."""

    def __init__(self, store: Store, endpoints: Endpoints, hosting: Hosting) -> None:
        self._store = store
        self._endpoints = endpoints
        self._hosting = hosting

    def state(self, scope: Scope, endpoint: str, variant: str) -> VariantState | None:
        """None when there is no such endpoint, or none of its variants has this name."""
        with self._store.read() as connection:
            found = rows.find(connection, scope, endpoint)
        wanted = found.wanted.variant(variant) if found is not None else None
        if found is None or wanted is None:
            return None
        return VariantState(wanted.count, found.status is not EndpointStatus.IN_SERVICE)

    def scale(
        self, scope: Scope, endpoint: str, variant: str, count: int, record: Callable[[Connection], None]
    ) -> None:
        """Want so many instances; `record` writes in the same transaction. ServiceError, as while a change runs."""
        self._endpoints.scale(scope, endpoint, variant, count, record)

    def invocations(self, scope: Scope, endpoint: str, variant: str, minutes: int) -> list[float]:
        """Per instance, of each of the last whole minutes, oldest first."""
        return self._hosting.invocations(scope, endpoint, variant, minutes)
