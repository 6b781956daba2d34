from __future__ import annotations

import pytest

from relook.aws.errors import ServiceError
from relook.aws.http import HttpRequest
from relook.aws.models import botocore_model
from relook.aws.protocol import parse, route

COPY = (("x-amz-copy-source", "a/b"),)
S3 = {
    ("GET", "/", "", ()): "ListBuckets",
    ("GET", "/b", "", ()): "ListObjects",
    ("GET", "/b/", "", ()): "ListObjects",
    ("GET", "/b", "list-type=2&prefix=x", ()): "ListObjectsV2",
    ("GET", "/b", "location", ()): "GetBucketLocation",
    ("GET", "/b", "location=", ()): "GetBucketLocation",
    ("GET", "/b", "uploads", ()): "ListMultipartUploads",
    ("GET", "/b", "versions", ()): "ListObjectVersions",
    ("GET", "/b", "lifecycle", ()): "GetBucketLifecycleConfiguration",
    ("GET", "/b", "unknown=1", ()): "ListObjects",
    ("HEAD", "/b", "", ()): "HeadBucket",
    ("PUT", "/b", "", ()): "CreateBucket",
    ("DELETE", "/b", "", ()): "DeleteBucket",
    ("POST", "/b", "delete", ()): "DeleteObjects",
    ("GET", "/b/k", "", ()): "GetObject",
    ("GET", "/b/k", "x-id=GetObject", ()): "GetObject",
    ("GET", "/b//k//", "", ()): "GetObject",
    ("GET", "/b/WriteGetObjectResponse", "", ()): "GetObject",
    ("GET", "/b/k", "uploadId=1", ()): "ListParts",
    ("HEAD", "/b/k", "", ()): "HeadObject",
    ("PUT", "/b/k", "", ()): "PutObject",
    ("PUT", "/b/k", "", COPY): "CopyObject",
    ("PUT", "/b/k", "partNumber=1&uploadId=u", ()): "UploadPart",
    ("PUT", "/b/k", "partNumber=1&uploadId=u", COPY): "UploadPartCopy",
    ("POST", "/b/k", "uploads", ()): "CreateMultipartUpload",
    ("POST", "/b/k", "uploadId=u", ()): "CompleteMultipartUpload",
    ("DELETE", "/b/k", "", ()): "DeleteObject",
    ("DELETE", "/b/k", "versionId=1", ()): "DeleteObject",
    ("DELETE", "/b/k", "uploadId=u", ()): "AbortMultipartUpload",
    ("GET", "/b/k", "attributes", ()): "GetObjectAttributes",
}


@pytest.mark.parametrize("request_line", S3)
def test_s3_requests_reach_their_operation(request_line: tuple[str, str, str, tuple[tuple[str, str], ...]]) -> None:
    method, path, query, headers = request_line
    request = HttpRequest(method, path, query, headers)
    assert route(botocore_model("s3"), request).name == S3[request_line]


@pytest.mark.parametrize(
    ("method", "path", "query"),
    [
        ("PATCH", "/b", ""),
        ("DELETE", "/b", "versioning"),
        ("DELETE", "/b/k", "acl"),
        ("POST", "/", ""),
        ("PUT", "/", ""),
    ],
)
def test_s3_refuses_what_names_no_operation(method: str, path: str, query: str) -> None:
    """A subresource for another method must not fall back to the plain operation: that one deletes."""
    with pytest.raises(ServiceError) as refused:
        route(botocore_model("s3"), HttpRequest(method, path, query, ()))
    assert (refused.value.code, refused.value.status) == ("MethodNotAllowed", 405)


@pytest.mark.parametrize(
    ("path", "bucket", "key"),
    [
        ("/b/a%20b", "b", "a b"),
        ("/b/a+b", "b", "a+b"),
        ("/b/a%2Fb", "b", "a/b"),
        ("/b//a//b/", "b", "/a//b/"),
        ("/b/../c", "b", "../c"),
        ("/b/%2e%2e/c", "b", "../c"),
        ("/b/%252e", "b", "%2e"),
        ("/b/%C3%BC%F0%9F%98%B9", "b", "ü😹"),
        ("/b/\xc3\xbc", "b", "ü"),
        ("/b/a%0Ab", "b", "a\nb"),
    ],
)
def test_keys_are_decoded_exactly_once(path: str, bucket: str, key: str) -> None:
    request = HttpRequest("HEAD", path, "", ())
    found = parse(route(botocore_model("s3"), request), request, b"")
    assert (found["Bucket"], found["Key"]) == (bucket, key)


@pytest.mark.parametrize(
    ("path", "query", "code"),
    [
        ("/b/%zz", "", "InvalidURI"),
        ("/b/%f", "", "InvalidURI"),
        ("/b/%ff", "", "InvalidURI"),
        ("/b", "prefix=%ff", "InvalidURI"),
        ("/b", "max-keys=many", "InvalidArgument"),
        ("/b", "max-keys=99999999999", "InvalidArgument"),
        ("/b", "max-keys=1&max-keys=2", "InvalidArgument"),
    ],
)
def test_s3_words_bad_uris_and_values(path: str, query: str, code: str) -> None:
    request = HttpRequest("GET", path, query, ())
    with pytest.raises(ServiceError) as refused:
        parse(route(botocore_model("s3"), request), request, b"")
    assert (refused.value.code, refused.value.status) == (code, 400)
