"""Our description of Lookout for Vision against the last one that botocore shipped."""

from __future__ import annotations

import json
from typing import Any

import pytest

from botocore_source import source_root
from relook.aws.description import lookoutvision_model, paginators_document, service_document


def shipped(name: str) -> dict[str, Any]:
    path = source_root() / "botocore/data/lookoutvision/2020-11-20" / name
    loaded: dict[str, Any] = json.loads(path.read_text())
    return loaded


def bare(value: Any) -> Any:
    """Without documentation text (a string under that name); the order of required members does not count."""
    if isinstance(value, dict):
        kept = {
            key: bare(item) for key, item in value.items() if not (key == "documentation" and isinstance(item, str))
        }
        return {key: sorted(item) if key == "required" else item for key, item in kept.items()}
    return [bare(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("part", ["version", "metadata", "operations", "shapes"])
def test_service_document_says_what_botocore_said(part: str) -> None:
    ours, theirs = bare(service_document()), bare(shipped("service-2.json"))
    assert ours[part] == theirs[part]
    assert set(ours) == set(theirs)


def test_paginators_are_those_of_botocore() -> None:
    assert paginators_document() == shipped("paginators-1.json")


def test_it_has_22_operations_and_4_paginators() -> None:
    assert len(service_document()["operations"]) == 22
    assert len(paginators_document()["pagination"]) == 4


def test_no_documentation_is_taken_over() -> None:
    """Ours is our own: no sentence of the shipped text is in it."""

    def texts(value: Any) -> list[str]:
        if isinstance(value, dict):
            own = [value["documentation"]] if isinstance(value.get("documentation"), str) else []
            return own + [text for item in value.values() for text in texts(item)]
        return [text for item in value for text in texts(item)] if isinstance(value, list) else []

    theirs = " ".join(texts(shipped("service-2.json")))
    ours = texts(service_document())
    assert len(ours) >= 22
    assert [text for text in ours if text in theirs] == []


def test_the_model_is_complete() -> None:
    model = lookoutvision_model()
    assert model.signing_name == "lookoutvision"
    for name in model.operation_names:
        operation = model.operation_model(name)
        assert operation.input_shape is not None
        assert operation.output_shape is not None
        assert operation.documentation
        assert all(shape.metadata["error"]["httpStatusCode"] >= 400 for shape in operation.error_shapes)
    detect = model.operation_model("DetectAnomalies")
    assert detect.has_streaming_input
    assert model.operation_model("StartModel").idempotent_members == ["ClientToken"]


def test_every_call_gives_a_document_of_its_own() -> None:
    service_document()["operations"].clear()
    service_document()["metadata"]["auth"].clear()
    assert len(service_document()["operations"]) == 22
    assert service_document()["metadata"]["auth"] == ["aws.auth#sigv4"]
