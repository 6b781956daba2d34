"""The queue's functions against a model in memory, and what they refuse."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from relook.jobs import queue
from relook.jobs.states import TRANSITIONS, JobState, ended
from relook.store.engine import Store

LANES = ("dataset", "training")


@dataclass
class ModelJob:
    lane: str
    available: int
    state: JobState = JobState.QUEUED
    attempt: int = 0
    cancel: bool = False


class QueueMachine(RuleBasedStateMachine):
    """Every sequence of calls leaves the rows as the model has them, and lost claims are refused."""

    claims: Bundle[queue.Claim] = Bundle("claims")

    @initialize()
    def open(self) -> None:
        self.folder = TemporaryDirectory()
        self.store = Store.open(Path(self.folder.name) / "relook.db")
        self.model: dict[str, ModelJob] = {}
        self.held: set[queue.Claim] = set()
        self.now = 1000
        self.workers = 0

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            self.folder.cleanup()

    @rule(lane=st.sampled_from(LANES))
    def enqueue(self, lane: str) -> None:
        with self.store.write() as connection:
            job = queue.enqueue(connection, kind="k", lane=lane, subject="s", payload={"n": 1}, now=self.now)
        self.model[job] = ModelJob(lane, self.now)

    @rule(by=st.integers(1, 50))
    def time_passes(self, by: int) -> None:
        self.now += by

    @rule(target=claims, full=st.sets(st.sampled_from(LANES)))
    def claim(self, full: set[str]) -> object:
        self.workers += 1
        with self.store.write() as connection:
            job = queue.claim(
                connection, worker=f"w{self.workers}", worker_pid=1, now=self.now, lease_until=self.now, full_lanes=full
            )
        ready = [
            name
            for name, one in self.model.items()
            if one.state is JobState.QUEUED and not one.cancel and one.available <= self.now and one.lane not in full
        ]
        assert (job.id if job else None) == (ready[0] if ready else None)
        if job is None:
            return multiple()
        self.model[job.id].state = JobState.RUNNING
        self.model[job.id].attempt += 1
        self.held.add(job.claim)
        return job.claim

    @rule(held=claims)
    def beat(self, held: queue.Claim) -> None:
        if held not in self.held:
            with pytest.raises(queue.ClaimLost), self.store.write() as connection:
                queue.beat(connection, held, pid=7, lease_until=self.now)
            return
        with self.store.write() as connection:
            assert queue.beat(connection, held, pid=7, lease_until=self.now) == self.model[held.job_id].cancel

    @rule(held=claims, how=st.sampled_from([queue.fail, queue.cancel, queue.succeed]))
    def end(self, held: queue.Claim, how: object) -> None:
        state = {queue.fail: JobState.FAILED, queue.cancel: JobState.CANCELLED, queue.succeed: JobState.SUCCEEDED}[how]  # type: ignore[index]
        arguments = (self.now,) if how is queue.succeed else ("why", self.now)
        if held not in self.held:
            with pytest.raises(queue.ClaimLost), self.store.write() as connection:
                how(connection, held, *arguments)  # type: ignore[operator]
            return
        with self.store.write() as connection:
            how(connection, held, *arguments)  # type: ignore[operator]
        self.model[held.job_id].state = state
        self.held.discard(held)

    @rule(held=consumes(claims), wait=st.integers(0, 30), counted=st.booleans())
    def requeue(self, held: queue.Claim, wait: int, counted: bool) -> None:
        if held not in self.held:
            return
        with self.store.write() as connection:
            queue.requeue(connection, held, "why", now=self.now, available=self.now + wait, counted=counted)
        job = self.model[held.job_id]
        job.state, job.available, job.attempt = JobState.QUEUED, self.now + wait, job.attempt - (not counted)
        self.held.discard(held)

    @rule(data=st.data())
    def request_cancel(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(["absent", *self.model]))
        model = self.model.get(job)
        expected = model is not None and not model.cancel and not ended(model.state)
        with self.store.write() as connection:
            assert queue.request_cancel(connection, job, self.now) == expected
        if model is not None and expected:
            model.cancel = True

    @rule()
    def cancel_what_is_queued(self) -> None:
        with self.store.write() as connection:
            found = queue.to_cancel(connection)
            assert {job.id for job in found} == {
                name for name, one in self.model.items() if one.cancel and not ended(one.state)
            }
            for job in found:
                done = queue.cancel_queued(connection, job.id, "cancelled", self.now)
                assert done == (self.model[job.id].state is JobState.QUEUED)
                if done:
                    self.model[job.id].state = JobState.CANCELLED

    @invariant()
    def rows_are_as_the_model_says(self) -> None:
        if not hasattr(self, "store"):
            return
        with self.store.read() as connection:
            rows = {job.id: job for job in queue.list_jobs(connection, limit=1000)}
            waiting = [j.available for j in self.model.values() if j.state is JobState.QUEUED and not j.cancel]
            assert queue.next_start(connection, full_lanes=()) == min(waiting, default=None)
        assert list(reversed(rows)) == list(self.model)
        for name, model in self.model.items():
            row = rows[name]
            assert (row.state, row.attempt, row.cancel_requested) == (model.state, model.attempt, model.cancel)
            assert (row.worker is not None) == (model.state is JobState.RUNNING)
            assert (row.finished is not None) == ended(model.state)


QueueMachine.TestCase.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
TestQueueMachine = QueueMachine.TestCase


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "relook.db")


def test_nothing_leaves_an_ended_state() -> None:
    assert {state for state in JobState if ended(state)} == {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED}
    assert all(target in TRANSITIONS for targets in TRANSITIONS.values() for target in targets)


def test_a_rolled_back_enqueue_leaves_nothing(store: Store) -> None:
    job = ""
    with contextlib.suppress(ZeroDivisionError), store.write() as connection:
        job = queue.enqueue(connection, kind="k", lane="l", subject="s", payload={}, now=1)
        raise ZeroDivisionError
    assert job
    with store.read() as connection:
        assert queue.find(connection, job) is None
        assert queue.events(connection, job) == []
    store.close()


def test_jobs_are_listed_by_subject_kind_and_state(store: Store) -> None:
    with store.write() as connection:
        ids = [
            queue.enqueue(connection, kind=kind, lane="l", subject=subject, payload={}, now=1)
            for kind, subject in (("train", "a"), ("train", "b"), ("check", "b"))
        ]
        claimed = queue.claim(connection, worker="w", worker_pid=1, now=1, lease_until=2, full_lanes=())
    assert claimed is not None
    with store.read() as connection:
        assert [job.id for job in queue.list_jobs(connection)] == ids[::-1]
        assert [job.id for job in queue.list_jobs(connection, limit=1)] == ids[2:]
        assert [job.id for job in queue.list_jobs(connection, subject="b")] == [ids[2], ids[1]]
        assert [job.id for job in queue.list_jobs(connection, kind="train", subject="b")] == [ids[1]]
        assert [job.id for job in queue.list_jobs(connection, states=[JobState.RUNNING])] == ids[:1]
    store.close()


def test_progress_is_kept_and_starts_anew_with_each_attempt(store: Store) -> None:
    with store.write() as connection:
        job = queue.enqueue(connection, kind="k", lane="l", subject="s", payload={"deep": [1, {"x": None}]}, now=1)
        held = queue.claim(connection, worker="w", worker_pid=1, now=1, lease_until=2, full_lanes=())
        assert held is not None
        queue.beat(connection, held.claim, pid=9, lease_until=3, progress=queue.Progress("features", 2, 10))
    with store.write() as connection:
        found = queue.find(connection, job)
        assert found is not None
        assert (found.progress, found.pid, found.lease_until) == (queue.Progress("features", 2, 10), 9, 3)
        assert found.payload == {"deep": [1, {"x": None}]}
        queue.requeue(connection, held.claim, "crashed", now=4, available=4)
        again = queue.claim(connection, worker="w", worker_pid=1, now=5, lease_until=6, full_lanes=())
    assert again is not None
    assert again.progress == queue.Progress("", 0, 0)
    assert again.reason == "crashed"
    store.close()
