"""What every request of Lookout for Vision is made of, and what breaks its constraints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from constraints import Samples, Violation
from lookout_stage import BUCKET, model_arn

__all__ = ["Violation", "valid_members", "violations"]

_LOCATION = {"Bucket": BUCKET, "Prefix": "out"}
_PLATFORM = {"Os": "LINUX", "Arch": "X86_64", "Accelerator": "NVIDIA"}
_GREENGRASS = {
    "CompilerOptions": "{}  ",
    "TargetDevice": "jetson_xavier",
    "TargetPlatform": _PLATFORM,
    "S3OutputLocation": _LOCATION,
    "ComponentName": "component",
    "ComponentVersion": "1.0.0",
    "ComponentDescription": "text",
    "Tags": [{"Key": "a", "Value": "b"}],
}
# A member of each name, whose every constraint holds.
_VALUES: Mapping[str, Any] = {
    "ProjectName": "absent",
    "ModelVersion": "1",
    "DatasetType": "train",
    "ClientToken": "token",
    "NextToken": "AAAA",
    "MaxResults": 10,
    "DatasetSource": {"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET, "Key": "key", "VersionId": "v"}}},
    "Changes": b"{}",
    "OutputConfig": {"S3Location": _LOCATION},
    "Description": "text",
    "KmsKeyId": "key",
    "Tags": [{"Key": "a", "Value": "b"}],
    "TagKeys": ["a"],
    "ResourceArn": model_arn("absent"),
    "MinInferenceUnits": 1,
    "MaxInferenceUnits": 2,
    "Labeled": True,
    "AnomalyClass": "normal",
    "BeforeCreationDate": "2020-01-01T00:00:00Z",
    "AfterCreationDate": "2020-01-01T00:00:00Z",
    "SourceRefContains": "x",
    "JobName": "job",
    "Configuration": {"Greengrass": _GREENGRASS},
    "Body": b"junk",
    "ContentType": "image/png",
}
# Strings of a permitted length that break the pattern of these shapes. `.*` holds for any text without a line break.
_AGAINST_PATTERN = {
    "ProjectName": "-name",
    "ModelVersion": "01",
    "ModelVersionNoLatest": "latest",
    "DatasetType": "both",
    "ClientToken": "a_b",
    "PaginationToken": "a_b-",
    "AnomalyClassFilter": "broken",
    "QueryString": "  ",
    "S3BucketName": "bucket/key",
    "S3ObjectKey": "/key",
    "S3KeyPrefix": "a b",
    "ModelDescriptionMessage": "two words",
    "KmsKeyId": "-key",
    "TagKey": "a*",
    "TagValue": "a*",
    "ModelPackagingJobName": "a_b",
    "ModelPackagingJobDescription": "a/b",
    "ComponentName": "a b",
    "ComponentVersion": "1.0",
    "ComponentDescription": "a/b",
    "CompilerOptions": "{\n}",
    "S3ObjectVersion": "a\nb",
}
_LETTERS = {"ComponentVersion": "1", "S3ObjectKey": "k", "S3KeyPrefix": "k", "ModelVersion": "1"}
# Nothing sends these: a header with a line break, a path whose part is empty, a list of nothing in a query string.
_UNSENDABLE = {("DetectAnomalies", "contentType", "pattern")}

_SAMPLES = Samples(_VALUES, _AGAINST_PATTERN, _LETTERS, _UNSENDABLE)
valid_members, violations = _SAMPLES.valid_members, _SAMPLES.violations
