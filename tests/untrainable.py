"""Sets of lines that no model can be trained on, one for each error of their content, wherever pictures can be put."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from label_pictures import RED, label_line, plain

SECOND, FOREIGN, MISSING = "second", "foreign", "nowhere"
"""Buckets: one beside that of the pictures, another account's, none."""

Lines = Sequence[Mapping[str, Any] | str]
Sets = tuple[Lines, Lines | None]
"""Those to train on and those to test on; None where the first are to be split."""


class Pictures(Protocol):
    """A bucket in which SECOND and FOREIGN are beside it where a set asks for them."""

    bucket: str

    def put(self, key: str, data: bytes, bucket: str = ...) -> str:
        """The source-ref of what is stored."""

    def labelled(self, each: int, *names: str) -> list[dict[str, Any]]:
        """Lines of pictures of one colour each, which is their label."""

    def boxed(self, images: int, name: str) -> list[dict[str, Any]]:
        """Lines of pictures with a box of this colour."""


def with_gone_images(pictures: Pictures, gone: int) -> Sets:
    """Beside eight good training images so many that are not there: three are more than a fifth."""
    absent = [label_line(f"s3://{pictures.bucket}/gone-{number}.png", "red") for number in range(gone)]
    return [*pictures.labelled(4, "red", "green"), *absent], pictures.labelled(2, "red", "green")


def of_two_buckets(pictures: Pictures) -> Sets:
    other = label_line(pictures.put("x.png", plain(RED, 1), SECOND), "red")
    return [*pictures.labelled(5, "red", "green"), other], None


def with_training_images_in(bucket: str, pictures: Pictures) -> Sets:
    """In FOREIGN or MISSING, which cannot be read."""
    lines = [label_line(f"s3://{bucket}/{number}.png", "red") for number in range(4)]
    return lines, pictures.labelled(3, "red", "green")


def of_too_many_labels(pictures: Pictures) -> Sets:
    """One more than the 250 that the original takes, on six images; 210 of them are tested."""
    lines = [
        label_line(line["source-ref"], *(f"label {number}" for number in range(at, 251, 6)))
        for at, line in enumerate(pictures.labelled(3, "red", "green"))
    ]
    return lines, lines[:5]


def too_few_to_split(pictures: Pictures) -> Sets:
    return pictures.labelled(1, "red", "green"), None


def of_one_label(pictures: Pictures) -> Sets:
    return pictures.labelled(5, "red"), pictures.labelled(2, "red")


def with_labels_that_are_not_tested(pictures: Pictures) -> Sets:
    of_red = zip(pictures.labelled(3, "red"), "abc", strict=True)
    return [label_line(line["source-ref"], name) for line, name in of_red], pictures.labelled(2, "red")


def of_one_usable_label(pictures: Pictures) -> Sets:
    gone = label_line(f"s3://{pictures.bucket}/gone.png", "green")
    return [*pictures.labelled(5, "red"), gone], pictures.labelled(2, "red", "green")


def with_unusable_test_images(pictures: Pictures) -> Sets:
    """Of three labels one is left that is tested."""
    torn = label_line(pictures.put("torn.png", plain(RED, 1)[:100]), "green")
    return pictures.labelled(3, "red", "green", "blue"), [*pictures.labelled(4, "red"), torn]


def of_both_kinds(pictures: Pictures) -> Sets:
    """Labels of whole images to train on, boxes to test on."""
    return pictures.labelled(3, "red", "green"), pictures.boxed(3, "red")


def errors_told(summary: Mapping[str, Any]) -> dict[str, list[dict[str, str]]]:
    """The terminal errors of a manifest summary by what they are of: "training", "testing" or "both"."""
    statistics = summary["statistics"]
    places = {name: statistics[name]["errors"] for name in ("training", "testing")} | {"both": summary["errors"]}
    return {place: errors for place, errors in places.items() if errors}
