"""The shapes of Lookout for Vision beside the requests and responses of its operations.

Structures are written as in operations.py. Strings have minimum, maximum and pattern, None where the service has none.
"""

from __future__ import annotations

STRUCTURES = {
    "Anomaly": "Name=AnomalyName PixelAnomaly",
    "DatasetDescription": (
        "ProjectName DatasetType CreationTimestamp=DateTime LastUpdatedTimestamp=DateTime "
        "Status=DatasetStatus StatusMessage=DatasetStatusMessage ImageStats=DatasetImageStats"
    ),
    "DatasetGroundTruthManifest": "S3Object=InputS3Object",
    "DatasetImageStats": "Total=Integer Labeled=Integer Normal=Integer Anomaly=Integer",
    "DatasetMetadata": (
        "DatasetType CreationTimestamp=DateTime Status=DatasetStatus StatusMessage=DatasetStatusMessage"
    ),
    "DatasetSource": "GroundTruthManifest=DatasetGroundTruthManifest",
    "DetectAnomalyResult": "Source=ImageSource IsAnomalous=Boolean Confidence=Float Anomalies=AnomalyList AnomalyMask",
    "GreengrassConfiguration": (
        "CompilerOptions TargetDevice TargetPlatform S3OutputLocation!=S3Location ComponentName! "
        "ComponentVersion ComponentDescription Tags=TagList"
    ),
    "GreengrassOutputDetails": "ComponentVersionArn ComponentName ComponentVersion",
    "ImageSource": "Type=ImageSourceType",
    "InputS3Object": "Bucket!=S3BucketName Key!=S3ObjectKey VersionId=S3ObjectVersion",
    "ModelDescription": (
        "ModelVersion ModelArn CreationTimestamp=DateTime Description=ModelDescriptionMessage "
        "Status=ModelStatus StatusMessage=ModelStatusMessage Performance=ModelPerformance OutputConfig "
        "EvaluationManifest=OutputS3Object EvaluationResult=OutputS3Object "
        "EvaluationEndTimestamp=DateTime KmsKeyId MinInferenceUnits=InferenceUnits "
        "MaxInferenceUnits=InferenceUnits"
    ),
    "ModelMetadata": (
        "CreationTimestamp=DateTime ModelVersion ModelArn Description=ModelDescriptionMessage "
        "Status=ModelStatus StatusMessage=ModelStatusMessage Performance=ModelPerformance"
    ),
    "ModelPackagingConfiguration": "Greengrass!=GreengrassConfiguration",
    "ModelPackagingDescription": (
        "JobName=ModelPackagingJobName ProjectName ModelVersion ModelPackagingConfiguration "
        "ModelPackagingJobDescription ModelPackagingMethod ModelPackagingOutputDetails "
        "Status=ModelPackagingJobStatus StatusMessage=ModelPackagingStatusMessage "
        "CreationTimestamp=DateTime LastUpdatedTimestamp=DateTime"
    ),
    "ModelPackagingJobMetadata": (
        "JobName=ModelPackagingJobName ProjectName ModelVersion ModelPackagingJobDescription "
        "ModelPackagingMethod Status=ModelPackagingJobStatus StatusMessage=ModelPackagingStatusMessage "
        "CreationTimestamp=DateTime LastUpdatedTimestamp=DateTime"
    ),
    "ModelPackagingOutputDetails": "Greengrass=GreengrassOutputDetails",
    "ModelPerformance": "F1Score=Float Recall=Float Precision=Float",
    "OutputConfig": "S3Location!",
    "OutputS3Object": "Bucket!=S3BucketName Key!=S3ObjectKey",
    "PixelAnomaly": "TotalPercentageArea=Float Color",
    "ProjectDescription": "ProjectArn ProjectName CreationTimestamp=DateTime Datasets=DatasetMetadataList",
    "ProjectMetadata": "ProjectArn ProjectName CreationTimestamp=DateTime",
    "S3Location": "Bucket!=S3BucketName Prefix=S3KeyPrefix",
    "Tag": "Key!=TagKey Value!=TagValue",
    "TargetPlatform": "Os!=TargetPlatformOs Arch!=TargetPlatformArch Accelerator=TargetPlatformAccelerator",
}

# HTTP status and members.
ERRORS = {
    "AccessDeniedException": (403, "Message!=ExceptionString"),
    "ConflictException": (409, "Message!=ExceptionString ResourceId!=ExceptionString ResourceType!"),
    "InternalServerException": (500, "Message!=ExceptionString RetryAfterSeconds@header:Retry-After"),
    "ResourceNotFoundException": (404, "Message!=ExceptionString ResourceId!=ExceptionString ResourceType!"),
    "ServiceQuotaExceededException": (
        402,
        "Message!=ExceptionString ResourceId=ExceptionString ResourceType "
        "QuotaCode!=ExceptionString ServiceCode!=ExceptionString",
    ),
    "ThrottlingException": (
        429,
        "Message!=ExceptionString QuotaCode=ExceptionString "
        "ServiceCode=ExceptionString RetryAfterSeconds@header:Retry-After",
    ),
    "ValidationException": (400, "Message!=ExceptionString"),
}

# What a list holds, and how many at most.
LISTS: dict[str, tuple[str, int | None]] = {
    "AnomalyList": ("Anomaly", None),
    "DatasetEntryList": ("DatasetEntry", None),
    "DatasetMetadataList": ("DatasetMetadata", None),
    "ModelMetadataList": ("ModelMetadata", None),
    "ModelPackagingJobsList": ("ModelPackagingJobMetadata", None),
    "ProjectMetadataList": ("ProjectMetadata", None),
    "TagKeyList": ("TagKey", 200),
    "TagList": ("Tag", 200),
}

ENUMS = {
    "DatasetStatus": (
        "CREATE_IN_PROGRESS CREATE_COMPLETE CREATE_FAILED UPDATE_IN_PROGRESS UPDATE_COMPLETE "
        "UPDATE_FAILED_ROLLBACK_IN_PROGRESS UPDATE_FAILED_ROLLBACK_COMPLETE "
        "DELETE_IN_PROGRESS DELETE_COMPLETE DELETE_FAILED"
    ),
    "ModelHostingStatus": "STARTING_HOSTING HOSTED HOSTING_FAILED STOPPING_HOSTING SYSTEM_UPDATING",
    "ModelPackagingJobStatus": "CREATED RUNNING SUCCEEDED FAILED",
    "ModelStatus": (
        "TRAINING TRAINED TRAINING_FAILED STARTING_HOSTING HOSTED "
        "HOSTING_FAILED STOPPING_HOSTING SYSTEM_UPDATING DELETING"
    ),
    "ResourceType": "PROJECT DATASET MODEL TRIAL MODEL_PACKAGE_JOB",
    "TargetDevice": "jetson_xavier",
    "TargetPlatformAccelerator": "NVIDIA",
    "TargetPlatformArch": "ARM64 X86_64",
    "TargetPlatformOs": "LINUX",
}

STRINGS: dict[str, tuple[int | None, int | None, str | None]] = {
    "AnomalyClassFilter": (1, 10, r"(normal|anomaly)"),
    "AnomalyName": (1, 256, r"[a-zA-Z0-9]*"),
    "ClientToken": (1, 64, r"^[a-zA-Z0-9-]+$"),
    "Color": (7, 7, r"\#[a-zA-Z0-9]{6}"),
    "CompilerOptions": (3, 1024, r".*"),
    "ComponentDescription": (1, 256, r"[a-zA-Z0-9-_. ()':,;?]+"),
    "ComponentName": (1, 128, r"[a-zA-Z0-9-_.]+"),
    "ComponentVersion": (1, 64, r"^([0-9]{1,6})\.([0-9]{1,6})\.([0-9]{1,6})$"),
    "ComponentVersionArn": (None, None, r"arn:[^:]*:greengrass:[^:]*:aws:components:[^:]+"),
    "ContentType": (1, 255, r".*"),
    "DatasetEntry": (2, 8192, r"^\{.*\}$"),
    "DatasetStatusMessage": (None, None, None),
    "DatasetType": (1, 10, r"train|test"),
    "ExceptionString": (None, None, None),
    "ImageSourceType": (None, None, r"direct"),
    "KmsKeyId": (1, 2048, r"^[A-Za-z0-9][A-Za-z0-9:_/+=,@.-]{0,2048}$"),
    "ModelArn": (None, None, None),
    "ModelDescriptionMessage": (1, 500, r"[0-9A-Za-z\.\-_]*"),
    "ModelPackagingJobDescription": (1, 256, r"[a-zA-Z0-9-_. ()':,;?]+"),
    "ModelPackagingJobName": (1, 64, r"[a-zA-Z0-9-]+"),
    "ModelPackagingMethod": (1, 32, r"^[a-zA-Z0-9]+"),
    "ModelPackagingStatusMessage": (None, None, None),
    "ModelStatusMessage": (None, None, None),
    "ModelVersion": (1, 10, r"([1-9][0-9]*|latest)"),
    "ModelVersionNoLatest": (1, 10, r"([1-9][0-9]*)"),
    "PaginationToken": (None, 2048, r"^[a-zA-Z0-9\/\+\=]{0,2048}$"),
    "ProjectArn": (None, None, None),
    "ProjectName": (1, 255, r"[a-zA-Z0-9][a-zA-Z0-9_\-]*"),
    "QueryString": (1, 2048, r".*\S.*"),
    "S3BucketName": (3, 63, r"[0-9A-Za-z\.\-_]*"),
    "S3KeyPrefix": (None, 1024, r"^([a-zA-Z0-9!_.*'()-][/a-zA-Z0-9!_.*'()-]*)?$"),
    "S3ObjectKey": (1, 1024, r"^([a-zA-Z0-9!_.*'()-][/a-zA-Z0-9!_.*'()-]*)?$"),
    "S3ObjectVersion": (1, 1024, r".*"),
    "TagArn": (1, 1011, None),
    "TagKey": (1, 128, r"^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$"),
    "TagValue": (0, 256, r"^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$"),
}

# Type, minimum and maximum: of the value of a number, of the length of a blob.
SCALARS: dict[str, tuple[str, int | None, int | None]] = {
    "AnomalyMask": ("blob", 1, 5242880),
    "Boolean": ("boolean", None, None),
    "DatasetChanges": ("blob", 1, 10485760),
    "DateTime": ("timestamp", None, None),
    "Float": ("float", None, None),
    "InferenceUnits": ("integer", 1, None),
    "Integer": ("integer", None, None),
    "IsLabeled": ("boolean", None, None),
    "PageSize": ("integer", 1, 100),
    "RetryAfterSeconds": ("integer", None, None),
}

# A blob that is the whole body and is sent as it is read, its length known beforehand.
STREAM = "Stream"
