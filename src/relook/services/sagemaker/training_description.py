"""Training jobs as answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from relook.core.clock import as_datetime
from relook.core.training.states import ENDED
from relook.services.sagemaker.names import Kind, arn_of
from relook.store.sagemaker_training import StageEntry, TrainingJob

_NO_RULES = "This server does not run rules."
_ECHOED = (
    "HyperParameters",
    "AlgorithmSpecification",
    "RoleArn",
    "InputDataConfig",
    "ResourceConfig",
    "StoppingCondition",
    "CheckpointConfig",
    "DebugHookConfig",
    "ExperimentConfig",
    "DebugRuleConfigurations",
    "TensorBoardOutputConfig",
    "ProfilerConfig",
    "ProfilerRuleConfigurations",
    "Environment",
    "RetryStrategy",
    "RemoteDebugConfig",
    "InfraCheckConfig",
)
_NOT_SEARCHED = frozenset(
    {
        "InfraCheckConfig",
        "ProfilerRuleConfigurations",
        "ProfilerRuleEvaluationStatuses",
        "ProfilingStatus",
        "RemoteDebugConfig",
    }
)
_SWITCHES = ("EnableNetworkIsolation", "EnableInterContainerTrafficEncryption", "EnableManagedSpotTraining")


def arn(job: TrainingJob) -> str:
    return arn_of(job.scope, Kind.TRAINING_JOB, job.name)


def described(job: TrainingJob) -> dict[str, Any]:
    """The members of DescribeTrainingJob; clients read some without looking whether they are there."""
    definition = job.definition
    members = {name: definition[name] for name in _ECHOED if definition.get(name) is not None}
    members |= {name: bool(definition.get(name)) for name in _SWITCHES}
    members |= {
        "TrainingJobName": job.name,
        "TrainingJobArn": arn(job),
        # Required by the model, and read by SDKs: empty while there is nothing.
        "ModelArtifacts": {"S3ModelArtifacts": job.artifacts or ""},
        "TrainingJobStatus": job.status.value,
        "SecondaryStatus": job.stage.value,
        "OutputDataConfig": {"KmsKeyId": "", "CompressionType": "GZIP"} | dict(definition["OutputDataConfig"]),
        "CreationTime": as_datetime(job.created),
        "LastModifiedTime": as_datetime(job.modified),
        "SecondaryStatusTransitions": [_transition(entry) for entry in job.stages],
        "ProfilingStatus": "Disabled",
        **_rules(job),
    }
    members["AlgorithmSpecification"] = {
        "EnableSageMakerMetricsTimeSeries": False,
        **members["AlgorithmSpecification"],
    }
    return members | _times(job) | _outcome(job)


def searchable(job: TrainingJob, tags: Mapping[str, str]) -> dict[str, Any]:
    """The members of Search's TrainingJob: not quite those of a description."""
    members = {name: value for name, value in described(job).items() if name not in _NOT_SEARCHED}
    return members | {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}


def summary(job: TrainingJob) -> dict[str, Any]:
    """A TrainingJobSummary."""
    members = {
        "TrainingJobName": job.name,
        "TrainingJobArn": arn(job),
        "CreationTime": as_datetime(job.created),
        "LastModifiedTime": as_datetime(job.modified),
        "TrainingJobStatus": job.status.value,
        "SecondaryStatus": job.stage.value,
    }
    return members if job.ended is None else members | {"TrainingEndTime": as_datetime(job.ended)}


def _transition(entry: StageEntry) -> dict[str, Any]:
    members = {
        "Status": entry.stage.value,
        "StartTime": as_datetime(entry.started),
        "StatusMessage": entry.message,
    }
    return members if entry.ended is None else members | {"EndTime": as_datetime(entry.ended)}


def _times(job: TrainingJob) -> dict[str, Any]:
    members: dict[str, Any] = {}
    if job.started is not None:
        members["TrainingStartTime"] = as_datetime(job.started)
    if job.ended is not None:
        members["TrainingEndTime"] = as_datetime(job.ended)
    if job.started is not None and job.ended is not None and job.status in ENDED:
        seconds = max(1, round((job.ended - job.started) / 1000))
        members |= {"TrainingTimeInSeconds": seconds, "BillableTimeInSeconds": seconds}
    return members


def _outcome(job: TrainingJob) -> dict[str, Any]:
    metrics = [{"MetricName": one.name, "Value": one.value, "Timestamp": as_datetime(one.time)} for one in job.metrics]
    members: dict[str, Any] = {"FinalMetricDataList": metrics} if metrics else {}
    return members | ({"FailureReason": job.failure} if job.failure else {})


def _rules(job: TrainingJob) -> dict[str, Any]:
    """Rules are kept and shown, and said not to run: a client that adds them by default goes on working."""
    members = {}
    for kind in ("DebugRule", "ProfilerRule"):
        rules = job.definition.get(f"{kind}Configurations")
        if rules:
            members[f"{kind}EvaluationStatuses"] = [
                {
                    "RuleConfigurationName": rule["RuleConfigurationName"],
                    "RuleEvaluationStatus": "Stopped",
                    "StatusDetails": _NO_RULES,
                    "LastModifiedTime": as_datetime(job.created),
                }
                for rule in rules
            ]
    return members
