"""Python imports this by itself at its start: it leads clients of STS to the endpoint that AWS_ENDPOINT_URL names.

The SageMaker SDK, v2 and v3 alike, writes the address of Amazon's own STS into its clients, and so goes past every
setting. Here botocore gets one more step: an STS client for an address of Amazon's is made for AWS_ENDPOINT_URL_STS or
AWS_ENDPOINT_URL, if one of them is set. Everything else stays as it is, and a `sitecustomize` that there was before
still runs.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import re
import sys
from typing import Any

_MODULE = "botocore.session"
_AMAZON = re.compile(r"https://sts(?:\.[a-z0-9-]+)?\.amazonaws\.com/?")


class _Finder:
    """Finds `botocore.session` as Python would, once, and has it changed when it is loaded."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        if name != _MODULE:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is None or spec.loader is None:
            return None
        load = spec.loader.exec_module

        def exec_module(module: Any) -> None:
            load(module)
            redirect(module.Session)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def redirect(session: Any) -> None:
    """Change `create_client` of botocore's class Session."""
    create = session.create_client

    def create_client(self: Any, service_name: str, *given: Any, **more: Any) -> Any:
        ours = os.environ.get("AWS_ENDPOINT_URL_STS") or os.environ.get("AWS_ENDPOINT_URL")
        if ours and service_name == "sts" and _AMAZON.fullmatch(more.get("endpoint_url") or ""):
            more["endpoint_url"] = ours
        return create(self, service_name, *given, **more)

    session.create_client = create_client


def _run_the_one_before() -> None:
    here = os.path.realpath(os.path.dirname(__file__))
    others = [folder for folder in sys.path if os.path.realpath(folder) != here]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", others)
    if spec is not None and spec.loader is not None:
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)


if __name__ == "sitecustomize":  # not when somebody imports it to look at it
    if _MODULE in sys.modules:
        redirect(sys.modules[_MODULE].Session)
    else:
        sys.meta_path.insert(0, _Finder())
    _run_the_one_before()
