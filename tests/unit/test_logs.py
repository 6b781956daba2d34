from __future__ import annotations

import json
import logging

from relook.logs import JsonLines


def line_of(**changes: object) -> dict[str, object]:
    record = logging.LogRecord("name", logging.WARNING, "", 0, "said %s\n", ("ü",), None)
    vars(record).update(changes)
    text = JsonLines().format(record)
    assert "\n" not in text
    parsed: dict[str, object] = json.loads(text)
    return parsed


def test_a_record_is_one_line_with_its_extra_fields() -> None:
    line = line_of(status=200, error_code=None, odd=object)
    assert (line["level"], line["logger"], line["message"], line["status"]) == ("warning", "name", "said ü\n", 200)
    assert "error_code" not in line
    assert line["odd"] == "<class 'object'>"


def test_an_exception_stays_in_the_line() -> None:
    try:
        raise ValueError("why")
    except ValueError as error:
        line = line_of(exc_info=(ValueError, error, error.__traceback__))
    assert "ValueError: why" in str(line["exception"])
