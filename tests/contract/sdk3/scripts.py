"""Code of one's own with v3: ModelTrainer runs a script, ModelBuilder packs a handler beside what it wrote."""

from __future__ import annotations

import json
import sys
import time

import boto3
from botocore.exceptions import ClientError
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.inference_config import AsyncInferenceConfig
from sagemaker.core.session_settings import SessionSettings
from sagemaker.core.training.configs import SourceCode
from sagemaker.serve.model_builder import ModelBuilder
from sagemaker.train.configs import Compute, InputData
from sagemaker.train.model_trainer import ModelTrainer

given = json.loads(sys.argv[1])
# Else ModelBuilder asks S3 to encrypt what it packs with a key of KMS, and there are none.
session = Session(settings=SessionSettings(encrypt_repacked_artifacts=False))
s3 = boto3.client("s3")
trainer = ModelTrainer(
    training_image="builtin/python",
    source_code=SourceCode(source_dir=given["training"], entry_script="train.py"),
    role=given["role"],
    base_job_name="sums",
    compute=Compute(instance_type="ml.m5.large", instance_count=1, volume_size_in_gb=30),
    hyperparameters={"factor": 3, "name": "three fold"},
    environment={"COLOUR": "red"},
    sagemaker_session=session,
)
trainer.train(input_data_config=[InputData(channel_name="numbers", data_source=given["data"])], logs=True)
data = trainer._latest_training_job.model_artifacts.s3_model_artifacts


def builder() -> ModelBuilder:
    return ModelBuilder(
        image_uri="builtin/python",
        s3_model_data_url=data,
        source_code=SourceCode(source_dir=given["serving"], entry_script="inference.py"),
        role_arn=given["role"],
        instance_type="ml.m5.large",
        sagemaker_session=session,
    )


plain = builder()
plain.build(model_name="sums")
endpoint = plain.deploy(endpoint_name="sums", wait=False)  # its own waiting begins with 30 seconds of sleep
endpoint.wait_for_status("InService", poll=1, timeout=60)
answer = endpoint.invoke(body=b"5", content_type="text/plain").body.read().decode()

later = builder()
later.build(model_name="sums-later")
waiting = later.deploy(endpoint_name="sums-later", inference_config=AsyncInferenceConfig(), wait=False)
waiting.wait_for_status("InService", poll=1, timeout=60)
s3.put_object(Bucket=session.default_bucket(), Key="asked", Body=b"7")
place = waiting.invoke_async(
    input_location=f"s3://{session.default_bucket()}/asked", content_type="text/plain"
).output_location
bucket, _, key = place.removeprefix("s3://").partition("/")
end = time.monotonic() + 60
while True:
    try:
        by_and_by = s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
        break
    except ClientError as error:  # it is not there yet
        if error.response["Error"]["Code"] != "NoSuchKey" or time.monotonic() > end:
            raise
    time.sleep(0.2)
for each in (endpoint, waiting):
    each.delete()
    each.wait_for_delete(poll=1, timeout=60)
print()  # the panels of the SDK end in the midst of a line
print(json.dumps({"answer": answer, "later": by_and_by}))
