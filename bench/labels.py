"""DetectCustomLabels end to end against the raw graph, turn and turn about on the same pictures."""

from __future__ import annotations

import hashlib
import io
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from bench import boxed
from bench.bed import SHARED, Bed
from bench.detect import timed
from bench.results import Figure, Result, Table
from bench.wire import BenchFailed, Caller, p95
from relook.core.custom_labels.states import VERSION_MESSAGES, VersionStatus
from relook.core.names import Scope
from relook.datafolder import DataFolder
from relook.store import rekognition_projects as projects
from relook.store import rekognition_versions as versions
from relook.store.engine import Store
from relook.store.rekognition_versions import Files, NewVersion, Outcome, Output
from relook.vision import label_artifact, runtime, serving, weights
from relook.vision.backbones import Backbone
from relook.vision.classify.train import Options, train
from relook.vision.detect import starts
from relook.vision.detect.exporting import LOWEST_SCORE, export
from relook.vision.detect.geometry import fit, place, working_size
from relook.vision.detect.names import RAW
from relook.vision.detect.predicting import Detector
from relook.vision.detect.starts import Start
from relook.vision.engine import Device
from relook.vision.graph_names import PATCHES
from relook.vision.images import Size, load_upright, resize
from relook.vision.label_artifact import Fit, LabelCard
from relook.vision.labelled import LabelledImage, LabelTask
from relook.vision.quiet_openvino import ov

YOLOX = SHARED / "weights" / "yolox_nano_coco" / "yolox_nano.onnx"
WIDTH, HEIGHT = 640, 480
SEED = 11
LABELS = ("square", "disc", "ring")
SIDE, TINY = 40, 12
"""Pixels of the usual box that the detectors' working size is chosen for; for tiny ones pictures are enlarged."""
FAINT, _LOOKED_AT = 100, 9
"""Boxes that a detector's network scores high enough for suppression to look at, in the mean of so many pictures."""
TOLD = 20
"""Boxes that a detector tells of a picture, in the mean: so many are built, serialised and sent."""
ROUNDS, WARM_UP = 200, 20
THREADS = 1
MOST_MEDIAN, MOST_BEYOND = 40.0, 5.0
"""Milliseconds: of an answer, and of it beyond the raw graph and decoding."""
SPANS = ("end to end", "raw graph", "decoding", "predictor")
_PATIENCE = 60.0

NOTES = (
    f"JPEGs of {WIDTH}x{HEIGHT} pixels, sent within the request. End to end: a plain HTTP client on a keep-alive "
    "connection, from the first byte sent to the last one read; signing is done beforehand. One unit, one thread.",
    "Raw graph: the same model.onnx in the bench's process with the same OpenVINO, threads and precisions, fed its "
    "input ready made. Decoding: the same bytes by the same decoder. Predictor: all that a unit does.",
    "For every picture these are measured one after another, in an order that turns; overhead is end to end less raw "
    "graph less decoding, picture by picture.",
    "The classifiers were trained on drawn pictures: one as always, one at the pictures' own size, which is then not "
    "for the training to choose.",
    f"The detectors were not trained: their graphs have the weights of their start, the rest by chance, and {FAINT} "
    f"boxes a picture that suppression has to look at; the working size is that for boxes of {SIDE} pixels, or of "
    f"{TINY}. Their one threshold is the score that {TOLD} boxes a picture, in the mean of all that are sent, reach in "
    "the model as it is served; labels an answer are counted in answers of the server.",
)


@dataclass(frozen=True, slots=True)
class Model:
    name: str
    folder: Path
    card: LabelCard
    pictures: dict[str, list[bytes]]
    """To be asked with, by kind."""


class RawGraph:
    """`model.onnx` and nothing around it, in the precisions in which it is served."""

    def __init__(self, folder: Path) -> None:
        graph, self._card = label_artifact.read(folder)
        cut = RAW if self._card.task is LabelTask.DETECTION else PATCHES
        first, last = runtime.split(runtime.read(graph), cut)
        self._first = runtime.compile_model(first, runtime.served(self._card.precision), THREADS).create_infer_request()
        self._last = runtime.compile_model(last, runtime.Precision.F32, THREADS).create_infer_request()
        for port in self._first.model_outputs:
            name = next(name for name in port.get_names() if name.startswith(cut))
            self._last.set_tensor(name, self._first.get_tensor(name))

    def prepare(self, data: bytes) -> ov.Tensor:
        """The input of the graph: all that comes before is not its own time."""
        image, size = load_upright(data), self._card.sizes[0]
        room = np.zeros((1, size.height, size.width, 3), np.uint8)
        if self._card.fit is Fit.LETTERBOX:
            place(fit(image.pixels, image.size, size).pixels, room[0])
        else:
            room[0] = resize(image.pixels, size)
        return ov.Tensor(room)

    def infer(self, tensor: ov.Tensor) -> None:
        self._first.set_input_tensor(0, tensor)
        self._first.infer(share_outputs=True)
        self._last.infer(share_outputs=True)


def measure(bed: Bed) -> Result:
    """Classifiers at the size they choose and at the pictures' own, and a detector from each start."""
    figures, rows, notes = [], [], []
    pictures = _pictures(bed)
    with tempfile.TemporaryDirectory(prefix="relook-bench-") as room:
        for model in _models(Path(room), bed, pictures):
            for kind, (spans, told) in _interleaved(bed, model).items():
                middle = {name: statistics.median(values) for name, values in spans.items()}
                what = f"DetectCustomLabels ({model.name}, {kind})"
                figures += [
                    Figure(f"{what}: median", round(middle["end to end"], 1), "ms", at_most=MOST_MEDIAN),
                    Figure(
                        f"{what}: beyond the raw graph and decoding",
                        round(middle["overhead"], 2),
                        "ms",
                        at_most=MOST_BEYOND,
                    ),
                ]
                rows += [
                    [model.name, kind, span, round(middle[span], 2), round(p95(each), 2)]
                    for span, each in spans.items()
                ]
                size = model.card.sizes[0]
                notes.append(
                    f"{model.name[0].upper()}{model.name[1:]}, {kind}: at {size.width}x{size.height}, "
                    f"{model.card.precision}; {told:.1f} labels an answer in the mean."
                )
    notes += [
        f"Pictures, {kind}: {statistics.mean(len(each) for each in images) / 1024:.0f} KiB in the mean."
        for kind, images in pictures.items()
    ]
    table = Table("Milliseconds", ("model", "pictures", "span", "median", "p95"), rows)
    return Result("DetectCustomLabels against the raw graph", figures, [table], [*notes, *NOTES], {"pictures": SEED})


def _pictures(bed: Bed) -> dict[str, list[bytes]]:
    """Drawn ones, whose grain makes large files, and real ones where they are given."""
    number = 4 if bed.quick else 20
    found = {"drawn pictures": [draw(SEED + at, LABELS[at % 3]) for at in range(number)]}
    if boxed.BCCD.is_dir() and not bed.quick:
        found["blood cells"] = [image.load() for image in boxed.blood_cells().test[:number]]
    return found


def draw(seed: int, label: str) -> bytes:
    """A JPEG of a speckled ground with one shape."""
    chance = np.random.default_rng(seed)
    ground = chance.normal(120, 12, (HEIGHT, WIDTH, 3)).clip(0, 255).astype(np.uint8)
    image = Image.fromarray(ground)
    left, top = int(chance.integers(0, WIDTH - 200)), int(chance.integers(0, HEIGHT - 200))
    side = int(chance.integers(100, 200))
    box, pen = (left, top, left + side, top + side), ImageDraw.Draw(image)
    if label == "square":
        pen.rectangle(box, fill=(190, 60, 60))
    else:
        pen.ellipse(box, fill=(190, 60, 60) if label == "disc" else None, outline=(190, 60, 60), width=20)
    room = io.BytesIO()
    image.save(room, "JPEG", quality=90)
    return room.getvalue()


def _models(room: Path, bed: Bed, pictures: dict[str, list[bytes]]) -> Iterator[Model]:
    """A detector for each kind of pictures: chance would find hundreds of boxes in one kind for a few in the other."""
    backbone, each = weights.choose(bed.server.data), 8 if bed.quick else 24
    given = {
        "classifier": Options(),
        "classifier at the pictures' own size": Options(long_sides=(WIDTH,), fine_tune=False),
    }
    for at, (name, options) in enumerate(given.items()):
        folder = _train_classifier(room / f"classifier-{at}", backbone, each, options)
        yield Model(name, folder, label_artifact.read(folder)[1], pictures)
    found = {"detector from the shipped backbone": starts.own()}
    if YOLOX.is_file():
        found["detector from YOLOX-nano"] = starts.yolox_nano(YOLOX.read_bytes(), YOLOX.name, "given")
    cases = [(name, start, SIDE) for name, start in found.items()]
    for at, (name, start, side) in enumerate([*cases, ("detector of tiny boxes", starts.own(), TINY)]):
        for kind, images in pictures.items():
            folder = _write_detector(room / f"detector-{at}-{kind.split()[0]}", start, side, images)
            yield Model(name, folder, label_artifact.read(folder)[1], {kind: images})


def _train_classifier(output: Path, backbone: Backbone, each: int, options: Options) -> Path:
    images = [
        LabelledImage(f"{label}-{number}", lambda seed=1000 * at + number, label=label: draw(seed, label), (label,))
        for at, label in enumerate(LABELS)
        for number in range(each)
    ]
    train(
        images[::2], images[1::2], backbone=backbone, task=LabelTask.SINGLE_LABEL, labels=LABELS,
        output=output, seed=1, seconds=300, progress=lambda stage, done, of: None, options=options,
    )  # fmt: skip
    return output


def _write_detector(output: Path, start: Start, side: int, images: list[bytes]) -> Path:
    """The start's network at the size of a training, with as many boxes in `images` as a trained one leaves to
    suppression, of which it tells TOLD."""
    image = Size(HEIGHT, WIDTH)
    size = working_size([image], [(label, image, float(side)) for label in LABELS])
    network = start.architecture(len(LABELS))
    chance = np.random.default_rng(SEED)
    filled = dict(start.weights)
    for conv in network.convolutions:
        spread = (2 / (conv.shape[1] * conv.kernel**2)) ** 0.5
        filled.setdefault(f"{conv.name}.weight", chance.normal(0, spread, conv.shape).astype(np.float32))
        filled.setdefault(f"{conv.name}.bias", np.zeros(conv.out, np.float32))
    for level in network.levels:
        filled[f"{level.box}.weight"] = 0 * filled[f"{level.box}.weight"]
        filled[f"{level.box}.bias"] = np.log([np.e**0.5, np.e**0.5, 4, 4]).astype(np.float32)
    some = images[:_LOOKED_AT]
    logits = _logits(export(network, filled, size), size, some)
    shift = np.float32(np.log(LOWEST_SCORE / (1 - LOWEST_SCORE)) - np.sort(logits)[-FAINT * len(some)])
    for level in network.levels:
        filled[f"{level.objectness}.bias"] = filled[f"{level.objectness}.bias"] + shift
    graph, precision = export(network, filled, size), runtime.native_precision()
    digest = hashlib.sha256(graph).hexdigest()
    card = LabelCard(
        LabelTask.DETECTION, LABELS, (0.5,) * len(LABELS), (size,), Fit.LETTERBOX, precision, digest, {"seed": SEED}
    )
    label_artifact.write(output, graph, card)
    label_artifact.write(output, graph, replace(card, thresholds=(_threshold(output, images),) * len(LABELS)))
    return output


def _threshold(folder: Path, images: list[bytes]) -> float:
    """The score that TOLD boxes an image reach, in the mean, of the model as it is served. Raises BenchFailed where it
    finds no more than these."""
    detector = Detector.load(folder, THREADS, Device.CPU)
    scores = sorted((one.score for image in images for one in detector.predict(image).found), reverse=True)
    if len(scores) <= TOLD * len(images):
        raise BenchFailed(f"{folder.name} finds {len(scores)} boxes in {len(images)} pictures: too few to tell {TOLD}")
    return scores[TOLD * len(images) - 1]


def _logits(graph: bytes, size: Size, images: list[bytes]) -> npt.NDArray[np.float32]:
    """Of every cell and label of the images."""
    network, _ = runtime.split(runtime.read(graph), RAW)
    ready = runtime.compile_model(network, runtime.native_precision(), THREADS).create_infer_request()
    room = np.zeros((1, size.height, size.width, 3), np.uint8)
    scores = []
    for data in images:
        image = load_upright(data)
        place(fit(image.pixels, image.size, size).pixels, room[0])
        for port, value in ready.infer([ov.Tensor(room)]).items():
            if any(f"{RAW}/scores" in name for name in port.get_names()):
                scores.append(np.array(value, np.float32).ravel())
    return np.concatenate(scores)


def _interleaved(bed: Bed, model: Model) -> dict[str, tuple[dict[str, list[float]], float]]:
    """For each kind of pictures the milliseconds of each span and of the overhead, picture by picture; and how many
    labels an answer has in the mean."""
    raw, predictor = RawGraph(model.folder), serving.load(model.folder, THREADS, Device.CPU)
    with _running(bed, model) as (client, arn):
        caller = Caller(bed.signer.endpoint)
        found = {
            kind: (_spans(bed, images, arn, caller, raw, predictor), _told(client, arn, images))
            for kind, images in model.pictures.items()
        }
        caller.close()
    return found


def _told(client: Any, arn: str, images: list[bytes]) -> float:
    answers = [client.detect_custom_labels(ProjectVersionArn=arn, Image={"Bytes": image}) for image in images]
    return statistics.mean(len(answer["CustomLabels"]) for answer in answers)


def _spans(
    bed: Bed, images: list[bytes], arn: str, caller: Caller, raw: RawGraph, predictor: serving.Servable
) -> dict[str, list[float]]:
    tensors = [raw.prepare(image) for image in images]
    rounds, warm_up = (20, 4) if bed.quick else (ROUNDS, WARM_UP)
    times: dict[str, list[float]] = {name: [] for name in SPANS}
    for turn in range(warm_up + rounds):
        at = turn % len(images)
        if at == 0:
            requests = [bed.signer.detect_labels(arn, image) for image in images]  # good for five minutes
        image, request, tensor = images[at], requests[at], tensors[at]
        spans: dict[str, Callable[[], object]] = {
            "end to end": lambda request=request: caller.send(request),
            "raw graph": lambda tensor=tensor: raw.infer(tensor),
            "decoding": lambda image=image: load_upright(image),
            "predictor": lambda image=image: predictor.predict(image),
        }
        first = turn % len(SPANS)
        for name in SPANS[first:] + SPANS[:first]:
            milliseconds = timed(spans[name])
            if turn >= warm_up:
                times[name].append(milliseconds)
    parts = zip(times["end to end"], times["raw graph"], times["decoding"], strict=True)
    return times | {"overhead": [whole - graph - decoding for whole, graph, decoding in parts]}


@contextmanager
def _running(bed: Bed, model: Model) -> Iterator[tuple[Any, str]]:
    """The model as a version of a new project, running for the block; gives a client and its ARN."""
    client = boto3.Session(**bed.server.credentials).client("rekognition", endpoint_url=bed.server.endpoint)
    project = client.create_project(ProjectName=model.folder.name)["ProjectArn"]
    arn = _placed(bed, model, project)
    client.start_project_version(ProjectVersionArn=arn, MinInferenceUnits=1)
    _wait(client, project, "RUNNING")
    yield client, arn
    client.stop_project_version(ProjectVersionArn=arn)
    _wait(client, project, "STOPPED")
    client.close()


def _placed(bed: Bed, model: Model, project: str) -> str:
    """A trained version of the project with a copy of the artifact; its ARN."""
    folder, now = DataFolder(bed.server.data), time.time_ns() // 1_000_000
    done, task = VersionStatus.TRAINING_COMPLETED, model.card.task
    store = Store.open(folder.database)
    try:
        with store.write() as connection:
            _, _, _, region, account, _ = project.split(":", 5)
            scope = Scope(account, region)
            home = projects.named(connection, scope, project.split("/")[1])
            assert home is not None
            training, output = VersionStatus.TRAINING_IN_PROGRESS, Output("none", "")
            made = versions.create(connection, NewVersion(home.id, "1", training, "", output, 1, True), now)
            artifact = folder.artifacts / f"{made.artifact_id}.bench"
            shutil.copytree(model.folder, artifact)
            outcome = Outcome(artifact.name, task, dict(zip(LABELS, model.card.thresholds, strict=True)), 1.0, 0, now)
            versions.finished(connection, made.id, done, VERSION_MESSAGES[done], outcome, Files())
    finally:
        store.close()
    return str(made.name)


def _wait(client: Any, project: str, wanted: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while (found := _status(client, project)) != wanted:
        if time.monotonic() > deadline:
            raise BenchFailed(f"the version is {found}, not {wanted}, after {_PATIENCE:g} s")
        time.sleep(0.05)  # the API has no other way to wait


def _status(client: Any, project: str) -> str:
    [found] = client.describe_project_versions(ProjectArn=project)["ProjectVersionDescriptions"]
    return str(found["Status"])
