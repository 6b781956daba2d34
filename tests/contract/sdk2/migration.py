"""The whole way of the SDK with the public algorithm: fit, attach, transform, deploy, predict, delete."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from pathlib import Path

import boto3
from sagemaker import Session
from sagemaker.algorithm import AlgorithmEstimator
from sagemaker.inputs import TrainingInput

given = json.loads(sys.argv[1])
bucket = given["bucket"]
session = Session(default_bucket=bucket)
s3, control = boto3.client("s3"), boto3.client("sagemaker")

estimator = AlgorithmEstimator(
    algorithm_arn=given["algorithm"],
    role=given["role"],
    instance_count=1,
    instance_type="ml.g4dn.2xlarge",
    input_mode="Pipe",
    output_path=f"s3://{bucket}/",
    sagemaker_session=session,
)
estimator.set_hyperparameters(ModelType=given["type"])
channel = TrainingInput(
    given["manifest"],
    s3_data_type="AugmentedManifestFile",
    attribute_names=given["attributes"],
    content_type="application/x-recordio",
    record_wrapping="RecordIO",
    input_mode="Pipe",
)
shown = io.StringIO()
with contextlib.redirect_stdout(shown):
    estimator.fit({"training": channel}, job_name=given["job"], logs=True)

attached = AlgorithmEstimator.attach(given["job"], sagemaker_session=session)
with contextlib.redirect_stdout(io.StringIO()):
    transformer = attached.transformer(1, "ml.c5.2xlarge", output_path=f"s3://{bucket}/transformed")
    transformer.transform(given["images"], content_type="application/x-image", wait=True, logs=True)
    predictor = attached.deploy(1, "ml.c5.2xlarge", endpoint_name=given["job"])
keys = [each["Key"] for each in s3.list_objects_v2(Bucket=bucket, Prefix="transformed/")["Contents"]]
transformed = {key: json.load(s3.get_object(Bucket=bucket, Key=key)["Body"]) for key in keys}
answers = [json.loads(predictor.predict(Path(path).read_bytes())) for path in given["pictures"]]
predictor.delete_endpoint()
control.get_waiter("endpoint_deleted").wait(EndpointName=given["job"], WaiterConfig={"Delay": 1, "MaxAttempts": 60})
print(
    json.dumps({"data": attached.model_data, "shown": shown.getvalue(), "transformed": transformed, "answers": answers})
)
