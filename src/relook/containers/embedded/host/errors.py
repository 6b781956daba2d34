"""What a handler may raise to choose the answer's status.

InferenceError            an answer with a status of its own
 +-- UnsupportedFormat    no codec for this content type (415)
"""

from __future__ import annotations


class InferenceError(Exception):
    """`message` begins the answer's body, `phrase` goes into its status line."""

    def __init__(self, status_code: int, message: str, phrase: str) -> None:
        super().__init__(status_code, message, phrase)
        self.status_code = status_code
        self.message = message
        self.phrase = phrase


class UnsupportedFormat(InferenceError):
    """Nothing decodes or encodes this content type."""

    def __init__(self, content_type: object) -> None:
        text = f"Content type {content_type} is not supported by this runtime: write an input_fn or output_fn for it"
        super().__init__(415, text, "Unsupported Media Type")
