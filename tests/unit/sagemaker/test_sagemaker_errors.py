"""SageMaker's errors on the wire: clients match on texts, and read the message in either spelling."""

from __future__ import annotations

import json

import pytest

from relook.aws.errors import ServiceError
from relook.aws.models import adapted_model, botocore_model
from relook.aws.protocol import serialise_error
from relook.services.sagemaker import errors
from relook.services.sagemaker.description import runtime_model, sagemaker_model


def told(error: ServiceError, *, runtime: bool = False) -> tuple[int, str, dict[str, object]]:
    """Status, the type in the header, and the body."""
    model = runtime_model() if runtime else sagemaker_model()
    response = serialise_error(model, None, error, "request-1")
    assert isinstance(response.body, bytes)
    return response.status, response.headers["x-amzn-errortype"], json.loads(response.body)


def test_an_unmodelled_error_has_its_message_in_both_spellings() -> None:
    text = 'Could not find model "arn:aws:sagemaker:eu-west-1:1:model/m".'
    status, kind, body = told(errors.could_not_find("model", "arn:aws:sagemaker:eu-west-1:1:model/m"))
    assert (status, kind) == (400, "ValidationException")
    assert body == {"__type": "ValidationException", "message": text, "Message": text}


def test_a_modelled_error_has_the_message_its_model_says() -> None:
    status, kind, body = told(errors.job_name_in_use("arn:job"))
    assert (status, kind) == (400, "ResourceInUse")
    assert body["__type"] == "ResourceInUse"
    assert body["Message"] == (
        "Job name must be unique within an AWS account and region, and a job with this name already exists (arn:job)"
    )


def test_the_runtime_says_validation_error_without_exception() -> None:
    status, kind, body = told(errors.no_such_endpoint("cookies", "000000000000"), runtime=True)
    assert (status, kind) == (400, "ValidationError")
    assert body == {"Message": "Endpoint cookies of account 000000000000 not found."}


def test_a_model_error_carries_what_the_container_said() -> None:
    error = errors.model_error(
        container="primary", status=500, body="no", endpoint="e", region="eu-west-1", account="000000000000"
    )
    status, kind, body = told(error, runtime=True)
    assert (status, kind) == (424, "ModelError")
    assert error.logged == "Received server error (500) from primary"
    assert body["OriginalStatusCode"] == 500
    assert body["OriginalMessage"] == "no"
    assert body["Message"] == (
        'Received server error (500) from primary with message "no". See '
        "https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1"
        "#logEventViewer:group=/aws/sagemaker/Endpoints/e in account 000000000000 for more information."
    )


def test_a_client_error_of_the_container_is_told_as_one() -> None:
    error = errors.model_error(container="scale", status=415, body="", endpoint="e", region="r", account="a")
    assert error.message.startswith('Received client error (415) from scale with message "".')


def test_any_instance_type_that_looks_like_one_is_taken() -> None:
    shape = sagemaker_model().shape_for("ProductionVariantInstanceType")
    assert "enum" not in shape.metadata
    assert shape.metadata["pattern"] == r"ml\.[a-z0-9\-]+\.[a-z0-9\-]+"


def test_a_model_is_adapted_without_touching_the_one_of_others() -> None:
    adapted = adapted_model("sagemaker", {"ModelName": {"type": "string"}})
    assert "pattern" not in adapted.shape_for("ModelName").metadata
    assert "pattern" in botocore_model("sagemaker").shape_for("ModelName").metadata
    with pytest.raises(KeyError, match="sagemaker has no shape NoSuchShape"):
        adapted_model("sagemaker", {"NoSuchShape": {"type": "string"}})
