"""The three timestamp formats of AWS: epoch seconds, ISO 8601 and the HTTP date of RFC 7231."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime

from relook.aws.protocol.problems import Malformed

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BODY_FORMATS = {
    "json": "unixtimestamp",
    "rest-json": "unixtimestamp",
    "rest-xml": "iso8601",
    "query": "iso8601",
}
HEADER_FORMAT = "rfc822"
QUERY_STRING_FORMAT = "iso8601"


def read(value: str | float, form: str) -> datetime:
    """An aware UTC datetime; Malformed when the value is no such timestamp, or lies outside the years 1 to 9999."""
    try:
        if form.lower() == "unixtimestamp":
            return _from_epoch(float(value))
        if not isinstance(value, str):
            raise ValueError(value)
        moment = datetime.fromisoformat(value) if form.lower() == "iso8601" else parsedate_to_datetime(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError, TypeError, IndexError) as error:
        raise Malformed(f"{str(value)[:64]!r} is not a timestamp in the format {form}") from error


def epoch_number(moment: datetime) -> int | float:
    """Seconds since the epoch, exact to the millisecond: an int when whole, as AWS sends it."""
    milliseconds = (_utc(moment) - _EPOCH) // timedelta(milliseconds=1)
    return milliseconds // 1000 if milliseconds % 1000 == 0 else milliseconds / 1000


def write(moment: datetime, form: str) -> str:
    """The timestamp as text, in milliseconds where the format has a place for them."""
    form = form.lower()
    if form == "unixtimestamp":
        return str(epoch_number(moment))
    utc = _utc(moment)
    if form == "iso8601":
        return f"{utc.year:04d}{utc:-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"
    return format_datetime(utc, usegmt=True)


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise TypeError(f"{moment!r} has no time zone: handlers return aware datetimes")
    return moment.astimezone(UTC)


def _from_epoch(seconds: float) -> datetime:
    if not math.isfinite(seconds):
        raise ValueError(seconds)
    return _EPOCH + timedelta(microseconds=round(seconds * 1_000_000))
