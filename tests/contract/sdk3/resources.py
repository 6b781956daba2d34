"""The resource classes of v3's core, from the algorithm to the answers: what ModelBuilder has no way for."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import boto3
from sagemaker.core import shapes
from sagemaker.core.resources import Algorithm, Endpoint, EndpointConfig, Model, ModelPackage, TrainingJob, TransformJob

given = json.loads(sys.argv[1])
bucket, role, name = given["bucket"], given["role"], given["job"]
s3 = boto3.client("s3")

algorithm = Algorithm.get(algorithm_name=given["algorithm"])
manifest = shapes.S3DataSource(
    s3_uri=given["manifest"], s3_data_type="AugmentedManifestFile", attribute_names=given["attributes"]
)
job = TrainingJob.create(
    training_job_name=name,
    algorithm_specification=shapes.AlgorithmSpecification(
        algorithm_name=given["algorithm"], training_input_mode="Pipe"
    ),
    role_arn=role,
    hyper_parameters={"ModelType": given["type"]},
    input_data_config=[
        shapes.Channel(
            channel_name="training",
            data_source=shapes.DataSource(s3_data_source=manifest),
            content_type="application/x-recordio",
            record_wrapper_type="RecordIO",
            input_mode="Pipe",
        )
    ],
    output_data_config=shapes.OutputDataConfig(s3_output_path=f"s3://{bucket}/out"),
    resource_config=shapes.ResourceConfig(instance_type="ml.g4dn.2xlarge", instance_count=1, volume_size_in_gb=30),
    stopping_condition=shapes.StoppingCondition(max_runtime_in_seconds=3600),
    enable_network_isolation=True,
    tags=[{"key": "line", "value": "3"}],  # their own Tag of `shapes` is another than the one asked for
)
job.wait(poll=1, logs=True)
attached = TrainingJob.get(training_job_name=name)

# ModelPackage.create fails with KeyError on AWS, too: it looks for a ModelPackageName that the answer does not have.
trained = {"AlgorithmName": given["algorithm"], "ModelDataUrl": attached.model_artifacts.s3_model_artifacts}
made = boto3.client("sagemaker").create_model_package(
    ModelPackageName=name, SourceAlgorithmSpecification={"SourceAlgorithms": [trained]}
)
package = ModelPackage.get(model_package_name=made["ModelPackageArn"])
package.wait_for_status("Completed", poll=1, timeout=60)
model = Model.create(
    model_name=name,
    containers=[shapes.ContainerDefinition(model_package_name=package.model_package_arn)],
    execution_role_arn=role,
    enable_network_isolation=True,
)

transform = TransformJob.create(
    transform_job_name=name,
    model_name=name,
    transform_input=shapes.TransformInput(
        data_source=shapes.TransformDataSource(
            s3_data_source=shapes.TransformS3DataSource(s3_data_type="S3Prefix", s3_uri=given["images"])
        ),
        content_type="image/png",
    ),
    transform_output=shapes.TransformOutput(s3_output_path=f"s3://{bucket}/transformed"),
    transform_resources=shapes.TransformResources(instance_type="ml.c5.2xlarge", instance_count=1),
)
transform.wait(poll=1, logs=True)
keys = [each["Key"] for each in s3.list_objects_v2(Bucket=bucket, Prefix="transformed/")["Contents"]]
transformed = {key.rpartition("/")[2]: json.load(s3.get_object(Bucket=bucket, Key=key)["Body"]) for key in keys}

variant = shapes.ProductionVariant(
    variant_name="AllTraffic", model_name=name, initial_instance_count=1, instance_type="ml.c5.2xlarge"
)
config = EndpointConfig.create(endpoint_config_name=name, production_variants=[variant])
endpoint = Endpoint.create(endpoint_name=name, endpoint_config_name=name)
endpoint.wait_for_status("InService", poll=1, timeout=120)
pictures = [Path(path).read_bytes() for path in given["pictures"]]
answers = [json.loads(endpoint.invoke(body=each, content_type="image/png").body.read()) for each in pictures]
endpoint.update_weights_and_capacities(
    desired_weights_and_capacities=[shapes.DesiredWeightAndCapacity(variant_name="AllTraffic", desired_weight=2)]
)
endpoint.wait_for_status("InService", poll=1, timeout=120)
weight = endpoint.production_variants[0].current_weight

config.delete()
endpoint.delete()
endpoint.wait_for_delete(poll=1, timeout=60)
model.delete()
package.delete()
print()  # the panels of the SDK end in the midst of a line
print(
    json.dumps(
        {
            "algorithm": [algorithm.product_id, algorithm.algorithm_status],
            "status": attached.training_job_status,
            "isolated": attached.enable_network_isolation,
            "jobs": [each.training_job_name for each in TrainingJob.get_all(name_contains=name)],
            "data": attached.model_artifacts.s3_model_artifacts,
            "transformed": transformed,
            "answers": answers,
            "weight": weight,
            "left": [
                *(each.endpoint_name for each in Endpoint.get_all(name_contains=name)),
                *(each.endpoint_config_name for each in EndpointConfig.get_all(name_contains=name)),
                *(each.model_name for each in Model.get_all(name_contains=name)),
            ],
        }
    )
)
