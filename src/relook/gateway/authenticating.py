"""Who is calling: the access key, the signature, and from both the account and region of the request."""

from __future__ import annotations

from collections.abc import Mapping

from relook.aws import sigv4
from relook.aws.http import HttpResponse
from relook.aws.operation import RequestContext
from relook.aws.signature import Reason, Scheme, Signature, SignatureProblem
from relook.core.identity import REGION_PATTERN
from relook.gateway.bodies import read_whole, sha256
from relook.gateway.exchange import Exchange, known
from relook.iam.keys import AccessKeys

DEFAULT_REGION = "us-east-1"


class Authenticator:
    """A step of the chain: sets `key`, `context` and, for every service but S3, `body`."""

    def __init__(self, keys: AccessKeys, body_limit: int, body_limits: Mapping[str, int]) -> None:
        self._keys = keys
        self._limit = body_limit
        self._limits = dict(body_limits)

    async def __call__(self, exchange: Exchange) -> HttpResponse | None:
        signature: Signature = known(exchange.signature, "signature")
        name = known(exchange.service, "service").name
        key = self._keys.find(signature.access_key_id)
        if key is None:
            detail = f"{signature.access_key_id[:128]!r} is no access key of this server: `relook env` prints one"
            raise SignatureProblem(Reason.UNKNOWN_KEY, detail, signature.scheme)
        digest = None
        if name != "s3":
            exchange.body = await read_whole(exchange, self._limits.get(name, self._limit))
            digest = await sha256(exchange.body)
        sigv4.verify(signature, exchange.sent, key.secret, exchange.now, digest, virtual_bucket=exchange.virtual_bucket)
        exchange.key = key
        exchange.context = RequestContext(
            account=key.principal.account,
            region=_region(signature),
            principal=key.principal,
            request_id=exchange.request_id,
            now=exchange.now,
            endpoint=exchange.endpoint,
        )
        return None


def _region(signature: Signature) -> str:
    if signature.scheme is Scheme.V2_QUERY:
        return DEFAULT_REGION
    if not REGION_PATTERN.fullmatch(signature.region):
        detail = f"{signature.region[:64]!r} is not a region: sign for one such as {DEFAULT_REGION}"
        raise SignatureProblem(Reason.BAD_SCOPE, detail, signature.scheme)
    return signature.region
