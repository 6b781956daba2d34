"""What a client may believe: for each thing, the states that its acknowledged calls leave possible."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

ABSENT = "absent"
REFUSALS = frozenset(
    {
        "ConflictException",
        "ServiceQuotaExceededException",
        "ThrottlingException",
        # Rekognition's
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "ResourceInUseException",
        "ResourceNotReadyException",
    }
)
"""Answers that a load may get in passing."""


class Unreachable(Exception):
    """The call was not answered: it may have been carried out, or not."""


class Violation(Exception):
    """The server broke its word."""


@dataclass
class Fact:
    """One thing and the states it may be in. It is changed by one actor alone, so it needs no lock."""

    what: str
    possible: set[Hashable] = field(default_factory=lambda: {ABSENT})

    @property
    def certain(self) -> bool:
        return len(self.possible) == 1

    def is_only(self, state: Hashable) -> bool:
        return self.possible == {state}

    def observe(self, state: Hashable) -> None:
        """It was seen in `state`, so it is in that one. Raises Violation if it could not be."""
        if state not in self.possible:
            raise Violation(f"{self.what} is {_short(state)}, but can only be {[_short(one) for one in self.possible]}")
        self.possible = {state}


class Journal:
    """Every fact, what was counted on the way, and what went wrong."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self.counts: Counter[str] = Counter()
        self.violations: list[str] = []
        self._lock = threading.Lock()

    def fact(self, what: str) -> Fact:
        made = Fact(what)
        with self._lock:
            self.facts.append(made)
        return made

    def count(self, what: str) -> None:
        with self._lock:
            self.counts[what] += 1

    def blame(self, error: object) -> None:
        with self._lock:
            self.violations.append(str(error))

    @contextmanager
    def changing(self, fact: Fact, *after: Hashable) -> Iterator[None]:
        """Around one call that brings `fact` into one of the states `after` if it is acknowledged.

        Not answered: it may be in them, or where it was. Refused: nothing was done. Raises as `calling`.
        """
        before = fact.possible
        fact.possible = before | set(after)
        with self.calling(fact.what):
            try:
                yield
            except ClientError as error:
                if _status(error) < 500:
                    fact.possible = before
                raise
        fact.possible = set(after)

    @contextmanager
    def calling(self, what: str, refusals: frozenset[str] = REFUSALS) -> Iterator[None]:
        """Around one call. Raises Unreachable, Refused, and Violation for an answer that must not be given."""
        try:
            yield
            self.count("acknowledged")
        except BotoCoreError as error:
            self.count("not answered")
            raise Unreachable(what) from error
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code not in refusals:
                raise Violation(f"{what}: {error} (status {_status(error)})") from error
            self.count(code)
            raise Refused(code) from error


class Refused(Exception):
    """The server said no, for now."""


def _status(error: ClientError) -> int:
    return int(error.response["ResponseMetadata"]["HTTPStatusCode"])


def _short(state: Any) -> str:
    text = repr(sorted(state)) if isinstance(state, frozenset) else repr(state)
    return text if len(text) < 300 else text[:300] + "..."
