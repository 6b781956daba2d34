"""The handlers of the inference toolkit, one rule at a time: the host's own parts, in this process."""

from __future__ import annotations

import io
import json
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from relook.containers.embedded.host import codecs
from relook.containers.embedded.host.context import Context
from relook.containers.embedded.host.errors import InferenceError, MalformedBody, UnsupportedFormat
from relook.containers.embedded.host.handlers import HandlerError, Model, choose
from relook.containers.embedded.host.http import Request, Response
from relook.containers.embedded.host.runtimes import python

JSON, CSV, NPY = "application/json", "text/csv", "application/x-npy"


def module(**functions: Callable[..., Any]) -> types.ModuleType:
    made = types.ModuleType("inference")
    vars(made).update({"model_fn": lambda model_dir: "model"} | functions)
    return made


def invoke(
    body: bytes = b"[1]", content_type: str | None = JSON, accept: str | None = None, **functions: Callable[..., Any]
) -> Response:
    headers = {"content-type": content_type, "accept": accept}
    return _model(**functions).invoke(
        Request("POST", "/invocations", "", {name: value for name, value in headers.items() if value is not None}, body)
    )


def _model(default_accept: str = JSON, **functions: Callable[..., Any]) -> Model:
    return Model(choose(module(**functions), python), Context(Path("/opt/ml/model")), default_accept)


def test_input_predict_output_in_this_order_with_these_arguments() -> None:
    seen: list[tuple[object, ...]] = []

    def input_fn(data: Any, content_type: Any) -> str:
        seen.append((data, content_type))
        return "decoded"

    def predict_fn(data: Any, model: Any) -> str:
        seen.append((data, model))
        return "predicted"

    def output_fn(prediction: Any, accept: Any) -> str:
        seen.append((prediction, accept))
        return "answer"

    answer = invoke(b"abc", "x/y", "a/b", input_fn=input_fn, predict_fn=predict_fn, output_fn=output_fn)
    assert (answer.status, answer.body, answer.content_type) == (200, b"answer", "a/b")
    assert seen == [(b"abc", "x/y"), ("decoded", "model"), ("predicted", "a/b")]


def test_transform_takes_the_place_of_the_three() -> None:
    answer = invoke(
        b"abc", "x/y", "a/b", transform_fn=lambda model, data, kind, accept: repr((model, data, kind, accept))
    )
    assert answer.body == b"('model', b'abc', 'x/y', 'a/b')"


@pytest.mark.parametrize("name", ["input_fn", "predict_fn", "output_fn"])
def test_transform_beside_one_of_the_three_is_a_value_error(name: str) -> None:
    with pytest.raises(ValueError, match=f"transform_fn does the work of {name}"):
        choose(module(transform_fn=lambda a, b, c, d: "", **{name: lambda a, b: ""}), python)


def test_the_number_of_parameters_decides_on_the_context() -> None:
    def predict_fn(data: Any, model: Any, context: Context) -> list[Any]:
        return [context.system_properties["model_dir"], context.get_request_header(0, "Content-Type")]

    assert json.loads(invoke(predict_fn=predict_fn).body) == ["/opt/ml/model", JSON]
    answer = invoke(transform_fn=lambda m, d, c, a, context: context.model_name)
    assert answer.body == b"model"
    assert _model(model_fn=lambda folder, context: (folder, type(context)), predict_fn=lambda d, m: 0)


@pytest.mark.parametrize(
    ("name", "function"),
    [("predict_fn", lambda data: 0), ("predict_fn", lambda a, b, c, d: 0), ("output_fn", lambda: "")],
)
def test_any_other_number_of_parameters_is_a_type_error(name: str, function: Callable[..., Any]) -> None:
    answer = invoke(**{"predict_fn": lambda data, model: data} | {name: function})
    assert answer.status == 500
    assert answer.body.startswith(f"{name} takes ".encode())
    assert b"\nTraceback" in answer.body
    assert b"TypeError" in answer.body


def test_a_wrong_model_fn_ends_the_start() -> None:
    with pytest.raises(TypeError, match="model_fn takes 3 parameters; it is given 1, or 2 with the context"):
        _model(model_fn=lambda a, b, c: 0, predict_fn=lambda d, m: 0)


def test_before_and_after_the_model_is_loaded() -> None:
    seen: list[object] = []
    _model(
        pre_model_fn=lambda folder: seen.append(("pre", folder)),
        model_fn=lambda folder: seen.append("load") or "it",
        model_warmup_fn=lambda folder, model: seen.append(("warm", folder, model)),
        predict_fn=lambda data, model: data,
    )
    assert seen == [("pre", "/opt/ml/model"), "load", ("warm", "/opt/ml/model", "it")]


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [
        (JSON, str),
        (CSV, str),
        ("application/json; charset=utf-8", str),
        ("text/plain", bytes),
        (NPY, bytes),
        (None, bytes),
    ],
)
def test_only_json_and_csv_reach_input_fn_as_text(content_type: str | None, kind: type) -> None:
    answer = invoke(
        "ü".encode(),
        content_type,
        input_fn=lambda data, content_type: type(data),
        predict_fn=lambda data, model: data is kind,
    )
    assert answer.body == b"true"


@pytest.mark.parametrize(("accept", "used"), [(None, "d/d"), ("", "d/d"), ("*/*", "d/d"), ("a/b", "a/b")])
def test_no_accept_means_the_default(accept: str | None, used: str) -> None:
    model = _model("d/d", predict_fn=lambda data, model: data, output_fn=lambda prediction, accept: accept)
    headers = {"content-type": JSON} | ({} if accept is None else {"accept": accept})
    answer = model.invoke(Request("POST", "/invocations", "", headers, b"[]"))
    assert (answer.body.decode(), answer.content_type) == (used, used)


def test_output_may_name_its_content_type_and_the_context_may() -> None:
    assert invoke(transform_fn=lambda m, d, c, a: (b"x", "image/png")).content_type == "image/png"

    def with_context(model: Any, data: Any, content_type: Any, accept: Any, context: Context) -> str:
        context.set_response_content_type(0, "image/gif")
        context.set_response_header(0, "X-Amzn-SageMaker-Custom-Attributes", "mine")
        context.set_response_status(202, "Taken")
        return ""

    answer = invoke(transform_fn=with_context)
    assert (answer.content_type, answer.status, answer.phrase) == ("image/gif", 202, "Taken")
    assert answer.headers == {"X-Amzn-SageMaker-Custom-Attributes": "mine"}


def test_an_iterator_is_sent_piece_by_piece() -> None:
    answer = invoke(transform_fn=lambda m, d, c, a: (each for each in ("a", b"b")))
    assert answer.pieces is not None
    assert list(answer.pieces) == [b"a", b"b"]


def test_what_is_no_answer_is_an_error() -> None:
    answer = invoke(transform_fn=lambda m, d, c, a: {"a": 1})
    assert (answer.status, b"gave dict" in answer.body) == (500, True)


def test_an_exception_is_its_message_and_its_trace(capsys: pytest.CaptureFixture[str]) -> None:
    def predict_fn(data: Any, model: Any) -> None:
        raise KeyError("the model's own words")

    answer = invoke(predict_fn=predict_fn)
    first, _, trace = answer.body.decode().partition("\n")
    assert (answer.status, first) == (500, '"the model\'s own words"')
    assert trace.startswith("Traceback (most recent call last)")
    assert "in predict_fn" in trace
    assert "in predict_fn" in capsys.readouterr().out, "the log has it, too"


def test_an_error_may_choose_its_status() -> None:
    def predict_fn(data: Any, model: Any) -> None:
        raise InferenceError(422, "too blue", "Unprocessable")

    answer = invoke(predict_fn=predict_fn)
    assert (answer.status, answer.phrase, answer.body) == (422, "Unprocessable", b"InferenceError: too blue")


def test_who_is_to_blame_is_not_told_where_our_files_lie(capsys: pytest.CaptureFixture[str]) -> None:
    answer = invoke(b"[1,", predict_fn=lambda data, model: data)
    assert (answer.status, answer.body.split(b":")[0]) == (400, b"MalformedBody")
    assert b"Traceback" not in answer.body
    assert b".py" not in answer.body
    logged = capsys.readouterr().out
    assert "Traceback" in logged
    assert "codecs.py" in logged


def test_exit_ends_the_call_alone() -> None:
    def predict_fn(data: Any, model: Any) -> None:
        raise SystemExit(3)

    assert invoke(predict_fn=predict_fn).status == 500


def test_an_unsupported_type_is_415_in_and_out() -> None:
    assert invoke(content_type="x/y", predict_fn=lambda d, m: d).status == 415
    answer = invoke(accept="x/y", predict_fn=lambda d, m: d)
    assert answer.status == 415
    assert answer.body.startswith(b"UnsupportedFormat: Content type x/y is not supported by ")


def test_a_missing_handler_is_named() -> None:
    with pytest.raises(HandlerError, match=r"no predict_fn: define it in code/inference\.py"):
        choose(module(), python)
    with pytest.raises(HandlerError, match="no model_fn"):
        choose(None, python)


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        ("[[1, 2], [3, 4.5]]", JSON, [[1, 2], [3, 4.5]]),
        ("1,2,3", CSV, [1, 2, 3]),
        ("1\n2\n", CSV, [1, 2]),
        ("1.5,2\n3,4\n", CSV, [[1.5, 2], [3, 4]]),
        ('"a,b",c\n', CSV, ["a,b", "c"]),
    ],
)
def test_decoding(body: str, content_type: str, expected: object) -> None:
    assert codecs.decode(body, content_type).tolist() == expected


def test_arrays_go_both_ways() -> None:
    array = np.array([[1.5, 2], [3, 4]], np.float32)
    for content_type in (JSON, CSV, NPY):
        again = codecs.decode(codecs.encode(array, content_type), content_type)
        assert again.tolist() == array.tolist()
    assert codecs.encode(array, CSV) == "1.5,2.0\n3.0,4.0\n"
    assert codecs.encode([1, 2], CSV) == "1\n2\n"
    assert codecs.encode({"a": np.int64(1), "b": array}, JSON) == '{"a": 1, "b": [[1.5, 2.0], [3.0, 4.0]]}'


def test_npz_is_read_dense_and_sparse() -> None:
    from scipy import sparse

    room = io.BytesIO()
    np.savez(room, first=np.arange(3))
    assert codecs.decode(room.getvalue(), "application/x-npz").tolist() == [0, 1, 2]
    room = io.BytesIO()
    sparse.save_npz(room, sparse.csr_matrix(np.eye(2)))
    assert codecs.decode(room.getvalue(), "application/x-npz").toarray().tolist() == [[1, 0], [0, 1]]  # type: ignore[attr-defined]


def test_no_pickle_is_read_from_a_body() -> None:
    room = io.BytesIO()
    np.save(room, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle"):
        codecs.decode(room.getvalue(), NPY)


def test_what_json_cannot_say_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="set has no JSON form"):
        codecs.encode({"a": {1}}, JSON)
    with pytest.raises(UnsupportedFormat):
        codecs.decode(b"", None)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        *((body, JSON) for body in (b"{", b"", b"[[1], [2, 3]]", b"\xff")),
        *((body, CSV) for body in (b"1,2\n3\n", b"\xff")),
        *((body, kind) for body in (b"", b"junk") for kind in (NPY, "application/x-npz")),
    ],
)
def test_a_body_that_cannot_be_read_is_the_callers_mistake(body: bytes, content_type: str) -> None:
    answer = invoke(body, content_type, predict_fn=lambda data, model: data)
    assert answer.status == 400
    assert answer.body.startswith(f"MalformedBody: the {content_type} body cannot be read: ".encode())


def test_scripts_that_catch_what_the_toolkits_decoder_raises_go_on() -> None:
    with pytest.raises(ValueError, match="Expecting value") as caught:
        codecs.decode("", JSON)
    assert isinstance(caught.value, MalformedBody)


def test_what_would_be_supported_is_told() -> None:
    with pytest.raises(UnsupportedFormat, match=r"which knows application/json, text/csv, application/x-npy\)"):
        codecs.encode([1], "image/png")
    assert b"Content type (none given) is" in invoke(content_type="", predict_fn=lambda data, model: data).body


def test_a_script_that_closes_standard_output_goes_on_telling_its_errors(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def predict_fn(data: Any, model: Any) -> None:
        sys.stdout.close()
        raise ValueError("no good")

    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert invoke(predict_fn=predict_fn).body.startswith(b"no good\nTraceback")
    assert "ValueError: no good" in capsys.readouterr().err
