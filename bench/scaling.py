"""How training and detection grow with the number of images, with their size, and with that of the memory banks.

Sets of any number are made of the circuit boards (drawn plates in a quick run) by seeded flips, shifts and changes of
brightness, half of each label, and lie on disk before anything is timed. Each training is a process of its own, so that
its peak memory is its own; so is the process that loads the model and answers.
"""

from __future__ import annotations

import io
import os
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

from bench import given, sets
from bench.bed import WEIGHTS, Bed
from bench.contender import ARTIFACT, THREADS, Contender
from bench.results import QUICK, Figure, Result, Table, Unavailable
from relook.settings import Settings
from relook.vision import artifact
from relook.vision.images import LARGEST_FILE, decode
from relook.vision.samples import Sample
from relook.vision.weights import import_weights

COUNTS = (20, 63, 250, 1_000, 4_000, 16_000)
SIDES = (256, 512, 1_000, 2_048, 4_096)
ROWS = (375, 750, 1_500, 3_000, 6_000)
BESIDE_SIDES = 40
"""Images in each training of the tables of sizes."""
ANSWERED = 30
SEED = 0
QUALITY = 90

LIMIT = 60.0 * Settings(data=Path()).anomaly_minutes
"""Seconds that a training may take, as in the product."""
SECONDS = {63: 60.0, 1_000: 600.0, 4_000: LIMIT, 16_000: LIMIT}
MEMORY_MIB = 4096.0
_COLUMNS = (
    *("training s", "ms per image", "peak MiB", "model MiB", "served sizes"),
    *("load s", "detection ms", "p95 ms", "serving MiB"),
)
NOTES = (
    "Training: train() by itself, classification, all candidates included, from files on disk to the artifact; peak is "
    "the largest resident size of its process, on all cores. Detection: from a file's path to the answer, one thread.",
    f"A training may take {LIMIT / 60:g} minutes, the product's default: what does not fit in is not tried.",
    "The images of a larger number are other variants of the same 40 (flipped, shifted by up to 4 %, brighter or "
    "darker by up to 10 %), so accuracy is no subject here.",
)


@dataclass(frozen=True, slots=True)
class Case:
    """So many images whose longer side is `side` pixels, None for as they are, and memory banks of `rows` patches, None
    for as many as always."""

    count: int
    side: int | None = None
    rows: int | None = None

    @property
    def name(self) -> str:
        if self.rows is not None:
            return f"bank of {self.rows}"
        return f"{self.count} images" if self.side is None else f"long side {self.side}"

    @property
    def varied(self) -> int:
        """What its table goes by."""
        return self.rows or self.side or self.count


def measure(bed: Bed) -> Result:
    """All tables; `--cap` leaves out larger numbers of images."""
    given.need_real(bed)
    data = given.drawn() if bed.quick else sets.board()
    numbers = [Case(count) for count in ((20, 32) if bed.quick else COUNTS) if count <= (bed.cap or COUNTS[-1])]
    sides = [Case(20 if bed.quick else BESIDE_SIDES, side) for side in ((128,) if bed.quick else SIDES)]
    banks = [Case(20 if bed.quick else BESIDE_SIDES, rows=rows) for rows in ((100,) if bed.quick else ROWS)]
    found: dict[Case, dict[str, Any]] = {}
    with given.steps("scaling", bed) as steps:
        for case in [*numbers, *sides, *banks]:
            if result := steps.run(case.name, partial(run, case, data.training, WEIGHTS if bed.weights else None)):
                found[case] = result
    if not found:
        raise Unavailable(f"no step is left with --only {bed.only!r}")
    tables = []
    for first, cases in (("images", numbers), ("long side", sides), ("bank size", banks)):
        rows = [_row(case, found[case]) for case in cases if case in found]
        if rows:
            tables.append(Table(f"By {first}, {data.name}", (first, "pixels", *_COLUMNS), rows))
    return Result("Scaling", list(_figures(found)), tables, NOTES, {"variants and training": SEED})


def run(case: Case, samples: Sequence[Sample], weights: Path | None) -> dict[str, Any]:
    """Make the images, train, answer; for JSON."""
    QUICK.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="scaling-", dir=QUICK) as name:
        folder = Path(name)
        paths, labels = make(case, samples, folder)
        if weights is not None:
            import_weights(weights, folder / "data")
        job: dict[str, Any] = {
            "training": paths,
            "labels": labels,
            "weights": str(folder / "data"),
            "threads": THREADS,
            "seed": SEED,
            "seconds": LIMIT,
        }
        job["rows"] = case.rows
        command = [sys.executable, "-m", "bench.contender"]
        cores = len(os.sched_getaffinity(0))
        with Contender(command, job | {"folder": str(folder), "load": "", "threads": cores}) as training:
            fit = training.ready()
        model = folder / ARTIFACT
        with Contender(command, job | {"folder": str(folder), "load": str(model)}) as serving:
            load = serving.ready()
            asked = [paths[at % len(paths)] for at in range(2 + ANSWERED)]
            answers = [serving.ask(path) for path in asked][2:]
        times = sorted(answer["milliseconds"] for answer in answers)
        return {
            "pixels": "x".join(str(side) for side in Image.open(paths[0]).size),
            "fit_seconds": fit["fit_seconds"],
            "fit_mib": fit["peak_mib"],
            "model_mib": sum(file.stat().st_size for file in model.iterdir()) / 2**20,
            "served": " + ".join(f"{view.size.width}x{view.size.height}" for view in artifact.read(model)[1].views),
            "load_seconds": load["load_seconds"],
            "milliseconds": statistics.median(times),
            "p95": times[-(-95 * len(times) // 100) - 1],
            "serving_mib": answers[-1]["peak_mib"],
        }


def make(case: Case, samples: Sequence[Sample], folder: Path) -> tuple[list[str], list[bool]]:
    """The case's images as files, and whether each is anomalous; the same bytes each time."""
    groups = [[sample for sample in samples if sample.anomalous == label] for label in (False, True)]
    pixels = {sample.key: decode(sample.load()) for sample in samples}
    paths, labels = [], []
    for number in range(case.count):
        anomalous = number % 2 == 1
        group = groups[anomalous]
        turn = number // 2
        image = pixels[group[turn % len(group)].key]
        if turn >= len(group):
            image = vary(image, number)
        file = folder / f"{number:05}.jpg"
        file.write_bytes(encode(image, case.side))
        paths.append(str(file))
        labels.append(anomalous)
    return paths, labels


def vary(image: np.ndarray, seed: int) -> np.ndarray:
    """A variant: (height, width, 3) uint8 of the same size."""
    rng = np.random.default_rng([SEED, seed])
    if rng.random() < 0.5:
        image = image[:, ::-1]
    if rng.random() < 0.5:
        image = image[::-1]
    rows, columns = (int(side * rng.uniform(-0.04, 0.04)) for side in image.shape[:2])
    image = np.roll(image, (rows, columns), (0, 1))
    return np.clip(image * rng.uniform(0.9, 1.1), 0, 255).astype(np.uint8)


def encode(image: np.ndarray, side: int | None) -> bytes:
    """JPEG; with `side` brought to that length of the longer side."""
    picture = Image.fromarray(image)
    if side is not None:
        scale = side / max(picture.size)
        picture = picture.resize((round(picture.width * scale), round(picture.height * scale)))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=QUALITY)
    if out.tell() > LARGEST_FILE:
        raise ValueError(f"a picture of {picture.size} takes {out.tell():,} bytes, more than the engine accepts")
    return out.getvalue()


def _row(case: Case, found: dict[str, Any]) -> list[str | float]:
    per_image = 1000 * found["fit_seconds"] / case.count
    cells: list[str | float] = [case.varied, found["pixels"]]
    cells += [round(found["fit_seconds"], 1), round(per_image, 1), round(found["fit_mib"])]
    cells += [round(found["model_mib"], 1), found["served"]]
    cells += [round(found["load_seconds"], 2), round(found["milliseconds"], 1)]
    return [*cells, round(found["p95"], 1), round(found["serving_mib"])]


def _figures(found: dict[Case, dict[str, Any]]) -> Iterator[Figure]:
    for case, each in found.items():
        if case.rows is not None:
            yield Figure(f"detection, banks of {case.rows:,} patches", round(each["milliseconds"], 1), "ms")
        elif case.side is None:
            what, most = f"training {case.count:,} images", SECONDS.get(case.count)
            yield Figure(what, round(each["fit_seconds"], 1), "s", at_most=most, headline=most is not None)
            yield Figure(f"{what}, peak memory", round(each["fit_mib"]), "MiB", at_most=MEMORY_MIB)
        else:
            yield Figure(f"detection, {each['pixels']} pixels", round(each["milliseconds"], 1), "ms")
    numbers = [case for case in found if case.side is None and case.rows is None]
    if len(numbers) > 1:
        first, last = numbers[0], numbers[-1]
        growth = found[last]["milliseconds"] / found[first]["milliseconds"]
        what = f"detection after training on {last.count:,} images against {first.count:,}"
        yield Figure(what, round(growth, 2), "times")
