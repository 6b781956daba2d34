"""Endpoints of our own vision runtime: how soon one is InService, many on one machine, an update under load."""

from __future__ import annotations

import http.client
import io
import random
import statistics
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import boto3

from bench.bed import RENDER_SEED, Bed, Trained, describe
from bench.memory import Memory, family, memory
from bench.results import Figure, Result, Table, Unavailable
from bench.wire import BenchFailed, Caller, Signed, Signer
from relook.containers.embedded import sandbox
from relook.demo.plan import make_plan
from relook.demo.render import SMALL, render_set
from relook.testing import LiveServer

IN_SERVICE_SECONDS = 5.0
MEMORY_GIB = 24.0
CLIENTS = 2
"""Callers of the endpoint that is updated."""
WAKE_SEED = 0
BUCKET = "bench-hosting"
_PATIENCE = 120.0
_LOOK_EVERY = 0.05
_ROLE = "arn:aws:iam::000000000000:role/bench"


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is done: `idle` is the server's `endpoint_idle_seconds`."""

    starts: int = 5
    updates: int = 5
    endpoints: int = 50
    idle: int = 20


QUICK = Plan(starts=2, updates=1, endpoints=4, idle=3)


class Site:
    """Endpoints on a server, each with a model of its own that is called as it is."""

    def __init__(self, server: LiveServer, archive: bytes) -> None:
        self.server = server
        self._archive = archive
        session = boto3.Session(**server.credentials)
        self.control, self._s3 = (session.client(name, endpoint_url=server.endpoint) for name in ("sagemaker", "s3"))
        self._s3.create_bucket(Bucket=BUCKET)

    @cached_property
    def signer(self) -> Signer:
        return Signer(self.server.variables)

    def config(self, name: str) -> None:
        """Model data, a model and a configuration, all new."""
        key = f"{name}/model.tar.gz"
        self._s3.put_object(Bucket=BUCKET, Key=key, Body=self._archive)
        container = {"Image": "builtin/vision", "ModelDataUrl": f"s3://{BUCKET}/{key}"}
        self.control.create_model(ModelName=name, ExecutionRoleArn=_ROLE, PrimaryContainer=container)
        variant = {"VariantName": "all", "ModelName": name, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
        self.control.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])

    def create(self, name: str) -> float:
        """Seconds from CreateEndpoint to InService."""
        self.config(name)
        began = time.perf_counter()
        self.control.create_endpoint(EndpointName=name, EndpointConfigName=name)
        return self._wait(name, began)

    def update(self, name: str, config: str) -> float:
        """Seconds from UpdateEndpoint to InService."""
        began = time.perf_counter()
        self.control.update_endpoint(EndpointName=name, EndpointConfigName=config)
        return self._wait(name, began)

    def delete(self, name: str) -> None:
        self.control.delete_endpoint(EndpointName=name)
        self.control.get_waiter("endpoint_deleted").wait(EndpointName=name, WaiterConfig={"Delay": 1})

    def request(self, name: str, body: bytes, kind: str) -> Signed:
        return self.signer("sagemaker", "POST", f"/endpoints/{name}/invocations", body, kind)

    def _wait(self, name: str, began: float) -> float:
        while (seconds := time.perf_counter() - began) < _PATIENCE:
            found = self.control.describe_endpoint(EndpointName=name)
            if found["EndpointStatus"] == "InService":
                return seconds
            if found["EndpointStatus"] in ("Failed", "OutOfService"):
                raise BenchFailed(f"{name}: {found['EndpointStatus']}: {found.get('FailureReason')}")
            time.sleep(_LOOK_EVERY)  # the API has no other way to wait
        raise BenchFailed(f"{name} is {found['EndpointStatus']} after {_PATIENCE:g} s")


@dataclass(slots=True)
class Answers:
    """What callers got under load. `failures` are the words of requests that were not answered with 2xx."""

    seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Fleet:
    """Many endpoints: `before` any, all `awake`, all `asleep`; seconds of calls that wake one, and of those after."""

    before: Memory
    awake: Memory
    asleep: Memory
    cold: Sequence[float]
    warm: Sequence[float]


def measure(bed: Bed) -> Result:
    """On a server of its own: endpoints sleep there."""
    missing = sandbox.why_not("bwrap")
    if missing is not None:
        raise Unavailable(f"the vision runtime needs a sandbox: {missing}")
    plan = QUICK if bed.quick else Plan()
    model = bed.train("drawn plates", make_plan(render_set(SMALL, RENDER_SEED)))
    picture = model.pictures[0].load()
    with _site(model, plan) as site:
        starts = _starts(site, plan.starts)
        updates, answers = _updates(site, plan.updates, picture.data, picture.content_type)
        fleet = _fleet(site, plan, picture.data, picture.content_type)
    return _result(plan, model, starts, updates, answers, fleet)


@contextmanager
def _site(model: Trained, plan: Plan) -> Iterator[Site]:
    with tempfile.TemporaryDirectory(prefix="relook-bench-") as root:
        environment = {"RELOOK_ENDPOINT_IDLE_SECONDS": str(plan.idle)}
        with LiveServer(Path(root) / "data", environment=environment) as server:
            yield Site(server, _archive(model.artifact))


def _starts(site: Site, runs: int) -> list[float]:
    seconds = []
    for number in range(runs):
        name = f"start-{number}"
        seconds.append(site.create(name))
        site.delete(name)
    return seconds


def _updates(site: Site, runs: int, body: bytes, kind: str) -> tuple[list[float], Answers]:
    """Updates one after the other between two configurations, while the endpoint is called without a pause."""
    site.create("updated")
    site.config("other")
    seconds = []
    with load(site.server.endpoint, site.request("updated", body, kind), CLIENTS) as answers:
        for number in range(runs):
            seconds.append(site.update("updated", "updated" if number % 2 else "other"))
    site.delete("updated")
    return seconds, answers


@contextmanager
def load(endpoint: str, request: Signed, clients: int) -> Iterator[Answers]:
    """So many callers send `request` without a pause during the block. Raises BenchFailed if none was answered."""
    answers, over = Answers(), threading.Event()

    def work() -> None:
        caller = Caller(endpoint)
        while not over.is_set():
            try:
                answers.seconds.append(caller.send(request))
            except (BenchFailed, OSError, http.client.HTTPException) as error:
                answers.failures.append(f"{type(error).__name__}: {error}")
                caller.close()  # the next request opens another connection
        caller.close()

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        over.set()
        for thread in threads:
            thread.join()
    if not answers.seconds:
        raise BenchFailed(f"no request was answered, {len(answers.failures)} failed: {answers.failures[:1]}")


def _fleet(site: Site, plan: Plan, body: bytes, kind: str) -> Fleet:
    pid = site.server.pid
    _until(lambda: not _sandboxes(pid), "the containers of deleted endpoints end")
    before = memory(pid)
    names = [f"many-{number}" for number in range(plan.endpoints)]
    caller = Caller(site.server.endpoint)

    def ask(name: str) -> float:
        return caller.send(site.request(name, body, kind))

    toured = time.perf_counter()
    for number, name in enumerate(names):
        site.create(name)
        if time.perf_counter() - toured > plan.idle / 4:
            toured = time.perf_counter()
            for earlier in names[: number + 1]:
                ask(earlier)  # or it falls asleep while the others are made
    for name in names:
        ask(name)
    if len(_sandboxes(pid)) < len(names):
        raise BenchFailed(
            f"of {len(names)} endpoints some sleep: the machine is too slow for idle stop at {plan.idle} s"
        )
    awake = memory(pid)
    _until(lambda: not _sandboxes(pid), "idle endpoints fall asleep")
    asleep = memory(pid)
    cold, warm = [], []
    for name in random.Random(WAKE_SEED).sample(names, len(names)):
        cold.append(ask(name))
        warm.append(ask(name))
    caller.close()
    return Fleet(before, awake, asleep, cold, warm)


def _sandboxes(pid: int) -> list[int]:
    """The outermost process of each container of the server."""
    return [each.pid for each in family(pid) if each.parent == pid and each.name == "bwrap"]


def _until(true: Callable[[], bool], what: str) -> None:
    end = time.perf_counter() + _PATIENCE
    while not true():
        if time.perf_counter() > end:
            raise BenchFailed(f"waited {_PATIENCE:g} s in vain: {what}")
        time.sleep(_LOOK_EVERY)


def _archive(folder: Path) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for path in sorted(folder.iterdir()):
            tar.add(path, path.name)
    return packed.getvalue()


def _result(
    plan: Plan, model: Trained, starts: list[float], updates: list[float], answers: Answers, fleet: Fleet
) -> Result:
    many = f"{plan.endpoints} endpoints"
    each = (fleet.awake.resident - fleet.before.resident) / plan.endpoints
    figures = [
        Figure("CreateEndpoint to InService, slowest", round(max(starts), 2), "s", at_most=IN_SERVICE_SECONDS),
        Figure(f"memory of everything, {many} awake", _gib(fleet.awake.resident), "GiB", at_most=MEMORY_GIB),
        Figure("of that, an endpoint's", round(each), "MiB"),
        Figure(f"memory of everything, {many} asleep", _gib(fleet.asleep.resident), "GiB"),
        Figure("the call that wakes an endpoint, median", round(statistics.median(fleet.cold), 2), "s"),
        Figure("failed requests during updates under load", len(answers.failures), "requests", at_most=0),
    ]
    times = [
        _row("CreateEndpoint to InService", starts),
        _row(f"UpdateEndpoint to InService, {CLIENTS} callers without a pause", updates),
        _row("a request during the updates", answers.seconds),
        _row("the call that wakes an endpoint", fleet.cold),
        _row("the call after it", fleet.warm),
    ]
    sizes: list[list[str | float]] = [
        [what, found.processes, round(found.resident), round(found.counted_twice)]
        for what, found in (("no endpoint", fleet.before), (many, fleet.awake), (f"{many}, asleep", fleet.asleep))
    ]
    tables = [
        Table("Seconds", ("what", "times", "median", "slowest"), times),
        Table("MiB of the server and all its processes", ("with", "processes", "PSS", "sum of VmRSS"), sizes),
    ]
    notes = [
        f"Model: {describe(model)}, on `builtin/vision`; every endpoint has a model and model data of its own.",
        "Memory is the sum of PSS: pages that processes share are counted once. The sum of VmRSS counts each of them.",
        f"Endpoints fall asleep after {plan.idle} s without a request (`endpoint_idle_seconds`), and are woken in an "
        "order drawn beforehand, one at a time.",
        "Updates go to and fro between two configurations; a request that fails, for whatever reason, is counted.",
    ]
    notes += [f"The first failure: {words}" for words in answers.failures[:1]]
    seeds = {"drawn pictures": RENDER_SEED, "training": model.seed, "order of waking": WAKE_SEED}
    return Result("Hosting", figures, tables, notes, seeds)


def _gib(mib: float) -> float:
    return round(mib / 1024, 2)


def _row(what: str, seconds: Sequence[float]) -> list[str | float]:
    return [what, len(seconds), round(statistics.median(seconds), 3), round(max(seconds), 3)]
