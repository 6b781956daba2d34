from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from relook.demo.errors import PicturesError
from relook.demo.layouts import read_pictures
from relook.demo.manifests import line_for, truth_in
from relook.demo.pictures import Encoded, Mask, Picture, Truth

WriteImage = Callable[..., Path]


def entry(reference: str, truth: str, mask: str | None = None) -> dict[str, Any]:
    """A line as Lookout's console wrote them: no BACKGROUND entry, a JavaScript date, no confidence."""
    line: dict[str, Any] = {
        "source-ref": reference,
        "auto-label": 1,
        "auto-label-metadata": {
            "class-name": truth,
            "human-annotated": "yes",
            "creation-date": "Mon Aug 22 2022 13:52:52 GMT-0700 (Pacific Daylight Time)",
            "type": "groundtruth/image-classification",
        },
    }
    if mask:
        line["anomaly-mask-ref"] = mask
        line["anomaly-mask-ref-metadata"] = {
            "internal-color-map": {"0": {"class-name": "cracked", "hex-color": "#23a436"}},
            "type": "groundtruth/semantic-segmentation",
        }
    return line


def write_manifest(path: Path, lines: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def palette_mask(path: Path) -> None:
    """As the console wrote them: a palette whose entries differ in alpha only, index 0 fully transparent."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((64, 80), np.uint8)
    pixels[10:20, 10:20] = 255
    image = Image.fromarray(pixels, "L").convert("P")
    image.putpalette([0, 0, 0] + [0x23, 0xA4, 0x36] * 255)
    image.save(path, transparency=bytes(range(256)))


def test_images_are_found_by_the_longest_end_of_their_address(tmp_path: Path, write_image: WriteImage) -> None:
    write_image("a/1.png", size=(70, 70))
    write_image("b/1.png", size=(80, 80))
    write_manifest(tmp_path / "all.manifest", [entry("s3://lost-bucket/deep/b/1.png", "Anomaly")])
    pools = read_pictures(tmp_path)
    assert [(picture.name, picture.truth) for picture in pools.train] == [("b/1.png", Truth.ANOMALY)]


def test_train_and_test_manifests_masks_and_loose_images(tmp_path: Path, write_image: WriteImage) -> None:
    for name in ("x/1.png", "x/2.png", "x/3.png", "test-images/test-normal-1.png", "test-images/test-anomaly-1.png"):
        write_image(name)
    write_image("dummy_anomaly_mask.png")
    palette_mask(tmp_path / "masks" / "1.png")
    write_manifest(
        tmp_path / "train.manifest", [entry("x/1.png", "anomaly", "masks/1.png"), entry("x/2.png", "normal")]
    )
    write_manifest(tmp_path / "test.manifest", [entry("x/3.png", "normal")])
    pools = read_pictures(tmp_path)
    assert [picture.name for picture in pools.train] == ["x/1.png", "x/2.png"]
    assert [picture.name for picture in pools.test] == ["x/3.png"]
    assert {picture.name: picture.truth for picture in pools.extra} == {
        "test-images/test-normal-1.png": Truth.NORMAL,
        "test-images/test-anomaly-1.png": Truth.ANOMALY,
    }
    mask = pools.train[0].mask
    assert mask is not None
    assert mask.labels == {"cracked"}
    assert mask.load() == (tmp_path / "masks" / "1.png").read_bytes()


def test_a_manifest_file_can_be_given_by_itself(tmp_path: Path, write_image: WriteImage) -> None:
    write_image("1.png")
    write_manifest(tmp_path / "lines.jsonl", [entry("1.png", "normal")])
    assert len(read_pictures(tmp_path / "lines.jsonl").train) == 1


def test_lines_that_cannot_be_used_are_named(tmp_path: Path, write_image: WriteImage) -> None:
    write_image("1.png")
    lines = [entry("1.png", "normal"), entry("gone.png", "normal"), entry("1.png", "unclear")]
    write_manifest(tmp_path / "all.manifest", lines)
    pools = read_pictures(tmp_path)
    assert len(pools.train) == 1
    assert any("all.manifest line 2: its image is not below" in note for note in pools.notes)
    assert any("all.manifest line 3: it is labelled neither normal nor anomaly" in note for note in pools.notes)


@pytest.mark.parametrize(
    ("text", "words"), [("{nope\n", "line 1 is not JSON"), ('\n{"a": 1}\n', "line 2 is no manifest")]
)
def test_a_broken_manifest_names_the_line(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "broken.manifest").write_text(text)
    with pytest.raises(PicturesError, match=words):
        read_pictures(tmp_path)


def picture(mask: Mask | None, line: dict[str, Any] | None = None) -> Picture:
    truth = Truth.ANOMALY if mask else Truth.NORMAL
    return Picture("1.png", truth, (64, 64), lambda: Encoded(b"", "png", (64, 64)), mask, line)


def test_lines_of_our_own_follow_the_documented_form() -> None:
    mask = Mask(lambda: b"", {"#23A436": "scratch"}, frozenset({"scratch"}))
    line = json.loads(line_for(picture(mask), "s3://b/i.png", "s3://b/m.png"))
    assert line["source-ref"] == "s3://b/i.png"
    assert line["anomaly-label-metadata"]["class-name"] == "anomaly"
    assert line["anomaly-mask-ref"] == "s3://b/m.png"
    colours = line["anomaly-mask-ref-metadata"]["internal-color-map"]
    assert [colours[key]["class-name"] for key in ("0", "1")] == ["BACKGROUND", "scratch"]
    assert "anomaly-mask-ref" not in json.loads(line_for(picture(None), "s3://b/i.png", None))


def test_lines_of_the_users_keep_everything_but_the_addresses() -> None:
    original = entry("old.png", "anomaly", "old-mask.png")
    mask = Mask(lambda: b"", {"#23A436": "cracked"}, frozenset({"cracked"}))
    line = json.loads(line_for(picture(mask, original), "s3://b/i.png", "s3://b/m.png"))
    assert line == original | {"source-ref": "s3://b/i.png", "anomaly-mask-ref": "s3://b/m.png"}
    bare = json.loads(line_for(picture(None, original), "s3://b/i.png", None))
    assert bare == entry("s3://b/i.png", "anomaly")


@pytest.mark.parametrize(
    ("name", "truth"),
    [
        ("test-normal-3", Truth.NORMAL),
        ("extra_images-anomaly_1", Truth.ANOMALY),
        ("IMG_anomalous", Truth.ANOMALY),
        ("abnormal-1", Truth.ANOMALY),
        ("normal-vs-anomaly", None),
        ("board", None),
    ],
)
def test_truth_from_a_name(name: str, truth: Truth | None) -> None:
    assert truth_in(name) is truth


def test_a_scaled_image_takes_its_mask_along(tmp_path: Path, write_image: WriteImage) -> None:
    write_image("big.png", size=(4200, 64))
    palette_mask(tmp_path / "masks" / "big.png")
    write_manifest(tmp_path / "all.manifest", [entry("big.png", "anomaly", "masks/big.png")])
    pools = read_pictures(tmp_path)
    found = pools.train[0]
    assert found.size[0] == 4096
    assert any("made smaller" in note for note in pools.notes)
    assert found.mask is not None
    with Image.open(io.BytesIO(found.mask.load())) as mask:
        assert mask.size == found.size
