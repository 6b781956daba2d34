"""The order of the calls, from an empty account to a stopped model: what any user of the API does."""

from __future__ import annotations

import secrets
import time
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from relook.demo import client
from relook.demo.client import Clients
from relook.demo.manifests import line_for
from relook.demo.pictures import Picture, Plan, Truth, count
from relook.demo.progress import Bar, Screen
from relook.demo.results import Run, Seen, seen_from

_NO_WEIGHTS = "No pretrained weights"
"""How the training report begins to warn when features are random."""


@dataclass(frozen=True, slots=True)
class Names:
    """What this run creates."""

    bucket: str
    project: str


def new_names() -> Names:
    """Names no earlier run has used, so that a server may be used again."""
    mark = time.strftime("%Y%m%d-%H%M%S") + "-" + secrets.token_hex(2)
    return Names(bucket=f"relook-demo-{mark}", project=f"demo-{mark}")


def run(clients: Clients, plan: Plan, screen: Screen, names: Names | None = None) -> Run:
    """Do it all. Raises ServiceError naming the step that failed."""
    names = names or new_names()
    manifests = _upload(clients, plan, screen, names)
    _datasets(clients, manifests, screen, names)
    began = time.monotonic()
    with screen.step("Train the model (CreateModel)") as bar:
        model = client.train(clients, names.project, names.bucket, "output/", bar.message)
    trained = time.monotonic()
    evaluation = client.get_json(clients, model["EvaluationResult"])
    notes = _notes(clients, model["EvaluationResult"], screen)
    version = model["ModelVersion"]
    with screen.step("Start the model (StartModel)"):
        hosting = time.monotonic()
        client.host(clients, names.project, version)
        hosted = time.monotonic()
    with screen.step(f"Look at {len(plan.unseen)} pictures it has not seen (DetectAnomalies)") as bar:
        seen = _detect(clients, plan.unseen, bar, names, version)
    with screen.step("Stop the model (StopModel)"):
        client.stop(clients, names.project, version)
    return Run(
        plan=plan,
        project=names.project,
        version=version,
        endpoint=clients.endpoint,
        message=model.get("StatusMessage", ""),
        metrics=evaluation["AggregatedEvaluationResults"]["Metrics"],
        details=evaluation["EvaluationDetails"],
        train_seconds=trained - began,
        start_seconds=hosted - hosting,
        seen=seen,
        notes=notes,
    )


def _notes(clients: Clients, evaluation: Mapping[str, str], screen: Screen) -> tuple[str, ...]:
    """What the training report says to people; the table of candidates is left to those who open it."""
    key = evaluation["Key"].replace("EvaluationResult-", "TrainingReport-")
    report = client.get_json(clients, {"Bucket": evaluation["Bucket"], "Key": key})
    notes = tuple(note for note in report["Notes"] if not note.startswith("Candidate "))
    for note in notes:
        screen.say(f"   {note}")
    if any(note.startswith(_NO_WEIGHTS) for note in notes):
        screen.say("   Here: make demo WEIGHTS=FILE (an ONNX or safetensors file), with the same IMAGES.")
    return notes


def _upload(clients: Clients, plan: Plan, screen: Screen, names: Names) -> dict[str, str]:
    """Put images, masks and a manifest for each dataset into a new bucket; dataset type to manifest key."""
    sets = {"train": plan.train, "test": plan.test} if plan.test else {"train": plan.train}
    total, done = sum(len(pictures) for pictures in sets.values()), 0
    manifests = {}
    screen.say(f"   Bucket {names.bucket}, project {names.project}")
    with screen.step(f"Upload {total} pictures") as bar:
        client.create_bucket(clients, names.bucket)
        for kind, pictures in sets.items():
            lines = []
            for index, picture in enumerate(pictures, start=1):
                lines.append(_upload_one(clients, names.bucket, f"{kind}/{index:04}-", picture))
                done += 1
                bar.at(done, total)
            manifests[kind] = f"manifests/{kind}.manifest"
            text = "\n".join(lines) + "\n"
            client.put(clients, names.bucket, manifests[kind], text.encode(), "application/x-ndjson")
    return manifests


def _upload_one(clients: Clients, bucket: str, prefix: str, picture: Picture) -> str:
    """Upload a picture and its mask; its manifest line."""
    encoded, stem = picture.load(), prefix + key_part(picture.name)
    image = client.put(clients, bucket, f"images/{stem}.{encoded.extension}", encoded.data, encoded.content_type)
    mask = None
    if picture.mask:
        mask = client.put(clients, bucket, f"masks/{stem}.png", picture.mask.load(), "image/png")
    return line_for(picture, image, mask)


def key_part(name: str) -> str:
    """A file name's stem in the characters that the API takes in an S3 key; a number before it keeps it unique."""
    plain = unicodedata.normalize("NFKD", PurePosixPath(name).stem).encode("ascii", "ignore").decode()
    return "".join(char if char.isalnum() or char in "_.-" else "-" for char in plain)[:80] or "image"


def _datasets(clients: Clients, manifests: dict[str, str], screen: Screen, names: Names) -> None:
    with screen.step(f"Create the project and its {' and '.join(manifests)} dataset"):
        client.create_project(clients, names.project)
        for kind, key in manifests.items():
            client.create_dataset(clients, names.project, kind, names.bucket, key)


def _detect(clients: Clients, pictures: Sequence[Picture], bar: Bar, names: Names, version: str) -> tuple[Seen, ...]:
    seen = []
    for done, picture in enumerate(pictures, start=1):
        encoded = picture.load()
        began = time.perf_counter()
        answer = client.detect(clients, names.project, version, encoded.data, encoded.content_type)
        seen.append(seen_from(picture, encoded.data, answer, time.perf_counter() - began))
        bar.at(done, len(pictures))
    return tuple(seen)


def describe(plan: Plan) -> str:
    """One sentence on who trains and who is kept back."""

    def both(pictures: Sequence[Picture]) -> str:
        return f"{count(pictures, Truth.NORMAL)} normal and {count(pictures, Truth.ANOMALY)} anomalous"

    test = f", {both(plan.test)} to test" if plan.test else " (the service keeps some of them for its own test)"
    kind = f"masks of {', '.join(plan.labels)}" if plan.labels else "no masks: the model only classifies"
    return f"{both(plan.train)} pictures to train{test}; {both(plan.unseen)} kept unseen; {kind}."
