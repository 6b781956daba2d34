"""A plain HTTP client: requests signed beforehand, one keep-alive connection, nothing of an SDK in the timed span."""

from __future__ import annotations

import base64
import http.client
import json
import statistics
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


class BenchFailed(Exception):
    """What was to be measured did not work; the message says what was answered."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A request ready to send, for five minutes: SigV4 has no nonce, so it may be sent again."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Signer:
    """Signs requests as the user whose `relook env` is given."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.endpoint = environment["AWS_ENDPOINT_URL"]
        self._region = environment["AWS_REGION"]
        self._keys = Credentials(environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"])

    def __call__(
        self,
        service: str,
        method: str,
        path: str,
        body: bytes = b"",
        kind: str | None = None,
        more: Mapping[str, str] | None = None,
    ) -> Signed:
        headers = {**({"Content-Type": kind} if kind else {}), **(more or {})}
        request = AWSRequest(method, self.endpoint + path, headers=headers, data=body)
        (S3SigV4Auth if service == "s3" else SigV4Auth)(self._keys, service, self._region).add_auth(request)
        return Signed(method, path, dict(request.headers), body)

    def detect_labels(self, arn: str, image: bytes) -> Signed:
        body = json.dumps({"ProjectVersionArn": arn, "Image": {"Bytes": base64.b64encode(image).decode()}}).encode()
        target = {"X-Amz-Target": "RekognitionService.DetectCustomLabels"}
        return self("rekognition", "POST", "/", body, "application/x-amz-json-1.1", target)

    def detect(self, project: str, version: str, image: bytes, kind: str) -> Signed:
        path = f"/2020-11-20/projects/{project}/models/{version}/detect"
        return self("lookoutvision", "POST", path, image, kind)


class Caller:
    """One keep-alive connection."""

    def __init__(self, endpoint: str) -> None:
        where = urlsplit(endpoint)
        self._connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=120)

    def send(self, request: Signed) -> float:
        """Seconds from the first byte sent to the last one read. Raises BenchFailed if it is refused."""
        began = time.perf_counter()
        self._connection.request(request.method, request.path, request.body, dict(request.headers))
        answer = self._connection.getresponse()
        body = answer.read()
        seconds = time.perf_counter() - began
        if answer.status >= 300:
            raise BenchFailed(f"{request.method} {request.path}: {answer.status} {body[:500]!r}")
        return seconds

    def close(self) -> None:
        self._connection.close()


@dataclass(frozen=True, slots=True)
class Rate:
    """Answers per second, and milliseconds each took."""

    per_second: float
    median: float
    p95: float


def rate(endpoint: str, requests: Sequence[Signed], clients: int, seconds: float) -> Rate:
    """So many clients send `requests` round and round, each one after the other, for so long."""
    callers = [Caller(endpoint) for _ in range(clients)]
    for caller in callers:
        caller.send(requests[0])
    times: list[float] = []
    failures: list[Exception] = []
    began = time.perf_counter()

    def work(number: int) -> None:
        at = number * len(requests) // clients
        try:
            while time.perf_counter() < began + seconds:
                times.append(callers[number].send(requests[at % len(requests)]))
                at += 1
        except (BenchFailed, OSError, http.client.HTTPException) as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - began
    for caller in callers:
        caller.close()
    if failures:
        raise BenchFailed(f"{len(failures)} of {clients} clients failed: {failures[0]}") from failures[0]
    return Rate(len(times) / elapsed, 1000 * statistics.median(times), 1000 * p95(times))


def p95(values: Sequence[float]) -> float:
    """The 95th percentile: the smallest value that 95 % do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-95 * len(ordered) // 100) - 1)]
