"""Every error that a call of Custom Labels is refused with, as `aws rekognition` tells it, and scripts by its exit."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from string import Template

import botocore.session
import pytest
from aws_clis import VERSIONS, Aws, cli
from lookout_stage import BUCKET
from refusing_stage import DOCUMENT, refusing_stage
from running_stage import BUCKET as RUNNING_BUCKET

from tiny_models import picture, plain

REFUSED = {"v1": 255, "v2": 254}
FILES = {
    "changes.json": b'{"GroundTruth": "e30K"}',
    "policy.json": DOCUMENT.encode(),
    "tags.json": json.dumps({f"key-{number}": "" for number in range(51)}).encode(),
    "junk": b"junk",
    "red.png": picture(red=(1, 2)),
    "wide.png": plain(0, 0, 0, 4097, 300),
    "low.png": plain(0, 0, 0, 64, 63),
}
OUT = f"--version-name v2 --output-config S3Bucket={BUCKET}"
GIVEN = (
    f"--training-data Assets=[{{GroundTruthManifest={{S3Object={{Bucket={BUCKET},Name=m}}}}}}] "
    "--testing-data AutoCreate=true"
)
MANIFEST = f"--dataset-source GroundTruthManifest={{S3Object={{Bucket={BUCKET},Name=absent}}}}"
PUT = "put-project-policy --policy-document file://policy.json --project-arn"
COPY = f"copy-project-version {OUT} --destination-project-arn"
RUNNING = "--source-project-arn $running --source-project-version-arn $running_version"
DETECT = "detect-custom-labels --project-version-arn"
START = "start-project-version --min-inference-units 1 --project-version-arn"
NAMES, DOES_NOT_EXIST = "is not the ARN of ", "does not exist in us-east-1 for account 000000000000"
BUSY = "is UPDATE_IN_PROGRESS; wait until that has ended"
TOKEN = "NextToken is not valid for this request"
UNABLE = "Unable to get object metadata from S3. Check object key, region and/or access permissions. ("
IN_USE, INVALID, MISSING = "ResourceInUseException", "InvalidParameterException", "ResourceNotFoundException"
NOT_READY, LIMIT, QUOTA = "ResourceNotReadyException", "LimitExceededException", "ServiceQuotaExceededException"
PAGES, THERE = "InvalidPaginationTokenException", "ResourceAlreadyExistsException"
REVISION, VALIDATION = "InvalidPolicyRevisionIdException", "ValidationException"
Refusal = tuple[str, str, str]
"""The command, the error, and words of its message."""


def _found_by(operation: str, name: str, more: str = "") -> list[Refusal]:
    """How an operation refuses an ARN of nothing, and one of another partition, in the option of this name."""
    kind = {"project-version-arn": "_version", "dataset-arn": "_dataset"}.get(name, "")
    command = f"{operation} {more} --{name} "
    return [
        (f"{command}$absent{kind}", MISSING, f"$absent{kind} {DOES_NOT_EXIST}"),
        (f"{command}$foreign{kind}", INVALID, f"Request has invalid parameters ('$foreign{kind}' {NAMES}"),
    ]


def _lists(command: str) -> list[Refusal]:
    """How a list refuses a token that it has not given out, and a page that is too large."""
    return [
        (f"{command} --next-token mine", PAGES, TOKEN),
        (f"{command} --max-results 101", VALIDATION, "Value '101' at 'maxResults' failed to satisfy constraint"),
    ]


REFUSALS: Sequence[Refusal] = (
    ("create-project --project-name idle", IN_USE, "Project idle already exists"),
    ("create-project --project-name another", LIMIT, "There are 7 projects, which is the most"),
    ("create-project --project-name a --feature CONTENT_MODERATION", INVALID, "CONTENT_MODERATION is not offered here"),
    ("create-project --project-name a/b", VALIDATION, "Value 'a/b' at 'projectName' failed to satisfy constraint"),
    *_lists("describe-projects"),
    *_found_by("delete-project", "project-arn"),
    ("delete-project --project-arn $busy", IN_USE, "Project busy still has model versions or datasets"),
    *_found_by("create-dataset", "project-arn", "--dataset-type TRAIN"),
    ("create-dataset --dataset-type TRAIN --project-arn $busy", THERE, "Project busy already has a TRAIN dataset"),
    (f"create-dataset --dataset-type TEST --project-arn $spare {MANIFEST}", "InvalidS3ObjectException", UNABLE),
    (
        "create-dataset --dataset-type TEST --project-arn $spare --dataset-source DatasetArn=$updating",
        INVALID,
        "is UPDATE_IN_PROGRESS; to be copied it must be ",
    ),
    *_found_by("describe-dataset", "dataset-arn"),
    *_found_by("update-dataset-entries", "dataset-arn", "--changes file://changes.json"),
    ("update-dataset-entries --changes file://changes.json --dataset-arn $updating", IN_USE, BUSY),
    ("update-dataset-entries --changes file://changes.json --dataset-arn $broken", INVALID, "could not be created"),
    (
        "distribute-dataset-entries --datasets Arn=$absent_dataset Arn=$test",
        MISSING,
        f"$absent_dataset {DOES_NOT_EXIST}",
    ),
    ("distribute-dataset-entries --datasets Arn=$train Arn=$test", INVALID, "Dataset $train is empty"),
    (
        "distribute-dataset-entries --datasets Arn=$updating Arn=$broken",
        NOT_READY,
        "Dataset $updating is UPDATE_IN_PROGRESS; DistributeDatasetEntries needs ",
    ),
    *(
        refusal
        for operation in ("list-dataset-entries", "list-dataset-labels")
        for refusal in (
            *_found_by(operation, "dataset-arn"),
            *_lists(f"{operation} --dataset-arn $train"),
            (f"{operation} --dataset-arn $updating", IN_USE, f"Dataset $updating {BUSY}"),
            (f"{operation} --dataset-arn $broken", NOT_READY, "is CREATE_FAILED: there is nothing to list"),
        )
    ),
    *_found_by("delete-dataset", "dataset-arn"),
    ("delete-dataset --dataset-arn $updating", IN_USE, f"Dataset $updating {BUSY}, then delete it"),
    *_found_by("create-project-version", "project-arn", OUT),
    (
        f"create-project-version --project-arn $spare {OUT} {GIVEN} --kms-key-id alias/key",
        INVALID,
        "Request has invalid parameters (KmsKeyId is not supported yet; leave it out)",
    ),
    (
        f"create-project-version --project-arn $idle --version-name v1 {OUT.split(' ', 2)[2]} {GIVEN}",
        IN_USE,
        "Project idle already has a version v1",
    ),
    (f"create-project-version --project-arn $idle {OUT} {GIVEN}", QUOTA, "or raise the setting label_versions"),
    (f"create-project-version --project-arn $spare {OUT} {GIVEN}", LIMIT, "1 models are being trained in us-east-1"),
    *_found_by("describe-project-versions", "project-arn"),
    *_lists("describe-project-versions --project-arn $idle"),
    *_found_by("start-project-version", "project-version-arn", "--min-inference-units 1"),
    (f"{START} $failed_version", INVALID, "is TRAINING_FAILED: there is no model to start"),
    (f"{START} $running_version", IN_USE, "$running_version is RUNNING; a start needs "),
    (f"{START} $idle_version", LIMIT, "1 models run, start or stop in us-east-1; the most is 1"),
    (f"{START} $idle_version --max-inference-units 6", LIMIT, "6 inference units were asked for"),
    *_found_by("stop-project-version", "project-version-arn"),
    ("stop-project-version --project-version-arn $idle_version", IN_USE, "$idle_version is TRAINING_COMPLETED; a stop"),
    *_found_by("delete-project-version", "project-version-arn"),
    (
        "delete-project-version --project-version-arn $training_version",
        IN_USE,
        "$training_version is TRAINING_IN_PROGRESS; DeleteProjectVersion needs ",
    ),
    *_found_by("detect-custom-labels", "project-version-arn", "--image-bytes fileb://red.png"),
    (
        f"{DETECT} $idle_version --image-bytes fileb://red.png",
        NOT_READY,
        "$idle_version is TRAINING_COMPLETED; start it with StartProjectVersion",
    ),
    (
        f"{DETECT} $running_version --image S3Object={{Bucket={RUNNING_BUCKET},Name=absent}}",
        "InvalidS3ObjectException",
        UNABLE,
    ),
    (f"{DETECT} $running_version --image-bytes fileb://wide.png", "ImageTooLargeException", "4097"),
    (
        f"{DETECT} $running_version --image-bytes fileb://junk",
        "InvalidImageFormatException",
        "Request has invalid image format (",
    ),
    (f"{DETECT} $running_version --image-bytes fileb://low.png", INVALID, "Request has invalid parameters ("),
    *_found_by("copy-project-version", "destination-project-arn", f"{OUT} {RUNNING}"),
    (
        f"{COPY} $spare --source-project-arn $training --source-project-version-arn $training_version",
        INVALID,
        "is TRAINING_IN_PROGRESS: there is no trained model to copy",
    ),
    (
        f"{COPY} $spare --source-project-arn $absent --source-project-version-arn $absent_version",
        MISSING,
        "Project $absent does not exist",
    ),
    (
        f"{COPY} $spare --source-project-arn $theirs --source-project-version-arn $theirs_version",
        "AccessDeniedException",
        "is not allowed to copy $theirs_version: a policy of its project decides",
    ),
    (f"{COPY} $idle {RUNNING} --version-name v1", IN_USE, "Project idle already has a version v1"),
    (f"{COPY} $idle {RUNNING}", QUOTA, "or raise the setting label_versions"),
    *_found_by("put-project-policy", "project-arn", "--policy-name p --policy-document file://policy.json"),
    (f"{PUT} $spare --policy-name p", THERE, "Project spare has a policy p; to replace it, give its PolicyRevisionId"),
    (f"{PUT} $spare --policy-name q", QUOTA, "Project spare has 1 policies, which is the most"),
    (f"{PUT} $spare --policy-name q --policy-revision-id a1", REVISION, "Project spare has no policy q"),
    (
        "put-project-policy --project-arn $spare --policy-name p --policy-document {}",
        "MalformedPolicyDocumentException",
        "Syntax errors in policy: it must be a JSON object with a Statement",
    ),
    *_found_by("list-project-policies", "project-arn"),
    ("list-project-policies --project-arn $spare --next-token mine", PAGES, TOKEN),
    *_found_by("delete-project-policy", "project-arn", "--policy-name p"),
    ("delete-project-policy --project-arn $spare --policy-name q", MISSING, "Project spare has no policy q"),
    (
        "delete-project-policy --project-arn $spare --policy-name p --policy-revision-id a1",
        REVISION,
        "Policy p has another revision than a1",
    ),
    *_found_by("tag-resource", "resource-arn", "--tags line=7"),
    (
        "tag-resource --resource-arn $spare --tags file://tags.json",
        QUOTA,
        "$spare: it would have 51 tags; the most is 50",
    ),
    *_found_by("untag-resource", "resource-arn", "--tag-keys line"),
    *_found_by("list-tags-for-resource", "resource-arn"),
)
EVERYWHERE = frozenset(
    {"AccessDeniedException", "InternalServerError", "ProvisionedThroughputExceededException", "ThrottlingException"}
)
"""Declared by all operations and sent by none for what is asked; DetectCustomLabels has tests of its own for two."""
NEVER_SENT = {
    "DescribeProjects": {INVALID},
    "CreateDataset": {LIMIT},
    "UpdateDatasetEntries": {LIMIT},
    "DeleteDataset": {LIMIT},
    "DetectCustomLabels": {LIMIT},
    "CopyProjectVersion": {LIMIT},
    "PutProjectPolicy": {LIMIT},
}


def _operation(command: str) -> str:
    return "".join(word.title() for word in command.split()[0].split("-"))


def _ids() -> list[str]:
    """The operation and the error, numbered where there are several of both."""
    seen: Counter[str] = Counter()
    named = []
    for command, error, _ in REFUSALS:
        name = f"{_operation(command)}-{error}"
        seen[name] += 1
        named.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return named


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    with refusing_stage(tmp_path_factory.mktemp("refusing")) as made:
        yield made


@pytest.fixture(scope="module", params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def aws(world: tuple[dict[str, str], dict[str, str]], version: str, tmp_path_factory: pytest.TempPathFactory) -> Aws:
    folder: Path = tmp_path_factory.mktemp(version)
    for name, data in FILES.items():
        (folder / name).write_bytes(data)
    return partial(cli(version, {**world[0], "AWS_MAX_ATTEMPTS": "1"}, folder), "rekognition")


@pytest.mark.clients
@pytest.mark.parametrize(("command", "error", "words"), REFUSALS, ids=_ids())
def test_refusals(
    world: tuple[dict[str, str], dict[str, str]], aws: Aws, version: str, command: str, error: str, words: str
) -> None:
    if version == "v2" and "--feature" in command:
        pytest.skip("Debian's v2 is older than Feature")
    said = aws(*Template(command).substitute(world[1]).split(), exits=REFUSED[version])
    beginning = rf"\s*An error occurred \({error}\) when calling the {_operation(command)} operation"
    told = re.match(beginning + r"(?: \(reached max retries: 0\))?: ", said)
    assert told, said
    assert Template(words).substitute(world[1]) in said[told.end() :]


def test_the_refusals_are_all_that_the_operations_declare() -> None:
    """ValidationException, which no operation declares, is beside."""
    model = botocore.session.get_session().get_service_model("rekognition")
    found: dict[str, set[str]] = {}
    for command, error, _ in REFUSALS:
        found.setdefault(_operation(command), set()).add(error)
    for operation, errors in found.items():
        declared = {shape.name for shape in model.operation_model(operation).error_shapes}
        missing = declared - errors - EVERYWHERE
        assert (operation, missing) == (operation, NEVER_SENT.get(operation, set()))
        assert errors - declared <= {VALIDATION}
    described = {name for name in model.operation_names if name.endswith(("CustomLabels", "Resource"))}
    described |= {name for name in model.operation_names if "Project" in name or "Dataset" in name}
    assert set(found) == described
