from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from relook.demo.errors import PicturesError
from relook.demo.masks import paint
from relook.demo.montage import write_montage
from relook.demo.page import page, write_page
from relook.demo.pictures import Encoded, Picture, Plan, Truth
from relook.demo.report import print_results
from relook.demo.results import Run, Seen, Tally, seen_from, tally

VOID = {"meta", "img", "br", "link", "input", "hr"}


class Checker(HTMLParser):
    """Collects what is open at the end, mismatched tags, and the attributes of every element."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.problems: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.problems.append(tag)


def jpeg(size: tuple[int, int] = (120, 80)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, (120, 130, 140)).save(out, "JPEG")
    return out.getvalue()


def picture(name: str, truth: Truth) -> Picture:
    return Picture(name, truth, (120, 80), lambda: Encoded(jpeg(), "jpg", (120, 80)))


def answer(anomalous: bool, confidence: float, share: float | None = None) -> dict[str, Any]:
    """A DetectAnomalyResult; with `share`, of a segmentation model."""
    result: dict[str, Any] = {"Source": {"Type": "direct"}, "IsAnomalous": anomalous, "Confidence": confidence}
    if share is not None:
        area = np.zeros((80, 120), bool)
        area[: round(80 * share)] = True
        entries = [{"Name": "background", "PixelAnomaly": {"TotalPercentageArea": 1 - share, "Color": "#FFFFFF"}}]
        if share:
            entries.append({"Name": "scratch", "PixelAnomaly": {"TotalPercentageArea": share, "Color": "#23A436"}})
        result |= {"Anomalies": entries, "AnomalyMask": paint(area, "#23A436")}
    return result


def a_run(segmentation: bool) -> Run:
    cases = [
        ("unseen/<b>1</b> & co.jpg", Truth.ANOMALY, answer(True, 0.91, 0.25 if segmentation else None)),
        ("unseen/2.jpg", Truth.NORMAL, answer(False, 0.8, 0.0 if segmentation else None)),
        ("unseen/3.jpg", Truth.ANOMALY, answer(False, 0.55, 0.0 if segmentation else None)),
        ("unseen/4.jpg", Truth.NORMAL, answer(True, 0.6, 0.125 if segmentation else None)),
    ]
    seen = tuple(seen_from(picture(name, truth), jpeg(), result, 0.02) for name, truth, result in cases)
    metrics: dict[str, Any] = {
        "ROCAUC": 0.98,
        "AveragePrecision": 0.97,
        "Precision": 1.0,
        "Recall": 0.9,
        "F1Score": 0.947,
    }
    if segmentation:
        row = {"ClassName": "scratch", "Precision": 0.7, "Recall": 0.6, "F1Score": 0.65, "AIOU": 0.5}
        untested = dict.fromkeys(row) | {"ClassName": "dent"}
        metrics["PixelAnomalyClassMetrics"] = [row, untested]
    plan = Plan("a test", (picture("t/1.jpg", Truth.NORMAL),), (), tuple(item.picture for item in seen), ("A note.",))
    details = {"NumberOfTestingImages": 20}
    return Run(
        plan, "demo-1", "1", "http://127.0.0.1:1", "Training completed successfully.", metrics, details, 30.0, 1.0, seen
    )


def parsed(text: str) -> Checker:
    checker = Checker()
    checker.feed(text)
    return checker


@pytest.mark.parametrize("segmentation", [True, False])
def test_the_page_is_well_formed_and_refers_to_nothing_outside(segmentation: bool) -> None:
    text = page(a_run(segmentation))
    checker = parsed(text)
    assert (checker.problems, checker.open) == ([], [])
    assert not re.search(
        r"https?://|//[a-z]|@import|url\(", re.sub(r"data:image/jpeg;base64,[A-Za-z0-9+/=]+", "", text)
    )
    assert not {"script", "link", "iframe"} & {tag for tag, _ in checker.elements}
    assert "$" not in re.sub(r"base64,[A-Za-z0-9+/=]+", "", text)


def test_every_picture_has_words_in_its_place() -> None:
    images = [attributes for tag, attributes in parsed(page(a_run(True))).elements if tag == "img"]
    assert len(images) == 8
    assert all(image["alt"] and image["width"] and image["height"] for image in images)
    assert images[1]["alt"] == "unseen/<b>1</b> & co.jpg: under its mask, which marks scratch on 25.00%"


def test_names_are_escaped() -> None:
    text = page(a_run(True))
    assert "<b>1</b>" not in text
    assert "unseen/&lt;b&gt;1&lt;/b&gt; &amp; co.jpg" in text


def test_a_classification_report_says_there_is_no_mask() -> None:
    text = page(a_run(False))
    assert text.count("A classification model gives no mask.") == 4
    assert len([tag for tag, _ in parsed(text).elements if tag == "img"]) == 4
    assert "under its mask" not in text


def test_the_second_picture_is_the_blend_clients_make(tmp_path: Path) -> None:
    write_page(a_run(True), tmp_path / "deep" / "report.html")
    images = re.findall(r"base64,([A-Za-z0-9+/=]+)", (tmp_path / "deep" / "report.html").read_text("utf-8"))
    with Image.open(io.BytesIO(base64.b64decode(images[1]))) as image:
        top, bottom = image.convert("RGB").getpixel((60, 5)), image.convert("RGB").getpixel((60, 70))
    assert np.allclose(top, [(120 + 0x23) / 2, (130 + 0xA4) / 2, (140 + 0x36) / 2], atol=4)
    assert np.allclose(bottom, [(120 + 255) / 2, (130 + 255) / 2, (140 + 255) / 2], atol=4)


def test_pictures_larger_than_the_thumbnails_are_blended_too() -> None:
    large = (1000, 700)
    mask = paint(np.ones((700, 1000), bool), "#23A436")
    result = answer(True, 0.9, 0.5) | {"AnomalyMask": mask}
    item = seen_from(picture("large.jpg", Truth.ANOMALY), jpeg(large), result, 0.02)
    images = re.findall(r"base64,([A-Za-z0-9+/=]+)", page(replace(a_run(True), seen=(item,))))
    sizes = [Image.open(io.BytesIO(base64.b64decode(image))).size for image in images]
    assert len(sizes) == 2
    assert sizes[0] == sizes[1]
    assert max(sizes[0]) < 1000


def test_the_page_works_in_the_dark_and_on_a_phone() -> None:
    text = page(a_run(True))
    assert "prefers-color-scheme: dark" in text
    assert 'name="viewport" content="width=device-width, initial-scale=1"' in text
    assert '<html lang="en">' in text


def test_background_is_no_area() -> None:
    seen: Seen = a_run(True).seen[0]
    assert [(area.name, area.colour, area.share) for area in seen.areas] == [("scratch", "#23A436", 0.25)]


def test_the_tally_counts_anomalies_as_positive() -> None:
    found = tally(a_run(True).seen)
    assert found == Tally(hits=1, misses=1, false_alarms=1, correct_normal=1)
    assert (found.correct, found.total, found.precision, found.recall, found.f1) == (2, 4, 0.5, 0.5, 0.5)
    nothing = tally(())
    assert (nothing.f1, nothing.precision, nothing.recall) == (0.0, 0.0, 0.0)


def test_the_table_shows_what_was_asked_for() -> None:
    out = io.StringIO()
    print_results(a_run(True), Console(file=out, width=140))
    text = out.getvalue()
    first = next(line for line in text.splitlines() if "<b>1</b> & co.jpg" in line)
    assert [word in first for word in ("anomaly", "0.910", "scratch 25.00 %", "right")] == [True] * 4
    assert "WRONG" in next(line for line in text.splitlines() if "unseen/3.jpg" in line)
    assert "2 of 4 right" in text
    assert "F1 0.500" in text
    assert "average IoU 0.500" in text
    assert "dent: F1 -, average IoU - (pixels)" in text


def test_the_montage_shows_found_defects_beside_their_masks(tmp_path: Path) -> None:
    write_montage(a_run(True), tmp_path / "new" / "montage.png")
    with Image.open(tmp_path / "new" / "montage.png") as image:
        assert image.size == (4 * 280 + 5 * 6, 210 + 2 * 6)
        pixels = np.asarray(image.convert("RGB")).astype(int)
    assert np.abs(pixels[100, 100] - (120, 130, 140)).max() < 8  # the picture, unmarked
    assert np.abs(pixels[80, 420] - ((120 + 0x23) / 2, (130 + 0xA4) / 2, (140 + 0x36) / 2)).max() < 8
    with pytest.raises(PicturesError, match="no found defect"):
        write_montage(a_run(False), tmp_path / "none.png")
