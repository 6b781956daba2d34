"""Why the sets of a training are refused, in sentences for its log: the StatusMessage stays the original's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from relook.core.custom_labels.errors import OVERLAP_PERCENT, ContentError
from relook.core.custom_labels.manifest import Dropped, Entry, Kind
from relook.core.custom_labels.usable import Outcome, TrainingLimits, UseCase
from relook.services.rekognition.look_alikes import look_alikes
from relook.vision.naming import listed

_MOST = 20
"""Labels that are named, those of the fewest images first."""
_TOO_FEW = (ContentError.TOO_FEW_LABELS, ContentError.TOO_FEW_USABLE_LABELS)
_OVERLAP = (ContentError.INSUFFICIENT_LABEL_OVERLAP, ContentError.INSUFFICIENT_USABLE_LABEL_OVERLAP)
_OF_LABELS = (
    *_TOO_FEW,
    *_OVERLAP,
    ContentError.TOO_MANY_LABELS,
    ContentError.INSUFFICIENT_IMAGES_FOR_AUTOSPLIT,
)
"""Labels may be too few, too many or too rare for what tells them apart."""
_TAUGHT = {Kind.IMAGE_LEVEL: "image-level labels", Kind.OBJECTS: "labels of boxes"}


def reasons(outcome: Outcome, limits: TrainingLimits) -> list[str]:
    """What the errors of the summary mean in these sets: buckets and lines, labels and their images."""
    summary = outcome.summary
    sets = (("training", outcome.training, summary.training), ("test", outcome.testing, summary.testing))
    found = [
        sentence
        for name, lines, told in sets
        for error in told.errors
        for sentence in _of_a_set(error, name, lines, told.use_case, limits)
    ]
    found += [_overlap(outcome, error) for error in summary.errors if error in _OVERLAP]
    if any(error in _OF_LABELS for error in (*summary.training.errors, *summary.testing.errors, *summary.errors)):
        found += look_alikes(_declared((*outcome.training, *outcome.testing)))
    return found


def _of_a_set(
    error: ContentError, name: str, lines: Sequence[Entry | Dropped], case: UseCase, limits: TrainingLimits
) -> Iterator[str]:
    """Nothing of errors that are told where they are found."""
    declared, usable = _declared(lines), _usable(lines, case)
    if error is ContentError.ROWS_EXCEEDS_MAXIMUM:
        yield f"The {name} set has more than {limits.rows:,} lines."
    elif error is ContentError.MULTIPLE_BUCKETS:
        yield _second_bucket(name, lines)
    elif error is ContentError.TOO_MANY_LABELS:
        yield f"The {name} set has {_counted(declared, 'label')}; at most {limits.labels} may be. {_by_label(declared)}"
    elif error is ContentError.INSUFFICIENT_IMAGES_FOR_AUTOSPLIT:
        yield (
            f"To be in both sets a label needs 2 images that are not the same file, and at least {OVERLAP_PERCENT}% of "
            f"the labels must be in both. {_by_label(usable)}"
        )
    elif error in _TOO_FEW:
        least = limits.least_image_level if case is UseCase.IMAGE_LEVEL_LABELS else limits.least_objects
        found, what = (declared, "label") if error is ContentError.TOO_FEW_LABELS else (usable, "usable label")
        yield f"The {name} set has {_counted(found, what)}; at least {least} must be. {_by_label(found)}"
        if idle := [label for label in declared if label not in found]:
            yield f"Labels of no usable line with {_TAUGHT[case.kind]}: {listed(sorted(idle), _MOST)}."


def _second_bucket(name: str, lines: Sequence[Entry | Dropped]) -> str:
    """The first line whose image is in another bucket than those before it."""
    entries = [(number, line) for number, line in enumerate(lines, start=1) if isinstance(line, Entry)]
    first = entries[0][1].image.bucket
    number, line = next((number, line) for number, line in entries if line.image.bucket != first)
    return f"Line {number} of the {name} set, {line.source_ref}: the images before it are in the bucket {first}."


def _overlap(outcome: Outcome, error: ContentError) -> str:
    case = outcome.summary.training.use_case
    if error is ContentError.INSUFFICIENT_LABEL_OVERLAP:
        what, train, test = "labels", _declared(outcome.training), _declared(outcome.testing)
    else:
        what, train, test = (
            f"usable {_TAUGHT[case.kind]}",
            _usable(outcome.training, case),
            _usable(outcome.testing, case),
        )
    missing = {label: count for label, count in train.items() if label not in test}
    there = len(train) - len(missing)
    return (
        f"Of the {len(train)} {what} of the training set {there} {'is' if there == 1 else 'are'} in the test set, too; "
        f"at least {OVERLAP_PERCENT}% must be. Missing there, with their training images: {_images(missing)}."
    )


def _declared(lines: Sequence[Entry | Dropped]) -> Counter[str]:
    return Counter(use.name for line in lines if isinstance(line, Entry) for use in line.uses)


def _usable(lines: Sequence[Entry | Dropped], case: UseCase) -> Counter[str]:
    return Counter(name for line in lines if isinstance(line, Entry) for name in line.taught(case.kind))


def _counted(labels: Mapping[str, int], what: str) -> str:
    return f"{len(labels)} {what}" + ("" if len(labels) == 1 else "s")


def _by_label(labels: Mapping[str, int]) -> str:
    return f"Images by label: {_images(labels)}." if labels else "No line has a label that can be used."


def _images(labels: Mapping[str, int]) -> str:
    fewest_first = sorted(labels.items(), key=lambda one: (one[1], one[0]))
    return listed([f"{name} {count}" for name, count in fewest_first], _MOST)
