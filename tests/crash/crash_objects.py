"""A client of S3: puts, multipart uploads, copies, deletes and reads, with a journal of what each was promised."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Hashable

from botocore.exceptions import ClientError
from crash_journal import ABSENT, Fact, Unreachable, Violation
from crash_world import World

KEYS = ("a", "b/c", "b//d", "e +f", "ünï/çødé", "g..", "%2Fh", "i")


class ObjectActor:
    """Has a bucket of its own. `step` does one random thing; `check` reads everything back."""

    def __init__(self, world: World, name: str, rng: random.Random) -> None:
        self._world = world
        self._rng = rng
        self._bucket = f"crash-{name}"
        self._keys = {key: world.journal.fact(f"s3://{self._bucket}/{key}") for key in KEYS}

    def setup(self) -> None:
        self._world.s3.create_bucket(Bucket=self._bucket)

    def step(self) -> None:
        act = self._rng.choices(
            (self._put, self._multipart, self._copy, self._delete, self._read), weights=(6, 2, 2, 3, 4)
        )[0]
        act(self._rng.choice(KEYS))

    def check(self) -> None:
        """Every object is as one of its possible histories left it, and the listing says the same."""
        for key in KEYS:
            self._read(key)
        listed = self._world.s3.list_objects_v2(Bucket=self._bucket).get("Contents", [])
        expected = {key for key, fact in self._keys.items() if not fact.is_only(ABSENT)}
        if {one["Key"] for one in listed} != expected:
            raise Violation(f"{self._bucket} lists {listed}, but holds {expected}")

    def _put(self, key: str) -> None:
        body = self._rng.randbytes(self._rng.choice((0, 1, 3_000, 70_000, 400_000)))
        with self._world.journal.changing(self._keys[key], _digest(body)):
            self._world.s3.put_object(Bucket=self._bucket, Key=key, Body=body)

    def _multipart(self, key: str) -> None:
        s3, where = self._world.s3, {"Bucket": self._bucket, "Key": key}
        pieces = [self._rng.randbytes(5 * 1024**2), self._rng.randbytes(self._rng.randrange(1, 200_000))]
        with self._world.journal.calling("upload"):
            upload = {**where, "UploadId": s3.create_multipart_upload(**where)["UploadId"]}
        parts = []
        for number, piece in enumerate(pieces, start=1):
            with self._world.journal.calling("upload_part"):
                answer = s3.upload_part(**upload, PartNumber=number, Body=piece)
            parts.append({"PartNumber": number, "ETag": answer["ETag"]})
        if self._rng.random() < 0.2:
            with self._world.journal.calling("abort"):
                s3.abort_multipart_upload(**upload)
            return
        fact, digest = self._keys[key], _digest(b"".join(pieces))
        try:
            with self._world.journal.changing(fact, digest):
                s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
        except Unreachable:
            self._world.up.wait()
            # Clients send a completion again; every part was acknowledged, so now it has to work.
            with self._world.journal.changing(fact, digest):
                self._world.s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
            self._world.journal.count("completed at the second try")

    def _copy(self, key: str) -> None:
        source = self._rng.choice([one for one in KEYS if one != key])
        fact = self._keys[source]
        if not fact.certain or fact.is_only(ABSENT):
            self._read(source)
            return
        (content,) = fact.possible
        with self._world.journal.changing(self._keys[key], content):
            self._world.s3.copy_object(Bucket=self._bucket, Key=key, CopySource={"Bucket": self._bucket, "Key": source})

    def _delete(self, key: str) -> None:
        with self._world.journal.changing(self._keys[key], ABSENT):
            self._world.s3.delete_object(Bucket=self._bucket, Key=key)

    def _read(self, key: str) -> None:
        fact: Fact = self._keys[key]
        with self._world.journal.calling(f"reading {fact.what}"):
            fact.observe(self._content(key))

    def _content(self, key: str) -> Hashable:
        try:
            return _digest(self._world.s3.get_object(Bucket=self._bucket, Key=key)["Body"].read())
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                return ABSENT
            raise


def _digest(body: bytes) -> str:
    return f"{len(body)} bytes {hashlib.sha256(body).hexdigest()}"
