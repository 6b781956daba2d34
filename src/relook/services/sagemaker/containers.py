"""Container definitions, of models and of model packages: what they may say, and what they mean to what runs them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from relook.aws.operation import Members
from relook.core.serving import ContainerDefinition, ContainerMode, ModelData
from relook.services.sagemaker.errors import validation
from relook.services.sagemaker.refusing import refuse

UNOFFERED = {"ContainerMetricsConfig": "leave it out; what a container writes goes to its log"}
"""Of a container of CreateModel, wherever its image comes from."""
_UNOFFERED_PACKAGED = {
    "AdditionalS3DataSource": "put the files into the archive at ModelDataUrl",
    "BaseModel": "there is no hub here; name the model's files by ModelDataUrl",
    "IsCheckpoint": "name the model's files by ModelDataUrl",
    "ModelDataETag": "leave it out; the object is read when it is needed",
}
_UNOFFERED_S3 = {
    "HubAccessConfig": "there is no hub here; name the files by S3Uri",
    "ManifestS3Uri": "name the files by S3Uri",
    "ManifestEtag": "leave it out; the objects are read when they are needed",
    "ETag": "leave it out; the objects are read when they are needed",
}
_PLAIN_IMAGES = "images come from the engine's own registries, signed in there; set RepositoryAccessMode to Platform"


def defined(container: Members, path: str) -> ContainerDefinition:
    """What a container that names its image means. `path` is where it stands in the request, for messages."""
    refuse(container, UNOFFERED, path)
    _check_image(container, path)
    mode = ContainerMode(container.get("Mode") or ContainerMode.SINGLE_MODEL)
    return ContainerDefinition(
        image=container["Image"],
        hostname=container.get("ContainerHostname") or None,
        mode=mode,
        data=_data_of(container, path, mode),
        environment=dict(container.get("Environment") or {}),
        cached=_cached(container, path, mode),
        extra=_extra(container, path),
    )


def packaged(container: Members, path: str) -> ContainerDefinition:
    """The same for a container of an InferenceSpecification."""
    refuse(container, _UNOFFERED_PACKAGED, path)
    if not container.get("Image"):
        raise validation(f"{path}.Image is missing: a container of a model package needs an image")
    return ContainerDefinition(
        image=pinned(container["Image"], container.get("ImageDigest")),
        hostname=container.get("ContainerHostname") or None,
        data=_data_of(container, path, ContainerMode.SINGLE_MODEL),
        environment=dict(container.get("Environment") or {}),
        extra=_extra(container, path),
    )


def pinned(image: str, digest: str | None) -> str:
    """The name by which an engine knows the image with this digest."""
    return f"{image}@{digest.lower()}" if digest else image


def _check_image(container: Members, path: str) -> None:
    config: Mapping[str, Any] = container.get("ImageConfig") or {}
    refuse(config, {"RepositoryAuthConfig": _PLAIN_IMAGES}, f"{path}.ImageConfig")
    if config.get("RepositoryAccessMode") == "Vpc":
        refuse(config, {"RepositoryAccessMode": _PLAIN_IMAGES}, f"{path}.ImageConfig")


def _cached(container: Members, path: str, mode: ContainerMode) -> bool:
    config = container.get("MultiModelConfig") or {}
    if config and mode is not ContainerMode.MULTI_MODEL:
        raise validation(f"{path}.MultiModelConfig needs Mode MultiModel; set that, or leave it out")
    return bool(config.get("ModelCacheSetting", "Enabled") == "Enabled")


def _data_of(container: Members, path: str, mode: ContainerMode) -> ModelData | None:
    url, source = container.get("ModelDataUrl"), container.get("ModelDataSource")
    if url and source:
        raise validation(f"{path} has both ModelDataUrl and ModelDataSource; give one of them")
    if mode is ContainerMode.MULTI_MODEL:
        if not url:
            raise validation(f"{path} is of Mode MultiModel and needs ModelDataUrl: the prefix its models lie under")
        return ModelData(_s3(url, f"{path}.ModelDataUrl"), prefix=True)
    if source:
        return _from_source(source.get("S3DataSource") or {}, f"{path}.ModelDataSource.S3DataSource")
    return ModelData(_s3(url, f"{path}.ModelDataUrl")) if url else None


def _from_source(source: Members, path: str) -> ModelData:
    if not source:
        raise validation(f"{path} is missing: model data come from S3")
    refuse(source, _UNOFFERED_S3, path)
    prefix, gzip = source["S3DataType"] == "S3Prefix", source["CompressionType"] == "Gzip"
    if prefix and gzip:
        raise validation(
            f"{path}: S3Prefix cannot be Gzip; name one archive as S3Object, or set CompressionType to None"
        )
    return ModelData(_s3(source["S3Uri"], f"{path}.S3Uri"), prefix=prefix, gzip=gzip)


def _extra(container: Members, path: str) -> dict[str, ModelData]:
    found: dict[str, ModelData] = {}
    for index, each in enumerate(container.get("AdditionalModelDataSources") or (), 1):
        name, where = each["ChannelName"], f"{path}.AdditionalModelDataSources.{index}"
        if name in found or name in (".", ".."):
            raise validation(f"{where}.ChannelName {name!r} is there twice or no folder's name; choose another")
        found[name] = _from_source(each["S3DataSource"], f"{where}.S3DataSource")
    return found


def _s3(uri: str, path: str) -> str:
    scheme, _, rest = uri.partition("://")
    if scheme != "s3" or not rest.partition("/")[0]:
        raise validation(f"{path} is {uri}; give it as s3://bucket/key")
    return uri
