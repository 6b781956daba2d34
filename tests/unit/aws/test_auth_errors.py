"""Each service words a refusal in its own code and status."""

from __future__ import annotations

from functools import cache

import botocore.session
import pytest
from botocore.model import ServiceModel

from relook.aws.auth_errors import as_service_error
from relook.aws.description import lookoutvision_model
from relook.aws.signature import Reason, Scheme, SignatureProblem


@cache
def model_of(service: str) -> ServiceModel:
    return botocore.session.get_session().get_service_model(service)


JSON_MODELS = [lookoutvision_model(), model_of("rekognition"), model_of("sagemaker"), None]


@pytest.mark.parametrize("model", JSON_MODELS)
@pytest.mark.parametrize(
    ("reason", "code", "status"),
    [
        (Reason.MISSING, "MissingAuthenticationTokenException", 403),
        (Reason.INCOMPLETE, "IncompleteSignatureException", 400),
        (Reason.UNKNOWN_KEY, "UnrecognizedClientException", 403),
        (Reason.SESSION_TOKEN, "UnrecognizedClientException", 403),
        (Reason.MISMATCH, "InvalidSignatureException", 403),
        (Reason.PAYLOAD_MISMATCH, "InvalidSignatureException", 403),
        (Reason.SKEWED_PAST, "InvalidSignatureException", 403),
    ],
)
def test_json_services(model: ServiceModel | None, reason: Reason, code: str, status: int) -> None:
    error = as_service_error(SignatureProblem(reason, "the detail"), model)
    assert (error.code, error.status) == (code, status)
    assert error.message.endswith(": the detail")


@pytest.mark.parametrize(
    ("reason", "code", "status"),
    [
        (Reason.MISSING, "MissingAuthenticationToken", 403),
        (Reason.INCOMPLETE, "IncompleteSignature", 400),
        (Reason.UNKNOWN_KEY, "InvalidClientTokenId", 403),
        (Reason.MISMATCH, "SignatureDoesNotMatch", 403),
        (Reason.SKEWED_FUTURE, "SignatureDoesNotMatch", 403),
        (Reason.EXPIRED, "RequestExpired", 400),
    ],
)
def test_query_services(reason: Reason, code: str, status: int) -> None:
    error = as_service_error(SignatureProblem(reason, "the detail"), model_of("sts"))
    assert (error.code, error.status) == (code, status)


@pytest.mark.parametrize(
    ("reason", "scheme", "code", "status"),
    [
        (Reason.MISSING, Scheme.V4_HEADER, "AccessDenied", 403),
        (Reason.INCOMPLETE, Scheme.V4_HEADER, "AuthorizationHeaderMalformed", 400),
        (Reason.INCOMPLETE, Scheme.V4_QUERY, "AuthorizationQueryParametersError", 400),
        (Reason.BAD_SCOPE, Scheme.V4_HEADER, "AuthorizationHeaderMalformed", 400),
        (Reason.BAD_SCOPE, Scheme.V4_QUERY, "AuthorizationQueryParametersError", 400),
        (Reason.BAD_EXPIRES, Scheme.V4_QUERY, "AuthorizationQueryParametersError", 400),
        (Reason.UNKNOWN_KEY, Scheme.V2_QUERY, "InvalidAccessKeyId", 403),
        (Reason.MISMATCH, Scheme.V2_QUERY, "SignatureDoesNotMatch", 403),
        (Reason.SESSION_TOKEN, Scheme.V4_HEADER, "InvalidToken", 400),
        (Reason.SKEWED_PAST, Scheme.V4_HEADER, "RequestTimeTooSkewed", 403),
        (Reason.SKEWED_FUTURE, Scheme.V4_HEADER, "RequestTimeTooSkewed", 403),
        (Reason.SKEWED_FUTURE, Scheme.V4_QUERY, "AccessDenied", 403),
        (Reason.EXPIRED, Scheme.V4_QUERY, "AccessDenied", 403),
        (Reason.PAYLOAD_MISMATCH, Scheme.V4_HEADER, "XAmzContentSHA256Mismatch", 400),
    ],
)
def test_s3(reason: Reason, scheme: Scheme, code: str, status: int) -> None:
    error = as_service_error(SignatureProblem(reason, "the detail", scheme), model_of("s3"))
    assert (error.code, error.status) == (code, status)


@pytest.mark.parametrize("service", ["rekognition", "sts", "s3"])
@pytest.mark.parametrize("scheme", Scheme)
@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_words_everywhere(reason: Reason, scheme: Scheme, service: str) -> None:
    error = as_service_error(SignatureProblem(reason, "the detail", scheme), model_of(service))
    assert error.status in {400, 403}
    assert error.message.endswith("the detail")


def test_sdks_recognise_a_wrong_clock_by_these_openings() -> None:
    past = as_service_error(SignatureProblem(Reason.SKEWED_PAST, "x"), None)
    future = as_service_error(SignatureProblem(Reason.SKEWED_FUTURE, "x"), None)
    expired = as_service_error(SignatureProblem(Reason.EXPIRED, "x", Scheme.V4_QUERY), model_of("s3"))
    assert past.message.startswith("Signature expired")
    assert future.message.startswith("Signature not yet current")
    assert expired.message.startswith("Request has expired")
