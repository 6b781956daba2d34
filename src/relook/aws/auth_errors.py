"""What was wrong with a signature, in the words of the service at hand.

Clients act on the code: botocore and the JavaScript SDK correct their clock on some, ask for other credentials on
others. So each protocol has its own table; the text is ours but for the openings that clients look for.
"""

from __future__ import annotations

from dataclasses import dataclass

from botocore.model import ServiceModel

from relook.aws.errors import ServiceError
from relook.aws.signature import Reason, Scheme, SignatureProblem


@dataclass(frozen=True, slots=True)
class _Wording:
    code: str
    status: int
    opening: str
    """What the message starts with."""


_JSON = {
    Reason.MISSING: _Wording("MissingAuthenticationTokenException", 403, "Missing Authentication Token"),
    Reason.INCOMPLETE: _Wording("IncompleteSignatureException", 400, "The signature is incomplete"),
    Reason.UNSUPPORTED: _Wording("IncompleteSignatureException", 400, "The way of signing is not supported"),
    Reason.BAD_SCOPE: _Wording("InvalidSignatureException", 403, "The credential is not scoped correctly"),
    Reason.BAD_EXPIRES: _Wording("IncompleteSignatureException", 400, "The lifetime is not valid"),
    Reason.SESSION_TOKEN: _Wording(
        "UnrecognizedClientException", 403, "The security token included in the request is invalid"
    ),
    Reason.UNKNOWN_KEY: _Wording("UnrecognizedClientException", 403, "The access key is not known here"),
    Reason.MISMATCH: _Wording("InvalidSignatureException", 403, "The signature does not match"),
    Reason.UNSIGNED_HEADERS: _Wording("InvalidSignatureException", 403, "The signature leaves headers out"),
    Reason.PAYLOAD_UNDECLARED: _Wording("InvalidSignatureException", 403, "The body is not under the signature"),
    Reason.PAYLOAD_UNSIGNED: _Wording("InvalidSignatureException", 403, "The body is not under the signature"),
    Reason.PAYLOAD_MISMATCH: _Wording("InvalidSignatureException", 403, "The body is not the one that was signed"),
    Reason.EXPIRED: _Wording("InvalidSignatureException", 403, "Signature expired"),
    Reason.SKEWED_PAST: _Wording("InvalidSignatureException", 403, "Signature expired"),
    Reason.SKEWED_FUTURE: _Wording("InvalidSignatureException", 403, "Signature not yet current"),
}

_QUERY = {
    **_JSON,
    Reason.MISSING: _Wording("MissingAuthenticationToken", 403, "Request is missing Authentication Token"),
    Reason.INCOMPLETE: _Wording("IncompleteSignature", 400, "The signature is incomplete"),
    Reason.UNSUPPORTED: _Wording("IncompleteSignature", 400, "The way of signing is not supported"),
    Reason.BAD_SCOPE: _Wording("SignatureDoesNotMatch", 403, "The credential is not scoped correctly"),
    Reason.BAD_EXPIRES: _Wording("IncompleteSignature", 400, "The lifetime is not valid"),
    Reason.SESSION_TOKEN: _Wording(
        "InvalidClientTokenId", 403, "The security token included in the request is invalid"
    ),
    Reason.UNKNOWN_KEY: _Wording("InvalidClientTokenId", 403, "The access key is not known here"),
    Reason.MISMATCH: _Wording("SignatureDoesNotMatch", 403, "The signature does not match"),
    Reason.UNSIGNED_HEADERS: _Wording("SignatureDoesNotMatch", 403, "The signature leaves headers out"),
    Reason.PAYLOAD_UNDECLARED: _Wording("SignatureDoesNotMatch", 403, "The body is not under the signature"),
    Reason.PAYLOAD_UNSIGNED: _Wording("SignatureDoesNotMatch", 403, "The body is not under the signature"),
    Reason.PAYLOAD_MISMATCH: _Wording("SignatureDoesNotMatch", 403, "The body is not the one that was signed"),
    Reason.EXPIRED: _Wording("RequestExpired", 400, "Request has expired"),
    Reason.SKEWED_PAST: _Wording("SignatureDoesNotMatch", 403, "Signature expired"),
    Reason.SKEWED_FUTURE: _Wording("SignatureDoesNotMatch", 403, "Signature not yet current"),
}

_S3 = {
    Reason.MISSING: _Wording("AccessDenied", 403, "Access Denied"),
    Reason.INCOMPLETE: _Wording("AuthorizationHeaderMalformed", 400, "The Authorization header is malformed"),
    Reason.UNSUPPORTED: _Wording("InvalidRequest", 400, "The authorization mechanism is not supported"),
    Reason.BAD_SCOPE: _Wording("AuthorizationHeaderMalformed", 400, "The Authorization header is malformed"),
    Reason.BAD_EXPIRES: _Wording("AuthorizationQueryParametersError", 400, "The lifetime is not valid"),
    Reason.SESSION_TOKEN: _Wording("InvalidToken", 400, "The provided token is malformed or otherwise invalid"),
    Reason.UNKNOWN_KEY: _Wording("InvalidAccessKeyId", 403, "The access key is not known here"),
    Reason.MISMATCH: _Wording("SignatureDoesNotMatch", 403, "The signature does not match"),
    Reason.UNSIGNED_HEADERS: _Wording("AccessDenied", 403, "There were headers present that were not signed"),
    Reason.PAYLOAD_UNDECLARED: _Wording("InvalidRequest", 400, "The header x-amz-content-sha256 is not valid"),
    Reason.PAYLOAD_UNSIGNED: _Wording("InvalidRequest", 400, "The body is not under the signature"),
    Reason.PAYLOAD_MISMATCH: _Wording("XAmzContentSHA256Mismatch", 400, "The body is not the one that was signed"),
    Reason.EXPIRED: _Wording("AccessDenied", 403, "Request has expired"),
    Reason.SKEWED_PAST: _Wording("RequestTimeTooSkewed", 403, "Request time and server time differ too much"),
    Reason.SKEWED_FUTURE: _Wording("RequestTimeTooSkewed", 403, "Request time and server time differ too much"),
}

# A presigned URL of S3 has its own code where its query, not a header, is at fault.
_S3_QUERY = {
    Reason.INCOMPLETE: _Wording("AuthorizationQueryParametersError", 400, "The presigned URL is malformed"),
    Reason.BAD_SCOPE: _Wording("AuthorizationQueryParametersError", 400, "The presigned URL is malformed"),
    Reason.SKEWED_FUTURE: _Wording("AccessDenied", 403, "Request is not valid yet"),
}


def as_service_error(problem: SignatureProblem, model: ServiceModel | None) -> ServiceError:
    """The error answer for a problem, as the service of `model` words it (as the JSON services do when None)."""
    wording = _table(model)[problem.reason]
    if _protocol(model) == "rest-xml" and problem.scheme is not Scheme.V4_HEADER:
        wording = _S3_QUERY.get(problem.reason, wording)
    return ServiceError(wording.code, f"{wording.opening}: {problem.detail}", wording.status)


def _protocol(model: ServiceModel | None) -> str:
    return "json" if model is None else str(model.metadata["protocol"])


def _table(model: ServiceModel | None) -> dict[Reason, _Wording]:
    return {"rest-xml": _S3, "query": _QUERY, "ec2": _QUERY}.get(_protocol(model), _JSON)
