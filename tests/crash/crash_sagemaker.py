"""A client of SageMaker's registry: models come and go with their tags, and a group gets version after version."""

from __future__ import annotations

import random
import uuid

from botocore.exceptions import ClientError
from crash_journal import ABSENT, Fact, Unreachable, Violation
from crash_world import World

_GROUP = "crash-group"
_SPECIFICATION = {
    "Containers": [{"Image": "builtin/python"}],
    "SupportedContentTypes": ["image/png"],
    "SupportedResponseMIMETypes": ["application/json"],
}


class RegistryActor:
    """A model is there with its tag or not at all; a call that is repeated with its token makes one version."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self._world = world
        self._rng = rng
        self._models = {name: world.journal.fact(f"model {name}") for name in (f"crash-{n}" for n in range(4))}
        self._version = 0

    def setup(self) -> None:
        self._world.sagemaker.create_model_package_group(ModelPackageGroupName=_GROUP)

    def step(self) -> None:
        if self._rng.random() < 0.3:
            self._add_version()
            return
        name, fact = self._rng.choice(sorted(self._models.items()))
        if not fact.certain:
            self._look(name, fact)
        elif fact.is_only(ABSENT):
            self._create(name, fact)
        elif self._rng.random() < 0.5:
            self._retag(name, fact)
        else:
            with self._world.journal.changing(fact, ABSENT):
                self._world.sagemaker.delete_model(ModelName=name)

    def check(self) -> None:
        for name, fact in self._models.items():
            self._look(name, fact)
        pages = self._world.sagemaker.get_paginator("list_models").paginate(NameContains="crash-")
        listed = {each["ModelName"] for page in pages for each in page["Models"]}
        expected = {name for name, fact in self._models.items() if not fact.is_only(ABSENT)}
        if listed != expected:
            raise Violation(f"the models listed are {listed}, but there are {expected}")
        pages = self._world.sagemaker.get_paginator("list_model_packages").paginate(ModelPackageGroupName=_GROUP)
        versions = [each["ModelPackageVersion"] for page in pages for each in page["ModelPackageSummaryList"]]
        if versions != list(range(1, self._version + 1)):
            raise Violation(f"the versions are {versions}, but {self._version} were made")

    def _create(self, name: str, fact: Fact) -> None:
        tag = self._some_tag()
        with self._world.journal.changing(fact, tag):
            self._world.sagemaker.create_model(
                ModelName=name,
                PrimaryContainer={"Image": "builtin/python"},
                Tags=[{"Key": "tag", "Value": tag}],
            )

    def _retag(self, name: str, fact: Fact) -> None:
        tag = self._some_tag()
        with self._world.journal.calling(f"describing model {name}"):
            arn = self._world.sagemaker.describe_model(ModelName=name)["ModelArn"]
        with self._world.journal.changing(fact, tag):
            self._world.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "tag", "Value": tag}])

    def _look(self, name: str, fact: Fact) -> None:
        with self._world.journal.calling(f"describing model {name}"):
            try:
                arn = self._world.sagemaker.describe_model(ModelName=name)["ModelArn"]
                [tag] = self._world.sagemaker.list_tags(ResourceArn=arn)["Tags"]
                fact.observe(tag["Value"])
            except ClientError as error:
                if "Could not find model" not in error.response["Error"]["Message"]:
                    raise
                fact.observe(ABSENT)

    def _add_version(self) -> None:
        """Repeated with its token until it is answered."""
        token = uuid.UUID(int=self._rng.getrandbits(128)).hex
        while True:
            try:
                with self._world.journal.calling(f"a version of {_GROUP}"):
                    made = self._world.sagemaker.create_model_package(
                        ModelPackageGroupName=_GROUP, InferenceSpecification=_SPECIFICATION, ClientToken=token
                    )["ModelPackageArn"]
                break
            except Unreachable:
                self._world.up.wait()
        self._version += 1
        if not made.endswith(f"/{self._version}"):
            raise Violation(f"{made} should be version {self._version}")

    def _some_tag(self) -> str:
        return uuid.UUID(int=self._rng.getrandbits(128)).hex
