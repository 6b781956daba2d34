"""Against anomalib's PatchCore: same weights, same normal images, one thread each, picture by picture in turns.

anomalib has an environment of its own (`make .cache/anomalib/.installed`) and a process of its own; ours has one too.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from bench import given, sets
from bench.bed import WEIGHTS, Bed
from bench.contender import ARTIFACT, THREADS, Contender
from bench.results import ROOT, Figure, Result, Table, Unavailable
from bench.sets import DataSet, truth_of
from relook.vision.localisation import Localiser
from relook.vision.metrics import auroc, average_precision
from relook.vision.samples import Sample
from relook.vision.weights import import_weights

PYTHON = ROOT / ".cache" / "anomalib" / "bin" / "python"
STAMP = ROOT / ".cache" / "anomalib" / ".installed"
SEED = 0
OURS, PINNED, TORCH = "relook", "relook, size given", "torch"
FILES = {"torch inferencer": "model.pt", "openvino inferencer": "model.xml"}
RUNTIMES = (TORCH, *FILES)
OWN = (OURS, PINNED)
"""Left to itself, and told to look at one size: PatchCore's longer side."""
LONG, SHORT, SQUARE = 768, 512, 256
STRIDE = 8
"""Of PatchCore's finest layer: the size of its cell in pixels of its input."""
WARM_UP = 2

FASTER, SMALLER = 5.0, 0.2
NOTES = (
    "Both learn from the same normal images alone and decide all else by themselves: relook its sizes and score, "
    "PatchCore its coreset of a tenth (its default) at the size named. 'relook, size given' looks at one size, whose "
    "longer side is PatchCore's, as its sides are kept in proportion: one answer's work against the like.",
    "Images a second: 1,000 over the median milliseconds from a file's path to score and heat map, one thread each, "
    "the processes taking turns picture by picture. anomalib's `torch` is the fitted module called directly, without "
    "Lightning; its inferencers load what was exported, and there its own preparation leaves out antialiasing.",
    "Memory is a process's largest resident size: of one that fits, and of one that loads the model and answers.",
    "Only the boards are larger than 256 for PatchCore: on two folds of the cookies it had an AUROC of .81 at 512x768 "
    "where it has .96 at 256x256, and took half an hour to fit each (2026-11-22); 40 aliens it had not fitted in 55 "
    "minutes.",
    "Pixel figures: of the heat maps, with the same code, at the masks' size. A cell of the pointing game is a patch "
    "of the model's own grid.",
)


@dataclass(frozen=True, slots=True)
class Case:
    """One fit of each: `split` of `data`, PatchCore at (height, width)."""

    data: DataSet
    split: str
    height: int
    width: int

    @property
    def size(self) -> str:
        return f"{self.width}x{self.height}"


def measure(bed: Bed) -> Result:
    """All cases, each kept. Raises Unavailable without anomalib, the weights or the real pictures."""
    if not STAMP.is_file():
        raise Unavailable("it needs anomalib: make .cache/anomalib/.installed")
    if not WEIGHTS.is_file():
        raise Unavailable(f"it needs {WEIGHTS}")
    given.need_real(bed)
    groups: dict[tuple[str, str, str], list[dict[str, Any] | None]] = {}
    with given.steps("peer", bed) as steps:
        for case in cases(bed.quick):
            kind = "official" if case.split == "official" else "cross-validated"
            name = f"{case.data.name} / {case.split} / {case.size}"
            found = steps.run(name, partial(run, case, bed.quick))
            groups.setdefault((case.data.name, kind, case.size), []).append(found)
    whole = {key: [part for part in parts if part] for key, parts in groups.items() if all(parts)}
    if not whole:
        raise Unavailable(f"no case is whole with --only {bed.only!r}")
    rows = [(key, name, _summary(parts, name)) for key, parts in whole.items() for name in (*OWN, *RUNTIMES)]
    version = next(iter(whole.values()))[0]["version"]
    table = Table("Side by side, one thread each", _COLUMNS, [_row(*row) for row in rows])
    return Result(
        f"Against anomalib {version}'s PatchCore", list(_figures(rows)), [table], NOTES, {"both": SEED, "folds": 4711}
    )


def cases(quick: bool) -> Iterator[Case]:
    """At 256x256, and where PatchCore gains by it at 768x512; a quick run fits once at 128x128."""
    if quick:
        data = sets.without_anomalies(given.drawn())
        yield Case(data, "official", 128, 128)
        return
    board, cookie = sets.without_anomalies(sets.board()), sets.without_anomalies(sets.cookie())
    for data in (board, sets.aliens(), cookie):
        for split in data.splits():
            if (split == "official") != bool(data.masked):
                yield Case(data, split, SQUARE, SQUARE)
    yield Case(board, "official", SHORT, LONG)


def run(case: Case, quick: bool = False) -> dict[str, Any]:
    """Fit both, ask both in turns, and judge; for JSON."""
    training, held = case.data.splits()[case.split]
    with TemporaryDirectory(prefix="relook-peer-") as place:
        folder = Path(place)
        import_weights(WEIGHTS, folder / "data")
        paths = [_placed(sample, folder / f"train-{at}") for at, sample in enumerate(training)]
        asked = [_placed(sample, folder / f"held-{at}") for at, sample in enumerate(held)]
        heat = bool(case.data.masked)
        fits = {}
        for name in OWN:
            with _start(folder, _our_fit(folder, name, paths, case)) as ours:
                fits[name] = ours.ready()
        with ExitStack() as stack:
            theirs = stack.enter_context(_start(folder, _their_fit(folder, paths, case)))
            fits[TORCH] = theirs.ready()
            # its first answer comes after the export, which the inferencers wait for
            theirs.ask(asked[0])
            contenders = {TORCH: theirs} | {
                kind: stack.enter_context(_start(folder, _loading(folder, kind, paths, case)))
                for kind in (*OWN, *FILES)
            }
            loaded = {kind: contenders[kind].ready() for kind in (*OWN, *FILES)}
            spans = _in_turns(asked, contenders, heat)
            cells = {kind: None if kind in OWN else (case.height // STRIDE, case.width // STRIDE) for kind in spans}
            found = {kind: _judge(case.data, held, answers, cells[kind]) for kind, answers in spans.items()}
    for kind, fit in fits.items():
        found[kind] |= {"fit_seconds": fit["fit_seconds"], "fit_mib": fit["peak_mib"], "bank": fit["bank"]}
    for kind, load in loaded.items():
        found[kind] |= {"load_seconds": load["load_seconds"], "serving_mib": spans[kind][-1]["peak_mib"]}
    return {"contenders": found, "version": fits[TORCH]["version"], "trained_on": len(training)}


def _placed(sample: Sample, path: Path) -> str:
    """The image as a file; both sides are given paths."""
    data = sample.load()
    file = path.with_suffix(".png" if data.startswith(b"\x89PNG") else ".jpg")
    file.write_bytes(data)
    return str(file)


def _start(folder: Path, job: dict[str, Any]) -> Contender:
    own = Path(job["folder"])
    own.mkdir(exist_ok=True)
    ours = [sys.executable, "-m", "bench.contender"]
    return Contender(ours if "labels" in job else [str(PYTHON), str(ROOT / "bench" / "peer_anomalib.py")], job)


def _our_fit(folder: Path, name: str, paths: Sequence[str], case: Case) -> dict[str, Any]:
    sides = [max(case.height, case.width)] if name == PINNED else None
    job = {"training": paths, "labels": [False] * len(paths), "weights": str(folder / "data"), "load": ""}
    job |= {"threads": THREADS, "seed": SEED, "long_sides": sides}
    return job | {"folder": str(folder / f"our-fit-{OWN.index(name)}")}


def _their_fit(folder: Path, paths: Sequence[str], case: Case) -> dict[str, Any]:
    graph = onnx.load_model(WEIGHTS).graph
    tensors: dict[str, Any] = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    np.savez(folder / "weights.npz", **tensors)
    job = {"training": paths, "weights": str(folder / "weights.npz"), "height": case.height, "width": case.width}
    return job | {"threads": THREADS, "seed": SEED, "folder": str(folder / "their-fit"), "load": ""}


def _loading(folder: Path, kind: str, paths: Sequence[str], case: Case) -> dict[str, Any]:
    """The job of answering with what was fitted."""
    ours = kind in OWN
    job = _our_fit(folder, kind, paths, case) if ours else _their_fit(folder, paths, case)
    file = Path(job["folder"]) / (ARTIFACT if ours else FILES[kind])
    return job | {"folder": str(folder / kind.replace(" ", "-").replace(",", "")), "load": str(file)}


def _in_turns(
    images: Sequence[str], contenders: Mapping[str, Contender], heat: bool
) -> dict[str, list[dict[str, Any]]]:
    """Every contender's answer to every image, the one who goes first changing with each."""
    names = list(contenders)
    for contender in contenders.values():
        for _ in range(WARM_UP):
            contender.ask(images[0])
    answers: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for at, image in enumerate(images):
        first = at % len(names)
        for name in names[first:] + names[:first]:
            answers[name].append(contenders[name].ask(image, heat=heat))
    return answers


def _judge(
    data: DataSet, held: Sequence[Sample], answers: Sequence[dict[str, Any]], cells: tuple[int, int] | None
) -> dict[str, Any]:
    scores = np.array([answer["score"] for answer in answers], np.float64)
    labels = np.array([sample.anomalous for sample in held], bool)
    localiser = Localiser()
    for sample, answer in zip(held, answers, strict=True):
        truth = truth_of(sample, data.masked) if data.masked else None
        if truth is not None:
            localiser.add(np.load(answer["heat"]), truth > 0, cells)
    where = localiser.result()
    return {
        "auroc": auroc(scores, labels),
        "average_precision": average_precision(scores, labels),
        "pixel_auroc": where.pixel_auroc,
        "aupro": where.aupro,
        "pointing_game": where.pointing_game,
        "images": len(held),
        "milliseconds": statistics.median(answer["milliseconds"] for answer in answers),
    }


_MEASURED = ("auroc", "average_precision", "pixel_auroc", "aupro", "pointing_game")
_COLUMNS: tuple[str, ...] = ("set", "split", "PatchCore's size", "contender", "images", "AUROC", "average precision")
_COLUMNS += ("pixel AUROC", "AUPRO", "pointing game", "fit s", "fit MiB", "bank rows", "load s", "serving MiB")
_COLUMNS += ("image ms", "images/s")
_MEANS = ("fit_seconds", "load_seconds", "milliseconds")
_PEAKS = ("fit_mib", "serving_mib")

Key = tuple[str, str, str]
Row = tuple[Key, str, dict[str, Any]]


def _summary(parts: Sequence[dict[str, Any]], name: str) -> dict[str, Any]:
    """Means over the splits, the largest of the peaks; None where a figure is not there."""
    found = [part["contenders"][name] for part in parts]
    values = {key: [each[key] for each in found if each.get(key) is not None] for key in (*_MEASURED, *_MEANS, *_PEAKS)}
    summary: dict[str, Any] = {key: None for key in values}
    summary |= {key: max(each) if key in _PEAKS else statistics.mean(each) for key, each in values.items() if each}
    bank = found[0].get("bank")
    return summary | {"bank": bank[0] if bank else None, "images": sum(each["images"] for each in found)}


def _row(key: Key, name: str, found: dict[str, Any]) -> list[str | float]:
    def cell(name: str, digits: int) -> str | float:
        return "" if found[name] is None else round(found[name], digits)

    cells: list[str | float] = [*key, name if name in OWN else f"anomalib, {name}", found["images"]]
    cells += [cell(measured, 3) for measured in _MEASURED]
    cells += [cell("fit_seconds", 1), cell("fit_mib", 0), cell("bank", 0), cell("load_seconds", 2)]
    return [*cells, cell("serving_mib", 0), cell("milliseconds", 1), round(1000 / found["milliseconds"], 1)]


def _figures(rows: Sequence[Row]) -> Iterator[Figure]:
    """Ratios against PatchCore as fitted; the targets stand where PatchCore is at its better size."""
    found = {(key, name): values for key, name, values in rows}
    for key in dict.fromkeys(key for key, _, _ in rows):
        best = _is_best(key, found)
        for name in OWN:
            what = f"{name}, against PatchCore at {key[2]}, {key[0]}, {key[1]}"
            yield from _ratios(what, best, found[key, name], {each: found[key, each] for each in RUNTIMES})


def _ratios(what: str, best: bool, ours: dict[str, Any], runtimes: Mapping[str, dict[str, Any]]) -> Iterator[Figure]:
    theirs, loaded = runtimes[TORCH], runtimes["torch inferencer"]
    speed = theirs["milliseconds"] / ours["milliseconds"]
    yield Figure(f"images/s, {what}", round(speed, 2), "times", at_least=FASTER if best else None)
    for word, memory in (
        ("fitting", ours["fit_mib"] / theirs["fit_mib"]),
        ("serving", ours["serving_mib"] / loaded["serving_mib"]),
    ):
        limit = SMALLER if best else None
        yield Figure(f"peak memory when {word}, {what}", round(memory, 3), "times", at_most=limit)
    less = ours["auroc"] - theirs["auroc"]
    yield Figure(f"AUROC less PatchCore's, {what}", round(less, 3), at_least=0.0 if best else None)
    yield Figure(f"fit time, {what}", round(ours["fit_seconds"] / theirs["fit_seconds"], 3), "times")
    fastest = min(each["milliseconds"] for each in runtimes.values())
    yield Figure(f"images/s, {what}, its fastest inferencer", round(fastest / ours["milliseconds"], 2), "times")
    if ours["aupro"] is not None and theirs["aupro"] is not None:
        yield Figure(f"AUPRO less PatchCore's, {what}", round(ours["aupro"] - theirs["aupro"], 3))


def _is_best(key: Key, found: Mapping[tuple[Key, str], dict[str, Any]]) -> bool:
    same = [values["auroc"] for (other, name), values in found.items() if name == TORCH and other[:2] == key[:2]]
    return bool(found[key, TORCH]["auroc"] == max(same))
