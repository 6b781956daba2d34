"""Input channels of a training job, as InputDataConfig describes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from relook.core.batch import BadInput
from relook.core.batch.names import Place
from relook.core.training import TrainingInputError


class InputMode(StrEnum):
    FILE = "File"
    FAST_FILE = "FastFile"
    PIPE = "Pipe"


class DataType(StrEnum):
    PREFIX = "S3Prefix"
    MANIFEST = "ManifestFile"
    AUGMENTED = "AugmentedManifestFile"


@dataclass(frozen=True, slots=True)
class Channel:
    """`attributes` are those of an augmented manifest, in order; `seed` is None where nothing is shuffled."""

    name: str
    mode: InputMode
    data_type: DataType
    place: Place
    attributes: tuple[str, ...] = ()
    gzip: bool = False
    recordio: bool = False
    seed: int | None = None
    content_type: str | None = None
    distribution: str = "FullyReplicated"

    @property
    def configuration(self) -> dict[str, str]:
        """What the container reads of it in inputdataconfig.json."""
        shown = {
            "TrainingInputMode": self.mode.value,
            "S3DistributionType": self.distribution,
            "RecordWrapperType": "RecordIO" if self.recordio else "None",
        }
        return shown | ({"ContentType": self.content_type} if self.content_type else {})


def channels(given: Sequence[Mapping[str, Any]], default: str) -> list[Channel]:
    """InputDataConfig; `default` is the job's TrainingInputMode, which a channel's own InputMode overrides.

    TrainingInputError names the channel and the rule it breaks.
    """
    found = [_channel(one, default) for one in given]
    names = [one.name for one in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise TrainingInputError(f"InputDataConfig names the channel {', '.join(twice)} more than once")
    return found


def _channel(given: Mapping[str, Any], default: str) -> Channel:
    name = given["ChannelName"]
    source = given["DataSource"].get("S3DataSource")
    if name in (".", ".."):
        raise TrainingInputError(f"the channel name {name!r} cannot be a folder's name")
    if not source:
        raise TrainingInputError(f"channel {name}: only DataSource.S3DataSource is offered by this server")
    if source["S3DataType"] not in set(DataType):
        raise TrainingInputError(f"channel {name}: S3DataType {source['S3DataType']} is not offered by this server")
    channel = Channel(
        name=name,
        mode=InputMode(given.get("InputMode") or default),
        data_type=DataType(source["S3DataType"]),
        place=_place(name, source["S3Uri"]),
        attributes=tuple(source.get("AttributeNames") or ()),
        gzip=given.get("CompressionType") == "Gzip",
        recordio=given.get("RecordWrapperType") == "RecordIO",
        seed=(given.get("ShuffleConfig") or {}).get("Seed"),
        content_type=given.get("ContentType"),
        distribution=source.get("S3DataDistributionType", "FullyReplicated"),
    )
    _check(channel)
    return channel


def _place(name: str, uri: str) -> Place:
    try:
        return Place.parse(uri)
    except BadInput as error:
        raise TrainingInputError(f"channel {name}: S3Uri: {error}") from None


def _check(channel: Channel) -> None:
    name, piped = channel.name, channel.mode is InputMode.PIPE
    augmented = channel.data_type is DataType.AUGMENTED
    if augmented and not piped:
        raise TrainingInputError(
            f"channel {name}: S3DataType AugmentedManifestFile needs the input mode Pipe, not {channel.mode}"
        )
    if augmented and not channel.attributes:
        raise TrainingInputError(f"channel {name}: AugmentedManifestFile needs AttributeNames")
    if channel.attributes and not augmented:
        raise TrainingInputError(f"channel {name}: AttributeNames belong to AugmentedManifestFile alone")
    if channel.gzip and (augmented or not piped):
        raise TrainingInputError(f"channel {name}: CompressionType Gzip is for objects in the input mode Pipe alone")
    if channel.recordio and not piped:
        raise TrainingInputError(f"channel {name}: RecordWrapperType RecordIO is for the input mode Pipe alone")
