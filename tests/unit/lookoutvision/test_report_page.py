"""The training report beside the evaluation files: the page, and what the JSON tells of each test image."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

from lookout_world import ACCOUNT, BUCKET, World

from perfect_trainer import PIXEL
from relook.core.evaluation import Evaluation
from relook.core.names import ModelName, Scope
from relook.services.lookoutvision.report_page import report_page
from relook.vision import samples
from relook.vision.samples import ClassMetrics, Metrics, Prediction, Shown, TrainingResult

EVALUATION = Evaluation(ModelName(Scope(ACCOUNT, "us-east-1"), "p", 1), 0, 20, 2)


class Page(HTMLParser):
    """Its tags with their attributes, and its text; asserts that every element is closed."""

    VOID = ("meta", "img", "br")

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(content.decode())
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def judged(key: str, score: float, anomalous: bool) -> Shown:
    prediction = Prediction(score, 0.5, score >= 0.5, max(score, 1 - score), 9, 9)
    return Shown(samples.TestResult(key, anomalous, prediction, (0.5, 0.5)), b"plain", b"heated")


def page(
    *shown: Shown,
    metrics: Metrics | None = None,
    notes: tuple[str, ...] = (),
    intervals: dict[str, Any] | None = None,
) -> Page:
    result = TrainingResult(
        artifact=None,  # type: ignore[arg-type]
        metrics=metrics or Metrics(0.5, 0.25, 0.125, None, None),
        tests=tuple(each.result for each in shown),
        training_images=20,
        testing_images=2,
        notes=notes,
        intervals=intervals or {},
        shown=shown,
    )
    return Page(report_page(EVALUATION, result))


def test_a_training_puts_the_page_beside_the_json(world: World) -> None:
    world.trained()
    found = Page(world.blobs.read(ACCOUNT, BUCKET, "out/TrainingReport-p-1.html"))
    text = " ".join(found.text)
    assert "Model 1 of project p" in text
    assert "The images have mixed sizes." in text
    assert "0.938" in text
    assert "1 of 20 are shown" in text
    assert found.all("img")[1]["src"] == f"data:image/jpeg;base64,{base64.b64encode(PIXEL).decode()}"
    stored = world.blobs.objects.find(ACCOUNT, BUCKET, "out/TrainingReport-p-1.html")
    assert stored.attributes.headers == {"content-type": "text/html; charset=utf-8"}


def test_the_json_tells_score_and_hottest_point_of_every_test_image(world: World) -> None:
    world.trained()
    report = json.loads(world.blobs.read(ACCOUNT, BUCKET, "out/TrainingReport-p-1.json"))
    manifest = world.blobs.read(ACCOUNT, BUCKET, "out/EvaluationManifest-p-1.json").splitlines()
    lines = [json.loads(line) for line in manifest]
    told = report["TestImages"]
    assert [each["SourceRef"] for each in told] == [line["source-ref"] for line in lines]
    assert told[0] == {
        "SourceRef": lines[0]["source-ref"],
        "Right": True,
        "Score": 0.9 if lines[0]["anomaly-label-detected"] else 0.2,
        "Threshold": 0.5,
        "HottestPoint": {"Left": 0.25, "Top": 0.75},
    }


def test_names_and_notes_are_text_whatever_they_hold() -> None:
    evil = '<script>alert("x")</script>'
    found = page(judged(f's3://b/"{evil}.png', 0.9, True), notes=(evil, "a & b < c"))
    assert not found.all("script")
    assert evil in found.text
    assert "a & b < c" in found.text
    assert found.all("img")[0]["alt"] == f's3://b/"{evil}.png'


def test_mistakes_are_marked_and_both_labels_told() -> None:
    found = page(judged("s3://b/1.png", 0.9, False), judged("s3://b/2.png", 0.1, False))
    assert [figure.get("class") for figure in found.all("figure")] == ["wrong", None]
    text = " ".join(found.text)
    assert "labelled normal, judged anomaly: score 0.9000, threshold 0.5000" in text
    assert "are shown" not in text
    assert [image["src"] for image in found.all("img")[:2]] == [
        f"data:image/jpeg;base64,{base64.b64encode(data).decode()}" for data in (b"plain", b"heated")
    ]


def test_figures_that_cannot_be_told_say_so_and_classes_have_theirs() -> None:
    classes = (ClassMetrics("Ölfleck <1>", 0.5, 0.5, 0.5, 0.875), ClassMetrics("never seen", None, None, None, None))
    metrics = Metrics(0.5, 0.25, 0.125, 0.75, 0.625, classes)
    text = " ".join(page(judged("s3://b/1.png", 0.9, True), metrics=metrics).text)
    assert text.count("cannot be told") == 1
    assert "Mean IoU of Ölfleck <1> 0.875" in text
    assert "Mean IoU of never seen cannot be told" in text
    normal = judged("s3://b/1.png", 0.1, False)
    untold = Metrics(None, None, None, None, None)
    assert " ".join(page(normal, metrics=untold).text).count("cannot be told") == 5
    unrated = replace(metrics, precision=None, recall=None, f1=None)  # AUROC and AP are given here
    assert " ".join(page(normal, metrics=unrated).text).count("cannot be told") == 4
    none = page(metrics=untold)
    assert " ".join(none.text).count("cannot be told") == 5
    assert not none.all("figure")


def test_the_page_asks_nothing_of_anybody() -> None:
    found = page(judged("s3://b/1.png", 0.9, True))
    assert not found.all("link") + found.all("script")
    assert all(str(image["src"]).startswith("data:") for image in found.all("img"))
