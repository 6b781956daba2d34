"""Today's boto3, unchanged, against a live server."""

from __future__ import annotations

import hashlib
import http.client
import io
import os
import re
import urllib.parse
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError
from s3_server import ACCOUNT, KEY_ID, SECRET, LiveServer, live_s3

MB = 1024 * 1024
HARD_KEYS = [
    "with space",
    "plus+sign",
    "a//b///c",
    "/leading",
    "trailing/",
    "../../etc/passwd",
    "a/./b/../c",
    "..",
    "ünïcode/Ж/\U0001f512",
    "percent%20%2F",
    "q?a=b&c#d",
    "quote\"'<&>",
    "control\x01\x7f",
    "tab\tnewline\n",
    "back\\slash",
    "*~()!;:@,$=[]{}|^`",
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with live_s3(tmp_path_factory.mktemp("s3")) as live:
        yield live


def client_of(server: LiveServer, **config: Any) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        aws_access_key_id=KEY_ID,
        aws_secret_access_key=SECRET,
        region_name=config.pop("region_name", "us-east-1"),
        config=Config(retries={"total_max_attempts": 1}, **config),
    )


@pytest.fixture(scope="module")
def s3(server: LiveServer) -> Iterator[Any]:
    client = client_of(server)
    yield client
    client.close()


@pytest.fixture
def bucket(s3: Any, request: pytest.FixtureRequest) -> str:
    name = "b-" + hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:20]
    s3.create_bucket(Bucket=name)
    return name


def refused(call: Any, **arguments: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    answer = caught.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


@pytest.mark.parametrize("key", HARD_KEYS)
def test_hard_keys_go_round(s3: Any, bucket: str, key: str) -> None:
    s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
    assert [each["Key"] for each in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key]
    assert [each["Key"] for each in s3.list_objects(Bucket=bucket)["Contents"]] == [key]
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": key})
    assert s3.head_object(Bucket=bucket, Key="copy")["ContentLength"] == len(key.encode())
    s3.delete_object(Bucket=bucket, Key=key)
    assert [each["Key"] for each in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["copy"]


def test_the_longest_key(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="é" * 512, Body=b"")
    assert refused(s3.put_object, Bucket=bucket, Key="k" * 1025, Body=b"") == ("KeyTooLongError", 400)


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_checksums_come_back(s3: Any, bucket: str, algorithm: str) -> None:
    if algorithm in ("CRC32C", "CRC64NVME"):
        pytest.importorskip("awscrt", reason=f"boto3 computes {algorithm} only with awscrt")
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"data" * 1000, ChecksumAlgorithm=algorithm)
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert put[f"Checksum{algorithm}"] == head[f"Checksum{algorithm}"]
    assert head["ChecksumType"] == "FULL_OBJECT"
    assert s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")["Body"].read() == b"data" * 1000


def test_attributes_come_back(s3: Any, bucket: str) -> None:
    expires = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
    sent = {
        "ContentType": "image/png",
        "CacheControl": "max-age=5",
        "ContentDisposition": 'attachment; filename="x"',
        "ContentEncoding": "gzip",
        "ContentLanguage": "de",
        "Metadata": {"camera": "left"},
    }
    s3.put_object(Bucket=bucket, Key="k", Body=io.BytesIO(b"x"), Expires=expires, **sent)
    got = s3.get_object(Bucket=bucket, Key="k")
    assert {name: got[name] for name in sent} == sent
    assert got["ExpiresString"] == "Wed, 02 Jan 2030 03:04:05 GMT"
    assert s3.get_object(Bucket=bucket, Key="k", ResponseContentType="a/b")["ContentType"] == "a/b"


def test_ranges_and_conditions(s3: Any, bucket: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789")["ETag"]
    part = s3.get_object(Bucket=bucket, Key="k", Range="bytes=-3")
    assert (part["Body"].read(), part["ContentRange"]) == (b"789", "bytes 7-9/10")
    assert part["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert s3.head_object(Bucket=bucket, Key="k", Range="bytes=2-")["ContentLength"] == 8
    name = {"Bucket": bucket, "Key": "k"}
    assert refused(s3.get_object, **name, Range="bytes=10-") == ("InvalidRange", 416)
    assert refused(s3.get_object, **name, IfNoneMatch=etag) == ("304", 304)
    assert refused(s3.head_object, **name, IfNoneMatch=etag) == ("304", 304)
    assert refused(s3.get_object, **name, IfMatch='"x"') == ("PreconditionFailed", 412)
    later = datetime.now(UTC) + timedelta(hours=1)
    assert refused(s3.get_object, **name, IfModifiedSince=later) == ("304", 304)
    assert refused(s3.put_object, **name, Body=b"", IfNoneMatch="*") == ("PreconditionFailed", 412)
    assert s3.get_object(**name, IfMatch=etag)["Body"].read() == b"0123456789"


def test_a_file_in_parts_there_and_back(s3: Any, bucket: str, tmp_path: Path) -> None:
    data = os.urandom(17 * MB + 3)
    (tmp_path / "up").write_bytes(data)
    config = TransferConfig(multipart_threshold=5 * MB, multipart_chunksize=5 * MB, max_concurrency=3)
    s3.upload_file(str(tmp_path / "up"), bucket, "big", Config=config, ExtraArgs={"Metadata": {"a": "b"}})
    s3.download_file(bucket, "big", str(tmp_path / "down"), Config=config)
    assert (tmp_path / "down").read_bytes() == data
    head = s3.head_object(Bucket=bucket, Key="big", PartNumber=2)
    assert (head["PartsCount"], head["ContentLength"], head["Metadata"]) == (4, 5 * MB, {"a": "b"})
    assert head["ETag"].endswith('-4"')
    s3.copy({"Bucket": bucket, "Key": "big"}, bucket, "copy", Config=config)
    assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == data
    s3.copy_object(Bucket=bucket, Key="copy2", CopySource={"Bucket": bucket, "Key": "big"})
    assert s3.get_object(Bucket=bucket, Key="copy2")["Body"].read() == data


def test_a_whole_object_checksum_of_parts_is_checked_by_the_client(s3: Any, bucket: str) -> None:
    name = {"Bucket": bucket, "Key": "k"}
    upload = s3.create_multipart_upload(**name, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")["UploadId"]
    parts = []
    for number, data in enumerate((b"a" * 5 * MB, b"rest"), 1):
        part = s3.upload_part(**name, UploadId=upload, PartNumber=number, Body=data, ChecksumAlgorithm="CRC32")
        parts.append({"PartNumber": number, "ETag": part["ETag"], "ChecksumCRC32": part["ChecksumCRC32"]})
    s3.complete_multipart_upload(**name, UploadId=upload, MultipartUpload={"Parts": parts})
    got = s3.get_object(**name, ChecksumMode="ENABLED")
    assert got["ChecksumType"] == "FULL_OBJECT"
    assert got["Body"].read() == b"a" * 5 * MB + b"rest"


def test_uploads_and_parts_are_listed(s3: Any, bucket: str) -> None:
    name = {"Bucket": bucket, "Key": "a b"}
    upload = s3.create_multipart_upload(**name)["UploadId"]
    for number in (1, 2, 5):
        s3.upload_part(**name, UploadId=upload, PartNumber=number, Body=b"x")
    pages = s3.get_paginator("list_parts").paginate(**name, UploadId=upload, PaginationConfig={"PageSize": 2})
    assert [part["PartNumber"] for page in pages for part in page["Parts"]] == [1, 2, 5]
    assert [each["Key"] for each in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]] == ["a b"]
    wrong = {"Parts": [{"PartNumber": 1, "ETag": "x"}]}
    complete = s3.complete_multipart_upload
    assert refused(complete, **name, UploadId=upload, MultipartUpload=wrong) == ("InvalidPart", 400)
    s3.abort_multipart_upload(**name, UploadId=upload)
    assert refused(s3.list_parts, **name, UploadId=upload) == ("NoSuchUpload", 404)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_listing_pages_and_folders(s3: Any, bucket: str) -> None:
    keys = ["a/1", "a/2", "b/1", "c", "d e", "é"]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    pages = list(s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, PaginationConfig={"PageSize": 2}))
    assert [each["Key"] for page in pages for each in page["Contents"]] == keys
    for name in ("list_objects", "list_objects_v2"):
        found = list(s3.get_paginator(name).paginate(Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": 1}))
        assert [each["Prefix"] for page in found for each in page.get("CommonPrefixes", [])] == ["a/", "b/"]
        assert [each["Key"] for page in found for each in page.get("Contents", [])] == ["c", "d e", "é"]
    assert s3.list_objects_v2(Bucket=bucket, Prefix="a/")["KeyCount"] == 2
    assert s3.list_objects_v2(Bucket=bucket, StartAfter="c", FetchOwner=True)["Contents"][0]["Owner"]["ID"]


def test_versions(s3: Any, bucket: str) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    first = s3.put_object(Bucket=bucket, Key="k", Body=b"1")["VersionId"]
    s3.put_object(Bucket=bucket, Key="k", Body=b"2")
    assert s3.get_object(Bucket=bucket, Key="k", VersionId=first)["Body"].read() == b"1"
    marker = s3.delete_object(Bucket=bucket, Key="k")
    assert marker["DeleteMarker"]
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=bucket, Key="k")
    assert caught.value.response["ResponseMetadata"]["HTTPHeaders"]["x-amz-delete-marker"] == "true"
    listed = s3.list_object_versions(Bucket=bucket)
    assert (len(listed["Versions"]), len(listed["DeleteMarkers"])) == (2, 1)
    assert refused(s3.delete_bucket, Bucket=bucket) == ("BucketNotEmpty", 409)


def test_the_resource_interface(server: LiveServer, bucket: str) -> None:
    resource = boto3.resource(
        "s3",
        endpoint_url=server.endpoint,
        aws_access_key_id=KEY_ID,
        aws_secret_access_key=SECRET,
        region_name="us-east-1",
    )
    bucket_resource = resource.Bucket(bucket)
    bucket_resource.Versioning().enable()
    for number in range(30):
        bucket_resource.put_object(Key=f"k/{number % 10}", Body=b"x")
    assert len(list(bucket_resource.objects.filter(Prefix="k/"))) == 10
    bucket_resource.object_versions.page_size(7).delete()
    assert list(bucket_resource.object_versions.all()) == []
    bucket_resource.delete()
    assert bucket not in [each.name for each in resource.buckets.all()]
    resource.meta.client.close()


def fetch(url: str, data: bytes | None = None) -> tuple[int, bytes]:
    """What a plain HTTP client gets that sends no header of its own: the old form signs Content-Type too."""
    where = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(where.netloc, timeout=10)
    try:
        connection.request("GET" if data is None else "PUT", f"{where.path}?{where.query}", body=data)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_presigned_urls(server: LiveServer, bucket: str, version: str) -> None:
    client = client_of(server, signature_version=version)
    name = {"Bucket": bucket, "Key": "a b/+é"}
    put, get = (client.generate_presigned_url(each, name, ExpiresIn=60) for each in ("put_object", "get_object"))
    status, _ = fetch(put, b"presigned")
    assert status == 200
    assert fetch(get) == (200, b"presigned")
    assert fetch(get.replace("a%20b", "other"))[0] == 403
    forged = re.sub("Signature=.", lambda found: found[0][:-1] + ("b" if found[0][-1] != "b" else "c"), put)
    assert fetch(forged, b"forged")[0] == 403
    assert fetch(get) == (200, b"presigned")
    client.close()


@pytest.mark.parametrize("config", [{}, {"s3": {"payload_signing_enabled": True}}])
def test_body_signing_variants(server: LiveServer, bucket: str, config: dict[str, Any]) -> None:
    client = client_of(server, request_checksum_calculation="when_required", **config)
    client.put_object(Bucket=bucket, Key="k", Body=io.BytesIO(b"x" * 3 * MB))
    assert client.head_object(Bucket=bucket, Key="k")["ContentLength"] == 3 * MB
    client.close()


def test_errors(s3: Any, server: LiveServer, bucket: str) -> None:
    assert refused(s3.get_object, Bucket="no-such-bucket", Key="k") == ("NoSuchBucket", 404)
    assert refused(s3.head_bucket, Bucket="no-such-bucket") == ("404", 404)
    assert refused(s3.get_object, Bucket=bucket, Key="k") == ("NoSuchKey", 404)
    assert refused(s3.head_object, Bucket=bucket, Key="k") == ("404", 404)
    assert refused(s3.create_bucket, Bucket="Bad_Name")[0] == "InvalidBucketName"
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"x", ContentMD5="AAAAAAAAAAAAAAAAAAAAAA==") == (
        "BadDigest",
        400,
    )
    owner = {"Bucket": bucket, "ExpectedBucketOwner": "9" * 12}
    assert refused(s3.list_objects_v2, **owner) == ("AccessDenied", 403)
    assert s3.list_objects_v2(Bucket=bucket, ExpectedBucketOwner=ACCOUNT)["KeyCount"] == 0
    assert s3.delete_object(Bucket=bucket, Key="absent")["ResponseMetadata"]["HTTPStatusCode"] == 204


@pytest.mark.parametrize(
    "extra",
    [
        {"ServerSideEncryption": "AES256"},
        {"ACL": "public-read"},
        {"StorageClass": "GLACIER"},
        {"Tagging": "a=b"},
        {"WebsiteRedirectLocation": "/x"},
        {"ObjectLockMode": "GOVERNANCE"},
        {"GrantRead": "id=x"},
    ],
)
def test_what_is_not_supported_is_refused(s3: Any, bucket: str, extra: dict[str, str]) -> None:
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"x", **extra) == ("NotImplemented", 501)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_operations_not_offered(s3: Any, bucket: str) -> None:
    assert refused(s3.get_bucket_acl, Bucket=bucket) == ("NotImplemented", 501)
    tagging = {"TagSet": [{"Key": "a", "Value": "b"}]}
    assert refused(s3.put_bucket_tagging, Bucket=bucket, Tagging=tagging) == ("NotImplemented", 501)
    object_tagging = {"Bucket": bucket, "Key": "k", "Tagging": tagging}
    assert refused(s3.put_object_tagging, **object_tagging) == ("NotImplemented", 501)


def test_objects_have_no_tags(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == []
    assert refused(s3.get_object_tagging, Bucket=bucket, Key="absent") == ("NoSuchKey", 404)


def test_locations(server: LiveServer) -> None:
    client = client_of(server, region_name="eu-west-1")
    client.create_bucket(Bucket="in-europe", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    assert client.get_bucket_location(Bucket="in-europe")["LocationConstraint"] == "eu-west-1"
    assert refused(client.create_bucket, Bucket="nowhere")[0] == "IllegalLocationConstraintException"
    client.close()


def test_home_has_no_location(s3: Any, bucket: str) -> None:
    assert s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] is None
    assert s3.head_bucket(Bucket=bucket)["BucketRegion"] == "us-east-1"
