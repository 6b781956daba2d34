"""What the environment tells the host: the variables that SageMaker's inference toolkit reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_JSON = "application/json"
LARGEST_MB = 100
"""The largest body where SAGEMAKER_MAX_PAYLOAD_IN_MB says nothing: what a batch transform may send."""


class SettingError(Exception):
    """A variable cannot be used; the message names it, its value and the rule."""


@dataclass(frozen=True, slots=True)
class HostSettings:
    """`timeout` in seconds, for one call of a model; `program` is the file name of the user's handlers."""

    base: Path
    program: str
    accept: str
    workers: int
    timeout: float
    multi_model: bool
    largest: int
    batch: Mapping[str, int | str]
    """What /execution-parameters answers; empty where nothing was said."""

    @property
    def model(self) -> Path:
        return self.base / "model"

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> HostSettings:
        """Raises SettingError."""
        whole = _Reader(environment)
        multi = environment.get("SAGEMAKER_MULTI_MODEL", "").lower() == "true"
        seconds = whole.number("SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS", 0)
        return cls(
            base=Path(environment.get("SAGEMAKER_BASE_DIR", "/opt/ml")),
            program=environment.get("SAGEMAKER_PROGRAM") or "inference.py",
            accept=environment.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT") or _JSON,
            workers=1 if multi else max(1, whole.number("SAGEMAKER_MODEL_SERVER_WORKERS", 1)),
            timeout=seconds or whole.number("SAGEMAKER_MODEL_SERVER_TIMEOUT", 60),
            multi_model=multi,
            largest=(whole.number("SAGEMAKER_MAX_PAYLOAD_IN_MB", 0) or LARGEST_MB) * 2**20,
            batch=_batch(environment, whole),
        )


class _Reader:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def number(self, name: str, otherwise: int) -> int:
        text = self._environment.get(name, "")
        if not text:
            return otherwise
        if not text.isdecimal():
            raise SettingError(f"{name} is {text!r}: it takes a whole number")
        return int(text)


def _batch(environment: Mapping[str, str], whole: _Reader) -> dict[str, int | str]:
    """SageMaker's own names for what it told us of the batch transform."""
    if environment.get("SAGEMAKER_BATCH", "").lower() != "true":
        return {}
    return {
        "MaxConcurrentTransforms": whole.number("SAGEMAKER_MAX_CONCURRENT_TRANSFORMS", 1),
        "BatchStrategy": environment.get("SAGEMAKER_BATCH_STRATEGY") or "MULTI_RECORD",
        "MaxPayloadInMB": whole.number("SAGEMAKER_MAX_PAYLOAD_IN_MB", 6),
    }
