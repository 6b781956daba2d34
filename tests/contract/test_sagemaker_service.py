"""SageMaker's control plane on the wire: what is not there is refused by name."""

from __future__ import annotations

from lookout_stage import Stage, outcome


def test_an_operation_that_is_not_offered_is_refused_by_name(stage: Stage) -> None:
    code, status, message = outcome(stage.client("sagemaker").list_notebook_instances)
    assert (code, status) == ("UnknownOperationException", 404)
    assert "ListNotebookInstances" in message


def test_both_apis_say_what_is_wrong_each_in_its_own_word(stage: Stage) -> None:
    """They share a signing name; the path tells them apart, and ValidationError is the runtime's."""
    control, runtime = (stage.client(name, checked=False) for name in ("sagemaker", "sagemaker-runtime"))
    code, status, message = outcome(control.describe_endpoint_config, EndpointConfigName="bad-")
    assert (code, status) == ("ValidationException", 400)
    assert "at 'endpointConfigName' failed to satisfy constraint" in message
    code, status, message = outcome(runtime.invoke_endpoint, EndpointName="bad-", Body=b"x")
    assert (code, status) == ("ValidationError", 400)
    assert "at 'endpointName' failed to satisfy constraint" in message
