"""A model with its handlers: whose functions are called, with what, and what becomes of their answer.

After SageMaker's inference toolkit: model_fn, and then either transform_fn or input_fn, predict_fn and output_fn; a
handler gets the context if it has one parameter more than it needs.
"""

from __future__ import annotations

import inspect
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from types import ModuleType
from typing import Any

from relook.containers.embedded.host import codecs
from relook.containers.embedded.host.context import Context
from relook.containers.embedded.host.errors import InferenceError, MalformedBody
from relook.containers.embedded.host.http import Request, Response

_ANY = "*/*"
_PARTS = ("input_fn", "predict_fn", "output_fn")
_PARAMETERS = {
    "pre_model_fn": 1,
    "model_fn": 1,
    "model_warmup_fn": 2,
    "transform_fn": 4,
    "input_fn": 2,
    "predict_fn": 2,
    "output_fn": 2,
}


class HandlerError(Exception):
    """The handlers cannot be used together, or one is missing; the message says what to change."""


@dataclass(frozen=True, slots=True)
class Handlers:
    """The functions of one model: the user's, then the runtime's, then the codecs'."""

    functions: dict[str, Callable[..., Any]]

    def call(self, name: str, context: Context, *arguments: Any) -> Any:
        """TypeError for a handler with any other number of parameters."""
        function = self.functions[name]
        takes, given = len(inspect.signature(function).parameters), len(arguments)
        if takes == given:
            return function(*arguments)
        if takes == given + 1:
            return function(*arguments, context)
        raise TypeError(f"{name} takes {takes} parameters; it is given {given}, or {given + 1} with the context")

    def has(self, name: str) -> bool:
        return name in self.functions


def choose(user: ModuleType | None, runtime: ModuleType) -> Handlers:
    """Raises ValueError for transform_fn beside the three that it replaces, HandlerError for what is missing."""
    theirs = {name: getattr(user, name) for name in _PARAMETERS if callable(getattr(user, name, None))}
    mixed = [name for name in _PARTS if name in theirs]
    if "transform_fn" in theirs and mixed:
        raise ValueError(f"transform_fn does the work of {', '.join(mixed)}: define it or them, not both")
    ours = {name: getattr(runtime, name) for name in _PARAMETERS if hasattr(runtime, name)}
    functions = {"input_fn": codecs.decode, "output_fn": codecs.encode} | ours | theirs
    for name in ("model_fn", "predict_fn"):
        if name not in functions and not (name == "predict_fn" and "transform_fn" in functions):
            raise HandlerError(f"there is no {name}: define it in code/inference.py of the model data")
    return Handlers(functions)


class Model:
    """A loaded model. One call at a time: the caller sees to that."""

    def __init__(self, handlers: Handlers, context: Context, accept: str) -> None:
        """Loads it, which may raise anything: it is the user's code."""
        self._handlers = handlers
        self._context = context
        self._accept = accept
        folder = str(context.model_dir)
        if handlers.has("pre_model_fn"):
            handlers.call("pre_model_fn", context, folder)
        self._model = handlers.call("model_fn", context, folder)
        if handlers.has("model_warmup_fn"):
            handlers.call("model_warmup_fn", context, folder, self._model)

    def invoke(self, request: Request) -> Response:
        """Never raises: what the handlers raise becomes an answer, see `failure`."""
        context = Context(self._context.model_dir, self._context.model_name, request.headers)
        try:
            return self._answer(request, context)
        except InferenceError as error:
            return failure(error.status_code, error.message, error.phrase)
        except BaseException as error:  # SystemExit, too, ends no more than this call
            phrase = HTTPStatus.INTERNAL_SERVER_ERROR.phrase
            return failure(500, str(error) or type(error).__name__, phrase)

    def _answer(self, request: Request, context: Context) -> Response:
        content_type = request.headers.get("content-type")
        accept = request.headers.get("accept")
        if not accept or accept == _ANY:
            accept = self._accept
        body: str | bytes = request.body
        if codecs.kind(content_type) in codecs.UTF8:
            body = _text(request.body, content_type)
        answer, content_type = self._transform(body, content_type, accept, context), accept
        if isinstance(answer, tuple) and len(answer) == 2:
            answer, content_type = answer
        whole, pieces = _as_body(answer)
        content_type = context.content_type or content_type
        return Response(context.status, whole, pieces, content_type, context.response_headers, context.phrase)

    def _transform(self, body: str | bytes, content_type: str | None, accept: str, context: Context) -> Any:
        call = self._handlers.call
        if self._handlers.has("transform_fn"):
            return call("transform_fn", context, self._model, body, content_type, accept)
        data = call("input_fn", context, body, content_type)
        return call("output_fn", context, call("predict_fn", context, data, self._model), accept)


def failure(status: int, message: str, phrase: str | None = None) -> Response:
    """The answer for the exception being handled, whose trace is printed, for the log.

    "<type>: <message>" where the caller is to blame, who has no use for our files' names; else, as SageMaker's toolkit
    does it, "<message>\\n<trace>".
    """
    trace = traceback.format_exc()
    print(trace, end="", file=sys.stderr if sys.stdout.closed else sys.stdout, flush=True)  # a script may close it
    kind = sys.exc_info()[0]
    name = kind.__name__ if kind is not None else "error"
    text = f"{name}: {message}" if 400 <= status < 500 else f"{message}\n{trace}"
    return Response(status, text.encode(), content_type="text/plain", phrase=phrase)


def _text(body: bytes, content_type: str | None) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedBody(codecs.kind(content_type), error) from error


def _as_body(answer: Any) -> tuple[bytes, Iterable[bytes] | None]:
    if isinstance(answer, str):
        return answer.encode("utf-8"), None
    if isinstance(answer, bytes | bytearray | memoryview):
        return bytes(answer), None
    if answer is None:
        return b"", None
    if isinstance(answer, Iterator):
        return b"", (each.encode("utf-8") if isinstance(each, str) else each for each in answer)
    kind = type(answer).__name__
    raise TypeError(f"output_fn or transform_fn gave {kind}; an answer is text, bytes, or an iterator of these")
