"""DataProcessing: records filtered before the model sees them, its answers joined to them and filtered.

A record is a JSON value or a row of CSV, whose columns make an array of texts.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NoReturn

from relook.core.batch import BadRecord
from relook.core.batch.paths import WHOLE, Path

JOINED = "SageMakerOutput"
INPUT = "SageMakerInput"


class Format(StrEnum):
    """What filters and joins can read. `JSON` is one document, or one for each record."""

    JSON = "application/json"
    JSON_LINES = "application/jsonlines"
    CSV = "text/csv"


_FORMATS = {
    "application/json": Format.JSON,
    "application/jsonlines": Format.JSON_LINES,
    "application/jsonl": Format.JSON_LINES,
    "application/x-jsonlines": Format.JSON_LINES,
    "application/x-ndjson": Format.JSON_LINES,
    "text/csv": Format.CSV,
}
KNOWN = ", ".join(Format)


def format_of(content_type: str | None) -> Format | None:
    """The format that a content type names, parameters apart; None where it is none of ours."""
    return _FORMATS.get((content_type or "").partition(";")[0].strip().lower())


@dataclass(frozen=True, slots=True)
class Processing:
    input_filter: Path = WHOLE
    output_filter: Path = WHOLE
    join: bool = False

    @property
    def of_answers(self) -> bool:
        """Whether answers have to be understood, and not only passed on."""
        return self.join or not self.output_filter.whole

    def request(self, record: bytes, form: Format | None) -> bytes:
        """What the model gets of a record, with its line ends as they are. BadRecord."""
        if self.input_filter.whole:
            return record
        known = _known(form, "InputFilter", "ContentType")
        ending = record[len(record.rstrip(b"\r\n")) :]
        lines = _units(record, known, known is not Format.JSON)
        kept = [_text(self.input_filter.choose(_value(line, known)), known) for line in lines]
        return "\n".join(kept).encode() + ending

    def answer(self, inputs: Sequence[bytes], answer: bytes, given: Format | None, got: Format | None) -> bytes:
        """The answer to a request of these (unfiltered) records, joined and filtered. BadRecord."""
        if not self.of_answers:
            return answer
        known = _known(got, "JoinSource" if self.join else "OutputFilter", "Accept or the answer's content type")
        rows = self._inputs(inputs, given) if self.join else []
        several = known is not Format.JSON or max(len(inputs), len(rows)) > 1
        answers = _units(answer, known, several)
        if self.join and len(answers) != len(rows):
            raise BadRecord(f"{len(answers)} records were answered for {len(rows)}: JoinSource needs one for each")
        ending = answer[len(answer.rstrip(b"\r\n")) :]
        lines = [self._finish(number, rows, each, given, known) for number, each in enumerate(answers)]
        return "\n".join(lines).encode() + ending

    def _inputs(self, inputs: Sequence[bytes], given: Format | None) -> list[str]:
        known = _known(given, "JoinSource", "ContentType")
        return [unit for each in inputs for unit in _units(each, known, known is not Format.JSON)]

    def _finish(self, number: int, rows: Sequence[str], answer: str, given: Format | None, got: Format) -> str:
        try:
            if not self.join:
                return _text(self.output_filter.choose(_value(answer, got)), got)
            assert given is not None
            joined = _joined(_value(rows[number], given), answer, given, got)
            return _text(self.output_filter.choose(joined), given)
        except BadRecord as error:
            raise BadRecord(f"answer {number + 1}: {error}") from None


def _joined(record: Any, answer: str, given: Format, got: Format) -> Any:
    if given is Format.CSV:
        return [*record, *(_value(answer, got) if got is Format.CSV else [_text(_value(answer, got), got)])]
    output = answer if got is Format.CSV else _value(answer, got)
    if isinstance(record, dict):
        return {**record, JOINED: output}
    return {INPUT: record, JOINED: output}


def _known(form: Format | None, member: str, where: str) -> Format:
    if form is None:
        raise BadRecord(f"{member} can be applied to {KNOWN} only: {where} names another type")
    return form


def _units(content: bytes, form: Format, several: bool) -> list[str]:
    """The records of a request's or answer's body: its lines, or the one document that it is."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise BadRecord(f"it is not {form} in UTF-8: {error}") from None
    if not several:
        return [text]
    return [line.removesuffix("\r") for line in text.split("\n") if line.strip("\r")]


def _value(text: str, form: Format) -> Any:
    if form is Format.CSV:
        return _columns(text)
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise BadRecord(f"it is not JSON: {error}") from None


def _columns(text: str) -> list[str]:
    try:
        rows = list(csv.reader([text], strict=True))
    except csv.Error as error:
        raise BadRecord(f"it is not a row of CSV: {error}") from None
    return rows[0] if rows else []


def _text(value: Any, form: Format) -> str:
    if form is not Format.CSV:
        return _json(value)
    columns = value if isinstance(value, list) else [value]
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(columns)
    return out.getvalue()


def _json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except (ValueError, RecursionError) as error:
        raise BadRecord(f"it cannot be written as JSON: {error}") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
