"""Service models of the installed botocore."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from botocore.loaders import Loader
from botocore.model import ServiceModel


@cache
def botocore_model(name: str) -> ServiceModel:
    """The newest model that the installed botocore has of a service, such as "s3" or "sts".

    Only botocore's own folder is read: a description the user put into ~/.aws/models changes nothing in the server.
    """
    return ServiceModel(_description(name), name)


def adapted_model(name: str, shapes: Mapping[str, Mapping[str, Any]]) -> ServiceModel:
    """The same model with some of its shapes replaced; KeyError for a shape that it does not have."""
    description = _description(name)
    if unknown := shapes.keys() - description["shapes"].keys():
        raise KeyError(f"{name} has no shape {', '.join(sorted(unknown))}")
    return ServiceModel({**description, "shapes": {**description["shapes"], **shapes}}, name)


@cache
def _description(name: str) -> Mapping[str, Any]:
    loader = Loader(extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)
    found: Mapping[str, Any] = loader.load_service_model(name, "service-2")
    return found
