"""Requests per second: a cheap call, and objects of 200 KB. `latency` has those of DetectAnomalies."""

from __future__ import annotations

import random
from collections.abc import Sequence

from bench.bed import Bed
from bench.results import Figure, Result, Table
from bench.wire import Rate, Signed, rate

SECONDS = 10.0
CLIENTS = (1, 2, 4)
OBJECT_BYTES = 200_000
OBJECTS = 64
OBJECT_SEED = 0
_COLUMNS = ("request", "clients", "per second", "median ms", "p95 ms")


def measure(bed: Bed) -> Result:
    """The table of each kind of request, and the best rate of each as a figure."""
    seconds = 1.0 if bed.quick else SECONDS
    figures = []
    rows: list[list[str | float]] = []
    for name, requests in _others(bed).items():
        rates = [(clients, rate(bed.signer.endpoint, requests, clients, seconds)) for clients in CLIENTS]
        rows += [[name, clients, *cells(each)] for clients, each in rates]
        figures.append(Figure(name, round(max(each.per_second for _, each in rates)), "per second"))
    notes = [
        "Clients are threads of one Python process on the same machine, each with a keep-alive connection and requests "
        "signed beforehand; they take their share of its cores. A figure is the best of 1, 2 and 4 clients."
    ]
    return Result("Requests per second", figures, [Table("Requests", _COLUMNS, rows)], notes, {"objects": OBJECT_SEED})


def _others(bed: Bed) -> dict[str, Sequence[Signed]]:
    """A cheap signed call, and puts and gets of objects, which lie there before they are got."""
    sign = bed.signer
    bed.clients.s3.create_bucket(Bucket="bench")
    body = random.Random(OBJECT_SEED).randbytes(OBJECT_BYTES)
    paths = [f"/bench/object-{number}" for number in range(OBJECTS)]
    for path in paths:
        bed.clients.s3.put_object(Bucket="bench", Key=path.removeprefix("/bench/"), Body=body)
    return {
        "ListProjects": [sign("lookoutvision", "GET", "/2020-11-20/projects")],
        "S3 put of 200 KB": [sign("s3", "PUT", path, body, "image/jpeg") for path in paths],
        "S3 get of 200 KB": [sign("s3", "GET", path) for path in paths],
    }


def cells(found: Rate) -> tuple[float, float, float]:
    return round(found.per_second, 1), round(found.median, 2), round(found.p95, 2)
