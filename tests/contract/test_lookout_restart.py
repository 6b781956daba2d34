"""What a restart of the server leaves as it was: what is hosted, and what client tokens stand for."""

from __future__ import annotations

from pathlib import Path

from lookout_pictures import UNSEEN_ANOMALY, UNSEEN_NORMAL, pictures
from lookout_stage import BUCKET, outcome, stage_on

from relook.testing import LiveServer


def test_a_restart(tmp_path: Path) -> None:
    with LiveServer(tmp_path / "data") as server:
        stage = stage_on(server)
        project = {"ProjectName": "kept", "ClientToken": "token"}
        first = stage.vision.create_project(**project)["ProjectMetadata"]
        lines = [picture.line(BUCKET) for picture in pictures(20, 10)]
        assert stage.dataset("kept", lines)["Status"] == "CREATE_COMPLETE"
        location = {"S3Location": {"Bucket": BUCKET}}
        model = {"ProjectName": "kept", "OutputConfig": location, "ClientToken": "train"}
        made = stage.vision.create_model(**model)["ModelMetadata"]
        trained = stage.settled_model("kept")
        assert trained["Status"] == "TRAINED"
        stage.host("kept", MaxInferenceUnits=2)
        before = [stage.detect("kept", picture) for picture in (UNSEEN_NORMAL, UNSEEN_ANOMALY)]

        stage.restart()

        found = stage.describe_model("kept")
        assert (found["Status"], found["MinInferenceUnits"], found["MaxInferenceUnits"]) == ("HOSTED", 1, 2)
        assert {key: found[key] for key in ("Performance", "EvaluationResult")} == {
            key: trained[key] for key in ("Performance", "EvaluationResult")
        }
        # No waiting here: a request that comes before the unit is up waits for it.
        assert [stage.detect("kept", picture) for picture in (UNSEEN_NORMAL, UNSEEN_ANOMALY)] == before
        assert stage.vision.create_project(**project)["ProjectMetadata"] == first
        assert stage.vision.create_model(**model)["ModelMetadata"] == made
        assert [one["ModelVersion"] for one in stage.vision.list_models(ProjectName="kept")["Models"]] == ["1"]
        code, _, _ = outcome(stage.vision.create_model, **model, Description="other")
        assert code == "ConflictException"
        assert stage.unhost("kept")["StatusMessage"] == "Training completed successfully."

        stage.restart()

        assert stage.describe_model("kept")["Status"] == "TRAINED"
        assert outcome(stage.vision.stop_model, ProjectName="kept", ModelVersion="1")[0] == "ConflictException"
        stage.close()
