"""What the SDK does between a training and an endpoint or transform: algorithms, model packages, models."""

from __future__ import annotations

import json
import sys

import boto3
from sagemaker import Session
from sagemaker.algorithm import AlgorithmEstimator
from sagemaker.model import Model, ModelPackage
from sagemaker.multidatamodel import MultiDataModel
from sagemaker.pipeline import PipelineModel

given = json.loads(sys.argv[1])
role, image, data, bucket = given["role"], given["image"], given["data"], given["bucket"]
control = boto3.client("sagemaker")
boto3.client("s3").create_bucket(Bucket=bucket)
session = Session(default_bucket=bucket)
shared = {"role": role, "sagemaker_session": session}
instance = "ml.m5.large"

estimator = AlgorithmEstimator(
    algorithm_arn=given["algorithm"], instance_count=1, instance_type="ml.g4dn.2xlarge", input_mode="Pipe", **shared
)
estimator.set_hyperparameters(ModelType="segmentation")
estimator._prepare_for_training("job")

package = ModelPackage(algorithm_arn=given["algorithm"], model_data=data, **shared)
package._create_sagemaker_model(instance_type=instance)

model = Model(image_uri=image, model_data=data, name="sdk-plain", **shared)
registered = model.register(
    content_types=["image/png"],
    response_types=["application/json"],
    inference_instances=[instance],
    transform_instances=[instance],
    model_package_group_name="sdk-group",
    approval_status="Approved",
)
versioned = ModelPackage(model_package_arn=registered.model_package_arn, **shared)
versioned._create_sagemaker_model(instance_type=instance)
for _ in range(2):  # the second time it finds out by the text of the refusal that it is there
    model.name = "sdk-plain"
    model._create_sagemaker_model(instance_type=instance)

parts = [Model(image_uri=image, name=f"sdk-{name}", **shared) for name in "ab"]
PipelineModel(parts, name="sdk-pipe", **shared)._create_sagemaker_pipeline_model(instance)
many = MultiDataModel("sdk-many", "s3://models/many/", image_uri=image, **shared)
session.create_model("sdk-many", role, many.prepare_container_def(instance))
session.create_endpoint_config("sdk-config", "sdk-plain", 1, instance)

names = [package.name, versioned.name, "sdk-plain", "sdk-pipe", "sdk-many"]
found = {
    "hyperparameters": estimator.hyperparameters(),
    "isolated": [estimator.enable_network_isolation(), package.enable_network_isolation()],
    "package": registered.model_package_arn,
    "models": [control.describe_model(ModelName=name) for name in names],
    "config": control.describe_endpoint_config(EndpointConfigName="sdk-config"),
}
session.delete_endpoint_config("sdk-config")
session.delete_model("sdk-plain")
left = {each["ModelName"] for each in control.list_models(MaxResults=100)["Models"]}
found["left"] = [name in left for name in names]
print(json.dumps(found, default=str))
