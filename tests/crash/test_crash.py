"""Kill the server, its worker, its jobs and its inference units at random moments: nothing lost, nothing stuck.

Clients work on a real server with boto3 and keep a journal of every answer; each round ends with the killing of the
server under load. Then everything has to come to rest, as the journal says, with nothing left over.
"""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Protocol

import pytest
from crash_journal import Refused, Unreachable, Violation
from crash_labels import LabelActor
from crash_objects import ObjectActor
from crash_processes import Kind, processes_of, wait_until
from crash_sagemaker import RegistryActor
from crash_vision import DetectionActor, ProjectActor, TrainingActor, setup_images
from crash_world import World

VICTIMS = (Kind.JOB, Kind.UNIT, Kind.WORKER)


class Actor(Protocol):
    def step(self) -> None: ...

    def check(self) -> None: ...


def test_a_few_kills(tmp_path: Path) -> None:
    counts = crash(tmp_path / "data", seed=1, rounds=2, kills=3)
    assert min(counts[f"killed: {kind}"] for kind in Kind) >= 1
    assert counts["acknowledged"] > 50
    assert counts["not answered"] > 0


@pytest.mark.slow
def test_many_kills(tmp_path: Path) -> None:
    counts = crash(tmp_path / "data", seed=int(time.time()), rounds=16, kills=4)
    assert sum(counts[f"killed: {kind}"] for kind in Kind) >= 60
    assert min(counts[f"killed: {kind}"] for kind in Kind) >= 5
    assert counts["detections"] > 100


def crash(data: Path, *, seed: int, rounds: int, kills: int) -> dict[str, int]:
    """Rounds of load and kills, each followed by the checks; what was counted on the way."""
    rng = random.Random(seed)
    print(f"seed {seed}")
    world = World(data)
    world.start()
    try:
        actors = _actors(world, rng)
        for _ in range(rounds):
            _round(world, actors, rng, kills)
            _check(world, actors)
    except BaseException:
        print(f"seed {seed}: {dict(world.journal.counts)}\n{world.live.tail(60)}")
        raise
    finally:
        world.live.stop()
    assert processes_of(data) == []
    print(f"seed {seed}: {dict(sorted(world.journal.counts.items()))}")
    return world.journal.counts


def _actors(world: World, rng: random.Random) -> list[Actor]:
    setup_images(world)
    objects = [ObjectActor(world, name, random.Random(rng.random())) for name in ("one", "two")]
    training = TrainingActor(world, "trained", random.Random(rng.random()))
    detection = DetectionActor(world, random.Random(rng.random()))
    registry = RegistryActor(world, random.Random(rng.random()))
    labels = LabelActor(world, random.Random(rng.random()))
    for actor in (*objects, registry, labels, training, detection):
        actor.setup()
    return [*objects, registry, ProjectActor(world, random.Random(rng.random())), labels, training, detection]


def _round(world: World, actors: Sequence[Actor], rng: random.Random, kills: int) -> None:
    """Load from all actors while processes are killed, the server last; it is up again when this returns."""
    stop = threading.Event()
    threads = [threading.Thread(target=_act, args=(world, actor, stop)) for actor in actors]
    for thread in threads:
        thread.start()
    try:
        victims = [*VICTIMS, *rng.choices([*Kind], weights=(2, 2, 3, 2), k=kills)][:kills]
        for kind in rng.sample(victims, len(victims)):
            if kind is Kind.SERVER:
                stop.wait(rng.uniform(0, 1.5))
                world.restart()
            else:
                world.kill_one(kind, rng)
        stop.wait(rng.uniform(0, 1.5))
        world.restart()
    finally:
        stop.set()
        world.up.set()  # whatever happened: no actor may wait for ever
        for thread in threads:
            thread.join()
    assert world.journal.violations == []


def _act(world: World, actor: Actor, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            actor.step()
        except Unreachable:
            world.up.wait()
        except Refused:
            stop.wait(0.05)
        except Exception as error:
            world.journal.blame(f"{type(error).__name__}: {error}")
            return


def _check(world: World, actors: Sequence[Actor]) -> None:
    for actor in actors:
        actor.check()
    wait_until(lambda: not _open_jobs(world.data), 60, f"every job ended: {_open_jobs(world.data)}")
    world.restart()  # at rest: a start leaves nothing behind of what was killed before
    _check_folder(world.data)
    actors[-1].check()


def _open_jobs(data: Path) -> list[str]:
    command = [sys.executable, "-m", "relook", "jobs", "--data", str(data), "--json", "--limit", "1000"]
    listed = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    ended = ("SUCCEEDED", "FAILED", "CANCELLED")
    silent = [job for job in listed if job["state"] == "FAILED" and not job["reason"]]
    if silent:
        raise Violation(f"failed without a reason: {silent}")
    return [f"{job['kind']} {job['id']} {job['state']}" for job in listed if job["state"] not in ended]


def _check_folder(data: Path) -> None:
    """No temporary files, no bytes without a row, no artifact without a model."""
    assert list((data / "objects" / "tmp").iterdir()) == []
    files = {path.parent.name + path.name for path in (data / "objects").glob("??/*")}
    with closing(sqlite3.connect(f"file:{data / 'relook.sqlite3'}?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT file FROM object_pieces UNION SELECT file FROM object_parts").fetchall()
        artifacts = connection.execute(
            "SELECT artifact FROM lookoutvision_models WHERE artifact IS NOT NULL UNION "
            "SELECT artifact FROM rekognition_versions WHERE artifact IS NOT NULL"
        ).fetchall()
    assert files == {file for (file,) in rows}
    assert {path.name for path in (data / "artifacts").iterdir()} == {name for (name,) in artifacts}
