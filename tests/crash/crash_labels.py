"""A client of Rekognition Custom Labels: a dataset that changes, and versions trained, run, asked, stopped, deleted."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping
from typing import Any

from crash_journal import ABSENT, REFUSALS, Fact, Violation
from crash_processes import wait_until
from crash_vision import BUCKET, FAILED, IMAGES, some_date
from crash_world import World, picture

from label_pictures import label_line

DATA, MODELS = "labels-data", "labels-models"
MANIFEST = "labels.manifest"
SETTLE_SECONDS = 300
MOST_VERSIONS = 4
_KILLED_THRICE = re.compile(r"\(attempt 3 of 3\)")
Content = frozenset[tuple[str, str, str]]
"""Entries of a dataset: image, label, date of the label."""


class LabelActor:
    """Two projects: one whose dataset comes, changes and goes, and one whose versions are trained on a manifest."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self._world = world
        self._rng = rng
        self._projects: dict[str, str] = {}
        self._dataset = world.journal.fact(f"dataset of {DATA}")
        self._versions: dict[str, Fact] = {}
        self._made = 0
        self._answers: dict[str, Any] = {}

    def setup(self) -> None:
        for name in (DATA, MODELS):
            self._projects[name] = self._client.create_project(ProjectName=name)["ProjectArn"]
        lines = "\n".join(_line(name, "2024-01-01T00:00:00.000") for name in IMAGES)
        self._world.s3.put_object(Bucket=BUCKET, Key=MANIFEST, Body=lines.encode())

    def step(self) -> None:
        acts = (self._change_dataset, self._delete_dataset, self._train, self._run, self._delete_version)
        self._rng.choices(acts, weights=(4, 0.5, 3, 5, 2))[0]()

    def check(self) -> None:
        """Everything comes to rest, in a state that what was acknowledged allows."""
        wait_until(self._look_at_dataset, SETTLE_SECONDS, f"{self._dataset.what} at rest")
        wait_until(self._look_at_versions, SETTLE_SECONDS, f"versions of {MODELS} at rest")
        for name, fact in self._versions.items():
            if "RUNNING" in fact.possible:
                self._detect(name)

    @property
    def _client(self) -> Any:
        return self._world.rekognition

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
        date, names = some_date(self._rng), self._rng.sample(sorted(IMAGES), 12)
        key = f"labels/{self._rng.getrandbits(60):x}"
        with self._world.journal.calling("putting a manifest of labels"):
            body = "\n".join(_line(name, date) for name in names)
            self._world.s3.put_object(Bucket=BUCKET, Key=key, Body=body.encode())
        source = {"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET, "Name": key}}}
        with self._world.journal.changing(self._dataset, _content(names, date), FAILED):
            self._client.create_dataset(ProjectArn=self._projects[DATA], DatasetType="TRAIN", DatasetSource=source)

    def _update_dataset(self, before: Content) -> None:
        arn = self._dataset_arn()
        if arn is None:
            return
        date, names = some_date(self._rng), self._rng.sample(sorted(IMAGES), self._rng.randrange(1, 6))
        changes = "\n".join(_line(name, date) for name in names).encode()
        kept = {one for one in before if one[0].rpartition("/")[2] not in names}
        with self._world.journal.changing(self._dataset, _content(names, date) | kept, before):
            self._client.update_dataset_entries(DatasetArn=arn, Changes={"GroundTruth": changes})

    def _delete_dataset(self) -> None:
        arn = self._dataset_arn()
        if arn is not None:
            with self._world.journal.changing(self._dataset, ABSENT):
                self._client.delete_dataset(DatasetArn=arn)

    def _dataset_arn(self) -> str | None:
        with self._world.journal.calling(f"describing {DATA}"):
            [project] = self._client.describe_projects(ProjectNames=[DATA])["ProjectDescriptions"]
        return next((str(one["DatasetArn"]) for one in project["Datasets"]), None)

    def _look_at_dataset(self) -> bool:
        """Whether it is at rest; then it is as the journal says."""
        arn = self._dataset_arn()
        if arn is None:
            self._dataset.observe(ABSENT)
            return True
        with self._world.journal.calling(f"describing the {self._dataset.what}"):
            found = self._client.describe_dataset(DatasetArn=arn)["DatasetDescription"]
            status, message = found["Status"], found["StatusMessage"]
            if status.endswith("IN_PROGRESS"):
                return False
            if status.endswith("FAILED") and not _KILLED_THRICE.search(message):
                raise Violation(f"the {self._dataset.what} is {status} for a reason that is none: {message!r}")
            if status == "CREATE_FAILED":
                self._dataset.observe(FAILED)
                return True
            lines = self._client.list_dataset_entries(DatasetArn=arn, MaxResults=100)["DatasetEntries"]
        self._dataset.observe(frozenset(_entry(json.loads(one)) for one in lines))
        return True

    # Versions.

    def _train(self) -> None:
        if len(self._versions) >= MOST_VERSIONS:
            return
        self._made += 1
        name = f"v{self._made}"
        fact = self._versions[name] = self._world.journal.fact(f"version {name}")
        manifest = {"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET, "Name": MANIFEST}}}
        with self._world.journal.changing(fact, "TRAINING_COMPLETED", "TRAINING_FAILED"):
            self._client.create_project_version(
                ProjectArn=self._projects[MODELS],
                VersionName=name,
                OutputConfig={"S3Bucket": BUCKET, "S3KeyPrefix": "label-results"},
                TrainingData={"Assets": [manifest]},
                TestingData={"AutoCreate": True},
            )

    def _run(self) -> None:
        self._look_at_versions()
        running = [name for name, fact in self._versions.items() if "RUNNING" in fact.possible]
        startable = [
            name
            for name, fact in self._versions.items()
            if fact.certain and fact.possible & {"TRAINING_COMPLETED", "STOPPED", "FAILED"}
        ]
        if running and self._rng.random() < 0.6:
            self._detect(self._rng.choice(running))
        elif running:
            name = self._rng.choice(running)
            with self._world.journal.changing(self._versions[name], "STOPPED"):
                self._client.stop_project_version(ProjectVersionArn=self._arn(name))
        elif startable:
            name = self._rng.choice(startable)
            with self._world.journal.changing(self._versions[name], "RUNNING", "FAILED"):
                self._client.start_project_version(ProjectVersionArn=self._arn(name), MinInferenceUnits=1)

    def _delete_version(self) -> None:
        self._look_at_versions()
        resting = {"TRAINING_COMPLETED", "TRAINING_FAILED", "STOPPED", "FAILED"}
        names = [name for name, fact in self._versions.items() if fact.certain and fact.possible & resting]
        if len(names) >= 2:
            name = self._rng.choice(names)
            with self._world.journal.changing(self._versions[name], ABSENT):
                self._client.delete_project_version(ProjectVersionArn=self._arn(name))

    def _detect(self, name: str) -> None:
        arn = self._arn(name)
        # InternalServerError: the unit, and the one that took the request over, were both killed.
        with self._world.journal.calling(f"detecting with {name}", REFUSALS | {"InternalServerError"}):
            image = {"Bytes": picture(77, defect=True)}
            found = self._client.detect_custom_labels(ProjectVersionArn=arn, Image=image, MinConfidence=0)
        self._world.journal.count("labels detected")
        if self._answers.setdefault(name, found["CustomLabels"]) != found["CustomLabels"]:
            raise Violation(f"{name} answered {found['CustomLabels']}, but before {self._answers[name]}")

    def _arn(self, name: str) -> str:
        return str(self._described()[name]["ProjectVersionArn"])

    def _described(self) -> dict[str, Mapping[str, Any]]:
        with self._world.journal.calling(f"describing the versions of {MODELS}"):
            pages = self._client.get_paginator("describe_project_versions").paginate(ProjectArn=self._projects[MODELS])
            found = [one for page in pages for one in page["ProjectVersionDescriptions"]]
        return {one["ProjectVersionArn"].split("/")[3]: one for one in found}

    def _look_at_versions(self) -> bool:
        """Whether all are at rest; those that are, are as the journal says."""
        found = self._described()
        if found.keys() - self._versions.keys():
            raise Violation(f"versions that nobody asked for: {sorted(found.keys() - self._versions.keys())}")
        for name, fact in list(self._versions.items()):
            self._judge(name, fact, found.get(name))
        return not any(one["Status"].endswith(("_IN_PROGRESS", "STARTING", "STOPPING")) for one in found.values())

    def _judge(self, name: str, fact: Fact, found: Mapping[str, Any] | None) -> None:
        if found is None:
            fact.observe(ABSENT)
            del self._versions[name]
            self._world.journal.facts.remove(fact)
            return
        status, message = found["Status"], found["StatusMessage"]
        if status in ("TRAINING_IN_PROGRESS", "STARTING", "STOPPING"):
            return
        if status == "TRAINING_FAILED" and not _KILLED_THRICE.search(message):
            raise Violation(f"{fact.what} has failed for a reason that is none: {message!r}")
        if status == "FAILED" and "SIGKILL" not in message:
            raise Violation(f"{fact.what} could not run for a reason that is none: {message!r}")
        fact.observe(status)
        if status == "RUNNING":  # may fail to come back when its units are killed while they start
            fact.possible.add("FAILED")


def _label(name: str) -> str:
    return "anomaly" if IMAGES[name] else "normal"


def _line(name: str, date: str) -> str:
    return json.dumps(label_line(f"s3://{BUCKET}/{name}", _label(name), **{"creation-date": date}))


def _content(names: list[str], date: str) -> Content:
    return frozenset((f"s3://{BUCKET}/{name}", _label(name), date) for name in names)


def _entry(line: Mapping[str, Any]) -> tuple[str, str, str]:
    metadata = line["label-0-metadata"]
    return line["source-ref"], metadata["class-name"], metadata["creation-date"]
