"""The rules of batch transform: how objects become requests, and answers one output object each. No I/O but reading.

BatchError           the data or the settings do not fit; the message is for the user
 +-- BadPath         a filter is no path of the supported kind; says where
 +-- BadRecord       a record cannot be split off, filtered or joined; says which
 +-- PayloadTooLarge a record or an object is larger than MaxPayloadInMB
 +-- BadInput        the manifest, or the names of inputs and outputs
"""

from __future__ import annotations


class BatchError(Exception):
    """The data or the settings do not fit."""


class BadPath(BatchError):
    """A filter is no path of the supported kind."""


class BadRecord(BatchError):
    """A record cannot be split off, filtered or joined."""


class PayloadTooLarge(BatchError):
    """A record or an object is larger than MaxPayloadInMB."""


class BadInput(BatchError):
    """The manifest, or the names of inputs and outputs, cannot be used."""
