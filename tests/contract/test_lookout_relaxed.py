"""With `relaxed_minimums` a few normal pictures and nothing else train a model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lookout_pictures import UNSEEN_ANOMALY, UNSEEN_NORMAL, pictures
from lookout_stage import BUCKET, stage_on

from relook.testing import LiveServer


@pytest.mark.parametrize("relaxed", [False, True])
def test_five_normal_pictures_train_a_model_where_minimums_are_relaxed(tmp_path: Path, relaxed: bool) -> None:
    environment = {"RELOOK_RELAXED_MINIMUMS": str(relaxed).lower()}
    with LiveServer(tmp_path / "data", environment=environment) as server:
        stage = stage_on(server)
        project = stage.project("normals")
        stage.dataset(project, [picture.line(BUCKET) for picture in pictures(5, 0)])
        stage.create_model(project)
        found = stage.settled_model(project)
        assert "Performance" not in found
        if not relaxed:
            assert found["Status"] == "TRAINING_FAILED"
            assert "5 images labelled normal; training needs at least 20" in found["StatusMessage"]
            assert "add a test dataset with normal and anomalous images" in found["StatusMessage"]
            stage.close()
            return
        assert found["Status"] == "TRAINED", found["StatusMessage"]
        [listed] = stage.vision.list_models(ProjectName=project)["Models"]
        assert "Performance" not in listed
        files = [
            stage.s3.get_object(**found[name])["Body"].read() for name in ("EvaluationManifest", "EvaluationResult")
        ]
        assert files[0] == b""
        result = json.loads(files[1])
        assert result["EvaluationDetails"]["NumberOfTrainingImages"] == 5
        assert result["EvaluationDetails"]["NumberOfTestingImages"] == 0
        metrics = result["AggregatedEvaluationResults"]["Metrics"]
        assert metrics == dict.fromkeys(("ROCAUC", "AveragePrecision", "Precision", "Recall", "F1Score"))
        stage.host(project)
        normal, anomalous = (stage.detect(project, picture) for picture in (UNSEEN_NORMAL, UNSEEN_ANOMALY))
        assert anomalous["IsAnomalous"]
        assert not normal["IsAnomalous"]
        stage.unhost(project)
        stage.close()
