"""Amazon SageMaker: the control plane (API version 2017-07-24) and the runtime (2017-05-13)."""

from __future__ import annotations

from collections.abc import Iterable

from relook.aws.operation import Service
from relook.services.sagemaker.description import runtime_model, sagemaker_model

__all__ = ["services"]


def services(*, nouns: Iterable[object] = (), runtime: Iterable[object] = ()) -> list[Service]:
    """Both APIs: they share a signing name, and the gateway tells them apart by target and path.

    `nouns` and `runtime` are the objects whose methods are marked as operations of one and of the other.
    """
    return [Service(sagemaker_model(), nouns), Service(runtime_model(), runtime)]
