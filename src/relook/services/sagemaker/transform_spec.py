"""A CreateTransformJob request as the job needs it, and what of it cannot be done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from relook.core.batch import BatchError
from relook.core.batch.batching import Strategy, Wishes, check_wishes
from relook.core.batch.names import Place
from relook.core.batch.paths import WHOLE, Path
from relook.core.batch.processing import KNOWN, Format, Processing, format_of
from relook.core.batch.splitting import Split

DEFAULT_TIMEOUT = 600
DEFAULT_RETRIES = 3
_STRATEGIES = {Strategy.MULTI_RECORD: "MULTI_RECORD", Strategy.SINGLE_RECORD: "SINGLE_RECORD"}


@dataclass(frozen=True, slots=True)
class Spec:
    """`timeout` in seconds, of one request; `retries` come after the first try."""

    source: Place
    manifest: bool
    gzip: bool
    split: Split
    content_type: str | None
    output: Place
    accept: str | None
    by_line: bool
    processing: Processing
    wishes: Wishes
    timeout: float
    retries: int
    environment: Mapping[str, str]

    @property
    def input_format(self) -> Format | None:
        return format_of(self.content_type)

    @classmethod
    def of(cls, request: Mapping[str, Any]) -> Spec:
        """BatchError names the member that cannot be used, and why."""
        given, output = request["TransformInput"], request["TransformOutput"]
        client = request.get("ModelClientConfig", {})
        spec = cls(
            source=_place(given["DataSource"]["S3DataSource"]["S3Uri"], "TransformInput.DataSource.S3DataSource.S3Uri"),
            manifest=given["DataSource"]["S3DataSource"]["S3DataType"] == "ManifestFile",
            gzip=given.get("CompressionType") == "Gzip",
            split=Split(given.get("SplitType", "None")),
            content_type=given.get("ContentType"),
            output=_place(output["S3OutputPath"], "TransformOutput.S3OutputPath"),
            accept=output.get("Accept"),
            by_line=output.get("AssembleWith") == "Line",
            processing=_processing(request.get("DataProcessing", {})),
            wishes=_wishes(request),
            timeout=client.get("InvocationsTimeoutInSeconds", DEFAULT_TIMEOUT),
            retries=client.get("InvocationsMaxRetries", DEFAULT_RETRIES),
            environment={**request.get("Environment", {}), **_batch_environment(request)},
        )
        spec._check()
        return spec

    def _check(self) -> None:
        check_wishes(self.wishes)
        if self.manifest and not self.source.prefix:
            raise BatchError(f"TransformInput.DataSource.S3DataSource.S3Uri: {self.source} names no manifest object")
        processing, form = self.processing, self.input_format
        for member, used in (
            ("InputFilter", not processing.input_filter.whole),
            ("JoinSource", processing.join),
        ):
            if used and form is None:
                raise BatchError(
                    f"DataProcessing.{member} needs TransformInput.ContentType to be one of {KNOWN}, "
                    f"not {self.content_type}"
                )
            if used and self.split not in (Split.NONE, Split.LINE):
                raise BatchError(f"DataProcessing.{member} needs SplitType None or Line, not {self.split}")
        if form is Format.CSV:
            _check_columns(processing.input_filter, "InputFilter")
            if processing.join:
                _check_columns(processing.output_filter, "OutputFilter")


def _place(uri: str, member: str) -> Place:
    try:
        return Place.parse(uri)
    except BatchError as error:
        raise BatchError(f"{member}: {error}") from None


def _wishes(request: Mapping[str, Any]) -> Wishes:
    strategy = request.get("BatchStrategy")
    return Wishes(
        concurrent=request.get("MaxConcurrentTransforms"),
        megabytes=request.get("MaxPayloadInMB"),
        strategy=Strategy(strategy) if strategy else None,
    )


def _processing(given: Mapping[str, Any]) -> Processing:
    return Processing(
        input_filter=_path(given, "InputFilter"),
        output_filter=_path(given, "OutputFilter"),
        join=given.get("JoinSource") == "Input",
    )


def _path(given: Mapping[str, Any], member: str) -> Path:
    if not given.get(member):
        return WHOLE
    try:
        return Path.parse(given[member])
    except BatchError as error:
        raise BatchError(f"DataProcessing.{member}: {error}") from None


def _check_columns(path: Path, member: str) -> None:
    if not path.of_columns:
        raise BatchError(f"DataProcessing.{member}: {path} names members, but a row of CSV has numbered columns only")


def _batch_environment(request: Mapping[str, Any]) -> dict[str, str]:
    """What tells the container that it serves a transform; of the limits, those that the job itself sets."""
    wishes = _wishes(request)
    found = {"SAGEMAKER_BATCH": "True"}
    if wishes.megabytes is not None:
        found["SAGEMAKER_MAX_PAYLOAD_IN_MB"] = str(wishes.megabytes)
    if wishes.strategy is not None:
        found["SAGEMAKER_BATCH_STRATEGY"] = _STRATEGIES[wishes.strategy]
    if wishes.concurrent is not None:
        found["SAGEMAKER_MAX_CONCURRENT_TRANSFORMS"] = str(wishes.concurrent)
    return found
