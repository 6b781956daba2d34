"""ModelTrainer on the public algorithm, ModelBuilder on what it made: train, transform, deploy, invoke, delete."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import boto3
from sagemaker.core.helper.session_helper import Session
from sagemaker.serve.model_builder import ModelBuilder
from sagemaker.train.configs import Channel, Compute, DataSource, Networking, S3DataSource
from sagemaker.train.model_trainer import ModelTrainer

given = json.loads(sys.argv[1])
session = Session()
bucket = session.default_bucket()  # whose name it learns from STS
s3, control = boto3.client("s3"), boto3.client("sagemaker")

trainer = ModelTrainer(
    algorithm_name=given["algorithm"],
    role=given["role"],
    base_job_name=given["job"],
    compute=Compute(instance_type="ml.g4dn.2xlarge", instance_count=1, volume_size_in_gb=30),
    networking=Networking(enable_network_isolation=True),
    training_input_mode="Pipe",
    hyperparameters={"ModelType": given["type"]},
    sagemaker_session=session,
)
source = S3DataSource(
    s3_uri=given["manifest"],
    s3_data_type="AugmentedManifestFile",
    attribute_names=given["attributes"],
)
channel = Channel(
    channel_name="training",
    data_source=DataSource(s3_data_source=source),
    content_type="application/x-recordio",
    record_wrapper_type="RecordIO",
    input_mode="Pipe",
)
trainer.train(input_data_config=[channel], wait=True, logs=True)
job = trainer._latest_training_job

builder = ModelBuilder(
    image_uri="builtin/vision",
    s3_model_data_url=job.model_artifacts.s3_model_artifacts,
    role_arn=given["role"],
    instance_type="ml.c5.2xlarge",
    sagemaker_session=session,
)
model = builder.build(model_name=given["job"])
transformer = builder.transformer(1, "ml.c5.2xlarge", output_path=f"s3://{bucket}/{given['job']}/transformed")
transformer.transform(given["images"], content_type=given["content"], wait=True, logs=True)
keys = [each["Key"] for each in s3.list_objects_v2(Bucket=bucket, Prefix=f"{given['job']}/transformed/")["Contents"]]
transformed = {key.rpartition("/")[2]: json.load(s3.get_object(Bucket=bucket, Key=key)["Body"]) for key in keys}

endpoint = builder.deploy(endpoint_name=given["job"], initial_instance_count=1)
pictures = [Path(path).read_bytes() for path in given["pictures"]]
replies = [endpoint.invoke(body=picture, content_type=given["content"]) for picture in pictures]
answers = [json.loads(reply.body.read()) for reply in replies]
endpoint.delete()
endpoint.wait_for_delete(poll=1, timeout=60)
model.delete()
print()  # the panels of the SDK end in the midst of a line
print(
    json.dumps(
        {
            "bucket": bucket,
            "job": job.training_job_name,
            "status": job.training_job_status,
            "data": job.model_artifacts.s3_model_artifacts,
            "transformed": transformed,
            "answers": answers,
            "left": [each["EndpointName"] for each in control.list_endpoints(NameContains=given["job"])["Endpoints"]]
            + [each["ModelName"] for each in control.list_models(NameContains=given["job"])["Models"]],
        }
    )
)
