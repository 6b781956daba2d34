"""The way off Lookout for Vision, as AWS's notebooks go it: fit, attach, transform, deploy, predict, delete."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Any

import boto3
from sagemaker import Session
from sagemaker.algorithm import AlgorithmEstimator
from sagemaker.inputs import TrainingInput

given = json.loads(sys.argv[1])
role, algorithm, images = given["role"], given["algorithm"], Path(given["images"])
instance = "ml.g4dn.2xlarge"
session = Session()  # with its default bucket, whose name it learns from STS
bucket = session.default_bucket()
s3, control = boto3.client("s3"), boto3.client("sagemaker")


def fit() -> tuple[AlgorithmEstimator, str]:
    """A training, and what the SDK printed while it waited for it."""
    estimator = AlgorithmEstimator(
        algorithm_arn=algorithm,
        role=role,
        instance_count=1,
        instance_type=instance,
        input_mode="Pipe",
        base_job_name="cookies",
        sagemaker_session=session,
    )
    estimator.set_hyperparameters(ModelType=given["kind"])
    channel = TrainingInput(
        given["manifest"].format(bucket=bucket),
        s3_data_type="AugmentedManifestFile",
        attribute_names=given["attributes"],
        content_type="application/x-recordio",
        record_wrapping="RecordIO",
        input_mode="Pipe",
    )
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        estimator.fit({"training": channel}, logs=True)
    return estimator, printed.getvalue()


def transform(estimator: AlgorithmEstimator) -> dict[str, Any]:
    """The answers to all pictures of a prefix, by file name."""
    out = f"s3://{bucket}/{given['kind']}/answers"
    transformer = estimator.transformer(1, "ml.c5.2xlarge", output_path=out)
    with contextlib.redirect_stdout(io.StringIO()):
        transformer.transform(f"s3://{bucket}/test-images/", content_type="image/jpeg", wait=True, logs=True)
    found = s3.list_objects_v2(Bucket=bucket, Prefix=f"{given['kind']}/answers/")["Contents"]
    return {
        each["Key"].rpartition("/")[2].removesuffix(".out"): json.load(
            s3.get_object(Bucket=bucket, Key=each["Key"])["Body"]
        )
        for each in found
    }


def predict(estimator: AlgorithmEstimator, names: list[str]) -> tuple[dict[str, Any], list[str]]:
    """The answers of an endpoint, and what is left of it when it was deleted."""
    with contextlib.redirect_stdout(io.StringIO()):
        predictor = estimator.deploy(1, "ml.c5.2xlarge")
    answers = {name: json.loads(predictor.predict((images / "test-images" / name).read_bytes())) for name in names}
    predictor.delete_endpoint()
    left = [each["EndpointName"] for each in control.list_endpoints(StatusEquals="InService")["Endpoints"]]
    configs = [each["EndpointConfigName"] for each in control.list_endpoint_configs()["EndpointConfigs"]]
    return answers, [name for name in (*left, *configs) if name == predictor.endpoint_name]


def upload() -> None:
    """Pictures, masks, and the manifest with a bucket before every reference and a mask for every picture."""
    for folder in ("training-images", "mask-images", "test-images"):
        session.upload_data(str(images / folder), bucket, folder)
    session.upload_data(str(images / "dummy_anomaly_mask.png"), bucket)
    lines = [json.loads(line) for line in (images / "template.manifest").read_text().splitlines()]
    for line in lines:
        if "anomaly-mask-ref" not in line and given["masks"]:
            line["anomaly-mask-ref-metadata"] = {
                "internal-color-map": {"0": {"class-name": "BACKGROUND", "hex-color": "#ffffff", "confidence": 0}},
                "type": "groundtruth/semantic-segmentation",
                "human-annotated": "yes",
                "creation-date": "2022-08-22T20:52:51.851Z",
                "job-name": "labeling-job/object-mask-ref",
            }
            line["anomaly-mask-ref"] = "dummy_anomaly_mask.png"
        for name in ("source-ref", "anomaly-mask-ref"):
            if name in line:
                line[name] = f"s3://{bucket}/{line[name]}"
    text = "\n".join(json.dumps(line) for line in lines) + "\n"
    place = given["manifest"].format(bucket=bucket)
    s3.put_object(Bucket=bucket, Key=place.partition(f"{bucket}/")[2], Body=text.encode())


upload()
estimator, log = fit()
attached = AlgorithmEstimator.attach(estimator.latest_training_job.name, sagemaker_session=session)
job = control.describe_training_job(TrainingJobName=attached.latest_training_job.name)
transformed = transform(attached)
predicted, left = predict(attached, sorted(transformed)[:: given["every"]])
print(
    json.dumps(
        {
            "bucket": bucket,
            "log": log,
            "job": job,
            "hyperparameters": attached.hyperparameters(),
            "transformed": transformed,
            "predicted": predicted,
            "left": left,
        },
        default=str,
    )
)
