"""The worker with real processes: what happens to a job when everything around it may die."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from stage import PATIENCE, Puppet, Stage

from relook.jobs.states import JobState
from relook.jobs.worker import Worker

StageOf = Callable[..., Stage]


@pytest.fixture
def stage_of(tmp_path: Path) -> Iterator[StageOf]:
    stages: list[Stage] = []

    def build(**policy: float) -> Stage:
        stages.append(Stage(tmp_path, **policy))
        return stages[-1]

    yield build
    for stage in stages:
        stage.close()


@pytest.fixture
def stage(stage_of: StageOf) -> Stage:
    return stage_of()


def finish(puppet: Puppet, line: str = "succeed") -> None:
    puppet.send(line)
    puppet.wait_for_end()


def test_success_is_written_with_its_completion(stage: Stage) -> None:
    stage.start()
    job = stage.enqueue("a")
    puppet = stage.accept()
    assert stage.find(job).state is JobState.RUNNING
    assert stage.find(job).pid == puppet.pid
    puppet.tell("progress features 3 10")
    puppet.tell("log weights: resnet18")
    finish(puppet)
    assert stage.find(job).state is JobState.SUCCEEDED
    assert stage.find(job).progress.done == 3
    assert stage.outcomes() == [("a", "succeeded")]
    assert stage.history(job) == ["queued", "started, attempt 1", "weights: resnet18", "succeeded"]
    assert stage.stop() == 0


def test_jobs_queued_before_the_worker_starts_run(stage: Stage) -> None:
    jobs = [stage.enqueue(name) for name in "ab"]
    stage.start()
    for _ in jobs:
        finish(stage.accept())
    assert [stage.find(job).state for job in jobs] == [JobState.SUCCEEDED] * 2


def test_a_job_that_a_running_one_puts_into_the_queue_starts_beside_it(stage_of: StageOf) -> None:
    stage = stage_of(unasked=1e6)
    stage.start()
    stage.enqueue("a", lane="training", kind="trainer")
    first = stage.accept()
    stage.enqueue("b", wake=False)  # as the process of a job does, which cannot wake the worker
    assert stage.accept().name == "b"
    finish(first)


def test_a_job_that_fails_is_not_tried_again(stage: Stage) -> None:
    stage.start()
    job = stage.enqueue("a")
    finish(stage.accept(), "fail line 3: no source-ref")
    found = stage.find(job)
    assert (found.state, found.reason, found.attempt) == (JobState.FAILED, "line 3: no source-ref", 1)
    assert stage.outcomes() == [("a", "failed: line 3: no source-ref")]


def test_an_unexpected_exception_fails_at_once_and_leaves_its_traceback(stage: Stage) -> None:
    stage.start()
    job = stage.enqueue("a")
    finish(stage.accept(), "raise surprise")
    assert stage.find(job).reason == "internal error: RuntimeError: surprise"
    assert any("Traceback" in line and "surprise" in line for line in stage.history(job))


def test_a_killed_job_runs_again_and_fails_after_its_last_attempt(stage: Stage) -> None:
    stage.start()
    job = stage.enqueue("a")
    for attempt in (1, 2, 3):
        puppet = stage.accept()
        assert puppet.attempt == attempt
        finish(puppet, "crash")
    assert stage.stop() == 0
    found = stage.find(job)
    assert found.state is JobState.FAILED
    assert "SIGKILL (out of memory?)" in found.reason
    assert "attempt 3 of 3" in found.reason
    assert stage.outcomes() == [("a", f"failed: {found.reason}")]


def test_a_process_that_ends_without_a_result_counts_as_a_crash(stage: Stage) -> None:
    stage.start()
    job = stage.enqueue("a")
    finish(stage.accept(), "exit 0")
    finish(stage.accept())
    assert stage.find(job).state is JobState.SUCCEEDED
    assert any("exited with status 0 before the job was done" in line for line in stage.history(job))


def test_a_hung_job_is_killed_and_runs_again(stage_of: StageOf) -> None:
    stage = stage_of(lease=15, beat=0.1)
    stage.start()
    job = stage.enqueue("a")
    finish(stage.accept(), "stop-moving")
    finish(stage.accept())
    assert stage.find(job).state is JobState.SUCCEEDED
    assert any("it hung" in line for line in stage.history(job))


def test_a_job_that_only_sits_there_loses_its_lease(stage_of: StageOf) -> None:
    stage = stage_of(lease=15, beat=0.1, stall=0.2)
    stage.start()
    stage.enqueue("a")
    stage.accept().wait_for_end()
    assert stage.accept().attempt == 2


def test_a_slow_job_keeps_its_lease(stage_of: StageOf) -> None:
    stage = stage_of(lease=15, beat=0.7)
    stage.start()
    job = stage.enqueue("a")
    puppet = stage.accept()
    leases = {stage.find(job).lease_until}
    while len(leases) < 23:  # so many beats take longer than the lease
        leases.add(stage.find(job).lease_until)
    finish(puppet)
    assert stage.find(job).attempt == 1


def test_a_killed_worker_takes_its_jobs_along_and_the_next_one_runs_them(stage: Stage) -> None:
    stage.start()
    job = stage.enqueue("a")
    puppet = stage.accept()
    stage.kill()
    puppet.wait_for_end()
    assert stage.find(job).state is JobState.RUNNING
    stage.start()
    again = stage.accept()
    assert (again.job, again.attempt) == (job, 2)
    finish(again)
    assert stage.find(job).state is JobState.SUCCEEDED


def test_an_orderly_stop_gives_the_attempt_back(stage: Stage) -> None:
    stage.start()
    job = stage.enqueue("a")
    stage.accept().send("until-cancelled")
    assert stage.stop() == 0
    found = stage.find(job)
    assert (found.state, found.attempt, found.reason) == (JobState.QUEUED, 0, "the worker was stopped")
    stage.start()
    assert stage.accept().attempt == 1


def test_a_signal_stops_the_worker_and_a_deaf_job_is_killed(stage_of: StageOf) -> None:
    stage = stage_of(grace=0.2)
    worker = stage.start()
    job = stage.enqueue("a")
    puppet = stage.accept()
    puppet.tell("deaf")
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(PATIENCE) == 0
    puppet.wait_for_end()
    assert (stage.find(job).state, stage.find(job).attempt) == (JobState.QUEUED, 0)


def test_lanes_do_not_wait_for_each_other(stage: Stage) -> None:
    stage.start()
    stage.enqueue("training 1", kind="trainer", lane="training")
    first = stage.accept()
    waiting = stage.enqueue("training 2", kind="trainer", lane="training")
    stage.enqueue("check")
    check = stage.accept()
    assert check.name == "check"
    assert stage.find(waiting).state is JobState.QUEUED
    finish(first)
    assert stage.accept().name == "training 2"


def test_a_running_job_is_cancelled_at_its_next_report(stage: Stage) -> None:
    stage.start()
    job = stage.enqueue("a")
    puppet = stage.accept()
    puppet.send("until-cancelled")
    assert stage.cancel(job)
    assert not stage.cancel(job)
    puppet.wait_for_end()
    assert (stage.find(job).state, stage.find(job).reason) == (JobState.CANCELLED, "It was cancelled.")
    assert stage.outcomes() == [("a", "failed: It was cancelled.")]


def test_a_deaf_job_is_cancelled_by_force(stage_of: StageOf) -> None:
    stage = stage_of(grace=0.2)
    stage.start()
    job = stage.enqueue("a")
    puppet = stage.accept()
    puppet.tell("deaf")
    stage.cancel(job)
    puppet.wait_for_end()
    assert stage.stop() == 0
    assert stage.find(job).state is JobState.CANCELLED


def test_a_queued_job_is_cancelled_without_running(stage: Stage) -> None:
    stage.start()
    stage.enqueue("training 1", kind="trainer", lane="training")
    first = stage.accept()
    job = stage.enqueue("training 2", kind="trainer", lane="training")
    stage.cancel(job)
    finish(first)
    assert stage.stop() == 0
    assert stage.find(job).state is JobState.CANCELLED
    assert ("training 2", "failed: It was cancelled.") in stage.outcomes()


def test_a_full_disk_is_waited_out(stage: Stage) -> None:
    stage.start()
    job = stage.enqueue("a")
    finish(stage.accept(), "no-space")
    finish(stage.accept(), "outgrow")
    finish(stage.accept(), "no-space")
    assert stage.stop() == 0
    found = stage.find(job)
    assert found.state is JobState.FAILED
    assert found.reason == "the disk is full: free space where the data folder lies (attempt 3 of 3)"


def test_the_worker_survives_a_disk_too_full_for_its_own_writes(stage: Stage) -> None:
    worker = stage.start(stderr=subprocess.PIPE)
    assert worker.stderr is not None
    job = stage.enqueue("a")
    puppet = stage.accept()
    before = resource.prlimit(worker.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (1024, before[1]))
    finish(puppet, "crash")
    waiting = stage.enqueue("b")
    with worker.stderr:
        assert any(b"could not write, and tries again" in line for line in worker.stderr)
        assert stage.find(job).state is JobState.RUNNING
        assert stage.find(waiting).state is JobState.QUEUED
        resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, before)
        for _ in range(2):
            finish(stage.accept())
    assert stage.find(job).state is JobState.SUCCEEDED
    assert stage.find(waiting).state is JobState.SUCCEEDED


def test_a_kind_that_cannot_fail_still_ends_its_job(stage: Stage) -> None:
    stage.start()
    job = stage.enqueue("a", broken_fail=True)
    for _ in range(3):
        finish(stage.accept(), "crash")
    assert stage.stop() == 0
    assert stage.find(job).state is JobState.FAILED
    assert "recording it failed: RuntimeError: this kind cannot fail" in stage.find(job).reason


def test_a_job_of_an_unknown_kind_fails_with_its_name(stage: Stage) -> None:
    stage.start()
    job = stage.enqueue("a", kind="sculpt", lane="studio")  # a lane that nobody named has room for one job
    stage.enqueue("b", lane="studio")
    assert stage.accept().name == "b"
    assert (stage.find(job).state, stage.find(job).reason) == (
        JobState.FAILED,
        "this version of Relook has no job of kind 'sculpt'",
    )


def test_a_second_worker_is_refused(stage_of: StageOf) -> None:
    stage = stage_of(grace=-4.9)  # so that it waits a tenth of a second for the first
    first = stage.start()
    stage.enqueue("a")
    stage.accept()
    second = subprocess.run(stage.command(), stdin=subprocess.PIPE, capture_output=True, timeout=PATIENCE, check=False)
    assert second.returncode == 1
    assert f"(process {first.pid}) works on this data folder" in second.stderr.decode()


def test_random_kills_never_lose_a_job(stage: Stage) -> None:
    chosen = random.Random(7)
    stage.start()
    jobs = [stage.enqueue(name, kind="trainer", lane="training") for name in "abcdef"]
    ended = 0
    while ended < len(jobs):
        puppet = stage.accept()
        act = chosen.choice(("succeed", "crash", "kill worker")) if puppet.attempt < 3 else "succeed"
        if act == "kill worker":
            stage.kill()
            puppet.wait_for_end()
            stage.start()
            continue
        finish(puppet, act)
        ended += act == "succeed"
    assert stage.stop() == 0
    assert {stage.find(job).state for job in jobs} == {JobState.SUCCEEDED}
    assert sorted(stage.outcomes()) == [(name, "succeeded") for name in "abcdef"]


def test_the_server_replaces_a_dead_worker(stage: Stage) -> None:
    worker = Worker(stage.command())
    worker.start()
    try:
        stage.enqueue("a")
        worker.wake()
        puppet = stage.accept()
        pid = worker.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        puppet.wait_for_end()
        again = stage.accept()
        assert again.attempt == 2
        finish(again)
        job = stage.enqueue("b")
        worker.wake()
        finish(stage.accept())
        assert stage.find(job).state is JobState.SUCCEEDED
    finally:
        worker.close()
    assert worker.pid is None
    assert "job-worker" not in {thread.name for thread in threading.enumerate()}
