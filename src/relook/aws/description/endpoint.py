"""Where a client sends its requests: to the endpoint it was given, and nowhere else.

The service that once answered at amazonaws.com is gone. A client that was told no endpoint gets an error that says what
to set, instead of a host name that does not resolve.
"""

from __future__ import annotations

from typing import Any

MISSING = (
    "Lookout for Vision has no endpoint at AWS any more. Name your Relook server: set AWS_ENDPOINT_URL "
    '(`eval "$(relook env)"` does), or pass --endpoint-url or endpoint_url.'
)


def endpoint_document() -> dict[str, Any]:
    """endpoint-rule-set-1.json, without which botocore makes no client."""
    return {
        "version": "1.0",
        "parameters": {
            "Endpoint": {
                "builtIn": "SDK::Endpoint",
                "required": False,
                "documentation": "The server to send requests to.",
                "type": "string",
            },
            "Region": {
                "builtIn": "AWS::Region",
                "required": False,
                "documentation": "The region that requests are signed for.",
                "type": "string",
            },
        },
        "rules": [
            {
                "type": "endpoint",
                "conditions": [{"fn": "isSet", "argv": [{"ref": "Endpoint"}]}],
                "endpoint": {"url": {"ref": "Endpoint"}, "properties": {}, "headers": {}},
            },
            {"type": "error", "conditions": [], "error": MISSING},
        ],
    }
