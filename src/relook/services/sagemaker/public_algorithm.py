"""The public algorithm for defect detection, to which AWS sent the users of Lookout for Vision: ours, under its name.

Its name has a version and its ARN an account, both of which differ by region; whatever they are, it is this one.
"""

from __future__ import annotations

from typing import Any

TRAINING_IMAGE = "builtin/defect-detection"
"""Trained by this server's own engine, whatever else can run containers here."""
SERVING_IMAGE = "builtin/vision"
TRAINING_CHANNEL, TEST_CHANNEL = "training", "test"
MODEL_TYPE = "ModelType"
MODEL_TYPES = ("classification", "classification-robust", "segmentation", "segmentation-robust")
TRAINING_ATTRIBUTES, TEST_ATTRIBUTES = "TrainingInputDataAttributeNames", "TestInputDataAttributeNames"
PRODUCT_ID = "prod-relook-defect-detection"
"""Its presence makes the SageMaker SDK ask for network isolation, in training and of the model; both are enforced."""
CREATED = 1_735_689_600_000

_PREFIX = "lfv-public-algorithm"
_INSTANCES = [
    *(f"ml.{family}.{size}" for family in ("m5", "c5", "m4", "c4") for size in ("xlarge", "2xlarge", "4xlarge")),
    *(f"ml.{family}.{size}" for family in ("g4dn", "g5") for size in ("xlarge", "2xlarge", "4xlarge", "8xlarge")),
    *(f"ml.p3.{size}" for size in ("2xlarge", "8xlarge", "16xlarge")),
]
_SERVING_INSTANCES = ["ml.m5.large", "ml.c5.large", *_INSTANCES]


def is_meant(key: str) -> bool:
    """Whether an algorithm's name, in lower case, is that of the public one."""
    return key.startswith(_PREFIX)


def content() -> dict[str, Any]:
    """What DescribeAlgorithm says of it beside name, ARN, date and status."""
    return {
        "AlgorithmDescription": "Defect detection by classification or segmentation of images.",
        "TrainingSpecification": _training(),
        "InferenceSpecification": _inference(),
        "ProductId": PRODUCT_ID,
        "CertifyForMarketplace": False,
    }


def _training() -> dict[str, Any]:
    return {
        "TrainingImage": TRAINING_IMAGE,
        "SupportedTrainingInstanceTypes": list(_INSTANCES),
        "SupportsDistributedTraining": False,
        "SupportedHyperParameters": _hyperparameters(),
        "TrainingChannels": [
            _channel(TRAINING_CHANNEL, "Labelled images: an augmented manifest.", required=True),
            _channel(TEST_CHANNEL, "Images to evaluate the model on; split off from training without it."),
        ],
        "MetricDefinitions": [],
        "SupportedTuningJobObjectiveMetrics": [],
    }


def _hyperparameters() -> list[dict[str, Any]]:
    """The attribute names have no default: the SageMaker SDK would send it, and drop the masks of a segmentation."""
    return [
        {
            "Name": MODEL_TYPE,
            "Description": "Whether images are classified, or anomalous areas marked, too.",
            "Type": "Categorical",
            "Range": {"CategoricalParameterRangeSpecification": {"Values": list(MODEL_TYPES)}},
            "IsTunable": False,
            "IsRequired": False,
            "DefaultValue": MODEL_TYPES[0],
        },
        *(
            {
                "Name": name,
                "Description": "Attributes of the manifest, in order, with commas; else those of the channel.",
                "Type": "FreeText",
                "IsTunable": False,
                "IsRequired": False,
            }
            for name in (TRAINING_ATTRIBUTES, TEST_ATTRIBUTES)
        ),
    ]


def _channel(name: str, description: str, *, required: bool = False) -> dict[str, Any]:
    return {
        "Name": name,
        "Description": description,
        "IsRequired": required,
        "SupportedContentTypes": ["application/x-recordio", "application/x-image", "image/jpeg", "image/png"],
        "SupportedCompressionTypes": ["None"],
        "SupportedInputModes": ["Pipe", "File", "FastFile"],
    }


def _inference() -> dict[str, Any]:
    return {
        "Containers": [{"Image": SERVING_IMAGE, "ProductId": PRODUCT_ID}],
        "SupportedTransformInstanceTypes": list(_SERVING_INSTANCES),
        "SupportedRealtimeInferenceInstanceTypes": list(_SERVING_INSTANCES),
        "SupportedContentTypes": ["image/jpeg", "image/png", "application/x-image", "application/octet-stream"],
        "SupportedResponseMIMETypes": ["application/json"],
    }
