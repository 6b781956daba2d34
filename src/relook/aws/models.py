"""Service models of the installed botocore."""

from __future__ import annotations

from functools import cache

from botocore.loaders import Loader
from botocore.model import ServiceModel


@cache
def botocore_model(name: str) -> ServiceModel:
    """The newest model that the installed botocore has of a service, such as "s3" or "sts".

    Only botocore's own folder is read: a description the user put into ~/.aws/models changes nothing in the server.
    """
    loader = Loader(extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)
    return ServiceModel(loader.load_service_model(name, "service-2"), name)
