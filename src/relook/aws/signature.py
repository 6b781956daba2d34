"""What a request says about its signer, and what can be wrong with it.

SignatureProblem     the one exception of authentication; its `reason` says which rule was broken
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

from relook.core.clock import as_datetime

ALGORITHM = "AWS4-HMAC-SHA256"
AMZ_DATE = "%Y%m%dT%H%M%SZ"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
MAX_SKEW = 15 * 60 * 1000
"""How far a client's clock may be off, in milliseconds."""


class Scheme(Enum):
    """The three ways a client can sign."""

    V4_HEADER = "header"
    V4_QUERY = "query"
    V2_QUERY = "old query"
    """S3's query form of before SigV4 (AWSAccessKeyId, Expires, Signature), still what boto3 presigns by default."""


class Reason(Enum):
    MISSING = "missing"
    """No signature at all."""
    INCOMPLETE = "incomplete"
    """A part of the signature is absent, repeated or not readable."""
    UNSUPPORTED = "unsupported"
    """A way to sign that exists elsewhere but not here."""
    BAD_SCOPE = "bad scope"
    """The credential is not key/date/region/service/aws4_request, or its date is not the date of the request."""
    BAD_EXPIRES = "bad expires"
    """The lifetime of a presigned URL is not a number of seconds from 1 to 604800."""
    SESSION_TOKEN = "session token"
    UNKNOWN_KEY = "unknown key"
    MISMATCH = "mismatch"
    UNSIGNED_HEADERS = "unsigned headers"
    """`host`, or an x-amz-* header that is present, is not under the signature."""
    PAYLOAD_UNDECLARED = "payload undeclared"
    """S3 without x-amz-content-sha256, or with a value that is none of the known ones."""
    PAYLOAD_UNSIGNED = "payload unsigned"
    """A service other than S3 was asked to take a body that nobody signed."""
    PAYLOAD_MISMATCH = "payload mismatch"
    """The body is not the one whose hash was declared."""
    EXPIRED = "expired"
    """A presigned URL after its time."""
    SKEWED_PAST = "skewed, past"
    SKEWED_FUTURE = "skewed, future"


class SignatureProblem(Exception):
    """Why a request was not let in. `detail` names the thing, the rule and the fix; `scheme` is the form it was in."""

    def __init__(self, reason: Reason, detail: str, scheme: Scheme = Scheme.V4_HEADER) -> None:
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason
        self.detail = detail
        self.scheme = scheme


@dataclass(frozen=True, slots=True)
class Signature:
    """The signature of one request as it declares itself; nothing in it is verified yet."""

    scheme: Scheme
    access_key_id: str
    timestamp: int
    """When it was signed, milliseconds since the epoch (0 in the old query form, which does not say)."""
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str
    expires: int | None = None
    """When a presigned URL ends, milliseconds since the epoch; None in the header form."""
    payload_hash: str | None = None
    """x-amz-content-sha256 as declared, or None."""

    @property
    def presigned(self) -> bool:
        return self.scheme is not Scheme.V4_HEADER

    @property
    def amz_date(self) -> str:
        """The time of signing as it enters the string to sign, such as 20150830T123600Z."""
        return as_datetime(self.timestamp).strftime(AMZ_DATE)

    @property
    def scope(self) -> str:
        return f"{self.amz_date[:8]}/{self.region}/{self.service}/aws4_request"


def parse_amz_date(text: str) -> int | None:
    """Milliseconds since the epoch of a time such as 20150830T123600Z, None if it is none or before the epoch."""
    if len(text) != 16 or not text.isascii():
        return None
    try:
        return milliseconds(datetime.strptime(text, AMZ_DATE).replace(tzinfo=UTC))
    except ValueError:
        return None


def milliseconds(moment: datetime) -> int | None:
    """Whole seconds since the epoch, in milliseconds; None before the epoch, where no clock of a client stands."""
    seconds = int(moment.timestamp())
    return 1000 * seconds if seconds >= 0 else None


def session_token_refused(scheme: Scheme) -> SignatureProblem:
    """The refusal of temporary credentials, which this server does not issue yet."""
    return SignatureProblem(
        Reason.SESSION_TOKEN,
        "the request carries a session token, but this server has no temporary credentials: unset AWS_SESSION_TOKEN "
        "and sign with an access key of its own",
        scheme,
    )
