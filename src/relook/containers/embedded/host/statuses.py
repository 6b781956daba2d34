"""How a worker tells the first process why it ends."""

from __future__ import annotations

NOT_LOADED = 3
"""Its model could not be loaded; another try would end the same way."""
SERVER_GONE = 4
"""Nobody will ask any more."""
EXPIRED = 75
"""A call took too long."""
