"""What can go wrong in the demonstration; every message reaches the user as it is."""

from __future__ import annotations


class DemoError(Exception):
    """Names the thing, the rule and the fix."""


class PicturesError(DemoError):
    """The folder or manifest cannot be used."""


class ServerError(DemoError):
    """The server did not start, or did not end as it should."""


class ServiceError(DemoError):
    """A call, a dataset, a training or a hosting failed."""
