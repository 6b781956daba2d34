"""Amazon SageMaker: the control plane (API version 2017-07-24) and the runtime (2017-05-13)."""

from __future__ import annotations

from collections.abc import Iterable

from relook.aws.operation import Service
from relook.services.sagemaker.algorithms import Algorithms
from relook.services.sagemaker.description import runtime_model, sagemaker_model
from relook.services.sagemaker.endpoint_configs import EndpointConfigs
from relook.services.sagemaker.hosts import Hosts, HostsOptions
from relook.services.sagemaker.launches import HostingOptions
from relook.services.sagemaker.models import Models
from relook.services.sagemaker.package_groups import PackageGroups
from relook.services.sagemaker.packages import Packages
from relook.services.sagemaker.routing import InvocationLimits
from relook.services.sagemaker.tags import Tags
from relook.services.sagemaker.training import TrainingJobs
from relook.services.sagemaker.training_job import LANE as TRAINING_LANE
from relook.services.sagemaker.training_job import sweep as sweep_trainings
from relook.services.sagemaker.training_parts import training_kind
from relook.services.sagemaker.transform import Transforms
from relook.services.sagemaker.transform_job import LANE as TRANSFORM_LANE
from relook.services.sagemaker.transform_parts import transform_kind
from relook.store.engine import Store

__all__ = [
    "TRAINING_LANE",
    "TRANSFORM_LANE",
    "HostingOptions",
    "Hosts",
    "HostsOptions",
    "InvocationLimits",
    "TrainingJobs",
    "Transforms",
    "services",
    "sweep_trainings",
    "training_kind",
    "transform_kind",
]


def services(*, store: Store, nouns: Iterable[object] = (), runtime: Iterable[object] = ()) -> list[Service]:
    """Both APIs: they share a signing name, and the gateway tells them apart by target and path.

    `nouns` and `runtime` are the objects whose methods are marked as operations of one and of the other, beside those
    that need nothing but rows. Nouns that are `Taggable` can be tagged.
    """
    rows_alone = (Models(store), EndpointConfigs(store), Algorithms(store), Packages(store), PackageGroups(store))
    control = (*rows_alone, *nouns)
    return [Service(sagemaker_model(), (*control, Tags(store, control))), Service(runtime_model(), runtime)]
