"""SageMaker's control plane on the wire: what is not there is refused by name."""

from __future__ import annotations

from lookout_stage import Stage, outcome


def test_an_operation_that_is_not_offered_is_refused_by_name(stage: Stage) -> None:
    code, status, message = outcome(stage.client("sagemaker").list_notebook_instances)
    assert (code, status) == ("UnknownOperationException", 404)
    assert "ListNotebookInstances" in message
