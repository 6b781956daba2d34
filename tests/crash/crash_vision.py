"""Clients of Lookout for Vision: one that makes and removes projects, one that trains, one that only detects."""

from __future__ import annotations

import json
import random
import re
import uuid
from collections.abc import Hashable, Mapping
from typing import Any

from botocore.exceptions import ClientError
from crash_journal import ABSENT, REFUSALS, Fact, Refused, Unreachable, Violation
from crash_processes import wait_until
from crash_world import World, picture

BUCKET = "crash-images"
IMAGES = {f"{index:02}.png": index % 3 == 2 for index in range(18)}
"""Whether each is defective: 12 are not, 6 are."""
PRESENT, FAILED = "present", "failed"
SETTLE_SECONDS = 300
_KILLED_THRICE = re.compile(r"\(attempt 3 of 3\)")
Content = frozenset[tuple[str, int, str]]
"""Entries of a dataset: image, label, date of the label."""


def setup_images(world: World) -> None:
    world.s3.create_bucket(Bucket=BUCKET)
    for index, (name, defect) in enumerate(IMAGES.items()):
        world.s3.put_object(Bucket=BUCKET, Key=name, Body=picture(index, defect=defect))


def line(name: str, date: str) -> str:
    """An entry as Ground Truth writes it."""
    label = "anomaly" if IMAGES[name] else "normal"
    metadata = {
        "class-name": label,
        "confidence": 1,
        "creation-date": date,
        "human-annotated": "yes",
        "job-name": "crash",
        "type": "groundtruth/image-classification",
    }
    return json.dumps({"source-ref": f"s3://{BUCKET}/{name}", "label": int(IMAGES[name]), "label-metadata": metadata})


def content(lines: Mapping[str, str]) -> Content:
    """What a dataset holds, given the date of each image's label."""
    return frozenset((f"s3://{BUCKET}/{name}", int(IMAGES[name]), date) for name, date in lines.items())


def some_date(rng: random.Random) -> str:
    return f"2024-0{rng.randrange(1, 10)}-{rng.randrange(10, 29)}T10:11:12.{rng.randrange(100, 1000)}"


def is_absent(error: ClientError) -> bool:
    return str(error.response["Error"]["Code"]) == "ResourceNotFoundException"


class ProjectActor:
    """Makes and removes projects; an unanswered call is repeated with its ClientToken, and then has to hold."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self._world = world
        self._rng = rng
        self._projects = {name: world.journal.fact(f"project {name}") for name in (f"churn-{n}" for n in range(5))}

    def step(self) -> None:
        name, fact = self._rng.choice(sorted(self._projects.items()))
        if not fact.certain:
            self._look(name, fact)
        elif fact.is_only(ABSENT):
            self._twice(fact, "create_project", PRESENT, name)
        else:
            self._twice(fact, "delete_project", ABSENT, name)

    def check(self) -> None:
        for name, fact in self._projects.items():
            self._look(name, fact)
        listed = {one["ProjectName"] for one in self._world.vision.list_projects(MaxResults=100)["Projects"]}
        expected = {name for name, fact in self._projects.items() if fact.is_only(PRESENT)}
        if {name for name in listed if name.startswith("churn-")} != expected:
            raise Violation(f"the projects listed are {listed}, but there are {expected}")

    def _twice(self, fact: Fact, operation: str, after: str, name: str) -> None:
        token = uuid.UUID(int=self._rng.getrandbits(128)).hex
        try:
            with self._world.journal.changing(fact, after):
                getattr(self._world.vision, operation)(ProjectName=name, ClientToken=token)
        except Unreachable:
            if self._rng.random() < 0.5:
                return
            self._world.up.wait()
            with self._world.journal.changing(fact, after):
                getattr(self._world.vision, operation)(ProjectName=name, ClientToken=token)
            self._world.journal.count("repeated with its token")

    def _look(self, name: str, fact: Fact) -> None:
        with self._world.journal.calling(f"describing project {name}"):
            try:
                self._world.vision.describe_project(ProjectName=name)
                fact.observe(PRESENT)
            except ClientError as error:
                if not is_absent(error):
                    raise
                fact.observe(ABSENT)


class TrainingActor:
    """Works on one project: its dataset changes, models are trained, started, asked, stopped and deleted."""

    def __init__(self, world: World, name: str, rng: random.Random) -> None:
        self._world = world
        self._rng = rng
        self._project = name
        self._dataset = world.journal.fact(f"dataset of {name}")
        self._wanted: Content | None = None  # the content of an update that was acknowledged
        self._models: dict[str, Fact] = {}
        self._answers: dict[str, Any] = {}
        self._unknown = 0  # trainings that were asked for, without an answer

    def setup(self) -> None:
        self._world.vision.create_project(ProjectName=self._project)

    def step(self) -> None:
        acts = (self._change_dataset, self._delete_dataset, self._train, self._host, self._delete_model)
        self._rng.choices(acts, weights=(4, 0.4, 4, 5, 2))[0]()

    def check(self) -> None:
        """Everything comes to rest, in a state that what was acknowledged allows."""
        wait_until(lambda: self._look_at_dataset(), SETTLE_SECONDS, f"{self._dataset.what} at rest")
        wait_until(lambda: self._look_at_models(), SETTLE_SECONDS, f"models of {self._project} at rest")
        for version, fact in self._models.items():
            if fact.possible & {"HOSTED"}:
                self._detect(version)

    # The dataset.

    def _change_dataset(self) -> None:
        if not self._look_at_dataset():
            return
        (before,) = self._dataset.possible
        if before == FAILED:
            self._delete_dataset()
        elif before == ABSENT:
            self._create_dataset()
        else:
            assert isinstance(before, frozenset)
            self._update_dataset(before)

    def _create_dataset(self) -> None:
        lines = dict.fromkeys(self._rng.sample(sorted(IMAGES), 15), some_date(self._rng))  # 3 defective at least
        manifest = "\n".join(line(name, date) for name, date in lines.items())
        key = f"manifests/{self._rng.getrandbits(60):x}"
        with self._world.journal.calling("putting a manifest"):
            self._world.s3.put_object(Bucket=BUCKET, Key=key, Body=manifest.encode())
        self._wanted = None
        source = {"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET, "Key": key}}}
        with self._world.journal.changing(self._dataset, content(lines), FAILED):
            self._world.vision.create_dataset(ProjectName=self._project, DatasetType="train", DatasetSource=source)

    def _update_dataset(self, before: Content) -> None:
        lines = dict.fromkeys(self._rng.sample(sorted(IMAGES), self._rng.randrange(1, 6)), some_date(self._rng))
        kept = {one for one in before if one[0].rpartition("/")[2] not in lines}
        after = content(lines) | kept
        changes = "\n".join(line(name, date) for name, date in lines.items()).encode()
        self._wanted = None
        with self._world.journal.changing(self._dataset, after, before):
            self._world.vision.update_dataset_entries(ProjectName=self._project, DatasetType="train", Changes=changes)
        self._wanted = after

    def _delete_dataset(self) -> None:
        if self._dataset.is_only(ABSENT):
            return
        self._wanted = None
        with self._world.journal.changing(self._dataset, ABSENT):
            self._world.vision.delete_dataset(ProjectName=self._project, DatasetType="train")

    def _look_at_dataset(self) -> bool:
        """Whether it is at rest; then it is as the journal says."""
        where = {"ProjectName": self._project, "DatasetType": "train"}
        with self._world.journal.calling(f"describing the {self._dataset.what}"):
            try:
                found = self._world.vision.describe_dataset(**where)["DatasetDescription"]
            except ClientError as error:
                if not is_absent(error):
                    raise
                self._dataset.observe(ABSENT)
                return True
            status = found["Status"]
            if status.endswith("IN_PROGRESS"):
                return False
            lines = self._world.vision.list_dataset_entries(**where, MaxResults=100)["DatasetEntries"]
        self._dataset.observe(self._content_in(status, found["StatusMessage"], lines))
        self._wanted = None
        return True

    def _content_in(self, status: str, message: str, lines: list[str]) -> Hashable:
        entries = [json.loads(one) for one in lines]
        held = frozenset((one["source-ref"], one["label"], one["label-metadata"]["creation-date"]) for one in entries)
        if "FAILED" in status and not _KILLED_THRICE.search(message):
            raise Violation(f"the {self._dataset.what} is {status} for a reason that is none: {message!r}")
        if status == "UPDATE_COMPLETE" and self._wanted is not None and held != self._wanted:
            raise Violation(f"the {self._dataset.what} is {status}, but without the update")
        return FAILED if status == "CREATE_FAILED" and not held else held

    # Models.

    def _train(self) -> None:
        if not isinstance(next(iter(self._dataset.possible)), frozenset) or len(self._models) > 6:
            return
        token = uuid.UUID(int=self._rng.getrandbits(128)).hex
        output = {"S3Location": {"Bucket": BUCKET, "Prefix": f"output/{self._project}/"}}
        arguments = {"ProjectName": self._project, "OutputConfig": output, "ClientToken": token}
        try:
            made = self._create_model(arguments)
        except Unreachable:
            self._unknown += 1
            self._world.up.wait()
            made = self._create_model(arguments)  # with its token: one model, whether the first call did it or not
            self._unknown -= 1
            self._world.journal.count("repeated with its token")
        fact = self._models.setdefault(made, self._world.journal.fact(f"model {self._project}/{made}"))
        fact.possible = {"TRAINED", "TRAINING_FAILED"}

    def _create_model(self, arguments: Mapping[str, Any]) -> str:
        refusals = REFUSALS | {"ResourceNotFoundException"}  # of a dataset whose deletion was not answered
        with self._world.journal.calling("create_model", refusals):
            return str(self._world.vision.create_model(**arguments)["ModelMetadata"]["ModelVersion"])

    def _host(self) -> None:
        self._look_at_models()
        at_rest = [(version, next(iter(fact.possible))) for version, fact in self._models.items() if fact.certain]
        hosted = [version for version, fact in self._models.items() if "HOSTED" in fact.possible]
        startable = [version for version, state in at_rest if state in ("TRAINED", "HOSTING_FAILED")]
        if hosted and self._rng.random() < 0.6:
            self._detect(self._rng.choice(hosted))
        elif hosted and (len(hosted) > 1 or self._rng.random() < 0.5):
            version = self._rng.choice(hosted)
            with self._world.journal.changing(self._models[version], "TRAINED"):
                self._world.vision.stop_model(ProjectName=self._project, ModelVersion=version)
        elif startable:
            version = self._rng.choice(startable)
            with self._world.journal.changing(self._models[version], "HOSTED", "HOSTING_FAILED"):
                self._world.vision.start_model(
                    ProjectName=self._project, ModelVersion=version, MinInferenceUnits=1, MaxInferenceUnits=2
                )

    def _delete_model(self) -> None:
        certain = [version for version, fact in self._models.items() if fact.certain and not fact.is_only(ABSENT)]
        if len(certain) < 3:
            return
        version = self._rng.choice(certain)
        with self._world.journal.changing(self._models[version], ABSENT):
            self._world.vision.delete_model(ProjectName=self._project, ModelVersion=version)

    def _detect(self, version: str) -> None:
        refusals = REFUSALS | {"InternalServerException", "ResourceNotFoundException"}
        with self._world.journal.calling(f"detecting with {version}", refusals):
            answer = self._world.vision.detect_anomalies(
                ProjectName=self._project, ModelVersion=version, Body=picture(77, defect=True), ContentType="image/png"
            )
        result = answer["DetectAnomalyResult"]
        if self._answers.setdefault(version, result) != result:
            raise Violation(f"model {version} answered {result}, but before {self._answers[version]}")

    def _look_at_models(self) -> bool:
        """Whether all are at rest; those that are, are as the journal says."""
        with self._world.journal.calling(f"listing the models of {self._project}"):
            pages = self._world.vision.get_paginator("list_models").paginate(ProjectName=self._project)
            found = {one["ModelVersion"]: one for page in pages for one in page["Models"]}
        for version in sorted(found.keys() - self._models.keys()):
            if not self._unknown:
                raise Violation(f"model {version} of {self._project} was never asked for")
            self._unknown -= 1
            fact = self._models[version] = self._world.journal.fact(f"model {self._project}/{version}")
            fact.possible = {"TRAINED", "TRAINING_FAILED"}
        for version, fact in list(self._models.items()):
            self._judge(version, fact, found.get(version))
        return not any(one["Status"].endswith("ING") or "_HOSTING" in one["Status"] for one in found.values())

    def _judge(self, version: str, fact: Fact, found: Mapping[str, Any] | None) -> None:
        if found is None:
            fact.observe(ABSENT)
            del self._models[version]
            self._world.journal.facts.remove(fact)
            return
        status, message = found["Status"], found["StatusMessage"]
        if status in ("TRAINING", "STARTING_HOSTING", "STOPPING_HOSTING"):
            return
        if status == "TRAINING_FAILED" and not _KILLED_THRICE.search(message):
            raise Violation(f"{fact.what} has failed for a reason that is none: {message!r}")
        if status == "HOSTING_FAILED" and "SIGKILL" not in message:
            raise Violation(f"{fact.what} could not be hosted for a reason that is none: {message!r}")
        fact.observe(status)
        if status == "HOSTED":  # may fail to come back when its units are killed while they start
            fact.possible.add("HOSTING_FAILED")


class DetectionActor:
    """Asks one model that is to be hosted all the time."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self._world = world
        self._rng = rng
        self._name = {"ProjectName": "steady", "ModelVersion": "1"}
        self._pictures = [picture(100 + index, defect=index % 2 == 1) for index in range(4)]
        self._answers: list[Any] = []

    def setup(self) -> None:
        vision = self._world.vision
        vision.create_project(ProjectName="steady")
        lines = "\n".join(line(name, "2024-01-01T00:00:00.000") for name in IMAGES)
        self._world.s3.put_object(Bucket=BUCKET, Key="steady.manifest", Body=lines.encode())
        source = {"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET, "Key": "steady.manifest"}}}
        vision.create_dataset(ProjectName="steady", DatasetType="train", DatasetSource=source)
        where = {"ProjectName": "steady", "DatasetType": "train"}
        wait_until(
            lambda: vision.describe_dataset(**where)["DatasetDescription"]["Status"] == "CREATE_COMPLETE", 120, "made"
        )
        vision.create_model(ProjectName="steady", OutputConfig={"S3Location": {"Bucket": BUCKET, "Prefix": "steady/"}})
        wait_until(lambda: self._status() == "TRAINED", 300, "trained")
        self._start()
        self._answers = [self._ask(image) for image in self._pictures]

    def step(self) -> None:
        index = self._rng.randrange(len(self._pictures))
        # InternalServerException: the unit, and the one that took the request over, were both killed.
        with self._world.journal.calling("detecting", REFUSALS | {"InternalServerException"}):
            answer = self._ask(self._pictures[index])
        self._world.journal.count("detections")
        self._compare(answer, index)

    def check(self) -> None:
        """The model is up, or failed with a reason and comes up when it is started; it answers as it did at first."""
        described = self._world.vision.describe_model(**self._name)["ModelDescription"]
        message = described["StatusMessage"]
        if described["Status"] == "HOSTING_FAILED":
            if "SIGKILL" not in message:
                raise Violation(f"the steady model failed for a reason that is none: {message!r}")
            self._world.journal.count("steady model started anew")
            self._start()
        if self._status() != "HOSTED":
            raise Violation(f"the steady model is {self._status()}: {message}")
        for index, image in enumerate(self._pictures):
            self._compare(self._ask(image), index)

    def _start(self) -> None:
        self._world.vision.start_model(**self._name, MinInferenceUnits=1, MaxInferenceUnits=2)
        wait_until(lambda: self._status() == "HOSTED", 300, "the steady model hosted")

    def _status(self) -> str:
        return str(self._world.vision.describe_model(**self._name)["ModelDescription"]["Status"])

    def _ask(self, image: bytes) -> Any:
        answer = self._world.vision.detect_anomalies(**self._name, Body=image, ContentType="image/png")
        return answer["DetectAnomalyResult"]

    def _compare(self, answer: Any, index: int) -> None:
        if answer != self._answers[index]:
            raise Violation(f"the steady model answers {answer} to image {index}, but at first {self._answers[index]}")


__all__ = ["DetectionActor", "ProjectActor", "Refused", "TrainingActor", "setup_images"]
