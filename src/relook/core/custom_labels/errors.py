"""The errors of manifests, with the codes and texts that users of the original know, by where each may occur."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

OVERLAP_PERCENT = 50
"""So many percent of the training labels must be among the test labels."""


class FileError(StrEnum):
    """Terminal, of the file or the dataset as a whole. `message` is the StatusMessage of what failed."""

    INACCESSIBLE_OR_UNSUPPORTED_FORMAT = "ERROR_MANIFEST_INACCESSIBLE_OR_UNSUPPORTED_FORMAT"
    SIZE_TOO_LARGE = "ERROR_MANIFEST_SIZE_TOO_LARGE"
    ROWS_EXCEEDS_MAXIMUM = "ERROR_MANIFEST_ROWS_EXCEEDS_MAXIMUM"
    INVALID_PERMISSIONS = "ERROR_INVALID_PERMISSIONS_MANIFEST_S3_BUCKET"
    TOO_MANY_RECORDS_IN_ERROR = "ERROR_TOO_MANY_RECORDS_IN_ERROR"
    TOO_MANY_LABELS = "ERROR_MANIFEST_TOO_MANY_LABELS"
    MULTIPLE_BUCKETS = "ERROR_IMAGES_IN_MULTIPLE_S3_BUCKETS"
    INSUFFICIENT_IMAGES_FOR_DISTRIBUTE = "ERROR_INSUFFICIENT_IMAGES_PER_LABEL_FOR_DISTRIBUTE"
    EMPTY = "ERROR_MANIFEST_IS_EMPTY"
    CANNOT_WRITE_OUTPUT = "ERROR_CANNOT_WRITE_OUTPUT_S3_BUCKET"

    @property
    def message(self) -> str:
        return _FILE[self]


class ContentError(StrEnum):
    """Terminal, of a training's manifests: they stand in the manifest summary, the first one is the StatusMessage."""

    ROWS_EXCEEDS_MAXIMUM = "ERROR_MANIFEST_ROWS_EXCEEDS_MAXIMUM"
    TOO_MANY_INVALID_ROWS = "ERROR_TOO_MANY_INVALID_ROWS_IN_MANIFEST"
    MULTIPLE_BUCKETS = "ERROR_IMAGES_IN_MULTIPLE_S3_BUCKETS"
    INVALID_PERMISSIONS = "ERROR_INVALID_PERMISSIONS_IMAGES_S3_BUCKET"
    INVALID_BUCKET_OWNER = "ERROR_INVALID_IMAGES_S3_BUCKET_OWNER"
    INSUFFICIENT_IMAGES_FOR_AUTOSPLIT = "ERROR_INSUFFICIENT_IMAGES_PER_LABEL_FOR_AUTOSPLIT"
    TOO_FEW_LABELS = "ERROR_MANIFEST_TOO_FEW_LABELS"
    TOO_MANY_LABELS = "ERROR_MANIFEST_TOO_MANY_LABELS"
    INSUFFICIENT_LABEL_OVERLAP = "ERROR_INSUFFICIENT_LABEL_OVERLAP"
    TOO_FEW_USABLE_LABELS = "ERROR_MANIFEST_TOO_FEW_USABLE_LABELS"
    INSUFFICIENT_USABLE_LABEL_OVERLAP = "ERROR_INSUFFICIENT_USABLE_LABEL_OVERLAP"
    FAILED_IMAGES_COPY = "ERROR_FAILED_IMAGES_S3_COPY"

    @property
    def message(self) -> str:
        return _CONTENT[self]


class LineError(StrEnum):
    """Of one line, attribute or annotation: what it stands at is not trained on, the rest is."""

    MISSING_SOURCE_REF = "ERROR_MISSING_SOURCE_REF"
    INVALID_SOURCE_REF_FORMAT = "ERROR_INVALID_SOURCE_REF_FORMAT"
    NO_LABEL_ATTRIBUTES = "ERROR_NO_LABEL_ATTRIBUTES"
    INVALID_LABEL_ATTRIBUTE_FORMAT = "ERROR_INVALID_LABEL_ATTRIBUTE_FORMAT"
    INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT = "ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT"
    MISSING_BOUNDING_BOX_CONFIDENCE = "ERROR_MISSING_BOUNDING_BOX_CONFIDENCE"
    MISSING_CLASS_MAP_ID = "ERROR_MISSING_CLASS_MAP_ID"
    INVALID_JSON_LINE = "ERROR_INVALID_JSON_LINE"
    NO_VALID_LABEL_ATTRIBUTES = "ERROR_NO_VALID_LABEL_ATTRIBUTES"
    INVALID_IMAGE = "ERROR_INVALID_IMAGE"
    INVALID_IMAGE_DIMENSION = "ERROR_INVALID_IMAGE_DIMENSION"
    INVALID_BOUNDING_BOX = "ERROR_INVALID_BOUNDING_BOX"
    BOUNDING_BOX_TOO_SMALL = "ERROR_BOUNDING_BOX_TOO_SMALL"
    TOO_MANY_BOUNDING_BOXES = "ERROR_TOO_MANY_BOUNDING_BOXES"
    NO_VALID_ANNOTATIONS = "ERROR_NO_VALID_ANNOTATIONS"
    UNSUPPORTED_USE_CASE_TYPE = "ERROR_UNSUPPORTED_USE_CASE_TYPE"
    INVALID_LABEL_NAME_LENGTH = "ERROR_INVALID_LABEL_NAME_LENGTH"


class LineWarning(StrEnum):
    """A line with a warning is ignored: not trained on, and not counted as invalid.

    DUPLICATE_SOURCE_REF is our own, for a training's manifest that names an image twice: the first line counts.
    """

    UNANNOTATED_RECORD = "WARNING_UNANNOTATED_RECORD"
    NO_ANNOTATIONS = "WARNING_NO_ANNOTATIONS"
    NO_ATTRIBUTE_ANNOTATIONS = "WARNING_NO_ATTRIBUTE_ANNOTATIONS"
    DUPLICATE_SOURCE_REF = "WARNING_DUPLICATE_SOURCE_REF"


class Drop(StrEnum):
    """Why a dataset does not take a line: the terminal content errors of datasets. Own names, reported nowhere."""

    LINE_TOO_LONG = "line too long"
    INVALID_JSON = "invalid JSON"
    BLANK = "blank"
    MISSING_SOURCE_REF = "no source-ref"
    INVALID_SOURCE_REF = "invalid source-ref"
    DUPLICATE_SOURCE_REF = "source-ref used before"


class Place(StrEnum):
    """Where in a line a problem stands, and so what it spoils."""

    LINE = "line"
    ATTRIBUTE = "attribute"
    METADATA = "metadata"
    ANNOTATION = "annotation"


@dataclass(frozen=True, slots=True)
class Problem:
    """An error or a warning at a place. `attribute` is its label attribute, `annotation` the index of its box."""

    code: LineError | LineWarning
    place: Place
    attribute: str | None = None
    annotation: int | None = None

    @property
    def message(self) -> str:
        """The text; the attribute's name is in the two that have room for it."""
        return _LINE[self.code].format(self.attribute)

    def document(self) -> dict[str, str]:
        """As lines carry it: `{"code", "message"}`."""
        return {"code": str(self.code), "message": self.message}


_FILE: Mapping[FileError, str] = {
    FileError.INACCESSIBLE_OR_UNSUPPORTED_FORMAT: "The manifest file extension or contents are invalid.",
    FileError.SIZE_TOO_LARGE: "The manifest file size exceeds the maximum supported size.",
    FileError.ROWS_EXCEEDS_MAXIMUM: "The manifest file has too many rows.",
    FileError.INVALID_PERMISSIONS: "The S3 bucket permissions are incorrect.",
    FileError.TOO_MANY_RECORDS_IN_ERROR: "The manifest file has too many terminal errors.",
    FileError.TOO_MANY_LABELS: "The manifest file has too many labels.",
    FileError.MULTIPLE_BUCKETS: "The manifest file contains images from multiple S3 buckets.",
    FileError.INSUFFICIENT_IMAGES_FOR_DISTRIBUTE: (
        "The manifest file doesn't have enough labeled images to distribute the dataset."
    ),
    FileError.EMPTY: "The manifest file is empty.",
    FileError.CANNOT_WRITE_OUTPUT: "Unable to write to output S3 bucket.",
}

_CONTENT: Mapping[ContentError, str] = {
    ContentError.ROWS_EXCEEDS_MAXIMUM: "The manifest file has too many rows.",
    ContentError.TOO_MANY_INVALID_ROWS: "The manifest file contains too many invalid rows.",
    ContentError.MULTIPLE_BUCKETS: "The manifest file contains images from multiple S3 buckets.",
    ContentError.INVALID_PERMISSIONS: "The permissions for the images S3 bucket are invalid.",
    ContentError.INVALID_BUCKET_OWNER: "Invalid owner id for images S3 bucket.",
    ContentError.INSUFFICIENT_IMAGES_FOR_AUTOSPLIT: (
        "The manifest file contains insufficient labeled images per label to perform auto-split."
    ),
    ContentError.TOO_FEW_LABELS: "The manifest file has too few labels.",
    ContentError.TOO_MANY_LABELS: "The manifest file has too many labels.",
    ContentError.INSUFFICIENT_LABEL_OVERLAP: (
        f"Less than {OVERLAP_PERCENT}% label overlap between the training and testing manifest files."
    ),
    ContentError.TOO_FEW_USABLE_LABELS: "The manifest file has too few usable labels.",
    ContentError.INSUFFICIENT_USABLE_LABEL_OVERLAP: (
        f"Less than {OVERLAP_PERCENT}% usable label overlap between the training and testing manifest files."
    ),
    ContentError.FAILED_IMAGES_COPY: "Failed to copy images from S3 bucket.",
}

_LINE: Mapping[LineError | LineWarning, str] = {
    LineError.MISSING_SOURCE_REF: "The source-ref key is missing.",
    LineError.INVALID_SOURCE_REF_FORMAT: "The format of the source-ref value is invalid.",
    LineError.NO_LABEL_ATTRIBUTES: "No label attributes found.",
    LineError.INVALID_LABEL_ATTRIBUTE_FORMAT: "The format of the label attribute {} is invalid.",
    LineError.INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT: "The format of the label attribute metadata is invalid.",
    LineError.MISSING_BOUNDING_BOX_CONFIDENCE: "One or more bounding boxes has a missing confidence value.",
    LineError.MISSING_CLASS_MAP_ID: "One of more class ids is missing from the class map.",
    LineError.INVALID_JSON_LINE: "The JSON Line has an invalid format.",
    LineError.NO_VALID_LABEL_ATTRIBUTES: "No valid label attributes found.",
    LineError.INVALID_IMAGE: "The image is invalid. Check S3 path and/or image properties.",
    LineError.INVALID_IMAGE_DIMENSION: "The image dimension(s) do not conform to allowed dimensions.",
    LineError.INVALID_BOUNDING_BOX: "The bounding box has off frame values.",
    LineError.BOUNDING_BOX_TOO_SMALL: "The height and width of the bounding box is too small.",
    LineError.TOO_MANY_BOUNDING_BOXES: "There are more bounding boxes than the allowed maximum.",
    LineError.NO_VALID_ANNOTATIONS: "No valid annotations found.",
    LineError.UNSUPPORTED_USE_CASE_TYPE: (
        "The use case type of the {}-metadata label attribute metadata is unsupported. Check the type field."
    ),
    LineError.INVALID_LABEL_NAME_LENGTH: "The label name is too long. The maximum length is 256 characters.",
    LineWarning.UNANNOTATED_RECORD: "Record is unannotated.",
    LineWarning.NO_ANNOTATIONS: "No annotations were found.",
    LineWarning.NO_ATTRIBUTE_ANNOTATIONS: "No attribute annotations were found.",
    LineWarning.DUPLICATE_SOURCE_REF: "The source-ref is in an earlier line, which is used.",
}
