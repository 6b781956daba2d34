"""Two small services, a signer and a live server for the gateway's tests."""

from __future__ import annotations

import copy
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any

import uvicorn
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.model import ServiceModel

from relook.aws.errors import ServiceError
from relook.aws.operation import Members, RequestContext, Service, arn_of, operation
from relook.gateway.app import Gateway, build
from relook.iam.authorizer import AdministratorOnly
from relook.iam.keys import AccessKey, FixedKeys, root_of
from relook.services import sts
from relook.store.engine import StorageFull

ACCOUNT = "123456789012"
KEY_ID = "AKIAAAAAAAAAAAAAAAAA"
SECRET = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"
KEYS = FixedKeys(AccessKey(KEY_ID, SECRET, root_of(ACCOUNT, KEY_ID)))

_SHAPES: dict[str, Any] = {
    "Name": {"type": "string", "min": 1, "max": 20, "pattern": "[a-zA-Z0-9][a-zA-Z0-9_\\-]*"},
    "Count": {"type": "integer", "min": 1, "max": 10},
    "Text": {"type": "string"},
    "Picture": {"type": "blob", "streaming": True},
    "Size": {"type": "long"},
    "PutInput": {
        "type": "structure",
        "required": ["Name"],
        "members": {
            "Name": {"shape": "Name", "location": "uri", "locationName": "name"},
            "Count": {"shape": "Count"},
            "Note": {"shape": "Text", "location": "header", "locationName": "x-note"},
        },
    },
    "PutOutput": {
        "type": "structure",
        "members": {"Name": {"shape": "Name"}, "Count": {"shape": "Count"}, "Region": {"shape": "Text"}},
    },
    "LookInput": {
        "type": "structure",
        "required": ["Name", "Body"],
        "members": {
            "Name": {"shape": "Name", "location": "uri", "locationName": "name"},
            "Body": {"shape": "Picture"},
        },
        "payload": "Body",
    },
    "LookOutput": {"type": "structure", "members": {"Size": {"shape": "Size"}}},
    "ResourceNotFoundException": {
        "type": "structure",
        "members": {"Message": {"shape": "Text"}, "ResourceId": {"shape": "Text"}},
        "error": {"httpStatusCode": 404},
        "exception": True,
    },
    "InternalServerException": {
        "type": "structure",
        "members": {"Message": {"shape": "Text"}},
        "error": {"httpStatusCode": 500},
        "exception": True,
    },
}
_ERRORS = [{"shape": "ResourceNotFoundException"}, {"shape": "InternalServerException"}]


def _described(protocol: str, name: str, **metadata: str) -> ServiceModel:
    rest = protocol == "rest-json"
    operations: dict[str, Any] = {
        "Put": {
            "name": "Put",
            "http": {"method": "PUT", "requestUri": "/v1/things/{name}" if rest else "/", "responseCode": 202},
            "input": {"shape": "PutInput"},
            "output": {"shape": "PutOutput"},
            "errors": _ERRORS,
        },
        "Look": {
            "name": "Look",
            "http": {"method": "POST", "requestUri": "/v1/things/{name}/look" if rest else "/"},
            "input": {"shape": "LookInput"},
            "output": {"shape": "LookOutput"},
            "errors": _ERRORS,
        },
        "Absent": {"name": "Absent", "http": {"method": "GET", "requestUri": "/v1/absent"}},
    }
    if not rest:
        del operations["Look"]
        operations["Put"]["http"] = {"method": "POST", "requestUri": "/"}
    head = {"apiVersion": "2020-01-01", "endpointPrefix": name, "protocol": protocol, "signingName": name}
    head |= {"serviceId": name, "signatureVersion": "v4", "serviceFullName": name, **metadata}
    shapes = copy.deepcopy(_SHAPES)
    if not rest:
        shapes["PutInput"]["members"] = {"Name": {"shape": "Name"}, "Count": {"shape": "Count"}}
    return ServiceModel({"metadata": head, "operations": operations, "shapes": shapes}, name)


class Things:
    """Handlers whose behaviour the name chooses."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.release = threading.Event()

    @operation("Put", resource=arn_of("things", "thing/{Name}"))
    def put(self, context: RequestContext, members: Members) -> Members:
        name = members["Name"]
        if name == "gone":
            members = {"ResourceId": "gone"}
            raise ServiceError("ResourceNotFoundException", "no such thing", members=members, logged="not there")
        if name == "bug":
            raise ZeroDivisionError("the secret reason")
        if name == "full":
            raise StorageFull
        if name == "slow":
            self.entered.set()
            assert self.release.wait(20)
        return {"Name": name, "Count": members.get("Count"), "Region": context.region}


class LookingThings(Things):
    @operation("Look", resource=arn_of("things", "thing/{Name}"))
    async def look(self, context: RequestContext, members: Members) -> Members:
        return {"Size": len(await members["Body"].read(10_000_000))}


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Live:
    gateway: Gateway
    port: int
    things: LookingThings
    server: uvicorn.Server

    def send(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        *,
        service: str = "things",
        region: str = "eu-west-1",
        key: str = KEY_ID,
        secret: str = SECRET,
        sign: bool = True,
        chunked: bool = False,
        host: str | None = None,
        altered: bytes | None = None,
    ) -> Answer:
        """One signed request, sent exactly as given: nothing normalises the path. `altered`: the body after signing."""
        authority = host or f"127.0.0.1:{self.port}"
        request = AWSRequest(
            method, f"http://{authority}{target}", data=body, headers={"Host": authority, **(headers or {})}
        )
        if sign:
            signer = S3SigV4Auth if service == "s3" else SigV4Auth
            signer(Credentials(key, secret), service, region).add_auth(request)
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            body = body if altered is None else altered
            content: Any = iter([body]) if chunked else body
            connection.request(method, target, content or None, dict(request.headers), encode_chunked=chunked)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())
        finally:
            connection.close()


def gateway_of(things: LookingThings, **options: Any) -> Gateway:
    services = [
        Service(_described("rest-json", "things"), [things]),
        Service(_described("json", "jsonthings", targetPrefix="Things_2020", jsonVersion="1.1"), [Things()]),
        sts.service(),
        *options.pop("services", []),
    ]
    return build(services, KEYS, AdministratorOnly(), **options)


@contextmanager
def served(**options: Any) -> Iterator[Live]:
    """A uvicorn on a free loopback port, in a thread."""
    things = LookingThings()
    gateway = gateway_of(things, **options)
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(gateway, log_config=None, lifespan="on", ws="none", timeout_graceful_shutdown=5)
    server = uvicorn.Server(config)
    ready = threading.Event()
    startup = server.startup

    async def startup_then_tell(sockets: Any = None) -> None:
        await startup(sockets)
        ready.set()

    server.startup = startup_then_tell  # type: ignore[method-assign]
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        assert ready.wait(20)
        yield Live(gateway, listener.getsockname()[1], things, server)
    finally:
        things.release.set()
        server.should_exit = True
        thread.join(20)
        listener.close()
