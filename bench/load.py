"""Requests per second: DetectAnomalies by clients and units, a cheap call, and objects of 200 KB."""

from __future__ import annotations

import random
import statistics
from collections.abc import Sequence

from bench.bed import RENDER_SEED, Bed, Trained, describe
from bench.detect import RawGraph, timed
from bench.results import Figure, Result, Table
from bench.wire import Rate, Signed, rate
from relook.vision.images import decode

SECONDS = 10.0
CLIENTS = (1, 2, 4)
UNITS = (1, 2)
OBJECT_BYTES = 200_000
OBJECTS = 64
OBJECT_SEED = 0
_COLUMNS = ("request", "clients", "per second", "median ms", "p95 ms")


def measure(bed: Bed) -> Result:
    """The table of each kind of request, and the best rate of each as a figure."""
    seconds = 1.0 if bed.quick else SECONDS
    figures, tables, notes = [], [], []
    for kind, model in {"classification": bed.classification, "segmentation": bed.segmentation}.items():
        found, raw = _detect(bed, model, seconds)
        rows = [[units, clients, *_cells(each), round(each.per_second / raw, 2)] for units, clients, each in found]
        title = f"DetectAnomalies, {kind}; the raw graph alone, one thread: {raw:.1f} per second"
        tables.append(Table(title, ("units", *_COLUMNS[1:], "times the raw graph's rate"), rows))
        for number in UNITS:
            best = max(each.per_second for units, _, each in found if units == number)
            what = f"DetectAnomalies ({kind}) with {number} unit{'s' if number > 1 else ''}"
            figures.append(Figure(what, round(best, 1), "per second", headline=True))
        notes.append(f"{kind.capitalize()}: {describe(model)}.")
    rows = []
    for name, requests in _others(bed).items():
        rates = [(clients, rate(bed.signer.endpoint, requests, clients, seconds)) for clients in CLIENTS]
        rows += [[name, clients, *_cells(each)] for clients, each in rates]
        figures.append(Figure(name, round(max(each.per_second for _, each in rates)), "per second"))
    tables.append(Table("Other requests", _COLUMNS, rows))
    notes.append(
        "Clients are threads of one Python process on the same machine, each with a keep-alive connection and requests "
        "signed beforehand; they take their share of its cores. A figure is the best of 1, 2 and 4 clients."
    )
    seeds = {"drawn pictures": RENDER_SEED, "training": bed.classification.seed, "objects": OBJECT_SEED}
    return Result("Requests per second", figures, tables, notes, seeds)


def _detect(bed: Bed, model: Trained, seconds: float) -> tuple[list[tuple[int, int, Rate]], float]:
    """The rate for each number of units and clients, and that of the raw graph alone, measured in between."""
    raw = RawGraph(model.artifact)
    tensors = [raw.prepare(decode(picture.load().data)) for picture in model.pictures]
    raw.infer(tensors[0])
    found, times = [], []
    for units in UNITS:
        with bed.hosting(model, units):
            for clients in CLIENTS:
                times += [timed(lambda tensor=tensor: raw.infer(tensor)) for tensor in tensors]
                found.append((units, clients, rate(bed.signer.endpoint, bed.detections(model), clients, seconds)))
    return found, 1000 / statistics.median(times)


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


def _cells(found: Rate) -> tuple[float, float, float]:
    return round(found.per_second, 1), round(found.median, 2), round(found.p95, 2)
