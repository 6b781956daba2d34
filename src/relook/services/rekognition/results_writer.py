"""The result files of a version in its output location."""

from __future__ import annotations

from collections.abc import Mapping

from relook.blobs.errors import BlobError, NoRoom
from relook.blobs.interface import Blobs
from relook.core.custom_labels.errors import FileError
from relook.core.custom_labels.results import (
    FILES,
    MANIFEST_SUMMARY,
    REPORT,
    SUMMARY,
    TESTING_TRUTH,
    TESTING_VALIDATION,
    TRAINING_TRUTH,
    TRAINING_VALIDATION,
    output_key,
)
from relook.jobs.api import JobContext, JobFailed
from relook.store.rekognition_versions import Files, Version

_FIELDS = {
    SUMMARY: "evaluation",
    MANIFEST_SUMMARY: "summary",
    TRAINING_TRUTH: "training_output",
    TRAINING_VALIDATION: "training_validation",
    TESTING_TRUTH: "testing_output",
    TESTING_VALIDATION: "testing_validation",
}


def check_output(blobs: Blobs, version: Version, context: JobContext) -> None:
    """JobFailed where nothing can be written to the output bucket, which the log names."""
    try:
        blobs.check_bucket(version.name.scope.account, version.output.bucket)
    except BlobError as error:
        raise _failure(error, context) from error


def write_results(blobs: Blobs, version: Version, contents: Mapping[str, bytes], context: JobContext) -> Files:
    """Put files by name; the same contents put the same again. Raises JobFailed, NoRoom."""
    try:
        for name, data in contents.items():
            key = _key(version, name)
            blobs.put(version.name.scope.account, version.output.bucket, key, data, "application/json")
    except NoRoom:
        raise
    except BlobError as error:
        raise _failure(error, context) from error
    return Files(**{_FIELDS[name]: _key(version, name) for name in FILES if name in contents})


def read_results(blobs: Blobs, version: Version) -> dict[str, bytes]:
    """The files that a version has left and that are still there."""
    found = {}
    for name in (*FILES, REPORT):
        key = _key(version, name) if name == REPORT else getattr(version.files, _FIELDS[name])
        if key is None:
            continue
        try:
            found[name] = blobs.read(version.name.scope.account, version.output.bucket, key)
        except BlobError:
            continue  # they are the user's, to delete as well
    return found


def _failure(error: BlobError, context: JobContext) -> JobFailed:
    context.log(f"The output cannot be written: {error}")
    return JobFailed(FileError.CANNOT_WRITE_OUTPUT.message)


def _key(version: Version, name: str) -> str:
    return output_key(version.output.prefix, name, version.name.project, version.name.version)
