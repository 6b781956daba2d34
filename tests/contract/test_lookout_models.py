"""CreateModel, DescribeModel, ListModels, DeleteModel, the evaluation files and tags by boto3."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from lookout_pictures import COLOUR, DEFECT, HEIGHT, WIDTH, pictures
from lookout_stage import BUCKET, PREFIX, Stage, model_arn, outcome, pages, refused
from PIL import Image

DONE = "Training completed successfully."
ALWAYS = {"CreationTimestamp", "ModelVersion", "ModelArn", "Status", "StatusMessage"}
TRAINED = {"Performance", "OutputConfig", "EvaluationManifest", "EvaluationResult", "EvaluationEndTimestamp"}
LOCATION = {"S3Location": {"Bucket": BUCKET}}


def read(stage: Stage, key: str) -> str:
    return stage.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode()


@pytest.fixture(scope="module")
def failures(stage: Stage) -> str:
    """A project with four models whose training fails at once, for want of images."""
    stage.project("failures")
    stage.dataset("failures", [picture.line(BUCKET) for picture in pictures(1, 1)])
    for number in range(1, 5):
        tags = [{"Key": f"key-{number}", "Value": ""}] if number > 1 else []
        made = stage.create_model("failures", Tags=tags)
        assert (made["ModelVersion"], made["Status"]) == (str(number), "TRAINING")
        stage.settled_model("failures", made["ModelVersion"])
    return "failures"


def test_a_trained_model(stage: Stage, classifier: str) -> None:
    found = stage.describe_model(classifier)
    hosted = {"MinInferenceUnits"} if found["Status"] == "HOSTED" else set()
    assert set(found) - hosted == ALWAYS | TRAINED | {"Description"}
    assert (found["ModelVersion"], found["ModelArn"]) == ("1", model_arn(classifier))
    assert found["Description"] == "first.model"
    assert found["OutputConfig"] == {"S3Location": {"Bucket": BUCKET, "Prefix": PREFIX}}
    assert found["EvaluationEndTimestamp"] > found["CreationTimestamp"]
    assert set(found["Performance"]) == {"F1Score", "Recall", "Precision"}
    for name in ("Manifest", "Result"):
        key = f"{PREFIX}Evaluation{name}-{classifier}-1.json"
        assert found[f"Evaluation{name}"] == {"Bucket": BUCKET, "Key": key}
    [one] = stage.vision.list_models(ProjectName=classifier)["Models"]
    assert one == {key: found[key] for key in ALWAYS | {"Description", "Performance"}}


def test_the_result_of_a_classification(stage: Stage, classifier: str) -> None:
    model = stage.describe_model(classifier)
    result = json.loads(read(stage, model["EvaluationResult"]["Key"]))
    assert set(result) == {"Version", "EvaluationDetails", "AggregatedEvaluationResults"}
    details, metrics = result["EvaluationDetails"], result["AggregatedEvaluationResults"]["Metrics"]
    assert set(details) == {"ModelArn", "EvaluationEndTimestamp", "NumberOfTrainingImages", "NumberOfTestingImages"}
    assert (result["Version"], details["ModelArn"]) == (1, model_arn(classifier))
    assert details["NumberOfTrainingImages"] + details["NumberOfTestingImages"] == 30
    assert list(metrics) == ["ROCAUC", "AveragePrecision", "Precision", "Recall", "F1Score"]
    assert all(0 <= value <= 1 for value in metrics.values())
    for name, value in model["Performance"].items():
        assert value == pytest.approx(metrics[name])


def test_the_result_of_a_segmentation(stage: Stage, segmenter: str) -> None:
    result = json.loads(read(stage, stage.describe_model(segmenter)["EvaluationResult"]["Key"]))
    [scores] = result["AggregatedEvaluationResults"]["Metrics"]["PixelAnomalyClassMetrics"]
    assert set(scores) == {"Precision", "Recall", "F1Score", "AIOU", "ClassName"}
    assert scores.pop("ClassName") == DEFECT
    # A red square on grey is no task for any model that really learned where it is.
    assert 0.5 < scores["AIOU"] <= scores["F1Score"] <= 1


@pytest.mark.parametrize("masked", [False, True])
def test_the_evaluation_manifest(stage: Stage, request: pytest.FixtureRequest, masked: bool) -> None:
    project = request.getfixturevalue("segmenter" if masked else "classifier")
    model = stage.describe_model(project)
    metrics = json.loads(read(stage, model["EvaluationResult"]["Key"]))
    lines = [json.loads(line) for line in read(stage, model["EvaluationManifest"]["Key"]).splitlines()]
    assert len(lines) == metrics["EvaluationDetails"]["NumberOfTestingImages"]
    sent = {json.loads(line)["source-ref"]: json.loads(line) for line in _entries(stage, project)}
    for line in lines:
        truth = sent[line["source-ref"]]
        assert {key: line[key] for key in truth} == truth
        assert set(line["source-ref-metadata"]) == {"creation-date"}
        found, metadata = line["anomaly-label-detected"], line["anomaly-label-detected-metadata"]
        assert metadata["class-name"] == ("anomaly" if found else "normal")
        assert 0 <= metadata["confidence"] <= 1
        assert {key: metadata[key] for key in metadata if key not in ("class-name", "confidence", "creation-date")} == {
            "type": "groundtruth/image-classification",
            "human-annotated": "no",
            "job-name": "training-job/anomaly-detection",
            "model-arn": model_arn(project),
            "project-name": project,
            "model-version": "1",
        }
        assert ("anomaly-mask-ref-detected" in line) == masked
    hits = sum(line["anomaly-label-detected"] and line["anomaly-label"] for line in lines)
    assert hits / sum(line["anomaly-label"] for line in lines) == pytest.approx(model["Performance"]["Recall"])


def test_masks_of_the_evaluation(stage: Stage, segmenter: str) -> None:
    manifest = read(stage, stage.describe_model(segmenter)["EvaluationManifest"]["Key"])
    line = next(line for line in map(json.loads, manifest.splitlines()) if line["anomaly-label"])
    colours = line["anomaly-mask-ref-detected-metadata"]["internal-color-map"]
    assert colours["0"] == {"class-name": "BACKGROUND", "hex-color": "#FFFFFF"}
    assert {"class-name": DEFECT, "hex-color": COLOUR} in colours.values()
    key = line["anomaly-mask-ref-detected"].removeprefix(f"s3://{BUCKET}/")
    with Image.open(io.BytesIO(stage.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())) as mask:
        assert (mask.format, mask.size) == ("PNG", (WIDTH, HEIGHT))


def _entries(stage: Stage, project: str) -> list[str]:
    found = pages(stage.vision, "list_dataset_entries", "DatasetEntries", 7, ProjectName=project, DatasetType="train")
    assert [len(page) for page in found[:-1]] == [7] * (len(found) - 1)
    return [line for page in found for line in page]


def test_too_few_images_fail_the_training_and_say_what_is_missing(stage: Stage, failures: str) -> None:
    found = stage.describe_model(failures)
    assert set(found) == ALWAYS | {"OutputConfig"}
    assert found["Status"] == "TRAINING_FAILED"
    assert found["StatusMessage"].startswith("Training failed. ")
    assert "1 images labelled normal; training needs at least 20" in found["StatusMessage"]


def test_models_are_listed_by_version_in_pages(stage: Stage, failures: str) -> None:
    found = pages(stage.vision, "list_models", "Models", 3, ProjectName=failures)
    assert [[one["ModelVersion"] for one in page] for page in found] == [["1", "2", "3"], ["4"]]
    assert all(set(one) == ALWAYS for page in found for one in page)
    assert outcome(stage.vision.list_models, ProjectName=failures, NextToken="AAAA")[0] == "ValidationException"


def test_deleted_versions_are_not_used_again(stage: Stage, failures: str) -> None:
    answer = stage.vision.delete_model(ProjectName=failures, ModelVersion="4")
    assert (answer["ModelArn"], answer["ResponseMetadata"]["HTTPStatusCode"]) == (model_arn(failures, "4"), 202)
    found = refused(stage.vision.describe_model, ProjectName=failures, ModelVersion="4")
    assert (found["Error"]["Code"], found["ResourceId"], found["ResourceType"]) == (
        "ResourceNotFoundException",
        f"{failures}/4",
        "MODEL",
    )
    assert stage.create_model(failures)["ModelVersion"] == "5"
    assert stage.describe_model(failures, "latest")["ModelVersion"] == "5"
    found = refused(stage.vision.delete_project, ProjectName=failures)
    assert (found["Error"]["Code"], found["ResourceType"]) == ("ConflictException", "PROJECT")


def test_latest_is_the_newest_that_is_trained(stage: Stage, classifier: str) -> None:
    assert stage.describe_model(classifier, "latest")["ModelVersion"] == "1"


def test_tokens_of_models(stage: Stage, failures: str) -> None:
    more = {"ProjectName": failures, "OutputConfig": LOCATION, "ClientToken": "train-once"}
    made = stage.vision.create_model(**more)["ModelMetadata"]
    assert set(made) == ALWAYS
    assert (made["Status"], made["StatusMessage"]) == ("TRAINING", "The model is being trained.")
    assert stage.vision.create_model(**more)["ModelMetadata"] == made
    code, status, message = outcome(stage.vision.create_model, **more, Description="other")
    assert (code, status, "use a new token" in message) == ("ConflictException", 409, True)
    stage.settled_model(failures, made["ModelVersion"])
    gone = {"ProjectName": failures, "ModelVersion": made["ModelVersion"], "ClientToken": "gone"}
    assert stage.vision.delete_model(**gone)["ModelArn"] == stage.vision.delete_model(**gone)["ModelArn"]


def test_a_third_training_at_once_is_over_the_quota(stage: Stage, failures: str) -> None:
    """In a region of its own, whose trainings cannot be disturbed by other tests."""
    client = stage.client("lookoutvision", "ap-northeast-1")
    client.create_project(ProjectName="three")
    client.create_dataset(ProjectName="three", DatasetType="train")
    members = {"ProjectName": "three", "OutputConfig": LOCATION}
    found: dict[str, Any] = {}
    # A training of nothing may end before the third call: then there is room again, and the next round tries anew.
    for _ in range(20):
        try:
            client.create_model(**members)
        except client.exceptions.ServiceQuotaExceededException as error:
            found = error.response
            break
    assert found["ResponseMetadata"]["HTTPStatusCode"] == 402
    assert (found["ServiceCode"], found["ResourceType"]) == ("lookoutvision", "MODEL")
    assert found["QuotaCode"].startswith("L-")
    assert found["ResourceId"] == "three"
    assert "the most is 2 at once" in found["Error"]["Message"]


def test_a_model_in_training_is_left_alone(stage: Stage, failures: str) -> None:
    version = stage.create_model(failures)["ModelVersion"]
    name = {"ProjectName": failures, "ModelVersion": version}
    answers = [
        refused(stage.vision.delete_model, **name),
        refused(stage.vision.start_model, **name, MinInferenceUnits=1),
        refused(stage.vision.stop_model, **name),
        refused(stage.vision.detect_anomalies, **name, ContentType="image/png", Body=b"x"),
    ]
    for found in answers:
        assert (found["Error"]["Code"], found["ResponseMetadata"]["HTTPStatusCode"]) == ("ConflictException", 409)
        assert (found["ResourceId"], found["ResourceType"]) == (f"{failures}/{version}", "MODEL")
    assert [found["Error"]["Message"].split(" ")[3].rstrip(";") for found in answers] == ["TRAINING"] * 4
    stage.settled_model(failures, version)


def _without_training(vision: Any, project: str) -> list[tuple[Callable[..., Any], dict[str, Any], str, str]]:
    members = {"ProjectName": project, "OutputConfig": LOCATION}
    twice = [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]
    elsewhere = {"S3Location": {"Bucket": "no-such-bucket"}}
    return [
        (vision.create_model, members | {"KmsKeyId": "alias/mine"}, "ValidationException", "KmsKeyId is not supported"),
        (vision.create_model, members | {"OutputConfig": elsewhere}, "ValidationException", "no-such-bucket"),
        (vision.create_model, members | {"Tags": twice}, "ValidationException", "twice"),
        (vision.create_model, members | {"Tags": _tags(51)}, "ServiceQuotaExceededException", "the most is 50"),
    ]


@pytest.mark.parametrize("index", range(4))
def test_what_no_training_begins_with(stage: Stage, failures: str, index: int) -> None:
    before = len(stage.vision.list_models(ProjectName=failures)["Models"])
    call, members, code, words = _without_training(stage.vision, failures)[index]
    found = outcome(call, **members)
    assert (found[0], words in found[2]) == (code, True), found
    assert len(stage.vision.list_models(ProjectName=failures)["Models"]) == before


def test_no_train_dataset(stage: Stage) -> None:
    stage.project("untrained")
    stage.vision.create_dataset(ProjectName="untrained", DatasetType="test")
    found = refused(stage.create_model, project="untrained")
    assert (found["Error"]["Code"], found["ResourceId"], found["ResourceType"]) == (
        "ResourceNotFoundException",
        "untrained/train",
        "DATASET",
    )


def _tags(count: int) -> list[dict[str, str]]:
    return [{"Key": f"k{number}", "Value": str(number)} for number in range(count)]


def test_tags_come_and_go(stage: Stage, failures: str) -> None:
    arn = {"ResourceArn": model_arn(failures, "2")}
    tagged, untagged = stage.vision.tag_resource, stage.vision.untag_resource
    assert stage.vision.list_tags_for_resource(**arn)["Tags"] == [{"Key": "key-2", "Value": ""}]
    assert set(tagged(**arn, Tags=[{"Key": "a b/é:=+-@", "Value": "ü 1"}, {"Key": "key-2", "Value": "x"}])) == {
        "ResponseMetadata"
    }
    found = {tag["Key"]: tag["Value"] for tag in stage.vision.list_tags_for_resource(**arn)["Tags"]}
    assert found == {"a b/é:=+-@": "ü 1", "key-2": "x"}
    assert set(untagged(**arn, TagKeys=["a b/é:=+-@", "key-2", "never"])) == {"ResponseMetadata"}
    assert stage.vision.list_tags_for_resource(**arn)["Tags"] == []
    tagged(**arn, Tags=[])
    # An empty list leaves nothing in the query string: on the wire it is no list at all.
    assert outcome(untagged, **arn, TagKeys=[])[0] == "ValidationException"


def test_more_than_50_tags(stage: Stage, failures: str) -> None:
    arn = {"ResourceArn": model_arn(failures, "3")}
    found = refused(stage.vision.tag_resource, **arn, Tags=_tags(50))
    assert (found["Error"]["Code"], found["ResponseMetadata"]["HTTPStatusCode"]) == (
        "ServiceQuotaExceededException",
        402,
    )
    assert (found["ServiceCode"], found["ResourceType"]) == ("lookoutvision", "MODEL")
    stage.vision.tag_resource(**arn, Tags=_tags(49))
    assert len(stage.vision.list_tags_for_resource(**arn)["Tags"]) == 50


@pytest.mark.parametrize(
    ("arn", "code"),
    [
        ("arn:aws:lookoutvision:us-east-1:000000000000:project/failures", "ValidationException"),
        ("nonsense", "ValidationException"),
        ("arn:aws:s3:::bucket/key", "ValidationException"),
        (model_arn("failures", "99"), "ResourceNotFoundException"),
        (model_arn("absent"), "ResourceNotFoundException"),
        (model_arn("failures", region="eu-west-1"), "ResourceNotFoundException"),
        (model_arn("failures").replace("0" * 12, "1" * 12), "ResourceNotFoundException"),
    ],
)
def test_what_cannot_be_tagged(stage: Stage, failures: str, arn: str, code: str) -> None:
    vision = stage.vision
    found = [
        outcome(vision.list_tags_for_resource, ResourceArn=arn),
        outcome(vision.tag_resource, ResourceArn=arn, Tags=_tags(1)),
        outcome(vision.untag_resource, ResourceArn=arn, TagKeys=["a"]),
    ]
    assert [answer[0] for answer in found] == [code] * 3
    assert all(arn in answer[2] for answer in found)


def test_reserved_keys(stage: Stage, failures: str) -> None:
    tags = [{"Key": "aws:mine", "Value": ""}]
    found = outcome(stage.vision.tag_resource, ResourceArn=model_arn(failures), Tags=tags)
    assert (found[0], "reserved" in found[2]) == ("ValidationException", True)


@pytest.mark.parametrize("operation", ["start", "describe", "list"])
def test_packaging_is_refused_by_name(stage: Stage, failures: str, operation: str) -> None:
    vision, project = stage.vision, {"ProjectName": failures}
    target = {
        "TargetDevice": "jetson_xavier",
        "S3OutputLocation": {"Bucket": BUCKET},
        "ComponentName": "component",
    }
    call, members = {
        "start": (
            vision.start_model_packaging_job,
            project | {"ModelVersion": "1", "Configuration": {"Greengrass": target}},
        ),
        "describe": (vision.describe_model_packaging_job, project | {"JobName": "job"}),
        "list": (next, {}),
    }[operation]
    if operation == "list":
        paginator = vision.get_paginator("list_model_packaging_jobs")
        call, members = paginator.paginate(**project).build_full_result, {}
    code, status, message = outcome(call, **members)
    assert (code, status) == ("ValidationException", 400)
    assert "ModelPackagingJob" in message
    assert "is not supported yet" in message
