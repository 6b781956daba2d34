"""What Relook adds to the call of a container: directly, through an instance, and as a signed InvokeEndpoint."""

from __future__ import annotations

import http.client
import io
import statistics
import tarfile
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import boto3
import uvloop

from bench.bed import Bed
from bench.results import Figure, Result, Table, Unavailable
from bench.wire import BenchFailed, Caller, Rate, Signed, p95, rate
from relook.blobs.folder import FolderBlobs
from relook.containers.api import PORT, Container, ContainerSpec, LogSink
from relook.containers.embedded import sandbox
from relook.containers.embedded.driver import EmbeddedDriver
from relook.containers.serving.api import Instance, Invocation, Launch
from relook.containers.serving.instance import InstanceStarter
from relook.containers.serving.modeldata import ModelFolder
from relook.core.clock import system_clock
from relook.core.serving import ContainerDefinition, ModelData, ModelDefinition
from relook.store.engine import Store

ADDED_MS = 2.0
PER_SECOND = 500.0
SIZES = (1_000, 100_000)
CLIENTS = (1, 2, 4)
BUCKET, NAME = "bench-invoke", "echo"
KIND = "application/octet-stream"
_OWN, _INSTANCE, _ENDPOINT = "the container itself", "an instance", "InvokeEndpoint"
_IMAGE = "builtin/python"
_WORKERS = {"SAGEMAKER_MODEL_SERVER_WORKERS": "1"}
_ROLE = "arn:aws:iam::000000000000:role/bench"
_SCRIPT = b"""
def model_fn(model_dir):
    return None

def transform_fn(model, data, content_type, accept):
    return data, "application/octet-stream"
"""


class _Kept(EmbeddedDriver):
    """Lets the bench call the very container that the instance calls."""

    container: Container | None = None

    def start(self, spec: ContainerSpec, log: LogSink) -> Container:  # type: ignore[override]
        self.container = super().start(spec, log)
        return self.container


def measure(bed: Bed) -> Result:
    """Times of one caller, the ways taken in turn; then how many requests per second."""
    missing = sandbox.why_not("bwrap")
    if missing is not None:
        raise Unavailable(f"the echo container needs a sandbox: {missing}")
    path = _endpoint(bed)
    calls = 100 if bed.quick else 2000
    bodies = {size: bytes(size) for size in SIZES}
    signed = {size: bed.signer("sagemaker", "POST", path, body, KIND) for size, body in bodies.items()}
    with tempfile.TemporaryDirectory(prefix="relook-bench-") as root:
        times = uvloop.run(_compare(Path(root), bed.signer.endpoint, bodies, signed, calls))
    seconds = 1.0 if bed.quick else 10.0
    rates = [(clients, rate(bed.signer.endpoint, [signed[1000]], clients, seconds)) for clients in CLIENTS]
    return _result(times, rates)


def _result(times: dict[int, dict[str, list[float]]], rates: Sequence[tuple[int, Rate]]) -> Result:
    rows: list[list[str | float]] = []
    for size, ways in times.items():
        own = statistics.median(ways[_OWN])
        for way, found in ways.items():
            rows.append([f"{size // 1000} kB", way, *_cells(found), round(statistics.median(found) - own, 3)])
    added = {
        str(way): float(beyond) for _, way, *_, beyond in reversed(rows)
    }  # the smallest body comes last, and stays
    best = round(max(found.per_second for _, found in rates))
    figures = [
        Figure("InvokeEndpoint: median time beyond the container's own", added[_ENDPOINT], "ms", ADDED_MS),
        Figure("of that, an instance's", added[_INSTANCE], "ms"),
        Figure("InvokeEndpoint of an echo model, signed requests", best, "per second", at_least=PER_SECOND),
    ]
    columns = ("body", "way", "median ms", "p95 ms", "beyond the container's own, ms")
    many = [[n, round(found.per_second), round(found.median, 2), round(found.p95, 2)] for n, found in rates]
    tables = [
        Table("One caller", columns, rows),
        Table("InvokeEndpoint, 1 kB", ("clients", "per second", "median ms", "p95 ms"), many),
    ]
    notes = [
        "The container is the built-in Python runtime in its sandbox, with one worker that gives back what it gets. "
        "It is called with http.client over one kept connection, and so is the server.",
        "The ways are taken in turn, one call each; the endpoint's container is another of the same kind. Clients are "
        "threads of one Python process on the same cores, with requests signed beforehand.",
    ]
    return Result("InvokeEndpoint", figures, tables, notes)


def _cells(seconds: Sequence[float]) -> tuple[float, float]:
    return round(statistics.median(seconds), 3), round(p95(seconds), 3)


async def _compare(
    root: Path, endpoint: str, bodies: dict[int, bytes], signed: dict[int, Signed], calls: int
) -> dict[int, dict[str, list[float]]]:
    """Milliseconds of every call, by size of the body and by way."""
    times: dict[int, dict[str, list[float]]] = {}
    driver = _Kept()
    async with _instance(root, driver) as instance:
        assert driver.container is not None
        link = driver.container.connect(PORT, 5.0)
        link.settimeout(60.0)
        direct = http.client.HTTPConnection("localhost")
        direct.sock = link
        caller = Caller(endpoint)
        for size, body in bodies.items():
            ways: dict[str, list[float]] = {_OWN: [], _INSTANCE: [], _ENDPOINT: []}
            for number in range(calls + 20):
                found = (_direct(direct, body), await _through(instance, body), 1000 * caller.send(signed[size]))
                if number >= 20:  # the first ones warm up
                    for way, taken in zip(ways.values(), found, strict=True):
                        way.append(taken)
            times[size] = ways
        caller.close()
        direct.close()
    return times


def _direct(connection: http.client.HTTPConnection, body: bytes) -> float:
    began = time.perf_counter()
    connection.request("POST", "/invocations", body, {"Content-Type": KIND})
    with connection.getresponse() as answer:
        same = answer.read() == body
    taken = 1000 * (time.perf_counter() - began)
    if not same:
        raise BenchFailed(f"the container answers {answer.status}, not what it was sent")
    return taken


async def _through(instance: Instance, body: bytes) -> float:
    began = time.perf_counter()
    reply = await instance.invoke(Invocation(body, KIND))
    taken = 1000 * (time.perf_counter() - began)
    if reply.body != body:
        raise BenchFailed(f"the instance answers {reply.status}, not what it was sent")
    return taken


@asynccontextmanager
async def _instance(root: Path, driver: EmbeddedDriver) -> AsyncIterator[Instance]:
    """The echo model in a sandbox of this process' own."""
    account = "000000000000"
    store = Store.open(root / "relook.db")
    blobs = FolderBlobs(store, root / "objects", system_clock)
    blobs.buckets.create(account, "us-east-1", BUCKET)
    blobs.put(account, BUCKET, "model.tar.gz", _archive(), KIND)
    starter = InstanceStarter(driver, ModelFolder(root / "models", blobs))
    data = ModelData(f"s3://{BUCKET}/model.tar.gz")
    model = ModelDefinition(NAME, (ContainerDefinition(_IMAGE, data=data, environment=_WORKERS),))
    instance = await starter.start(Launch("relook-bench-invoke", account, model), lambda label, line: None)
    try:
        yield instance
    finally:
        await instance.stop()
        starter.close()
        store.close()


def _endpoint(bed: Bed) -> str:
    """An endpoint of the echo model on the live server; the path of its invocations."""
    session = boto3.Session(**bed.server.credentials)
    s3, control = (session.client(name, endpoint_url=bed.server.endpoint) for name in ("s3", "sagemaker"))
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="model.tar.gz", Body=_archive())
    container = {"Image": _IMAGE, "ModelDataUrl": f"s3://{BUCKET}/model.tar.gz", "Environment": _WORKERS}
    control.create_model(ModelName=NAME, ExecutionRoleArn=_ROLE, PrimaryContainer=container)
    variant = {"VariantName": "all", "ModelName": NAME, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    control.create_endpoint_config(EndpointConfigName=NAME, ProductionVariants=[variant])
    control.create_endpoint(EndpointName=NAME, EndpointConfigName=NAME)
    waiter = control.get_waiter("endpoint_in_service")
    waiter.wait(EndpointName=NAME, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    return f"/endpoints/{NAME}/invocations"


def _archive() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        entry = tarfile.TarInfo("code/inference.py")
        entry.size = len(_SCRIPT)
        tar.addfile(entry, io.BytesIO(_SCRIPT))
    return packed.getvalue()
