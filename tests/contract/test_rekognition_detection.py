"""DetectCustomLabels by boto3, with real inference units and real images."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import ParamValidationError
from PIL import Image
from running_stage import BUCKET, RunningStage, running_stage

from tiny_models import LABELS, picture, plain, write_classifier

RED, BLUE = LABELS
CONFIDENCE = float(np.float32(99.331))
BOX = {"Width": float(np.float32(0.2)), "Height": 0.25, "Left": float(np.float32(0.2)), "Top": 0.5}
FOUND = {"Name": RED, "Confidence": CONFIDENCE, "Geometry": {"BoundingBox": BOX}}
METADATA = "Unable to get object metadata from S3. Check object key, region and/or access permissions."
KNOWN = {
    "InvalidImageFormatException": "Request has invalid image format (",
    "InvalidParameterException": "Request has invalid parameters (",
}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStage]:
    with running_stage(tmp_path_factory.mktemp("labels")) as made:
        yield made


@pytest.fixture(scope="module")
def detector(stage: RunningStage) -> str:
    return stage.run(stage.trained("boxes"))


@pytest.fixture(scope="module")
def classifier(stage: RunningStage) -> str:
    return stage.run(stage.trained("whole", write_classifier))


def stored(stage: RunningStage, data: bytes, key: str = "images/eins zwei.jpg") -> dict[str, Any]:
    stage.s3.put_object(Bucket=BUCKET, Key=key, Body=data)
    return {"S3Object": {"Bucket": BUCKET, "Name": key}}


def encoded(pixels: Image.Image, form: str, **options: Any) -> bytes:
    room = io.BytesIO()
    pixels.save(room, form, **options)
    return room.getvalue()


def is_found(answer: list[dict[str, Any]]) -> bool:
    """Whether an answer is FOUND, up to what JPEG makes of red."""
    return [{**one, "Confidence": round(one["Confidence"], 0)} for one in answer] == [FOUND | {"Confidence": 99.0}]


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_bytes_and_objects_are_answered_alike(stage: RunningStage, detector: str, form: str) -> None:
    data = picture(form=form, red=(1, 2))
    answer = stage.detect(detector, data)
    assert is_found(answer)
    assert stage.detect(detector, stored(stage, data)) == answer


def test_the_version_of_an_object_is_honoured(stage: RunningStage, detector: str) -> None:
    stage.s3.create_bucket(Bucket="kept-versions")
    stage.s3.put_bucket_versioning(Bucket="kept-versions", VersioningConfiguration={"Status": "Enabled"})
    old = stage.s3.put_object(Bucket="kept-versions", Key="a", Body=picture(red=(1, 2)))["VersionId"]
    stage.s3.put_object(Bucket="kept-versions", Key="a", Body=picture())
    where = {"Bucket": "kept-versions", "Name": "a"}
    assert stage.detect(detector, {"S3Object": where}) == []
    assert stage.detect(detector, {"S3Object": {**where, "Version": old}}) == [FOUND]


def test_thresholds_minimum_and_maximum(stage: RunningStage, detector: str) -> None:
    """Both labels score 99.331; the assumed threshold of one is below, that of the other above."""
    data = picture(red=(1, 2), blue=(3, 0))

    def names(**members: Any) -> list[str]:
        return [one["Name"] for one in stage.detect(detector, data, **members)]

    assert names() == [RED]
    assert sorted(names(MinConfidence=99.331)) == sorted(LABELS)
    assert sorted(names(MinConfidence=CONFIDENCE)) == sorted(LABELS)
    assert names(MinConfidence=99.332) == []
    assert sorted(names(MinConfidence=0)) == sorted(LABELS)
    assert len(names(MinConfidence=0, MaxResults=1)) == 1
    assert names(MinConfidence=0, MaxResults=0) == []
    assert stage.detect(detector, picture(), MinConfidence=0) == []


def test_every_box_is_an_entry(stage: RunningStage, detector: str) -> None:
    pixels = Image.fromarray(np.full((128, 160, 3), (255, 0, 0), np.uint8))
    found = stage.detect(detector, encoded(pixels, "PNG"))
    assert len(found) == 4 * 5
    assert {one["Name"] for one in found} == {RED}
    corners = {(one["Geometry"]["BoundingBox"]["Left"], one["Geometry"]["BoundingBox"]["Top"]) for one in found}
    assert len(corners) == 20


def test_a_classifier_tells_every_label_of_the_model_when_asked_for_all(stage: RunningStage, classifier: str) -> None:
    """Red pictures: 99.966 and 0.034, which are shares of 100; neither has a Geometry."""
    data = plain(255, 0, 0)
    sure = {"Name": RED, "Confidence": float(np.float32(99.966))}
    assert stage.detect(classifier, data) == [sure]
    both = [sure, {"Name": BLUE, "Confidence": float(np.float32(0.034))}]
    assert stage.detect(classifier, data, MinConfidence=0) == both
    assert stage.detect(classifier, data, MinConfidence=0, MaxResults=1) == [sure]
    assert stage.detect(classifier, stored(stage, data), MinConfidence=0) == both
    # Grey is as much the one as the other: one threshold is reached, the other is not.
    assert stage.detect(classifier, plain(90, 90, 90)) == [{"Name": RED, "Confidence": 50.0}]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_are_those_of_the_upright_image(stage: RunningStage, detector: str, orientation: int) -> None:
    """What was stored turned or mirrored, and says so, is seen as people see it."""
    back = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    upright = opened(picture(red=(1, 2)))
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(upright if back is None else upright.transpose(back), "JPEG", quality=95, exif=exif)
    assert is_found(stage.detect(detector, data))


@pytest.mark.parametrize("mode", ["RGBA", "P", "CMYK", "progressive"])
def test_other_modes_of_png_and_jpeg(stage: RunningStage, detector: str, mode: str) -> None:
    pixels = opened(picture(red=(1, 2)))
    data = {
        "RGBA": lambda: encoded(pixels.convert("RGBA"), "PNG"),
        "P": lambda: encoded(pixels.convert("P", palette=Image.Palette.ADAPTIVE), "PNG"),
        "CMYK": lambda: encoded(pixels.convert("CMYK"), "JPEG", quality=95),
        "progressive": lambda: encoded(pixels, "JPEG", progressive=True),
    }[mode]()
    assert is_found(stage.detect(detector, data))


def _blank(width: int, height: int, form: str = "PNG") -> bytes:
    return encoded(Image.new("RGB", (width, height)), form)


REFUSALS = {
    "junk": (lambda: b"junk", "InvalidImageFormatException", "JPEG or PNG"),
    "gif": (lambda: _blank(96, 96, "GIF"), "InvalidImageFormatException", "JPEG or PNG"),
    "webp": (lambda: _blank(96, 96, "WEBP"), "InvalidImageFormatException", "JPEG or PNG"),
    "bmp": (lambda: _blank(96, 96, "BMP"), "InvalidImageFormatException", "JPEG or PNG"),
    "truncated-png": (lambda: picture()[:200], "InvalidImageFormatException", ""),
    "truncated-jpeg": (lambda: picture(form="JPEG")[:900], "InvalidImageFormatException", "truncated"),
    "narrow": (lambda: _blank(63, 64), "InvalidParameterException", "64"),
    "low": (lambda: _blank(64, 63), "InvalidParameterException", "64"),
    "long": (lambda: _blank(64, 1281), "InvalidParameterException", "20 times"),
    "wide": (lambda: _blank(4097, 300), "ImageTooLargeException", "4097x300"),
    "high": (lambda: _blank(300, 4097), "ImageTooLargeException", "300x4097"),
}


@pytest.mark.parametrize("name", REFUSALS)
@pytest.mark.parametrize("place", ["bytes", "s3"])
def test_an_image_that_cannot_be_looked_at(stage: RunningStage, detector: str, name: str, place: str) -> None:
    make, code, words = REFUSALS[name]
    data = make()
    image = {"Bytes": data} if place == "bytes" else stored(stage, data, f"bad/{name}")
    found = stage.refused("detect_custom_labels", ProjectVersionArn=detector, Image=image)
    assert (found[:2], words in found[2]) == ((code, 400), True), found
    assert found[2].startswith(KNOWN.get(code, "")), found
    assert stage.detect(detector, picture(red=(1, 2))) == [FOUND]


@pytest.mark.parametrize(
    "size", [(64, 64), (64, 1280), (4096, 300), (4096, 4096)], ids=lambda size: "x".join(map(str, size))
)
def test_the_largest_and_the_smallest_images(stage: RunningStage, detector: str, size: tuple[int, int]) -> None:
    assert stage.detect(detector, _blank(*size)) == []


def test_images_of_too_many_bytes(stage: RunningStage, detector: str) -> None:
    limits = {4 * 2**20: "InvalidImageFormatException", 4 * 2**20 + 1: "ImageTooLargeException",
              5_242_880: "ImageTooLargeException", 5_242_881: "ValidationException"}  # fmt: skip
    for size, code in limits.items():
        image = {"Bytes": bytes(size)}
        assert stage.refused("detect_custom_labels", ProjectVersionArn=detector, Image=image)[:2] == (code, 400), size
    for size, code in {15 * 2**20: "InvalidImageFormatException", 15 * 2**20 + 1: "ImageTooLargeException"}.items():
        image = stored(stage, bytes(size), "large")
        assert stage.refused("detect_custom_labels", ProjectVersionArn=detector, Image=image)[:2] == (code, 400), size


def test_an_object_may_have_more_bytes_than_a_request(stage: RunningStage, detector: str) -> None:
    pixels = np.random.default_rng(0).integers(90, 110, (1600, 2000, 3), np.uint8)
    pixels[800:1200, 400:800] = (255, 0, 0)
    data = encoded(Image.fromarray(pixels), "PNG", compress_level=1)
    assert 4 * 2**20 < len(data) <= 15 * 2**20
    assert [one["Name"] for one in stage.detect(detector, stored(stage, data, "noisy"))] == [RED]


@pytest.mark.parametrize("where", [{"Bucket": BUCKET, "Name": "absent"}, {"Bucket": "absent", "Name": "a"}])
def test_an_object_that_is_not_there(stage: RunningStage, detector: str, where: dict[str, str]) -> None:
    found = stage.refused("detect_custom_labels", ProjectVersionArn=detector, Image={"S3Object": where})
    assert (found[:2], found[2].startswith(METADATA)) == (("InvalidS3ObjectException", 400), True)


def test_an_image_comes_from_one_place(stage: RunningStage, detector: str) -> None:
    both = {"Bytes": picture(), **stored(stage, picture())}
    for image in ({}, both, {"S3Object": {}}, {"S3Object": {"Bucket": BUCKET}}, {"S3Object": {"Name": "a"}}):
        found = stage.refused("detect_custom_labels", ProjectVersionArn=detector, Image=image)
        assert found[:2] == ("InvalidParameterException", 400), image
        assert found[2].startswith(KNOWN["InvalidParameterException"]), image


def test_values_out_of_range(stage: RunningStage, detector: str) -> None:
    given = {"ProjectVersionArn": detector, "Image": {"Bytes": picture()}}
    found = stage.refused("detect_custom_labels", **given, MinConfidence=100.5)
    assert (found[:2], "'minConfidence'" in found[2]) == (("ValidationException", 400), True)
    for member in ("MinConfidence", "MaxResults"):
        with pytest.raises(ParamValidationError):
            stage.rekognition.detect_custom_labels(**given, **{member: -1})


def test_the_state_of_the_version_comes_before_the_image(stage: RunningStage) -> None:
    arn = stage.trained("resting")
    for image in ({"Bytes": b"junk"}, {}, {"S3Object": {"Bucket": "absent", "Name": "a"}}):
        found = stage.refused("detect_custom_labels", ProjectVersionArn=arn, Image=image)
        assert (found[:2], "TRAINING_COMPLETED" in found[2]) == (("ResourceNotReadyException", 400), True)
