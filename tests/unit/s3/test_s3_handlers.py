"""Operations called as the gateway calls them, without a wire in between."""

from __future__ import annotations

import inspect
import zlib
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from relook.aws.body import OutgoingBody
from relook.aws.errors import ServiceError
from relook.aws.operation import RequestContext, Service
from relook.blobs.folder import FolderBlobs
from relook.core.clock import system_clock
from relook.core.identity import Principal
from relook.services.s3 import service
from relook.store.engine import Store

ACCOUNT = "123456789012"
Call = Callable[..., dict[str, Any]]


class Body:
    """A payload that arrives in pieces, and may turn out wrong at its end."""

    def __init__(self, *pieces: bytes, problem: ServiceError | None = None) -> None:
        self.content_length: int | None = sum(map(len, pieces))
        self.trailers: dict[str, str] = {}
        self._pieces, self._problem = pieces, problem

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece
        if self._problem is not None:
            raise self._problem

    async def read(self, limit: int) -> bytes:
        return b"".join(self._pieces)


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Service]:
    store = Store.open(tmp_path / "relook.db")
    yield service(FolderBlobs(store, tmp_path / "objects", system_clock), system_clock)
    store.close()


@pytest.fixture
def call(front: Service) -> Call:
    def run(name: str, /, account: str = ACCOUNT, region: str = "us-east-1", **members: Any) -> dict[str, Any]:
        principal = Principal(account, f"arn:aws:iam::{account}:root", account, "AKIA")
        context = RequestContext(account, region, principal, "request", 0, "http://127.0.0.1:1")

        async def answer() -> dict[str, Any]:
            result = front.operations[name].handler(context, members)
            members_out = dict((await result if inspect.isawaitable(result) else result) or {})
            body = members_out.get("Body")
            if isinstance(body, OutgoingBody):
                members_out["Body"] = b"".join([chunk async for chunk in body.chunks])
                assert len(members_out["Body"]) == body.content_length
            return members_out

        return anyio.run(answer)

    return run


@pytest.fixture
def bucket(call: Call) -> str:
    call("CreateBucket", Bucket="bucket")
    return "bucket"


def code(call: Call, name: str, **members: Any) -> tuple[str, int]:
    with pytest.raises(ServiceError) as caught:
        call(name, **members)
    return caught.value.code, caught.value.status


def test_put_and_get(call: Call, bucket: str) -> None:
    big = bytes(range(256)) * 20_000
    put = call("PutObject", Bucket=bucket, Key="k", Body=Body(big, b"end"), Metadata={"a": "b"}, ContentType="x/y")
    got = call("GetObject", Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert got["Body"] == big + b"end"
    assert (got["ETag"], got["Metadata"], got["ContentType"]) == (put["ETag"], {"a": "b"}, "x/y")
    crc = b64encode(zlib.crc32(big + b"end").to_bytes(4, "big")).decode()
    assert got["ChecksumCRC32"] == put["ChecksumCRC32"] == crc
    assert "VersionId" not in got


def test_a_body_that_turns_out_wrong_changes_nothing(call: Call, bucket: str, tmp_path: Path) -> None:
    call("PutObject", Bucket=bucket, Key="k", Body=Body(b"old"))
    bad = Body(b"new" * 1_000_000, problem=ServiceError("BadDigest", "no"))
    assert code(call, "PutObject", Bucket=bucket, Key="k", Body=bad) == ("BadDigest", 400)
    assert call("GetObject", Bucket=bucket, Key="k")["Body"] == b"old"
    assert sum(path.is_file() for path in (tmp_path / "objects").rglob("*")) == 1


def test_a_body_without_length_or_too_long(call: Call, bucket: str) -> None:
    body = Body(b"x")
    body.content_length = None
    assert code(call, "PutObject", Bucket=bucket, Key="k", Body=body) == ("MissingContentLength", 411)
    body.content_length = 5 * 1024**3 + 1
    assert code(call, "PutObject", Bucket=bucket, Key="k", Body=body) == ("EntityTooLarge", 400)


def test_a_cancelled_put_leaves_nothing(front: Service, call: Call, bucket: str, tmp_path: Path) -> None:
    async def endless() -> None:
        started = anyio.Event()

        class Endless(Body):
            async def __aiter__(self) -> AsyncIterator[bytes]:
                yield b"x" * 3_000_000
                started.set()
                await anyio.sleep_forever()

        principal = Principal(ACCOUNT, "arn", "id", "key")
        context = RequestContext(ACCOUNT, "us-east-1", principal, "request", 0, "http://x")
        handler: Any = front.operations["PutObject"].handler
        async with anyio.create_task_group() as group:
            group.start_soon(handler, context, {"Bucket": bucket, "Key": "k", "Body": Endless(b"x")})
            await started.wait()
            group.cancel_scope.cancel()

    anyio.run(endless)
    assert [path for path in (tmp_path / "objects").rglob("*") if path.is_file()] == []
    assert code(call, "GetObject", Bucket=bucket, Key="k") == ("NoSuchKey", 404)


def test_ranges_and_parts(call: Call, bucket: str) -> None:
    call("PutObject", Bucket=bucket, Key="k", Body=Body(b"0123456789"))
    got = call("GetObject", Bucket=bucket, Key="k", Range="bytes=2-4", ChecksumMode="ENABLED")
    assert (got["Body"], got["ContentRange"], got["ContentLength"]) == (b"234", "bytes 2-4/10", 3)
    assert "ChecksumCRC32" not in got
    assert call("HeadObject", Bucket=bucket, Key="k", PartNumber=1)["ContentLength"] == 10
    assert code(call, "GetObject", Bucket=bucket, Key="k", PartNumber=2) == ("InvalidPartNumber", 416)
    assert code(call, "GetObject", Bucket=bucket, Key="k", PartNumber=1, Range="bytes=0-")[0] == "InvalidRequest"


def test_an_empty_object(call: Call, bucket: str) -> None:
    call("PutObject", Bucket=bucket, Key="k")
    got = call("GetObject", Bucket=bucket, Key="k")
    assert (got["Body"], got["ContentLength"]) == (b"", 0)
    assert code(call, "GetObject", Bucket=bucket, Key="k", Range="bytes=0-1") == ("InvalidRange", 416)


def test_where_a_bucket_may_be_made(call: Call) -> None:
    eu = {"LocationConstraint": "eu-west-1"}
    assert code(call, "CreateBucket", Bucket="abc", region="eu-west-1")[0] == "IllegalLocationConstraintException"
    assert (
        code(call, "CreateBucket", Bucket="abc", CreateBucketConfiguration={"LocationConstraint": "us-east-1"})[0]
        == "InvalidLocationConstraint"
    )
    call("CreateBucket", Bucket="abc", region="eu-west-1", CreateBucketConfiguration=eu)
    assert call("GetBucketLocation", Bucket="abc") == {"LocationConstraint": "eu-west-1"}
    again = code(call, "CreateBucket", Bucket="abc", region="eu-west-1", CreateBucketConfiguration=eu)
    assert again == ("BucketAlreadyOwnedByYou", 409)
    assert code(call, "CreateBucket", Bucket="abc", account="9" * 12) == ("BucketAlreadyExists", 409)
    call("CreateBucket", Bucket="home")
    call("CreateBucket", Bucket="home")
    assert [each["Name"] for each in call("ListBuckets")["Buckets"]] == ["abc", "home"]
    first = call("ListBuckets", MaxBuckets=1)
    assert [each["Name"] for each in call("ListBuckets", ContinuationToken=first["ContinuationToken"])["Buckets"]] == [
        "home"
    ]


def test_other_accounts_and_expected_owners(call: Call, bucket: str) -> None:
    assert code(call, "ListObjectsV2", Bucket=bucket, account="9" * 12) == ("AccessDenied", 403)
    assert code(call, "HeadBucket", Bucket=bucket, ExpectedBucketOwner="9" * 12) == ("AccessDenied", 403)
    assert call("HeadBucket", Bucket=bucket, ExpectedBucketOwner=ACCOUNT)["BucketRegion"] == "us-east-1"
    assert code(call, "GetObject", Bucket="absent", Key="k") == ("NoSuchBucket", 404)


def test_copies(call: Call, bucket: str) -> None:
    call("PutObject", Bucket=bucket, Key="a b+c/é", Body=Body(b"data"), Metadata={"m": "1"})
    source = "bucket/a%20b%2Bc/%C3%A9"
    call("CopyObject", Bucket=bucket, Key="copy", CopySource=source)
    got = call("GetObject", Bucket=bucket, Key="copy")
    assert (got["Body"], got["Metadata"]) == (b"data", {"m": "1"})
    assert code(call, "CopyObject", Bucket=bucket, Key="a b+c/é", CopySource=source)[0] == "InvalidRequest"
    call(
        "CopyObject", Bucket=bucket, Key="a b+c/é", CopySource=source, MetadataDirective="REPLACE", Metadata={"n": "2"}
    )
    assert call("HeadObject", Bucket=bucket, Key="a b+c/é")["Metadata"] == {"n": "2"}
    stale = {"Bucket": bucket, "Key": "x", "CopySource": source, "CopySourceIfMatch": '"x"'}
    assert code(call, "CopyObject", **stale) == ("PreconditionFailed", 412)
    assert code(call, "CopyObject", Bucket=bucket, Key="x", CopySource="bucket/absent") == ("NoSuchKey", 404)


def test_delete_many(call: Call, bucket: str) -> None:
    for key in ("a", "b"):
        call("PutObject", Bucket=bucket, Key=key, Body=Body(b""))
    order = {"Objects": [{"Key": "a"}, {"Key": "absent"}, {"Key": "b", "VersionId": "bad"}, {"Key": "x" * 1025}]}
    answer = call("DeleteObjects", Bucket=bucket, Delete=order)
    assert [each["Key"] for each in answer["Deleted"]] == ["a", "absent"]
    assert [each["Code"] for each in answer["Errors"]] == ["InvalidArgument", "KeyTooLongError"]
    assert call("DeleteObjects", Bucket=bucket, Delete={"Objects": [{"Key": "b"}], "Quiet": True})["Deleted"] == []
    many = {"Objects": [{"Key": "k"}] * 1001}
    assert code(call, "DeleteObjects", Bucket=bucket, Delete=many)[0] == "MalformedXML"


def test_multipart_checks_its_checksums(call: Call, bucket: str) -> None:
    upload = call("CreateMultipartUpload", Bucket=bucket, Key="k", ChecksumAlgorithm="CRC32")
    names = {"Bucket": bucket, "Key": "k", "UploadId": upload["UploadId"]}
    assert upload["ChecksumType"] == "COMPOSITE"
    part = call("UploadPart", **names, PartNumber=1, Body=Body(b"data"))
    assert code(call, "UploadPart", **names, PartNumber=2, Body=Body(b"d"), ChecksumSHA1="x")[0] == "InvalidRequest"
    assert code(call, "UploadPart", **names, PartNumber=0, Body=Body(b"d"))[0] == "InvalidArgument"
    wrong = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"], "ChecksumCRC32": "AAAAAA=="}]}
    assert code(call, "CompleteMultipartUpload", **names, MultipartUpload=wrong) == ("InvalidPart", 400)
    assert code(call, "CompleteMultipartUpload", **names, MultipartUpload={"Parts": []})[0] == "MalformedXML"
    right = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    done = call("CompleteMultipartUpload", **names, MultipartUpload=right, IfNoneMatch="*")
    assert done["ChecksumCRC32"].endswith("-1")
    assert code(call, "AbortMultipartUpload", **names) == ("NoSuchUpload", 404)


def test_listing_encodes_what_xml_cannot_carry(call: Call, bucket: str) -> None:
    call("PutObject", Bucket=bucket, Key="a\x01 b", Body=Body(b""))
    listed = call("ListObjectsV2", Bucket=bucket)
    assert (listed["EncodingType"], listed["Contents"][0]["Key"]) == ("url", "a%01%20b")
    assert code(call, "ListObjectsV2", Bucket=bucket, MaxKeys=-1)[0] == "InvalidArgument"
    assert code(call, "ListObjectsV2", Bucket=bucket, ContinuationToken="junk!")[0] == "InvalidArgument"
    assert code(call, "ListObjectsV2", Bucket=bucket, EncodingType="base64")[0] == "InvalidArgument"


def test_versioning(call: Call, bucket: str) -> None:
    assert call("GetBucketVersioning", Bucket=bucket) == {}
    call("PutBucketVersioning", Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    first = call("PutObject", Bucket=bucket, Key="k", Body=Body(b"1"))["VersionId"]
    call("PutObject", Bucket=bucket, Key="k", Body=Body(b"2"))
    marker = call("DeleteObject", Bucket=bucket, Key="k")
    assert marker["DeleteMarker"] is True
    assert code(call, "GetObject", Bucket=bucket, Key="k") == ("NoSuchKey", 404)
    assert code(call, "GetObject", Bucket=bucket, Key="k", VersionId=marker["VersionId"]) == ("MethodNotAllowed", 405)
    assert call("GetObject", Bucket=bucket, Key="k", VersionId=first)["Body"] == b"1"
    assert code(call, "GetObject", Bucket=bucket, Key="k", VersionId="0" * 32) == ("NoSuchVersion", 404)
    listed = call("ListObjectVersions", Bucket=bucket)
    assert (len(listed["Versions"]), len(listed["DeleteMarkers"])) == (2, 1)
    assert code(call, "DeleteBucket", Bucket=bucket) == ("BucketNotEmpty", 409)
    assert code(call, "PutBucketVersioning", Bucket=bucket, VersioningConfiguration={})[0] == "MalformedXML"
