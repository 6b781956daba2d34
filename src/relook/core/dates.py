"""Dates as annotation tools write them, and as the service does."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

from relook.core.clock import as_datetime

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_JAVASCRIPT = re.compile(
    r"[A-Z][a-z]{2} (?P<month>[A-Z][a-z]{2}) (?P<day>\d{1,2}) (?P<year>\d{4}) "
    r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d) GMT(?P<sign>[+-])(?P<zone>\d{4})(?: \(.*\))?"
)


def parse_date(text: object) -> int | None:
    """Milliseconds since the epoch of an ISO 8601 date (UTC unless it says) or a JavaScript `Date` string.

    None for anything else: manifests carry dates for information, and a strange one must not cost an image.
    """
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment_or_none = _javascript(text)
        if moment_or_none is None:
            return None
        moment = moment_or_none
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return to_milliseconds(moment)


def to_milliseconds(moment: datetime) -> int:
    """Whole milliseconds since the epoch of an aware datetime; a naive one is taken as UTC."""
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(milliseconds=1)


def iso(milliseconds: int) -> str:
    """`2020-11-10T03:37:09.600Z`."""
    return as_datetime(milliseconds).strftime("%Y-%m-%dT%H:%M:%S.") + f"{milliseconds % 1000:03d}Z"


def _javascript(text: str) -> datetime | None:
    found = _JAVASCRIPT.fullmatch(text)
    if found is None or found["month"] not in _MONTHS:
        return None
    zone = timedelta(hours=int(found["zone"][:2]), minutes=int(found["zone"][2:]))
    try:
        return datetime(
            int(found["year"]),
            _MONTHS.index(found["month"]) + 1,
            int(found["day"]),
            int(found["hour"]),
            int(found["minute"]),
            int(found["second"]),
            tzinfo=timezone(-zone if found["sign"] == "-" else zone),
        )
    except ValueError:
        return None
