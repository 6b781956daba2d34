"""The loop that acts on scalable targets: looks at each every few seconds, and wants another number of instances."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from sqlalchemy import Connection

from relook.aws.errors import ServiceError
from relook.core.clock import Clock, system_clock
from relook.core.scaling import IN_MINUTES, Bounds, Decision, Past, VariantState, decide
from relook.services.autoscaling.policies import tracking_of
from relook.services.autoscaling.resources import Scalable, VariantName, variant_of
from relook.store import autoscaling as rows
from relook.store.autoscaling import Activity, Policy, Target
from relook.store.engine import Store

_log = logging.getLogger(__name__)
_MINUTE = 60_000
_AFTER_FAILURE = 5 * _MINUTE


class Autoscaler:
    """`seconds` lie between two looks. Minutes before it was made count for nothing: nobody counted requests then."""

    def __init__(self, store: Store, scalable: Scalable, *, clock: Clock = system_clock, seconds: float = 10.0) -> None:
        self._store = store
        self._scalable = scalable
        self._clock = clock
        self._seconds = seconds
        self._since = clock()
        self._failed: dict[int, tuple[int, int]] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look; needs a running event loop."""
        self._task = asyncio.create_task(self._run(), name="autoscaling")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def look(self) -> None:
        """Look at every target once, and act. Trouble with one is nothing to the others."""
        with self._store.read() as connection:
            activities = rows.open_activities(connection)
            found = [(target, rows.policies_of(connection, target)) for target in rows.every_target(connection)]
        resources = {(activity.scope, activity.resource) for activity in activities}
        resources |= {(target.scope, target.resource) for target, _ in found}
        states = {each: self._scalable.state(each[0], *variant_of(each[1])) for each in resources}
        for activity in activities:
            self._settle(activity, states[activity.scope, activity.resource])
        for target, policies in found:
            try:
                self._look_at(target, policies, states[target.scope, target.resource])
            except Exception:
                _log.exception("a look at %s failed", target.resource)

    def _look_at(self, target: Target, policies: Sequence[Policy], state: VariantState | None) -> None:
        if state is None:
            self._forget(target)
        elif not state.changing:
            variant = variant_of(target.resource)
            rules = {policy.name: tracking_of(policy.configuration) for policy in policies}
            now = self._clock()
            metric = self._metric(target, variant, now) if rules else []
            past = Past(target.scaled_out, target.scaled_in)
            decision = decide(state.count, _bounds(target), rules, metric, past, now)
            if decision is not None:
                self._act(target, variant, state, decision, now)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            try:
                await asyncio.to_thread(self.look)
            except Exception:
                # As with every controller: the next look may go well, and the log tells what did not.
                _log.exception("a look at the scalable targets failed")

    def _metric(self, target: Target, variant: VariantName, now: int) -> list[float]:
        since = max(self._since, target.created)
        whole = now // _MINUTE - -(-since // _MINUTE)
        if whole <= 0:
            return []
        return self._scalable.invocations(target.scope, *variant, min(whole, IN_MINUTES))

    def _settle(self, activity: Activity, state: VariantState | None) -> None:
        """Say how a change has ended that is in progress no more, though its target may be gone."""
        if state is not None and state.changing:
            return
        status = rows.FAILED
        if state is None:
            message = "The variant was deleted"
        elif state.count == activity.count:
            status = rows.SUCCESSFUL
            message = f"Successfully set desired instance count to {activity.count}. Change successfully fulfilled."
        else:
            message = f"The endpoint has {state.count} instances; its FailureReason may tell why"
        with self._store.write() as connection:
            rows.end_activity(connection, activity.id, status, message, self._clock())

    def _act(self, target: Target, variant: VariantName, state: VariantState, decision: Decision, now: int) -> None:
        wanted, last = self._failed.get(target.id, (None, 0))
        if wanted == decision.count and now - last < _AFTER_FAILURE:
            return
        way = "scaled_out" if decision.count > state.count else "scaled_in"

        def record(connection: Connection) -> None:
            rows.add_activity(connection, target, decision.count, decision.cause, now)
            rows.change_target(connection, target.id, **{way: now})

        try:
            self._scalable.scale(target.scope, *variant, decision.count, record)
            self._failed.pop(target.id, None)
        except ServiceError as error:
            self._failed[target.id] = (decision.count, now)
            with self._store.write() as connection:
                rows.add_activity(connection, target, decision.count, decision.cause, now, error.message)

    def _forget(self, target: Target) -> None:
        """Its variant is gone for good."""
        with self._store.write() as connection:
            rows.remove_target(connection, target.id)
        self._failed.pop(target.id, None)


def _bounds(target: Target) -> Bounds:
    return Bounds(
        target.least,
        target.most,
        in_suspended=target.suspended.get("DynamicScalingInSuspended", False),
        out_suspended=target.suspended.get("DynamicScalingOutSuspended", False),
    )
