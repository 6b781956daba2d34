"""Who is calling, and how resources are named."""

from __future__ import annotations

import re
from dataclasses import dataclass

PARTITION = "aws"
ACCOUNT_PATTERN = re.compile(r"\d{12}")
REGION_PATTERN = re.compile(r"[a-z]{2,4}(-[a-z]+)+-\d{1,2}")


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller: the ARN policies name, and the access key that signed."""

    account: str
    arn: str
    user_id: str
    access_key_id: str


@dataclass(frozen=True, slots=True)
class Arn:
    """An Amazon Resource Name, `arn:partition:service:region:account:resource`."""

    service: str
    region: str
    account: str
    resource: str
    partition: str = PARTITION

    def __str__(self) -> str:
        return f"arn:{self.partition}:{self.service}:{self.region}:{self.account}:{self.resource}"

    @classmethod
    def parse(cls, text: str) -> Arn:
        """Split an ARN; ValueError names the text when it is none."""
        parts = text.split(":", 5)
        if len(parts) != 6 or parts[0] != "arn" or not parts[2] or not parts[5]:
            raise ValueError(f"{text!r} is not an ARN: expected arn:partition:service:region:account:resource")
        return cls(service=parts[2], region=parts[3], account=parts[4], resource=parts[5], partition=parts[1])
