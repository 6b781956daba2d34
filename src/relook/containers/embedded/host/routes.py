"""Paths to answers: the serving contract of SageMaker's containers."""

from __future__ import annotations

import errno
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from relook.containers.embedded.host.handlers import failure
from relook.containers.embedded.host.http import Request, Response
from relook.containers.embedded.host.registry import AlreadyLoaded, Entry, NoModelData, NotLoaded, Registry
from relook.containers.embedded.host.settings import HostSettings

ONLY = "model"
"""The name of a container's one model."""
_PAGE = 100


class Routes:
    """What a worker answers; called on many threads."""

    def __init__(self, registry: Registry, settings: HostSettings) -> None:
        self._registry = registry
        self._settings = settings

    def __call__(self, request: Request) -> Response:
        match request.method, request.path.rstrip("/").split("/")[1:]:
            case "GET", ["ping"]:
                return Response()
            case "GET", ["execution-parameters"] if self._settings.batch:
                return _json(self._settings.batch)
            case "POST", ["invocations"] if not self._settings.multi_model:
                return self._registry.invoke(ONLY, request)
            case method, ["models", *rest] if self._settings.multi_model:
                try:
                    return self._models(method, rest, request)
                except NotLoaded as error:
                    return _says(404, f"the model {error} is not loaded")
        return _says(404, f"there is no {request.method} {request.path} here")

    def _models(self, method: str, rest: list[str], request: Request) -> Response:
        match method, rest:
            case "POST", []:
                return self._load(request)
            case "GET", []:
                return self._list(request)
            case "GET", [name]:
                return _json(_described(self._registry.entry(name)))
            case "DELETE", [name]:
                self._registry.unload(name)
                return _says(200, f"the model {name} is unloaded")
            case "POST", [name, "invoke"]:
                return self._registry.invoke(name, request)
        return _says(404, f"there is no {request.method} {request.path} here")

    def _load(self, request: Request) -> Response:
        try:
            asked = json.loads(request.body)
            name, url = str(asked["model_name"]), str(asked["url"])
        except (ValueError, KeyError, TypeError):
            return _says(400, 'the body must be {"model_name": .., "url": ..}')
        try:
            self._registry.load(name, url)
        except AlreadyLoaded:
            return _says(409, f"the model {name} is loaded already")
        except NoModelData as error:
            return _says(404, f"the model {name} cannot be loaded: there is no folder {error}")
        except MemoryError:
            return failure(507, f"no memory for the model {name}")
        except BaseException as error:
            if isinstance(error, OSError) and error.errno == errno.ENOMEM:
                return failure(507, f"no memory for the model {name}")
            return failure(500, str(error) or type(error).__name__)
        return _says(200, f"the model {name} is loaded")

    def _list(self, request: Request) -> Response:
        token = parse_qs(request.query).get("next_page_token", ["0"])[0]
        start = int(token) if token.isdecimal() else 0
        entries = self._registry.entries()
        page: dict[str, Any] = {"models": [_described(each) for each in entries[start : start + _PAGE]]}
        if len(entries) > start + _PAGE:
            page["nextPageToken"] = str(start + _PAGE)
        return _json(page)


def _described(entry: Entry) -> dict[str, str]:
    return {"modelName": entry.name, "modelUrl": entry.url}


def _json(value: Mapping[str, Any]) -> Response:
    return Response(body=json.dumps(value).encode(), content_type="application/json")


def _says(status: int, text: str) -> Response:
    return Response(status, text.encode(), content_type="text/plain")
