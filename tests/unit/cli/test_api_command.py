"""`relook api` tells what the server offers, and the page in the documentation says the same."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from relook.cli import main

PAGE = Path(__file__).parents[3] / "docs" / "api-coverage.md"


def told(*options: str) -> str:
    done = CliRunner().invoke(main, ["api", *options])
    assert done.exit_code == 0, done.output
    return done.output


def test_the_page_is_what_the_code_offers() -> None:
    assert PAGE.read_text("utf-8") == told("--markdown"), "make it anew: relook api --markdown >docs/api-coverage.md"


def test_operations_are_listed_by_service() -> None:
    found = json.loads(told("--json"))
    assert found["sts"] == ["GetCallerIdentity"]
    assert {"CreateModel", "CreateModelPackage", "ListTags"} <= set(found["sagemaker"])
    assert "StartModelPackagingJob" not in found["lookoutvision"]
    lines = told().splitlines()
    assert lines == [f"{service} {operation}" for service, operations in found.items() for operation in operations]
