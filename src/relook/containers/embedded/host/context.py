"""The context that handlers may ask for, with the members that SageMaker's inference toolkit gives it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(slots=True)
class Context:
    """One per call of a model, and one while it is loaded. `index` counts the requests of a batch: always 0 here."""

    model_dir: Path
    model_name: str = "model"
    request_headers: Mapping[str, str] = field(default_factory=dict)
    response_headers: dict[str, str] = field(default_factory=dict)
    content_type: str | None = None
    status: int = 200
    phrase: str | None = None

    @property
    def system_properties(self) -> dict[str, Any]:
        return {"model_dir": str(self.model_dir), "gpu_id": None, "batch_size": 1, "server_name": "relook"}

    @property
    def manifest(self) -> dict[str, Any]:
        return {"model": {"modelName": self.model_name}}

    def get_request_header(self, index: int, key: str) -> str | None:
        """Upper and lower case are one."""
        return self.request_headers.get(key.lower())

    def get_all_request_header(self, index: int) -> dict[str, str]:
        return dict(self.request_headers)

    def set_response_header(self, index: int, key: str, value: str) -> None:
        self.response_headers[key] = value

    def set_response_content_type(self, index: int, value: str) -> None:
        self.content_type = value

    def set_response_status(self, code: int = 200, phrase: str = "", index: int = 0) -> None:
        self.status, self.phrase = code, phrase or None
