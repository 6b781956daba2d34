"""What every request of Custom Labels is made of, and what breaks its constraints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from constraints import Samples
from lookout_stage import ACCOUNT, BUCKET, REGION

PROJECT = f"arn:aws:rekognition:{REGION}:{ACCOUNT}:project/absent"
_PROJECT = f"{PROJECT}/1"
_VERSION = f"{PROJECT}/version/v1/1"
_DATASET = f"{PROJECT}/dataset/train/1"
_OBJECT = {"Bucket": BUCKET, "Name": "key", "Version": "v"}
_MANIFEST = {"GroundTruthManifest": {"S3Object": _OBJECT}}
# A member of each name, whose every constraint holds.
_VALUES: Mapping[str, Any] = {
    "ProjectArn": _PROJECT,
    "SourceProjectArn": _PROJECT,
    "DestinationProjectArn": _PROJECT,
    "ProjectVersionArn": _VERSION,
    "SourceProjectVersionArn": _VERSION,
    "DatasetArn": _DATASET,
    "ResourceArn": _PROJECT,
    "ProjectName": "absent",
    "ProjectNames": ["absent"],
    "VersionName": "v1",
    "VersionNames": ["v1"],
    "VersionDescription": "text",
    "Feature": "CUSTOM_LABELS",
    "Features": ["CUSTOM_LABELS"],
    "AutoUpdate": "DISABLED",
    "Tags": {"a": "b"},
    "TagKeys": ["a"],
    "KmsKeyId": "key",
    "OutputConfig": {"S3Bucket": BUCKET, "S3KeyPrefix": "out"},
    "TrainingData": {"Assets": [_MANIFEST]},
    "TestingData": {"Assets": [_MANIFEST], "AutoCreate": True},
    "FeatureConfig": {"ContentModeration": {"ConfidenceThreshold": 50.0}},
    "DatasetType": "TRAIN",
    "DatasetSource": {**_MANIFEST, "DatasetArn": _DATASET},
    "Datasets": [{"Arn": _DATASET}, {"Arn": _DATASET.replace("train", "test")}],
    "Changes": {"GroundTruth": b"{}"},
    "ContainsLabels": ["label"],
    "Labeled": True,
    "SourceRefContains": "x",
    "HasErrors": True,
    "NextToken": "AAAA",
    "MaxResults": 5,
    "PolicyName": "policy",
    "PolicyRevisionId": "a1",
    "PolicyDocument": "{}",
    "MinInferenceUnits": 1,
    "MaxInferenceUnits": 2,
    "Image": {"Bytes": b"junk", "S3Object": _OBJECT},
    "MinConfidence": 50.0,
}
# Strings of a permitted length that break the pattern of these shapes.
_AGAINST_PATTERN = {
    "ProjectArn": PROJECT,
    "ProjectVersionArn": _PROJECT,
    "DatasetArn": _DATASET.replace("train", "TRAIN"),
    "ProjectName": "a b",
    "VersionName": "a/b",
    "VersionDescription": "a/b",
    "S3Bucket": "bucket/key",
    "KmsKeyId": "-key",
    "TagKey": "aws:key",
    "TagValue": "a*",
    "QueryString": "  ",
    "ProjectPolicyName": "a b",
    "ProjectPolicyRevisionId": "xyz",
    "ProjectPolicyDocument": '{"犬": 1}',
}
_LONGEST_BLOB = 5 * 2**20 + 1

_SAMPLES = Samples(_VALUES, _AGAINST_PATTERN, longest_blob=_LONGEST_BLOB)
valid_members, violations = _SAMPLES.valid_members, _SAMPLES.violations
