"""Bytes that no honest client sends: everyone else is served on, and every unit lives."""

from __future__ import annotations

import io
import json
import random
import socket
import struct
import urllib.request
import zlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from botocore.exceptions import ClientError
from crash_processes import Kind, processes_of, wait_until
from crash_vision import BUCKET, IMAGES, DetectionActor, line, setup_images
from crash_world import World, picture
from PIL import Image

MODEL = {"ProjectName": "steady", "ModelVersion": "1"}


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png_bomb(side: int) -> bytes:
    """Some kilobytes that unpack to a square of many pixels."""
    squeezer = zlib.compressobj(9)
    rows = b"".join(squeezer.compress(bytes(side + 1)) for _ in range(side)) + squeezer.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def with_text(png: bytes, text: bytes) -> bytes:
    return png[:33] + chunk(b"zTXt", b"k\0\0" + zlib.compress(text)) + png[33:]


def scan_bomb() -> bytes:
    plain = encoded(Image.new("L", (4096, 4096), 128), "JPEG", progressive=True, quality=30)
    return plain[:-2] + plain[plain.rindex(b"\xff\xda") : -2] * 100_000 + b"\xff\xd9"


PHOTO = Image.fromarray(np.random.default_rng(1).integers(0, 255, (90, 120, 3), dtype=np.uint8))
ROTATED = Image.Exif()
ROTATED[0x0112] = 6
GOOD = {
    "16 bits": encoded(Image.fromarray(np.full((64, 64), 777, np.uint16)), "PNG"),
    "CMYK": encoded(PHOTO.convert("CMYK"), "JPEG"),
    "turned by EXIF": encoded(PHOTO, "JPEG", exif=ROTATED),
    "large profile": encoded(PHOTO, "JPEG", icc_profile=bytes(3_000_000)),
    "black and white": encoded(PHOTO.convert("1"), "PNG"),
}
BAD = {
    "bomb": png_bomb(20_000),
    "scans": scan_bomb(),
    "text": with_text(picture(1, defect=False), bytes(100_000_000)),
    "half a JPEG": encoded(PHOTO, "JPEG")[:1500],
    "half a PNG": encoded(PHOTO, "PNG")[:1500],
    "GIF": encoded(PHOTO, "GIF"),
    "one pixel": encoded(Image.new("RGB", (1, 1)), "PNG"),
    "a strip": encoded(Image.new("L", (20_000, 1)), "PNG"),
    "signature": b"\x89PNG\r\n\x1a\n",
    "no image": b"not an image at all",
    "too long": bytes(8 * 1024 * 1024 + 1),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("hostile") / "data")
    made.start()
    setup_images(made)
    DetectionActor(made, random.Random(1)).setup()
    yield made
    made.live.stop()


def detect(world: World, body: bytes) -> str:
    try:
        answer = world.vision.detect_anomalies(**MODEL, Body=body, ContentType="image/jpeg")
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return str(answer["DetectAnomalyResult"]["Source"]["Type"])


def test_hostile_images_are_refused_and_the_unit_lives(world: World) -> None:
    units = processes_of(world.data, Kind.UNIT)
    assert len(units) == 1
    assert {name: detect(world, body) for name, body in GOOD.items()} == dict.fromkeys(GOOD, "direct")
    assert {name: detect(world, body) for name, body in BAD.items()} == dict.fromkeys(BAD, "ValidationException")
    assert detect(world, b"") == "ValidationException"
    rng, png, jpeg = random.Random(2), encoded(PHOTO, "PNG"), encoded(PHOTO, "JPEG")
    for _ in range(150):
        body = bytearray(rng.choice((png, jpeg)))
        for _ in range(rng.randrange(1, 8)):
            body[rng.randrange(len(body))] = rng.randrange(256)
        assert detect(world, bytes(body)) in ("direct", "ValidationException")
    assert processes_of(world.data, Kind.UNIT) == units


@pytest.mark.parametrize("name", ["bomb", "scans", "half a JPEG", "GIF"])
def test_a_hostile_image_in_a_training_set_is_named(world: World, name: str) -> None:
    project, key = f"hostile-{list(BAD).index(name)}", f"hostile/{list(BAD).index(name)}.png"
    world.s3.put_object(Bucket=BUCKET, Key=key, Body=BAD[name])
    entry = json.loads(line("00.png", "2024-01-01T00:00:00.000")) | {"source-ref": f"s3://{BUCKET}/{key}"}
    lines = [*(line(one, "2024-01-01T00:00:00.000") for one in IMAGES), json.dumps(entry)]
    world.s3.put_object(Bucket=BUCKET, Key="hostile.manifest", Body="\n".join(lines).encode())
    world.vision.create_project(ProjectName=project)
    source = {"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET, "Key": "hostile.manifest"}}}
    where = {"ProjectName": project, "DatasetType": "train"}
    world.vision.create_dataset(**where, DatasetSource=source)
    wait_until(
        lambda: world.vision.describe_dataset(**where)["DatasetDescription"]["Status"] == "CREATE_COMPLETE", 30, "made"
    )
    output = {"S3Location": {"Bucket": BUCKET, "Prefix": "hostile/"}}
    world.vision.create_model(ProjectName=project, OutputConfig=output)

    def description() -> dict[str, str]:
        return dict(world.vision.describe_model(ProjectName=project, ModelVersion="1")["ModelDescription"])

    wait_until(lambda: description()["Status"] != "TRAINING", 60, "ended")
    assert description()["Status"] == "TRAINING_FAILED"
    assert f"s3://{BUCKET}/{key}" in description()["StatusMessage"]
    assert "internal error" not in description()["StatusMessage"]


def connect(world: World) -> socket.socket:
    host = urlsplit(world.live.endpoint)
    return socket.create_connection((host.hostname, host.port), timeout=20)


def healthy(world: World) -> bool:
    with urllib.request.urlopen(world.live.endpoint + "/healthz", timeout=10) as answer:
        return bool(answer.status == 200)


def say(world: World, data: bytes) -> bytes:
    """What the server answers to bytes after which nothing comes; empty where it hangs up."""
    with connect(world) as link:
        try:
            link.sendall(data)
            link.shutdown(socket.SHUT_WR)
            return link.recv(65536)
        except ConnectionError:
            return b""


def test_noise_is_no_request(world: World) -> None:
    rng = random.Random(3)
    for _ in range(100):
        noise = rng.randbytes(rng.randrange(1, 3000))
        start = rng.choice([b"", b"GET / HTTP/1.1\r\n", b"POST / HTTP/1.1\r\nContent-Length: -1\r\n", b"PUT /\x00"])
        answer = say(world, start + noise)
        assert not answer or answer.startswith(b"HTTP/1.1 4"), answer
    assert healthy(world)


@pytest.mark.parametrize("shape", ["uri", "header", "headers"])
def test_a_flood_before_the_body_is_cut_off(world: World, shape: str) -> None:
    starts = {"uri": b"GET /", "header": b"GET / HTTP/1.1\r\nX: ", "headers": b"GET / HTTP/1.1\r\n"}
    piece = b"a: b\r\n" * 20_000 if shape == "headers" else b"a" * 120_000
    before = memory(world)
    with connect(world) as link:
        link.sendall(starts[shape])
        sent = 0
        try:
            while sent < 100_000_000:
                link.sendall(piece)
                sent += len(piece)
        except ConnectionError:
            pass
    assert healthy(world)
    assert memory(world) - before < 50_000_000
    assert sent < 100_000_000


def memory(world: World) -> int:
    """Bytes the server has resident."""
    fields = Path(f"/proc/{world.live.pid}/statm").read_text().split()
    return int(fields[1]) * 4096


def test_half_requests_block_nobody(world: World) -> None:
    links = [connect(world) for _ in range(200)]
    try:
        for link in links:
            link.sendall(b"PUT /crash-images/x HTTP/1.1\r\nContent-Length: 1000\r\nHost: a")
        for _ in range(5):
            assert healthy(world)
            assert detect(world, picture(3, defect=True)) == "direct"
    finally:
        for link in links:
            link.close()
