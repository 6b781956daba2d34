"""Records put into requests, and the figures that say how large and how many those may be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from relook.core.batch import BatchError
from relook.core.batch.splitting import Record

MEGABYTE = 2**20
MOST_MEGABYTES = 100
"""MaxPayloadInMB, and its product with MaxConcurrentTransforms."""
LARGEST_CHUNKED = 1024 * MEGABYTE
"""The most of a request that is sent in chunks: it is held in memory once."""
DEFAULT_MEGABYTES = 6
DEFAULT_CONCURRENT = 1


class Strategy(StrEnum):
    MULTI_RECORD = "MultiRecord"
    SINGLE_RECORD = "SingleRecord"


@dataclass(frozen=True, slots=True)
class Limits:
    """How requests are made. `payload` is in bytes; `chunked` (MaxPayloadInMB 0) sends in chunks what may be larger."""

    concurrent: int
    payload: int
    strategy: Strategy
    chunked: bool = False


@dataclass(frozen=True, slots=True)
class Wishes:
    """What somebody says of the limits: the job, or the container; None where they say nothing."""

    concurrent: int | None = None
    megabytes: int | None = None
    strategy: Strategy | None = None


def check_wishes(job: Wishes) -> None:
    """BatchError where a job asks for more than is allowed."""
    megabytes, concurrent = job.megabytes or 0, job.concurrent or 0
    if megabytes > MOST_MEGABYTES:
        raise BatchError(f"MaxPayloadInMB is {megabytes}: at most {MOST_MEGABYTES}")
    if concurrent > MOST_MEGABYTES:
        raise BatchError(f"MaxConcurrentTransforms is {concurrent}: at most {MOST_MEGABYTES}")
    if megabytes * concurrent > MOST_MEGABYTES:
        raise BatchError(
            f"MaxConcurrentTransforms * MaxPayloadInMB is {concurrent} * {megabytes} = {megabytes * concurrent}: "
            f"at most {MOST_MEGABYTES}"
        )


def limits(job: Wishes, container: Wishes) -> Limits:
    """The job's word counts first, then the container's, then the defaults; a concurrency of 0 says nothing.

    Where figures from different sides together ask for more than 100 MB at once, the job's own stay as they are.
    """
    concurrent = job.concurrent or container.concurrent or DEFAULT_CONCURRENT
    megabytes = _first(job.megabytes, container.megabytes, DEFAULT_MEGABYTES)
    strategy = job.strategy or container.strategy or Strategy.MULTI_RECORD
    if concurrent * megabytes > MOST_MEGABYTES:
        if job.concurrent and job.megabytes is None:
            megabytes = max(1, MOST_MEGABYTES // concurrent)
        else:
            megabytes = min(megabytes, MOST_MEGABYTES)
            concurrent = max(1, MOST_MEGABYTES // megabytes)
    if megabytes == 0:
        return Limits(concurrent, LARGEST_CHUNKED, strategy, chunked=True)
    return Limits(concurrent, megabytes * MEGABYTE, strategy)


def _first(*values: int | None) -> int:
    return next(value for value in values if value is not None)


def batches(records: Iterable[Record], strategy: Strategy, largest: int) -> Iterator[list[Record]]:
    """Records in order, as many together as fit into `largest` bytes, or one by one."""
    batch: list[Record] = []
    size = 0
    for record in records:
        if batch and (size + len(record.raw) > largest or strategy is Strategy.SINGLE_RECORD):
            yield batch
            batch, size = [], 0
        batch.append(record)
        size += len(record.raw)
    if batch:
        yield batch


def body(batch: Sequence[Record], strategy: Strategy) -> bytes:
    """What a request of these records sends."""
    if strategy is Strategy.SINGLE_RECORD:
        return b"".join(record.payload for record in batch)
    return b"".join(record.raw for record in batch)
