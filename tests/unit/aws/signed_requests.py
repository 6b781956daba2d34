"""Requests as today's boto3 signs them, caught just before they would be sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config

from relook.aws.http import HttpRequest

ACCESS_KEY = "AKIDEXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
ENDPOINT = "http://relook.example:8484"


@dataclass(frozen=True)
class Sent:
    request: HttpRequest
    body: bytes


class _Caught(Exception):
    def __init__(self, request: Any) -> None:
        self.request = request


def client(service: str, config: Config | None = None, endpoint: str = ENDPOINT, data_path: str | None = None) -> Any:
    session = boto3.Session(aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET, region_name="eu-west-1")
    if data_path is not None:
        session._loader.search_paths.insert(0, data_path)
    return session.client(service, endpoint_url=endpoint, config=config)


def caught(sender: Any, operation: str, **members: Any) -> Sent:
    """What `sender` (a boto3 client) would put on the wire for an operation."""

    def catch(request: Any, **_: Any) -> None:
        raise _Caught(request)

    sender.meta.events.register("before-send", catch)
    with pytest.raises(_Caught) as thrown:
        getattr(sender, operation)(**members)
    prepared = thrown.value.request
    body = prepared.body.read() if hasattr(prepared.body, "read") else prepared.body or b""
    headers = [(name.lower(), _text(value)) for name, value in prepared.headers.items()]
    return Sent(http_request(prepared.method, prepared.url, headers), body.encode() if isinstance(body, str) else body)


def http_request(method: str, url: str, headers: list[tuple[str, str]]) -> HttpRequest:
    """The request that an HTTP client makes of a URL: Host comes from it."""
    parts = urlsplit(url)
    return HttpRequest(method, parts.path, parts.query, (("host", parts.netloc), *headers))


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
