"""What S3 needs of the gateway: streams both ways, virtual hosts, presigned URLs, its own wording of errors."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from gateway_parts import ACCOUNT, KEY_ID, SECRET, Answer, Live, served

from relook.aws.body import OutgoingBody
from relook.aws.errors import ServiceError
from relook.aws.models import botocore_model
from relook.aws.operation import Members, RequestContext, Service, operation


class Objects:
    """The least of an S3: objects in a dictionary."""

    def __init__(self) -> None:
        self.held: dict[tuple[str, str], bytes] = {}

    @operation("PutObject")
    async def put(self, context: RequestContext, members: Members) -> Members:
        self.held[members["Bucket"], members["Key"]] = await members["Body"].read(10_000_000)
        return {"ETag": '"tag"'}

    @operation("GetObject")
    async def get(self, context: RequestContext, members: Members) -> Members:
        data = self._find(members)
        disposition = members.get("ResponseContentDisposition")
        return {"Body": OutgoingBody(len(data), _pieces(data)), "ContentDisposition": disposition}

    @operation("HeadObject")
    def head(self, context: RequestContext, members: Members) -> Members:
        return {"ContentLength": len(self._find(members))}

    @operation("DeleteObject")
    def delete(self, context: RequestContext, members: Members) -> None:
        self.held.pop((members["Bucket"], members["Key"]), None)

    @operation("DeleteObjects")
    def delete_many(self, context: RequestContext, members: Members) -> Members:
        return {"Deleted": [{"Key": each["Key"]} for each in members["Delete"]["Objects"]]}

    @operation("ListBuckets")
    def list_buckets(self, context: RequestContext, members: Members) -> Members:
        return {"Buckets": [{"Name": name} for name in sorted({bucket for bucket, _ in self.held})]}

    def _find(self, members: Members) -> bytes:
        try:
            return self.held[members["Bucket"], members["Key"]]
        except KeyError:
            raise ServiceError(
                "NoSuchKey", "The specified key does not exist.", members={"Key": members["Key"]}
            ) from None


async def _pieces(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), 100_000):
        yield data[start : start + 100_000]


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with served(services=[Service(botocore_model("s3"), [Objects()])], virtual_host="s3.localhost") as running:
        yield running


def client_of(live: Live, host: str = "127.0.0.1", **s3: Any) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=f"http://{host}:{live.port}",
        aws_access_key_id=KEY_ID,
        aws_secret_access_key=SECRET,
        region_name="eu-west-1",
        config=Config(s3=s3, retries={"total_max_attempts": 1}, connect_timeout=10, read_timeout=10),
    )


@pytest.fixture
def client(live: Live) -> Iterator[Any]:
    found = client_of(live)
    yield found
    found.close()


@pytest.mark.parametrize("key", ["plain", "a b+c/ü//é", "..", "../x", "a%2Fb", "~!'()*", "/lead"])
@pytest.mark.parametrize("size", [0, 5, 1_000_000])
def test_objects_come_back_whole(client: Any, key: str, size: int) -> None:
    client.put_object(Bucket="bucket", Key=key, Body=bytes(size))
    assert client.get_object(Bucket="bucket", Key=key)["Body"].read() == bytes(size)
    assert client.head_object(Bucket="bucket", Key=key)["ContentLength"] == size
    assert client.delete_object(Bucket="bucket", Key=key)["ResponseMetadata"]["HTTPStatusCode"] == 204


def test_a_document_body_is_read_and_checked(client: Any) -> None:
    deleted = client.delete_objects(Bucket="bucket", Delete={"Objects": [{"Key": "a"}, {"Key": "b"}]})["Deleted"]
    assert [each["Key"] for each in deleted] == ["a", "b"]


def test_an_error_is_worded_as_s3_does(client: Any, live: Live) -> None:
    with pytest.raises(client.exceptions.NoSuchKey) as absent:
        client.get_object(Bucket="bucket", Key="no")
    response = absent.value.response
    assert (response["Error"]["Key"], response["Error"]["Resource"]) == ("no", "/bucket/no")
    assert response["ResponseMetadata"]["RequestId"]
    assert response["ResponseMetadata"]["HostId"]
    with pytest.raises(ClientError, match="404"):
        client.head_object(Bucket="bucket", Key="no")
    with pytest.raises(ClientError, match=r"NotImplemented.*PutBucketWebsite"):
        client.put_bucket_website(Bucket="bucket", WebsiteConfiguration={"IndexDocument": {"Suffix": "a"}})


def test_a_bucket_in_the_host_name_is_found_under_a_signature_of_the_original(live: Live) -> None:
    host = f"my.bucket.s3.localhost:{live.port}"
    put = live.send("PUT", "/some/key", b"12345", service="s3", host=host)
    assert put.status == 200
    assert live.send("GET", "/my.bucket/some/key", service="s3").body == b"12345"
    assert live.send("GET", "/some/key", service="s3", host=host).body == b"12345"
    plain = live.send("GET", "/", service="s3", host=f"s3.localhost:{live.port}")
    assert b"<Name>my.bucket</Name>" in plain.body


@pytest.mark.parametrize("version", ["s3", "s3v4"])
@pytest.mark.parametrize("style", ["path", "virtual"])
def test_presigned_urls_open(live: Live, version: str, style: str) -> None:
    live.send("PUT", "/bucket/presigned", b"seen", service="s3")
    host = "127.0.0.1" if style == "path" else "s3.localhost"
    config = Config(signature_version=version, s3={"addressing_style": style})
    maker = boto3.client(
        "s3",
        endpoint_url=f"http://{host}:{live.port}",
        aws_access_key_id=KEY_ID,
        aws_secret_access_key=SECRET,
        region_name="us-east-1",
        config=config,
    )
    url = urlsplit(maker.generate_presigned_url("get_object", {"Bucket": "bucket", "Key": "presigned"}))
    maker.close()
    answer = live.send("GET", f"{url.path}?{url.query}", headers={"Host": url.netloc}, sign=False)
    assert (answer.status, answer.body) == (200, b"seen")
    spoiled = live.send("GET", f"{url.path}x?{url.query}", headers={"Host": url.netloc}, sign=False)
    assert (spoiled.status, code_of(spoiled)) == (403, "SignatureDoesNotMatch")


def code_of(answer: Answer) -> str | None:
    return ET.fromstring(answer.body).findtext("Code")


BAD = {
    "unsigned": ("GET", "/bucket/a", {}, {"sign": False}, 403, "AccessDenied"),
    "unknown key": ("GET", "/bucket/a", {}, {"key": "AKIANOBODY"}, 403, "InvalidAccessKeyId"),
    "wrong secret": ("GET", "/bucket/a", {}, {"secret": "x"}, 403, "SignatureDoesNotMatch"),
    "method": ("PATCH", "/bucket/a", {}, {}, 405, "MethodNotAllowed"),
    "stray subresource": ("DELETE", "/bucket/a?acl", {}, {}, 405, "MethodNotAllowed"),
    "escape": ("GET", "/bucket/%zz", {}, {}, 400, "InvalidURI"),
    "no length": ("PUT", "/bucket/a", {}, {"chunked": True}, 411, "MissingContentLength"),
    "missing id": ("POST", "/bucket/a", {}, {}, 501, "NotImplemented"),
    "bad XML": ("POST", "/bucket?delete", {}, {"body": b"<Delete>"}, 400, "MalformedXML"),
    "no XML": ("POST", "/bucket?delete", {}, {}, 400, "InvalidRequest"),
    "split header": ("GET", "/bucket/a?response-content-disposition=a%0D%0Ab", {}, {}, 400, "InvalidArgument"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_s3_request_gets_its_proper_error(live: Live, case: str) -> None:
    live.send("PUT", "/bucket/a", b"1", service="s3")
    method, target, headers, how, status, code = BAD[case]
    answer = live.send(method, target, headers=headers, service="s3", **how)  # type: ignore[arg-type]
    assert (answer.status, code_of(answer)) == (status, code)
    assert answer.headers["x-amz-request-id"]


def test_a_body_that_was_altered_is_refused(live: Live) -> None:
    answer = live.send("PUT", "/bucket/a", b"1", service="s3", altered=b"2")
    assert (answer.status, code_of(answer)) == (400, "XAmzContentSHA256Mismatch")
    other = live.send("PUT", "/v1/things/a", b'{"Count": 1}', altered=b'{"Count": 2}')
    assert (other.status, other.headers["x-amzn-errortype"]) == (403, "InvalidSignatureException")


def test_a_caller_is_told_the_account(live: Live) -> None:
    answer = live.send("POST", "/", b"Action=GetCallerIdentity&Version=2011-06-15", service="sts",
                       headers={"Content-Type": "application/x-www-form-urlencoded"})  # fmt: skip
    assert f"<Account>{ACCOUNT}</Account>".encode() in answer.body
