"""StartModel, StopModel and DetectAnomalies by boto3."""

from __future__ import annotations

import io
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from botocore.exceptions import ClientError
from lookout_pictures import COLOUR, DEFECT, HEIGHT, UNSEEN_ANOMALY, UNSEEN_NORMAL, WIDTH, Picture
from lookout_stage import Stage, outcome, refused
from PIL import Image

WRONG_TYPE = "content-type must be one of the following. image/jpeg, image/png"


def name(project: str, version: str = "1") -> dict[str, str]:
    return {"ProjectName": project, "ModelVersion": version}


def test_a_model_is_started_and_stopped(stage: Stage, classifier: str) -> None:
    stage.unhost(classifier)
    answer = stage.vision.start_model(**name(classifier), MinInferenceUnits=1, MaxInferenceUnits=2)
    assert (answer["Status"], answer["ResponseMetadata"]["HTTPStatusCode"]) == ("STARTING_HOSTING", 202)
    hosted = stage.settled_model(classifier)
    assert (hosted["Status"], hosted["StatusMessage"]) == ("HOSTED", "The model is running.")
    assert (hosted["MinInferenceUnits"], hosted["MaxInferenceUnits"]) == (1, 2)
    [listed] = stage.vision.list_models(ProjectName=classifier)["Models"]
    assert (listed["Status"], listed["StatusMessage"]) == ("HOSTED", "The model is running.")
    answer = stage.vision.stop_model(**name(classifier))
    assert (answer["Status"], answer["ResponseMetadata"]["HTTPStatusCode"]) == ("STOPPING_HOSTING", 202)
    found = refused(stage.vision.detect_anomalies, **name(classifier), ContentType="image/png", Body=b"junk")
    assert (found["Error"]["Code"], found["ResourceType"]) == ("ConflictException", "MODEL")
    stopped = stage.settled_model(classifier)
    assert (stopped["Status"], stopped["StatusMessage"]) == ("TRAINED", "Training completed successfully.")
    assert "MinInferenceUnits" not in stopped
    assert "MaxInferenceUnits" not in stopped


def test_a_hosted_model_cannot_be_started_or_deleted(stage: Stage, classifier: str) -> None:
    stage.host(classifier)
    for found in (
        refused(stage.vision.start_model, **name(classifier), MinInferenceUnits=1),
        refused(stage.vision.delete_model, **name(classifier)),
    ):
        assert (found["Error"]["Code"], found["ResponseMetadata"]["HTTPStatusCode"]) == ("ConflictException", 409)
        assert (found["ResourceId"], found["ResourceType"]) == (f"{classifier}/1", "MODEL")
        assert "is HOSTED" in found["Error"]["Message"]
    assert stage.describe_model(classifier)["Status"] == "HOSTED"


def test_a_model_at_rest_cannot_be_stopped(stage: Stage, classifier: str) -> None:
    stage.unhost(classifier)
    code, status, message = outcome(stage.vision.stop_model, **name(classifier))
    assert (code, status, "is TRAINED" in message) == ("ConflictException", 409, True)


def test_a_starting_model_can_be_stopped(stage: Stage, classifier: str) -> None:
    stage.unhost(classifier)
    stage.vision.start_model(**name(classifier), MinInferenceUnits=1)
    assert stage.vision.stop_model(**name(classifier))["Status"] == "STOPPING_HOSTING"
    assert stage.settled_model(classifier)["Status"] == "TRAINED"


def test_units(stage: Stage, classifier: str) -> None:
    stage.unhost(classifier)
    start = stage.vision.start_model
    code, status, message = outcome(start, **name(classifier), MinInferenceUnits=2, MaxInferenceUnits=1)
    assert (code, status, "MaxInferenceUnits 1 is less" in message) == ("ValidationException", 400, True)
    found = refused(start, **name(classifier), MinInferenceUnits=6)
    assert (found["Error"]["Code"], found["ResponseMetadata"]["HTTPStatusCode"]) == (
        "ServiceQuotaExceededException",
        402,
    )
    assert (found["ServiceCode"], found["ResourceId"], found["ResourceType"]) == (
        "lookoutvision",
        f"{classifier}/1",
        "MODEL",
    )
    assert found["QuotaCode"].startswith("L-")
    assert stage.describe_model(classifier)["Status"] == "TRAINED"


def test_one_constant_token_for_every_start_and_stop(stage: Stage, classifier: str) -> None:
    """As a client does that is in use: a replay must not hide that the model was stopped since."""
    stage.unhost(classifier)
    start = {**name(classifier), "MinInferenceUnits": 1, "ClientToken": "constant"}
    for _ in range(2):
        assert stage.vision.start_model(**start)["Status"] == "STARTING_HOSTING"
        stage.settled_model(classifier)
        assert stage.vision.start_model(**start)["Status"] == "STARTING_HOSTING"
        assert stage.describe_model(classifier)["Status"] == "HOSTED"
        stop = {**name(classifier), "ClientToken": "constant"}
        assert stage.vision.stop_model(**stop)["Status"] == "STOPPING_HOSTING"
        assert stage.settled_model(classifier)["Status"] == "TRAINED"
        assert stage.vision.stop_model(**stop)["Status"] == "STOPPING_HOSTING"
    code, _, message = outcome(stage.vision.start_model, **start | {"MinInferenceUnits": 2})
    assert (code, "use a new token" in message) == ("ConflictException", True)


def test_the_answer_of_a_classification(stage: Stage, classifier: str) -> None:
    stage.host(classifier)
    for picture in (UNSEEN_NORMAL, UNSEEN_ANOMALY):
        found = stage.detect(classifier, picture)
        assert set(found) == {"Source", "IsAnomalous", "Confidence"}
        assert found["Source"] == {"Type": "direct"}
        assert found["IsAnomalous"] is picture.anomalous
        assert 0 <= found["Confidence"] <= 1


@pytest.mark.parametrize("picture", [UNSEEN_NORMAL, UNSEEN_ANOMALY])
def test_headers_tell_score_and_threshold_in_full(stage: Stage, classifier: str, picture: Picture) -> None:
    stage.host(classifier)
    answer = stage.vision.detect_anomalies(**name(classifier), ContentType="image/png", Body=picture.png())
    headers, found = answer["ResponseMetadata"]["HTTPHeaders"], answer["DetectAnomalyResult"]
    score, threshold = float(headers["x-relook-score"]), float(headers["x-relook-threshold"])
    assert 0 < score < 1
    assert 0 < threshold < 1
    assert found["IsAnomalous"] is (round(score, 4) >= round(threshold, 4)) is picture.anomalous
    assert found["Confidence"] == (score if picture.anomalous else 1 - score)


def test_a_refusal_has_no_score(stage: Stage, classifier: str) -> None:
    stage.host(classifier)
    found = refused(stage.vision.detect_anomalies, **name(classifier), ContentType="image/png", Body=b"junk")
    assert not [header for header in found["ResponseMetadata"]["HTTPHeaders"] if header.startswith("x-relook")]


@pytest.mark.parametrize("picture", [UNSEEN_NORMAL, UNSEEN_ANOMALY])
def test_the_answer_of_a_segmentation(stage: Stage, segmenter: str, picture: Picture) -> None:
    stage.host(segmenter)
    found = stage.detect(segmenter, picture)
    assert set(found) == {"Source", "IsAnomalous", "Confidence", "Anomalies", "AnomalyMask"}
    assert found["IsAnomalous"] is picture.anomalous
    background, *defects = [(one["Name"], one["PixelAnomaly"]["Color"]) for one in found["Anomalies"]]
    assert background == ("background", "#FFFFFF")
    assert defects == ([(DEFECT, COLOUR)] if picture.anomalous else [])
    areas = [one["PixelAnomaly"]["TotalPercentageArea"] for one in found["Anomalies"]]
    assert sum(areas) == pytest.approx(1)
    with Image.open(io.BytesIO(found["AnomalyMask"])) as mask:
        assert (mask.format, mask.mode, mask.size) == ("PNG", "RGB", (WIDTH, HEIGHT))
        pixels = np.asarray(mask)
    painted = [tuple(int(colour[at : at + 2], 16) for at in (1, 3, 5)) for _, colour in [background, *defects]]
    counted = Counter(map(tuple, pixels.reshape(-1, 3).tolist()))
    assert set(counted) == set(painted)
    assert [counted[colour] / (WIDTH * HEIGHT) for colour in painted] == pytest.approx(areas)


def test_a_mask_has_the_size_of_the_image_sent(stage: Stage, segmenter: str) -> None:
    stage.host(segmenter)
    body = UNSEEN_ANOMALY.jpeg(150, 101)
    answer = stage.vision.detect_anomalies(**name(segmenter), ContentType="image/jpeg", Body=io.BytesIO(body))
    with Image.open(io.BytesIO(answer["DetectAnomalyResult"]["AnomalyMask"])) as mask:
        assert mask.size == (150, 101)
    assert answer["DetectAnomalyResult"]["IsAnomalous"] is True


@pytest.mark.parametrize("content_type", ["image/gif", "application/octet-stream", "image/jpeg, image/png", "IMAGE"])
def test_another_content_type(stage: Stage, classifier: str, content_type: str) -> None:
    stage.host(classifier)
    found = outcome(
        stage.vision.detect_anomalies, **name(classifier), ContentType=content_type, Body=UNSEEN_NORMAL.png()
    )
    assert found == ("ValidationException", 400, WRONG_TYPE)


def _gif() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (96, 64)).save(out, "GIF")
    return out.getvalue()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"junk", "JPEG or PNG"),
        (b"", "empty"),
        (UNSEEN_NORMAL.png()[:500], ""),
        (UNSEEN_NORMAL.jpeg(63, 63), "64"),
        (_gif(), "JPEG or PNG"),
        (b"x" * (8 * 1024 * 1024 + 1), "larger than 8388608 bytes"),
    ],
    ids=["junk", "empty", "truncated", "small", "gif", "large"],
)
def test_an_image_that_cannot_be_looked_at(stage: Stage, classifier: str, body: bytes, words: str) -> None:
    stage.host(classifier)
    found = outcome(stage.vision.detect_anomalies, **name(classifier), ContentType="image/png", Body=body)
    assert (found[:2], words in found[2]) == (("ValidationException", 400), True), found
    assert stage.detect(classifier, UNSEEN_ANOMALY)["IsAnomalous"] is True


def test_what_an_image_is_counts_not_what_the_header_says(stage: Stage, classifier: str) -> None:
    stage.host(classifier)
    answer = stage.vision.detect_anomalies(**name(classifier), ContentType="image/png", Body=UNSEEN_ANOMALY.jpeg())
    assert answer["DetectAnomalyResult"]["IsAnomalous"] is True


def test_junk_for_a_model_that_is_not_there_or_not_hosted(stage: Stage, classifier: str) -> None:
    detect = stage.vision.detect_anomalies
    junk = {"ContentType": "text/plain", "Body": b"junk"}
    found = refused(detect, **name(classifier, "77"), **junk)
    assert (found["Error"]["Code"], found["ResourceId"], found["ResourceType"]) == (
        "ResourceNotFoundException",
        f"{classifier}/77",
        "MODEL",
    )
    stage.unhost(classifier)
    assert outcome(detect, **name(classifier), **junk)[:2] == ("ConflictException", 409)


@pytest.mark.parametrize("operation", ["describe_model", "delete_model", "stop_model", "start_model"])
def test_an_absent_model_is_not_found(stage: Stage, classifier: str, operation: str) -> None:
    more = {"MinInferenceUnits": 1} if operation == "start_model" else {}
    found = refused(getattr(stage.vision, operation), **name(classifier, "77"), **more)
    assert (found["Error"]["Code"], found["ResponseMetadata"]["HTTPStatusCode"]) == ("ResourceNotFoundException", 404)
    assert (found["ResourceId"], found["ResourceType"]) == (f"{classifier}/77", "MODEL")


def test_more_requests_than_can_wait_are_throttled(stage: Stage, segmenter: str) -> None:
    """One unit and 32 waiting requests: of a burst of large images some are turned away, and told when to return."""
    stage.unhost(segmenter)
    stage.host(segmenter)
    body = UNSEEN_NORMAL.jpeg(4000, 3000)
    callers = 64
    together = threading.Barrier(callers)

    def call(_: int) -> tuple[int, str, str | None]:
        together.wait(30)
        try:
            stage.vision.detect_anomalies(**name(segmenter), ContentType="image/jpeg", Body=body)
        except ClientError as error:
            answer = error.response
            headers = answer["ResponseMetadata"]["HTTPHeaders"]
            return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"], headers.get("retry-after")
        return 200, "", None

    with ThreadPoolExecutor(callers) as pool:
        answers = Counter(pool.map(call, range(callers)))
    assert set(answers) == {(200, "", None), (429, "ThrottlingException", "1")}
    assert answers[(200, "", None)] >= 32
    assert stage.detect(segmenter, UNSEEN_NORMAL)["IsAnomalous"] is False
    stage.unhost(segmenter)
