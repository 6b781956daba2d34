"""One live server and one trained model of each kind for all contract tests that a process runs."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from lookout_stage import CLASSIFIER, SEGMENTER, Stage, stage_on

from relook.testing import LiveServer


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    # The tests may run with a botocore that is not the server's: test_lookout_old_botocore.py puts one on the path.
    environment = {"PYTHONPATH": os.environ.get("RELOOK_SERVER_PYTHONPATH", os.environ.get("PYTHONPATH", ""))}
    with LiveServer(tmp_path_factory.mktemp("lookout") / "data", environment=environment) as server:
        made = stage_on(server)
        yield made
        made.close()


@pytest.fixture(scope="session")
def classifier(stage: Stage) -> str:
    """The project whose model 1 classifies; tests leave that model TRAINED or HOSTED."""
    found = stage.train(CLASSIFIER, Description="first.model", Tags=[{"Key": "line", "Value": "A 1"}])
    assert found["Status"] == "TRAINED", found["StatusMessage"]
    return CLASSIFIER


@pytest.fixture(scope="session")
def segmenter(stage: Stage) -> str:
    """The project whose model 1 finds areas; tests leave that model TRAINED or HOSTED."""
    found = stage.train(SEGMENTER, masked=True)
    assert found["Status"] == "TRAINED", found["StatusMessage"]
    return SEGMENTER
