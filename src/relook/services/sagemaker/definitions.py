"""From the containers of a CreateModel request to a model as it is to be run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sqlalchemy import Connection

from relook.aws.operation import Members, RequestContext
from relook.core.serving import ContainerDefinition, ModelDefinition
from relook.services.sagemaker.containers import UNOFFERED, defined, packaged
from relook.services.sagemaker.errors import validation
from relook.services.sagemaker.packages import find_package, specification_of
from relook.services.sagemaker.refusing import refuse

_MOST = 15
_ISOLATE = "set EnableNetworkIsolation to true for a container without any network, or leave it out"
_FROM_PACKAGE = (
    "Image",
    "ImageConfig",
    "ModelDataUrl",
    "ModelDataSource",
    "AdditionalModelDataSources",
    "Mode",
    "MultiModelConfig",
)


def define(connection: Connection, context: RequestContext, members: Members) -> ModelDefinition:
    """Everything a request says of its model, or a ValidationException that names what cannot be."""
    refuse(members, {"VpcConfig": _ISOLATE})
    given = _given(members)
    containers = tuple(each for path, one in given for each in _resolved(connection, context, one, path))
    direct = (members.get("InferenceExecutionConfig") or {}).get("Mode") == "Direct"
    _check_together(containers, direct)
    return ModelDefinition(
        name=members["ModelName"],
        containers=containers,
        direct=direct,
        isolated=bool(members.get("EnableNetworkIsolation")),
    )


def _given(members: Members) -> list[tuple[str, Members]]:
    primary, several = members.get("PrimaryContainer"), members.get("Containers")
    if primary is not None and several:
        raise validation("Both PrimaryContainer and Containers are given; give one of them")
    if primary is not None:
        return [("PrimaryContainer", primary)]
    if several:
        return [(f"Containers.{index}", each) for index, each in enumerate(several, 1)]
    raise validation("Neither PrimaryContainer nor Containers is given; give one of them")


def _resolved(
    connection: Connection, context: RequestContext, container: Members, path: str
) -> Iterator[ContainerDefinition]:
    package = container.get("ModelPackageName")
    if bool(package) == bool(container.get("Image")):
        wrong = "both Image and ModelPackageName" if package else "neither Image nor ModelPackageName"
        raise validation(f"{path} has {wrong}; give one of them")
    if not package:
        if container.get("InferenceSpecificationName"):
            raise validation(f"{path}.InferenceSpecificationName needs ModelPackageName; leave it out")
        yield defined(container, path)
        return
    yield from _of_package(connection, context, container, path)


def _of_package(
    connection: Connection, context: RequestContext, container: Members, path: str
) -> Iterator[ContainerDefinition]:
    refuse(container, UNOFFERED, path)
    for name in _FROM_PACKAGE:
        if container.get(name) not in (None, "SingleModel"):
            raise validation(f"{path}.{name} comes from the model package; leave it out beside ModelPackageName")
    found = find_package(connection, context, container["ModelPackageName"])
    specification = specification_of(found, container.get("InferenceSpecificationName"))
    hostname, environment = container.get("ContainerHostname") or None, container.get("Environment") or {}
    several = len(specification["Containers"]) > 1
    if several and hostname:
        raise validation(f"{path}.ContainerHostname names one container, but the model package has several")
    for index, each in enumerate(specification["Containers"], 1):
        one = packaged(each, f"{path}.ModelPackageName: InferenceSpecification.Containers.{index}")
        yield replace(one, hostname=hostname or one.hostname, environment={**one.environment, **environment})


def _check_together(containers: tuple[ContainerDefinition, ...], direct: bool) -> None:
    if len(containers) > _MOST:
        raise validation(f"The model has {len(containers)} containers; the most is {_MOST}")
    names = [each.hostname for each in containers if each.hostname]
    if len(names) != len(set(names)):
        raise validation("Two containers have the same ContainerHostname; each needs its own")
    if direct and len(names) != len(containers):
        raise validation("InferenceExecutionConfig.Mode Direct needs a ContainerHostname for each container")
