"""What a handler may raise to choose the answer's status.

InferenceError            an answer with a status of its own
 +-- UnsupportedFormat    no codec for this content type (415)
 +-- MalformedBody        a body that is not what its content type says (400)
"""

from __future__ import annotations

from collections.abc import Sequence


class InferenceError(Exception):
    """`message` is told in the answer's body, `phrase` in its status line."""

    def __init__(self, status_code: int, message: str, phrase: str) -> None:
        super().__init__(status_code, message, phrase)
        self.status_code = status_code
        self.message = message
        self.phrase = phrase


class UnsupportedFormat(InferenceError):
    """Nothing decodes or encodes this content type."""

    def __init__(self, content_type: object, known: Sequence[str] = ()) -> None:
        """`known` are the types that would do."""
        which = f" (which knows {', '.join(known)})" if known else ""
        text = f"Content type {content_type or '(none given)'} is not supported by this runtime{which}"
        super().__init__(415, f"{text}: write an input_fn or output_fn for it", "Unsupported Media Type")


class MalformedBody(InferenceError, ValueError):
    """The caller's mistake, not the model's. A ValueError, as what the decoders of SageMaker's toolkit raise."""

    def __init__(self, content_type: str, why: object) -> None:
        super().__init__(400, f"the {content_type} body cannot be read: {why}", "Bad Request")
